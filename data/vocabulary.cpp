#include <weft/data/vocabulary.hpp>

#include <algorithm>
#include <utility>

#include <weft/core/error.hpp>
#include <weft/core/files/atomic_file.hpp>
#include <weft/core/text.hpp>
#include <weft/data/text_lines.hpp>

namespace weft {

void WordCounts::add(std::string_view word) {
  const auto found = counts_.find(word);
  if (found != counts_.end()) {
    ++found->second;
    return;
  }
  const auto refuse = [&](const std::string& what) {
    throw FormatError({.op = "vocabulary", .path = source_, .what = what, .hint = "is this a text with white space between its words?"});
  };
  if (word.size() > kLongest) refuse(cat("a word has ", word.size(), " bytes, the most is ", kLongest, ": '", word.substr(0, 32), "...'"));
  if (counts_.size() == kMostWords) refuse(cat("the text has more than ", kMostWords, " different words"));
  letters_ += word.size();
  if (letters_ > kMostLetters) refuse(cat("the different words of the text have more than ", kMostLetters, " bytes"));
  counts_.emplace(word, 1);
}

Vocabulary::Vocabulary(std::vector<std::string> words) : words_(std::move(words)) {
  if (words_.size() > kMostWords)
    throw UsageError({.op = "vocabulary", .what = cat(words_.size(), " words are given, the most is ", kMostWords)});
  ids_.reserve(words_.size());
  for (std::size_t i = 0; i < words_.size(); ++i) {
    if (words_[i].empty() || words_[i].find_first_of("\r\n") != std::string::npos)
      throw UsageError({.op = "vocabulary", .what = cat("word ", i, " is empty or has a line break")});
    if (!ids_.emplace(words_[i], static_cast<std::int32_t>(i)).second)
      throw UsageError({.op = "vocabulary", .what = cat("word ", i, ", '", words_[i], "', is there twice")});
  }
  const auto unknown = ids_.find(kUnknownWord);
  if (unknown != ids_.end()) unknown_ = unknown->second;
}

std::int32_t Vocabulary::id(std::string_view word) const {
  const auto found = ids_.find(word);
  return found == ids_.end() ? unknown_ : found->second;
}

const std::string& Vocabulary::word(std::int32_t id) const {
  if (id < 0 || id >= size()) throw UsageError({.op = "vocabulary", .what = cat("id ", id, " is outside [0, ", size(), ")")});
  return words_[static_cast<std::size_t>(id)];
}

void Vocabulary::save(const std::string& path) const {
  AtomicFile file(path);
  std::string text;
  for (const std::string& word : words_) text += word + "\n";
  file.write(text.data(), text.size());
  file.commit();
}

Vocabulary Vocabulary::load(const std::string& path) {
  const std::string hint = "the file must be as a run wrote it: one word a line, in the order of their ids";
  TextLines lines("vocabulary", path);
  WordMap<std::int64_t> seen;
  std::vector<std::string> words;
  for (std::string_view line; lines.next(line);) {
    if (words.size() == kMostWords) lines.refuse(cat("more than ", kMostWords, " words"), hint);
    if (line.empty()) lines.refuse("the word is empty", hint);
    if (line.size() > WordCounts::kLongest) lines.refuse(cat("a word of ", line.size(), " bytes"), hint);
    if (line.find('\r') != std::string_view::npos) lines.refuse("a carriage return is in the word", hint);
    const auto [first, is_new] = seen.emplace(line, lines.number());
    if (!is_new) lines.refuse(cat("'", line, "' is the word of line ", first->second, " already"), hint);
    words.emplace_back(line);
  }
  if (words.empty()) throw FormatError({.op = "vocabulary", .path = path, .what = "the file is empty", .hint = hint});
  return Vocabulary(std::move(words));
}

Vocabulary vocabulary_of(const WordCounts& text, const VocabularyOptions& options) {
  std::vector<std::pair<std::int64_t, std::string_view>> kept;
  for (const auto& [word, count] : text.counts())
    if (count >= options.least && std::find(options.first.begin(), options.first.end(), word) == options.first.end())
      kept.emplace_back(-count, word);
  const std::size_t size = options.first.size() + kept.size();
  if (size > std::min(options.most, Vocabulary::kMostWords))
    throw FormatError({.op = "vocabulary",
                       .path = text.source(),
                       .what = cat("the vocabulary has ", size, " words, the limit is ", std::min(options.most, Vocabulary::kMostWords)),
                       .detail = cat("its words occur at least ", options.least, options.least == 1 ? " time" : " times", " in the text"),
                       .hint = "leave out rarer words, or replace them in the text by <unk>"});
  std::sort(kept.begin(), kept.end());
  std::vector<std::string> words = options.first;
  for (const auto& [count, word] : kept) words.emplace_back(word);
  return Vocabulary(std::move(words));
}

}  // namespace weft
