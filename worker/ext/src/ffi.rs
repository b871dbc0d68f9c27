//! The C++ functions of this package, as C sees them.

use std::ffi::{c_char, c_void};

use tch::Tensor;

use crate::{
    augment::Change,
    batch::BatchSums,
    conv::Set,
    mask::Mask,
    norm::Norm,
    optim::{Adam, RmsProp, Sgd},
    trace::Entry,
};

pub(crate) const OK: i32 = 0;
pub(crate) const OUT_OF_MEMORY: i32 = 2;

/// A `const at::Tensor*` that a [`Tensor`] owns.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Handle(#[allow(dead_code, reason = "C++ reads it")] *const c_void);

impl From<&Tensor> for Handle {
    fn from(tensor: &Tensor) -> Self {
        Self(tensor.as_ptr().cast())
    }
}

/// A pass that C++ asks for: what [`rung_trace`] was given for it, and the input; null where it failed.
pub(crate) type Forward = extern "C" fn(*mut c_void, *const c_void) -> *const c_void;

unsafe extern "C" {
    pub(crate) fn rung_last_message() -> *const c_char;
    pub(crate) fn rung_open_library(name: *const c_char) -> i32;
    pub(crate) fn rung_keep_memory();
    pub(crate) fn rung_set_threads(threads: i32) -> i32;
    pub(crate) fn rung_threads() -> i32;
    pub(crate) fn rung_set_flush_denormal(on: bool) -> i32;
    pub(crate) fn rung_set_exact() -> i32;
    pub(crate) fn rung_version(text: *mut *const c_char) -> i32;
    pub(crate) fn rung_cpu_capability(text: *mut *const c_char) -> i32;
    pub(crate) fn rung_has_mps(has: *mut bool) -> i32;
    pub(crate) fn rung_gather(images: Handle, index: Handle, out: Handle) -> i32;
    pub(crate) fn rung_cross_entropy(
        logits: Handle,
        labels: Handle,
        grad: Handle,
        bias_grad: Handle,
        spread: f64,
        sums: *mut BatchSums,
    ) -> i32;
    pub(crate) fn rung_mask(out: Handle, mask: *const Mask) -> i32;
    pub(crate) fn rung_activate(sum: Handle, bias: Handle, mask: *const Mask) -> i32;
    pub(crate) fn rung_activate_backward(
        grad: Handle,
        activation: Handle,
        scale: f32,
        bias_grad: Handle,
    ) -> i32;
    pub(crate) fn rung_norm(
        x: Handle,
        weight: Handle,
        bias: Handle,
        mean: Handle,
        variance: Handle,
        norm: *const Norm,
        out: *mut *mut c_void,
    ) -> i32;
    pub(crate) fn rung_convolves(size: i64, set: Set) -> bool;
    pub(crate) fn rung_convolve(
        x: Handle,
        weight: Handle,
        bias: *const c_void,
        padding: i64,
        set: Set,
        out: *mut *mut c_void,
    ) -> i32;
    pub(crate) fn rung_bind_grad(param: Handle, grad: Handle) -> i32;
    pub(crate) fn rung_adam(
        param: Handle,
        grad: Handle,
        exp_avg: Handle,
        exp_avg_sq: Handle,
        step: u64,
        rule: *const Adam,
    ) -> i32;
    pub(crate) fn rung_sgd(param: Handle, grad: Handle, buffer: Handle, rule: *const Sgd) -> i32;
    pub(crate) fn rung_rmsprop(param: Handle, grad: Handle, square_avg: Handle, rule: *const RmsProp) -> i32;
    pub(crate) fn rung_augment(
        images: Handle,
        out: Handle,
        channels_height_width: *const i64,
        changes: *const Change,
        count: i64,
        stream: *const Mask,
    ) -> i32;
    pub(crate) fn rung_set_precision(bfloat16: bool) -> i32;
    pub(crate) fn rung_trace(
        path: *const c_char,
        entries: *const Entry,
        count: usize,
        example: Handle,
        forward: Forward,
        context: *mut c_void,
    ) -> i32;
}
