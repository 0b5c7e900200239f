//! Rules that grant less than those behind them, with values that docker_auth reads as patterns: random policies
//! against what docker_auth decides. Never wider; and the same where every value is plain.

use std::{collections::BTreeMap, net::IpAddr};

use portwarden::{
    authz::{
        AuthorizationBackendSettings, Authorizers, Ceilings, DecidedBy, Doubt, Policy, Question, RuleName,
        RuleSettings, Verdict,
    },
    backend::CommandSettings,
};

use crate::{fuzzed::docker_auth, support::random::Random};

const POLICIES: usize = 150;
const QUESTIONS: usize = 40;

const ACCOUNTS: [&str; 8] =
    ["alice", "/^(.+)$/", "/^([^@]+)/", "/^(a)?(.*)$/", "*", "a*", "${service}*", "/./"];

const NAMES: [&str; 34] = [
    "${account:1}/*",
    "x${account:1}",
    "*${account:1}*",
    "${account:1}]x",
    "${account:2}",
    "/^${account:1}/",
    "/^(${account:1})$/",
    "/^team-${account:1}$/",
    "/${account:1}/",
    "${labels:g}/*",
    "team-${labels:g}/*",
    "${labels:g}-${labels:g}",
    "${labels:g}${labels:h}",
    "${labels:g}/${labels:h}/*",
    "[a-z]${labels:g}",
    "?${labels:g}*",
    "/^${labels:g}\\/.+$/",
    "/^(${labels:g})$/",
    "/^(?:${labels:g})?app/",
    "/^team-(${labels:g}|${labels:h})/",
    "/(?i)^${labels:g}${account}/",
    "/${labels:g}/",
    "/${labels:g}${labels:h}/",
    "${account}",
    "${account}/*",
    "/a${account}",
    "/${account}/",
    "${labels:none}/*",
    "a\\${labels}",
    "*",
    "*/*",
    "team-*/*",
    "/.*/",
    "team/app",
];

/// Plain values first.
const VALUES: [&str; 34] = [
    "a",
    "dev",
    "alice",
    "team",
    "team-1",
    "app",
    "é",
    "",
    "/",
    "/x/",
    "a/",
    "/a",
    "a.b",
    ".",
    ".*",
    "*",
    "team-*",
    "a*",
    "?",
    "a?p",
    "[a-z]",
    "[",
    "]",
    "a|team",
    "dev|app",
    "(a)",
    "(",
    ")",
    "a+",
    "\\w+",
    "\\",
    "$",
    "${account}",
    "a$",
];
const PLAIN: usize = 7;

impl Random {
    fn denying_rule(&mut self) -> RuleSettings {
        loop {
            let mut rule = RuleSettings {
                account: (!self.one_in(3)).then(|| self.pick(&ACCOUNTS).to_owned()),
                name: (!self.one_in(6)).then(|| self.pick(&NAMES).to_owned()),
                ip: self.one_in(12).then(|| self.pick(&["10.0.0.0/8", "::/0"]).to_owned()),
                ..RuleSettings::default()
            };
            if self.one_in(5) {
                let pattern = self.pick(&["a*", "${account:1}", "x-${account}", "/^${account:1}/"]);
                rule.labels.insert("g".to_owned(), pattern.to_owned());
            }
            let actions: &[&str] = self.pick(&[&[][..], &["pull"], &["pull", "push"], &["*"], &["*"]]);
            rule.actions = actions.iter().map(|action| (*action).to_owned()).collect();
            if Policy::compile(std::slice::from_ref(&rule)).is_ok()
                && !docker_auth::swallows(std::slice::from_ref(&rule))
            {
                return rule;
            }
        }
    }

    /// Values of which the text is made that a rule may be about.
    fn text(&mut self, values: &[&str]) -> String {
        let one = self.pick(values);
        match self.below(6) {
            0 => one.to_owned(),
            1 => format!("{one}/{}", self.pick(values)),
            2 => format!("{one}-{one}"),
            3 => format!("team-{one}"),
            4 => format!("team-{one}/app"),
            _ => format!("{one}/app"),
        }
    }

    fn values_of_labels(&mut self, values: &[&str]) -> BTreeMap<String, Vec<String>> {
        let mut labels = BTreeMap::new();
        for label in ["g", "h"] {
            let count = self.pick(&[0, 1, 1, 2, 3]);
            if !self.one_in(4) {
                labels.insert(label.to_owned(), (0..count).map(|_| self.pick(values).to_owned()).collect());
            }
        }
        labels
    }
}

/// The outcome of the questions.
#[derive(Debug, Default)]
struct Seen {
    same: usize,
    narrower: usize,
    unclear: usize,
    denied_by_docker_auth: usize,
}

fn hold_against_docker_auth(seed: u64, values: &[&str], ips: &[Option<IpAddr>]) -> Seen {
    let mut random = Random(seed);
    let mut seen = Seen::default();
    let mut wider = Vec::new();
    for _ in 0..POLICIES {
        let count = random.pick(&[1, 2, 3, 5]);
        let mut rules: Vec<RuleSettings> = (0..count).map(|_| random.denying_rule()).collect();
        rules.push(RuleSettings { actions: vec!["*".to_owned()], ..RuleSettings::default() });
        let policy = Policy::compile(&rules).unwrap();
        for _ in 0..QUESTIONS {
            let (account, labels) = (random.pick(values).to_owned(), random.values_of_labels(values));
            let name = random.text(values);
            let actions = ["pull".to_owned(), "push".to_owned()];
            let question = Question {
                account: &account,
                labels: &labels,
                ip: random.pick(ips),
                service: "a",
                resource_type: "repository",
                name: &name,
                tag: None,
                actions: &actions,
                token_scopes: None,
                now: 0,
            };
            let (rule, expected) = docker_auth::decide(&rules, &question);
            let decision = policy.decide(&question);
            if !decision.actions.iter().all(|action| expected.contains(action)) {
                wider.push(format!(
                    "{question:?}\n  {:?}\n  rule {rule:?}: {expected:?}, here {decision:?}",
                    rules
                ));
            }
            let all = (0..policy.len()).map(|rule| policy.rule(rule).unwrap().judge(&question));
            seen.unclear += usize::from(all.into_iter().any(|v| matches!(v, Verdict::Unclear(..))));
            seen.denied_by_docker_auth += usize::from(expected.is_empty());
            let same = decision.actions == expected;
            *if same { &mut seen.same } else { &mut seen.narrower } += 1;
        }
    }
    assert!(wider.is_empty(), "{} wider:\n{}", wider.len(), wider[..wider.len().min(8)].join("\n"));
    seen
}

#[test]
fn values_that_are_patterns_never_open_more() {
    let seen = hold_against_docker_auth(0x9E37_79B9_7F4A_7C15, &VALUES, &[None, Some([10, 1, 2, 3].into())]);
    println!("{seen:?}");
    let (asked, unclear, denied) = (POLICIES * QUESTIONS, seen.unclear, seen.denied_by_docker_auth);
    assert!(seen.same > asked * 9 / 10 && denied > asked / 20 && unclear > asked / 10, "{seen:?}");
}

#[test]
fn plain_values_decide_as_in_docker_auth() {
    let seen =
        hold_against_docker_auth(0xD1B5_4A32_D192_ED03, &VALUES[..PLAIN], &[Some([10, 1, 2, 3].into())]);
    let denied = seen.denied_by_docker_auth;
    assert!(seen.narrower == 0 && seen.unclear == 0 && denied > POLICIES * QUESTIONS / 20, "{seen:?}");
}

/// A policy whose only rule that denies is about `name`, before one that allows all.
fn denies(name: &str, question: &Question<'_>) -> (bool, Verdict<'static>) {
    let deny = RuleSettings { name: Some(name.to_owned()), ..RuleSettings::default() };
    let allow = RuleSettings { actions: vec!["*".to_owned()], ..RuleSettings::default() };
    let policy = Policy::compile(&[deny, allow]).unwrap();
    let verdict = match policy.rule(0).unwrap().judge(question) {
        Verdict::Unclear(_, doubt) => Verdict::Unclear(portwarden::authz::Condition::Name, doubt),
        Verdict::Matches => Verdict::Matches,
        Verdict::ForSomeTags => Verdict::ForSomeTags,
        Verdict::Unmet(_) => Verdict::Unmet(portwarden::authz::Condition::Name),
    };
    (policy.decide(question).actions.is_empty(), verdict)
}

#[test]
fn what_is_too_much_to_try_denies() {
    let values: Vec<String> = (1..=200).map(|n| "a".repeat(n)).collect();
    let labels = BTreeMap::from([("g".to_owned(), values.clone()), ("h".to_owned(), values)]);
    let name = "a".repeat(500) + "b";
    let actions = ["pull".to_owned()];
    let mut question = Question {
        account: "alice",
        labels: &labels,
        ip: None,
        service: "a",
        resource_type: "repository",
        name: &name,
        tag: None,
        actions: &actions,
        token_scopes: None,
        now: 0,
    };
    let twice = "${labels:g}${labels:h}-${labels:g}${labels:h}";
    for pattern in [twice.to_owned(), format!("/^{}$/", twice.replace('-', "\\-"))] {
        let (denied, verdict) = denies(&pattern, &question);
        assert!(
            denied && matches!(verdict, Verdict::Unclear(_, Doubt::Combinations)),
            "{pattern}: {verdict:?}"
        );
    }
    let long = "a".repeat(20_000_000);
    question.name = &long;
    let (denied, verdict) = denies("/^${account}/", &question);
    assert!(denied && matches!(verdict, Verdict::Unclear(_, Doubt::Length)), "{verdict:?}");
}

#[test]
fn a_client_without_an_address_is_denied_by_a_rule_for_addresses() {
    let deny = RuleSettings { ip: Some("203.0.113.0/24".to_owned()), ..RuleSettings::default() };
    let allow = RuleSettings { actions: vec!["*".to_owned()], ..RuleSettings::default() };
    let policy = Policy::compile(&[deny, allow]).unwrap();
    let granted = |ip: Option<&str>| {
        let question = Question {
            account: "alice",
            labels: &BTreeMap::new(),
            ip: ip.map(|ip| ip.parse().unwrap()),
            service: "a",
            resource_type: "repository",
            name: "app",
            tag: None,
            actions: &["pull".to_owned()],
            token_scopes: None,
            now: 0,
        };
        !policy.decide(&question).actions.is_empty()
    };
    assert!(granted(Some("10.0.0.1")) && !granted(Some("203.0.113.9")) && !granted(None));
}

/// Returns the decisions of `acl`, with a command behind it that grants everything, for a label `hidden` with
/// `internal-*` in it.
fn with_a_command_behind(acl: &[(&str, &[&str])]) -> (String, Vec<String>) {
    let rule = |(n, (name, actions)): (usize, &(&str, &[&str]))| RuleSettings {
        name: Some((*name).to_owned()),
        actions: actions.iter().map(|action| (*action).to_owned()).collect(),
        line: n + 10,
        ..RuleSettings::default()
    };
    let rules: Vec<RuleSettings> = acl.iter().enumerate().map(rule).collect();
    let command = CommandSettings { command: "/bin/true".into(), args: Vec::new() };
    let settings =
        AuthorizationBackendSettings { ext_authz: Some(command), ..AuthorizationBackendSettings::default() };
    let authorizers = Authorizers::new(Policy::compile(&rules).unwrap(), Ceilings::default(), settings, None);
    let labels = BTreeMap::from([("hidden".to_owned(), vec!["internal-*".to_owned()])]);
    let question = Question {
        account: "alice",
        labels: &labels,
        ip: None,
        service: "a",
        resource_type: "repository",
        name: "internal-x/app",
        tag: None,
        actions: &["pull".to_owned(), "push".to_owned()],
        token_scopes: None,
        now: 0,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ruling = runtime.block_on(authorizers.decide(&question)).unwrap();
    if let DecidedBy::Unclear(RuleName { index, line, .. }) = &ruling.by {
        assert_eq!(index + 10, *line);
    }
    (ruling.by.to_string(), ruling.actions)
}

#[test]
fn what_a_rule_withholds_no_later_authorizer_grants() {
    const HIDDEN: &str = "${labels:hidden}/*";
    let unclear = "rule 1, line 10, which may match or not";
    let withheld = |acl: &[(&str, &[&str])]| with_a_command_behind(acl);
    assert_eq!(withheld(&[(HIDDEN, &[])]), (unclear.to_owned(), vec![]));
    assert_eq!(withheld(&[(HIDDEN, &["pull"])]), (unclear.to_owned(), vec!["pull".to_owned()]));
    assert_eq!(withheld(&[(HIDDEN, &["pull"]), (HIDDEN, &["push"])]), (unclear.to_owned(), vec![]));
    assert_eq!(withheld(&[(HIDDEN, &["pull"]), ("*/*", &["push"])]), (unclear.to_owned(), vec![]));
    let all = ["pull".to_owned(), "push".to_owned()].to_vec();
    assert_eq!(withheld(&[(HIDDEN, &["*"])]), ("the command of ext_authz".to_owned(), all.clone()));
    assert_eq!(withheld(&[("*/app", &["*"]), (HIDDEN, &[])]), ("rule 1, line 10".to_owned(), all));
}
