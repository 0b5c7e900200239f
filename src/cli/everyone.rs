//! `portwarden explain --everyone`: the accounts that may do that, and the rules behind it.

use std::{collections::BTreeMap, process::ExitCode};

use super::{
    Explain,
    output::{Failure, say},
    policy_answer::PolicyAnswer,
    policy_query::{PolicyEvaluator, PolicyQuery, by_which},
    progress::Progress,
    write_once::WriteOnceAnswer,
};
use crate::{authz::DecidedBy, registry::Scope};

/// Prints the accounts of the configuration that may do all of `needs`, with the rules that decide, with `-v` the
/// others too; 0 when there are any.
///
/// # Errors
/// A back end that has to be asked gives no answer.
pub(super) fn run(
    explain: &Explain,
    evaluator: &PolicyEvaluator,
    needs: &[Scope],
) -> Result<ExitCode, Failure> {
    let text = !explain.json;
    if text {
        needs.iter().try_for_each(|need| say(format!("needs {need}")))?;
    }
    let accounts: Vec<&str> = evaluator.config.accounts().map(|(name, _)| name).collect();
    let (mut may, mut progress) = (0, Progress::new(accounts.len()));
    for account in &accounts {
        progress.step();
        let (name, service) = ((*account).to_owned(), explain.service.clone());
        let asked = PolicyQuery::new(name, BTreeMap::new(), explain.ip, service, evaluator).at(explain.at);
        let asked = asked.about_request(explain.request.as_deref(), explain.tag.as_deref());
        let (allowed, line) = if text {
            let (verdict, by) = decide(&asked, explain, evaluator, needs)?;
            (verdict != "denied", format!("  {}: {verdict}, {by}", named(account)))
        } else {
            let answer = PolicyAnswer::find(evaluator, &asked, needs, |_, _| Vec::new())?;
            (answer.allowed, serde_json::to_string(&answer).map_err(|error| error.to_string())?)
        };
        may += usize::from(allowed);
        if allowed || explain.verbose {
            progress.clear();
            say(line)?;
        }
    }
    progress.clear();
    if text {
        say(format!("{may} of {} accounts", accounts.len()))?;
        notes(explain, evaluator)?;
    }
    Ok(if may > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn notes(explain: &Explain, evaluator: &PolicyEvaluator) -> Result<(), Failure> {
    let workload = (!evaluator.config.workload.issuers.is_empty()).then_some("workload_auth");
    let certificates = evaluator.config.certificates.as_ref().and_then(|all| all.accounts.as_ref());
    let certificates = certificates.map(|_| "certificate_auth");
    let elsewhere = evaluator.config.sections_elsewhere().chain(workload).chain(certificates);
    let elsewhere: Vec<&str> = elsewhere.collect();
    if !elsewhere.is_empty() {
        let sections = elsewhere.join(", ");
        say(format!("note: accounts of {sections} are not listed; ask for one with --account and --label"))?;
    }
    if explain.ip.is_none() && evaluator.config.acl.iter().any(|rule| rule.ip.is_some()) {
        say("note: without --ip, a rule with an ip grants nothing and may deny")?;
    }
    if explain.ip.is_none() && evaluator.config.ceilings.iter().any(|ceiling| ceiling.ip.is_some()) {
        say("note: without --ip, a robot with an ip may do nothing")?;
    }
    Ok(())
}

/// Decides whether everything is granted, at least for some tags. Returns the rules that grant it, or else the one that
/// withholds the first part that is missing.
fn decide(
    asked: &PolicyQuery,
    explain: &Explain,
    evaluator: &PolicyEvaluator,
    needs: &[Scope],
) -> Result<(&'static str, String), String> {
    let (mut by, mut verdict) = (Vec::new(), "allowed");
    for need in needs {
        let ruling = evaluator.decide(&asked.about(need))?;
        let is_granted = |action| ruling.actions.contains(action) || ruling.some_tags.contains(action);
        if !need.actions.iter().all(is_granted) {
            return Ok(("denied", by_which(&ruling.by, &explain.config)));
        }
        by.push(match ruling.tag_rule.filter(|_| !ruling.some_tags.is_empty()) {
            Some(rule) => {
                verdict = "allowed for some tags";
                by_which(&DecidedBy::Rule(rule), &explain.config)
            }
            None => by_which(&ruling.by, &explain.config),
        });
    }
    if let Some(answer) = WriteOnceAnswer::find(evaluator, asked).filter(WriteOnceAnswer::denies) {
        return Ok(("denied", answer.sentence()));
    }
    by.dedup();
    Ok((verdict, by.join(" and ")))
}

fn named(account: &str) -> &str {
    if account.is_empty() { "anonymous" } else { account }
}
