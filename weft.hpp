#pragma once

// The library in one include. Applications add <weft/apps/support/run.hpp>.

#include <weft/autograd/gradcheck.hpp>
#include <weft/autograd/ops.hpp>
#include <weft/autograd/tape.hpp>
#include <weft/core/error.hpp>
#include <weft/core/log.hpp>
#include <weft/core/parallel.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/random.hpp>
#include <weft/core/sparse_pattern.hpp>
#include <weft/core/tensor.hpp>
#include <weft/core/text.hpp>
#include <weft/layers/check_layer.hpp>
#include <weft/layers/compose.hpp>
#include <weft/layers/conv.hpp>
#include <weft/layers/dropout.hpp>
#include <weft/layers/embedding.hpp>
#include <weft/layers/initialise.hpp>
#include <weft/layers/linear.hpp>
#include <weft/layers/norm.hpp>
#include <weft/layers/optim/adam.hpp>
#include <weft/layers/optim/clip.hpp>
#include <weft/layers/optim/schedule.hpp>
#include <weft/layers/optim/sgd.hpp>
#include <weft/layers/pool.hpp>
#include <weft/layers/recurrent.hpp>
#include <weft/layers/reversible_norm.hpp>
#include <weft/layers/scope.hpp>
#include <weft/layers/summary.hpp>
