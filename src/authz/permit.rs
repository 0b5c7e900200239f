//! The permit: the proof that a request was authorised, without which nothing can be forwarded.

use std::{collections::BTreeMap, net::IpAddr};

use super::{
    Authorizers, ByTag, DecidedBy, LeftOut, Question, TokenScopes,
    by_tag::{hidden, tags_of_digest},
};
use crate::{
    backend::Unavailable,
    registry::{Route, Scope, Tag},
};

/// A request that may be forwarded. Only [`authorize`] makes one, so a path that skips the check does not compile.
#[derive(Debug)]
pub struct Permit {
    route: Route,
    /// The source of each grant, one for each need.
    by: Vec<DecidedBy>,
    /// True if the rules grant it for some tags only.
    is_by_tag: bool,
}

impl Permit {
    /// For this module and those beside it, which have asked the policy.
    pub(super) fn new(route: Route, by: Vec<DecidedBy>) -> Self {
        Self { route, by, is_by_tag: false }
    }

    /// The same where the rules grant it for some tags only, and it was settled that these are enough.
    pub(super) fn by_tag(route: Route, by: Vec<DecidedBy>) -> Self {
        Self { is_by_tag: true, ..Self::new(route, by) }
    }

    /// The request that was authorised, and the only one that may be forwarded.
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// Returns the sources of the grants, with rules and their comments, for the log; empty for a request that needs no
    /// access.
    pub fn decided_by(&self) -> String {
        in_full(&self.by)
    }

    /// The sources of the grants, one for each need that is granted.
    pub fn sources(&self) -> &[DecidedBy] {
        &self.by
    }

    /// Returns true if the rules grant the request for some tags only. A deletion may take others along.
    pub fn is_by_tag(&self) -> bool {
        self.is_by_tag
    }
}

pub(super) fn in_full(by: &[DecidedBy]) -> String {
    by.iter().map(DecidedBy::in_full).reduce(|text, by| text + "; " + &by).unwrap_or_default()
}

/// The account and address behind a request, and the ceiling of its token.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The account; empty for the anonymous user.
    pub account: &'a str,
    /// The account's labels.
    pub labels: &'a BTreeMap<String, Vec<String>>,
    /// The state of the labels that its token does not carry.
    pub left_out: &'a LeftOut,
    /// The client's address, where it is known.
    pub ip: Option<IpAddr>,
    /// The service that the rules see.
    pub service: &'a str,
    /// A token's `access`; `None` for a password, which has no ceiling.
    pub ceiling: Option<&'a [Scope]>,
    /// The scopes of the personal token that proved the account, now or when the token was issued.
    pub token_scopes: Option<&'a TokenScopes>,
    /// The time of the request, in seconds since 1970.
    pub now: u64,
}

/// The reason why a request may not be forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// All that the request needs.
    pub needs: Vec<Scope>,
    /// The resource of the access that is missing, with the missing actions only.
    pub missing: Scope,
    /// The cause of the denial.
    pub by: DeniedBy,
}

/// The cause of a denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeniedBy {
    /// The token does not list the access; the policy would allow it. A new token helps.
    Ceiling,
    /// The policy.
    Policy(DecidedBy),
}

/// The reason why there is no permit.
#[derive(Debug)]
pub enum NotPermitted {
    /// It was decided.
    Denied(Denial),
    /// It could not be.
    Unavailable(Unavailable),
    /// The rules grant it for some tags only, and what these reach has to be looked up.
    ByTag(Box<ByTag>),
}

impl DeniedBy {
    /// Returns the cause, with the rule and its comment: for the log, and for a client only where the operator wants
    /// that.
    pub fn in_full(&self) -> String {
        match self {
            Self::Ceiling => "the token does not list it".to_owned(),
            Self::Policy(by) => by.in_full(),
        }
    }
}

impl Denial {
    /// A sentence for the person: the account, the action and the repository, and no more.
    pub fn explain(&self, account: &str) -> String {
        let name = &self.missing.name;
        let what =
            match (self.missing.resource_type.as_str(), self.missing.actions.last().map(String::as_str)) {
                ("repository", Some("push")) => format!("push to repository {name}"),
                ("repository", Some(action)) => format!("{action} from repository {name}"),
                ("registry", _) => "list the catalog of this registry".to_owned(),
                (resource_type, _) => format!("use {resource_type} {name}"),
            };
        match (&self.by, account) {
            (DeniedBy::Ceiling, "") => format!("the anonymous token was not issued to {what}"),
            (DeniedBy::Ceiling, _) => format!("the token of account '{account}' was not issued to {what}"),
            (_, "") => format!("anonymous users may not {what}; log in first"),
            (_, _) => format!("account '{account}' may not {what}"),
        }
    }
}

/// Asks the policy for every access that the route needs, and holds it against the token's ceiling.
///
/// The source of a cross-repository mount alone may be missing, from the policy or from the token. Then the permit is
/// for a plain start of an upload instead, as the specification allows: the client uploads the blob, nothing leaks, and
/// the push does not fail.
///
/// # Errors
/// The first access that is missing, a back end that gives no answer about one, or rules that grant it for some tags
/// only.
pub async fn authorize(
    authorizers: &Authorizers,
    caller: Caller<'_>,
    route: Route,
) -> Result<Permit, NotPermitted> {
    let needs = route.needs();
    let tag = route.tag().cloned();
    let mut granted_by = Vec::with_capacity(needs.len());
    let (mut extent, mut source_limited, mut denied) = (Extent::Whole, false, None);
    let mut plain = None;
    for (position, need) in needs.iter().enumerate() {
        let is_source = position > 0;
        let tag = tag.as_ref().filter(|_| !is_source).map(Tag::as_str);
        let held = hold(authorizers, caller, need, tag).await.map_err(NotPermitted::Unavailable)?;
        match held {
            Held::Granted(by, of) => {
                granted_by.push(by);
                if is_source {
                    source_limited = of == Extent::SomeTags;
                } else {
                    extent = of;
                }
            }
            Held::Missing(missing, by) => match route.without_mount() {
                Some(without) if is_source => plain = Some(without),
                _ => {
                    let denial = Denial { needs: needs.to_vec(), missing, by };
                    let limited = tag.is_some() && hidden(authorizers, caller, &route, need).await?;
                    if !limited {
                        return Err(NotPermitted::Denied(denial));
                    }
                    (extent, denied) = (Extent::SomeTags, Some(denial));
                }
            },
        }
    }
    let route = plain.unwrap_or(route);
    if let Some(denial) = tags_of_digest(authorizers, caller, &route).await? {
        return Err(NotPermitted::Denied(denial));
    }
    if extent == Extent::Whole && !source_limited {
        return Ok(Permit::new(route, granted_by));
    }
    let Some(name) = route.endpoint().repository() else {
        return Ok(Permit::new(route, granted_by));
    };
    let pull = Scope::repository(name.as_str(), &["pull"]);
    let pull_limited = match route.needs().first() {
        // That was the question.
        Some(need) if *need == pull && route.tag().is_none() => extent == Extent::SomeTags,
        _ => {
            let held = hold(authorizers, caller, &pull, None).await.map_err(NotPermitted::Unavailable)?;
            !matches!(held, Held::Granted(_, Extent::Whole))
        }
    };
    let by_tag = ByTag { route, by: granted_by, pull_limited, source_limited, denied };
    if by_tag.needs_no_look() { Ok(by_tag.settled()) } else { Err(NotPermitted::ByTag(Box::new(by_tag))) }
}

/// The state of one need of a request.
pub(super) enum Held {
    Granted(DecidedBy, Extent),
    /// The missing actions of it.
    Missing(Scope, DeniedBy),
}

/// The tags that a grant is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All: no rule that looks at tags takes part, or the grant is the same for each.
    Whole,
    /// The one that was asked about, where a rule that looks at tags takes part.
    Tag,
    /// Some, which is not known.
    SomeTags,
}

/// Decides whether `need` is granted, for `tag` where it is known: by the policy, then by the ceiling.
pub(super) async fn hold(
    authorizers: &Authorizers,
    caller: Caller<'_>,
    need: &Scope,
    tag: Option<&str>,
) -> Result<Held, Unavailable> {
    let question = Question {
        account: caller.account,
        labels: caller.labels,
        ip: caller.ip,
        service: caller.service,
        resource_type: &need.resource_type,
        name: &need.name,
        tag,
        actions: &need.actions,
        token_scopes: caller.token_scopes,
        now: caller.now,
    };
    let ruling = authorizers.decide_without(caller.left_out, &question).await?;
    let without = |allowed: &dyn Fn(&String) -> bool| {
        let actions: Vec<String> = need.actions.iter().filter(|action| !allowed(action)).cloned().collect();
        (!actions.is_empty()).then(|| Scope { actions, ..need.clone() })
    };
    let is_granted = |action: &String| ruling.actions.contains(action) || ruling.some_tags.contains(action);
    if let Some(missing) = without(&is_granted) {
        return Ok(Held::Missing(missing, DeniedBy::Policy(ruling.by)));
    }
    let missing = caller
        .ceiling
        .and_then(|ceiling| without(&|action| ceiling.iter().any(|granted| granted.grants(need, action))));
    if let Some(missing) = missing {
        return Ok(Held::Missing(missing, DeniedBy::Ceiling));
    }
    let extent = match (ruling.some_tags.is_empty(), &ruling.tag_rule) {
        (false, _) => Extent::SomeTags,
        (true, Some(_)) if tag.is_some() => Extent::Tag,
        (true, _) => Extent::Whole,
    };
    let by = match (extent, ruling.tag_rule) {
        (Extent::SomeTags, Some(rule)) => DecidedBy::SomeTags(rule),
        _ => ruling.by,
    };
    Ok(Held::Granted(by, extent))
}
