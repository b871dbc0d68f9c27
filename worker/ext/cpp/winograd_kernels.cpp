// The vectors of winograd.h, compiled once for each instruction set: `RUNG_SET` is its name.
//
// No header but that one and the intrinsics': what the linker might share with the rest of the program must not be
// compiled for this instruction set. Products are added with single rounding where `fma` says so and nowhere else, in
// an order that knows no vector's width: bits are those of every instruction set.

#include "winograd.h"

#include <immintrin.h>

namespace rung::winograd::RUNG_SET {
namespace {

#ifdef __AVX512F__
using Vector = __m512;
constexpr int64_t kWidth = 16;
constexpr int kRows = 12;  // Sums of 12 rows of two vectors, two factors: 26 of 32 registers.

inline Vector load(const float* from) { return _mm512_loadu_ps(from); }
inline void store(float* to, Vector value) { _mm512_storeu_ps(to, value); }
inline Vector all(float value) { return _mm512_set1_ps(value); }
inline Vector fma(Vector a, Vector b, Vector sum) { return _mm512_fmadd_ps(a, b, sum); }
#else
using Vector = __m256;
constexpr int64_t kWidth = 8;
constexpr int kRows = 6;  // 12 sums, two factors: 14 of 16 registers.

inline Vector load(const float* from) { return _mm256_loadu_ps(from); }
inline void store(float* to, Vector value) { _mm256_storeu_ps(to, value); }
inline Vector all(float value) { return _mm256_set1_ps(value); }
inline Vector fma(Vector a, Vector b, Vector sum) { return _mm256_fmadd_ps(a, b, sum); }
#endif

inline Vector fma(float a, Vector b, Vector sum) { return fma(all(a), b, sum); }

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// Points 0, 1, −1, 2, −2, for kernels of 5 also ½ and −½, and infinity. `to` takes a value every `step`.

// Bᵀ: values of the patch's polynomial, up to factors that the kernel's values make good.
template <int kSide>
inline void patch_values(const Vector (&d)[kSide], Vector* to, int step);

template <>
inline void patch_values<6>(const Vector (&d)[6], Vector* to, int step) {
  const Vector even_1 = fma(-4.0f, d[2], d[4]), odd_1 = fma(-4.0f, d[1], d[3]);
  const Vector even_2 = d[4] - d[2], difference = d[3] - d[1], odd_2 = difference + difference;
  to[0] = fma(4.0f, d[0], fma(-5.0f, d[2], d[4]));
  to[step] = even_1 + odd_1;
  to[2 * step] = even_1 - odd_1;
  to[3 * step] = even_2 + odd_2;
  to[4 * step] = even_2 - odd_2;
  to[5 * step] = fma(4.0f, d[1], fma(-5.0f, d[3], d[5]));
}

template <>
inline void patch_values<8>(const Vector (&d)[8], Vector* to, int step) {
  const Vector even_1 = fma(-4.25f, d[4], d[2] + d[6]), odd_1 = fma(-4.25f, d[3], d[1] + d[5]);
  const Vector even_2 = fma(0.25f, d[2], fma(-1.25f, d[4], d[6]));
  const Vector odd_2 = fma(0.5f, d[1], fma(-2.5f, d[3], d[5] + d[5]));
  const Vector even_half = fma(4.0f, d[2], fma(-5.0f, d[4], d[6]));
  const Vector odd_half = fma(0.5f, d[5], fma(-2.5f, d[3], d[1] + d[1]));
  to[0] = fma(5.25f, d[4] - d[2], d[0] - d[6]);
  to[step] = even_1 + odd_1;
  to[2 * step] = even_1 - odd_1;
  to[3 * step] = even_2 + odd_2;
  to[4 * step] = even_2 - odd_2;
  to[5 * step] = even_half + odd_half;
  to[6 * step] = even_half - odd_half;
  to[7 * step] = fma(5.25f, d[3] - d[5], d[7] - d[1]);
}

// Aᵀ: four outputs from the values of the product.
template <int kSide>
inline void outputs_of(const Vector (&m)[kSide], Vector* to, int step) {
  const Vector even_1 = m[1] + m[2], odd_1 = m[1] - m[2], even_2 = m[3] + m[4], odd_2 = m[3] - m[4];
  Vector first = m[0] + even_1 + even_2, second = fma(2.0f, odd_2, odd_1);
  Vector third = fma(4.0f, even_2, even_1), fourth = fma(8.0f, odd_2, odd_1) + m[kSide - 1];
  if constexpr (kSide == 8) {
    const Vector even_half = m[5] + m[6], odd_half = m[5] - m[6];
    first = first + even_half;
    second = fma(0.5f, odd_half, second);
    third = fma(0.25f, even_half, third);
    fourth = fma(0.125f, odd_half, fourth);
  }
  to[0] = first;
  to[step] = second;
  to[2 * step] = third;
  to[3 * step] = fourth;
}

// A: the adjoint of that.
template <int kSide>
inline void output_values(const Vector (&y)[kTile], Vector* to, int step) {
  const Vector even_1 = y[0] + y[2], odd_1 = y[1] + y[3];
  const Vector even_2 = fma(4.0f, y[2], y[0]), twice = y[1] + y[1], odd_2 = fma(8.0f, y[3], twice);
  to[0] = y[0];
  to[step] = even_1 + odd_1;
  to[2 * step] = even_1 - odd_1;
  to[3 * step] = even_2 + odd_2;
  to[4 * step] = even_2 - odd_2;
  if constexpr (kSide == 8) {
    const Vector even_half = fma(0.25f, y[2], y[0]), odd_half = fma(0.125f, y[3], all(0.5f) * y[1]);
    to[5 * step] = even_half + odd_half;
    to[6 * step] = even_half - odd_half;
  }
  to[(kSide - 1) * step] = y[3];
}

// G: for each point the factor by which values of the kernel's polynomial make good what Bᵀ leaves out, times the
// powers of the point; for infinity the last coefficient.
template <int kSide>
struct FilterMatrix {
  static constexpr int kSize = kSide - 3;
  float at[kSide][kSize];

  constexpr FilterMatrix() : at() {
    constexpr double points[] = {0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5};
    constexpr double six[] = {1.0 / 4, -1.0 / 6, -1.0 / 6, 1.0 / 24, 1.0 / 24};
    constexpr double eight[] = {1.0, -2.0 / 9, -2.0 / 9, 1.0 / 90, 1.0 / 90, 32.0 / 45, 32.0 / 45};
    for (int point = 0; point + 1 < kSide; ++point) {
      double value = kSide == 6 ? six[point] : eight[point];
      for (int power = 0; power < kSize; ++power) {
        at[point][power] = static_cast<float>(value);
        value *= points[point];
      }
    }
    at[kSide - 1][kSize - 1] = 1.0f;
  }
};

template <int kSide>
constexpr FilterMatrix<kSide> kFilter{};

// Where a tile lies.
struct Spot {
  int64_t sample, row, column;

  Spot(int64_t tile, const Tiled& tiled)
      : sample(tile / (tiled.rows * tiled.columns)),
        row(tile / tiled.columns % tiled.rows * kTile),
        column(tile % tiled.columns * kTile) {}
};

// Pixels of a patch or a tile of side × side whose upper left one is at `row` and `column`: a pointer each.
template <int kSide>
struct Pixels {
  const float* at[kSide * kSide];

  Pixels(const float* x, const Tiled& tiled, const float* zeros, int64_t sample, int64_t row, int64_t column) {
    const float* image = x + sample * tiled.height * tiled.width * tiled.channels;
    for (int64_t i = 0; i < kSide; ++i) {
      for (int64_t j = 0; j < kSide; ++j) {
        const int64_t y = row + i, z = column + j;
        const bool inside = y >= 0 && y < tiled.height && z >= 0 && z < tiled.width;
        at[i * kSide + j] = inside ? image + (y * tiled.width + z) * tiled.channels : zeros;
      }
    }
  }
};

// Coordinates of patches or of gradients of tiles, kFrom pixels on each side, by what gives the kSide values of kFrom.
template <int kSide, int kFrom, void (*values)(const Vector (&)[kFrom], Vector*, int)>
void coordinates(const float* x, const Tiled& tiled, const float* zeros, int64_t begin, int64_t end, float* out,
    int64_t stride) {
  for (int64_t tile = begin; tile < end; ++tile, out += tiled.channels) {
    const Spot spot(tile, tiled);
    const Pixels<kFrom> pixels(x, tiled, zeros, spot.sample, spot.row - tiled.padding, spot.column - tiled.padding);
    for (int64_t channel = 0; channel < tiled.channels; channel += kWidth) {
      Vector half[kSide * kFrom];
      for (int j = 0; j < kFrom; ++j) {
        Vector column[kFrom];
        for (int i = 0; i < kFrom; ++i) {
          column[i] = load(pixels.at[i * kFrom + j] + channel);
        }
        values(column, half + j, kFrom);
      }
      for (int i = 0; i < kSide; ++i) {
        Vector row[kFrom], line[kSide];
        for (int j = 0; j < kFrom; ++j) {
          row[j] = half[i * kFrom + j];
        }
        values(row, line, 1);
        for (int j = 0; j < kSide; ++j) {
          store(out + (i * kSide + j) * stride + channel, line[j]);
        }
      }
    }
  }
}

template <int kSide>
void outputs(const float* from, int64_t stride, const float* bias, const Tiled& tiled, int64_t begin, int64_t end,
    float* y) {
  for (int64_t tile = begin; tile < end; ++tile, from += tiled.channels) {
    const Spot spot(tile, tiled);
    const int64_t height = least(kTile, tiled.height - spot.row), width = least(kTile, tiled.width - spot.column);
    float* corner = y + ((spot.sample * tiled.height + spot.row) * tiled.width + spot.column) * tiled.channels;
    for (int64_t channel = 0; channel < tiled.channels; channel += kWidth) {
      const Vector shift = bias == nullptr ? all(0.0f) : load(bias + channel);
      Vector half[kTile * kSide];
      for (int j = 0; j < kSide; ++j) {
        Vector column[kSide];
        for (int i = 0; i < kSide; ++i) {
          column[i] = load(from + (i * kSide + j) * stride + channel);
        }
        outputs_of<kSide>(column, half + j, kSide);
      }
      for (int64_t i = 0; i < height; ++i) {
        Vector row[kSide], values[kTile];
        for (int j = 0; j < kSide; ++j) {
          row[j] = half[i * kSide + j];
        }
        outputs_of<kSide>(row, values, 1);
        for (int64_t j = 0; j < width; ++j) {
          store(corner + (i * tiled.width + j) * tiled.channels + channel, values[j] + shift);
        }
      }
    }
  }
}

// G g Gᵀ.
template <int kSide>
void filters(const float* from, int64_t elements, float* out, int64_t stride) {
  constexpr int kSize = kSide - 3;
  constexpr auto& matrix = kFilter<kSide>.at;
  for (int64_t element = 0; element < elements; element += kWidth) {
    Vector half[kSide * kSize];
    for (int i = 0; i < kSide; ++i) {
      for (int j = 0; j < kSize; ++j) {
        Vector sum = all(0.0f);
        for (int k = 0; k < kSize; ++k) {
          sum = fma(matrix[i][k], load(from + (k * kSize + j) * elements + element), sum);
        }
        half[i * kSize + j] = sum;
      }
    }
    for (int i = 0; i < kSide; ++i) {
      for (int j = 0; j < kSide; ++j) {
        Vector sum = all(0.0f);
        for (int k = 0; k < kSize; ++k) {
          sum = fma(matrix[j][k], half[i * kSize + k], sum);
        }
        store(out + (i * kSide + j) * stride + element, sum);
      }
    }
  }
}

// Gᵀ u G.
template <int kSide>
void filter_gradients(const float* from, int64_t stride, int64_t elements, float* out) {
  constexpr int kSize = kSide - 3;
  constexpr auto& matrix = kFilter<kSide>.at;
  for (int64_t element = 0; element < elements; element += kWidth) {
    Vector half[kSize * kSide];
    for (int i = 0; i < kSize; ++i) {
      for (int j = 0; j < kSide; ++j) {
        Vector sum = all(0.0f);
        for (int k = 0; k < kSide; ++k) {
          sum = fma(matrix[k][i], load(from + (k * kSide + j) * stride + element), sum);
        }
        half[i * kSide + j] = sum;
      }
    }
    for (int i = 0; i < kSize; ++i) {
      for (int j = 0; j < kSize; ++j) {
        Vector sum = all(0.0f);
        for (int k = 0; k < kSide; ++k) {
          sum = fma(matrix[k][j], half[i * kSide + k], sum);
        }
        store(out + (i * kSize + j) * elements + element, sum);
      }
    }
  }
}

// `kCount` rows of `kVectors` vectors each of a product, in registers. Row r of the left factor begins at a[r × row], and
// `inner` steps lead through it; what is there already is added to where `kAdd`. Loops over rows
// are unrolled, or the compiler keeps the registers in memory at first and last.
template <int kCount, int kVectors, bool kAdd>
inline void block(const float* a, int64_t row, int64_t step, const float* b, int64_t width, int64_t inner, float* to,
    int64_t to_row) {
  Vector sums[kCount][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kCount; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = kAdd ? load(to + r * to_row + v * kWidth) : all(0.0f);
    }
  }
  for (int64_t k = 0; k < inner; ++k) {
    Vector right[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      right[v] = load(b + k * width + v * kWidth);
    }
#pragma GCC unroll 16
    for (int r = 0; r < kCount; ++r) {
      const Vector left = all(a[r * row + k * step]);
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = fma(left, right[v], sums[r][v]);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kCount; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      store(to + r * to_row + v * kWidth, sums[r][v]);
    }
  }
}

// The rows of a product, some vectors wide.
template <int kVectors, bool kAdd>
inline void rows(const float* a, int64_t row, int64_t step, int64_t count, const float* b, int64_t width, int64_t inner,
    float* to, int64_t to_row) {
  int64_t r = 0;
  for (; r + kRows <= count; r += kRows) {
    block<kRows, kVectors, kAdd>(a + r * row, row, step, b, width, inner, to + r * to_row, to_row);
  }
  if constexpr (kRows > 8) {
    for (; r + 8 <= count; r += 8) {
      block<8, kVectors, kAdd>(a + r * row, row, step, b, width, inner, to + r * to_row, to_row);
    }
  }
  for (; r + 4 <= count; r += 4) {
    block<4, kVectors, kAdd>(a + r * row, row, step, b, width, inner, to + r * to_row, to_row);
  }
  for (; r < count; ++r) {
    block<1, kVectors, kAdd>(a + r * row, row, step, b, width, inner, to + r * to_row, to_row);
  }
}

// The columns first..last of a product, whose right factor's rows are `width` apart and begin at the first.
template <bool kAdd>
inline void columns(const float* a, int64_t row, int64_t step, int64_t count, const float* b, int64_t width,
    int64_t inner, float* to, int64_t to_row, int64_t first, int64_t last) {
  int64_t column = first;
  for (; column + 2 * kWidth <= last; column += 2 * kWidth) {
    rows<2, kAdd>(a, row, step, count, b + column - first, width, inner, to + column, to_row);
  }
  for (; column < last; column += kWidth) {
    rows<1, kAdd>(a, row, step, count, b + column - first, width, inner, to + column, to_row);
  }
}

void product(const float* tiles, const float* filters, int64_t count, int64_t in, int64_t out, float* to) {
  for (int64_t first = 0; first < out; first += kPanel) {
    const int64_t last = least(out, first + kPanel);
    columns<false>(tiles, in, 1, count, filters + first * in, last - first, in, to, out, first, last);
  }
}

void add_products(const float* tiles, const float* grads, int64_t count, int64_t in, int64_t out, float* to) {
  columns<true>(tiles, 1, in, in, grads, out, count, to, out, 0, out);
}

template <int kSide>
constexpr Kernels kAll{kSide, coordinates<kSide, kSide, patch_values<kSide>>, outputs<kSide>,
    coordinates<kSide, kTile, output_values<kSide>>, filters<kSide>, filter_gradients<kSide>, product, add_products};

}  // namespace

const Kernels* kernels(int64_t size) {
  return size == 3 ? &kAll<6> : size == 5 ? &kAll<8> : nullptr;
}

}  // namespace rung::winograd::RUNG_SET
