//! Inputs for the properties without a fuzzer: the seeds, then changes of them, the same ones in each run.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `property` with each seed and with `count` changes of them.
///
/// `seeds` has one a line, with the escapes `\\`, `\n`, `\r` and `\xHH`, as `printf %b` reads them.
///
/// # Panics
/// With the input for which the property does not hold.
pub(crate) fn for_many(seeds: &str, count: usize, property: fn(&[u8])) {
    let seeds: Vec<Vec<u8>> = seeds.lines().map(unescape).collect();
    assert!(seeds.len() > 2, "there are hardly any seeds");
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for input in &seeds {
        holds(property, input);
    }
    for _ in 0..count {
        let mut input = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(4) {
            change(&mut input, &seeds[random.below(seeds.len())], &mut random);
        }
        holds(property, &input);
    }
}

fn holds(property: fn(&[u8]), input: &[u8]) {
    let held = catch_unwind(AssertUnwindSafe(|| property(input)));
    assert!(held.is_ok(), "the property does not hold for b\"{}\"", input.escape_ascii());
}

fn change(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(input.len() + 1);
    match random.below(7) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => drop(input.remove(at)),
        2 => {
            let byte = b" \t\r\n\x00\x0b%/:;,?#*[]{}()\\\"'$-+.=0aA\xff\x80|&@"[random.below(36)];
            input.insert(at, byte);
        }
        3 => input.truncate(at),
        4 => {
            // A piece of another seed.
            let from = random.below(other.len() + 1);
            let piece = other[from..].iter().copied().take(1 + random.below(16)).collect::<Vec<_>>();
            input.splice(at..at, piece);
        }
        5 => {
            // A piece of its own once more.
            let piece = input[at..].iter().copied().take(1 + random.below(16)).collect::<Vec<_>>();
            let to = random.below(input.len() + 1);
            input.splice(to..to, piece);
        }
        _ => {
            let byte = u8::try_from(random.below(256)).unwrap_or_default();
            input.insert(at, byte);
        }
    }
}

fn unescape(line: &str) -> Vec<u8> {
    let (mut bytes, mut input) = (line.as_bytes(), Vec::new());
    while let Some((first, rest)) = bytes.split_first() {
        let (byte, rest) = match (first, rest) {
            (b'\\', [b'\\', rest @ ..]) => (b'\\', rest),
            (b'\\', [b'n', rest @ ..]) => (b'\n', rest),
            (b'\\', [b'r', rest @ ..]) => (b'\r', rest),
            (b'\\', [b't', rest @ ..]) => (b'\t', rest),
            (b'\\', [b'x', high, low, rest @ ..]) => (digit(*high) << 4 | digit(*low), rest),
            (b'\\', _) => panic!("an unknown escape in the seed {line}"),
            (other, rest) => (*other, rest),
        };
        input.push(byte);
        bytes = rest;
    }
    input
}

fn digit(hex: u8) -> u8 {
    char::from(hex).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).expect("two digits after \\x")
}

/// Xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % limit
    }
}
