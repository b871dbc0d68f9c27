// A model as TorchScript: what a pass over an example does, with the model's tensors under their names.

#include "guard.h"

#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/frontend/tracer.h>

#include <string>
#include <utility>
#include <vector>

namespace rung {
namespace {

// A tensor of the module; buffers are not trained.
struct Named {
  const char* name;
  const at::Tensor* tensor;
  bool buffer;
};

// Passes a batch through the layers; null where that failed. What it answers stays Rust's.
using Forward = const at::Tensor* (*)(void* context, const at::Tensor* input);

torch::jit::Module module_of(const std::shared_ptr<torch::jit::CompilationUnit>& unit, const std::string& name) {
  torch::jit::Module module(c10::QualifiedName("__torch__." + name), unit, /*shouldMangle=*/true);
  module.register_attribute("training", c10::BoolType::get(), false);
  return module;
}

// The submodule of that name, made where it is missing.
torch::jit::Module child(const torch::jit::Module& parent, const std::string& name) {
  if (parent.hasattr(name)) {
    return parent.attr(name).toModule();
  }
  auto module = module_of(parent._ivalue()->compilation_unit(), name);
  auto owner = parent;
  owner.register_module(name, module);
  return module;
}

// Puts `a.b.weight` into the submodule `b` of the submodule `a`.
void place(torch::jit::Module module, const Named& entry) {
  std::string rest = entry.name;
  for (auto dot = rest.find('.'); dot != std::string::npos; dot = rest.find('.')) {
    module = child(module, rest.substr(0, dot));
    rest = rest.substr(dot + 1);
  }
  module.register_parameter(rest, *entry.tensor, entry.buffer);
}

}  // namespace
}  // namespace rung

extern "C" {

rung::Status rung_trace(
    const char* path, const rung::Named* entries, size_t count, const at::Tensor* example, rung::Forward forward,
    void* context) {
  return rung::guarded([&] {
    auto module = rung::module_of(std::make_shared<torch::jit::CompilationUnit>(), "Model");
    for (size_t i = 0; i < count; ++i) {
      rung::place(module, entries[i]);
    }
    auto pass = [&](torch::jit::Stack inputs) -> torch::jit::Stack {
      const at::Tensor input = inputs.at(0).toTensor();
      const at::Tensor* output = forward(context, &input);
      TORCH_CHECK(output != nullptr, "the example did not pass");
      return {*output};
    };
    auto nameless = [](const at::Tensor&) { return std::string(); };
    auto traced = torch::jit::tracer::trace({*example}, pass, nameless, true, false, &module, {"pixels"});
    auto name = c10::QualifiedName(*module.type()->name(), "forward");
    auto* method = module._ivalue()->compilation_unit()->create_function(name, traced.first->graph);
    module.type()->addMethod(method);
    module.save(path);
  });
}

}  // extern "C"
