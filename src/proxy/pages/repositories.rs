//! The first page: the repositories that the visitor may pull.

use std::time::Duration;

use super::{
    answer::Answer,
    page_error::PageError,
    pagination::part,
    search::{self, Words},
    visit::{Request, Visit},
};
use crate::{
    proxy::forward::catalog::NameFilter,
    registry::RepositoryName,
    ui::{Repositories, views},
};

/// The number of repositories on a page.
const ON_A_PAGE: usize = 100;
/// The time for which names are reused: another page is often requested soon.
const AGE: Duration = Duration::from_secs(60);

/// The repositories, or those that match what is searched for.
pub(super) async fn show(request: &Request<'_>, visit: &Visit) -> Result<Answer, PageError> {
    let query = request.parameter("q");
    let seen = VisibleRepositories::of(request, visit).await?;
    if let Some(page) = search::named(request, &request.reader(visit), query.trim(), &seen.names).await {
        return Ok(page);
    }
    let wanted = Words::of(&query);
    let matching: Vec<&str> =
        seen.names.iter().map(RepositoryName::as_str).filter(|name| wanted.occur_in(name)).collect();
    let page = part(matching.len(), ON_A_PAGE, request.page_number());
    let names = matching.into_iter().skip(page.first).take(ON_A_PAGE).collect();
    let all = seen.names.len();
    let shown = Repositories { query: query.trim(), names, page, all, incomplete: seen.incomplete };
    Ok(Answer::page(views::repositories(&request.frame(), &shown)))
}

/// The names that a visitor may see.
pub(super) struct VisibleRepositories {
    pub(super) names: Vec<RepositoryName>,
    /// There are more in the registry than are looked at.
    pub(super) incomplete: bool,
}

impl VisibleRepositories {
    /// Asks for each name what a pull would ask.
    pub(super) async fn of(request: &Request<'_>, visit: &Visit) -> Result<Self, PageError> {
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
        seen.names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        seen.names.dedup();
        Ok(seen)
    }
}
