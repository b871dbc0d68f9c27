//! Makes `third_party/libtorch` a link to a libtorch of the right version.

mod check;

mod download;

mod wheels;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use self::check::check;
use self::download::Kind;
pub(crate) use self::wheels::VERSION;
use crate::checkout;
use crate::failure::Failure;

/// Which libtorch the checkout shall use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The one it has, else the one for the CPU.
    Kept,
    /// The one with CUDA.
    Cuda,
    /// One that is on this machine already.
    From(PathBuf),
}

/// Sees to it that cargo builds with a libtorch of the right version.
pub(crate) fn prepare(choice: &Choice) -> Result<()> {
    let link = checkout::libtorch_link();
    if let Some(own) = checkout::own_libtorch() {
        return keep_variable(&own, choice);
    }
    let folder = match choice {
        Choice::Kept => match kept(&link)? {
            Some(folder) => folder,
            None => download::cached(Kind::Cpu)?,
        },
        Choice::Cuda => download::cached(Kind::Cuda)?,
        Choice::From(folder) => {
            check(folder)?;
            folder.canonicalize().with_context(|| format!("cannot resolve `{}`", folder.display()))?
        }
    };
    check(&folder)?;
    point(&link, &folder)?;
    report(&folder);
    Ok(())
}

/// Leaves it at what the variable names, if that will do.
fn keep_variable(own: &Path, choice: &Choice) -> Result<()> {
    let advice = "the variable LIBTORCH names it; unset that to use third_party/libtorch";
    if *choice != Choice::Kept {
        return Err(Failure::bad_input(format!(
            "cargo would use `{}` all the same: {advice}",
            own.display()
        )));
    }
    check(own).map_err(|error| Failure::bad_input(format!("{error}; {advice}")))?;
    report(own);
    Ok(())
}

fn report(folder: &Path) {
    println!("libtorch {VERSION}: {}", folder.display());
}

/// Returns where the link leads, if that can stay.
fn kept(link: &Path) -> Result<Option<PathBuf>> {
    // What does not resolve is not there, or led into a cache that was emptied.
    let Ok(folder) = link.canonicalize() else {
        return Ok(None);
    };
    match check(&folder) {
        Ok(()) => Ok(Some(folder)),
        // Our own of an earlier version is replaced in silence, somebody's choice is not.
        Err(_) if data::cache_folder().is_some_and(|cache| folder.starts_with(cache)) => Ok(None),
        Err(error) => Err(Failure::bad_input(format!(
            "{error}; remove `{}` to get Rung's own, or name another with `cargo xtask setup --from DIR`",
            link.display()
        ))),
    }
}

/// Makes the link lead to a folder, unless it does already.
fn point(link: &Path, folder: &Path) -> Result<()> {
    if link.canonicalize().is_ok_and(|target| target == *folder) {
        return Ok(());
    }
    if link.is_dir() && !link.is_symlink() {
        return Err(Failure::bad_input(format!(
            "`{}` is a folder and not a link; move it away, and use it with `cargo xtask setup --from DIR`",
            link.display()
        )));
    }
    let parent = link.parent().context("the checkout has no folder")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot create `{}`", parent.display()))?;
    // Renaming replaces the old link in one go, so that a build at work never sees none.
    let fresh = parent.join(format!(".libtorch-{}", std::process::id()));
    symlink(folder, &fresh)
        .and_then(|()| fs::rename(&fresh, link))
        .with_context(|| format!("cannot link `{}` to `{}`", link.display(), folder.display()))
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn symlink(_: &Path, _: &Path) -> std::io::Result<()> {
    Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "links are for Linux and macOS"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_made_and_moved_but_a_folder_stays() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let checkout = tempfile::tempdir().unwrap();
        let link = checkout.path().join("third_party/libtorch");
        for target in [&first, &second, &second] {
            point(&link, target.path()).unwrap();
            assert_eq!(link.canonicalize().unwrap(), target.path().canonicalize().unwrap());
        }
        fs::remove_file(&link).unwrap();
        fs::create_dir(&link).unwrap();
        assert!(point(&link, first.path()).unwrap_err().to_string().contains("is a folder and not a link"));
    }
}
