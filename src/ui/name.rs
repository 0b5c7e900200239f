//! The name of a repository, or a reference to an image, so that the eye finds its end: `team/` is quiet, `app` is not.

use maud::{Markup, Render, html};

use super::untrusted::Untrusted;

/// A name, with a chance of a line break behind each slash.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name<'a>(pub(super) &'a str);

/// The name of a manifest on its page: `app:1.0`, `app@sha256:0123456789ab…`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Called<'a> {
    /// The repository.
    pub(super) name: &'a str,
    /// Its tag; without one it is called by its digest.
    pub(super) tag: Option<&'a str>,
    pub(super) digest: &'a str,
}

impl Render for Name<'_> {
    fn render(&self) -> Markup {
        let mut parts: Vec<&str> = self.0.split('/').collect();
        let last = parts.pop().unwrap_or_default();
        html! {
            bdi.name {
                @for part in parts { span.quiet { (Untrusted(part).to_string()) "/" } wbr; }
                (Untrusted(last).to_string())
            }
        }
    }
}

impl Render for Called<'_> {
    fn render(&self) -> Markup {
        html! {
            (Name(self.name)) wbr;
            bdi.reference { (self.separator()) (self.reference()) }
        }
    }
}

/// As plain text, for a title.
impl std::fmt::Display for Called<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}{}", Untrusted(self.name), self.separator(), self.reference())
    }
}

impl Called<'_> {
    fn separator(&self) -> &'static str {
        if self.tag.is_some() { ":" } else { "@" }
    }

    fn reference(&self) -> String {
        match self.tag {
            Some(tag) => Untrusted(tag).to_string(),
            None => short(self.digest),
        }
    }
}

/// `sha256:0123456789ab…`: as much of a digest as people compare.
pub(super) fn short(digest: &str) -> String {
    let digest = Untrusted(digest).to_string();
    let (algorithm, encoded) = digest.split_once(':').unwrap_or(("", &digest));
    let cut: String = encoded.chars().take(12).collect();
    let (colon, more) = (if algorithm.is_empty() { "" } else { ":" }, if cut == encoded { "" } else { "…" });
    format!("{algorithm}{colon}{cut}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_part_is_loud() {
        let rendered = Name("a/b/c").render().into_string();
        let before = r#"<span class="quiet">a/</span><wbr><span class="quiet">b/</span><wbr>"#;
        assert_eq!(rendered, format!(r#"<bdi class="name">{before}c</bdi>"#));
        assert_eq!(Name("app").render().into_string(), r#"<bdi class="name">app</bdi>"#);
    }

    #[test]
    fn digests_are_cut_where_they_can_be() {
        assert_eq!(short("sha256:0123456789abcdef"), "sha256:0123456789ab…");
        assert_eq!(short("sha256:0123"), "sha256:0123");
        assert_eq!(short("0123456789abcdef"), "0123456789ab…");
        assert_eq!(short(""), "");
    }

    #[test]
    fn a_manifest_is_called_by_its_tag_when_it_has_one() {
        let digest = "sha256:0123456789abcdef";
        assert_eq!(Called { name: "a/b", tag: Some("1"), digest }.to_string(), "a/b:1");
        assert_eq!(Called { name: "a/b", tag: None, digest }.to_string(), "a/b@sha256:0123456789ab…");
    }
}
