#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/core/error.hpp>
#include <weft/data/text_loader.hpp>
#include <weft/data/tokenizer.hpp>

using namespace weft;

namespace {

using Ids = std::vector<std::int32_t>;

constexpr int kClasses = 4;

/// Text i has (7 i) % 11 tokens, of which the k-th is 100 + 20 i + k; its label is i % 4.
TextSet numbered(int count) {
  TextSet set{.classes = kClasses, .labels = {}, .ids = {}};
  for (int i = 0; i < count; ++i) {
    Ids text;
    for (int k = 0; k < 7 * i % 11; ++k) text.push_back(100 + 20 * i + k);
    set.add(text, i % kClasses);
  }
  return set;
}

/// Everything a batch holds, padding lanes and lengths included.
struct Bits {
  Ids x, targets, lengths;
  bool operator==(const Bits&) const = default;
};

Bits bits(const Batch& batch) {
  const auto of = [](const Tensor& t) { return Ids(t.data<std::int32_t>(), t.data<std::int32_t>() + t.element_count()); };
  return {of(batch.x), of(batch.targets), batch.x.columns()->lengths};
}

std::vector<Bits> epoch_bits(TextLoader& loader, std::int64_t epoch, std::int64_t first = 0) {
  std::vector<Bits> all;
  loader.begin(epoch, first);
  for (Batch batch; loader.next(batch);) all.push_back(bits(batch));
  return all;
}

/// Checks a batch's form; gives the texts as the loader gave them, cut to their lengths, with their labels behind them.
std::vector<Ids> texts_of(const Batch& batch, std::int32_t padding) {
  const Columns& columns = *batch.x.columns();
  const auto count = static_cast<std::size_t>(columns.count);
  CHECK(batch.x.columns() == batch.targets.columns());
  CHECK(batch.targets.rows() == Shape{1});
  REQUIRE(columns.lengths.size() == count);
  const auto longest = static_cast<std::int64_t>(*std::max_element(columns.lengths.begin(), columns.lengths.end()));
  CHECK(batch.x.rows() == Shape{longest, 1});
  const Ids x = unpack_rows<std::int32_t>(batch.x), targets = unpack_rows<std::int32_t>(batch.targets);
  std::vector<Ids> texts(count);
  for (std::size_t n = 0; n < count; ++n) {
    const auto length = static_cast<std::size_t>(columns.lengths[n]);
    for (std::size_t step = 0; step < static_cast<std::size_t>(longest); ++step)
      if (step < length) texts[n].push_back(x[step * count + n]);
      else CHECK(x[step * count + n] == padding);
    texts[n].push_back(targets[n]);
  }
  return texts;
}

}  // namespace

TEST_CASE("words are runs of letters and digits in lower case") {
  using Tokens = std::vector<std::string>;
  CHECK(tokens_of("Wall St. Bears\\Claw 'Back' -- 39;s U.S.\n", Tokenizer::words) ==
        Tokens{"wall", "st", "bears", "claw", "back", "39", "s", "u", "s"});
  CHECK(tokens_of("caf\xc3\xa9 Z9z", Tokenizer::words) == Tokens{"caf", "z9z"});
  CHECK(tokens_of("", Tokenizer::words).empty());
  CHECK(tokens_of(" .,\xe2\x82\xac", Tokenizer::words).empty());
}

TEST_CASE("characters are UTF-8 characters in lower case, with one space for any white space") {
  using Tokens = std::vector<std::string>;
  CHECK(tokens_of("A\\b\t \nC\xc3\xa9.\xe2\x82\xac", Tokenizer::characters) ==
        Tokens{"a", " ", "b", " ", "c", "\xc3\xa9", ".", "\xe2\x82\xac"});
  CHECK(tokens_of("", Tokenizer::characters).empty());
}

TEST_CASE("an epoch gives every text once, whole up to the limit, with its length and label") {
  constexpr int kCount = 70, kSteps = 8;
  const TextSet set = numbered(kCount);
  TextLoader loader(set, {.batch = 16, .steps = kSteps, .padding = 3, .unknown = 5});
  CHECK(loader.batches() == 5);
  std::vector<std::vector<Ids>> orders;
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<Ids> given;
    loader.begin(epoch);
    for (Batch batch; loader.next(batch);)
      for (const Ids& text : texts_of(batch, 3)) given.push_back(text);
    orders.push_back(given);
    std::vector<Ids> wanted;
    for (std::int64_t i = 0; i < kCount; ++i) {
      const auto whole = set.text(i);
      Ids text(whole.begin(), whole.begin() + std::min<std::ptrdiff_t>(kSteps, static_cast<std::ptrdiff_t>(whole.size())));
      if (text.empty()) text = {5};  // a text without tokens
      text.push_back(static_cast<std::int32_t>(i % kClasses));
      wanted.push_back(text);
    }
    CHECK(given != wanted);
    std::sort(given.begin(), given.end());
    std::sort(wanted.begin(), wanted.end());
    CHECK(given == wanted);
  }
  CHECK(orders[0] != orders[1]);
  CHECK(orders[1] != orders[2]);
}

TEST_CASE("words are dropped to unknown with their probability, in training only, anew in each epoch") {
  const TextSet set = numbered(400);
  const TextLoaderOptions options{.batch = 32, .steps = 8, .word_dropout = 0.3};
  TextLoader loader(set, options);
  const auto share_dropped = [&](std::int64_t epoch) {
    double all = 0, dropped = 0;
    loader.begin(epoch);
    for (Batch batch; loader.next(batch);)
      for (const Ids& text : texts_of(batch, 0))
        for (std::size_t k = 0; k + 1 < text.size(); ++k) all += 1, dropped += text[k] == 1 ? 1 : 0;
    return dropped / all;
  };
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    CHECK(share_dropped(epoch) > 0.27);
    CHECK(share_dropped(epoch) < 0.36);  // some texts have no token but unknown
  }
  TextLoader plain(set, options.for_evaluation());
  for (const Bits& batch : epoch_bits(plain, 0)) CHECK(std::count(batch.x.begin(), batch.x.end(), 1) <= 8);
  TextLoaderOptions in_order = options;
  in_order.shuffle = Shuffle::no;
  TextLoader drops(set, in_order);
  CHECK(epoch_bits(drops, 0) != epoch_bits(drops, 1));
}

TEST_CASE("an epoch depends on seed and epoch alone, and can be entered anywhere") {
  const TextSet set = numbered(150);
  const TextLoaderOptions options{.batch = 32, .steps = 8, .word_dropout = 0.3};
  TextLoader one(set, options), two(set, options);
  const std::vector<Bits> whole = epoch_bits(one, 4);
  epoch_bits(two, 9);
  for (std::size_t first = 0; first <= whole.size(); ++first)
    CHECK(epoch_bits(two, 4, static_cast<std::int64_t>(first)) ==
          std::vector<Bits>(whole.begin() + static_cast<std::ptrdiff_t>(first), whole.end()));
  TextLoaderOptions other = options;
  other.seed = 43;
  TextLoader three(set, other);
  CHECK(epoch_bits(three, 4) != whole);
}

TEST_CASE("evaluation comes in order; a last batch can be dropped") {
  const TextSet set = numbered(70);
  TextLoader whole(set, TextLoaderOptions{.batch = 32, .last = LastBatch::drop}.for_evaluation());
  CHECK(whole.batches() == 3);
  Ids labels;
  whole.begin(2);
  for (Batch batch; whole.next(batch);)
    for (const Ids& text : texts_of(batch, 0)) labels.push_back(text.back());
  CHECK(labels == set.labels);
  TextLoader dropping(set, {.batch = 32, .last = LastBatch::drop});
  CHECK(epoch_bits(dropping, 0).size() == 2);
  const TextSet none = numbered(0);
  TextLoader empty(none, {});
  CHECK(epoch_bits(empty, 0).empty());
}

TEST_CASE("padding lanes repeat the last text") {
  const TextSet set = numbered(19);
  for (const Lanes lanes : {Lanes::by_count, Lanes::one}) {
    TextLoader loader(set, {.batch = 19, .lanes = lanes});
    loader.begin(0);
    Batch b;
    REQUIRE(loader.next(b));
    const int across = b.x.columns()->lanes;
    CHECK(across == (lanes == Lanes::one ? 1 : 16));
    if (across == 1) continue;
    const std::int32_t* x = b.x.data<std::int32_t>() + b.x.tile_stride();
    for (int lane = 3; lane < 16; ++lane) {
      CHECK(b.targets.data<std::int32_t>()[16 + lane] == b.targets.data<std::int32_t>()[18]);
      for (std::int64_t row = 0; row < b.x.row_count(); ++row) CHECK(x[row * 16 + lane] == x[row * 16 + 2]);
    }
  }
}

TEST_CASE("texts are held out from the end") {
  TextSet set = numbered(50);
  const TextSet before = set;
  const TextSet held = hold_out(set, 0.1);
  REQUIRE(set.size() == 45);
  REQUIRE(held.size() == 5);
  CHECK(held.classes == kClasses);
  for (std::int64_t i = 0; i < 50; ++i) {
    const TextSet& part = i < 45 ? set : held;
    const std::int64_t at = i < 45 ? i : i - 45;
    CHECK(std::equal(part.text(at).begin(), part.text(at).end(), before.text(i).begin(), before.text(i).end()));
    CHECK(part.labels[static_cast<std::size_t>(at)] == before.labels[static_cast<std::size_t>(i)]);
  }
  CHECK_NOTHROW(check_consistent(set, "test"));
  CHECK_THROWS_AS(hold_out(set, 1), UsageError);
  CHECK_THROWS_AS(hold_out(set, -0.1), UsageError);
}

TEST_CASE("options outside their range and sets that disagree are refused") {
  const TextSet set = numbered(10);
  CHECK_THROWS_AS(TextLoader(set, {.batch = 0}), UsageError);
  CHECK_THROWS_AS(TextLoader(set, {.steps = 0}), UsageError);
  CHECK_THROWS_AS(TextLoader(set, {.word_dropout = 1}), UsageError);
  CHECK_THROWS_AS(TextLoader(set, {.word_dropout = -0.1}), UsageError);
  TextSet wrong = set;
  wrong.labels[3] = kClasses;
  CHECK_THROWS_AS(TextLoader(wrong, {}), ShapeError);
  wrong = set;
  wrong.starts.pop_back();
  CHECK_THROWS_AS(TextLoader(wrong, {}), ShapeError);
  TextLoader loader(set, {});
  Batch b;
  CHECK_FALSE(loader.next(b));
  CHECK_THROWS_AS(loader.begin(0, 2), UsageError);
  CHECK_THROWS_AS(loader.begin(-1), UsageError);
}
