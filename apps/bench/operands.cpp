#include <weft/apps/bench/operands.hpp>

#include <utility>

#include <weft/apps/bench/noise.hpp>
#include <weft/kernels/product.hpp>

namespace weft::bench {

void fill_noise(const Tensor& tensor) { fill_noise(tensor.data<float>(), tensor.element_count()); }

ProductOperands::ProductOperands(PatternPtr p, std::int64_t n) : pattern(std::move(p)) {
  const ColumnsPtr columns = sample_columns(n);
  values = Tensor::plain(Dtype::f32, {pattern->values_size()});
  dvalues = Tensor::plain(Dtype::f32, {pattern->values_size()});
  for (Tensor* t : {&x, &dx}) *t = Tensor::tiled(Dtype::f32, {pattern->cols()}, columns);
  for (Tensor* t : {&y, &dy}) *t = Tensor::tiled(Dtype::f32, {pattern->rows()}, columns);
  for (const Tensor& t : {values, x, dy}) fill_noise(t);
}

double ProductOperands::flops() const { return 2.0 * static_cast<double>(pattern->nnz()) * static_cast<double>(x.columns()->count); }

std::function<void()> ProductOperands::call(Pass pass) const {
  switch (pass) {
    case Pass::forward: return [o = *this] { kernels::spmm(*o.pattern, o.values, {}, o.x, {}, o.y); };
    case Pass::data: return [o = *this] { kernels::spmm_t(*o.pattern, o.values, o.dy, o.dx); };
    case Pass::weights: return [o = *this] { kernels::sddmm(*o.pattern, o.dy, o.x, o.dvalues, {}); };
  }
  return {};
}

}  // namespace weft::bench
