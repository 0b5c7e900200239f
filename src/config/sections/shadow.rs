//! `shadow:`: the next rules, read from a file of their own with all checks of `acl`.

use std::{
    path::Path as FilePath,
    time::{SystemTime, UNIX_EPOCH},
};

use super::access;
use crate::{
    authz::RuleSettings,
    config::{
        Config, Context, Finding, Findings,
        diagnostics::{finding::Report, path::Path, positions::Positions},
        lint, read_text,
        schema::{self, Condition, File, Shadow, Text},
        values::moment::{self, Moment},
        yaml,
    },
    proxy::ShadowSettings,
};

/// Days after which a shadow is probably forgotten.
const LONG: u64 = 366;
const DAY: u64 = 24 * 60 * 60;

/// Reads `shadow` into the configuration, which is complete but for this section.
pub(crate) fn read_into(config: &mut Config, file: &File, context: &mut Context<'_>) {
    let Some(written) = &file.shadow else { return };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let until = until(written, now, &mut context.report);
    let Some(Text(name)) = written.acl_file.as_ref().filter(|name| !name.0.is_empty()) else {
        let hint = "Write the path of a file with the next rules, as `acl_file: next.yml`";
        return context.report.error(at("acl_file"), "missing", hint);
    };
    let path = context.path(name);
    if !context.looks_at(&path, &at("acl_file")) {
        return;
    }
    let Some(acl) = rules(&path, config, context) else { return };
    config.files.push(path);
    config.shadow = until.map(|until| ShadowSettings { name: name.clone(), acl, until });
}

fn at(key: &str) -> Path {
    Path::from("shadow").key(key)
}

/// The second in which the comparison is over; `None` after an error.
fn until(written: &Shadow, now: u64, report: &mut Report<'_>) -> Option<u64> {
    let (message, hint) = match &written.until {
        Condition::Absent => ("missing".to_owned(), ""),
        Condition::Empty => ("the key has no value".to_owned(), ""),
        Condition::Value(Text(text)) => match Moment::parse(text) {
            Some(moment) => {
                warn(moment.end(), now, report);
                return Some(moment.end());
            }
            None => (format!("{text:?} is neither a day nor a time"), ", in whole seconds"),
        },
    };
    report.error(at("until"), message, format!("{}{hint}", access::sentence(moment::FORM)));
    None
}

fn warn(until: u64, now: u64, report: &mut Report<'_>) {
    let end = moment::written(until);
    if until <= now {
        let message = format!("the shadow ended at {end}, so nothing is compared any more");
        report.warn(at("until"), message, "Write a later time, or remove `shadow`");
    } else if until > now + LONG * DAY {
        let message = format!("the shadow ends at {end}, in more than {LONG} days");
        report.warn(at("until"), message, "Write an earlier time, so that it is not forgotten");
    }
}

/// The rules of the file; `None` after an error.
fn rules(path: &FilePath, config: &Config, context: &mut Context<'_>) -> Option<Vec<RuleSettings>> {
    let text = match std::fs::metadata(path) {
        // Not opened: a pipe would block.
        Ok(found) if !found.is_file() => Err("it is not a file".to_owned()),
        _ => read_text(path),
    };
    let text = match text {
        Ok(text) => text,
        Err(why) => {
            let hint = "Give a file with `acl` that this user may read; a relative path starts at this file's directory";
            context.report.error(at("acl_file"), format!("cannot read {}: {why}", path.display()), hint);
            return None;
        }
    };
    let complete = !context.report.has_errors();
    let (acl, findings) = parse(&text, &path.display().to_string(), config, complete);
    let acl = acl.filter(|_| !findings.has_errors());
    context.report.extend(findings.0);
    acl
}

/// Reads `acl` of a text, and what is to say about it beside the other sections of `config`. `complete` is true if
/// nothing is wrong with these.
fn parse(
    text: &str,
    file_name: &str,
    config: &Config,
    complete: bool,
) -> (Option<Vec<RuleSettings>>, Findings) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (root, problems) = yaml::read(text).unwrap_or_else(|problems| (None, problems));
    let positions = Positions::of(root.as_ref());
    let mut report = Report::new(file_name, &positions);
    problems.into_iter().for_each(|problem| report.problem(problem));
    if report.has_errors() {
        return (None, report.finish());
    }
    let file = schema::read(schema::without_unknown_keys(root, &mut report), &mut report);
    if file.acl.is_none() {
        let hint = "Write the next rules below `acl:`, as in the configuration; `acl: []` if nothing is to be allowed";
        report.error("acl", "there are no rules", hint);
        return (None, report.finish());
    }
    let acl = access::acl(&file, &mut report);
    if let Some(policy) = access::compile(&acl, &mut report) {
        let next = Config { acl: acl.clone(), ..config.clone() };
        let input = lint::LintInput::new(&next, &policy, SystemTime::now());
        let input = lint::LintInput {
            complete,
            with_files: false,
            all_accounts: complete,
            all_labels: complete,
            ..input
        };
        lint::run(&input, &mut report);
    }
    let findings = report.finish().0.into_iter().filter(is_about_rules).collect();
    (Some(acl), Findings(findings))
}

/// Returns true for what is said about `acl` or about no section: the others are not read.
fn is_about_rules(finding: &Finding) -> bool {
    let section = finding.key.split(['.', '[']).next().unwrap_or_default();
    section == "acl" || section == finding.key && !is_other_section(section)
}

/// Returns true for the sections of a configuration that a file of rules may have for nothing.
fn is_other_section(section: &str) -> bool {
    crate::config::settings::known_keys(&[]).contains(&section)
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{self, REST, SERVER, TOKEN, directory, write};

    /// The findings on `shadow` beside a file `next.yml`, and the rules that are compared.
    fn read(shadow: &str, next: &str) -> (String, Option<usize>) {
        let directory = directory();
        write(directory.path(), "next.yml", next);
        let text = format!("{SERVER}{TOKEN}{REST}shadow: {shadow}\n");
        let (said, loaded) = tests::read(&text, directory.path());
        (said, loaded.and_then(|loaded| loaded.config.shadow).map(|shadow| shadow.acl.len()))
    }

    const SHADOW: &str = "{acl_file: next.yml, until: 2999-12-31}";
    const RULE: &str = "acl:\n  - match: {account: admin}\n    actions: [pull]\n";
    const FAR: &str = "f.yml:10:30: warning: shadow.until: the shadow ends at 3000-01-01T00:00:00Z, in more than 366 \
                       days. Write an earlier time, so that it is not forgotten";

    #[test]
    fn rules_alone_and_a_whole_configuration_are_taken() {
        let whole = format!("{SERVER}users: {{bob: {{password: nonsense}}}}\n{RULE}shadow: {{}}\n");
        for next in [RULE, &whole, &format!("\u{feff}{RULE}...\n"), "acl: []\n"] {
            let (said, rules) = read(SHADOW, next);
            assert_eq!(rules, Some(usize::from(next != "acl: []\n")), "{next}{said}");
            assert!(said.starts_with(FAR), "{said}");
        }
    }

    #[test]
    fn rules_are_judged_as_those_in_force_with_their_file_and_line() {
        for (next, finding) in [
            (
                "acl:\n  - match: {acount: a}\n    actions: []\n",
                "next.yml:2:13: acl[0].match.acount: unknown key",
            ),
            ("acl:\n  - match: {name: 'a['}\n    actions: []\n", "next.yml:2:13: acl[0].match.name: "),
            ("acl:\n  - actions: []\n", "next.yml:2:5: acl[0].match: missing"),
            ("acl: {}\n", "next.yml:1:1: acl: expected a list, found a mapping"),
            ("alc: []\n", "next.yml:1:1: alc: unknown key. Did you mean `acl`?"),
            ("users: {}\n", "acl: there are no rules"),
            ("", "acl: there are no rules"),
            ("acl: [\n", "next.yml:"),
            ("acl: []", "next.yml:1:8: the file may be cut short"),
        ] {
            let (said, rules) = read(SHADOW, next);
            assert_eq!(rules, None, "{next}{said}");
            assert!(said.contains(finding), "{next}{said}");
        }
        let (said, rules) = read(SHADOW, "acl:\n  - match: {name: Team/app}\n    actions: [pull]\n");
        assert!(said.contains("next.yml:2:13: warning: acl[0].match.name: matches no repository"), "{said}");
        assert_eq!(rules, Some(1), "a warning");
    }

    #[test]
    fn an_end_and_a_file_are_required() {
        const FORM: &str = "Write a day in UTC, as 2026-12-31, or a time, as 2026-12-31T18:00:00Z";
        for (shadow, finding) in [
            ("{acl_file: next.yml}", format!("shadow.until: missing. {FORM}")),
            ("{acl_file: next.yml, until: }", format!("shadow.until: the key has no value. {FORM}")),
            (
                "{acl_file: next.yml, until: soon}",
                format!("shadow.until: \"soon\" is neither a day nor a time. {FORM}"),
            ),
            ("{until: 2999-12-31}", "shadow.acl_file: missing".to_owned()),
            ("{acl_file: no.yml, until: 2999-12-31}", "shadow.acl_file: cannot read no.yml: ".to_owned()),
            (
                "{acl_file: ., until: 2999-12-31}",
                "shadow.acl_file: cannot read .: it is not a file".to_owned(),
            ),
        ] {
            let (said, rules) = read(shadow, RULE);
            assert!(said.contains(&finding) && rules.is_none(), "{shadow}\n{said}");
        }
        let (said, rules) = read("{acl_file: next.yml, until: 2020-12-31}", RULE);
        let ended = "warning: shadow.until: the shadow ended at 2021-01-01T00:00:00Z, so nothing is compared any more. \
                     Write a later time, or remove `shadow`";
        assert!(said.contains(ended) && rules == Some(1), "{said}");
    }
}
