// Dropout masks from Philox4x32-10, the generator of Rung's `common::random`.

#pragma once

#include <cstdint>

namespace rung {

// One layer's mask at one step: the same memory as Rust's `Mask`.
struct Mask {
  uint64_t seed;
  uint32_t step;
  uint32_t epoch;
  uint32_t tag;
  // An element is kept when its word is at least this.
  uint32_t threshold;
  // What a kept element is multiplied with.
  float scale;
};

// Words are drawn in groups of 16 blocks of 4.
constexpr int64_t kGroup = 64;

// Writes `groups` * 64 words, the first one at position 4 * `block` of the mask's stream.
void draw(const Mask& mask, uint32_t block, int64_t groups, uint32_t* words);

}  // namespace rung
