#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace weft {

inline constexpr char kUnknownWord[] = "<unk>";  ///< stands for every word that a vocabulary lacks
inline constexpr char kEndOfLine[] = "<eos>";    ///< follows the last word of each line
inline constexpr char kPaddingWord[] = "<pad>";  ///< fills a text up to the steps of the longest beside it

struct WordHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view word) const { return std::hash<std::string_view>{}(word); }
};

/// A number for each of many words, found without a copy of the word.
template <class Number>
using WordMap = std::unordered_map<std::string, Number, WordHash, std::equal_to<>>;

/// How often each word of a text occurs.
class WordCounts {
 public:
  static constexpr std::size_t kMostWords = 1 << 21;    ///< that differ
  static constexpr std::size_t kMostLetters = 1 << 26;  ///< bytes of the words that differ
  static constexpr std::size_t kLongest = 1 << 10;      ///< bytes of a word

  /// `source` names the text in error texts.
  explicit WordCounts(std::string source) : source_(std::move(source)) {}

  /// Throws FormatError for a word that is too long or one too many.
  void add(std::string_view word);
  const WordMap<std::int64_t>& counts() const { return counts_; }
  const std::string& source() const { return source_; }

 private:
  std::string source_;
  WordMap<std::int64_t> counts_;
  std::size_t letters_ = 0;
};

/// Words and their ids 0, 1, …. Immutable.
class Vocabulary {
 public:
  static constexpr std::size_t kMostWords = 1 << 17;

  Vocabulary() = default;
  /// The words in the order of their ids. Throws UsageError if one is empty, has a line break or is there twice, or if there are more
  /// than kMostWords.
  explicit Vocabulary(std::vector<std::string> words);

  std::int32_t size() const { return static_cast<std::int32_t>(words_.size()); }
  /// The id of a word, or of <unk> if it is none of these; -1 if there is no <unk> either.
  std::int32_t id(std::string_view word) const;
  bool contains(std::string_view word) const { return ids_.find(word) != ids_.end(); }
  /// Throws UsageError unless 0 <= id < size().
  const std::string& word(std::int32_t id) const;
  const std::vector<std::string>& words() const { return words_; }
  bool operator==(const Vocabulary& other) const { return words_ == other.words_; }

  /// Writes the words in the order of their ids, one a line. Throws FormatError if the disk refuses.
  void save(const std::string& path) const;
  /// Reads what save wrote. Throws FormatError, naming the line, for what is no text, an empty line, a word that is there twice, and more
  /// than kMostWords words or none.
  static Vocabulary load(const std::string& path);

 private:
  std::vector<std::string> words_;
  WordMap<std::int32_t> ids_;
  std::int32_t unknown_ = -1;
};

/// Which words of a text become a vocabulary.
struct VocabularyOptions {
  std::vector<std::string> first{};           ///< words that get the ids 0, 1, …, whether the text has them or not
  std::int64_t least = 1;                     ///< what occurs less often is left out
  std::size_t most = Vocabulary::kMostWords;  ///< of words, `first` among them
};

/// The words of a text: `first`, then the others, the most frequent first and equally frequent ones in the order of their bytes.
/// Throws FormatError if there are more than `most`: none is left out for lack of room, since results would change without a word.
Vocabulary vocabulary_of(const WordCounts& text, const VocabularyOptions& options = {});

}  // namespace weft
