// Gradients that accumulate into a buffer of ours, and Adam in one pass.

#include "guard.h"

#include <ATen/Parallel.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/scalar_tensor.h>

#include <cmath>

namespace rung {
namespace {

// The same memory as Rust's `Rates`.
struct Rates {
  double learning_rate;
  double beta1;
  double beta2;
  double epsilon;
};

// What a step multiplies with, the same for all elements.
struct Factors {
  float gain1, keep2, gain2, step_size, correction, epsilon;
};

// Base to a whole power, by squaring: the C library's `pow` may differ between machines.
double power(double base, uint64_t exponent) {
  double result = 1.0;
  for (; exponent > 0; exponent >>= 1, base *= base) {
    result *= (exponent & 1) != 0 ? base : 1.0;
  }
  return result;
}

Factors factors(const Rates& rates, uint64_t step) {
  const double correction1 = 1.0 - power(rates.beta1, step), correction2 = 1.0 - power(rates.beta2, step);
  return {
      static_cast<float>(1.0 - rates.beta1),
      static_cast<float>(rates.beta2),
      static_cast<float>(1.0 - rates.beta2),
      static_cast<float>(rates.learning_rate / correction1),
      static_cast<float>(1.0 / std::sqrt(correction2)),
      static_cast<float>(rates.epsilon),
  };
}

// libtorch's kernel divides twice; divisions and roots, not memory, are what it waits for.
RUNG_CLONES void adam_span(
    float* param, const float* grad, float* exp_avg, float* exp_avg_sq, const Factors& factors, int64_t count) {
  const auto [gain1, keep2, gain2, step_size, correction, epsilon] = factors;
  for (int64_t i = 0; i < count; ++i) {
    const float g = grad[i];
    const float mean = exp_avg[i] + gain1 * (g - exp_avg[i]);
    const float square = keep2 * exp_avg_sq[i] + gain2 * (g * g);
    exp_avg[i] = mean;
    exp_avg_sq[i] = square;
    param[i] -= step_size * mean / (std::sqrt(square) * correction + epsilon);
  }
}

}  // namespace
}  // namespace rung

extern "C" {

rung::Status rung_bind_grad(const at::Tensor* param, const at::Tensor* grad) {
  return rung::guarded([&] {
    TORCH_CHECK(param->is_leaf() && param->requires_grad(), "the parameter is no leaf that requires a gradient");
    TORCH_CHECK(param->sizes() == grad->sizes() && param->device() == grad->device(), "param and grad do not fit");
    TORCH_CHECK(param->scalar_type() == grad->scalar_type(), "param and grad have different types");
    param->mutable_grad() = *grad;
  });
}

rung::Status rung_adam(
    const at::Tensor* param,
    const at::Tensor* grad,
    const at::Tensor* exp_avg,
    const at::Tensor* exp_avg_sq,
    uint64_t step,
    const rung::Rates* rates) {
  return rung::guarded([&] {
    for (const auto* tensor : {grad, exp_avg, exp_avg_sq}) {
      TORCH_CHECK(tensor->sizes() == param->sizes(), "sizes of Adam's tensors differ");
      TORCH_CHECK(tensor->is_contiguous() && param->is_contiguous(), "Adam's tensors must be contiguous");
    }
    TORCH_CHECK(step > 0, "steps count from 1");
    if (param->device().is_cpu()) {
      auto* p = rung::data<float>(*param, "param");
      const auto* g = rung::data<float>(*grad, "grad");
      auto* m = rung::data<float>(*exp_avg, "exp_avg");
      auto* v = rung::data<float>(*exp_avg_sq, "exp_avg_sq");
      const auto factors = rung::factors(*rates, step);
      at::parallel_for(0, param->numel(), 1 << 15, [&](int64_t begin, int64_t end) {
        rung::adam_span(p + begin, g + begin, m + begin, v + begin, factors, end - begin);
      });
    } else {
      // libtorch's kernel reads the step as float32, which is exact up to here.
      TORCH_CHECK(step <= (UINT64_C(1) << 24), "step ", step, " is out of Adam's range");
      const at::Tensor count =
          at::scalar_tensor(static_cast<double>(step), param->options().dtype(at::kFloat).requires_grad(false));
      at::_fused_adam_(
          {*param}, {*grad}, {*exp_avg}, {*exp_avg_sq}, {}, {count}, rates->learning_rate, rates->beta1, rates->beta2,
          /*weight_decay=*/0.0, rates->epsilon, /*amsgrad=*/false, /*maximize=*/false);
    }
  });
}

}  // extern "C"
