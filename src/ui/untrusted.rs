//! Text from a push, made fit to be looked at. Markup is escaped by the templates; here it is about characters that
//! show nothing, or show what follows them elsewhere than it stands.

use std::fmt;

use maud::{Markup, Render, html};

/// A text from the registry or from a visitor. Displays with every character that cannot be seen as `\u{202e}`;
/// rendered, it stands alone as well, so that a right-to-left text does not turn round what is beside it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Untrusted<'a>(pub(super) &'a str);

impl fmt::Display for Untrusted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match is_deceptive(c) {
            true => write!(f, "{}", c.escape_unicode()),
            false => fmt::Write::write_char(f, c),
        })
    }
}

impl Render for Untrusted<'_> {
    fn render(&self) -> Markup {
        html! { bdi { (self.to_string()) } }
    }
}

/// A sentence of the log, of the rules or of the API, which is in English on a page in any language.
pub(super) fn of_the_log(text: &str) -> Markup {
    html! { span lang="en" { (Untrusted(text)) } }
}

/// Control characters but line breaks and tabs; marks that turn the direction; what takes no room; tags and
/// annotations. Joiners stay: whole scripts are written with them.
fn is_deceptive(c: char) -> bool {
    let is_layout = matches!(c, '\n' | '\t');
    (c.is_control() && !is_layout)
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}')
        || matches!(c, '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_shown() {
        let hostile = "a\u{202e}b\u{2066}c\u{0}d\re\u{200b}f\u{e0041}";
        let shown = r"a\u{202e}b\u{2066}c\u{0}d\u{d}e\u{200b}f\u{e0041}";
        assert_eq!(Untrusted(hostile).to_string(), shown);
    }

    #[test]
    fn what_people_write_stays() {
        for text in ["RUN a \\\n\tb", "é ü 日本語", "שלום", "👩\u{200d}🚀", "क\u{94d}\u{200d}ष"]
        {
            assert_eq!(Untrusted(text).to_string(), text);
        }
    }

    #[test]
    fn markup_is_escaped_and_stands_alone() {
        let rendered = html! { (Untrusted("<b>\"&")) }.into_string();
        assert_eq!(rendered, "<bdi>&lt;b&gt;&quot;&amp;</bdi>");
    }
}
