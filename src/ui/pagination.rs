//! The way through a long list: where one is, the pages around it, the first and the last.

use maud::{Markup, html};

use super::{
    amount::Count,
    link,
    model::{Frame, Page},
    path::PagePath,
    texts::{Plural, Texts},
};

/// The number of pages that are named on each side of the current one.
const AROUND: usize = 2;

/// Links to the other parts of a list at `path`; `kept` is what else its query has. Nothing when all fits on one page.
pub(super) fn pagination(frame: &Frame<'_>, path: &PagePath, page: Page, kept: &[(&str, &str)]) -> Markup {
    let t = frame.texts();
    let at = |number: usize| {
        let number = number.to_string();
        let mut pairs = kept.to_vec();
        // The first page is the list itself: one address for one thing.
        pairs.extend((number != "1").then_some(("page", number.as_str())));
        link::with(frame, path, &pairs)
    };
    html! {
        @if page.pages > 1 {
            nav.pagination aria-label=(t.pages) {
                @if page.number > 1 { a.previous rel="prev" href=(at(page.number - 1)) { (t.previous) } }
                ol {
                    @for step in steps(page.number, page.pages) {
                        @match step {
                            None => { li.gap aria-hidden="true" { "…" } }
                            Some(number) if number == page.number => {
                                li { a aria-current="page" aria-label=(t.page_number.plain([&number])) href=(at(number)) { (Count(number as u64)) } }
                            }
                            Some(number) => {
                                li { a aria-label=(t.page_number.plain([&number])) href=(at(number)) { (Count(number as u64)) } }
                            }
                        }
                    }
                }
                @if page.number < page.pages { a.next rel="next" href=(at(page.number + 1)) { (t.next) } }
            }
        }
    }
}

/// `51–100 of 10,234 tags`.
pub(super) fn extent(t: &Texts, page: Page, shown: usize, things: &Plural) -> Markup {
    let total = things.of(page.total);
    if page.pages <= 1 {
        return total;
    }
    let (first, last) = (page.first as u64 + 1, (page.first + shown) as u64);
    t.part_of.with([&Count(first), &Count(last), &total])
}

/// The pages that are named, in order; `None` for those left out.
fn steps(number: usize, pages: usize) -> Vec<Option<usize>> {
    let near = number.saturating_sub(AROUND).max(1)..=number.saturating_add(AROUND).min(pages);
    let mut named: Vec<usize> = std::iter::once(1).chain(near).chain([pages]).collect();
    named.dedup();
    let mut steps: Vec<Option<usize>> = Vec::new();
    let mut before = 0;
    for page in named {
        match page - before {
            // One that is left out takes as much room as its number.
            2 => steps.push(Some(page - 1)),
            1 => {}
            _ => steps.push(None),
        }
        steps.push(Some(page));
        before = page;
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Language;

    fn shown(number: usize, pages: usize) -> String {
        let words = steps(number, pages)
            .into_iter()
            .map(|step| step.map_or("…".to_owned(), |page| page.to_string()));
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_pages_around_are_named_and_the_ends() {
        assert_eq!(shown(1, 1), "1");
        assert_eq!(shown(1, 2), "1 2");
        assert_eq!(shown(2, 5), "1 2 3 4 5");
        assert_eq!(shown(1, 205), "1 2 3 … 205");
        assert_eq!(shown(5, 205), "1 2 3 4 5 6 7 … 205");
        assert_eq!(shown(6, 205), "1 … 4 5 6 7 8 … 205");
        assert_eq!(shown(205, 205), "1 … 203 204 205");
        assert_eq!(shown(202, 205), "1 … 200 201 202 203 204 205");
    }

    #[test]
    fn a_page_that_is_not_there_harms_nothing() {
        assert_eq!(shown(9, 3), "1 2 3");
    }

    #[test]
    fn the_extent_is_in_words() {
        let page = Page { number: 2, pages: 205, first: 50, total: 10_234 };
        let t = Language::English.texts();
        assert_eq!(extent(t, page, 50, &t.tags_counted).into_string(), "51–100 of 10,234 tags");
        let page = Page { number: 1, pages: 1, first: 0, total: 7 };
        assert_eq!(extent(t, page, 7, &t.tags_counted).into_string(), "7 tags");
    }
}
