//! The code that a person types, or compares with the one on the screen of the program that asks (RFC 8628 section 6.1).

use std::fmt;

use aws_lc_rs::rand;

use crate::authn::NoRandomness;

/// Letters that are not mistaken for one another, and spell no words (RFC 8628 section 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Letters of a code: 34 bits.
const LENGTH: usize = 8;
/// The largest multiple of the number of letters that a byte holds: above it, some letters would come more often.
const FAIR: u8 = 240;

/// A user code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct UserCode([u8; LENGTH]);

impl UserCode {
    /// Makes one by chance.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub(super) fn random() -> Result<Self, NoRandomness> {
        let mut code = [0; LENGTH];
        let mut made = 0;
        while made < LENGTH {
            let mut bytes = [0; LENGTH];
            rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
            let letters = bytes.iter().filter(|byte| **byte < FAIR);
            let letters = letters.filter_map(|byte| LETTERS.get(usize::from(*byte) % LETTERS.len()));
            for (place, letter) in code.iter_mut().skip(made).zip(letters) {
                *place = *letter;
                made += 1;
            }
        }
        Ok(Self(code))
    }

    /// Reads one as people type it: in either case, with and without the hyphen and spaces. `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let typed = text.bytes().filter(|byte| !matches!(byte, b'-' | b' '));
        let letters: Vec<u8> = typed.take(LENGTH + 1).map(|byte| byte.to_ascii_uppercase()).collect();
        let code = Self(letters.try_into().ok()?);
        code.0.iter().all(|letter| LETTERS.contains(letter)).then_some(code)
    }
}

/// `WDJB-MJHT`.
impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = self.0.split_at(LENGTH / 2);
        let text = |half| std::str::from_utf8(half).unwrap_or_default();
        write!(f, "{}-{}", text(first), text(second))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = UserCode::parse("WDJB-MJHT").unwrap();
        assert_eq!(code.to_string(), "WDJB-MJHT");
        for typed in ["wdjbmjht", " WdJb MjHt ", "WDJB--MJHT", "W D J B M J H T"] {
            assert_eq!(UserCode::parse(typed), Some(code), "{typed}");
        }
        let long = "W".repeat(1 << 16);
        for none in ["", "WDJB-MJH", "WDJB-MJHTT", "WDJB-MJHA", "WDJB_MJHT", "ẂDJBMJHT", "WDJB-MJH\0", &long]
        {
            assert_eq!(UserCode::parse(none), None, "{none}");
        }
    }

    #[test]
    fn rule_65_each_letter_of_a_code_comes_as_often_as_the_others() {
        let mut counts: HashMap<u8, usize> = HashMap::new();
        for _ in 0..50_000 {
            let code = UserCode::random().unwrap();
            assert_eq!(UserCode::parse(&code.to_string()), Some(code));
            code.0.iter().for_each(|letter| *counts.entry(*letter).or_default() += 1);
        }
        assert_eq!(counts.len(), LETTERS.len());
        // 20,000 of each are expected, and six standard deviations are 830. With all values of a byte, four letters would
        // come 18,750 times.
        assert!(counts.values().all(|count| (19_170..20_830).contains(count)), "{counts:?}");
    }
}
