#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <weft/autograd/ops.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/random.hpp>

/// The ops of autograd/ops.hpp, one row or more each: how to call it, and the same in naive loops over row-major doubles.
namespace weft::oracle {

/// An input: uniform in [lo, hi] but at least `gap` from the kink at 0 and from -0.7 and 0.6, where clamp bends.
struct Input {
  Shape rows;
  bool tiled = true;
  double lo = -2, hi = 2, gap = 0;
};

/// Row-major [rows, n] values.
using Values = std::vector<double>;

struct Row {
  std::string declaration;
  std::vector<Input> inputs;
  std::function<Var(Tape&, const std::vector<Var>&)> op;
  std::function<Values(const std::vector<Values>& x, std::int64_t n)> expected;
};

using Vars = std::vector<Var>;
using Arrays = std::vector<Values>;

inline Row map_row(const std::string& declaration, Var (*op)(Var), double (*f)(double), Input input = {{3, 2}}) {
  return {declaration,
          {input},
          [op](Tape&, const Vars& x) { return op(x[0]); },
          [f](const Arrays& x, std::int64_t) {
            Values y;
            for (const double v : x[0]) y.push_back(f(v));
            return y;
          }};
}

inline Row pair_row(const std::string& declaration, Var (*op)(Var, Var), double (*f)(double, double), Input second = {{3, 2}}) {
  return {declaration,
          {{{3, 2}}, second},
          [op](Tape&, const Vars& x) { return op(x[0], x[1]); },
          [f](const Arrays& x, std::int64_t) {
            Values y;
            for (std::size_t i = 0; i < x[0].size(); ++i) y.push_back(f(x[0][i], x[1][x[1].size() == 1 ? 0 : i]));
            return y;
          }};
}

inline Row with_number(const std::string& declaration, std::function<Var(Var)> op, std::function<double(double)> f,
                       Input input = {{3, 2}}) {
  return {declaration,
          {input},
          [op](Tape&, const Vars& x) { return op(x[0]); },
          [f](const Arrays& x, std::int64_t) {
            Values y;
            for (const double v : x[0]) y.push_back(f(v));
            return y;
          }};
}

/// One result a column from its values.
inline Row column_row(const std::string& declaration, Var (*op)(Var), double (*f)(const Values&)) {
  return {declaration,
          {{{3, 2}}},
          [op](Tape&, const Vars& x) { return op(x[0]); },
          [f](const Arrays& x, std::int64_t n) {
            Values y;
            for (std::int64_t column = 0; column < n; ++column) {
              Values values;
              for (std::size_t i = static_cast<std::size_t>(column); i < x[0].size(); i += static_cast<std::size_t>(n))
                values.push_back(x[0][i]);
              y.push_back(f(values));
            }
            return y;
          }};
}

inline double total(const Values& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum;
}

/// Calls f(indices) for each line of `length` values along the last row axis of [lead, length, n].
template <class F>
void for_lines(std::size_t size, std::int64_t length, std::int64_t n, F&& f) {
  const auto lead = static_cast<std::int64_t>(size) / (length * n);
  for (std::int64_t row = 0; row < lead; ++row)
    for (std::int64_t column = 0; column < n; ++column) {
      std::vector<std::size_t> line;
      for (std::int64_t c = 0; c < length; ++c) line.push_back(static_cast<std::size_t>((row * length + c) * n + column));
      f(line);
    }
}

inline Values softmax_of(const Values& x, std::int64_t length, std::int64_t n, bool logarithm) {
  Values y(x.size());
  for_lines(x.size(), length, n, [&](const std::vector<std::size_t>& line) {
    double sum = 0;
    for (const std::size_t i : line) sum += std::exp(x[i]);
    for (const std::size_t i : line) y[i] = logarithm ? x[i] - std::log(sum) : std::exp(x[i]) / sum;
  });
  return y;
}

/// (x - mean)/sqrt(variance + eps)·gamma[c] + beta[c] over groups of indices; `channel` gives c.
inline void normalise(const Arrays& in, const std::vector<std::size_t>& group, const std::function<std::size_t(std::size_t)>& channel,
                      double eps, Values& y) {
  const double count = static_cast<double>(group.size());
  double mean = 0, variance = 0;
  for (const std::size_t i : group) mean += in[0][i] / count;
  for (const std::size_t i : group) variance += (in[0][i] - mean) * (in[0][i] - mean) / count;
  for (const std::size_t i : group) y[i] = (in[0][i] - mean) / std::sqrt(variance + eps) * in[1][channel(i)] + in[2][channel(i)];
}

// Targets for logits [2, 4, N]; every fifth column is ignored in its first row.
constexpr std::int64_t kClasses = 4;
constexpr std::int32_t kIgnored = -7;
inline std::int32_t target_at(std::int64_t row, std::int64_t n) {
  return row == 0 && n % 5 == 4 ? kIgnored : static_cast<std::int32_t>((3 * row + n) % kClasses);
}

inline Tensor targets_for(const ColumnsPtr& columns) {
  std::vector<std::int32_t> values;
  for (std::int64_t row = 0; row < 2; ++row)
    for (std::int64_t n = 0; n < columns->count; ++n) values.push_back(target_at(row, n));
  return pack_rows(values, {2}, columns);
}

inline Values entropy_of(const Values& logits, std::int64_t classes, std::int64_t n, double smoothing) {
  const Values logs = softmax_of(logits, classes, n, true);
  double sum = 0;
  for (std::int64_t row = 0; row < 2; ++row)
    for (std::int64_t column = 0; column < n; ++column) {
      const std::int32_t target = target_at(row, column);
      if (target == kIgnored) continue;
      for (std::int64_t c = 0; c < classes; ++c)
        sum -= logs[static_cast<std::size_t>((row * classes + c) * n + column)] *
               ((c == target ? 1 - smoothing : 0) + smoothing / static_cast<double>(classes));
    }
  return {sum};
}

/// Targets of the losses of single predictions, in [0, 1].
inline double point_target(std::int64_t row, std::int64_t n) {
  return 0.15 * static_cast<double>(row % 3) + 0.1 * static_cast<double>(n % 7);
}

inline Tensor point_targets(const Var& x) {
  Values values;
  for (std::int64_t row = 0; row < x.rows().size(); ++row)
    for (std::int64_t n = 0; n < x.columns()->count; ++n) values.push_back(point_target(row, n));
  const Tensor t = pack_rows(values, x.rows(), x.columns());
  return x.dtype() == Dtype::f64 ? t : cast(t, x.dtype());
}

inline Row point_row(const std::string& declaration, std::function<Loss(Var, const Tensor&)> loss,
                     std::function<double(double x, double target)> f) {
  return {declaration,
          {{{3, 2}}},
          [loss](Tape&, const Vars& x) { return loss(x[0], point_targets(x[0])).sum; },
          [f](const Arrays& x, std::int64_t n) {
            double sum = 0;
            for (std::size_t i = 0; i < x[0].size(); ++i)
              sum += f(x[0][i], point_target(static_cast<std::int64_t>(i) / n, static_cast<std::int64_t>(i) % n));
            return Values{sum};
          }};
}

inline BatchStatistics running_for(Var x) {
  BatchStatistics running{Tensor::plain(x.dtype(), {x.rows().back()}), Tensor::plain(x.dtype(), {x.rows().back()})};
  running.mean.fill(0);
  running.variance.fill(1);
  return running;
}

/// Whether dropout keeps a value: Philox on (seed, path; four rows, column, step), as kernels/dropout.hpp says.
inline bool dropout_keeps(std::int64_t row, std::int64_t n, double p) {
  const std::uint64_t key = 42 ^ hash_name("");
  const auto words = philox4x32({static_cast<std::uint32_t>(row / 4), static_cast<std::uint32_t>(n), 0, 1},
                                {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)});
  return words[static_cast<std::size_t>(row % 4)] >= static_cast<std::uint64_t>(p * 0x1p32);
}

inline PatternPtr small_pattern() {
  static const PatternPtr pattern = patterns::dense(5, 6, 4);
  return pattern;
}

/// Ids of two leading rows, each of them used by several columns and one of them by none.
inline std::int32_t id_at(std::int64_t row, std::int64_t n) { return static_cast<std::int32_t>((3 * row + n * n) % 4); }

inline Tensor ids_for(const ColumnsPtr& columns) {
  std::vector<std::int32_t> values;
  for (std::int64_t row = 0; row < 2; ++row)
    for (std::int64_t n = 0; n < columns->count; ++n) values.push_back(id_at(row, n));
  return pack_rows(values, {2, 1}, columns);
}

inline Row lookup_row(const PatternPtr& table) {
  const std::int64_t d = table->cols();
  return {"embedding(const PatternPtr& pattern, Var table, const Tensor& ids)",
          {{{table->values_size()}, false}, {{2, d}}},
          [table](Tape&, const Vars& x) { return embedding(table, x[0], ids_for(x[1].columns())) * x[1]; },
          [table, d](const Arrays& x, std::int64_t n) {
            const std::vector<double> s = to_dense(*table, x[0]);
            Values y;
            for (std::int64_t row = 0; row < 2; ++row)
              for (std::int64_t k = 0; k < d; ++k)
                for (std::int64_t column = 0; column < n; ++column)
                  y.push_back(s[static_cast<std::size_t>(id_at(row, column) * d + k)] * x[1][y.size()]);
            return y;
          }};
}

/// Softmax of a 6 x 4 matrix over two leading rows.
inline Row linear_entropy_row() {
  static const PatternPtr pattern = patterns::dense(6, 4, 2);
  return {
      "linear_cross_entropy(const PatternPtr& pattern, Var values, Var bias, Var x, const Tensor& targets, std::int32_t ignore_index = "
      "-100)",
      {{{pattern->values_size()}, false}, {{6}, false}, {{2, 4}}},
      [](Tape&, const Vars& x) { return linear_cross_entropy(pattern, x[0], x[1], x[2], targets_for(x[2].columns()), kIgnored).sum; },
      [](const Arrays& x, std::int64_t n) {
        const std::vector<double> s = to_dense(*pattern, x[0]);
        Values logits;
        for (std::int64_t row = 0; row < 12; ++row)
          for (std::int64_t column = 0; column < n; ++column) {
            double sum = x[1][static_cast<std::size_t>(row % 6)];
            for (std::int64_t k = 0; k < 4; ++k)
              sum += s[static_cast<std::size_t>(row % 6 * 4 + k)] * x[2][static_cast<std::size_t>((row / 6 * 4 + k) * n + column)];
            logits.push_back(sum);
          }
        return entropy_of(logits, 6, n, 0);
      }};
}

inline Values product_of(const Arrays& x, std::int64_t n) {
  const std::vector<double> s = to_dense(*small_pattern(), x[0]);
  Values y(static_cast<std::size_t>(5 * n));
  for (std::int64_t r = 0; r < 5; ++r)
    for (std::int64_t column = 0; column < n; ++column) {
      double sum = x[1][static_cast<std::size_t>(r)];
      for (std::int64_t k = 0; k < 6; ++k) sum += s[static_cast<std::size_t>(r * 6 + k)] * x[2][static_cast<std::size_t>(k * n + column)];
      y[static_cast<std::size_t>(r * n + column)] = sum;
    }
  return y;
}

inline Values max_pool_of(const Values& x, std::int64_t n) {  // 4x4x2, 2x2 windows
  Values y;
  for (std::int64_t i = 0; i < 2; ++i)
    for (std::int64_t j = 0; j < 2; ++j)
      for (std::int64_t c = 0; c < 2; ++c)
        for (std::int64_t column = 0; column < n; ++column) {
          double best = -INFINITY;
          for (std::int64_t k = 0; k < 4; ++k)
            best = std::max(best, x[static_cast<std::size_t>((((2 * i + k / 2) * 4 + 2 * j + k % 2) * 2 + c) * n + column)]);
          y.push_back(best);
        }
  return y;
}

/// One value for each line over the time axis of [outer, steps, inner] from its values in order.
inline Row steps_row(const std::string& declaration, Var (*op)(Var, TimeAxis), TimeAxis time, double (*f)(const Values&)) {
  const bool first = time == TimeAxis::first;
  return {declaration,
          {{first ? Shape{5, 2, 3} : Shape{2, 3, 5}}},
          [op, time](Tape&, const Vars& x) { return op(x[0], time); },
          [first, f](const Arrays& x, std::int64_t n) {
            Values y;
            for (std::int64_t row = 0; row < 6; ++row)
              for (std::int64_t column = 0; column < n; ++column) {
                Values line;
                for (std::int64_t t = 0; t < 5; ++t)
                  line.push_back(x[0][static_cast<std::size_t>((first ? t * 6 + row : row * 5 + t) * n + column)]);
                y.push_back(f(line));
              }
            return y;
          }};
}

inline double normal_below(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

inline const std::vector<Row>& rows() {
  static const std::vector<Row> all = [] {
    std::vector<Row> table;
    const Input bent{{3, 2}, true, -2, 2, 0.01}, positive{{3, 2}, true, 0.3, 2};
    const auto add = [&](Row row) { table.push_back(std::move(row)); };
    add({"spmm(const PatternPtr& pattern, Var values, Var bias, Var x, Shape out)",
         {{{small_pattern()->values_size()}, false}, {{5}, false}, {{3, 2}}},
         [](Tape&, const Vars& x) { return spmm(small_pattern(), x[0], x[1], x[2], {5}); },
         product_of});
    add(with_number(
        "map_op(Var x, kernels::MapCall call)", [](Var x) { return map_op(x, {kernels::Map::tanh}); },
        [](double v) { return std::tanh(v); }));
    add(with_number(
        "map_op(Var x, kernels::MapCall call)", [](Var x) { return map_op(x * 2.0, {kernels::Map::identity}); },
        [](double v) { return 2 * v; }));
    add({"max_pool2d(Var x, Lattice in, int kernel, int stride, int pad)",
         {{{4, 4, 2}}},
         [](Tape&, const Vars& x) {
           return max_pool2d(x[0], {4, 4, 2}, 2, 2, 0);
         },
         [](const Arrays& x, std::int64_t n) { return max_pool_of(x[0], n); }});
    add(pair_row(
        "operator+(Var a, Var b)", [](Var a, Var b) { return a + b; }, [](double a, double b) { return a + b; }));
    add(map_row(
        "relu(Var x)", relu, [](double v) { return v > 0 ? v : 0; }, bent));
    add(with_number(
        "leaky_relu(Var x, double slope)", [](Var x) { return leaky_relu(x, 0.1); }, [](double v) { return v > 0 ? v : 0.1 * v; }, bent));
    add(map_row("gelu(Var x)", gelu, [](double v) { return v * normal_below(v); }));
    add(map_row("silu(Var x)", silu, [](double v) { return v / (1 + std::exp(-v)); }));
    add(map_row("tanh(Var x)", tanh, [](double v) { return std::tanh(v); }));
    add(map_row("sigmoid(Var x)", sigmoid, [](double v) { return 1 / (1 + std::exp(-v)); }));
    add(map_row("exp(Var x)", exp, [](double v) { return std::exp(v); }));
    add(map_row(
        "log(Var x)", log, [](double v) { return std::log(v); }, positive));
    add(map_row(
        "sqrt(Var x)", sqrt, [](double v) { return std::sqrt(v); }, positive));
    add(map_row(
        "abs(Var x)", abs, [](double v) { return std::abs(v); }, bent));
    add(with_number(
        "clamp(Var x, double lo, double hi)", [](Var x) { return clamp(x, -0.7, 0.6); }, [](double v) { return std::clamp(v, -0.7, 0.6); },
        bent));
    add(pair_row(
        "operator-(Var a, Var b)", [](Var a, Var b) { return a - b; }, [](double a, double b) { return a - b; }));
    add(pair_row(
        "operator-(Var a, Var b)", [](Var a, Var b) { return a - b; }, [](double a, double b) { return a - b; }, {{1}, false}));
    add(pair_row(
        "operator*(Var a, Var b)", [](Var a, Var b) { return a * b; }, [](double a, double b) { return a * b; }));
    add(pair_row(
        "operator*(Var a, Var b)", [](Var a, Var b) { return b * a; }, [](double a, double b) { return a * b; }, {{1}, false}));
    add(pair_row(
        "operator/(Var a, Var b)", [](Var a, Var b) { return a / b; }, [](double a, double b) { return a / b; }, positive));
    add(pair_row(
        "operator/(Var a, Var b)", [](Var a, Var b) { return b / (a + 3.0); }, [](double a, double b) { return b / (a + 3); },
        {{1}, false, 0.3, 2}));
    add(with_number(
        "operator-(Var a)", [](Var x) { return -x; }, [](double v) { return -v; }));
    add(with_number(
        "operator+(Var a, double b)", [](Var x) { return x + 0.75; }, [](double v) { return v + 0.75; }));
    add(with_number(
        "operator*(Var a, double b)", [](Var x) { return x * -1.5; }, [](double v) { return v * -1.5; }));
    add(with_number(
        "operator+(double a, Var b)", [](Var x) { return 0.75 + x; }, [](double v) { return v + 0.75; }));
    add(with_number(
        "operator*(double a, Var b)", [](Var x) { return -1.5 * x; }, [](double v) { return v * -1.5; }));
    add(with_number(
        "operator-(Var a, double b)", [](Var x) { return x - 0.75; }, [](double v) { return v - 0.75; }));
    add(with_number(
        "operator/(Var a, double b)", [](Var x) { return x / 4.0; }, [](double v) { return v / 4; }));
    add(pair_row("maximum(Var a, Var b)", maximum, [](double a, double b) { return std::max(a, b); }));
    add(pair_row("minimum(Var a, Var b)", minimum, [](double a, double b) { return std::min(a, b); }));
    add(lookup_row(small_pattern()));                                      // ragged blocks
    add(lookup_row(patterns::repeat_diagonal(patterns::dense(3, 4), 2)));  // tied: ids share entries
    add(lookup_row(patterns::permutation({1, 0, 2}, 2)));                  // identity blocks
    add(lookup_row(patterns::from_rows(
        5, 7,
        [](std::int64_t i) {
          return std::vector<std::int32_t>{static_cast<std::int32_t>(i), 6};
        },
        4)));  // masks
    add(column_row("sum_rows(Var x)", sum_rows, total));
    add(column_row("mean_rows(Var x)", mean_rows, [](const Values& v) { return total(v) / static_cast<double>(v.size()); }));
    add(column_row("max_rows(Var x)", max_rows, [](const Values& v) { return *std::max_element(v.begin(), v.end()); }));
    add(column_row("min_rows(Var x)", min_rows, [](const Values& v) { return *std::min_element(v.begin(), v.end()); }));
    for (const TimeAxis time : {TimeAxis::first, TimeAxis::last}) {
      add(steps_row("mean_steps(Var x, TimeAxis time)", mean_steps, time, [](const Values& v) { return total(v) / 5; }));
      add(steps_row("max_steps(Var x, TimeAxis time)", max_steps, time,
                    [](const Values& v) { return *std::max_element(v.begin(), v.end()); }));
      add(steps_row("last_step(Var x, TimeAxis time)", last_step, time, [](const Values& v) { return v.back(); }));
    }
    add({"repeat_steps(Var x, std::int64_t steps, TimeAxis time)",
         {{{3, 2}}},
         [](Tape&, const Vars& x) { return repeat_steps(x[0], 4, TimeAxis::first); },
         [](const Arrays& x, std::int64_t) {
           Values y;
           for (int t = 0; t < 4; ++t) y.insert(y.end(), x[0].begin(), x[0].end());
           return y;
         }});
    add({"repeat_steps(Var x, std::int64_t steps, TimeAxis time)",
         {{{3}}},
         [](Tape&, const Vars& x) { return repeat_steps(x[0], 4, TimeAxis::last); },
         [](const Arrays& x, std::int64_t n) {
           Values y;
           for (std::int64_t i = 0; i < 12 * n; ++i) y.push_back(x[0][static_cast<std::size_t>(i / (4 * n) * n + i % n)]);
           return y;
         }});
    add({"sum(Var x)",
         {{{3, 2}}},
         [](Tape&, const Vars& x) { return sum(x[0]); },
         [](const Arrays& x, std::int64_t) { return Values{total(x[0])}; }});
    add({"mean(Var x)",
         {{{3, 2}}},
         [](Tape&, const Vars& x) { return mean(x[0]); },
         [](const Arrays& x, std::int64_t) { return Values{total(x[0]) / static_cast<double>(x[0].size())}; }});
    add({"softmax(Var x)",
         {{{2, 5}}},
         [](Tape&, const Vars& x) { return softmax(x[0]); },
         [](const Arrays& x, std::int64_t n) { return softmax_of(x[0], 5, n, false); }});
    add({"log_softmax(Var x)",
         {{{2, 5}}},
         [](Tape&, const Vars& x) { return log_softmax(x[0]); },
         [](const Arrays& x, std::int64_t n) { return softmax_of(x[0], 5, n, true); }});
    add({"cross_entropy(Var logits, const Tensor& targets, CrossEntropyOptions options = {})",
         {{{2, kClasses}}},
         [](Tape&, const Vars& x) { return cross_entropy(x[0], targets_for(x[0].columns()), {.ignore_index = kIgnored}).sum; },
         [](const Arrays& x, std::int64_t n) { return entropy_of(x[0], kClasses, n, 0); }});
    add({"cross_entropy(Var logits, const Tensor& targets, CrossEntropyOptions options = {})",
         {{{2, kClasses}}},
         [](Tape&, const Vars& x) {
           return cross_entropy(x[0], targets_for(x[0].columns()), {.label_smoothing = 0.2, .ignore_index = kIgnored}).sum;
         },
         [](const Arrays& x, std::int64_t n) { return entropy_of(x[0], kClasses, n, 0.2); }});
    add(linear_entropy_row());
    add(point_row(
        "mse(Var prediction, const Tensor& target)", [](Var x, const Tensor& t) { return mse(x, t); },
        [](double x, double t) { return (x - t) * (x - t); }));
    add(point_row(
        "mae(Var prediction, const Tensor& target)", [](Var x, const Tensor& t) { return mae(x, t); },
        [](double x, double t) { return std::abs(x - t); }));
    for (const double delta : {0.4, 3.0})
      add(point_row(
          "huber(Var prediction, const Tensor& target, double delta)", [delta](Var x, const Tensor& t) { return huber(x, t, delta); },
          [delta](double x, double t) {
            const double far = std::abs(x - t);
            return far <= delta ? far * far / 2 : delta * (far - delta / 2);
          }));
    add(point_row(
        "bce_with_logits(Var logits, const Tensor& target)", [](Var x, const Tensor& t) { return bce_with_logits(x, t); },
        [](double x, double t) { return -t * std::log(1 / (1 + std::exp(-x))) - (1 - t) * std::log(1 / (1 + std::exp(x))); }));
    add({"batch_norm(Var x, Var gamma, Var beta, const BatchStatistics& running, double eps)",
         {{{4, 3}}, {{3}, false, 0.5, 2}, {{3}, false}},
         [](Tape&, const Vars& x) { return batch_norm(x[0], x[1], x[2], running_for(x[0]), 1e-3); },
         [](const Arrays& x, std::int64_t n) {
           Values y(x[0].size());
           const auto channel = [n](std::size_t i) { return i / static_cast<std::size_t>(n) % 3; };
           for (std::size_t c = 0; c < 3; ++c) {
             std::vector<std::size_t> group;
             for (std::size_t i = 0; i < y.size(); ++i)
               if (channel(i) == c) group.push_back(i);
             normalise(x, group, channel, 1e-3, y);
           }
           return y;
         }});
    add({"layer_norm(Var x, Var gamma, Var beta, double eps)",
         {{{2, 5}}, {{5}, false, 0.5, 2}, {{5}, false}},
         [](Tape&, const Vars& x) { return layer_norm(x[0], x[1], x[2], 1e-3); },
         [](const Arrays& x, std::int64_t n) {
           Values y(x[0].size());
           const auto channel = [n](std::size_t i) { return i / static_cast<std::size_t>(n) % 5; };
           for_lines(y.size(), 5, n, [&](const std::vector<std::size_t>& line) { normalise(x, line, channel, 1e-3, y); });
           return y;
         }});
    add({"dropout(Var x, double p)",
         {{{3, 2}}},
         [](Tape&, const Vars& x) { return dropout(x[0], 0.4); },
         [](const Arrays& x, std::int64_t n) {
           Values y;
           for (std::size_t i = 0; i < x[0].size(); ++i)
             y.push_back(dropout_keeps(static_cast<std::int64_t>(i) / n, static_cast<std::int64_t>(i) % n, 0.4) ? x[0][i] / 0.6 : 0);
           return y;
         }});
    add({"concat(const std::vector<Var>& parts)",
         {{{3, 2}}, {{1, 2}}},
         [](Tape&, const Vars& x) {
           return concat({x[0], x[1], x[0]});
         },
         [](const Arrays& x, std::int64_t) {
           Values y = x[0];
           y.insert(y.end(), x[1].begin(), x[1].end());
           y.insert(y.end(), x[0].begin(), x[0].end());
           return y;
         }});
    add({"beside(Var a, Var b)",
         {{{3, 2}}, {{3, 1}}},
         [](Tape&, const Vars& x) { return beside(x[0], x[1]); },
         [](const Arrays& x, std::int64_t n) {
           Values y;
           for (std::int64_t line = 0; line < 3; ++line) {
             y.insert(y.end(), x[0].begin() + line * 2 * n, x[0].begin() + (line + 1) * 2 * n);
             y.insert(y.end(), x[1].begin() + line * n, x[1].begin() + (line + 1) * n);
           }
           return y;
         }});
    add({"reverse_steps(Var x)",
         {{{3, 2}}},
         [](Tape&, const Vars& x) { return reverse_steps(x[0]); },
         [](const Arrays& x, std::int64_t n) {
           Values y;
           for (std::int64_t step = 3; step-- > 0;) y.insert(y.end(), x[0].begin() + step * 2 * n, x[0].begin() + (step + 1) * 2 * n);
           return y;
         }});
    add({"slice(Var x, std::int64_t begin, std::int64_t end)",
         {{{3, 2}}},
         [](Tape&, const Vars& x) { return slice(x[0], 1, 3); },
         [](const Arrays& x, std::int64_t n) { return Values(x[0].begin() + 2 * n, x[0].end()); }});
    add({"reshape(Var x, Shape rows)",
         {{{3, 2}}},
         [](Tape&, const Vars& x) {
           return reshape(x[0], {1, 6});
         },
         [](const Arrays& x, std::int64_t) { return x[0]; }});
    add({"flatten(Var x)",
         {{{3, 2}}},
         [](Tape&, const Vars& x) { return flatten(x[0]); },
         [](const Arrays& x, std::int64_t) { return x[0]; }});
    return table;
  }();
  return all;
}

}  // namespace weft::oracle
