//! The folder that files go to: whether they can, what leaves it first, and how they come to be there.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use common::{
    ballot::{Ballot, Voter},
    model_file::ModelFile,
};

use super::super::failure::Failure;

/// What stands beside model.json and is of the same model.
const OF_MODEL: [&str; 3] = ["model.safetensors", "model.py", "model.pt"];

/// What stands beside ensemble.json and is of the same vote.
const OF_VOTE: [&str; 4] = ["ensemble.py", "model.pt", "ensemble.csv", "predictions.csv"];

/// Checks that files can be written to a folder, so that a wrong one is noticed before anything is trained. Creates
/// nothing.
pub(crate) fn check(folder: &Path) -> Result<(), Failure> {
    let parents =
        folder.ancestors().map(|parent| if parent == Path::new("") { Path::new(".") } else { parent });
    let existing = parents.into_iter().find(|parent| parent.exists()).unwrap_or(folder);
    tempfile::tempfile_in(existing).map(drop).map_err(|error| unwritable(folder, &error))
}

/// Checks as [`check`] does, that a folder has no file of this name (it says that the folder is an ensemble's, or that it is a
/// single model's, and beside the files of the other nobody could say which is meant), and that what it has under the names of
/// both is Rung's: other programs write a model.json, too, and would miss it.
pub(crate) fn check_apart(folder: &Path, other: &str) -> Result<(), Failure> {
    let taken = |has: String| {
        let message = format!("{} has {has}", folder.display());
        Failure::bad_input(message).help("name another folder with --out")
    };
    if folder.join(other).exists() {
        return Err(taken(format!("{other}: one folder holds a model or an ensemble, not both")));
    }
    for name in [ModelFile::NAME, Ballot::FILE] {
        let Ok(bytes) = fs::read(folder.join(name)) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let is_ours = match name {
            ModelFile::NAME => ModelFile::from_json(&text).is_ok(),
            _ => Ballot::from_json(&text).is_ok(),
        };
        if !is_ours {
            return Err(taken(format!("a {name} that is not Rung's, or of a newer Rung")));
        }
    }
    check(folder)
}

/// Makes a folder, and those above it, where they are missing.
pub(crate) fn make(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))
}

fn unwritable(folder: &Path, error: &io::Error) -> Failure {
    Failure::bad_input(format!("nothing can be written to folder {}: {error}", folder.display()))
        .help("name another folder with --out")
}

/// Takes away what another model or another vote left where files are to be written, so that files of two never stand side by
/// side, whenever the writing ends. What stands beside a model.json or ensemble.json is of the model or vote that it describes:
/// where there is none, nothing was left, and where it is there already as it will be, the rest is of the same one, in another
/// form perhaps. Both stay.
pub(crate) fn make_way(folder: &Path, files: &[(impl AsRef<Path>, Vec<u8>)]) -> Result<(), Failure> {
    // Backwards: ensemble.json is behind the members that it names, and goes before any of them.
    for (name, bytes) in files.iter().rev() {
        let path = folder.join(name);
        let beside: &[&str] = match path.file_name().and_then(OsStr::to_str) {
            Some(ModelFile::NAME) => &OF_MODEL,
            Some(Ballot::FILE) => &OF_VOTE,
            _ => continue,
        };
        let there = match fs::read(&path) {
            Ok(there) if there != *bytes => there,
            _ => continue,
        };
        leave(&path, beside)?;
        for member in members(&there) {
            let own = folder.join(member);
            leave(&own.join(ModelFile::NAME), &OF_MODEL)?;
            // It stays where something else is in it.
            drop(fs::remove_dir(own));
        }
    }
    Ok(())
}

/// Takes the model away that another study left, where this one has none.
pub(super) fn forget_model(folder: &Path) -> Result<(), Failure> {
    let path = folder.join(ModelFile::NAME);
    if path.exists() { leave(&path, &OF_MODEL) } else { Ok(()) }
}

/// Removes a file after what it describes, which is so never left without it.
fn leave(path: &Path, beside: &[&str]) -> Result<(), Failure> {
    for other in beside {
        forget(&path.with_file_name(other))?;
    }
    forget(path)
}

/// The folders of those that vote by an ensemble.json; none where it is none.
fn members(json: &[u8]) -> Vec<String> {
    let ballot: Option<Ballot> = serde_json::from_slice(json).ok();
    ballot.map_or_else(Vec::new, |ballot| ballot.voters.iter().map(|v| Voter::folder_of(v.trial)).collect())
}

/// Removes a file, if it is there.
fn forget(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Err(Failure::failed(format!("cannot remove {}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

/// Writes files into a folder, or, where their names say so, into folders below it; all are made where they are missing.
/// Each file is whole or not there, and there once those before it are.
pub(crate) fn write_all(folder: &Path, files: &[(impl AsRef<Path>, Vec<u8>)]) -> Result<(), Failure> {
    make(folder)?;
    for (name, bytes) in files {
        let path = folder.join(name);
        let own = path.parent().unwrap_or(folder);
        let write = || {
            fs::create_dir_all(own)?;
            whole(own, &path, bytes)?;
            File::open(own)?.sync_all()
        };
        write().map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display())))?;
    }
    Ok(())
}

/// Writes a file under another name, syncs it and then gives it its own.
pub(crate) fn whole(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut partial = tempfile::NamedTempFile::new_in(folder)?;
    partial.write_all(bytes)?;
    // Temporary files are their owner's alone; results are for whoever may read the folder.
    partial.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    partial.as_file().sync_all()?;
    partial.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use common::{ballot::Vote, ids::TrialNumber};

    use super::*;
    use crate::cli::failure::Code;

    /// Writes files, all with the same text, as commands do.
    fn put(folder: &Path, names: &[&str], text: &str) {
        let files: Vec<(PathBuf, Vec<u8>)> =
            names.iter().map(|name| (PathBuf::from(name), text.as_bytes().to_vec())).collect();
        make_way(folder, &files).unwrap();
        write_all(folder, &files).unwrap();
    }

    /// An ensemble.json.
    fn ballot(trials: &[u32]) -> Vec<u8> {
        let voters = trials.iter().map(|trial| Voter { trial: TrialNumber(*trial), weight: 1 }).collect();
        let ensemble = "s".parse().unwrap();
        serde_json::to_vec(&Ballot { ensemble, vote: Vote::Soft, temperature: 1.0, voters }).unwrap()
    }

    /// The files of a folder by name.
    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_that_is_a_file_is_bad_input() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(check(&file).unwrap_err().code, Code::BadInput);
        assert_eq!(check(&file.join("below")).unwrap_err().code, Code::BadInput);
        check(&folder.path().join("a/b")).unwrap();
        check(Path::new("missing-folder")).unwrap();
        assert!(!folder.path().join("a").exists() && !Path::new("missing-folder").exists());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let failure = write_all(&file.join("below"), &[("best.json", Vec::new())]).unwrap_err();
        assert_eq!(failure.code, Code::BadInput);
        assert!(failure.message.contains("file/below: "), "{}", failure.message);
    }

    #[test]
    fn a_folder_holds_a_model_or_an_ensemble() {
        let folder = tempfile::tempdir().unwrap();
        check_apart(folder.path(), Ballot::FILE).unwrap();
        fs::write(folder.path().join(Ballot::FILE), ballot(&[0])).unwrap();
        let failure = check_apart(folder.path(), Ballot::FILE).unwrap_err();
        assert_eq!(failure.code, Code::BadInput);
        assert!(failure.message.contains("has ensemble.json"), "{}", failure.message);
        check_apart(folder.path(), ModelFile::NAME).unwrap();
    }

    #[test]
    fn what_another_program_calls_a_model_is_not_written_over() {
        for (name, other) in [(ModelFile::NAME, Ballot::FILE), (Ballot::FILE, ModelFile::NAME)] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(name), r#"{"format": "layers-model"}"#).unwrap();
            let failure = check_apart(folder.path(), other).unwrap_err();
            assert_eq!(failure.code, Code::BadInput);
            assert!(failure.message.contains(&format!("has a {name} that is not")), "{}", failure.message);
        }
    }

    #[test]
    fn files_of_another_model_leave_and_other_forms_of_the_same_stay() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        put(folder.path(), &["model.safetensors", "model.py", "model.json"], "one");
        put(folder.path(), &["model.pt", "model.json"], "one");
        assert_eq!(
            names(folder.path()),
            ["model.json", "model.pt", "model.py", "model.safetensors", "notes.txt"]
        );
        put(folder.path(), &["best.json", "model.safetensors", "model.json"], "two");
        assert_eq!(names(folder.path()), ["best.json", "model.json", "model.safetensors", "notes.txt"]);
        put(folder.path(), &["trials.csv"], "three");
        assert!(folder.path().join("model.json").exists(), "tables are of no model");
        forget_model(folder.path()).unwrap();
        assert_eq!(names(folder.path()), ["best.json", "notes.txt", "trials.csv"]);
    }

    #[test]
    fn what_no_model_left_stays() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["model.py", "predictions.csv"] {
            fs::write(folder.path().join(name), "mine").unwrap();
        }
        forget_model(folder.path()).unwrap();
        put(folder.path(), &["model.safetensors", "model.json"], "one");
        put(folder.path(), &["ensemble.csv", "ensemble.json"], "one");
        for name in ["model.py", "predictions.csv"] {
            assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), "mine");
        }
    }

    #[test]
    fn members_of_another_vote_leave_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let write = |trials: &[u32]| {
            let member = |trial: &u32| (format!("member-{trial}/model.json"), trial.to_string().into_bytes());
            let mut files: Vec<_> = trials.iter().map(member).collect();
            files.push(("ensemble.json".to_owned(), ballot(trials)));
            make_way(folder.path(), &files).unwrap();
            write_all(folder.path(), &files).unwrap();
        };
        write(&[0, 1, 2]);
        fs::write(folder.path().join("member-2/notes.txt"), "mine").unwrap();
        write(&[0, 3]);
        assert_eq!(names(folder.path()), ["ensemble.json", "member-0", "member-2", "member-3"]);
        assert_eq!(names(&folder.path().join("member-2")), ["notes.txt"]);
        assert_eq!(names(&folder.path().join("member-0")), ["model.json"]);
    }

    #[test]
    fn files_of_another_vote_leave_and_so_do_those_of_its_members() {
        let folder = tempfile::tempdir().unwrap();
        let member = folder.path().join("member-0");
        put(&member, &["model.safetensors", "model.py", "model.json"], "one");
        put(folder.path(), &["ensemble.py", "predictions.csv", "ensemble.json"], "one");
        put(folder.path(), &["member-0/model.json", "model.pt", "ensemble.json"], "one");
        let all = ["ensemble.json", "ensemble.py", "member-0", "model.pt", "predictions.csv"];
        assert_eq!(names(folder.path()), all);
        assert_eq!(names(&member), ["model.json", "model.py", "model.safetensors"]);
        put(folder.path(), &["member-0/model.safetensors", "member-0/model.json", "ensemble.json"], "two");
        assert_eq!(names(folder.path()), ["ensemble.json", "member-0"]);
        assert_eq!(names(&member), ["model.json", "model.safetensors"]);
    }

    #[test]
    fn files_appear_whole_and_readable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.json");
        whole(folder.path(), &path, b"{}\n").unwrap();
        whole(folder.path(), &path, b"{1}\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"{1}\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
