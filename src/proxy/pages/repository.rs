//! The page of a repository: its tags, the newest first where there are not too many to look into each.

use std::{
    cmp::{Ordering, Reverse},
    slice,
    time::Duration,
};

use super::{
    activity::Known,
    answer::Answer,
    page_error::PageError,
    pagination::part,
    reader::Reader,
    search::{self, Words},
    visit::{Request, Visit},
};
use crate::{
    proxy::forward::gather::gather,
    registry::{Digest, Method, RepositoryName, Tag},
    ui::{Order, Repository, Summary, TagRow, views},
};

/// The number of tags on a page.
const ON_A_PAGE: usize = 50;
/// Up to so many tags, each is looked into, so that they can be sorted by date: a registry keeps no dates.
const SORTED_BY_DATE: usize = 200;
/// The time for which all of a page is looked into at the most; facts that are not known by then are left out.
const PATIENCE: Duration = Duration::from_secs(5);

/// The tags, or those that match what is searched for.
pub(super) async fn show(
    request: &mut Request<'_>,
    visit: &Visit,
    name: &RepositoryName,
) -> Result<Answer, PageError> {
    request.log.about(name, None);
    let query = request.parameter("q").trim().to_owned();
    let reader = request.reader(visit);
    let wanted = Words::of(&query);
    let mut tags = shown_tags(request, &reader, name).await?;
    // A link from elsewhere may say so, too.
    let untagged = Tag::parse(&request.parameter("untagged")).filter(|tag| !tags.contains(tag));
    if let Some(page) = search::named(request, &reader, &query, slice::from_ref(name)).await {
        return Ok(page);
    }
    match search::digits(&query) {
        Some(digits) => tags = with_digest(&reader, name, tags, digits).await,
        None => tags.retain(|tag| wanted.occur_in(tag.as_str())),
    }
    let page = part(tags.len(), ON_A_PAGE, request.page_number());
    let order = if tags.len() <= SORTED_BY_DATE { Order::NewestFirst } else { Order::ByVersion };
    tags.sort_by(|a, b| highest_first(a.as_str(), b.as_str()));
    tags.sort_by_key(|tag| !is_latest(tag.as_str()));
    let on_this_page = |from: Vec<_>| from.into_iter().skip(page.first).take(ON_A_PAGE).collect::<Vec<_>>();
    let rows = match order {
        Order::NewestFirst => {
            let mut rows = looked_into(&reader, name, tags).await;
            // Stable: equal dates stay sorted by version.
            rows.sort_by_key(|(tag, summary)| {
                (!is_latest(tag.as_str()), Reverse(summary.as_ref().and_then(|summary| summary.created)))
            });
            on_this_page(rows)
        }
        Order::ByVersion => {
            looked_into(&reader, name, tags.into_iter().skip(page.first).take(ON_A_PAGE).collect()).await
        }
    };
    let deleted = request.parameter("deleted");
    let names = rows.iter().map(|(tag, _)| tag.to_string());
    let known = Known::of(request.context.snapshot, visit, name, names).await;
    let shown = Repository {
        name: name.as_str(),
        query: &query,
        tags: rows
            .iter()
            .map(|(tag, summary)| TagRow {
                tag: tag.as_str(),
                activity: known.get(tag.as_str(), summary.as_ref().map(|summary| &*summary.digest)),
                summary: summary.clone(),
                is_write_once: reader.is_write_once(name, tag),
            })
            .collect(),
        page,
        order,
        may_push: reader.may(Method::Post, &format!("/v2/{name}/blobs/uploads/")).await?,
        may_delete: may_delete(visit, &reader, name).await?,
        deleted: Digest::parse(&deleted).is_some().then_some(deleted.as_str()),
        untagged: untagged.as_ref().map(Tag::as_str),
    };
    Ok(Answer::page(views::repository(&request.frame(), &shown)))
}

/// The tags without those that count as deleted.
async fn shown_tags(
    request: &Request<'_>,
    reader: &Reader,
    name: &RepositoryName,
) -> Result<Vec<Tag>, PageError> {
    // Authorized by this.
    let tags = reader.tags(name).await?;
    let (gate, registry) = (request.write_once, &reader.subrequest);
    if !gate.may_have_placeholders(name, registry).await? {
        return Ok(tags);
    }
    let hidden = gate.hidden_tags(name, registry, request.freeze).await?;
    let mut tags = reader.tags(name).await?;
    tags.retain(|tag| !hidden.contains(tag));
    Ok(tags)
}

/// Returns true if there is a way to delete: a right to, and a session, whose forms are its own.
pub(super) async fn may_delete(
    visit: &Visit,
    reader: &Reader,
    name: &RepositoryName,
) -> Result<bool, PageError> {
    // Any manifest will do: the rules know repositories only.
    let any = format!("/v2/{name}/manifests/sha256:{}", "0".repeat(64));
    Ok(visit.session.is_some() && reader.may(Method::Delete, &any).await?)
}

/// Returns true if there is a way to delete this tag alone.
pub(super) async fn may_delete_tag(
    visit: &Visit,
    reader: &Reader,
    name: &RepositoryName,
    tag: &Tag,
) -> Result<bool, PageError> {
    let path = format!("/v2/{name}/manifests/{tag}");
    let is_offered = visit.session.is_some() && !reader.is_write_once(name, tag);
    Ok(is_offered && reader.may(Method::Delete, &path).await?)
}

/// The tags that have these digits in them, or whose digest begins so where there are not too many to look into each.
async fn with_digest(reader: &Reader, name: &RepositoryName, tags: Vec<Tag>, digits: &str) -> Vec<Tag> {
    let (looked_into, others) =
        if tags.len() <= SORTED_BY_DATE { (tags, Vec::new()) } else { (Vec::new(), tags) };
    let begins = |summary: &Option<Summary>| {
        summary.as_ref().is_some_and(|summary| {
            summary.digest.split(':').nth(1).is_some_and(|hex| hex.starts_with(digits))
        })
    };
    let rows = self::looked_into(reader, name, looked_into).await.into_iter();
    let rows = rows.chain(others.into_iter().map(|tag| (tag, None)));
    rows.filter(|(tag, summary)| tag.as_str().contains(digits) || begins(summary))
        .map(|(tag, _)| tag)
        .collect()
}

async fn looked_into(reader: &Reader, name: &RepositoryName, tags: Vec<Tag>) -> Vec<(Tag, Option<Summary>)> {
    let summaries = gather(tags.clone(), PATIENCE, |tag| {
        let (reader, name) = (reader.clone(), name.clone());
        async move { reader.summary(&name, &tag).await }
    });
    tags.into_iter().zip(summaries.await.into_iter().map(Option::flatten)).collect()
}

/// `latest` comes before all others: it is what a pull without a tag takes, and a word that no version sorts behind.
fn is_latest(tag: &str) -> bool {
    tag == "latest"
}

/// The order of versions, the highest first: numbers in a tag count as such, so that 1.10 is higher than 1.9, and 1.10
/// than 1.10-rc1. Nothing is kept of either: of tens of thousands with a hundred pieces each, that would be hundreds of
/// megabytes.
fn highest_first(a: &str, b: &str) -> Ordering {
    pieces(b).cmp(pieces(a))
}

fn pieces(tag: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = tag;
    let inside = std::iter::from_fn(move || {
        let is_digit = rest.chars().next()?.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(rest.len());
        let (piece, behind) = rest.split_at(end);
        rest = behind;
        Some(match is_digit {
            true => {
                let digits = piece.trim_start_matches('0');
                Piece::Number(digits.len(), digits)
            }
            false if piece.starts_with('-') => Piece::Suffix(piece),
            false => Piece::Text(piece),
        })
    });
    inside.chain([Piece::End])
}

/// A piece of a tag, in the order in which they are compared.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece<'t> {
    /// The text after a `-`, as of a candidate: before the end.
    Suffix(&'t str),
    /// Nothing more.
    End,
    /// Anything else.
    Text(&'t str),
    /// Digits without leading zeros, with their count before them.
    Number(usize, &'t str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_comes_first() {
        let mut tags =
            ["1.9", "v2", "1.10", "latest", "1.10-rc1", "1.10.1", "10", "9", "1.10-rc10", "v10", "1.10-rc2"];
        tags.sort_by(|a, b| highest_first(a, b));
        assert_eq!(
            tags,
            ["10", "9", "1.10.1", "1.10", "1.10-rc10", "1.10-rc2", "1.10-rc1", "1.9", "v10", "v2", "latest"]
        );
    }
}
