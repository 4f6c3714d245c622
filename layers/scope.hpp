#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <weft/core/random.hpp>
#include <weft/layers/parameter_store.hpp>

namespace weft {

/// How a model computes: as sparse products (weft's way), conventionally, or with every tied block on its own.
enum class Form : std::uint8_t { sparse, native, untied };

const char* name_of(Form form);
/// Reads "sparse", "native" or "untied". Throws ConfigError with the nearest of them for anything else.
Form parse_form(std::string_view text);

/// Where a layer lives: the store for its parameters, its path, and the form it is built in. Cheap to copy.
class Scope {
 public:
  explicit Scope(ParamStore& store, Form form = Form::sparse) : store_(&store), form_(form) {}

  /// The scope of a part: `s / "body" / "c1"` has the path "body/c1". Throws UsageError for an empty name or one with a dot.
  Scope operator/(std::string_view name) const;

  ParamStore& store() const { return *store_; }
  Form form() const { return form_; }
  const std::string& path() const { return path_; }
  /// The path of a parameter of this layer: "body/c1/weight".
  std::string path_of(std::string_view name) const;
  /// The draws that initialise this layer's parameter `name`: keyed on (seed, full path).
  Random random(std::string_view name) const;
  /// A seed for random structure of this layer, also keyed on (seed, full path).
  std::uint64_t structure_seed() const;

 private:
  ParamStore* store_;
  Form form_;
  std::string path_;
};

}  // namespace weft
