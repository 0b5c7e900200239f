//! The recorded tokens: reads `tests/cases/tokens.jsonl` and makes, with new keys, the token that each row describes.
//!
//! The check of the token, and the way it is presented, is up to the test that includes this. Signing is done here and
//! not by the product, because most of these tokens are ones that the product would never make.
#![allow(dead_code, reason = "each test that includes this module uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a test may fail loudly"
)]

use aws_lc_rs::{
    digest,
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{self, EcdsaKeyPair, KeyPair, RsaEncoding, RsaKeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use portwarden::token::SigningKey;
use serde::Deserialize;
use serde_json::{Value, json};

/// The issuer and the service of the registry that was recorded.
pub(crate) const ISSUER: &str = "Acme auth server";
pub(crate) const SERVICE: &str = "Docker registry";

/// A row: how a token is made, how it was presented, and what the registry answered.
#[derive(Debug, Deserialize)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) key: String,
    sign_alg: String,
    header: Value,
    claims: Value,
    tamper: Option<String>,
    raw_claims: Option<String>,
    raw_header: Option<String>,
    #[serde(default)]
    append: Vec<(String, Value)>,
    pub(crate) authorization: Vec<String>,
    #[serde(default)]
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
    pub(crate) accepted: Option<bool>,
    pub(crate) scope: Option<String>,
}

impl Row {
    /// The account that the token names, if it is text.
    pub(crate) fn account(&self) -> Option<&str> {
        self.claims.get("sub")?.as_str()
    }
}

/// All rows, in order.
pub(crate) fn rows() -> Vec<Row> {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/tokens.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The keys of the recording: `auth` is the registry's, `leaf` and `leafexp` have certificates signed by it (the second
/// one expired), `ec` is trusted in a few rows, `evil` is a stranger's.
pub(crate) struct Keyring {
    auth: Rsa,
    evil: Rsa,
    leaf: Rsa,
    leafexp: Rsa,
    ec: Vec<u8>,
}

/// An RSA key with its certificate.
struct Rsa {
    pair: RsaKeyPair,
    certificate: Vec<u8>,
}

impl Keyring {
    /// New keys.
    pub(crate) fn generate() -> Self {
        let auth_pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let issuer = rcgen::Issuer::new(parameters("auth", true), certified(&auth_pair));
        let self_signed = |name: &str, pair: RsaKeyPair| {
            let certificate = parameters(name, true).self_signed(&certified(&pair)).unwrap().der().to_vec();
            Rsa { pair, certificate }
        };
        let signed = |mut parameters: rcgen::CertificateParams, year| {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
            parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
            let certificate = parameters.signed_by(&certified(&pair), &issuer).unwrap().der().to_vec();
            Rsa { pair, certificate }
        };
        Self {
            leaf: signed(parameters("leaf", false), 2100),
            leafexp: signed(parameters("leafexp", false), 2001),
            evil: self_signed("evil", RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
            auth: self_signed("auth", auth_pair),
            ec: ec_pkcs8(),
        }
    }

    /// A private key as PKCS#8 PEM.
    pub(crate) fn pem(&self, name: &str) -> String {
        if name == "ec" {
            pem("PRIVATE KEY", &self.ec)
        } else {
            pem("PRIVATE KEY", &pkcs8(&self.rsa(name).pair))
        }
    }

    /// The token of a row, made at `now` (seconds since 1970).
    pub(crate) fn token(&self, row: &Row, now: u64) -> String {
        let maker = Maker { keys: self, now };
        let claims = maker.claims(row);
        let header = row.raw_header.clone().unwrap_or_else(|| maker.json(&row.header));
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.sign(row, message.as_bytes());
        tamper(row.tamper.as_deref(), &message, &signature)
    }

    /// Puts the token of a row into a text with `{T}`; `{BAD}` is a token with a wrong signature, `{BASIC}` the token
    /// as a password.
    pub(crate) fn fill(&self, text: &str, row: &Row, now: u64) -> String {
        if !text.contains('{') {
            return text.to_owned();
        }
        let token = self.token(row, now);
        let (message, _) = token.rsplit_once('.').unwrap_or((&token, ""));
        let basic = STANDARD.encode(format!("alice:{token}"));
        let bad = format!("{message}.{}", URL_SAFE_NO_PAD.encode([0; 256]));
        text.replace("{T}", &token).replace("{BAD}", &bad).replace("{BASIC}", &basic)
    }

    fn rsa(&self, name: &str) -> &Rsa {
        match name {
            "auth" => &self.auth,
            "evil" => &self.evil,
            "leaf" => &self.leaf,
            "leafexp" => &self.leafexp,
            _ => panic!("no key called {name}"),
        }
    }

    fn spki(&self, name: &str) -> Vec<u8> {
        AsDer::<PublicKeyX509Der<'_>>::as_der(self.rsa(name).pair.public_key()).unwrap().as_ref().to_vec()
    }

    /// The `kid`: libtrust's, or the thumbprint.
    fn key_id(&self, name: &str, legacy: bool) -> String {
        SigningKey::from_pem(self.pem(name).as_bytes(), legacy).unwrap().key_id().to_owned()
    }

    fn sign(&self, row: &Row, message: &[u8]) -> Vec<u8> {
        let rsa = |encoding: &'static dyn RsaEncoding| {
            let pair = &self.rsa(&row.key).pair;
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
            signature
        };
        match row.sign_alg.as_str() {
            "none" => Vec::new(),
            "RS256" => rsa(&signature::RSA_PKCS1_SHA256),
            "RS384" => rsa(&signature::RSA_PKCS1_SHA384),
            "RS512" => rsa(&signature::RSA_PKCS1_SHA512),
            "PS512" => rsa(&signature::RSA_PSS_SHA512),
            // There is no `ES384` on P-256; what counts is that the header says so.
            "ES256" | "ES384" => self.sign_ecdsa(row, message),
            "HS256" => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.secret(&row.key)), message)
                .as_ref()
                .to_vec(),
            other => panic!("{}: no algorithm called {other}", row.id),
        }
    }

    fn sign_ecdsa(&self, row: &Row, message: &[u8]) -> Vec<u8> {
        let form = match row.tamper.as_deref() {
            Some("der-signature") => &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
            _ => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        };
        let pair = EcdsaKeyPair::from_pkcs8(form, &self.ec).unwrap();
        pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    /// Public things misused as a secret.
    fn secret(&self, name: &str) -> Vec<u8> {
        match name {
            "hmac:spki-pem" => pem("PUBLIC KEY", &self.spki("auth")).into_bytes(),
            "hmac:spki-der" => self.spki("auth"),
            "hmac:cert-pem" => pem("CERTIFICATE", &self.auth.certificate).into_bytes(),
            "hmac:cert-der" => self.auth.certificate.clone(),
            "hmac:empty" => Vec::new(),
            "hmac:secret" => b"secret".to_vec(),
            other => panic!("no secret called {other}"),
        }
    }

    /// libtrust's JWK of a key.
    fn jwk(&self, name: &str) -> Value {
        let public = self.rsa(name).pair.public_key();
        let text = |number: aws_lc_rs::io::Positive<'_>| {
            URL_SAFE_NO_PAD.encode(number.big_endian_without_leading_zero())
        };
        json!({"kty": "RSA", "kid": self.key_id(name, true), "n": text(public.modulus()), "e": text(public.exponent())})
    }

    /// Returns the value that a name beginning with `$`, such as `$kid:auth`, stands for.
    fn value(&self, name: &str) -> Value {
        let parts: Vec<&str> = name.split(':').collect();
        let x5c = |name: &str| STANDARD.encode(&self.rsa(name).certificate);
        let with = |key: &str, member: &str, value: Value| {
            let mut jwk = self.jwk(key);
            jwk[member] = value;
            jwk
        };
        match parts[..] {
            ["$kid", key] => self.key_id(key, true).into(),
            ["$kidlower", key] => self.key_id(key, true).to_lowercase().into(),
            ["$kidspace", key] => format!("{} ", self.key_id(key, true)).into(),
            ["$kidhex", key] => hex(digest::digest(&digest::SHA256, &self.spki(key)).as_ref()).into(),
            ["$thumb", key] => self.key_id(key, false).into(),
            ["$x5c", key] => x5c(key).into(),
            ["$x5curl", key] => URL_SAFE_NO_PAD.encode(&self.rsa(key).certificate).into(),
            ["$jwk", key] => self.jwk(key),
            ["$jwkkid", key, kid] => with(key, "kid", self.key_id(kid, true).into()),
            ["$jwkx5c", key, certificate] => with(key, "x5c", json!([x5c(certificate)])),
            ["$jwknokid", key] => {
                let mut jwk = self.jwk(key);
                jwk.as_object_mut().unwrap().remove("kid");
                jwk
            }
            _ => panic!("nothing is called {name}"),
        }
    }
}

/// Writes JSON with the placeholders of a row resolved.
struct Maker<'a> {
    keys: &'a Keyring,
    now: u64,
}

impl Maker<'_> {
    fn claims(&self, row: &Row) -> String {
        let mut claims = self.json(&row.claims);
        for (name, value) in &row.append {
            assert_eq!(claims.pop(), Some('}'), "{}", row.id);
            claims = format!("{claims},{}:{}}}", Value::from(name.as_str()), self.json(value));
        }
        row.raw_claims.as_ref().map_or(claims.clone(), |raw| raw.replace("$claims", &claims))
    }

    fn json(&self, value: &Value) -> String {
        match value {
            Value::Object(members)
                if members.len() == 1 && members.keys().all(|name| name.starts_with('$')) =>
            {
                members.iter().map(|(name, value)| self.placeholder(name, value)).collect()
            }
            Value::Object(members) => {
                let member = |(name, value): (&String, &Value)| {
                    format!("{}:{}", Value::from(name.as_str()), self.json(value))
                };
                format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
            }
            Value::Array(values) => {
                format!("[{}]", values.iter().map(|value| self.json(value)).collect::<Vec<_>>().join(","))
            }
            Value::String(text) if text.starts_with('$') => self.keys.value(text).to_string(),
            other => other.to_string(),
        }
    }

    fn placeholder(&self, name: &str, value: &Value) -> String {
        let moment = |value: &Value| self.now.checked_add_signed(value.as_i64().unwrap()).unwrap();
        match name {
            "$now" => moment(value).to_string(),
            "$now_str" => format!("\"{}\"", moment(value)),
            "$now_float" => (self.now as f64 + value.as_f64().unwrap()).to_string(),
            "$raw" => value.as_str().unwrap().to_owned(),
            other => panic!("nothing is called {other}"),
        }
    }
}

/// Damages a token in a row's way.
fn tamper(how: Option<&str>, message: &str, signature: &[u8]) -> String {
    let encoded = URL_SAFE_NO_PAD.encode(signature);
    let token = format!("{message}.{encoded}");
    let signed = |signature: String| format!("{message}.{signature}");
    match how {
        None | Some("der-signature") => token,
        Some("flip-signature") => {
            let mut flipped = signature.to_vec();
            flipped[10] ^= 1;
            signed(URL_SAFE_NO_PAD.encode(flipped))
        }
        Some("signature-leading-zero") => signed(URL_SAFE_NO_PAD.encode([&[0], signature].concat())),
        Some("junk-signature") => signed(URL_SAFE_NO_PAD.encode("junk")),
        Some("pad-signature") => signed(URL_SAFE.encode(signature)),
        Some("std-base64-signature") => signed(STANDARD_NO_PAD.encode(signature)),
        Some("percent-0A-in-signature") => signed(format!("{}%0A{}", &encoded[..20], &encoded[20..])),
        Some("noncanonical-signature") => signed(set_spare_bits(&encoded)),
        Some("strip-signature") => signed(String::new()),
        Some("two-parts") => message.to_owned(),
        Some("four-parts") => format!("{token}.{encoded}"),
        Some("lead-dot") => format!(".{token}"),
        Some("swap-payload") => {
            let (header, payload) = message.split_once('.').unwrap();
            let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
            let swapped = claims.replace("alice", "admin");
            assert_ne!(claims, swapped);
            format!("{header}.{}.{encoded}", URL_SAFE_NO_PAD.encode(swapped))
        }
        Some(other) => panic!("no way to tamper called {other}"),
    }
}

/// The last letter of 256 bytes in base64 has four bits to spare; sets the lowest.
fn set_spare_bits(encoded: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = encoded.chars().last().unwrap();
    let place = ALPHABET.find(last).unwrap();
    assert_eq!(place % 16, 0);
    format!("{}{}", &encoded[..encoded.len() - 1], &ALPHABET[place + 1..place + 2])
}

fn ec_pkcs8() -> Vec<u8> {
    let pair = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    pair.to_pkcs8v1().unwrap().as_ref().to_vec()
}

fn pkcs8(pair: &RsaKeyPair) -> Vec<u8> {
    AsDer::<Pkcs8V1Der<'_>>::as_der(pair).unwrap().as_ref().to_vec()
}

fn certified(pair: &RsaKeyPair) -> rcgen::KeyPair {
    let pem = pem("PRIVATE KEY", &pkcs8(pair));
    rcgen::KeyPair::from_pem_and_sign_algo(&pem, &rcgen::PKCS_RSA_SHA256).unwrap()
}

fn parameters(name: &str, is_ca: bool) -> rcgen::CertificateParams {
    let mut parameters = rcgen::CertificateParams::default();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
    if is_ca {
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    }
    parameters
}

fn pem(label: &str, der: &[u8]) -> String {
    let text: Vec<char> = STANDARD.encode(der).chars().collect();
    let lines: Vec<String> = text.chunks(64).map(|line| line.iter().collect()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
