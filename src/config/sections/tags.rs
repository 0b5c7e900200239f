//! `tags:`: the tags that may be made once.

use super::access::sentence;
use crate::{
    authz::{RuleSettings, WriteOnce, WriteOnceSettings, shapes},
    config::{
        diagnostics::{finding::Report, path::Path},
        schema::{File, OneOrMany, Text, WriteOnceEntry},
    },
    registry::{RepositoryName, Tag},
};

/// Reads `tags.write_once`, with what `authz` says about its patterns. Entries with an error are left out.
pub(crate) fn write_once(file: &File, report: &mut Report<'_>) -> Vec<WriteOnceSettings> {
    let written = file.tags.as_ref().and_then(|tags| tags.write_once.as_ref());
    let none = WriteOnceEntry::default();
    let mut entries = Vec::new();
    for (n, entry) in written.into_iter().flatten().enumerate() {
        let at = Path::from("tags").key("write_once").index(n);
        let Some(entry) = read(entry.as_ref().unwrap_or(&none), &at, report) else { continue };
        match WriteOnce::compile(std::slice::from_ref(&entry)) {
            Ok(_) => {
                warn(&entry, &at, report);
                entries.push(entry);
            }
            Err(errors) => {
                for error in errors {
                    let at = error.key.split('.').fold(at.clone(), |path, key| path.key(key));
                    report.error(at, error.message, sentence(&error.hint));
                }
            }
        }
    }
    entries
}

fn read(written: &WriteOnceEntry, at: &Path, report: &mut Report<'_>) -> Option<WriteOnceSettings> {
    let conditions = written.conditions.as_ref();
    let name = conditions.and_then(|conditions| conditions.name.as_ref()).map(|Text(name)| name.clone());
    if name.is_none() {
        let hint = "Write a pattern for repositories, as `team/*`, or `/.+/` for all";
        report.error(at.key("match").key("name"), "missing", hint);
    }
    let tags = conditions.and_then(|conditions| conditions.tag.as_ref());
    let tags = tags.map(|OneOrMany(tags)| tags.clone()).filter(|tags| !tags.is_empty());
    if tags.is_none() {
        let hint = r"Write a pattern for tags, or a list, as `/^v?[0-9]+\.[0-9]+\.[0-9]+$/`, or `*` for all";
        report.error(at.key("match").key("tag"), "missing", hint);
    }
    let except = written.except.as_ref().map(|except| except.account.as_ref().map(|Text(text)| text.clone()));
    if except == Some(None) {
        let hint =
            "Write a pattern for accounts, or remove `except` if no account may move or delete these tags";
        report.error(at.key("except").key("account"), "missing", hint);
    }
    Some(WriteOnceSettings { name: name?, tags: tags?, except: except.flatten(), line: report.line(at) })
}

/// Reports patterns that match nothing there can be.
fn warn(entry: &WriteOnceSettings, at: &Path, report: &mut Report<'_>) {
    let literal = |pattern: &str| {
        let rule = RuleSettings { name: Some(pattern.to_owned()), ..RuleSettings::default() };
        shapes(&rule).into_iter().next().and_then(|shape| shape.literal)
    };
    if literal(&entry.name).is_some_and(|name| RepositoryName::parse(&name).is_none()) {
        let hint = "Write the name without host and tag, in small letters, as `team/app`";
        report.warn(at.key("match").key("name"), "matches no repository", hint);
    }
    for tag in &entry.tags {
        if literal(tag).is_some_and(|tag| Tag::parse(&tag).is_none()) {
            let hint = "Write letters, digits, `_`, `.` and `-` only, or an expression between slashes, as `/^v[0-9]+$/`";
            report.warn(at.key("match").key("tag"), format!("{tag:?} matches no tag"), hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{SERVER, TOKEN, said};

    fn of(entry: &str) -> String {
        said(&format!("{SERVER}{TOKEN}users: {{}}\nacl: []\ntags: {{write_once: [{entry}]}}\n"))
    }

    #[test]
    fn an_entry_says_which_tags_and_for_whom_not() {
        for good in [
            "{match: {name: '/.+/', tag: '/^v?[0-9]+$/'}}",
            "{match: {name: 'team/*', tag: [stable, '1.*']}, except: {account: 'release-*'}}",
        ] {
            assert_eq!(of(good), "", "{good}");
        }
        for (bad, says) in [
            ("{}", "match.name: missing"),
            ("{match: {name: a/b}}", "match.tag: missing"),
            ("{match: {name: a/b, tag: []}}", "match.tag: missing"),
            ("{match: {name: '/(/', tag: x}}", "match.name: "),
            ("{match: {name: a/b, tag: '${account}'}}", "a placeholder has no value here"),
            ("{match: {name: a/b, tag: x}, except: {}}", "except.account: missing"),
            ("{match: {name: a/b, tag: x}, except: {account: '/(/'}}", "except.account: "),
            ("{match: {name: a/b, tag: x}, expect: {account: a}}", "unknown key"),
        ] {
            let said = of(bad);
            assert!(said.contains(says) && !said.contains("warning"), "{bad}: {said}");
        }
    }

    #[test]
    fn patterns_that_match_nothing_are_warned_of() {
        for (entry, says) in [
            ("{match: {name: 'team/App', tag: x}}", "match.name: matches no repository"),
            ("{match: {name: 'team/app:1', tag: x}}", "match.name: matches no repository"),
            ("{match: {name: team/app, tag: '^v1$'}}", "\"^v1$\" matches no tag"),
            ("{match: {name: team/app, tag: 'a/b'}}", "\"a/b\" matches no tag"),
        ] {
            let said = of(entry);
            assert!(said.contains("warning") && said.contains(says), "{entry}: {said}");
        }
    }
}
