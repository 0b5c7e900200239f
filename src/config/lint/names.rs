//! Warnings about names: those that no repository can have, and those that leave out what was probably meant.

use super::{
    Lint, LintInput, Report, pattern_path, repair,
    resources::{Resources, may_match, shape_of},
};
use crate::{
    authz::{Example, PatternShape, RuleSettings, shapes},
    registry::RepositoryName,
};

pub(super) const LINTS: &[Lint] = &[names];

/// A name as clients send it: without host and capitals.
const PATH: &str = "[a-z0-9]+(?:(?:\\.|__?|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\\.|__?|-+)[a-z0-9]+)*)*";
/// The host that the registry's grammar allows before a name.
const HOST: &str =
    "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]+)?";

/// For how many names an example is searched; what comes after them is taken for right.
const MOST_SEARCHED: usize = 5_000;

/// Registries below whose names a mirror keeps their images.
const MIRRORED: &[&str] = &[
    "docker.io",
    "ecr.aws",
    "elastic.co",
    "gcr.io",
    "ghcr.io",
    "gitlab.com",
    "k8s.io",
    "lscr.io",
    "microsoft.com",
    "nvcr.io",
    "pkg.dev",
    "quay.io",
    "redhat.com",
    "redhat.io",
];

/// The fault and the fix.
type Said = (String, String);

fn names(input: &LintInput<'_>, report: &mut Report<'_>) {
    let mut searched = 0;
    for (n, rule) in input.config.acl.iter().enumerate() {
        let shapes = shapes(rule);
        // A placeholder that stays text has a warning of its own.
        let name = shape_of(&shapes, "name");
        let Some(shape) = name.filter(|s| s.unexpanded.is_empty() && !s.plain.contains("{labels:")) else {
            continue;
        };
        searched += usize::from(plain_example(shape).is_none());
        let said =
            match input.resources.get(n).filter(|resources| resources.ours && searched <= MOST_SEARCHED) {
                Some(Resources { repository: true, .. }) => {
                    of_repository(rule, shape).or_else(|| one_level(input, shape))
                }
                Some(Resources { registry: true, .. }) => of_catalogue(shape),
                _ => None,
            };
        if let Some((message, hint)) = said {
            report.warn(pattern_path(n, shape), message, hint);
        }
    }
}

/// The one resource of type `registry`.
fn of_catalogue(shape: &PatternShape<'_>) -> Option<Said> {
    let hint = "Write `catalog`, or leave `name` out";
    (!may_match(Some(shape), "catalog")).then(|| {
        ("the catalogue is called `catalog`, so this rule never matches".to_owned(), hint.to_owned())
    })
}

fn of_repository(rule: &RuleSettings, shape: &PatternShape<'_>) -> Option<Said> {
    match example(shape) {
        Example::Text(name) => with_host(shape, &name),
        Example::Unknown => None,
        Example::None => match shape.example(&format!("{HOST}/{PATH}")) {
            Example::Text(name) => with_host(shape, &name).or_else(|| Some(with_capitals(rule, shape))),
            Example::None => Some(repair::said(rule, shape)),
            Example::Unknown => None,
        },
    }
}

/// A name that the pattern matches, as clients send it.
pub(super) fn example(shape: &PatternShape<'_>) -> Example {
    plain_example(shape).map_or_else(|| shape.example(PATH), Example::Text)
}

/// Most globs match their own text: the search costs much more.
fn plain_example(shape: &PatternShape<'_>) -> Option<String> {
    let own = shape.plain.replace(['*', '?', '\0'], "x");
    let is_lower = !own.contains(|c: char| c == ':' || c.is_ascii_uppercase());
    (shape.expression.is_none() && is_lower && RepositoryName::parse(&own).is_some()).then_some(own)
}

/// The first part is a host, spelt out in the pattern.
fn with_host(shape: &PatternShape<'_>, name: &str) -> Option<Said> {
    let (host, _) = name.split_once('/').filter(|(host, _)| is_host(host))?;
    let written =
        [host.to_owned(), host.replace('.', "\\.")].into_iter().rfind(|h| shape.text.contains(h))?;
    let without = ["\\/", "/"].iter().find_map(|slash| {
        let whole = format!("{written}{slash}");
        shape.text.contains(&whole).then(|| shape.text.replacen(&whole, "", 1))
    })?;
    let message = format!(
        "`{host}` is part of the repository's name here: of `docker pull {host}/app` the registry sees the \
         name `app`"
    );
    Some((message, format!("If `{host}` is this registry, leave it out: write `{without}`")))
}

/// `reg.example.com`, `localhost`, `reg:5000`; not the registries that are mirrored.
pub(super) fn is_host(part: &str) -> bool {
    let lower = part.to_ascii_lowercase();
    let top = lower.rsplit_once('.').map(|(_, top)| top);
    let is_domain = top.is_some_and(|top| top.len() > 1 && top.bytes().all(|b| b.is_ascii_lowercase()));
    let is_mirrored = MIRRORED
        .iter()
        .any(|known| lower.strip_suffix(known).is_some_and(|s| s.is_empty() || s.ends_with('.')));
    lower.contains(':') || lower == "localhost" || (is_domain && !is_mirrored)
}

/// The registry would take capitals in the first part, but no client sends them.
fn with_capitals(rule: &RuleSettings, shape: &PatternShape<'_>) -> Said {
    let message = "matches no repository that clients can name: a name has no capitals".to_owned();
    let lower = repair::verified(rule, repair::lower_case(shape));
    (message, lower.map_or_else(|| "Write it in lower case".to_owned(), |text| format!("Write `{text}`")))
}

/// `*` and `**` stop at a slash.
fn one_level(input: &LintInput<'_>, shape: &PatternShape<'_>) -> Option<Said> {
    if shape.expression.is_some() {
        return None;
    }
    if shape.text == "*" && !input.config.acl.iter().any(|r| r.name.as_deref() == Some("*/*")) {
        let message = "`*` stops at a slash: this matches `app`, and not `team/app`";
        let hint =
            "Leave `name` out to match every repository, or write `/^[^/]+$/` if `team/app` is not meant";
        return Some((message.to_owned(), hint.to_owned()));
    }
    if !shape.plain.contains("**") {
        return None;
    }
    let message = "`**` is the same as `*`, which stops at a slash".to_owned();
    let hint = match repair::every_depth(shape) {
        _ if shape.text.bytes().all(|b| b == b'*') => "Leave `name` out to match every repository".to_owned(),
        Some(deep) => format!("Write `{deep}` for every depth, or `{}`", shape.text.replace("**", "*")),
        None => format!("Write `{}`, and a rule for each further depth", shape.text.replace("**", "*")),
    };
    Some((message, hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::lint::testing::{rule, rules};

    /// The message about a name, without its place.
    fn of(name: &str) -> String {
        let said = rule(&format!("name: '{name}'"), "[pull]");
        said.strip_prefix("f.yml:13:13: warning: acl[0].match.name: ").unwrap_or(&said).to_owned()
    }

    #[test]
    fn the_grammar_is_the_registrys() {
        let grammar = regex::Regex::new(&format!("^(?:{PATH}|{HOST}/{PATH})$")).unwrap();
        for text in [
            "a",
            "a/b",
            "a.b_c__d---e/f",
            "Host.Example:443/a",
            "localhost:5000/a/b",
            "A/b",
            "0",
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "A",
            "a/B",
            "a___b",
            "a..b",
            "-a",
            "a-",
            "a._b",
            "a:1",
            "h:/a",
            "é",
            "a-.b/c",
            "a-/b",
        ] {
            assert_eq!(grammar.is_match(text), RepositoryName::parse(text).is_some(), "{text}");
        }
    }

    #[test]
    fn a_name_that_no_repository_can_have() {
        for (name, fault, write) in [
            ("team/app:v1", "tag", "team/app"),
            ("team/*:*", "tag", "team/*"),
            ("team/app@sha256:abc", "digest", "team/app"),
            ("team/App", "capitals", "team/app"),
            ("/team/*", "slash at its start", "team/*"),
            ("team/", "slash at its end", "team/*"),
            ("team/*/", "slash at its end", "team/*/*"),
            ("team//app", "empty part between slashes", "team/app"),
            ("team/./app", "part that is `.` or `..`", "team/app"),
            ("../team/app", "part that is `.` or `..`", "team/app"),
            (" team/app", "white space around it", "team/app"),
            ("https://reg.example.com/team/*", "address before it", "team/*"),
            (
                "https://reg.example.com:5000/Team/app:v1",
                "address before it, no tag, no capitals",
                "team/app",
            ),
            ("reg.example.com/team/app:1", "tag", "team/app"),
            ("[A-Z]*", "capitals", "[a-z]*"),
            ("${account}/app:v1", "tag", "${account}/app"),
            ("${labels:team}:v1", "tag", "${labels:team}"),
            ("/^team/App$/", "capitals", "/^team/app$/"),
            ("/^\\/team\\/.+$/", "slash at its start", "/^team/.+$/"),
            ("/^team/app:v1$/", "tag", "/^team/app$/"),
            ("/^${account}/app:.+$/", "tag", "/^${account}/app$/"),
            ("/^team/$/", "slash at its end", "/^team/.+$/"),
        ] {
            let said = of(name).replace(", no ", ", ");
            let expected = format!(
                "matches no repository: a name has no {}. Write `{write}`",
                fault.replace(", no ", ", ")
            );
            assert_eq!(said, expected, "{name}");
        }
    }

    #[test]
    fn a_name_in_another_language() {
        for (name, said) in [
            ("^team/.*$", "a regular expression stands between slashes. Write `/^team/.*$/`"),
            ("/^team/.*", "a regular expression stands between slashes. Write `/^team/.*$/`"),
            ("team/.*", "a regular expression stands between slashes. Write `/^team/.*$/`"),
            (".*", "a regular expression stands between slashes. Write `/^.*$/`"),
            ("team/(a|b)", "a regular expression stands between slashes. Write `/^team/(a|b)$/`"),
            ("team/a|team/b", "a regular expression stands between slashes. Write `/^(team/a|team/b)$/`"),
            ("team/app-[0-9]+", "a regular expression stands between slashes. Write `/^team/app-[0-9]+$/`"),
            ("team/{a,b}/*", "braces are plain text. Write `/^team/(a|b)/[^/]*$/`"),
            ("a/*,b/*", "the list is one name. Write a rule for each name"),
            ("a/x b/x", "the list is one name. Write a rule for each name"),
            ("!team/*", "`!` negates nothing. Put a rule with `actions: []` for those names before this one"),
            (
                "_catalog",
                "the catalogue is called `catalog`. Write `type: registry` and `name: catalog`, or `name: catalog`",
            ),
            (
                "team_/*",
                "a name is lower-case letters and digits, with `.`, `_`, `-` between them and `/` between parts. \
                 Correct the name, or remove the rule",
            ),
        ] {
            assert_eq!(of(name), format!("matches no repository: {said}"), "{name}");
        }
    }

    #[test]
    fn a_name_of_nothing_but_a_fault_is_not_replaced_by_what_matches_every_name() {
        for (name, faults) in [
            ("/^\\//", "no empty part between slashes, no slash at its start"),
            ("/\\/$/", "no empty part between slashes, no slash at its start"),
            ("/^:/", "no tag"),
        ] {
            let said = of(name);
            let expected =
                format!("matches no repository: a name has {faults}. Take it out, or remove the rule");
            assert!(said.ends_with(&expected), "{name}: {said}");
        }
    }

    #[test]
    fn a_name_with_the_host_of_a_registry() {
        for (name, host, write) in [
            ("reg.example.com/team/*", "reg.example.com", "team/*"),
            ("localhost:5000/team/*", "localhost:5000", "team/*"),
            ("localhost/${account}/*", "localhost", "${account}/*"),
            ("Reg.Example.com/team/*", "Reg.Example.com", "team/*"),
            ("reg:443/app", "reg:443", "app"),
            ("/^reg\\.example\\.com/team/.+$/", "reg.example.com", "/^team/.+$/"),
        ] {
            assert_eq!(
                of(name),
                format!(
                    "`{host}` is part of the repository's name here: of `docker pull {host}/app` the registry sees \
                     the name `app`. If `{host}` is this registry, leave it out: write `{write}`"
                ),
                "{name}"
            );
        }
        assert_eq!(
            of("Team/*"),
            "matches no repository that clients can name: a name has no capitals. Write `team/*`"
        );
    }

    #[test]
    fn a_wildcard_that_stops_at_a_slash() {
        let hint = |name: &str| of(name).split_once("slash. ").unwrap().1.to_owned();
        assert_eq!(
            of("team/**"),
            "`**` is the same as `*`, which stops at a slash. Write `/^team/.+$/` for every depth, or `team/*`"
        );
        assert_eq!(hint("team.x/**/app"), "Write `/^team\\.x/.+/app$/` for every depth, or `team.x/*/app`");
        assert_eq!(hint("**/[a-z]*"), "Write `*/[a-z]*`, and a rule for each further depth");
        assert_eq!(hint("**"), "Leave `name` out to match every repository");
        assert_eq!(
            of("*"),
            "`*` stops at a slash: this matches `app`, and not `team/app`. Leave `name` out to match every \
             repository, or write `/^[^/]+$/` if `team/app` is not meant"
        );
        let both =
            "- match: {name: \"*\"}\n    actions: [pull]\n  - match: {name: \"*/*\"}\n    actions: [pull]\n";
        assert_eq!(rules(both), "");
    }

    #[test]
    fn names_that_repositories_have() {
        for name in [
            "a",
            "team/app",
            "team/*",
            "team-*",
            "*/app",
            "?eam/[a-z]*",
            "a.b_c__d---e/f",
            "docker.io/library/*",
            "ghcr.io/team/app",
            "us-docker.pkg.dev/*",
            "v1.2/app",
            "app.v2",
            "my.app",
            "*.example/app",
            "${account}",
            "u-${labels:team}/app",
            "/^team/.+$/",
            "/^(?i)(TEAM|app)$/",
            "/^(?i)Team/.+$/",
            "/^[A-Za-z0-9/_-]+$/",
            "/^${account}/.+$/",
            "[^A-Z]*/x",
            "*[^/]",
            "[^a]",
            "catalog",
            "/^.*$/",
            "/^[^:@]+$/",
        ] {
            assert_eq!(of(name), "", "{name}");
        }
    }

    #[test]
    fn names_of_other_types_and_services_are_free() {
        for conditions in ["type: plugin, name: A:b", "service: other, name: A:b", "type: \"/^x/\", name: /a"]
        {
            let said = rule(conditions, "[pull]");
            assert!(!said.contains("match.name"), "{conditions}: {said}");
        }
        assert_eq!(rule("type: registry, name: catalog", "[\"*\"]"), "");
        assert_eq!(rule("type: registry, name: \"*\"", "[\"*\"]"), "");
        assert_eq!(
            rule("type: registry, name: _catalog", "[\"*\"]"),
            "f.yml:13:29: warning: acl[0].match.name: the catalogue is called `catalog`, so this rule never matches. \
             Write `catalog`, or leave `name` out"
        );
    }
}
