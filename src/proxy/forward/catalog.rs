//! The catalogue: its names, read from the registry page by page, and the pages that are made of those that a caller
//! may see.
//!
//! All that ask share one reading of the names, see [`super::repository_names`]. The order is the registry's, so that equal names
//! are listed whatever sizes of pages are asked for. What a request may cost is bounded: how many make lists at once,
//! how long one takes, and how many names of it a command decides.

use std::{net::IpAddr, sync::Arc, time::Duration};

use hyper::{
    Response, StatusCode,
    header::{self, HeaderValue},
};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::{repository_names::KnownNames, subrequest::Subrequest};
use crate::{
    authz::{CatalogView, Permit},
    limits::{FairSemaphore, Slot, count_suppressed},
    proxy::{
        response::{body::ResponseBody, error_response::API_VERSION, upstream_error::undecided},
        stored_answers::DEFAULT_PAGE,
        upstream::RETRY_AFTER,
    },
    registry::{CatalogPage, ErrorCode, MAX_PAGE, Refusal, RepositoryName, Route},
};

/// The catalogue, as it is shown to clients of the registry.
#[derive(Debug)]
pub(crate) struct Catalog {
    names: Arc<KnownNames>,
    slots: FairSemaphore,
}

/// Lists that are made, or read from the registry, at once; one client gets as many as it leaves for others.
const AT_ONCE: usize = 16;

impl Catalog {
    /// One that shows these names.
    pub(crate) fn new(names: Arc<KnownNames>) -> Self {
        Self { names, slots: FairSemaphore::new(AT_ONCE, "lists of repositories") }
    }

    /// A slot for a list. It is waited for a short while.
    ///
    /// # Errors
    /// Too many lists are made, for this client or for all.
    pub(crate) async fn slot(&self, from: Option<IpAddr>) -> Result<Slot, Refusal> {
        self.slots.take(from).await.map_err(|_| {
            Refusal::new(ErrorCode::Unavailable, "too many lists of repositories are made; try again later")
                .retry_after(RETRY_AFTER)
        })
    }

    /// The number of requests that got no slot.
    pub(crate) fn refused(&self) -> u64 {
        self.slots.refused()
    }

    /// Answers `_catalog` with the names that the caller may see, in pages of the size that was asked for.
    ///
    /// The existence of a next page is looked up, and not guessed from the registry's: that would say that
    /// there are names which the caller may not see.
    ///
    /// # Errors
    /// The registry, or a back end that decides, gives no answer, or takes too long.
    pub(crate) async fn list(
        &self,
        view: &CatalogView<'_>,
        asked: CatalogPage<'_>,
        registry: &Subrequest,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let _slot = self.slot(registry.address).await?;
        let wanted = asked.n.unwrap_or(DEFAULT_PAGE).min(MAX_PAGE) as usize;
        let mut page = PageOfNames { names: Vec::new(), wanted, filter: NameFilter::of(view) };
        let all = timeout_at(page.filter.until, self.names.all(registry, Duration::ZERO));
        let all = all.await.unwrap_or_else(|_| Err(unread()))?;
        let rest = all.names.get(all.behind(asked.last)..).unwrap_or_default();
        page.take(rest).await?;
        if all.incomplete {
            let last = rest.last().map_or(asked.last, RepositoryName::as_str);
            let mut pages = Names::behind(last);
            while !page.is_full()
                && let Some(names) = pages.next_page(registry).await?
            {
                page.take(&names).await?;
            }
        }
        let is_last = !page.is_full();
        page.names.truncate(wanted);
        Ok(page_of(&page.names, wanted, is_last))
    }
}

/// A page that is filled.
struct PageOfNames<'a> {
    names: Vec<RepositoryName>,
    wanted: usize,
    filter: NameFilter<'a>,
}

impl PageOfNames<'_> {
    /// Takes those that may be seen, until there is one more than is wanted: it says whether there is a next page.
    async fn take(&mut self, names: &[RepositoryName]) -> Result<(), Refusal> {
        for name in names {
            if self.is_full() {
                break;
            }
            if self.filter.is_spent() {
                return Err(too_many_questions());
            }
            if self.filter.admits(name).await? {
                self.names.push(name.clone());
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.wanted == 0 || self.names.len() > self.wanted
    }
}

/// Asks the rules about one name after another, for one answer.
pub(crate) struct NameFilter<'a> {
    view: &'a CatalogView<'a>,
    until: Instant,
    asked: usize,
    by_command: usize,
}

/// Names asked about in one go: the rules are asked without waiting for anything, and others on that thread would wait
/// for all.
const AT_A_TIME: usize = 250;
/// The time for which names are asked about for one answer: a command may take milliseconds for each.
const PATIENCE: Duration = Duration::from_secs(20);
/// Names that a command decides for one answer: each may cost a process.
const MOST_BY_COMMAND: usize = 1000;

impl<'a> NameFilter<'a> {
    /// The reach of that view.
    pub(crate) fn of(view: &'a CatalogView<'a>) -> Self {
        Self { view, until: Instant::now() + PATIENCE, asked: 0, by_command: 0 }
    }

    /// Returns whether a command has decided about as many names as it may.
    pub(crate) fn is_spent(&self) -> bool {
        self.by_command >= MOST_BY_COMMAND
    }

    /// Returns true if the name may be seen.
    ///
    /// # Errors
    /// A back end that decides gives no answer, or has taken too long for those before.
    pub(crate) async fn admits(&mut self, name: &RepositoryName) -> Result<bool, Refusal> {
        self.asked += 1;
        if self.asked.is_multiple_of(AT_A_TIME) {
            tokio::task::yield_now().await;
        }
        if Instant::now() > self.until {
            let why =
                "the rules could not be asked about each repository in time: a back end decides too slowly";
            return Err(Refusal::new(ErrorCode::GatewayTimeout, why));
        }
        let visibility = self.view.sees(name).await.map_err(|error| undecided(&error))?;
        self.by_command += usize::from(visibility.by_command);
        Ok(visibility.is_seen)
    }
}

fn too_many_questions() -> Refusal {
    let why = format!(
        "the rules could not be asked about each repository: they leave more than {MOST_BY_COMMAND} of them to a back end"
    );
    Refusal::new(ErrorCode::GatewayTimeout, why)
}

fn unread() -> Refusal {
    let why = "the names of the repositories are still being read from the registry; try again later";
    Refusal::new(ErrorCode::Unavailable, why).retry_after(RETRY_AFTER)
}

fn page_of(names: &[RepositoryName], wanted: usize, is_last: bool) -> Response<ResponseBody> {
    let texts: Vec<&str> = names.iter().map(RepositoryName::as_str).collect();
    let mut response = Response::new(ResponseBody::from(format!("{}\n", json!({ "repositories": texts }))));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    if let Some(last) = texts.last().filter(|_| !is_last) {
        let next = Route::catalog(CatalogPage { n: u32::try_from(wanted).ok(), last });
        let link = format!("<{}>; rel=\"next\"", next.path_and_query());
        headers.extend(HeaderValue::try_from(link).ok().map(|link| (header::LINK, link)));
    }
    response
}

/// The names of the registry, page by page.
pub(crate) struct Names {
    last: String,
    /// The size of a page; `None` once the registry has refused the largest.
    n: Option<u32>,
    ended: bool,
}

/// A page as the registry sends it. A registry without repositories may send `null`.
#[derive(Deserialize)]
struct Listed {
    repositories: Option<Vec<String>>,
}

impl Names {
    /// The names behind `last`; all of them behind the empty text.
    pub(crate) fn behind(last: &str) -> Self {
        Self { last: last.to_owned(), n: Some(MAX_PAGE), ended: false }
    }

    /// The next page, which may be empty; `None` after the last. What is no name of a repository is left out.
    ///
    /// # Errors
    /// The registry gives no answer, or one that is no catalogue.
    pub(crate) async fn next_page(
        &mut self,
        registry: &Subrequest,
    ) -> Result<Option<Vec<RepositoryName>>, Refusal> {
        if self.ended {
            return Ok(None);
        }
        let page = CatalogPage { n: self.n, last: &self.last };
        let reply = registry.ask(&Permit::to_read_names(page), "application/json").await?;
        // `catalog.maxentries` of the registry may be less than Portwarden's bound.
        if reply.status == StatusCode::BAD_REQUEST && self.n.take().is_some() {
            return Ok(Some(Vec::new()));
        }
        let names = match serde_json::from_slice::<Listed>(&reply.body) {
            Ok(listed) if reply.status == StatusCode::OK => listed.repositories.unwrap_or_default(),
            _ => return Err(no_catalog(registry, reply.status)),
        };
        let next =
            names.last().filter(|last| **last != self.last && reply.headers.contains_key(header::LINK));
        match next {
            Some(last) => self.last.clone_from(last),
            None => self.ended = true,
        }
        Ok(Some(names.iter().filter_map(|name| RepositoryName::parse(name)).collect()))
    }
}

fn no_catalog(registry: &Subrequest, status: StatusCode) -> Refusal {
    if let Some(suppressed) = registry.upstream.failures().due("no catalogue", std::time::Instant::now()) {
        let (address, suppressed) = (registry.upstream.address(), count_suppressed(suppressed));
        tracing::warn!(registry = %address, %status, suppressed, "the registry gives no catalogue; see its own log");
    }
    let message =
        format!("the registry behind this proxy gives no catalogue: it answers {}", status.as_u16());
    Refusal::new(ErrorCode::BadGateway, message)
}
