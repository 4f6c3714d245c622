#pragma once

namespace CLI {
class App;
}

namespace weft {

/// Parses a program's flags. Prints the help and throws Exit{0} for --help; throws ConfigError for an unknown flag (naming the nearest
/// valid one), an argument that is none, and what the parser refuses.
void parse_flags(CLI::App& app, int argc, const char* const* argv);

}  // namespace weft
