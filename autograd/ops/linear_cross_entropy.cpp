// The cross-entropy of a linear layer's outputs without the outputs: rows of S come in chunks, whose logits feed an online log Σ exp
// (kernels/chunked_entropy.hpp). The products are the kernels of every layer, on ranges of the pattern's block rows.

#include <algorithm>
#include <utility>
#include <vector>

#include <weft/autograd/ops.hpp>
#include <weft/autograd/ops/operands.hpp>
#include <weft/autograd/ops/targets.hpp>
#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/text.hpp>
#include <weft/kernels/arithmetic.hpp>
#include <weft/kernels/chunked_entropy.hpp>
#include <weft/kernels/product.hpp>

namespace weft {

namespace {

constexpr std::int64_t kChunkBytes = std::int64_t{8} << 20;     // logits at hand: what a last-level cache holds
constexpr std::int64_t kStoredBytes = std::int64_t{256} << 20;  // exponentials kept for backward: cheaper than their product
constexpr std::int64_t kStoredUpTo = 256;                       // columns of S

/// Rows [first, first + rows) of S, applied to each leading row, and where their values lie.
struct Chunk {
  PatternPtr pattern;
  std::int64_t first, rows, first_value, values;
};

class Chunked {
 public:
  Chunked(const PatternPtr& s, Var table, Var bias, Var x)
      : pool_(x.tape().pool()), values_(table.value()), bias_(bias.id() < 0 ? Tensor() : bias.value()), x_(x.value()) {
    const std::int64_t lead = x_.row_count() / s->cols(), height = s->block().height;
    row_bytes_ = lead * x_.columns()->padded() * static_cast<std::int64_t>(size_of(x_.dtype()));
    // Tied rows share values that no range owns.
    const std::int64_t step =
        s->tied() ? s->grid_rows() : std::max<std::int64_t>(1, kChunkBytes / std::max<std::int64_t>(1, height * row_bytes_));
    for (std::int64_t begin = 0; begin < s->grid_rows(); begin += step) {
      const std::int64_t end = std::min(begin + step, s->grid_rows());
      const bool whole = begin == 0 && end == s->grid_rows();
      const PatternPtr part = whole ? s : patterns::row_range(s, begin, end);
      const std::int64_t first_value = whole ? 0 : s->row_ptr()[static_cast<std::size_t>(begin)] * s->block().slot_size();
      chunks_.push_back({patterns::repeat_diagonal(part, lead), begin * height, part->rows(), first_value, part->values_size()});
    }
    const std::int64_t rows = s->rows();
    stores_ = x.tape().training() && s->cols() <= kStoredUpTo && rows * row_bytes_ <= kStoredBytes;
  }

  const Tensor& x() const { return x_; }
  const std::vector<Chunk>& chunks() const { return chunks_; }
  /// Every chunk's exp(logits - tops()[i]), or nothing.
  const std::vector<Tensor>& stored() const { return stored_; }
  const std::vector<Tensor>& tops() const { return tops_; }

  Tensor logits(const Chunk& c) const {
    const Tensor y = Tensor::tiled(x_.dtype(), x_.rows().with_back(c.rows), x_.columns(), pool_);
    kernels::spmm(*c.pattern, values_of(c), bias_of(c), x_, {}, y);
    return y;
  }
  void keep(Tensor terms, const Tensor& top) {
    if (!stores_) return;
    stored_.push_back(std::move(terms));
    tops_.push_back(Tensor::tiled(Dtype::f64, top.rows(), top.columns(), pool_));
    kernels::copy(top, tops_.back());
  }
  /// Gradients of chunk i from that of its logits.
  void backward(std::size_t i, const Tensor& dlogits, const Tensor& dvalues, const Tensor& dbias, const Tensor& dx) const {
    const Chunk& c = chunks_[i];
    kernels::ProductGradients want;
    if (dvalues.defined()) want.dvalues = Tensor::plain_view(dvalues, c.first_value, {c.values});
    if (dbias.defined()) want.dbias = Tensor::plain(dbias.dtype(), {c.rows}, pool_);
    if (dx.defined()) want.dx = i == 0 ? dx : Tensor::tiled(dx.dtype(), dx.rows(), dx.columns(), pool_);
    kernels::spmm_backward(*c.pattern, values_of(c), x_, {}, Tensor(), dlogits, want, pool_);
    if (dbias.defined()) kernels::copy(want.dbias, Tensor::plain_view(dbias, c.first, {c.rows}));
    if (dx.defined() && i > 0) kernels::binary(kernels::Binary::add, dx, want.dx, dx);
  }

 private:
  Tensor values_of(const Chunk& c) const { return Tensor::plain_view(values_, c.first_value, {c.values}); }
  /// A copy: kernels want their bias aligned.
  Tensor bias_of(const Chunk& c) const {
    if (!bias_.defined()) return {};
    const Tensor part = Tensor::plain(bias_.dtype(), {c.rows}, pool_);
    kernels::copy(Tensor::plain_view(bias_, c.first, {c.rows}), part);
    return part;
  }

  Pool pool_;
  Tensor values_, bias_, x_;
  std::int64_t row_bytes_ = 0;
  bool stores_ = false;
  std::vector<Chunk> chunks_;
  std::vector<Tensor> stored_, tops_;
};

void require_operands(const char* op, const PatternPtr& pattern, Var table, Var bias, Var x) {
  require_same_dtype(op, x, table);
  require_plain(op, "the values", table, pattern->values_size());
  if (last_axis(op, x) != pattern->cols() || !x.columns() || pattern->rows() < 1)
    throw ShapeError({.op = op,
                      .path = x.tape().path(),
                      .what = cat("S is ", pattern->rows(), " x ", pattern->cols(), " (", pattern->name(), "), X is ", shape_text(x)),
                      .hint = "the last row axis must be the layer's input"});
  if (bias.id() < 0) return;
  require_same_dtype(op, x, bias);
  require_plain(op, "bias", bias, pattern->rows());
}

}  // namespace

Loss linear_cross_entropy(const PatternPtr& pattern, Var values, Var bias, Var x, const Tensor& targets, std::int32_t ignore_index) {
  const char* op = "linear_cross_entropy";
  require_operands(op, pattern, values, bias, x);
  const Shape logits = x.rows().with_back(pattern->rows());
  require_targets(op, x, logits, targets);
  const std::int64_t count = count_targets(op, x, logits, targets, ignore_index);
  const auto heads = [&] { return Tensor::tiled(Dtype::f64, leading_rows(x.rows()), x.columns(), x.tape().pool()); };
  const kernels::RunningEntropy running{heads(), heads(), heads()};
  const Tensor log_sum = heads(), each = heads();
  Chunked s(pattern, values, bias, x);
  for (const Chunk& c : s.chunks()) {
    const Tensor y = s.logits(c);
    kernels::take_chunk(y, c.first, targets, running);
    s.keep(y, running.top);
  }
  Tensor total = scalar_like(x, kernels::finish_entropy(s.x(), targets, ignore_index, running, log_sum, each));
  std::vector<Tensor> saved = s.stored();
  saved.push_back(log_sum);
  const auto backward = [=](const Tensor& dy, GradSink& grads) {
    const auto wanted = [&](int input) { return grads.wants(input) ? grads.buffer(input) : Tensor(); };
    const Tensor dvalues = wanted(0), dbias = wanted(1), dx = wanted(2);
    for (std::size_t i = 0; i < s.chunks().size(); ++i) {
      const Chunk& c = s.chunks()[i];
      const bool again = s.stored().empty();
      const Tensor slope = again ? s.logits(c) : s.stored()[i];
      if (again) kernels::exp_below(slope, log_sum);
      kernels::chunk_grad(slope, again ? log_sum : s.tops()[i], c.first, targets, ignore_index, log_sum, scalar_value(dy));
      s.backward(i, slope, dvalues, dbias, dx);
    }
    if (dvalues.defined()) grads.add(0, dvalues);
    if (dbias.defined()) grads.add(1, dbias);
    if (dx.defined()) grads.add(2, dx);
  };
  return {x.tape().record(op, total, {values, bias, x}, backward, saved), count, each};
}

}  // namespace weft
