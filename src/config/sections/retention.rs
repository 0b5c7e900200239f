//! `retention:`: what `portwarden prune` keeps.

use std::time::Duration;

use super::access::sentence;
use crate::{
    authz::{Example, Policy, RuleSettings, hidden_rules, shapes},
    config::{
        diagnostics::{finding::Report, path::Path},
        schema::{self, Condition, File, Integer, OneOrMany, Switch, Text},
        values::quantity::parse_days,
    },
    registry::RepositoryName,
    retention::{KeepSettings, Retention, RetentionError, RetentionSettings},
    state::StateSettings,
};

/// The most tags that `newest` keeps.
const MOST_NEWEST: u32 = 1_000_000;
/// The bounds of `younger` and `pulled_within`.
const LEAST_AGE: Duration = Duration::from_secs(1);
const MOST_AGE: Duration = Duration::from_hours(24 * 36_500);
/// Patterns that match every name, which is never empty.
const EVERY_NAME: [&str; 8] = ["/.*/", "/.+/", "/^.*$/", "/^.+$/", "/^.*/", "/^.+/", "/.*$/", "/.+$/"];
/// A tag, of any length.
const TAG: &str = "[a-zA-Z0-9_][a-zA-Z0-9_.-]*";

/// Reads `retention`, with what its patterns are found to be. Entries with an error are left out.
pub(crate) fn entries(file: &File, state: &StateSettings, report: &mut Report<'_>) -> Vec<RetentionSettings> {
    let none = schema::RetentionEntry::default();
    let mut entries = Vec::new();
    for (n, written) in file.retention.iter().flatten().enumerate() {
        let at = Path::from("retention").index(n);
        let Some(entry) = entry(written.as_ref().unwrap_or(&none), &at, state, report) else { continue };
        match Retention::compile(std::slice::from_ref(&entry)) {
            Ok(_) => {
                warn(&entry, &at, report);
                entries.push((n, entry));
            }
            Err(errors) => {
                for RetentionError { keep, key, message, hint, .. } in errors {
                    let place = keep.map_or(at.clone(), |keep| at.key("keep").index(keep));
                    let place = key.split('.').fold(place, |path, key| path.key(key));
                    report.error(place, message, sentence(&hint));
                }
            }
        }
    }
    warn_of_unreachable(&entries, report);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

/// Reads an entry; `None` after an error.
fn entry(
    written: &schema::RetentionEntry,
    at: &Path,
    state: &StateSettings,
    report: &mut Report<'_>,
) -> Option<RetentionSettings> {
    let name = written.conditions.as_ref().and_then(|conditions| conditions.name.as_ref());
    if name.is_none() {
        let hint = "Write a pattern for repositories, as `ci/*`, or `/.+/` for all";
        report.error(at.key("match").key("name"), "missing", hint);
    }
    let elements = written.keep.as_deref().unwrap_or_default();
    if elements.is_empty() {
        let hint = "Write what stays, as `- newest: 10`; to keep everything, remove the entry";
        report.error(at.key("keep"), "missing", hint);
    }
    let none = schema::Keep::default();
    let elements = elements.iter().map(|element| element.as_ref().unwrap_or(&none)).enumerate();
    let keep: Vec<_> =
        elements.map(|(n, element)| keep(element, &at.key("keep").index(n), state, report)).collect();
    let keep = keep.into_iter().collect::<Option<Vec<_>>>().filter(|keep| !keep.is_empty())?;
    let Text(name) = name?;
    let dry_run = written.dry_run.is_some_and(|Switch(on)| on);
    Some(RetentionSettings { name: name.clone(), keep, dry_run, line: report.line(at) })
}

/// Reads an element of `keep`; `None` after an error.
fn keep(
    written: &schema::Keep,
    at: &Path,
    state: &StateSettings,
    report: &mut Report<'_>,
) -> Option<KeepSettings> {
    let schema::Keep { newest, tag, younger, pulled_within } = written;
    let kinds = [
        !matches!(newest, Condition::Absent),
        !matches!(tag, Condition::Absent),
        !matches!(younger, Condition::Absent),
        !matches!(pulled_within, Condition::Absent),
    ];
    if kinds.into_iter().filter(|is_written| *is_written).count() != 1 {
        let hint = "Write an element for each, as `- newest: 10` and `- younger: 30d`: a tag stays if one of them keeps it";
        report.error(at.clone(), "expected one of `newest`, `tag`, `younger` and `pulled_within`", hint);
        return None;
    }
    match (newest, tag, younger, pulled_within) {
        (_, Condition::Value(OneOrMany(patterns)), ..) if !patterns.is_empty() => {
            Some(KeepSettings::Tags(patterns.clone()))
        }
        (Condition::Absent, _, Condition::Absent, Condition::Absent) => {
            let hint = "Write a pattern for tags, or a list of them, as `/^v[0-9]+$/`";
            report.error(at.key("tag"), "missing", hint);
            None
        }
        (Condition::Absent, _, Condition::Absent, _) => {
            by_time(at.key("pulled_within"), age(pulled_within, KeepSettings::PulledWithin), state, report)
        }
        (Condition::Absent, ..) => {
            by_time(at.key("younger"), age(younger, KeepSettings::Younger), state, report)
        }
        _ => by_time(at.key("newest"), count(newest), state, report),
    }
}

/// A value, or the error about it with its remedy.
type Checked = Result<KeepSettings, (String, &'static str)>;

fn count(written: &Condition<Integer>) -> Checked {
    let number =
        if let Condition::Value(Integer(number)) = written { u32::try_from(*number).ok() } else { None };
    match number.filter(|number| (1..=MOST_NEWEST).contains(number)) {
        Some(number) => Ok(KeepSettings::Newest(number)),
        None => Err((format!("must be from 1 to {MOST_NEWEST}"), "Write a whole number, as `newest: 10`")),
    }
}

fn age(written: &Condition<Text>, kind: fn(Duration) -> KeepSettings) -> Checked {
    const HINT: &str = "Write a number with a unit: `30d`, `12h`, `1d12h`";
    let Condition::Value(Text(text)) = written else { return Err(("not a duration".to_owned(), HINT)) };
    let age = parse_days(text).ok_or_else(|| ("not a duration".to_owned(), HINT))?;
    if (LEAST_AGE..=MOST_AGE).contains(&age) {
        return Ok(kind(age));
    }
    Err((format!("must be from 1s to {}d", MOST_AGE.as_secs() / 86_400), HINT))
}

/// An element that looks at when tags were pushed or pulled, which only the state file knows.
fn by_time(at: Path, read: Checked, state: &StateSettings, report: &mut Report<'_>) -> Option<KeepSettings> {
    if *state == StateSettings::Off {
        let hint = "Write `state: {file: /var/lib/portwarden/state.db}`, the default of the package, or keep by `tag` only";
        report.error(
            at.clone(),
            "needs a state file, which has the times of pushes and pulls, and none is named",
            hint,
        );
    }
    read.map_err(|(message, hint)| report.error(at, message, hint))
        .ok()
        .filter(|_| *state != StateSettings::Off)
}

/// Reports patterns that match nothing there can be.
fn warn(entry: &RetentionSettings, at: &Path, report: &mut Report<'_>) {
    let rule = RuleSettings { name: Some(entry.name.clone()), ..RuleSettings::default() };
    let literal = shapes(&rule).into_iter().next().and_then(|shape| shape.literal);
    if literal.is_some_and(|name| RepositoryName::parse(&name).is_none()) {
        let hint = "Write the name without host and tag, in small letters, as `team/app`";
        report.warn(at.key("match").key("name"), "matches no repository", hint);
    }
    for (n, keep) in entry.keep.iter().enumerate() {
        let KeepSettings::Tags(patterns) = keep else { continue };
        let rule = RuleSettings { tags: Some(patterns.clone()), ..RuleSettings::default() };
        for shape in shapes(&rule).iter().filter(|shape| shape.example(TAG) == Example::None) {
            let hint = "Write letters, digits, `_`, `.` and `-` only, or an expression between slashes, as `/^v[0-9]+$/`";
            let message = format!("no tag matches {:?}", shape.text);
            report.warn(at.key("keep").index(n).key("tag"), message, hint);
        }
    }
}

/// Reports entries that never decide.
fn warn_of_unreachable(entries: &[(usize, RetentionSettings)], report: &mut Report<'_>) {
    let name = |entry: &RetentionSettings| {
        let every = EVERY_NAME.contains(&&*entry.name);
        RuleSettings { name: (!every).then(|| entry.name.clone()), ..RuleSettings::default() }
    };
    let rules: Vec<RuleSettings> = entries.iter().map(|(_, entry)| name(entry)).collect();
    let Ok(policy) = Policy::compile(&rules) else { return };
    for (hidden, by) in hidden_rules(&policy, &rules) {
        let (Some((n, _)), Some((by, earlier))) = (entries.get(hidden), entries.get(by)) else { continue };
        let line = earlier.line;
        let message = format!(
            "never decides: retention[{by}] on line {line} matches every repository that this one matches"
        );
        report.warn(Path::from("retention").index(*n), message, "Move it before that entry, or remove it");
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{SERVER, TOKEN, said};

    fn of(entries: &str, state: &str) -> String {
        let rest = format!("users: {{}}\nacl: []\nretention: [{entries}]\nstate: {{file: {state}}}\n");
        said(&format!("{SERVER}{TOKEN}{rest}"))
    }

    #[test]
    fn an_entry_says_for_which_repositories_and_what_stays() {
        for good in [
            "{match: {name: 'ci/*'}, keep: [{newest: 10}, {tag: '/^v/'}, {younger: 30d}], dry_run: true}",
            "{match: {name: '/.+/'}, keep: [{tag: [latest, 'v*']}]}",
            "{match: {name: a/b}, keep: [{newest: 1}]}, {match: {name: '/.+/'}, keep: [{newest: 1000000}]}",
            "{match: {name: a}, keep: [{younger: 1s}, {younger: 36500d}, {younger: 1d12h}]}",
            "{match: {name: a}, keep: [{pulled_within: 90d}, {newest: 3}]}",
        ] {
            assert_eq!(of(good, "state.db"), "", "{good}");
        }
    }

    #[test]
    fn what_is_missing_or_out_of_range_is_an_error() {
        for (bad, says) in [
            ("~", "match.name: missing"),
            ("{keep: [{newest: 1}]}", "match.name: missing"),
            ("{match: {name: a}}", "keep: missing"),
            ("{match: {name: a}, keep: []}", "keep: missing"),
            ("{match: {name: a, tag: b}, keep: [{newest: 1}]}", "unknown key"),
            ("{match: {name: '/(/'}, keep: [{newest: 1}]}", "match.name: "),
            ("{match: {name: '${account}'}, keep: [{newest: 1}]}", "a placeholder has no value here"),
            ("{match: {name: a}, keep: [{tag: x}, {tag: [y, '/(/']}]}", "retention[0].keep[1].tag: "),
            ("{match: {name: a}, keep: [{}]}", "keep[0]: expected one of"),
            ("{match: {name: a}, keep: [{newest: 1, younger: 1d}]}", "keep[0]: expected one of"),
            ("{match: {name: a}, keep: [{newest: 1}, {tag: []}]}", "keep[1].tag: missing"),
            ("{match: {name: a}, keep: [{tag: }]}", "keep[0].tag: missing"),
            ("{match: {name: a}, keep: [{newest: }]}", "keep[0].newest: must be from 1 to 1000000"),
            ("{match: {name: a}, keep: [{newest: 0}]}", "keep[0].newest: must be from 1 to 1000000"),
            ("{match: {name: a}, keep: [{newest: -1}]}", "keep[0].newest: must be"),
            ("{match: {name: a}, keep: [{newest: 1000001}]}", "keep[0].newest: must be"),
            ("{match: {name: a}, keep: [{newest: 4294967297}]}", "keep[0].newest: must be"),
            ("{match: {name: a}, keep: [{younger: }]}", "keep[0].younger: not a duration"),
            ("{match: {name: a}, keep: [{younger: 30}]}", "keep[0].younger: not a duration"),
            ("{match: {name: a}, keep: [{younger: -30d}]}", "keep[0].younger: not a duration"),
            ("{match: {name: a}, keep: [{younger: 0}]}", "keep[0].younger: must be from 1s to 36500d"),
            ("{match: {name: a}, keep: [{younger: 36501d}]}", "keep[0].younger: must be"),
            ("{match: {name: a}, keep: [{younger: 999999999999999999d}]}", "keep[0].younger: not a duration"),
            ("{match: {name: a}, keep: [{younger: 1d, pulled_within: 1d}]}", "keep[0]: expected one of"),
            ("{match: {name: a}, keep: [{pulled_within: }]}", "keep[0].pulled_within: not a duration"),
            ("{match: {name: a}, keep: [{pulled_within: 90}]}", "keep[0].pulled_within: not a duration"),
            (
                "{match: {name: a}, keep: [{pulled_within: 0}]}",
                "keep[0].pulled_within: must be from 1s to 36500d",
            ),
        ] {
            let said = of(bad, "state.db");
            assert!(said.contains(says) && !said.contains("warning"), "{bad}: {said}");
        }
    }

    #[test]
    fn times_need_a_state_file() {
        for (keep, needs) in
            [("newest: 1", true), ("younger: 1d", true), ("pulled_within: 90d", true), ("tag: x", false)]
        {
            let said = of(&format!("{{match: {{name: a}}, keep: [{{{keep}}}]}}"), "none");
            assert_eq!(said.contains("needs a state file"), needs, "{keep}: {said}");
        }
    }

    #[test]
    fn entries_and_patterns_that_do_nothing_are_warned_of() {
        let keep = "keep: [{newest: 1}]";
        for (name, by) in
            [("'/.+/'", true), ("'/.*/'", true), ("'/^.+$/'", true), ("'ci/*'", true), ("'*'", false)]
        {
            let said = of(
                &format!("{{match: {{name: {name}}}, {keep}}}, {{match: {{name: 'ci/*'}}, {keep}}}"),
                "s.db",
            );
            assert_eq!(said.contains("warning: retention[1]: never decides"), by, "{name}: {said}");
        }
        for (entry, says) in [
            (format!("{{match: {{name: Team/App}}, {keep}}}"), "match.name: matches no repository"),
            (
                "{match: {name: a}, keep: [{tag: ['v*', '^v1$']}]}".to_owned(),
                "keep[0].tag: no tag matches \"^v1$\"",
            ),
            ("{match: {name: a}, keep: [{tag: '/^a\\/b$/'}]}".to_owned(), "keep[0].tag: no tag matches"),
        ] {
            let said = of(&entry, "s.db");
            assert!(said.contains("warning") && said.contains(says), "{entry}: {said}");
        }
    }
}
