//! Write-once tags: the tags that may be made and never changed, and the accounts for which they are as any other.
//!
//! The patterns are those of rules. A pattern of which it cannot be told whether it matches locks the tag, and excepts no
//! account.

use std::fmt;

use super::{Permit, TextPattern};
use crate::registry::{Digest, Endpoint, Method, PLACEHOLDER_DIGEST, RepositoryName, Route, Tag};

/// An entry of `tags.write_once`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteOnceSettings {
    /// `match.name`: a pattern for the repository.
    pub name: String,
    /// `match.tag`: patterns, of which one must match.
    pub tags: Vec<String>,
    /// `except.account`: a pattern for accounts that may move and delete; `None` for no account.
    pub except: Option<String>,
    /// The line of the entry, from 1; 0 when unknown.
    pub line: usize,
}

/// An error in an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteOnceError {
    /// The position of the entry, from 0.
    pub entry: usize,
    /// The key that is wrong, such as `match.name`.
    pub key: &'static str,
    /// The problem.
    pub message: String,
    /// The next step.
    pub hint: String,
}

/// The entries of `tags.write_once`, compiled.
#[derive(Debug, Clone, Default)]
pub struct WriteOnce {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    name: TextPattern,
    tags: Vec<TextPattern>,
    except: Option<TextPattern>,
    place: EntryPlace,
}

/// The place of an entry in the file. Displays as `tags.write_once[0], line 12`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryPlace {
    index: usize,
    line: usize,
}

/// The state of a tag for an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagLock {
    /// It may be moved and deleted, as far as the rules allow.
    Open,
    /// The same, because an entry excepts the account.
    Excepted(EntryPlace),
    /// It may be made, and never moved or deleted.
    WriteOnce(EntryPlace),
}

/// The part of write-once tags in a request that the rules allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOnceVerdict {
    /// None.
    Open,
    /// It is denied, whatever is in the registry.
    Denied(EntryPlace),
    /// It is denied if it would change such a tag, which depends on what is in the registry.
    IfUnchanged(EntryPlace),
}

impl EntryPlace {
    /// The index of the entry, from 0.
    pub fn index(self) -> usize {
        self.index
    }

    /// The line of the entry, from 1; 0 when unknown.
    pub fn line(self) -> usize {
        self.line
    }
}

impl fmt::Display for EntryPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tags.write_once[{}]", self.index)?;
        if self.line > 0 { write!(f, ", line {}", self.line) } else { Ok(()) }
    }
}

impl fmt::Display for WriteOnceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tags.write_once[{}].{}: {}; {}", self.entry, self.key, self.message, self.hint)
    }
}

impl std::error::Error for WriteOnceError {}

impl WriteOnce {
    /// Compiles the entries.
    ///
    /// # Errors
    /// Everything that is wrong with every entry, in order.
    pub fn compile(settings: &[WriteOnceSettings]) -> Result<Self, Vec<WriteOnceError>> {
        let (mut entries, mut errors) = (Vec::new(), Vec::new());
        for (index, entry) in settings.iter().enumerate() {
            match Entry::compile(index, entry) {
                Ok(entry) => entries.push(entry),
                Err(wrong) => errors.extend(wrong),
            }
        }
        if errors.is_empty() { Ok(Self { entries }) } else { Err(errors) }
    }

    /// Returns true if a tag of the repository may be write-once.
    pub fn concerns(&self, repository: &RepositoryName) -> bool {
        self.concerning(repository).next().is_some()
    }

    /// Returns the places of the entries about the repository.
    pub fn places(&self, repository: &RepositoryName) -> impl Iterator<Item = EntryPlace> {
        self.concerning(repository).map(|entry| entry.place)
    }

    /// Returns the state of a tag for an account. Any entry locks it. The tags under which signatures and lists of
    /// referrers are kept (`sha256-….sig`) are open: clients write them again with each signature.
    pub fn lock(&self, repository: &RepositoryName, tag: &Tag, account: &str) -> TagLock {
        if tag.subject().is_some() {
            return TagLock::Open;
        }
        let mut state = TagLock::Open;
        for entry in self.concerning(repository).filter(|entry| entry.has(tag)) {
            if !entry.excepts(account) {
                return TagLock::WriteOnce(entry.place);
            }
            state = TagLock::Excepted(entry.place);
        }
        state
    }

    /// Judges a request of an account, as far as that can be told without the registry.
    pub fn judge(&self, route: &Route, account: &str) -> WriteOnceVerdict {
        let Some(name) = route.endpoint().repository() else { return WriteOnceVerdict::Open };
        let locked = |tag: &Tag| match self.lock(name, tag, account) {
            TagLock::WriteOnce(place) => Some(place),
            TagLock::Open | TagLock::Excepted(_) => None,
        };
        let (denied, if_unchanged) = match (route.method(), route.endpoint()) {
            (Method::Delete, Endpoint::ManifestByTag(_, tag)) => (locked(tag), None),
            (Method::Put, Endpoint::ManifestByTag(_, tag)) => (None, locked(tag)),
            (Method::Put, Endpoint::ManifestByDigest(..)) => (None, route.tags().iter().find_map(locked)),
            (Method::Delete, Endpoint::ManifestByDigest(..)) => (None, self.places(name).next()),
            (Method::Delete, Endpoint::Blob(..)) => (self.places(name).next(), None),
            _ => (None, None),
        };
        match (denied, if_unchanged) {
            (Some(place), _) => WriteOnceVerdict::Denied(place),
            (None, Some(place)) => WriteOnceVerdict::IfUnchanged(place),
            (None, None) => WriteOnceVerdict::Open,
        }
    }

    fn concerning(&self, repository: &RepositoryName) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.name.may_match(repository.as_str()))
    }
}

impl Entry {
    fn compile(index: usize, settings: &WriteOnceSettings) -> Result<Self, Vec<WriteOnceError>> {
        let mut errors = Vec::new();
        let mut note = |key, compiled: Result<TextPattern, (String, String)>| match compiled {
            Ok(pattern) => Some(pattern),
            Err((message, hint)) => {
                errors.push(WriteOnceError { entry: index, key, message, hint });
                None
            }
        };
        let name = note("match.name", TextPattern::of_names(&settings.name));
        let tags: Option<Vec<_>> =
            settings.tags.iter().map(|tag| note("match.tag", TextPattern::of_names(tag))).collect();
        let except =
            settings.except.as_ref().map(|text| note("except.account", TextPattern::of_accounts(text)));
        match (name, tags, except) {
            (Some(name), Some(tags), None) => Ok((name, tags, None)),
            (Some(name), Some(tags), Some(Some(except))) => Ok((name, tags, Some(except))),
            _ => Err(errors),
        }
        .map(|(name, tags, except)| {
            let place = EntryPlace { index, line: settings.line };
            Self { name, tags, except, place }
        })
    }

    fn has(&self, tag: &Tag) -> bool {
        self.tags.iter().any(|pattern| pattern.may_match(tag.as_str()))
    }

    fn excepts(&self, account: &str) -> bool {
        // The anonymous account is never one that was meant.
        !account.is_empty() && self.except.as_ref().is_some_and(|pattern| pattern.matches(account))
    }
}

impl Permit {
    /// The permit to read what a decision that depends on tags needs: for the proxy itself, which shows it to no client.
    /// `None` for anything but a read of a manifest or a list of tags, or a blob.
    pub fn to_decide(method: Method, path: &str, query: Option<&str>) -> Option<Self> {
        let reads = matches!(method, Method::Get | Method::Head);
        let route = Route::parse(method.as_str(), path, query).ok().filter(|_| reads)?;
        matches!(route.endpoint().class(), "manifest" | "tags" | "blob").then(|| Self::new(route, Vec::new()))
    }

    /// The permit for a step by which a tag is deleted whose deletion was authorized: the placeholder is put there, or,
    /// without a tag, deleted with every tag on it. It leads to no other manifest. `None` for no step.
    pub fn to_untag(name: &RepositoryName, tag: Option<&Tag>) -> Option<Self> {
        let (method, reference) = tag.map_or(("DELETE", PLACEHOLDER_DIGEST), |tag| ("PUT", tag.as_str()));
        let route = Route::parse(method, &format!("/v2/{name}/manifests/{reference}"), None).ok()?;
        Some(Self::new(route, Vec::new()))
    }

    /// The permit to delete a tag for an operator at the control socket, whom no rule is about. `None` for no tag.
    pub fn of_operator(name: &RepositoryName, tag: &Tag) -> Option<Self> {
        let route = Route::parse("DELETE", &format!("/v2/{name}/manifests/{tag}"), None).ok()?;
        Some(Self::new(route, Vec::new()))
    }

    /// The permit to delete a manifest that no tag needs, by `retention`, for an operator at the control socket. `None` for
    /// no manifest.
    pub fn to_prune(name: &RepositoryName, digest: &Digest) -> Option<Self> {
        let route = Route::parse("DELETE", &format!("/v2/{name}/manifests/{digest}"), None).ok()?;
        Some(Self::new(route, Vec::new()))
    }

    /// The permit to begin an upload, by which it shows whether `registry.storage` has the files of that registry. `None`
    /// for no upload.
    pub fn to_begin_probe(name: &RepositoryName) -> Option<Self> {
        let route = Route::parse("POST", &format!("/v2/{name}/blobs/uploads/"), None).ok()?;
        Some(Self::new(route, Vec::new()))
    }

    /// The permit to go on with that upload, without a byte of it, by the path and the query that the registry gave for it.
    /// `None` for another path.
    pub fn to_probe(name: &RepositoryName, path: &str, query: Option<&str>) -> Option<Self> {
        let route = Route::parse("PATCH", path, query).ok()?;
        matches!(route.endpoint(), Endpoint::Upload(of, _) if of == name)
            .then(|| Self::new(route, Vec::new()))
    }
}

#[cfg(test)]
mod tests;
