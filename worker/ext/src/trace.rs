//! A model as TorchScript, which PyTorch and libtorch load without Rung.

use std::{
    ffi::{CString, c_char, c_void},
    path::Path,
    ptr,
};

use tch::Tensor;

use crate::{Error, error::check, ffi};

/// One tensor of a module.
#[derive(Debug)]
pub struct Named<'a> {
    /// Its name in a state dict; dots lead into submodules.
    pub name: String,
    /// The very tensor that the pass uses.
    pub tensor: &'a Tensor,
    /// Whether it is a buffer, which is not trained.
    pub buffer: bool,
}

/// A [`Named`] as C++ reads it.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Entry {
    name: *const c_char,
    tensor: *const c_void,
    buffer: bool,
}

/// What C++ gives back when it asks for a pass.
struct Context<'a> {
    forward: &'a mut dyn FnMut(&Tensor) -> Result<Tensor, Error>,
    /// What came out, kept until the trace has ended.
    output: Option<Result<Tensor, Error>>,
}

/// Writes what `forward` does with an example as a TorchScript module in eval mode.
///
/// The module holds the named tensors under their names and takes one tensor, `pixels`. Sizes that `forward` asks a
/// tensor for become constants: it must not, where the number of samples shall stay open.
pub fn trace(
    path: &Path,
    tensors: &[Named<'_>],
    example: &Tensor,
    forward: &mut dyn FnMut(&Tensor) -> Result<Tensor, Error>,
) -> Result<(), Error> {
    let text = |text: &str| CString::new(text).map_err(|_| Error::Failed(format!("{text:?} has a NUL")));
    let path = text(&path.to_string_lossy())?;
    let names: Vec<CString> = tensors.iter().map(|named| text(&named.name)).collect::<Result<_, _>>()?;
    let entries: Vec<Entry> = tensors
        .iter()
        .zip(&names)
        .map(|(named, name)| Entry {
            name: name.as_ptr(),
            tensor: named.tensor.as_ptr().cast(),
            buffer: named.buffer,
        })
        .collect();
    let mut context = Context { forward, output: None };
    // SAFETY: texts, entries, tensors and the context live through the call, which calls back on this thread alone.
    let status = unsafe {
        let context = ptr::from_mut(&mut context).cast();
        ffi::rung_trace(path.as_ptr(), entries.as_ptr(), entries.len(), example.into(), pass, context)
    };
    match context.output {
        Some(Err(error)) => Err(error),
        _ => check(status),
    }
}

/// Passes the example on to Rust; null where it failed.
extern "C" fn pass(context: *mut c_void, input: *const c_void) -> *const c_void {
    // SAFETY: `trace` lends C++ its context for the length of the call and touches it no more until that returns.
    let context = unsafe { &mut *context.cast::<Context<'_>>() };
    // SAFETY: C++ lends a valid tensor for the length of this call; the clone counts its own reference.
    let input = unsafe { Tensor::clone_from_ptr(input.cast_mut().cast()) };
    match context.output.insert((context.forward)(&input)) {
        Ok(output) => output.as_ptr().cast(),
        Err(_) => ptr::null(),
    }
}

#[cfg(test)]
mod tests {
    use tch::{CModule, Device, Kind};

    use super::*;

    const OPTIONS: (Kind, Device) = (Kind::Float, Device::Cpu);

    #[test]
    fn a_traced_pass_takes_any_number_of_samples() {
        let folder = std::env::temp_dir().join(format!("rung-trace-{}", std::process::id()));
        let (weight, bias) = (Tensor::rand([4, 3], OPTIONS), Tensor::rand([4], OPTIONS));
        let named = [
            Named { name: "head.dense_0.weight".to_owned(), tensor: &weight, buffer: false },
            Named { name: "head.dense_0.bias".to_owned(), tensor: &bias, buffer: false },
            Named { name: "count".to_owned(), tensor: &Tensor::from(7i64), buffer: true },
        ];
        let forward = |x: &Tensor| Ok(x.f_linear(&weight, Some(&bias))?.f_relu()?);
        trace(&folder, &named, &Tensor::rand([2, 3], OPTIONS), &mut { forward }).unwrap();
        let module = CModule::load(&folder).unwrap();
        std::fs::remove_file(&folder).unwrap();
        for samples in [1, 2, 9] {
            let x = Tensor::rand([samples, 3], OPTIONS);
            assert_eq!(module.forward_ts(&[&x]).unwrap(), forward(&x).unwrap());
        }
        let mut names: Vec<String> =
            module.named_parameters().unwrap().into_iter().map(|(name, _)| name).collect();
        names.sort();
        assert_eq!(names, ["head.dense_0.bias", "head.dense_0.weight"]);
    }

    #[test]
    fn a_pass_that_fails_says_why() {
        let path = std::env::temp_dir().join("rung-trace-that-is-never-written");
        let mut forward = |x: &Tensor| Ok(x.f_reshape([5])?);
        let error = trace(&path, &[], &Tensor::rand([2, 3], OPTIONS), &mut forward).unwrap_err();
        assert!(error.to_string().contains("shape '[5]' is invalid"), "{error}");
        assert!(!path.exists());
        assert!(trace(&path, &[], &Tensor::rand([2], OPTIONS), &mut |x| Ok(x.shallow_clone())).is_ok());
        std::fs::remove_file(&path).unwrap();
    }
}
