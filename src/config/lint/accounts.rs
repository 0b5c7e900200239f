//! Warnings about conditions on an account, a label or a service that are written in another language than that of
//! globs.

use super::{Lint, LintInput, Report, pattern_path, repair};
use crate::authz::{PatternShape, shapes};

pub(super) const LINTS: &[Lint] = &[other_languages];

/// A name has warnings of its own, which know what a name can be.
fn other_languages(input: &LintInput<'_>, report: &mut Report<'_>) {
    for (n, rule) in input.config.acl.iter().enumerate() {
        for shape in shapes(rule).iter().filter(|shape| shape.key != "name" && shape.key != "type") {
            if let Some((message, hint)) = said(shape) {
                report.warn(pattern_path(n, shape), message, hint);
            }
        }
        for shape in
            shapes(rule).iter().filter(|shape| shape.expression.is_none() && shape.plain.contains("[!"))
        {
            let message = "`[!…]` matches a `!`, too: a class is negated by `^`";
            report.warn(
                pattern_path(n, shape),
                message,
                format!("Write `{}`", shape.text.replace("[!", "[^")),
            );
        }
    }
}

/// A warning about one condition, and its hint.
pub(super) fn said(shape: &PatternShape<'_>) -> Option<(&'static str, String)> {
    let plain = shape.plain.as_str();
    if shape.expression.is_some() || !shape.unexpanded.is_empty() || shape.text.contains("{labels:") {
        return None;
    }
    let body = shape.text.trim_start_matches(['/', '^']).trim_end_matches(['/', '$']);
    if plain.len() > 1 && (repair::is_expression(plain) || begins(shape)) {
        let body = match body.rsplit_once('/') {
            Some((body, "i")) => format!("(?i){}", body.trim_end_matches('$')),
            // Between anchors, the flags of other languages change nothing.
            Some((body, "g" | "m" | "u")) => body.trim_end_matches('$').to_owned(),
            _ => body.to_owned(),
        };
        return Some((
            "this is plain text: a regular expression stands between two slashes",
            format!("Write `{}`", repair::anchored(&body)),
        ));
    }
    let listed = shape.literal.as_deref().filter(|text| is_list(text))?;
    let names: Vec<_> = listed.split([',', '{', '}', ';', ' ']).filter(|name| !name.is_empty()).collect();
    let is_word = |name: &&str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_@".contains(&b));
    let hint = if names.iter().all(is_word) {
        format!("Write `/^({})$/`", names.join("|"))
    } else {
        "Write a rule for each of them".to_owned()
    };
    Some(("this is one text and not a list", hint))
}

/// Half of the slashes around an expression. A label may be a path.
fn begins(shape: &PatternShape<'_>) -> bool {
    shape.label.is_none() && shape.plain.starts_with('/')
}

/// `{a,b}`, `a,b`; a distinguished name has commas, too.
fn is_list(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
    inner.contains([',', ';'])
        && !text.contains('=')
        && inner.split([',', ';']).all(|name| !name.trim().contains(' '))
}

#[cfg(test)]
mod tests {
    use crate::config::lint::testing::{rule, rules_with};

    const DIRECTORY: &str =
        "ldap_auth: {addr: \"localhost:389\", base: dc=example, filter: \"(uid=${account})\"}\n";

    fn of(account: &str) -> String {
        rules_with(DIRECTORY, &format!("- match: {{account: '{account}'}}\n    actions: [pull]\n"))
    }

    #[test]
    fn an_account_in_another_language() {
        for (account, write) in [
            ("^kim$", "/^kim$/"),
            ("/^kim", "/^kim$/"),
            ("/kim", "/^kim$/"),
            ("/^kim$/i", "/^(?i)kim$/"),
            ("kim|tom", "/^(kim|tom)$/"),
            ("^kim$|^tom$", "/^(kim$|^tom)$/"),
            ("/kim|tom/i", "/^((?i)kim|tom)$/"),
            ("(kim|tom)|amy", "/^((kim|tom)|amy)$/"),
            ("(kim|[)|]+)", "/^(kim|[)|]+)$/"),
            ("/^kim$/m", "/^kim$/"),
            ("(kim|tom)", "/^(kim|tom)$/"),
            (".*", "/^.*$/"),
            ("ci-[0-9]+", "/^ci-[0-9]+$/"),
        ] {
            assert_eq!(
                of(account),
                format!(
                    "f.yml:13:13: warning: acl[0].match.account: this is plain text: a regular expression stands between \
                     two slashes. Write `{write}`"
                ),
                "{account}"
            );
        }
    }

    #[test]
    fn a_list_of_accounts() {
        for list in ["kim,tom", "kim, tom", "{kim,tom}", "kim;tom"] {
            assert_eq!(
                of(list),
                "f.yml:13:13: warning: acl[0].match.account: this is one text and not a list. Write `/^(kim|tom)$/`",
                "{list}"
            );
        }
        assert!(of("kim.x,tom").ends_with("Write a rule for each of them"), "a dot is a wildcard");
    }

    #[test]
    fn a_label_may_be_a_path() {
        let of = |value: &str| rule(&format!("labels: {{team: '{value}'}}"), "[pull]");
        assert_eq!(of("/staff/*"), "");
        assert!(of("/^staff").ends_with("Write `/^staff$/`"));
    }

    #[test]
    fn a_negation_of_another_language() {
        assert_eq!(
            rule("name: 'team/[!a]*'", "[pull]"),
            "f.yml:13:13: warning: acl[0].match.name: `[!…]` matches a `!`, too: a class is negated by `^`. Write \
             `team/[^a]*`"
        );
    }

    #[test]
    fn accounts_as_they_are_called() {
        for account in [
            "kim",
            "kim.lee@example.com",
            "ci-*",
            "[a-z]*",
            "DOM\\\\kim",
            "cn=kim,dc=example",
            "Lee, Kim Ann",
            "a.*",
            "${name}",
        ] {
            assert_eq!(of(account), "", "{account}");
        }
    }
}
