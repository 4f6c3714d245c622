#pragma once

#include <cstdint>
#include <vector>

#include <weft/autograd/var.hpp>
#include <weft/core/shape.hpp>

namespace weft {

// What a network computes element by element and row by row between its products: the part of ops.hpp that knows no pattern.

/// a + b with equal rows and columns; a pending side takes the other as its residual.
Var operator+(Var a, Var b);

// ---- elementwise (ops/maps.cpp) ----
Var relu(Var x);
Var leaky_relu(Var x, double slope);
Var gelu(Var x);
Var silu(Var x);
Var tanh(Var x);
Var sigmoid(Var x);
Var exp(Var x);
Var log(Var x);
Var sqrt(Var x);
Var abs(Var x);
/// Values below lo or above hi become lo or hi; gradient zero there.
Var clamp(Var x, double lo, double hi);

// ---- arithmetic (ops/arithmetic.cpp): equal rows, or a scalar ----
Var operator-(Var a, Var b);
Var operator*(Var a, Var b);
Var operator/(Var a, Var b);
Var operator-(Var a);
Var operator+(Var a, double b);
Var operator*(Var a, double b);
inline Var operator+(double a, Var b) { return b + a; }
inline Var operator*(double a, Var b) { return b * a; }
inline Var operator-(Var a, double b) { return a + -b; }
inline Var operator/(Var a, double b) { return a * (1 / b); }
/// The larger / smaller of two values, element by element; the first takes the gradient of a tie.
Var maximum(Var a, Var b);
Var minimum(Var a, Var b);

// ---- shape (ops/shape.cpp) ----
/// Rows of the inputs one after another along the first axis: [a+b, …].
Var concat(const std::vector<Var>& parts);
/// Rows of two values beside each other along the last axis: […, a+b].
Var beside(Var a, Var b);
/// Rows [begin, end) along the first row axis; a view.
Var slice(Var x, std::int64_t begin, std::int64_t end);
Var reshape(Var x, Shape rows);
/// One row axis.
Var flatten(Var x);
/// The steps (first axis) of each column in reverse, from its last one on; zero at and beyond its length.
Var reverse_steps(Var x);

}  // namespace weft
