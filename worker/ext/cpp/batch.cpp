// The two ends of a step: pixels in, loss out.

#include "guard.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <vector>

namespace rung {
namespace {

RUNG_CLONES void scale_row(const uint8_t* pixels, float* out, int64_t width) {
  for (int64_t i = 0; i < width; ++i) {
    out[i] = static_cast<float>(pixels[i]) * (1.0f / 255.0f);
  }
}

// Rows lie anywhere in tens of megabytes; asking for one this many rows early hides the wait for it.
constexpr int64_t kAhead = 4;

void prefetch_row(const uint8_t* pixels, int64_t width) {
#ifdef __GNUC__
  for (int64_t i = 0; i < width; i += 64) {
    __builtin_prefetch(pixels + i);
  }
#endif
}

// The sums over a batch that Rust reads back: the same memory as Rust's `BatchSums`.
struct BatchSums {
  double loss;
  uint64_t correct;
};

// Takes each row's greatest logit off the row, which leaves exponentials at most 1; counts rows where the first
// greatest is the true class, and keeps the mean of the shifted logits under the target.
uint64_t shift_rows(
    const float* logits, const int64_t* truth, float* out, float* shifted, int64_t rows, int64_t classes,
    double spread) {
  const auto hit = static_cast<float>(1.0 - spread), even = static_cast<float>(spread / static_cast<double>(classes));
  uint64_t correct = 0;
  for (int64_t row = 0; row < rows; ++row, logits += classes, out += classes) {
    int64_t best = 0;
    for (int64_t c = 1; c < classes; ++c) {
      best = logits[c] > logits[best] ? c : best;
    }
    for (int64_t c = 0; c < classes; ++c) {
      out[c] = logits[c] - logits[best];
    }
    float sum = 0.0f;
    for (int64_t c = 0; c < classes; ++c) {
      sum += out[c];
    }
    shifted[row] = hit * out[truth[row]] + even * sum;
    correct += best == truth[row] ? 1 : 0;
  }
  return correct;
}

// Makes the gradient of the mean cross-entropy of exponentials, and its sum over the rows; keeps the rows' totals.
// A share `spread` of the target lies evenly over all classes.
void probabilities_to_grad(
    float* values, const int64_t* truth, float* totals, float* bias_grad, int64_t rows, int64_t classes,
    double spread) {
  const float share = 1.0f / static_cast<float>(rows);
  const auto hit = static_cast<float>((1.0 - spread) / static_cast<double>(rows));
  const auto even = static_cast<float>(spread / static_cast<double>(rows * classes));
  std::fill(bias_grad, bias_grad + classes, 0.0f);
  for (int64_t row = 0; row < rows; ++row, values += classes) {
    float total = 0.0f;
    for (int64_t c = 0; c < classes; ++c) {
      total += values[c];
    }
    totals[row] = total;
    const float scale = share / total;
    for (int64_t c = 0; c < classes; ++c) {
      values[c] = values[c] * scale - even;
    }
    values[truth[row]] -= hit;
    for (int64_t c = 0; c < classes; ++c) {
      bias_grad[c] += values[c];
    }
  }
}

}  // namespace
}  // namespace rung

extern "C" {

rung::Status rung_gather(const at::Tensor* images, const at::Tensor* index, const at::Tensor* out) {
  return rung::guarded([&] {
    const auto* pixels = rung::data<uint8_t>(*images, "images");
    const auto* rows = rung::data<int64_t>(*index, "index");
    auto* scaled = rung::data<float>(*out, "out");
    TORCH_CHECK(images->dim() == 2 && index->dim() == 1 && out->dim() == 2, "images, index and out do not fit");
    const int64_t count = index->size(0), width = images->size(1);
    TORCH_CHECK(out->size(0) == count && out->size(1) == width, "index and out do not fit");
    for (int64_t i = 0; i < count; ++i) {
      TORCH_CHECK_INDEX(rows[i] >= 0 && rows[i] < images->size(0), "there is no image ", rows[i]);
    }
    at::parallel_for(0, count, 64, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        if (i + rung::kAhead < end) {
          rung::prefetch_row(pixels + rows[i + rung::kAhead] * width, width);
        }
        rung::scale_row(pixels + rows[i] * width, scaled + i * width, width);
      }
    });
  });
}

rung::Status rung_cross_entropy(
    const at::Tensor* logits,
    const at::Tensor* labels,
    const at::Tensor* grad,
    const at::Tensor* bias_grad,
    double spread,
    rung::BatchSums* sums) {
  return rung::guarded([&] {
    const auto* in = rung::data<float>(*logits, "logits");
    const auto* truth = rung::data<int64_t>(*labels, "labels");
    auto* g = rung::data<float>(*grad, "grad");
    auto* b = rung::data<float>(*bias_grad, "bias_grad");
    TORCH_CHECK(grad->dim() == 2 && logits->sizes() == grad->sizes(), "logits and grad do not fit");
    const int64_t rows = grad->size(0), classes = grad->size(1);
    TORCH_CHECK(labels->dim() == 1 && labels->size(0) == rows, "labels and grad do not fit");
    TORCH_CHECK(bias_grad->dim() == 1 && bias_grad->size(0) == classes, "bias_grad and grad do not fit");
    TORCH_CHECK(spread >= 0.0 && spread < 1.0, "a share of ", spread, " of the target cannot be spread");
    for (int64_t row = 0; row < rows; ++row) {
      TORCH_CHECK_INDEX(truth[row] >= 0 && truth[row] < classes, "there is no class ", truth[row]);
    }
    // Exponential and logarithm are libtorch's: the C library's may differ between machines.
    std::vector<float> shifted(rows), totals(rows);
    *sums = {0.0, rung::shift_rows(in, truth, g, shifted.data(), rows, classes, spread)};
    grad->exp_();
    rung::probabilities_to_grad(g, truth, totals.data(), b, rows, classes, spread);
    at::from_blob(totals.data(), {rows}, at::kFloat).log_();
    for (int64_t row = 0; row < rows; ++row) {
      sums->loss += static_cast<double>(totals[row] - shifted[row]);
    }
  });
}

}  // extern "C"
