// Cross-entropy over chunks of a vocabulary. Logits lie [tile][leading row][class][lane], heads [tile][leading row][lane].
#include <weft/kernels/chunked_entropy.hpp>

#include <weft/kernels/cpu/lines.hpp>

namespace weft::kernels {

namespace {

template <class T, int kLanes>
void take_line(const Lines& lines, std::int64_t line, T* x, std::int64_t first, const std::int32_t* target, const RunningEntropy& running) {
  double* top = lines.head_of<double>(running.top, line);
  double* sum = lines.head_of<double>(running.sum, line);
  double* picked = lines.head_of<double>(running.picked, line);
  T most[kLanes];
  double part[kLanes], kept[kLanes];
  line_top<T, kLanes>(x, lines.length, most);
  if (first > 0)
    for (int l = 0; l < kLanes; ++l) most[l] = std::max(most[l], static_cast<T>(top[l]));
  for (int l = 0; l < kLanes; ++l) {
    const std::int64_t place = target[l] - first;
    if (place >= 0 && place < lines.length) picked[l] = static_cast<double>(x[place * kLanes + l]);
    else if (first == 0) picked[l] = 0;
  }
  line_exp_sum<T, kLanes>(x, lines.length, most, part, x);
  for (int l = 0; l < kLanes; ++l) kept[l] = first > 0 ? top[l] - static_cast<double>(most[l]) : 0;
  map_run({Map::exp}, kept, kept, kLanes);
  for (int l = 0; l < kLanes; ++l) {
    sum[l] = first > 0 ? sum[l] * kept[l] + part[l] : part[l];
    top[l] = static_cast<double>(most[l]);
  }
}

/// Calls f(line, zero of the dtype, lanes as a constant) for each line of logits.
template <class F>
void for_lines(const Tensor& logits, const Lines& lines, F&& f) {
  by_float(logits.dtype(), [&](auto zero) {
    by_lanes(lines.lanes, [&](auto lanes) { parallel_for(lines.count, [&](std::int64_t line) { f(line, zero, lanes); }); });
  });
}

/// Whether a leading row enters the loss in lane l of its tile.
bool counts(const CountedRows& counted, const Columns& columns, const Lines& lines, std::int64_t line, int l) {
  return line % lines.lead < counted.of(columns, lines.tile_of(line) * columns.lanes + l);
}

}  // namespace

void take_chunk(const Tensor& logits, std::int64_t first, const Tensor& targets, const RunningEntropy& running) {
  const Lines lines(logits);
  for_lines(logits, lines, [&](std::int64_t line, auto zero, auto lanes) {
    using T = decltype(zero);
    take_line<T, decltype(lanes)::value>(lines, line, lines.of<T>(logits, line), first, lines.head_of<std::int32_t>(targets, line),
                                         running);
  });
}

void exp_below(const Tensor& logits, const Tensor& top) {
  const Lines lines(logits);
  for_lines(logits, lines, [&](std::int64_t line, auto zero, auto lanes) {
    using T = decltype(zero);
    constexpr int kLanes = decltype(lanes)::value;
    T* x = lines.of<T>(logits, line);
    const double* below = lines.head_of<double>(top, line);
    for (std::int64_t i = 0; i < lines.length * kLanes; i += kLanes)
      for (int l = 0; l < kLanes; ++l) x[i + l] = static_cast<T>(static_cast<double>(x[i + l]) - below[l]);
    map_run({Map::exp}, x, x, lines.length * kLanes);
  });
}

double finish_entropy(const Tensor& x, const Tensor& targets, std::int32_t ignore, const RunningEntropy& running, const Tensor& log_sum,
                      const Tensor& loss) {
  const Lines lines(x);
  const Columns columns = columns_of(x);
  const CountedRows counted(x.rows(), lines.lead);
  parallel_for(lines.count, [&](std::int64_t line) {
    const double* top = lines.head_of<double>(running.top, line);
    const double* picked = lines.head_of<double>(running.picked, line);
    const std::int32_t* target = lines.head_of<std::int32_t>(targets, line);
    double* logs = lines.head_of<double>(log_sum, line);
    double* each = lines.head_of<double>(loss, line);
    map_run({Map::log}, lines.head_of<double>(running.sum, line), logs, lines.lanes);
    for (int l = 0; l < lines.lanes; ++l) {
      logs[l] += top[l];
      each[l] = target[l] != ignore && counts(counted, columns, lines, line, l) ? logs[l] - picked[l] : 0;
    }
  });
  return sum_columns(columns, [&](std::int64_t block, double* lane) {
    for_tiles_of_block(columns, block, [&](std::int64_t tile, int first, int valid) {
      for (std::int64_t row = 0; row < lines.lead; ++row)
        for (int l = 0; l < valid; ++l) lane[first + l] += lines.head_of<double>(loss, tile * lines.lead + row)[l];
    });
  });
}

void chunk_grad(const Tensor& terms, const Tensor& top, std::int64_t first, const Tensor& targets, std::int32_t ignore,
                const Tensor& log_sum, double scale) {
  const Lines lines(terms);
  const Columns columns = columns_of(terms);
  const CountedRows counted(terms.rows(), lines.lead);
  for_lines(terms, lines, [&](std::int64_t line, auto zero, auto lanes) {
    using T = decltype(zero);
    constexpr int kLanes = decltype(lanes)::value;
    T* x = lines.of<T>(terms, line);
    const std::int32_t* target = lines.head_of<std::int32_t>(targets, line);
    const double* below = lines.head_of<double>(top, line);
    const double* logs = lines.head_of<double>(log_sum, line);
    double share[kLanes];
    T weight[kLanes], factor[kLanes];
    for (int l = 0; l < kLanes; ++l) share[l] = below[l] - logs[l];
    map_run({Map::exp}, share, share, kLanes);
    for (int l = 0; l < kLanes; ++l) {
      weight[l] = target[l] != ignore && counts(counted, columns, lines, line, l) ? static_cast<T>(scale) : T{0};
      factor[l] = static_cast<T>(static_cast<double>(weight[l]) * share[l]);
    }
    for (std::int64_t i = 0; i < lines.length * kLanes; i += kLanes)
      for (int l = 0; l < kLanes; ++l) x[i + l] = weight[l] == 0 ? T{0} : factor[l] * x[i + l];
    for (int l = 0; l < kLanes; ++l) {
      const std::int64_t place = target[l] - first;
      if (weight[l] != 0 && place >= 0 && place < lines.length) x[place * kLanes + l] -= weight[l];
    }
  });
}

}  // namespace weft::kernels
