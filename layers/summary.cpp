#include <weft/layers/summary.hpp>

#include <algorithm>
#include <array>
#include <iomanip>
#include <sstream>
#include <unordered_set>

#include <weft/autograd/tape.hpp>
#include <weft/layers/layer_call.hpp>
#include <weft/layers/parameter_store.hpp>

namespace weft {

namespace {

class Counter {
 public:
  Summary::Line line(const LayerInfo& info, const Shape& out) {
    Summary::Line line{.path = info.path, .kind = info.kind, .out = out};
    for (const ParamPtr& p : info.parameters) {
      if (!seen_.insert(p.get()).second) continue;
      line.parameters += parameter_count(*p);
      line.bytes += p->value.element_count() * static_cast<std::int64_t>(size_of(p->value.dtype()));
    }
    if (info.pattern == nullptr) return line;
    const SparsePattern& s = *info.pattern;
    line.pattern = s.name();
    line.blocks = s.blocks() * info.repeats;
    line.nnz = s.nnz() * info.repeats;
    line.dense_fraction = s.density();
    line.flops = 2 * line.nnz;
    if (seen_.insert(&s).second) line.bytes += s.bytes();
    dense_ += static_cast<double>(s.rows()) * static_cast<double>(s.cols()) * static_cast<double>(info.repeats);
    return line;
  }
  /// Scalars that all matrices so far would have if they were dense.
  double dense() const { return dense_; }

 private:
  std::unordered_set<const void*> seen_;
  double dense_ = 0;
};

}  // namespace

Summary summarise(const std::function<Var(Var)>& net, const Shape& rows, SummaryOptions options) {
  Summary summary;
  Counter counter;
  Tape tape(Mode::eval);
  Tensor zeros = Tensor::tiled(options.dtype, rows, sample_columns(1));
  zeros.fill(0);
  {
    const LayerCall::Listening listening(
        [&](const LayerInfo& info, const Shape& out) { summary.lines.push_back(counter.line(info, out)); });
    net(tape.input(zeros)).value();
  }
  Summary::Line& total = summary.total;
  total.path = "total";
  for (const Summary::Line& line : summary.lines) {
    total.blocks += line.blocks;
    total.nnz += line.nnz;
    total.parameters += line.parameters;
    total.flops += line.flops;
    total.bytes += line.bytes;
  }
  total.dense_fraction = counter.dense() == 0 ? 0 : static_cast<double>(total.nnz) / counter.dense();
  return summary;
}

namespace {

constexpr std::size_t kColumns = 10;
using Row = std::array<std::string, kColumns>;

/// 1234567 as "1,234,567".
std::string grouped(std::int64_t n) {
  std::string text = std::to_string(n);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
  return text;
}

std::string percent(double fraction) {
  std::ostringstream out;
  out << std::setprecision(fraction < 0.01 ? 2 : 3) << 100 * fraction << " %";
  return out.str();
}

Row cells(const Summary::Line& line) {
  const bool matrix = line.nnz != 0;
  return {line.path,
          line.kind,
          line.kind.empty() ? "" : line.out.str(),
          line.pattern,
          matrix ? grouped(line.blocks) : "",
          matrix ? grouped(line.nnz) : "",
          grouped(line.parameters),
          matrix ? percent(line.dense_fraction) : "",
          matrix ? grouped(line.flops) : "",
          grouped(line.bytes)};
}

}  // namespace

std::string Summary::str() const {
  std::vector<Row> rows{{"layer", "kind", "output", "pattern", "blocks", "nnz", "parameters", "of dense", "FLOPs", "bytes"}};
  for (const Line& line : lines) rows.push_back(cells(line));
  rows.push_back(cells(total));
  std::array<std::size_t, kColumns> width{};
  for (const Row& row : rows)
    for (std::size_t c = 0; c < kColumns; ++c) width[c] = std::max(width[c], row[c].size());
  std::ostringstream out;
  for (const Row& row : rows) {
    std::ostringstream text;
    for (std::size_t c = 0; c < kColumns; ++c)
      text << (c < 4 ? std::left : std::right) << std::setw(static_cast<int>(width[c])) << row[c] << (c + 1 < kColumns ? "  " : "");
    std::string trimmed = text.str();
    trimmed.erase(trimmed.find_last_not_of(' ') + 1);
    out << trimmed << '\n';
  }
  return out.str();
}

}  // namespace weft
