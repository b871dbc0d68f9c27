// A pass over rows of channels each: what the compiler makes vectors of.

#include "norm_rows.h"

#include "clones.h"

namespace rung::rows {

RUNG_CLONES void distances(
    const float* __restrict x, const float* __restrict origin, float* __restrict sum, float* __restrict square,
    int64_t rows, int64_t width) {
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4) {
    const float *x0 = x + row * width, *x1 = x0 + width, *x2 = x1 + width, *x3 = x2 + width;
    for (int64_t i = 0; i < width; ++i) {
      const float a = x0[i] - origin[i], b = x1[i] - origin[i], c = x2[i] - origin[i], d = x3[i] - origin[i];
      sum[i] += (a + b) + (c + d);
      square[i] += (a * a + b * b) + (c * c + d * d);
    }
  }
  for (; row < rows; ++row) {
    for (int64_t i = 0; i < width; ++i) {
      const float a = x[row * width + i] - origin[i];
      sum[i] += a;
      square[i] += a * a;
    }
  }
}

RUNG_CLONES void apply(
    const float* __restrict x, const float* __restrict scale, const float* __restrict shift, float* __restrict y,
    int64_t rows, int64_t width) {
  for (int64_t row = 0; row < rows; ++row, x += width, y += width) {
    for (int64_t i = 0; i < width; ++i) {
      y[i] = scale[i] * x[i] + shift[i];
    }
  }
}

RUNG_CLONES void apply_relu(
    const float* __restrict x, const float* __restrict scale, const float* __restrict shift, float* __restrict y,
    int64_t rows, int64_t width) {
  for (int64_t row = 0; row < rows; ++row, x += width, y += width) {
    for (int64_t i = 0; i < width; ++i) {
      const float z = scale[i] * x[i] + shift[i];
      y[i] = z <= 0.0f ? 0.0f : z;
    }
  }
}

RUNG_CLONES void pool_row(
    const float* __restrict x, int64_t below, const float* __restrict scale, const float* __restrict shift, float floor,
    float* __restrict y, uint8_t* __restrict index, int64_t windows, int64_t width) {
  for (int64_t window = 0; window < windows; ++window, x += 2 * width, y += width, index += width) {
    const float *x1 = x + width, *x2 = x + below, *x3 = x2 + width;
    for (int64_t i = 0; i < width; ++i) {
      const float z0 = scale[i] * x[i] + shift[i], z1 = scale[i] * x1[i] + shift[i];
      const float z2 = scale[i] * x2[i] + shift[i], z3 = scale[i] * x3[i] + shift[i];
      const bool right = z1 > z0 || z1 != z1, low_right = z3 > z2 || z3 != z3;
      const float high = right ? z1 : z0, low = low_right ? z3 : z2;
      const bool lower = low > high || low != low;
      const float most = lower ? low : high;
      const bool none = most <= floor;
      const int32_t place = lower ? (low_right ? 3 : 2) : (right ? 1 : 0);
      y[i] = none ? floor : most;
      index[i] = static_cast<uint8_t>(none ? kNowhere : place);
    }
  }
}

RUNG_CLONES void gradient_sums(
    const float* __restrict x, const float* __restrict grad, const float* __restrict scale,
    const float* __restrict shift, const float* __restrict mean, float floor, float* __restrict sum,
    float* __restrict product, int64_t rows, int64_t width) {
  for (int64_t row = 0; row < rows; ++row, x += width, grad += width) {
    for (int64_t i = 0; i < width; ++i) {
      const float g = scale[i] * x[i] + shift[i] <= floor ? 0.0f : grad[i];
      sum[i] += g;
      product[i] += g * (x[i] - mean[i]);
    }
  }
}

RUNG_CLONES void pooled_gradient_sums(
    const float* __restrict x, int64_t below, const float* __restrict grad, const uint8_t* __restrict index,
    const float* __restrict mean, float* __restrict sum, float* __restrict product, int64_t windows, int64_t width) {
  for (int64_t window = 0; window < windows; ++window, x += 2 * width, grad += width, index += width) {
    const float *x1 = x + width, *x2 = x + below, *x3 = x2 + width;
    for (int64_t i = 0; i < width; ++i) {
      const int32_t place = index[i];
      const float chosen = place == 0 ? x[i] : place == 1 ? x1[i] : place == 2 ? x2[i] : x3[i];
      const float g = place == kNowhere ? 0.0f : grad[i];
      sum[i] += g;
      product[i] += g * (chosen - mean[i]);
    }
  }
}

RUNG_CLONES void gradients(
    const float* __restrict x, const float* __restrict grad, const float* __restrict scale,
    const float* __restrict shift, const float* __restrict mean, const float* __restrict level,
    const float* __restrict slope, float floor, float* __restrict out, int64_t rows, int64_t width) {
  for (int64_t row = 0; row < rows; ++row, x += width, grad += width, out += width) {
    for (int64_t i = 0; i < width; ++i) {
      const float g = scale[i] * x[i] + shift[i] <= floor ? 0.0f : grad[i];
      out[i] = scale[i] * (g - level[i] - (x[i] - mean[i]) * slope[i]);
    }
  }
}

RUNG_CLONES void pooled_gradients(
    const float* __restrict x, int64_t below, const float* __restrict grad, const uint8_t* __restrict index,
    const float* __restrict scale, const float* __restrict mean, const float* __restrict level,
    const float* __restrict slope, float* __restrict out, int64_t windows, int64_t width) {
  for (int64_t window = 0; window < windows; ++window, x += 2 * width, out += 2 * width, grad += width, index += width) {
    for (int32_t corner = 0; corner < 4; ++corner) {
      const int64_t at = (corner & 1) * width + (corner >> 1) * below;
      const float* from = x + at;
      float* to = out + at;
      for (int64_t i = 0; i < width; ++i) {
        const float g = static_cast<int32_t>(index[i]) == corner ? grad[i] : 0.0f;
        to[i] = scale[i] * (g - level[i] - (from[i] - mean[i]) * slope[i]);
      }
    }
  }
}

RUNG_CLONES void uncovered_gradients(
    const float* __restrict x, const float* __restrict scale, const float* __restrict mean,
    const float* __restrict level, const float* __restrict slope, float* __restrict out, int64_t rows, int64_t width) {
  for (int64_t row = 0; row < rows; ++row, x += width, out += width) {
    for (int64_t i = 0; i < width; ++i) {
      out[i] = scale[i] * (0.0f - level[i] - (x[i] - mean[i]) * slope[i]);
    }
  }
}

}  // namespace rung::rows
