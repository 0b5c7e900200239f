//! `portwarden revoke` and `token list` at the server's side.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{ControlAnswer, ControlHandler, RevocationEntry, RobotTokenEntry, refused, since_1970};
use crate::{
    authn::{ListedToken, folded_name, holds_robot_token},
    state::{LONGEST_ID, LONGEST_NAME, NotRevoked, Revocation, Target, is_robot_token_id},
    telemetry::{Event, Record},
};

/// Returns true for what begins and is divided as a JWT is (RFC 7515, section 3.1).
fn is_jwt(text: &str) -> bool {
    text.starts_with("eyJ") && text.matches('.').count() == 2
}

impl ControlHandler {
    /// Revokes, and leaves a line in the log and in the audit log, also where it could not be stored.
    async fn revoke(&self, target: &Target, is_jti: bool, user: u32) -> ControlAnswer {
        // It must reach no log.
        if let Target::Account(text) | Target::Token(text) = target
            && holds_robot_token(text)
        {
            return refused("nothing is revoked: this is a token; give its id, the twelve digits after pwt_");
        }
        if let Target::Account(text) | Target::Token(text) = target
            && is_jwt(text)
        {
            return refused(
                "nothing is revoked: this is a token; give its `jti`, or the name of its account",
            );
        }
        // What is too long for a name may be a token of another kind.
        let unfit = match target {
            Target::Account(name) => {
                Some(folded_name(name).len()).filter(|length| *length > LONGEST_NAME).map(NotRevoked::Name)
            }
            Target::Token(id) => Some(id.len()).filter(|length| *length > LONGEST_ID).map(NotRevoked::Id),
            Target::All => None,
        };
        if let Some(error) = unfit {
            return refused(&error.to_string());
        }
        let robot = match target {
            Target::Token(id) if !is_jti && is_robot_token_id(id) => match self.robot_of(id) {
                Some(robot) => Some(robot),
                None => {
                    return self.revoke_personal_token(id, user).await.unwrap_or_else(|| {
                        refused(&format!(
                            "nothing is revoked: no robot has a token with the id {id}, nor has an account; see \
                             `portwarden token list`, or if it is a jti, use --jti"
                        ))
                    });
                }
            },
            _ => None,
        };
        let now = since_1970().as_secs();
        let revoked = self.service.state().revoke(target, now).await;
        let (holds, and) = match &revoked {
            Ok(()) => (true, String::new()),
            Err(error @ NotRevoked::NotStored(_)) => (true, format!("; {error}")),
            Err(error) => (false, format!("; {error}")),
        };
        let is = if holds { "revoked" } else { "not revoked" };
        tracing::warn!(?target, user, "{is}{and}");
        self.record_revocation(target, robot.as_deref(), &format!("{is} by user {user}{and}"));
        match revoked {
            Ok(()) => ControlAnswer::Revoked {
                target: target.clone(),
                at: rfc3339(now),
                robot,
                account: None,
                forgotten: false,
            },
            Err(error) => refused(&error.to_string()),
        }
    }

    /// Revokes, and with `forget` frees the name of the account for another person.
    pub(super) async fn revoke_and(
        &self,
        target: &Target,
        is_jti: bool,
        forget: bool,
        user: u32,
    ) -> ControlAnswer {
        let answer = self.revoke(target, is_jti, user).await;
        if forget { self.forget(answer).await } else { answer }
    }

    /// Forgets which person of which provider has the account whose revocation was answered.
    async fn forget(&self, answer: ControlAnswer) -> ControlAnswer {
        let ControlAnswer::Revoked { target: Target::Account(account), at, robot, .. } = answer else {
            return answer;
        };
        match self.service.state().forget_sign_in(&account).await {
            Ok(forgotten) => {
                tracing::warn!(account, forgotten, "the sign-in of an account was to be forgotten");
                let target = Target::Account(account);
                ControlAnswer::Revoked { target, at, robot, account: None, forgotten }
            }
            Err(error) => {
                refused(&format!("what was issued is revoked, and the sign-in is not forgotten: {error}"))
            }
        }
    }

    /// The tokens of robots, personal tokens, then the revocations; with `account`, what concerns it.
    pub(super) fn tokens(&self, account: Option<&str>) -> Vec<ControlAnswer> {
        let mut listed = self.robot_tokens(account, false);
        listed.extend(self.personal_tokens(account));
        listed.extend(self.in_force(account));
        listed
    }

    /// The revocations that concern an account, and those of its tokens that are revoked.
    pub(super) fn revocations(&self, account: &str) -> Vec<ControlAnswer> {
        let mut listed = self.robot_tokens(Some(account), true);
        listed.extend(self.in_force(Some(account)));
        listed
    }

    fn robot_tokens(&self, account: Option<&str>, only_revoked: bool) -> Vec<ControlAnswer> {
        let (snapshot, name) = (self.service.snapshot(), account.map(folded_name));
        let tokens = snapshot.authenticators.robots.tokens().into_iter();
        let of_account =
            |token: &ListedToken<'_>| name.as_ref().is_none_or(|name| *name == folded_name(token.robot));
        let entry = |token: ListedToken<'_>| RobotTokenEntry {
            robot: token.robot.to_owned(),
            token: token.name.id.to_string(),
            comment: token.name.comment.as_deref().map(str::to_owned),
            expires: token.last_day.map(|day| day.to_string()),
            last_use: token.used.map(rfc3339),
            revoked: snapshot.state.token_revoked_at(&token.name.id).map(rfc3339),
        };
        let entries = tokens.filter(of_account).map(entry);
        let entries = entries.filter(|entry| !only_revoked || entry.revoked.is_some());
        entries.map(ControlAnswer::RobotToken).collect()
    }

    fn in_force(&self, account: Option<&str>) -> impl Iterator<Item = ControlAnswer> {
        let revocations = self.service.state().revocations(account).into_iter();
        revocations.map(|Revocation { target, at }| {
            ControlAnswer::Revocation(RevocationEntry { target, at: rfc3339(at) })
        })
    }

    fn robot_of(&self, id: &str) -> Option<String> {
        let snapshot = self.service.snapshot();
        let tokens = snapshot.authenticators.robots.tokens().into_iter();
        tokens.filter(|token| *token.name.id == *id).map(|token| token.robot.to_owned()).next()
    }

    fn record_revocation(&self, target: &Target, robot: Option<&str>, what: &str) {
        let mut record = Record::new(Event::Revocation);
        record.time = SystemTime::now();
        record.reason = Some(what.to_owned());
        record.account = robot.map(str::to_owned);
        match target {
            Target::Account(account) => record.account = Some(account.clone()),
            Target::Token(id) if robot.is_some() => record.robot_token = Some(id.clone()),
            Target::Token(id) => record.jti = Some(id.clone()),
            Target::All => record.reason = Some(format!("everything {what}")),
        }
        self.telemetry.audit.write(&record);
    }
}

/// A time in seconds since 1970, as RFC 3339 writes it, in UTC. One that is beyond that is the last of the year 9999.
pub(super) fn rfc3339(seconds: u64) -> String {
    const LAST: u64 = 253_402_300_799;
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds.min(LAST))).to_string()
}
