#include <weft/layers/parameter_store.hpp>

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

std::string field_name(std::string_view path) {
  std::string name(path);
  std::replace(name.begin(), name.end(), '/', '.');
  return name;
}

std::int64_t parameter_count(const Parameter& parameter) {
  if (!parameter.from_field) return parameter.shape.size();
  Tensor ones = Tensor::plain(parameter.value.dtype(), parameter.shape);
  ones.fill(1);
  const Tensor stored = parameter.from_field(ones);
  return by_float(stored.dtype(), [&](auto zero) {
    using T = decltype(zero);
    return static_cast<std::int64_t>(std::count(stored.data<T>(), stored.data<T>() + stored.row_count(), T{1}));
  });
}

ParamStore::ParamStore(Device device, std::uint64_t seed, Dtype dtype) : device_(device), seed_(seed), dtype_(dtype) {
  if (dtype != Dtype::f32 && dtype != Dtype::f64)
    throw UsageError(
        {.op = "ParamStore", .what = cat("parameters cannot be ", name_of(dtype)), .hint = "train in f32, check gradients in f64"});
}

void ParamStore::claim(std::string name, Kind kind, std::size_t index) {
  if (by_name_.count(name) != 0)
    throw UsageError({.op = "ParamStore",
                      .path = name,
                      .what = "the name is taken",
                      .hint = "give each layer its own scope, s / \"c1\"; copies of a layer share its parameters"});
  by_name_.emplace(name, entries_.size());
  entries_.push_back({kind, std::move(name), index});
}

ParamPtr ParamStore::add(Parameter parameter, std::string saved_as) {
  if (!parameter.value.defined() || parameter.value.is_tiled() || parameter.value.dtype() != dtype_)
    throw UsageError({.op = "ParamStore",
                      .path = parameter.name,
                      .what = cat("the value must be a plain tensor of the store's ", name_of(dtype_)),
                      .hint = "make it with Tensor::plain(store.dtype(), …)"});
  claim(saved_as.empty() ? field_name(parameter.name) : std::move(saved_as), Kind::parameter, parameters_.size());
  parameter.grad = Tensor::plain(dtype_, parameter.value.rows());
  parameter.grad.fill(0);
  parameters_.push_back(std::make_shared<Parameter>(std::move(parameter)));
  return parameters_.back();
}

Tensor ParamStore::add_buffer(std::string name, Tensor value) {
  claim(field_name(name), Kind::buffer, buffers_.size());
  buffers_.push_back(std::move(value));
  return buffers_.back();
}

void ParamStore::add_structure(std::string name, Tensor value) {
  claim(field_name(name), Kind::structure, structure_.size());
  structure_.push_back(std::move(value));
}

ParamPtr ParamStore::find(std::string_view name) const {
  for (const ParamPtr& p : parameters_)
    if (p->name == name) return p;
  return nullptr;
}

std::int64_t ParamStore::parameter_count() const {
  std::int64_t total = 0;
  for (const ParamPtr& p : parameters_)
    if (p->trainable) total += weft::parameter_count(*p);
  return total;
}

// ---- state ----

Tensor ParamStore::current(const Entry& entry) const {
  switch (entry.kind) {
    case Kind::parameter: return parameters_[entry.index]->field_value();
    case Kind::buffer: return buffers_[entry.index].clone();
    case Kind::structure: return structure_[entry.index].clone();
  }
  return {};
}

State ParamStore::state() const {
  State state;
  for (const Entry& entry : entries_) state.emplace_back(entry.name, current(entry));
  return state;
}

namespace {

bool floating(Dtype t) { return t == Dtype::f32 || t == Dtype::f64; }

bool equal(const Tensor& a, const Tensor& b) {
  return std::memcmp(a.bytes(), b.bytes(), static_cast<std::size_t>(a.element_count()) * size_of(a.dtype())) == 0;
}

void copy_into(const Tensor& from, const Tensor& to) {
  const Tensor same = from.dtype() == to.dtype() ? from : cast(from, to.dtype());
  std::memcpy(to.bytes(), same.bytes(), static_cast<std::size_t>(to.element_count()) * size_of(to.dtype()));
}

}  // namespace

std::string ParamStore::mismatch(const Entry& entry, const Tensor& given) const {
  if (!given.defined() || given.is_tiled()) return cat(entry.name, ": is not a plain tensor");
  const Tensor own = entry.kind == Kind::parameter ? Tensor() : (entry.kind == Kind::buffer ? buffers_ : structure_)[entry.index];
  const Shape shape = own.defined() ? own.rows() : parameters_[entry.index]->shape;
  const Dtype dtype = own.defined() ? own.dtype() : dtype_;
  if (!(given.rows() == shape)) return cat(entry.name, ": has shape ", given.rows().str(), ", the model has ", shape.str());
  if (given.dtype() != dtype && !(floating(given.dtype()) && floating(dtype)))
    return cat(entry.name, ": holds ", name_of(given.dtype()), ", the model has ", name_of(dtype));
  if (entry.kind == Kind::structure && !equal(given, own)) return cat(entry.name, ": describes another pattern than the model's");
  return {};
}

void ParamStore::assign(const Entry& entry, const Tensor& given) {
  if (entry.kind == Kind::buffer) copy_into(given, buffers_[entry.index]);
  if (entry.kind != Kind::parameter) return;
  const Parameter& p = *parameters_[entry.index];
  const Tensor field = given.dtype() == dtype_ ? given : cast(given, dtype_);
  copy_into(p.from_field ? p.from_field(field) : field, p.value);
}

void ParamStore::check_fits(const State& state) const {
  std::vector<std::string> wrong;
  std::unordered_set<std::string> seen;
  for (const auto& [name, value] : state) {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) wrong.push_back(cat(name, ": unexpected"));
    else if (!seen.insert(name).second) wrong.push_back(cat(name, ": given twice"));
    else if (std::string why = mismatch(entries_[found->second], value); !why.empty()) wrong.push_back(std::move(why));
  }
  for (const Entry& entry : entries_)
    if (seen.count(entry.name) == 0) wrong.push_back(cat(entry.name, ": missing"));
  if (!wrong.empty()) {
    std::string list = wrong[0];
    for (std::size_t i = 1; i < wrong.size(); ++i) list += "\n  " + wrong[i];
    throw UsageError({.op = "load",
                      .what = cat(wrong.size(), " of ", entries_.size(), " arrays do not fit this model"),
                      .detail = std::move(list),
                      .hint = "load into a model built with the same options and form"});
  }
}

void ParamStore::load(const State& state) {
  check_fits(state);
  for (const auto& [name, value] : state) assign(entries_[by_name_.at(name)], value);
}

// ---- arenas ----

bool ParamStore::sealed() const {
  if (parameters_.empty() || offsets_.size() != parameters_.size()) return false;
  const auto width = static_cast<std::int64_t>(size_of(dtype_));
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    if (parameters_[i]->value.bytes() != values_.bytes() + offsets_[i] * width ||
        parameters_[i]->grad.bytes() != gradients_.bytes() + offsets_[i] * width)
      return false;
  return true;
}

void ParamStore::seal() {
  if (parameters_.empty() || sealed()) return;
  const std::int64_t line = 64 / static_cast<std::int64_t>(size_of(dtype_));
  std::int64_t total = 0;
  offsets_.clear();
  for (const ParamPtr& p : parameters_) {
    offsets_.push_back(total);
    total += (p->value.element_count() + line - 1) / line * line;
  }
  const Tensor values = Tensor::plain(dtype_, {total}), gradients = Tensor::plain(dtype_, {total});
  values.fill(0);
  gradients.fill(0);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    Parameter& p = *parameters_[i];
    const Tensor value = Tensor::plain_view(values, offsets_[i], p.value.rows());
    const Tensor grad = Tensor::plain_view(gradients, offsets_[i], p.value.rows());
    copy_into(p.value, value);
    if (p.grad.defined()) copy_into(p.grad, grad);
    p.value = value;
    p.grad = grad;
  }
  values_ = values;
  gradients_ = gradients;
  ++generation_;
}

void ParamStore::zero_gradients() {
  for (const ParamPtr& p : parameters_) p->grad.fill(0);
}

}  // namespace weft
