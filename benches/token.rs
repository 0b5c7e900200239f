//! The cost of a token, beside the bare signature, and its allocations: one is signed per token request, one checked
//! per request to `/v2`, and remembered for the next.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark may fail loudly")]

use std::{fmt, time::Duration};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use divan::{AllocProfiler, Bencher, black_box};
use portwarden::{
    registry::Scope,
    token::{Authority, Settings, SigningKey},
};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

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

/// The signature of a message as long as that of [`sign`], and nothing else.
#[divan::bench(args = KINDS)]
fn sign_bare(bencher: Bencher<'_, '_>, kind: Kind) {
    let (der, random) = (der(kind), SystemRandom::new());
    let authority = authority(kind);
    let access = [Scope::repository("acme/app", &["pull", "push"])];
    let token = authority.issue("alice", "Docker registry", &access, NOW).unwrap().token;
    let message = token.expose().rsplit_once('.').unwrap().0.as_bytes();
    match kind {
        Kind::Rsa2048 => {
            let pair = RsaKeyPair::from_pkcs8(&der).unwrap();
            let mut signature = vec![0; pair.public_modulus_len()];
            bencher.bench_local(|| {
                pair.sign(&RSA_PKCS1_SHA256, &random, black_box(message), &mut signature).unwrap();
            });
        }
        Kind::P256 => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).unwrap();
            bencher.bench(|| pair.sign(&random, black_box(message)).unwrap());
        }
        Kind::Ed25519 => {
            let pair = Ed25519KeyPair::from_pkcs8(&der).unwrap();
            bencher.bench(|| pair.sign(black_box(message)));
        }
    }
}

/// A token that was never shown before.
#[divan::bench(args = KINDS)]
fn verify_first(bencher: Bencher<'_, '_>, kind: Kind) {
    let authority = authority(kind);
    let access = [Scope::repository("acme/app", &["pull", "push"])];
    let issue = || authority.issue("alice", "Docker registry", &access, NOW).unwrap().token;
    bencher.with_inputs(issue).bench_refs(|token| authority.verify(black_box(token.expose()), NOW).unwrap());
}

/// A token that was shown before.
#[divan::bench(args = KINDS)]
fn verify_remembered(bencher: Bencher<'_, '_>, kind: Kind) {
    let authority = authority(kind);
    let access = [Scope::repository("acme/app", &["pull", "push"])];
    let issued = authority.issue("alice", "Docker registry", &access, NOW).unwrap();
    bencher.bench(|| authority.verify(black_box(issued.token.expose()), NOW).unwrap());
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
    let der = STANDARD.encode(der(kind));
    format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n")
}

/// A new private key, PKCS#8.
fn der(kind: Kind) -> Vec<u8> {
    match kind {
        Kind::Rsa2048 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
            AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap().as_ref().to_vec()
        }
        Kind::P256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            pair.to_pkcs8v1().unwrap().as_ref().to_vec()
        }
        Kind::Ed25519 => Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap().as_ref().to_vec(),
    }
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
