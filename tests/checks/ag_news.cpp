#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/apps/baselines/tf_idf.hpp>
#include <weft/core/error.hpp>
#include <weft/data/ag_news.hpp>
#include <weft/tests/oracle/format_error.hpp>
#include <weft/tests/oracle/gzipped.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>

using namespace weft;
using oracle::format_error;
using oracle::ScratchFolder;

namespace {

using Ids = std::vector<std::int32_t>;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Text i of a set, back in words, and its label.
std::string spelled(const TextData& data, const TextSet& set, std::int64_t i) {
  std::string text = std::to_string(set.labels[static_cast<std::size_t>(i)]) + ":";
  for (const std::int32_t id : set.text(i)) text += " " + data.vocabulary.word(id);
  return text;
}

const std::string kTrain =
    "\"3\",\"Wall St.\",\"Reuters - wall\\band, \"\"of\"\" wall\"\n\"1\",\"Band\",\"St\"\n2,a,\"two\nlines wall\"\n4,Sci,of\n";

std::string load_error(const ScratchFolder& folder, const std::string& train, const std::string& test = "1,band\n") {
  folder.write("train.csv", train);
  folder.write("test.csv", test);
  return format_error([&] { load_ag_news(folder.path()); });
}

}  // namespace

TEST_CASE("rows of three columns and of two are one text each; rare words are <unk>") {
  const ScratchFolder folder;
  CHECK(missing_ag_news_files(folder.path()).size() == 2);
  folder.write("train.csv.gz", oracle::gzipped(kTrain));
  folder.write("test.csv", "\"4\",\"Zebra: of the BAND\"\r\n1,\n");
  CHECK(missing_ag_news_files(folder.path()).empty());
  const TextData data = load_ag_news(folder.path());
  CHECK(data.name == "AG News");
  CHECK(data.source == folder.path());
  CHECK(data.classes == std::vector<std::string>{"World", "Sports", "Business", "Sci/Tech"});
  CHECK(data.vocabulary.words() == std::vector<std::string>{"<pad>", "<unk>", "wall", "band", "of", "st"});
  REQUIRE(data.train.size() == 4);
  CHECK(data.train.classes == 4);
  CHECK(spelled(data, data.train, 0) == "2: wall st <unk> wall band of wall");
  CHECK(spelled(data, data.train, 1) == "0: band st");
  CHECK(spelled(data, data.train, 2) == "1: <unk> <unk> <unk> wall");
  CHECK(spelled(data, data.test, 0) == "3: <unk> of <unk> band");
  CHECK(spelled(data, data.test, 1) == "0:");
}

TEST_CASE("texts as characters") {
  const ScratchFolder folder;
  folder.write("train.csv", "1,Ab b\n2,a a\n3,b\n4,c\xc3\xa9\xc3\xa9\n");
  folder.write("test.csv", "1,A\\c\xc3\xa9\n");
  const TextData data = load_ag_news(folder.path(), {.tokenizer = Tokenizer::characters});
  CHECK(data.vocabulary.words() == std::vector<std::string>{"<pad>", "<unk>", "a", "b", " ", "\xc3\xa9"});
  CHECK(spelled(data, data.train, 0) == "0: a b   b");
  CHECK(spelled(data, data.test, 0) == "0: a   <unk> \xc3\xa9");
}

TEST_CASE("texts and classes of one's own: names, a header, several files") {
  const ScratchFolder folder;
  folder.write("mine/classes.txt", "ham\nspam\n");
  folder.write("mine/train.csv", "label,text\nspam,buy buy\nham,hello hello\n");
  folder.write("mine/more.csv", "1,hello there\n");
  folder.write("mine/test.csv", "Class Index,Title,Description\n2,buy,hello\n");
  const TextData data = load_ag_news(folder / "mine", {.train = {"train.csv", "more.csv"}});
  CHECK(data.name == "mine");
  CHECK(data.classes == std::vector<std::string>{"ham", "spam"});
  CHECK(data.train.labels == Ids{1, 0, 0});
  CHECK(data.test.labels == Ids{1});
  CHECK(data.vocabulary.words() == std::vector<std::string>{"<pad>", "<unk>", "hello", "buy"});
  CHECK(spelled(data, data.train, 2) == "0: hello <unk>");
}

TEST_CASE("bad rows are refused, naming file and line") {
  const ScratchFolder folder;
  CHECK(load_error(folder, kTrain).empty());
  const std::string path = folder / "train.csv";
  const auto check = [&](const std::string& bytes, const std::string& must_name) {
    const std::string message = load_error(folder, bytes);
    CAPTURE(message);
    CHECK(has(message, path));
    CHECK(has(message, must_name));
  };
  check("1,a\n5,b\n", "'5' is no class");
  check("1,a\n5,b\n", "line 2");
  check("0,a\n", "'0' is no class");
  check("-1,a\n", "'-1' is no class");
  check("1 ,a\n", "'1 ' is no class");
  check("World News,a\n", "'World News' is no class");
  check("1,a\n2,b\nlabel,c\n", "'label' is no class");
  check("1\n", "1 column");
  check("1,a,b,c\n", "4 columns");
  check("1,a,b\n2,a\n", "line 2");
  check("", "the file holds no text");
  check("label,text\n", "the file holds no text");
  check("1,a\xff\n", "UTF-8");
  check("1,\"a\n", "line 1");
  check(std::string("1,a\0b\n", 6), "NUL");
  CHECK(has(load_error(folder, kTrain, "9,a\n"), folder / "test.csv"));
  CHECK(has(load_error(folder, "1,a\n2,b\n4,c\n"), "no training text is of class 3, 'Business'"));
  folder.write("classes.txt", "a\nb\na\n");
  CHECK(has(load_error(folder, kTrain), "line 3: the class 'a'"));
  folder.write("classes.txt", "");
  CHECK(has(load_error(folder, kTrain), "names no class"));
  std::filesystem::remove(folder / "test.csv");
  std::filesystem::remove(folder / "classes.txt");
  CHECK(has(format_error([&] { load_ag_news(folder.path()); }), "the folder lacks test.csv[.gz]"));
}

TEST_CASE("a vocabulary beyond the limit is refused") {
  const ScratchFolder folder;
  std::string text;
  for (std::size_t i = 0; i < Vocabulary::kMostWords; ++i) text += "w" + std::to_string(i) + " ";
  const std::string twice = "\"1\",\"" + text + "\"\n" + "2," + text + "\n3,a\n4,a\n";
  CHECK(has(load_error(folder, twice), "the vocabulary has 131075 words, the limit is 131072"));
}

TEST_CASE("mutated files raise FormatError or nothing") {
  const ScratchFolder folder;
  int refused = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) CHECK_NOTHROW(refused += load_error(folder, oracle::mutated(kTrain, i)).empty() ? 0 : 1);
  CHECK(refused > 200);
}

TEST_CASE("the real set, and its baseline") {
  const char* root = std::getenv("WEFT_DATA");
  if (root == nullptr) return;
  const std::string folder = (std::filesystem::path(root) / "ag_news").string();
  if (!missing_ag_news_files(folder).empty()) return;
  const TextData data = load_ag_news(folder);
  REQUIRE(data.test.size() == 7600);
  for (std::int32_t label = 0; label < 4; ++label) CHECK(std::count(data.test.labels.begin(), data.test.labels.end(), label) == 1900);
  if (data.train.size() != 60328) return;
  CHECK(std::count(data.train.labels.begin(), data.train.labels.end(), 0) == 15241);
  CHECK(std::count(data.train.labels.begin(), data.train.labels.end(), 1) == 14760);
  CHECK(tf_idf_accuracy(data) == doctest::Approx(0.9145).epsilon(0.002));
}
