#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <weft/data/text_set.hpp>
#include <weft/data/tokenizer.hpp>
#include <weft/data/vocabulary.hpp>

namespace weft {

/// How labelled texts are read.
struct AgNewsOptions {
  Tokenizer tokenizer = Tokenizer::words;
  std::int64_t least = 2;                          ///< tokens that occur less often in the training texts become <unk>
  std::vector<std::string> train = {"train.csv"};  ///< the files of training texts, read one behind the other
};

/// The files that `folder` lacks of train.csv and test.csv, each as .gz and plain. Empty: the set can be loaded.
std::vector<std::string> missing_ag_news_files(const std::string& folder);

/// Reads AG News (arXiv 1509.01626) or texts of the user's own in its form: CSV files, .gz (preferred) or plain, of rows of a class and a
/// text, or of a class, a title and a description, which are read as one text with a space between them. A first row that begins with
/// "class", "class index" or "label" is a header. classes.txt, one name a line, says which classes there are; without it they are AG News'
/// four. A class is written as its name or as its number from 1. The vocabulary has <pad> 0 and <unk> 1, then the tokens of the training
/// texts. Cost: 4 bytes a token and 12 a text, and the vocabulary; a malformed file costs no more. Throws FormatError, naming file and
/// line, as Csv and vocabulary_of, if a file is missing or empty, a row has other columns or a class that is none, a class has no training
/// text, or if there are more than 2^24 texts or 2^27 tokens.
TextData load_ag_news(const std::string& folder, const AgNewsOptions& options = {});

}  // namespace weft
