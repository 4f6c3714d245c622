#pragma once

#include <weft/kernels/gemm.hpp>

/// The dense products as plain loops, for any lanes: what runs for one lane and for an A of one element, and the place to start reading.
namespace weft::kernels::literal {

template <class T>
void gemm(const GemmSize& size, const T* a, const T* bias, Tiles<const T> b, Tiles<T> c);
template <class T>
void gemm_t(const GemmSize& size, const T* a, Tiles<const T> c, Tiles<T> b);
template <class T>
void gemm_dw(const GemmSize& size, Tiles<const T> c, Tiles<const T> b, Sum sum, T* a);

}  // namespace weft::kernels::literal
