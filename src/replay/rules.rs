//! The rules that recorded requests are put to: those of a configuration, without its back ends, which are never asked.

use std::{borrow::Cow, collections::BTreeMap};

use super::{
    accounts::{Accounts, Known},
    line::AuditLine,
    request::Aspects,
};
use crate::{
    authn::Labels,
    authz::{
        self, AuthorizationBackendSettings, Authorizers, Caller, CeilingSettings, Ceilings, DecidedBy,
        DeniedBy, LeftOut, NotPermitted, Permit, Policy, Question, RuleSettings, Ruling, at_once,
    },
    registry::{Route, Scope},
};

/// The parts of a configuration that decide.
pub struct RulesSettings<'a> {
    /// `acl`.
    pub acl: &'a [RuleSettings],
    /// `scopes` and `ip` of `robots`.
    pub ceilings: &'a [CeilingSettings],
    /// The accounts.
    pub accounts: Accounts,
    /// `registry.service`.
    pub service: String,
    /// True with `acl_xorm` or `ext_authz`.
    pub has_backend: bool,
}

/// Rules, and the accounts that they are about.
#[derive(Debug)]
pub struct Rules {
    authorizers: Authorizers,
    accounts: Accounts,
    service: String,
    has_backend: bool,
    pub(super) aspects: Aspects,
    pub(super) looks_at_labels: bool,
    looks_at_service: bool,
    /// Each `from` and `until`, in order.
    bounds: Vec<u64>,
}

/// The reason why it cannot be decided from the log what would become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Undecided {
    /// The rules look at labels, and the log has none for this account.
    Labels,
    /// The rules grant it for some tags only: what these reach is known to the registry alone.
    Tags,
    /// `acl_xorm` or `ext_authz` would be asked.
    Backend,
    /// A field was cut short in the log.
    Truncated,
    /// Requests without an account that were summed up.
    SummedUp,
    /// The rules look at the service, which a token request chooses and its line does not have.
    Service,
    /// The account is no longer where it was, and a back end may know its name.
    Account,
    /// A robot may come from an address now that was outside its `ip`.
    Address,
    /// The log does not tell whether the source of a mount was granted.
    Mount,
    /// It was answered with 404, for its tags or because nothing was there.
    NotFound,
}

/// An account with its labels, as the rules see it.
pub(super) enum Asker<'a> {
    Here(Cow<'a, Labels>),
    /// It has these labels, and other credentials than in the record.
    Renewed(Cow<'a, Labels>, &'static str),
    /// A back end may know its name, with any labels.
    Perhaps(&'static str),
    Gone(&'static str),
    Undecided(Undecided),
    /// No Portwarden writes such an account.
    Foreign,
}

impl Undecided {
    /// The reason, as a clause behind a number of requests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Labels => {
                "the rules look at labels, and the log has none for the account (audit.labels: true)"
            }
            Self::Tags => "the rules grant some tags only, and what these reach is known to the registry",
            Self::Backend => "acl_xorm or ext_authz would decide",
            Self::Truncated => "a field was cut short in the log",
            Self::SummedUp => "requests without an account that the log sums up",
            Self::Service => {
                "the rules look at the service, which the line of the token request does not have"
            }
            Self::Account => "the account is no longer in its section, and a back end may know its name",
            Self::Address => "a robot was refused for its address, from which it may come now",
            Self::Mount => "the log does not say whether the source of the mount was granted",
            Self::NotFound => "it was answered with 404, for its tags or because nothing was there",
        }
    }

    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Labels => "labels",
            Self::Tags => "tags",
            Self::Backend => "backend",
            Self::Truncated => "truncated",
            Self::SummedUp => "summed_up",
            Self::Service => "service",
            Self::Account => "account",
            Self::Address => "address",
            Self::Mount => "mount",
            Self::NotFound => "not_found",
        }
    }
}

impl Rules {
    /// Compiles them.
    ///
    /// # Errors
    /// All that is wrong with the rules and the ceilings.
    pub fn new(settings: RulesSettings<'_>) -> Result<Self, Vec<String>> {
        let RulesSettings { acl, ceilings, accounts, service, has_backend } = settings;
        let policy = Policy::compile(acl).map_err(|errors| texts(&errors))?;
        let bounds_of = Ceilings::compile(ceilings).map_err(|errors| texts(&errors))?;
        let authorizers = Authorizers::new(policy, bounds_of, AuthorizationBackendSettings::default(), None);
        let of_robots = ceilings.iter().flat_map(|ceiling| ceiling.ip.iter().flatten());
        let blocks = acl.iter().filter_map(|rule| rule.ip.as_ref()).chain(of_robots);
        let mut blocks: Vec<&String> = blocks.collect();
        blocks.sort_unstable();
        blocks.dedup();
        // All were read before, by the rules and the ceilings.
        let blocks = blocks.into_iter().filter_map(|block| block.parse().ok()).collect();
        let mut bounds: Vec<u64> =
            acl.iter().flat_map(|rule| [rule.validity.from, rule.validity.until]).flatten().collect();
        bounds.sort_unstable();
        bounds.dedup();
        Ok(Self {
            aspects: Aspects { blocks, tags: authorizers.looks_at_tags() },
            looks_at_labels: acl.iter().any(|rule| !rule.labels.is_empty() || has(rule, "${labels:")),
            looks_at_service: acl.iter().any(|rule| rule.service.is_some() || has(rule, "${service")),
            authorizers,
            accounts,
            service,
            has_backend,
            bounds,
        })
    }

    /// The times at which decisions may change, behind `after` up to `until`.
    pub(super) fn bounds_between(&self, after: u64, until: u64) -> impl Iterator<Item = u64> {
        self.bounds.iter().copied().filter(move |bound| *bound > after && *bound <= until)
    }

    /// The number of times up to `now` at which decisions may have changed.
    pub(super) fn period(&self, now: u64) -> usize {
        self.bounds.partition_point(|bound| *bound <= now)
    }

    /// The number of rules of `acl`.
    pub(super) fn len(&self) -> usize {
        self.authorizers.acl.len()
    }

    /// Returns true if clients without credentials have an account.
    pub(super) fn has_anonymous(&self) -> bool {
        self.accounts.users.contains_key("")
    }

    /// Returns true if the account of a line is a robot that may come from its address; for a line without an account,
    /// if any robot may.
    pub(super) fn admits_robot(&self, line: &AuditLine<'_>) -> bool {
        let mut robots = self.accounts.robots.keys();
        robots.any(|name| {
            [name, ""].contains(&line.account()) && self.authorizers.ceilings.admits(name, line.address)
        })
    }

    /// The account of a line.
    pub(super) fn asker(&self, line: &AuditLine<'_>) -> Asker<'_> {
        match self.accounts.find(line.account(), line.source(), line.robot_token()) {
            None => Asker::Foreign,
            Some(Known::Gone(why)) => Asker::Gone(why),
            Some(Known::Perhaps(why)) => Asker::Perhaps(why),
            Some(Known::Renewed(labels, why)) => Asker::Renewed(Cow::Borrowed(labels), why),
            Some(Known::Here(labels)) => Asker::Here(Cow::Borrowed(labels)),
            Some(Known::Elsewhere) => match line.read_labels() {
                Some(labels) => Asker::Here(Cow::Owned(labels)),
                None if line.labels.is_some() => Asker::Foreign,
                None if self.looks_at_labels => Asker::Undecided(Undecided::Labels),
                None => Asker::Here(Cow::Owned(BTreeMap::new())),
            },
        }
    }

    /// Decides a request, as the proxy would without back ends.
    #[allow(
        clippy::result_large_err,
        reason = "as authorize returns it; it is looked at and dropped at once"
    )]
    pub(super) fn decide(
        &self,
        line: &AuditLine<'_>,
        labels: &Labels,
        route: Route,
        now: u64,
    ) -> Result<Permit, NotPermitted> {
        let left_out = LeftOut::new();
        let caller = Caller {
            account: line.account(),
            labels,
            left_out: &left_out,
            ip: line.address,
            service: &self.service,
            ceiling: None,
            token_scopes: None,
            now,
        };
        match at_once(authz::authorize(&self.authorizers, caller, route)) {
            Some(decided) => decided,
            None => Err(NotPermitted::Unavailable(unasked())),
        }
    }

    /// Returns true if a back end might decide otherwise than `outcome` says.
    pub(super) fn is_for_backend(&self, route: &Route, outcome: &Result<Permit, NotPermitted>) -> bool {
        self.has_backend
            && match outcome {
                // The source of a mount was denied, perhaps for want of an answer.
                Ok(permit) => route.source().is_some() && permit.route().source().is_none(),
                Err(NotPermitted::Denied(denial)) => {
                    denial.by == DeniedBy::Policy(DecidedBy::NoRule)
                        || (self.aspects.tags && route.tag().is_some())
                }
                Err(_) => false,
            }
    }

    /// Decides a scope of a token request.
    pub(super) fn rule_on(
        &self,
        line: &AuditLine<'_>,
        labels: &Labels,
        scope: &Scope,
        now: u64,
    ) -> Result<Ruling, Undecided> {
        let service = match line.service() {
            None if self.looks_at_service => return Err(Undecided::Service),
            service => service.unwrap_or(&self.service),
        };
        let question = Question {
            account: line.account(),
            labels,
            ip: line.address,
            service,
            resource_type: &scope.resource_type,
            name: &scope.name,
            tag: None,
            actions: &scope.actions,
            token_scopes: None,
            now,
        };
        match at_once(self.authorizers.decide(&question)) {
            Some(Ok(ruling)) if self.has_backend && ruling.by == DecidedBy::NoRule => Err(Undecided::Backend),
            Some(Ok(ruling)) => Ok(ruling),
            _ => Err(Undecided::Backend),
        }
    }
}

fn unasked() -> crate::backend::Unavailable {
    crate::backend::Unavailable { backend: "replay", why: "no back end is asked".to_owned() }
}

fn has(rule: &RuleSettings, placeholder: &str) -> bool {
    let fields = [&rule.account, &rule.resource_type, &rule.name, &rule.service].into_iter().flatten();
    let all = fields.chain(rule.labels.values()).chain(rule.tags.iter().flatten());
    all.into_iter().any(|pattern| pattern.contains(placeholder))
}

fn texts<E: ToString>(errors: &[E]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}
