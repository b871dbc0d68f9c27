// A convolution in few multiplications, which autograd passes back.

#include "guard.h"
#include "sums.h"
#include "winograd.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <initializer_list>
#include <optional>

namespace rung {
namespace winograd {

const Kernels* kernels(int64_t size, Set set) {
#ifdef RUNG_WINOGRAD
  __builtin_cpu_init();
  if (set == Set::kBest && __builtin_cpu_supports("avx512f")) {
    return avx512::kernels(size);
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return avx2::kernels(size);
  }
#else
  (void)size, (void)set;
#endif
  return nullptr;
}

namespace {

// Floats between the coordinates of something beyond its own: at a distance of a power of two they would share lines
// of the first-level cache.
constexpr int64_t kApart = 16;

// Bytes of a block of tiles' coordinates, in and out: about a quarter of a core's second-level cache.
constexpr int64_t kBlock = 640 << 10;

// Kernels' coordinates that are larger than this many bytes do not stay in that cache: blocks are larger then, for each
// reads all of them.
constexpr int64_t kLarge = 1 << 20;

at::Tensor scratch(int64_t size) {
  return at::empty({size}, at::kFloat);
}

// A convolution's sizes.
struct Shape {
  const Kernels* with;
  int64_t size;
  int64_t samples;
  Tiled in, out;

  // Of images [samples][in][height][width] by kernels of size × size.
  Shape(const Kernels* with, const at::Tensor& x, int64_t size, int64_t channels, int64_t padding)
      : with(with), size(size), samples(x.size(0)) {
    const int64_t lost = size - 1 - 2 * padding, height = x.size(2) - lost, width = x.size(3) - lost;
    const int64_t rows = (height + kTile - 1) / kTile, columns = (width + kTile - 1) / kTile;
    in = {x.size(2), x.size(3), x.size(1), rows, columns, padding};
    out = {height, width, channels, rows, columns, 0};
  }

  int64_t points() const { return with->side * with->side; }
  int64_t tiles() const { return samples * in.rows * in.columns; }

  // Floats from one coordinate of the kernels to the next.
  int64_t filters() const { return in.channels * out.channels + kApart; }

  // Tiles whose coordinates are taken at a time; no bit depends on it.
  int64_t block() const {
    const int64_t bytes = filters() * points() * 4 > kLarge ? 4 * kBlock : kBlock;
    const int64_t tiles = bytes / (points() * (in.channels + out.channels) * 4);
    return std::clamp<int64_t>(tiles / 12 * 12, 24, 96);
  }
};

// The coordinates of all kernels: those of `weight`, or where `back` those that take gradients back, each turned round and
// from channels out to channels in.
at::Tensor coordinates(const Shape& shape, const at::Tensor& weight, bool back) {
  const int64_t pixels = shape.size * shape.size, in = shape.in.channels, out = shape.out.channels;
  const int64_t by_in = weight.stride(back ? 0 : 1), by_out = weight.stride(back ? 1 : 0);
  const at::Tensor ordered = scratch(pixels * in * out);
  const auto* from = weight.const_data_ptr<float>();
  auto* to = ordered.data_ptr<float>();
  for (int64_t pixel = 0; pixel < pixels; ++pixel) {
    const int64_t taken = back ? pixels - 1 - pixel : pixel;
    const auto* kernel = from + taken / shape.size * weight.stride(2) + taken % shape.size * weight.stride(3);
    for (int64_t panel = 0; panel < out; panel += kPanel) {
      const int64_t width = std::min(kPanel, out - panel);
      // Few lines of the cache at a time, whichever channels lie closer together.
      for (int64_t group = 0; group < in; group += kLanes) {
        for (int64_t lane = 0; lane < width; ++lane) {
          for (int64_t i = group; i < group + kLanes; ++i) {
            to[i * width + lane] = kernel[(panel + lane) * by_out + i * by_in];
          }
        }
      }
      to += in * width;
    }
  }
  const at::Tensor filters = scratch(shape.points() * shape.filters());
  shape.with->filters(ordered.const_data_ptr<float>(), in * out, filters.data_ptr<float>(), shape.filters());
  return filters;
}

// x convolved with kernels by their coordinates.
void convolve(const Shape& shape, const float* x, const float* filters, const float* bias, float* y) {
  const auto* with = shape.with;
  const Tiled &in = shape.in, &out = shape.out;
  const int64_t most = shape.block(), points = shape.points(), tiles = shape.tiles();
  const int64_t apart_in = most * in.channels + kApart, apart_out = most * out.channels + kApart;
  const at::Tensor outside = at::zeros({in.channels}, at::kFloat);
  const auto* zeros = outside.const_data_ptr<float>();
  at::parallel_for(0, (tiles + most - 1) / most, 1, [&](int64_t first, int64_t last) {
    const at::Tensor values = scratch(points * apart_in), sums = scratch(points * apart_out);
    auto *patches = values.data_ptr<float>(), *products = sums.data_ptr<float>();
    for (int64_t block = first; block < last; ++block) {
      const int64_t begin = block * most, end = std::min(tiles, begin + most);
      with->patches(x, in, zeros, begin, end, patches, apart_in);
      for (int64_t point = 0; point < points; ++point) {
        with->product(patches + point * apart_in, filters + point * shape.filters(), end - begin, in.channels,
            out.channels, products + point * apart_out);
      }
      with->outputs(products, apart_out, bias, out, begin, end, y);
    }
  });
}

// The gradient of the kernels: for each coordinate, the sum over all tiles in their order.
at::Tensor filter_gradient(const Shape& shape, const float* x, const float* grad, const at::Tensor& weight) {
  const auto* with = shape.with;
  const Tiled &in = shape.in, &out = shape.out;
  const int64_t most = shape.block(), points = shape.points(), tiles = shape.tiles();
  const int64_t apart_in = most * in.channels + kApart, apart_out = most * out.channels + kApart;
  const int64_t elements = in.channels * out.channels, apart = shape.filters();
  const at::Tensor outside = at::zeros({std::max(in.channels, out.channels)}, at::kFloat);
  const at::Tensor values = scratch(points * apart_in), back = scratch(points * apart_out);
  const at::Tensor sums = at::zeros({points * apart}, at::kFloat);
  const auto* zeros = outside.const_data_ptr<float>();
  auto *patches = values.data_ptr<float>(), *grads = back.data_ptr<float>(), *filters = sums.data_ptr<float>();
  const int64_t share = std::max<int64_t>(1, most / at::get_num_threads());
  for (int64_t begin = 0; begin < tiles; begin += most) {
    const int64_t count = std::min(most, tiles - begin);
    at::parallel_for(0, count, share, [&](int64_t first, int64_t last) {
      const int64_t from = begin + first, to = begin + last;
      with->patches(x, in, zeros, from, to, patches + first * in.channels, apart_in);
      with->output_gradients(grad, out, zeros, from, to, grads + first * out.channels, apart_out);
    });
    at::parallel_for(0, points, 1, [&](int64_t first, int64_t last) {
      for (int64_t point = first; point < last; ++point) {
        with->add_products(patches + point * apart_in, grads + point * apart_out, count, in.channels, out.channels,
            filters + point * apart);
      }
    });
  }
  const at::Tensor ordered = scratch(shape.size * shape.size * elements);
  auto* from = ordered.data_ptr<float>();
  with->filter_gradients(filters, apart, elements, from);
  at::Tensor gradient = at::empty_like(weight);
  auto* to = gradient.data_ptr<float>();
  for (int64_t pixel = 0; pixel < shape.size * shape.size; ++pixel) {
    const int64_t offset = pixel / shape.size * gradient.stride(2) + pixel % shape.size * gradient.stride(3);
    for (int64_t group = 0; group < in.channels; group += kLanes) {
      for (int64_t o = 0; o < out.channels; ++o) {
        for (int64_t i = group; i < group + kLanes; ++i) {
          to[offset + o * gradient.stride(0) + i * gradient.stride(1)] = from[(pixel * in.channels + i) * out.channels + o];
        }
      }
    }
  }
  return gradient;
}

at::Tensor channels_last(const at::Tensor& x) {
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor images(int64_t samples, const Tiled& tiled) {
  const auto options = at::TensorOptions(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast);
  return at::empty({samples, tiled.channels, tiled.height, tiled.width}, options);
}

class Convolved : public torch::autograd::Function<Convolved> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& input, const at::Tensor& weight,
      const std::optional<at::Tensor>& bias, int64_t padding, Set set) {
    const at::Tensor x = channels_last(input);
    const auto* with = kernels(weight.size(2), set);
    const Shape shape(with, x, weight.size(2), weight.size(0), padding);
    const at::Tensor y = images(shape.samples, shape.out), filters = coordinates(shape, weight, false);
    const auto* shift = bias ? bias->const_data_ptr<float>() : nullptr;
    convolve(shape, x.const_data_ptr<float>(), filters.const_data_ptr<float>(), shift, y.data_ptr<float>());
    context->save_for_backward({x, weight});
    context->saved_data["padding"] = padding;
    context->saved_data["set"] = static_cast<int64_t>(set);
    context->saved_data["bias"] = bias.has_value();
    return y;
  }

  static torch::autograd::tensor_list backward(
      torch::autograd::AutogradContext* context, const torch::autograd::tensor_list& outputs) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], grad = channels_last(outputs[0]);
    const int64_t padding = context->saved_data["padding"].toInt(), size = weight.size(2);
    const auto* with = kernels(size, static_cast<Set>(context->saved_data["set"].toInt()));
    const auto* back = grad.const_data_ptr<float>();
    at::Tensor in, kernel, bias;
    if (context->needs_input_grad(0)) {
      const Shape shape(with, grad, size, x.size(1), size - 1 - padding);
      in = images(shape.samples, shape.out);
      const at::Tensor filters = coordinates(shape, weight, true);
      convolve(shape, back, filters.const_data_ptr<float>(), nullptr, in.data_ptr<float>());
    }
    if (context->needs_input_grad(1)) {
      const Shape shape(with, x, size, weight.size(0), padding);
      kernel = filter_gradient(shape, x.const_data_ptr<float>(), back, weight);
    }
    if (context->saved_data["bias"].toBool()) {
      const int64_t width = weight.size(0);
      const auto total = sums(grad.numel() / width, kChunk, width, [&](int64_t begin, int64_t end, float* sum) {
        add_rows(back + begin * width, sum, end - begin, width);
      });
      bias = at::empty({width}, at::kFloat);
      const auto single = [](double sum) { return static_cast<float>(sum); };
      std::transform(total.begin(), total.end(), bias.data_ptr<float>(), single);
    }
    return {in, kernel, bias, at::Tensor(), at::Tensor()};
  }

 private:
  RUNG_CLONES static void add_rows(const float* __restrict from, float* __restrict sum, int64_t rows, int64_t width) {
    for (int64_t row = 0; row < rows; ++row, from += width) {
      for (int64_t i = 0; i < width; ++i) {
        sum[i] += from[i];
      }
    }
  }
};

}  // namespace
}  // namespace winograd
}  // namespace rung

extern "C" {

bool rung_convolves(int64_t size, rung::winograd::Set set) {
  return rung::winograd::kernels(size, set) != nullptr;
}

rung::Status rung_convolve(const at::Tensor* x, const at::Tensor* weight, const at::Tensor* bias, int64_t padding,
    rung::winograd::Set set, at::Tensor** out) {
  return rung::guarded([&] {
    for (const auto* tensor : {x, weight}) {
      TORCH_CHECK(tensor->device().is_cpu() && tensor->scalar_type() == at::kFloat, "no float on the CPU");
      TORCH_CHECK(tensor->dim() == 4, "images and kernels have 4 dimensions, not ", tensor->dim());
    }
    const int64_t size = weight->size(2);
    TORCH_CHECK(rung::winograd::kernels(size, set) != nullptr && weight->size(3) == size, "no kernels of ", size, " x ",
        weight->size(3), " here");
    TORCH_CHECK(weight->is_non_overlapping_and_dense(), "the kernels are not dense");
    TORCH_CHECK(weight->size(1) == x->size(1), "the kernels do not fit the channels");
    for (const int64_t channels : {weight->size(0), weight->size(1)}) {
      TORCH_CHECK(channels > 0 && channels % rung::winograd::kLanes == 0, channels, " channels");
    }
    TORCH_CHECK(padding >= 0 && padding < size, "a padding of ", padding);
    TORCH_CHECK(std::min(x->size(2), x->size(3)) + 2 * padding >= size, "the images are smaller than a kernel");
    if (bias != nullptr) {
      rung::data<float>(*bias, "bias");
      TORCH_CHECK(bias->dim() == 1 && bias->size(0) == weight->size(0), "the bias does not fit the channels");
    }
    const auto shift = bias == nullptr ? std::nullopt : std::make_optional(*bias);
    *out = new at::Tensor(rung::winograd::Convolved::apply(*x, *weight, shift, padding, set));
  });
}

}  // extern "C"
