//! Tokens: no token passes that the authority did not sign, to the last byte; and of those it did sign only the ones
//! that a slow reader of the claims lets pass, too.

use std::{sync::LazyLock, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use portwarden::{
    registry::Scope,
    token::{Authority, Settings, SigningKey},
};
use rcgen::{KeyPair, SigningKey as _};
use serde_json::{Value, json};

use super::input::Input;

const NOW: u64 = 1_767_225_600;
const ISSUER: &str = "Acme auth server";
const SERVICE: &str = "Docker registry";

/// The authority, the same key to sign with by hand, and a stranger.
struct Parties {
    ours: Authority,
    by_hand: KeyPair,
    stranger: Authority,
}

static PARTIES: LazyLock<Parties> = LazyLock::new(|| {
    let by_hand = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let stranger = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    Parties { ours: authority(&by_hand), stranger: authority(&stranger), by_hand }
});

fn authority(key: &KeyPair) -> Authority {
    let settings = Settings {
        issuer: ISSUER.to_owned(),
        service: SERVICE.to_owned(),
        lifetime: Duration::from_secs(900),
    };
    Authority::new(SigningKey::from_pem(key.serialize_pem().as_bytes(), true).unwrap(), settings)
}

/// Takes any text; after a zero byte changes of a token that is right; after a one claims to sign.
pub fn check(data: &[u8]) {
    match data.split_first() {
        Some((0, choices)) => changed(&mut Input(choices)),
        Some((1, claims)) => signed(claims),
        _ => refused(&String::from_utf8_lossy(data)),
    }
}

fn refused(token: &str) {
    assert!(PARTIES.ours.verify(token, NOW).is_err(), "the authority did not sign {token:?}");
    let refreshed = PARTIES.ours.verify_refresh(token, SERVICE, NOW, |_| None);
    assert!(refreshed.is_err(), "the authority did not sign {token:?}");
}

fn changed(input: &mut Input<'_>) {
    let (account, name) = (input.text(8), input.text(8));
    let access = [Scope::repository(&name, &["pull"])];
    let issue = |authority: &Authority| {
        authority.issue(&account, SERVICE, &access, NOW).unwrap().token.expose().to_owned()
    };
    let (right, foreign) = (issue(&PARTIES.ours), issue(&PARTIES.stranger));
    let read = PARTIES.ours.verify(&right, NOW).expect("our own token");
    assert_eq!((read.account.as_str(), read.access.as_slice()), (account.as_str(), access.as_slice()));
    assert!(PARTIES.ours.verify(&foreign, NOW).is_err(), "a stranger's token");
    let mut token = right.clone().into_bytes();
    for _ in 0..1 + input.below(4) {
        change(&mut token, foreign.as_bytes(), input);
    }
    let Ok(token) = String::from_utf8(token) else { return };
    if token != right {
        refused(&token);
    }
}

fn change(token: &mut Vec<u8>, foreign: &[u8], input: &mut Input<'_>) {
    let at = |input: &mut Input<'_>, length: usize| {
        (usize::from(input.byte()) << 8 | usize::from(input.byte())) % (length + 1)
    };
    let place = at(input, token.len());
    match input.below(7) {
        0 if place < token.len() => token[place] ^= 1 << input.below(7),
        1 if place < token.len() => drop(token.remove(place)),
        2 => token.insert(place, input.pick(b".=AQg-_+/ \n\0\x80")),
        3 => token.truncate(place),
        4 => part(token, input.below(3), |_| BASE64URL.encode(input.rest()).into_bytes()),
        5 => {
            let from: Vec<Vec<u8>> = foreign.split(|b| *b == b'.').map(<[u8]>::to_vec).collect();
            let which = input.below(3);
            part(token, which, |_| from[which].clone());
        }
        _ => part(token, 0, |header| {
            let mut header: Value = BASE64URL
                .decode(header)
                .ok()
                .and_then(|json| serde_json::from_slice(&json).ok())
                .filter(Value::is_object)
                .unwrap_or_else(|| json!({}));
            let value = input.pick(&["none", "HS256", "EdDSA", "RS256", ""]);
            header[input.pick(&["alg", "kid", "typ", "crit", "jwk", "x5c", "jku", "b64"])] = value.into();
            BASE64URL.encode(header.to_string()).into_bytes()
        }),
    }
}

/// Replaces one of the three parts.
fn part(token: &mut Vec<u8>, which: usize, with: impl FnOnce(&[u8]) -> Vec<u8>) {
    let mut parts: Vec<Vec<u8>> = token.split(|b| *b == b'.').map(<[u8]>::to_vec).collect();
    if let Some(part) = parts.get_mut(which) {
        *part = with(part);
    }
    *token = parts.join(&b'.');
}

/// Signs any claims with our own key. What is then accepted a slow reader accepts as well.
fn signed(claims: &[u8]) {
    let header = json!({"alg": "EdDSA", "typ": "JWT", "kid": PARTIES.ours.key().key_id()});
    let message = format!("{}.{}", BASE64URL.encode(header.to_string()), BASE64URL.encode(claims));
    let signature = PARTIES.by_hand.sign(message.as_bytes()).unwrap();
    let token = format!("{message}.{}", BASE64URL.encode(signature));
    let found = PARTIES.ours.verify(&token, NOW);
    let text = String::from_utf8_lossy(claims);
    let Ok(found) = found else { return };
    let claims: Value = serde_json::from_slice(claims).unwrap_or_else(|_| panic!("no JSON: {text:?}"));
    assert!(claims["iss"] == ISSUER && claims["aud"] == SERVICE, "{text:?}");
    let moment = |name: &str| claims[name].as_i64().unwrap_or_else(|| panic!("no {name}: {text:?}"));
    let now = i64::try_from(NOW).unwrap();
    assert!(moment("exp") >= now - 60 && moment("nbf") <= now + 60, "{text:?}");
    assert_eq!(found.account, claims["sub"].as_str().unwrap_or_default(), "{text:?}");
    let entries = claims["access"].as_array().map_or(0, Vec::len);
    assert_eq!(found.access.len(), entries, "{text:?}");
    for (index, scope) in found.access.iter().enumerate() {
        let entry = &claims["access"][index];
        let same = |name: &str, found: &str| entry[name].as_str().unwrap_or_default() == found;
        assert!(
            entry.is_object() && same("type", &scope.resource_type) && same("name", &scope.name),
            "{text:?}"
        );
        let actions = entry["actions"].as_array().map_or(0, Vec::len);
        assert!(
            scope.actions.iter().all(|action| entry["actions"].as_array().unwrap().contains(&json!(action)))
        );
        assert_eq!(scope.actions.len(), actions, "{text:?}");
    }
}
