//! “My access”: what the visitor may do, and by which rule.

use std::time::{Duration, UNIX_EPOCH};

use super::{
    answer::Answer,
    page_error::PageError,
    pagination::part,
    repositories::VisibleRepositories,
    visit::{Request, Visit},
};
use crate::{
    authz::Question,
    proxy::response::upstream_error::undecided,
    registry::RepositoryName,
    ui::{Access, Right, RightsOn, views},
};

/// The number of repositories on a page.
const ON_A_PAGE: usize = 50;

/// The page: for a repository that is asked about, and for those that can be seen.
pub(super) async fn show(request: &Request<'_>, visit: &Visit) -> Result<Answer, PageError> {
    let asked = request.parameter("name").trim().to_owned();
    let answer = match RepositoryName::parse(&asked) {
        Some(name) => Some(rights_on(request, visit, name.as_str()).await?),
        None => None,
    };
    let seen = VisibleRepositories::of(request, visit).await?;
    let page = part(seen.names.len(), ON_A_PAGE, request.page_number());
    let mut repositories = Vec::new();
    for name in seen.names.iter().skip(page.first).take(ON_A_PAGE) {
        repositories.push((name.as_str(), rights_on(request, visit, name.as_str()).await?));
    }
    let identity = visit.caller.identity();
    let shown = Access {
        labels: &identity.labels,
        source: identity.source.section(),
        address: request.address,
        catalog: right(request, visit, "registry", "catalog", &["*"]).await?,
        asked: &asked,
        answer,
        repositories,
        page,
    };
    Ok(Answer::page(views::access(&request.frame(), &shown)))
}

async fn rights_on(request: &Request<'_>, visit: &Visit, name: &str) -> Result<RightsOn, PageError> {
    let on = |actions: &'static [&'static str]| right(request, visit, "repository", name, actions);
    // A push asks for both at once, and a rule for one of them would end the search.
    Ok(RightsOn {
        pull: on(&["pull"]).await?,
        push: on(&["pull", "push"]).await?,
        delete: on(&["delete"]).await?,
    })
}

/// Asks the rules as a request would. The operator's comment is shown where denials are explained too
/// (`log.explain_denials`).
async fn right(
    request: &Request<'_>,
    visit: &Visit,
    resource_type: &str,
    name: &str,
    actions: &[&str],
) -> Result<Right, PageError> {
    let settings = &request.context.snapshot.settings;
    let caller = visit.caller.as_authz(&settings.service);
    let actions: Vec<String> = actions.iter().map(|action| (*action).to_owned()).collect();
    let question = Question {
        account: caller.account,
        labels: caller.labels,
        ip: caller.ip,
        service: caller.service,
        resource_type,
        name,
        actions: &actions,
        now: caller.now,
    };
    let ruling = request.context.snapshot.authorizers.decide_without(caller.left_out, &question).await;
    let ruling = ruling.map_err(|error| undecided(&error))?;
    let allowed = actions.iter().all(|action| ruling.actions.contains(action));
    let by = if settings.explain_denials { ruling.by.in_full() } else { ruling.by.to_string() };
    let until = ruling.by.until().and_then(|end| UNIX_EPOCH.checked_add(Duration::from_secs(end)));
    Ok(Right { allowed, by, until })
}
