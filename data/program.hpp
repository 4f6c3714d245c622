#pragma once

#include <string>
#include <vector>

namespace weft {

/// How a program ended: its exit status (128 + n after signal n) and what it wrote to standard output and error together.
struct ProgramResult {
  int status = 0;
  std::string output;
};

/// Runs a program found by PATH, with no shell between and no standard input. Status 127, with the reason as output, if it
/// cannot be started. `words` begin with the program's name.
ProgramResult run_program(const std::vector<std::string>& words);

}  // namespace weft
