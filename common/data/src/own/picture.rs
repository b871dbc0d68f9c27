//! One PNG or JPEG picture: what its header says, and its pixels.

use std::{
    fmt::Display,
    io::{BufRead, Cursor, Seek},
};

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, metadata::Orientation};

use super::Reading;

/// What a picture says of itself before it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Rows and columns of pixels, after it is turned as its EXIF orientation says.
    pub(super) size: [u32; 2],
    /// Whether it is stored in colours, whatever these are.
    pub(super) coloured: bool,
}

impl Header {
    /// Reads a picture's header and decodes no pixel; says why where there is none.
    pub(super) fn read(input: impl BufRead + Seek) -> Result<Self, String> {
        let mut decoder = opened(input)?.into_decoder().map_err(text)?;
        let (width, height) = decoder.dimensions();
        let on_its_side = matches!(
            orientation(&mut decoder)?,
            Orientation::Rotate90
                | Orientation::Rotate270
                | Orientation::Rotate90FlipH
                | Orientation::Rotate270FlipH
        );
        let size = if on_its_side { [width, height] } else { [height, width] };
        Ok(Self { size, coloured: decoder.color_type().has_color() })
    }
}

impl Reading {
    /// Decodes one PNG or JPEG picture and turns it as its EXIF orientation says; says why where that cannot be.
    ///
    /// A picture that is cut off is refused: a PNG by its chunks, a JPEG by the missing marker of its end. A PNG whose
    /// pixels were damaged is refused by their checksums. A JPEG has none: bytes changed within its pixels are noticed
    /// only where the decoder or the way to the last marker stumbles over them, and else give other pixels.
    pub fn picture(bytes: &[u8]) -> Result<DynamicImage, String> {
        let reader = opened(Cursor::new(bytes))?;
        // The decoder fills what is missing with grey.
        if reader.format() == Some(ImageFormat::Jpeg) && !is_whole(bytes) {
            return Err("the JPEG is cut off: copy it or save it again".to_owned());
        }
        let mut decoder = reader.into_decoder().map_err(text)?;
        let orientation = orientation(&mut decoder)?;
        let mut limits = Limits::default();
        limits.reserve(decoder.total_bytes()).map_err(text)?;
        decoder.set_limits(limits).map_err(text)?;
        let mut image = DynamicImage::from_decoder(decoder).map_err(text)?;
        image.apply_orientation(orientation);
        Ok(image)
    }
}

/// A reader of a picture, whose first bytes say which of the two formats it has.
fn opened<R: BufRead + Seek>(input: R) -> Result<ImageReader<R>, String> {
    let reader = ImageReader::new(input).with_guessed_format().map_err(text)?;
    match reader.format() {
        Some(ImageFormat::Png | ImageFormat::Jpeg) => Ok(reader),
        _ => Err("it is neither PNG nor JPEG".to_owned()),
    }
}

fn orientation(decoder: &mut impl ImageDecoder) -> Result<Orientation, String> {
    decoder.orientation().map_err(text)
}

fn text(error: impl Display) -> String {
    error.to_string()
}

/// Whether the markers of a JPEG lead to that of its end.
///
/// The end of a thumbnail, which lies within a segment, is not taken for it; what follows the end does not matter.
fn is_whole(jpeg: &[u8]) -> bool {
    let mut at = 0;
    while let Some(&[first, second]) = jpeg.get(at..at + 2) {
        at += match [first, second] {
            [0xff, 0xd9] => return true,
            // A segment: its length follows the marker and counts itself.
            [0xff, 0xc0..=0xcf | 0xda..=0xfe] => match jpeg.get(at + 2..at + 4) {
                Some(&[high, low]) => 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
            // A byte of pixels, or one that fills before a marker.
            [0..=0xfe, _] | [0xff, 0xff] => 1,
            // A marker without a segment, or the byte 255 of pixels.
            [0xff, _] => 2,
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use image::{
        GrayImage, ImageEncoder as _, Luma, RgbImage,
        codecs::{jpeg::JpegEncoder, png::PngEncoder},
    };

    use super::*;

    /// EXIF metadata that hold an orientation alone.
    fn exif(orientation: u8) -> Vec<u8> {
        let before = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0";
        [&before[..], &[orientation, 0, 0, 0, 0, 0, 0, 0]].concat()
    }

    fn png(image: &GrayImage, exif: Vec<u8>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = PngEncoder::new(&mut bytes);
        encoder.set_exif_metadata(exif).unwrap();
        image.write_with_encoder(encoder).unwrap();
        bytes
    }

    fn jpeg(image: &GrayImage, exif: Vec<u8>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = JpegEncoder::new(&mut bytes);
        encoder.set_exif_metadata(exif).unwrap();
        image.write_with_encoder(encoder).unwrap();
        bytes
    }

    /// An image of 40 × 24 pixels.
    fn pattern() -> GrayImage {
        GrayImage::from_fn(40, 24, |x, y| Luma([(x * x + 7 * y) as u8]))
    }

    fn header(bytes: &[u8]) -> Result<Header, String> {
        Header::read(Cursor::new(bytes))
    }

    #[test]
    fn a_picture_is_turned_as_its_exif_says() {
        let image = GrayImage::from_raw(3, 2, vec![1, 2, 3, 4, 5, 6]).unwrap();
        for (orientation, size, pixels) in [
            (1, [2, 3], [1, 2, 3, 4, 5, 6]),
            (2, [2, 3], [3, 2, 1, 6, 5, 4]),
            (3, [2, 3], [6, 5, 4, 3, 2, 1]),
            (6, [3, 2], [4, 1, 5, 2, 6, 3]),
            (8, [3, 2], [3, 6, 2, 5, 1, 4]),
        ] {
            let bytes = png(&image, exif(orientation));
            assert_eq!(header(&bytes), Ok(Header { size, coloured: false }), "{orientation}");
            let turned = Reading::picture(&bytes).unwrap().into_luma8();
            assert_eq!([turned.height(), turned.width()], size, "{orientation}");
            assert_eq!(turned.into_raw(), pixels, "{orientation}");
        }
    }

    #[test]
    fn a_header_says_what_the_picture_is_when_it_is_decoded() {
        let grey = pattern();
        let mut colours = Vec::new();
        RgbImage::new(5, 7).write_with_encoder(JpegEncoder::new(&mut colours)).unwrap();
        for bytes in [jpeg(&grey, exif(5)), jpeg(&grey, exif(4)), png(&grey, exif(7)), colours] {
            let image = Reading::picture(&bytes).unwrap();
            let size = [image.height(), image.width()];
            assert_eq!(header(&bytes), Ok(Header { size, coloured: image.color().has_color() }));
        }
    }

    #[test]
    fn a_jpeg_that_is_cut_off_anywhere_is_refused() {
        // A thumbnail has an end, too.
        let jpeg = jpeg(&pattern(), jpeg(&pattern(), Vec::new()));
        assert!(Reading::picture(&jpeg).is_ok());
        for end in 3..jpeg.len() {
            let problem = Reading::picture(&jpeg[..end]).unwrap_err();
            assert!(problem.contains("the JPEG is cut off"), "{end}: {problem}");
        }
        let followed = [&jpeg[..], b"a film \xff\xda"].concat();
        assert_eq!(Reading::picture(&followed), Reading::picture(&jpeg));
    }

    #[test]
    fn a_png_that_is_cut_off_or_damaged_is_refused() {
        let whole = png(&pattern(), Vec::new());
        assert!(Reading::picture(&whole).is_ok());
        for end in [whole.len() / 2, whole.len() - 13] {
            assert!(Reading::picture(&whole[..end]).is_err(), "{end}");
        }
        let mut damaged = whole;
        // The last byte of its pixels, before two checksums and the chunk of the end.
        let at = damaged.len() - 21;
        damaged[at] ^= 1;
        assert!(Reading::picture(&damaged).is_err());
    }

    #[test]
    fn what_is_neither_png_nor_jpeg_is_refused() {
        for bytes in [&b""[..], b"no image", b"GIF89a"] {
            assert_eq!(header(bytes), Err("it is neither PNG nor JPEG".to_owned()));
            assert_eq!(Reading::picture(bytes).unwrap_err(), "it is neither PNG nor JPEG");
        }
        assert!(header(b"\x89PNG\r\n\x1a\nand no more").is_err());
    }
}
