// Training images changed at random: moved, turned, scaled, mirrored, and erased in part.

#include "guard.h"
#include "philox.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace rung {
namespace {

// What happens to one image: the same memory as Rust's `Change`.
struct Change {
  // From a pixel's place in the new image, counted from its middle, to its place in the old one: two rows of three.
  float matrix[6];
  // Whether every place falls on a pixel, so that nothing lies between pixels.
  uint32_t whole;
  // The rectangle that noise replaces: top, left, height, width.
  uint32_t erased[4];
  // The stream of its noise.
  uint32_t sample;
};

struct Shape {
  int64_t channels, height, width;

  int64_t pixels() const {
    return height * width;
  }
};

// Copies pixels whose places are whole: a mirrored or straight run of each row.
void move_whole(const float* in, float* out, const Shape& shape, const Change& change) {
  const int64_t step = change.matrix[0] < 0.0f ? -1 : 1;
  const float middle_x = static_cast<float>(shape.width - 1) / 2.0f;
  const auto first_x = static_cast<int64_t>(std::lround(
      static_cast<float>(-step) * middle_x + change.matrix[2] + middle_x));
  const auto down = static_cast<int64_t>(std::lround(change.matrix[5]));
  for (int64_t channel = 0; channel < shape.channels; ++channel) {
    for (int64_t y = 0; y < shape.height; ++y) {
      float* row = out + (channel * shape.height + y) * shape.width;
      const int64_t from = y + down;
      if (from < 0 || from >= shape.height) {
        std::fill(row, row + shape.width, 0.0f);
        continue;
      }
      const float* source = in + (channel * shape.height + from) * shape.width;
      for (int64_t x = 0, at = first_x; x < shape.width; ++x, at += step) {
        row[x] = at >= 0 && at < shape.width ? source[at] : 0.0f;
      }
    }
  }
}

// Mixes the four pixels around each place; pixels outside are black.
void move_between(const float* in, float* out, const Shape& shape, const Change& change) {
  const float* m = change.matrix;
  const float middle_x = static_cast<float>(shape.width - 1) / 2.0f;
  const float middle_y = static_cast<float>(shape.height - 1) / 2.0f;
  for (int64_t y = 0; y < shape.height; ++y) {
    for (int64_t x = 0; x < shape.width; ++x) {
      const float from_x = static_cast<float>(x) - middle_x, from_y = static_cast<float>(y) - middle_y;
      const float at_x = m[0] * from_x + m[1] * from_y + m[2] + middle_x;
      const float at_y = m[3] * from_x + m[4] * from_y + m[5] + middle_y;
      const float left = std::floor(at_x), top = std::floor(at_y);
      const float share_x = at_x - left, share_y = at_y - top;
      const auto x0 = static_cast<int64_t>(left), y0 = static_cast<int64_t>(top);
      const auto inside = [&](int64_t px, int64_t py) {
        return px >= 0 && px < shape.width && py >= 0 && py < shape.height;
      };
      const bool corners[4] = {inside(x0, y0), inside(x0 + 1, y0), inside(x0, y0 + 1), inside(x0 + 1, y0 + 1)};
      const int64_t corner = y0 * shape.width + x0;
      for (int64_t channel = 0; channel < shape.channels; ++channel) {
        const float* source = in + channel * shape.pixels();
        const float p00 = corners[0] ? source[corner] : 0.0f;
        const float p01 = corners[1] ? source[corner + 1] : 0.0f;
        const float p10 = corners[2] ? source[corner + shape.width] : 0.0f;
        const float p11 = corners[3] ? source[corner + shape.width + 1] : 0.0f;
        const float upper = p00 + share_x * (p01 - p00), lower = p10 + share_x * (p11 - p10);
        out[channel * shape.pixels() + y * shape.width + x] = upper + share_y * (lower - upper);
      }
    }
  }
}

// Replaces the rectangle by even noise from 0 to 1, channel by channel and row by row.
void erase(float* image, const Shape& shape, const Change& change, Mask stream, std::vector<uint32_t>& words) {
  const auto [top, left, height, width] = change.erased;
  const int64_t count = shape.channels * height * width;
  if (count == 0) {
    return;
  }
  stream.step = change.sample;
  const int64_t groups = (count + kGroup - 1) / kGroup;
  words.resize(groups * kGroup);
  draw(stream, 0, groups, words.data());
  const uint32_t* word = words.data();
  for (int64_t channel = 0; channel < shape.channels; ++channel) {
    for (uint32_t y = top; y < top + height; ++y) {
      float* row = image + (channel * shape.height + y) * shape.width;
      for (uint32_t x = left; x < left + width; ++x) {
        row[x] = static_cast<float>(*word++ >> 8) * (1.0f / 16777216.0f);
      }
    }
  }
}

}  // namespace
}  // namespace rung

extern "C" {

// `stream` says seed, epoch and tag of the noise; its other fields are not read.
rung::Status rung_augment(
    const at::Tensor* images,
    const at::Tensor* out,
    const int64_t* channels_height_width,
    const rung::Change* changes,
    int64_t count,
    const rung::Mask* stream) {
  return rung::guarded([&] {
    const auto* in = rung::data<float>(*images, "images");
    auto* changed = rung::data<float>(*out, "out");
    const rung::Shape shape{channels_height_width[0], channels_height_width[1], channels_height_width[2]};
    const int64_t size = shape.channels * shape.pixels();
    TORCH_CHECK(images->dim() == 2 && images->sizes() == out->sizes(), "images and out do not fit");
    TORCH_CHECK(images->size(0) == count && images->size(1) == size, "images and changes do not fit");
    for (int64_t i = 0; i < count; ++i) {
      const auto [top, left, height, width] = changes[i].erased;
      const bool inside = int64_t{top} + height <= shape.height && int64_t{left} + width <= shape.width;
      TORCH_CHECK(inside, "a rectangle leaves its image");
      for (const float number : changes[i].matrix) {
        // Far beyond any image, and far below what a whole number of pixels can hold.
        TORCH_CHECK(std::abs(number) <= 1e6f, "an image cannot be moved by ", number);
      }
    }
    at::parallel_for(0, count, 16, [&](int64_t begin, int64_t end) {
      std::vector<uint32_t> words;
      for (int64_t i = begin; i < end; ++i) {
        const auto move = changes[i].whole != 0 ? rung::move_whole : rung::move_between;
        move(in + i * size, changed + i * size, shape, changes[i]);
        rung::erase(changed + i * size, shape, changes[i], *stream, words);
      }
    });
  });
}

}  // extern "C"
