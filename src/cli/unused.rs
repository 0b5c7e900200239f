//! `portwarden unused`: the rules, and rights of them, that no request of an audit log used.

use serde::Serialize;

use super::{
    Unused,
    audit_files::{self, Files},
    login_file::now,
    output::{Failure, say},
    policy_answer::say_json,
    replay::{Lines, counted, plain, say_counts},
};
use crate::{
    authz::RuleSettings,
    config::written_moment,
    replay::{Unused as Run, Use},
};

/// Prints each rule that decided nothing, or grants more than was used.
pub(super) fn run(unused: &Unused) -> Result<(), Failure> {
    let (config, rules) = audit_files::rules(&unused.config)?;
    let since = unused.since.map_or(0, |since| now().saturating_sub(since.as_secs()));
    let mut run = Run::new(rules, since);
    let files = Files::read(&unused.audit, |place, line| run.line(place, line))?;
    if unused.json {
        for (index, (rule, used)) in config.acl.iter().zip(run.uses()).enumerate() {
            say_json(&RuleUse::of(index, rule, used))?;
        }
        let lines = Lines::of(run.counts(), &files);
        return say_json(&Numbers {
            undecided: run.undecided(),
            since: (since > 0).then(|| written_moment(since)),
            lines,
        });
    }
    for (index, (rule, used)) in config.acl.iter().zip(run.uses()).enumerate() {
        say_rule(index, rule, used)?;
    }
    say_reach(&run, since)?;
    if run.undecided() > 0 {
        say(format!(
            "undecided: {}: the log does not tell which rule decides",
            counted(run.undecided(), "request")
        ))?;
    }
    say_counts(run.counts(), &files)
}

fn say_rule(index: usize, rule: &RuleSettings, used: &Use) -> Result<(), Failure> {
    let line = if rule.line > 0 { format!(", line {}", rule.line) } else { String::new() };
    let comment = rule.comment.as_ref().map(|comment| format!(" ({comment})")).unwrap_or_default();
    let name = format!("rule {}{line}{comment}", index + 1);
    if used.decided == 0 {
        return say(format!("{name}: decided nothing"));
    }
    let last = written_moment(used.last);
    say(format!("{name}: decided {}, last {last}", counted(used.decided, "request")))?;
    if let Some(narrower) = narrower(rule, used) {
        say(format!("  {narrower}"))?;
    }
    if used.actions.is_empty() {
        return Ok(());
    }
    for (what, few) in [("accounts", &used.accounts), ("repositories", &used.repositories)] {
        if let Some(names) = few.names() {
            let named = |name: &str| if name.is_empty() { "anonymous".to_owned() } else { plain(name) };
            let names: Vec<String> = names.map(named).collect();
            say(format!("  {what}: {}", names.join(", ")))?;
        }
    }
    Ok(())
}

/// The rights that were not used, and the list that would have been enough; `None` where all were.
fn narrower(rule: &RuleSettings, used: &Use) -> Option<String> {
    if rule.actions.is_empty() {
        return None;
    }
    let grants_all = rule.actions.iter().any(|action| action == "*");
    let is_spare = grants_all || rule.actions.iter().any(|action| !used.actions.contains(action));
    // A rule for the list of repositories grants `*`, and that was used.
    if !is_spare || used.actions.contains("*") {
        return None;
    }
    let grants = if grants_all { "everything".to_owned() } else { rule.actions.join(", ") };
    let used: Vec<&str> = used.actions.iter().map(String::as_str).collect();
    let used = used.join(", ");
    match used.as_str() {
        "" => Some(format!("grants {grants}; used: none of it")),
        used => Some(format!("grants {grants}; used: {used}: `actions: [{used}]` would have been enough")),
    }
}

fn say_reach(run: &Run, since: u64) -> Result<(), Failure> {
    let Some(earliest) = run.counts().earliest else { return say("note: the log has no line") };
    if since > 0 && earliest > since {
        let (since, earliest) = (written_moment(since), written_moment(earliest));
        return say(format!("note: the log begins at {earliest} only, and not at {since}"));
    }
    say(format!("note: the log begins at {}", written_moment(earliest)))
}

/// A rule as JSON.
#[derive(Serialize)]
struct RuleUse<'a> {
    rule: usize,
    line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'a str>,
    decided: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<String>,
    grants: &'a [String],
    used: Vec<&'a str>,
    /// `None` where they are many.
    accounts: Option<Vec<&'a str>>,
    repositories: Option<Vec<&'a str>>,
}

impl<'a> RuleUse<'a> {
    fn of(index: usize, rule: &'a RuleSettings, used: &'a Use) -> Self {
        Self {
            rule: index,
            line: rule.line,
            comment: rule.comment.as_deref(),
            decided: used.decided,
            last: (used.decided > 0).then(|| written_moment(used.last)),
            grants: &rule.actions,
            used: used.actions.iter().map(String::as_str).collect(),
            accounts: used.accounts.names().map(Iterator::collect),
            repositories: used.repositories.names().map(Iterator::collect),
        }
    }
}

/// The numbers as JSON.
#[derive(Serialize)]
struct Numbers<'a> {
    undecided: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(flatten)]
    lines: Lines<'a>,
}
