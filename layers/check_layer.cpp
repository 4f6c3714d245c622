#include <weft/layers/check_layer.hpp>

#include <algorithm>
#include <cmath>
#include <sstream>

#include <weft/autograd/ops.hpp>
#include <weft/autograd/tape.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

std::vector<double> normals(std::int64_t n, std::uint64_t seed, const char* what) {
  const Random random(seed, hash_name(what));
  std::vector<double> values(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = random.normal(i);
  return values;
}

/// One layer in one form with one number of columns, and the verdicts on it.
class Examination {
 public:
  Examination(const CheckedLayer& layer, const ParamStore& params, const Shape& rows, std::int64_t n, const CheckLayerOptions& options)
      : layer_(layer),
        params_(params),
        columns_(sample_columns(n)),
        options_(options),
        x_(pack_rows(normals(rows.size() * n, options.seed, "x"), rows, columns_)) {}

  void run() {
    check_gradients();
    if (!layer_.to_dense) return;
    check_dense();
    check_adjoint();
  }

  bool passed() const { return passed_; }
  const std::string& failures() const { return failures_; }
  const std::string& successes() const { return successes_; }

 private:
  void verdict(bool good, const std::string& text) {
    (good ? successes_ : failures_) +=
        cat(good ? "ok    " : "FAILED ", name_of(options_.form), ", N = ", columns_->count, ": ", text, '\n');
    passed_ = passed_ && good;
  }

  /// Inputs of the gradient check: x, then every trained parameter in the field's shape, so that padding is never moved.
  void check_gradients() {
    std::vector<Tensor> inputs{x_};
    std::vector<ParamPtr> moved;
    for (const ParamPtr& p : params_.parameters())
      if (p->trainable) {
        moved.push_back(p);
        inputs.push_back(p->field_value());
      }
    std::string dirty;
    const auto f = [&](Tape& tape, const std::vector<Var>& vars) {
      for (std::size_t i = 0; i < moved.size(); ++i) tape.bind(moved[i], stored(tape, moved[i], vars[i + 1], dirty));
      return layer_.call(vars[0]);
    };
    const GradcheckResult result = gradcheck(f, inputs, options_.gradcheck);
    std::string names = "input 0 is x";
    for (std::size_t i = 0; i < moved.size(); ++i) names += cat(", ", i + 1, " ", moved[i]->name);
    verdict(result.passed, cat("gradients of ", inputs.size(), " inputs (", names, "): ", result.report));
    if (!dirty.empty()) verdict(false, cat("gradient in the padding of ", dirty, " is not zero"));
  }

  /// A parameter's storage, computed on the tape from its field shape; notes gradients that reach the padding.
  static Var stored(Tape& tape, const ParamPtr& p, Var field, std::string& dirty) {
    if (!p->from_field) return field;
    return tape.record("from_field", p->from_field(field.value()), {field}, [p, &dirty](const Tensor& dy, GradSink& grads) {
      const Tensor g = p->to_field(dy), clean = p->from_field(g);
      if (!std::equal(clean.data<double>(), clean.data<double>() + clean.row_count(), dy.data<double>())) dirty = p->name;
      grads.add(0, g);
    });
  }

  Tensor call(const Tensor& x) const {
    Tape tape(Mode::eval);
    return layer_.call(tape.input(x)).detach();
  }

  /// y(x) − y(0) against the dense matrix S, or I ⊗ S where the layer acts on each leading row.
  void check_dense() {
    const std::vector<double> s = layer_.to_dense(), x = unpack_rows<double>(x_), y = without_offset();
    const auto n = static_cast<std::size_t>(columns_->count);
    const double copies = std::sqrt(static_cast<double>(x.size() / n) * static_cast<double>(y.size() / n) / static_cast<double>(s.size()));
    const auto leading = static_cast<std::size_t>(std::llround(copies));
    const std::size_t cols = x.size() / n / leading, rows = y.size() / n / leading;
    if (s.size() != rows * cols) return verdict(false, cat("to_dense() has ", s.size(), " entries, not ", rows, " x ", cols));
    double worst = 0;
    for (std::size_t r = 0; r < rows * leading; ++r)
      for (std::size_t c = 0; c < n; ++c) {
        double sum = 0, size = 0;
        for (std::size_t k = 0; k < cols; ++k) {
          const double term = s[r % rows * cols + k] * x[(r / rows * cols + k) * n + c];
          sum += term;
          size += std::abs(term);
        }
        worst = std::max(worst, std::abs(y[r * n + c] - sum) / (1e-12 + 1e-12 * size));
      }
    verdict(worst <= 1, cat("y = S·x + b against to_dense(), worst error ", worst, " of what is allowed"));
  }

  std::vector<double> without_offset() const {
    Tensor zero = x_.clone();
    zero.fill(0);
    std::vector<double> y = unpack_rows<double>(call(x_));
    const std::vector<double> offset = unpack_rows<double>(call(zero));
    for (std::size_t i = 0; i < y.size(); ++i) y[i] -= offset[i];
    return y;
  }

  /// ⟨y − b, d⟩ = ⟨x, dx⟩ and ⟨y, d⟩ = Σ ⟨θ, dθ⟩ over all parameters, for one random d.
  void check_adjoint() {
    Tape tape(Mode::train, options_.seed);
    const Var x = tape.leaf(x_);
    const Var y = layer_.call(x);
    const std::vector<double> d = normals(y.rows().size() * columns_->count, options_.seed, "d");
    const Gradients gradients = tape.backward(sum(y * tape.input(pack_rows(d, y.rows(), columns_))));

    const std::vector<double> whole = unpack_rows<double>(y.value()), linear = without_offset();
    same("adjoint <S·x, d> = <x, transpose(S)·d>", dot(linear, d), dot(unpack_rows<double>(x_), unpack_rows<double>(gradients.of(x))));
    if (params_.parameters().empty()) return;
    Products theta;
    for (const ParamPtr& p : params_.parameters())
      if (const Tensor g = gradients.of(p); g.defined()) {
        const Products part = dot(unpack_rows<double>(p->value), unpack_rows<double>(g));
        theta = {theta.sum + part.sum, theta.size + part.size};
      }
    same("homogeneity <S(θ)·x + b, d> = <θ, dθ> + <b, db>", dot(whole, d), theta);
  }

  struct Products {
    double sum = 0, size = 0;  ///< Σ a·b and Σ |a·b|
  };
  static Products dot(const std::vector<double>& a, const std::vector<double>& b) {
    Products p;
    for (std::size_t i = 0; i < a.size(); ++i) {
      p.sum += a[i] * b[i];
      p.size += std::abs(a[i] * b[i]);
    }
    return p;
  }
  void same(const char* what, Products a, Products b) {
    verdict(std::abs(a.sum - b.sum) <= 1e-12 * (1 + a.size + b.size), cat(what, ": ", a.sum, " and ", b.sum));
  }

  const CheckedLayer& layer_;
  const ParamStore& params_;
  ColumnsPtr columns_;
  const CheckLayerOptions& options_;
  Tensor x_;
  bool passed_ = true;
  std::string failures_, successes_;
};

}  // namespace

CheckLayerResult check_built_layer(const std::function<CheckedLayer(const Scope&)>& build, const Shape& rows,
                                   const CheckLayerOptions& options) {
  if (options.columns.empty())
    throw UsageError({.op = "check_layer", .what = "no number of columns to check", .hint = "give e.g. {1, 9, 17}"});
  ParamStore params(Device{}, options.seed, Dtype::f64);
  const CheckedLayer layer = build(Scope(params, options.form));
  CheckLayerResult result;
  std::string successes;
  for (const std::int64_t n : options.columns) {
    Examination examination(layer, params, rows, n, options);
    examination.run();
    result.passed = result.passed && examination.passed();
    result.report += examination.failures();
    successes += examination.successes();
  }
  result.report += successes;
  return result;
}

}  // namespace weft
