//! Safetensors files: written whole or not at all, read with suspicion.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::Path,
};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::{trainer::TrainError, whole};

/// Largest header that is read whatever the model: a hundred layers need a hundredth of it.
const MOST_HEADER: u64 = 1 << 20;

/// Most bytes of a header that one tensor needs beside its name.
const HEADER_OF_TENSOR: u64 = 256;

/// One tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    /// The elements, row by row, little-endian; empty in what a reader wants.
    pub(super) bytes: Vec<u8>,
}

impl Entry {
    /// A tensor without its elements.
    pub(super) fn new(name: impl Into<String>, dtype: Dtype, shape: &[i64]) -> Self {
        let shape = shape.iter().map(|side| usize::try_from(*side).unwrap_or(0)).collect();
        Self { name: name.into(), dtype, shape, bytes: Vec::new() }
    }

    /// This tensor with elements.
    #[must_use]
    pub(super) fn holding(self, bytes: Vec<u8>) -> Self {
        Self { bytes, ..self }
    }

    /// Bytes of the elements.
    fn size(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.bitsize() / 8
    }
}

/// Writes a file under a temporary name, syncs it and gives it its name: whoever sees the name sees all of it.
///
/// The bytes depend on the entries alone: tensors are sorted and no time is noted.
pub(super) fn write(path: &Path, entries: &[Entry]) -> Result<(), TrainError> {
    let failed = |error: String| TrainError::Other(format!("cannot write {}: {error}", path.display()));
    let mut views = Vec::new();
    for entry in entries {
        let view = TensorView::new(entry.dtype, entry.shape.clone(), &entry.bytes);
        views.push((&entry.name, view.map_err(|e| failed(e.to_string()))?));
    }
    // Readers in Python look for this key; more than one would be written in random order.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| failed(e.to_string()))?;
    whole::write(path, &bytes)
        .map_err(|error| TrainError::Machine(format!("cannot write {}: {error}", path.display())))
}

/// Reads the wanted tensors' elements, in the order in which they are wanted.
///
/// Refuses a file that holds anything else than exactly these names, types and shapes.
pub(super) fn read(path: &Path, wanted: &[Entry]) -> Result<Vec<Vec<u8>>, TrainError> {
    let bad = |reason: String| TrainError::Checkpoint(format!("{}: {reason}", path.display()));
    let data: usize = wanted.iter().map(Entry::size).sum();
    let unreadable =
        |error: io::Error| TrainError::Machine(format!("cannot read {}: {error}", path.display()));
    let needed: u64 = wanted.iter().map(|entry| HEADER_OF_TENSOR + entry.name.len() as u64).sum();
    let most_header = MOST_HEADER.max(needed);
    let size = fs::metadata(path).map_err(unreadable)?.len();
    let most = data as u64 + most_header + 8;
    if size > most {
        return Err(bad(format!("the file has {size} bytes, more than the {most} that the model can need")));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    let header = bytes.first_chunk::<8>().map_or(0, |length| u64::from_le_bytes(*length));
    if header > most_header {
        return Err(bad(format!("its header claims {header} bytes")));
    }
    let file = SafeTensors::deserialize(&bytes).map_err(|e| bad(e.to_string()))?;
    let mut views: BTreeMap<String, TensorView<'_>> = file.tensors().into_iter().collect();
    let found = wanted
        .iter()
        .map(|entry| {
            let view =
                views.remove(&entry.name).ok_or_else(|| bad(format!("`{}` is missing", entry.name)))?;
            if (view.dtype(), view.shape()) != (entry.dtype, &entry.shape) {
                let (dtype, shape) = (view.dtype(), view.shape());
                let (name, want) = (&entry.name, (entry.dtype, &entry.shape));
                return Err(bad(format!("`{name}` is {dtype:?} {shape:?}, not {:?} {:?}", want.0, want.1)));
            }
            Ok(view.data().to_vec())
        })
        .collect::<Result<_, _>>()?;
    match views.keys().next() {
        Some(name) => Err(bad(format!("`{name}` is no tensor of this model"))),
        None => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        vec![
            Entry::new("b", Dtype::F32, &[2]).holding(vec![1, 2, 3, 4, 5, 6, 7, 8]),
            Entry::new("a", Dtype::I64, &[]).holding(vec![9; 8]),
        ]
    }

    #[test]
    fn what_was_written_is_read_and_bytes_do_not_depend_on_order() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let mut entries = entries();
        write(&one, &entries).unwrap();
        assert_eq!(read(&one, &entries).unwrap(), [entries[0].bytes.clone(), entries[1].bytes.clone()]);
        entries.reverse();
        write(&two, &entries).unwrap();
        assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "a temporary file is left");
    }

    #[test]
    fn a_file_that_is_not_as_wanted_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, &entries()).unwrap();
        let message = |wanted: &[Entry]| match read(&path, wanted) {
            Err(TrainError::Checkpoint(message)) => message,
            other => panic!("{other:?}"),
        };
        let [b, a] = entries().try_into().unwrap();
        assert!(message(std::slice::from_ref(&a)).ends_with("`b` is no tensor of this model"));
        let other = Entry::new("c", Dtype::F32, &[1]);
        assert!(message(&[a.clone(), b, other]).ends_with("`c` is missing"));
        let long = Entry::new("b", Dtype::F32, &[3]);
        assert!(message(&[a, long]).ends_with("`b` is F32 [2], not F32 [3]"));
    }

    #[test]
    fn thousands_of_tensors_are_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let name = |at: usize| format!("average.stage_{at}.block_{at}.normalisation.running_variance");
        let wanted: Vec<Entry> =
            (0..9000).map(|at| Entry::new(name(at), Dtype::F32, &[1, 1, 1, 1])).collect();
        let held: Vec<Entry> = wanted.iter().map(|entry| entry.clone().holding(vec![0; 4])).collect();
        write(&path, &held).unwrap();
        assert!(fs::metadata(&path).unwrap().len() > 1 << 20);
        assert_eq!(read(&path, &wanted).unwrap().len(), 9000);
    }

    #[test]
    fn a_corrupted_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, &entries()).unwrap();
        let whole = fs::read(&path).unwrap();
        let mut claims = whole.clone();
        claims[..8].copy_from_slice(&(2u64 << 20).to_le_bytes());
        let padded = [whole.clone(), vec![0; 3]].concat();
        let huge = vec![0; (MOST_HEADER + 100) as usize];
        for bytes in [&whole[..whole.len() - 1], &whole[..5], &claims, &padded, &huge, &[]] {
            fs::write(&path, bytes).unwrap();
            assert!(matches!(read(&path, &entries()), Err(TrainError::Checkpoint(_))), "{}", bytes.len());
        }
        assert!(matches!(read(&folder.path().join("none"), &[]), Err(TrainError::Machine(_))));
    }
}
