//! Traps of a sign-in that need no network.

use aws_lc_rs::hmac;
use serde_json::json;

use super::{Attempt, Failure, LIFETIME, Person, openid::check_domain};
use crate::authn::{Seal, SignInEnd, SignInSection};

const NOW: u64 = 1_800_000_000;

fn seal(key: &[u8]) -> Seal {
    Seal::new(&hmac::Key::new(hmac::HMAC_SHA256, key)).unwrap()
}

#[test]
fn rule_60_an_attempt_opens_for_its_section_its_time_and_its_key_only() {
    let (ours, other) = (seal(b"one"), seal(b"another"));
    let attempt = Attempt::new(None, "/team/app", NOW).unwrap();
    let sealed = attempt.sealed(&ours, SignInSection::Oidc).unwrap();
    let open = |seal, section, now| Attempt::open(&sealed, seal, section, now);
    let opened = open(&ours, SignInSection::Oidc, NOW + LIFETIME - 1).unwrap();
    assert_eq!((opened.next.as_str(), opened.challenge()), ("/team/app", attempt.challenge()));
    assert!(opened.is_answered_by(&attempt.state));
    assert!(!opened.is_answered_by("") && !opened.is_answered_by(&attempt.nonce));
    assert!(open(&ours, SignInSection::Github, NOW).is_none(), "of another section");
    assert!(open(&other, SignInSection::Oidc, NOW).is_none(), "of another server");
    assert!(open(&ours, SignInSection::Oidc, NOW + LIFETIME).is_none(), "of a while ago");
    assert!(open(&ours, SignInSection::Oidc, NOW - LIFETIME).is_none(), "by a clock that was ahead");
    let again = Attempt::new(None, "/", NOW).unwrap();
    assert!(
        attempt.state != again.state && attempt.nonce != again.nonce && attempt.verifier != again.verifier
    );
    assert!(sealed.len() < 600 && !sealed.contains(&attempt.state));
    assert_eq!(Attempt::new(None, &"/a".repeat(1000), NOW).unwrap().next, "/");
}

#[test]
fn rule_60_what_is_sealed_opens_for_its_purpose_only() {
    let seal = seal(b"one");
    let sealed = seal.seal("token of ada", b"refresh-1").unwrap();
    assert_eq!(seal.open("token of ada", &sealed).as_deref(), Some(&b"refresh-1"[..]));
    assert!(seal.open("token of eve", &sealed).is_none());
    assert_ne!(seal.seal("token of ada", b"refresh-1").unwrap(), sealed, "a nonce of its own each time");
    for wrong in ["", "AAAA", "not base64!", &sealed[1..], &format!("{sealed}AAAA")] {
        assert!(seal.open("token of ada", wrong).is_none(), "{wrong}");
    }
    assert_eq!(format!("{seal:?}"), "***");
}

#[test]
fn rule_60_an_account_of_google_is_of_the_domain_by_the_word_of_google() {
    let of =
        |email: &str, hd: serde_json::Value| check_domain(&json!({"email": email, "hd": hd}), "example.com");
    assert_eq!(of("ada@example.com", json!("example.com")), Ok(()));
    assert_eq!(of("ada@Example.com", json!("EXAMPLE.com")), Ok(()));
    // A private account may have an address of any domain.
    for (email, hd) in [
        ("ada@example.com", json!(null)),
        ("ada@example.com", json!("evil.example")),
        ("ada@evil.example", json!("example.com")),
        ("ada@notexample.com", json!("example.com")),
        ("ada@example.com@evil.example", json!("example.com")),
        ("", json!("example.com")),
    ] {
        let refused = of(email, hd);
        assert!(matches!(refused, Err(Failure::Refused(SignInEnd::NotMember, _))), "{email}: {refused:?}");
    }
}

#[test]
fn a_person_has_the_labels_that_are_lists_of_text() {
    let claims = json!({"sub": "1", "name": "ada", "groups": ["dev", "", "ops"], "roles": null});
    let labels = ["groups", "roles", "missing"].map(str::to_owned);
    let person = Person::of_claims(&claims, ("name", &labels), None).unwrap();
    assert_eq!((person.subject.as_str(), person.account.as_str()), ("1", "ada"));
    assert_eq!(serde_json::to_string(&person.labels).unwrap(), r#"{"groups":["dev","ops"]}"#);
    let many: Vec<String> = (0..4000).map(|n| format!("group-{n:04}")).collect();
    let too_many = json!({"sub": "1", "name": "ada", "groups": many});
    assert!(matches!(Person::of_claims(&too_many, ("name", &labels), None), Err(Failure::Refused(..))));
}

#[test]
fn each_end_of_a_sign_in_has_a_word_of_its_own() {
    for end in [
        SignInEnd::Refused,
        SignInEnd::NotMember,
        SignInEnd::Renamed,
        SignInEnd::NotRenewable,
        SignInEnd::Unconfirmed,
        SignInEnd::Unknown,
    ] {
        assert_eq!(SignInEnd::parse(end.code()), Some(end));
        assert!(!end.to_string().contains(['"', '\\']));
    }
}
