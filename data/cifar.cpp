#include <weft/data/cifar.hpp>

#include <array>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <set>
#include <system_error>

#include <weft/core/error.hpp>
#include <weft/core/files/gzip_file.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

constexpr Lattice kLattice{32, 32, 3};
constexpr int kPositions = 32 * 32;
constexpr int kPixelBytes = 3 * kPositions;
constexpr std::int64_t kMostRecords = 200000;  // four times the largest official file, 0.6 GB
constexpr std::int64_t kUsualInflation = 16;   // photographs inflate by less than 2; what inflates by more is counted before it is stored

/// A label byte of a record and the number of its classes.
struct Label {
  const char* name;
  int classes;
};

/// Label bytes, of which the last is learnt, then the planes R, G and B, each row by row.
struct Layout {
  std::array<Label, 2> label;
  int labels;
  int size() const { return labels + kPixelBytes; }
  int classes() const { return label[static_cast<std::size_t>(labels - 1)].classes; }
};

Layout layout_of(CifarKind kind) {
  if (kind == CifarKind::ten) return {.label = {{{"label", 10}}}, .labels = 1};
  return {.label = {{{"coarse label", 20}, {"fine label", 100}}}, .labels = 2};
}

/// A file, record by record, each checked before it is given.
class Records {
 public:
  Records(const std::string& path, CifarKind kind) : kind_(kind), layout_(layout_of(kind)), file_("cifar", path) {
    if (file_.compressed()) return;
    check_count(file_.file_size() / layout_.size() + (file_.file_size() % layout_.size() > 0 ? 1 : 0));
    if (file_.file_size() % layout_.size() > 0) refuse_rest(file_.file_size() / layout_.size(), file_.file_size() % layout_.size());
  }

  /// Goes to the next record; false behind the last.
  bool next() {
    const std::size_t wanted = static_cast<std::size_t>(layout_.size()), got = file_.read(bytes_.data(), wanted);
    if (got == 0) {
      if (count_ == 0) refuse("the data end at byte 0, before the first record");
      return false;
    }
    check_count(count_ + 1);
    if (got < wanted) refuse_rest(count_, static_cast<std::int64_t>(got));
    check_labels();
    ++count_;
    return true;
  }

  int label() const { return bytes_[static_cast<std::size_t>(layout_.labels - 1)]; }
  /// [c][h][w]
  const std::uint8_t* planes() const { return bytes_.data() + layout_.labels; }
  int classes() const { return layout_.classes(); }
  /// Records given so far.
  std::int64_t count() const { return count_; }
  const GzipFile& file() const { return file_; }
  /// Of a plain file, before any is read.
  std::int64_t declared() const { return file_.file_size() / layout_.size(); }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw FormatError({.op = "cifar",
                       .path = file_.path(),
                       .what = what,
                       .hint = cat("the file is damaged or not of ", name_of(kind_), "'s binary version: fetch it again")});
  }

  [[noreturn]] void refuse_rest(std::int64_t records, std::int64_t rest) const {
    refuse(cat("record ", records, " at byte ", records * layout_.size(), " has ", rest, " of ", layout_.size(), " bytes"));
  }

  void check_count(std::int64_t records) const {
    if (records > kMostRecords)
      refuse(cat("data follow at byte ", kMostRecords * layout_.size(), " after ", kMostRecords, " records, the most that are read"));
  }

  void check_labels() const {
    for (int i = 0; i < layout_.labels; ++i) {
      const Label& label = layout_.label[static_cast<std::size_t>(i)];
      const int found = bytes_[static_cast<std::size_t>(i)];
      if (found >= label.classes)
        refuse(cat("the ", label.name, " at byte ", count_ * layout_.size() + i, " is ", found, ", but they go from 0 to ",
                   label.classes - 1));
    }
  }

  CifarKind kind_;
  Layout layout_;
  GzipFile file_;
  std::array<std::uint8_t, 2 + kPixelBytes> bytes_{};
  std::int64_t count_ = 0;
};

/// Reads the whole stream and stores nothing: is it sound, and how much is it?
std::int64_t count_records(const std::string& path, CifarKind kind) {
  Records records(path, kind);
  while (records.next()) {
  }
  return records.count();
}

void reserve(ImageSet& set, std::int64_t records) {
  set.pixels.reserve(static_cast<std::size_t>(records * kPixelBytes));
  set.labels.reserve(static_cast<std::size_t>(records));
}

/// Appends an image, its planes [c][h][w] turned into pixels [h][w][c].
void append_image(std::vector<std::uint8_t>& pixels, const std::uint8_t* planes) {
  pixels.resize(pixels.size() + kPixelBytes);
  std::uint8_t* to = pixels.data() + pixels.size() - kPixelBytes;
  for (int position = 0; position < kPositions; ++position)
    for (int channel = 0; channel < kLattice.c; ++channel) *to++ = planes[channel * kPositions + position];
}

void append(ImageSet& set, const ImageSet& more) {
  set.size += more.size;
  set.pixels.insert(set.pixels.end(), more.pixels.begin(), more.pixels.end());
  set.labels.insert(set.labels.end(), more.labels.begin(), more.labels.end());
}

/// The numbers n >= 1 for which a folder holds `<stem><n>.bin`, .gz or plain.
std::set<int> numbered_files(const std::string& folder, const std::string& stem) {
  std::set<int> numbers;
  std::error_code ignored;
  for (std::filesystem::directory_iterator entry(folder, ignored), end; entry != end; entry.increment(ignored)) {
    const std::string name = entry->path().filename().string();
    int n = 0;
    if (name.starts_with(stem)) std::from_chars(name.data() + stem.size(), name.data() + name.size(), n);
    const std::string plain = cat(stem, n, ".bin");
    if (n > 0 && (name == plain || name == plain + ".gz")) numbers.insert(n);
  }
  return numbers;
}

/// What a folder has and lacks of a set.
struct Files {
  std::vector<std::string> train;
  std::string test;
  std::vector<std::string> missing;
};

/// Adds to the missing what is not there.
std::string want(Files& files, const std::string& folder, const std::string& name) {
  const std::string path = gzip_or_plain(folder, name);
  if (path.empty()) files.missing.push_back(name + "[.gz]");
  return path;
}

/// A batch may lack at the end, never between two others: the sets of two machines would differ without a word.
Files files_of_ten(const std::string& folder) {
  Files files;
  const std::set<int> batches = numbered_files(folder, "data_batch_");
  const int last = batches.empty() ? 1 : *batches.rbegin();
  for (int n = 1; n <= last && files.missing.empty(); ++n) files.train.push_back(want(files, folder, cat("data_batch_", n, ".bin")));
  files.test = want(files, folder, "test_batch.bin");
  return files;
}

Files files_of_hundred(const std::string& folder) {
  Files files;
  const std::set<int> parts = numbered_files(folder, "train_first");
  const bool whole = parts.empty() || !gzip_or_plain(folder, "train.bin").empty();
  files.train = {want(files, folder, whole ? "train.bin" : cat("train_first", *parts.rbegin(), ".bin"))};
  files.test = want(files, folder, "test.bin");
  return files;
}

Files files_of(const std::string& folder, CifarKind kind) {
  return kind == CifarKind::ten ? files_of_ten(folder) : files_of_hundred(folder);
}

ImageData load(const std::string& folder, CifarKind kind) {
  const Files files = files_of(folder, kind);
  if (!files.missing.empty()) throw FormatError({.op = "cifar", .path = folder, .what = cat("the folder lacks ", joined(files.missing))});
  ImageData data{.name = name_of(kind), .source = folder, .train = read_cifar(files.train[0], kind), .test = {}};
  for (std::size_t i = 1; i < files.train.size(); ++i) append(data.train, read_cifar(files.train[i], kind));
  data.test = read_cifar(files.test, kind);
  return data;
}

}  // namespace

const char* name_of(CifarKind kind) { return kind == CifarKind::ten ? "CIFAR-10" : "CIFAR-100"; }

std::vector<std::string> missing_cifar_files(const std::string& folder, CifarKind kind) { return files_of(folder, kind).missing; }

ImageSet read_cifar(const std::string& path, CifarKind kind) {
  Records records(path, kind);
  ImageSet set{.lattice = kLattice, .classes = records.classes(), .size = 0, .pixels = {}, .labels = {}};
  bool sized = !records.file().compressed();
  if (sized) reserve(set, records.declared());
  while (records.next()) {
    if (!sized && records.file().position() > records.file().file_size() * kUsualInflation) {
      reserve(set, count_records(path, kind));
      sized = true;
    }
    append_image(set.pixels, records.planes());
    set.labels.push_back(records.label());
  }
  set.size = records.count();
  return set;
}

ImageData load_cifar10(const std::string& folder) { return load(folder, CifarKind::ten); }
ImageData load_cifar100(const std::string& folder) { return load(folder, CifarKind::hundred); }

}  // namespace weft
