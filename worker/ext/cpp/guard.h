// What every function of this folder shares: tensors come in as pointers that tch owns, exceptions stop here.

#pragma once

#include "clones.h"

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <cstdint>
#include <exception>
#include <new>
#include <string>

namespace rung {

// Answers to Rust; the message of the last failure is kept per thread.
enum Status : int32_t { kOk = 0, kFailed = 1, kOutOfMemory = 2 };

Status remember(Status status, const char* message) noexcept;

// Runs `body` and turns whatever it throws into a status: an exception must not cross into Rust.
template <typename Body>
Status guarded(Body&& body) noexcept {
  try {
    body();
    return kOk;
  } catch (const c10::OutOfMemoryError& error) {
    return remember(kOutOfMemory, error.what_without_backtrace());
  } catch (const std::bad_alloc& error) {
    return remember(kOutOfMemory, error.what());
  } catch (const c10::Error& error) {
    return remember(kFailed, error.what_without_backtrace());
  } catch (const std::exception& error) {
    return remember(kFailed, error.what());
  } catch (...) {
    return remember(kFailed, "an exception of unknown type");
  }
}

// The data of a dense CPU tensor of type T; kernels that read raw memory take no other.
template <typename T>
T* data(const at::Tensor& tensor, const char* name) {
  TORCH_CHECK(tensor.defined(), name, " is not defined");
  TORCH_CHECK(tensor.device().is_cpu(), name, " is not on the CPU");
  TORCH_CHECK(tensor.is_contiguous(), name, " is not contiguous");
  TORCH_CHECK(
      tensor.scalar_type() == c10::CppTypeToScalarType<T>::value, name, " has type ", tensor.scalar_type());
  return tensor.data_ptr<T>();
}

}  // namespace rung
