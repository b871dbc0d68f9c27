//! Compiles the C++ part against the libtorch that torch-sys found, if it is of the version that tch binds.
//!
//! torch-sys is compiled before this script can run. Where it finds no libtorch at all, `missing/torch/torch.h` says
//! what to do; of another version than the lock file's tch it may well compile, and fail when it runs.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::exit,
};

const SOURCES: [&str; 10] = [
    "cpp/augment.cpp",
    "cpp/batch.cpp",
    "cpp/dense.cpp",
    "cpp/norm.cpp",
    "cpp/norm_rows.cpp",
    "cpp/optim.cpp",
    "cpp/philox.cpp",
    "cpp/runtime.cpp",
    "cpp/trace.cpp",
    "cpp/winograd.cpp",
];

const HEADERS: [&str; 6] =
    ["cpp/clones.h", "cpp/guard.h", "cpp/norm_rows.h", "cpp/philox.h", "cpp/sums.h", "cpp/winograd.h"];

/// What is compiled once for each of these instruction sets, under its name.
const KERNELS: &str = "cpp/winograd_kernels.cpp";
const SETS: [(&str, &[&str]); 2] =
    [("avx2", &["-mavx2", "-mfma"]), ("avx512", &["-mavx512f", "-mfma", "-mprefer-vector-width=512"])];

fn main() {
    for file in SOURCES.iter().chain(&HEADERS).chain(&[KERNELS, "build.rs"]) {
        println!("cargo:rerun-if-changed={file}");
    }
    println!("cargo:rerun-if-env-changed=LIBTORCH");

    let expected = libtorch_version(&locked_tch_version());
    let libtorch = match found().and_then(|folder| check(&folder, &expected).map(|()| folder)) {
        Ok(libtorch) => libtorch,
        Err(reason) => {
            eprintln!("libtorch {expected} not found ({reason}): run `cargo xtask setup`");
            exit(1);
        }
    };
    println!("cargo:rustc-env=RUNG_LIBTORCH_VERSION={expected}");
    compile(&libtorch);

    // Tests of this package run from the build tree.
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", libtorch.join("lib").display());
}

/// The folder whose libraries torch-sys links.
fn found() -> Result<PathBuf, String> {
    let library = env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from);
    library
        .as_deref()
        .and_then(Path::parent)
        .map(Path::to_path_buf)
        .ok_or_else(|| "torch-sys names none".to_owned())
}

/// The version of tch in the workspace's lock file.
fn locked_tch_version() -> String {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let lock = here.ancestors().map(|folder| folder.join("Cargo.lock")).find(|path| path.exists());
    let text = lock.and_then(|path| {
        println!("cargo:rerun-if-changed={}", path.display());
        fs::read_to_string(path).ok()
    });
    let text = text.unwrap_or_default();
    let mut lines = text.lines().skip_while(|line| *line != "name = \"tch\"");
    let version = lines.nth(1).and_then(|line| line.strip_prefix("version = \"")).unwrap_or("0.26.0\"");
    version.trim_end_matches('"').to_owned()
}

/// The libtorch that a version of tch binds: tch 0.24 is for 2.11, 0.26 for 2.13.
fn libtorch_version(tch: &str) -> String {
    let minor = tch.split('.').nth(1).and_then(|part| part.parse::<u32>().ok()).unwrap_or(26);
    format!("2.{}.0", minor.saturating_sub(13))
}

/// Whether a folder holds the headers and libraries of the expected version; the reason where not.
fn check(libtorch: &Path, expected: &str) -> Result<(), String> {
    let headers = ["include/torch/headeronly/version.h", "include/torch/csrc/api/include/torch/version.h"]
        .map(|header| fs::read_to_string(libtorch.join(header)).unwrap_or_default())
        .join("\n");
    let part = |name: &str| {
        let key = format!("#define TORCH_VERSION_{name} ");
        headers.lines().find_map(|line| line.strip_prefix(&key)).map(str::trim)
    };
    let (Some(major), Some(minor), Some(patch)) = (part("MAJOR"), part("MINOR"), part("PATCH")) else {
        return Err(format!("{} holds no libtorch headers", libtorch.display()));
    };
    let version = format!("{major}.{minor}.{patch}");
    if version != expected {
        return Err(format!("{} holds {version}", libtorch.display()));
    }
    let library = if cfg!(target_os = "macos") { "lib/libtorch_cpu.dylib" } else { "lib/libtorch_cpu.so" };
    if !libtorch.join(library).exists() {
        return Err(format!("{} has no {library}", libtorch.display()));
    }
    Ok(())
}

fn compile(libtorch: &Path) {
    let include = libtorch.join("include");
    let mut build = compiler();
    build
        // libtorch's own headers are not ours to mend.
        .flag(format!("-isystem{}", include.display()))
        .flag(format!("-isystem{}", include.join("torch/csrc/api/include").display()))
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        .files(SOURCES);
    // libtorch's thread pool on Linux is OpenMP's; without the flag these kernels use one thread.
    if cfg!(target_os = "linux") && build.get_compiler().is_like_gnu() {
        build.flag("-fopenmp");
    }
    // Its intrinsics are those of one family of processors.
    let has_sets = cfg!(target_arch = "x86_64");
    if has_sets {
        build.define("RUNG_WINOGRAD", None);
    }
    build.compile("rung_ext");
    for (set, flags) in SETS.iter().filter(|_| has_sets) {
        compiler()
            .flags(flags.iter())
            .define("RUNG_SET", *set)
            .file(KERNELS)
            .compile(&format!("rung_ext_{set}"));
    }
    println!("cargo:rustc-link-lib=torch_cpu");
    println!("cargo:rustc-link-lib=c10");
}

/// What everything is compiled with.
fn compiler() -> cc::Build {
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .std("c++17")
        .opt_level(3)
        .warnings(false)
        .flag("-Wall")
        .flag("-Wextra")
        // Equal bits from every instruction set.
        .flag("-ffp-contract=off")
        // Nobody reads `errno` or traps; without these, roots and comparisons are not vectorised.
        .flag("-fno-math-errno")
        .flag("-fno-trapping-math");
    build
}
