//! The page of a repository: its tags, the newest first where there are not too many to look into each.

use std::{
    collections::HashMap,
    slice,
    time::{Duration, SystemTime},
};

use super::{
    activity::Known,
    answer::Answer,
    attachments::{Attachments, listed_badges},
    page_error::PageResult,
    pagination::part,
    reader::Reader,
    search::{self, Words},
    tag_order,
    visit::{Request, Visit},
};
use crate::{
    proxy::forward::gather::gather,
    registry::{Digest, Method, RepositoryName, Tag},
    ui::{Badges, Order, Page, Repository, Summary, TagRow, views},
};

/// The number of tags on a page.
const ON_A_PAGE: usize = 50;
/// Up to so many tags, each is looked into, so that they can be sorted by date: a registry keeps no dates.
const SORTED_BY_DATE: usize = 200;
/// Up to so many tags can be sorted by the time of their push, where that is known.
const WITH_TIMES: usize = 5_000;
/// The time for which all of a page is looked into at the most; facts that are not known by then are left out.
const PATIENCE: Duration = Duration::from_secs(5);

/// The tags, or those that match what is searched for.
pub(super) async fn show(request: &mut Request<'_>, visit: &Visit, name: &RepositoryName) -> PageResult {
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
    let attachments = Attachments::taken_from(&mut tags);
    match search::digits(&query) {
        Some(digits) => tags = with_digest(&reader, name, tags, digits).await,
        None => tags.retain(|tag| wanted.occur_in(tag.as_str())),
    }
    let listed = Listed::of(request, visit, &reader, name, tags).await;
    let badges = attachments.badges(&reader, name, listed.shown().iter().filter_map(digest_of)).await;
    let listed_badges = listed_badges(
        &reader,
        name,
        listed.shown().iter().filter_map(digest_of).map(str::to_owned).collect(),
    )
    .await;
    let badges = merged(badges, listed_badges);
    let deletable = deletable(visit, &reader, name, listed.shown()).await?;
    let rows = listed.shown().iter().zip(&deletable);
    let rows = rows.map(|(row, may_delete)| TagRow {
        may_delete: *may_delete,
        ..tag_row(row, &listed.known, &badges, &reader, name)
    });
    let rows = rows.collect();
    let (orphans, more_orphans) = match query.is_empty() && listed.is_whole && listed.page.number == 1 {
        true => attachments.orphans(&reader, name, listed.rows.iter().filter_map(digest_of)).await,
        false => Default::default(),
    };
    let deleted = request.parameter("deleted");
    let shown = Repository {
        name: name.as_str(),
        query: &query,
        tags: rows,
        page: listed.page,
        order: listed.order,
        has_times: listed.has_times,
        orphans,
        more_orphans,
        usage: request.usage(&reader, name).await.map(|usage| (usage.bytes, usage.blobs)),
        may_push: reader.may(Method::Post, &format!("/v2/{name}/blobs/uploads/")).await?,
        may_delete: deletable.contains(&true),
        deleted: Digest::parse(&deleted).is_some().then_some(deleted.as_str()),
        untagged: untagged.as_ref().map(Tag::as_str),
    };
    Ok(Answer::page(views::repository(&request.frame(), &shown)))
}

type Row = (Tag, Option<Summary>);

fn tag_row<'r>(
    row: &'r Row,
    known: &Known,
    badges: &HashMap<String, Badges>,
    reader: &Reader,
    name: &RepositoryName,
) -> TagRow<'r> {
    let (tag, summary) = row;
    TagRow {
        tag: tag.as_str(),
        activity: known.get(tag.as_str(), digest_of(row)),
        badges: summary.as_ref().map(|summary| badges_of(summary, badges)).unwrap_or_default(),
        summary: summary.clone(),
        is_write_once: reader.is_write_once(name, tag),
        may_delete: false,
    }
}

/// Returns for each row whether there is a way to delete its tag.
async fn deletable(
    visit: &Visit,
    reader: &Reader,
    name: &RepositoryName,
    rows: &[Row],
) -> PageResult<Vec<bool>> {
    let by_tag = reader.snapshot.authorizers.looks_at_tags();
    let mut of_all = None;
    let mut deletable = Vec::new();
    for (tag, summary) in rows {
        // Where no rule looks at tags, one answer holds for all: a back end may have to be asked for it.
        let may = match of_all {
            Some(may) => may,
            None => may_delete_any(visit, reader, name, tag).await?,
        };
        of_all = Some(may).filter(|_| !by_tag);
        deletable.push(may && summary.is_some() && !reader.is_write_once(name, tag));
    }
    Ok(deletable)
}

fn digest_of((_, summary): &Row) -> Option<&str> {
    summary.as_ref().map(|summary| &*summary.digest)
}

/// The badges of both, by digest.
fn merged(mut badges: HashMap<String, Badges>, listed: HashMap<String, Badges>) -> HashMap<String, Badges> {
    for (digest, more) in listed {
        let both = badges.entry(digest).or_default();
        *both = both.with(more);
    }
    badges
}

/// The badges of a manifest: of what tags attach to it, and of what its index holds.
fn badges_of(summary: &Summary, attached: &HashMap<String, Badges>) -> Badges {
    let badges = attached.get(&summary.digest).copied().unwrap_or_default();
    Badges { attested: badges.attested || summary.is_attested, ..badges }
}

/// The tags in their order, and those that are shown.
struct Listed {
    /// All tags, or those of this page.
    rows: Vec<Row>,
    page: Page,
    order: Order,
    /// True if they can be sorted by their time.
    has_times: bool,
    /// True if `rows` has all tags.
    is_whole: bool,
    known: Known,
}

impl Listed {
    async fn of(
        request: &Request<'_>,
        visit: &Visit,
        reader: &Reader,
        name: &RepositoryName,
        tags: Vec<Tag>,
    ) -> Self {
        let page = part(tags.len(), ON_A_PAGE, request.page_number());
        let asked = Order::named(&request.parameter("order"));
        let names = |tags: &[Tag]| tags.iter().take(WITH_TIMES).map(Tag::to_string).collect::<Vec<_>>();
        let known = |names: Vec<String>| Known::of(request.context.snapshot, visit, name, names.into_iter());
        if tags.len() <= SORTED_BY_DATE {
            let known = known(names(&tags)).await;
            let mut rows = looked_into(reader, name, tags).await;
            let order = asked.unwrap_or(Order::Newest);
            tag_order::sort(&mut rows, order, |(tag, _)| tag, |row| time_of(row, &known));
            return Self { rows, page, order, has_times: true, is_whole: true, known };
        }
        // Too many to look into each: there are only the times of pushes, where they are known.
        let of_all = known(if tags.len() <= WITH_TIMES { names(&tags) } else { Vec::new() }).await;
        let (mut tags, has_times) = (tags, of_all.has_pushes());
        let order = asked.filter(|order| has_times || *order != Order::Newest).unwrap_or(Order::Version);
        tag_order::sort(&mut tags, order, |tag| tag, |tag| of_all.pushed_at(tag.as_str()));
        let shown: Vec<Tag> = tags.into_iter().skip(page.first).take(ON_A_PAGE).collect();
        let known = known(names(&shown)).await;
        let rows = looked_into(reader, name, shown).await;
        Self { rows, page, order, has_times, is_whole: false, known }
    }

    /// The rows of this page.
    fn shown(&self) -> &[Row] {
        let first = if self.is_whole { self.page.first } else { 0 };
        let last = self.rows.len().min(first + ON_A_PAGE);
        self.rows.get(first..last).unwrap_or_default()
    }
}

/// The time by which a tag is sorted: that of its push where it is known, else the one that the image claims.
fn time_of((tag, summary): &Row, known: &Known) -> Option<SystemTime> {
    let summary = summary.as_ref();
    let activity = known.get(tag.as_str(), summary.map(|summary| &*summary.digest));
    let pushed = activity.and_then(|activity| activity.pushed).map(|pushed| pushed.at);
    pushed.or(summary.and_then(|summary| summary.created))
}

/// The tags without those that count as deleted.
pub(super) async fn shown_tags(
    request: &Request<'_>,
    reader: &Reader,
    name: &RepositoryName,
) -> PageResult<Vec<Tag>> {
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
pub(super) async fn may_delete(visit: &Visit, reader: &Reader, name: &RepositoryName) -> PageResult<bool> {
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
) -> PageResult<bool> {
    Ok(!reader.is_write_once(name, tag) && may_delete_any(visit, reader, name, tag).await?)
}

/// The same for a tag that may be write-once.
async fn may_delete_any(
    visit: &Visit,
    reader: &Reader,
    name: &RepositoryName,
    tag: &Tag,
) -> PageResult<bool> {
    let path = format!("/v2/{name}/manifests/{tag}");
    Ok(visit.session.is_some() && reader.may(Method::Delete, &path).await?)
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
