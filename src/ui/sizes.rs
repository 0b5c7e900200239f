//! The size of an image for several platforms: a client pulls one of them, and no client all.

use maud::{Markup, html};

use super::{
    amount::{Count, Size},
    texts::Texts,
};

/// The sizes of the platforms of an image, in bytes; `None` for one that is not known.
#[derive(Debug, Clone)]
pub(super) struct Sizes(pub(super) Vec<Option<u64>>);

impl Sizes {
    /// Renders the size of one platform, from the smallest to the largest; `None` if none is known.
    pub(super) fn of_one(&self) -> Option<Markup> {
        let known = || self.0.iter().copied().flatten();
        let (least, most) = (known().min()?, known().max()?);
        Some(
            html! { (Size(least)) @if Size(least).to_string() != Size(most).to_string() { "–" (Size(most)) } },
        )
    }

    /// Renders the size of all platforms; `sum` is that of their sizes.
    pub(super) fn of_all(&self, t: &Texts, sum: u64) -> Markup {
        t.size_of_all.with([&Size(sum), &Count(self.0.len() as u64)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Language;

    #[test]
    fn one_platform_is_from_to_and_all_are_a_sum() {
        let text = |sizes: &[Option<u64>]| {
            let shown = Sizes(sizes.to_vec()).of_one().map(|one| one.into_string());
            shown.map(|html| html.matches("class=\"size\"").count())
        };
        assert_eq!(text(&[Some(1_000_000), Some(2_000_000), None]), Some(2));
        assert_eq!(text(&[Some(1_000_000), Some(1_000_001)]), Some(1), "they are read as the same");
        assert_eq!(text(&[None]), None);
        assert!(
            Sizes(vec![None; 3]).of_all(Language::English.texts(), 5).into_string().ends_with(" for all 3")
        );
    }
}
