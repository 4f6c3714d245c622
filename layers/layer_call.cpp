#include <weft/layers/layer_call.hpp>

namespace weft {

const LayerCall::Listener*& LayerCall::listener() {
  thread_local const Listener* current = nullptr;
  return current;
}

}  // namespace weft
