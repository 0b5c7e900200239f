//! The configuration of an image: its process, its environment, its labels.

use maud::{Markup, html};

use crate::{
    image::ImageConfig,
    ui::{texts::Texts, untrusted::Untrusted},
};

/// Pairs that are shown at once; of more, the list is folded.
const SHOWN: usize = 12;

/// Renders the process, the environment and the labels.
pub(super) fn configuration(t: &Texts, config: &ImageConfig) -> Markup {
    let environment = config.env.iter().map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let labels = config.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    html! {
        section { h2 { (t.how_it_runs) } (running(t, config)) }
        section { h2 { (t.environment) } (pairs(t, environment)) }
        section { h2 { (t.labels) } (pairs(t, labels)) }
    }
}

fn running(t: &Texts, config: &ImageConfig) -> Markup {
    let facts = how_it_runs(t, config);
    html! {
        @if facts.is_empty() { p.note { (t.says_nothing_about_it) } } @else {
            dl.pairs { @for (name, value) in &facts { div { dt { (name) } dd { code { (Untrusted(value)) } } } } }
        }
    }
}

/// Returns what is said about its process, by name.
pub(super) fn how_it_runs(t: &Texts, config: &ImageConfig) -> Vec<(&'static str, String)> {
    let facts = [
        (t.entry_point, exec_form(&config.entrypoint)),
        (t.command, exec_form(&config.cmd)),
        (t.working_directory, config.working_dir.clone().unwrap_or_default()),
        (t.user, config.user.clone().unwrap_or_default()),
        (t.ports, config.exposed_ports.join(", ")),
        (t.volumes, config.volumes.join(", ")),
        (t.stop_signal, config.stop_signal.clone().unwrap_or_default()),
        (t.health_check, exec_form(&config.healthcheck)),
    ];
    facts.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// As a Dockerfile has it, so that it is clear where each word ends: `["nginx", "-g", "daemon off;"]`.
fn exec_form(words: &[String]) -> String {
    if words.is_empty() {
        return String::new();
    }
    let quoted: Vec<String> =
        words.iter().map(|word| serde_json::Value::from(word.as_str()).to_string()).collect();
    format!("[{}]", quoted.join(", "))
}

/// Names and their values. A value that looks like an address stays text: an untrusted link could lead anywhere.
pub(super) fn pairs<'a>(t: &Texts, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Markup {
    let pairs: Vec<(&str, &str)> = pairs.collect();
    let list = html! {
        dl.pairs.code {
            @for (name, value) in &pairs {
                div {
                    dt { code { (Untrusted(name)) } }
                    dd { @if value.is_empty() { span.quiet { (t.empty) } } @else { code { (Untrusted(value)) } } }
                }
            }
        }
    };
    html! {
        @if pairs.is_empty() { p.note { (t.none) } }
        @else if pairs.len() <= SHOWN { (list) }
        @else { details.card { summary { (t.show_all_counted.of(pairs.len())) } (list) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Language;

    #[test]
    fn commands_are_in_the_form_of_a_dockerfile() {
        let words = ["nginx", "-g", "daemon \"off\";"].map(str::to_owned);
        assert_eq!(exec_form(&words), r#"["nginx", "-g", "daemon \"off\";"]"#);
        assert_eq!(exec_form(&[]), "");
    }

    #[test]
    fn many_pairs_are_folded_and_none_are_said() {
        let some = |count| pairs(Language::English.texts(), (0..count).map(|_| ("A", "b"))).into_string();
        assert!(some(0).contains("None."));
        assert!(!some(SHOWN).contains("<details"));
        assert!(some(SHOWN + 1).contains("Show all 13"));
    }
}
