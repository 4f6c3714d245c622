#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <weft/data/vocabulary.hpp>

namespace weft {

/// Texts for word language modelling, as ids of their words in order with <eos> behind each line, empty lines too.
struct TokenData {
  std::string name;    ///< "WikiText-2", "Penn Treebank", or the folder's or file's name for any other text
  std::string source;  ///< where it was found, in one line
  Vocabulary vocabulary;
  std::vector<std::int32_t> train, valid, test;
};

/// The texts of arXiv 1609.07843 and of T. Mikolov's form of the Penn Treebank.
enum class TokenSet {
  wikitext2,  ///< wiki.train.tokens, wiki.valid.tokens, wiki.test.tokens
  ptb         ///< ptb.train.txt, ptb.valid.txt, ptb.test.txt
};

/// "WikiText-2" or "Penn Treebank".
const char* name_of(TokenSet set);

/// The names of a set's files: train, valid, test.
std::vector<std::string> token_files(TokenSet set);

/// The files of a set that `folder` lacks, each as .gz and plain. Empty: the set can be loaded.
std::vector<std::string> missing_token_files(const std::string& folder, TokenSet set);

/// Reads a set from a folder, each file .gz (preferred) or plain. Words are what white space parts; the vocabulary is all words of train,
/// and a word of valid or test that is none of them becomes <unk>.
/// Cost: 4 bytes a token, and the vocabulary; a malformed file costs no more.
/// Throws FormatError, naming file and line, as TextLines and vocabulary_of, if a file is missing, holds no word or more than 2^27 tokens,
/// or if a word is unknown and train has no <unk>.
TokenData load_tokens(const std::string& folder, TokenSet set);

/// Whether `path` is a text of the user's own: a file, or a folder with train.txt, valid.txt and test.txt, each .gz or plain.
bool is_own_text(const std::string& path);

/// Reads such a text as load_tokens does, but for words that occur less than `least` times in train: they become <unk>. A file serves by
/// the position of its lines: the first eight tenths are train, then a tenth valid, then the rest test. Throws as load_tokens, and
/// FormatError if a file has less than ten lines.
TokenData load_own_text(const std::string& path, std::int64_t least = 2);

}  // namespace weft
