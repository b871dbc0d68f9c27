//! PyTorch for Python, with which tests load what Rung exports.
//!
//! It goes to a folder of the user's cache that tests put on `PYTHONPATH`, so no Python installation is touched.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::failure::Failure;
use crate::libtorch::VERSION;
use crate::prerequisites;
use crate::steps::command;

/// What PyTorch imports, and what the tests use besides, with what these import.
const PACKAGES: [&str; 11] = [
    "filelock",
    "fsspec",
    "jinja2",
    "markupsafe",
    "mpmath",
    "networkx",
    "numpy",
    "safetensors",
    "setuptools",
    "sympy",
    "typing_extensions",
];

/// The two libraries of NVIDIA that libtorch calls even where no GPU is; small ones.
const CUDA_RUNTIME: [&str; 2] = ["nvidia-cuda-runtime==13.0.96", "nvidia-cuda-cupti==13.0.85"];

/// Libraries that the wheel for Linux is linked to and calls on a GPU alone: 2 GB, for which empty ones stand in.
const GPU_ONLY: [&str; 11] = [
    "libcublas.so.13",
    "libcublasLt.so.13",
    "libcudnn.so.9",
    "libcufft.so.12",
    "libcufile.so.0",
    "libcurand.so.10",
    "libcusparse.so.12",
    "libcusparseLt.so.0",
    "libnccl.so.2",
    "libnvrtc.so.13",
    "libnvshmem_host.so.3",
];

/// Python runs this before anything else: functions that the empty libraries lack are looked for when they are called,
/// not when PyTorch is loaded.
const LAZY: &str = "import os, sys\n\nsys.setdlopenflags(os.RTLD_LAZY)\n";

/// Returns the folder that has PyTorch for the machine's `python3`, filled if it is not there yet.
pub(crate) fn prepare() -> Result<PathBuf> {
    let cache = data::cache_folder()
        .ok_or_else(|| Failure::bad_input("there is no cache folder; set HOME or XDG_CACHE_HOME"))?;
    prerequisites::to_download()?;
    let folder = cache.join(format!("pytorch-{VERSION}-{}", python_tag()?));
    if !folder.exists() {
        fs::create_dir_all(&cache).with_context(|| format!("cannot create `{}`", cache.display()))?;
        // Two clones may be set up at once. The second waits, and finds the work done.
        let lock = cache.join(".setup.lock");
        let lock = File::create(&lock).with_context(|| format!("cannot create `{}`", lock.display()))?;
        lock.lock().context("cannot lock the cache folder")?;
        if !folder.exists() {
            fill(&folder)?;
        }
    }
    println!("PyTorch {VERSION}: {}", folder.display());
    Ok(folder)
}

/// Fills a folder, which gets its name when PyTorch has been imported from it.
fn fill(folder: &Path) -> Result<()> {
    // Not `with_extension`: the version has dots.
    let partial = PathBuf::from(format!("{}.partial", folder.display()));
    if partial.exists() {
        // An earlier setup was killed. The lock says that it is not at work any more.
        fs::remove_dir_all(&partial).with_context(|| format!("cannot remove `{}`", partial.display()))?;
    }
    fs::create_dir_all(&partial).with_context(|| format!("cannot create `{}`", partial.display()))?;
    println!("PyTorch: downloading {VERSION} and what it imports (0.6 GB)");
    let torch = format!("torch=={VERSION}");
    let linux = cfg!(target_os = "linux");
    let runtime: &[&str] = if linux { &CUDA_RUNTIME } else { &[] };
    install(&partial, &[&[torch.as_str()], runtime, &PACKAGES].concat())?;
    if linux {
        stand_in(&partial.join("torch/lib"))?;
    }
    fs::write(partial.join("sitecustomize.py"), LAZY).context("cannot write `sitecustomize.py`")?;
    let mut import = Command::new("python3");
    import.args(["-c", "import torch, safetensors.torch; torch.zeros(2) @ torch.zeros(2)"]);
    import.env("PYTHONPATH", &partial);
    command(import).context("PyTorch cannot be imported")?;
    fs::rename(&partial, folder).with_context(|| format!("cannot create `{}`", folder.display()))
}

/// Installs packages without their dependencies: those of PyTorch's wheel for Linux are the 2 GB.
fn install(target: &Path, packages: &[&str]) -> Result<()> {
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-cache-dir",
        "--only-binary=:all:",
    ]);
    pip.args(["--no-deps", "--quiet", "--root-user-action=ignore", "--target"]).arg(target).args(packages);
    command(pip).context("pip could not download PyTorch; see its message above")
}

/// Makes empty libraries of the names that the loader asks for.
fn stand_in(folder: &Path) -> Result<()> {
    let source = folder.join("empty.c");
    fs::write(&source, "").with_context(|| format!("cannot write `{}`", source.display()))?;
    for name in GPU_ONLY {
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", &format!("-Wl,-soname,{name}"), "-o"]);
        compiler.arg(folder.join(name)).arg(&source);
        command(compiler)?;
    }
    Ok(())
}

/// Returns what tells one Python's compiled modules from another's, such as `cpython-311`.
fn python_tag() -> Result<String> {
    let mut python = Command::new("python3");
    let output = python.args(["-c", "import sys; print(sys.implementation.cache_tag)"]).output();
    let tag = output.context("cannot run python3")?.stdout;
    Ok(String::from_utf8_lossy(&tag).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_python_has_a_folder_of_its_own() {
        let tag = python_tag().unwrap();
        assert!(!tag.is_empty() && !tag.contains(['/', ' ', '\n']), "{tag}");
    }
}
