#include <weft/apps/paper/table.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include <weft/core/text.hpp>

namespace weft::paper {

namespace {

constexpr const char* kForms[] = {"sparse", "native", "untied"};
constexpr const char* kNone = "–";

std::string fixed(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string percent(double share, int decimals = 2) { return fixed(100 * share, decimals) + " %"; }
/// "0.41 M", "4.1 k".
std::string count_text(std::int64_t n) {
  return n < 100'000 ? fixed(static_cast<double>(n) / 1e3, 1) + " k" : fixed(static_cast<double>(n) / 1e6, 2) + " M";
}
std::string milliseconds(double seconds) { return seconds > 0 ? fixed(1e3 * seconds, 1) : kNone; }

std::string row(const std::vector<std::string>& cells) {
  std::string text = "|";
  for (const std::string& cell : cells) text += " " + cell + " |";
  return text + "\n";
}

std::string header(const std::vector<std::string>& cells) { return row(cells) + row(std::vector<std::string>(cells.size(), "---")); }

template <class Value>
std::vector<double> each(const std::vector<Outcome>& outcomes, Value value) {
  std::vector<double> values;
  for (const Outcome& o : outcomes) values.push_back(value(o));
  return values;
}

/// Digits of a metric, and what multiplies and follows it.
struct Style {
  double scale;
  int decimals;
  const char* unit;
};
Style style_of(Metric metric) {
  if (metric == Metric::accuracy) return {100, 2, " %"};
  if (metric == Metric::mse) return {1, 4, ""};
  return {1, 1, ""};
}

std::string value_text(Metric metric, const std::vector<double>& values) {
  const Spread s = spread(values);
  const Style style = style_of(metric);
  return cat(fixed(style.scale * s.mean, style.decimals), s.deviation ? cat(" ± ", fixed(style.scale * *s.deviation, style.decimals)) : "",
             style.unit);
}

/// Mean epochs to the target over the seeds that reached it.
std::string epochs_text(const std::vector<Outcome>& form, const std::vector<Outcome>& native) {
  std::vector<double> reached;
  for (std::size_t i = 0; i < std::min(form.size(), native.size()); ++i)
    if (const std::optional<double> epochs = epochs_to_target(form[i], native[i])) reached.push_back(*epochs);
  if (native.empty() || reached.empty()) return native.empty() ? kNone : "not reached";
  return fixed(spread(reached).mean, 1) + (reached.size() < form.size() ? cat(" (", reached.size(), " of ", form.size(), ")") : "");
}

/// A set's name in a cell of a Markdown table: a user's folder may be called anything.
std::string name_of_data(const Outcome& o) {
  std::string text;
  for (const char c : o.data) text += c == '|' ? "\\|" : c == '\n' || c == '\r' ? " " : std::string(1, c);
  return text;
}

/// "CIFAR-10, 20 % of its training images"; the whole name where that is all of them.
std::string data_text(const Section& s, const Outcome& o) {
  const std::int64_t size = o.train_size + o.validation_size;
  if (o.data != s.benchmark.name) return cat(name_of_data(o), " in place of ", s.benchmark.name);
  if (size >= s.benchmark.full_train) return o.data;
  const int all = s.benchmark.full_classes;
  return cat(name_of_data(o), ", *partial data*: ", all > 0 && o.classes < all ? cat(o.classes, " of ", all, " classes, ") : "", size,
             " of ", s.benchmark.full_train, " training ", o.samples);
}

/// "~" marks times that other programs disturbed.
std::string disturbed(const Section& s) { return s.steps && s.steps->disturbed ? "~" : ""; }

std::vector<std::string> result_cells(const Section& s, const std::string& name, const std::vector<Outcome>& outcomes,
                                      const std::vector<Outcome>& native, double step) {
  const Outcome& first = outcomes.front();
  std::int64_t memory = 0;
  for (const Outcome& o : outcomes) memory = std::max(memory, o.peak_memory);
  const bool pruned = first.cell.density < 1;
  const bool flips = std::all_of(outcomes.begin(), outcomes.end(), [](const Outcome& o) { return o.flip_average.has_value(); });
  return {data_text(s, first),
          name,
          cat(outcomes.size()),
          value_text(first.metric, each(outcomes, [](const Outcome& o) { return o.value; })),
          flips ? value_text(first.metric, each(outcomes, [](const Outcome& o) { return *o.flip_average; })) : kNone,
          epochs_text(outcomes, native),
          fixed(spread(each(outcomes, [](const Outcome& o) { return o.epochs; })).mean, 0),
          fixed(spread(each(outcomes, [](const Outcome& o) { return o.seconds_per_epoch; })).mean, 2),
          milliseconds(step) + (step > 0 ? disturbed(s) : ""),
          step > 0 && !pruned && s.steps->pytorch ? milliseconds(*s.steps->pytorch) + disturbed(s) : kNone,
          fixed(static_cast<double>(memory) / 1e6, 0) + " MB",
          count_text(first.parameters),
          first.nnz > 0 ? count_text(first.nnz) : kNone};
}

const std::vector<std::string> kResultHeader{"data",   "form",       "seeds",     "test",    "flip average", "epochs to target",
                                             "epochs", "s an epoch", "ms a step", "PyTorch", "peak memory",  "parameters",
                                             "nnz"};

double step_of(const Section& s, const std::string& form) {
  if (!s.steps || form == "untied") return 0;
  return form == "sparse" ? s.steps->sparse : s.steps->native;
}

std::vector<Outcome> outcomes_of(const Section& s, const std::string& form) {
  const auto found = s.forms.find(form);
  return found == s.forms.end() ? std::vector<Outcome>{} : found->second;
}

/// Whether untied is sparse again: nothing is tied.
bool is_same(const Section& s, const std::string& form) {
  const std::vector<Outcome> own = outcomes_of(s, form), sparse = outcomes_of(s, "sparse");
  return form == "untied" && !own.empty() && !sparse.empty() && own.front().parameters == sparse.front().parameters;
}

std::string results(const std::vector<Section>& sections) {
  std::string text = header(kResultHeader);
  for (const Section& s : sections)
    for (const char* form : kForms) {
      const std::vector<Outcome> outcomes = outcomes_of(s, form);
      if (outcomes.empty()) continue;
      const std::string name = cat(form, is_same(s, form) ? " (same)" : "");
      text += row(result_cells(s, name, outcomes, outcomes_of(s, "native"), step_of(s, form)));
    }
  return text;
}

bool same_data(const Outcome& a, const Outcome& b) {
  return a.data == b.data && a.train_size == b.train_size && a.validation_size == b.validation_size && a.test_size == b.test_size;
}

/// The form's verdict, where both have all seeds on the same data.
std::optional<Verdict> verdict_of(const Section& s, const std::string& form) {
  const std::vector<Outcome> own = outcomes_of(s, form), native = outcomes_of(s, "native");
  if (own.empty() || own.size() != native.size()) return std::nullopt;
  for (std::size_t i = 0; i < own.size(); ++i)
    if (own[i].cell.seed != native[i].cell.seed || !same_data(own[i], native.front()) || !same_data(native[i], native.front()))
      return std::nullopt;
  return compare(own, native);
}

/// "+0.12 ± 0.05 points" of accuracy, "-0.0021" of another metric.
std::string difference_text(Metric metric, const Verdict& v) {
  const Style style = style_of(metric);
  return cat(v.difference >= 0 ? "+" : "", fixed(style.scale * v.difference, style.decimals),
             v.interval ? cat(" ± ", fixed(style.scale * *v.interval, style.decimals)) : "", metric == Metric::accuracy ? " points" : "");
}

/// "1.37 (1.21 to 1.55)".
std::string ratio_text(const Verdict& v) {
  if (!v.epochs_ratio) return kNone;
  return fixed(*v.epochs_ratio, 2) +
         (v.epochs_interval ? cat(" (", fixed(v.epochs_interval->first, 2), " to ", fixed(v.epochs_interval->second, 2), ")") : "");
}

std::string verdicts(const std::vector<Section>& sections) {
  std::string text = header({"data", "form against native", "seeds", "quality", "better on the test by", "epochs to target", "ratio"});
  for (const Section& s : sections)
    for (const char* form : {"sparse", "untied"})
      if (const std::optional<Verdict> v = is_same(s, form) ? std::nullopt : verdict_of(s, form))
        text += row({s.benchmark.name, form, cat(outcomes_of(s, form).size()), v->quality, difference_text(s.benchmark.metric, *v),
                     v->epochs, ratio_text(*v)});
  return text;
}

std::string appendix(const std::vector<Section>& sections) {
  std::string text;
  for (const Section& s : sections)
    if (s.pruned) text += row(result_cells(s, cat("sparse, density ", fixed(kPruned, 2)), {*s.pruned}, {}, s.steps ? s.steps->pruned : 0));
  return text.empty() ? "" : header(kResultHeader) + text;
}

std::string what_is_missing(const std::vector<Section>& sections) {
  std::string text;
  for (const Section& s : sections) {
    std::size_t finished = 0;
    for (const auto& [form, outcomes] : s.forms) finished += outcomes.size();
    const std::size_t wanted = static_cast<std::size_t>(3 * s.seeds);
    if (finished < wanted)
      text += cat("- ", s.benchmark.name, ": ", finished, " of ", wanted, " trainings finished", s.trouble.empty() ? "" : ": ", s.trouble,
                  "\n");
  }
  return text;
}

std::string budgets(const std::vector<Section>& sections) {
  std::string text;
  for (const Section& s : sections)
    text += cat(text.empty() ? "" : ", ", s.benchmark.name, " ", fixed(s.minutes, s.minutes == std::floor(s.minutes) ? 0 : 2));
  return text;
}

}  // namespace

std::string to_markdown(const std::vector<Section>& sections) {
  std::string text = "# One network, three forms\n\n" + results(sections);
  text += cat(
      "\nMinutes of training for each form and seed, evaluation apart: ", budgets(sections),
      ". Each app's default model (of width 16 on colour images) and recipe, for as many epochs as fit into these minutes in the slowest "
      "of the three forms, so that all have one schedule, but on series and news no more than the recipe's own. ",
      percent(kValidation, 0),
      " of the training samples are held out for validation where there is no official split; the test set is read once, after the last "
      "epoch. *Epochs to target*: when a "
      "curve of ",
      kEvaluations, " evaluations an epoch, on 512 fixed validation samples (16,384 tokens of a stream), first comes within ",
      percent(kTolerance, 0),
      " of the best value of the native form's. *ms a step* and *PyTorch* (the better of its two memory formats, the same model): 40 steps "
      "taken turn about, 25th percentile. *nnz*: entries of all matrices, which the native form computes with and never stores.\n");
  text +=
      "\n## Verdicts\n\nSparse and native are the same function of the same parameters, which the tests prove; their difference here is "
      "that "
      "of rounding, which training amplifies. The experiment is *untied*: the same patterns with a value for every "
      "entry; where nothing is tied it is the *same* again.\n\n" +
      verdicts(sections);
  text += cat("\nQuality *matches* if the difference is at most ", percent(kTolerance, 0),
              " of native's value; with three seeds and more its whole 95 % interval must say so, or it is *undecided*. Epochs are "
              "*comparable* within 10 %, and judged like quality by the paired ratios of three seeds and more.\n");
  if (const std::string pruned = appendix(sections); !pruned.empty())
    text += cat(
        "\n## Appendix: a quarter of the blocks\n\nThe sparse form with `--density ", fixed(kPruned, 2),
        "`: a random quarter of the 16x16 blocks of every convolution but the first (MNIST: of the second and of the hidden layer).\n\n",
        pruned);
  if (const std::string missing = what_is_missing(sections); !missing.empty()) text += "\n## Not finished\n\n" + missing;
  return text;
}

namespace {

/// All finished trainings with their sections.
template <class Visit>
void for_each_outcome(const std::vector<Section>& sections, Visit&& visit) {
  for (const Section& s : sections) {
    for (const char* form : kForms)
      for (const Outcome& o : outcomes_of(s, form)) visit(s, o);
    if (s.pruned) visit(s, *s.pruned);
  }
}

/// In quotes where it must be: RFC 4180.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

std::string to_csv(const std::vector<Section>& sections) {
  std::string text =
      "benchmark,data,form,density,seed,minutes,train_size,validation_size,test_size,metric,test_value,flip_average,epochs,"
      "seconds_per_epoch,parameters,nnz,peak_memory\n";
  for_each_outcome(sections, [&](const Section& s, const Outcome& o) {
    text += cat(s.benchmark.app, ",", csv_field(o.data), ",", o.cell.form, ",", o.cell.density, ",", o.cell.seed, ",", s.minutes, ",",
                o.train_size, ",", o.validation_size, ",", o.test_size, ",", name_of(o.metric), ",", o.value, ",",
                o.flip_average ? cat(*o.flip_average) : "", ",", o.epochs, ",", o.seconds_per_epoch, ",", o.parameters, ",", o.nnz, ",",
                o.peak_memory, "\n");
  });
  return text;
}

std::string to_json(const std::vector<Section>& sections) {
  nlohmann::ordered_json json{{"validation", kValidation}, {"evaluations", kEvaluations}, {"tolerance", kTolerance}};
  json["trainings"] = nlohmann::ordered_json::array();
  for_each_outcome(sections, [&](const Section& s, const Outcome& o) {
    nlohmann::ordered_json entry{{"benchmark", s.benchmark.app},
                                 {"data", o.data},
                                 {"form", o.cell.form},
                                 {"density", o.cell.density},
                                 {"seed", o.cell.seed},
                                 {"minutes", s.minutes},
                                 {"train_size", o.train_size},
                                 {"validation_size", o.validation_size},
                                 {"test_size", o.test_size},
                                 {"metric", name_of(o.metric)},
                                 {"test_value", o.value},
                                 {"epochs", o.epochs},
                                 {"seconds_per_epoch", o.seconds_per_epoch},
                                 {"parameters", o.parameters},
                                 {"nnz", o.nnz},
                                 {"peak_memory", o.peak_memory}};
    if (o.flip_average) entry["flip_average"] = *o.flip_average;
    for (const Evaluation& e : o.curve) entry["curve"].push_back({e.epoch, e.value});
    json["trainings"].push_back(std::move(entry));
  });
  json["benchmarks"] = nlohmann::ordered_json::array();
  for (const Section& s : sections) {
    nlohmann::ordered_json entry{{"benchmark", s.benchmark.app}, {"full_train_size", s.benchmark.full_train}};
    if (s.steps) {
      entry["step_seconds"] = {{"sparse", s.steps->sparse}, {"native", s.steps->native}, {"pruned", s.steps->pruned}};
      if (s.steps->pytorch) entry["step_seconds"]["pytorch"] = *s.steps->pytorch;
    }
    for (const char* form : {"sparse", "untied"})
      if (const std::optional<Verdict> v = verdict_of(s, form)) {
        entry["verdicts"][form] = {{"quality", v->quality}, {"epochs", v->epochs}, {"difference", v->difference}};
        if (v->interval) entry["verdicts"][form]["interval"] = *v->interval;
        if (v->epochs_ratio) entry["verdicts"][form]["epochs_ratio"] = *v->epochs_ratio;
      }
    if (!s.trouble.empty()) entry["trouble"] = s.trouble;
    json["benchmarks"].push_back(std::move(entry));
  }
  return json.dump(1) + "\n";
}

}  // namespace weft::paper
