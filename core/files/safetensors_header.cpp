#include <weft/core/files/safetensors_header.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <set>
#include <tuple>
#include <utility>

#include <nlohmann/json.hpp>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft::detail {

namespace {

using json = nlohmann::json;

constexpr const char* kMetadata = "__metadata__";
constexpr std::array<ArrayType, 5> kTypes{ArrayType::u8, ArrayType::i32, ArrayType::i64, ArrayType::f32, ArrayType::f64};

/// Walks the header's bytes and keeps the place, so that an error can name it.
struct CountedByte {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char* at;
  const char** seen;

  reference operator*() const { return *at; }
  CountedByte& operator++() {
    *seen = ++at;
    return *this;
  }
  CountedByte operator++(int) {
    const CountedByte before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountedByte& other) const { return at == other.at; }
  bool operator!=(const CountedByte& other) const { return at != other.at; }
};

/// Receives the parser's events and accepts `{name: {"dtype": …, "shape": […], "data_offsets": [b, e]}, …}` and nothing else.
class HeaderReader {
 public:
  HeaderReader(const std::string& text, const std::string& path, std::int64_t first_byte)
      : path_(path), begin_(text.data()), seen_(text.data()), first_byte_(first_byte) {}

  Header read(const std::string& text) {
    json::sax_parse(CountedByte{text.data(), &seen_}, CountedByte{text.data() + text.size(), &seen_}, this);
    return std::move(header_);
  }

  bool start_object(std::size_t) {
    if (place_ == Place::outside) return go(Place::file);
    if (place_ != Place::file) refuse("an object where none belongs");
    if (key_ == kMetadata) return go(Place::metadata);
    entry_ = HeaderEntry{};
    entry_.array.name = key_;
    fields_.clear();
    return go(Place::entry);
  }
  bool end_object() {
    if (place_ == Place::entry) finish_entry();
    return go(place_ == Place::file ? Place::outside : Place::file);
  }
  bool key(std::string& name) {
    std::set<std::string>& known = place_ == Place::file ? names_ : place_ == Place::metadata ? metadata_keys_ : fields_;
    if (place_ == Place::entry && name != "dtype" && name != "shape" && name != "data_offsets")
      refuse(cat("array '", entry_.array.name, "' has an unknown field '", name, "'"));
    if (!known.insert(name).second) refuse(cat("'", name, "' is given twice"));
    key_ = name;
    return true;
  }
  bool start_array(std::size_t) {
    if (place_ != Place::entry || key_ == "dtype") refuse("a list where none belongs");
    return go(key_ == "shape" ? Place::shape : Place::offsets);
  }
  bool end_array() {
    if (place_ == Place::offsets && offset_count_ != 2)
      refuse(cat("data_offsets of '", entry_.array.name, "' has ", offset_count_, " entries, not 2"));
    offset_count_ = 0;
    return go(Place::entry);
  }
  bool string(std::string& text) {
    if (place_ == Place::metadata) return header_.metadata.emplace(key_, text).second;
    if (place_ != Place::entry || key_ != "dtype") refuse("a text where none belongs");
    const auto found = std::find_if(kTypes.begin(), kTypes.end(), [&](ArrayType type) { return text == name_of(type); });
    if (found == kTypes.end()) refuse(cat("array '", entry_.array.name, "' has dtype '", text, "'; known are U8, I32, I64, F32, F64"));
    entry_.array.type = *found;
    return true;
  }
  bool number_unsigned(std::uint64_t number) {
    if (place_ == Place::shape) return add_extent(number);
    if (place_ != Place::offsets) refuse(cat("the number ", number, " where none belongs"));
    if (offset_count_ == 0) entry_.begin = number;
    if (offset_count_ == 1) entry_.end = number;
    if (offset_count_++ == 2) refuse(cat("data_offsets of '", entry_.array.name, "' has more than 2 entries"));
    return true;
  }
  bool number_integer(std::int64_t number) { refuse(cat("the negative number ", number)); }
  bool number_float(double, const std::string& text) { refuse(cat("the number ", text, ", which is no 64-bit integer")); }
  bool boolean(bool) { refuse("a boolean where none belongs"); }
  bool null() { refuse("a null where none belongs"); }
  bool binary(json::binary_t&) { refuse("binary data"); }
  bool parse_error(std::size_t, const std::string&, const json::exception& error) { refuse(std::string(error.what()).substr(0, 200)); }

 private:
  enum class Place { outside, file, metadata, entry, shape, offsets };

  bool go(Place place) {
    place_ = place;
    return true;
  }

  [[noreturn]] void refuse(const std::string& what) const {
    throw FormatError(
        {.op = "safetensors", .path = path_, .what = cat("header, before byte ", first_byte_ + (seen_ - begin_), ": ", what)});
  }

  bool add_extent(std::uint64_t extent) {
    NamedArray& array = entry_.array;
    if (array.shape.rank() == Shape::kMaxRank) refuse(cat("array '", array.name, "' has more than ", Shape::kMaxRank, " axes"));
    std::int64_t bytes = 0;
    if (extent > INT64_MAX || __builtin_mul_overflow(size_, static_cast<std::int64_t>(extent), &size_) ||
        __builtin_mul_overflow(size_, std::int64_t{8}, &bytes))
      refuse(cat("the shape of '", array.name, "' exceeds 64 bits with the extent ", extent));
    array.shape = array.shape + static_cast<std::int64_t>(extent);
    return true;
  }

  void finish_entry() {
    const NamedArray& array = entry_.array;
    if (fields_.size() != 3) refuse(cat("array '", array.name, "' lacks one of dtype, shape, data_offsets"));
    const auto bytes = static_cast<std::uint64_t>(size_ * size_of(array.type));
    if (entry_.end < entry_.begin || entry_.end - entry_.begin != bytes)
      refuse(cat("array '", array.name, "' has offsets [", entry_.begin, ", ", entry_.end, "), its shape ", array.shape.str(), " of ",
                 name_of(array.type), " takes ", bytes, " bytes"));
    header_.entries.push_back(std::move(entry_));
    size_ = 1;
  }

  const std::string& path_;
  const char* begin_;
  const char* seen_;
  std::int64_t first_byte_;
  Header header_;
  Place place_ = Place::outside;
  std::string key_;
  std::set<std::string> names_, metadata_keys_, fields_;
  HeaderEntry entry_;
  std::int64_t size_ = 1;
  int offset_count_ = 0;
};

void check_filled(const Header& header, std::uint64_t data_size, const std::string& path, std::uint64_t first_data_byte) {
  std::uint64_t reached = 0;
  for (const HeaderEntry& entry : header.entries) {
    if (entry.begin != reached)
      throw FormatError({.op = "safetensors",
                         .path = path,
                         .what = cat("array '", entry.array.name, "' begins at byte ", first_data_byte + entry.begin,
                                     ", the arrays before it end at byte ", first_data_byte + reached)});
    reached = entry.end;
  }
  if (reached != data_size)
    throw FormatError(
        {.op = "safetensors",
         .path = path,
         .what = cat("the arrays end at byte ", first_data_byte + reached, ", the file at byte ", first_data_byte + data_size),
         .hint = "the file is truncated or something was appended: fetch or write it again"});
}

}  // namespace

Header parse_header(const std::string& text, std::uint64_t data_size, const std::string& path, std::int64_t first_byte) {
  if (text.empty() || text.front() != '{')
    throw FormatError({.op = "safetensors", .path = path, .what = cat("the header at byte ", first_byte, " does not begin with '{'")});
  Header header = HeaderReader(text, path, first_byte).read(text);
  std::sort(header.entries.begin(), header.entries.end(),
            [](const HeaderEntry& a, const HeaderEntry& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  check_filled(header, data_size, path, static_cast<std::uint64_t>(first_byte) + text.size());
  return header;
}

std::string header_text(const std::map<std::string, std::string>& metadata, const std::vector<const NamedArray*>& arrays) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  nlohmann::ordered_json texts = nlohmann::ordered_json::object();
  texts[std::string(kChecksum)] = kNoChecksum;  // first, so that its place is fixed
  for (const auto& [key, text] : metadata)
    if (key != kChecksum) texts[key] = text;
  header[kMetadata] = std::move(texts);
  std::int64_t end = 0;
  std::set<std::string> names{kMetadata};
  for (const NamedArray* array : arrays) {
    if (!names.insert(array->name).second)
      throw UsageError({.op = "safetensors", .what = cat("the name '", array->name, "' is given twice or reserved")});
    const std::int64_t begin = end;
    end += static_cast<std::int64_t>(array->bytes.size());
    header.push_back({array->name,
                      {{"dtype", name_of(array->type)},
                       {"shape", std::vector<std::int64_t>(array->shape.begin(), array->shape.end())},
                       {"data_offsets", {begin, end}}}});
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const json::exception& error) {
    throw UsageError({.op = "safetensors", .what = cat("a name or a metadata text is not UTF-8: ", error.what())});
  }
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

std::int64_t size_of(ArrayType type) {
  switch (type) {
    case ArrayType::u8: return 1;
    case ArrayType::i32:
    case ArrayType::f32: return 4;
    case ArrayType::i64:
    case ArrayType::f64: return 8;
  }
  return 0;
}

const char* name_of(ArrayType type) {
  switch (type) {
    case ArrayType::u8: return "U8";
    case ArrayType::i32: return "I32";
    case ArrayType::i64: return "I64";
    case ArrayType::f32: return "F32";
    case ArrayType::f64: return "F64";
  }
  return "?";
}

}  // namespace weft::detail
