#include <weft/apps/bench/results.hpp>

#include <cstdio>
#include <nlohmann/json.hpp>

#include <weft/apps/support/report.hpp>
#include <weft/core/text.hpp>

namespace weft::bench {

namespace {

/// Characters, not bytes: continuation bytes of UTF-8 take no room.
std::size_t room(const std::string& text) {
  std::size_t n = 0;
  for (const char c : text) n += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  return n;
}

std::string blanks(const std::string& text, std::size_t width) {
  const std::size_t taken = room(text);
  return std::string(taken < width ? width - taken : 0, ' ');
}

}  // namespace

std::string right(const std::string& text, std::size_t width) { return blanks(text, width) + text; }
std::string left(const std::string& text, std::size_t width) { return text + blanks(text, width); }

std::string fixed(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string show(double value, Unit unit) { return unit == Unit::share ? fixed(100 * value, 0) + " %" : fixed(value, 2) + "x"; }

void Results::line(const std::string& text) const {
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);
}

void Results::heading(const std::string& text) const { line("\n" + text); }

void Results::fact(const std::string& name, const std::string& value) {
  facts_.emplace_back(name, value);
  line(left(name, 17) + value);
}

std::string Results::judge(const std::string& what, double value, double floor, Unit unit) {
  judgements_.push_back({what, value, floor});
  if (value >= floor) return "PASS";
  lost(cat(what, ": ", unit == Unit::share ? fixed(100 * value, 1) + " %" : fixed(value, 3) + "x", ", floor ", show(floor, unit)));
  return "BELOW";
}

void Results::print_losses() const {
  std::size_t below = 0;
  for (const Judgement& j : judgements_) below += j.value < j.floor;
  heading(cat("Floors met: ", judgements_.size() - below, " of ", judgements_.size(),
              ". A figure with ~ was taken while other programs had the processor."));
  if (losses_.empty()) return line("Weft loses nowhere in what was measured.");
  line("Where weft loses or misses a floor:");
  for (const std::string& loss : losses_) line("  " + loss);
}

void Results::write_json(const std::string& path) const {
  nlohmann::ordered_json json;
  for (const auto& [name, value] : facts_) json["facts"][name] = value;
  json["cells"] = nlohmann::ordered_json::array();
  for (const Cell& cell : cells_) {
    nlohmann::ordered_json entry{{"name", cell.name}, {"threads", cell.threads}};
    for (const auto& [name, value] : cell.numbers) entry[name] = value;
    json["cells"].push_back(std::move(entry));
  }
  json["judgements"] = nlohmann::ordered_json::array();
  for (const Judgement& j : judgements_)
    json["judgements"].push_back({{"what", j.what}, {"value", j.value}, {"floor", j.floor}, {"met", j.value >= j.floor}});
  json["losses"] = losses_;
  write_text(path, json.dump(1) + "\n");
}

}  // namespace weft::bench
