// What a convolution in few multiplications does with vectors of channels.
//
// Winograd's minimal filtering after Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015), section 4:
// polynomials are multiplied by their values at points. A tile of 4 × 4 outputs of a kernel of `size` × `size` comes from
// a patch of `side` × `side` inputs, side = size + 3. Patch and kernel are each taken to side² coordinates, one for each
// pair of points; there a convolution is one product for each coordinate, tiles × channels in by channels in × channels
// out; and what comes out of these is taken back to pixels. For a kernel of 3 that is a quarter of the multiplications,
// for one of 5 a sixth. Gradients go back by the adjoints.
//
// Images lie channels last, numbers of channels are multiples of `kLanes`. Coordinate p of something begins at
// p × `stride` floats.

#pragma once

#include <cstdint>

namespace rung::winograd {

// Outputs on each side of a tile.
constexpr int64_t kTile = 4;

// What numbers of channels are multiples of.
constexpr int64_t kLanes = 16;

// Channels out that lie together in a kernel's coordinates: [channels out / kPanel][channels in][kPanel].
constexpr int64_t kPanel = 32;

// Images, and the grid of tiles over the outputs that belong to them.
struct Tiled {
  int64_t height, width, channels;
  // Tiles over an image.
  int64_t rows, columns;
  // How far a patch begins left of and above its tile.
  int64_t padding;
};

// The operations for one size of kernels and one instruction set. Bits are the same on all of them.
struct Kernels {
  // Inputs on each side of a patch.
  int64_t side;

  // Coordinates of the patches of tiles begin..end, tile by tile. What lies outside an image is zero; `zeros` are so many
  // as it has channels.
  void (*patches)(const float* x, const Tiled& tiled, const float* zeros, int64_t begin, int64_t end, float* out,
      int64_t stride);

  // Tiles begin..end from their coordinates, with the bias added where there is one.
  void (*outputs)(const float* from, int64_t stride, const float* bias, const Tiled& tiled, int64_t begin, int64_t end,
      float* y);

  // Coordinates of the gradients of tiles begin..end: the adjoint of `outputs`.
  void (*output_gradients)(const float* grad, const Tiled& tiled, const float* zeros, int64_t begin, int64_t end,
      float* out, int64_t stride);

  // Coordinates of kernels [size²][elements].
  void (*filters)(const float* from, int64_t elements, float* out, int64_t stride);

  // Gradients of kernels [size²][elements] from those of their coordinates: the adjoint of `filters`.
  void (*filter_gradients)(const float* from, int64_t stride, int64_t elements, float* out);

  // One coordinate of tiles [tiles][in] times that of kernels, in panels: [tiles][out].
  void (*product)(const float* tiles, const float* filters, int64_t count, int64_t in, int64_t out, float* to);

  // Adds the transpose of [tiles][in] times [tiles][out] to [in][out], tile by tile.
  void (*add_products)(const float* tiles, const float* grads, int64_t count, int64_t in, int64_t out, float* to);
};

// Instruction sets that there are operations for.
enum class Set : int32_t { kBest, kAvx2 };

// Those for kernels of `size` × `size`, 3 or 5; null for other sizes and where this processor lacks the set. The best that
// it has is lacking where it cannot multiply and add at once.
const Kernels* kernels(int64_t size, Set set);

// Those of one instruction set; the processor must have it.
namespace avx2 {
const Kernels* kernels(int64_t size);
}
namespace avx512 {
const Kernels* kernels(int64_t size);
}

}  // namespace rung::winograd
