// A step of a recurrence on [rows][lane] runs, one tile after the other: the formulas of cells.hpp as they stand, in runs that stay in the
// first cache. Transcendentals are map_run's.
#include <weft/kernels/cells.hpp>

#include <algorithm>
#include <array>

#include <weft/core/parallel.hpp>
#include <weft/kernels/maps.hpp>

namespace weft::kernels {

namespace {

constexpr std::int64_t kRun = 512;  // elements

/// The elements of one tile of a step, from `first` on: gate g's begin `g * stride` further.
template <class T>
struct Span {
  T* z;
  std::int64_t stride, n;
  std::vector<T*> hidden, h_before, c_before;
  T* h;
  T* c;
  const T* hidden_bias;  ///< of the first row
  int lanes;
};

template <class T>
T* at(const Tensor& t, std::int64_t tile, std::int64_t first) {
  return t.data<T>() + tile * t.tile_stride() + first;
}
template <class T>
std::vector<T*> all_at(const std::vector<Tensor>& tensors, std::int64_t tile, std::int64_t first) {
  std::vector<T*> pointers;
  for (const Tensor& t : tensors) pointers.push_back(at<T>(t, tile, first));
  return pointers;
}

/// Calls f(span, tile, first) for runs that cover the step.
template <class T, class F>
void for_runs(const CellStep& s, F&& f) {
  const int lanes = s.h.columns()->lanes;
  const std::int64_t length = s.h.row_count() * lanes, rows = std::max<std::int64_t>(kRun / lanes, 1), run = rows * lanes;
  const std::int64_t runs = (length + run - 1) / run;
  parallel_for(s.h.columns()->tiles() * runs, [&](std::int64_t i) {
    const std::int64_t tile = i / runs, first = i % runs * run;
    f(Span<T>{.z = at<T>(s.z, tile, first),
              .stride = length,
              .n = std::min(run, length - first),
              .hidden = all_at<T>(s.hidden, tile, first),
              .h_before = all_at<T>(s.h_before, tile, first),
              .c_before = all_at<T>(s.c_before, tile, first),
              .h = at<T>(s.h, tile, first),
              .c = s.c.defined() ? at<T>(s.c, tile, first) : nullptr,
              .hidden_bias = s.hidden_bias.defined() ? s.hidden_bias.data<T>() + first / lanes : nullptr,
              .lanes = lanes},
      tile, first);
  });
}

template <class T>
void add(const T* x, T* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] += x[i];
}

MapCall map_of(Cell which) { return {which == Cell::tanh ? Map::tanh : which == Cell::relu ? Map::relu : Map::identity}; }

/// b + Σ zh_n.
template <class T>
void hidden_candidate(const Span<T>& s, T* sum) {
  for (std::int64_t i = 0; i < s.n; ++i) sum[i] = s.hidden_bias != nullptr ? s.hidden_bias[i / s.lanes] : T{0};
  for (const T* zh : s.hidden) add(zh + 2 * s.stride, sum, s.n);
}

/// The mean of the predecessors' h; zero without any.
template <class T>
void mean_before(const Span<T>& s, T* mean) {
  std::fill_n(mean, s.n, T{0});
  for (const T* h : s.h_before) add(h, mean, s.n);
  const T scale = static_cast<T>(1 / std::max<double>(1, static_cast<double>(s.h_before.size())));
  for (std::int64_t i = 0; i < s.n; ++i) mean[i] *= scale;
}

template <class T>
void gru(const Span<T>& s) {
  T *const r = s.z, *const u = s.z + s.stride, *const n = s.z + 2 * s.stride;
  std::array<T, kRun> hidden, mean;
  for (const T* zh : s.hidden) add(zh, r, s.n), add(zh + s.stride, u, s.n);
  map_run({Map::sigmoid}, r, r, s.n);
  map_run({Map::sigmoid}, u, u, s.n);
  hidden_candidate(s, hidden.data());
  mean_before(s, mean.data());
  for (std::int64_t i = 0; i < s.n; ++i) n[i] += r[i] * hidden[static_cast<std::size_t>(i)];
  map_run({Map::tanh}, n, n, s.n);
  for (std::int64_t i = 0; i < s.n; ++i) s.h[i] = (1 - u[i]) * n[i] + u[i] * mean[static_cast<std::size_t>(i)];
}

template <class T>
void lstm(const Span<T>& s) {
  T *const in = s.z, *const forget = s.z + s.stride, *const g = s.z + 2 * s.stride, *const out = s.z + 3 * s.stride;
  for (T* zh : s.hidden) {
    add(zh, in, s.n), add(zh + 2 * s.stride, g, s.n), add(zh + 3 * s.stride, out, s.n);
    T* const own = zh + s.stride;
    add(forget, own, s.n);
    map_run({Map::sigmoid}, own, own, s.n);
  }
  if (s.hidden.empty()) map_run({Map::sigmoid}, forget, forget, s.n);
  map_run({Map::sigmoid}, in, in, s.n);
  map_run({Map::tanh}, g, g, s.n);
  map_run({Map::sigmoid}, out, out, s.n);
  for (std::int64_t i = 0; i < s.n; ++i) s.c[i] = in[i] * g[i];
  for (std::size_t e = 0; e < s.c_before.size(); ++e) {
    const T* const own = s.hidden.empty() ? forget : s.hidden[e] + s.stride;
    for (std::int64_t i = 0; i < s.n; ++i) s.c[i] += own[i] * s.c_before[e][i];
  }
  map_run({Map::tanh}, s.c, s.h, s.n);
  for (std::int64_t i = 0; i < s.n; ++i) s.h[i] *= out[i];
}

/// What a run of a step receives and passes on.
template <class T>
struct GradientSpan {
  const T* dh;
  T* dc;
  std::vector<T*> dh_before, dc_before;
  T* dhidden;
};

template <class T>
void plain_grad(Cell which, const Span<T>& s, const GradientSpan<T>& g) {
  for (std::int64_t i = 0; i < s.n; ++i) {
    const T slope = which == Cell::tanh ? 1 - s.h[i] * s.h[i] : which == Cell::relu ? static_cast<T>(s.h[i] > 0) : T{1};
    s.z[i] = g.dh[i] * slope;
  }
}

template <class T>
void gru_grad(const Span<T>& s, const GradientSpan<T>& g) {
  T *const r = s.z, *const u = s.z + s.stride, *const n = s.z + 2 * s.stride;
  std::array<T, kRun> hidden, mean;
  hidden_candidate(s, hidden.data());
  mean_before(s, mean.data());
  const T share = static_cast<T>(1 / std::max<double>(1, static_cast<double>(s.h_before.size())));
  for (T* dh_before : g.dh_before)
    for (std::int64_t i = 0; i < s.n; ++i) dh_before[i] += share * g.dh[i] * u[i];
  for (std::int64_t i = 0; i < s.n; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const T dn = g.dh[i] * (1 - u[i]) * (1 - n[i] * n[i]);
    const T du = g.dh[i] * (mean[at] - n[i]) * u[i] * (1 - u[i]);
    g.dhidden[i] = dn * r[i];
    r[i] = dn * hidden[at] * r[i] * (1 - r[i]);
    u[i] = du, n[i] = dn;
  }
  for (T* zh : s.hidden) {
    std::copy_n(r, s.n, zh);
    std::copy_n(u, s.n, zh + s.stride);
    std::copy_n(g.dhidden, s.n, zh + 2 * s.stride);
  }
}

template <class T>
void lstm_grad(const Span<T>& s, const GradientSpan<T>& g) {
  T *const in = s.z, *const forget = s.z + s.stride, *const candidate = s.z + 2 * s.stride, *const out = s.z + 3 * s.stride;
  std::array<T, kRun> squashed, dforget{};
  map_run({Map::tanh}, s.c, squashed.data(), s.n);
  for (std::int64_t i = 0; i < s.n; ++i) {
    const T t = squashed[static_cast<std::size_t>(i)];
    g.dc[i] += g.dh[i] * out[i] * (1 - t * t);
    out[i] = g.dh[i] * t * out[i] * (1 - out[i]);
  }
  for (std::size_t e = 0; e < s.c_before.size(); ++e) {
    T* const own = s.hidden.empty() ? forget : s.hidden[e] + s.stride;
    for (std::int64_t i = 0; i < s.n; ++i) {
      const T f = own[i];
      g.dc_before[e][i] += g.dc[i] * f;
      own[i] = g.dc[i] * s.c_before[e][i] * f * (1 - f);
      dforget[static_cast<std::size_t>(i)] += own[i];
    }
  }
  for (std::int64_t i = 0; i < s.n; ++i) {
    const T i_gate = in[i], c_gate = candidate[i];
    in[i] = g.dc[i] * c_gate * i_gate * (1 - i_gate);
    candidate[i] = g.dc[i] * i_gate * (1 - c_gate * c_gate);
    forget[i] = dforget[static_cast<std::size_t>(i)];
  }
  for (T* zh : s.hidden) {
    std::copy_n(in, s.n, zh);
    std::copy_n(candidate, s.n, zh + 2 * s.stride);
    std::copy_n(out, s.n, zh + 3 * s.stride);
  }
}

}  // namespace

int gates(Cell cell) { return cell == Cell::lstm ? 4 : cell == Cell::gru ? 3 : 1; }

const char* name_of(Cell cell) {
  switch (cell) {
    case Cell::linear: return "linear";
    case Cell::tanh: return "tanh";
    case Cell::relu: return "relu";
    case Cell::gru: return "gru";
    case Cell::lstm: return "lstm";
  }
  return "?";
}

void cell(Cell which, const CellStep& step) {
  by_float(step.h.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_runs<T>(step, [&](const Span<T>& s, std::int64_t, std::int64_t) {
      if (which == Cell::gru) return gru(s);
      if (which == Cell::lstm) return lstm(s);
      map_run(map_of(which), s.z, s.h, s.n);
    });
  });
}

void cell_grad(Cell which, const CellStep& step, const CellGradients& g) {
  by_float(step.h.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_runs<T>(step, [&](const Span<T>& s, std::int64_t tile, std::int64_t first) {
      const GradientSpan<T> gradients{.dh = at<T>(g.dh, tile, first),
                                      .dc = g.dc.defined() ? at<T>(g.dc, tile, first) : nullptr,
                                      .dh_before = all_at<T>(g.dh_before, tile, first),
                                      .dc_before = all_at<T>(g.dc_before, tile, first),
                                      .dhidden = g.dhidden.defined() ? at<T>(g.dhidden, tile, first) : nullptr};
      if (which == Cell::gru) return gru_grad(s, gradients);
      if (which == Cell::lstm) return lstm_grad(s, gradients);
      plain_grad(which, s, gradients);
    });
  });
}

}  // namespace weft::kernels
