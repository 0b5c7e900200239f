//! Lines of a file that may be anything: one that is too long is passed over without being held.

use std::io::{self, BufRead};

/// The longest line that is read, in bytes. Portwarden writes none of more than 40 KiB.
pub const LONGEST_LINE: usize = 64 << 10;

/// Hands each line, without its end, to `take`; `None` stands for one that is too long.
///
/// # Errors
/// The reader fails: a file that was cut short, for one that is compressed. The lines before it were handed on.
pub fn each_line(reader: &mut impl BufRead, mut take: impl FnMut(Option<&[u8]>)) -> io::Result<()> {
    let (mut held, mut is_long) = (Vec::new(), false);
    loop {
        let buffer = match reader.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if buffer.is_empty() {
            if is_long || !held.is_empty() {
                take((!is_long).then_some(&held));
            }
            return Ok(());
        }
        let end = memchr::memchr(b'\n', buffer);
        let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        is_long |= held.len() + part.len() > LONGEST_LINE;
        match end {
            // Most lines are in the buffer as a whole.
            Some(_) if held.is_empty() && !is_long => take(Some(part)),
            _ if is_long => held.clear(),
            _ => held.extend_from_slice(part),
        }
        let used = part.len() + usize::from(end.is_some());
        if end.is_some() {
            if is_long {
                take(None);
            } else if !held.is_empty() {
                take(Some(&held));
            }
            held.clear();
            is_long = false;
        }
        reader.consume(used);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use super::*;

    #[test]
    fn lines_of_every_length_are_told_apart() {
        let text = [
            b"one\n\ntwo\n".to_vec(),
            vec![b'x'; LONGEST_LINE],
            b"\n".to_vec(),
            vec![b'y'; LONGEST_LINE + 1],
            b"\nlast".to_vec(),
        ]
        .concat();
        for capacity in [1, 7, 4096, LONGEST_LINE, 4 * LONGEST_LINE] {
            let mut found = Vec::new();
            let mut reader = BufReader::with_capacity(capacity, text.as_slice());
            each_line(&mut reader, |line| found.push(line.map(<[u8]>::len))).unwrap();
            let expected = [Some(3), Some(0), Some(3), Some(LONGEST_LINE), None, Some(4)];
            assert_eq!(found, expected, "{capacity}");
        }
    }

    #[test]
    fn a_reader_that_fails_has_given_what_was_before() {
        struct Cut;
        impl Read for Cut {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
        }
        let mut reader = BufReader::new(b"one\ntwo".chain(Cut));
        let mut found = Vec::new();
        let failed = each_line(&mut reader, |line| found.push(line.map(<[u8]>::to_vec)));
        assert!(failed.is_err());
        assert_eq!(found, [Some(b"one".to_vec())]);
    }
}
