//! The catalogue: its names, read from the registry page by page, and the pages that are made of those that a caller may see.
//!
//! No more than a page of the registry's and a page of ours are in memory, however many repositories there are. The order is the
//! registry's: `last` goes on to it as it came, so that equal names are listed whatever sizes of pages are asked for.

use std::time::Duration;

use hyper::{
    Response, StatusCode,
    header::{self, HeaderValue},
};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::{failure::undecided, inquiry::Inquirer, refuse::API_VERSION, response_body::ResponseBody};
use crate::{
    authz::{CatalogView, Permit},
    registry::{CatalogPage, ErrorCode, MAX_PAGE, Refusal, RepositoryName, Route},
};

/// What a registry gives who does not say how many names (registry 2.8).
const DEFAULT_PAGE: u32 = 100;

/// Answers `_catalog` with the names that the caller may see, in pages of the size that was asked for.
///
/// Whether there is a next page is looked up, and not guessed from the registry's: that would say that there are names
/// which the caller may not see.
///
/// # Errors
/// The registry, or a back end that decides, gives no answer.
pub(super) async fn list(
    view: &CatalogView<'_>,
    asked: CatalogPage<'_>,
    registry: &Inquirer,
) -> Result<Response<ResponseBody>, Refusal> {
    let wanted = asked.n.unwrap_or(DEFAULT_PAGE).min(MAX_PAGE) as usize;
    let mut names: Vec<RepositoryName> = Vec::new();
    let mut all = Names::behind(asked.last);
    let mut sight = Sight::of(view);
    // One more than is wanted says whether there is a next page.
    'full: while wanted > 0
        && let Some(page) = all.next_page(registry).await?
    {
        for name in page {
            if sight.reaches(&name).await? {
                names.push(name);
            }
            if names.len() > wanted {
                break 'full;
            }
        }
    }
    let is_last = names.len() <= wanted;
    names.truncate(wanted);
    Ok(page_of(&names, wanted, is_last))
}

/// Asks the rules about one name after another, for one answer.
pub(super) struct Sight<'a> {
    view: &'a CatalogView<'a>,
    until: Instant,
    asked: usize,
}

/// Names asked about in one go: the rules are asked without waiting for anything, and others on that thread would wait for all.
const AT_A_TIME: usize = 250;
/// How long names are asked about for one answer: a command may take milliseconds for each.
const PATIENCE: Duration = Duration::from_secs(20);

impl<'a> Sight<'a> {
    /// What that view reaches.
    pub(super) fn of(view: &'a CatalogView<'a>) -> Self {
        Self { view, until: Instant::now() + PATIENCE, asked: 0 }
    }

    /// Whether the name may be seen.
    ///
    /// # Errors
    /// A back end that decides gives no answer, or has taken too long for those before.
    pub(super) async fn reaches(&mut self, name: &RepositoryName) -> Result<bool, Refusal> {
        self.asked += 1;
        if self.asked.is_multiple_of(AT_A_TIME) {
            tokio::task::yield_now().await;
        }
        if Instant::now() > self.until {
            let why =
                "the rules could not be asked about each repository in time: a back end decides too slowly";
            return Err(Refusal::new(ErrorCode::GatewayTimeout, why));
        }
        self.view.sees(name).await.map_err(|error| undecided(&error))
    }
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
pub(super) struct Names {
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
    /// Those behind `last`; all of them behind the empty text.
    pub(super) fn behind(last: &str) -> Self {
        Self { last: last.to_owned(), n: Some(MAX_PAGE), ended: false }
    }

    /// The next page, which may be empty; `None` after the last. What is no name of a repository is left out.
    ///
    /// # Errors
    /// The registry gives no answer, or one that is no catalogue.
    pub(super) async fn next_page(
        &mut self,
        registry: &Inquirer,
    ) -> Result<Option<Vec<RepositoryName>>, Refusal> {
        if self.ended {
            return Ok(None);
        }
        let page = CatalogPage { n: self.n, last: &self.last };
        let reply = registry.ask(&Permit::to_read_names(page), "application/json").await?;
        // `catalog.maxentries` of the registry may be less than ours.
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

fn no_catalog(registry: &Inquirer, status: StatusCode) -> Refusal {
    let address = registry.upstream.address();
    tracing::warn!(registry = %address, %status, "the registry gives no catalogue; see its own log");
    let message =
        format!("the registry behind this proxy gives no catalogue: it answers {}", status.as_u16());
    Refusal::new(ErrorCode::BadGateway, message)
}
