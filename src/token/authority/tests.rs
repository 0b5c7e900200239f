//! Access tokens made and checked; the recorded ones are in `tests/fast/cases_tokens.rs`.

mod remembered;

use jsonwebtoken::{DecodingKey, Header, Validation, decode, decode_header};
use serde_json::{Value, json};

use super::*;
use crate::{
    authn::Source,
    state::AccountClaims,
    token::{
        Algorithm, BackEndClaim, CarriedClaims,
        testing::{KINDS, NOW, P256, authority, generate, shell},
    },
};

fn pull() -> Vec<Scope> {
    vec![Scope::repository("acme/app", &["pull"])]
}

fn vouched<'a>(account: &'a str, auth_source: Option<&'a AuthSourceClaim>) -> Holder<'a> {
    Holder { auth_source, ..Holder::from(account) }
}

#[test]
fn rule_41_a_token_ends_with_the_right_to_sign_in_and_lasts_a_minute_at_least() {
    let (authority, lifetime) = (authority(&generate(P256)), 900);
    for (until, expected) in [
        (None, lifetime),
        (Some(NOW + 10_000), lifetime),
        (Some(NOW + 300), 300),
        (Some(NOW + 30), 60),
        (Some(NOW - 1), 60),
    ] {
        let holder = Holder { until, ..Holder::from("ci") };
        let issued = authority.issue_to(holder, "elsewhere", &pull(), NOW).unwrap();
        assert_eq!(issued.expires_in, expected, "{until:?}");
    }
}

/// Signs any header and claims with the authority's own key.
fn forge(authority: &Authority, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64URL.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    format!("{message}.{}", BASE64URL.encode(authority.key.sign(message.as_bytes()).unwrap()))
}

fn header(authority: &Authority) -> Value {
    json!({"typ": "JWT", "alg": "ES256", "kid": authority.key.key_id()})
}

fn claims() -> Value {
    json!({"iss": "Acme auth server", "sub": "alice", "aud": "Docker registry", "exp": NOW + 600, "nbf": NOW - 10,
        "iat": NOW, "jti": "x", "access": [{"type": "repository", "name": "acme/app", "actions": ["pull"]}]})
}

/// Returns the result of `verify` for good claims with one member replaced.
fn with(authority: &Authority, name: &str, value: Value) -> Result<Arc<AccessToken>, TokenError> {
    let mut claims = claims();
    claims[name] = value;
    authority.verify(&forge(authority, &header(authority), &claims), NOW)
}

#[test]
fn a_bound_token_says_to_what_and_grants_nothing_elsewhere() {
    let authority = authority(&generate(P256));
    let holder = Holder { bound_to: Some("thumb"), ..Holder::from("cert:ci") };
    let issued = authority.issue_to(holder, "Docker registry", &pull(), NOW).unwrap();
    let token = authority.verify(issued.token.expose(), NOW).unwrap();
    assert_eq!((token.bound_to.as_deref(), &token.access), (Some("thumb"), &pull()));
    let claims = jws::open(authority.key(), Kind::Access, issued.token.expose()).unwrap();
    assert_eq!(claims.objects("access").unwrap().len(), 0, "a registry that trusts the key reads this one");
    // `access` is not for it, and a proof of another kind is not understood.
    assert!(with(&authority, "cnf", json!({"x5t#S256": "thumb"})).unwrap().access.is_empty());
    for proof in
        [json!({}), json!({"jkt": "x"}), json!({"x5t#S256": 1}), json!({"X5T#s256": "x"}), json!("x")]
    {
        assert_eq!(with(&authority, "cnf", proof.clone()), Err(TokenError::Malformed), "{proof}");
    }
}

/// Returns the result of `verify` for a good header with one member added.
fn with_header(authority: &Authority, name: &str, value: Value) -> Result<Arc<AccessToken>, TokenError> {
    let mut header = header(authority);
    header[name] = value;
    authority.verify(&forge(authority, &header, &claims()), NOW)
}

#[test]
fn our_tokens_pass_jsonwebtoken_with_the_public_key_alone() {
    type Read = fn(&[u8]) -> jsonwebtoken::errors::Result<DecodingKey>;
    let readers: [(Read, Algorithm); 4] = [
        (DecodingKey::from_rsa_pem, Algorithm::RS256),
        (DecodingKey::from_ec_pem, Algorithm::ES256),
        (DecodingKey::from_ec_pem, Algorithm::ES384),
        (DecodingKey::from_ed_pem, Algorithm::EdDSA),
    ];
    for (kind, (read, algorithm)) in KINDS.into_iter().zip(readers) {
        let pem = generate(kind);
        let authority = authority(&pem);
        let now = jsonwebtoken::get_current_timestamp();
        let issued = authority.issue("alice", "Docker registry", &pull(), now).unwrap();
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&["Docker registry"]);
        validation.set_issuer(&["Acme auth server"]);
        validation.validate_nbf = true;
        let public = read(&shell("openssl pkey -pubout", &pem)).unwrap();
        let data = decode::<Value>(issued.token.expose(), &public, &validation).unwrap();
        let expected = Header { kid: Some(authority.key.key_id().to_owned()), ..Header::new(algorithm) };
        assert_eq!(data.header, expected, "{kind}");
        let mut claims = data.claims;
        assert_eq!(claims["jti"].as_str().unwrap().len(), 22);
        claims["jti"] = json!("");
        assert_eq!(
            claims,
            json!({"iss": "Acme auth server", "sub": "alice", "aud": "Docker registry", "exp": now + 900,
                "nbf": now - 10, "iat": now, "jti": "",
                "access": [{"type": "repository", "name": "acme/app", "actions": ["pull"]}]})
        );
    }
}

#[test]
fn what_was_issued_is_verified() {
    for kind in KINDS {
        let authority = authority(&generate(kind));
        let access = vec![Scope::repository("a/b", &[]), Scope::new("registry", "catalog", &["*"])];
        let issued = authority.issue("älice", "Docker registry", &access, NOW).unwrap();
        assert_eq!((issued.expires_in, issued.issued_at), (900, NOW));
        let token = authority.verify(issued.token.expose(), NOW).unwrap();
        assert_eq!(
            (token.account.as_str(), &token.access, &token.auth_source),
            ("älice", &access, &None),
            "{kind}"
        );
        assert_eq!((&token.stamp.state, token.stamp.generation), (&None, 0));
        assert_eq!(token.stamp.id.as_ref().map(|id| id.len()), Some(22));
    }
}

#[test]
fn a_stamp_travels_in_the_token_and_takes_no_room_where_there_is_none() {
    let authority = authority(&generate(P256));
    let issue = |stamp| {
        let holder = Holder { stamp, ..Holder::from("alice") };
        authority.issue_to(holder, "Docker registry", &pull(), NOW).unwrap()
    };
    let stamp = Stamp { state: Some("abcdefghijk".into()), generation: 3, id: None };
    let read = authority.verify(issue(Some(&stamp)).token.expose(), NOW).unwrap();
    assert_eq!((&read.stamp.state, read.stamp.generation), (&stamp.state, 3));
    let none = issue(None).token.expose().len();
    let never_revoked = Stamp { state: Some("abcdefghijk".into()), generation: 0, id: None };
    let first = issue(Some(&never_revoked)).token.expose().len();
    assert!(first <= none + 32, "{first} bytes, {none} without a state");
    let issued = issue(Some(&Stamp::default()));
    let claims = jws::open(&authority.key, Kind::Access, issued.token.expose()).unwrap();
    assert!(!claims.has("generation") && !claims.has("state"));
}

fn of_directory(claims: AccountClaims) -> AuthSourceClaim {
    let claims = CarriedClaims::Inline(claims);
    AuthSourceClaim::BackEnd(BackEndClaim { source: Source::LdapAuth, claims, session: None })
}

fn labelled(labels: &[(&str, &[&str])]) -> AccountClaims {
    let owned = |(name, values): &(&str, &[&str])| {
        ((*name).to_owned(), values.iter().map(|value| (*value).to_owned()).collect())
    };
    AccountClaims { labels: Arc::new(labels.iter().map(owned).collect()), ..AccountClaims::default() }
}

#[test]
fn what_a_back_end_said_travels_in_the_token() {
    let authority = authority(&generate(P256));
    // Labels that are called like claims, and one without values.
    let mut given =
        labelled(&[("ACCESS", &["x"]), ("access", &["y", "z"]), ("sub", &[]), ("\u{e9} \"", &["a,b"])]);
    given.left_out = Arc::new([("labels".to_owned(), vec![String::new(), "x".to_owned()])].into());
    let source = of_directory(given);
    let issued =
        authority.issue_to(vouched("alice", Some(&source)), "Docker registry", &pull(), NOW).unwrap();
    let token = authority.verify(issued.token.expose(), NOW).unwrap();
    assert_eq!((token.account.as_str(), &token.auth_source), ("alice", &Some(source)));
    for (name, bad) in [
        ("backend", json!(1)),
        ("labels", json!({"a": ["b"]})),
        ("labels", json!([[]])),
        ("labels", json!([[1]])),
        ("left_out", json!({"a": ["b"]})),
        ("left_out", json!([[]])),
        ("backend", json!("other_auth")),
        // Of workload_auth, and of no other.
        ("backend", json!("workload_auth")),
        ("session", json!(["settings", "kid", "key", "1"])),
        ("stored", json!("AAAA")),
        ("stored", json!(1)),
    ] {
        let mut claims = claims();
        claims["backend"] = json!("ldap_auth");
        claims[name] = bad.clone();
        let token = forge(&authority, &header(&authority), &claims);
        assert_eq!(authority.verify(&token, NOW), Err(TokenError::Malformed), "{name}: {bad}");
    }
}

#[test]
fn labels_beyond_the_room_in_a_header_are_an_error() {
    let authority = authority(&generate(P256));
    let issue = |value: &str| {
        let source = of_directory(labelled(&[("group", &[value])]));
        authority.issue_to(vouched("alice", Some(&source)), "Docker registry", &[], NOW).map(|_| ())
    };
    assert_eq!(issue(&"x".repeat((12 << 10) - 11)), Ok(()));
    assert_eq!(issue(&"x".repeat((12 << 10) - 10)), Err(IssueError::TooManyLabels(12 << 10)));
}

#[test]
fn rule_13_time_has_a_leeway_of_60_seconds_to_the_second() {
    let authority = authority(&generate(P256));
    let issued = authority.issue("alice", "Docker registry", &[], NOW).unwrap();
    let at = |now| authority.verify(issued.token.expose(), now).map(|_| ());
    assert_eq!(at(NOW - 71), Err(TokenError::NotYetValid));
    assert_eq!(at(NOW - 70), Ok(()));
    assert_eq!(at(NOW + 960), Ok(()));
    assert_eq!(at(NOW + 961), Err(TokenError::Expired));
    assert_eq!(at(0), Err(TokenError::NotYetValid));
    assert_eq!(at(u64::MAX), Err(TokenError::Expired));
}

#[test]
fn rule_13_overflowing_and_missing_times_are_refused() {
    let authority = authority(&generate(P256));
    for name in ["exp", "nbf"] {
        for value in
            [json!(null), json!(1.5), json!("1"), json!(u64::MAX), json!(i64::MAX), json!(LATEST + 1)]
        {
            let refusal = with(&authority, name, value.clone()).unwrap_err();
            assert_eq!(refusal, TokenError::Malformed, "{name} {value}");
        }
    }
    assert!(with(&authority, "exp", json!(LATEST)).is_ok());
    assert_eq!(with(&authority, "nbf", json!(LATEST)).unwrap_err(), TokenError::NotYetValid);
    assert_eq!(with(&authority, "exp", json!(i64::MIN)).unwrap_err(), TokenError::Expired);
    assert!(with(&authority, "nbf", json!(i64::MIN)).is_ok());
}

#[test]
fn rule_13_issuer_and_audience_are_exact() {
    let authority = authority(&generate(P256));
    assert_eq!(with(&authority, "iss", json!("acme auth server")).unwrap_err(), TokenError::WrongIssuer);
    assert_eq!(with(&authority, "iss", json!(null)).unwrap_err(), TokenError::WrongIssuer);
    assert_eq!(with(&authority, "aud", json!("Docker registry ")).unwrap_err(), TokenError::WrongAudience);
    assert_eq!(with(&authority, "aud", json!(["Docker registry"])).unwrap_err(), TokenError::Malformed);
}

#[test]
fn rule_13_a_null_or_list_in_access_is_refused() {
    let authority = authority(&generate(P256));
    for access in [
        json!([null]),
        json!([["repository", "acme/app", ["pull"]]]),
        json!({}),
        json!([{"type": "repository", "name": "acme/app", "actions": [null]}]),
    ] {
        assert_eq!(
            with(&authority, "access", access.clone()).unwrap_err(),
            TokenError::Malformed,
            "{access}"
        );
    }
    assert_eq!(with(&authority, "access", json!(null)).unwrap().access, []);
}

#[test]
fn rule_13_only_our_key_and_its_algorithm_count() {
    let (ours, stranger) = (authority(&generate(P256)), authority(&generate(P256)));
    let token = forge(&stranger, &header(&stranger), &claims());
    assert_eq!(ours.verify(&token, NOW).unwrap_err(), TokenError::ForeignKey);
    let token = forge(&stranger, &header(&ours), &claims());
    assert_eq!(ours.verify(&token, NOW).unwrap_err(), TokenError::BadSignature);
    for algorithm in ["none", "RS256", "HS256", "es256", "ES384", ""] {
        assert_eq!(
            with_header(&ours, "alg", json!(algorithm)).unwrap_err(),
            TokenError::ForeignKey,
            "{algorithm}"
        );
    }
    assert_eq!(with_header(&ours, "alg", json!(["ES256"])).unwrap_err(), TokenError::Malformed);
    assert_eq!(with_header(&ours, "kid", json!("AAAA")).unwrap_err(), TokenError::ForeignKey);
    assert_eq!(with_header(&ours, "kid", json!(null)).unwrap_err(), TokenError::ForeignKey);
}

#[test]
fn rule_13_keys_in_the_header_are_never_used_and_crit_is_refused() {
    let ours = authority(&generate(P256));
    for name in ["jku", "x5u"] {
        assert!(with_header(&ours, name, json!("https://evil.example/")).is_ok(), "{name}");
    }
    for (name, value) in
        [("jwk", json!({})), ("x5c", json!(["!!!"])), ("crit", json!(["b64"])), ("crit", json!([]))]
    {
        assert_eq!(with_header(&ours, name, value).unwrap_err(), TokenError::ForeignKey, "{name}");
    }
}

#[test]
fn rule_15_a_token_for_another_service_is_made_but_does_not_open_ours() {
    let authority = authority(&generate(P256));
    let issued = authority.issue("alice", "elsewhere", &pull(), NOW).unwrap();
    assert_eq!(authority.verify(issued.token.expose(), NOW).unwrap_err(), TokenError::WrongAudience);
}

#[test]
fn rule_15_no_token_is_valid_for_less_than_60_seconds() {
    let mut authority = authority(&generate(P256));
    for (set, expected) in
        [(Duration::ZERO, 60), (Duration::from_secs(61), 61), (Duration::MAX, LATEST - NOW)]
    {
        authority.settings.lifetime = set;
        let issued = authority.issue("alice", "Docker registry", &[], NOW).unwrap();
        assert_eq!(issued.expires_in, expected);
        assert!(authority.verify(issued.token.expose(), NOW + expected.min(1 << 60)).is_ok());
    }
}

#[test]
fn rule_16_tokens_print_as_stars() {
    let authority = authority(&generate(P256));
    let issued = authority.issue("alice", "Docker registry", &[], NOW).unwrap();
    assert_eq!(format!("{0} {0:?} {authority:?}", issued.token), "*** *** ***");
    assert!(!format!("{issued:?}").contains(issued.token.expose()));
}

#[test]
fn the_size_of_a_token_is_bounded_both_ways() {
    let authority = authority(&generate(P256));
    let access = vec![Scope::repository("acme/app", &["pull"]); 1000];
    let refusal = authority.issue("alice", "Docker registry", &access, NOW).unwrap_err();
    assert_eq!(refusal, IssueError::TooLarge(65_536));
    let refusal = with(&authority, "x", json!("x".repeat(50_000))).unwrap_err();
    assert_eq!(refusal, TokenError::Malformed);
    assert!(with(&authority, "x", json!("x".repeat(45_000))).is_ok());
}

#[test]
fn every_token_has_its_own_id() {
    let authority = authority(&generate(P256));
    let token = || authority.issue("alice", "Docker registry", &[], NOW).unwrap().token;
    let payload = |token: SignedToken| token.expose().split('.').nth(1).unwrap().to_owned();
    assert_ne!(payload(token()), payload(token()));
}

#[test]
fn the_key_id_in_the_header_follows_the_setting() {
    let pem = generate(P256);
    let key = SigningKey::from_pem(&pem, false).unwrap();
    let authority = Authority::new(key, authority(&pem).settings);
    let issued = authority.issue("alice", "Docker registry", &[], NOW).unwrap();
    let kid = decode_header(issued.token.expose()).unwrap().kid.unwrap();
    assert_eq!(kid.len(), 43);
    assert!(authority.verify(issued.token.expose(), NOW).is_ok());
}

#[test]
fn an_error_says_nothing_of_the_token_and_fits_error_description() {
    use TokenError::*;
    let all =
        [Malformed, ForeignKey, BadSignature, WrongIssuer, WrongAudience, NotYetValid, Expired, Revoked];
    let allowed = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
    assert!(all.iter().all(|error| error.to_string().chars().all(allowed)));
}
