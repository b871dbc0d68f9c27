use image::{Rgb, RgbImage};

use super::*;

const GREY: DataShape = DataShape { channels: 1, height: 2, width: 3, classes: 2 };

fn reader(shape: DataShape) -> Reader {
    Reader { shape, scale: 1.0, resize: false, invert: false }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn picture(folder: &Path, name: &str, image: &DynamicImage) -> String {
    let path = folder.join(name);
    image.save(&path).unwrap();
    text(&path)
}

fn grey(width: u32, height: u32) -> DynamicImage {
    let pixels = (0..width * height).map(|at| (at * 10) as u8).collect();
    DynamicImage::ImageLuma8(GrayImage::from_raw(width, height, pixels).unwrap())
}

#[test]
fn a_grey_png_an_idx_file_and_a_folder_give_the_same_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let file = picture(folder.path(), "b.png", &grey(3, 2));
    picture(folder.path(), "a.PNG", &grey(3, 2));
    fs::write(folder.path().join("notes.txt"), "no picture").unwrap();
    let idx = folder.path().join("images");
    let header = [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
    fs::write(&idx, [&header[..], &[0, 10, 20, 30, 40, 50]].concat()).unwrap();
    let read = reader(GREY).read(&[file.clone(), text(&idx), text(folder.path())]).unwrap();
    assert_eq!(read.names[..2], [file, format!("{}[0]", text(&idx))]);
    assert!(read.names[2].ends_with("a.PNG") && read.names[3].ends_with("b.png"));
    assert_eq!(read.samples, [0.0, 10.0, 20.0, 30.0, 40.0, 50.0].repeat(4));
}

#[test]
fn colours_become_grey_or_planes() {
    let folder = tempfile::tempdir().unwrap();
    let image = RgbImage::from_fn(3, 2, |x, _| Rgb([x as u8, 100, 200]));
    let file = [picture(folder.path(), "a.png", &DynamicImage::ImageRgb8(image))];
    let planes = reader(DataShape { channels: 3, ..GREY }).read(&file).unwrap().samples;
    assert_eq!(planes[..6], [0.0, 1.0, 2.0, 0.0, 1.0, 2.0]);
    assert_eq!((planes[6], planes[12], planes.len()), (100.0, 200.0, 18));
    let one = reader(GREY).read(&file).unwrap().samples;
    assert!(one.len() == 6 && one.iter().all(|value| (80.0..95.0).contains(value)), "{one:?}");
    assert!(reader(DataShape { channels: 2, ..GREY }).read(&file).is_err());
}

#[test]
fn another_size_is_refused_or_scaled() {
    let folder = tempfile::tempdir().unwrap();
    let file = [picture(folder.path(), "a.png", &grey(6, 4))];
    let failure = reader(GREY).read(&file).unwrap_err();
    assert!(failure.message.ends_with("has 6 × 4 pixels, but the model takes 3 × 2"), "{}", failure.message);
    assert!(failure.help.unwrap().contains("--resize"));
    let scaled = Reader { resize: true, ..reader(GREY) }.read(&file).unwrap();
    assert_eq!(scaled.samples.len(), 6);
}

#[test]
fn inverting_is_done_before_scaling() {
    let folder = tempfile::tempdir().unwrap();
    let file = [picture(folder.path(), "a.png", &grey(3, 2))];
    let inverted = Reader { invert: true, scale: 0.5, ..reader(GREY) }.read(&file).unwrap();
    assert_eq!(inverted.samples[..2], [127.5, 122.5]);
}

#[test]
fn what_is_no_picture_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let message = |sources: &[String]| reader(GREY).read(sources).unwrap_err().message;
    let none = folder.path().join("none.png");
    assert!(message(&[text(&none)]).contains("none.png cannot be read"));
    assert!(message(&[text(folder.path())]).contains("has no PNG or JPEG picture"));
    for (bytes, says) in [
        (&b"plain text"[..], "neither PNG nor JPEG nor IDX"),
        (b"\x89PNG\r\n\x1a\nand no more", "cannot be decoded"),
        (b"\x00\x00\x08\x03\x00", "too few for a header"),
        (b"\x1f\x8bno gzip", "cannot be uncompressed"),
    ] {
        let path = folder.path().join("bad.png");
        fs::write(&path, bytes).unwrap();
        let said = message(&[text(&path)]);
        assert!(said.contains("bad.png: ") && said.contains(says), "{said}");
    }
}

#[test]
fn folders_of_classes_are_named_where_the_pictures_are_in_them() {
    let folder = tempfile::tempdir().unwrap();
    let refused = || reader(GREY).read(&[text(folder.path())]).unwrap_err();
    for name in ["bag", "boot", "none"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    assert_eq!(refused().help, None);
    picture(&folder.path().join("boot"), "a.png", &grey(3, 2));
    assert!(refused().help.unwrap().ends_with(&format!("name {}/boot", text(folder.path()))));
    picture(&folder.path().join("bag"), "a.png", &grey(3, 2));
    let help = refused().help.unwrap();
    let [bag, boot] = ["bag", "boot"].map(|name| text(&folder.path().join(name)));
    assert!(help.ends_with(&format!("such as {bag} {boot}")), "{help}");
}
