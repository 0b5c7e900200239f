//! Sessions: what they are good for, and what ends them.

use std::collections::BTreeMap;

use super::*;
use crate::{
    authn::Source,
    state::AccountClaims,
    token::{
        BackEndClaim, CarriedClaims,
        testing::{NOW, P256, authority, generate},
    },
};

const HASH: &str = "$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC";
const HOUR: Duration = Duration::from_secs(3600);

fn issue(authority: &Authority) -> SignedToken {
    let vouched = Vouched::Password(authority.fingerprint("alice", HASH));
    authority.issue_session("alice", vouched, "svc", HOUR, NOW).unwrap()
}

/// Verifies alice's session with `svc` when her stored hash is `hash` by then.
fn outcome(
    authority: &Authority,
    token: &SignedToken,
    hash: Option<&str>,
    now: u64,
) -> Result<Session, TokenError> {
    authority
        .verify_session(token.expose(), "svc", now, |account| Some(authority.fingerprint(account, hash?)))
}

#[test]
fn a_session_gives_its_account_back_until_its_time_is_over() {
    let authority = authority(&generate(P256));
    let token = issue(&authority);
    let session = outcome(&authority, &token, Some(HASH), NOW + 3599).unwrap();
    assert_eq!(
        (session.account.as_str(), &session.auth_source, session.expires_at),
        ("alice", &None, NOW + 3600)
    );
    assert_eq!(outcome(&authority, &token, Some(HASH), NOW + 3600), Err(TokenError::Expired));
    assert_eq!(outcome(&authority, &token, Some(HASH), NOW - 61), Err(TokenError::NotYetValid));
}

#[test]
fn a_session_dies_with_the_password_the_account_and_the_key() {
    let (ours, other) = (authority(&generate(P256)), authority(&generate(P256)));
    let token = issue(&ours);
    assert_eq!(outcome(&ours, &token, Some("$2y$05$another"), NOW), Err(TokenError::Revoked));
    assert_eq!(outcome(&ours, &token, None, NOW), Err(TokenError::Revoked));
    assert_eq!(outcome(&other, &token, Some(HASH), NOW), Err(TokenError::ForeignKey));
    let elsewhere =
        ours.verify_session(token.expose(), "other", NOW, |_| Some(ours.fingerprint("alice", HASH)));
    assert_eq!(elsewhere, Err(TokenError::WrongAudience));
}

#[test]
fn what_a_back_end_said_travels_along() {
    let authority = authority(&generate(P256));
    let labels = BTreeMap::from([("team".to_owned(), vec!["web".to_owned(), "é".to_owned()])]);
    let claims = CarriedClaims::Inline(AccountClaims { labels: labels.into(), ..AccountClaims::default() });
    let source = AuthSourceClaim::BackEnd(BackEndClaim { source: Source::LdapAuth, claims, session: None });
    let token = authority.issue_session("lena", Vouched::BackEnd(&source), "svc", HOUR, NOW).unwrap();
    let session = outcome(&authority, &token, None, NOW).unwrap();
    assert_eq!((session.account.as_str(), session.auth_source), ("lena", Some(source)));
}

#[test]
fn rule_15_a_session_is_no_token_and_no_token_is_a_session() {
    let authority = authority(&generate(P256));
    let fingerprint = authority.fingerprint("alice", HASH);
    let session = issue(&authority);
    let refresh = authority.issue_refresh("alice", "svc", &fingerprint, NOW).unwrap();
    let access = authority.issue("alice", AUDIENCE, &[], NOW).unwrap().token;
    assert_eq!(authority.verify(session.expose(), NOW), Err(TokenError::WrongAudience));
    let refreshed = authority.verify_refresh(session.expose(), "svc", NOW, |_| Some(fingerprint));
    assert_eq!(refreshed, Err(TokenError::WrongAudience));
    for token in [&refresh, &access] {
        assert_eq!(outcome(&authority, token, Some(HASH), NOW), Err(TokenError::WrongAudience));
    }
    // Nor once each of them is remembered for what it is.
    assert!(outcome(&authority, &session, Some(HASH), NOW).is_ok());
    assert!(authority.verify_refresh(refresh.expose(), "svc", NOW, |_| Some(fingerprint)).is_ok());
    assert_eq!((authority.sessions.load().0, authority.refreshes.load().0), (1, 1));
    assert_eq!(authority.verify(session.expose(), NOW), Err(TokenError::WrongAudience));
    let refreshed = authority.verify_refresh(session.expose(), "svc", NOW, |_| Some(fingerprint));
    assert_eq!(refreshed, Err(TokenError::WrongAudience));
    assert_eq!(outcome(&authority, &refresh, Some(HASH), NOW), Err(TokenError::WrongAudience));
}

#[test]
fn a_form_belongs_to_one_session() {
    let (ours, other) = (authority(&generate(P256)), authority(&generate(P256)));
    let session = outcome(&ours, &issue(&ours), Some(HASH), NOW).unwrap();
    let another = outcome(&ours, &issue(&ours), Some(HASH), NOW).unwrap();
    let sent = ours.csrf(&session);
    assert!(ours.is_csrf(&session, &sent));
    assert!(!ours.is_csrf(&another, &sent), "each has its own");
    assert!(!other.is_csrf(&session, &sent), "and each key");
    let next = ours.csrf(&session);
    assert!(next != sent && ours.is_csrf(&session, &next), "another one each time");
    let (mask, tag) = (&sent[..sent.len() / 2], &sent[sent.len() / 2..]);
    for wrong in ["", "AAAA", mask, tag, &sent[1..], &format!("{sent}A"), &session.id] {
        assert!(!ours.is_csrf(&session, wrong), "{wrong}");
    }
}

#[test]
fn a_remembered_session_ends_as_another_does() {
    let authority = authority(&generate(P256));
    let token = issue(&authority);
    for _ in 0..2 {
        assert!(outcome(&authority, &token, Some(HASH), NOW).is_ok());
        assert_eq!(outcome(&authority, &token, Some(HASH), NOW + 3600), Err(TokenError::Expired));
        assert_eq!(outcome(&authority, &token, Some(HASH), NOW - 61), Err(TokenError::NotYetValid));
        assert_eq!(outcome(&authority, &token, Some("$2y$05$another"), NOW), Err(TokenError::Revoked));
        assert_eq!(outcome(&authority, &token, None, NOW), Err(TokenError::Revoked));
        assert_eq!(authority.sessions.load().0, 1);
    }
    let elsewhere = authority.verify_session(token.expose(), "other", NOW, |_| None);
    assert_eq!(elsewhere, Err(TokenError::WrongAudience));
}
