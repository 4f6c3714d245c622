#include <weft/data/tokens.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>
#include <string_view>
#include <system_error>
#include <utility>

#include <weft/core/error.hpp>
#include <weft/core/files/gzip_file.hpp>
#include <weft/core/text.hpp>
#include <weft/data/text_lines.hpp>

namespace weft {

namespace {

constexpr std::int64_t kMostTokens = std::int64_t{1} << 27;  // 0.5 GB of ids; WikiText-103 has 103 million
constexpr std::int64_t kFewestLines = 10;                    // of a file that is split

/// Lines [first, end) of a file.
struct Part {
  std::string path;
  std::int64_t first = 0, end = std::numeric_limits<std::int64_t>::max();
};

/// Train, valid, test.
using Parts = std::array<Part, 3>;

/// The words of a line, one by one.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(line) {}
  bool next(std::string_view& word) {
    constexpr std::string_view kWhite = " \t\r\v\f";
    rest_.remove_prefix(std::min(rest_.find_first_not_of(kWhite), rest_.size()));
    word = rest_.substr(0, rest_.find_first_of(kWhite));
    rest_.remove_prefix(word.size());
    return !word.empty();
  }

 private:
  std::string_view rest_;
};

/// Gives each word of a part, and <eos> behind each line, to visit(word, lines); gives the number of both.
template <class Visit>
std::int64_t for_each_token(const Part& part, Visit visit) {
  TextLines lines("tokens", part.path);
  std::int64_t words = 0, ends = 0;
  for (std::string_view line, word; lines.number() < part.end && lines.next(line);) {
    if (lines.number() <= part.first) continue;
    for (Words in_line(line); in_line.next(word); ++words) visit(word, lines);
    visit(kEndOfLine, lines);
    ++ends;
    if (words + ends > kMostTokens) lines.refuse(cat("the text has more than ", kMostTokens, " tokens"), "cut it into smaller ones");
  }
  if (words == 0)
    throw FormatError(
        {.op = "tokens", .path = part.path, .what = "the text holds no word", .hint = "every part needs at least one line of words"});
  return words + ends;
}

std::vector<std::int32_t> ids_of(const Part& part, const Vocabulary& vocabulary, std::int64_t tokens) {
  std::vector<std::int32_t> ids;
  ids.reserve(static_cast<std::size_t>(tokens));
  for_each_token(part, [&](std::string_view word, const TextLines& lines) {
    ids.push_back(vocabulary.id(word));
    if (ids.back() < 0)
      lines.refuse(cat("'", word, "' is not in the training text, which has no ", kUnknownWord, " to stand for it"),
                   cat("write ", kUnknownWord, " for rare words of the training text, or leave them out of the vocabulary"));
  });
  return ids;
}

TokenData load(std::string name, const std::string& source, const Parts& parts, const VocabularyOptions& options) {
  TokenData data{.name = std::move(name), .source = source, .vocabulary = {}, .train = {}, .valid = {}, .test = {}};
  WordCounts counts(parts[0].path);
  const std::int64_t tokens = for_each_token(parts[0], [&](std::string_view word, const TextLines&) { counts.add(word); });
  data.vocabulary = vocabulary_of(counts, options);
  data.train = ids_of(parts[0], data.vocabulary, tokens);
  data.valid = ids_of(parts[1], data.vocabulary, 0);
  data.test = ids_of(parts[2], data.vocabulary, 0);
  return data;
}

std::vector<std::string> own_files() { return {"train.txt", "valid.txt", "test.txt"}; }

std::vector<std::string> missing(const std::string& folder, const std::vector<std::string>& names) {
  std::vector<std::string> lacking;
  for (const std::string& name : names)
    if (gzip_or_plain(folder, name).empty()) lacking.push_back(cat(name, "[.gz]"));
  return lacking;
}

Parts parts_in(const std::string& folder, const std::vector<std::string>& names) {
  const std::vector<std::string> lacking = missing(folder, names);
  if (!lacking.empty()) throw FormatError({.op = "tokens", .path = folder, .what = cat("the folder lacks ", joined(lacking))});
  Parts parts;
  for (std::size_t i = 0; i < parts.size(); ++i) parts[i].path = gzip_or_plain(folder, names[i]);
  return parts;
}

Parts split_by_lines(const std::string& path) {
  TextLines lines("tokens", path);
  for (std::string_view line; lines.next(line);) {
  }
  const std::int64_t count = lines.number();
  if (count < kFewestLines)
    throw FormatError({.op = "tokens",
                       .path = path,
                       .what = cat("the text has ", count, " lines; to be split into train, valid and test it needs ", kFewestLines),
                       .hint = "or name a folder with train.txt, valid.txt and test.txt"});
  const std::int64_t train = count * 8 / 10, valid = count * 9 / 10;
  return {{{path, 0, train}, {path, train, valid}, {path, valid, count}}};
}

}  // namespace

const char* name_of(TokenSet set) { return set == TokenSet::ptb ? "Penn Treebank" : "WikiText-2"; }

std::vector<std::string> token_files(TokenSet set) {
  if (set == TokenSet::ptb) return {"ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"};
  return {"wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens"};
}

std::vector<std::string> missing_token_files(const std::string& folder, TokenSet set) { return missing(folder, token_files(set)); }

TokenData load_tokens(const std::string& folder, TokenSet set) {
  return load(name_of(set), folder, parts_in(folder, token_files(set)), {});
}

bool is_own_text(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored) || missing(path, own_files()).empty();
}

TokenData load_own_text(const std::string& path, std::int64_t least) {
  std::error_code ignored;
  const Parts parts = std::filesystem::is_directory(path, ignored) ? parts_in(path, own_files()) : split_by_lines(path);
  const std::filesystem::path whole = std::filesystem::absolute(path).lexically_normal();
  VocabularyOptions options{.least = least};
  if (least > 1) options.first = {kUnknownWord};
  return load((whole.has_filename() ? whole : whole.parent_path()).filename().string(), path, parts, options);
}

}  // namespace weft
