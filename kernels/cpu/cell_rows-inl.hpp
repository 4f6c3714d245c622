// A step of a recurrence on vectors of [rows][lane] elements: the formulas of cells.hpp as they stand. Called on whole steps, and by the
// product on units whose gates it has just written.

#include <cstdint>
#include <vector>

#include <hwy/highway.h>

#include <weft/kernels/cells.hpp>

#if defined(WEFT_KERNELS_CPU_CELL_ROWS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef WEFT_KERNELS_CPU_CELL_ROWS_INL
#undef WEFT_KERNELS_CPU_CELL_ROWS_INL
#else
#define WEFT_KERNELS_CPU_CELL_ROWS_INL
#endif

#include <weft/kernels/cpu/map_span-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace weft::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Where a tensor's tiles lie; nowhere if it is undefined.
template <class T>
struct CellTiles {
  T* data = nullptr;
  std::int64_t stride = 0;

  CellTiles() = default;
  explicit CellTiles(const Tensor& t) {
    if (t.defined()) data = t.data<T>(), stride = t.tile_stride();
  }
  static std::vector<CellTiles> all(const std::vector<Tensor>& tensors) {
    std::vector<CellTiles> tiles;
    for (const Tensor& t : tensors) tiles.emplace_back(t);
    return tiles;
  }
};

/// One vector of elements: of gate g of a tensor of gates, or of a tensor of one (gate 0).
template <class T, class D>
struct CellVector {
  using V = hn::Vec<D>;
  D d;
  std::int64_t tile, i, gate;  ///< `gate`: elements from one gate to the next

  HWY_INLINE V get(const CellTiles<T>& t, int g = 0) const { return hn::LoadU(d, t.data + tile * t.stride + g * gate + i); }
  HWY_INLINE void put(V v, const CellTiles<T>& t, int g = 0) const { hn::StoreU(v, d, t.data + tile * t.stride + g * gate + i); }
  HWY_INLINE V one() const { return hn::Set(d, static_cast<T>(1)); }
  /// x(1 - x).
  HWY_INLINE V logistic_slope(V dy, V x) const { return hn::Mul(hn::Mul(dy, x), hn::Sub(one(), x)); }
  HWY_INLINE V tanh_slope(V dy, V x) const { return hn::Mul(dy, hn::Sub(one(), hn::Mul(x, x))); }
};

/// A step and, for backward, what surrounds it, unpacked once for all its vectors.
template <class T>
class CellRows {
 public:
  CellRows(Cell which, const CellStep& s)
      : which_(which),
        gate_(s.h.row_count() * s.h.columns()->lanes),
        lanes_(s.h.columns()->lanes),
        z_(s.z),
        h_(s.h),
        c_(s.c),
        hidden_(CellTiles<T>::all(s.hidden)),
        h_before_(CellTiles<T>::all(s.h_before)),
        c_before_(CellTiles<T>::all(s.c_before)),
        hidden_bias_(s.hidden_bias.defined() ? s.hidden_bias.data<T>() : nullptr),
        share_(static_cast<T>(1 / std::max<double>(1, static_cast<double>(s.h_before.size())))) {}
  CellRows(Cell which, const CellStep& s, const CellGradients& g) : CellRows(which, s) {
    dh_ = CellTiles<T>(g.dh), dc_ = CellTiles<T>(g.dc), dhidden_ = CellTiles<T>(g.dhidden);
    dh_before_ = CellTiles<T>::all(g.dh_before), dc_before_ = CellTiles<T>::all(g.dc_before);
  }

  /// Elements [first, first + n) of h in a tile.
  void forward(std::int64_t tile, std::int64_t first, std::int64_t n) const {
    switch (which_) {
      case Cell::gru: return over<Gru>(tile, first, n);
      case Cell::lstm: return over<Lstm>(tile, first, n);
      default: return over<Plain>(tile, first, n);
    }
  }
  void backward(std::int64_t tile, std::int64_t first, std::int64_t n) const {
    switch (which_) {
      case Cell::gru: return over<GruGradient>(tile, first, n);
      case Cell::lstm: return over<LstmGradient>(tile, first, n);
      default: return over<PlainGradient>(tile, first, n);
    }
  }

 private:
  template <class Formula>
  HWY_INLINE void over(std::int64_t tile, std::int64_t first, std::int64_t n) const {
    const MapVectors<T> d;
    const hn::CappedTag<T, 1> one;
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
    std::int64_t i = first;
    for (; i + lanes <= first + n; i += lanes) Formula::run(*this, CellVector<T, decltype(d)>{d, tile, i, gate_});
    for (; i < first + n; ++i) Formula::run(*this, CellVector<T, decltype(one)>{one, tile, i, gate_});
  }

  struct Plain {
    template <class At>
    HWY_INLINE static void run(const CellRows& s, At at) {
      auto z = at.get(s.z_);
      if (s.which_ == Cell::tanh) z = hn::Tanh(at.d, z);
      if (s.which_ == Cell::relu) z = hn::IfThenZeroElse(hn::Lt(z, hn::Zero(at.d)), z);  // not "<= 0": NaN must pass
      at.put(z, s.h_);
    }
  };
  struct PlainGradient {
    template <class At>
    HWY_INLINE static void run(const CellRows& s, At at) {
      const auto h = at.get(s.h_);
      auto dz = at.get(s.dh_);
      if (s.which_ == Cell::tanh) dz = at.tanh_slope(dz, h);
      if (s.which_ == Cell::relu) dz = hn::IfThenElseZero(hn::Gt(h, hn::Zero(at.d)), dz);
      at.put(dz, s.z_);
    }
  };

  /// b + Σ zh_n.
  template <class At>
  HWY_INLINE auto hidden_candidate(At at) const {
    auto sum = hn::Zero(at.d);
    if (hidden_bias_ != nullptr) sum = lanes_ == 1 ? hn::LoadU(at.d, hidden_bias_ + at.i) : hn::Set(at.d, hidden_bias_[at.i / lanes_]);
    for (const CellTiles<T>& zh : hidden_) sum = hn::Add(sum, at.get(zh, 2));
    return sum;
  }
  /// The mean of the predecessors' h; zero without any.
  template <class At>
  HWY_INLINE auto mean_before(At at) const {
    auto sum = hn::Zero(at.d);
    for (const CellTiles<T>& h : h_before_) sum = hn::Add(sum, at.get(h));
    return hn::Mul(sum, hn::Set(at.d, share_));
  }

  struct Gru {
    template <class At>
    HWY_INLINE static void run(const CellRows& s, At at) {
      auto r = at.get(s.z_, 0), u = at.get(s.z_, 1);
      for (const CellTiles<T>& zh : s.hidden_) r = hn::Add(r, at.get(zh, 0)), u = hn::Add(u, at.get(zh, 1));
      r = Logistic(at.d, r), u = Logistic(at.d, u);
      const auto n = hn::Tanh(at.d, hn::Add(at.get(s.z_, 2), hn::Mul(r, s.hidden_candidate(at))));
      at.put(r, s.z_, 0), at.put(u, s.z_, 1), at.put(n, s.z_, 2);
      at.put(hn::Add(hn::Mul(hn::Sub(at.one(), u), n), hn::Mul(u, s.mean_before(at))), s.h_);
    }
  };
  struct GruGradient {
    template <class At>
    HWY_INLINE static void run(const CellRows& s, At at) {
      const auto r = at.get(s.z_, 0), u = at.get(s.z_, 1), n = at.get(s.z_, 2), dh = at.get(s.dh_);
      const auto dn = at.tanh_slope(hn::Mul(dh, hn::Sub(at.one(), u)), n), dzh = hn::Mul(dn, r);
      const auto du = at.logistic_slope(hn::Mul(dh, hn::Sub(s.mean_before(at), n)), u);
      const auto dr = at.logistic_slope(hn::Mul(dn, s.hidden_candidate(at)), r);
      const auto passed = hn::Mul(hn::Mul(hn::Set(at.d, s.share_), dh), u);
      for (const CellTiles<T>& dh_before : s.dh_before_) at.put(hn::Add(at.get(dh_before), passed), dh_before);
      at.put(dr, s.z_, 0), at.put(du, s.z_, 1), at.put(dn, s.z_, 2), at.put(dzh, s.dhidden_);
      for (const CellTiles<T>& zh : s.hidden_) at.put(dr, zh, 0), at.put(du, zh, 1), at.put(dzh, zh, 2);
    }
  };

  /// Where predecessor e's forget gate is kept.
  const CellTiles<T>& forget_of(std::size_t e) const { return hidden_.empty() ? z_ : hidden_[e]; }

  struct Lstm {
    template <class At>
    HWY_INLINE static void run(const CellRows& s, At at) {
      auto in = at.get(s.z_, 0), g = at.get(s.z_, 2), out = at.get(s.z_, 3);
      const auto shared = at.get(s.z_, 1);
      for (const CellTiles<T>& zh : s.hidden_)
        in = hn::Add(in, at.get(zh, 0)), g = hn::Add(g, at.get(zh, 2)), out = hn::Add(out, at.get(zh, 3));
      in = Logistic(at.d, in), g = hn::Tanh(at.d, g), out = Logistic(at.d, out);
      auto c = hn::Mul(in, g);
      for (std::size_t e = 0; e < s.c_before_.size(); ++e) {
        const auto forget = Logistic(at.d, s.hidden_.empty() ? shared : hn::Add(shared, at.get(s.hidden_[e], 1)));
        c = hn::Add(c, hn::Mul(forget, at.get(s.c_before_[e])));
        at.put(forget, s.forget_of(e), 1);
      }
      at.put(in, s.z_, 0), at.put(g, s.z_, 2), at.put(out, s.z_, 3), at.put(c, s.c_);
      at.put(hn::Mul(out, hn::Tanh(at.d, c)), s.h_);
    }
  };
  struct LstmGradient {
    template <class At>
    HWY_INLINE static void run(const CellRows& s, At at) {
      const auto in = at.get(s.z_, 0), g = at.get(s.z_, 2), out = at.get(s.z_, 3), dh = at.get(s.dh_);
      const auto squashed = hn::Tanh(at.d, at.get(s.c_));
      const auto dc = hn::Add(at.get(s.dc_), at.tanh_slope(hn::Mul(dh, out), squashed));
      auto dshared = hn::Zero(at.d);
      for (std::size_t e = 0; e < s.c_before_.size(); ++e) {
        const auto forget = at.get(s.forget_of(e), 1);
        const auto own = at.logistic_slope(hn::Mul(dc, at.get(s.c_before_[e])), forget);
        dshared = hn::Add(dshared, own);
        at.put(hn::Add(at.get(s.dc_before_[e]), hn::Mul(dc, forget)), s.dc_before_[e]);
        at.put(own, s.forget_of(e), 1);
      }
      const auto din = at.logistic_slope(hn::Mul(dc, g), in), dg = at.tanh_slope(hn::Mul(dc, in), g);
      const auto dout = at.logistic_slope(hn::Mul(dh, squashed), out);
      at.put(din, s.z_, 0), at.put(dshared, s.z_, 1), at.put(dg, s.z_, 2), at.put(dout, s.z_, 3);
      for (const CellTiles<T>& zh : s.hidden_) at.put(din, zh, 0), at.put(dg, zh, 2), at.put(dout, zh, 3);
    }
  };

  Cell which_;
  std::int64_t gate_;
  int lanes_;
  CellTiles<T> z_, h_, c_;
  std::vector<CellTiles<T>> hidden_, h_before_, c_before_;
  const T* hidden_bias_;
  T share_;  // of each predecessor in their mean
  CellTiles<T> dh_, dc_, dhidden_;
  std::vector<CellTiles<T>> dh_before_, dc_before_;
};

}  // namespace weft::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
