#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include <weft/core/error.hpp>
#include <weft/data/vocabulary.hpp>
#include <weft/tests/oracle/format_error.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>

using namespace weft;
using oracle::format_error;
using oracle::ScratchFolder;

namespace {

using Words = std::vector<std::string>;

WordCounts counted(const Words& words) {
  WordCounts counts("the text");
  for (const std::string& word : words) counts.add(word);
  return counts;
}

std::string load_error(const ScratchFolder& folder, const std::string& bytes) {
  const std::string path = folder.write("vocabulary.txt", bytes);
  return format_error([&] { Vocabulary::load(path); });
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("the most frequent words come first, equally frequent ones in the order of their bytes") {
  const WordCounts counts = counted({"b", "a", "c", "c", "B", "b", "c", "\xc3\xa9", "z"});
  CHECK(vocabulary_of(counts).words() == Words{"c", "b", "B", "a", "z", "\xc3\xa9"});
  CHECK(vocabulary_of(counts, {.least = 2}).words() == Words{"c", "b"});
  CHECK(vocabulary_of(counts, {.first = {"<pad>", "b"}, .least = 2}).words() == Words{"<pad>", "b", "c"});
}

TEST_CASE("a word outside is <unk>, or -1 where there is none") {
  const Vocabulary with({"x", "<unk>", "y"}), without({"x", "y"});
  CHECK(with.id("y") == 2);
  CHECK(with.id("z") == 1);
  CHECK(without.id("y") == 1);
  CHECK(without.id("z") == -1);
  CHECK(with.contains("<unk>"));
  CHECK_FALSE(without.contains("<unk>"));
  for (std::int32_t id = 0; id < with.size(); ++id) CHECK(with.id(with.word(id)) == id);
  CHECK_THROWS_AS(with.word(3), UsageError);
  CHECK_THROWS_AS(with.word(-1), UsageError);
}

TEST_CASE("a vocabulary larger than the limit is refused, never cut") {
  const WordCounts counts = counted({"a", "a", "b", "b", "c"});
  CHECK(vocabulary_of(counts, {.most = 3}).size() == 3);
  CHECK(vocabulary_of(counts, {.first = {"<unk>"}, .least = 2, .most = 3}).size() == 3);
  const std::string message = format_error([&] { vocabulary_of(counts, {.first = {"<unk>"}, .most = 3}); });
  CHECK(has(message, "the vocabulary has 4 words, the limit is 3"));
  CHECK(has(message, "the text"));
}

TEST_CASE("counting is bounded: long words, too many words, too many letters") {
  WordCounts counts("the text");
  CHECK(has(format_error([&] { counts.add(std::string(WordCounts::kLongest + 1, 'x')); }), "a word has 1025 bytes"));
  std::string word(WordCounts::kLongest, 'x');
  const std::string message = format_error([&] {
    for (int i = 0; i < 1 << 17; ++i) {
      for (std::size_t k = 0; k < 17; ++k) word[k] = static_cast<char>('a' + (i >> k & 1));
      counts.add(word);
    }
  });
  CHECK(has(message, "have more than 67108864 bytes"));
  CHECK(counts.counts().size() == (std::size_t{1} << 16));
}

TEST_CASE("a vocabulary is what it was after a walk through a file") {
  const ScratchFolder folder;
  const Vocabulary words({"<pad>", "<unk>", "the", " ", "\xc3\xa9", "\"", "a b"});
  words.save(folder / "vocabulary.txt");
  CHECK(oracle::file_bytes(folder / "vocabulary.txt") == "<pad>\n<unk>\nthe\n \n\xc3\xa9\n\"\na b\n");
  CHECK(Vocabulary::load(folder / "vocabulary.txt") == words);
}

TEST_CASE("a file that is no vocabulary is refused with its line") {
  const ScratchFolder folder;
  CHECK(has(load_error(folder, ""), "the file is empty"));
  CHECK(has(load_error(folder, "a\n\nb\n"), "line 2: the word is empty"));
  CHECK(has(load_error(folder, "a\nb\na\n"), "line 3: 'a' is the word of line 1 already"));
  CHECK(has(load_error(folder, "a\nb\rc\n"), "line 2: a carriage return"));
  CHECK(has(load_error(folder, "a\n\xff\n"), "line 2: the bytes from column 1 on are not UTF-8"));
  CHECK(has(load_error(folder, "a\n" + std::string(1025, 'x')), "line 2: a word of 1025 bytes"));
  std::string many;
  for (std::size_t i = 0; i <= Vocabulary::kMostWords; ++i) many += std::to_string(i) + "\n";
  CHECK(has(load_error(folder, many), "line 131073: more than 131072 words"));
  CHECK(has(format_error([&] { Vocabulary::load(folder / "absent.txt"); }), "absent.txt"));
}

TEST_CASE("words that cannot be told apart or kept in a line are refused") {
  CHECK_THROWS_AS(Vocabulary({"a", "b", "a"}), UsageError);
  CHECK_THROWS_AS(Vocabulary({"a", ""}), UsageError);
  CHECK_THROWS_AS(Vocabulary({"a\nb"}), UsageError);
}

TEST_CASE("mutated vocabularies raise FormatError or nothing") {
  const ScratchFolder folder;
  int refused = 0;
  for (std::uint64_t i = 0; i < 1000; ++i)
    CHECK_NOTHROW(refused += load_error(folder, oracle::mutated("<pad>\n<unk>\nthe\nof\n\xc3\xa9t\xc3\xa9\n", i)).empty() ? 0 : 1);
  CHECK(refused > 200);
}
