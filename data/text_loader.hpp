#pragma once

#include <cstdint>
#include <vector>

#include <weft/core/random.hpp>
#include <weft/core/storage.hpp>
#include <weft/data/batches.hpp>
#include <weft/data/loader.hpp>
#include <weft/data/text_set.hpp>

namespace weft {

/// Which batches a TextLoader makes.
struct TextLoaderOptions {
  int batch = 64;
  int steps = 64;  ///< the most tokens of a text; what follows is left out
  Shuffle shuffle = Shuffle::yes;
  std::uint64_t seed = 42;
  std::int32_t padding = 0;          ///< the id behind the end of a text that is shorter than another in its batch
  std::int32_t unknown = 1;          ///< the id that a dropped token, and a text without tokens, becomes
  double word_dropout = 0;           ///< each token becomes `unknown` with this probability
  LastBatch last = LastBatch::keep;  ///< whether a last, smaller batch is given or left out
  Lanes lanes = Lanes::by_count;

  /// The same batches as a test wants them: in order, whole, nothing dropped.
  TextLoaderOptions for_evaluation() const {
    TextLoaderOptions plain = *this;
    plain.shuffle = Shuffle::no, plain.word_dropout = 0, plain.last = LastBatch::keep;
    return plain;
  }
};

/// The batches of a set of texts: x i32 [T, 1, N], T being the longest of the batch and the Columns carrying each text's length, and
/// targets i32 [1, N].
class TextLoader final : public Batches {
 public:
  /// `set` must outlive the loader. Throws ShapeError if its parts disagree, UsageError for options outside their range.
  TextLoader(const TextSet& set, TextLoaderOptions options);

  std::int64_t batches() const override;
  void begin(std::int64_t epoch, std::int64_t first_batch = 0) override;
  bool next(Batch& out) override;

 private:
  /// The tokens of a text that are given: at least one, at most `steps`.
  std::int32_t length(std::int64_t text) const;
  std::int32_t token(std::int64_t position, std::int64_t step, const Random& drops) const;
  void draw_order();

  const TextSet* set_;
  TextLoaderOptions options_;
  Pool pool_;
  std::vector<std::int64_t> order_;  // of the texts, by position in the epoch
  std::int64_t epoch_ = 0;
  std::int64_t to_give_ = INT64_MAX;  // the next batch
};

}  // namespace weft
