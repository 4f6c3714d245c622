#include <weft/data/download.hpp>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <system_error>

#include <unistd.h>

#include <weft/core/text.hpp>
#include <weft/data/program.hpp>

namespace weft {

namespace {

constexpr int kSlowestBytesPerSecond = 8192;
constexpr int kLargestBytes = 100'000'000;

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// Why the file at `path` is not the one meant; empty if it is.
std::string fault(const std::string& path, const std::string& sha256) {
  const ProgramResult result = run_program({"sha256sum", "--", path});
  if (result.status != 0) return first_line(result.output);
  const std::size_t escaped = result.output.starts_with('\\') ? 1 : 0;  // sha256sum marks an unusual path so
  const std::string found = result.output.substr(escaped, 64);
  return found == sha256 ? std::string{} : cat("SHA-256 is ", found, ", expected ", sha256);
}

/// Why the file could not be brought to `path`; empty if it was.
std::string fetch(const std::string& url, const std::string& path, const std::string& sha256, const DownloadOptions& options) {
  const std::string partial = cat(path, ".", ::getpid(), ".part");
  const ProgramResult curl = run_program({"curl",
                                          "--disable",
                                          "--silent",
                                          "--show-error",
                                          "--fail",
                                          "--location",
                                          "--max-redirs",
                                          "5",
                                          "--globoff",
                                          "--proto",
                                          "=http,https",
                                          "--connect-timeout",
                                          cat(options.connect_seconds),
                                          "--speed-limit",
                                          cat(kSlowestBytesPerSecond),
                                          "--speed-time",
                                          cat(options.stall_seconds),
                                          "--max-time",
                                          cat(options.total_seconds),
                                          "--max-filesize",
                                          cat(kLargestBytes),
                                          "--output",
                                          partial,
                                          "--url",
                                          url});
  std::error_code failure;
  std::string why = curl.status != 0 ? first_line(curl.output) : fault(partial, sha256);
  if (curl.status != 0 && why.empty()) why = cat("curl ended with status ", curl.status);
  if (why.empty()) {
    std::filesystem::rename(partial, path, failure);
    if (failure) why = failure.message();
  }
  if (!why.empty()) std::filesystem::remove(partial, failure);
  return why;
}

/// Brings what is missing from one mirror, up to its first failure.
bool download_from(const std::string& mirror, const DownloadOptions& options, const std::string& folder,
                   std::vector<std::string>& remarks) {
  for (const DownloadFile& file : options.files) {
    const std::string path = (std::filesystem::path(folder) / file.name).string();
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored) && fault(path, file.sha256).empty()) continue;
    const std::string url = cat(mirror, mirror.ends_with('/') ? "" : "/", file.name);
    const std::string why = fetch(url, path, file.sha256, options);
    if (why.empty()) continue;
    remarks.push_back(cat("download of ", url, " failed: ", why));
    return false;
  }
  return true;
}

}  // namespace

DownloadOptions mnist_download() {
  DownloadOptions options;
  options.files = {{"train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"},
                   {"train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"},
                   {"t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"},
                   {"t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"}};
  options.mirrors = {"https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/"};
  if (const char* given = std::getenv("WEFT_MNIST_MIRROR")) {
    options.mirrors.clear();
    std::istringstream words(given);
    for (std::string mirror; words >> mirror;) options.mirrors.push_back(mirror);
  }
  return options;
}

bool download(const DownloadOptions& options, const std::string& folder, std::vector<std::string>& remarks) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) {
    remarks.push_back(cat("the folder '", folder, "' cannot be made: ", failure.message()));
    return false;
  }
  for (const std::string& mirror : options.mirrors)
    if (download_from(mirror, options, folder, remarks)) return true;
  return false;
}

}  // namespace weft
