//! The forms that a text of the catalogue has: words alone are a plain `&str`; what else stands in it is in a template.
//!
//! In a template, `{0}` is the first argument, `` `…` `` is code, and `**…**` is strong. The arguments of a template are
//! part of its type: a text that lacks one of them, or has one more, does not compile, in any language.

use std::fmt::Display;

use maud::{Markup, PreEscaped, Render};

use crate::ui::amount::Count;

/// A text with `N` arguments.
#[derive(Debug, Clone, Copy)]
pub(in crate::ui) struct Text<const N: usize>(&'static str);

/// A text about a number of things, which is argument 0, with `N` further arguments.
#[derive(Debug, Clone, Copy)]
pub(in crate::ui) struct Plural<const N: usize = 0> {
    /// The forms of the language, in the order that its rule counts them in.
    forms: &'static [&'static str],
    /// The form for a number. The plural rules of Unicode CLDR list those of each language.
    rule: fn(u64) -> usize,
}

/// A text whose arguments are checked when it is compiled.
pub(super) const fn text<const N: usize>(template: &'static str) -> Text<N> {
    assert!(arguments(template) == all(N), "the text does not have each of its arguments");
    Text(template)
}

/// A text in each of the language's forms, checked in the same way. A form may leave the number out, as in "one tag".
pub(super) const fn plural<const N: usize>(
    forms: &'static [&'static str],
    rule: fn(u64) -> usize,
) -> Plural<N> {
    let mut rest = forms;
    while let [form, others @ ..] = rest {
        assert!(arguments(form) | 1 == all(N + 1), "a form does not have each of its arguments");
        rest = others;
    }
    Plural { forms, rule }
}

/// The set of the first `count` arguments, as bits.
const fn all(count: usize) -> u32 {
    (1 << count) - 1
}

/// The set of the arguments that a template has, as bits: those of no template, if a brace or a mark does not close.
const fn arguments(template: &str) -> u32 {
    let (mut rest, mut found, mut in_code, mut in_strong) = (template.as_bytes(), 0, false, false);
    loop {
        rest = match rest {
            [] => break,
            [b'{', digit @ b'0'..=b'9', b'}', rest @ ..] => {
                found |= 1 << (*digit - b'0');
                rest
            }
            [b'{', ..] => return u32::MAX,
            [b'`', rest @ ..] => {
                in_code = !in_code;
                rest
            }
            [b'*', b'*', rest @ ..] => {
                in_strong = !in_strong;
                rest
            }
            [_, rest @ ..] => rest,
        };
    }
    if in_code || in_strong { u32::MAX } else { found }
}

impl<const N: usize> Text<N> {
    /// Renders the text around these arguments, each of which escapes itself.
    pub(in crate::ui) fn with(&self, arguments: [&dyn Render; N]) -> Markup {
        rendered(self.0, &arguments)
    }

    /// Returns the text without any mark, for a title or a label.
    pub(in crate::ui) fn plain(&self, arguments: [&dyn Display; N]) -> String {
        plain(self.0, &arguments)
    }
}

/// A text without arguments stands for itself.
impl Render for Text<0> {
    fn render(&self) -> Markup {
        self.with([])
    }
}

impl<const N: usize> Plural<N> {
    /// Renders the text for a number of things, with the further arguments.
    pub(in crate::ui) fn with(&self, count: u64, further: [&dyn Render; N]) -> Markup {
        let count = Count(count);
        let mut arguments: Vec<&dyn Render> = vec![&count];
        arguments.extend(further);
        rendered(self.form(count), &arguments)
    }

    fn form(&self, Count(count): Count) -> &'static str {
        self.forms.get((self.rule)(count)).or(self.forms.last()).copied().unwrap_or_default()
    }
}

impl Plural {
    /// Renders the text for a number of things.
    pub(in crate::ui) fn of(&self, count: usize) -> Markup {
        self.with(count as u64, [])
    }

    /// Returns the text without any mark.
    pub(in crate::ui) fn plain(&self, count: u64) -> String {
        let count = Count(count);
        plain(self.form(count), &[&count])
    }
}

/// A part of a template.
enum Part<'t> {
    Words(&'t str),
    Argument(usize),
    Code,
    Strong,
}

/// The parts of a template, in order.
fn parts(template: &'static str) -> impl Iterator<Item = Part<'static>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        if let Some(behind) = rest.strip_prefix('{') {
            let (number, behind) = behind.split_once('}')?;
            rest = behind;
            return Some(Part::Argument(number.parse().ok()?));
        }
        for (mark, part) in [("`", Part::Code), ("**", Part::Strong)] {
            if let Some(behind) = rest.strip_prefix(mark) {
                rest = behind;
                return Some(part);
            }
        }
        let end = ["{", "`", "**"].iter().filter_map(|mark| rest.find(mark)).min().unwrap_or(rest.len());
        let (words, behind) = rest.split_at(end);
        rest = behind;
        (!words.is_empty()).then_some(Part::Words(words))
    })
}

fn rendered(template: &'static str, arguments: &[&dyn Render]) -> Markup {
    let (mut html, mut in_code, mut in_strong) = (String::new(), false, false);
    let mark = |html: &mut String, is_open: &mut bool, tag: &str| {
        html.push_str(if *is_open { "</" } else { "<" });
        html.push_str(tag);
        html.push('>');
        *is_open = !*is_open;
    };
    for part in parts(template) {
        match part {
            Part::Words(words) => words.render_to(&mut html),
            Part::Argument(number) => {
                arguments.get(number).into_iter().for_each(|argument| argument.render_to(&mut html));
            }
            Part::Code => mark(&mut html, &mut in_code, "code"),
            Part::Strong => mark(&mut html, &mut in_strong, "strong"),
        }
    }
    PreEscaped(html)
}

fn plain(template: &'static str, arguments: &[&dyn Display]) -> String {
    parts(template).fold(String::new(), |text, part| match part {
        Part::Words(words) => text + words,
        Part::Argument(number) => {
            arguments.get(number).map_or(text.clone(), |argument| format!("{text}{argument}"))
        }
        Part::Code | Part::Strong => text,
    })
}

#[cfg(test)]
mod tests {
    use maud::html;

    use super::*;
    use crate::ui::untrusted::Untrusted;

    #[test]
    fn arguments_stand_in_any_order_and_escape_themselves() {
        let text: Text<2> = text("<{1}> of **`{0}`**");
        let html = text.with([&Untrusted("<b>"), &html! { i { "x" } }]).into_string();
        assert_eq!(html, "&lt;<i>x</i>&gt; of <strong><code><bdi>&lt;b&gt;</bdi></code></strong>");
        assert_eq!(text.plain([&"a", &1]), "<1> of a");
    }

    #[test]
    fn a_number_takes_the_form_of_its_language() {
        let tags: Plural = plural(&["one tag", "{0} tags"], |count| usize::from(count != 1));
        let shown = [0, 1, 2, 10_234].map(|count| tags.of(count).into_string());
        assert_eq!(shown, ["0 tags", "one tag", "2 tags", "10,234 tags"]);
        assert_eq!(tags.plain(1000), "1,000 tags");
        let of: Plural<1> = plural(&["{1}: {0}"], |_| 0);
        assert_eq!(of.with(3, [&"a"]).into_string(), "a: 3");
    }

    #[test]
    fn a_text_without_each_of_its_arguments_or_with_an_open_mark_does_not_compile() {
        for (template, found) in [("{0} of {1}", all(2)), ("{1} {1}", 2), ("`{0}` **a**", 1), ("a * b", 0)] {
            assert_eq!(arguments(template), found, "{template}");
        }
        for wrong in ["{", "{a}", "{0", "{10}", "{}", "a `b", "**a"] {
            assert!((0..10).all(|count| arguments(wrong) != all(count)), "{wrong}");
        }
    }

    #[test]
    fn a_form_that_a_rule_names_and_that_is_not_there_is_the_last_one() {
        let tags: Plural = plural(&["{0} tags"], |_| 7);
        assert_eq!(tags.of(2).into_string(), "2 tags");
    }
}
