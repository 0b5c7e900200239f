//! The source of a decision, in the words of a language.

use maud::{Markup, html};

use super::{
    model::{Basis, RuleMatch},
    texts::Texts,
    untrusted::{Untrusted, of_the_log},
};

/// Returns it as text.
pub(super) fn in_words(t: &Texts, basis: &Basis) -> String {
    match basis {
        Basis::NoRule => t.no_rule_matches.to_owned(),
        Basis::Other(text) => Untrusted(text).to_string(),
        Basis::Rule { number, line, how, tags, comment } => {
            let rule = t.rule_and_line.plain([number, line]);
            let rule = match how {
                RuleMatch::Matches => rule,
                RuleMatch::Unclear => t.rule_is_unclear.plain([&rule]),
                RuleMatch::SomeTags if tags.is_none() => t.rule_for_some_tags.plain([&rule]),
                RuleMatch::SomeTags => rule,
            };
            let rule = match tags {
                Some(tags) => t.rule_about_tags.plain([&rule, &Untrusted(tags)]),
                None => rule,
            };
            comment.as_ref().map_or(rule.clone(), |comment| format!("{rule} ({})", Untrusted(comment)))
        }
    }
}

/// Renders it; what has no words in the language is marked as English.
pub(super) fn rendered(t: &Texts, basis: &Basis) -> Markup {
    match basis {
        Basis::Other(text) => of_the_log(text),
        basis => html! { bdi { (in_words(t, basis)) } },
    }
}
