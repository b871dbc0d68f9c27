//! Brings libtorch to the user's cache folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::wheels::{self, Wheel};
use crate::failure::Failure;
use crate::prerequisites;

/// Which set of libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Those without which libtorch cannot be loaded. On macOS they have MPS too.
    Cpu,
    /// Those that a GPU of NVIDIA needs besides.
    Cuda,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }
}

/// Returns the folder of a set in the user's cache, downloaded if it is not there yet.
///
/// A folder of that name is always whole: it gets its name last.
pub(crate) fn cached(kind: Kind) -> Result<PathBuf> {
    let cache = data::cache_folder()
        .ok_or_else(|| Failure::bad_input("there is no cache folder; set HOME or XDG_CACHE_HOME"))?;
    let folder = cache.join(format!("libtorch-{}-{}", wheels::VERSION, kind.name()));
    if folder.exists() {
        return Ok(folder);
    }
    prerequisites::to_download()?;
    let platform = Platform::of_host(kind)?;

    fs::create_dir_all(&cache).with_context(|| format!("cannot create `{}`", cache.display()))?;
    // Two clones may be set up at once. The second waits, and finds the work done.
    let lock = cache.join(".setup.lock");
    let lock = File::create(&lock).with_context(|| format!("cannot create `{}`", lock.display()))?;
    lock.lock().context("cannot lock the cache folder")?;
    if folder.exists() {
        return Ok(folder);
    }

    let partial = cache.join(format!("libtorch-{}-{}.partial", wheels::VERSION, kind.name()));
    let built = build(&partial, kind, &platform);
    let built = built.and_then(|unpacked| {
        fs::rename(&unpacked, &folder).with_context(|| format!("cannot create `{}`", folder.display()))
    });
    // Half a download is of no use, and the wheels are of none any more.
    let removed = fs::remove_dir_all(&partial);
    built?;
    removed.with_context(|| format!("cannot remove `{}`", partial.display()))?;
    Ok(folder)
}

/// Downloads and unpacks a set below a folder for the purpose, and returns where it is complete.
fn build(partial: &Path, kind: Kind, platform: &Platform) -> Result<PathBuf> {
    if partial.exists() {
        // An earlier setup was killed. The lock says that it is not at work any more.
        fs::remove_dir_all(partial).with_context(|| format!("cannot remove `{}`", partial.display()))?;
    }
    let downloads = partial.join("wheels");
    fs::create_dir_all(&downloads).with_context(|| format!("cannot create `{}`", downloads.display()))?;
    download(&downloads, platform)?;

    let unpacked = partial.join("unpacked");
    let mut wheels = Vec::new();
    for wheel in fs::read_dir(&downloads).context("cannot list the downloaded wheels")? {
        wheels.push(wheel?.path());
    }
    wheels.retain(|path| path.extension().is_some_and(|extension| extension == "whl"));
    println!("libtorch: unpacking");
    let mut unpack = Command::new("python3");
    unpack.args(["-c", include_str!("unpack.py")]).arg(&unpacked).arg(kind.name()).args(wheels);
    let status = unpack.status().context("cannot run python3")?;
    if !status.success() {
        anyhow::bail!("the wheels of libtorch could not be unpacked; is the disk of the cache folder full?");
    }
    // Libtorch's own archives have this file, and torch-sys reads it.
    fs::write(unpacked.join("build-version"), wheels::VERSION).context("cannot write `build-version`")?;
    Ok(unpacked)
}

fn download(into: &Path, platform: &Platform) -> Result<()> {
    // In this form pip refuses every file whose digest is not in the table.
    let requirements: String = platform
        .wheels
        .iter()
        .map(|wheel| {
            let digests: String =
                wheel.sha256.iter().map(|digest| format!(" --hash=sha256:{digest}")).collect();
            format!("{}{digests}\n", wheel.requirement)
        })
        .collect();
    let list = into.join("requirements.txt");
    fs::write(&list, requirements).with_context(|| format!("cannot write `{}`", list.display()))?;

    println!("libtorch: downloading {} wheels", platform.wheels.len());
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]);
    // Our cache keeps what matters; pip's would keep half a gigabyte beside it.
    pip.args(["--no-cache-dir", "--require-hashes", "--implementation=cp"]);
    pip.arg(format!("--python-version={}", wheels::PYTHON));
    for tag in &platform.tags {
        pip.arg(format!("--platform={tag}"));
    }
    pip.arg("--dest").arg(into).arg("--requirement").arg(&list);
    let status = pip.status().context("cannot run python3")?;
    if !status.success() {
        anyhow::bail!(
            "pip could not download libtorch {}; see its message above, and where there is no network, bring a \
             libtorch of that version and name it with `cargo xtask setup --from DIR`",
            wheels::VERSION
        );
    }
    Ok(())
}

/// What pip is asked for on this kind of machine.
struct Platform {
    tags: Vec<String>,
    wheels: Vec<&'static Wheel>,
}

impl Platform {
    fn of_host(kind: Kind) -> Result<Self> {
        let here = (std::env::consts::OS, std::env::consts::ARCH);
        match here {
            ("linux", arch @ ("x86_64" | "aarch64")) => {
                let mut wheels = vec![&wheels::TORCH];
                wheels.extend(&wheels::LINUX);
                if kind == Kind::Cuda {
                    wheels.extend(&wheels::CUDA);
                }
                Ok(Self { tags: linux_tags(arch), wheels })
            }
            ("macos", "aarch64") if kind == Kind::Cpu => {
                Ok(Self { tags: vec!["macosx_14_0_arm64".to_owned()], wheels: vec![&wheels::TORCH] })
            }
            ("macos", "aarch64") => {
                Err(Failure::bad_input("--cuda is not for macOS, where there is no CUDA"))
            }
            (os, arch) => Err(Failure::bad_input(format!(
                "there is no libtorch {} to download for {os} on {arch}; build one and name it with --from DIR",
                wheels::VERSION
            ))),
        }
    }
}

/// Pip takes platforms by the letter, so all that a glibc of 2.28 can run are listed.
fn linux_tags(arch: &str) -> Vec<String> {
    let by_name = ["manylinux2010", "manylinux2014"].map(|name| format!("{name}_{arch}"));
    let by_glibc = (12..=28).map(|minor| format!("manylinux_2_{minor}_{arch}"));
    by_name.into_iter().chain(by_glibc).collect()
}
