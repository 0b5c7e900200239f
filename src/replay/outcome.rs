//! The answer of other rules to a recorded request, at each time at which it may change.

use std::rc::Rc;

use super::{
    line::AuditLine,
    request,
    rules::{Asker, Rules, Undecided},
};
use crate::{
    authn::Labels,
    authz::{ByTag, NotPermitted, Permit},
    registry::{Method, Route, Scope},
};

/// The answer at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is allowed, by these rules.
    Whole(Rc<str>),
    /// A mount that is allowed as the start of an upload, since its source is not.
    WithoutSource(Rc<str>),
    /// It is denied, by this rule or for this reason.
    Denied(Rc<str>),
    /// The credentials of the record no longer count, for this reason. To others of the account, the answer is this.
    Renewed(Box<Answer>, Rc<str>),
    /// The log does not tell.
    Undecided(Undecided),
}

/// The answers from the first time on; only those that differ from the one before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answers(Vec<(u64, Answer)>);

/// The first answer of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct First {
    /// The rules behind it.
    pub(super) by: Rc<str>,
    /// The time from which it holds, where that is not the first one.
    pub(super) from: Option<u64>,
}

impl Answer {
    /// Returns true for what the client may do; a mount without its source only where that is enough.
    pub(super) fn allows(&self, without_source: bool) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::WithoutSource(_) => without_source,
            Self::Renewed(now, _) => now.allows(without_source),
            Self::Denied(_) | Self::Undecided(_) => false,
        }
    }

    /// Returns true if it is another than the recorded one, for sure: what was allowed is lost with the credentials.
    pub(super) fn differs_from(&self, was_allowed: bool, without_source: bool) -> bool {
        match self {
            Self::Undecided(_) => false,
            Self::Renewed(..) if was_allowed => true,
            answer => answer.allows(without_source) != was_allowed,
        }
    }

    fn by(&self, was_allowed: bool) -> Option<&Rc<str>> {
        match self {
            Self::Whole(by) | Self::WithoutSource(by) | Self::Denied(by) => Some(by),
            Self::Renewed(_, gone) if was_allowed => Some(gone),
            Self::Renewed(now, _) => now.by(was_allowed),
            Self::Undecided(_) => None,
        }
    }

    fn undecided(&self) -> Option<Undecided> {
        match self {
            Self::Undecided(why) => Some(*why),
            Self::Renewed(now, _) => now.undecided(),
            Self::Whole(_) | Self::WithoutSource(_) | Self::Denied(_) => None,
        }
    }
}

impl Answers {
    /// Asks at each of `moments`, the first of which is that of the switch.
    fn of(moments: &[u64], mut ask: impl FnMut(u64) -> Answer) -> Self {
        let mut answers: Vec<(u64, Answer)> = Vec::with_capacity(1);
        for moment in moments {
            let answer = ask(*moment);
            if answers.last().is_none_or(|(_, last)| *last != answer) {
                answers.push((*moment, answer));
            }
        }
        Self(answers)
    }

    fn always(answer: Answer) -> Self {
        Self(vec![(0, answer)])
    }

    /// The first decided answer that `is_wanted`, to a request that `was_allowed` or not.
    pub(super) fn first(&self, was_allowed: bool, is_wanted: impl Fn(&Answer) -> bool) -> Option<First> {
        let found = self.0.iter().enumerate().find(|(_, (_, answer))| is_wanted(answer));
        let (index, (moment, answer)) = found?;
        Some(First { by: Rc::clone(answer.by(was_allowed)?), from: (index > 0).then_some(*moment) })
    }

    /// The first reason why it is not decided at some time.
    pub(super) fn undecided(&self) -> Option<Undecided> {
        self.0.iter().find_map(|(_, answer)| answer.undecided())
    }
}

/// Decides the request of a line at each of `moments`; `None` for one that no Portwarden wrote.
pub(super) fn of_request(rules: &Rules, moments: &[u64], line: &AuditLine<'_>) -> Option<Answers> {
    let route = request::route(line)?;
    asked(rules, moments, line, |labels, now| {
        let outcome = rules.decide(line, labels, route.clone(), now);
        if rules.is_for_backend(&route, &outcome) {
            return Answer::Undecided(Undecided::Backend);
        }
        answer(&route, outcome)
    })
}

/// The answers to the account of a line: what `ask` says of its labels at each of `moments`.
fn asked(
    rules: &Rules,
    moments: &[u64],
    line: &AuditLine<'_>,
    ask: impl Fn(&Labels, u64) -> Answer,
) -> Option<Answers> {
    let renewed = |now, gone: &'static str| Answer::Renewed(Box::new(now), gone.into());
    Some(match rules.asker(line) {
        Asker::Foreign => return None,
        Asker::Gone(why) => Answers::always(Answer::Denied(why.into())),
        Asker::Undecided(why) => Answers::always(Answer::Undecided(why)),
        Asker::Here(labels) => Answers::of(moments, |now| ask(&labels, now)),
        Asker::Renewed(labels, gone) => Answers::of(moments, |now| renewed(ask(&labels, now), gone)),
        Asker::Perhaps(gone) => Answers::of(moments, |now| {
            let no_labels = (!rules.looks_at_labels).then(|| ask(&Labels::new(), now));
            let denied = no_labels.filter(|answer| matches!(answer, Answer::Denied(_)));
            renewed(denied.unwrap_or(Answer::Undecided(Undecided::Account)), gone)
        }),
    })
}

fn answer(route: &Route, outcome: Result<Permit, NotPermitted>) -> Answer {
    match outcome {
        Ok(permit) if permit.route().source() == route.source() => Answer::Whole(permit.decided_by().into()),
        Ok(permit) => Answer::WithoutSource(permit.decided_by().into()),
        Err(NotPermitted::Denied(denial)) => Answer::Denied(denial.by.in_full().into()),
        Err(NotPermitted::ByTag(by_tag)) if is_settled(&by_tag) => Answer::Whole(by_tag.decided_by().into()),
        Err(NotPermitted::ByTag(_)) => Answer::Undecided(Undecided::Tags),
        Err(NotPermitted::Unavailable(_)) => Answer::Undecided(Undecided::Backend),
    }
}

/// A tag that is granted itself may be read, whatever it reaches.
fn is_settled(by_tag: &ByTag) -> bool {
    let route = by_tag.route();
    let is_read = matches!(route.method(), Method::Get | Method::Head);
    is_read && route.tag().is_some() && by_tag.denied.is_none() && !by_tag.source_limited
}

/// Decides one action of a scope that a token was asked for; `None` for an account that no Portwarden knows.
pub(super) fn of_scope(
    rules: &Rules,
    moments: &[u64],
    line: &AuditLine<'_>,
    (scope, action): (&Scope, &String),
) -> Option<Answers> {
    asked(rules, moments, line, |labels, now| match rules.rule_on(line, labels, scope, now) {
        Err(why) => Answer::Undecided(why),
        Ok(ruling) if ruling.actions.contains(action) => Answer::Whole(ruling.by.in_full().into()),
        Ok(ruling) if ruling.some_tags.contains(action) => {
            let rule = ruling.tag_rule.map(|rule| format!("{rule}, for some tags"));
            Answer::Whole(rule.unwrap_or_else(|| ruling.by.in_full()).into())
        }
        Ok(ruling) => Answer::Denied(ruling.by.in_full().into()),
    })
}
