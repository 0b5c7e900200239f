//! `portwarden explain --everyone`: who may do that, and by which rule.

use std::{collections::BTreeMap, process::ExitCode};

use super::{
    Explain,
    asked::{Asked, Court, by_which},
    output::{Failure, say},
};
use crate::registry::Scope;

/// Prints the accounts of the configuration that may do all of `needs`, with the rules that decide, with `-v` the others
/// too; 0 when there are any.
///
/// # Errors
/// A back end that has to be asked gives no answer.
pub(super) fn run(explain: &Explain, court: &Court, needs: &[Scope]) -> Result<ExitCode, Failure> {
    needs.iter().try_for_each(|need| say(format!("needs {need}")))?;
    let (mut may, users) = (0, &court.config.users);
    for user in users {
        let asked = Asked::new(
            user.name.clone(),
            BTreeMap::new(),
            explain.ip,
            explain.service.clone(),
            &court.config,
        );
        let (allowed, by) = decide(&asked, explain, court, needs)?;
        may += usize::from(allowed);
        if allowed || explain.verbose {
            let verdict = if allowed { "allowed" } else { "denied" };
            say(format!("  {}: {verdict}, {by}", named(&user.name)))?;
        }
    }
    say(format!("{may} of {} accounts", users.len()))?;
    let elsewhere: Vec<&str> = court.config.authenticators.sections().collect();
    if !elsewhere.is_empty() {
        let sections = elsewhere.join(", ");
        say(format!("note: accounts of {sections} are not listed; ask for one with --account and --label"))?;
    }
    if explain.ip.is_none() && court.config.acl.iter().any(|rule| rule.ip.is_some()) {
        say("note: without --ip, a rule with an ip grants nothing and may deny")?;
    }
    Ok(if may > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether everything is granted, and by which rules; where not, by which the first thing is not.
fn decide(
    asked: &Asked,
    explain: &Explain,
    court: &Court,
    needs: &[Scope],
) -> Result<(bool, String), String> {
    let mut by = Vec::new();
    for need in needs {
        let ruling = court.decide(&asked.about(need))?;
        let which = by_which(&ruling.by, &explain.config);
        if !need.actions.iter().all(|action| ruling.actions.contains(action)) {
            return Ok((false, which));
        }
        by.push(which);
    }
    by.dedup();
    Ok((true, by.join(" and ")))
}

fn named(account: &str) -> &str {
    if account.is_empty() { "anonymous" } else { account }
}
