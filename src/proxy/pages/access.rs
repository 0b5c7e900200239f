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
    ui::{Access, Right, RightOn, RightsOn, RuleCount, views},
};

/// The number of repositories on a page.
const ON_A_PAGE: usize = 50;
/// The repositories of which the rights are counted.
const SURVEYED: usize = 2_000;
/// Repositories that the rules are asked about in one go.
const AT_A_TIME: usize = 250;

/// The page: for a repository that is asked about, and for those that can be seen.
pub(super) async fn show(request: &Request<'_>, visit: &Visit) -> Result<Answer, PageError> {
    let asked = request.parameter("name").trim().to_owned();
    let answer = match repository_and_tag(&asked) {
        Some((name, tag)) => Some(rights_on(request, visit, (name, tag)).await?),
        None => None,
    };
    let seen = VisibleRepositories::of(request, visit).await?;
    let surveyed = survey(request, visit, &seen.names).await?;
    let only = RightOn::named(&request.parameter("right")).filter(|_| !surveyed.is_empty());
    let mut repositories = Vec::new();
    let page = match only {
        Some(only) => {
            let wanted: Vec<_> = surveyed.iter().filter(|(_, rights)| rights.of(only).is_any()).collect();
            let page = part(wanted.len(), ON_A_PAGE, request.page_number());
            repositories.extend(wanted.into_iter().skip(page.first).take(ON_A_PAGE).cloned());
            page
        }
        None => {
            let page = part(seen.names.len(), ON_A_PAGE, request.page_number());
            for name in seen.names.iter().skip(page.first).take(ON_A_PAGE) {
                repositories.push((name.as_str(), rights_on(request, visit, (name.as_str(), None)).await?));
            }
            page
        }
    };
    let identity = visit.caller.identity();
    let shown = Access {
        labels: &identity.labels,
        source: identity.source.section(),
        address: request.address,
        catalog: right(request, visit, ("registry", "catalog", None), &["*"]).await?,
        asked: &asked,
        is_write_once: is_write_once(request, visit, &asked),
        answer,
        by_rule: by_rule(&surveyed),
        surveyed: surveyed.len(),
        only,
        repositories,
        page,
    };
    Ok(Answer::page(views::access(&request.frame(), &shown)))
}

/// The rights on the first repositories; on none where a back end decides, which would be asked about each.
async fn survey<'n>(
    request: &Request<'_>,
    visit: &Visit,
    names: &'n [RepositoryName],
) -> Result<Vec<(&'n str, RightsOn)>, PageError> {
    let mut rights = Vec::new();
    if request.context.snapshot.authorizers.has_back_ends() {
        return Ok(rights);
    }
    for (n, name) in names.iter().take(SURVEYED).enumerate() {
        // The rules are asked without waiting for anything: others on that thread would wait for all.
        if n % AT_A_TIME == AT_A_TIME - 1 {
            tokio::task::yield_now().await;
        }
        rights.push((name.as_str(), rights_on(request, visit, (name.as_str(), None)).await?));
    }
    Ok(rights)
}

/// The number of repositories that each rule grants a right to, in the order of their first one.
fn by_rule(surveyed: &[(&str, RightsOn)]) -> Vec<RuleCount> {
    let mut counts: Vec<RuleCount> = Vec::new();
    for (_, rights) in surveyed {
        for which in RightOn::ALL {
            let right = rights.of(which);
            if !right.is_any() {
                continue;
            }
            let at = counts.iter().position(|count| count.by == right.by).unwrap_or_else(|| {
                counts.push(RuleCount { by: right.by.clone(), counts: [0; 3] });
                counts.len() - 1
            });
            if let Some(count) = counts.get_mut(at).and_then(|count| count.counts.get_mut(which as usize)) {
                *count += 1;
            }
        }
    }
    counts
}

/// `team/app`, or `team/app:1.0`.
fn repository_and_tag(asked: &str) -> Option<(&str, Option<&str>)> {
    if RepositoryName::parse(asked).is_some() {
        return Some((asked, None));
    }
    let (name, tag) = asked.rsplit_once(':')?;
    (RepositoryName::parse(name).is_some() && Tag::parse(tag).is_some()).then_some((name, Some(tag)))
}

/// Returns true if the name has a tag that is write-once for the visitor.
fn is_write_once(request: &Request<'_>, visit: &Visit, asked: &str) -> bool {
    let Some((name, Some(tag))) = repository_and_tag(asked) else { return false };
    let (name, tag) = (RepositoryName::parse(name), Tag::parse(tag));
    let reader = request.reader(visit);
    name.zip(tag).is_some_and(|(name, tag)| reader.is_write_once(&name, &tag))
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
