#include <weft/apps/support/interrupt.hpp>

namespace weft {

namespace {

volatile std::sig_atomic_t asked_to_end = 0;

}  // namespace

Interrupt::Interrupt() {
  asked_to_end = 0;
  struct sigaction once = {};
  once.sa_handler = [](int) { asked_to_end = 1; };
  once.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigaction(SIGINT, &once, &old_int_);
  sigaction(SIGTERM, &once, &old_term_);
}

Interrupt::~Interrupt() {
  sigaction(SIGINT, &old_int_, nullptr);
  sigaction(SIGTERM, &old_term_, nullptr);
}

bool Interrupt::asked() const { return asked_to_end != 0; }

}  // namespace weft
