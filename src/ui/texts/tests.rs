//! That pages are in one language, and that a language has a text for everything.

use regex::Regex;

use super::{Language, in_words};
use crate::ui::{
    fixtures::{Fixture, Fixtures},
    model::Theme,
};

#[test]
fn a_range_matches_its_language_and_no_other() {
    for (range, language) in [
        ("ja", Some(Language::Japanese)),
        ("JA-jp", Some(Language::Japanese)),
        ("en-GB", Some(Language::English)),
        ("jam", None),
        ("de", None),
        ("*", None),
        ("", None),
    ] {
        assert_eq!(Language::matching(range), language, "{range}");
    }
    assert!(Language::ALL.iter().all(|language| Language::named(language.code()) == Some(*language)));
}

/// Names, units and words of commands, which are the same in any language.
const NAMES: [&str; 39] = [
    "Portwarden",
    "SBOM",
    "JSON",
    "JSON Lines",
    "CSV",
    "README",
    "docker",
    "podman",
    "nerdctl",
    "skopeo",
    "crane",
    "oras",
    "cosign",
    "helm",
    "Helm",
    "Kubernetes",
    "compose",
    "Dockerfile",
    "GitHub",
    "OpenID Connect",
    "English",
    "WASM",
    "Caps Lock",
    "https://",
    "UTC",
    "kB",
    "MB",
    "GB",
    "TB",
    "B",
    "KiB",
    "blob",
    "SHA-256",
    "PC",
    "ID",
    "team/app",
    "docker pull",
    "BuildKit",
    "sha256",
];

/// The texts that a visitor of a page reads or hears: those between the tags, and those of attributes. What is code, or in
/// English by its own word, is none.
fn read_by_people(html: &str) -> Vec<String> {
    let quoted =
        Regex::new("(?s)<(code|kbd)\\b[^>]*>.*?</(?:code|kbd)>|<span lang=\"en\">.*?</span>").unwrap();
    let attributes =
        Regex::new("(?:title|alt|placeholder|aria-label|data-label|data-[a-z-]*cop[a-z]*)=\"([^\"]*)\"");
    let attributes = attributes.unwrap();
    let spoken = attributes.captures_iter(html).map(|found| found[1].to_owned()).collect::<Vec<_>>();
    let without_code = quoted.replace_all(html, "");
    let between = Regex::new("<[^>]*>").unwrap();
    spoken.into_iter().chain(between.split(&without_code).map(str::to_owned)).collect()
}

/// Returns the words in Latin letters that are no names.
fn latin(text: &str, names: &Regex) -> Option<String> {
    let rest = names.replace_all(text, "").into_owned();
    rest.chars().any(|c| c.is_ascii_alphabetic()).then_some(rest)
}

/// With every text of the registry replaced, what is left in Latin letters is a text of a view.
#[test]
fn a_page_in_japanese_has_no_english_text() {
    let fixtures =
        Fixtures { hostile: Some("本"), prefix: "", language: Language::Japanese, theme: Theme::System };
    let mut names = NAMES.map(regex::escape).to_vec();
    names.sort_unstable_by_key(|name| std::cmp::Reverse(name.len()));
    let names = Regex::new(&format!("{}|&[a-z]+;", names.join("|"))).unwrap();
    let mut wrong = Vec::new();
    for Fixture { name, html } in fixtures.all() {
        // Portwarden makes the names of tokens.
        let html = ["registry.example", "WDJB-MJHT", "0123456789ab", "ba9876543210"]
            .iter()
            .fold(html, |html, own| html.replace(own, ""));
        for text in read_by_people(&html) {
            // What a button copies is a command, or the digest beside it.
            if let Some(words) = latin(&text, &names).filter(|_| !is_copied(&html, &text)) {
                wrong.push(format!("{name}: {words:?} in {text:?}"));
            }
        }
        assert!(html.contains("<html lang=\"ja\">"), "{name}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn is_copied(html: &str, text: &str) -> bool {
    html.contains(&format!("<code class=\"digest line\" title=\"{text}\""))
        || html.contains(&format!("data-copy=\"{text}\""))
}

#[test]
fn each_kind_of_thing_has_words() {
    let t = Language::Japanese.texts();
    assert_eq!(in_words(t, "signature (cosign)"), "署名 (cosign)");
    assert_eq!(in_words(t, "application/vnd.example.scan+json"), "application/vnd.example.scan+json");
    for kind in crate::image::all_words().chain(["list of referrers"]) {
        let words = in_words(t, kind);
        assert!(words != kind || kind.starts_with("SBOM"), "{kind} has no words in Japanese");
    }
}
