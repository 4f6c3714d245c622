#include <weft/layers/optim/clip.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

#include <weft/core/error.hpp>
#include <weft/core/parallel.hpp>
#include <weft/core/text.hpp>
#include <weft/kernels/optimizers.hpp>

namespace weft {

namespace {

struct Piece {
  Tensor gradient;
  std::int64_t first, count;
};

/// The gradients of trained parameters in pieces of a fixed size, in the order of the store.
std::vector<Piece> pieces_of(const ParamStore& params, const Gradients& gradients) {
  constexpr std::int64_t kPiece = 16384;
  std::vector<Piece> pieces;
  for (const ParamPtr& p : params.parameters()) {
    const Tensor g = gradients.of(p);
    if (!p->trainable || !g.defined()) continue;
    for (std::int64_t at = 0; at < g.row_count(); at += kPiece) pieces.push_back({g, at, std::min(kPiece, g.row_count() - at)});
  }
  return pieces;
}

double norm_of(const std::vector<Piece>& pieces) {
  std::vector<double> sums(pieces.size());
  parallel_for(static_cast<std::int64_t>(pieces.size()), [&](std::int64_t i) {
    const Piece& piece = pieces[static_cast<std::size_t>(i)];
    sums[static_cast<std::size_t>(i)] = by_float(piece.gradient.dtype(), [&](auto zero) {
      return kernels::sum_of_squares(piece.count, piece.gradient.data<decltype(zero)>() + piece.first);
    });
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return std::sqrt(total);
}

}  // namespace

double gradient_norm(const ParamStore& params, const Gradients& gradients) { return norm_of(pieces_of(params, gradients)); }

double clip_gradients(const ParamStore& params, const Gradients& gradients, double most) {
  if (!(most > 0)) throw ConfigError({.op = "clip_gradients", .what = cat("a largest norm of ", most), .hint = "give a positive norm"});
  const std::vector<Piece> pieces = pieces_of(params, gradients);
  const double norm = norm_of(pieces);
  if (!std::isfinite(norm) || norm <= most) return norm;
  parallel_for(static_cast<std::int64_t>(pieces.size()), [&](std::int64_t i) {
    const Piece& piece = pieces[static_cast<std::size_t>(i)];
    by_float(piece.gradient.dtype(),
             [&](auto zero) { kernels::scale(most / norm, piece.count, piece.gradient.data<decltype(zero)>() + piece.first); });
  });
  return norm;
}

}  // namespace weft
