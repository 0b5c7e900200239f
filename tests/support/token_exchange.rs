//! The token exchange of a client, and tokens that only a holder of the key can make.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::Value;

use super::{
    curl::{Response, curl},
    pki::KeyType,
    portwarden::{Portwarden, SERVICE, User},
};

/// Asks the token endpoint; without `user`, anonymously.
pub fn ask(portwarden: &Portwarden, user: Option<User>, scopes: &[&str]) -> Response {
    let scopes: String = scopes.iter().map(|scope| format!("&scope={scope}")).collect();
    let request = curl(portwarden);
    let request = match user {
        Some(user) => request.user(user),
        None => request,
    };
    request.get(&format!("/auth?service={SERVICE}{scopes}"))
}

/// A token for `user`, with what the policy allows of `scopes`.
#[track_caller]
pub fn token(portwarden: &Portwarden, user: User, scopes: &[&str]) -> String {
    let answer = ask(portwarden, Some(user), scopes).is(200).json();
    answer["token"].as_str().expect("a token").to_owned()
}

/// The claims, unverified.
pub fn claims(token: &str) -> Value {
    part(token, 1)
}

/// The header, unverified.
pub fn header(token: &str) -> Value {
    part(token, 0)
}

/// The token again, signed with Portwarden's own key, with a life that ends (`exp`) `seconds` from now; negative is in
/// the past. Nothing else differs: it is what the token will be, or was, at another time.
pub fn expiring_in(portwarden: &Portwarden, token: &str, seconds: i64) -> String {
    let mut claims = claims(token);
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let exp = now + seconds;
    let start = exp - 900;
    (claims["exp"], claims["nbf"], claims["iat"]) = (exp.into(), start.into(), start.into());
    sign(portwarden, &header(token), &claims)
}

fn sign(portwarden: &Portwarden, like: &Value, claims: &Value) -> String {
    let pem = fs::read(portwarden.token_key_file()).unwrap();
    let (algorithm, key) = match portwarden.token_key_type() {
        KeyType::Rsa => (Algorithm::RS256, EncodingKey::from_rsa_pem(&pem)),
        KeyType::P256 => (Algorithm::ES256, EncodingKey::from_ec_pem(&pem)),
        KeyType::P384 => (Algorithm::ES384, EncodingKey::from_ec_pem(&pem)),
        KeyType::Ed25519 => (Algorithm::EdDSA, EncodingKey::from_ed_pem(&pem)),
    };
    let mut header = Header::new(algorithm);
    header.kid = like["kid"].as_str().map(str::to_owned);
    jsonwebtoken::encode(&header, claims, &key.unwrap()).unwrap()
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}
