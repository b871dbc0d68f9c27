//! Pictures of a data set: its first images with their labels, and how its classes are distributed.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Cursor,
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use data::{Dataset, Samples};
use image::{ImageFormat, RgbImage};

use super::{
    super::{failure::Failure, files},
    show::{Class, DataReport},
};

/// How many images are shown, and how many stand in a row.
const IMAGES: usize = 40;
const COLUMNS: usize = 10;

/// Side of an image's place, and height of the label below it, in pixels of the picture.
const SIDE: usize = 84;
const LABEL: usize = 22;

/// Letters of a class's name that fit below an image, and beside its bars.
const BELOW: usize = 13;
const BESIDE: usize = 21;

/// The two parts' colours, told apart by people who see no red or green too.
const COLOURS: [&str; 2] = ["#0072b2", "#e69f00"];

/// Writes all that is shown of a data set to a folder; returns the files' names. Each is whole or not there.
pub(super) fn write(
    dataset: &Dataset,
    report: &DataReport,
    folder: &Path,
) -> Result<Vec<&'static str>, Failure> {
    let mut json = serde_json::to_vec(report)?;
    json.push(b'\n');
    let mut written = Vec::new();
    if dataset.train.pixels().is_some() {
        written.push(("samples.svg", samples(dataset)?.into_bytes()));
    }
    written.push(("classes.svg", distribution(&report.classes).into_bytes()));
    written.push(("data.json", json));
    fs::create_dir_all(folder)?;
    for (name, bytes) in &written {
        let path = folder.join(name);
        files::whole(folder, &path, bytes)
            .map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display())))?;
    }
    File::open(folder)?.sync_all()?;
    Ok(written.into_iter().map(|(name, _)| name).collect())
}

/// The training part's first images, each above its label.
fn samples(dataset: &Dataset) -> Result<String, Failure> {
    let count = dataset.train.count.min(IMAGES);
    let (columns, rows) = (count.min(COLUMNS), count.div_ceil(COLUMNS));
    let mut svg = head(columns * (SIDE + 8) + 8, rows * (SIDE + LABEL + 8) + 8);
    for index in 0..count {
        let (x, y) = (8 + index % COLUMNS * (SIDE + 8), 8 + index / COLUMNS * (SIDE + LABEL + 8));
        let png = STANDARD.encode(png(&dataset.train, index)?);
        let label = usize::from(dataset.train.labels[index]);
        let name = dataset.classes.get(label).map_or("?", String::as_str);
        let _ = writeln!(
            svg,
            "<image x=\"{x}\" y=\"{y}\" width=\"{SIDE}\" height=\"{SIDE}\" style=\"image-rendering: pixelated\" \
             href=\"data:image/png;base64,{png}\"/>\n<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            x + SIDE / 2,
            y + SIDE + 15,
            label_of(name, BELOW)
        );
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// One image as a PNG file; the first three channels are red, green and blue, and a single one is grey.
fn png(samples: &Samples, index: usize) -> Result<Vec<u8>, Failure> {
    let plane = samples.height * samples.width;
    let pixels = samples.pixels().unwrap_or_default();
    let values = &pixels[index * samples.size()..][..samples.size()];
    let channel = |wanted: usize| if samples.channels < 3 { 0 } else { wanted };
    let image = RgbImage::from_fn(samples.width as u32, samples.height as u32, |x, y| {
        let at = y as usize * samples.width + x as usize;
        image::Rgb([0, 1, 2].map(|wanted| values[channel(wanted) * plane + at]))
    });
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).map_err(|error| Failure::failed(error.to_string()))?;
    Ok(bytes.into_inner())
}

/// Two bars a class: its share of the training part, and of the test part.
fn distribution(classes: &[Class]) -> String {
    let (left, full, bar) = (160, 420, 12);
    let row = 2 * bar + 10;
    let most = classes.iter().flat_map(|c| [c.train_share, c.test_share]).fold(f64::MIN_POSITIVE, f64::max);
    let mut svg = head(left + full + 140, classes.len() * row + 46);
    for (i, (part, colour)) in ["train", "test"].into_iter().zip(COLOURS).enumerate() {
        let x = left + i * 90;
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"10\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\n<text x=\"{}\" y=\"21\">{part}</text>",
            x + 18
        );
    }
    for (i, class) in classes.iter().enumerate() {
        let top = 36 + i * row;
        let name = label_of(&class.name, BESIDE);
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text>",
            left - 8,
            top + bar + 4
        );
        let parts = [(class.train, class.train_share), (class.test, class.test_share)];
        for (part, ((count, share), colour)) in parts.into_iter().zip(COLOURS).enumerate() {
            let (y, width) = (top + part * bar, share / most * full as f64);
            let _ = writeln!(
                svg,
                "<rect x=\"{left}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\" fill=\"{colour}\"/>\n\
                 <text x=\"{:.1}\" y=\"{}\">{count} ({:.1} %)</text>",
                bar - 1,
                left as f64 + width + 6.0,
                y + bar - 2,
                100.0 * share
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// The beginning of a picture of this size, on white.
fn head(width: usize, height: usize) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    )
}

/// A class's name as a picture shows it: shortened to about so many letters, and then whole to whoever points at it.
fn label_of(name: &str, most: usize) -> String {
    // Letters of scripts from Hangul on are about twice as wide as others.
    let width = |c: char| if c < '\u{1100}' { 1 } else { 2 };
    if name.chars().map(width).sum::<usize>() <= most {
        return escaped(name);
    }
    let mut room = most - 1;
    let fits = name.chars().take_while(|c| {
        let fits = width(*c) <= room;
        room = room.saturating_sub(width(*c));
        fits
    });
    let short: String = fits.collect();
    format!("{}…<title>{}</title>", escaped(short.trim_end()), escaped(name))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::{super::Opened, *};

    fn dataset() -> Dataset {
        Dataset {
            name: "mine".to_owned(),
            classes: vec!["<a>".to_owned(), "b & c".to_owned()],
            train: Samples::images([45, 3, 1, 2], vec![7; 270], [0, 1].repeat(23)[..45].to_vec()),
            test: Samples::images([1, 3, 1, 2], vec![7; 6], vec![1]),
            scale: None,
            columns: Vec::new(),
            digest: "0".repeat(64),
        }
    }

    #[test]
    fn forty_images_with_their_labels_and_all_shares_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("new");
        let opened = Opened { dataset: dataset(), folder: None };
        let report = DataReport::new(&opened).unwrap();
        assert_eq!(
            write(&opened.dataset, &report, &out).unwrap(),
            ["samples.svg", "classes.svg", "data.json"]
        );
        let text = |name: &str| fs::read_to_string(out.join(name)).unwrap();
        let samples = text("samples.svg");
        assert_eq!(samples.matches("<image ").count(), IMAGES);
        assert_eq!(samples.matches(">&lt;a&gt;</text>").count(), 20);
        assert!(
            text("classes.svg").contains(">b &amp; c</text>") && text("classes.svg").contains("(100.0 %)")
        );
        let json: serde_json::Value = serde_json::from_str(&text("data.json")).unwrap();
        assert_eq!(json["classes"][1]["train"], 22);
        assert_eq!(fs::read_dir(&out).unwrap().count(), 3, "nothing half written is left");
    }

    #[test]
    fn long_names_end_where_the_picture_would_cut_them_off() {
        assert_eq!(label_of("T-shirt/top", BELOW), "T-shirt/top");
        let whole = "a class with a name & more of it";
        assert_eq!(
            label_of(whole, BESIDE),
            "a class with a name…<title>a class with a name &amp; more of it</title>"
        );
        assert_eq!(
            label_of(&"あ".repeat(9), BELOW),
            format!("ああああああ…<title>{}</title>", "あ".repeat(9))
        );
        let name = whole.to_owned();
        let class = Class { label: 0, name, train: 1, test: 1, train_share: 0.5, test_share: 0.5 };
        assert!(distribution(&[class]).contains(">a class with a name…<title>"));
    }

    #[test]
    fn a_png_has_the_channels_of_its_image() {
        let samples = Samples::images([2, 3, 1, 2], vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], vec![0, 0]);
        let image = image::load_from_memory(&png(&samples, 1).unwrap()).unwrap().to_rgb8();
        assert_eq!(image.into_raw(), [7, 9, 11, 8, 10, 12]);
        let grey = Samples::images([1, 1, 1, 2], vec![5, 6], vec![0]);
        assert_eq!(
            image::load_from_memory(&png(&grey, 0).unwrap()).unwrap().to_rgb8().into_raw(),
            [5, 5, 5, 6, 6, 6]
        );
    }
}
