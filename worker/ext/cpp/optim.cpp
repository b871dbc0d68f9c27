// Gradients that accumulate into a buffer of ours, and optimizers in one pass.

#include "guard.h"

#include <ATen/Parallel.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/scalar_tensor.h>

#include <algorithm>
#include <cmath>

namespace rung {
namespace {

// The same memory as Rust's `Adam`.
struct Adam {
  double learning_rate;
  double beta1;
  double beta2;
  double epsilon;
  double weight_decay;
  // Whether weights decay by themselves, rather than by their gradient.
  bool decoupled;
};

// The same memory as Rust's `Sgd`.
struct Sgd {
  double learning_rate;
  double momentum;
  double weight_decay;
};

// The same memory as Rust's `RmsProp`.
struct RmsProp {
  double learning_rate;
  double alpha;
  double epsilon;
  double weight_decay;
};

// Least elements for one thread.
constexpr int64_t kGrain = 1 << 15;

// What a step of Adam multiplies with, the same for all elements.
struct Factors {
  float gain1, keep2, gain2, step_size, correction, epsilon, decay, keep;
};

// Base to a whole power, by squaring: the C library's `pow` may differ between machines.
double power(double base, uint64_t exponent) {
  double result = 1.0;
  for (; exponent > 0; exponent >>= 1, base *= base) {
    result *= (exponent & 1) != 0 ? base : 1.0;
  }
  return result;
}

Factors factors(const Adam& rule, uint64_t step) {
  const double correction1 = 1.0 - power(rule.beta1, step), correction2 = 1.0 - power(rule.beta2, step);
  return {
      static_cast<float>(1.0 - rule.beta1),
      static_cast<float>(rule.beta2),
      static_cast<float>(1.0 - rule.beta2),
      static_cast<float>(rule.learning_rate / correction1),
      static_cast<float>(1.0 / std::sqrt(correction2)),
      static_cast<float>(rule.epsilon),
      rule.decoupled ? 0.0f : static_cast<float>(rule.weight_decay),
      rule.decoupled ? static_cast<float>(1.0 - rule.learning_rate * rule.weight_decay) : 1.0f,
  };
}

// libtorch's kernel divides twice; divisions and roots, not memory, are what it waits for.
RUNG_CLONES void adam_span(
    float* param, const float* grad, float* exp_avg, float* exp_avg_sq, const Factors& factors, int64_t count) {
  const auto [gain1, keep2, gain2, step_size, correction, epsilon, decay, keep] = factors;
  for (int64_t i = 0; i < count; ++i) {
    const float g = grad[i] + decay * param[i];
    const float mean = exp_avg[i] + gain1 * (g - exp_avg[i]);
    const float square = keep2 * exp_avg_sq[i] + gain2 * (g * g);
    exp_avg[i] = mean;
    exp_avg_sq[i] = square;
    param[i] = keep * param[i] - step_size * mean / (std::sqrt(square) * correction + epsilon);
  }
}

RUNG_CLONES void sgd_span(
    float* param, const float* grad, float* buffer, float rate, float momentum, float decay, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const float g = grad[i] + decay * param[i];
    const float kept = momentum * buffer[i] + g;
    buffer[i] = kept;
    param[i] -= rate * (g + momentum * kept);
  }
}

RUNG_CLONES void rmsprop_span(
    float* param, const float* grad, float* square_avg, float rate, float alpha, float gain, float epsilon,
    float decay, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const float g = grad[i] + decay * param[i];
    const float square = alpha * square_avg[i] + gain * (g * g);
    square_avg[i] = square;
    param[i] -= rate * g / (std::sqrt(square) + epsilon);
  }
}

// libtorch's own two rules for devices that are no CPU; they differ in nothing but how weights decay.
using Fused = void (*)(
    at::TensorList, at::TensorList, at::TensorList, at::TensorList, at::TensorList, at::TensorList, double, double,
    double, double, double, bool, bool, const std::optional<at::Tensor>&, const std::optional<at::Tensor>&);
constexpr Fused kFusedAdam = &at::_fused_adam_, kFusedAdamW = &at::_fused_adamw_;

// Whether the tensors are of equal size and contiguous, as one pass over all of them needs.
template <typename... Others>
void check_alike(const at::Tensor& param, const Others&... others) {
  for (const at::Tensor* other : {&others...}) {
    TORCH_CHECK(other->sizes() == param.sizes(), "sizes of an optimizer's tensors differ");
    TORCH_CHECK(other->is_contiguous() && param.is_contiguous(), "an optimizer's tensors must be contiguous");
    TORCH_CHECK(other->device() == param.device(), "an optimizer's tensors must be on one device");
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
    const rung::Adam* rule) {
  return rung::guarded([&] {
    rung::check_alike(*param, *grad, *exp_avg, *exp_avg_sq);
    TORCH_CHECK(step > 0, "steps count from 1");
    if (param->device().is_cpu()) {
      auto* p = rung::data<float>(*param, "param");
      const auto* g = rung::data<float>(*grad, "grad");
      auto* m = rung::data<float>(*exp_avg, "exp_avg");
      auto* v = rung::data<float>(*exp_avg_sq, "exp_avg_sq");
      const auto factors = rung::factors(*rule, step);
      at::parallel_for(0, param->numel(), rung::kGrain, [&](int64_t begin, int64_t end) {
        rung::adam_span(p + begin, g + begin, m + begin, v + begin, factors, end - begin);
      });
    } else {
      // libtorch's kernel reads the step as float32, which is exact up to here; both corrections are 1 long before.
      const auto counted = static_cast<double>(std::min(step, UINT64_C(1) << 24));
      const at::Tensor count =
          at::scalar_tensor(counted, param->options().dtype(at::kFloat).requires_grad(false));
      const auto fused = rule->decoupled ? rung::kFusedAdamW : rung::kFusedAdam;
      fused(
          {*param}, {*grad}, {*exp_avg}, {*exp_avg_sq}, {}, {count}, rule->learning_rate, rule->beta1, rule->beta2,
          rule->weight_decay, rule->epsilon, /*amsgrad=*/false, /*maximize=*/false, {}, {});
    }
  });
}

rung::Status rung_sgd(
    const at::Tensor* param, const at::Tensor* grad, const at::Tensor* buffer, const rung::Sgd* rule) {
  return rung::guarded([&] {
    rung::check_alike(*param, *grad, *buffer);
    if (param->device().is_cpu()) {
      auto* p = rung::data<float>(*param, "param");
      const auto* g = rung::data<float>(*grad, "grad");
      auto* b = rung::data<float>(*buffer, "momentum_buffer");
      const auto rate = static_cast<float>(rule->learning_rate), momentum = static_cast<float>(rule->momentum);
      const auto decay = static_cast<float>(rule->weight_decay);
      at::parallel_for(0, param->numel(), rung::kGrain, [&](int64_t begin, int64_t end) {
        rung::sgd_span(p + begin, g + begin, b + begin, rate, momentum, decay, end - begin);
      });
    } else {
      const at::Tensor g = grad->add(*param, rule->weight_decay);
      buffer->mul_(rule->momentum).add_(g);
      param->sub_(g.add(*buffer, rule->momentum), rule->learning_rate);
    }
  });
}

rung::Status rung_rmsprop(
    const at::Tensor* param, const at::Tensor* grad, const at::Tensor* square_avg, const rung::RmsProp* rule) {
  return rung::guarded([&] {
    rung::check_alike(*param, *grad, *square_avg);
    const double gain = 1.0 - rule->alpha;
    if (param->device().is_cpu()) {
      auto* p = rung::data<float>(*param, "param");
      const auto* g = rung::data<float>(*grad, "grad");
      auto* v = rung::data<float>(*square_avg, "square_avg");
      at::parallel_for(0, param->numel(), rung::kGrain, [&](int64_t begin, int64_t end) {
        rung::rmsprop_span(
            p + begin, g + begin, v + begin, static_cast<float>(rule->learning_rate), static_cast<float>(rule->alpha),
            static_cast<float>(gain), static_cast<float>(rule->epsilon), static_cast<float>(rule->weight_decay),
            end - begin);
      });
    } else {
      const at::Tensor g = grad->add(*param, rule->weight_decay);
      square_avg->mul_(rule->alpha).addcmul_(g, g, gain);
      param->addcdiv_(g, square_avg->sqrt().add_(rule->epsilon), -rule->learning_rate);
    }
  });
}

}  // extern "C"
