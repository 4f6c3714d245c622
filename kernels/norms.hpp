#pragma once

#include <span>
#include <vector>

#include <weft/core/tensor.hpp>
#include <weft/kernels/epilogue.hpp>

namespace weft::kernels {

// Normalisation along or across the last row axis, of C channels. gamma and beta are plain [C]; statistics are kept in double.

/// Mean and 1/sqrt(variance + eps) of each channel.
struct ChannelStatistics {
  std::vector<double> mean, variance;  ///< biased variance
  std::int64_t count = 0;              ///< values that entered each channel
};

/// Over all leading rows and valid columns.
ChannelStatistics channel_statistics(const Tensor& x);
/// y = epilogue(gamma·(x - mean)/sqrt(variance + eps) + beta), channel by channel. One lane takes an empty epilogue only.
void normalise_channels(const Tensor& x, const ChannelStatistics& statistics, const Tensor& gamma, const Tensor& beta, double eps,
                        const Epilogue& e, const Tensor& y);
/// True if the two gradients below take dy through this epilogue's relu or window themselves; else they need it expanded.
bool reads_through(const Epilogue& e, const Columns& columns);
/// Per channel Σ dz and Σ dz·(x - mean)/sqrt(variance + eps), one after the other: the gradients of beta and gamma. dz is dy, that of y,
/// expanded through e.
std::vector<double> channel_gradients(const Tensor& x, const ChannelStatistics& statistics, double eps, const Epilogue& e,
                                      const Tensor& dy);
/// dx through the statistics, from channel_gradients; zero in padding lanes.
void normalise_channels_grad(const Tensor& x, const ChannelStatistics& statistics, const Tensor& gamma, double eps, const Epilogue& e,
                             const Tensor& dy, std::span<const double> sums, const Tensor& dx);

/// y = gamma·(x - mean)·scale + beta with mean and scale = 1/sqrt(variance + eps) over the last row axis; both (f64, one row for
/// each leading row) are written.
void layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, double eps, const Tensor& y, const Tensor& mean,
                const Tensor& scale);
void layer_norm_grad(const Tensor& x, const Tensor& gamma, const Tensor& mean, const Tensor& scale, const Tensor& dy, const Tensor& dx);
/// Per channel Σ dy and Σ dy·(x - mean)·scale, one after the other: the gradients of beta and gamma.
std::vector<double> layer_norm_gradients(const Tensor& x, const Tensor& mean, const Tensor& scale, const Tensor& dy);

}  // namespace weft::kernels
