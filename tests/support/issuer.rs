//! An issuer of JWTs as a CI system is one: an HTTPS server with a discovery document and keys, which can rotate them,
//! be slow, be down, answer too much, or send its clients elsewhere.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use serde_json::{Value, json};

use super::{
    https_server::{Answer, HttpsServer, https_server},
    waiting::pause,
};

/// Its answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// As it should.
    Right,
    /// 503.
    Down,
    /// After that many milliseconds.
    Slow(u64),
    /// More than 64 KiB.
    Huge,
    /// 302 to where it would answer rightly.
    Redirect,
    /// With a `jwks_uri` on another origin.
    Elsewhere,
}

/// The issuer; its threads end with the process.
pub struct TestIssuer {
    server: HttpsServer,
    state: Arc<Mutex<State>>,
    asked: Arc<AtomicUsize>,
}

struct State {
    behaviour: Behaviour,
    keys: Vec<(String, EcdsaKeyPair)>,
}

/// Starts one with one key.
pub fn issuer() -> TestIssuer {
    let state = Arc::new(Mutex::new(State { behaviour: Behaviour::Right, keys: Vec::new() }));
    let asked = Arc::new(AtomicUsize::new(0));
    let (known, counted) = (Arc::clone(&state), Arc::clone(&asked));
    let server = https_server(move |url, asked| answer(url, &asked.target, (&known, &counted)));
    let issuer = TestIssuer { server, state, asked };
    issuer.rotate("first");
    issuer
}

impl TestIssuer {
    /// Its `iss`.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// The file with the certificate of its authority.
    pub fn authority_file(&self) -> PathBuf {
        self.server.authority_file()
    }

    /// The number of requests for its keys.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Changes how it answers.
    pub fn behave(&self, behaviour: Behaviour) {
        self.state.lock().unwrap().behaviour = behaviour;
    }

    /// Adds a key, with which it signs from now on.
    pub fn rotate(&self, key_id: &str) {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        self.state.lock().unwrap().keys.push((key_id.to_owned(), key));
    }

    /// The claims of a job for the audience `registry.test`, valid for so many seconds from now on; negative: it ended
    /// before.
    pub fn claims(&self, seconds: i64) -> Value {
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        json!({"iss": self.url(), "aud": "registry.test", "iat": now - 120, "exp": now + seconds, "jti": "job-1",
            "repo": "acme/app", "ref": "refs/heads/main", "owner_id": "42"})
    }

    /// Signs claims with the newest key.
    pub fn sign(&self, claims: &Value) -> String {
        let state = self.state.lock().unwrap();
        let (key_id, key) = state.keys.last().unwrap();
        sign(key, key_id, claims)
    }

    /// Its keys as it publishes them.
    pub fn key_set(&self) -> String {
        key_set(&self.state.lock().unwrap().keys)
    }

    /// Signs claims under a `kid` that it does not publish.
    pub fn sign_as(&self, key_id: &str, claims: &Value) -> String {
        sign(&self.state.lock().unwrap().keys.last().unwrap().1, key_id, claims)
    }
}

/// Signs claims with a key of P-256.
pub fn sign(key: &EcdsaKeyPair, key_id: &str, claims: &Value) -> String {
    let header = json!({"alg": "ES256", "typ": "JWT", "kid": key_id});
    let message =
        format!("{}.{}", BASE64URL.encode(header.to_string()), BASE64URL.encode(claims.to_string()));
    let signature = key.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    format!("{message}.{}", BASE64URL.encode(signature))
}

fn answer(url: &str, target: &str, (state, asked): (&Mutex<State>, &AtomicUsize)) -> Answer {
    let behaviour = state.lock().unwrap().behaviour;
    if target.ends_with("/keys") {
        asked.fetch_add(1, Ordering::SeqCst);
    }
    if let Behaviour::Slow(milliseconds) = behaviour {
        pause(Duration::from_millis(milliseconds));
    }
    let body = match target.strip_prefix("/moved").unwrap_or(target) {
        "/.well-known/openid-configuration" if behaviour == Behaviour::Elsewhere => {
            json!({"issuer": url, "jwks_uri": "https://127.0.0.1:1/keys"}).to_string()
        }
        "/.well-known/openid-configuration" => {
            json!({"issuer": url, "jwks_uri": format!("{url}/keys")}).to_string()
        }
        _ => key_set(&state.lock().unwrap().keys),
    };
    match behaviour {
        Behaviour::Down => ("503 Service Unavailable", String::new(), String::new()),
        Behaviour::Huge => ("200 OK", String::new(), format!("{body}{}", " ".repeat(65 << 10))),
        Behaviour::Redirect if !target.starts_with("/moved") => {
            ("302 Found", format!("location: {url}/moved{target}\r\n"), String::new())
        }
        _ => ("200 OK", String::new(), body),
    }
}

fn key_set(keys: &[(String, EcdsaKeyPair)]) -> String {
    let keys = keys.iter().map(|(key_id, key)| jwk(key_id, key));
    json!({"keys": keys.collect::<Vec<_>>()}).to_string()
}

/// A key of P-256 as its issuer publishes it.
pub fn jwk(key_id: &str, key: &EcdsaKeyPair) -> Value {
    let point = key.public_key().as_ref();
    let (x, y) = (BASE64URL.encode(&point[1..33]), BASE64URL.encode(&point[33..65]));
    json!({"kid": key_id, "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "x": x, "y": y})
}
