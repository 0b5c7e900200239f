//! `portwarden explain`: may this account do that, and by which rule.

use std::{collections::BTreeMap, io::BufRead, net::IpAddr, path::Path, process::ExitCode};

use serde::{Deserialize, Serialize};

use super::{
    Explain,
    arguments::moment,
    certificate, everyone, jwt,
    login_file::now,
    output::{Failure, say},
    policy_answer::{PolicyAnswer, RulingAnswer, say_json},
    policy_query::{PolicyEvaluator, PolicyQuery, by_which, needs},
    revoke,
    write_once::{self, WriteOnceAnswer},
};
use crate::{
    authn::Labels,
    authz::{Condition, DecidedBy, Policy, Question, Rule, RuleSettings, Ruling, Validity, Verdict},
    config::written_moment,
    registry::Scope,
};

/// Prints the decision on a scope or a request; 0 when all that it needs is allowed, 1 when not. With `--json` and
/// neither of them, answers every line of standard input.
pub(super) fn run(explain: &Explain) -> Result<ExitCode, Failure> {
    let evaluator = PolicyEvaluator::load(&explain.config)?;
    let shows_login = explain.jwt.is_some() || explain.certificate.is_some();
    if explain.json && !shows_login && explain.scope.is_none() && explain.request.is_none() {
        return answer_lines(&evaluator);
    }
    let labelled = labelled(explain, &evaluator)?;
    if let Some((account, labels)) = &labelled
        && explain.scope.is_none()
        && explain.request.is_none()
    {
        return show_login(explain, &evaluator, account, labels);
    }
    let needs = needs(explain.scope.as_deref(), explain.request.as_deref())?;
    if explain.everyone {
        return everyone::run(explain, &evaluator, &needs);
    }
    let asked = match labelled {
        Some((account, labels)) => {
            PolicyQuery::new(account, labels, explain.ip, explain.service.clone(), &evaluator)
        }
        None => asked(explain, &evaluator)?,
    };
    let asked = asked.at(explain.at).about_request(explain.request.as_deref(), explain.tag.as_deref());
    let asked = asked.with_token(&explain.token_scope);
    if explain.json {
        return answer(explain, &evaluator, &asked, &needs);
    }
    say(asked.to_string())?;
    if let Some(ceiling) = evaluator.ceiling_of(&asked.account) {
        say(format!("ceiling: {ceiling}"))?;
    }
    if evaluator.is_shut_out(&asked) {
        say("note: no token of this robot is in force, so it cannot sign in")?;
    }
    for line in revocations(&evaluator, &asked.account) {
        say(line)?;
    }
    let mut all_allowed = true;
    for need in &needs {
        all_allowed &= say_need(explain, &evaluator, &asked, need)?;
    }
    if explain.request.is_some() && needs.len() > 1 {
        say(
            "note: where only the source of a mount is denied, the blob is uploaded instead, and the push succeeds",
        )?;
    }
    match (WriteOnceAnswer::find(&evaluator, &asked), asked.route()) {
        (Some(answer), _) => {
            say(format!("  write-once tags: {}", answer.sentence()))?;
            all_allowed &= !answer.denies();
        }
        (None, Some(_)) => {}
        (None, None) => write_once::notes(&evaluator, &needs).try_for_each(say)?,
    }
    if needs.iter().any(|need| need.actions == ["push"]) {
        say("note: docker asks for pull and push to push an image")?;
    }
    Ok(if all_allowed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints the decision on each action of a need; returns true if all of them are allowed.
fn say_need(
    explain: &Explain,
    evaluator: &PolicyEvaluator,
    asked: &PolicyQuery,
    need: &Scope,
) -> Result<bool, Failure> {
    say(format!("needs {need}"))?;
    let ruling = evaluator.decide(&asked.about(need))?;
    let above = evaluator.above_ceiling(&ruling, &asked.about(need))?;
    for line in not_met(evaluator, &asked.about(need), &ruling, explain.verbose) {
        say(format!("  {line}"))?;
    }
    for action in &need.actions {
        let for_some = ruling.tag_rule.as_ref().filter(|_| ruling.some_tags.contains(action));
        if let Some(rule) = for_some {
            let rule = by_which(&DecidedBy::Rule(rule.clone()), &explain.config);
            say(format!("  {action}: depends on the tag, {rule}; name one with --tag"))?;
            continue;
        }
        let verdict = if ruling.actions.contains(action) { "allowed" } else { "denied" };
        say(format!("  {action}: {verdict}, {}", why(action, &ruling, above.as_ref(), &explain.config)))?;
    }
    Ok(need.actions.iter().all(|action| ruling.actions.contains(action)))
}

/// The answer about a JWT or a certificate, as a line of JSON.
#[derive(Serialize)]
struct LoginAnswer<'a> {
    account: &'a str,
    labels: &'a Labels,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    revoked: Vec<String>,
}

/// Prints what was revoked of an account that a JWT or a certificate has named, as nothing more is asked.
fn show_login(
    explain: &Explain,
    evaluator: &PolicyEvaluator,
    account: &str,
    labels: &Labels,
) -> Result<ExitCode, Failure> {
    if explain.json {
        let revoked = known_revocations(evaluator, account);
        say_json(&LoginAnswer { account, labels, revoked })?;
        return Ok(ExitCode::SUCCESS);
    }
    revocations(evaluator, account).into_iter().try_for_each(say)?;
    Ok(ExitCode::SUCCESS)
}

/// The revocations that concern an account; where they are not known, the note that says so.
fn revocations(evaluator: &PolicyEvaluator, account: &str) -> Vec<String> {
    revoke::of_account(evaluator.config.control.as_deref(), account).unwrap_or_else(|note| vec![note])
}

/// The same for a program, which would take a note for a revocation.
fn known_revocations(evaluator: &PolicyEvaluator, account: &str) -> Vec<String> {
    revoke::of_account(evaluator.config.control.as_deref(), account).unwrap_or_default()
}

/// The account and the labels of the JWT or the certificate in a file.
fn labelled(explain: &Explain, evaluator: &PolicyEvaluator) -> Result<Option<(String, Labels)>, Failure> {
    if let Some(file) = &explain.certificate {
        let identity = certificate::read(file, evaluator, explain.json)?;
        return Ok(Some((identity.account, Labels::clone(&identity.labels))));
    }
    let Some(file) = &explain.jwt else { return Ok(None) };
    let login = jwt::read(file, evaluator, explain.json)?;
    Ok(Some((login.account, login.labels)))
}

/// The source of the decision about one action. Where a ceiling takes actions away, of `above`, each has its own: what
/// is left is granted by a rule, and what is taken away may have been denied by one already.
fn why(action: &String, ruling: &Ruling, above: Option<&Ruling>, config: &Path) -> String {
    let Some(above) = above else { return by_which(&ruling.by, config) };
    let rule = by_which(&above.by, config);
    match (ruling.actions.contains(action), above.actions.contains(action)) {
        (false, true) => format!("{}; the rules would grant it, {rule}", by_which(&ruling.by, config)),
        (true, _) => rule,
        (false, false) => {
            format!("{}; the rules do not grant it either, {rule}", by_which(&ruling.by, config))
        }
    }
}

/// The same as a line of JSON.
fn answer(
    explain: &Explain,
    evaluator: &PolicyEvaluator,
    asked: &PolicyQuery,
    needs: &[Scope],
) -> Result<ExitCode, Failure> {
    let revoked = known_revocations(evaluator, &asked.account);
    let answer = PolicyAnswer::find(evaluator, asked, needs, |need, ruling| {
        not_met(evaluator, &asked.about(need), ruling, explain.verbose)
    })?
    .revoked(revoked);
    say_json(&answer)?;
    Ok(if answer.allowed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The reasons why noteworthy rules did not match, each as `rule 1, line 12: …`.
fn not_met(evaluator: &PolicyEvaluator, question: &Question<'_>, ruling: &Ruling, all: bool) -> Vec<String> {
    let acl = evaluator.acl();
    // Those that were looked at. Worth a line without `all` are the one in doubt, and those that only the time holds
    // back.
    let (looked_at, in_doubt) = match &ruling.by {
        DecidedBy::Rule(rule) if rule.section == "acl" => (0..rule.index, None),
        DecidedBy::Unclear(rule) if rule.section == "acl" => (0..rule.index + 1, Some(rule.index)),
        _ => (0..acl.len(), None),
    };
    let is_out_of_time = |rule: usize| {
        let verdict = acl.rule(rule).map(|rule| rule.judge(question));
        verdict == Some(Verdict::Unmet(Condition::Time))
    };
    let worth = looked_at.filter(|rule| all || in_doubt == Some(*rule) || is_out_of_time(*rule));
    worth.map(|rule| why_not(rule, acl, &evaluator.config.acl, question)).collect()
}

fn asked(explain: &Explain, evaluator: &PolicyEvaluator) -> Result<PolicyQuery, String> {
    let mut labels = BTreeMap::<String, Vec<String>>::new();
    for label in &explain.label {
        let (name, value) =
            label.split_once('=').ok_or_else(|| format!("--label {label}: write name=value"))?;
        labels.entry(name.to_owned()).or_default().push(value.to_owned());
    }
    let account = explain.account.clone().unwrap_or_default();
    Ok(PolicyQuery::new(account, labels, explain.ip, explain.service.clone(), evaluator))
}

/// `rule 1, line 12: match.account "admin" is not met by "bob"`.
fn why_not(index: usize, policy: &Policy, settings: &[RuleSettings], question: &Question<'_>) -> String {
    let (Some(rule), Some(settings)) = (policy.rule(index), settings.get(index)) else {
        return String::new();
    };
    let place = format!("rule {}, line {}", index + 1, rule.line());
    match rule.judge(question) {
        Verdict::Matches => format!("{place}: matches"),
        Verdict::Unmet(Condition::Time) => {
            format!("{place}: would match, but {}", out_of_time(rule, question.now))
        }
        Verdict::ForSomeTags => format!("{place}: matches for some tags"),
        Verdict::Unmet(condition) => {
            let (condition, value) = held_against(condition, settings, question);
            format!("{place}: {condition} is not met by {value}")
        }
        Verdict::Unclear(condition, doubt) => {
            let (condition, value) = held_against(condition, settings, question);
            format!("{place}: {condition} may be met by {value} or not: {doubt}")
        }
    }
}

/// `it holds from 2026-12-01T00:00:00Z on`.
fn out_of_time(rule: &Rule, now: u64) -> String {
    let Validity { from, until } = rule.validity();
    match (from.filter(|from| now < *from), until) {
        (Some(from), _) => format!("it holds from {} on", written_moment(from)),
        (None, Some(until)) => format!("it held until {}", written_moment(until)),
        (None, None) => "it does not hold now".to_owned(),
    }
}

/// A condition as it is written, and what of the question is held against it.
fn held_against(
    condition: Condition<'_>,
    settings: &RuleSettings,
    question: &Question<'_>,
) -> (String, String) {
    let quoted = |text: &str| format!("{text:?}");
    let (key, pattern, value) = match condition {
        Condition::Ip => {
            let ip = question.ip.map_or_else(|| "no known address".to_owned(), |ip| ip.to_string());
            ("ip", &settings.ip, ip)
        }
        Condition::Account => ("account", &settings.account, quoted(question.account)),
        Condition::Type => ("type", &settings.resource_type, quoted(question.resource_type)),
        Condition::Name => ("name", &settings.name, quoted(question.name)),
        Condition::Service => ("service", &settings.service, quoted(question.service)),
        Condition::Tag => {
            let patterns = settings.tags.clone().unwrap_or_default();
            let tag = question.tag.map_or_else(|| "no known tag".to_owned(), quoted);
            return (format!("match.tag {patterns:?}"), tag);
        }
        Condition::Label(label) => {
            let pattern = settings.labels.get(label).map(String::as_str).unwrap_or_default();
            let values = question.labels.get(label).map(Vec::as_slice).unwrap_or_default();
            return (format!("match.labels.{label} {pattern:?}"), format!("{values:?}"));
        }
        Condition::Time => return ("the time".to_owned(), written_moment(question.now)),
    };
    (format!("match.{key} {:?}", pattern.as_deref().unwrap_or_default()), value)
}

/// A line of `--json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    account: String,
    #[serde(rename = "type")]
    resource_type: String,
    name: String,
    service: String,
    #[serde(default)]
    ip: Option<IpAddr>,
    actions: Option<Vec<String>>,
    #[serde(default)]
    labels: Option<BTreeMap<String, Option<Vec<String>>>>,
    /// Instead of the present.
    at: Option<String>,
    tag: Option<String>,
}

/// Answers each line with `{"rule": N or null, "actions": […]}`, N from 0; with `"by"` where a back end decided.
fn answer_lines(evaluator: &PolicyEvaluator) -> Result<ExitCode, Failure> {
    let now = now();
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let line = line.map_err(|error| format!("standard input: {error}"))?;
        let line: Line =
            serde_json::from_str(&line).map_err(|error| format!("line {}: {error}", number + 1))?;
        let at = line.at.as_deref().map(moment).transpose();
        let at = at.map_err(|error| format!("line {}: at: {error}", number + 1))?;
        let labels = line
            .labels
            .unwrap_or_default()
            .into_iter()
            .map(|(label, values)| (label, values.unwrap_or_default()));
        let ruling = evaluator.decide(&Question {
            account: &line.account,
            labels: &labels.collect(),
            ip: line.ip,
            service: &line.service,
            resource_type: &line.resource_type,
            name: &line.name,
            tag: line.tag.as_deref(),
            actions: &line.actions.unwrap_or_default(),
            token_scopes: None,
            now: at.unwrap_or(now),
        })?;
        say_json(&RulingAnswer::from(ruling))?;
    }
    Ok(ExitCode::SUCCESS)
}
