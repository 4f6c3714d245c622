#include <weft/apps/bench/options.hpp>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <regex>

#include <weft/apps/support/flags.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft::bench {

namespace {

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
  app.add_flag("--quick", o.quick, "part of the grid in about a minute");
  app.add_option("--filter", o.filter,
                 "regular expression that the names of cells must contain, e.g. 'conv', 'bsr/forward/.*/d10/', 'step'");
  app.add_option("--threads", o.threads, "numbers of threads, one table each (default: 1 for kernels, 1 and 2 for training steps)")
      ->delimiter(',');
  app.add_option("--rounds", o.rounds, "rounds a cell; 0: 40, or 12 with --quick")->capture_default_str();
  app.add_option("--density", o.density, "of the sparse layers that are compared with dense ones")->capture_default_str();
  app.add_option("--json", o.json, "file that takes every number");
  parse_flags(app, argc, argv);
  check(o);
  return o;
}

}  // namespace weft::bench
