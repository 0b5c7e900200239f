//! The session of a browser: a signed token in a cookie. Nothing is stored about one but that it was ended.

use std::{sync::Arc, time::Duration};

use hyper::header::{self, HeaderMap, HeaderValue};
use tokio::time::timeout;

use super::{device::LIFETIME, revoked_meanwhile};
use crate::{
    authn::{Identity, Source},
    proxy::{
        Snapshot,
        snapshot::{Issued, unix_now},
    },
    registry::{ErrorCode, Refusal},
    state::{EndedSession, RevocationCount},
    token::{Holder, Session, TokenError, Vouched},
};

/// The name of the cookie. A browser takes a name with this prefix only over TLS, for the whole of one host, from that
/// host itself (RFC 6265bis section 4.1.3.2).
const COOKIE: &str = "__Host-portwarden-session";

/// The sentence for a token that opens a web page.
pub(crate) const TOKENS_STAY_OUT: &str = "robots and tokens do not sign in to the web pages; tokens are for docker and other clients of the \
                                          registry";

/// The time for which the page waits until the end of a session is stored.
const SIGN_OUT: Duration = Duration::from_secs(5);

/// The most bytes of a cookie's name and value: a browser throws away a larger one, and says nothing (RFC 6265bis
/// section 5.6).
const LARGEST: usize = 4096;

/// Begins a session after a login that began at a moment: the cookie to set.
///
/// # Errors
/// The key cannot sign, no browser would keep the cookie, or the account was revoked meanwhile.
pub(crate) async fn begin(
    identity: &Identity,
    snapshot: &Snapshot,
    began: RevocationCount,
) -> Result<String, Refusal> {
    let lifetime = snapshot.settings.ui.session;
    if identity.source == Source::Robots || identity.personal.is_some() {
        return Err(Refusal::new(ErrorCode::Denied, TOKENS_STAY_OUT));
    }
    let auth_source = snapshot.auth_source(identity, lifetime).await;
    let vouched = match (&auth_source, snapshot.fingerprint(&identity.account)) {
        (Some(auth_source), _) => Vouched::BackEnd(auth_source),
        (None, Some(fingerprint)) => Vouched::Password(fingerprint),
        (None, None) => return Err(Refusal::new(ErrorCode::Internal, "the account has no password")),
    };
    let (account, service) = (&identity.account, &snapshot.settings.service);
    let stamp = snapshot.state.stamp(account, began).map_err(revoked_meanwhile)?;
    let holder = Holder { stamp: Some(&stamp), ..Holder::from(account.as_str()) };
    let issued = snapshot.authority.issue_session(holder, vouched, service, lifetime, unix_now());
    let token = issued.map_err(|error| Refusal::new(ErrorCode::Internal, error.to_string()))?;
    if COOKIE.len() + token.expose().len() > LARGEST {
        let why = "this account has too many labels for a session, which has to fit into a cookie of 4 KiB, unless there is a \
                   state file (state.file) with room for them; docker and other clients can use it all the same";
        return Err(Refusal::new(ErrorCode::TooLarge, why));
    }
    Ok(cookie(token.expose(), lifetime.as_secs()))
}

/// The session that a request shows, and its account. `None` where it shows none.
///
/// # Errors
/// It has ended, or was not issued here.
pub(crate) async fn shown(
    headers: &HeaderMap,
    snapshot: &Snapshot,
) -> Option<Result<(Session, Identity), TokenError>> {
    let token = token_in(headers)?;
    Some(verify(token, snapshot).await)
}

/// Checks a session by its token, and returns its account as it is now.
///
/// # Errors
/// It has ended, or was not issued here.
pub(super) async fn verify(token: &str, snapshot: &Snapshot) -> Result<(Session, Identity), TokenError> {
    let fingerprint_of = |account: &str| snapshot.fingerprint(account);
    let service = &snapshot.settings.service;
    let session = snapshot.authority.verify_session(token, service, unix_now(), fingerprint_of)?;
    if was_ended(&session, snapshot) {
        return Err(TokenError::Revoked);
    }
    // None is issued to a robot, whose address would have to be known here.
    let Session { account, auth_source, stamp, .. } = &session;
    let issued = Issued { account, auth_source: auth_source.as_ref(), stamp };
    let identity = snapshot.holder(issued, None).await?;
    if identity.source == Source::Robots || identity.personal.is_some() {
        return Err(TokenError::Revoked);
    }
    Ok((session, identity))
}

/// Returns true if a session has ended, by itself or before its time.
pub(super) fn has_ended(session: &Session, snapshot: &Snapshot) -> bool {
    session.expires_at <= unix_now() || was_ended(session, snapshot)
}

fn was_ended(session: &Session, snapshot: &Snapshot) -> bool {
    snapshot.state.has_session_ended(&session.account, &session.id, session.issued_at)
}

/// Ends a session, and what was allowed in it: the cookie that takes it out of the browser. Where that cannot be stored,
/// the log says so, and it is stored later.
pub(crate) async fn end(session: &Session, snapshot: &Snapshot) -> String {
    let Session { account, id, issued_at, expires_at, .. } = session;
    let ended = EndedSession {
        account: account.clone(),
        id: Some(id.clone()),
        issued_at: *issued_at,
        expires_at: *expires_at,
    };
    let (state, account, id) = (Arc::clone(&snapshot.state), account.clone(), id.clone());
    // Even if the client is gone.
    let task = tokio::spawn(async move {
        if let Err(error) = state.end_session(ended, unix_now()).await {
            tracing::error!(
                account, %error,
                "a session that was signed out could not be stored as ended: until it is, a copy of its cookie counts \
                 after a restart, and at other replicas; `portwarden revoke --account` ends all of the account"
            );
        }
        // What was allowed in it, and is fetched at another replica.
        if let Some(logins) = state.device_logins() {
            logins.end_session(id, LIFETIME).await;
        }
    });
    let _ = timeout(SIGN_OUT, task).await;
    forget()
}

/// The cookie that takes whatever is there out of the browser.
pub(crate) fn forget() -> String {
    cookie("", 0)
}

fn cookie(value: &str, seconds: u64) -> String {
    format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict")
}

/// The token of the session that a request shows.
pub(crate) fn token_in(headers: &HeaderMap) -> Option<&str> {
    cookie_of(headers, COOKIE)
}

/// The value of one of Portwarden's cookies, wherever it stands. Two of that name count as none: it is not known which one the
/// browser got from here. Cookies of other hosts of the site stand in the same line, and may be anything.
pub(crate) fn cookie_of<'h>(headers: &'h HeaderMap, cookie: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let pairs = lines.flat_map(|line| line.split(|byte| *byte == b';'));
    let pairs = pairs.filter_map(|pair| std::str::from_utf8(pair).ok()?.trim().split_once('='));
    let mut ours = pairs.filter(|(name, _)| *name == cookie).map(|(_, value)| value);
    let value = ours.next()?;
    (ours.next().is_none() && !value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (header::COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap())).collect()
    }

    #[test]
    fn the_cookie_is_found_among_others_and_only_once() {
        for (lines, found) in [
            (&["__Host-portwarden-session=a.b.c"][..], Some("a.b.c")),
            (&["x=1; __Host-portwarden-session=a; y=2"], Some("a")),
            (&["x=1", "__Host-portwarden-session=a"], Some("a")),
            (&["x=ü; __Host-portwarden-session=a"], Some("a")),
            (&["__Host-portwarden-session=a; __Host-portwarden-session=b"], None),
            (&["__Host-portwarden-session="], None),
            (&["portwarden-session=a; x__Host-portwarden-session=a"], None),
            (&[], None),
        ] {
            assert_eq!(cookie_of(&headers(lines), COOKIE), found, "{lines:?}");
        }
    }

    #[test]
    fn the_cookie_is_for_this_host_only_and_hidden_from_scripts() {
        let cookie = cookie("a", 60);
        assert_eq!(
            cookie,
            "__Host-portwarden-session=a; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Strict"
        );
    }
}
