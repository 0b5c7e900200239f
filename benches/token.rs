//! What a token costs: one is signed per token request, one checked per request to `/v2`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark may fail loudly")]

use std::{fmt, time::Duration};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use divan::Bencher;
use portwarden::{
    registry::Scope,
    token::{Authority, Settings, SigningKey},
};

const NOW: u64 = 1_767_225_600;

#[derive(Clone, Copy)]
enum Kind {
    Rsa2048,
    P256,
    Ed25519,
}

const KINDS: [Kind; 3] = [Kind::Rsa2048, Kind::P256, Kind::Ed25519];

fn main() {
    divan::main();
}

#[divan::bench(args = KINDS)]
fn sign(bencher: Bencher<'_, '_>, kind: Kind) {
    let authority = authority(kind);
    let access = [Scope::repository("acme/app", &["pull", "push"])];
    bencher.bench(|| authority.issue("alice", "Docker registry", &access, NOW).unwrap());
}

#[divan::bench(args = KINDS)]
fn verify(bencher: Bencher<'_, '_>, kind: Kind) {
    let authority = authority(kind);
    let access = [Scope::repository("acme/app", &["pull", "push"])];
    let issued = authority.issue("alice", "Docker registry", &access, NOW).unwrap();
    bencher.bench(|| authority.verify(divan::black_box(issued.token.expose()), NOW).unwrap());
}

fn authority(kind: Kind) -> Authority {
    let settings = Settings {
        issuer: "Acme auth server".to_owned(),
        service: "Docker registry".to_owned(),
        lifetime: Duration::from_secs(900),
    };
    Authority::new(SigningKey::from_pem(pem(kind).as_bytes(), true).unwrap(), settings)
}

fn pem(kind: Kind) -> String {
    let der = match kind {
        Kind::Rsa2048 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
            AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap().as_ref().to_vec()
        }
        Kind::P256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            pair.to_pkcs8v1().unwrap().as_ref().to_vec()
        }
        Kind::Ed25519 => Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap().as_ref().to_vec(),
    };
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der))
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa2048 => "RSA-2048",
            Self::P256 => "P-256",
            Self::Ed25519 => "Ed25519",
        })
    }
}
