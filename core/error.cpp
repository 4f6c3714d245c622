#include <weft/core/error.hpp>

#include <weft/core/text.hpp>

namespace weft {

namespace {

std::string message(const char* kind, const Report& report) {
  std::string text = kind;
  if (!report.op.empty()) text += " in " + report.op;
  if (!report.path.empty()) text += " '" + report.path + "'";
  text += ": " + report.what;
  if (!report.detail.empty()) text += "\n  " + report.detail;
  if (!report.hint.empty()) text += "\n  hint: " + report.hint;
  return text;
}

}  // namespace

Error::Error(const char* kind, const Report& report) : std::runtime_error(message(kind, report)) {}

namespace detail {

void broken_invariant(const char* condition, const char* file, int line) {
  throw std::logic_error(cat("weft invariant broken: ", condition, " at ", file, ":", line));
}

}  // namespace detail

}  // namespace weft
