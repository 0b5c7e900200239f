//! The entries of `retention`: for which repositories each is, and which tags it keeps.

use std::{fmt, time::Duration};

use super::{KeptBy, LastUse, StoredRepository, StoredTag, stored::Links};
use crate::{authz::TextPattern, registry::RepositoryName};

/// An entry as configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetentionSettings {
    /// `match.name`: a pattern for the repository.
    pub name: String,
    /// `keep`: a tag stays if one of them keeps it. At least one.
    pub keep: Vec<KeepSettings>,
    /// `dry_run`: nothing is deleted by this entry.
    pub dry_run: bool,
    /// The line of the entry, from 1; 0 when unknown.
    pub line: usize,
}

/// An element of `keep`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeepSettings {
    /// `newest`: so many tags, by the time of their push.
    Newest(u32),
    /// `tag`: patterns, of which one must match.
    Tags(Vec<String>),
    /// `younger`: the tags that were pushed so lately.
    Younger(Duration),
    /// `pulled_within`: the tags that were pulled, or pushed, so lately.
    PulledWithin(Duration),
}

/// An error in an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionError {
    /// The position of the entry, from 0.
    pub entry: usize,
    /// The position in `keep`; `None` for `match.name`, or for all of `keep`.
    pub keep: Option<usize>,
    /// The key that is wrong, such as `match.name`; in an element of `keep`, its key there.
    pub key: &'static str,
    /// The problem.
    pub message: String,
    /// The next step.
    pub hint: String,
}

/// The entries of `retention`, compiled.
#[derive(Debug, Clone, Default)]
pub struct Retention {
    entries: Vec<RetentionEntry>,
}

/// An entry, compiled. Displays its place in the file, as `retention[0], line 12`.
#[derive(Debug, Clone)]
pub struct RetentionEntry {
    name: TextPattern,
    pub(super) keep: Vec<Keep>,
    is_dry_run: bool,
    index: usize,
    line: usize,
}

/// An element of `keep`, compiled.
#[derive(Debug, Clone)]
pub(super) enum Keep {
    Newest(u32),
    Tags(Vec<(TextPattern, String)>),
    Younger(Duration),
    PulledWithin(Duration),
}

/// The times of the pushes and pulls of a repository.
pub(super) struct Times<'a> {
    now: u64,
    stored: &'a StoredRepository,
    links: &'a Links<'a>,
    /// Those of ordinary tags that are certain and not in the future, in order.
    exact: Vec<u64>,
}

impl<'a> Times<'a> {
    /// The times of the tags of a repository, at `now` in seconds since 1970.
    pub(super) fn of(stored: &'a StoredRepository, links: &'a Links<'a>, now: u64) -> Self {
        let ordinary = stored.tags.iter().filter(|tag| !tag.is_write_once && tag.tag.subject().is_none());
        let times = ordinary.filter_map(|tag| tag.pushed.filter(|pushed| pushed.is_exact));
        // A clock that was wrong for a while must not make others look old.
        let mut exact: Vec<u64> = times.map(|pushed| pushed.at).filter(|at| *at <= now).collect();
        exact.sort_unstable();
        Self { now, stored, links, exact }
    }

    /// Returns how many were pushed later than `at`.
    fn later_than(&self, at: u64) -> usize {
        self.exact.len() - self.exact.partition_point(|other| *other <= at)
    }
}

impl Keep {
    /// Returns the reason for which it keeps an ordinary tag; `None` if it does not.
    pub(super) fn keeps(&self, tag: &StoredTag, times: &Times<'_>) -> Option<KeptBy> {
        if let Self::Tags(patterns) = self {
            let matching = patterns.iter().find(|(pattern, _)| pattern.may_match(tag.tag.as_str()));
            return matching.map(|(_, text)| KeptBy::Tag(text.clone()));
        }
        if let Self::PulledWithin(time) = self {
            let (last, ago) = LastUse::of(tag, times.stored, times.links, times.now);
            let is_used = (ago < *time).then_some(KeptBy::UsedWithin(*time, last));
            return is_used.or_else(|| tag.pushed.is_none().then_some(KeptBy::UnknownTime));
        }
        let Some(at) = tag.pushed.map(|pushed| pushed.at).filter(|at| *at <= times.now) else {
            return Some(KeptBy::UnknownTime);
        };
        match self {
            Self::Newest(most) if times.later_than(at) < *most as usize => Some(KeptBy::Newest(*most)),
            Self::Younger(age) if Duration::from_secs(times.now - at) < *age => Some(KeptBy::Younger(*age)),
            Self::Newest(_) | Self::Younger(_) | Self::PulledWithin(_) | Self::Tags(_) => None,
        }
    }
}

impl Retention {
    /// Compiles the entries.
    ///
    /// # Errors
    /// Everything that is wrong with every entry, in order.
    pub fn compile(settings: &[RetentionSettings]) -> Result<Self, Vec<RetentionError>> {
        let (mut entries, mut errors) = (Vec::new(), Vec::new());
        for (index, entry) in settings.iter().enumerate() {
            match RetentionEntry::compile(index, entry) {
                Ok(entry) => entries.push(entry),
                Err(wrong) => errors.extend(wrong),
            }
        }
        if errors.is_empty() { Ok(Self { entries }) } else { Err(errors) }
    }

    /// Returns true if there is no entry: nothing is ever pruned.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the first entry that matches a repository; `None` where none does, or where that cannot be told: nothing
    /// is pruned there.
    pub fn entry(&self, name: &RepositoryName) -> Option<&RetentionEntry> {
        let first = self.entries.iter().find(|entry| entry.name.may_match(name.as_str()))?;
        first.name.matches(name.as_str()).then_some(first)
    }
}

impl RetentionEntry {
    fn compile(index: usize, settings: &RetentionSettings) -> Result<Self, Vec<RetentionError>> {
        let mut errors = Vec::new();
        let mut note = |keep, key, compiled: Result<TextPattern, (String, String)>| {
            let note =
                |(message, hint)| errors.push(RetentionError { entry: index, keep, key, message, hint });
            compiled.map_err(note).ok()
        };
        let name = note(None, "match.name", TextPattern::of_names(&settings.name));
        let mut keep = Vec::new();
        for (n, written) in settings.keep.iter().enumerate() {
            keep.push(match written {
                KeepSettings::Newest(most) => Keep::Newest(*most),
                KeepSettings::Younger(age) => Keep::Younger(*age),
                KeepSettings::PulledWithin(time) => Keep::PulledWithin(*time),
                KeepSettings::Tags(patterns) => {
                    let compiled = patterns.iter().filter_map(|text| {
                        Some((note(Some(n), "tag", TextPattern::of_names(text))?, text.clone()))
                    });
                    Keep::Tags(compiled.collect())
                }
            });
        }
        if keep.is_empty() {
            let (message, hint) = ("the list is empty".to_owned(), "write what stays".to_owned());
            errors.push(RetentionError { entry: index, keep: None, key: "keep", message, hint });
        }
        match name {
            Some(name) if errors.is_empty() => {
                Ok(Self { name, keep, is_dry_run: settings.dry_run, index, line: settings.line })
            }
            _ => Err(errors),
        }
    }

    /// Returns true if it depends on when tags were pulled.
    pub fn looks_at_pulls(&self) -> bool {
        self.keep.iter().any(|keep| matches!(keep, Keep::PulledWithin(_)))
    }

    /// Returns true if nothing is deleted by it: it is only shown what would be.
    pub fn is_dry_run(&self) -> bool {
        self.is_dry_run
    }
}

impl fmt::Display for RetentionEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "retention[{}]", self.index)?;
        if self.line > 0 { write!(f, ", line {}", self.line) } else { Ok(()) }
    }
}

impl fmt::Display for RetentionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entry, keep, key, message, hint } = self;
        write!(f, "retention[{entry}]")?;
        if let Some(keep) = keep {
            write!(f, ".keep[{keep}]")?;
        }
        write!(f, ".{key}: {message}; {hint}")
    }
}

impl std::error::Error for RetentionError {}
