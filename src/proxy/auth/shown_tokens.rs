//! Checks a token that is shown in the place of a password: of a robot, or a personal one. No back end sees it.
//!
//! It takes microseconds, so it waits in no queue. A right one waits for no throttle either: 256 random bits cannot be
//! guessed, so an answer at any rate helps no guesser. A wrong one counts as a wrong password.
//!
//! A right one that is refused may be a stolen one: the audit log gets its account and its id, as of one that is
//! accepted.

use std::{net::IpAddr, time::Instant};

use super::{
    claims_unavailable,
    passwords::{Login, Passwords},
};
use crate::{
    authn::{Credentials, Identity, Mistyped, RobotVerdict, Secret, TokenDigest},
    proxy::{Snapshot, request_log::RequestLog, snapshot::unix_now},
    registry::Refusal,
    state::Ended,
    token::TokenError,
    ui::PagePath,
};

impl Passwords {
    /// The identity that a token proves; `None` when it proves none.
    ///
    /// # Errors
    /// 401 with a sentence for a mistyped token, and for the holder of one that was revoked, has expired, or may not be
    /// used from here; 429 as for a password; 503 where the labels of the account cannot be read now.
    pub(super) async fn check_token(
        &self,
        snapshot: &Snapshot,
        credentials: Credentials,
        ip: Option<IpAddr>,
        log: &mut RequestLog,
    ) -> Result<Option<Identity>, Refusal> {
        let Credentials { account, password } = credentials;
        let verdict = snapshot.authenticators.robots.verify(&account, &password, unix_now());
        let is_mistyped = verdict == RobotVerdict::Mistyped;
        if let Some(checked) = of_robot(snapshot, &account, verdict, ip, log) {
            return checked.map(Some);
        }
        if let Some(checked) = personal(snapshot, &account, &password, log).await {
            return checked.map(Some);
        }
        let login = Login::new(&account, password, ip);
        self.count_wrong(&login)?;
        if is_mistyped { Err(refused(Mistyped.to_string())) } else { Ok(None) }
    }

    /// Holds a wrong token against the client.
    ///
    /// # Errors
    /// 429, also before it was looked at whether this one is another.
    fn count_wrong(&self, login: &Login) -> Result<(), Refusal> {
        let counted = login.shown(&self.throttle);
        let passage = self.throttle.peek(&counted, Instant::now()).map_err(|after| login.too_many(after))?;
        let attempt = self.throttle.check(&counted, passage, Instant::now());
        if let Some(attempt) = attempt.map_err(|after| login.too_many(after))? {
            login.failed(attempt);
        }
        Ok(())
    }
}

/// With a challenge, since docker shows no other sentence.
fn refused(why: String) -> Refusal {
    Refusal::unauthorized(Vec::new(), None, Some(why))
}

/// The robot whose token was shown; `None` if it is none of a robot's.
fn of_robot(
    snapshot: &Snapshot,
    account: &str,
    verdict: RobotVerdict,
    ip: Option<IpAddr>,
    log: &mut RequestLog,
) -> Option<Result<Identity, Refusal>> {
    let (identity, why) = match verdict {
        RobotVerdict::Wrong | RobotVerdict::Mistyped => return None,
        RobotVerdict::Expired(identity, day) => {
            (identity, format!("the token of robot '{account}' expired at the end of {day} (UTC)"))
        }
        RobotVerdict::Accepted(identity) => {
            if let Some(ended) = revoked(snapshot, &identity) {
                if ended == Ended::Unknown {
                    return Some(Err(claims_unavailable()));
                }
                let why = match ended {
                    Ended::Token => "was revoked",
                    _ => "cannot be held against the revocations, whose state file cannot be read",
                };
                (identity, format!("this token of robot '{account}' {why}"))
            } else if snapshot.authorizers.ceilings.admits(account, ip) {
                if let Some(token) = &identity.token {
                    snapshot.authenticators.robots.used(account, &token.id, unix_now());
                }
                return Some(Ok(identity));
            } else {
                let from = ip.map_or_else(|| "an unknown address".to_owned(), |ip| ip.to_string());
                (identity, format!("robot '{account}' may not sign in from {from}"))
            }
        }
    };
    log.asked_by(&identity);
    tracing::warn!(why, "the right token of a robot was refused");
    Some(Err(refused(why)))
}

/// The reason why the robot's token that was shown no longer counts, by its id.
fn revoked(snapshot: &Snapshot, identity: &Identity) -> Option<Ended> {
    snapshot.state.check_token(&identity.token.as_ref()?.id).err()
}

/// The account whose personal token was shown; `None` if it is none of that account's.
async fn personal(
    snapshot: &Snapshot,
    account: &str,
    password: &Secret,
    log: &mut RequestLog,
) -> Option<Result<Identity, Refusal>> {
    let shown = TokenDigest::of(password).ok()?;
    let token = snapshot.shown_token(account, &shown)?;
    log.shows("personal_token", Some(account));
    log.with_personal_token(&shown.id());
    let error = match Box::pin(snapshot.holder_of(&token)).await {
        Ok(identity) => return Some(Ok(identity)),
        Err(TokenError::ClaimsUnavailable) => return Some(Err(claims_unavailable())),
        Err(error) => error,
    };
    let why = match error {
        TokenError::Revoked => format!("account '{account}' of this personal token is no longer there"),
        TokenError::PersonalTokenExpired => {
            let (prefix, page) = (&snapshot.settings.path_prefix, PagePath::Tokens);
            format!(
                "this personal token of account '{account}' has expired; make another on the page {prefix}{page}"
            )
        }
        TokenError::LacksLabels => {
            format!(
                "the rules have changed, and look at labels that this personal token of account '{account}' lacks; make another"
            )
        }
        other => other.to_string(),
    };
    tracing::warn!(account, id = shown.id(), why, "a right personal token was refused");
    Some(Err(refused(why)))
}
