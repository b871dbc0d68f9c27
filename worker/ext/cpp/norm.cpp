// Batch norm, ReLU and a max-pool of 2 as one operation, which autograd passes back.
//
// One after the other they read and write each value a dozen times, between convolutions that leave little else to
// gain. Together they read the input twice on the way there and twice on the way back.

#include "guard.h"
#include "norm_rows.h"
#include "sums.h"

#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <utility>
#include <vector>

namespace rung {
namespace {

// What the operation does.
struct Norm {
  double momentum;
  double epsilon;
  bool training;
  bool relu;
  bool pool;
};

// A batch as rows of channels: channels last.
struct Size {
  int64_t samples, height, width, channels;

  int64_t rows() const { return samples * height * width; }

  static Size of(const at::Tensor& x) {
    return x.dim() == 2 ? Size{x.size(0), 1, 1, x.size(1)} : Size{x.size(0), x.size(2), x.size(3), x.size(1)};
  }

  Size pooled() const { return {samples, height / 2, width / 2, channels}; }

  at::Tensor empty(const at::Tensor& like, c10::ScalarType type) const {
    const auto options = like.options().dtype(type);
    if (like.dim() == 2) {
      return at::empty({samples, channels}, options);
    }
    return at::empty({samples, channels, height, width}, options.memory_format(at::MemoryFormat::ChannelsLast));
  }
};

at::Tensor as_rows(const at::Tensor& x) {
  return x.contiguous(x.dim() == 2 ? at::MemoryFormat::Contiguous : at::MemoryFormat::ChannelsLast);
}

// Rows of windows that make about a chunk.
int64_t chunk_of_windows(const Size& size) {
  return std::max<int64_t>(1, kChunk / std::max<int64_t>(1, 2 * size.width));
}

// What nothing is below: ReLU's zero, or nothing at all.
float floor_of(bool relu) {
  return relu ? 0.0f : -std::numeric_limits<float>::infinity();
}

// By channel: what values are multiplied with and what is added then, their mean, and one over their deviation.
struct Moments {
  std::vector<float> scale, shift, mean, inverse;

  explicit Moments(int64_t channels) : scale(channels), shift(channels), mean(channels), inverse(channels) {}
};

// The moments of a batch, which become part of the running ones.
Moments of_batch(
    const float* x, const Size& size, const float* weight, const float* bias, float* running_mean,
    float* running_variance, const Norm& norm) {
  const int64_t rows = size.rows(), width = size.channels;
  // Squares of distances from a sample, not from zero: little is lost where the mean is far from zero.
  const std::vector<float> origin(x, x + width);
  const auto total = sums(rows, kChunk, 2 * width, [&](int64_t begin, int64_t end, float* sum) {
    rows::distances(x + begin * width, origin.data(), sum, sum + width, end - begin, width);
  });
  Moments moments(width);
  for (int64_t i = 0; i < width; ++i) {
    const double distance = total[i] / rows, mean = origin[i] + distance;
    // A NaN stays one.
    const double spread = total[width + i] / rows - distance * distance, variance = spread < 0.0 ? 0.0 : spread;
    const double inverse = 1.0 / std::sqrt(variance + norm.epsilon);
    moments.mean[i] = static_cast<float>(mean);
    moments.inverse[i] = static_cast<float>(inverse);
    moments.scale[i] = static_cast<float>(weight[i] * inverse);
    moments.shift[i] = static_cast<float>(bias[i] - mean * weight[i] * inverse);
    const double unbiased = variance * rows / (rows - 1);
    running_mean[i] = static_cast<float>((1.0 - norm.momentum) * running_mean[i] + norm.momentum * mean);
    running_variance[i] = static_cast<float>((1.0 - norm.momentum) * running_variance[i] + norm.momentum * unbiased);
  }
  return moments;
}

// The running moments.
Moments of_running(const Size& size, const float* weight, const float* bias, const float* mean, const float* variance,
    double epsilon) {
  Moments moments(size.channels);
  for (int64_t i = 0; i < size.channels; ++i) {
    const double inverse = 1.0 / std::sqrt(static_cast<double>(variance[i]) + epsilon);
    moments.mean[i] = mean[i];
    moments.inverse[i] = static_cast<float>(inverse);
    moments.scale[i] = static_cast<float>(weight[i] * inverse);
    moments.shift[i] = static_cast<float>(bias[i] - static_cast<double>(mean[i]) * weight[i] * inverse);
  }
  return moments;
}

// What comes out, and where pooled values stood.
std::pair<at::Tensor, at::Tensor> pass(const at::Tensor& x, const Size& size, const Moments& moments, const Norm& norm) {
  const int64_t width = size.channels;
  const auto* from = x.data_ptr<float>();
  const float *scale = moments.scale.data(), *shift = moments.shift.data();
  if (!norm.pool) {
    at::Tensor y = size.empty(x, at::kFloat);
    auto* to = y.data_ptr<float>();
    at::parallel_for(0, size.rows(), kGrain, [&](int64_t begin, int64_t end) {
      const auto apply = norm.relu ? rows::apply_relu : rows::apply;
      apply(from + begin * width, scale, shift, to + begin * width, end - begin, width);
    });
    return {y, at::Tensor()};
  }
  const Size out = size.pooled();
  at::Tensor y = out.empty(x, at::kFloat), index = out.empty(x, at::kByte);
  auto* to = y.data_ptr<float>();
  auto* places = index.data_ptr<uint8_t>();
  const float floor = floor_of(norm.relu);
  at::parallel_for(0, out.samples * out.height, chunk_of_windows(size), [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; ++at) {
      const int64_t row = at / out.height * size.height + at % out.height * 2;
      const int64_t line = size.width * width, first = at * out.width * width;
      rows::pool_row(from + row * line, line, scale, shift, floor, to + first, places + first, out.width, width);
    }
  });
  return {y, index};
}

class Normalised : public torch::autograd::Function<Normalised> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& input, const at::Tensor& weight,
      const at::Tensor& bias, const at::Tensor& running_mean, const at::Tensor& running_variance, const Norm& norm) {
    const at::Tensor x = as_rows(input);
    const Size size = Size::of(x);
    const auto *w = data<float>(weight, "weight"), *b = data<float>(bias, "bias");
    auto *mean = data<float>(running_mean, "mean"), *variance = data<float>(running_variance, "variance");
    const Moments moments = norm.training ? of_batch(x.data_ptr<float>(), size, w, b, mean, variance, norm)
                                          : of_running(size, w, b, mean, variance, norm.epsilon);
    auto [y, index] = pass(x, size, moments, norm);
    const int64_t width = size.channels;
    at::Tensor kept = at::empty({4, width}, x.options().memory_format(at::MemoryFormat::Contiguous));
    auto* to = kept.data_ptr<float>();
    for (const auto* values : {&moments.scale, &moments.shift, &moments.mean, &moments.inverse}) {
      to = std::copy(values->begin(), values->end(), to);
    }
    context->save_for_backward({x, kept, index});
    context->saved_data["relu"] = norm.relu;
    context->saved_data["pool"] = norm.pool;
    context->saved_data["training"] = norm.training;
    return y;
  }

  static torch::autograd::tensor_list backward(
      torch::autograd::AutogradContext* context, const torch::autograd::tensor_list& outputs) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &kept = saved[1], &index = saved[2];
    const bool pool = context->saved_data["pool"].toBool();
    const Size size = Size::of(x), out = pool ? size.pooled() : size;
    const int64_t width = size.channels, line = size.width * width;
    const at::Tensor grad = as_rows(outputs[0]);
    const auto *from = x.data_ptr<float>(), *back = grad.data_ptr<float>();
    const float *scale = kept.data_ptr<float>(), *shift = scale + width, *mean = shift + width, *inverse = mean + width;
    const auto* places = pool ? index.data_ptr<uint8_t>() : nullptr;
    const float floor = floor_of(context->saved_data["relu"].toBool());
    // The upper row of pixels of a row of windows.
    const auto upper = [&](int64_t at) { return (at / out.height * size.height + at % out.height * 2) * line; };

    const auto total = pool
        ? sums(out.samples * out.height, chunk_of_windows(size), 2 * width,
              [&](int64_t begin, int64_t end, float* sum) {
                for (int64_t at = begin; at < end; ++at) {
                  const int64_t to = at * out.width * width;
                  rows::pooled_gradient_sums(
                      from + upper(at), line, back + to, places + to, mean, sum, sum + width, out.width, width);
                }
              })
        : sums(size.rows(), kChunk, 2 * width, [&](int64_t begin, int64_t end, float* sum) {
            rows::gradient_sums(from + begin * width, back + begin * width, scale, shift, mean, floor, sum, sum + width,
                end - begin, width);
          });

    at::Tensor in = size.empty(x, at::kFloat), weight = at::empty({width}, kept.options()), bias = at::empty_like(weight);
    // The batch moved its own moments; running ones stand still.
    std::vector<float> level(width, 0.0f), slope(width, 0.0f);
    const bool training = context->saved_data["training"].toBool();
    const double rows = static_cast<double>(size.rows());
    for (int64_t i = 0; i < width; ++i) {
      const double deviation = inverse[i];
      bias.data_ptr<float>()[i] = static_cast<float>(total[i]);
      weight.data_ptr<float>()[i] = static_cast<float>(total[width + i] * deviation);
      if (training) {
        level[i] = static_cast<float>(total[i] / rows);
        slope[i] = static_cast<float>(total[width + i] * deviation * deviation / rows);
      }
    }
    auto* to = in.data_ptr<float>();
    if (!pool) {
      at::parallel_for(0, size.rows(), kGrain, [&](int64_t begin, int64_t end) {
        rows::gradients(from + begin * width, back + begin * width, scale, shift, mean, level.data(), slope.data(),
            floor, to + begin * width, end - begin, width);
      });
      return {in, weight, bias, at::Tensor(), at::Tensor(), at::Tensor()};
    }
    const auto uncovered = [&](int64_t pixel, int64_t pixels) {
      const int64_t at = pixel * width;
      rows::uncovered_gradients(from + at, scale, mean, level.data(), slope.data(), to + at, pixels, width);
    };
    at::parallel_for(0, out.samples, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, size.height * size.width)),
        [&](int64_t begin, int64_t end) {
          for (int64_t sample = begin; sample < end; ++sample) {
            for (int64_t high = 0; high < out.height; ++high) {
              const int64_t at = sample * out.height + high, first = at * out.width * width;
              rows::pooled_gradients(from + upper(at), line, back + first, places + first, scale, mean, level.data(),
                  slope.data(), to + upper(at), out.width, width);
            }
            const int64_t pixel = sample * size.height * size.width;
            for (int64_t high = 0; size.width % 2 == 1 && high < 2 * out.height; ++high) {
              uncovered(pixel + (high + 1) * size.width - 1, 1);
            }
            for (int64_t high = 2 * out.height; high < size.height; ++high) {
              uncovered(pixel + high * size.width, size.width);
            }
          }
        });
    return {in, weight, bias, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

void check(const at::Tensor& x, const at::Tensor& channel, const char* name) {
  data<float>(channel, name);
  TORCH_CHECK(channel.dim() == 1 && channel.size(0) == x.size(1), name, " does not fit the channels");
}

}  // namespace
}  // namespace rung

extern "C" {

rung::Status rung_norm(const at::Tensor* x, const at::Tensor* weight, const at::Tensor* bias, const at::Tensor* mean,
    const at::Tensor* variance, const rung::Norm* norm, at::Tensor** out) {
  return rung::guarded([&] {
    TORCH_CHECK(x->device().is_cpu() && x->scalar_type() == at::kFloat, "x is no float on the CPU");
    TORCH_CHECK(x->dim() == 4 || (x->dim() == 2 && !norm->pool), "x has ", x->dim(), " dimensions");
    const auto names = {"weight", "bias", "mean", "variance"};
    auto name = names.begin();
    for (const auto* channel : {weight, bias, mean, variance}) {
      rung::check(*x, *channel, *name++);
    }
    const auto size = rung::Size::of(*x);
    TORCH_CHECK(!norm->pool || (size.height >= 2 && size.width >= 2), "x is smaller than the pool");
    TORCH_CHECK(size.rows() > (norm->training ? 1 : 0), size.rows(), " rows have no variance");
    *out = new at::Tensor(rung::Normalised::apply(*x, *weight, *bias, *mean, *variance, *norm));
  });
}

}  // extern "C"
