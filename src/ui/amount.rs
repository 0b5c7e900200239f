//! Sizes and counts, as people read them.

use std::fmt;

use maud::{Markup, Render, html};

/// Bytes, as docker shows them: `812 B`, `12.3 MB`; in powers of 1000, to three digits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size(pub(super) u64);

/// A number with its thousands apart: `10,234`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count(pub(super) u64);

const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1000 {
            return write!(f, "{} B", self.0);
        }
        let mut unit: u64 = 1000;
        for name in UNITS {
            // In tenths, rounded; u128, for a manifest may say any number.
            let tenths = (u128::from(self.0) * 10 + u128::from(unit) / 2) / u128::from(unit);
            if tenths < 1000 {
                return write!(f, "{}.{} {name}", tenths / 10, tenths % 10);
            }
            let whole = (u128::from(self.0) + u128::from(unit) / 2) / u128::from(unit);
            if whole < 1000 {
                return write!(f, "{whole} {name}");
            }
            unit = unit.saturating_mul(1000);
        }
        write!(f, "{} B", self.0)
    }
}

impl Render for Count {
    fn render(&self) -> Markup {
        html! { (self.to_string()) }
    }
}

/// With all its digits in a tooltip.
impl Render for Size {
    fn render(&self) -> Markup {
        html! { span.size title={ (Count(self.0)) " B" } { (self.to_string()) } }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        digits.char_indices().try_for_each(|(at, digit)| {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_at_their_edges() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1049, "1.0 kB"),
            (1050, "1.1 kB"),
            (99_949, "99.9 kB"),
            (99_950, "100 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (12_345_678, "12.3 MB"),
            (3_623_807_000, "3.6 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text, "{bytes}");
        }
    }

    #[test]
    fn counts_have_their_thousands_apart() {
        for (count, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(Count(count).to_string(), text);
        }
    }
}
