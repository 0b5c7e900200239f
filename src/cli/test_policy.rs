//! `portwarden test-policy`: a table of expectations, for the operator's own CI.

use std::{collections::BTreeMap, net::IpAddr, process::ExitCode};

use serde::{Deserialize, Deserializer, Serialize};

use super::{
    TestPolicy,
    arguments::moment,
    output::{Failure, say},
    policy_answer::{PolicyAnswer, say_json},
    policy_query::{PolicyEvaluator, PolicyQuery, by_which, needs},
    write_once::WriteOnceAnswer,
};
use crate::{
    authz::{ACTIONS, DecidedBy},
    config::read_yaml,
    registry::Scope,
};

/// One row of the table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    /// The account; empty for a client without credentials.
    account: String,
    /// Instead of the account's own.
    #[serde(default)]
    labels: BTreeMap<String, Vec<String>>,
    #[serde(default, deserialize_with = "given")]
    ip: Option<IpAddr>,
    #[serde(default, deserialize_with = "given")]
    service: Option<String>,
    /// Instead of the present: `2026-12-31T18:00:00Z`; a day is its beginning.
    #[serde(default, deserialize_with = "given")]
    at: Option<String>,
    /// The tag that a scope is asked about.
    #[serde(default, deserialize_with = "given")]
    tag: Option<String>,
    /// `repository:team/app:pull,push`
    #[serde(default, deserialize_with = "given")]
    scope: Option<String>,
    /// `PUT /v2/team/app/manifests/1.0`
    #[serde(default, deserialize_with = "given")]
    request: Option<String>,
    expect: Expected,
}

/// A value that is written: a key without one would leave out a part of what is asked.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Expected {
    /// All that is asked for is granted.
    Allow,
    /// Something of it is not.
    Deny,
}

/// A row with its answer, as JSON.
#[derive(Serialize)]
struct Outcome<'a> {
    /// Its row in the table, from 1.
    expectation: usize,
    expect: Expected,
    met: bool,
    #[serde(flatten)]
    answer: PolicyAnswer<'a>,
}

/// Prints the expectations that are not met, with the rules that decided, and a summary; 1 when there are any. With
/// `--json`, prints every expectation with its answer.
pub(super) fn run(test: &TestPolicy) -> Result<ExitCode, Failure> {
    let evaluator = PolicyEvaluator::load(&test.config)?;
    let file = test.expectations.display();
    let text = std::fs::read_to_string(&test.expectations).map_err(|error| format!("{file}: {error}"))?;
    let rows: Vec<Expectation> = read_yaml(&text, &file.to_string()).map_err(|error| error.to_string())?;
    let count = rows.len();
    if count == 0 {
        return Err(format!(
            "{file}: there is no expectation in it: write one as in `portwarden help test-policy`"
        )
        .into());
    }
    let mut unmet = 0;
    for (number, row) in (1..).zip(rows) {
        let wrong = |why: String| format!("{file}: expectation {number}: {why}");
        let expected = row.expect;
        let (asked, needs) = question(row, &evaluator).map_err(wrong)?;
        let answer = PolicyAnswer::find(&evaluator, &asked, &needs, |_, _| Vec::new()).map_err(wrong)?;
        let met = answer.allowed == (expected == Expected::Allow);
        unmet += usize::from(!met);
        if test.json {
            say_json(&Outcome { expectation: number, expect: expected, met, answer })?;
        } else if !met {
            let verdicts = verdicts(test, &evaluator, &asked, &needs)?;
            say(format!("{file}: expectation {number}: {asked}: {verdicts}"))?;
        }
    }
    if !test.json {
        say(format!("{file}: {} of {count} expectations met", count - unmet))?;
    }
    Ok(if unmet == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The account and the access that a row asks about.
fn question(row: Expectation, evaluator: &PolicyEvaluator) -> Result<(PolicyQuery, Vec<Scope>), String> {
    if row.scope.is_some() == row.request.is_some() {
        return Err("write either scope or request".to_owned());
    }
    if row.tag.is_some() && row.request.is_some() {
        return Err("write tag with a scope only: a request names its own".to_owned());
    }
    let needs = needs(row.scope.as_deref(), row.request.as_deref())?;
    if row.service.is_none() {
        needs.iter().try_for_each(is_asked_for)?;
    }
    let at = row.at.as_deref().map(moment).transpose()?;
    let asked = PolicyQuery::new(row.account, row.labels, row.ip, row.service, evaluator).at(at);
    Ok((asked.about_request(row.request.as_deref(), row.tag.as_deref()), needs))
}

/// A misspelt action is denied by any rules, and so meets `expect: deny` where the right one would be allowed.
fn is_asked_for(need: &Scope) -> Result<(), String> {
    let unknown = |action: &&String| !ACTIONS.contains(&action.as_str());
    match need.actions.iter().find(unknown).filter(|_| need.resource_type == "repository") {
        Some(action) => Err(format!(
            "no request asks for {action:?} of a repository: the actions are `pull`, `push` and `delete`"
        )),
        None => Ok(()),
    }
}

/// `repository:a:pull is denied, no rule matches`, for each need.
fn verdicts(
    test: &TestPolicy,
    evaluator: &PolicyEvaluator,
    asked: &PolicyQuery,
    needs: &[Scope],
) -> Result<String, String> {
    let mut verdicts = Vec::new();
    for need in needs {
        let ruling = evaluator.decide(&asked.about(need))?;
        let whole = need.actions.iter().all(|action| ruling.actions.contains(action));
        let for_some = ruling.tag_rule.as_ref().filter(|_| !ruling.some_tags.is_empty());
        let (verdict, by) = match for_some {
            Some(rule) if !whole => ("allowed for some tags only", &DecidedBy::Rule(rule.clone())),
            _ if whole => ("allowed", &ruling.by),
            _ => ("denied", &ruling.by),
        };
        verdicts.push(format!("{need} is {verdict}, {}", by_which(by, &test.config)));
    }
    verdicts.extend(WriteOnceAnswer::find(evaluator, asked).map(|answer| answer.sentence()));
    Ok(verdicts.join("; "))
}
