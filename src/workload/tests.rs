//! Each trap of RFC 8725, by its name; and what a session is asked again.

use std::sync::LazyLock;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use serde_json::{Value, json};

use super::*;
use crate::authn::Labels;

const NOW: u64 = 1_767_225_600;
const ISSUER: &str = "https://ci.example";
const OURS: &str = "https://registry.example";

/// Two key pairs and the set that publishes them: `p256`, and `rsa` of 2048 bits.
struct Signer {
    p256: EcdsaKeyPair,
    rsa: RsaKeyPair,
}

/// One for all tests that need no second one: keys of RSA take a while to make.
static SIGNER: LazyLock<Signer> = LazyLock::new(Signer::new);

impl Signer {
    fn new() -> Self {
        Self {
            p256: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            rsa: RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap(),
        }
    }

    fn p256_jwk(&self) -> Value {
        let point = self.p256.public_key().as_ref();
        let half = |from: usize| BASE64URL.encode(&point[from..from + 32]);
        json!({"kid": "p256", "kty": "EC", "crv": "P-256", "use": "sig", "x": half(1), "y": half(33)})
    }

    fn rsa_jwk(&self) -> Value {
        let public = self.rsa.public_key();
        let n = BASE64URL.encode(public.modulus().big_endian_without_leading_zero());
        json!({"kid": "rsa", "kty": "RSA", "use": "sig", "alg": "RS256", "n": n, "e": "AQAB"})
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// Signs with the key of the header's `alg`; with the P-256 key where it is something else.
    fn sign_text(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(claims));
        let random = SystemRandom::new();
        let signature = if header.contains(r#""RS"#) {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
            signature
        } else {
            self.p256.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec()
        };
        format!("{message}.{}", BASE64URL.encode(signature))
    }

    fn settings(&self) -> WorkloadSettings {
        self.settings_with(&json!({"keys": [self.p256_jwk(), self.rsa_jwk()]}))
    }

    fn settings_with(&self, keys: &Value) -> WorkloadSettings {
        let claim = |name: &str| ClaimName::parse(name).unwrap();
        let issuer = IssuerSettings {
            name: "ci".to_owned(),
            issuer: ISSUER.to_owned(),
            algorithms: vec![Algorithm::Es256, Algorithm::Rs256],
            account: AccountTemplate::parse("${claim:repo}").unwrap(),
            require: vec![(claim("owner_id"), Requirement::parse("42").unwrap())],
            labels: vec![("ref".to_owned(), claim("/git/ref"))],
            bearer: false,
            keys: KeySource::File(KeySet::parse(keys.to_string().as_bytes()).unwrap()),
        };
        WorkloadSettings {
            audience: vec![OURS.to_owned()],
            session: Duration::from_secs(3600),
            issuers: vec![issuer],
        }
    }
}

fn header() -> Value {
    json!({"alg": "ES256", "kid": "p256", "typ": "JWT"})
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": OURS, "iat": NOW - 10, "nbf": NOW - 10, "exp": NOW + 300, "jti": "1",
        "repo": "acme/app", "owner_id": "42", "git": {"ref": "main"}})
}

fn with(mut value: Value, name: &str, changed: Value) -> Value {
    if changed.is_null() {
        value.as_object_mut().unwrap().remove(name);
    } else {
        value[name] = changed;
    }
    value
}

fn log_in_with(settings: &WorkloadSettings, jwt: &str) -> Result<Login, JwtError> {
    let workload = Workload::new(settings, None).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(workload.issuer("ci").unwrap().look_at(jwt, NOW))?.prove()
}

fn log_in(signer: &Signer, jwt: &str) -> Result<Login, JwtError> {
    log_in_with(&signer.settings(), jwt)
}

fn error_of(header: &Value, claims: &Value) -> Option<JwtError> {
    let signer = &*SIGNER;
    log_in(signer, &signer.sign(header, claims)).err()
}

fn error_of_claim(name: &str, value: Value) -> Option<JwtError> {
    error_of(&header(), &with(claims(), name, value))
}

#[test]
fn a_right_jwt_is_a_login() {
    let signer = &*SIGNER;
    for header in [header(), json!({"alg": "RS256", "kid": "rsa"})] {
        let login = log_in(signer, &signer.sign(&header, &claims())).unwrap();
        assert_eq!(login.account, "ci:acme/app");
        assert_eq!(login.labels, Labels::from([("ref".to_owned(), vec!["main".to_owned()])]));
        assert_eq!(login.id.as_deref(), Some("1"));
    }
}

#[test]
fn rfc8725_the_algorithm_is_one_of_the_issuers_list() {
    for alg in ["none", "None", "HS256", "ES384", "es256", "EdDSA", ""] {
        assert_eq!(
            error_of(&with(header(), "alg", json!(alg)), &claims()),
            Some(JwtError::Algorithm),
            "{alg}"
        );
    }
    assert_eq!(error_of(&with(header(), "alg", Value::Null), &claims()), Some(JwtError::Algorithm));
}

#[test]
fn rfc8725_the_algorithm_fits_the_key() {
    let signer = &*SIGNER;
    let jwt = signer.sign(&json!({"alg": "RS256", "kid": "p256"}), &claims());
    assert_eq!(log_in(signer, &jwt), Err(JwtError::UnfitKey));
    let other = with(signer.rsa_jwk(), "alg", json!("PS256"));
    let jwt = signer.sign(&json!({"alg": "RS256", "kid": "rsa"}), &claims());
    assert_eq!(log_in_with(&signer.settings_with(&json!({"keys": [other]})), &jwt), Err(JwtError::UnfitKey));
}

#[test]
fn rfc8725_the_signature_counts_to_the_last_byte() {
    let (signer, other) = (&*SIGNER, Signer::new());
    let jwt = other.sign(&header(), &claims());
    assert_eq!(log_in(signer, &jwt), Err(JwtError::Signature), "another key of the same kid");
    let jwt = signer.sign(&header(), &claims());
    let (message, _) = jwt.rsplit_once('.').unwrap();
    assert_eq!(log_in(signer, &format!("{message}.")), Err(JwtError::Signature), "none at all");
    let forged = signer.sign(&header(), &with(claims(), "repo", json!("acme/other")));
    let (forged, _) = forged.rsplit_once('.').unwrap();
    let (_, signature) = jwt.rsplit_once('.').unwrap();
    assert_eq!(log_in(signer, &format!("{forged}.{signature}")), Err(JwtError::Signature));
}

#[test]
fn rfc8725_a_key_of_the_header_is_never_believed() {
    let (signer, stranger) = (&*SIGNER, Signer::new());
    let theirs = stranger.p256_jwk();
    for (name, value) in [("jwk", theirs), ("jku", json!("https://evil.example")), ("x5c", json!(["MII"]))] {
        let jwt = stranger.sign(&with(header(), name, value), &claims());
        assert_eq!(log_in(signer, &jwt), Err(JwtError::Signature), "{name}");
    }
    for kid in ["", "../../dev/null", "' OR 1=1"] {
        let error =
            log_in(signer, &stranger.sign(&with(header(), "kid", json!(kid)), &claims())).unwrap_err();
        assert!([JwtError::NoKeyId, JwtError::UnknownKey].contains(&error), "{kid}");
    }
    let jwt = signer.sign(&with(header(), "kid", Value::Null), &claims());
    assert_eq!(log_in(signer, &jwt), Err(JwtError::NoKeyId), "no key is guessed");
}

#[test]
fn rfc8725_crit_is_refused() {
    assert_eq!(error_of(&with(header(), "crit", json!(["b64"])), &claims()), Some(JwtError::Critical));
    assert_eq!(error_of(&with(header(), "crit", json!([])), &claims()), Some(JwtError::Critical));
}

#[test]
fn rfc8725_the_issuer_is_the_same_byte_for_byte() {
    for iss in ["https://ci.example/", "HTTPS://ci.example", "https://ci.example.evil", "ci.example", ""] {
        assert_eq!(error_of_claim("iss", json!(iss)), Some(JwtError::Issuer), "{iss}");
    }
    for value in [Value::Null, json!([ISSUER]), json!(1)] {
        assert_eq!(error_of_claim("iss", value), Some(JwtError::Issuer));
    }
}

#[test]
fn rfc8725_the_audience_is_this_registry() {
    for aud in [
        json!("https://other.example"),
        json!("https://registry.example/"),
        json!([]),
        json!(["x"]),
        Value::Null,
    ] {
        assert_eq!(error_of_claim("aud", aud.clone()), Some(JwtError::Audience), "{aud}");
    }
    assert_eq!(error_of_claim("aud", json!([OURS, 1])), Some(JwtError::Malformed));
    assert_eq!(error_of_claim("aud", json!(["x", OURS])), None);
}

#[test]
fn rfc8725_the_times_are_checked_with_a_minute() {
    assert_eq!(error_of_claim("exp", json!(NOW - 60)), Some(JwtError::Expired));
    assert_eq!(error_of_claim("exp", json!(NOW - 59)), None);
    assert_eq!(error_of_claim("nbf", json!(NOW + 61)), Some(JwtError::NotYetValid));
    assert_eq!(error_of_claim("nbf", json!(NOW + 60)), None);
    assert_eq!(error_of_claim("nbf", Value::Null), None);
    assert_eq!(error_of_claim("iat", json!(NOW + 61)), Some(JwtError::NotYetValid));
    for name in ["exp", "iat"] {
        for value in [Value::Null, json!("1"), json!(1.5), json!(u64::MAX), json!({})] {
            assert_eq!(error_of_claim(name, value.clone()), Some(JwtError::Malformed), "{name} {value}");
        }
    }
}

#[test]
fn a_jwt_that_is_valid_for_more_than_a_day_is_refused() {
    let issued = NOW - 10;
    assert_eq!(error_of_claim("exp", json!(issued + 86_400)), None);
    assert_eq!(error_of_claim("exp", json!(issued + 86_401)), Some(JwtError::TooLong));
    assert_eq!(error_of_claim("exp", json!(i64::MAX)), Some(JwtError::TooLong));
    assert_eq!(error_of_claim("iat", json!(i64::MIN)), Some(JwtError::TooLong));
}

#[test]
fn what_two_readers_could_understand_differently_is_refused() {
    let signer = &*SIGNER;
    let (header, claims) = (header().to_string(), claims().to_string());
    let twice = |text: &str, more: &str| format!("{},{more}}}", text.strip_suffix('}').unwrap());
    for jwt in [
        signer.sign_text(&twice(&header, r#""kid":"p256""#), &claims),
        signer.sign_text(&header, &twice(&claims, r#""aud":"https://registry.example""#)),
        signer.sign_text(&header, &twice(&claims, r#""x":{"y":[{"a":1,"a":1}]}"#)),
        signer.sign_text(&header, "[]"),
        signer.sign_text("null", &claims),
        "a.b".to_owned(),
        "a.b.c.d".to_owned(),
        String::new(),
        format!("{}.", signer.sign_text(&header, &claims)),
        format!("{}=", signer.sign_text(&header, &claims)),
        format!(" {}", signer.sign_text(&header, &claims)),
    ] {
        let error = log_in(signer, &jwt).unwrap_err();
        assert_eq!(error, JwtError::Malformed, "{jwt}");
    }
}

#[test]
fn a_jwt_of_more_than_16_kib_is_not_read() {
    let signer = &*SIGNER;
    let with_bytes = |bytes: usize| signer.sign(&header(), &with(claims(), "more", json!("x".repeat(bytes))));
    assert!(log_in(signer, &with_bytes(11_000)).is_ok());
    assert_eq!(log_in(signer, &with_bytes(12_200)), Err(JwtError::TooLarge));
}

#[test]
fn keys_that_are_weak_or_made_for_something_else_are_passed_over() {
    let signer = &*SIGNER;
    let (p256, rsa) = (signer.p256_jwk(), signer.rsa_jwk());
    let parse = |key: Value| KeySet::parse(json!({"keys": [key]}).to_string().as_bytes());
    assert!(parse(p256.clone()).is_ok() && parse(rsa.clone()).is_ok());
    let short = BASE64URL.encode([0xff; 255]);
    let padded = BASE64URL.encode([[0].as_slice(), &[0x7f], &[0xff; 255]].concat());
    for key in [
        with(rsa.clone(), "n", json!(short)),
        with(rsa.clone(), "n", json!(padded)),
        with(rsa.clone(), "use", json!("enc")),
        with(rsa.clone(), "alg", json!("RSA-OAEP")),
        with(rsa.clone(), "key_ops", json!(["encrypt"])),
        with(rsa, "kid", Value::Null),
        with(p256.clone(), "crv", json!("secp256k1")),
        with(p256.clone(), "x", json!(BASE64URL.encode([1; 32]))),
        with(p256.clone(), "kty", json!("RSA")),
        json!({"kid": "p256", "kty": "oct", "k": "c2VjcmV0"}),
        json!({"kid": "p256"}),
    ] {
        assert!(parse(key.clone()).is_err(), "{key}");
    }
    let twice = json!({"keys": [p256.clone(), p256]});
    assert!(KeySet::parse(twice.to_string().as_bytes()).is_err(), "two keys of one kid");
    for document in
        [&b"{"[..], b"[]", b"{}", br#"{"keys":{}}"#, br#"{"keys":[]}"#, br#"{"keys":[],"keys":[]}"#]
    {
        assert!(KeySet::parse(document).is_err());
    }
}

#[test]
fn a_claim_that_is_needed_is_there_and_a_text() {
    for (name, value) in
        [("repo", Value::Null), ("repo", json!(1)), ("owner_id", Value::Null), ("owner_id", json!(42))]
    {
        assert_eq!(error_of_claim(name, value), Some(JwtError::Claim(name.to_owned())));
    }
    assert_eq!(error_of_claim("git", json!({"ref": null})), Some(JwtError::Claim("/git/ref".to_owned())));
    assert_eq!(error_of_claim("owner_id", json!("421")), Some(JwtError::Requirement("owner_id".to_owned())));
}

#[test]
fn a_session_ends_when_its_issuer_goes_or_requires_more() {
    let signer = &*SIGNER;
    let settings = signer.settings();
    let login = log_in(signer, &signer.sign(&header(), &claims())).unwrap();
    let session = Workload::new(&settings, None).unwrap().begin(&login, NOW);
    let accepts = |change: &dyn Fn(&mut WorkloadSettings)| {
        let mut settings = settings.clone();
        change(&mut settings);
        Workload::new(&settings, None).unwrap().accepts("ci:acme/app", &session, NOW + 100)
    };
    let claim = |name: &str| ClaimName::parse(name).unwrap();
    assert!(accepts(&|_| {}));
    assert!(accepts(&|settings| settings.session = Duration::from_secs(101)));
    assert!(!accepts(&|settings| settings.session = Duration::from_secs(100)), "sessions are shorter now");
    let keys =
        |jwk: Value| KeySource::File(KeySet::parse(json!({"keys": [jwk]}).to_string().as_bytes()).unwrap());
    assert!(accepts(&|settings| settings.issuers[0].keys = keys(signer.p256_jwk())));
    assert!(
        !accepts(&|settings| settings.issuers[0].keys = keys(signer.rsa_jwk())),
        "the key was taken out of the file"
    );
    let mut replaced = Signer::new().p256_jwk();
    replaced["kid"] = json!("p256");
    assert!(
        !accepts(&|settings| settings.issuers[0].keys = keys(replaced.clone())),
        "another key of the same kid"
    );
    let authority = rcgen::generate_simple_self_signed(vec!["ci.example".to_owned()]).unwrap();
    let fetched = KeySource::Fetched {
        uri: Some("https://ci.example/keys".parse().unwrap()),
        authorities: vec![authority.cert.der().clone()],
    };
    assert!(!accepts(&|settings| settings.issuers[0].keys = fetched.clone()), "another source");
    assert!(!accepts(&|settings| settings.issuers[0].name = "other".to_owned()));
    assert!(!accepts(&|settings| settings.issuers[0].issuer = "https://other.example".to_owned()));
    assert!(!accepts(&|settings| settings.audience = vec!["https://other.example".to_owned()]));
    assert!(!accepts(&|settings| settings.issuers[0].labels[0].1 = claim("repo")));
    assert!(!accepts(
        &|settings| settings.issuers[0].account = AccountTemplate::parse("${claim:sub}").unwrap()
    ));
    assert!(!accepts(&|settings| settings.issuers[0].require[0].1 = Requirement::parse("43").unwrap()));
    let more = (claim("event"), Requirement::parse("*").unwrap());
    assert!(
        !accepts(&|settings| settings.issuers[0].require.push(more.clone())),
        "it is not known what it was"
    );
    assert!(
        !Workload::new(&settings, None).unwrap().accepts("acme/app", &session, NOW),
        "no issuer's account"
    );
}

#[test]
fn names_of_an_issuer_belong_to_it_in_every_spelling() {
    let workload = Workload::new(&SIGNER.settings(), None).unwrap();
    for name in ["ci", "ci:acme/app", "CI", "Ci:x", "ci:", "ｃｉ:x", "ci：x", " ci :x"] {
        assert!(workload.owns(name), "{name}");
    }
    for name in ["", "c", "cicd", "x:ci", "ci-bot"] {
        assert!(!workload.owns(name), "{name}");
    }
    assert!(workload.issuer("CI").is_none(), "a JWT is taken under the name itself only");
}
