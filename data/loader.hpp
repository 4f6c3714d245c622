#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <weft/core/columns.hpp>
#include <weft/data/batches.hpp>
#include <weft/data/dataset.hpp>

namespace weft {

enum class Shuffle { no, yes };
enum class Flip { no, yes };
enum class LastBatch { keep, drop };
enum class CropAt { random, centre };

/// What enters an image that is moved.
enum class Fill {
  zero,    ///< pixels of 0
  reflect  ///< the image mirrored at its outermost pixels, which are not repeated: torch's ReflectionPad2d, then a crop
};

/// Which batches a Loader makes. The defaults shuffle and augment nothing.
struct LoaderOptions {
  int batch = 128;
  Shuffle shuffle = Shuffle::yes;
  std::uint64_t seed = 42;
  int shift = 0;                     ///< moves each image by up to this many pixels along h and along w
  Fill fill = Fill::zero;            ///< reflect needs a shift less than either side
  int crop = 0;                      ///< side of the square cut out of each image; 0 keeps the whole image
  CropAt crop_at = CropAt::random;   ///< where the square lies
  Flip flip = Flip::no;              ///< mirrors each image left to right with probability 1/2
  int cutout = 0;                    ///< side of a square at a random place, cut at the border, that becomes the mean: arXiv 1708.04552
  std::vector<float> mean, std;      ///< a pixel p in 0..255 becomes (p / 255 - mean[c]) / std[c]; empty: 0 and 1 (see channel_statistics)
  Dtype dtype = Dtype::f32;          ///< f32 or f64
  LastBatch last = LastBatch::keep;  ///< whether a last, smaller batch is given or left out
  Lanes lanes = Lanes::by_count;

  /// The same batches as a test wants them: in order, whole, unaugmented, crops in the centre.
  LoaderOptions for_evaluation() const {
    LoaderOptions plain = *this;
    plain.shuffle = Shuffle::no, plain.shift = plain.cutout = 0, plain.flip = Flip::no, plain.crop_at = CropAt::centre,
    plain.last = LastBatch::keep;
    return plain;
  }
};

/// The batches of a set of images: x [h, w, c, N], f32 or f64, normalised, and targets i32 [1, N]; prepared two ahead by a thread
/// of its own. Storage is reused: after the first epoch none is allocated.
///
///     Loader loader(data.train, {.batch = 128, .shift = 1});
class Loader final : public Batches {
 public:
  /// `set` must outlive the loader. Throws ShapeError if its arrays disagree with its size or the crop exceeds it, UsageError
  /// for options outside their range.
  Loader(const ImageSet& set, LoaderOptions options);
  ~Loader() override;
  Loader(Loader&&) noexcept;
  Loader& operator=(Loader&&) noexcept;

  std::int64_t batches() const override;
  /// The row axes of x: the set's lattice after cropping.
  Lattice lattice() const;
  void begin(std::int64_t epoch, std::int64_t first_batch = 0) override;
  /// Throws what preparing the batch threw: FormatError for a label outside [0, classes), OutOfMemory.
  bool next(Batch& out) override;
  /// Storage buffers allocated so far: constant after the first epoch as long as the caller holds no more than two batches.
  std::int64_t allocations() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weft
