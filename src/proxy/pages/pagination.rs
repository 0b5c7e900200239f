//! The part of a long list that is shown.

use crate::ui::Page;

/// The part of a list of `total`, `size` at a time, that `number` (from 1) asks for; the last one where it asks for
/// more.
pub(super) fn part(total: usize, size: usize, number: usize) -> Page {
    let pages = total.div_ceil(size).max(1);
    let number = number.clamp(1, pages);
    Page { number, pages, first: (number - 1) * size, total }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_a_part_that_is_there() {
        for (total, number, shown, pages, first) in [
            (0, 1, 1, 1, 0),
            (0, 9, 1, 1, 0),
            (100, 1, 1, 1, 0),
            (101, 2, 2, 2, 100),
            (101, 0, 1, 2, 0),
            (250, 99, 3, 3, 200),
        ] {
            assert_eq!(part(total, 100, number), Page { number: shown, pages, first, total });
        }
    }
}
