#pragma once

#include <cstdint>
#include <vector>

#include <weft/core/columns.hpp>
#include <weft/core/storage.hpp>
#include <weft/data/batches.hpp>
#include <weft/data/loader.hpp>

namespace weft {

/// How a TokenLoader cuts a text.
struct TokenLoaderOptions {
  int batch = 32;                  ///< N, the streams that are read side by side
  int steps = 35;                  ///< T, tokens of each stream in a batch
  Shuffle shuffle = Shuffle::yes;  ///< for training: see TokenLoader
  std::uint64_t seed = 42;
  std::int32_t before = 0;  ///< the id that precedes the text: <eos>
  Lanes lanes = Lanes::by_count;

  /// Every token of the text once.
  TokenLoaderOptions for_evaluation() const {
    TokenLoaderOptions whole = *this;
    whole.shuffle = Shuffle::no;
    return whole;
  }
};

/// A text of M tokens as N streams side by side, T tokens a batch: x i32 [T, 1, N] and targets i32 [T, 1, N], x holding the token before
/// each target (`before` for the first of the text). A batch goes on where the one before it stopped, so a recurrent network carries its
/// state.
/// - Shuffle::no: stream s is tokens [s·M/N, (s+1)·M/N). Every token of the text is a target exactly once; what is left of the last
///   batch has targets of -100, which losses ignore.
/// - Shuffle::yes: all streams are of batches()·T tokens, one behind the other from a token on that each epoch after the first draws
///   from [0, T). The fewer than N·T + T tokens that do not fit are no target in this epoch.
class TokenLoader final : public Batches {
 public:
  static constexpr std::int32_t kIgnored = -100;

  /// `tokens` must outlive the loader. Throws UsageError if batch or steps is less than 1, or if the text fills no batch.
  TokenLoader(const std::vector<std::int32_t>& tokens, TokenLoaderOptions options);

  std::int64_t batches() const override { return batches_; }
  void begin(std::int64_t epoch, std::int64_t first_batch = 0) override;
  bool next(Batch& out) override;

 private:
  /// Tokens [begin, end) of the text.
  struct Stream {
    std::int64_t begin, end;
  };
  Stream stream(std::int64_t column) const;

  const std::vector<std::int32_t>* tokens_;
  TokenLoaderOptions options_;
  ColumnsPtr columns_;
  Pool pool_;
  std::int64_t batches_ = 0;
  std::int64_t start_ = 0;            // of the epoch's first stream
  std::int64_t to_give_ = INT64_MAX;  // the next batch
};

}  // namespace weft
