//! Warnings about `type` and `service`: rules that no request to the registry is decided by.

use super::{Lint, LintInput, Report, pattern_path, resources::shape_of};
use crate::authz::{Example, PatternShape, shapes};

pub(super) const LINTS: &[Lint] = &[types, services];

/// The types that a scope can have: any other is dropped when the scope is read.
const TYPE: &str = "[a-z0-9]+";

/// A type of another service is left alone; one that looks like a type of the registry is a slip.
fn types(input: &LintInput<'_>, report: &mut Report<'_>) {
    let rules = input.config.acl.iter().zip(&input.resources).enumerate();
    for (n, (rule, _)) in rules.filter(|(_, (_, resources))| !resources.repository && !resources.registry) {
        let shapes = shapes(rule);
        let Some(shape) = shape_of(&shapes, "type") else { continue };
        if let Some(meant) = meant(shape) {
            let message =
                "the registry has the types `repository` and `registry`, and this is neither of them";
            report.warn(pattern_path(n, shape), message, format!("Write `{meant}`"));
        }
    }
}

/// The type that was probably meant; `None` where it may be another service's.
fn meant(shape: &PatternShape<'_>) -> Option<&'static str> {
    let lower = shape.plain.trim().to_ascii_lowercase();
    let word = lower.trim_start_matches(['/', '^']);
    let is_registry = ["reg", "cat", "_cat"].iter().any(|start| word.starts_with(start));
    let is_near = ["rep", "image", "docker"].iter().any(|start| word.starts_with(start))
        || strsim::damerau_levenshtein(word, "repository") <= 3;
    let never = || shape.example(TYPE) == Example::None;
    (is_registry || is_near || never()).then_some(if is_registry { "registry" } else { "repository" })
}

/// A rule for another service than `registry.service` decides about tokens for that service, and about nothing else.
fn services(input: &LintInput<'_>, report: &mut Report<'_>) {
    let own = &input.config.proxy.service;
    let rules = input.config.acl.iter().zip(&input.resources).enumerate();
    for (n, (rule, _)) in rules.filter(|(_, (_, resources))| !resources.ours) {
        let shapes = shapes(rule);
        let Some(shape) = shape_of(&shapes, "service") else { continue };
        let message =
            format!("requests to the registry are for the service `{own}`, so this rule never matches one");
        let hint = "Leave `service` out, write that name, or set `registry.service` to this one";
        report.warn(pattern_path(n, shape), message, hint);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::lint::testing::rule;

    #[test]
    fn a_type_that_the_registry_has_not() {
        for (kind, meant) in [
            ("repo", "repository"),
            ("repositories", "repository"),
            ("Repository", "repository"),
            ("REPOSITORY", "repository"),
            ("repository(plugin)", "repository"),
            ("repsoitory", "repository"),
            ("respository", "repository"),
            ("image", "repository"),
            (" repository", "repository"),
            ("team/app", "repository"),
            ("/^Repo.*$/", "repository"),
            ("/^repo$/", "repository"),
            ("registries", "registry"),
            ("Registry", "registry"),
            ("catalog", "registry"),
            ("_catalog", "registry"),
            ("{repository,registry}", "repository"),
        ] {
            assert_eq!(
                rule(&format!("type: '{kind}'"), "[pull]").lines().next().unwrap_or_default(),
                format!(
                    "f.yml:13:13: warning: acl[0].match.type: the registry has the types `repository` and `registry`, \
                     and this is neither of them. Write `{meant}`"
                ),
                "{kind}"
            );
        }
        for kind in ["repository", "re*", "*", "/^re/", "/^(repository|registry)$/", "plugin", "artifact"] {
            let said = rule(&format!("type: '{kind}', service: Docker registry"), "['*']");
            assert!(!said.contains("match.type: the registry"), "{kind}: {said}");
        }
    }

    #[test]
    fn a_service_that_is_another_ones() {
        assert_eq!(
            rule("service: registry.example", "[pull]"),
            "f.yml:13:13: warning: acl[0].match.service: requests to the registry are for the service `Docker registry`, \
             so this rule never matches one. Leave `service` out, write that name, or set `registry.service` to this one"
        );
        for ours in ["Docker registry", "Docker*", "/^Docker registry$/", "${service}", "${account}"] {
            assert_eq!(rule(&format!("service: '{ours}'"), "[pull]"), "", "{ours}");
        }
    }
}
