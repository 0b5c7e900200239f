//! An answer about the policy as JSON, for programs. The keys are described in docs/policy.md.

use std::{collections::BTreeMap, net::IpAddr};

use serde::Serialize;

use super::{
    output::{Failure, say},
    policy_query::{PolicyEvaluator, PolicyQuery},
    write_once::WriteOnceAnswer,
};
use crate::{
    authz::{CeilingName, DecidedBy, Ruling},
    config::written_moment,
    registry::Scope,
};

/// The requested actions that an account may perform: a line of JSON.
#[derive(Debug, Serialize)]
pub(super) struct PolicyAnswer<'a> {
    account: &'a str,
    labels: &'a BTreeMap<String, Vec<String>>,
    ip: Option<IpAddr>,
    service: &'a str,
    /// The time of the question, where it is not the present one.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    /// True for a robot without a token that is in force: it cannot sign in.
    #[serde(skip_serializing_if = "is_false")]
    shut_out: bool,
    /// The revocations that concern it, as the running server tells them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    revoked: Vec<String>,
    /// The part of write-once tags in the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    write_once: Option<WriteOnceAnswer>,
    /// True if all that was asked for is granted.
    pub(super) allowed: bool,
    needs: Vec<Need>,
}

/// The answer about one scope.
#[derive(Debug, Serialize)]
struct Need {
    scope: String,
    allowed: bool,
    #[serde(flatten)]
    ruling: RulingAnswer,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    /// The end of the rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    /// The reasons why rules did not match: the unclear one, those out of their time, and with `--verbose` all before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_met: Vec<String>,
}

/// The decision.
#[derive(Debug, Serialize)]
pub(super) struct RulingAnswer {
    /// The granted ones of the requested actions.
    actions: Vec<String>,
    /// The requested actions that are granted for some tags only, where the question names no tag.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    some_tags: Vec<String>,
    /// The back end that decided, where it was not `acl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'static str>,
    /// The rule that decided, from 0.
    rule: Option<usize>,
    /// True if the rule may match or not, and so withholds something.
    #[serde(skip_serializing_if = "is_false")]
    unclear: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl<'a> PolicyAnswer<'a> {
    /// Asks about each of `needs`. The text on rules that did not decide comes from `not_met`.
    ///
    /// # Errors
    /// A back end that has to be asked gives no answer.
    pub(super) fn find(
        evaluator: &PolicyEvaluator,
        asked: &'a PolicyQuery,
        needs: &[Scope],
        not_met: impl Fn(&Scope, &Ruling) -> Vec<String>,
    ) -> Result<Self, String> {
        let mut answers = Vec::new();
        for need in needs {
            let ruling = evaluator.decide(&asked.about(need))?;
            answers.push(Need::new(need, not_met(need, &ruling), ruling));
        }
        let PolicyQuery { account, labels, ip, service, .. } = asked;
        let write_once = WriteOnceAnswer::find(evaluator, asked);
        let denied = write_once.as_ref().is_some_and(WriteOnceAnswer::denies);
        let allowed = !denied && answers.iter().all(|need| need.allowed);
        let (at, shut_out) = (asked.other_time(), evaluator.is_shut_out(asked));
        let revoked = Vec::new();
        Ok(Self {
            account,
            labels,
            ip: *ip,
            service,
            at,
            shut_out,
            revoked,
            write_once,
            allowed,
            needs: answers,
        })
    }

    /// The same with what was revoked.
    pub(super) fn revoked(self, revoked: Vec<String>) -> Self {
        Self { revoked, ..self }
    }
}

impl Need {
    fn new(need: &Scope, not_met: Vec<String>, ruling: Ruling) -> Self {
        let (line, comment) = match &ruling.by {
            DecidedBy::Rule(rule) | DecidedBy::Unclear(rule) | DecidedBy::SomeTags(rule) => {
                (Some(rule.line).filter(|line| *line > 0), rule.comment.as_ref().map(ToString::to_string))
            }
            DecidedBy::Ceiling(CeilingName::Robot { line, .. }) => {
                (Some(*line).filter(|line| *line > 0), None)
            }
            DecidedBy::Ceiling(CeilingName::PersonalToken) | DecidedBy::NoRule | DecidedBy::Command => {
                (None, None)
            }
        };
        let allowed = need.actions.iter().all(|action| ruling.actions.contains(action));
        let until = ruling.by.until().map(written_moment);
        Self { scope: need.to_string(), allowed, ruling: ruling.into(), line, comment, until, not_met }
    }
}

impl From<Ruling> for RulingAnswer {
    fn from(ruling: Ruling) -> Self {
        let (rule, by) = match &ruling.by {
            DecidedBy::NoRule => (None, None),
            DecidedBy::Rule(rule) | DecidedBy::Unclear(rule) | DecidedBy::SomeTags(rule) => {
                (Some(rule.index), Some(rule.section).filter(|section| *section != "acl"))
            }
            DecidedBy::Command => (None, Some("ext_authz")),
            DecidedBy::Ceiling(_) => (None, Some("robots")),
        };
        let unclear = matches!(ruling.by, DecidedBy::Unclear(_));
        Self { actions: ruling.actions, some_tags: ruling.some_tags, by, rule, unclear }
    }
}

/// Writes a line of JSON.
///
/// # Errors
/// It was not written.
pub(super) fn say_json(value: &impl Serialize) -> Result<(), Failure> {
    say(serde_json::to_string(value).map_err(|error| error.to_string())?)
}
