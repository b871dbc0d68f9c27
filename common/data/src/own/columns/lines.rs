//! Where the lines of a text begin, as people's editors number them.

use std::{
    collections::VecDeque,
    io::{self, Read},
};

/// An input that notes where its lines begin as it is read; lines end with LF, CRLF or CR.
///
/// The reader of tables counts by LF where a row *before* ended: of CRLF that is the line before, and blank lines that
/// it passes over count for nothing.
pub(super) struct Lines<R> {
    input: R,
    /// How many bytes were read, and in which line they ended.
    byte: u64,
    line: u64,
    last: u8,
    /// Where lines that are not blank begin, and their numbers from 1; those that were asked for are left out.
    starts: VecDeque<(u64, u64)>,
}

impl<R> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, byte: 0, line: 1, last: b'\n', starts: VecDeque::new() }
    }

    /// The number of the first line that is not blank and begins at this byte or later; the last line where there is
    /// none. Bytes are asked for in their order.
    pub(super) fn next_from(&mut self, byte: u64) -> u64 {
        while self.starts.front().is_some_and(|(start, _)| *start < byte) {
            self.starts.pop_front();
        }
        self.starts.front().map_or(self.line, |(_, line)| *line)
    }

    fn note(&mut self, byte: u8) {
        let begins = matches!(self.last, b'\n' | b'\r');
        match byte {
            // It ends the line that CR has ended.
            b'\n' if self.last == b'\r' => {}
            b'\n' | b'\r' => self.line += 1,
            _ if begins => self.starts.push_back((self.byte, self.line)),
            _ => {}
        }
        self.last = byte;
        self.byte += 1;
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        buffer[..count].iter().for_each(|byte| self.note(*byte));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_whatever_ends_them() {
        for text in ["a\nbc\n\nd", "a\r\nbc\r\n\r\nd\r\n", "a\rbc\r\rd\r", "a\nbc\r\rd", "a\r\nbc\n\r\nd\n"] {
            // Also where a buffer ends between CR and LF.
            let mut lines = Lines::new(text.as_bytes());
            let mut buffer = [0];
            while lines.read(&mut buffer).unwrap() == 1 {}
            let at = |letter| text.find(letter).unwrap() as u64;
            assert_eq!(lines.next_from(0), 1, "{text:?}");
            assert_eq!(lines.next_from(1), 2, "{text:?}");
            assert_eq!(lines.next_from(at('b')), 2, "{text:?}");
            assert_eq!(lines.next_from(at('c')), 4, "{text:?}");
            assert_eq!(lines.next_from(at('d')), 4, "{text:?}");
        }
    }
}
