//! Entries of `tags.write_once`, as far as they are judged without a registry.

use super::*;

fn entry(name: &str, tags: &[&str], except: Option<&str>) -> WriteOnceSettings {
    WriteOnceSettings {
        name: name.to_owned(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        except: except.map(str::to_owned),
        line: 7,
    }
}

fn state(rules: &WriteOnce, name: &str, tag: &str, account: &str) -> &'static str {
    match rules.lock(&RepositoryName::parse(name).unwrap(), &Tag::parse(tag).unwrap(), account) {
        TagLock::Open => "open",
        TagLock::Excepted(_) => "excepted",
        TagLock::WriteOnce(_) => "write-once",
    }
}

const SEMVER: &str = r"/^v?[0-9]+\.[0-9]+\.[0-9]+$/";

#[test]
fn rule_50_a_tag_is_write_once_by_any_entry_that_may_match() {
    let rules = WriteOnce::compile(&[
        entry("/.+/", &[SEMVER], Some("release-*")),
        entry("team/*", &["stable", "2???"], None),
    ])
    .unwrap();
    for (name, tag, account, expected) in [
        ("team/app", "1.2.3", "ci", "write-once"),
        ("a/b/c", "v1.2.3", "", "write-once"),
        ("team/app", "1.2.3", "release-bot", "excepted"),
        ("team/app", "1.2.3-rc1", "ci", "open"),
        ("team/app", "latest", "ci", "open"),
        ("team/app", "stable", "release-bot", "write-once"),
        ("team/app", "2026", "ci", "write-once"),
        ("other/app", "2026", "ci", "open"),
    ] {
        assert_eq!(state(&rules, name, tag, account), expected, "{name}:{tag} for {account:?}");
    }
    let both = WriteOnce::compile(&[entry("/.+/", &["x"], Some("a")), entry("/.+/", &["*"], Some("b"))]);
    let both = both.unwrap();
    assert_eq!(state(&both, "a/b", "x", "a"), "write-once", "the other entry does not except it");
    assert!(rules.concerns(&RepositoryName::parse("x/y").unwrap()));
    let one = WriteOnce::compile(&[entry("team/*", &["*"], None)]).unwrap();
    assert!(!one.concerns(&RepositoryName::parse("other/app").unwrap()));
}

#[test]
fn a_request_is_judged_as_far_as_that_can_be_told() {
    let rules = WriteOnce::compile(&[entry("team/*", &["1.*"], Some("release"))]).unwrap();
    let digest = format!("sha256:{}", "a".repeat(64));
    for (method, path, query, account, expected) in [
        ("PUT", "manifests/1.0", None, "ci", "if unchanged"),
        ("PUT", "manifests/1.0", None, "release", "open"),
        ("PUT", "manifests/2.0", None, "ci", "open"),
        ("GET", "manifests/1.0", None, "ci", "open"),
        ("DELETE", "manifests/1.0", None, "ci", "denied"),
        ("DELETE", "manifests/2.0", None, "ci", "open"),
        ("DELETE", &format!("manifests/{digest}"), None, "ci", "if unchanged"),
        ("DELETE", &format!("blobs/{digest}"), None, "release", "denied"),
        ("PUT", &format!("manifests/{digest}"), Some("tag=2.0&tag=1.0"), "ci", "if unchanged"),
        ("PUT", &format!("manifests/{digest}"), Some("tag=2.0"), "ci", "open"),
    ] {
        let route = Route::parse(method, &format!("/v2/team/app/{path}"), query).unwrap();
        let found = match rules.judge(&route, account) {
            WriteOnceVerdict::Open => "open",
            WriteOnceVerdict::Denied(_) => "denied",
            WriteOnceVerdict::IfUnchanged(_) => "if unchanged",
        };
        assert_eq!(found, expected, "{method} {path} of {account}");
    }
}

#[test]
fn rule_50_the_anonymous_account_is_never_excepted() {
    let rules = WriteOnce::compile(&[entry("/.+/", &["*"], Some("*"))]).unwrap();
    assert_eq!(state(&rules, "a/b", "x", ""), "write-once");
    assert_eq!(state(&rules, "a/b", "x", "ci"), "excepted");
}

#[test]
fn tags_that_follow_a_digest_are_open() {
    let hex = "0123456789abcdef".repeat(4);
    let rules = WriteOnce::compile(&[entry("/.+/", &["*"], None)]).unwrap();
    for open in [format!("sha256-{hex}"), format!("sha256-{hex}.sig")] {
        assert_eq!(state(&rules, "a/b", &open, "ci"), "open", "{open}");
    }
    for tag in [
        format!("sha256-{}", &hex[1..]),
        format!("sha256-{hex}0"),
        format!("sha256-{}", hex.to_uppercase()),
        format!("v{hex}"),
        "sha256-".to_owned(),
    ] {
        assert_eq!(state(&rules, "a/b", &tag, "ci"), "write-once", "{tag}");
    }
}

#[test]
fn an_entry_that_cannot_be_used_is_an_error() {
    for (entry, key) in [
        (entry("/(/", &["*"], None), "match.name"),
        (entry("*", &["[a"], None), "match.tag"),
        (entry("*", &["*"], Some("/(/")), "except.account"),
        (entry("${account}/*", &["*"], None), "match.name"),
        (entry("*", &["${labels:x}"], None), "match.tag"),
    ] {
        let errors = WriteOnce::compile(&[entry]).unwrap_err();
        assert_eq!(errors.iter().map(|error| error.key).collect::<Vec<_>>(), [key]);
        assert!(errors[0].to_string().starts_with("tags.write_once[0].") && !errors[0].hint.is_empty());
    }
}

#[test]
fn a_permit_to_decide_reads_and_nothing_else() {
    let to = |method, path: &str| Permit::to_decide(method, path, None).is_some();
    assert!(to(Method::Head, "/v2/a/b/manifests/x") && to(Method::Get, "/v2/a/b/tags/list"));
    for method in [Method::Put, Method::Delete, Method::Post, Method::Patch] {
        assert!(!to(method, "/v2/a/b/manifests/x"), "{method:?}");
    }
    let blob = format!("/v2/a/b/blobs/sha256:{}", "0".repeat(64));
    assert!(to(Method::Head, &blob) && to(Method::Get, &blob) && !to(Method::Delete, &blob));
    assert!(!to(Method::Get, "/v2/_catalog"));
}

#[test]
fn a_probe_begins_an_upload_and_goes_on_with_it_and_nothing_else() {
    let name = RepositoryName::parse("a/b").unwrap();
    let begin = Permit::to_begin_probe(&name).unwrap();
    assert_eq!(begin.route().path_and_query(), "/v2/a/b/blobs/uploads/");
    let go_on = |path: &str| Permit::to_probe(&name, path, Some("_state=x"));
    assert_eq!(
        go_on("/v2/a/b/blobs/uploads/1-2").unwrap().route().path_and_query(),
        "/v2/a/b/blobs/uploads/1-2?_state=x"
    );
    let blob = format!("/v2/a/b/blobs/sha256:{}", "0".repeat(64));
    for path in
        ["/v2/a/b/manifests/x", "/v2/a/c/blobs/uploads/1", blob.as_str(), "/v2/a/b/blobs/uploads/", "/v2/"]
    {
        assert!(go_on(path).is_none(), "{path}");
    }
}
