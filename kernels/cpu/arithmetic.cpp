// y[e] = a[e] op b[e] and its gradients. Operands lie [tile][row][lane]; every element is on its own, so the loops run
// over flat spans and the compiler vectorises them. Bound by memory.
#include <weft/kernels/arithmetic.hpp>

#include <cstring>

#include <weft/core/error.hpp>
#include <weft/kernels/cpu/spans.hpp>

namespace weft::kernels {

namespace {

/// y[e] = f(a[e], b[e]).
template <class F>
void zip(const Tensor& a, const Tensor& b, const Tensor& y, F f) {
  by_float(y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_spans({&a, &b, &y}, [&](std::int64_t tile, std::int64_t first, std::int64_t n) {
      const T* left = at<T>(a, tile, first);
      const T* right = at<T>(b, tile, first);
      T* out = at<T>(y, tile, first);
      for (std::int64_t i = 0; i < n; ++i) out[i] = f(left[i], right[i]);
    });
  });
}

/// dx[e] = f(a[e], b[e], dy[e]).
template <class F>
void zip_grad(const Tensor& a, const Tensor& b, const Tensor& dy, const Tensor& dx, F f) {
  by_float(dx.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_spans({&a, &b, &dy, &dx}, [&](std::int64_t tile, std::int64_t first, std::int64_t n) {
      const T* left = at<T>(a, tile, first);
      const T* right = at<T>(b, tile, first);
      const T* slope = at<T>(dy, tile, first);
      T* out = at<T>(dx, tile, first);
      for (std::int64_t i = 0; i < n; ++i) out[i] = f(left[i], right[i], slope[i]);
    });
  });
}

}  // namespace

const char* name_of(Binary op) {
  switch (op) {
    case Binary::add: return "add";
    case Binary::subtract: return "subtract";
    case Binary::multiply: return "multiply";
    case Binary::divide: return "divide";
    case Binary::maximum: return "maximum";
    case Binary::minimum: return "minimum";
  }
  return "?";
}

void binary(Binary op, const Tensor& a, const Tensor& b, const Tensor& y) {
  switch (op) {
    case Binary::add: return zip(a, b, y, [](auto l, auto r) { return l + r; });
    case Binary::subtract: return zip(a, b, y, [](auto l, auto r) { return l - r; });
    case Binary::multiply: return zip(a, b, y, [](auto l, auto r) { return l * r; });
    case Binary::divide: return zip(a, b, y, [](auto l, auto r) { return l / r; });
    case Binary::maximum: return zip(a, b, y, [](auto l, auto r) { return l < r ? r : l; });
    case Binary::minimum: return zip(a, b, y, [](auto l, auto r) { return r < l ? r : l; });
  }
}

void binary_grad(Binary op, int side, const Tensor& a, const Tensor& b, const Tensor& dy, const Tensor& dx) {
  const bool first = side == 0;
  switch (op) {
    case Binary::add: return copy(dy, dx);
    case Binary::subtract: return first ? copy(dy, dx) : affine(-1, dy, 0, dx);
    case Binary::multiply: return binary(Binary::multiply, dy, first ? b : a, dx);
    case Binary::divide:
      if (first) return binary(Binary::divide, dy, b, dx);
      return zip_grad(a, b, dy, dx, [](auto l, auto r, auto d) { return -(d * l) / (r * r); });
    case Binary::maximum:
      if (first) return zip_grad(a, b, dy, dx, [](auto l, auto r, auto d) { return l < r ? decltype(d){0} : d; });
      return zip_grad(a, b, dy, dx, [](auto l, auto r, auto d) { return l < r ? d : decltype(d){0}; });
    case Binary::minimum:
      if (first) return zip_grad(a, b, dy, dx, [](auto l, auto r, auto d) { return r < l ? decltype(d){0} : d; });
      return zip_grad(a, b, dy, dx, [](auto l, auto r, auto d) { return r < l ? d : decltype(d){0}; });
  }
}

void affine(double scale, const Tensor& x, double shift, const Tensor& y) {
  by_float(y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T factor = static_cast<T>(scale), offset = static_cast<T>(shift);
    for_spans({&x, &y}, [&](std::int64_t tile, std::int64_t first, std::int64_t n) {
      const T* in = at<T>(x, tile, first);
      T* out = at<T>(y, tile, first);
      for (std::int64_t i = 0; i < n; ++i) out[i] = factor * in[i] + offset;
    });
  });
}

void copy(const Tensor& x, const Tensor& y) {
  WEFT_CHECK(x.dtype() == y.dtype());
  const auto width = static_cast<std::int64_t>(size_of(x.dtype()));
  for_spans({&x, &y}, [&](std::int64_t tile, std::int64_t first, std::int64_t n) {
    std::memcpy(y.bytes() + (tile * y.tile_stride() + first) * width, x.bytes() + (tile * x.tile_stride() + first) * width,
                static_cast<std::size_t>(n * width));
  });
}

}  // namespace weft::kernels
