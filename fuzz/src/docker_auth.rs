//! The decisions of docker_auth: it puts values into the pattern, then reads the result. The measure for "never wider".

use std::{collections::BTreeMap, sync::LazyLock};

use portwarden::authz::{Glob, GoRegex, IpBlock, Question, RuleSettings};
use regex::Regex;

/// The replacements of a text; the first that fits counts.
type Replacements = Vec<(String, String)>;

/// A capture, with all that its lazy `.+?` swallows.
static CAPTURE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\$\{(.+?):([0-9]+)\}").expect("an expression"));

/// The granted actions, and the rule that granted them.
pub fn decide(rules: &[RuleSettings], question: &Question<'_>) -> (Option<usize>, Vec<String>) {
    let found = rules.iter().position(|rule| matches(rule, question));
    let granted = found.and_then(|found| rules.get(found)).map(|rule| {
        let all = rule.actions == ["*"];
        question.actions.iter().filter(|action| all || rule.actions.contains(action)).cloned().collect()
    });
    (found, granted.unwrap_or_default())
}

/// True if a capture stands behind another placeholder, which docker_auth then does not expand and Portwarden does.
pub fn swallows(rules: &[RuleSettings]) -> bool {
    let fields = rules.iter().flat_map(|rule| fields(rule).into_iter().filter_map(|(_, text)| text));
    let captures = fields.flat_map(|text| CAPTURE.captures_iter(text));
    captures.into_iter().any(|capture| capture[1].contains("${"))
}

fn matches(rule: &RuleSettings, question: &Question<'_>) -> bool {
    let block = rule.ip.as_deref().map(|text| text.parse::<IpBlock>().expect("a block"));
    if block.is_some_and(|block| !question.ip.is_some_and(|ip| block.contains(ip))) {
        return false;
    }
    let values = replacements(rule, question);
    fields(rule).into_iter().all(|(field, pattern)| {
        pattern
            .is_none_or(|pattern| match_with_labels(pattern, of(question, field), &values, question.labels))
    }) && rule.labels.iter().all(|(label, pattern)| {
        let of_account = question.labels.get(label).map(Vec::as_slice).unwrap_or_default();
        of_account.iter().any(|value| match_text(pattern, value, &values))
    })
}

fn fields(rule: &RuleSettings) -> [(&'static str, Option<&str>); 4] {
    [
        ("account", rule.account.as_deref()),
        ("type", rule.resource_type.as_deref()),
        ("name", rule.name.as_deref()),
        ("service", rule.service.as_deref()),
    ]
}

fn of<'q>(question: &Question<'q>, field: &str) -> &'q str {
    match field {
        "account" => question.account,
        "type" => question.resource_type,
        "name" => question.name,
        _ => question.service,
    }
}

fn replacements(rule: &RuleSettings, question: &Question<'_>) -> Replacements {
    let fields = fields(rule);
    let mut values: Replacements =
        fields.iter().map(|(field, _)| (format!("${{{field}}}"), quoted(of(question, field)))).collect();
    for text in fields.iter().filter_map(|(_, text)| *text) {
        for capture in CAPTURE.captures_iter(text) {
            let found = fields.iter().find(|(field, _)| {
                let title = field[..1].to_uppercase() + &field[1..];
                capture[1] == **field || capture[1] == title
            });
            let group = capture[2].parse::<usize>().ok().filter(|group| *group > 0);
            let expression = found.and_then(|(_, text)| expression((*text)?));
            if let (Some((field, _)), Some(group), Some(expression)) = (found, group, expression) {
                let groups = GoRegex::compile(expression).ok();
                let groups = groups.and_then(|regex| regex.captures(of(question, field)));
                let value = groups.as_ref().and_then(|groups| groups.get(group));
                values.extend(value.map(|value| (capture[0].to_owned(), (*value).to_owned())));
            }
        }
    }
    values
}

/// First with labels as they are written, then each combination of those that the pattern names.
fn match_with_labels(
    pattern: &str,
    subject: &str,
    values: &Replacements,
    labels: &BTreeMap<String, Vec<String>>,
) -> bool {
    let named: Vec<(String, &Vec<String>)> = labels
        .iter()
        .map(|(label, values)| (format!("${{labels:{label}}}"), values))
        .filter(|(placeholder, _)| pattern.contains(placeholder.as_str()))
        .collect();
    if match_text(pattern, subject, values) || named.is_empty() {
        return match_text(pattern, subject, values);
    }
    let mut combinations = vec![values.clone()];
    for (placeholder, label_values) in named {
        combinations = combinations
            .iter()
            .flat_map(|before| {
                label_values.iter().map(|value| {
                    let mut with = before.clone();
                    with.push((placeholder.clone(), value.clone()));
                    with
                })
            })
            .collect();
    }
    combinations.iter().any(|values| match_text(pattern, subject, values))
}

fn match_text(pattern: &str, subject: &str, values: &Replacements) -> bool {
    let pattern = replaced(pattern, values);
    match expression(&pattern) {
        Some(expression) => GoRegex::compile(expression).is_ok_and(|regex| regex.is_match(subject)),
        None => Glob::compile(&pattern).is_ok_and(|glob| glob.is_match(subject)),
    }
}

fn replaced(pattern: &str, values: &Replacements) -> String {
    let (mut text, mut rest) = (String::new(), pattern);
    while let Some(c) = rest.chars().next() {
        let found = values.iter().find(|(placeholder, _)| rest.starts_with(placeholder.as_str()));
        let (add, skip) = found.map_or((c.to_string(), c.len_utf8()), |(p, value)| (value.clone(), p.len()));
        text.push_str(&add);
        rest = &rest[skip..];
    }
    text
}

fn expression(pattern: &str) -> Option<&str> {
    (pattern.len() > 2).then(|| pattern.strip_prefix('/')?.strip_suffix('/')).flatten()
}

fn quoted(value: &str) -> String {
    let quote = |c: char| r"\.+*?()|[]{}^$".contains(c);
    value.chars().flat_map(|c| quote(c).then_some('\\').into_iter().chain([c])).collect()
}
