//! The IDX format of the MNIST family: a magic number, the sizes, then one byte per value.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;

/// Most bytes that are uncompressed: a small file may claim to be a huge one.
const MAX_FILE_BYTES: u64 = crate::packed::LARGEST_OBJECT;

/// Undoes gzip where there is any; says why where it is broken.
pub fn uncompressed(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut contents = Vec::new();
    let read = MultiGzDecoder::new(&bytes[..]).take(MAX_FILE_BYTES + 1).read_to_end(&mut contents);
    read.map_err(|error| format!("it cannot be uncompressed: {error}"))?;
    if contents.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("it has more than {MAX_FILE_BYTES} bytes when it is uncompressed"));
    }
    Ok(contents)
}

/// Splits a file of `N` dimensions into its sizes and its values; says what is wrong where that cannot be.
pub fn parse<const N: usize>(mut bytes: Vec<u8>) -> Result<([usize; N], Vec<u8>), String> {
    let header = 4 * (N + 1);
    if bytes.len() < header {
        return Err(format!("it has {} bytes, too few for a header of {header}", bytes.len()));
    }
    // Two zeroes, 8 for unsigned bytes, then the number of dimensions.
    let magic = number(&bytes, 0);
    let expected = 0x0800 + N as u32;
    if magic != expected {
        return Err(format!("it starts with {magic:08x}, expected {expected:08x}"));
    }
    let sizes: [usize; N] = std::array::from_fn(|dimension| number(&bytes, dimension + 1) as usize);
    let values = sizes.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    if values != Some(bytes.len() - header) {
        return Err(format!("it has {} values, but its sizes are {sizes:?}", bytes.len() - header));
    }
    bytes.drain(..header);
    Ok((sizes, bytes))
}

fn number(bytes: &[u8], index: usize) -> u32 {
    let at = 4 * index;
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixture::{images, labels};

    #[test]
    fn images_and_labels() {
        assert_eq!(parse(images([2, 1, 3], &[1, 2, 3, 4, 5, 6])), Ok(([2, 1, 3], vec![1, 2, 3, 4, 5, 6])));
        assert_eq!(parse(labels(&[9, 8])), Ok(([2], vec![9, 8])));
    }

    #[test]
    fn gzip_is_undone_where_there_is_any() {
        let plain = labels(&[1, 2]);
        assert_eq!(uncompressed(plain.clone()), Ok(plain.clone()));
        let packed = crate::fixture::gzip(&plain, 6);
        assert_eq!(uncompressed(packed.clone()), Ok(plain));
        assert!(uncompressed(packed[..packed.len() - 9].to_vec()).is_err());
    }

    #[test]
    fn a_short_header() {
        let error = parse::<3>(images([0, 0, 0], &[])[..15].to_vec()).unwrap_err();
        assert_eq!(error, "it has 15 bytes, too few for a header of 16");
    }

    #[test]
    fn the_wrong_magic() {
        let mut bytes = images([1, 1, 1], &[5]);
        bytes[2] = 0x0d; // floats
        assert_eq!(parse::<3>(bytes).unwrap_err(), "it starts with 00000d03, expected 00000803");
    }

    #[test]
    fn values_missing_or_too_many() {
        let error = parse::<3>(images([2, 2, 2], &[0; 7])).unwrap_err();
        assert_eq!(error, "it has 7 values, but its sizes are [2, 2, 2]");
        assert!(parse::<3>(images([2, 2, 2], &[0; 9])).is_err());
    }

    #[test]
    fn sizes_whose_product_overflows() {
        assert!(parse::<3>(images([u32::MAX, u32::MAX, u32::MAX], &[])).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = uncompressed(bytes.clone());
            let _ = (parse::<1>(bytes.clone()), parse::<3>(bytes));
        }

        #[test]
        fn changed_sizes_are_noticed(at in 0usize..16, flip in 1u8..) {
            let mut bytes = images([2, 1, 3], &[1, 2, 3, 4, 5, 6]);
            bytes[at] ^= flip;
            // Two sizes may trade their factors only if both change: one byte alone never fits.
            prop_assert!(parse::<3>(bytes).is_err());
        }
    }
}
