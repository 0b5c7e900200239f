//! “My access”: what the visitor may do, and by which rule.

use std::time::{Duration, UNIX_EPOCH};

use super::{
    answer::Answer,
    page_error::{PageError, PageResult},
    pagination::part,
    repositories::VisibleRepositories,
    visit::{Request, Visit},
};
use crate::{
    authn::Labels,
    authz::{self, DecidedBy, LeftOut, Policy, Question, Rule, RuleName, TagLock},
    proxy::{response::upstream_error::undecided, snapshot::unix_now},
    registry::{RepositoryName, Tag},
    ui::{Access, Basis, OtherAccount, Page, Right, RightOn, RightsOn, RuleCount, RuleMatch, views},
};

/// The number of repositories on a page.
const ON_A_PAGE: usize = 50;
/// The repositories of which the rights are counted.
const SURVEYED: usize = 2_000;
/// Repositories that the rules are asked about in one go.
const AT_A_TIME: usize = 250;

/// The page: for a repository that is asked about, and for those that can be seen.
pub(super) async fn show(request: &Request<'_>, visit: &Visit) -> PageResult {
    let asked = request.parameter("name").trim().to_owned();
    let sees_others = request.sees_others(visit).await?;
    let account = if sees_others { request.parameter("account").trim().to_owned() } else { String::new() };
    let known = request.context.snapshot.authenticators.users.identity(&account);
    let labels = known.as_ref().map(|identity| Labels::clone(&identity.labels)).unwrap_or_default();
    let (service, left_out) = (&request.context.snapshot.settings.service, LeftOut::new());
    let other = Asked::other(service, &account, &labels, &left_out);
    let answer = match repository_and_tag(&asked) {
        Some(on) if account.is_empty() => Some(rights_on(request, visit, on).await?),
        Some(on) => Some(rights_of(request, other, on).await?),
        None => None,
    };
    let seen = VisibleRepositories::of(request, visit).await?;
    let surveyed = survey(request, visit, &seen.names).await?;
    let only = RightOn::named(&request.parameter("right")).filter(|_| !surveyed.is_empty());
    let (page, repositories) = listed(request, visit, &seen.names, &surveyed, only).await?;
    let identity = visit.caller.identity();
    let shown = Access {
        labels: &identity.labels,
        source: identity.source.section(),
        address: request.address,
        catalog: right(request, Asked::of(request, visit), ("registry", "catalog", None), &["*"]).await?,
        asked: &asked,
        other: sees_others.then_some(OtherAccount { name: &account, has_known_labels: known.is_some() }),
        is_write_once: is_write_once(request, other_or(&account, visit), &asked),
        answer,
        by_rule: by_rule(&surveyed),
        surveyed: surveyed.len(),
        only,
        repositories,
        page,
    };
    Ok(Answer::page(views::access(&request.frame(), &shown)))
}

/// The part of the list that is asked for: of all repositories, or of those with a right.
async fn listed<'n>(
    request: &Request<'_>,
    visit: &Visit,
    names: &'n [RepositoryName],
    surveyed: &[(&'n str, RightsOn)],
    only: Option<RightOn>,
) -> PageResult<(Page, Vec<(&'n str, RightsOn)>)> {
    if let Some(only) = only {
        let wanted: Vec<_> = surveyed.iter().filter(|(_, rights)| rights.of(only).is_any()).collect();
        let page = part(wanted.len(), ON_A_PAGE, request.page_number());
        return Ok((page, wanted.into_iter().skip(page.first).take(ON_A_PAGE).cloned().collect()));
    }
    let page = part(names.len(), ON_A_PAGE, request.page_number());
    let mut repositories = Vec::new();
    for name in names.iter().skip(page.first).take(ON_A_PAGE) {
        repositories.push((name.as_str(), rights_on(request, visit, (name.as_str(), None)).await?));
    }
    Ok((page, repositories))
}

/// The rights on the first repositories; on none where a back end decides, which would be asked about each.
async fn survey<'n>(
    request: &Request<'_>,
    visit: &Visit,
    names: &'n [RepositoryName],
) -> PageResult<Vec<(&'n str, RightsOn)>> {
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

/// The account that is asked about.
fn other_or<'a>(other: &'a str, visit: &'a Visit) -> &'a str {
    if other.is_empty() { visit.caller.account() } else { other }
}

/// Returns true if the name has a tag that is write-once for the account.
fn is_write_once(request: &Request<'_>, account: &str, asked: &str) -> bool {
    let Some((name, Some(tag))) = repository_and_tag(asked) else { return false };
    let (name, tag) = (RepositoryName::parse(name), Tag::parse(tag));
    let rules = &request.context.snapshot.write_once;
    name.zip(tag).is_some_and(|(name, tag)| matches!(rules.lock(&name, &tag, account), TagLock::WriteOnce(_)))
}

/// The account whose rights are asked for.
#[derive(Clone, Copy)]
struct Asked<'a> {
    caller: authz::Caller<'a>,
    /// True if the operator's comments are shown.
    explains: bool,
}

impl<'a> Asked<'a> {
    /// The visitor: comments are shown where denials are explained too (`log.explain_denials`).
    fn of(request: &'a Request<'_>, visit: &'a Visit) -> Self {
        let settings = &request.context.snapshot.settings;
        Self { caller: visit.caller.as_authz(&settings.service), explains: settings.explain_denials }
    }

    /// Another account, without an address, for a visitor to whom the audit log shows comments the same.
    fn other(service: &'a str, account: &'a str, labels: &'a Labels, left_out: &'a LeftOut) -> Self {
        let (ip, ceiling, token_scopes, now) = (None, None, None, unix_now());
        let caller = authz::Caller { account, labels, left_out, ip, service, ceiling, token_scopes, now };
        Self { caller, explains: true }
    }
}

async fn rights_on(request: &Request<'_>, visit: &Visit, on: (&str, Option<&str>)) -> PageResult<RightsOn> {
    rights_of(request, Asked::of(request, visit), on).await
}

async fn rights_of(
    request: &Request<'_>,
    asked: Asked<'_>,
    (name, tag): (&str, Option<&str>),
) -> PageResult<RightsOn> {
    let on = async |actions: &'static [&'static str]| {
        let mut on_tag = right(request, asked, ("repository", name, tag), actions).await?;
        if tag.is_some() && !on_tag.allowed {
            let on_any = right(request, asked, ("repository", name, None), actions).await?;
            on_tag.other_tags = on_any.for_some_tags.then_some(on_any.by);
        }
        Ok::<_, PageError>(on_tag)
    };
    // A push asks for both at once, and a rule for one of them would end the search.
    Ok(RightsOn {
        pull: on(&["pull"]).await?,
        push: on(&["pull", "push"]).await?,
        delete: on(&["delete"]).await?,
    })
}

/// Asks the rules as a request would.
async fn right(
    request: &Request<'_>,
    Asked { caller, explains }: Asked<'_>,
    (resource_type, name, tag): (&str, &str, Option<&str>),
    actions: &[&str],
) -> PageResult<Right> {
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
    let authorizers = &request.context.snapshot.authorizers;
    let ruling = authorizers.decide_without(caller.left_out, &question).await;
    let ruling = ruling.map_err(|error| undecided(&error))?;
    let allowed = actions.iter().all(|action| ruling.actions.contains(action));
    let possible = |action| ruling.actions.contains(action) || ruling.some_tags.contains(action);
    let for_some_tags = !allowed && actions.iter().all(possible);
    let rule = if for_some_tags { authorizers.granting_some_tags(&question, &ruling) } else { None };
    let rule = rule.map_or(ruling.by, DecidedBy::SomeTags);
    let until = rule.until().and_then(|end| UNIX_EPOCH.checked_add(Duration::from_secs(end)));
    let by = basis(&authorizers.acl, &rule, explains);
    Ok(Right { allowed, for_some_tags, by, other_tags: None, until })
}

/// The source of a decision, with the operator's comment if it is to be shown.
fn basis(acl: &Policy, by: &DecidedBy, explains: bool) -> Basis {
    // Of a rule that denies, the patterns are the operator's own words.
    let is_shown = |rule: &&Rule| explains || !rule.grants_nothing();
    let tags = |index| acl.rule(index).filter(is_shown)?.written_tags().map(ToString::to_string);
    let rule = |rule: &RuleName, how| Basis::Rule {
        number: rule.index + 1,
        line: rule.line,
        how,
        tags: tags(rule.index),
        comment: rule.comment.as_deref().filter(|_| explains).map(str::to_owned),
    };
    match by {
        DecidedBy::NoRule => Basis::NoRule,
        DecidedBy::Rule(name) if is_in_file(name) => rule(name, RuleMatch::Matches),
        DecidedBy::Unclear(name) if is_in_file(name) => rule(name, RuleMatch::Unclear),
        DecidedBy::SomeTags(name) if is_in_file(name) => rule(name, RuleMatch::SomeTags),
        other if explains => Basis::Other(other.in_full()),
        other => Basis::Other(other.to_string()),
    }
}

fn is_in_file(rule: &RuleName) -> bool {
    rule.section == "acl" && rule.line > 0
}
