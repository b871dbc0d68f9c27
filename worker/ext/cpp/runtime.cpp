// The state that libtorch keeps per process and per thread, set in one place.

#include "guard.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>

#include <dlfcn.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <string>

namespace rung {

static thread_local std::string last_message;

Status remember(Status status, const char* message) noexcept {
  try {
    last_message = message;
  } catch (...) {
    last_message.clear();
  }
  return status;
}

}  // namespace rung

extern "C" {

const char* rung_last_message() {
  return rung::last_message.c_str();
}

rung::Status rung_open_library(const char* name) {
  return rung::guarded([&] {
    if (dlopen(name, RTLD_NOW | RTLD_GLOBAL) == nullptr) {
      const char* reason = dlerror();
      TORCH_CHECK(false, reason == nullptr ? "it cannot be opened" : reason);
    }
  });
}

void rung_keep_memory() {
#ifdef __GLIBC__
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
#endif
}

rung::Status rung_set_threads(int32_t threads) {
  return rung::guarded([&] { at::set_num_threads(threads); });
}

int32_t rung_threads() {
  return at::get_num_threads();
}

rung::Status rung_set_flush_denormal(bool on) {
  return rung::guarded([&] {
    TORCH_CHECK(at::globalContext().setFlushDenormal(on), "this processor cannot flush denormal numbers to zero");
  });
}

rung::Status rung_set_exact() {
  return rung::guarded([&] {
    auto& context = at::globalContext();
    context.setBenchmarkCuDNN(false);
    context.setDeterministicCuDNN(true);
    context.setAllowTF32CuDNN(false);
    context.setFloat32MatmulPrecision("highest");
    // Only a warning where a device has no deterministic kernel: no bits are promised there.
    context.setDeterministicAlgorithms(true, /*warn_only=*/true);
    // Deterministic mode would fill every new tensor with NaN first.
    context.setDeterministicFillUninitializedMemory(false);
  });
}

rung::Status rung_set_precision(bool bfloat16) {
  return rung::guarded([&] {
    const auto precision = bfloat16 ? at::Float32Precision::BF16 : at::Float32Precision::IEEE;
    auto& context = at::globalContext();
    // One by one: what is set for all operations counts only where an operation has nothing of its own, and
    // `rung_set_exact` gives products something.
    for (const auto operation : {at::Float32Op::MATMUL, at::Float32Op::CONV}) {
      context.setFloat32Precision(at::Float32Backend::MKLDNN, operation, precision);
      const auto kept = context.float32Precision(at::Float32Backend::MKLDNN, operation);
      TORCH_CHECK(kept == precision, "libtorch keeps another precision than it was given");
    }
  });
}

// The version that the library itself was built as, which may differ from the headers'.
rung::Status rung_version(const char** text) {
  return rung::guarded([&] {
    static const std::string version = [] {
      const std::string config = at::show_config(), key = "TORCH_VERSION=";
      const auto start = config.find(key);
      TORCH_CHECK(start != std::string::npos, "libtorch does not say its version");
      const auto value = start + key.size();
      return config.substr(value, config.find_first_of(", \n", value) - value);
    }();
    *text = version.c_str();
  });
}

rung::Status rung_cpu_capability(const char** text) {
  return rung::guarded([&] {
    static const std::string capability = at::get_cpu_capability();
    *text = capability.c_str();
  });
}

rung::Status rung_has_mps(bool* has) {
  return rung::guarded([&] { *has = at::globalContext().hasMPS(); });
}

}  // extern "C"
