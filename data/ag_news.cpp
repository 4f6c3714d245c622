#include <weft/data/ag_news.hpp>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <utility>

#include <weft/core/error.hpp>
#include <weft/core/files/gzip_file.hpp>
#include <weft/core/text.hpp>
#include <weft/data/csv.hpp>
#include <weft/data/text_lines.hpp>

namespace weft {

namespace {

constexpr std::int64_t kMostTexts = std::int64_t{1} << 24;
constexpr std::int64_t kMostTokens = std::int64_t{1} << 27;
constexpr std::size_t kMostClasses = 1 << 10;
constexpr char kClassesFile[] = "classes.txt";
std::vector<std::string> ag_news_classes() { return {"World", "Sports", "Business", "Sci/Tech"}; }

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

bool begins_header(const std::string& field) {
  const std::string name = lower(field);
  return name == "class" || name == "class index" || name == "label";
}

/// The names of the classes, by label.
std::vector<std::string> read_classes(const std::string& folder) {
  const std::string path = gzip_or_plain(folder, kClassesFile);
  if (path.empty()) return ag_news_classes();
  TextLines lines("ag_news", path);
  std::vector<std::string> classes;
  for (std::string_view line; lines.next(line);) {
    if (line.empty() || std::find(classes.begin(), classes.end(), line) != classes.end())
      lines.refuse(cat("the class '", line, "' is empty or named twice"), "write each class's name once, one a line");
    if (classes.size() == kMostClasses) lines.refuse(cat("more than ", kMostClasses, " classes"), "name fewer");
    classes.emplace_back(line);
  }
  if (classes.empty()) throw FormatError({.op = "ag_news", .path = path, .what = "the file names no class"});
  return classes;
}

/// The label of a class that is written as its name or its number from 1; -1 for any other.
std::int32_t label_of(const std::string& field, const std::vector<std::string>& classes) {
  const auto named = std::find(classes.begin(), classes.end(), field);
  if (named != classes.end()) return static_cast<std::int32_t>(named - classes.begin());
  std::size_t number = 0;
  const auto [end, failure] = std::from_chars(field.data(), field.data() + field.size(), number);
  const bool is_one = failure == std::errc{} && end == field.data() + field.size() && number >= 1 && number <= classes.size();
  return is_one ? static_cast<std::int32_t>(number) - 1 : -1;
}

/// Gives the tokens and the label of each text of a file to visit(tokens, label); gives the number of texts.
template <class Visit>
std::int64_t for_each_text(const std::string& path, const std::vector<std::string>& classes, Tokenizer tokenizer, Visit visit) {
  Csv csv("ag_news", path);
  std::int64_t texts = 0, tokens = 0;
  bool is_first = true;
  for (std::vector<std::string> row; csv.next(row); is_first = false) {
    if (is_first && begins_header(row[0])) continue;
    if (row.size() != 2 && row.size() != 3)
      csv.refuse(cat("the row has ", row.size(), row.size() == 1 ? " column" : " columns"),
                 "write a class and a text, or a class, a title and a description");
    const std::int32_t label = label_of(row[0], classes);
    if (label < 0)
      csv.refuse(cat("'", row[0].substr(0, 40), "' is no class"),
                 cat("write a number from 1 to ", classes.size(), " or one of ", joined(classes)));
    const std::vector<std::string> text = tokens_of(row.size() == 2 ? row[1] : cat(row[1], " ", row[2]), tokenizer);
    tokens += static_cast<std::int64_t>(text.size());
    if (++texts > kMostTexts || tokens > kMostTokens)
      csv.refuse(cat("more than ", kMostTexts, " texts or ", kMostTokens, " tokens"), "read a part of them");
    visit(text, label);
  }
  if (texts == 0) throw FormatError({.op = "ag_news", .path = path, .what = "the file holds no text"});
  return texts;
}

void append(TextSet& set, const std::string& path, const TextData& data, Tokenizer tokenizer) {
  std::vector<std::int32_t> ids;
  for_each_text(path, data.classes, tokenizer, [&](const std::vector<std::string>& text, std::int32_t label) {
    ids.clear();
    for (const std::string& token : text) ids.push_back(data.vocabulary.id(token));
    set.add(ids, label);
  });
}

void check_classes(const TextData& data) {
  for (std::int32_t label = 0; label < data.train.classes; ++label)
    if (std::find(data.train.labels.begin(), data.train.labels.end(), label) == data.train.labels.end())
      throw FormatError({.op = "ag_news",
                         .path = data.source,
                         .what = cat("no training text is of class ", label + 1, ", '", data.classes[static_cast<std::size_t>(label)], "'"),
                         .hint = cat("name the classes that there are in ", kClassesFile)});
}

std::string found(const std::string& folder, const std::string& name) {
  const std::string path = gzip_or_plain(folder, name);
  if (path.empty()) throw FormatError({.op = "ag_news", .path = folder, .what = cat("the folder lacks ", name, "[.gz]")});
  return path;
}

}  // namespace

std::vector<std::string> missing_ag_news_files(const std::string& folder) {
  std::vector<std::string> missing;
  for (const char* name : {"train.csv", "test.csv"})
    if (gzip_or_plain(folder, name).empty()) missing.push_back(cat(name, "[.gz]"));
  return missing;
}

TextData load_ag_news(const std::string& folder, const AgNewsOptions& options) {
  TextData data{.name = {}, .source = folder, .vocabulary = {}, .classes = read_classes(folder), .train = {}, .test = {}};
  const std::filesystem::path whole = std::filesystem::absolute(folder).lexically_normal();
  const bool official = data.classes == ag_news_classes();
  data.name = official ? "AG News" : (whole.has_filename() ? whole : whole.parent_path()).filename().string();
  data.train.classes = data.test.classes = static_cast<int>(data.classes.size());
  WordCounts counts(folder);
  for (const std::string& name : options.train)
    for_each_text(found(folder, name), data.classes, options.tokenizer, [&](const std::vector<std::string>& text, std::int32_t) {
      for (const std::string& token : text) counts.add(token);
    });
  data.vocabulary = vocabulary_of(counts, {.first = {kPaddingWord, kUnknownWord}, .least = options.least});
  for (const std::string& name : options.train) append(data.train, found(folder, name), data, options.tokenizer);
  append(data.test, found(folder, "test.csv"), data, options.tokenizer);
  check_classes(data);
  return data;
}

}  // namespace weft
