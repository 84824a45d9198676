// Vectors of floats, eight unless LANES says otherwise, for the operators that are compiled where they run (compiler.py).
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#ifndef LANES
#define LANES 8
#endif

namespace {

constexpr int kBlock = LANES;
typedef float Floats __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));

inline Floats all(float x) { return x - Floats{}; }  // not +, which would make 0 of -0
inline Floats &at(float *x) { return *reinterpret_cast<Floats *>(x); }
inline const Floats &at(const float *x) { return *reinterpret_cast<const Floats *>(x); }
inline int64_t whole(int64_t count) { return (count + kBlock - 1) / kBlock * kBlock; }

inline float sum(Floats x) {
  float total = 0;
  for (int i = 0; i < kBlock; i++) total += x[i];
  return total;
}

// e^x for x <= 0, by Cephes' polynomial (about 1e-7 relative); below -87 it stays at e^-87.
inline Floats exponential(Floats x) {
  x = x < all(-87.f) ? all(-87.f) : x;
  const Floats round = all(12582912.f);
  const Floats n = (x * all(1.44269504f) + round) - round;
  Floats r = x - n * all(0.693359375f);
  r = r - n * all(-2.12194440e-4f);
  Floats p = all(1.9875691500e-4f);
  const float rest[] = {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
  for (float c : rest) p = p * r + all(c);
  p = p * (r * r) + r + all(1.f);
  const Ints bits = (__builtin_convertvector(n, Ints) + 127) * (1 << 23);
  Floats power;
  std::memcpy(&power, &bits, sizeof power);
  return p * power;
}

}  // namespace
