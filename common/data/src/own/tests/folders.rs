use image::{GrayImage, ImageEncoder as _, RgbImage, Rgba, RgbaImage, codecs::png::PngEncoder};

use super::*;

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
    assert!(error.contains("b/0.png`: it is 3 × 2 pixels") && error.contains("a/0.png` is 2 × 2"), "{error}");

    fs::write(path.join("b/0.png"), b"no image").unwrap();
    let error = problem(&path, &reading(Format::Folder));
    assert!(error.contains("b/0.png`: the image does not decode"), "{error}");

    colour(&path, "b", 2, (2, 2));
    RgbaImage::from_pixel(2, 2, Rgba([1, 2, 3, 4])).save(path.join("b/0.png")).unwrap();
    assert!(problem(&path, &reading(Format::Folder)).contains("b/0.png`: it is transparent"));

    fs::write(path.join("b/0.txt"), b"").unwrap();
    fs::remove_file(path.join("b/0.png")).unwrap();
    assert!(problem(&path, &reading(Format::Folder)).contains("b/0.txt`: it is no .png"));

    fs::write(path.join("readme"), b"").unwrap();
    assert!(problem(&path, &reading(Format::Folder)).contains("readme`: it is no folder"));
    assert!(problem(&parent.path().join("none"), &reading(Format::Folder)).contains("none`: "));
    let error = problem(&path.join("readme"), &reading(Format::Folder));
    assert!(
        error.contains("readme`: it is no folder: name the one that holds a folder of images"),
        "{error}"
    );
    let error = problem(&path.join("readme"), &reading(Format::Idx));
    assert!(error.contains("readme`: it is no folder: name the one that holds the IDX files"), "{error}");
}

#[test]
fn a_folder_of_one_class_is_refused() {
    let folder = folder();
    let path = folder.path().join("data");
    colour(&path.join("all"), "a", 4, (2, 2));
    colour(&path.join("all"), "b", 4, (2, 2));
    colour(folder.path(), "cats", 4, (2, 2));
    // Its classes are a level further down, so its one folder holds no image.
    let below = problem(&path, &reading(Format::Folder));
    assert!(below.contains("all/a`: it is a folder in a class's folder"), "{below}");
    fs::remove_dir_all(&path).unwrap();
    let error = problem(folder.path(), &reading(Format::Folder));
    assert!(
        error.contains(
            "all its samples are of one class, `cats`, so there is nothing to learn: name the folder that holds one \
             folder of images for each class"
        ),
        "{error}"
    );
}

#[test]
fn one_image_stored_in_colours_gives_all_three_channels() {
    let folder = folder();
    for class in ["a", "b"] {
        let path = folder.path().join(class);
        fs::create_dir(&path).unwrap();
        GrayImage::from_pixel(1, 1, image::Luma([9])).save(path.join("0.png")).unwrap();
        RgbImage::from_pixel(1, 1, image::Rgb([9; 3])).save(path.join("1.png")).unwrap();
    }
    let half = Reading { test_share: Some(0.5), ..reading(Format::Folder) };
    let Packed { dataset, .. } = read("mine", folder.path(), &half).unwrap();
    for part in [dataset.train, dataset.test] {
        assert_eq!(part, Samples::images([2, 3, 1, 1], vec![9; 6], vec![0, 1]));
    }
}

#[test]
fn images_have_the_sizes_to_which_their_exif_turns_them() {
    let folder = folder();
    let upright = vec![4, 1, 5, 2, 6, 3];
    for class in ["a", "b"] {
        let path = folder.path().join(class);
        fs::create_dir(&path).unwrap();
        GrayImage::from_raw(2, 3, upright.clone()).unwrap().save(path.join("0.png")).unwrap();
        let mut encoder = PngEncoder::new(fs::File::create(path.join("1.png")).unwrap());
        let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        encoder.set_exif_metadata(exif.to_vec()).unwrap();
        let lying = GrayImage::from_raw(3, 2, vec![1, 2, 3, 4, 5, 6]).unwrap();
        lying.write_with_encoder(encoder).unwrap();
    }
    let half = Reading { test_share: Some(0.5), ..reading(Format::Folder) };
    let Packed { dataset, .. } = read("mine", folder.path(), &half).unwrap();
    for part in [dataset.train, dataset.test] {
        assert_eq!(part, Samples::images([2, 1, 3, 2], upright.repeat(2), vec![0, 1]));
    }
}

#[test]
fn images_that_are_cut_off_or_take_too_much_are_refused() {
    let folder = folder();
    fs::create_dir(folder.path().join("a")).unwrap();
    let path = folder.path().join("a/x.jpg");
    GrayImage::new(8, 8).save(&path).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 2]).unwrap();
    let error = problem(folder.path(), &reading(Format::Folder));
    assert!(error.contains("a/x.jpg`: the image does not decode: the JPEG is cut off"), "{error}");

    // Behind marker, length and precision: height and width. No pixel is read.
    let frame = bytes.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    bytes[frame + 5..frame + 9].fill(0xff);
    fs::write(&path, &bytes).unwrap();
    let error = problem(folder.path(), &reading(Format::Folder));
    assert!(error.contains("its 1 images of 65535 × 65535 pixels take 4294836225 bytes"), "{error}");
}
