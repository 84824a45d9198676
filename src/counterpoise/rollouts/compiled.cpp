// Operators of a decode step in float32, called by compiled.py. WIDTH, HEADS and SHARED are the model's, set when this is compiled.
//
// Keys lie in blocks of eight tokens, (WIDTH, 8) each, so that eight scores are one vector and no sum runs across it; values lie token by
// token. NaN and infinity go through to what is returned. Rows are computed one by one: none depends on another.
#include "vectors.h"

namespace {

constexpr int kWidth = WIDTH, kShared = SHARED, kGroup = HEADS / SHARED;
static_assert(kWidth % kBlock == 0 && HEADS % SHARED == 0, "whole vectors, whole groups");

// Products of a group's queries with `count` keys, rounded up to whole blocks.
inline void score(const float *queries, const float *keys, int64_t count, float *scores, int64_t stride) {
  for (int64_t block = 0; block < count; block += kBlock) {
    Floats found[kGroup];
    for (int g = 0; g < kGroup; g++) found[g] = all(0.f);
    for (int i = 0; i < kWidth; i++) {
      const Floats key = at(keys + block * kWidth + i * kBlock);
      for (int g = 0; g < kGroup; g++) found[g] += key * all(queries[g * kWidth + i]);
    }
    for (int g = 0; g < kGroup; g++) at(scores + g * stride + block) = found[g];
  }
}

// Add the values of `count` tokens to what a group's heads have read.
inline void gather(const float *weights, int64_t stride, const float *values, int64_t count, float *out) {
  for (int g = 0; g < kGroup; g++) {
    Floats read[kWidth / kBlock];
    for (int j = 0; j < kWidth / kBlock; j++) read[j] = at(out + g * kWidth + j * kBlock);
    for (int64_t t = 0; t < count; t++) {
      const Floats weight = all(weights[g * stride + t]);
      for (int j = 0; j < kWidth / kBlock; j++) read[j] += weight * at(values + t * kWidth + j * kBlock);
    }
    for (int j = 0; j < kWidth / kBlock; j++) at(out + g * kWidth + j * kBlock) = read[j];
  }
}

inline void softmax(float *scores, int64_t end) {
  Floats top = all(-INFINITY);
  for (int64_t t = 0; t < end; t += kBlock) top = at(scores + t) > top ? at(scores + t) : top;
  float most = top[0];
  for (int i = 1; i < kBlock; i++) most = top[i] > most ? top[i] : most;
  Floats total = all(0.f);
  for (int64_t t = 0; t < end; t += kBlock) total += at(scores + t) = exponential(at(scores + t) - all(most));
  const Floats scale = all(1.f / sum(total));
  for (int64_t t = 0; t < end; t += kBlock) at(scores + t) *= scale;
}

}  // namespace

// Rows from..to: norm (where `norms` are given) and turn queries and keys, keep keys and values as token `said[row]`, attend. A prompt has the
// addresses of its keys and values, the tokens they have room for, and its length. `stride` floats hold the scores of a head.
extern "C" void attend(int64_t from, int64_t to, float *out, const float *flat, const float *rotations, const int64_t *positions,
                       const float *norms, float eps, float *keys, float *values, int64_t capacity, const int64_t *all_said,
                       const int64_t *prompts, const int64_t *prompt_of, int64_t stride, float *scratch) {
  constexpr int both = HEADS + kShared, all_heads = both + kShared;
  for (int64_t row = from; row < to; row++) {
    float pairs[both * kWidth];
    std::memcpy(pairs, flat + row * all_heads * kWidth, sizeof pairs);
    const float *turn = rotations + positions[row] * kWidth;
    for (int head = 0; head < both; head++) {
      float *x = pairs + head * kWidth;
      if (norms) {
        Floats squares = all(0.f);
        for (int i = 0; i < kWidth; i += kBlock) squares += at(x + i) * at(x + i);
        const Floats scale = all(1.f / std::sqrt(sum(squares) + eps * eps));
        for (int i = 0; i < kWidth; i += kBlock) at(x + i) *= scale * at(norms + head * kWidth + i);
      }
      for (int i = 0; i < kWidth; i += 2) {
        const float real = x[i] * turn[i] - x[i + 1] * turn[i + 1];
        x[i + 1] = x[i] * turn[i + 1] + x[i + 1] * turn[i];
        x[i] = real;
      }
    }
    const int64_t *prompt = prompts + 4 * prompt_of[row];
    const float *prompt_keys = reinterpret_cast<const float *>(prompt[0]), *prompt_values = reinterpret_cast<const float *>(prompt[1]);
    const int64_t room = prompt[2], length = prompt[3], said = all_said[row], own = said + 1;
    const int64_t first = whole(length), end = first + whole(own);
    for (int head = 0; head < kShared; head++) {
      float *my_keys = keys + (row * kShared + head) * capacity * kWidth, *my_values = values + (row * kShared + head) * capacity * kWidth;
      float *cell = my_keys + said / kBlock * kBlock * kWidth + said % kBlock;
      for (int i = 0; i < kWidth; i++) cell[i * kBlock] = pairs[(HEADS + head) * kWidth + i];
      std::memcpy(my_values + said * kWidth, flat + (row * all_heads + both + head) * kWidth, kWidth * sizeof(float));
      const float *queries = pairs + head * kGroup * kWidth;
      const int64_t shared = head * room * kWidth;
      score(queries, prompt_keys + shared, length, scratch, stride);
      score(queries, my_keys, own, scratch + first, stride);
      for (int g = 0; g < kGroup; g++) {
        float *scores = scratch + g * stride;
        for (int64_t t = length; t < first; t++) scores[t] = -INFINITY;
        for (int64_t t = first + own; t < end; t++) scores[t] = -INFINITY;
        softmax(scores, end);
      }
      float *read = out + (row * kShared + head) * kGroup * kWidth;
      std::memset(read, 0, kGroup * kWidth * sizeof(float));
      gather(scratch, stride, prompt_values + shared, length, read);
      gather(scratch + first, stride, my_values, own, read);
    }
  }
}

// Add `delta` (unless null) to `x` in place; write x / sqrt(|x|^2 + eps^2).
extern "C" void add_norm(int64_t rows, int64_t size, float *x, const float *delta, float eps, float *out) {
  for (int64_t row = 0; row < rows; row++) {
    float *mine = x + row * size;
    Floats squares = all(0.f);
    for (int64_t i = 0; i < size; i += kBlock) {
      if (delta) at(mine + i) += at(delta + row * size + i);
      squares += at(mine + i) * at(mine + i);
    }
    const Floats scale = all(1.f / std::sqrt(sum(squares) + eps * eps));
    for (int64_t i = 0; i < size; i += kBlock) at(out + row * size + i) = at(mine + i) * scale;
  }
}

// silu(gate) * up, of rows of gates before ups.
extern "C" void gate(int64_t rows, int64_t size, const float *both, float *out) {
  const Floats one = all(1.f), zero = all(0.f);
  for (int64_t row = 0; row < rows; row++)
    for (int64_t i = 0; i < size; i += kBlock) {
      const Floats x = at(both + row * 2 * size + i), up = at(both + row * 2 * size + size + i);
      const Floats e = exponential(x > zero ? -x : x);  // NaN stays
      at(out + row * size + i) = x * (x > zero ? one : e) / (one + e) * up;
    }
}
