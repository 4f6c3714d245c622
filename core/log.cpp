#include <weft/core/log.hpp>

#include <mutex>
#include <utility>

namespace weft {

namespace {

std::mutex& log_mutex() {
  static std::mutex mutex;
  return mutex;
}

std::function<void(const std::string&)>& log_sink() {
  static std::function<void(const std::string&)> sink;
  return sink;
}

}  // namespace

void set_log(std::function<void(const std::string&)> sink) {
  const std::lock_guard lock(log_mutex());
  log_sink() = std::move(sink);
}

bool log_wanted() {
  const std::lock_guard lock(log_mutex());
  return static_cast<bool>(log_sink());
}

void log(const std::string& message) {
  const std::lock_guard lock(log_mutex());
  if (log_sink()) log_sink()(message);
}

}  // namespace weft
