mod folders;

mod tables;

use std::fs;

use safetensors::{Dtype, tensor::TensorView};
use tempfile::TempDir;

use super::*;
use crate::fixture::{gzip, images, labels as label_file};

fn reading(format: Format) -> Reading {
    Reading { format, label: "label".to_owned(), classes: None, test_share: None, seed: None }
}

fn problem(path: &Path, reading: &Reading) -> String {
    read("mine", path, reading).unwrap_err().to_string()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Two training images and one test image of 2 × 2 pixels, plain and gzip.
fn idx_files(folder: &Path, train_labels: &[u8], test_labels: &[u8]) {
    let put = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).unwrap();
    put("train-images-idx3-ubyte", &images([2, 2, 2], &[1, 2, 3, 4, 5, 6, 7, 8]));
    put("train-labels-idx1-ubyte.gz", &gzip(&label_file(train_labels), 6));
    put("t10k-images-idx3-ubyte.gz", &gzip(&images([1, 2, 2], &[9; 4]), 6));
    put("t10k-labels-idx1-ubyte", &label_file(test_labels));
}

#[test]
fn idx_files_are_read_plain_and_compressed() {
    let folder = folder();
    idx_files(folder.path(), &[1, 0], &[1]);
    let Packed { dataset, bytes } = read("mine", folder.path(), &reading(Format::Idx)).unwrap();
    assert_eq!(dataset.train, Samples::images([2, 1, 2, 2], (1..9).collect(), vec![1, 0]));
    assert_eq!(dataset.test, Samples::images([1, 1, 2, 2], vec![9; 4], vec![1]));
    assert_eq!(dataset.classes, ["0", "1"]);
    assert_eq!(read("other", folder.path(), &reading(Format::Idx)).unwrap().bytes, bytes);
    let named = Reading { classes: Some(vec!["cat".into(), "dog".into()]), ..reading(Format::Idx) };
    assert_eq!(read("mine", folder.path(), &named).unwrap().dataset.classes, ["cat", "dog"]);
}

#[test]
fn idx_labels_out_of_range_and_classes_without_samples_are_refused() {
    let folder = folder();
    idx_files(folder.path(), &[1, 0], &[2]);
    let error = problem(folder.path(), &reading(Format::Idx));
    assert!(error.contains("label 2 of sample 0 is out of range: there are 2 classes"), "{error}");
    idx_files(folder.path(), &[2, 0], &[2]);
    let error = problem(folder.path(), &reading(Format::Idx));
    assert!(error.contains("class `1` (label 1) has no training sample"), "{error}");
    idx_files(folder.path(), &[0], &[0]);
    let error = problem(folder.path(), &reading(Format::Idx));
    assert!(error.contains("train-labels-idx1-ubyte.gz`: it has 1 labels for 2 images"), "{error}");
    idx_files(folder.path(), &[0, 1], &[0]);
    fs::remove_file(folder.path().join("t10k-labels-idx1-ubyte")).unwrap();
    fs::remove_file(folder.path().join("t10k-images-idx3-ubyte.gz")).unwrap();
    let error = problem(folder.path(), &Reading { test_share: Some(0.8), ..reading(Format::Idx) });
    assert!(error.contains("each class has one sample, so none is left to test on"), "{error}");
    let error = problem(Path::new("/nowhere"), &reading(Format::Idx));
    assert!(error.contains("it has no `train-images-idx3-ubyte`"), "{error}");
}

/// A safetensors file of these tensors.
fn tensors(folder: &Path, all: &[(&str, Dtype, &[usize], Vec<u8>)]) -> PathBuf {
    let views = all
        .iter()
        .map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, shape.to_vec(), bytes).unwrap()));
    let path = folder.join("file.safetensors");
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    path
}

#[test]
fn tensors_of_images_and_tables_are_read() {
    let folder = folder();
    let longs: Vec<u8> = [1i64, 0].iter().flat_map(|label| label.to_le_bytes()).collect();
    let path = tensors(
        folder.path(),
        &[
            ("train_images", Dtype::U8, &[2, 3, 1, 1], vec![1, 2, 3, 4, 5, 6]),
            ("train_labels", Dtype::I64, &[2], longs),
            ("test_images", Dtype::U8, &[1, 3, 1, 1], vec![7, 8, 9]),
            ("test_labels", Dtype::U8, &[1], vec![1]),
        ],
    );
    let Packed { dataset, .. } = read("mine", &path, &reading(Format::Safetensors)).unwrap();
    assert_eq!(dataset.train, Samples::images([2, 3, 1, 1], vec![1, 2, 3, 4, 5, 6], vec![1, 0]));

    let floats: Vec<u8> = [0.5f32, 1.5, 2.5, 3.5].iter().flat_map(|value| value.to_le_bytes()).collect();
    let path = tensors(
        folder.path(),
        &[
            ("train_features", Dtype::F32, &[4, 1], floats),
            ("train_labels", Dtype::U8, &[4], vec![0, 0, 1, 1]),
        ],
    );
    let half = Reading { test_share: Some(0.5), ..reading(Format::Safetensors) };
    let Packed { dataset, .. } = read("mine", &path, &half).unwrap();
    assert_eq!((dataset.train.count, dataset.test.count, dataset.train.width), (2, 2, 1));
}

#[test]
fn tensors_that_are_not_as_asked_for_are_refused() {
    let folder = folder();
    let refused = |all: &[_]| problem(&tensors(folder.path(), all), &reading(Format::Safetensors));
    let images = ("train_images", Dtype::U8, &[2usize, 1, 1][..], vec![1, 2]);
    assert!(refused(&[("x", Dtype::U8, &[1], vec![1])]).contains("it has neither `train_images`"));
    assert!(refused(std::slice::from_ref(&images)).contains("and no `train_labels`"));
    let labels = |bytes: [i32; 2]| {
        let bytes = bytes.iter().flat_map(|label| label.to_le_bytes()).collect();
        ("train_labels", Dtype::I32, &[2usize][..], bytes)
    };
    let error = refused(&[images.clone(), labels([0, 256])]);
    assert!(error.contains("label 256 of sample 1 in `train_labels` is out of range"), "{error}");
    assert!(refused(&[images, labels([0, -1])]).contains("label -1 of sample 1"));
    let nan = [1.0f32, f32::NAN].iter().flat_map(|value| value.to_le_bytes()).collect();
    let error = refused(&[("train_features", Dtype::F32, &[2, 1], nan), labels([0, 1])]);
    assert!(error.contains("`train_features` holds NaN at row 1, column 0"), "{error}");
    let error = refused(&[("train_images", Dtype::U8, &[2], vec![1, 2]), labels([0, 1])]);
    assert!(error.contains("`train_images` is U8 [2]: images are U8"), "{error}");
    let error = refused(&[("train_images", Dtype::U8, &[2, 2, 1, 3], vec![0; 12]), labels([0, 1])]);
    assert!(
        error.contains(
            "`train_images` is U8 [2, 2, 1, 3], channels last: images are [samples, channels, height, \
             width]; numpy np.ascontiguousarray(train_images.transpose(0, 3, 1, 2))"
        ),
        "{error}"
    );
}

#[test]
fn files_that_are_no_tensors_are_told_from_damaged_ones() {
    let folder = folder();
    let path = folder.path().join("t.csv");
    for bytes in [&b"x,y,label\n1,2,3\n"[..], b"", b"short"] {
        fs::write(&path, bytes).unwrap();
        let error = problem(&path, &reading(Format::Safetensors));
        assert!(error.ends_with("t.csv`: it is no safetensors file"), "{error}");
    }
    let path = tensors(folder.path(), &[("train_images", Dtype::U8, &[2, 1, 1], vec![1, 2])]);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let error = problem(&path, &reading(Format::Safetensors));
    assert!(error.contains("it is a damaged safetensors file: "), "{error}");
    let error = problem(folder.path(), &reading(Format::Safetensors));
    assert!(error.contains("it is a folder: name the file in it"), "{error}");
}

#[test]
fn labels_of_one_class_are_refused() {
    let folder = folder();
    idx_files(folder.path(), &[0, 0], &[0]);
    let error = problem(folder.path(), &reading(Format::Idx));
    assert!(error.contains("all its samples are of one class, `0`, so there is nothing to learn"), "{error}");
    let one = Reading { classes: Some(vec!["cat".into()]), ..reading(Format::Idx) };
    assert!(problem(folder.path(), &one).contains("all its samples are of one class, `cat`"));
    let labels = ("train_labels", Dtype::U8, &[2usize][..], vec![0, 0]);
    let path = tensors(folder.path(), &[("train_images", Dtype::U8, &[2, 1, 1], vec![1, 2]), labels]);
    let error = problem(&path, &reading(Format::Safetensors));
    assert!(error.contains("the labels must name two at least"), "{error}");
}

#[test]
fn idx_images_of_two_sizes_are_told_by_width_and_height() {
    let folder = folder();
    idx_files(folder.path(), &[1, 0], &[1]);
    fs::write(folder.path().join("t10k-images-idx3-ubyte.gz"), gzip(&images([1, 2, 3], &[9; 6]), 6)).unwrap();
    let error = problem(folder.path(), &reading(Format::Idx));
    assert!(error.contains("training images are 2 × 2 and test images 3 × 2 pixels"), "{error}");
}

#[test]
fn the_second_size_of_images_is_that_of_channels_where_it_can_be() {
    let folder = folder();
    for (shape, count) in [([4, 3, 1, 3], 36), ([4, 1, 4, 4], 64), ([4, 2, 2, 2], 32)] {
        let labels = ("train_labels", Dtype::U8, &[4usize][..], vec![0, 0, 1, 1]);
        let path = tensors(folder.path(), &[("train_images", Dtype::U8, &shape, vec![0; count]), labels]);
        let half = Reading { test_share: Some(0.5), ..reading(Format::Safetensors) };
        let train = read("mine", &path, &half).unwrap().dataset.train;
        assert_eq!([train.channels, train.height, train.width], shape[1..]);
    }
}

#[test]
fn features_that_are_infinite_once_standardised_are_refused() {
    let folder = folder();
    let bytes = |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|value| value.to_le_bytes()).collect() };
    let path = tensors(
        folder.path(),
        &[
            ("train_features", Dtype::F32, &[2, 1], bytes(&[-3e38, -3e38])),
            ("train_labels", Dtype::U8, &[2], vec![0, 1]),
            ("test_features", Dtype::F32, &[1, 1], bytes(&[3e38])),
            ("test_labels", Dtype::U8, &[1], vec![0]),
        ],
    );
    let error = problem(&path, &reading(Format::Safetensors));
    assert!(error.contains("row 0 of the test part, column 0: 3e38 is too far from"), "{error}");
}
