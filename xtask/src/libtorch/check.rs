use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::wheels::VERSION;
use crate::failure::Failure;

/// Checks that a folder is a libtorch of the version that tch is made for.
pub(crate) fn check(folder: &Path) -> Result<()> {
    let path = folder.display();
    let versions = versions(folder);
    if let Some(other) = versions.iter().find(|version| *version != VERSION) {
        return Err(Failure::bad_input(format!(
            "`{path}` is libtorch {other}, but Rung builds with {VERSION} only"
        )));
    }
    let library = if cfg!(target_os = "macos") { "libtorch_cpu.dylib" } else { "libtorch_cpu.so" };
    for needed in [Path::new("lib").join(library), PathBuf::from("include/torch/csrc/api/include/torch")] {
        if !folder.join(&needed).exists() {
            return Err(Failure::bad_input(format!(
                "`{path}` is no libtorch: it has no `{}`",
                needed.display()
            )));
        }
    }
    if versions.is_empty() {
        return Err(Failure::bad_input(format!(
            "`{path}` says neither in `build-version` nor in its headers which libtorch it is"
        )));
    }
    Ok(())
}

/// Returns the versions that a libtorch gives for itself, in its archive's note and in its headers.
fn versions(folder: &Path) -> Vec<String> {
    // As in 2.13.0+cpu.
    let note = fs::read_to_string(folder.join("build-version")).ok();
    let note = note.and_then(|note| note.trim().split('+').next().map(str::to_owned));
    // The second place is that of libtorch before 2.10.
    let headers = ["include/torch/headeronly/version.h", "include/torch/csrc/api/include/torch/version.h"];
    let header = headers.iter().find_map(|header| {
        let header = fs::read_to_string(folder.join(header)).ok()?;
        let number = |part| {
            let name = format!("#define TORCH_VERSION_{part} ");
            header.lines().find_map(|line| line.strip_prefix(&name)).map(str::trim)
        };
        Some(format!("{}.{}.{}", number("MAJOR")?, number("MINOR")?, number("PATCH")?))
    });
    note.into_iter().chain(header).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with just what is looked at, by its note and by its header.
    fn libtorch(note: Option<&str>, minor: Option<u32>) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let header = folder.path().join("include/torch/headeronly");
        for path in
            [&folder.path().join("lib"), &header, &folder.path().join("include/torch/csrc/api/include/torch")]
        {
            fs::create_dir_all(path).unwrap();
        }
        for library in ["libtorch_cpu.so", "libtorch_cpu.dylib"] {
            fs::write(folder.path().join("lib").join(library), "").unwrap();
        }
        if let Some(note) = note {
            fs::write(folder.path().join("build-version"), note).unwrap();
        }
        if let Some(minor) = minor {
            let lines = [("MAJOR", 2), ("MINOR", minor), ("PATCH", 0)];
            let lines = lines.map(|(part, number)| format!("#define TORCH_VERSION_{part} {number}\n"));
            fs::write(header.join("version.h"), lines.concat()).unwrap();
        }
        folder
    }

    fn error(folder: &Path) -> String {
        check(folder).unwrap_err().to_string()
    }

    #[test]
    fn note_or_header_is_enough() {
        for (note, minor) in [(Some("2.13.0+cpu\n"), None), (None, Some(13)), (Some("2.13.0"), Some(13))] {
            check(libtorch(note, minor).path()).unwrap();
        }
    }

    #[test]
    fn another_version_is_named() {
        for (note, minor) in [(Some("2.11.0+cu128"), None), (None, Some(11)), (Some("2.13.0"), Some(11))] {
            let error = error(libtorch(note, minor).path());
            assert!(error.ends_with("is libtorch 2.11.0, but Rung builds with 2.13.0 only"), "{error}");
        }
    }

    #[test]
    fn the_compilers_word_for_a_missing_libtorch_names_this_version() {
        let header = crate::checkout::root().join("worker/ext/missing/torch/torch.h");
        let said = fs::read_to_string(header).unwrap();
        assert!(said.contains(&format!("libtorch {VERSION} not found: run `cargo xtask setup`")), "{said}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let folder = libtorch(None, None);
        assert!(error(folder.path()).contains("`build-version`"));
        fs::remove_dir_all(folder.path().join("lib")).unwrap();
        assert!(error(folder.path()).contains("it has no `lib/libtorch_cpu."));
        assert!(error(Path::new("/nowhere")).contains("`/nowhere` is no libtorch"));
    }
}
