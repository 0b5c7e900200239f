//! Policies: the index against looking at every rule, each rule in a policy against the rule alone, placeholders
//! against taking their values as text, and decisions against docker_auth's, which they never exceed.

use std::{collections::BTreeMap, net::IpAddr, sync::LazyLock};

use portwarden::authz::{Policy, Question, RuleSettings, Verdict};

use super::{docker_auth, input::Input};

const PIECES: [&str; 34] = [
    "a",
    "al",
    "alice",
    "team",
    "-1",
    "/",
    "/app",
    "*",
    "?",
    "[a-c]",
    "[^b]",
    "\\*",
    "${account}",
    "${labels:g}",
    "${account:1}",
    "${type}",
    "${name}",
    "/^",
    "$/",
    "/^al",
    ".*/",
    "(",
    ")",
    "|",
    "+",
    "(?i)",
    "\\Q",
    "\\E",
    "\\x{e9}",
    "é",
    "{2}",
    "^",
    "$",
    ".",
];
const SUBJECTS: [&str; 16] = [
    "",
    "a",
    "al",
    "alice",
    "alice/app",
    "team",
    "team-1",
    "team-1/app",
    "*",
    "é",
    "a/b",
    "/a/",
    "[a-c]",
    "b",
    ".*",
    "(",
];

/// The characters that make a label's value more than its text in some pattern.
const SYNTAX: [char; 13] = ['\\', '+', '*', '?', '(', ')', '|', '[', ']', '{', '}', '^', '$'];

/// Takes choices: up to five rules, then three questions.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let rules: Vec<RuleSettings> = (0..1 + input.below(5)).map(|_| rule(&mut input)).collect();
    let alone: Vec<Option<Policy>> =
        rules.iter().map(|rule| Policy::compile(std::slice::from_ref(rule)).ok()).collect();
    let all = Policy::compile(&rules);
    assert_eq!(all.is_ok(), alone.iter().all(Option::is_some), "{rules:?}");
    let Ok(policy) = all else { return };
    for _ in 0..3 {
        let labels =
            BTreeMap::from([("g".to_owned(), (0..input.below(4)).map(|_| subject(&mut input)).collect())]);
        let (account, name) = (subject(&mut input), subject(&mut input));
        let question = Question {
            account: &account,
            labels: &labels,
            ip: input.pick(&[None, Some(IpAddr::from([10, 1, 2, 3])), Some("::1".parse().unwrap())]),
            service: "registry.example",
            resource_type: input.pick(&["repository", "registry"]),
            name: &name,
            tag: None,
            actions: &["pull".to_owned(), "push".to_owned()],
            token_scopes: None,
            now: 0,
        };
        let decision = policy.decide(&question);
        // A search ends early where rules that may match or not leave nothing to grant.
        if decision.withheld.as_ref().is_none_or(|withheld| !withheld.left.is_empty()) {
            let matching = |index: &usize| policy.rule(*index).unwrap().judge(&question) == Verdict::Matches;
            assert_eq!(decision.rule, (0..policy.len()).find(matching), "{rules:?} {question:?}");
            let first = alone.iter().flatten().position(|policy| policy.decide(&question).rule.is_some());
            assert_eq!(decision.rule, first, "{rules:?} {question:?}");
        }
        if !docker_auth::swallows(&rules) {
            let (rule, expected) = docker_auth::decide(&rules, &question);
            let is_wider = decision.actions.iter().any(|action| !expected.contains(action));
            assert!(!is_wider, "{rules:?} {question:?}: {decision:?}, docker_auth by {rule:?} {expected:?}");
        }
        let granted = decision.actions.iter().all(|action| question.actions.contains(action));
        assert!(
            granted && (decision.rule.is_some() || decision.actions.is_empty()),
            "{rules:?} {question:?}"
        );
        values_are_text(&question);
    }
}

fn rule(input: &mut Input<'_>) -> RuleSettings {
    let mut rule = RuleSettings {
        actions: vec![input.pick(&["*", "pull", "push", "none"]).to_owned()],
        ..Default::default()
    };
    let fields = input.byte();
    let mut pattern = |bit: u8| (fields & bit != 0).then(|| input.pieces(&PIECES, 6));
    rule.account = pattern(1);
    rule.name = pattern(2);
    rule.resource_type = pattern(4).map(|_| "repository".to_owned());
    rule.labels = pattern(8).map(|pattern| ("g".to_owned(), pattern)).into_iter().collect();
    rule.ip =
        (fields & 16 != 0).then(|| input.pick(&["10.0.0.0/8", "::1", "0.0.0.0/0", "10.1.2.3"]).to_owned());
    rule
}

fn subject(input: &mut Input<'_>) -> String {
    let mut subject = input.pick(&SUBJECTS).to_owned();
    if input.below(4) == 0 {
        subject.push_str(&input.text(8));
    }
    subject
}

/// Rule 23: `${account}/*` and the like match what begins with the very account, whatever is in it.
fn values_are_text(question: &Question<'_>) {
    let below = |values: &[String]| {
        let rests = values.iter().filter_map(|value| question.name.strip_prefix(&format!("{value}/")));
        rests.into_iter().any(|rest| !rest.contains('/'))
    };
    let account = [question.account.to_owned()];
    let values: &[String] = question.labels.get("g").map_or(&[], Vec::as_slice);
    let expected = [below(&account), below(&account), below(values), below(values)];
    let is_plain = !values.iter().any(|value| value.contains(SYNTAX)) && !question.name.contains("${");
    for ((pattern, policy), expected) in DOCUMENTED.iter().zip(expected) {
        let matches = policy.decide(question).rule.is_some();
        assert!(expected || !matches, "{pattern} {question:?}");
        if is_plain || pattern.contains("${account}") {
            assert_eq!(matches, expected, "{pattern} {question:?}");
        }
    }
}

/// Patterns of the documentation, each as the name of a policy's only rule.
static DOCUMENTED: LazyLock<[(&str, Policy); 4]> = LazyLock::new(|| {
    ["${account}/*", "/^${account}\\/[^\\/]*$/", "${labels:g}/*", "/^${labels:g}\\/[^\\/]*$/"].map(
        |pattern| {
            let actions = vec!["*".to_owned()];
            let rule = RuleSettings { name: Some(pattern.to_owned()), actions, ..Default::default() };
            (pattern, Policy::compile(&[rule]).expect("a pattern of the documentation"))
        },
    )
});
