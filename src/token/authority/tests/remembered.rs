//! Tokens whose signature was checked before.

use super::*;

/// A token that has been checked, and so is remembered.
fn remembered(authority: &Authority) -> SignedToken {
    let token = authority.issue("alice", "Docker registry", &pull(), NOW).unwrap().token;
    authority.verify(token.expose(), NOW).unwrap();
    assert_eq!(authority.accesses.load().0, 1);
    token
}

#[test]
fn a_signature_is_checked_once() {
    let authority = authority(&generate(P256));
    let token = remembered(&authority);
    let [first, second] = [NOW, NOW + 1].map(|now| authority.verify(token.expose(), now).unwrap());
    assert!(Arc::ptr_eq(&first, &second), "what was read then is given back");
}

#[test]
fn rule_13_a_remembered_token_has_no_more_time_than_another() {
    let authority = authority(&generate(P256));
    let token = remembered(&authority);
    let at = |now| authority.verify(token.expose(), now).map(|_| ());
    assert_eq!(at(NOW + 960), Ok(()));
    for now in [NOW + 961, u64::MAX] {
        assert_eq!(at(now), Err(TokenError::Expired));
    }
    for now in [0, NOW - 71] {
        assert_eq!(at(now), Err(TokenError::NotYetValid), "a clock that was put back");
    }
    assert_eq!(at(NOW - 70), Ok(()));
}

#[test]
fn rule_13_a_remembered_token_is_the_whole_token() {
    let authority = authority(&generate(P256));
    let token = remembered(&authority);
    let (message, signature) = token.expose().rsplit_once('.').unwrap();
    let signature = BASE64URL.decode(signature).unwrap();
    for bit in 0..8 * signature.len() {
        let mut changed = signature.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let forged = format!("{message}.{}", BASE64URL.encode(changed));
        assert_eq!(authority.verify(&forged, NOW), Err(TokenError::BadSignature), "bit {bit}");
    }
    let (header, claims) = message.split_once('.').unwrap();
    for forged in [
        format!("{message}."),
        message.to_owned(),
        format!("{claims}.{header}"),
        format!("{} ", token.expose()),
    ] {
        assert!(authority.verify(&forged, NOW).is_err(), "{forged}");
    }
    assert_eq!(authority.accesses.load().0, 1, "what is refused is not remembered");
}

#[test]
fn rule_13_another_key_issuer_or_service_remembers_nothing() {
    let pem = generate(P256);
    let ours = authority(&pem);
    let token = remembered(&ours);
    let with = |pem: &[u8], change: fn(&mut Settings)| {
        let mut settings = ours.settings.clone();
        change(&mut settings);
        let after_reload = Authority::new(SigningKey::from_pem(pem, true).unwrap(), settings);
        after_reload.verify(token.expose(), NOW).map(|_| ())
    };
    assert_eq!(with(&pem, |_| ()), Ok(()));
    assert_eq!(with(&generate(P256), |_| ()), Err(TokenError::ForeignKey));
    assert_eq!(with(&pem, |settings| settings.issuer.push('x')), Err(TokenError::WrongIssuer));
    assert_eq!(with(&pem, |settings| settings.service.push('x')), Err(TokenError::WrongAudience));
}

#[test]
fn memory_is_bounded_whatever_good_tokens_say() {
    let authority = authority(&generate("-algorithm ED25519"));
    let many = vec!["x"; 2000];
    let labels = [("a", many.as_slice())];
    let long = labelled(&[("b", &[&"x".repeat(6000)])]);
    let sources = [None, Some(of_directory(labelled(&labels))), Some(of_directory(long))];
    for token in 0..3 * ACCESS_SETS * 8 {
        let source = sources[token % sources.len()].as_ref();
        // Each account has few, so that only the room of all ends it.
        let account = format!("account{}", token / 2);
        let token =
            authority.issue_to(vouched(&account, source), "Docker registry", &pull(), NOW).unwrap().token;
        authority.verify(token.expose(), NOW).unwrap();
    }
    let (count, bytes) = authority.accesses.load();
    assert!(count > ACCESS_SETS && count <= 8 * ACCESS_SETS, "{count} tokens");
    assert!(bytes <= ACCESS_SETS * (16 << 10), "{bytes} bytes");
}
