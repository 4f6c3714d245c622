#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

/// Replaces operator new to remember the largest request: include in the one source file of a test that asks.
namespace weft::oracle {

inline std::atomic<std::size_t> largest_allocation = 0;

inline void remember_allocation(std::size_t size) {
  std::size_t seen = largest_allocation;
  while (size > seen && !largest_allocation.compare_exchange_weak(seen, size)) {
  }
}

}  // namespace weft::oracle

// NOLINTBEGIN(misc-definitions-in-headers): they belong to the one file that includes this.
#ifndef __has_feature
#define __has_feature(name) 0
#endif
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)  // clang links an operator new of theirs, with this hook
extern "C" void __sanitizer_malloc_hook(const volatile void*, std::size_t size) { weft::oracle::remember_allocation(size); }
#else
// Not inlined: g++ would take the pair new and free for a mistake.
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  weft::oracle::remember_allocation(size);
  return std::malloc(size > 0 ? size : 1);
}
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (void* memory = operator new(size, std::nothrow)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
#endif
// NOLINTEND(misc-definitions-in-headers)
