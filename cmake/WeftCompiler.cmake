# Compiler settings shared by everything, and weft_library(): one static library per folder.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)

find_program(WEFT_CCACHE ccache)
if(WEFT_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${WEFT_CCACHE})
endif()

add_library(weft_options INTERFACE)
# -ffp-contract=off: the same bits whether or not the compiler could fuse; kernels fuse explicitly.
target_compile_options(weft_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wno-missing-field-initializers -ffp-contract=off $<$<BOOL:${WEFT_WERROR}>:-Werror>)
# g++ 12 sees overlaps in string concatenation and null loads behind branches that cannot happen; clang keeps both checks.
target_compile_options(weft_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict;-Wno-array-bounds>)
if(WEFT_SANITIZE)
  target_compile_options(weft_options INTERFACE -fsanitize=${WEFT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  # At -O2 -g g++ takes minutes for each file of kernels; reports of sanitizers name lines, which -g1 has.
  target_compile_options(weft_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-O1;-g1>)
  target_link_options(weft_options INTERFACE -fsanitize=${WEFT_SANITIZE})
endif()
# Run-time dispatch among these on x86: SSSE3 (the baseline, any x86-64 processor since 2006), AVX2, AVX-512.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_definitions(weft_options INTERFACE "HWY_DISABLED_TARGETS=(HWY_SSE4|HWY_AVX3_DL)")
  target_compile_options(weft_options INTERFACE -mssse3)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64|ARM64")
  # NEON only: kernels keep vectors in arrays, which SVE's vectors of unknown length cannot be elements of.
  target_compile_definitions(weft_options INTERFACE "HWY_DISABLED_TARGETS=(HWY_SVE|HWY_SVE2|HWY_SVE_256|HWY_SVE2_128)")
endif()

function(weft_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${name}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/cuda/")
  add_library(weft_${name} STATIC ${sources})
  target_include_directories(weft_${name} PUBLIC ${PROJECT_BINARY_DIR}/include)
  target_link_libraries(weft_${name} PUBLIC ${ARG_DEPENDS} PRIVATE weft_options)
endfunction()
