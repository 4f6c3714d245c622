#include <weft/apps/bench/options.hpp>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <regex>

#include <weft/apps/support/exit.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft::bench {

namespace {

[[noreturn]] void refuse_extra(const CLI::App& app, const std::string& extra) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) flags.push_back(name);
  const std::string flag = extra.substr(0, extra.find('='));
  const std::string known = nearest(flag.substr(std::min(flag.find_first_not_of('-'), flag.size())), flags);
  throw ConfigError({.op = "flags",
                     .path = flag,
                     .what = cat("unknown flag ", flag),
                     .hint = known.empty() ? "see --help" : cat("did you mean --", known, "?")});
}

void check(const Options& o) {
  for (const int n : o.threads)
    if (n < 1) throw ConfigError({.op = "flags", .path = "--threads", .what = cat(n, " threads asked for"), .hint = "give 1 or more"});
  if (o.rounds < 0)
    throw ConfigError(
        {.op = "flags", .path = "--rounds", .what = cat(o.rounds, " rounds asked for"), .hint = "give 1 or more, or 0 for the default"});
  if (!(o.density > 0 && o.density <= 1))
    throw ConfigError(
        {.op = "flags", .path = "--density", .what = cat("density is ", o.density), .hint = "give a share above 0, at most 1"});
  try {
    const std::regex expression(o.filter);
  } catch (const std::regex_error& error) {
    throw ConfigError({.op = "flags",
                       .path = "--filter",
                       .what = cat("'", o.filter, "' is no regular expression: ", error.what()),
                       .hint = "try e.g. 'bsr/forward/K1024' or 'step'"});
  }
}

}  // namespace

Options read_options(int argc, const char* const* argv) {
  Options o;
  CLI::App app{
      "Measures weft's kernels against the FMA probe of the same rounds and the peers that are there, and a training step against\n"
      "PyTorch (WEFT_PYTHON names a Python that has it). Exits 0 whatever the figures are; the last lines say where weft loses."};
  app.allow_extras();
  app.add_flag("--quick", o.quick, "part of the grid in about a minute");
  app.add_option("--filter", o.filter,
                 "regular expression that the names of cells must contain, e.g. 'conv', 'bsr/forward/.*/d10/', 'step'");
  app.add_option("--threads", o.threads, "numbers of threads, one table each (default: 1 for kernels, 1 and 2 for training steps)")
      ->delimiter(',');
  app.add_option("--rounds", o.rounds, "rounds a cell; 0: 40, or 12 with --quick")->capture_default_str();
  app.add_option("--density", o.density, "of the sparse layers that are compared with dense ones")->capture_default_str();
  app.add_option("--json", o.json, "file that takes every number");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::printf("%s", app.help().c_str());
    throw Exit{0};
  } catch (const CLI::ParseError& error) {
    throw ConfigError({.op = "flags", .what = error.what(), .hint = "see --help"});
  }
  if (const std::vector<std::string> extras = app.remaining(); !extras.empty()) refuse_extra(app, extras.front());
  check(o);
  return o;
}

}  // namespace weft::bench
