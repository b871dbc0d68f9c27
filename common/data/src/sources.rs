use std::path::{Path, PathBuf};
use std::{env, fs, io};

use crate::DataError;
use crate::catalog::{self, Entry};

/// The folders where data sets may lie, in the order in which they are looked at.
///
/// Whether a file is the right one is decided by its digest alone, so the order never changes what is trained on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    given: Option<PathBuf>,
    shared: Vec<PathBuf>,
}

impl Sources {
    /// Returns the folders of this process's environment.
    ///
    /// They are `$RUNG_DATA`; `rung` in the user's data folder and in the user's cache folder, where `cargo xtask
    /// setup` puts data; and `/usr/share/datasets`, where Debian's packages put it.
    pub fn from_env() -> Self {
        let data = user_folder("XDG_DATA_HOME", ".local/share").map(|home| home.join("rung"));
        let shared = [data, cache_folder(), Some(PathBuf::from("/usr/share/datasets"))];
        Self {
            given: env::var_os("RUNG_DATA").filter(|value| !value.is_empty()).map(PathBuf::from),
            shared: shared.into_iter().flatten().collect(),
        }
    }

    /// Returns no folder at all, so that a folder put before is the only one.
    pub fn nowhere() -> Self {
        Self { given: None, shared: Vec::new() }
    }

    /// Puts a folder before all others, in the place of `$RUNG_DATA`.
    pub fn with_folder(self, folder: impl Into<PathBuf>) -> Self {
        Self { given: Some(folder.into()), ..self }
    }

    /// Says what is wrong with a folder that somebody names for data sets: it must be there, since nothing is ever
    /// fetched into it.
    pub fn check_given(folder: &Path) -> Result<(), String> {
        let name = folder.display();
        match fs::metadata(folder) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(format!("`{name}` is no folder: name the folder that the data sets' files lie in")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!(
                "the folder `{name}` is not there, and nothing would bring data sets into it: name the folder that has \
                 them, or none, so that the user's and the system's are searched"
            )),
            Err(error) => Err(format!("the folder `{name}` cannot be used: {error}")),
        }
    }

    /// Returns the folders in which the data set of that name is looked for.
    ///
    /// A given folder may have the files themselves or a folder of the data set's name.
    pub fn folders(&self, name: &str) -> Vec<PathBuf> {
        let given = self.given.iter().flat_map(|folder| [folder.clone(), folder.join(name)]);
        given.chain(self.shared.iter().map(|folder| folder.join(name))).collect()
    }

    /// Returns the first folder that has all files of the data set, without reading them.
    pub fn locate(&self, name: &str) -> Result<PathBuf, DataError> {
        self.locate_entry(&catalog::entry(name)?)
    }

    pub(crate) fn locate_entry(&self, entry: &Entry) -> Result<PathBuf, DataError> {
        let folders = self.folders(entry.name);
        let mut incomplete = None;
        for folder in &folders {
            let missing = missing_files(entry, folder)?;
            if missing.is_empty() {
                return Ok(folder.clone());
            }
            if missing.len() < entry.files().len() {
                incomplete = incomplete.or_else(|| missing.into_iter().next());
            }
        }
        let name = entry.name.to_owned();
        Err(match incomplete {
            Some(missing) => DataError::Incomplete { name, missing },
            None => DataError::NotFound { name, folders },
        })
    }
}

/// Returns `rung` in the user's cache folder, or nothing for a user without a home.
pub fn cache_folder() -> Option<PathBuf> {
    user_folder("XDG_CACHE_HOME", ".cache").map(|home| home.join("rung"))
}

fn missing_files(entry: &Entry, folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut missing = Vec::new();
    for file in entry.files() {
        let path = folder.join(file.name);
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => missing.push(path),
            Err(source) => return Err(DataError::Unreadable { path, source }),
        }
    }
    Ok(missing)
}

/// The XDG rules: a variable counts only when it is an absolute path.
fn user_folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    let named = env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    named.or_else(|| env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(below_home)))
}

#[cfg(test)]
mod tests {
    use super::Sources;
    use crate::fixture::{Fixture, only};
    use std::fs;

    #[test]
    fn nothing_anywhere_names_every_folder_and_the_command() {
        let empty = tempfile::tempdir().unwrap();
        let sources = only(empty.path());
        let message = sources.locate("fashion-mnist").unwrap_err().to_string();
        for folder in sources.folders("fashion-mnist") {
            assert!(message.contains(&format!("`{}`", folder.display())), "{message}");
        }
        assert!(message.contains("cargo xtask setup") && message.contains("RUNG_DATA"), "{message}");
    }

    #[test]
    fn a_folder_that_is_named_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Sources::check_given(folder.path()), Ok(()));
        let none = Sources::check_given(&folder.path().join("none")).unwrap_err();
        assert!(none.contains("none` is not there"), "{none}");
        let file = folder.path().join("file");
        fs::write(&file, b"").unwrap();
        let said = Sources::check_given(&file).unwrap_err();
        assert!(said.contains("file` is no folder"), "{said}");
        assert!(Sources::check_given(&file.join("below")).is_err());
    }

    #[test]
    fn a_given_folder_may_hold_the_files_or_a_folder_of_that_name() {
        let fixture = Fixture::new();
        assert_eq!(fixture.sources().locate_entry(&fixture.entry).unwrap(), fixture.folder());
        let parent = tempfile::tempdir().unwrap();
        let below = parent.path().join(fixture.entry.name);
        fs::create_dir(&below).unwrap();
        for file in fixture.entry.files() {
            fs::copy(fixture.path(file), below.join(file.name)).unwrap();
        }
        assert_eq!(only(parent.path()).locate_entry(&fixture.entry).unwrap(), below);
    }

    #[test]
    fn a_folder_with_some_of_the_files_is_named_only_when_no_other_has_all() {
        let fixture = Fixture::new();
        let partial = tempfile::tempdir().unwrap();
        fs::copy(fixture.path(&fixture.entry.train_images), partial.path().join("train-images.gz")).unwrap();
        let error = only(partial.path()).locate_entry(&fixture.entry).unwrap_err();
        let missing = partial.path().join("train-labels.gz");
        assert!(error.to_string().contains(&format!("`{}` is missing", missing.display())), "{error}");

        let named = partial.path().join(fixture.entry.name);
        std::os::unix::fs::symlink(fixture.folder(), &named).unwrap();
        assert_eq!(only(partial.path()).locate_entry(&fixture.entry).unwrap(), named);
    }
}
