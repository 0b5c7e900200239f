//! The web pages: the visitor, the part it may see, and the registry's answers. The look of the pages is in
//! [`crate::ui`].
//!
//! Every fact about the registry on a page was asked for with a permit, as the visitor's own client would have been
//! given it: see [`reader`]. A page is only ever the visitor's, so no cache keeps any of it.

mod access;
mod activity;
mod answer;
mod attachments;
mod compare;
mod compression;
mod deletion;
mod device;
mod documents;
mod event_log;
mod events;
mod image;
mod known_referrers;
mod known_tags;
mod known_usage;
mod object_store;
mod outage;
mod page_error;
mod pagination;
mod preferences;
mod provider;
mod reader;
mod repositories;
mod repository;
mod same_image;
mod search;
mod shadow;
mod sign_in;
mod signers;
mod summaries;
mod tag_deletion;
mod tag_order;
mod tags_deletion;
mod tokens;
mod visit;

use std::sync::Arc;

use hyper::{Method, header};
use tokio::sync::Semaphore;

use super::{forward::repository_names::KnownNames, upstream::RETRY_AFTER};
use crate::{
    limits::FairSemaphore,
    registry::{ErrorCode, Refusal, RepositoryName},
    ui::PagePath,
};
pub(super) use answer::Answer;
use compression::Compression;
pub(super) use known_tags::KnownTags;
use known_usage::KnownUsage;
use object_store::ObjectStores;
use outage::Outage;
use page_error::{PageError, PageResult};
use summaries::Summaries;
pub(super) use visit::{Request, Visit};

/// State of the pages between requests, and across reloads.
#[derive(Debug)]
pub(super) struct Pages {
    names: Arc<KnownNames>,
    tags: Arc<KnownTags>,
    summaries: Arc<Summaries>,
    object_stores: Arc<ObjectStores>,
    outage: Outage,
    usage: KnownUsage,
    /// Each reads many megabytes of the audit log.
    log_readings: Arc<Semaphore>,
    slots: FairSemaphore,
}

/// Pages that are made or go out at once. One may be some megabytes, depending on pushed content, and has a line for
/// each of a hundred thousand names asked about.
const AT_ONCE: usize = 64;

impl Default for Pages {
    fn default() -> Self {
        Self {
            names: Arc::default(),
            tags: Arc::default(),
            summaries: Arc::default(),
            object_stores: Arc::default(),
            outage: Outage::default(),
            usage: KnownUsage::default(),
            log_readings: Arc::new(Semaphore::new(event_log::AT_ONCE)),
            slots: FairSemaphore::new(AT_ONCE, "web pages"),
        }
    }
}

impl Pages {
    /// The names of the registry, which the catalogue shows as well.
    pub(super) fn names(&self) -> &Arc<KnownNames> {
        &self.names
    }

    /// Returns the number of pages that were not made because their address had its share.
    pub(super) fn refused(&self) -> u64 {
        self.slots.refused()
    }

    /// The tags that the list of repositories remembers.
    pub(super) fn tags(&self) -> &Arc<KnownTags> {
        &self.tags
    }

    /// Records a push to that repository: it exists.
    pub(super) fn pushed(&self, name: &RepositoryName) {
        self.names.pushed(name);
        self.tags.forget(name);
    }

    /// The registry is another one.
    pub(super) fn forget_registry(&self) {
        self.names.forget();
        self.tags.forget_all();
        self.outage.forget();
        self.usage.forget_all();
    }
}

/// Answers a request for a page. Whatever goes wrong is a page too.
pub(super) async fn answer(page: Option<PagePath>, mut request: Request<'_>) -> Answer {
    let Some(page) = page else {
        if let Some(target) = without_slash(&request) {
            return Answer::redirect_for_ever(&target);
        }
        // Only for the head of the page: it does not exist for any visitor. No password is checked for that, since no
        // line of the audit log would show it.
        if !request.context.head.headers.contains_key(header::AUTHORIZATION) {
            let _ = Visit::of(&mut request, &PagePath::Repositories).await;
        }
        return PageError::NoPage.page(&mut request);
    };
    request.log.on_page(page.kind());
    let allowed = methods(&page);
    let compression = Compression::of(&page, &request);
    let answered = match (&page, request.method()) {
        (_, method) if !allowed.contains(&method.as_str()) => Err(PageError::Method(allowed)),
        (PagePath::SignIn, &Method::POST) => sign_in::sign_in(&mut request).await,
        (PagePath::SignIn, _) => sign_in::show(&request),
        (PagePath::Preferences, _) => preferences::choose(&mut request).await,
        (PagePath::Provider(section), _) => provider::answer(&mut request, section).await,
        (PagePath::Favicon, _) => Ok(Answer::redirect_for_ever(&request.path_of_icon())),
        (PagePath::Robots, _) => Ok(Answer::robots()),
        (PagePath::Asset(asset), _) => Ok(Answer::asset(asset)),
        _ => visited_in_turn(page, &mut request).await,
    };
    let mut answer = answered.unwrap_or_else(|error| error.page(&mut request));
    compression.apply(&mut answer);
    answer
}

/// The address of a page that was asked for with a slash at its end, as people type it.
fn without_slash(request: &Request<'_>) -> Option<String> {
    let path = request
        .context
        .head
        .uri
        .path()
        .strip_prefix(request.context.snapshot.settings.path_prefix.as_str())?;
    let page = PagePath::parse(path.strip_suffix('/')?).filter(PagePath::is_page)?;
    if matches!(page, PagePath::Provider(_)) {
        // A browser keeps this redirect for a day, and there may be a code in the address.
        return None;
    }
    let query = request.context.head.uri.query().map_or_else(String::new, |query| format!("?{query}"));
    Some(format!("{}{query}", request.href(&page)))
}

/// Holds a slot of the visitor's address, which is kept until the page has gone out.
async fn visited_in_turn(page: PagePath, request: &mut Request<'_>) -> PageResult {
    let slot = request.pages.slots.take(request.address).await.map_err(|_| {
        Refusal::new(ErrorCode::Unavailable, "too many pages are being made; try again later")
            .retry_after(RETRY_AFTER)
    })?;
    let mut answer = visited(page, request).await.unwrap_or_else(|error| error.page(request));
    answer.response.body_mut().keep(slot);
    Ok(answer)
}

async fn visited(page: PagePath, request: &mut Request<'_>) -> PageResult {
    let visit = match Visit::of(request, &page).await? {
        Ok(visit) => visit,
        Err(elsewhere) => return Ok(elsewhere),
    };
    if matches!(page, PagePath::Repositories | PagePath::Access) {
        request.registry_is_down = request.is_registry_down(&visit).await;
    }
    match (page, request.method().clone()) {
        (PagePath::SignOut, Method::POST) => sign_in::sign_out(request, &visit).await,
        (PagePath::Delete(name, digest), Method::POST) => {
            deletion::delete(request, &visit, &name, &digest).await
        }
        (PagePath::DeleteTag(name, tag), Method::POST) => {
            tag_deletion::delete(request, &visit, &name, &tag).await
        }
        (PagePath::DeleteTags(name), Method::POST) => tags_deletion::delete(request, &visit, &name).await,
        (PagePath::Tokens, Method::POST) => tokens::change(request, &visit).await,
        (PagePath::Tokens, _) => tokens::show(request, &visit).await,
        (PagePath::Device, Method::POST) => device::decide(request, &visit).await,
        (PagePath::Device, _) => device::show(request, &visit).await,
        (PagePath::Repositories, _) => repositories::show(request, &visit).await,
        (PagePath::Repository(name), _) => repository::show(request, &visit, &name).await,
        (PagePath::Image(name, reference), _) => image::show(request, &visit, &name, &reference).await,
        (PagePath::Compare(name), _) => compare::show(request, &visit, &name).await,
        (PagePath::Delete(name, digest), _) => deletion::ask(request, &visit, &name, &digest).await,
        (PagePath::DeleteTag(name, tag), _) => tag_deletion::ask(request, &visit, &name, &tag).await,
        (PagePath::DeleteTags(name), _) => tags_deletion::ask(request, &visit, &name).await,
        (PagePath::Access, _) => access::show(request, &visit).await,
        (PagePath::Events, _) => events::show(request, &visit).await,
        (PagePath::Shadow, _) => shadow::show(request, &visit).await,
        // These were answered before.
        (
            PagePath::SignOut
            | PagePath::SignIn
            | PagePath::Preferences
            | PagePath::Provider(_)
            | PagePath::Favicon
            | PagePath::Robots
            | PagePath::Asset(_),
            _,
        ) => Err(PageError::NoPage),
    }
}

/// The methods that a page takes.
fn methods(page: &PagePath) -> &'static [&'static str] {
    match page {
        PagePath::SignOut | PagePath::Preferences => &["POST"],
        PagePath::Provider(_) => &["GET"],
        PagePath::SignIn
        | PagePath::Tokens
        | PagePath::Device
        | PagePath::Delete(..)
        | PagePath::DeleteTag(..)
        | PagePath::DeleteTags(_) => &["GET", "HEAD", "POST"],
        _ => &["GET", "HEAD"],
    }
}
