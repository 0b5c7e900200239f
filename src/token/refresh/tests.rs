//! Refresh tokens: what they are good for, and what ends them.

use serde_json::{Value, json};

use super::*;
use crate::token::testing::{NOW, P256, authority, generate};

const HASH: &str = "$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC";

/// Verifies alice's token for `svc` when her stored hash is `hash` by now.
fn outcome(authority: &Authority, token: &SignedToken, hash: Option<&str>) -> Result<String, TokenError> {
    let fingerprint_of = |account: &str| Some(authority.fingerprint(account, hash?));
    authority.verify_refresh(token.expose(), "svc", NOW, fingerprint_of).map(|(account, _)| account)
}

fn issue(authority: &Authority) -> SignedToken {
    authority.issue_refresh("alice", "svc", &authority.fingerprint("alice", HASH), NOW).unwrap()
}

#[test]
fn a_refresh_token_gives_its_account_back() {
    let authority = authority(&generate(P256));
    assert_eq!(outcome(&authority, &issue(&authority), Some(HASH)), Ok("alice".to_owned()));
}

#[test]
fn a_refresh_token_dies_with_the_password_the_account_and_the_key() {
    let (ours, other) = (authority(&generate(P256)), authority(&generate(P256)));
    let token = issue(&ours);
    assert_eq!(outcome(&ours, &token, Some("$2y$05$another")), Err(TokenError::Revoked));
    assert_eq!(outcome(&ours, &token, None), Err(TokenError::Revoked));
    assert_eq!(outcome(&other, &token, Some(HASH)), Err(TokenError::ForeignKey));
}

#[test]
fn a_fingerprint_belongs_to_one_account_one_hash_and_one_key() {
    let (ours, other) = (authority(&generate(P256)), authority(&generate(P256)));
    let fingerprint = ours.fingerprint("alice", HASH);
    assert!(fingerprint.is(&ours.fingerprint("alice", HASH).0));
    assert!(!fingerprint.is(&ours.fingerprint("bob", HASH).0));
    assert!(!fingerprint.is(&other.fingerprint("alice", HASH).0));
    assert!(!ours.fingerprint("a", "bc").is(&ours.fingerprint("ab", "c").0));
    assert!(!fingerprint.is(&fingerprint.0[..31]));
    assert_eq!(format!("{fingerprint:?}"), "***");
}

#[test]
fn a_refresh_token_is_for_its_service_and_not_from_the_future() {
    let authority = authority(&generate(P256));
    let token = issue(&authority);
    let at = |service, now| {
        let fingerprint_of = |_: &str| Some(authority.fingerprint("alice", HASH));
        authority.verify_refresh(token.expose(), service, now, fingerprint_of).map(|(account, _)| account)
    };
    assert!(at("svc", NOW - 60).is_ok());
    assert!(at("svc", NOW + 1_000_000_000).is_ok());
    assert_eq!(at("svc", NOW - 61), Err(TokenError::NotYetValid));
    assert_eq!(at("other", NOW), Err(TokenError::WrongAudience));
    assert_eq!(at("", NOW), Err(TokenError::WrongAudience));
}

#[test]
fn rule_15_a_refresh_token_never_opens_v2() {
    let mut authority = authority(&generate(P256));
    let token = issue(&authority);
    assert_eq!(authority.verify(token.expose(), NOW), Err(TokenError::WrongAudience));
    // Not even where the service bears the name of our audience.
    authority.settings.service = AUDIENCE.to_owned();
    assert_eq!(authority.verify(token.expose(), NOW), Err(TokenError::WrongAudience));
}

#[test]
fn an_access_token_is_no_refresh_token() {
    let authority = authority(&generate(P256));
    // Any client may ask for a token for any service, also for one of this name.
    let access = authority.issue("alice", AUDIENCE, &[], NOW).unwrap().token;
    assert_eq!(outcome(&authority, &access, Some(HASH)), Err(TokenError::WrongAudience));
}

#[test]
fn every_claim_of_a_refresh_token_counts() {
    let authority = authority(&generate(P256));
    let with = |name: &str, value: Value| {
        let pwd = BASE64URL.encode(authority.fingerprint("alice", HASH).0);
        let mut claims = json!({"iss": "Acme auth server", "sub": "alice", "aud": AUDIENCE, "service": "svc",
            "iat": NOW, "jti": "x", "pwd": pwd});
        claims[name] = value;
        let token = SignedToken::new(jws::sign(&authority.key, Kind::Refresh, &claims).unwrap());
        outcome(&authority, &token, Some(HASH))
    };
    assert_eq!(with("jti", json!("y")), Ok("alice".to_owned()));
    assert_eq!(with("iss", json!("Evil")), Err(TokenError::WrongIssuer));
    assert_eq!(with("aud", json!("svc")), Err(TokenError::WrongAudience));
    assert_eq!(with("service", json!(null)), Err(TokenError::WrongAudience));
    assert_eq!(with("sub", json!("bob")), Err(TokenError::Revoked));
    assert_eq!(with("pwd", json!("AAAA")), Err(TokenError::Revoked));
    for name in ["sub", "iat", "pwd"] {
        assert_eq!(with(name, json!(null)), Err(TokenError::Malformed), "{name}");
    }
}

#[test]
fn a_remembered_refresh_token_ends_as_another_does() {
    let authority = authority(&generate(P256));
    let token = issue(&authority);
    let at = |service, now| {
        let fingerprint_of = |_: &str| Some(authority.fingerprint("alice", HASH));
        authority.verify_refresh(token.expose(), service, now, fingerprint_of).map(|(account, _)| account)
    };
    for _ in 0..2 {
        assert_eq!(at("svc", NOW), Ok("alice".to_owned()));
        assert_eq!(at("svc", NOW - 61), Err(TokenError::NotYetValid));
        assert_eq!(at("other", NOW), Err(TokenError::WrongAudience));
        assert_eq!(outcome(&authority, &token, Some("$2y$05$another")), Err(TokenError::Revoked));
        assert_eq!(outcome(&authority, &token, None), Err(TokenError::Revoked));
        assert_eq!(
            authority.refreshes.load().0,
            1,
            "it is remembered, and what is refused does not make it forgotten"
        );
    }
}

#[test]
fn rule_15_a_remembered_token_passes_for_no_other_kind() {
    let authority = authority(&generate(P256));
    let refresh = issue(&authority);
    let access = authority.issue("alice", "Docker registry", &[], NOW).unwrap().token;
    assert!(
        outcome(&authority, &refresh, Some(HASH)).is_ok() && authority.verify(access.expose(), NOW).is_ok()
    );
    assert_eq!(authority.verify(refresh.expose(), NOW), Err(TokenError::WrongAudience));
    assert_eq!(outcome(&authority, &access, Some(HASH)), Err(TokenError::WrongAudience));
}
