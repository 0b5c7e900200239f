//! Recorded answers of docker_auth: whole decisions (`acl.jsonl`, and with rules that deny `acl_deny.jsonl`) and single
//! patterns (`patterns.jsonl`).
//!
//! A case passes when the answer is the same, when the ACL is refused at load for a reason named here, or when the
//! answer is narrower for a reason named here. It is never wider, but for the one documented case.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::Path,
};

use portwarden::authz::{Decision, Glob, GoRegex, Policy, Question, RuleSettings, hidden_rules};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct AclCase {
    id: String,
    acl: Vec<Entry>,
    request: Request,
    expect: Expected,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "match")]
    conditions: Option<Conditions>,
    actions: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Conditions {
    account: Option<String>,
    #[serde(rename = "type")]
    resource_type: Option<String>,
    name: Option<String>,
    service: Option<String>,
    ip: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Request {
    account: String,
    #[serde(rename = "type")]
    resource_type: String,
    name: String,
    service: String,
    ip: Option<IpAddr>,
    actions: Option<Vec<String>>,
    labels: Option<BTreeMap<String, Vec<String>>>,
}

#[derive(Deserialize)]
struct Expected {
    outcome: String,
    rule: Option<usize>,
    actions: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct PatternCase {
    id: String,
    kind: String,
    pattern: String,
    subject: String,
    expect: Value,
}

fn rows<T: for<'de> Deserialize<'de>>(file: &str) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
}

fn settings(entry: &Entry) -> RuleSettings {
    let c = entry.conditions.as_ref().expect("entries without match are sorted out before");
    RuleSettings {
        account: c.account.clone(),
        resource_type: c.resource_type.clone(),
        name: c.name.clone(),
        service: c.service.clone(),
        ip: c.ip.clone(),
        labels: c.labels.clone().unwrap_or_default(),
        actions: entry.actions.clone().expect("entries without actions are sorted out before"),
        ..RuleSettings::default()
    }
}

fn ask(policy: &Policy, request: &Request) -> Decision {
    policy.decide(&Question {
        account: &request.account,
        labels: request.labels.as_ref().unwrap_or(&BTreeMap::new()),
        ip: request.ip,
        service: &request.service,
        resource_type: &request.resource_type,
        name: &request.name,
        tag: None,
        actions: request.actions.as_deref().unwrap_or_default(),
        token_scopes: None,
        now: 0,
    })
}

/// Reasons for refusing an ACL that docker_auth accepts: a part of the error, and its meaning.
const REFUSALS: [(&str, &str); 7] = [
    ("malformed glob", "malformed glob"),
    ("a placeholder inside `[…]`", "placeholder in a class: values are literal text"),
    ("a placeholder directly after", "placeholder after an escape: values are literal text"),
    ("a repetition after a placeholder", "repetition of a placeholder: values are literal text"),
    ("a placeholder that could become a repetition count", "placeholder in braces: values are literal text"),
    ("a placeholder between", "placeholder in \\Q…\\E: values are literal text"),
    ("not supported in a regular expression", "no exact translation, named"),
];

/// Returns the reason why an answer may be narrower than docker_auth's, as `docs` of the differences list them. Each
/// looks at the case, not at the answer.
fn narrower(case: &AclCase) -> Option<&'static str> {
    let request = &case.request;
    let labels = request.labels.clone().unwrap_or_default();
    let patterns = || case.acl.iter().filter_map(|e| e.conditions.as_ref()).flat_map(fields);
    let fields_of_request = [&request.account, &request.resource_type, &request.name, &request.service];
    let placeholder = |kind: &str| patterns().any(|p| p.contains(kind));
    let captures = || patterns().any(|p| p.contains(":1}") || p.contains(":2}") || p.contains(":3}"));
    let syntax = |value: &str| value.contains(|c: char| r"\+*?()|[]{}^$./".contains(c));
    if patterns()
        .any(|p| p.contains("${labels:") && fields_of_request.iter().any(|f| f.contains("${labels:")))
    {
        return Some("the unexpanded pattern is not tried");
    }
    if patterns().any(|p| p.contains("}}")) && labels.keys().any(|l| l.contains('}')) {
        return Some("a label's name with a brace: deterministic");
    }
    if placeholder("${labels:") && labels.values().flatten().any(|v| syntax(v)) {
        return Some("label values are literal");
    }
    if captures() && fields_of_request.iter().any(|f| syntax(f)) {
        return Some("captured values are literal");
    }
    if placeholder("${") && fields_of_request.iter().any(|f| f.starts_with('/') || f.ends_with('/')) {
        return Some("a pattern's kind is fixed at load");
    }
    None
}

fn fields(c: &Conditions) -> impl Iterator<Item = &String> {
    [&c.account, &c.resource_type, &c.name, &c.service]
        .into_iter()
        .flatten()
        .chain(c.labels.iter().flat_map(|l| l.values()))
}

/// The one documented case in which the answer may be wider: docker_auth never expands a capture behind another `${`.
fn expands_more(case: &AclCase) -> bool {
    let patterns = case.acl.iter().filter_map(|e| e.conditions.as_ref()).flat_map(fields);
    let swallowed =
        |p: &str| p.find(":1}").or(p.find(":2}")).is_some_and(|at| p[..at].matches("${").count() > 1);
    patterns.into_iter().any(|p| swallowed(p))
}

/// Which way a case went, or how it failed.
fn judge(case: &AclCase) -> Result<String, String> {
    let refused_by_docker =
        matches!(case.expect.outcome.as_str(), "invalid" | "panic_load" | "panic_request");
    if case.acl.iter().any(|e| e.conditions.is_none() || e.actions.is_none()) {
        // `match` or `actions` null or missing: refused when the file is read, before there is a `RuleSettings`.
        return Ok("refused: match or actions missing".to_owned());
    }
    let acl: Vec<RuleSettings> = case.acl.iter().map(settings).collect();
    let policy = match (Policy::compile(&acl), refused_by_docker) {
        (Err(_), true) => return Ok("exact (refused)".to_owned()),
        (Ok(_), true) => return Err("accepted, but docker_auth refuses it".to_owned()),
        (Ok(policy), false) => policy,
        (Err(errors), false) => {
            let text = errors[0].to_string();
            let reason = REFUSALS.iter().find(|(says, _)| text.contains(says));
            return reason
                .map(|(_, why)| format!("refused: {why}"))
                .ok_or(format!("refused without reason: {text}"));
        }
    };
    let decision = ask(&policy, &case.request);
    let expected = case.expect.actions.clone().unwrap_or_default();
    if decision.rule == case.expect.rule && decision.actions == expected {
        return Ok("exact".to_owned());
    }
    if decision.actions.iter().all(|a| expected.contains(a)) {
        let reason = narrower(case).map(|why| format!("narrower: {why}"));
        return reason.ok_or(format!("narrower without reason: {decision:?}"));
    }
    if expands_more(case) { Ok("expands: capture".to_owned()) } else { Err(format!("wider: {decision:?}")) }
}

/// Every rule of every ACL, and for each request a rule with its own texts, as if they stood in one ACL: which one
/// hides which is held against requests.
#[test]
fn a_rule_that_is_called_unreachable_is_never_reached() {
    let cases: Vec<AclCase> = rows("acl.jsonl");
    let mut seen = BTreeSet::new();
    let mut rules: Vec<RuleSettings> = Vec::new();
    let written = cases.iter().flat_map(|case| &case.acl);
    let written = written.filter(|e| e.conditions.is_some() && e.actions.is_some()).map(settings);
    for rule in written.chain(cases.iter().filter_map(|case| literally(&case.request))) {
        let conditions = format!("{:?}", RuleSettings { actions: Vec::new(), ..rule.clone() });
        // A rule without conditions would hide all others.
        let is_wide = conditions == format!("{:?}", RuleSettings::default());
        let compiles = Policy::compile(std::slice::from_ref(&rule)).is_ok();
        if compiles && !is_wide && seen.insert(conditions) {
            rules.push(rule);
        }
    }
    let hidden = hidden_rules(&Policy::compile(&rules).unwrap(), &rules);
    let alone: Vec<Policy> =
        rules.iter().map(|rule| Policy::compile(std::slice::from_ref(rule)).unwrap()).collect();
    let (mut matches, mut wrong) = (0, Vec::new());
    for (rule, by) in &hidden {
        for case in cases.iter().filter(|case| ask(&alone[*rule], &case.request).rule.is_some()) {
            matches += 1;
            if ask(&alone[*by], &case.request).rule.is_none() {
                wrong.push(format!("{}: {:?} does not match", case.id, rules[*by]));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(hidden.len() > 500 && matches > 500, "{} rules hidden, {matches} requests", hidden.len());
}

/// A rule for exactly this request; `None` where a text of it would be read as a pattern.
fn literally(request: &Request) -> Option<RuleSettings> {
    let plain = |text: &String| (!text.contains(['*', '?', '[', '\\', '$', '/'])).then(|| text.clone());
    Some(RuleSettings {
        account: Some(plain(&request.account)?),
        resource_type: Some(plain(&request.resource_type)?),
        name: Some(plain(&request.name)?),
        service: Some(plain(&request.service)?),
        ip: request.ip.map(|ip| ip.to_string()),
        ..RuleSettings::default()
    })
}

/// Prints how often each way was gone; fails with every failure.
fn summarise(
    file: &str,
    results: impl IntoIterator<Item = (String, Result<String, String>)>,
) -> BTreeMap<String, usize> {
    let (mut counts, mut failures) = (BTreeMap::new(), Vec::new());
    for (id, result) in results {
        match result {
            Ok(way) => *counts.entry(way).or_insert(0) += 1,
            Err(failure) => failures.push(format!("{id}: {failure}")),
        }
    }
    println!("{file}: {counts:#?}");
    assert!(failures.is_empty(), "{} of {file} failed:\n{}", failures.len(), failures.join("\n"));
    counts
}

#[test]
fn decides_as_docker_auth() {
    let cases: Vec<AclCase> = rows("acl.jsonl");
    let counts = summarise("acl.jsonl", cases.iter().map(|case| (case.id.clone(), judge(case))));
    assert_eq!(cases.len(), 4_315);
    assert!(counts["exact"] >= 3_000, "{counts:?}");
    assert!(counts["exact (refused)"] >= 150, "{counts:?}");
}

/// Rules that deny or grant less, before one that grants all: a value that docker_auth reads as a pattern must not open
/// what it denies.
#[test]
fn a_rule_that_grants_less_decides_where_it_may_match() {
    let cases: Vec<AclCase> = rows("acl_deny.jsonl");
    let counts = summarise("acl_deny.jsonl", cases.iter().map(|case| (case.id.clone(), judge(case))));
    assert_eq!(cases.len(), 293);
    assert!(counts["exact"] >= 200, "{counts:?}");
}

fn judge_pattern(case: &PatternCase) -> Result<String, String> {
    let (valid, answer) = match case.kind.as_str() {
        "glob" => {
            let glob = Glob::compile(&case.pattern);
            let answer = glob.map(|g| (g.is_match(&case.subject), None));
            (case.expect["bad_pattern"] == false, answer)
        }
        _ => {
            let regex = GoRegex::compile(&case.pattern);
            let groups =
                |r: &GoRegex| r.captures(&case.subject).map(|g| g.into_iter().map(str::to_owned).collect());
            (case.expect["valid"] == true, regex.map(|r| (r.is_match(&case.subject), groups(&r))))
        }
    };
    let at = format!("{} {:?} on {:?}", case.kind, case.pattern, case.subject);
    match (valid, answer) {
        (false, Err(_)) => Ok(format!("{}: exact (refused)", case.kind)),
        (false, Ok(_)) => Err(format!("accepted: {at}")),
        (true, Err(error)) if error.message.starts_with("not supported in a regular expression") => {
            Ok(format!("{}: refused, no exact translation", case.kind))
        }
        (true, Err(error)) => Err(format!("{at}: refused: {error}")),
        (true, Ok((matched, groups))) => {
            let same_groups = match (&case.expect["groups"], groups) {
                (Value::Array(expected), Some(groups)) => groups_agree(expected, &groups),
                _ => true,
            };
            let same = case.expect["matched"] == matched && same_groups;
            same.then(|| format!("{}: exact", case.kind))
                .ok_or(format!("{at}: {matched}, groups agree: {same_groups}"))
        }
    }
}

fn groups_agree(expected: &[Value], groups: &Vec<String>) -> bool {
    expected.len() == groups.len()
        && expected.iter().zip(groups).all(|(e, g)| e.as_str().unwrap_or_default() == g)
}

#[test]
fn patterns_match_as_in_go() {
    let cases: Vec<PatternCase> = rows("patterns.jsonl");
    let counts = summarise("patterns.jsonl", cases.iter().map(|case| (case.id.clone(), judge_pattern(case))));
    assert_eq!(cases.len(), 1_875);
    assert!(counts["glob: exact"] >= 550 && counts["regex: exact"] >= 800, "{counts:?}");
}
