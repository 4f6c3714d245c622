// Who includes whom: the rules between folders, and what the native form must not know.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace fs = std::filesystem;

namespace {

const fs::path kRoot = WEFT_SOURCE_DIR;

std::string text_of(const fs::path& file) {
  std::ifstream in(file);
  REQUIRE_MESSAGE(in.good(), file.string());
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// The names between <> or "" of a source's include lines.
std::vector<std::string> includes_of(const std::string& text) {
  std::vector<std::string> names;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t hash = line.find_first_not_of(" \t");
    if (hash == std::string::npos || line[hash] != '#') continue;
    const std::size_t word = line.find_first_not_of(" \t", hash + 1);
    if (word == std::string::npos || line.compare(word, 7, "include") != 0) continue;
    const std::size_t open = line.find_first_of("<\"", word), close = line.find_first_of(">\"", open + 1);
    if (open != std::string::npos && close != std::string::npos) names.push_back(line.substr(open + 1, close - open - 1));
  }
  return names;
}

/// Every source of a folder, as paths from the root.
std::vector<std::string> sources_of(const std::string& folder) {
  const std::set<std::string> kinds{".hpp", ".cpp", ".inc", ".cu", ".cuh", ".h"};
  std::vector<std::string> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(kRoot / folder))
    if (entry.is_regular_file() && kinds.count(entry.path().extension().string()) > 0)
      files.push_back(fs::relative(entry.path(), kRoot).generic_string());
  std::sort(files.begin(), files.end());
  return files;
}

/// "kernels" of "kernels/cpu/gemm.cpp".
std::string folder_of(const std::string& path) { return path.substr(0, path.find('/')); }

bool begins(const std::string& text, const std::string& with) { return text.rfind(with, 0) == 0; }

/// The folders that each folder may include, itself among them.
const std::map<std::string, std::set<std::string>>& allowed() {
  static const std::map<std::string, std::set<std::string>> folders{
      {"core", {"core"}},
      {"kernels", {"core", "kernels"}},
      {"autograd", {"core", "kernels", "autograd"}},
      {"layers", {"core", "autograd", "layers"}},
      {"data", {"core", "data"}},
      {"apps", {"core", "kernels", "autograd", "layers", "data", "apps"}},
  };
  return folders;
}

/// What is wrong with `file` including `name`; empty if nothing is.
std::string broken_rule(const std::string& file, const std::string& name) {
  const std::string folder = folder_of(file);
  if (begins(name, "nlohmann/") && !file.ends_with(".cpp")) return "nlohmann/json belongs in .cpp files";
  if ((begins(name, "cuda") || begins(name, "cublas") || begins(name, "cusparse") || begins(name, "cub/")) &&
      !begins(file, "kernels/cuda/"))
    return "CUDA headers belong in kernels/cuda";
  if (begins(name, ".") || fs::exists((kRoot / file).parent_path() / name)) return "includes read <weft/folder/file.hpp>";
  if (!begins(name, "weft/")) return {};
  const std::string to = name.substr(5);
  if (!fs::exists(kRoot / to)) return "there is no such file";
  if (begins(file, "layers/optim/") && folder_of(to) == "kernels") return {};
  if (allowed().at(folder).count(folder_of(to)) == 0) return folder + " must not include " + folder_of(to);
  return {};
}

}  // namespace

TEST_CASE("folders include only what lies below them") {
  std::size_t files = 0, includes = 0;
  for (const auto& rule : allowed())
    for (const std::string& file : sources_of(rule.first)) {
      ++files;
      for (const std::string& name : includes_of(text_of(kRoot / file))) {
        ++includes;
        const std::string broken = broken_rule(file, name);
        INFO(file, " includes ", name, ": ", broken);
        CHECK(broken.empty());
      }
    }
  CHECK(files > 150);
  CHECK(includes > 800);
}

TEST_CASE("each rule finds what breaks it") {
  CHECK(broken_rule("core/tensor.cpp", "weft/core/error.hpp").empty());
  CHECK(broken_rule("core/tensor.cpp", "vector").empty());
  CHECK_FALSE(broken_rule("core/tensor.cpp", "weft/kernels/gemm.hpp").empty());
  CHECK_FALSE(broken_rule("kernels/cpu/gemm.cpp", "weft/autograd/var.hpp").empty());
  CHECK_FALSE(broken_rule("autograd/tape.cpp", "weft/layers/linear.hpp").empty());
  CHECK_FALSE(broken_rule("layers/linear.cpp", "weft/kernels/gemm.hpp").empty());
  CHECK(broken_rule("layers/optim/adam.cpp", "weft/kernels/optimizers.hpp").empty());
  CHECK_FALSE(broken_rule("layers/optim/adam.cpp", "weft/data/loader.hpp").empty());
  CHECK_FALSE(broken_rule("data/loader.cpp", "weft/autograd/var.hpp").empty());
  CHECK_FALSE(broken_rule("core/text.hpp", "nlohmann/json.hpp").empty());
  CHECK(broken_rule("core/text.cpp", "nlohmann/json.hpp").empty());
  CHECK_FALSE(broken_rule("kernels/cpu/maps.cpp", "cuda_runtime.h").empty());
  CHECK(broken_rule("kernels/cuda/maps.cu", "cuda_runtime.h").empty());
  CHECK_FALSE(broken_rule("core/tensor.cpp", "tensor.hpp").empty());
  CHECK_FALSE(broken_rule("core/tensor.cpp", "weft/core/no_such_file.hpp").empty());
  CHECK(includes_of("#include <a.hpp>\n  #  include \"b.hpp\"  // why\n// #include <c.hpp>\nint x;\n") ==
        std::vector<std::string>{"a.hpp", "b.hpp"});
}

TEST_CASE("the native form knows no pattern and no sparse product") {
  std::vector<std::string> open{"autograd/ops/native.hpp",
                                "autograd/ops/native.cpp",
                                "kernels/gemm.hpp",
                                "kernels/cpu/gemm.cpp",
                                "kernels/cpu/gemm_literal.hpp",
                                "kernels/cpu/gemm_literal.cpp",
                                "kernels/im2col.hpp",
                                "kernels/cpu/im2col.cpp",
                                "kernels/avg_pool.hpp",
                                "kernels/cpu/avg_pool.cpp",
                                "kernels/table.hpp",
                                "kernels/cpu/table.cpp",
                                "autograd/ops/glue.hpp",
                                "autograd/ops/native_recurrence.hpp",
                                "autograd/ops/native_recurrence.cpp"};
  const std::set<std::string> own(open.begin(), open.end());
  std::set<std::string> seen;
  while (!open.empty()) {
    const std::string file = open.back();
    open.pop_back();
    if (!seen.insert(file).second) continue;
    const std::string text = text_of(kRoot / file);
    INFO(file);
    for (const char* word : {"SparsePattern", "core/sparse_pattern.hpp", "core/patterns.hpp", "kernels/product.hpp"})
      CHECK_MESSAGE(text.find(word) == std::string::npos, word);
    if (own.count(file) > 0) CHECK(text.find("spmm") == std::string::npos);
    for (const std::string& name : includes_of(text))
      if (begins(name, "weft/")) open.push_back(name.substr(5));
  }
  CHECK(seen.count("core/lattice.hpp") == 1);
  CHECK(seen.count("kernels/cpu/register_tile-inl.hpp") == 1);
}
