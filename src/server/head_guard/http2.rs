//! The header blocks of the requests of an HTTP/2 connection (RFC 9113, HPACK in RFC 7541). They are followed to see
//! one thing that the HTTP library hides: it cuts a `#fragment` off a `:path` as if it were not there.
//!
//! No table is kept: a pair that stands in the dynamic table was seen when it came. Of a name that stands there nothing
//! is known, so its value passes: taken for a `:path`, any header of one client would end a connection that a proxy
//! shares among many. A client that writes `:path` so has its own fragment cut off, as without this guard.

use super::scan::BadHead;

/// The position of the next byte in the stream of frames.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server) struct Frames {
    state: State,
    /// The bytes received of a header block.
    block: Vec<u8>,
    /// The largest block that is collected. A larger one the library refuses: no code is longer than 30 bits for 8.
    most: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// In the client's preface: bytes left.
    Preface(usize),
    /// In the head of a frame: what has come of it.
    Head(Vec<u8>),
    /// In the payload of a frame.
    Payload { kind: u8, flags: u8, left: usize },
}

const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();
const HEAD: usize = 9;

/// Kinds of frames, and their flags.
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

impl Frames {
    /// From the client's first byte; a head may have `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { state: State::Preface(PREFACE), block: Vec::new(), most: limit.saturating_mul(4) }
    }

    /// Takes what belongs to the present state off the front of `bytes`.
    pub(super) fn advance(&mut self, bytes: &mut &[u8]) -> Result<(), BadHead> {
        match &mut self.state {
            State::Preface(left) => {
                *left -= take(bytes, *left).len();
                if *left == 0 {
                    self.state = State::Head(Vec::new());
                }
            }
            State::Head(head) => {
                head.extend_from_slice(take(bytes, HEAD - head.len()));
                if let [a, b, c, kind, flags, ..] = head.as_slice()
                    && head.len() == HEAD
                {
                    let left = u32::from_be_bytes([0, *a, *b, *c]) as usize;
                    self.state = State::Payload { kind: *kind, flags: *flags, left };
                }
            }
            State::Payload { kind, flags, left } => {
                let payload = take(bytes, *left);
                *left -= payload.len();
                let (kind, flags, is_over) = (*kind, *flags, *left == 0);
                if matches!(kind, HEADERS | CONTINUATION) && self.block.len() <= self.most {
                    self.block.extend_from_slice(payload);
                }
                if is_over {
                    self.state = State::Head(Vec::new());
                    return self.end_of_frame(kind, flags);
                }
            }
        }
        Ok(())
    }

    fn end_of_frame(&mut self, kind: u8, flags: u8) -> Result<(), BadHead> {
        if kind == HEADERS {
            self.block = without_padding(&self.block, flags).unwrap_or_default().to_vec();
        }
        if !matches!(kind, HEADERS | CONTINUATION) || flags & END_HEADERS == 0 {
            return Ok(());
        }
        let block = std::mem::take(&mut self.block);
        if block.len() <= self.most && has_fragment(&mut Hpack(&block)) == Some(true) {
            return Err("the request target has a fragment".into());
        }
        Ok(())
    }
}

fn take<'b>(bytes: &mut &'b [u8], most: usize) -> &'b [u8] {
    let (taken, rest) = bytes.split_at(most.min(bytes.len()));
    *bytes = rest;
    taken
}

/// The part of a HEADERS frame that belongs to the block. `None` where it is malformed, which ends the connection.
fn without_padding(payload: &[u8], flags: u8) -> Option<&[u8]> {
    let mut block = payload;
    if flags & PADDED != 0 {
        let (padding, rest) = block.split_first()?;
        block = rest.get(..rest.len().checked_sub(usize::from(*padding))?)?;
    }
    if flags & PRIORITY != 0 { block.get(5..) } else { Some(block) }
}

/// Returns whether a block has a `:path` with a fragment. `None` where it is malformed, which ends the connection.
fn has_fragment(block: &mut Hpack<'_>) -> Option<bool> {
    while let Some(first) = block.0.first().copied() {
        let index_bits = match first {
            // Of a table, name and value.
            0x80.. => {
                block.integer(7)?;
                continue;
            }
            // The size of the table.
            0x20..0x40 => {
                block.integer(5)?;
                continue;
            }
            0x40..0x80 => 6,
            0x00..0x20 => 4,
        };
        let may_be_path = match block.integer(index_bits)? {
            0 => block.text()?.is_path_name(),
            index => index == 4 || index == 5,
        };
        let value = block.text()?;
        if may_be_path && value.is_path_with_fragment()? {
            return Some(true);
        }
    }
    Some(false)
}

/// The rest of a header block.
struct Hpack<'b>(&'b [u8]);

/// A string of a header block.
struct Text<'b> {
    bytes: &'b [u8],
    is_huffman: bool,
}

impl<'b> Hpack<'b> {
    /// RFC 7541 section 5.1.
    fn integer(&mut self, bits: u32) -> Option<usize> {
        let most = (1_usize << bits) - 1;
        let mut value = usize::from(self.byte()?) & most;
        let mut shift = 0;
        while value >= most {
            let byte = self.byte()?;
            value = value.checked_add(usize::from(byte & 0x7f).checked_shl(shift)?)?;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        Some(value)
    }

    fn text(&mut self) -> Option<Text<'b>> {
        let is_huffman = *self.0.first()? >= 0x80;
        let length = self.integer(7)?;
        let bytes = self.0.get(..length)?;
        self.0 = self.0.get(length..)?;
        Some(Text { bytes, is_huffman })
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }
}

impl Text<'_> {
    fn is_path_name(&self) -> bool {
        // There is one way to write it in Huffman's code.
        let name: &[u8] = if self.is_huffman { &[0xb9, 0x58, 0xd3, 0x3f] } else { b":path" };
        self.bytes == name
    }

    fn is_path_with_fragment(&self) -> Option<bool> {
        if !self.is_huffman {
            return Some(self.bytes.starts_with(b"/") && self.bytes.contains(&b'#'));
        }
        let mut symbols = Symbols { bytes: self.bytes, at: 0 };
        let begins_as_path = symbols.next() == Some(SLASH);
        Some(begins_as_path && symbols.any(|symbol| symbol == HASH))
    }
}

/// A symbol as the length of its code, and its code.
type Symbol = (usize, u32);

const SLASH: Symbol = (6, 0x18);
const HASH: Symbol = (12, 0xffa);

/// The symbols of a string in Huffman's code.
struct Symbols<'b> {
    bytes: &'b [u8],
    /// In bits.
    at: usize,
}

/// The number of codes of each length (RFC 7541 appendix B). They count up, and those of a length go on where those
/// of the one before end.
const CODES: [u32; 31] =
    [0, 0, 0, 0, 0, 10, 26, 32, 6, 0, 5, 3, 2, 6, 2, 3, 0, 0, 0, 3, 8, 13, 26, 29, 12, 4, 15, 19, 29, 0, 4];

impl Iterator for Symbols<'_> {
    type Item = Symbol;

    /// `None` at the end, where padding is less than a code, or at a code that there is not.
    fn next(&mut self) -> Option<Symbol> {
        let (mut code, mut first) = (0_u32, 0_u32);
        for (length, count) in CODES.iter().enumerate().skip(1) {
            let byte = *self.bytes.get(self.at / 8)?;
            code = code << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
            if code.checked_sub(first)? < *count {
                return Some((length, code));
            }
            first = (first + count) << 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    fn is_refused(frames: &[u8], piece: usize) -> bool {
        let mut followed = Frames::new(1000);
        let stream = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frames].concat();
        stream.chunks(piece).any(|mut bytes| {
            let mut seen = Ok(());
            while !bytes.is_empty() && seen.is_ok() {
                seen = followed.advance(&mut bytes);
            }
            seen.is_err()
        })
    }

    /// A literal of a name in the static table, with indexing.
    fn literal(index: u8, value: &[u8]) -> Vec<u8> {
        [&[0x40 | index, u8::try_from(value.len()).unwrap()], value].concat()
    }

    #[test]
    fn rule_10_a_fragment_over_http2_is_seen_however_it_is_written() {
        let path = literal(4, b"/v2/#x");
        // `/#` in Huffman's code: 011000 111111111010, and padding.
        let huffman: &[u8] = &[0x04, 0x83, 0b0110_0011, 0b1111_1110, 0b1011_1111];
        let named = [&[0x00, 5], &b":path"[..], &[4], b"/?a#"].concat();
        let named_in_huffman = [&[0x10, 0x84, 0xb9, 0x58, 0xd3, 0x3f, 3][..], b"/#x"].concat();
        for block in [&path, huffman, &named, &named_in_huffman] {
            for before in [&[][..], &[0x82, 0x87, 0x3f, 0xe1, 0x1f]] {
                let block = [before, block].concat();
                let padded = [&[2, 0, 0, 0, 0, 7], &*block, &[0, 0]].concat();
                let (start, rest) = block.split_at(1);
                for frames in [
                    frame(HEADERS, END_HEADERS, &block),
                    frame(HEADERS, END_HEADERS | PADDED | PRIORITY, &padded),
                    [frame(HEADERS, 0, start), frame(CONTINUATION, END_HEADERS, rest)].concat(),
                    [frame(0x4, 0, &[0; 6]), frame(0x0, 0, b"GET /#"), frame(HEADERS, END_HEADERS, &block)]
                        .concat(),
                ] {
                    for piece in [1, 7, 1000] {
                        assert!(is_refused(&frames, piece), "{frames:x?}");
                    }
                }
            }
        }
    }

    #[test]
    fn rule_10_each_entry_of_the_static_table_that_names_a_path_is_one() {
        for index in [4, 5] {
            assert!(is_refused(&frame(HEADERS, END_HEADERS, &literal(index, b"/v2/#x")), 1000), "{index}");
        }
    }

    #[test]
    fn what_has_no_fragment_passes() {
        // `www.example.com` of RFC 7541 appendix C.4.1, as `:authority`.
        let authority: &[u8] =
            &[0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        let agent = literal(58, b"/a #b");
        // A header of any name that the client has put into the dynamic table: its value is its own.
        let in_the_table = [&[0x7e, 4][..], b"/a#b"].concat();
        for block in
            [&literal(4, b"/v2/a/tags/list")[..], authority, &agent, &in_the_table, b"", b"\xff", b"\x04"]
        {
            assert!(!is_refused(&frame(HEADERS, END_HEADERS, block), 3), "{block:x?}");
        }
        assert!(!is_refused(&frame(0x0, 0, b"\x04\x02/#"), 3), "data");
    }

    #[test]
    fn each_symbol_is_read_by_its_length() {
        assert_eq!(CODES.iter().sum::<u32>(), 257, "all bytes, and the end");
        let text: &[u8] = &[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        let lengths: Vec<usize> = Symbols { bytes: text, at: 0 }.map(|(length, _)| length).collect();
        // w w w . e x a m p l e . c o m
        assert_eq!(lengths, [7, 7, 7, 6, 5, 7, 5, 6, 6, 6, 5, 6, 5, 5, 6]);
        // The longest code: a line feed.
        assert_eq!(Symbols { bytes: &[0xff, 0xff, 0xff, 0xf3], at: 0 }.next(), Some((30, 0x3fff_fffc)));
    }
}
