//! Tests that need no server.

use super::*;

fn challenge(realm: &str) -> Challenge {
    Challenge { realm: realm.to_owned(), service: Some("Docker registry".to_owned()) }
}

fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

#[test]
fn a_registry_is_named_by_its_host() {
    for (written, url) in [
        ("registry.example", "https://registry.example/"),
        ("registry.example:8443", "https://registry.example:8443/"),
        ("https://registry.example/", "https://registry.example/"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000/"),
        ("http://[::1]:5000", "http://[::1]:5000/"),
    ] {
        assert_eq!(with_slash(&registry(written).unwrap()), url);
    }
    for written in [
        "",
        "https://",
        "http://registry.example",
        "ftp://registry.example",
        "registry.example/team",
        "a b",
        "u:p@h",
    ] {
        assert!(registry(written).is_err(), "{written}");
    }
}

#[test]
fn a_password_goes_to_the_host_of_the_registry_or_where_the_user_says() {
    let at = uri("https://registry.example");
    for (named, agreed, fine) in [
        ("https://registry.example/auth", None, true),
        ("https://registry.example:5001/auth", None, true),
        ("https://auth.example/auth", None, false),
        ("https://auth.example/auth", Some("https://auth.example/auth"), true),
        ("https://auth.example/auth", Some("https://other.example/auth"), false),
        ("http://registry.example/auth", None, false),
        ("http://registry.example/auth", Some("http://registry.example/auth"), false),
        ("/auth", None, false),
        ("not a url", None, false),
    ] {
        assert_eq!(realm(&challenge(named), &at, agreed).is_ok(), fine, "{named} {agreed:?}");
    }
}

#[test]
fn the_request_is_dockers() {
    let scopes = ["repository:team/app:pull".to_owned(), "registry:catalog:*".to_owned()];
    assert_eq!(
        token_url(&uri("https://a.example/auth"), &challenge(""), Some("a&b"), &scopes),
        "https://a.example/auth?service=Docker%20registry&account=a%26b&scope=repository:team/app:pull&scope=registry:catalog:%2A"
    );
    let none = Challenge { realm: String::new(), service: None };
    assert_eq!(token_url(&uri("https://a.example/auth?x=1"), &none, None, &[]), "https://a.example/auth?x=1");
    let one = ["a:b:c".to_owned()];
    assert_eq!(
        token_url(&uri("https://a.example/auth?x=1"), &none, None, &one),
        "https://a.example/auth?x=1&scope=a:b:c"
    );
}

#[test]
fn what_is_not_granted_is_named() {
    let claims = r#"{"access":[{"type":"repository","name":"a","actions":["pull"]},{"type":"registry","name":"catalog","actions":["*"]}]}"#;
    let token = format!("x.{}.y", BASE64URL.encode(claims));
    let ask = |scopes: &[&str]| {
        let wanted = Scope::parse_all(scopes.iter().copied()).unwrap();
        require(&wanted, &token, Some("bob"))
    };
    assert_eq!(ask(&["repository:a:pull", "registry:catalog:*"]), Ok(()));
    assert_eq!(ask(&[]), Ok(()));
    let denied = ask(&["repository:a:pull,push", "repository:b:pull"]).unwrap_err();
    assert_eq!(denied, "not granted to account \"bob\": repository:a:push repository:b:pull");
    // A token of another kind says nothing of what it opens.
    assert_eq!(require(&Scope::parse_all(["repository:a:pull"]).unwrap(), "opaque", None), Ok(()));
}
