// Recurrence as a strictly lower triangular matrix: every cell on every pattern of links against a recursive oracle in double, central
// differences, and the solution of the linear system.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/autograd/gradcheck.hpp>
#include <weft/autograd/ops.hpp>
#include <weft/autograd/sweep.hpp>
#include <weft/core/error.hpp>
#include <weft/core/parallel.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/random.hpp>
#include <weft/kernels/product.hpp>
#include <weft/tests/oracle/oracle.hpp>

using namespace weft;
using oracle::Values;
using patterns::Carry;

namespace {

constexpr std::int64_t kSteps = 9, kChannels = 3, kUnits = 4;
const std::vector<Cell> kCells{Cell::linear, Cell::tanh, Cell::relu, Cell::gru, Cell::lstm};

/// A tree, a single node and a chain beside each other.
PatternPtr forest() { return patterns::tree_from_parents({2, 2, 5, 4, 5, -1, -1, 8, -1}); }

std::vector<PatternPtr> all_links() {
  return {patterns::dilated(kSteps, 1),
          patterns::dilated(kSteps, 3),
          patterns::skip(kSteps, 4),
          forest(),
          patterns::dilated(kSteps, 2, Carry::yes),
          patterns::skip(kSteps, 3, Carry::yes)};
}

Recurrence recurrence(Cell cell, const PatternPtr& links, Weights weights = Weights::shared) {
  const std::int64_t rows = kernels::gates(cell) * kUnits;
  return {cell, links, patterns::dense(rows, kChannels, 4), patterns::dense(rows, kUnits, 4), weights};
}

/// Numbers for a recurrence on N columns: row-major matrices, one W_hh a kind.
struct Numbers {
  std::int64_t n;
  Values ih, hh, bias, x, h0, c0;

  Numbers(const Recurrence& r, std::int64_t columns)
      : n(columns),
        ih(oracle::random_values(r.ih_size(), 1)),
        hh(oracle::random_values(r.hh_size(), 2)),
        bias(oracle::random_values(r.bias_size(), 3)),
        x(oracle::random_values(r.steps() * r.channels() * columns, 4)),
        h0(oracle::random_values(r.carried() * r.units() * columns, 5)),
        c0(oracle::random_values(r.carried() * r.units() * columns, 6)) {
    for (std::int64_t set = 0; set < r.sets(); ++set) zero_padding(*r.ih(), ih, set * r.ih()->values_size());
    for (std::int64_t kind = 0; kind < r.kinds(); ++kind) zero_padding(*r.hh(), hh, kind * r.hh()->values_size());
  }

  /// Those of one column and its first steps.
  Numbers column(const Recurrence& r, std::int64_t which, std::int64_t steps) const {
    const auto of = [&](const Values& rows, std::int64_t count) {
      Values one;
      for (std::int64_t row = 0; row < count; ++row) one.push_back(rows[static_cast<std::size_t>(row * n + which)]);
      return one;
    };
    Numbers part = *this;
    part.n = 1;
    part.x = of(x, steps * r.channels());
    part.h0 = of(h0, r.carried() * r.units());
    part.c0 = of(c0, r.carried() * r.units());
    return part;
  }

  static void zero_padding(const SparsePattern& s, Values& values, std::int64_t first) {
    const std::vector<bool> kept = oracle::parameters_of(s);
    for (std::size_t i = 0; i < kept.size(); ++i)
      if (!kept[i]) values[static_cast<std::size_t>(first) + i] = 0;
  }
};

double sigma(double v) { return 1 / (1 + std::exp(-v)); }

/// h and c of a step by the formulas, each computed when it is asked for: a recursion over the links.
class Recursion {
 public:
  Recursion(const Recurrence& r, const Numbers& a) : r_(r), a_(a) {
    for (std::int64_t set = 0; set < r.sets(); ++set) ih_.push_back(matrix(*r.ih(), a.ih, set));
    for (std::int64_t kind = 0; kind < r.kinds(); ++kind) hh_.push_back(matrix(*r.hh(), a.hh, kind));
  }

  double h(std::int64_t step, std::int64_t unit, std::int64_t n) { return state(step, n).h[static_cast<std::size_t>(unit)]; }

 private:
  struct State {
    Values h, c;
  };

  static Values matrix(const SparsePattern& s, const Values& all, std::int64_t which) {
    const auto size = static_cast<std::size_t>(s.values_size());
    return to_dense(s, std::span(all).subspan(static_cast<std::size_t>(which) * size, size));
  }

  /// `step` counts from the first that is not carried; carried ones are negative.
  const State& state(std::int64_t step, std::int64_t n) {
    const auto found = known_.find({step, n});
    if (found != known_.end()) return found->second;
    return known_[{step, n}] = step < 0 ? carried(step + r_.carried(), n) : computed(step, n);
  }

  State carried(std::int64_t column, std::int64_t n) const {
    State s;
    for (std::int64_t u = 0; u < kUnits; ++u) {
      const auto at = static_cast<std::size_t>((column * kUnits + u) * a_.n + n);
      s.h.push_back(a_.h0[at]), s.c.push_back(a_.c0[at]);
    }
    return s;
  }

  State computed(std::int64_t t, std::int64_t n) {
    struct Before {
      State s;
      Values part;  // W_hh h
    };
    std::vector<Before> before;
    for (std::int64_t e = r_.links()->row_ptr()[static_cast<std::size_t>(t)]; e < r_.links()->row_ptr()[static_cast<std::size_t>(t) + 1];
         ++e) {
      Before b{state(r_.links()->col()[static_cast<std::size_t>(e)] - r_.carried(), n), {}};
      b.part = oracle::multiply(hh_[static_cast<std::size_t>(r_.links()->slot(e))], b.s.h, r_.hh()->rows(), kUnits, 1);
      before.push_back(b);
    }
    const std::int64_t set = r_.weights() == Weights::own ? t : 0;
    const auto input = [&](std::int64_t gate, std::int64_t u) {
      double z = a_.bias[static_cast<std::size_t>(set * r_.ih()->rows() + gate * kUnits + u)];
      for (std::int64_t c = 0; c < kChannels; ++c)
        z += ih_[static_cast<std::size_t>(set)][static_cast<std::size_t>((gate * kUnits + u) * kChannels + c)] *
             a_.x[static_cast<std::size_t>((t * kChannels + c) * a_.n + n)];
      return z;
    };
    const auto hidden = [&](std::int64_t gate, std::int64_t u) {
      double z = 0;
      for (const Before& b : before) z += b.part[static_cast<std::size_t>(gate * kUnits + u)];
      return z;
    };
    State s;
    for (std::int64_t u = 0; u < kUnits; ++u) {
      const auto at = static_cast<std::size_t>(u);
      const double z = input(0, u) + hidden(0, u);
      double h = z, c = 0;
      if (r_.cell() == Cell::tanh) h = std::tanh(z);
      if (r_.cell() == Cell::relu) h = std::max(z, 0.0);
      if (r_.cell() == Cell::gru) {
        const double reset = sigma(z), update = sigma(input(1, u) + hidden(1, u));
        const double fresh =
            std::tanh(input(2, u) + reset * (a_.bias[static_cast<std::size_t>((3 * r_.sets() + set) * kUnits + u)] + hidden(2, u)));
        double mean = 0;
        for (const Before& b : before) mean += b.s.h[at] / static_cast<double>(before.size());
        h = (1 - update) * fresh + update * mean;
      }
      if (r_.cell() == Cell::lstm) {
        c = sigma(z) * std::tanh(input(2, u) + hidden(2, u));
        for (const Before& b : before) c += sigma(input(1, u) + b.part[static_cast<std::size_t>(kUnits + u)]) * b.s.c[at];
        h = sigma(input(3, u) + hidden(3, u)) * std::tanh(c);
      }
      s.h.push_back(h), s.c.push_back(c);
    }
    return s;
  }

  const Recurrence& r_;
  const Numbers& a_;
  std::vector<Values> ih_, hh_;  // of each set and kind
  std::map<std::pair<std::int64_t, std::int64_t>, State> known_;
};

Tensor plain(const Values& values, Dtype dtype) {
  const Tensor t = Tensor::plain(Dtype::f64, {static_cast<std::int64_t>(values.size())});
  std::copy(values.begin(), values.end(), t.data<double>());
  return cast(t, dtype);
}

Tensor tiled(const Values& values, Shape rows, const ColumnsPtr& columns, Dtype dtype) {
  return cast(pack_rows(values, rows, columns), dtype);
}

SweepState state_of(const Recurrence& r, const Numbers& a, const ColumnsPtr& columns, Dtype dtype) {
  if (r.carried() == 0) return {};
  const Shape rows{r.carried() * r.units()};
  return {tiled(a.h0, rows, columns, dtype), r.cell() == Cell::lstm ? tiled(a.c0, rows, columns, dtype) : Tensor()};
}

Values doubles(const Tensor& t) {
  const Tensor whole = cast(t.clone(), Dtype::f64);
  return whole.is_tiled() ? unpack_rows<double>(whole) : Values(whole.data<double>(), whole.data<double>() + whole.element_count());
}

/// Value and gradients of sum(h²).
std::vector<Values> results(const Recurrence& r, const Numbers& a, const ColumnsPtr& columns, Dtype dtype, SweepOptions options = {},
                            SweepState* left = nullptr) {
  Tape tape;
  const Var ih = tape.leaf(plain(a.ih, dtype)), hh = tape.leaf(plain(a.hh, dtype)), bias = tape.leaf(plain(a.bias, dtype));
  const Var x = tape.leaf(tiled(a.x, {r.steps(), r.channels()}, columns, dtype));
  SweepState state = state_of(r, a, columns, dtype);
  const Var h = sweep(r, ih, hh, bias, x, state, options);
  if (left != nullptr) *left = state;
  const Values value = doubles(h.value());
  const Gradients g = tape.backward(sum(h * h));
  return {value, doubles(g.of(ih)), doubles(g.of(hh)), doubles(g.of(bias)), doubles(g.of(x))};
}

/// Columns of lengths 2, 9, 6, 3, 0, 7, …, whose maximum exceeds the steps.
ColumnsPtr lengths_of(std::int64_t n) {
  std::vector<std::int32_t> lengths;
  for (std::int32_t i = 0; i < n; ++i) lengths.push_back((7 * i + 2) % (kSteps + 3));
  return sample_columns(std::move(lengths));
}

/// The same recurrence on its leading steps.
Recurrence shortened(const Recurrence& r, std::int64_t steps) { return {r.cell(), patterns::leading(r.links(), steps), r.ih(), r.hh()}; }

/// The largest difference between a column of row-major [rows, n] and all of `alone`; what lies beyond it must be zero.
double gap_of_column(const Values& together, const Values& alone, std::int64_t column, std::int64_t n) {
  double worst = 0;
  for (std::size_t row = 0; row < together.size() / static_cast<std::size_t>(n); ++row)
    worst = std::max(worst, std::abs(together[row * static_cast<std::size_t>(n) + static_cast<std::size_t>(column)] -
                                     (row < alone.size() ? alone[row] : 0)));
  return worst;
}

Values repeated(const Values& values, std::int64_t times) {
  Values all;
  for (std::int64_t i = 0; i < times; ++i) all.insert(all.end(), values.begin(), values.end());
  return all;
}
/// The sum of `parts` parts, one after another.
Values summed(const Values& values, std::int64_t parts) {
  Values sums(values.size() / static_cast<std::size_t>(parts));
  for (std::size_t i = 0; i < values.size(); ++i) sums[i % sums.size()] += values[i];
  return sums;
}

std::string title(Cell cell, const PatternPtr& links) { return std::string(kernels::name_of(cell)) + " on " + links->name(); }

/// x of A x = b by elimination without pivoting: A is unit lower triangular.
Values solved(Values a, Values b, std::int64_t n, std::int64_t columns) {
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t k = i + 1; k < n; ++k) {
      const double factor = a[static_cast<std::size_t>(k * n + i)] / a[static_cast<std::size_t>(i * n + i)];
      for (std::int64_t j = i; j < n; ++j) a[static_cast<std::size_t>(k * n + j)] -= factor * a[static_cast<std::size_t>(i * n + j)];
      for (std::int64_t j = 0; j < columns; ++j)
        b[static_cast<std::size_t>(k * columns + j)] -= factor * b[static_cast<std::size_t>(i * columns + j)];
    }
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < columns; ++j) b[static_cast<std::size_t>(i * columns + j)] /= a[static_cast<std::size_t>(i * n + i)];
  return b;
}

}  // namespace

TEST_CASE("links and the recurrent matrix are strictly lower triangular") {
  for (const PatternPtr& links : all_links()) {
    INFO(links->name());
    CHECK(links->is_strictly_lower_triangular());
    for (const Cell cell : kCells) CHECK(recurrence(cell, links).matrix()->is_strictly_lower_triangular());
  }
  CHECK(!patterns::lower_bidiagonal(5)->is_strictly_lower_triangular());
  CHECK(patterns::lower_bidiagonal(5)->is_lower_triangular());
}

TEST_CASE("steps wait for each other as long as the links say") {
  const auto levels = [](const PatternPtr& links) { return recurrence(Cell::tanh, links).levels(); };
  for (const int by : {1, 2, 3, 4, 8, 9, 20}) CHECK(levels(patterns::dilated(kSteps, by)) == (kSteps + by - 1) / by);
  CHECK(levels(patterns::skip(kSteps, 3)) == kSteps);
  CHECK(levels(forest()) == 3);
  CHECK(levels(patterns::dilated(kSteps, 2, Carry::yes)) == 5);
}

TEST_CASE("every cell on every pattern is the recursion, in double and float, with 16 lanes and with one") {
  for (const Cell cell : kCells)
    for (const PatternPtr& links : all_links())
      for (const auto& shape : std::vector<std::pair<std::int64_t, Lanes>>{{3, Lanes::one}, {20, Lanes::sixteen}, {50, Lanes::sixteen}})
        for (const Dtype dtype : {Dtype::f64, Dtype::f32}) {
          const std::int64_t n = shape.first;
          const Recurrence r = recurrence(cell, links);
          const Numbers a(r, n);
          INFO(title(cell, links), ", N = ", n);
          const Values h = results(r, a, sample_columns(n, shape.second), dtype)[0];
          Recursion recursion(r, a);
          double worst = 0;
          for (std::int64_t t = 0; t < kSteps; ++t)
            for (std::int64_t u = 0; u < kUnits; ++u)
              for (std::int64_t column = 0; column < n; ++column) {
                const double expected = recursion.h(t, u, column);
                const double error = std::abs(h[static_cast<std::size_t>((t * kUnits + u) * n + column)] - expected);
                worst = std::max(worst, error / std::max(1.0, std::abs(expected)));
              }
          CHECK(worst < (dtype == Dtype::f64 ? 1e-12 : 2e-4));
        }
}

TEST_CASE("the linear cell solves (I - L) h = U x + b") {
  for (const PatternPtr& links : {patterns::dilated(kSteps, 1), patterns::skip(kSteps, 4), forest()}) {
    const Recurrence r = recurrence(Cell::linear, links);
    const Numbers a(r, 5);
    const std::int64_t rows = kSteps * kUnits;
    Values system = to_dense(*r.matrix(), a.hh);
    for (double& v : system) v = -v;
    for (std::int64_t i = 0; i < rows; ++i) system[static_cast<std::size_t>(i * rows + i)] += 1;
    Values right = oracle::spmm(*patterns::repeat_diagonal(r.ih(), kSteps), a.ih, a.x, a.n);
    for (std::size_t i = 0; i < right.size(); ++i) right[i] += a.bias[i / static_cast<std::size_t>(a.n) % static_cast<std::size_t>(kUnits)];
    INFO(links->name());
    CHECK(oracle::max_difference(results(r, a, sample_columns(a.n), Dtype::f64)[0], solved(system, right, rows, a.n)) < 1e-10);
  }
}

TEST_CASE("gradients of every cell on every pattern by central differences") {
  for (const Cell cell : kCells)
    for (const PatternPtr& links : all_links()) {
      const Recurrence r = recurrence(cell, links);
      const Numbers a(r, 3);
      for (const Lanes lanes : {Lanes::one, Lanes::sixteen}) {
        const ColumnsPtr columns = sample_columns(a.n, lanes);
        const auto f = [&](Tape&, const std::vector<Var>& v) {
          SweepState state = state_of(r, a, columns, Dtype::f64);
          return sweep(r, v[0], v[1], v[2], v[3], state);
        };
        const GradcheckResult result = gradcheck(f,
                                                 {plain(a.ih, Dtype::f64), plain(a.hh, Dtype::f64), plain(a.bias, Dtype::f64),
                                                  tiled(a.x, {r.steps(), r.channels()}, columns, Dtype::f64)},
                                                 {.rtol = 1e-5, .most = 100});
        INFO(title(cell, links), "\n", result.report);
        CHECK(result.passed);
      }
    }
}

TEST_CASE("a cell on its product's accumulators has the bits of one that follows the product") {
  for (const Cell cell : kCells)
    for (const int block : {4, 32})
      for (const std::int64_t n : {1, 20, 65})
        for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
          const std::int64_t units = 2 * block, rows = kernels::gates(cell) * units;
          const PatternPtr hh = patterns::dense(rows, units, block);
          REQUIRE(hh->block().paneled());
          REQUIRE(hh->block().height == block);
          const ColumnsPtr columns = sample_columns(n, Lanes::sixteen);
          const auto noise = [&](std::int64_t count, std::uint64_t seed) {
            return tiled(oracle::random_values(count * n, seed), {count}, columns, dtype);
          };
          const Tensor weight = plain(oracle::random_values(hh->values_size(), 1), dtype);
          const auto step = [&] {
            kernels::CellStep s{.z = noise(rows, 2),
                                .hidden = {},
                                .h_before = {noise(units, 3)},
                                .c_before = {},
                                .hidden_bias = {},
                                .h = noise(units, 4),
                                .c = {}};
            if (cell == Cell::gru) s.hidden = {noise(rows, 5)}, s.hidden_bias = plain(oracle::random_values(units, 6), dtype);
            if (cell == Cell::lstm) s.c_before = {noise(units, 7)}, s.c = noise(units, 8);
            return s;
          };
          const kernels::CellStep fused = step(), literal = step();
          kernels::spmm_cell(*hh, weight, fused.h_before[0], cell, fused);
          if (cell == Cell::gru) kernels::spmm(*hh, weight, {}, literal.h_before[0], {}, literal.hidden[0]);
          else kernels::spmm_add(*hh, weight, literal.h_before[0], literal.z);
          kernels::cell(cell, literal);
          INFO(kernels::name_of(cell), " in blocks of ", block, ", N = ", n);
          CHECK(doubles(fused.z) == doubles(literal.z));
          CHECK(doubles(fused.h) == doubles(literal.h));
          CHECK(doubles(fused.h) != doubles(step().h));
          if (cell == Cell::gru) CHECK(doubles(fused.hidden[0]) == doubles(literal.hidden[0]));
          if (cell == Cell::lstm) CHECK(doubles(fused.c) == doubles(literal.c));
        }
}

TEST_CASE("bits depend neither on the chunk of the input part nor on the threads") {
  const int before = threads();
  for (const Cell cell : kCells)
    for (const PatternPtr& links : {patterns::dilated(kSteps, 1), patterns::skip(kSteps, 3, Carry::yes)}) {
      const Recurrence r = recurrence(cell, links);
      const Numbers a(r, 40);
      const ColumnsPtr columns = sample_columns(a.n);
      const std::vector<Values> whole = results(r, a, columns, Dtype::f32, {.chunk = kSteps});
      INFO(title(cell, links));
      for (const int chunk : {1, 4, 100}) CHECK(results(r, a, columns, Dtype::f32, {.chunk = chunk}) == whole);
      for (const int team : {1, 2, 7}) {
        set_threads(team);
        CHECK(results(r, a, columns, Dtype::f32) == whole);
      }
      set_threads(before);
    }
}

TEST_CASE("two halves with the state carried over are the whole") {
  for (const Cell cell : kCells) {
    const PatternPtr links = patterns::skip(4, 3, Carry::yes), twice = patterns::skip(8, 3, Carry::yes);
    const Recurrence half = recurrence(cell, links), whole = recurrence(cell, twice);
    const Numbers a(whole, 20);
    const ColumnsPtr columns = sample_columns(a.n);
    Tape tape(Mode::eval);
    const auto input = [&](const Values& values) { return tape.input(plain(values, Dtype::f32)); };
    const Tensor x = tiled(a.x, {8, kChannels}, columns, Dtype::f32);
    SweepState of_whole, carried;
    const Values expected = doubles(sweep(whole, input(a.ih), input(a.hh), input(a.bias), tape.input(x), of_whole).value());
    Values found;
    for (const std::int64_t first : {0, 4}) {
      const Var part = tape.input(
          x.reshape_rows({8 * kChannels}).slice_rows(first * kChannels, (first + 4) * kChannels).clone().reshape_rows({4, kChannels}));
      const Values h = doubles(sweep(half, input(a.ih), input(a.hh), input(a.bias), part, carried).value());
      found.insert(found.end(), h.begin(), h.end());
    }
    INFO(kernels::name_of(cell));
    CHECK(found == expected);
    CHECK(doubles(carried.h) == doubles(of_whole.h));
    if (cell == Cell::lstm) CHECK(doubles(carried.c) == doubles(of_whole.c));
  }
}

TEST_CASE("columns end with their lengths: outputs, carried states and gradients are those of each sequence alone") {
  for (const Cell cell : kCells)
    for (const PatternPtr& links : all_links())
      for (const std::int64_t n : {3, 20}) {
        const Recurrence r = recurrence(cell, links);
        const Numbers a(r, n);
        const ColumnsPtr columns = lengths_of(n);
        INFO(title(cell, links), ", N = ", n);
        std::vector<Values> sums(3);
        SweepState left;
        const std::vector<Values> together = results(r, a, columns, Dtype::f64, {}, &left);
        double worst = 0;
        for (std::int64_t column = 0; column < n; ++column) {
          const std::int64_t steps = columns->length(column, kSteps);
          const Recurrence alone_r = steps == 0 ? r : shortened(r, steps);
          const Numbers alone_a = a.column(r, column, steps);
          SweepState alone_left = state_of(r, alone_a, sample_columns(1), Dtype::f64);
          std::vector<Values> alone;
          if (steps > 0) alone = results(alone_r, alone_a, sample_columns(1), Dtype::f64, {}, &alone_left);
          else alone = {{}, Values(a.ih.size()), Values(a.hh.size()), Values(a.bias.size()), {}};
          for (std::size_t i = 0; i < sums.size(); ++i) {
            sums[i].resize(alone[i + 1].size());
            for (std::size_t k = 0; k < sums[i].size(); ++k) sums[i][k] += alone[i + 1][k];
          }
          worst = std::max({worst, gap_of_column(together[0], alone[0], column, n), gap_of_column(together[4], alone[4], column, n)});
          if (r.carried() == 0) continue;
          worst = std::max(worst, gap_of_column(doubles(left.h), doubles(alone_left.h), column, n));
          if (cell == Cell::lstm) worst = std::max(worst, gap_of_column(doubles(left.c), doubles(alone_left.c), column, n));
        }
        CHECK(worst < 1e-10);
        for (std::size_t i = 0; i < sums.size(); ++i) CHECK(oracle::max_difference(together[i + 1], sums[i]) < 1e-9);
      }
}

TEST_CASE("gradients of columns that end, by central differences") {
  for (const Cell cell : kCells) {
    const Recurrence r = recurrence(cell, patterns::skip(kSteps, 3, Carry::yes));
    const Numbers a(r, 3);
    const ColumnsPtr columns = lengths_of(3);
    const auto f = [&](Tape&, const std::vector<Var>& v) {
      SweepState state = state_of(r, a, columns, Dtype::f64);
      return sweep(r, v[0], v[1], v[2], v[3], state);
    };
    const GradcheckResult result = gradcheck(f,
                                             {plain(a.ih, Dtype::f64), plain(a.hh, Dtype::f64), plain(a.bias, Dtype::f64),
                                              tiled(a.x, {r.steps(), r.channels()}, columns, Dtype::f64)},
                                             {.rtol = 1e-5, .most = 100});
    INFO(kernels::name_of(cell), "\n", result.report);
    CHECK(result.passed);
  }
}

TEST_CASE("reverse_steps begins at the last active step and ends in zeros") {
  const ColumnsPtr columns = sample_columns({3, 0, 1, 2}, Lanes::sixteen);
  Tape tape;
  const Var x = tape.leaf(tiled({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, {3, 1}, columns, Dtype::f64));
  const Var y = reverse_steps(x);
  CHECK(doubles(y.value()) == Values{9, 0, 3, 8, 5, 0, 0, 4, 1, 0, 0, 0});
  const Gradients g = tape.backward(sum(y * y));
  CHECK(doubles(g.of(x)) == Values{2, 0, 6, 8, 10, 0, 0, 16, 18, 0, 0, 0});
}

TEST_CASE("a shorter sequence takes the leading links of the rule") {
  for (const std::int64_t steps : {0, 1, 3, 9}) {
    INFO(steps, " steps");
    CHECK(patterns::leading(patterns::dilated(kSteps, 2), steps)->fingerprint() == patterns::dilated(steps, 2)->fingerprint());
    for (const Carry carry : {Carry::no, Carry::yes})
      CHECK(patterns::leading(patterns::skip(kSteps, 4, carry), steps)->fingerprint() == patterns::skip(steps, 4, carry)->fingerprint());
  }
  const PatternPtr own = patterns::untied(patterns::skip(kSteps, 4));
  CHECK(patterns::leading(own, 5)->slots() == patterns::leading(own, 5)->blocks());
  CHECK_THROWS_WITH_AS(patterns::leading(own, 10), doctest::Contains("10 steps of 9"), ShapeError);
  const PatternPtr backwards = make_pattern({.rows = 2,
                                             .cols = 2,
                                             .block = {BlockKind::dense, 1, 1},
                                             .row_ptr = {0, 1, 1},
                                             .col = {1},
                                             .row_key = {1, 0},
                                             .col_key = {1, 0},
                                             .name = "backwards"});
  CHECK_THROWS_WITH_AS(patterns::leading(backwards, 1), doctest::Contains("one of the first 1 rows takes column 1"), ShapeError);
  CHECK_THROWS_WITH_AS(Recurrence(Cell::tanh, backwards, patterns::dense(2, 3), patterns::dense(2, 2)), doctest::Contains("later row"),
                       ShapeError);
}

TEST_CASE("own weights of every step and link: values against the recursion, gradients by central differences") {
  for (const Cell cell : kCells)
    for (const PatternPtr& links : {patterns::skip(kSteps, 3, Carry::yes), forest()}) {
      const Recurrence r = recurrence(cell, links, Weights::own);
      const Numbers a(r, 3);
      const ColumnsPtr columns = sample_columns(3, Lanes::sixteen);
      const Values h = results(r, a, columns, Dtype::f64, {.chunk = 4})[0];
      Recursion recursion(r, a);
      double worst = 0;
      for (std::size_t i = 0; i < h.size(); ++i) {
        const auto at = static_cast<std::int64_t>(i);
        const double expected = recursion.h(at / 3 / kUnits, at / 3 % kUnits, at % 3);
        worst = std::max(worst, std::abs(h[i] - expected) / std::max(1.0, std::abs(expected)));
      }
      const auto f = [&](Tape&, const std::vector<Var>& v) {
        SweepState state = state_of(r, a, columns, Dtype::f64);
        return sweep(r, v[0], v[1], v[2], v[3], state, {.chunk = 4});
      };
      const GradcheckResult result = gradcheck(f,
                                               {plain(a.ih, Dtype::f64), plain(a.hh, Dtype::f64), plain(a.bias, Dtype::f64),
                                                tiled(a.x, {r.steps(), r.channels()}, columns, Dtype::f64)},
                                               {.rtol = 1e-5, .most = 100});
      INFO(title(cell, links), "\n", result.report);
      CHECK(worst < 1e-12);
      CHECK(result.passed);
    }
}

TEST_CASE("own weights of every step and link, all equal, are the shared ones, and their gradients add up to the shared") {
  for (const Cell cell : kCells)
    for (const PatternPtr& links : all_links()) {
      const Recurrence shared = recurrence(cell, links), own = recurrence(cell, links, Weights::own);
      const Numbers a(shared, 20);
      Numbers b = a;
      b.ih = repeated(a.ih, kSteps);
      b.hh.clear();
      const auto size = static_cast<std::size_t>(shared.hh()->values_size());
      for (std::int64_t link = 0; link < links->blocks(); ++link) {
        const auto from = a.hh.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(links->slot(link)) * size);
        b.hh.insert(b.hh.end(), from, from + static_cast<std::ptrdiff_t>(size));
      }
      const std::ptrdiff_t rows = shared.ih()->rows();
      b.bias = repeated(Values(a.bias.begin(), a.bias.begin() + rows), kSteps);
      const Values hidden = repeated(Values(a.bias.begin() + rows, a.bias.end()), kSteps);
      b.bias.insert(b.bias.end(), hidden.begin(), hidden.end());
      INFO(title(cell, links));
      const std::vector<Values> tied = results(shared, a, sample_columns(20), Dtype::f64),
                                untied = results(own, b, sample_columns(20), Dtype::f64);
      CHECK(untied[0] == tied[0]);
      CHECK(untied[4] == tied[4]);
      CHECK(oracle::max_difference(summed(untied[1], kSteps), tied[1]) < 1e-9);
      Values by_kind(tied[2].size());
      for (std::int64_t link = 0; link < links->blocks(); ++link)
        for (std::size_t i = 0; i < size; ++i)
          by_kind[static_cast<std::size_t>(links->slot(link)) * size + i] += untied[2][static_cast<std::size_t>(link) * size + i];
      CHECK(oracle::max_difference(by_kind, tied[2]) < 1e-9);
      const std::ptrdiff_t all_rows = rows * kSteps;
      Values bias = summed(Values(untied[3].begin(), untied[3].begin() + all_rows), kSteps);
      const Values hidden_bias = summed(Values(untied[3].begin() + all_rows, untied[3].end()), kSteps);
      bias.insert(bias.end(), hidden_bias.begin(), hidden_bias.end());
      CHECK(oracle::max_difference(bias, tied[3]) < 1e-9);
    }
}

TEST_CASE("two biases are one: added, but gru's candidate keeps the hidden part's") {
  for (const Weights weights : {Weights::shared, Weights::own}) {
    const auto made = [&](Cell cell) {
      const std::int64_t rows = kernels::gates(cell) * 2;
      return Recurrence(cell, patterns::dilated(2, 1), patterns::dense(rows, 3, 2), patterns::dense(rows, 2, 2), weights);
    };
    Tape tape;
    const auto joined = [&](Cell cell) {
      const std::int64_t size = made(cell).sets() * made(cell).ih()->rows();
      Values ih, hh;
      for (std::int64_t i = 0; i < size; ++i) ih.push_back(static_cast<double>(i)), hh.push_back(100.0 * static_cast<double>(i + 1));
      return doubles(sweep_bias(made(cell), tape.input(plain(ih, Dtype::f64)), tape.input(plain(hh, Dtype::f64))).value());
    };
    if (weights == Weights::shared) {
      CHECK(joined(Cell::tanh) == Values{100, 201});
      CHECK(joined(Cell::gru) == Values{100, 201, 302, 403, 4, 5, 500, 600});
    } else {
      CHECK(joined(Cell::tanh) == Values{100, 201, 302, 403});
      CHECK(joined(Cell::gru) == Values{100, 201, 302, 403, 4, 5, 706, 807, 908, 1009, 10, 11, 500, 600, 1100, 1200});
    }
    for (const Cell cell : kCells) {
      const Recurrence r = made(cell);
      const Values bias = oracle::random_values(r.sets() * r.ih()->rows(), 9);
      const auto f = [&](Tape&, const std::vector<Var>& v) { return sweep_bias(r, v[0], v[1]); };
      CHECK(gradcheck(f, {plain(bias, Dtype::f64), plain(bias, Dtype::f64)}).passed);
    }
  }
}

TEST_CASE("random trees as a disjoint union train: the sum of a tree's leaves at its root") {
  const Random draws(7, 1);
  std::vector<std::int32_t> parents, leaves;
  std::uint64_t at = 0;
  for (int tree = 0; tree < 12; ++tree) {
    const auto nodes = static_cast<std::int32_t>(1 + draws.below(at++, 30)), first = static_cast<std::int32_t>(parents.size());
    for (std::int32_t i = 0; i < nodes; ++i)
      parents.push_back(
          i + 1 == nodes ? -1 : first + i + 1 + static_cast<std::int32_t>(draws.below(at++, static_cast<std::uint32_t>(nodes - i - 1))));
  }
  const auto n = static_cast<std::int64_t>(parents.size());
  for (const Cell cell : {Cell::lstm, Cell::gru}) {
    const std::int64_t rows = kernels::gates(cell) * kUnits;
    const Recurrence r(cell, patterns::tree_from_parents(parents), patterns::dense(rows, 1, 4), patterns::dense(rows, kUnits, 4));
    const ColumnsPtr columns = sample_columns(16);
    const Values x = oracle::random_values(n * columns->count, 8);
    Values target(static_cast<std::size_t>(n * columns->count));
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t c = 0; c < columns->count; ++c) {
        const auto own = static_cast<std::size_t>(i * columns->count + c);
        target[own] += 0.2 * x[own];
        if (parents[static_cast<std::size_t>(i)] >= 0)
          target[static_cast<std::size_t>(parents[static_cast<std::size_t>(i)] * columns->count + c)] += 0.5 * target[own];
      }
    std::vector<Values> weights{oracle::random_values(r.ih()->values_size(), 1), oracle::random_values(r.hh()->values_size(), 2),
                                Values(static_cast<std::size_t>(r.bias_size()))};
    Numbers::zero_padding(*r.ih(), weights[0], 0);
    Numbers::zero_padding(*r.hh(), weights[1], 0);
    double first = 0, last = 0;
    for (int step = 0; step < 50; ++step) {
      Tape tape;
      std::vector<Var> w;
      for (const Values& values : weights) w.push_back(tape.leaf(plain(values, Dtype::f32)));
      SweepState none;
      const Var h = sweep(r, w[0], w[1], w[2], tape.input(tiled(x, {n, 1}, columns, Dtype::f32)), none);
      const Var predicted = sum_rows(reshape(h, {n * kUnits}));  // the roots hold what their trees passed on
      const Values of_columns = [&] {
        Values sums(static_cast<std::size_t>(columns->count));
        for (std::size_t i = 0; i < target.size(); ++i) sums[i % sums.size()] += target[i];
        return sums;
      }();
      const Var loss = mse(predicted, tiled(of_columns, {1}, columns, Dtype::f32)).mean();
      last = doubles(loss.value())[0];
      if (step == 0) first = last;
      const Gradients g = tape.backward(loss);
      for (std::size_t i = 0; i < weights.size(); ++i) {
        const Values slope = doubles(g.of(w[i]));
        double size = 0;
        for (const double v : slope) size += v * v;
        for (std::size_t k = 0; k < slope.size(); ++k) weights[i][k] -= 0.05 * slope[k] / std::max(1.0, std::sqrt(size));
      }
    }
    INFO(kernels::name_of(cell), ": ", first, " -> ", last);
    CHECK(last < 0.5 * first);
  }
}

TEST_CASE("what does not fit is refused by its numbers") {
  const PatternPtr square = patterns::dense(4, 4, 4);
  CHECK_THROWS_WITH_AS(Recurrence(Cell::tanh, patterns::lower_bidiagonal(5), square, square), doctest::Contains("strictly lower"),
                       ShapeError);
  CHECK_THROWS_WITH_AS(Recurrence(Cell::lstm, patterns::dilated(5, 1), square, square), doctest::Contains("4 rows a unit"), ShapeError);
  CHECK_THROWS_WITH_AS(patterns::tree_from_parents({1, 0}), doctest::Contains("node 1 of 2 has parent 0"), ShapeError);
  CHECK_THROWS_AS(patterns::dilated(5, 0), ShapeError);
  CHECK_THROWS_AS(patterns::skip(5, 1), ShapeError);
  const Recurrence r = recurrence(Cell::tanh, patterns::dilated(kSteps, 1));
  const Numbers a(r, 2);
  Tape tape;
  SweepState none;
  const Var short_x = tape.input(tiled(Values(static_cast<std::size_t>(2 * kChannels * 2)), {2, kChannels}, sample_columns(2), Dtype::f64));
  CHECK_THROWS_WITH_AS(sweep(r, tape.leaf(plain(a.ih, Dtype::f64)), tape.leaf(plain(a.hh, Dtype::f64)), Var(), short_x, none),
                       doctest::Contains("9 steps of 3 channels"), ShapeError);
}
