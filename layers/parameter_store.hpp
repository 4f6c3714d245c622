#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <weft/autograd/parameter.hpp>
#include <weft/core/device.hpp>
#include <weft/core/dtype.hpp>
#include <weft/core/tensor.hpp>

namespace weft {

/// Named plain arrays in a fixed order: what a checkpoint holds.
using State = std::vector<std::pair<std::string, Tensor>>;

/// The name of a parameter in files: "body/c1/weight" is "body.c1.weight" there, as PyTorch writes it.
std::string field_name(std::string_view path);

/// Numbers in a parameter: its stored elements less padding and masked entries.
std::int64_t parameter_count(const Parameter& parameter);

/// Every parameter and buffer of a model, in the order in which its layers were built. Owns device, seed and dtype.
class ParamStore {
 public:
  explicit ParamStore(Device device = {}, std::uint64_t seed = 42, Dtype dtype = Dtype::f32);
  ParamStore(const ParamStore&) = delete;
  ParamStore& operator=(const ParamStore&) = delete;

  const Device& device() const { return device_; }
  std::uint64_t seed() const { return seed_; }
  Dtype dtype() const { return dtype_; }

  /// Takes a parameter with its value (plain) and gives it a zero gradient beside it. It is saved under `saved_as`, or under
  /// the field name of its path. Throws UsageError for a name that is taken and for a value of another dtype.
  ParamPtr add(Parameter parameter, std::string saved_as = {});
  /// Registers an array that is saved and loaded but not trained (running statistics). Throws UsageError for a taken name.
  Tensor add_buffer(std::string name, Tensor value);
  /// Registers an array that describes the model (a pattern's indices): saved, and on load required to be equal.
  void add_structure(std::string name, Tensor value);

  /// The parameter of that path; null if there is none.
  ParamPtr find(std::string_view name) const;
  const std::vector<ParamPtr>& parameters() const { return parameters_; }
  /// Trained numbers, padding and masked entries left out.
  std::int64_t parameter_count() const;

  /// All parameters, buffers and structure as plain arrays of the field's shapes, under their field names. Copies.
  State state() const;
  /// Sets every parameter and buffer. Throws UsageError that lists everything missing, unexpected, of the wrong shape,
  /// dtype or structure; then nothing has changed. f32 and f64 convert to the store's dtype.
  void load(const State& state);
  /// Throws as load, and changes nothing.
  void check_fits(const State& state) const;

  /// Moves all values into one arena and all gradients into another, each parameter on a 64-byte boundary, re-pointing
  /// Parameter::value and ::grad in place. The first optimizer calls it; a call with nothing new does nothing.
  void seal();
  /// True if every parameter lies in the arenas.
  bool sealed() const;
  /// Grows whenever parameters move: what was laid out after the arenas must be laid out again.
  std::uint64_t generation() const { return generation_; }
  /// The arenas and where parameter i of parameters() begins in them (elements). Undefined before seal().
  const Tensor& value_arena() const { return values_; }
  const Tensor& gradient_arena() const { return gradients_; }
  std::int64_t offset(std::size_t i) const { return offsets_[i]; }
  /// Sets every gradient to zero.
  void zero_gradients();

 private:
  enum class Kind { parameter, buffer, structure };
  struct Entry {
    Kind kind;
    std::string name;   // in files
    std::size_t index;  // into the list of its kind
  };
  void claim(std::string name, Kind kind, std::size_t index);
  Tensor current(const Entry& entry) const;
  std::string mismatch(const Entry& entry, const Tensor& given) const;
  void assign(const Entry& entry, const Tensor& given);

  Device device_;
  std::uint64_t seed_;
  Dtype dtype_;
  std::vector<ParamPtr> parameters_;
  std::vector<std::int64_t> offsets_;
  std::vector<Tensor> buffers_, structure_;
  std::vector<Entry> entries_;
  std::unordered_map<std::string, std::size_t> by_name_;  // in files -> entries_
  Tensor values_, gradients_;
  std::uint64_t generation_ = 0;
};

}  // namespace weft
