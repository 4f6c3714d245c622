#include <weft/layers/scope.hpp>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

const char* name_of(Form form) {
  switch (form) {
    case Form::sparse: return "sparse";
    case Form::native: return "native";
    case Form::untied: return "untied";
  }
  return "?";
}

Form parse_form(std::string_view text) {
  for (const Form form : {Form::sparse, Form::native, Form::untied})
    if (text == name_of(form)) return form;
  const std::string known = nearest(text, {"sparse", "native", "untied"});
  throw ConfigError({.op = "form",
                     .what = cat("'", text, "' is no form of a model: sparse, native and untied are"),
                     .hint = known.empty() ? "give one of the three" : cat("did you mean ", known, "?")});
}

Scope Scope::operator/(std::string_view name) const {
  if (name.empty() || name.find('.') != std::string_view::npos)
    throw UsageError({.op = "scope",
                      .path = path_,
                      .what = cat("'", name, "' cannot name a layer"),
                      .hint = "use a name without dots: they separate names in checkpoints"});
  Scope part = *this;
  part.path_ = path_of(name);
  return part;
}

std::string Scope::path_of(std::string_view name) const { return path_.empty() ? std::string(name) : cat(path_, "/", name); }

Random Scope::random(std::string_view name) const { return {store_->seed(), hash_name(path_of(name))}; }

std::uint64_t Scope::structure_seed() const { return store_->seed() ^ hash_name(path_of("structure")); }

}  // namespace weft
