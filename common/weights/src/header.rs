//! The limits within which a safetensors file is looked at.

use safetensors::SafeTensors;

/// Largest header, in bytes: a hundred layers need a hundredth of it.
const MOST_HEADER: u64 = 1 << 20;

/// How a zip archive begins, and with it what `torch.save` writes.
const ZIP: &[u8] = b"PK\x03\x04";

/// What bytes that are no safetensors file seem to be.
fn looks_like(bytes: &[u8]) -> &'static str {
    let beginning = &bytes[..bytes.len().min(512)];
    // A character may be cut in two where the beginning ends.
    let is_text = match std::str::from_utf8(beginning) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    let is_text = is_text && !beginning.iter().any(|byte| *byte < b' ' && !b"\t\r\n".contains(byte));
    if is_text { "it is a text" } else { "there is no header where one has to be" }
}

/// Takes bytes for a safetensors file, if it is one whose header is small and whose sizes are those of its data.
pub(crate) fn checked(bytes: &[u8]) -> Result<SafeTensors<'_>, String> {
    if bytes.starts_with(ZIP) {
        return Err("it is an archive as torch.save writes it, which may hold code and is never read: \
                    save the state dict with safetensors.torch.save_file"
            .to_owned());
    }
    let Some(length) = bytes.first_chunk::<8>() else {
        return Err(format!("it is no safetensors file: it has {} bytes", bytes.len()));
    };
    let (length, rest) = (u64::from_le_bytes(*length), bytes.len() as u64 - 8);
    if !bytes[8..].starts_with(b"{") {
        return Err(format!("it is no safetensors file: {}", looks_like(bytes)));
    }
    if length > MOST_HEADER {
        return Err(format!(
            "its header claims {length} bytes, and {MOST_HEADER} are the most that are read"
        ));
    }
    if length > rest {
        return Err(format!("its header claims {length} bytes, and {rest} are there"));
    }
    SafeTensors::deserialize(bytes).map_err(|error| format!("it is no safetensors file: {error}"))
}
