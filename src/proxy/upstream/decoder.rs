//! The framing of a response's body (RFC 9112 sections 6 and 7): which of the bytes that came belong to it, and when it
//! ends.

use bytes::{Buf, Bytes, BytesMut};
use hyper::{
    body::Frame,
    header::{HeaderMap, HeaderName, HeaderValue},
};

use super::Broken;

/// The position of the next byte in a body.
#[derive(Debug)]
pub(super) enum Decoder {
    /// A body of known length: the bytes left.
    Length(u64),
    /// It ends with the connection.
    UntilClose,
    /// In chunks, with the trailers that have come.
    Chunked(Chunk, HeaderMap),
}

/// The position in a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
    /// Before a line with a size.
    Size,
    /// In the data: bytes left.
    Data(u64),
    /// Before the line end behind the data.
    End,
    /// In the trailer section.
    Trailer,
    /// Behind it.
    Done,
}

/// The most that is passed on at once of a larger read. A client on HTTP/2 that takes a slice moves; one that would
/// have to take a whole megabyte before it is seen to may be slow and still reading.
const SLICE: usize = 128 << 10;
/// The longest line of a size with its extension, or of a trailer.
const MAX_LINE: usize = 8 << 10;
/// The most trailers.
const MAX_TRAILERS: usize = 32;

impl Decoder {
    pub(super) fn length(length: u64) -> Self {
        Self::Length(length)
    }

    pub(super) fn until_close() -> Self {
        Self::UntilClose
    }

    pub(super) fn chunked() -> Self {
        Self::Chunked(Chunk::Size, HeaderMap::new())
    }

    /// Returns true if all of it was taken.
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::Done, _))
    }

    /// Returns the number of bytes left, where that is known.
    pub(super) fn left(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            Self::UntilClose => None,
            Self::Chunked(chunk, _) => (*chunk == Chunk::Done).then_some(0),
        }
    }

    /// Returns the most to read, so that nothing behind the body is.
    pub(super) fn wanted(&self, piece: usize) -> usize {
        match self {
            Self::Length(left) => usize::try_from(*left).unwrap_or(usize::MAX).min(piece),
            Self::UntilClose | Self::Chunked(..) => piece,
        }
    }

    /// The next data, or the trailers, off the front of what came; `None` when more has to come first, or nothing does.
    ///
    /// # Errors
    /// The chunks are malformed.
    pub(super) fn take(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame<Bytes>>, Broken> {
        let data = match self {
            Self::Length(left) => take(left, buffer),
            Self::UntilClose => {
                (!buffer.is_empty()).then(|| buffer.split_to(buffer.len().min(SLICE)).freeze())
            }
            Self::Chunked(chunk, trailers) => match chunk.take(buffer, trailers)? {
                None if *chunk == Chunk::Done && !trailers.is_empty() => {
                    return Ok(Some(Frame::trailers(std::mem::take(trailers))));
                }
                data => data,
            },
        };
        Ok(data.map(Frame::data))
    }

    /// Handles the end of the connection.
    ///
    /// # Errors
    /// The body is not whole.
    pub(super) fn end(&mut self) -> Result<(), Broken> {
        match self {
            Self::UntilClose => {
                *self = Self::Length(0);
                Ok(())
            }
            _ => Err(Broken::Closed("in the middle of a body")),
        }
    }
}

impl Chunk {
    fn take(&mut self, buffer: &mut BytesMut, trailers: &mut HeaderMap) -> Result<Option<Bytes>, Broken> {
        loop {
            match self {
                Self::Size => match line(buffer)? {
                    None => return Ok(None),
                    Some(line) => {
                        *self = match size(&line)? {
                            0 => Self::Trailer,
                            size => Self::Data(size),
                        };
                    }
                },
                Self::Data(left) => {
                    let data = take(left, buffer);
                    if *left == 0 {
                        *self = Self::End;
                    }
                    return Ok(data);
                }
                Self::End => match line(buffer)? {
                    None => return Ok(None),
                    Some(line) if line.is_empty() => *self = Self::Size,
                    Some(_) => return Err(Broken::Malformed("a chunk is longer than its size")),
                },
                Self::Trailer => match line(buffer)? {
                    None => return Ok(None),
                    Some(line) if line.is_empty() => *self = Self::Done,
                    Some(line) => add(trailers, &line)?,
                },
                Self::Done => return Ok(None),
            }
        }
    }
}

fn take(left: &mut u64, buffer: &mut BytesMut) -> Option<Bytes> {
    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len()).min(SLICE);
    *left -= here as u64;
    (here > 0).then(|| buffer.split_to(here).freeze())
}

/// The next line without its end.
fn line(buffer: &mut BytesMut) -> Result<Option<BytesMut>, Broken> {
    let Some(end) = buffer.iter().take(MAX_LINE).position(|&b| b == b'\n') else {
        let is_long = buffer.len() >= MAX_LINE;
        return if is_long { Err(Broken::Malformed("a line of a chunk is too long")) } else { Ok(None) };
    };
    let mut line = buffer.split_to(end);
    buffer.advance(1);
    if line.last() != Some(&b'\r') {
        return Err(Broken::Malformed("a line of a chunk ends without a carriage return"));
    }
    line.truncate(end - 1);
    if line.contains(&b'\r') {
        // RFC 9112 section 2.2: some programs end a line there.
        return Err(Broken::Malformed("a line of a chunk has a carriage return in it"));
    }
    Ok(Some(line))
}

/// A trailer.
fn add(trailers: &mut HeaderMap, line: &[u8]) -> Result<(), Broken> {
    let malformed = Broken::Malformed("a trailer is malformed");
    let Some(colon) = line.iter().position(|&b| b == b':') else { return Err(malformed) };
    let (name, value) = line.split_at(colon);
    let name = HeaderName::from_bytes(name);
    let value = HeaderValue::from_bytes(trim(value.get(1..).unwrap_or_default()));
    let (Ok(name), Ok(value)) = (name, value) else { return Err(malformed) };
    if trailers.len() >= MAX_TRAILERS {
        return Err(Broken::Malformed("it has too many trailers"));
    }
    trailers.append(name, value);
    Ok(())
}

/// Hexadecimal digits, then perhaps an extension.
fn size(line: &[u8]) -> Result<u64, Broken> {
    let digits = line.split(|&b| b == b';').next().map(trim_end).unwrap_or_default();
    let is_hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_hex);
    digits
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or(Broken::Malformed("the size of a chunk is malformed"))
}

/// Without the white space of HTTP around it, which is less than that of ASCII (RFC 9110 section 5.6.3).
fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    trim_end(text)
}

fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes a body that arrives in pieces of that size. Returns it with the bytes left behind it.
    fn decode(mut decoder: Decoder, bytes: &[u8], piece: usize) -> Result<(Vec<u8>, Vec<u8>, bool), Broken> {
        let (mut buffer, mut body) = (BytesMut::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            buffer.extend_from_slice(piece);
            while let Some(frame) = decoder.take(&mut buffer)? {
                match frame.into_data() {
                    Ok(data) => body.extend_from_slice(&data),
                    Err(trailers) => body.extend_from_slice(trailers_text(trailers).as_bytes()),
                }
            }
        }
        Ok((body, buffer.to_vec(), decoder.is_done()))
    }

    fn trailers_text(frame: Frame<Bytes>) -> String {
        let trailers = frame.into_trailers().unwrap();
        trailers.iter().map(|(name, value)| format!("[{name}: {}]", value.to_str().unwrap())).collect()
    }

    #[test]
    fn a_body_ends_where_its_framing_says() {
        for piece in [1, 2, 3, 100] {
            let whole = |decoder, bytes: &[u8]| decode(decoder, bytes, piece).unwrap();
            assert_eq!(whole(Decoder::length(3), b"abcd"), (b"abc".to_vec(), b"d".to_vec(), true));
            assert_eq!(whole(Decoder::length(3), b"ab"), (b"ab".to_vec(), Vec::new(), false));
            let chunked = b"3;a=b\r\nabc\r\nA \r\n0123456789\r\n0\r\nx: y\r\n\r\nd";
            assert_eq!(
                whole(Decoder::chunked(), chunked),
                (b"abc0123456789[x: y]".to_vec(), b"d".to_vec(), true)
            );
            assert_eq!(whole(Decoder::until_close(), b"abc"), (b"abc".to_vec(), Vec::new(), false));
        }
    }

    #[test]
    fn malformed_chunks_are_refused() {
        let long = [b"1;".to_vec(), vec![b'x'; MAX_LINE]].concat();
        for bytes in [
            &b"3\nabc"[..],
            b"\r\n",
            b"-1\r\n",
            b"+1\r\n",
            b"x\r\n",
            b"1ffffffffffffffff\r\n",
            b"1\r\nab\r\n",
            b" 1\r\na\r\n",
            b"1\r\r\na\r\n",
            b"1\x0c\r\na\r\n",
            b"1;a\rb\r\na\r\n",
            b"0\r\na: b\x0c\r\n\r\n",
            &long,
        ] {
            assert!(decode(Decoder::chunked(), bytes, 1).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn only_a_body_without_framing_ends_with_the_connection() {
        assert!(Decoder::length(1).end().is_err());
        assert!(Decoder::chunked().end().is_err());
        let mut decoder = Decoder::until_close();
        assert!(decoder.end().is_ok() && decoder.is_done());
    }
}
