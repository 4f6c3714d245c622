#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include <weft/apps/support/text_batches.hpp>
#include <weft/core/error.hpp>

using namespace weft;

namespace {

std::int64_t batches_of(Batches& from, std::int64_t epoch, const Shape& targets) {
  std::int64_t count = 0;
  from.begin(epoch);
  for (Batch batch; from.next(batch); ++count) {
    CHECK(batch.targets.rows() == targets);
    CHECK(batch.x.columns() == batch.targets.columns());
    CHECK(batch.x.rows()[1] == 1);
  }
  return count;
}

TextData texts(int count) {
  TextData data{.name = "texts",
                .source = "here",
                .vocabulary = Vocabulary({"<pad>", "<unk>", "a", "b"}),
                .classes = {"x", "y"},
                .train = {},
                .test = {}};
  data.train.classes = data.test.classes = 2;
  for (std::int32_t i = 0; i < count; ++i) {
    const std::vector<std::int32_t> ids{2 + i % 2, 2, 3};
    data.train.add(ids, i % 2);
    if (i < 5) data.test.add(ids, i % 2);
  }
  return data;
}

}  // namespace

TEST_CASE("labelled texts as a run trains on them") {
  TextData data = texts(50);
  data.validation = hold_out(data.train, 0.2);
  RunOptions options{.batch = 16, .steps = 2, .word_dropout = 0.5};
  const TrainingData batches = text_batches(data, options);
  CHECK(batches.name == "texts");
  CHECK(batches.train_size == 40);
  CHECK(batches.validation_size == 10);
  CHECK(batches.test_size == 5);
  CHECK(batches.input == Shape{2, 1});
  CHECK(batches.dtype == Dtype::i32);
  CHECK(batches.measure == Measure::accuracy);
  CHECK(batches_of(*batches.train, 0, {1}) == 3);
  CHECK(batches_of(*batches.validation, 0, {1}) == 1);
  CHECK(batches_of(*batches.test, 0, {1}) == 1);
  options.drop_last = true;
  CHECK(text_batches(data, options).train->batches() == 2);
  CHECK(text_batches(data, options).test->batches() == 1);
  TextData other = texts(50);
  other.train.labels[7] = 0;
  CHECK(text_batches(other, options).fingerprint != text_batches(texts(50), options).fingerprint);
  other = texts(50);
  other.vocabulary = Vocabulary({"<pad>", "<unk>", "a", "c"});
  CHECK(text_batches(other, options).fingerprint != text_batches(texts(50), options).fingerprint);
  CHECK(text_batches(other, options).vocabulary == other.vocabulary);
  CHECK(text_batches(texts(50), options).validation == nullptr);
}

TEST_CASE("a text as a run trains on it: the set's own validation part, judged by perplexity") {
  TokenData data{.name = "text", .source = "here", .vocabulary = Vocabulary({"a", "<eos>", "b"}), .train = {}, .valid = {}, .test = {}};
  data.train.assign(1000, 0), data.valid.assign(100, 2), data.test.assign(90, 1);
  const RunOptions options{.batch = 4, .steps = 10};
  const TrainingData batches = token_batches(data, options);
  CHECK(batches.train_size == 1000);
  CHECK(batches.validation_size == 100);
  CHECK(batches.test_size == 90);
  CHECK(batches.measure == Measure::perplexity);
  CHECK(batches_of(*batches.train, 1, {10, 1}) == 24);
  CHECK(batches_of(*batches.validation, 0, {10, 1}) == 3);
  CHECK(batches_of(*batches.test, 0, {10, 1}) == 3);
  batches.test->begin(0);
  Batch first;
  REQUIRE(batches.test->next(first));
  CHECK(unpack_rows<std::int32_t>(first.x)[0] == 1);  // <eos> is before the text
  data.train[3] = 2;
  CHECK(token_batches(data, options).fingerprint != batches.fingerprint);
  data.train[3] = 0;
  CHECK(token_batches(data, options).fingerprint == batches.fingerprint);
  data.vocabulary = Vocabulary({"b", "<eos>", "a"});
  CHECK(token_batches(data, options).fingerprint != batches.fingerprint);
  CHECK(token_batches(data, options).vocabulary == data.vocabulary);
  CHECK_THROWS_AS(token_batches(data, {.batch = 4, .steps = 1000}), UsageError);
}
