#include <weft/data/series_sets.hpp>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include <weft/core/error.hpp>
#include <weft/core/files/gzip_file.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

/// How the steps of a file are divided.
enum class Division { by_70_10_20, by_60_20_20, in_months };

/// A file and how it is read.
struct SeriesFile {
  std::string set;   ///< what --set calls it
  std::string name;  ///< for people
  std::string file;
  Division division = Division::by_70_10_20;
  int rows_per_step = 1;
};

const std::vector<SeriesFile>& electricity_files() {
  static const std::vector<SeriesFile> files{
      {"first1000h", "Electricity, first 1,000 hours", "electricity_first1000h_203clients.csv", Division::by_60_20_20},
      {"2014", "Electricity, 2014", "electricity_2014_10clients.csv"},
      {"last840h", "Electricity, last 840 hours", "electricity_last840h_321clients.csv", Division::by_60_20_20},
      {"mt200", "Electricity, client MT_200", "LD_MT200_hour.csv"},
      {"benchmark", "Electricity, 321 clients", "electricity.csv"},
      {"uci", "Electricity, 370 clients", "LD2011_2014.txt", Division::by_70_10_20, 4},
  };
  return files;
}

const std::vector<SeriesFile>& ett_files() {
  static const std::vector<SeriesFile> files{{"etth1", "ETTh1", "ETTh1.csv", Division::in_months},
                                             {"etth2", "ETTh2", "ETTh2.csv", Division::in_months}};
  return files;
}

SeriesSplit split_of(Division division, std::int64_t steps, const std::string& path) {
  if (division == Division::by_70_10_20) return split_70_10_20(steps);
  if (division == Division::by_60_20_20) return {steps - steps / 5 * 2, steps / 5, steps / 5};
  constexpr std::int64_t kMonth = 30 * 24;
  if (steps < 20 * kMonth)
    throw FormatError({.op = "series",
                       .path = path,
                       .what = cat("the table has ", steps, " rows, its 20 months are ", 20 * kMonth, " hours"),
                       .hint = "the file is cut off: fetch it again"});
  return {12 * kMonth, 4 * kMonth, 4 * kMonth};
}

SeriesData load(const SeriesFile& file, const std::string& path, std::vector<std::string>& remarks) {
  SeriesData data{.name = file.name, .source = path, .series = read_series(path, file.rows_per_step), .split = {}};
  data.split = split_of(file.division, data.series.steps, path);
  if (const std::vector<std::string> removed = remove_constant(data.series, data.split.train, path); !removed.empty())
    remarks.push_back(cat("left out, constant in the training part: ", joined(removed)));
  return data;
}

/// A file that the user named: one of those known by their names, or a table of the user's own.
SeriesData load_named_file(const std::vector<SeriesFile>& known, const std::string& path, std::vector<std::string>& remarks) {
  const std::string name = std::filesystem::path(path).filename().string();
  const auto file = std::find_if(known.begin(), known.end(), [&](const SeriesFile& f) { return name == f.file || name == f.file + ".gz"; });
  return load(file != known.end() ? *file : SeriesFile{.set = {}, .name = name, .file = name}, path, remarks);
}

SeriesData find(const SeriesFile& wanted, const std::vector<SeriesFile>& known, const std::vector<std::string>& folders,
                const std::string& origin, const DataPlaces& places, std::vector<std::string>& remarks) {
  std::error_code ignored;
  const bool named = !places.data.empty() || !places.weft_data.empty();
  const std::string place = !places.data.empty() ? places.data : named ? places.weft_data : places.caches;
  if (named && std::filesystem::is_regular_file(place, ignored)) return load_named_file(known, place, remarks);
  std::vector<std::string> tried;
  for (const std::string& below : folders) {
    if (place.empty()) break;
    tried.push_back((std::filesystem::path(place) / below).string());
    if (const std::string path = gzip_or_plain(tried.back(), wanted.file); !path.empty()) return load(wanted, path, remarks);
  }
  throw FormatError({.op = !places.data.empty() ? "--data"
                           : named              ? "WEFT_DATA"
                                                : "data",
                     .path = place,
                     .what = cat(wanted.name, " was not found: no ", wanted.file, "[.gz]"),
                     .detail = tried.empty() ? "no cache (neither XDG_CACHE_HOME nor HOME is set)" : cat("tried: ", joined(tried)),
                     .hint = cat("give --data the folder of the file (", origin, ") or a CSV file of your own")});
}

}  // namespace

SeriesData find_etth1(const DataPlaces& places, std::vector<std::string>& remarks) {
  return find(ett_files().front(), ett_files(), {"", "etth1", "ETT-small"}, "https://github.com/zhouhaoyi/ETDataset", places, remarks);
}

std::vector<std::string> electricity_sets() {
  std::vector<std::string> sets;
  for (const SeriesFile& file : electricity_files()) sets.push_back(file.set);
  return sets;
}

SeriesData find_electricity(const std::string& set, const DataPlaces& places, std::vector<std::string>& remarks) {
  for (const SeriesFile& file : electricity_files())
    if (file.set == set)
      return find(file, electricity_files(), {"", "electricity"}, "https://archive.ics.uci.edu/dataset/321", places, remarks);
  const std::string known = nearest(set, electricity_sets());
  throw ConfigError({.op = "options",
                     .path = "set",
                     .what = cat("there is no set '", set, "'"),
                     .hint = known.empty() ? cat("choose of ", joined(electricity_sets())) : cat("did you mean ", known, "?")});
}

}  // namespace weft
