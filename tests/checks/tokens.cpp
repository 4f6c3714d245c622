#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/core/error.hpp>
#include <weft/data/tokens.hpp>
#include <weft/tests/oracle/format_error.hpp>
#include <weft/tests/oracle/gzipped.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>

using namespace weft;
using oracle::format_error;
using oracle::ScratchFolder;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Ids back to words.
std::string spelled(const TokenData& data, const std::vector<std::int32_t>& ids) {
  std::string text;
  for (const std::int32_t id : ids) text += (text.empty() ? "" : " ") + data.vocabulary.word(id);
  return text;
}

void write_ptb(const ScratchFolder& folder, const std::string& train, const std::string& valid, const std::string& test) {
  folder.write("ptb.train.txt", train);
  folder.write("ptb.valid.txt", valid);
  folder.write("ptb.test.txt", test);
}

std::string ptb_error(const ScratchFolder& folder) {
  return format_error([&] { load_tokens(folder.path(), TokenSet::ptb); });
}

}  // namespace

TEST_CASE("each line ends in <eos>, the empty one too; words of valid and test that train lacks are <unk>") {
  const ScratchFolder folder;
  write_ptb(folder, " the <unk> sat \n\n the  cat\tsat\r\n", "the dog\n", "sat cat zebra");
  const TokenData data = load_tokens(folder.path(), TokenSet::ptb);
  CHECK(data.name == "Penn Treebank");
  CHECK(data.source == folder.path());
  CHECK(data.vocabulary.words() == std::vector<std::string>{"<eos>", "sat", "the", "<unk>", "cat"});
  CHECK(spelled(data, data.train) == "the <unk> sat <eos> <eos> the cat sat <eos>");
  CHECK(spelled(data, data.valid) == "the <unk> <eos>");
  CHECK(spelled(data, data.test) == "sat cat <unk> <eos>");
}

TEST_CASE("WikiText-2's files are found by their names, .gz first") {
  const ScratchFolder folder;
  CHECK(missing_token_files(folder.path(), TokenSet::wikitext2).size() == 3);
  folder.write("wiki.train.tokens", "plain\n");
  folder.write("wiki.train.tokens.gz", oracle::gzipped("packed <unk>\n"));
  folder.write("wiki.valid.tokens", "packed\n");
  CHECK(missing_token_files(folder.path(), TokenSet::wikitext2) == std::vector<std::string>{"wiki.test.tokens[.gz]"});
  CHECK(has(format_error([&] { load_tokens(folder.path(), TokenSet::wikitext2); }), "lacks wiki.test.tokens[.gz]"));
  folder.write("wiki.test.tokens.gz", oracle::gzipped("plain\n"));
  const TokenData data = load_tokens(folder.path(), TokenSet::wikitext2);
  CHECK(data.name == "WikiText-2");
  CHECK(spelled(data, data.train) == "packed <unk> <eos>");
  CHECK(spelled(data, data.test) == "<unk> <eos>");
}

TEST_CASE("an unknown word is an error where train has no <unk>") {
  const ScratchFolder folder;
  write_ptb(folder, "a b\n", "a\nb a\n", "b\n\na zebra\n");
  const std::string message = ptb_error(folder);
  CAPTURE(message);
  CHECK(has(message, folder / "ptb.test.txt"));
  CHECK(has(message, "line 3: 'zebra' is not in the training text"));
}

TEST_CASE("an empty part, junk and a vocabulary beyond the limit are refused, naming the file") {
  const ScratchFolder folder;
  write_ptb(folder, "a\n", "", "a\n");
  CHECK(has(ptb_error(folder), folder / "ptb.valid.txt"));
  CHECK(has(ptb_error(folder), "holds no word"));
  write_ptb(folder, "a\n", "a\n", " \n\n");
  CHECK(has(ptb_error(folder), folder / "ptb.test.txt"));
  write_ptb(folder, "a \xff\n", "a\n", "a\n");
  CHECK(has(ptb_error(folder), "line 1: the bytes from column 3 on are not UTF-8"));
  write_ptb(folder, "a " + std::string(2000, 'x') + "\n", "a\n", "a\n");
  CHECK(has(ptb_error(folder), "a word has 2000 bytes"));
  std::string many;
  for (std::size_t i = 0; i < Vocabulary::kMostWords; ++i) many += std::to_string(i) + "\n";
  write_ptb(folder, many, "1\n", "1\n");
  CHECK(has(ptb_error(folder), "the vocabulary has 131073 words, the limit is 131072"));
}

TEST_CASE("a folder of one's own texts; rare words are <unk>") {
  const ScratchFolder folder;
  CHECK_FALSE(is_own_text(folder.path()));
  CHECK_FALSE(is_own_text(folder / "absent"));
  folder.write("train.txt", "a b a\nc b\n");
  folder.write("valid.txt.gz", oracle::gzipped("c a\n"));
  folder.write("test.txt", "d b\n");
  REQUIRE(is_own_text(folder.path()));
  const TokenData data = load_own_text(folder.path() + "/");
  CHECK(data.name == std::filesystem::path(folder.path()).filename().string());
  CHECK(data.vocabulary.words() == std::vector<std::string>{"<unk>", "<eos>", "a", "b"});
  CHECK(spelled(data, data.train) == "a b a <eos> <unk> b <eos>");
  CHECK(spelled(data, data.valid) == "<unk> a <eos>");
  CHECK(spelled(data, data.test) == "<unk> b <eos>");
  CHECK(has(format_error([&] { load_own_text(folder.path(), 1); }), "'d' is not in the training text"));
}

TEST_CASE("one file is split by the position of its lines") {
  const ScratchFolder folder;
  std::string text;
  for (int i = 0; i < 25; ++i) text += (i % 2 == 0 ? "even " : "odd ") + std::to_string(i) + "\n";
  const std::string path = folder.write("book.txt", text);
  REQUIRE(is_own_text(path));
  const TokenData data = load_own_text(path);
  CHECK(data.name == "book.txt");
  CHECK(data.train.size() == 3 * 20);
  CHECK(spelled(data, data.valid) == "even <unk> <eos> odd <unk> <eos>");
  CHECK(spelled(data, data.test) == "even <unk> <eos> odd <unk> <eos> even <unk> <eos>");
  CHECK(has(format_error([&] { load_own_text(folder.write("short.txt", "a\nb\n")); }), "the text has 2 lines"));
}

TEST_CASE("mutated texts raise FormatError or nothing") {
  const ScratchFolder folder;
  write_ptb(folder, "a <unk>\n", "a\n", "a\n");
  int refused = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const std::string bytes = oracle::mutated("the <unk> sat\n\non \xc3\xa9t\xc3\xa9 's\n", i);
    folder.write("ptb.train.txt", bytes);
    folder.write("ptb.test.txt", bytes);
    CHECK_NOTHROW(refused += ptb_error(folder).empty() ? 0 : 1);
  }
  CHECK(refused > 200);
}

TEST_CASE("the real sets have the numbers of tokens and words that are published") {
  const char* root = std::getenv("WEFT_DATA");
  if (root == nullptr) return;
  struct Known {
    TokenSet set;
    const char* folder;
    std::size_t train, valid, test;
    std::int32_t words;
  };
  for (const Known& known : {Known{TokenSet::ptb, "ptb", 929589, 73760, 82430, 10000},
                             Known{TokenSet::wikitext2, "wikitext2", 2088628, 217646, 245569, 33278}}) {
    const std::string folder = (std::filesystem::path(root) / known.folder).string();
    if (!missing_token_files(folder, known.set).empty()) continue;
    const TokenData data = load_tokens(folder, known.set);
    CHECK(data.train.size() == known.train);
    CHECK(data.valid.size() == known.valid);
    CHECK(data.test.size() == known.test);
    CHECK(data.vocabulary.size() == known.words);
  }
}
