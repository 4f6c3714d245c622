#include <weft/apps/support/exit.hpp>

#include <cstdio>
#include <exception>
#include <new>

#include <weft/core/error.hpp>

namespace weft {

namespace {

int report(int code, const char* text) {
  std::fflush(stdout);
  std::fprintf(stderr, "%s\n", text);
  return code;
}

}  // namespace

int guarded(const std::function<int()>& body) {
  try {
    return body();
  } catch (const Exit& exit) {
    return exit.code;
  } catch (const NumericError& error) {
    return report(kNotFinite, error.what());
  } catch (const DeviceError& error) {
    return report(kNoDevice, error.what());
  } catch (const OutOfMemory& error) {
    return report(kNoDevice, error.what());
  } catch (const std::bad_alloc&) {
    return report(kNoDevice, "out of memory: the system gave no more\n  hint: take a smaller --batch");
  } catch (const FormatError& error) {
    return report(kBadData, error.what());
  } catch (const std::exception& error) {
    return report(kWrongUse, error.what());
  }
}

}  // namespace weft
