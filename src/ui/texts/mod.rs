//! The words of the pages, in each language.
//!
//! A text is a field of [`Texts`], which `english.rs` defines beside its English. Each other language has a file with a
//! value for each field: without one, or with other arguments than the English text has, it does not compile.

mod english;
mod japanese;
mod kind;
mod template;
#[cfg(test)]
mod tests;

pub(super) use english::Texts;
pub(super) use kind::in_words;
pub(super) use template::Plural;

/// The label of something, in the language of a page.
pub(super) type LabelOf = fn(&Texts) -> &'static str;

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English, for visitors that ask for no other.
    #[default]
    English,
    /// Japanese.
    Japanese,
}

impl Language {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 2] = [Self::English, Self::Japanese];

    /// Returns its code: the language subtag of BCP 47, for `<html lang>` and `Accept-Language`.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Japanese => "ja",
        }
    }

    /// Returns its name, in itself.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Japanese => "日本語",
        }
    }

    /// The language of this code.
    pub fn named(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }

    /// The language that a range of `Accept-Language` matches: `ja`, `ja-JP` (lookup, RFC 4647 section 3.4).
    pub fn matching(range: &str) -> Option<Self> {
        let primary = range.split('-').next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(primary))
    }

    /// Returns its words.
    pub(super) fn texts(self) -> &'static Texts {
        match self {
            Self::English => &english::TEXTS,
            Self::Japanese => &japanese::TEXTS,
        }
    }
}
