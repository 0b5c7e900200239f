//! `portwarden test-policy`: a table of expectations, for the operator's own CI.

use std::{collections::BTreeMap, net::IpAddr, process::ExitCode};

use serde::Deserialize;

use super::{
    TestPolicy,
    asked::{Asked, Court, by_which, needs},
    output::{Failure, say},
};

/// One row of the table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    /// Who asks; empty for somebody without credentials.
    account: String,
    /// Instead of the account's own.
    #[serde(default)]
    labels: BTreeMap<String, Vec<String>>,
    ip: Option<IpAddr>,
    service: Option<String>,
    /// `repository:team/app:pull,push`
    scope: Option<String>,
    /// `PUT /v2/team/app/manifests/1.0`
    request: Option<String>,
    expect: Expected,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Expected {
    /// All that is asked for is granted.
    Allow,
    /// Something of it is not.
    Deny,
}

/// Prints the expectations that are not met, with the rules that decided, and a summary; 1 when there are any.
pub(super) fn run(test: &TestPolicy) -> Result<ExitCode, Failure> {
    let court = Court::load(&test.config)?;
    let file = test.expectations.display();
    let text = std::fs::read_to_string(&test.expectations).map_err(|error| format!("{file}: {error}"))?;
    let rows: Vec<Expectation> = serde_yaml::from_str(&text).map_err(|error| format!("{file}: {error}"))?;
    let count = rows.len();
    let mut unmet = 0;
    for (number, row) in (1..).zip(rows) {
        if let Some(difference) =
            difference(row, test, &court).map_err(|why| format!("{file}: expectation {number}: {why}"))?
        {
            unmet += 1;
            say(format!("{file}: expectation {number}: {difference}"))?;
        }
    }
    say(format!("{file}: {} of {count} expectations met", count - unmet))?;
    Ok(if unmet == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is otherwise than expected; `None` when it is as expected.
fn difference(row: Expectation, test: &TestPolicy, court: &Court) -> Result<Option<String>, String> {
    if row.scope.is_some() == row.request.is_some() {
        return Err("write either scope or request".to_owned());
    }
    let needs = needs(row.scope.as_deref(), row.request.as_deref())?;
    let asked = Asked::new(row.account, row.labels, row.ip, row.service, &court.config);
    let mut verdicts = Vec::new();
    let mut granted = Expected::Allow;
    for need in &needs {
        let ruling = court.decide(&asked.about(need))?;
        let whole = need.actions.iter().all(|action| ruling.actions.contains(action));
        if !whole {
            granted = Expected::Deny;
        }
        let verdict = if whole { "allowed" } else { "denied" };
        verdicts.push(format!("{need} is {verdict}, {}", by_which(&ruling.by, &test.config)));
    }
    Ok((granted != row.expect).then(|| format!("{asked}: {}", verdicts.join("; "))))
}
