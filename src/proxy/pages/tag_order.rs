//! The orders of a list of tags.

use std::cmp::{Ordering, Reverse};

use crate::{registry::Tag, ui::Order};

/// Sorts tags. `latest` comes first in any order: it is what a pull without a tag takes, and a word that no version
/// sorts behind. `time` gives the time of a tag, for [`Order::Newest`]; those without one come last.
pub(super) fn sort<T, K: Ord>(
    tags: &mut [T],
    order: Order,
    tag: impl Fn(&T) -> &Tag,
    time: impl Fn(&T) -> Option<K>,
) {
    let by_version = |a: &T, b: &T| highest_first(tag(a).as_str(), tag(b).as_str());
    match order {
        Order::Name => tags.sort_by(|a, b| tag(a).as_str().cmp(tag(b).as_str())),
        Order::Version => tags.sort_by(by_version),
        Order::Newest => {
            // Stable: equal times stay sorted by version.
            tags.sort_by(by_version);
            tags.sort_by_key(|one| Reverse(time(one)));
        }
    }
    tags.sort_by_key(|one| tag(one).as_str() != "latest");
}

/// The order of versions, the highest first: numbers in a tag count as such, so that 1.10 is higher than 1.9, and 1.10
/// than 1.10-rc1. Nothing is kept of either: of tens of thousands with a hundred pieces each, that would be hundreds of
/// megabytes.
fn highest_first(a: &str, b: &str) -> Ordering {
    pieces(b).cmp(pieces(a)).then_with(|| a.cmp(b))
}

/// A tag without the `v` before its version: `v1.4` is the version 1.4.
fn version(tag: &str) -> &str {
    let number = tag.strip_prefix(['v', 'V']).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    number.unwrap_or(tag)
}

fn pieces(tag: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = version(tag);
    let inside = std::iter::from_fn(move || {
        let is_digit = rest.chars().next()?.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(rest.len());
        let (piece, behind) = rest.split_at(end);
        rest = behind;
        Some(match is_digit {
            true => {
                let digits = piece.trim_start_matches('0');
                Piece::Number(digits.len(), digits)
            }
            false if piece.starts_with('-') => Piece::Suffix(piece),
            false => Piece::Text(piece),
        })
    });
    inside.chain([Piece::End])
}

/// A piece of a tag, in the order in which they are compared.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece<'t> {
    /// The text after a `-`, as of a candidate: before the end.
    Suffix(&'t str),
    /// Nothing more.
    End,
    /// Anything else.
    Text(&'t str),
    /// Digits without leading zeros, with their count before them.
    Number(usize, &'t str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_comes_first() {
        let sorted = [
            "v11",
            "10",
            "v10",
            "v9",
            "9",
            "v2",
            "1.10.1",
            "1.10",
            "v1.10",
            "1.10-rc10",
            "v1.10-rc2",
            "1.10-rc1",
            "1.9",
            "V1.4.0",
            "vega",
            "v",
            "latest",
        ];
        let mut tags = sorted;
        tags.reverse();
        tags.sort_by(|a, b| highest_first(a, b));
        assert_eq!(
            tags,
            [
                "v11",
                "10",
                "v10",
                "9",
                "v9",
                "v2",
                "1.10.1",
                "1.10",
                "v1.10",
                "1.10-rc10",
                "v1.10-rc2",
                "1.10-rc1",
                "1.9",
                "V1.4.0",
                "vega",
                "v",
                "latest"
            ]
        );
    }
}
