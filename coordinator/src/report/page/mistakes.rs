//! The most frequent mistakes, as pictures.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{Markup, html};

use super::{
    super::{
        TestImages, TestPart, TestReport,
        confused::{Example, Mistake},
    },
    Part,
};
use crate::cli::text::plural;

/// The most frequent mistakes, and the samples of each that the model was surest of.
pub(super) fn mistakes(test: &TestReport, part: &TestPart) -> Part {
    let pairs = &test.confused.pairs;
    let body = html! {
        @if pairs.is_empty() {
            p { "The model makes no mistake on the test part." }
        } @else {
            p {
                "The pairs of classes that are confused most often, and of each the samples that the model was surest of. Below each: its \
                place in the test part, the probability of the class that it was taken for, and that of its own."
            }
            @for pair in pairs { (mistake(pair, test, part.images.as_ref())) }
        }
    };
    Part { id: "mistakes", heading: "Most confused examples", body, pictures: Vec::new() }
}

fn mistake(pair: &Mistake, test: &TestReport, images: Option<&TestImages>) -> Markup {
    let (own, other) = (&test.classes[pair.label], &test.classes[pair.predicted]);
    html! {
        div class="mistake" {
            h3 { (own) " taken for " (other) ": " (plural(pair.count, "time")) }
            ul { @for example in &pair.examples { li { (shown(example, own, other, images)) } } }
        }
    }
}

fn shown(example: &Example, own: &str, other: &str, images: Option<&TestImages>) -> Markup {
    let alt = format!("test sample {}, {own} taken for {other}", example.index);
    html! {
        @if let Some(source) = images.and_then(|images| data_uri(images, example.index)) {
            img src=(source) alt=(alt);
        }
        "#" (example.index) br; (format!("{:.3}", example.confidence)) " / " (format!("{:.3}", example.own))
    }
}

/// A sample as a PNG inside the page; none where it cannot be one.
fn data_uri(images: &TestImages, index: usize) -> Option<String> {
    let size = images.height * images.width * images.channels;
    let pixels = images.pixels.get(index * size..(index + 1) * size)?;
    let colour = match images.channels {
        1 => png::ColorType::Grayscale,
        3 => png::ColorType::Rgb,
        _ => return None,
    };
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, images.width as u32, images.height as u32);
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().and_then(|mut writer| writer.write_image_data(pixels)).ok()?;
    Some(format!("data:image/png;base64,{}", STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_becomes_the_png_of_its_pixels() {
        let images = TestImages { height: 2, width: 3, channels: 1, pixels: (0..12).collect() };
        let uri = data_uri(&images, 1).unwrap();
        let bytes = STANDARD.decode(uri.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height, &pixels[..]), (3, 2, &[6, 7, 8, 9, 10, 11][..]));
        assert_eq!(data_uri(&images, 2), None);
    }
}
