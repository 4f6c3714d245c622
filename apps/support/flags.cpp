#include <weft/apps/support/flags.hpp>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <weft/apps/support/exit.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

[[noreturn]] void refuse_extra(const CLI::App& app, const std::vector<std::string>& extras) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) flags.push_back(name);
  for (const std::string& extra : extras)
    if (extra.size() > 1 && extra[0] == '-') {
      const std::string flag = extra.substr(0, extra.find('='));
      const std::string known = nearest(flag.substr(std::min(flag.find_first_not_of('-'), flag.size())), flags);
      throw ConfigError({.op = "flags",
                         .path = flag,
                         .what = cat("unknown flag ", flag),
                         .hint = known.empty() ? "see --help" : cat("did you mean --", known, "?")});
    }
  throw ConfigError({.op = "flags",
                     .path = extras.front(),
                     .what = cat("unexpected argument '", extras.front(), "'"),
                     .hint = "flags begin with --; see --help"});
}

}  // namespace

void parse_flags(CLI::App& app, int argc, const char* const* argv) {
  app.allow_extras();
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::printf("%s", app.help().c_str());
    throw Exit{0};
  } catch (const CLI::ParseError& error) {
    throw ConfigError({.op = "flags", .what = error.what(), .hint = "see --help"});
  }
  if (const std::vector<std::string> extras = app.remaining(); !extras.empty()) refuse_extra(app, extras);
}

}  // namespace weft
