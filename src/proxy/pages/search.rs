//! The queries that visitors type into the search fields: words, a reference as docker writes it, a digest.

use std::time::Duration;

use super::{answer::Answer, reader::Reader, tag_order, visit::Request};
use crate::{
    proxy::forward::gather::gather,
    registry::{Digest, RepositoryName, Tag},
    ui::{Order, PagePath, Reference},
};

/// The repositories in which a digest or a tag is looked for, and how long that may take.
const REPOSITORIES: usize = 100;
const PATIENCE: Duration = Duration::from_secs(5);
/// The most tags that are listed, and those of one repository.
const FOUND: usize = 100;
const OF_ONE: usize = 10;

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

/// Tags that were found, each with its repository.
#[derive(Debug, Default)]
pub(super) struct FoundTags {
    pub(super) tags: Vec<(RepositoryName, Tag)>,
    /// There are more than are listed.
    pub(super) more: bool,
}

/// The tags of the last word's name, in repositories that have all other words in theirs; else the same with the first
/// word. If there are none, those that have it in their name.
pub(super) async fn tagged(reader: &Reader, query: &str, names: &[RepositoryName]) -> FoundTags {
    let words: Vec<&str> = query.split([' ', '\t', ':']).filter(|word| !word.is_empty()).collect();
    let last = words.split_last().map(|(tag, rest)| (*tag, rest));
    let first = words.split_first().map(|(tag, rest)| (*tag, rest)).filter(|_| words.len() > 1);
    let asked: Vec<_> = last.into_iter().chain(first).collect();
    for is_whole in [true, false] {
        for (tag, rest) in &asked {
            let (Some(tag), wanted) = (Tag::parse(tag), Words::of(&rest.join(" "))) else { continue };
            let among = || names.iter().filter(|name| wanted.occur_in(name.as_str()));
            let found = match is_whole {
                true => whole(reader, &tag, among().take(REPOSITORIES).cloned().collect()).await,
                false => in_part(reader, &tag, among()).await,
            };
            if !found.tags.is_empty() {
                return found;
            }
        }
    }
    FoundTags::default()
}

/// The repositories that have a tag of that name.
async fn whole(reader: &Reader, tag: &Tag, among: Vec<RepositoryName>) -> FoundTags {
    let candidates = among.into_iter().filter(|name| reader.may_have(name, tag));
    let tags = there(reader, candidates.map(|name| (name, tag.clone())).collect()).await;
    FoundTags { tags, more: false }
}

/// The tags that have a text in their name, in any case. Lists that are remembered are all looked through; of others, the
/// first are read.
async fn in_part(reader: &Reader, part: &Tag, among: impl Iterator<Item = &RepositoryName>) -> FoundTags {
    let part = part.as_str().to_ascii_lowercase();
    let has_it = |tag: &&Tag| tag.as_str().to_ascii_lowercase().contains(&part);
    let (mut looked_into, mut unread) = (Vec::new(), 0);
    for name in among {
        let may_have_it = match reader.tags.get(name) {
            Some(tags) => tags.iter().any(|tag| has_it(&tag)),
            None => {
                unread += 1;
                unread <= REPOSITORIES
            }
        };
        if may_have_it && looked_into.len() < 2 * REPOSITORIES {
            looked_into.push(name.clone());
        }
    }
    // Whether the visitor may see a list that is remembered is decided here.
    let lists = gather(looked_into.clone(), PATIENCE, |name: RepositoryName| {
        let reader = reader.clone();
        async move { reader.image_tags(&name).await.ok() }
    });
    let (mut hits, mut more) = (Vec::new(), false);
    for (name, tags) in looked_into.into_iter().zip(lists.await) {
        let tags = tags.flatten().unwrap_or_default();
        let mut with_it: Vec<&Tag> = tags.iter().filter(has_it).collect();
        tag_order::sort(&mut with_it, Order::Version, |tag| tag, |_| None::<u64>);
        more |= with_it.len() > OF_ONE || hits.len() + with_it.len() > FOUND;
        let room = OF_ONE.min(FOUND.saturating_sub(hits.len()));
        hits.extend(with_it.into_iter().take(room).map(|tag| (name.clone(), tag.clone())));
    }
    FoundTags { tags: there(reader, hits).await, more }
}

/// Those that are there, and that the visitor may pull.
async fn there(reader: &Reader, tags: Vec<(RepositoryName, Tag)>) -> Vec<(RepositoryName, Tag)> {
    let found = gather(tags.clone(), PATIENCE, |(name, tag): (RepositoryName, Tag)| {
        let reader = reader.clone();
        async move { reader.digest_of(&name, tag.as_str()).await.is_ok() }
    });
    let found = tags.into_iter().zip(found.await);
    found.filter(|(_, found)| *found == Some(true)).map(|(hit, _)| hit).collect()
}

/// The page of the image whose digest begins so, as pages show digests: of those that a page has shown, and that are in
/// one of the repositories that the visitor may pull.
pub(super) async fn begun_digest(reader: &Reader, query: &str, names: &[RepositoryName]) -> Option<PagePath> {
    for digest in reader.summaries.beginning_with(digits(query)?) {
        let Some(digest) = Digest::parse(&digest) else { continue };
        if let Some(name) = with(reader, &digest, names).await {
            return Some(PagePath::Image(name, Reference::Digest(digest)));
        }
    }
    None
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
