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
    authz::{DecidedBy, Question},
    proxy::response::upstream_error::undecided,
    registry::{RepositoryName, Tag},
    ui::{Access, Right, RightsOn, views},
};

/// The number of repositories on a page.
const ON_A_PAGE: usize = 50;

/// The page: for a repository that is asked about, and for those that can be seen.
pub(super) async fn show(request: &Request<'_>, visit: &Visit) -> Result<Answer, PageError> {
    let asked = request.parameter("name").trim().to_owned();
    let answer = match repository_and_tag(&asked) {
        Some((name, tag)) => Some(rights_on(request, visit, (name, tag)).await?),
        None => None,
    };
    let seen = VisibleRepositories::of(request, visit).await?;
    let page = part(seen.names.len(), ON_A_PAGE, request.page_number());
    let mut repositories = Vec::new();
    for name in seen.names.iter().skip(page.first).take(ON_A_PAGE) {
        repositories.push((name.as_str(), rights_on(request, visit, (name.as_str(), None)).await?));
    }
    let identity = visit.caller.identity();
    let shown = Access {
        labels: &identity.labels,
        source: identity.source.section(),
        address: request.address,
        catalog: right(request, visit, ("registry", "catalog", None), &["*"]).await?,
        asked: &asked,
        answer,
        repositories,
        page,
    };
    Ok(Answer::page(views::access(&request.frame(), &shown)))
}

/// `team/app`, or `team/app:1.0`.
fn repository_and_tag(asked: &str) -> Option<(&str, Option<&str>)> {
    if RepositoryName::parse(asked).is_some() {
        return Some((asked, None));
    }
    let (name, tag) = asked.rsplit_once(':')?;
    (RepositoryName::parse(name).is_some() && Tag::parse(tag).is_some()).then_some((name, Some(tag)))
}

async fn rights_on(
    request: &Request<'_>,
    visit: &Visit,
    (name, tag): (&str, Option<&str>),
) -> Result<RightsOn, PageError> {
    let on = |actions: &'static [&'static str]| right(request, visit, ("repository", name, tag), actions);
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
    (resource_type, name, tag): (&str, &str, Option<&str>),
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
        tag,
        actions: &actions,
        token_scopes: caller.token_scopes,
        now: caller.now,
    };
    let ruling = request.context.snapshot.authorizers.decide_without(caller.left_out, &question).await;
    let ruling = ruling.map_err(|error| undecided(&error))?;
    let allowed = actions.iter().all(|action| ruling.actions.contains(action));
    let possible = |action| ruling.actions.contains(action) || ruling.some_tags.contains(action);
    let for_some_tags = !allowed && actions.iter().all(possible);
    let rule = ruling.tag_rule.filter(|_| for_some_tags).map_or(ruling.by, DecidedBy::Rule);
    let by = if settings.explain_denials { rule.in_full() } else { rule.to_string() };
    let until = rule.until().and_then(|end| UNIX_EPOCH.checked_add(Duration::from_secs(end)));
    Ok(Right { allowed, for_some_tags, by, until })
}
