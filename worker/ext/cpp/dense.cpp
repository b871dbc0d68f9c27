// What stands between the matrix products of a dense layer, in one pass each.

#include "guard.h"
#include "philox.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

namespace rung {
namespace {

// Words drawn at a time: 16 KiB, so that they stay in the first-level cache until they are used.
constexpr int64_t kWords = 4096;

// Least elements for one thread; splitting less costs more than it saves.
constexpr int64_t kGrain = 1 << 15;

// Comparisons are such that a NaN passes through: a diverging model must show in its loss.
RUNG_CLONES void relu_row(float* z, const float* bias, int64_t width) {
  for (int64_t i = 0; i < width; ++i) {
    const float sum = z[i] + bias[i];
    z[i] = sum <= 0.0f ? 0.0f : sum;
  }
}

RUNG_CLONES void relu_drop_row(
    float* z, const float* bias, const uint32_t* words, uint32_t threshold, float scale, int64_t width) {
  for (int64_t i = 0; i < width; ++i) {
    const float sum = z[i] + bias[i];
    const float factor = words[i] >= threshold ? scale : 0.0f;
    z[i] = sum <= 0.0f ? 0.0f : sum * factor;
  }
}

RUNG_CLONES void mask_row(float* out, const uint32_t* words, uint32_t threshold, float scale, int64_t width) {
  for (int64_t i = 0; i < width; ++i) {
    out[i] = words[i] >= threshold ? scale : 0.0f;
  }
}

// An activation is above zero exactly where the sum was and the mask kept it, so no mask is stored.
RUNG_CLONES void backward_row(float* grad, const float* activation, float scale, float* bias_grad, int64_t width) {
  for (int64_t i = 0; i < width; ++i) {
    const float g = activation[i] <= 0.0f ? 0.0f : grad[i] * scale;
    grad[i] = g;
    bias_grad[i] += g;
  }
}

// Calls `use(row, words)` for rows begin..end of a rows × width array, with the words of the row's elements.
template <typename Use>
void with_words(const Mask& mask, int64_t begin, int64_t end, int64_t width, Use&& use) {
  const int64_t most = std::max<int64_t>(1, kWords / width);
  std::vector<uint32_t> words(most * width + 2 * kGroup);
  for (int64_t row = begin; row < end; row += most) {
    const int64_t rows = std::min(most, end - row), element = row * width;
    const int64_t block = element / 4, skip = element % 4;
    draw(mask, static_cast<uint32_t>(block), (skip + rows * width + kGroup - 1) / kGroup, words.data());
    for (int64_t i = 0; i < rows; ++i) {
      use(row + i, words.data() + skip + i * width);
    }
  }
}

// A block counter has 32 bits.
void check_size(int64_t elements) {
  TORCH_CHECK(elements / 4 <= INT64_C(0xffffffff), elements, " elements are more than a mask can cover");
}

}  // namespace
}  // namespace rung

extern "C" {

rung::Status rung_activate(const at::Tensor* sum, const at::Tensor* bias, const rung::Mask* mask) {
  return rung::guarded([&] {
    auto* z = rung::data<float>(*sum, "sum");
    const auto* b = rung::data<float>(*bias, "bias");
    TORCH_CHECK(sum->dim() == 2 && bias->dim() == 1 && bias->size(0) == sum->size(1), "sum and bias do not fit");
    const int64_t rows = sum->size(0), width = sum->size(1);
    rung::check_size(rows * width);
    const int64_t grain = std::max<int64_t>(1, rung::kGrain / std::max<int64_t>(1, width));
    at::parallel_for(0, rows, grain, [&](int64_t begin, int64_t end) {
      if (mask == nullptr) {
        for (int64_t row = begin; row < end; ++row) {
          rung::relu_row(z + row * width, b, width);
        }
      } else {
        rung::with_words(*mask, begin, end, width, [&](int64_t row, const uint32_t* words) {
          rung::relu_drop_row(z + row * width, b, words, mask->threshold, mask->scale, width);
        });
      }
    });
  });
}

rung::Status rung_activate_backward(
    const at::Tensor* grad, const at::Tensor* activation, float scale, const at::Tensor* bias_grad) {
  return rung::guarded([&] {
    auto* g = rung::data<float>(*grad, "grad");
    const auto* y = rung::data<float>(*activation, "activation");
    auto* sums = rung::data<float>(*bias_grad, "bias_grad");
    TORCH_CHECK(grad->dim() == 2 && grad->sizes() == activation->sizes(), "grad and activation do not fit");
    TORCH_CHECK(bias_grad->dim() == 1 && bias_grad->size(0) == grad->size(1), "grad and bias_grad do not fit");
    const int64_t rows = grad->size(0), width = grad->size(1);
    // Threads share out columns, not rows, so that a column is always added up in the same order.
    const int64_t grain = std::max<int64_t>(64, rung::kGrain / std::max<int64_t>(1, rows));
    at::parallel_for(0, width, grain, [&](int64_t begin, int64_t end) {
      std::fill(sums + begin, sums + end, 0.0f);
      for (int64_t row = 0; row < rows; ++row) {
        const int64_t at = row * width + begin;
        rung::backward_row(g + at, y + at, scale, sums + begin, end - begin);
      }
    });
  });
}

rung::Status rung_mask(const at::Tensor* out, const rung::Mask* mask) {
  return rung::guarded([&] {
    auto* values = rung::data<float>(*out, "out");
    const int64_t count = out->numel(), width = rung::kGroup * 16;
    rung::check_size(count);
    at::parallel_for(0, (count + width - 1) / width, rung::kGrain / width, [&](int64_t begin, int64_t end) {
      rung::with_words(*mask, begin, end, width, [&](int64_t row, const uint32_t* words) {
        const int64_t length = std::min(width, count - row * width);
        rung::mask_row(values + row * width, words, mask->threshold, mask->scale, length);
      });
    });
  });
}

}  // extern "C"
