#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace weft {

/// What is made of a number (of copies, of steps): each on first use, once, and kept. Copies of it share what they have made.
template <class Value>
class ByCount {
 public:
  explicit ByCount(std::function<Value(std::int64_t)> make) : known_(std::make_shared<Known>(std::move(make))) {}

  /// From any thread. Throws what making it throws.
  Value of(std::int64_t n) const {
    const std::lock_guard lock(known_->mutex);
    const auto found = known_->values.find(n);
    return found != known_->values.end() ? found->second : known_->values.emplace(n, known_->make(n)).first->second;
  }

 private:
  struct Known {
    explicit Known(std::function<Value(std::int64_t)> f) : make(std::move(f)) {}
    const std::function<Value(std::int64_t)> make;
    std::mutex mutex;
    std::map<std::int64_t, Value> values;
  };
  std::shared_ptr<Known> known_;
};

}  // namespace weft
