#include <weft/layers/optim/optimizer.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include <weft/core/error.hpp>
#include <weft/core/parallel.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

constexpr const char* kStep = "step";

/// Whether a double holds a number of steps exactly.
bool is_count(double x) { return x >= 0 && x <= 0x1p53 && x == std::floor(x); }

void copy_elements(const Tensor& from, const Tensor& to) {
  std::memcpy(to.bytes(), from.bytes(), static_cast<std::size_t>(to.row_count()) * size_of(to.dtype()));
}

}  // namespace

Optimizer::Optimizer(ParamStore& params, std::vector<std::string> state_names) : params_(params), names_(std::move(state_names)) {
  lay_out();
}

void Optimizer::lay_out() {
  params_.seal();
  const std::vector<std::pair<ParamPtr, std::int64_t>> before = std::exchange(laid_out_, {});
  const std::vector<Tensor> old = std::exchange(states_, {});
  generation_ = params_.generation();
  if (params_.parameters().empty()) return;
  for (std::size_t k = 0; k < names_.size(); ++k) {
    states_.push_back(Tensor::plain(params_.dtype(), params_.value_arena().rows()));
    states_.back().fill(0);
  }
  for (std::size_t i = 0; i < params_.parameters().size(); ++i) laid_out_.emplace_back(params_.parameters()[i], params_.offset(i));
  for (std::size_t i = 0; i < laid_out_.size(); ++i)
    for (const auto& [parameter, offset] : before)
      if (parameter == laid_out_[i].first)
        for (std::size_t k = 0; k < old.size(); ++k)
          copy_elements(Tensor::plain_view(old[k], offset, parameter->value.rows()), segment(k, i));
}

Tensor Optimizer::segment(std::size_t state, std::size_t parameter) const {
  const auto& [p, offset] = laid_out_[parameter];
  return Tensor::plain_view(states_[state], offset, p->value.rows());
}

void Optimizer::step(const Gradients& gradients, double lr) {
  params_.seal();
  if (generation_ != params_.generation()) lay_out();
  constexpr std::int64_t kPiece = 16384;  // 64 KiB of f32: value, gradient and two states of a piece stay in L2
  std::vector<Piece> pieces;
  for (const auto& [p, offset] : laid_out_) {
    const Tensor g = gradients.of(p);
    if (!p->trainable || !g.defined()) continue;
    if (!g.shares_storage(p->grad)) copy_elements(g, p->grad);
    const std::int64_t n = p->value.row_count();
    for (std::int64_t at = 0; at < n; at += kPiece) pieces.push_back({offset + at, std::min(kPiece, n - at), p->lr_scale, p->decay});
  }
  ++steps_;
  parallel_for(static_cast<std::int64_t>(pieces.size()), [&](std::int64_t i) {
    const Piece& piece = pieces[static_cast<std::size_t>(i)];
    update(piece, lr * piece.lr_scale, steps_);
  });
}

// ---- state ----

State Optimizer::state() const {
  Tensor step = Tensor::plain(Dtype::f64, {1});
  step.fill(static_cast<double>(steps_));
  State state{{kStep, step}};
  for (std::size_t i = 0; i < laid_out_.size(); ++i)
    for (std::size_t k = 0; k < names_.size(); ++k)
      state.emplace_back(cat(field_name(laid_out_[i].first->name), ".", names_[k]), segment(k, i).clone());
  return state;
}

/// Where each array of the state belongs; the step count has a place to be read from.
std::map<std::string, Tensor> Optimizer::segments() const {
  std::map<std::string, Tensor> own{{kStep, Tensor::plain(Dtype::f64, {1})}};
  for (std::size_t i = 0; i < laid_out_.size(); ++i)
    for (std::size_t k = 0; k < names_.size(); ++k) own.emplace(cat(field_name(laid_out_[i].first->name), ".", names_[k]), segment(k, i));
  return own;
}

void Optimizer::check_fits(const State& state) const {
  const std::map<std::string, Tensor> expected = segments();
  std::map<std::string, Tensor> given;
  std::string wrong;
  for (const auto& [name, value] : state) {
    const auto own = expected.find(name);
    if (own == expected.end()) wrong += cat("\n  ", name, ": unexpected");
    else if (!given.emplace(name, value).second) wrong += cat("\n  ", name, ": given twice");
    else if (!value.defined() || value.is_tiled() || value.dtype() != own->second.dtype() || value.row_count() != own->second.row_count())
      wrong += cat("\n  ", name, ": has ", value.row_count(), " values of ", name_of(value.dtype()), ", the optimizer has ",
                   own->second.row_count(), " of ", name_of(own->second.dtype()));
    else if (name == kStep && !is_count(*value.data<double>())) wrong += cat("\n  ", name, ": is ", *value.data<double>(), ", no count");
  }
  for (const auto& [name, own] : expected)
    if (given.count(name) == 0) wrong += cat("\n  ", name, ": missing");
  if (!wrong.empty())
    throw UsageError({.op = "load",
                      .what = "the arrays do not fit this optimizer",
                      .detail = wrong.substr(3),
                      .hint = "resume with the optimizer, form and options of the run that saved them"});
}

void Optimizer::load(const State& state) {
  check_fits(state);
  const std::map<std::string, Tensor> own = segments();
  for (const auto& [name, value] : state) copy_elements(value, own.at(name));
  steps_ = static_cast<std::int64_t>(*own.at(kStep).data<double>());
}

}  // namespace weft
