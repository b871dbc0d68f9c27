// What the norm does to rows of `width` channels.
//
// A value stands behind the norm as scale · x + shift. Nothing stands below `floor`: with ReLU it is 0, without it minus
// infinity. Windows are 2 × 2 pixels; `below` is the distance from a pixel to the one below it. Comparisons are such that
// a NaN passes through: a diverging model must show in its loss.

#pragma once

#include <cstdint>

namespace rung::rows {

// What the index of a pooled value says where nothing goes back; otherwise it is the window's corner, 0 to 3.
constexpr uint8_t kNowhere = 4;

// Adds the rows' distances from `origin`, and their squares, to the sums.
void distances(
    const float* __restrict x, const float* __restrict origin, float* __restrict sum, float* __restrict square,
    int64_t rows, int64_t width);

// What stands behind the norm.
void apply(
    const float* __restrict x, const float* __restrict scale, const float* __restrict shift, float* __restrict y,
    int64_t rows, int64_t width);

// The same with ReLU.
void apply_relu(
    const float* __restrict x, const float* __restrict scale, const float* __restrict shift, float* __restrict y,
    int64_t rows, int64_t width);

// The greatest value of each of a row of windows, the first of equal ones, and where it stood.
void pool_row(
    const float* __restrict x, int64_t below, const float* __restrict scale, const float* __restrict shift, float floor,
    float* __restrict y, uint8_t* __restrict index, int64_t windows, int64_t width);

// Sums of the gradients behind the norm, and of each times its value's distance from the mean.
void gradient_sums(
    const float* __restrict x, const float* __restrict grad, const float* __restrict scale,
    const float* __restrict shift, const float* __restrict mean, float floor, float* __restrict sum,
    float* __restrict product, int64_t rows, int64_t width);

// The same where only the greatest value of each window passes a gradient back.
void pooled_gradient_sums(
    const float* __restrict x, int64_t below, const float* __restrict grad, const uint8_t* __restrict index,
    const float* __restrict mean, float* __restrict sum, float* __restrict product, int64_t windows, int64_t width);

// What goes back through the norm: scale · (gradient − its mean − distance · slope).
void gradients(
    const float* __restrict x, const float* __restrict grad, const float* __restrict scale,
    const float* __restrict shift, const float* __restrict mean, const float* __restrict level,
    const float* __restrict slope, float floor, float* __restrict out, int64_t rows, int64_t width);

// The same for a row of windows: both of its rows of pixels.
void pooled_gradients(
    const float* __restrict x, int64_t below, const float* __restrict grad, const uint8_t* __restrict index,
    const float* __restrict scale, const float* __restrict mean, const float* __restrict level,
    const float* __restrict slope, float* __restrict out, int64_t windows, int64_t width);

// The same for pixels that no window covers.
void uncovered_gradients(
    const float* __restrict x, const float* __restrict scale, const float* __restrict mean,
    const float* __restrict level, const float* __restrict slope, float* __restrict out, int64_t rows, int64_t width);

}  // namespace rung::rows
