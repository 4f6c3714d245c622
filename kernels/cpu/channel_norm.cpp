// Batch normalisation: y = epilogue(gamma·(x - mean)/sqrt(variance + eps) + beta) per channel. x lies [tile][position][channel][lane].
// Sums are double, each channel's 16 lanes in at most 16 parts fixed by the shape (lines.hpp): one pass about a pivot, the channel's first
// value, so that nothing cancels. Bound by memory: the epilogue runs on rows while they are hot.
#include <weft/kernels/norms.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <weft/core/error.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <weft/kernels/cpu/channel_norm.cpp>
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <weft/kernels/cpu/epilogue_rows-inl.hpp>
#include <weft/kernels/cpu/lines.hpp>

HWY_BEFORE_NAMESPACE();
namespace weft::kernels::HWY_NAMESPACE {

template <int kLanes>
using WideTag = hn::CappedTag<double, kLanes>;

/// Loads, and widens float to double where D is of double.
template <class D, class T>
HWY_INLINE hn::Vec<D> LoadWide(D d, const T* from) {
  if constexpr (sizeof(hn::TFromD<D>) == sizeof(T)) return hn::LoadU(d, from);
  else return hn::PromoteTo(d, hn::LoadU(hn::Rebind<T, D>(), from));
}

int ValidLanes(const Tensor& x, std::int64_t tile) { return x.is_tiled() ? x.columns()->valid_lanes(tile) : 1; }

/// Calls f(first, count) for stretches of at most 8 lines of one tile: sums stay in registers along a stretch.
template <class F>
HWY_INLINE void ForStretches(const Lines& lines, std::int64_t first, std::int64_t last, F&& f) {
  while (first < last) {
    const std::int64_t end = std::min({last, first + 8, (lines.tile_of(first) + 1) * lines.lead});
    f(first, end - first);
    first = end;
  }
}

/// sums[c] += Σ (x - pivot), sums[C + c] += Σ (x - pivot)², over valid columns, lane by lane.
template <class T, int kLanes>
void AddMoments(const Tensor& x, const Lines& lines, const double* pivot, std::int64_t first, std::int64_t last, double* sums) {
  const WideTag<kLanes> d;
  constexpr int kWide = static_cast<int>(hn::MaxLanes(WideTag<kLanes>()));
  const std::int64_t run = lines.length * kLanes;
  ForStretches(lines, first, last, [&](std::int64_t line, std::int64_t count) HWY_ATTR {
    const T* in = lines.of<T>(x, line);
    const int valid = ValidLanes(x, lines.tile_of(line));
    for (std::int64_t c = 0; c < lines.length; ++c)
      for (int lane = 0; lane < kLanes; lane += kWide) {
        double* sum = sums + c * kLanes + lane;
        const auto mask = hn::FirstN(d, static_cast<std::size_t>(std::clamp(valid - lane, 0, kWide)));
        const auto middle = hn::Set(d, pivot[c]);
        auto plain = hn::LoadU(d, sum), squares = hn::LoadU(d, sum + run);
        for (std::int64_t i = 0; i < count; ++i) {
          const auto gap = hn::IfThenElseZero(mask, hn::Sub(LoadWide(d, in + i * run + c * kLanes + lane), middle));
          plain = hn::Add(plain, gap);
          squares = hn::MulAdd(gap, gap, squares);
        }
        hn::StoreU(plain, d, sum);
        hn::StoreU(squares, d, sum + run);
      }
  });
}

/// A line of dz: dy taken through the bits of its relu or the choices of its window.
template <class T>
struct SlopeLine {
  const T* dy;
  const std::uint16_t* passes;  ///< by row, `step` apart: the lanes that get dy, the others get 0; null: all do
  std::int64_t step = 1;

  /// Lanes [lane, …) of row c.
  template <int kLanes, bool kMasked, class D>
  HWY_INLINE hn::Vec<D> load(D d, std::int64_t c, int lane) const {
    const auto all = LoadWide(d, dy + c * kLanes + lane);
    if constexpr (kMasked) return hn::IfThenElseZero(BitsToMask(d, passes[c * step], lane), all);
    else return all;
  }
};

template <class T>
SlopeLine<T> SlopeOf(const Epilogue& e, const Tensor& dy, const Lines& lines, std::int64_t line) {
  if (e.map.map == Map::relu && !e.window)
    return {lines.of<T>(dy, line), reinterpret_cast<const std::uint16_t*>(e.saved.bytes()) + line * lines.length};
  if (!e.window) return {lines.of<T>(dy, line), nullptr};
  static constexpr std::uint16_t kNone = 0;
  const MaxWindow& w = e.window;
  const Lattice out = w.out();
  const std::int64_t tile = lines.tile_of(line), pixel = line % lines.lead, y = pixel / w.in.w, x = pixel % w.in.w;
  const std::int64_t oy = y / w.kernel, ox = x / w.kernel, place = y % w.kernel * w.kernel + x % w.kernel;
  const T* from = dy.data<T>() + tile * dy.tile_stride();
  if (oy >= out.h || ox >= out.w) return {from, &kNone, 0};
  const std::int64_t row = (oy * out.w + ox) * lines.length;
  return {from + row * 16, reinterpret_cast<const std::uint16_t*>(e.choice.bytes()) + (tile * out.size() + row) * w.size() + place,
          w.size()};
}

/// sums[c] += Σ dz, sums[C + c] += Σ dz·(x - mean), lane by lane; dy is zero in padding lanes. The sums stay in L1 and both operands
/// stream from memory, asked for 2 KiB ahead: a third faster than stretches of lines.
template <class T, int kLanes, bool kMasked>
void AddGradients(const Tensor& x, const Epilogue& e, const Tensor& dy, const Lines& lines, const double* mean, std::int64_t line,
                  double* sums) {
  const WideTag<kLanes> d;
  constexpr int kWide = static_cast<int>(hn::MaxLanes(WideTag<kLanes>()));
  const T* in = lines.of<T>(x, line);
  const SlopeLine<T> slope = SlopeOf<T>(e, dy, lines, line);
  constexpr std::int64_t kAhead = 2048 / sizeof(T);
  for (std::int64_t c = 0; c < lines.length; ++c) {
    const auto middle = hn::Set(d, mean[c]);
    for (int lane = 0; lane < kLanes; lane += kWide) {
      hwy::Prefetch(in + c * kLanes + lane + kAhead);
      hwy::Prefetch(slope.dy + c * kLanes + lane + kAhead);
      const auto g = slope.template load<kLanes, kMasked>(d, c, lane);
      const auto gap = hn::Sub(LoadWide(d, in + c * kLanes + lane), middle);
      double* plain = sums + c * kLanes + lane;
      double* scaled = plain + lines.length * kLanes;
      hn::StoreU(hn::Add(hn::LoadU(d, plain), g), d, plain);
      hn::StoreU(hn::MulAdd(g, gap, hn::LoadU(d, scaled)), d, scaled);
    }
  }
}

/// Constants of each channel, in the type of the values.
template <class T>
struct Affine {
  std::vector<T> mean, scale, shift;
};

template <class T, int kLanes>
HWY_INLINE void NormaliseLine(const Affine<T>& a, std::int64_t channels, const T* in, T* out) {
  const hn::CappedTag<T, kLanes> d;
  constexpr int kVector = static_cast<int>(hn::MaxLanes(hn::CappedTag<T, kLanes>()));
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto i = static_cast<std::size_t>(c);
    const auto mean = hn::Set(d, a.mean[i]), scale = hn::Set(d, a.scale[i]), shift = hn::Set(d, a.shift[i]);
    for (std::int64_t at = c * kLanes; at < (c + 1) * kLanes; at += kVector)
      hn::StoreU(hn::MulAdd(hn::Sub(hn::LoadU(d, in + at), mean), scale, shift), d, out + at);
  }
}

/// All positions of one row of windows: normalised into scratch, then the maximum.
template <class T>
void NormaliseWindows(const Affine<T>& a, const Tensor& x, const Lines& lines, const Epilogue& e, const Tensor& y, std::int64_t tile,
                      std::int64_t oy) {
  static thread_local std::vector<T> scratch;
  const MaxWindow& w = e.window;
  const Lattice out = w.out();
  const std::int64_t run = lines.length * 16;
  scratch.resize(static_cast<std::size_t>(w.size() * run));
  auto* choice = reinterpret_cast<std::uint16_t*>(e.choice.bytes());
  for (std::int64_t ox = 0; ox < out.w; ++ox) {
    for (int place = 0; place < w.size(); ++place) {
      const std::int64_t pixel = (oy * w.kernel + place / w.kernel) * w.in.w + ox * w.kernel + place % w.kernel;
      NormaliseLine<T, 16>(a, lines.length, lines.of<T>(x, tile * lines.lead + pixel), scratch.data() + place * run);
    }
    const std::int64_t row = (oy * out.w + ox) * lines.length;
    MaxRows(e, scratch.data(), run, lines.length, y.data<T>() + tile * y.tile_stride() + row * 16,
            choice + (tile * out.size() + row) * w.size());
  }
}

template <class T, int kLanes>
void Normalise(const Affine<T>& a, const Tensor& x, const Lines& lines, const Epilogue& e, const Tensor& y) {
  if (e.window) {
    const std::int64_t rows = e.window.out().h;
    parallel_for(y.columns()->tiles() * rows, [&](std::int64_t i) { NormaliseWindows(a, x, lines, e, y, i / rows, i % rows); });
    return;
  }
  const std::int64_t run = lines.length * kLanes;
  parallel_for(lines.count, [&](std::int64_t line) {
    T* out = lines.of<T>(y, line);
    NormaliseLine<T, kLanes>(a, lines.length, lines.of<T>(x, line), out);
    FinishRows(e, y, lines.tile_of(line), line % lines.lead * run, out, run);
  });
}

/// dx = scale·(dy - shared - (x - mean)·along), zero in padding lanes; Affine's shift is not read.
template <class T, int kLanes, bool kMasked>
void NormaliseGrad(const Affine<T>& a, const std::vector<T>& shared, const std::vector<T>& along, const Tensor& x, const Epilogue& e,
                   const Tensor& dy, const Lines& lines, const Tensor& dx) {
  const hn::CappedTag<T, kLanes> d;
  constexpr int kVector = static_cast<int>(hn::MaxLanes(hn::CappedTag<T, kLanes>()));
  parallel_for(lines.count, [&](std::int64_t line) HWY_ATTR {
    const T* in = lines.of<T>(x, line);
    const SlopeLine<T> slope = SlopeOf<T>(e, dy, lines, line);
    T* out = lines.of<T>(dx, line);
    const int valid = ValidLanes(x, lines.tile_of(line));
    for (std::int64_t c = 0; c < lines.length; ++c) {
      const auto i = static_cast<std::size_t>(c);
      const auto mean = hn::Set(d, a.mean[i]), scale = hn::Set(d, a.scale[i]), same = hn::Set(d, shared[i]), tilt = hn::Set(d, along[i]);
      for (int lane = 0; lane < kLanes; lane += kVector) {
        const std::int64_t at = c * kLanes + lane;
        const auto through = hn::MulAdd(hn::Sub(hn::LoadU(d, in + at), mean), tilt, same);
        const auto mask = hn::FirstN(d, static_cast<std::size_t>(std::clamp(valid - lane, 0, kVector)));
        const auto g = slope.template load<kLanes, kMasked>(d, c, lane);
        hn::StoreU(hn::IfThenElseZero(mask, hn::Mul(scale, hn::Sub(g, through))), d, out + at);
      }
    }
  });
}

template <class T>
std::vector<double> MomentsOf(const Tensor& x, const Lines& lines, const double* pivot) {
  return sum_line_ranges(lines, 2, [&](std::int64_t first, std::int64_t last, double* sums) {
    if (lines.lanes == 1) AddMoments<T, 1>(x, lines, pivot, first, last, sums);
    else AddMoments<T, 16>(x, lines, pivot, first, last, sums);
  });
}

template <class T>
std::vector<double> GradientsOf(const Tensor& x, const Epilogue& e, const Tensor& dy, const Lines& lines, const double* mean) {
  return sum_lines(lines, 2, [&](std::int64_t line, double* sums) {
    if (lines.lanes == 1) AddGradients<T, 1, false>(x, e, dy, lines, mean, line, sums);
    else if (e.empty()) AddGradients<T, 16, false>(x, e, dy, lines, mean, line, sums);
    else AddGradients<T, 16, true>(x, e, dy, lines, mean, line, sums);
  });
}

template <class T>
Affine<T> affine_of(const ChannelStatistics& s, const Tensor& gamma, const Tensor& beta, double eps) {
  Affine<T> a;
  for (std::size_t c = 0; c < s.mean.size(); ++c) {
    a.mean.push_back(static_cast<T>(s.mean[c]));
    a.scale.push_back(static_cast<T>(static_cast<double>(gamma.data<T>()[c]) / std::sqrt(s.variance[c] + eps)));
    a.shift.push_back(beta.defined() ? beta.data<T>()[c] : T{0});
  }
  return a;
}

template <class T>
void NormaliseOf(const Tensor& x, const ChannelStatistics& s, const Tensor& gamma, const Tensor& beta, double eps, const Epilogue& e,
                 const Tensor& y) {
  const Lines lines(x);
  const Affine<T> a = affine_of<T>(s, gamma, beta, eps);
  if (lines.lanes == 1) Normalise<T, 1>(a, x, lines, e, y);
  else Normalise<T, 16>(a, x, lines, e, y);
}

template <class T>
void NormaliseGradOf(const Tensor& x, const ChannelStatistics& s, const Tensor& gamma, double eps, const Epilogue& e, const Tensor& dy,
                     std::span<const double> sums, const Tensor& dx) {
  const Lines lines(x);
  const Affine<T> a = affine_of<T>(s, gamma, Tensor(), eps);
  const double count = static_cast<double>(s.count);
  std::vector<T> shared, along;
  for (std::size_t c = 0; c < s.mean.size(); ++c) {
    shared.push_back(static_cast<T>(sums[c] / count));
    along.push_back(static_cast<T>(sums[s.mean.size() + c] / count / std::sqrt(s.variance[c] + eps)));
  }
  if (lines.lanes == 1) NormaliseGrad<T, 1, false>(a, shared, along, x, e, dy, lines, dx);
  else if (e.empty()) NormaliseGrad<T, 16, false>(a, shared, along, x, e, dy, lines, dx);
  else NormaliseGrad<T, 16, true>(a, shared, along, x, e, dy, lines, dx);
}

std::vector<double> MomentsF32(const Tensor& x, const Lines& lines, const double* pivot) { return MomentsOf<float>(x, lines, pivot); }
std::vector<double> MomentsF64(const Tensor& x, const Lines& lines, const double* pivot) { return MomentsOf<double>(x, lines, pivot); }
std::vector<double> GradientsF32(const Tensor& x, const Epilogue& e, const Tensor& dy, const Lines& lines, const double* mean) {
  return GradientsOf<float>(x, e, dy, lines, mean);
}
std::vector<double> GradientsF64(const Tensor& x, const Epilogue& e, const Tensor& dy, const Lines& lines, const double* mean) {
  return GradientsOf<double>(x, e, dy, lines, mean);
}
void NormaliseF32(const Tensor& x, const ChannelStatistics& s, const Tensor& gamma, const Tensor& beta, double eps, const Epilogue& e,
                  const Tensor& y) {
  NormaliseOf<float>(x, s, gamma, beta, eps, e, y);
}
void NormaliseF64(const Tensor& x, const ChannelStatistics& s, const Tensor& gamma, const Tensor& beta, double eps, const Epilogue& e,
                  const Tensor& y) {
  NormaliseOf<double>(x, s, gamma, beta, eps, e, y);
}
void NormaliseGradF32(const Tensor& x, const ChannelStatistics& s, const Tensor& gamma, double eps, const Epilogue& e, const Tensor& dy,
                      std::span<const double> sums, const Tensor& dx) {
  NormaliseGradOf<float>(x, s, gamma, eps, e, dy, sums, dx);
}
void NormaliseGradF64(const Tensor& x, const ChannelStatistics& s, const Tensor& gamma, double eps, const Epilogue& e, const Tensor& dy,
                      std::span<const double> sums, const Tensor& dx) {
  NormaliseGradOf<double>(x, s, gamma, eps, e, dy, sums, dx);
}

}  // namespace weft::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft::kernels {

HWY_EXPORT(MomentsF32);
HWY_EXPORT(MomentsF64);
HWY_EXPORT(GradientsF32);
HWY_EXPORT(GradientsF64);
HWY_EXPORT(NormaliseF32);
HWY_EXPORT(NormaliseF64);
HWY_EXPORT(NormaliseGradF32);
HWY_EXPORT(NormaliseGradF64);

namespace {

/// The first value of each channel; zeros where there is none.
std::vector<double> pivots(const Tensor& x, const Lines& lines) {
  std::vector<double> first(static_cast<std::size_t>(lines.length));
  if (lines.count == 0) return first;
  by_float(x.dtype(), [&](auto zero) {
    for (std::size_t c = 0; c < first.size(); ++c)
      first[c] = static_cast<double>(x.data<decltype(zero)>()[c * static_cast<std::size_t>(lines.lanes)]);
  });
  return first;
}

}  // namespace

ChannelStatistics channel_statistics(const Tensor& x) {
  const Lines lines(x);
  ChannelStatistics s;
  s.count = lines.lead * (x.is_tiled() ? x.columns()->count : 1);
  const double count = static_cast<double>(std::max<std::int64_t>(1, s.count));
  const std::vector<double> pivot = pivots(x, lines);
  const std::vector<double> sums = x.dtype() == Dtype::f32 ? HWY_DYNAMIC_DISPATCH(MomentsF32)(x, lines, pivot.data())
                                                           : HWY_DYNAMIC_DISPATCH(MomentsF64)(x, lines, pivot.data());
  for (std::size_t c = 0; c < pivot.size(); ++c) {
    const double gap = sums[c] / count;
    s.mean.push_back(pivot[c] + gap);
    s.variance.push_back(std::max(0.0, sums[pivot.size() + c] / count - gap * gap));
  }
  return s;
}

void normalise_channels(const Tensor& x, const ChannelStatistics& statistics, const Tensor& gamma, const Tensor& beta, double eps,
                        const Epilogue& e, const Tensor& y) {
  if (x.dtype() == Dtype::f32) HWY_DYNAMIC_DISPATCH(NormaliseF32)(x, statistics, gamma, beta, eps, e, y);
  else HWY_DYNAMIC_DISPATCH(NormaliseF64)(x, statistics, gamma, beta, eps, e, y);
}

bool reads_through(const Epilogue& e, const Columns& columns) { return columns.lanes == 16 && (e.window || e.map.map == Map::relu); }

std::vector<double> channel_gradients(const Tensor& x, const ChannelStatistics& statistics, double eps, const Epilogue& e,
                                      const Tensor& dy) {
  WEFT_CHECK(e.empty() || reads_through(e, *x.columns()));
  const Lines lines(x);
  std::vector<double> sums = x.dtype() == Dtype::f32 ? HWY_DYNAMIC_DISPATCH(GradientsF32)(x, e, dy, lines, statistics.mean.data())
                                                     : HWY_DYNAMIC_DISPATCH(GradientsF64)(x, e, dy, lines, statistics.mean.data());
  for (std::size_t c = 0; c < statistics.mean.size(); ++c) sums[statistics.mean.size() + c] /= std::sqrt(statistics.variance[c] + eps);
  return sums;
}

void normalise_channels_grad(const Tensor& x, const ChannelStatistics& statistics, const Tensor& gamma, double eps, const Epilogue& e,
                             const Tensor& dy, std::span<const double> sums, const Tensor& dx) {
  WEFT_CHECK(e.empty() || reads_through(e, *x.columns()));
  if (x.dtype() == Dtype::f32) HWY_DYNAMIC_DISPATCH(NormaliseGradF32)(x, statistics, gamma, eps, e, dy, sums, dx);
  else HWY_DYNAMIC_DISPATCH(NormaliseGradF64)(x, statistics, gamma, eps, e, dy, sums, dx);
}

}  // namespace weft::kernels
#endif
