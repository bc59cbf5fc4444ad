// How a kernel is compiled for several levels of x86 and chosen among at run time. Internal to kernels.cpp.
#pragma once

#include "sedna/federated/kernels.hpp"

// A body is written once, always inlined, and stands in three functions that are compiled for three levels. Not the
// compiler's own clones: the sanitizers do not stand their resolvers, and tests could not ask for one of them.
#define SEDNA_BODY inline __attribute__((always_inline))
#if defined(__x86_64__)
#define SEDNA_AVX2 __attribute__((target("avx2,fma")))
#define SEDNA_AVX512 __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma")))
#else
#define SEDNA_AVX2
#define SEDNA_AVX512
#endif
/// Three functions of one body, and one that chooses among them. The bytes of a vector register are the body's first
/// argument.
#define SEDNA_LEVELS(name)                                                 \
  template <class... A>                                                    \
  auto name##_plain(A... a) {                                              \
    return name##_body<16>(a...);                                          \
  }                                                                        \
  template <class... A>                                                    \
  SEDNA_AVX2 auto name##_avx2(A... a) {                                    \
    return name##_body<32>(a...);                                          \
  }                                                                        \
  template <class... A>                                                    \
  SEDNA_AVX512 auto name##_avx512(A... a) {                                \
    return name##_body<64>(a...);                                          \
  }                                                                        \
  template <class... A>                                                    \
  auto name##_at(Level level, A... a) {                                    \
    if (level == Level::kAvx512) return name##_avx512(a...);               \
    return level == Level::kAvx2 ? name##_avx2(a...) : name##_plain(a...); \
  }
