#include <weft/core/error.hpp>

#include <weft/tests/oracle/oracle.hpp>

namespace weft::oracle {

namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// One window position: calls f(output pixel, input pixel, tap) for each tap inside the input.
template <class F>
void for_each_tap(Lattice in, Lattice out, const patterns::Conv2dOptions& o, F&& f) {
  for (int oy = 0; oy < out.h; ++oy)
    for (int ox = 0; ox < out.w; ++ox)
      for (int a = 0; a < o.kernel; ++a)
        for (int b = 0; b < o.kernel; ++b) {
          const int y = oy * o.stride + a * o.dilation - o.pad, x = ox * o.stride + b * o.dilation - o.pad;
          if (y >= 0 && y < in.h && x >= 0 && x < in.w)
            f(std::int64_t{oy} * out.w + ox, std::int64_t{y} * in.w + x, std::int64_t{a} * o.kernel + b);
        }
}

}  // namespace

Values conv2d(Lattice in, int c_out, const patterns::Conv2dOptions& o, const Values& weight, const Values& x, std::int64_t n) {
  const int h = (in.h + 2 * o.pad - o.dilation * (o.kernel - 1) - 1) / o.stride + 1;
  const int w = (in.w + 2 * o.pad - o.dilation * (o.kernel - 1) - 1) / o.stride + 1;
  const int group_out = c_out / o.groups, group_in = in.c / o.groups, taps = o.kernel * o.kernel;
  Values y(at(std::int64_t{h} * w * c_out * n));
  for_each_tap(in, {h, w, c_out}, o, [&](std::int64_t to, std::int64_t from, std::int64_t tap) {
    for (int c = 0; c < c_out; ++c)
      for (int k = 0; k < group_in; ++k)
        for (std::int64_t j = 0; j < n; ++j)
          y[at((to * c_out + c) * n + j)] +=
              weight[at((std::int64_t{c} * group_in + k) * taps + tap)] * x[at((from * in.c + c / group_out * group_in + k) * n + j)];
  });
  return y;
}

Values conv_transpose2d(Lattice in, int c_out, const patterns::Conv2dOptions& o, int output_pad, const Values& weight, const Values& x,
                        std::int64_t n) {
  const int h = (in.h - 1) * o.stride - 2 * o.pad + o.dilation * (o.kernel - 1) + 1 + output_pad;
  const int w = (in.w - 1) * o.stride - 2 * o.pad + o.dilation * (o.kernel - 1) + 1 + output_pad;
  const int group_out = c_out / o.groups, group_in = in.c / o.groups, taps = o.kernel * o.kernel;
  Values y(at(std::int64_t{h} * w * c_out * n));
  for_each_tap({h, w, c_out}, in, o, [&](std::int64_t from, std::int64_t to, std::int64_t tap) {
    for (int k = 0; k < in.c; ++k)
      for (int m = 0; m < group_out; ++m)
        for (std::int64_t j = 0; j < n; ++j)
          y[at((to * c_out + k / group_in * group_out + m) * n + j)] +=
              weight[at((std::int64_t{k} * group_out + m) * taps + tap)] * x[at((from * in.c + k) * n + j)];
  });
  return y;
}

Values avg_pool2d(Lattice in, const patterns::Pool2dOptions& options, const Values& x, std::int64_t n) {
  const patterns::Conv2dOptions o{
      .kernel = options.kernel, .stride = options.stride == 0 ? options.kernel : options.stride, .pad = options.pad};
  const int h = (in.h + 2 * o.pad - o.kernel) / o.stride + 1, w = (in.w + 2 * o.pad - o.kernel) / o.stride + 1;
  Values y(at(std::int64_t{h} * w * in.c * n));
  for_each_tap(in, {h, w, in.c}, o, [&](std::int64_t to, std::int64_t from, std::int64_t) {
    for (int c = 0; c < in.c; ++c)
      for (std::int64_t j = 0; j < n; ++j) y[at((to * in.c + c) * n + j)] += x[at((from * in.c + c) * n + j)] / (o.kernel * o.kernel);
  });
  return y;
}

std::vector<std::int64_t> conv_places(const SparsePattern& s, const patterns::Conv2dOptions& o, ConvField field) {
  const ValueLayout& block = s.block();
  const bool depthwise = block.kind == BlockKind::diagonal;
  const bool forward = field == ConvField::forward;
  // The field is [outer, inner, taps]: a group's output channels are the block's rows, its input channels the columns.
  const int group_outer = depthwise ? 1 : forward ? block.height : block.width;
  const int inner = depthwise ? 1 : forward ? block.width : block.height;
  const int taps = o.kernel * o.kernel, outer = group_outer * o.groups;
  std::vector<std::int64_t> places;
  for (int c = 0; c < outer; ++c)
    for (int i = 0; i < inner; ++i)
      for (int tap = 0; tap < taps; ++tap) {
        const int slot = depthwise ? tap : tap * o.groups + c / group_outer;
        const int m = depthwise ? c : forward ? c % group_outer : i;
        const int k = depthwise ? c : forward ? i : c % group_outer;
        places.push_back(slot * block.slot_size() + block.offset(m, k));
      }
  return places;
}

Values conv_values(const SparsePattern& s, const patterns::Conv2dOptions& o, ConvField field, const Values& weight) {
  const std::vector<std::int64_t> places = conv_places(s, o, field);
  WEFT_CHECK(places.size() == weight.size());
  Values values(at(s.values_size()));
  for (std::size_t i = 0; i < places.size(); ++i) values[at(places[i])] = weight[i];
  return values;
}

Values conv_weight(const SparsePattern& s, const patterns::Conv2dOptions& o, ConvField field, const Values& values) {
  Values weight;
  for (const std::int64_t place : conv_places(s, o, field)) weight.push_back(values[at(place)]);
  return weight;
}

}  // namespace weft::oracle
