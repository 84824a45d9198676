// Operators of a training pass in float32, forward and backward, called by compiled.py: norms, gates, and attention with shared prompts.
// WIDTH is the width of a head, set when this is compiled.
//
// Attention takes tokens as they lie, (N, heads * WIDTH), and a plan of segments: a group's prompt, then its rows, each of which sees the
// prompt and itself. A group and a head of its keys are one unit; units have nothing in common, so that any of them may run at a time, and
// what is added up is added in one order.
#if defined(__AVX512F__) && WIDTH % 16 == 0
#define LANES 16
#endif
#include <algorithm>
#include <vector>

#include "vectors.h"

namespace {

constexpr int kWidth = WIDTH, kParts = kWidth / kBlock, kRows = 4, kTile = 2, kChunk = kBlock == 16 ? 4 : 2, kTogether = 32;
constexpr int64_t kSummed = 256;
static_assert(kWidth % kBlock == 0 && kWidth % 2 == 0, "whole vectors, whole pairs");

// scores[r][t] = queries[r] . keys[t] for a block or two of keys, which lie in blocks of (WIDTH, kBlock).
template <int kCount, int kBlocks>
inline void score_tile(const float *const *queries, const float *keys, float *scores, int64_t stride) {
  Floats found[kCount][kBlocks];
  for (int r = 0; r < kCount; r++)
    for (int b = 0; b < kBlocks; b++) found[r][b] = all(0.f);
  for (int i = 0; i < kWidth; i++) {
    Floats key[kBlocks];
    for (int b = 0; b < kBlocks; b++) key[b] = at(keys + (b * kWidth + i) * kBlock);
    for (int r = 0; r < kCount; r++) {
      const Floats x = all(queries[r][i]);
      for (int b = 0; b < kBlocks; b++) found[r][b] += x * key[b];
    }
  }
  for (int r = 0; r < kCount; r++)
    for (int b = 0; b < kBlocks; b++) at(scores + r * stride + b * kBlock) = found[r][b];
}

template <int kCount>
inline void score_rows(const float *const *queries, const float *keys, int64_t end, float *scores, int64_t stride) {
  int64_t t = 0;
  for (; t + kTile * kBlock <= end; t += kTile * kBlock) score_tile<kCount, kTile>(queries, keys + t * kWidth, scores + t, stride);
  for (; t < end; t += kBlock) score_tile<kCount, 1>(queries, keys + t * kWidth, scores + t, stride);
}

void score(int64_t rows, const float *const *queries, const float *keys, int64_t end, float *scores, int64_t stride) {
  int64_t r = 0;
  for (; r + kRows <= rows; r += kRows) score_rows<kRows>(queries + r, keys, end, scores + r * stride, stride);
  for (; r < rows; r++) score_rows<1>(queries + r, keys, end, scores + r * stride, stride);
}

// out[r] += sum_j weights[r * across + j * along] x[j], some vectors of each row at a time.
template <int kCount, int kVectors>
inline void gather_tile(const float *weights, int64_t across, int64_t along, const float *const *x, int64_t count, int at_part,
                        float *const *out) {
  Floats sums[kCount][kVectors];
  for (int r = 0; r < kCount; r++)
    for (int p = 0; p < kVectors; p++) sums[r][p] = at(out[r] + at_part + p * kBlock);
  for (int64_t j = 0; j < count; j++) {
    const float *from = x[j] + at_part;
    for (int r = 0; r < kCount; r++) {
      const Floats weight = all(weights[r * across + j * along]);
      for (int p = 0; p < kVectors; p++) sums[r][p] += weight * at(from + p * kBlock);
    }
  }
  for (int r = 0; r < kCount; r++)
    for (int p = 0; p < kVectors; p++) at(out[r] + at_part + p * kBlock) = sums[r][p];
}

template <int kCount>
inline void gather_rows(const float *weights, int64_t across, int64_t along, const float *const *x, int64_t count, float *const *out) {
  constexpr int kWhole = kParts / kChunk * kChunk;
  for (int p = 0; p < kWhole; p += kChunk) gather_tile<kCount, kChunk>(weights, across, along, x, count, p * kBlock, out);
  if (kParts % kChunk) gather_tile<kCount, kParts % kChunk ? kParts % kChunk : 1>(weights, across, along, x, count, kWhole * kBlock, out);
}

void gather(int64_t rows, const float *weights, int64_t across, int64_t along, const float *const *x, int64_t count, float *const *out) {
  int64_t r = 0;
  for (; r + kRows <= rows; r += kRows) gather_rows<kRows>(weights + r * across, across, along, x, count, out + r);
  for (; r < rows; r++) gather_rows<1>(weights + r * across, across, along, x, count, out + r);
}

inline float dot(const float *x, const float *y) {
  Floats total = all(0.f);
  for (int i = 0; i < kWidth; i += kBlock) total += at(x + i) * at(y + i);
  return sum(total);
}

// (x1, x2) -> scale (x1 cos1 - x2 sin1, x2 cos2 + x1 sin2), of the halves of a head; without tables only the scale.
inline void turn(const float *x, const float *cosines, const float *sines, float scale, float *out) {
  constexpr int half = kWidth / 2;
  for (int i = 0; i < half; i++) {
    const float a = x[i], b = x[i + half];
    out[i] = scale * (cosines ? a * cosines[i] - b * sines[i] : a);
    out[i + half] = scale * (cosines ? b * cosines[i + half] + a * sines[i + half] : b);
  }
}

// The gradient of `turn`, in place.
inline void turn_back(float *x, const float *cosines, const float *sines, float scale) {
  constexpr int half = kWidth / 2;
  for (int i = 0; i < half; i++) {
    const float a = x[i], b = x[i + half];
    x[i] = scale * (cosines ? a * cosines[i] + b * sines[i + half] : a);
    x[i + half] = scale * (cosines ? b * cosines[i + half] - a * sines[i] : b);
  }
}

// Which tokens belong together: of each group the first token and the number of its prompt's, and where its rows begin among all rows; of
// each row the first token and the number of its own.
struct Plan {
  const int64_t *prompts, *sizes, *firsts, *rows, *rests;
};

// The keys of one head that the rows of a group see: its prompt's, from the beginning of a block on its own. Blanks are zero.
struct Keys {
  int64_t seen = 0, first = 0;  // tokens of the prompt; where a row's own begin
  std::vector<const float *> keys, values;
  std::vector<float *> to_keys, to_values;
  std::vector<float> key_blocks, value_blocks;

  void reserve(int64_t count) {
    keys.resize(count), values.resize(count), to_keys.resize(count), to_values.resize(count);
    key_blocks.resize(count * kWidth), value_blocks.resize(count * kWidth);
  }
};

void lay(std::vector<float> &blocks, const std::vector<const float *> &from, int64_t first, int64_t count) {
  for (int64_t t = first; t < first + whole(count); t++) {
    float *cell = blocks.data() + t / kBlock * kBlock * kWidth + t % kBlock;
    for (int i = 0; i < kWidth; i++) cell[i * kBlock] = t < first + count ? from[t][i] : 0.f;
  }
}

struct Attention {
  const Plan plan;
  const int64_t heads, shared, group;
  std::vector<const float *> queries, grads;
  std::vector<float *> out;
  std::vector<float> weights, slopes;

  Attention(const Plan &plan, int64_t heads, int64_t shared) : plan(plan), heads(heads), shared(shared), group(heads / shared) {}

  // Rows of scores of `count` tokens from `begin` on, each of `group` heads; what a token does not see is -infinity.
  int64_t scores(const Keys &my, int64_t head, int64_t start, int64_t begin, int64_t count, const float *turned) {
    const int64_t rows = count * group, end = my.first + whole(begin + count);
    queries.resize(rows);
    for (int64_t r = 0; r < rows; r++) queries[r] = turned + ((start + begin + r / group) * heads + head * group + r % group) * kWidth;
    weights.resize(rows * end);
    score(rows, queries.data(), my.key_blocks.data(), end, weights.data(), end);
    for (int64_t r = 0; r < rows; r++) {
      float *mine = weights.data() + r * end;
      for (int64_t t = my.seen; t < my.first; t++) mine[t] = -INFINITY;
      for (int64_t t = my.first + begin + r / group + 1; t < end; t++) mine[t] = -INFINITY;
    }
    return end;
  }

  // What token `own` of a row does not see has no weight at all, whatever it is.
  static void blank(const Keys &my, int64_t own, int64_t end, float *mine) {
    std::fill(mine + my.seen, mine + my.first, 0.f);
    std::fill(mine + my.first + own + 1, mine + end, 0.f);
  }

  void forward(const Keys &my, int64_t head, int64_t start, int64_t count, const float *turned, float *read, float *masses) {
    const int64_t together = std::max<int64_t>(1, kTogether / group);
    for (int64_t begin = 0; begin < count; begin += together) {
      const int64_t tokens = std::min(together, count - begin), rows = tokens * group;
      const int64_t end = scores(my, head, start, begin, tokens, turned);
      out.resize(rows);
      for (int64_t r = 0; r < rows; r++) {
        float *mine = weights.data() + r * end;
        Floats top = at(mine), total = all(0.f);
        for (int64_t t = kBlock; t < end; t += kBlock) top = at(mine + t) > top ? at(mine + t) : top;
        float most = top[0];
        for (int i = 1; i < kBlock; i++) most = top[i] > most ? top[i] : most;
        for (int64_t t = 0; t < end; t += kBlock) {
          const Floats e = exponential(at(mine + t) - all(most));
          at(mine + t) = e;
          total += e;
        }
        const float mass = sum(total);
        const Floats scale = all(1.f / mass);
        for (int64_t t = 0; t < end; t += kBlock) at(mine + t) *= scale;
        blank(my, begin + r / group, end, mine);
        const int64_t place = (start + begin + r / group) * heads + head * group + r % group;
        masses[place] = most + std::log(mass);
        out[r] = read + place * kWidth;
      }
      gather(rows, weights.data(), end, 1, my.values.data(), my.seen, out.data());
      gather(rows, weights.data() + my.first, end, 1, my.values.data() + my.first, begin + tokens, out.data());
    }
  }

  void backward(const Keys &my, int64_t head, int64_t start, int64_t count, const float *turned, const float *read, const float *masses,
                const float *grad, float *to_queries) {
    const int64_t together = std::max<int64_t>(1, kTogether / group);
    for (int64_t begin = 0; begin < count; begin += together) {
      const int64_t tokens = std::min(together, count - begin), rows = tokens * group, own = begin + tokens;
      const int64_t end = scores(my, head, start, begin, tokens, turned);
      grads.resize(rows), out.resize(rows), slopes.resize(rows * end);
      for (int64_t r = 0; r < rows; r++) {
        const int64_t place = (start + begin + r / group) * heads + head * group + r % group;
        grads[r] = grad + place * kWidth;
        out[r] = to_queries + place * kWidth;
      }
      score(rows, grads.data(), my.value_blocks.data(), end, slopes.data(), end);
      for (int64_t r = 0; r < rows; r++) {
        const int64_t place = (start + begin + r / group) * heads + head * group + r % group;
        const Floats mass = all(masses[place]), level = all(dot(grads[r], read + place * kWidth));
        float *weight = weights.data() + r * end, *slope = slopes.data() + r * end;
        for (int64_t t = 0; t < end; t += kBlock) {
          at(weight + t) = exponential(at(weight + t) - mass);
          at(slope + t) = at(weight + t) * (at(slope + t) - level);
        }
        blank(my, begin + r / group, end, weight);
        blank(my, begin + r / group, end, slope);
      }
      for (const auto &part : {std::pair<int64_t, int64_t>{0, my.seen}, {my.first, own}}) {
        const int64_t from = part.first, length = part.second;
        gather(length, weights.data() + from, 1, end, grads.data(), rows, my.to_values.data() + from);
        gather(length, slopes.data() + from, 1, end, queries.data(), rows, my.to_keys.data() + from);
        gather(rows, slopes.data() + from, end, 1, my.keys.data() + from, length, out.data());
      }
    }
  }

  // The segments of a unit, the prompt first: `each(my, start, count)` once the tokens of a segment are among its keys.
  template <typename Each>
  void segments(int64_t number, int64_t head, const float *turned, const float *values, float *to_keys, float *to_values, Keys &my,
                const Each &each) {
    const int64_t size = plan.sizes[number];
    int64_t longest = size;
    for (int64_t row = plan.firsts[number]; row < plan.firsts[number + 1]; row++) longest = std::max(longest, whole(size) + plan.rests[row]);
    my.reserve(whole(longest));
    const auto take = [&](int64_t start, int64_t count) {
      for (int64_t t = 0; t < count; t++) {
        const int64_t place = ((start + t) * shared + head) * kWidth;
        my.keys[my.first + t] = turned + place, my.values[my.first + t] = values + place;
        if (to_keys) my.to_keys[my.first + t] = to_keys + place, my.to_values[my.first + t] = to_values + place;
      }
      lay(my.key_blocks, my.keys, my.first, count);
      if (to_keys) lay(my.value_blocks, my.values, my.first, count);
      each(my, start, count);
    };
    my.seen = my.first = 0;
    take(plan.prompts[number], size);
    my.seen = size, my.first = whole(size);
    for (int64_t row = plan.firsts[number]; row < plan.firsts[number + 1]; row++) take(plan.rows[row], plan.rests[row]);
  }

  template <typename Each>
  void tokens(int64_t number, const Each &each) {
    for (int64_t t = 0; t < plan.sizes[number]; t++) each(plan.prompts[number] + t);
    for (int64_t row = plan.firsts[number]; row < plan.firsts[number + 1]; row++)
      for (int64_t t = 0; t < plan.rests[row]; t++) each(plan.rows[row] + t);
  }
};

}  // namespace

// Units from..to: turn queries and keys (unless there are no tables), and attend. `read` comes as zeros; blank tokens stay zero.
extern "C" void attend(int64_t from, int64_t to, const int64_t *prompts, const int64_t *sizes, const int64_t *firsts, const int64_t *rows,
                       const int64_t *rests, int64_t heads, int64_t shared, float scale, const float *cosines, const float *sines,
                       const float *queries, const float *keys, const float *values, float *turned_queries, float *turned_keys,
                       float *read, float *masses) {
  Attention attention(Plan{prompts, sizes, firsts, rows, rests}, heads, shared);
  Keys my;
  for (int64_t unit = from; unit < to; unit++) {
    const int64_t number = unit / shared, head = unit % shared, group = heads / shared;
    attention.tokens(number, [&](int64_t t) {
      const float *cosine = cosines ? cosines + t * kWidth : nullptr, *sine = sines ? sines + t * kWidth : nullptr;
      const int64_t key = (t * shared + head) * kWidth, query = (t * heads + head * group) * kWidth;
      turn(keys + key, cosine, sine, 1.f, turned_keys + key);
      for (int64_t g = 0; g < group; g++) turn(queries + query + g * kWidth, cosine, sine, scale, turned_queries + query + g * kWidth);
    });
    attention.segments(number, head, turned_keys, values, nullptr, nullptr, my, [&](const Keys &my, int64_t start, int64_t count) {
      attention.forward(my, head, start, count, turned_queries, read, masses);
    });
  }
}

// The gradients of `attend`, which come as zeros.
extern "C" void attend_back(int64_t from, int64_t to, const int64_t *prompts, const int64_t *sizes, const int64_t *firsts,
                            const int64_t *rows, const int64_t *rests, int64_t heads, int64_t shared, float scale, const float *cosines,
                            const float *sines, const float *turned_queries, const float *turned_keys, const float *values,
                            const float *read, const float *masses, const float *grad, float *to_queries, float *to_keys,
                            float *to_values) {
  Attention attention(Plan{prompts, sizes, firsts, rows, rests}, heads, shared);
  Keys my;
  for (int64_t unit = from; unit < to; unit++) {
    const int64_t number = unit / shared, head = unit % shared, group = heads / shared;
    attention.segments(number, head, turned_keys, values, to_keys, to_values, my, [&](const Keys &my, int64_t start, int64_t count) {
      attention.backward(my, head, start, count, turned_queries, read, masses, grad, to_queries);
    });
    attention.tokens(number, [&](int64_t t) {
      const float *cosine = cosines ? cosines + t * kWidth : nullptr, *sine = sines ? sines + t * kWidth : nullptr;
      turn_back(to_keys + (t * shared + head) * kWidth, cosine, sine, 1.f);
      for (int64_t g = 0; g < group; g++) turn_back(to_queries + (t * heads + head * group + g) * kWidth, cosine, sine, scale);
    });
  }
}

// out = x / sqrt(mean(x^2) + eps) * (offset + weight); `scales` keeps what x was multiplied by.
extern "C" void norm(int64_t from, int64_t to, int64_t size, const float *x, const float *weight, float offset, float eps, float *out,
                     float *scales) {
  for (int64_t row = from; row < to; row++) {
    const float *mine = x + row * size;
    Floats squares = all(0.f);
    int64_t i = 0;
    for (; i + kBlock <= size; i += kBlock) squares += at(mine + i) * at(mine + i);
    float total = sum(squares);
    for (; i < size; i++) total += mine[i] * mine[i];
    const float scale = scales[row] = 1.f / std::sqrt(total / static_cast<float>(size) + eps);
    for (i = 0; i < size; i++) out[row * size + i] = mine[i] * scale * (offset + weight[i]);
  }
}

// The gradient of `norm` at x: with n = x scale and g = grad (offset + weight), scale (g - n mean(g n)).
extern "C" void norm_back(int64_t from, int64_t to, int64_t size, const float *x, const float *weight, float offset, const float *scales,
                          const float *grad, float *to_x) {
  for (int64_t row = from; row < to; row++) {
    const float *mine = x + row * size, *slope = grad + row * size;
    const float scale = scales[row];
    Floats products = all(0.f);
    int64_t i = 0;
    for (; i + kBlock <= size; i += kBlock) products += at(slope + i) * (all(offset) + at(weight + i)) * at(mine + i);
    float total = sum(products);
    for (; i < size; i++) total += slope[i] * (offset + weight[i]) * mine[i];
    const float level = total * scale * scale / static_cast<float>(size);
    float *out = to_x + row * size;
    for (i = 0; i < size; i++) out[i] = scale * (slope[i] * (offset + weight[i]) - mine[i] * level);
  }
}

// The gradient of `norm` at columns from..to of the weight, which comes as zeros: the sum of grad n over the rows, some at a time, for a sum
// of all one by one loses digits where there are many.
extern "C" void norm_sums(int64_t from, int64_t to, int64_t rows, int64_t size, const float *x, const float *scales, const float *grad,
                          float *to_weight) {
  std::vector<float> part(to - from);
  for (int64_t begin = 0; begin < rows; begin += kSummed) {
    std::fill(part.begin(), part.end(), 0.f);
    for (int64_t row = begin; row < std::min(begin + kSummed, rows); row++)
      for (int64_t i = from; i < to; i++) part[i - from] += grad[row * size + i] * (x[row * size + i] * scales[row]);
    for (int64_t i = from; i < to; i++) to_weight[i] += part[i - from];
  }
}

namespace {

// 1 / (1 + e^-x); NaN stays.
inline Floats logistic(Floats x) {
  const Floats one = all(1.f), zero = all(0.f);
  const Floats e = exponential(x > zero ? -x : x);
  return (x > zero ? one : e) / (one + e);
}

// `each(i)` for every whole vector of from..to, and once more for the last numbers, the vector that ends with them.
template <typename Each>
inline void vectors(int64_t from, int64_t to, const Each &each) {
  for (int64_t i = from; i + kBlock <= to; i += kBlock) each(i);
  if ((to - from) % kBlock) each(to - kBlock);
}

}  // namespace

// out = silu(gate) * up, of at least a vector of numbers.
extern "C" void gate(int64_t from, int64_t to, const float *gates, const float *ups, float *out) {
  vectors(from, to, [&](int64_t i) { at(out + i) = at(gates + i) * logistic(at(gates + i)) * at(ups + i); });
}

// The gradients of `gate`.
extern "C" void gate_back(int64_t from, int64_t to, const float *gates, const float *ups, const float *grad, float *to_gates, float *to_ups) {
  vectors(from, to, [&](int64_t i) {
    const Floats x = at(gates + i), share = logistic(x), slope = at(grad + i);
    at(to_ups + i) = slope * x * share;
    at(to_gates + i) = slope * at(ups + i) * share * (all(1.f) + x * (all(1.f) - share));
  });
}
