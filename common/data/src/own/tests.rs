use std::fs;

use image::{GrayImage, RgbImage, Rgba, RgbaImage};
use safetensors::{Dtype, tensor::TensorView};
use tempfile::TempDir;

use super::*;
use crate::{
    Values,
    fixture::{gzip, images, labels as label_file},
};

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
    let error = problem(Path::new("/nowhere"), &reading(Format::Idx));
    assert!(error.contains("it has no `train-images-idx3-ubyte`"), "{error}");
}

/// A class folder of red, green or blue images.
fn colour(folder: &Path, class: &str, count: u8, (height, width): (u32, u32)) {
    fs::create_dir_all(folder.join(class)).unwrap();
    for number in 0..count {
        let pixel = image::Rgb([number, class.as_bytes()[0], 7]);
        let image = RgbImage::from_pixel(width, height, pixel);
        image.save(folder.join(class).join(format!("{number}.png"))).unwrap();
    }
}

#[test]
fn a_folder_of_images_becomes_channels_first_and_a_share_is_its_test_part() {
    let folder = folder();
    colour(folder.path(), "b", 4, (2, 3));
    colour(folder.path(), "a", 4, (2, 3));
    let quarter = Reading { test_share: Some(0.25), ..reading(Format::Folder) };
    let Packed { dataset, .. } = read("mine", folder.path(), &quarter).unwrap();
    assert_eq!((dataset.train.count, dataset.test.count), (6, 2));
    assert_eq!((dataset.train.channels, dataset.train.height, dataset.train.width), (3, 2, 3));
    assert_eq!(
        (dataset.classes.as_slice(), &dataset.test.labels),
        (&["a".into(), "b".into()][..], &vec![0, 1])
    );
    for sample in dataset.train.pixels().unwrap().chunks(18).zip(&dataset.train.labels) {
        let (pixels, label) = sample;
        assert!(pixels[..6].iter().all(|red| *red == pixels[0] && *red < 4));
        assert!(pixels[6..12].iter().all(|green| *green == b'a' + label));
        assert!(pixels[12..].iter().all(|blue| *blue == 7));
    }
    let again = Reading { seed: Some(1), ..quarter.clone() };
    assert_ne!(read("mine", folder.path(), &again).unwrap().dataset.digest, dataset.digest);
    let none = Reading { test_share: Some(0.01), ..reading(Format::Folder) };
    assert!(problem(folder.path(), &none).contains("leaves no sample to test on"));
}

#[test]
fn grey_images_in_train_and_test_folders_have_one_channel() {
    let folder = folder();
    for (part, class) in [("train", "10"), ("train", "9"), ("test", "9")] {
        let path = folder.path().join(part).join(class);
        fs::create_dir_all(&path).unwrap();
        GrayImage::from_pixel(2, 2, image::Luma([class.len() as u8])).save(path.join("x.jpeg")).unwrap();
    }
    let Packed { dataset, .. } = read("mine", folder.path(), &reading(Format::Folder)).unwrap();
    assert_eq!(dataset.classes, ["9", "10"], "numbers are in the order of numbers");
    assert_eq!((dataset.train.count, dataset.test.count, dataset.train.channels), (2, 1, 1));
    assert_eq!(dataset.test.labels, [0]);
}

#[test]
fn folders_that_are_not_as_asked_for_are_refused_by_name() {
    let parent = folder();
    let path = parent.path().join("data");
    colour(&path, "a", 2, (2, 2));
    fs::create_dir(path.join("b")).unwrap();
    let error = problem(&path, &reading(Format::Folder));
    assert!(error.contains("data/b`: this class folder is empty"), "{error}");

    colour(&path, "b", 2, (2, 3));
    let error = problem(&path, &reading(Format::Folder));
    assert!(error.contains("b/0.png`: it is 2 × 3 pixels") && error.contains("a/0.png` is 2 × 2"), "{error}");

    fs::write(path.join("b/0.png"), b"no image").unwrap();
    let error = problem(&path, &reading(Format::Folder));
    assert!(error.contains("b/0.png`: the image does not decode"), "{error}");

    RgbaImage::from_pixel(2, 2, Rgba([1, 2, 3, 4])).save(path.join("b/0.png")).unwrap();
    assert!(problem(&path, &reading(Format::Folder)).contains("b/0.png`: it is transparent"));

    fs::write(path.join("b/0.txt"), b"").unwrap();
    fs::remove_file(path.join("b/0.png")).unwrap();
    assert!(problem(&path, &reading(Format::Folder)).contains("b/0.txt`: it is no .png"));

    fs::write(path.join("readme"), b"").unwrap();
    assert!(problem(&path, &reading(Format::Folder)).contains("readme`: it is no folder"));
    assert!(problem(&parent.path().join("none"), &reading(Format::Folder)).contains("none`: "));
}

fn table(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("table.csv");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_table_has_its_labels_in_a_column() {
    let folder = folder();
    let text = "x,kind,y\n1,no,2\n3,yes,4\n5,no,6\n7,yes,8\n";
    let path = table(folder.path(), text);
    let by_kind = Reading { label: "kind".to_owned(), test_share: Some(0.5), ..reading(Format::Csv) };
    let Packed { dataset, .. } = read("mine", &path, &by_kind).unwrap();
    assert_eq!(dataset.classes, ["no", "yes"]);
    assert_eq!((dataset.train.count, dataset.test.count, dataset.train.width), (2, 2, 2));
    let Values::Features(features) = &dataset.train.values else { panic!("no table") };
    assert!(features.chunks(2).all(|row| row[0] + 1.0 == row[1]), "{features:?}");
    assert!(dataset.scale.is_some());

    fs::write(folder.path().join("train.csv"), text).unwrap();
    fs::write(folder.path().join("test.csv"), "x,kind,y\n9,yes,10\n").unwrap();
    assert!(problem(folder.path(), &by_kind).contains("it has a test part, so there is no share to draw"));
    let by_kind = Reading { test_share: None, ..by_kind };
    let Packed { dataset, .. } = read("mine", folder.path(), &by_kind).unwrap();
    assert_eq!((dataset.train.count, &dataset.test), (4, &Samples::table([1, 2], vec![9.0, 10.0], vec![1])));
    assert_eq!(dataset.columns, ["x", "y"]);
}

#[test]
fn tables_that_are_not_as_asked_for_are_refused_by_line_and_column() {
    let folder = folder();
    let refused = |text: &str| problem(&table(folder.path(), text), &reading(Format::Csv));
    assert!(
        refused("a,b\n1,2\n")
            .contains("it has no column `label`: name the column of labels with --label, one of a, b")
    );
    for bad in ["NaN", "inf", "", "x"] {
        let error = refused(&format!("a,b,label\n1,2,0\n1,{bad},0\n"));
        assert!(
            error.contains(&format!("line 3: column `b` is `{bad}`, which is no finite number")),
            "{error}"
        );
    }
    assert!(refused("a,label\n1,\n").contains("line 2: column `label` is ``, which is no label"));
    assert!(refused("a,label\n").contains("it has no row"));
    assert!(refused("a;label\n1;0\n").contains("its columns stand between `;`: write it with commas"));
    assert!(refused("a\tlabel\n1\t0\n").contains("its columns stand between `\\t`"));
    assert!(refused("a,label\n1,0,3\n").contains("table.csv`: "));
    let many: String = (0..300).map(|row| format!("1,{row}\n")).collect();
    assert!(refused(&format!("a,label\n{many}")).contains("it has 300 classes, and 256 are the most"));

    fs::write(folder.path().join("train.csv"), "a,label\n1,0\n2,1\n").unwrap();
    let test = |text: &str| {
        fs::write(folder.path().join("test.csv"), text).unwrap();
        problem(folder.path(), &reading(Format::Csv))
    };
    assert!(test("b,label\n1,0\n").contains("its columns are not those of"));
    assert!(test("a,label\n1,7\n").contains("row 1: label `7` does not occur among the training labels"));
}

#[test]
fn rows_without_labels_are_read_by_name_or_else_by_place() {
    let read = |text: &str, names: &[&str], width: usize| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        unlabelled(Path::new("rows.csv"), text.as_bytes(), (&names, width)).map_err(|error| error.to_string())
    };
    let rows = Ok(vec![(2, vec![1.0, 2.0]), (3, vec![3.0, 4.0])]);
    assert_eq!(read("b,id,a\n2,x,1\n4,,3\n", &["a", "b"], 2), rows);
    assert_eq!(read("p,q\n1,2\n3,4\n", &[], 2), rows);
    for (text, names, says) in [
        ("a,c\n1,2\n", &["a", "b"][..], "it has no column `b`: the model takes a, b"),
        ("a,b,c\n1,2,3\n", &[][..], "it has 3 columns, and the model takes 2 features"),
        ("a,b\n1,x\n", &["a", "b"][..], "line 2: column `b` is `x`, which is no finite number"),
        ("a,b\n", &["a", "b"][..], "it has no row"),
        ("a,a\n1,2\n", &[][..], "two of its columns are called `a`"),
    ] {
        let problem = read(text, names, 2).unwrap_err();
        assert!(problem.contains(says), "{problem}");
    }
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
}
