// Sums that do not depend on threads: chunks in single precision, the chunks' sums in double, in their order.

#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace rung {

// Rows that are added up in single precision before the sum becomes part of one in double.
constexpr int64_t kChunk = 256;

// Least rows for one thread.
constexpr int64_t kGrain = 1024;

// `width` sums over chunks of `count` items; `add(begin, end, sums)` adds a chunk's items up in single precision.
template <typename Add>
std::vector<double> sums(int64_t count, int64_t chunk, int64_t width, Add&& add) {
  const int64_t chunks = (count + chunk - 1) / chunk;
  std::vector<float> parts(static_cast<size_t>(chunks * width), 0.0f);
  at::parallel_for(0, chunks, std::max<int64_t>(1, kGrain / kChunk), [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; ++at) {
      add(at * chunk, std::min(count, (at + 1) * chunk), parts.data() + at * width);
    }
  });
  std::vector<double> total(static_cast<size_t>(width), 0.0);
  for (int64_t at = 0; at < chunks; ++at) {
    for (int64_t i = 0; i < width; ++i) {
      total[i] += parts[at * width + i];
    }
  }
  return total;
}

}  // namespace rung
