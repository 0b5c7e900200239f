//! The first page: the repositories that the visitor may pull.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{
    activity::Known,
    answer::Answer,
    page_error::PageResult,
    pagination::part,
    search::{self, FoundTags, Words},
    visit::{Request, Visit},
};
use crate::{
    proxy::forward::{catalog::NameFilter, gather::gather},
    registry::{RepositoryName, Tag},
    ui::{PagePath, Reference, Repositories, RepositoryRow, views},
};

/// The number of repositories on a page.
const ON_A_PAGE: usize = 100;
/// The time for which names are reused: another page is often requested soon.
const AGE: Duration = Duration::from_secs(60);
/// The time for which repositories are looked into; facts that are not known by then are left out.
const PATIENCE: Duration = Duration::from_secs(3);
/// The tags on a page, over all of its repositories, whose activity is read.
const WITH_ACTIVITY: usize = 5_000;

/// The repositories, or those that match what is searched for.
pub(super) async fn show(request: &Request<'_>, visit: &Visit) -> PageResult {
    let query = request.parameter("q");
    let seen = VisibleRepositories::of(request, visit).await?;
    if let Some(page) = search::named(request, &request.reader(visit), query.trim(), &seen.names).await {
        return Ok(page);
    }
    let wanted = Words::of(&query);
    let matching: Vec<&RepositoryName> =
        seen.names.iter().filter(|name| wanted.occur_in(name.as_str())).collect();
    let mut tagged = FoundTags::default();
    if matching.is_empty() && !query.trim().is_empty() {
        let reader = request.reader(visit);
        if let Some(page) = search::begun_digest(&reader, query.trim(), &seen.names).await {
            return Ok(Answer::redirect(&request.href(&page)));
        }
        tagged = search::tagged(&reader, &query, &seen.names).await;
    }
    if let [(name, tag)] = &*tagged.tags {
        let page = PagePath::Image(name.clone(), Reference::Tag(tag.clone()));
        return Ok(Answer::redirect(&request.href(&page)));
    }
    let page = part(matching.len(), ON_A_PAGE, request.page_number());
    let names: Vec<&RepositoryName> = matching.into_iter().skip(page.first).take(ON_A_PAGE).collect();
    let rows = overview(request, visit, &names).await;
    let all = seen.names.len();
    let shown = Repositories {
        query: query.trim(),
        rows,
        tagged: tagged.tags.iter().map(|(name, tag)| (name.as_str(), tag.as_str())).collect(),
        more_tagged: tagged.more,
        page,
        all,
        incomplete: seen.incomplete,
    };
    Ok(Answer::page(views::repositories(&request.frame(), &shown)))
}

/// Returns the tags of these repositories that the visitor may pull, and their activity, as far as there is time.
async fn overview<'n>(
    request: &Request<'_>,
    visit: &Visit,
    names: &[&'n RepositoryName],
) -> Vec<RepositoryRow<'n>> {
    let until = Instant::now() + PATIENCE;
    let reader = request.reader(visit);
    let listed = gather(names.iter().copied().cloned().collect(), PATIENCE, |name: RepositoryName| {
        let reader = reader.clone();
        async move { reader.image_tags(&name).await.ok() }
    });
    let (mut rows, mut read) = (Vec::new(), 0);
    for (name, tags) in names.iter().zip(listed.await) {
        let mut row = RepositoryRow { name: name.as_str(), tags: None, pushed: None, pulls: None };
        // Of one that a deletion has left half done, only its own page tells which tags count.
        let is_sure = async || {
            let looking = request.write_once.may_have_placeholders(name, &reader.subrequest);
            matches!(timeout_at(until, looking).await, Ok(Ok(false)))
        };
        if let Some(tags) = tags.flatten()
            && is_sure().await
        {
            row.tags = Some(tags.len());
            if read + tags.len() <= WITH_ACTIVITY {
                read += tags.len();
                let tags = tags.iter().map(Tag::to_string);
                let known = Known::of(request.context.snapshot, visit, name, tags).await;
                (row.pushed, row.pulls) = (known.last_push(), known.pulls());
            }
        }
        rows.push(row);
    }
    rows
}

/// The names that a visitor may see.
pub(super) struct VisibleRepositories {
    pub(super) names: Vec<RepositoryName>,
    /// There are more in the registry than are looked at.
    pub(super) incomplete: bool,
}

impl VisibleRepositories {
    /// Asks for each name what a pull would ask.
    pub(super) async fn of(request: &Request<'_>, visit: &Visit) -> PageResult<Self> {
        let all = request.pages.names.all(&request.subrequest(), AGE).await?;
        let view = request.catalog_view(visit).await?;
        let mut filter = NameFilter::of(&view);
        let mut seen = Self { names: Vec::new(), incomplete: all.incomplete };
        for name in all.names.iter() {
            if filter.is_spent() {
                seen.incomplete = true;
                break;
            }
            if filter.admits(name).await? {
                seen.names.push(name.clone());
            }
        }
        // Those without a namespace first: the others stay together.
        let has_namespace = |name: &RepositoryName| name.as_str().contains('/');
        seen.names.sort_unstable_by(|a, b| {
            has_namespace(a).cmp(&has_namespace(b)).then_with(|| a.as_str().cmp(b.as_str()))
        });
        seen.names.dedup();
        Ok(seen)
    }
}
