//! The cost of a login with a JWT whose key is known: reading and checking it, the signature, and the claims.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark may fail loudly")]

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use divan::{Bencher, black_box};
use portwarden::workload::{
    AccountTemplate, Algorithm, ClaimName, IssuerSettings, KeySet, KeySource, Requirement, Workload,
    WorkloadSettings,
};
use serde_json::json;

const NOW: u64 = 1_767_225_600;

fn main() {
    divan::main();
}

/// A JWT of 1.5 KiB, as GitHub signs them, and of 6 KiB.
#[divan::bench(args = [1_000, 4_400])]
fn login_rs256(bencher: Bencher<'_, '_>, more: usize) {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let n = BASE64URL.encode(pair.public_key().modulus().big_endian_without_leading_zero());
    let keys = json!({"keys": [{"kid": "k", "kty": "RSA", "n": n, "e": "AQAB"}]}).to_string();
    let sign = |message: &[u8]| {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    };
    log_in(bencher, &keys, &jwt("RS256", more, sign));
}

#[divan::bench(args = [1_000, 4_400])]
fn login_es256(bencher: Bencher<'_, '_>, more: usize) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = pair.public_key().as_ref();
    let half = |from: usize| BASE64URL.encode(point.get(from..from + 32).unwrap());
    let keys = json!({"keys": [{"kid": "k", "kty": "EC", "crv": "P-256", "x": half(1), "y": half(33)}]});
    let sign = |message: &[u8]| pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
    log_in(bencher, &keys.to_string(), &jwt("ES256", more, sign));
}

fn jwt(algorithm: &str, more: usize, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let header = json!({"alg": algorithm, "kid": "k", "typ": "JWT"}).to_string();
    let claims = json!({"iss": "https://ci.example", "aud": "https://registry.example", "iat": NOW, "exp": NOW + 300,
        "repository": "acme/app", "ref": "refs/heads/main", "repository_owner_id": "123456", "more": "x".repeat(more)});
    let message = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(claims.to_string()));
    let signature = BASE64URL.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn log_in(bencher: Bencher<'_, '_>, keys: &str, jwt: &str) {
    let claim = |name: &str| ClaimName::parse(name).unwrap();
    let issuer = IssuerSettings {
        name: "github".to_owned(),
        issuer: "https://ci.example".to_owned(),
        algorithms: vec![Algorithm::Rs256, Algorithm::Es256],
        account: AccountTemplate::parse("${claim:repository}").unwrap(),
        require: vec![(claim("repository_owner_id"), Requirement::parse("123456").unwrap())],
        labels: vec![("repo".to_owned(), claim("repository")), ("ref".to_owned(), claim("ref"))],
        bearer: false,
        keys: KeySource::File(KeySet::parse(keys.as_bytes()).unwrap()),
    };
    let settings = WorkloadSettings {
        audience: vec!["https://registry.example".to_owned()],
        session: Duration::from_secs(3600),
        issuers: vec![issuer],
    };
    let workload = Workload::new(&settings, None).unwrap();
    let issuer = Arc::clone(workload.issuer("github").unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    bencher.bench_local(|| {
        let unproved = runtime.block_on(issuer.look_at(black_box(jwt), NOW)).unwrap();
        unproved.prove().unwrap()
    });
}
