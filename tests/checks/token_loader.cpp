#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include <weft/core/error.hpp>
#include <weft/data/token_loader.hpp>

using namespace weft;

namespace {

using Ids = std::vector<std::int32_t>;

constexpr std::int32_t kBefore = 9999;

/// A text in which every token is its own position.
Ids positions(int count) {
  Ids tokens(static_cast<std::size_t>(count));
  std::iota(tokens.begin(), tokens.end(), 0);
  return tokens;
}

/// Everything a batch holds, padding lanes included.
struct Bits {
  Ids x, targets;
  bool operator==(const Bits&) const = default;
};

Bits bits(const Batch& batch) {
  const auto of = [](const Tensor& t) { return Ids(t.data<std::int32_t>(), t.data<std::int32_t>() + t.element_count()); };
  return {of(batch.x), of(batch.targets)};
}

std::vector<Bits> epoch_bits(TokenLoader& loader, std::int64_t epoch, std::int64_t first = 0) {
  std::vector<Bits> all;
  loader.begin(epoch, first);
  for (Batch batch; loader.next(batch);) all.push_back(bits(batch));
  return all;
}

/// What each stream reads in an epoch, and what it must predict.
struct Streams {
  std::vector<Ids> x, targets;
};

Streams streams_of(TokenLoader& loader, std::int64_t epoch) {
  Streams streams;
  loader.begin(epoch);
  for (Batch batch; loader.next(batch);) {
    const std::int64_t n = batch.x.columns()->count, steps = batch.x.row_count();
    CHECK(batch.x.columns() == batch.targets.columns());
    CHECK(batch.x.rows() == Shape{steps, 1});
    CHECK(batch.targets.rows() == Shape{steps, 1});
    streams.x.resize(static_cast<std::size_t>(n)), streams.targets.resize(static_cast<std::size_t>(n));
    const Ids x = unpack_rows<std::int32_t>(batch.x), targets = unpack_rows<std::int32_t>(batch.targets);
    for (std::size_t i = 0; i < x.size(); ++i) {
      streams.x[i % static_cast<std::size_t>(n)].push_back(x[i]);
      streams.targets[i % static_cast<std::size_t>(n)].push_back(targets[i]);
    }
  }
  return streams;
}

}  // namespace

TEST_CASE("evaluation predicts every token exactly once, from the token before it") {
  for (const int count : {1, 2, 5, 16, 33, 34, 35, 36, 100, 175, 176, 400})
    for (const int batch : {1, 2, 5, 17})
      for (const int steps : {1, 4, 7}) {
        CAPTURE(count);
        CAPTURE(batch);
        CAPTURE(steps);
        const Ids tokens = positions(count);
        TokenLoader loader(tokens, TokenLoaderOptions{.batch = batch, .steps = steps, .before = kBefore}.for_evaluation());
        const Streams streams = streams_of(loader, 3);
        Ids predicted;
        for (std::size_t s = 0; s < streams.x.size(); ++s) {
          const std::size_t valid = static_cast<std::size_t>(
              std::find(streams.targets[s].begin(), streams.targets[s].end(), TokenLoader::kIgnored) - streams.targets[s].begin());
          for (std::size_t i = 0; i < streams.targets[s].size(); ++i) {
            const std::int32_t target = streams.targets[s][i], x = streams.x[s][i];
            if (i >= valid) CHECK(target == TokenLoader::kIgnored);
            else CHECK(x == (target == 0 ? kBefore : target - 1));
            CHECK((x == kBefore || (x >= 0 && x < count)));
            if (i < valid) predicted.push_back(target);
          }
        }
        CHECK(predicted == tokens);  // in order, stream behind stream
        CHECK(loader.batches() == (count + batch * steps - 1) / (batch * steps));
      }
}

TEST_CASE("training streams are equal, whole and one behind the other, from a start that each epoch draws") {
  constexpr int kCount = 1003, kBatch = 6, kSteps = 10;
  const Ids tokens = positions(kCount);
  TokenLoader loader(tokens, {.batch = kBatch, .steps = kSteps, .before = kBefore});
  CHECK(loader.batches() == 16);
  std::set<std::int32_t> starts;
  for (std::int64_t epoch = 0; epoch < 200; ++epoch) {
    const Streams streams = streams_of(loader, epoch);
    const std::int32_t start = streams.targets[0][0];
    starts.insert(start);
    CHECK((epoch > 0 || start == 0));
    Ids all;
    for (std::size_t s = 0; s < kBatch; ++s) {
      CHECK(streams.targets[s].size() == 160);
      for (std::size_t i = 0; i < streams.x[s].size(); ++i)
        CHECK(streams.x[s][i] == (streams.targets[s][i] == 0 ? kBefore : streams.targets[s][i] - 1));
      all.insert(all.end(), streams.targets[s].begin(), streams.targets[s].end());
    }
    Ids wanted(all.size());
    std::iota(wanted.begin(), wanted.end(), start);
    CHECK(all == wanted);
  }
  CHECK(starts.size() == kSteps);
  CHECK(*starts.begin() == 0);
  CHECK(*starts.rbegin() == kSteps - 1);
}

TEST_CASE("the largest start still fits: one token fewer is one batch fewer") {
  const Ids fits = positions(3 * 2 * 5 + 4), lacks = positions(3 * 2 * 5 + 3);
  CHECK(TokenLoader(fits, {.batch = 3, .steps = 5}).batches() == 2);
  CHECK(TokenLoader(lacks, {.batch = 3, .steps = 5}).batches() == 1);
  TokenLoader loader(fits, {.batch = 3, .steps = 5});
  std::int32_t last = 0;
  for (std::int64_t epoch = 0; epoch < 50; ++epoch) last = std::max(last, streams_of(loader, epoch).targets[2].back());
  CHECK(last == 33);
}

TEST_CASE("an epoch depends on seed and epoch alone, and can be entered anywhere") {
  const Ids tokens = positions(500);
  const TokenLoaderOptions options{.batch = 3, .steps = 7, .before = kBefore};
  for (const TokenLoaderOptions& each : {options, options.for_evaluation()}) {
    TokenLoader one(tokens, each), two(tokens, each);
    const std::vector<Bits> whole = epoch_bits(one, 5);
    epoch_bits(two, 9);
    for (std::size_t first = 0; first <= whole.size(); ++first)
      CHECK(epoch_bits(two, 5, static_cast<std::int64_t>(first)) ==
            std::vector<Bits>(whole.begin() + static_cast<std::ptrdiff_t>(first), whole.end()));
  }
  std::set<std::int32_t> starts;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    TokenLoader loader(tokens, {.batch = 3, .steps = 7, .seed = seed});
    starts.insert(streams_of(loader, 1).targets[0][0]);
  }
  CHECK(starts.size() > 3);
}

TEST_CASE("padding lanes repeat the last stream; lanes are as asked") {
  const Ids tokens = positions(300);
  for (const Lanes lanes : {Lanes::one, Lanes::sixteen}) {
    TokenLoader loader(tokens, {.batch = 5, .steps = 4, .before = kBefore, .lanes = lanes});
    loader.begin(0);
    Batch b;
    REQUIRE(loader.next(b));
    const int across = b.x.columns()->lanes;
    CHECK(across == (lanes == Lanes::one ? 1 : 16));
    if (across == 1) continue;
    for (const Tensor& t : {b.x, b.targets})
      for (int row = 0; row < 4; ++row)
        for (int lane = 5; lane < 16; ++lane) CHECK(t.data<std::int32_t>()[row * 16 + lane] == t.data<std::int32_t>()[row * 16 + 4]);
  }
}

TEST_CASE("batches are given again from the same storage") {
  const Ids tokens = positions(300);
  TokenLoader loader(tokens, {.batch = 5, .steps = 4});
  Batch b;
  CHECK_FALSE(loader.next(b));
  std::set<const std::int32_t*> places;
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    loader.begin(epoch);
    while (loader.next(b)) places.insert(b.x.data<std::int32_t>());
  }
  CHECK(places.size() <= 2);
}

TEST_CASE("what cannot be cut is refused") {
  const Ids tokens = positions(30), none;
  CHECK_THROWS_AS(TokenLoader(tokens, {.batch = 0}), UsageError);
  CHECK_THROWS_AS(TokenLoader(tokens, {.batch = 1, .steps = 0}), UsageError);
  CHECK_THROWS_AS(TokenLoader(tokens, {.batch = 4, .steps = 7}), UsageError);
  CHECK_THROWS_AS(TokenLoader(none, TokenLoaderOptions{}.for_evaluation()), UsageError);
  TokenLoader loader(tokens, {.batch = 2, .steps = 4});
  CHECK_THROWS_AS(loader.begin(-1), UsageError);
  CHECK_THROWS_AS(loader.begin(0, -1), UsageError);
  CHECK_THROWS_AS(loader.begin(0, 4), UsageError);
  CHECK_NOTHROW(loader.begin(0, loader.batches()));
}
