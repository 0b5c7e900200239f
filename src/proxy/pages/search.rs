//! The queries that visitors type into the search fields: words, a reference as docker writes it, a digest.

use std::time::Duration;

use super::{answer::Answer, reader::Reader, visit::Request};
use crate::{
    proxy::forward::gather::gather,
    registry::{Digest, RepositoryName, Tag},
    ui::{PagePath, Reference},
};

/// The repositories in which a digest or a tag is looked for, and how long that may take.
const REPOSITORIES: usize = 100;
const PATIENCE: Duration = Duration::from_secs(5);

/// The fewest hexadecimal digits that are taken for the start of a digest; pages show twelve.
const FEWEST_DIGITS: usize = 6;

/// Words that all have to occur, in any case.
pub(super) struct Words(Vec<String>);

impl Words {
    pub(super) fn of(query: &str) -> Self {
        Self(query.split_whitespace().map(str::to_lowercase).collect())
    }

    pub(super) fn occur_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.0.iter().all(|word| text.contains(word))
    }
}

/// The digits of a digest, or of its start as pages show it: `sha256:0123456789ab`, `0123456789ab`. Those of a tag that
/// attaches something, too, `sha256-0123….sig`: it is found at what it is attached to.
pub(super) fn digits(query: &str) -> Option<&str> {
    let attached = query.strip_prefix("sha256-").map(|rest| rest.split('.').next().unwrap_or(rest));
    let digits = query.strip_prefix("sha256:").or(attached).unwrap_or(query).trim_end_matches('…');
    let is_hex = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (is_hex && digits.len() >= FEWEST_DIGITS).then_some(digits)
}

/// The page that a query names by itself, in one of the repositories that the visitor may pull: nothing else is looked
/// for.
pub(super) async fn named(
    request: &Request<'_>,
    reader: &Reader,
    query: &str,
    names: &[RepositoryName],
) -> Option<Answer> {
    let page = match Digest::parse(query) {
        Some(digest) => PagePath::Image(with(reader, &digest, names).await?, Reference::Digest(digest)),
        None => PagePath::pasted(query, request.frame().host)?,
    };
    let (PagePath::Repository(name) | PagePath::Image(name, _)) = &page else { return None };
    names.contains(name).then(|| Answer::redirect(&request.href(&page)))
}

/// The repositories that have a tag of the last word's name, and all other words in theirs; else the same with the first
/// word.
pub(super) async fn tagged(
    reader: &Reader,
    query: &str,
    names: &[RepositoryName],
) -> Vec<(RepositoryName, Tag)> {
    let words: Vec<&str> = query.split_whitespace().collect();
    let last = words.split_last().map(|(tag, rest)| (*tag, rest));
    let first = words.split_first().map(|(tag, rest)| (*tag, rest)).filter(|_| words.len() > 1);
    for (tag, rest) in last.into_iter().chain(first) {
        let (Some(tag), wanted) = (Tag::parse(tag), Words::of(&rest.join(" "))) else { continue };
        let among = names.iter().filter(|name| wanted.occur_in(name.as_str())).take(REPOSITORIES);
        let among: Vec<RepositoryName> = among.cloned().collect();
        let found = gather(among.clone(), PATIENCE, |name| {
            let (reader, tag) = (reader.clone(), tag.clone());
            async move { reader.may_have(&name, &tag) && reader.digest_of(&name, tag.as_str()).await.is_ok() }
        });
        let found = found.await;
        let with_it = among.into_iter().zip(found).filter(|(_, found)| *found == Some(true));
        let hits: Vec<_> = with_it.map(|(name, _)| (name, tag.clone())).collect();
        if !hits.is_empty() {
            return hits;
        }
    }
    Vec::new()
}

/// The first repository with a manifest of that digest.
async fn with(reader: &Reader, digest: &Digest, names: &[RepositoryName]) -> Option<RepositoryName> {
    let looked_into: Vec<RepositoryName> = names.iter().take(REPOSITORIES).cloned().collect();
    let found = gather(looked_into, PATIENCE, |name| {
        let (reader, digest) = (reader.clone(), digest.clone());
        async move { reader.digest_of(&name, digest.as_str()).await.is_ok() }
    });
    let found = found.await.iter().position(|found| *found == Some(true))?;
    names.get(found).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_words_must_occur() {
        for (query, text, occur) in [
            ("team app", "team/app", true),
            ("app  TEAM", "team/app", true),
            ("team web", "team/app", false),
            ("", "team/app", true),
            ("rc", "1.0-RC1", true),
        ] {
            assert_eq!(Words::of(query).occur_in(text), occur, "{query}");
        }
    }

    #[test]
    fn a_digest_may_be_cut_off() {
        for (query, found) in [
            ("sha256:0123456789ab", Some("0123456789ab")),
            ("0123456789ab…", Some("0123456789ab")),
            ("decade", Some("decade")),
            ("sha256-0123456789ab.sig", Some("0123456789ab")),
            ("1.0", None),
            ("12345", None),
            ("0123456789AB", None),
        ] {
            assert_eq!(digits(query), found, "{query}");
        }
    }
}
