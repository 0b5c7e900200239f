//! Warnings about users: cheap hashes, and rules for accounts that do not exist.

use super::{Lint, LintInput, Report, accounts, pattern_path};
use crate::{
    authn::{DEFAULT_COST, PasswordHash, is_certificate_name},
    authz::shapes,
    config::sections::access::user_path,
    workload::is_of,
};

pub(super) const LINTS: &[Lint] = &[cheap_hash, nobody_of_that_name];

/// The number of names that are compared for a suggestion.
const MOST_COMPARED: usize = 1_000;

/// Below OWASP's least, an attacker with the file guesses fast.
fn cheap_hash(input: &LintInput<'_>, report: &mut Report<'_>) {
    // Those of `htpasswd`, without a line, have one warning for the whole file, where it is read.
    for user in input.config.users.iter().filter(|user| user.line > 0) {
        let hash = user.password.as_deref().and_then(|text| PasswordHash::parse(text).ok());
        if let Some(cost) = hash.map(|hash| hash.cost()).filter(|cost| *cost < DEFAULT_COST) {
            let message = format!(
                "the bcrypt cost is {cost}: an attacker with this file guesses {} times as fast as at \
                 {DEFAULT_COST}",
                1_u32 << (DEFAULT_COST - cost)
            );
            let hint = format!("Make a new hash with `portwarden hash --cost {DEFAULT_COST}`");
            report.warn(user_path(&user.name).key("password"), message, hint);
        }
    }
}

/// A rule for one account, which no user has. Where there are back ends, one of them may know it.
fn nobody_of_that_name(input: &LintInput<'_>, report: &mut Report<'_>) {
    let is_elsewhere = input.config.sections_elsewhere().next().is_some();
    if is_elsewhere || !input.all_accounts {
        return;
    }
    let mut names: Vec<&str> = input.config.accounts().map(|(name, _)| name).collect();
    names.sort_unstable();
    let certificates = input.config.certificates.as_ref().is_some_and(|all| all.accounts.is_some());
    for (n, rule) in input.config.acl.iter().enumerate() {
        let accounts = shapes(rule).into_iter().filter(|shape| shape.key == "account");
        for shape in accounts {
            // Of the anonymous account there are warnings of their own.
            let Some(account) = shape.literal.as_deref().filter(|account| !account.is_empty()) else {
                continue;
            };
            let of_issuer = input.config.workload.issuers.iter().any(|issuer| is_of(account, &issuer.name));
            let of_certificate = certificates && is_certificate_name(account);
            if !of_issuer
                && !of_certificate
                && names.binary_search(&account).is_err()
                && accounts::said(&shape).is_none()
            {
                let (message, hint) = nobody(account, &names);
                report.warn(pattern_path(n, &shape), message, hint);
            }
        }
    }
}

fn nobody(account: &str, names: &[&str]) -> (String, String) {
    let names = names.iter().take(MOST_COMPARED);
    let near = names.map(|name| (strsim::damerau_levenshtein(account, name), name)).min();
    let hint = match near {
        Some((distance, name)) if distance <= 1 + name.len() / 4 && !name.is_empty() => {
            format!("Did you mean `{name}`? Else add the user, or remove the rule")
        }
        _ => "Add the user, or remove the rule".to_owned(),
    };
    (format!("there is no user {account:?}, so this rule never matches"), hint)
}

#[cfg(test)]
mod tests {
    use crate::config::{
        lint::testing::rules,
        tests::{SERVER, TOKEN, said},
    };

    #[test]
    fn a_cheap_hash() {
        let of_cost = |cost: &str| {
            let hash = format!("$2y${cost}$lfIkMm1jPw8Is./rthy5auKvJeeuH7pJMDm4K.KmbODdBR31EC/am");
            said(&format!("{SERVER}{TOKEN}users:\n  bob:\n    password: \"{hash}\"\nacl: []\n"))
        };
        assert_eq!(
            of_cost("05"),
            "f.yml:10:5: warning: users.bob.password: the bcrypt cost is 5: an attacker with this file guesses \
             32 times as fast as at 10. Make a new hash with `portwarden hash --cost 10`"
        );
        assert!(of_cost("09").contains("guesses 2 times"));
        assert_eq!(of_cost("10"), "");
    }

    #[test]
    fn a_rule_for_nobody() {
        let of =
            |account: &str| rules(&format!("- match: {{account: \"{account}\"}}\n    actions: [pull]\n"));
        assert_eq!(
            of("alcie"),
            "f.yml:13:13: warning: acl[0].match.account: there is no user \"alcie\", so this rule never \
             matches. Did you mean `alice`? Else add the user, or remove the rule"
        );
        assert_eq!(
            of("somebody"),
            "f.yml:13:13: warning: acl[0].match.account: there is no user \"somebody\", so this rule never \
             matches. Add the user, or remove the rule"
        );
        for somebody in ["alice", "a*", "/^no-such-user$/", "${name}", "al\\\\ice"] {
            assert_eq!(of(somebody), "", "{somebody}");
        }
    }
}
