//! Warnings about entries of `retention` that are for more repositories than they seem to be.

use super::{Lint, LintInput, Report, rules::open_ends};
use crate::{
    authz::{RuleSettings, shapes},
    config::diagnostics::path::Path,
};

pub(super) const LINTS: &[Lint] = &[unanchored];

/// `/ci/` matches `team/precision`, whose tags then go.
fn unanchored(input: &LintInput<'_>, report: &mut Report<'_>) {
    if !report.wrong_elements("retention").is_empty() {
        // Those that are left stand elsewhere in the file.
        return;
    }
    for (n, entry) in input.config.retention.iter().enumerate() {
        let rule = RuleSettings { name: Some(entry.name.clone()), ..RuleSettings::default() };
        for (message, hint) in shapes(&rule).iter().filter_map(open_ends) {
            report.warn(Path::from("retention").index(n).key("match").key("name"), message, hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{SERVER, TOKEN, said};

    #[test]
    fn a_name_that_is_not_anchored_is_warned_of() {
        let of = |name: &str| {
            let entry = format!("retention: [{{match: {{name: '{name}'}}, keep: [{{tag: x}}]}}]\n");
            said(&format!("{SERVER}{TOKEN}users: {{}}\nacl: []\n{entry}"))
        };
        let warned = of("/ci/");
        assert!(
            warned.contains("warning: retention[0].match.name: the expression is not anchored"),
            "{warned}"
        );
        for fine in ["/^ci\\//", "/.+/", "/^ci$/", "ci/*"] {
            let said = of(fine);
            assert_eq!(said.contains("anchored"), fine == "/^ci\\//", "{fine}: {said}");
        }
    }
}
