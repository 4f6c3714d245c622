#pragma once

#include <functional>
#include <string>

#include <weft/core/error.hpp>

namespace weft::oracle {

/// The message of the FormatError that `call` throws; empty if it throws none.
inline std::string format_error(const std::function<void()>& call) {
  try {
    call();
  } catch (const FormatError& error) {
    return error.what();
  }
  return {};
}

}  // namespace weft::oracle
