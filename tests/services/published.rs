//! Published vulnerabilities of other registries that no other test has, tried here: see `docs/threat-model.md`.
//!
//! Needs: curl, docker-registry, htpasswd.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};

use crate::support::{
    curl::curl,
    distribution::{MANIFEST, push_blob, push_image, start_upload, with_digest},
    image::{random_bytes, sha256},
    page_client::Visitor,
    personal_tokens::make,
    portwarden::{ADMIN, SERVICE, TEST2, USER, portwarden},
    registry::registry,
    token_exchange,
};

const STATE: &str = "state: {file: ./state.db}\n";

/// CVE-2026-117685: Gitea asked whether the account may read the source of a mount, and not whether the token may.
#[test]
fn a_mount_by_a_narrow_token_needs_its_source_in_the_scope_of_the_token() {
    let registry = registry();
    let warden = portwarden(&registry).with(STATE).start();
    let admin = curl(&warden).user(ADMIN);
    let (inside, outside) = (random_bytes(1000), random_bytes(1000));
    let inside = push_blob(&admin, "team/base", &inside);
    let outside = push_blob(&admin, "other/base", &outside);
    let made = make(&Visitor::signed_in(&warden, TEST2), TEST2, "team/*", "push");
    let scopes = ["repository:team/app:pull,push", "repository:team/base:pull", "repository:other/base:pull"];
    let access = token_exchange::token(&warden, made.user(), &scopes);
    for narrow in [curl(&warden).user(made.user()), curl(&warden).bearer(&access)] {
        let mount = |digest: &str, from: &str| {
            let target = format!("/v2/team/app/blobs/uploads/?mount={digest}&from={from}");
            narrow.clone().send("POST", &target)
        };
        mount(&inside, "team/base").is(201);
        mount(&outside, "other/base").is(202);
        narrow.clone().head(&format!("/v2/team/app/blobs/{outside}")).is(404);
    }
    // The account itself may, with its password.
    let target = format!("/v2/team/app/blobs/uploads/?mount={outside}&from=other/base");
    curl(&warden).user(TEST2).send("POST", &target).is(201);
}

/// CVE-2026-61833: zot let a token that may pull and push delete manifests and layers.
#[test]
fn a_token_to_push_deletes_nothing() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let admin = curl(&warden).user(ADMIN);
    let digest = push_image(&admin, "team/app", "1");
    let layer = push_blob(&admin, "team/app", &random_bytes(1000));
    let access = token_exchange::token(&warden, ADMIN, &["repository:team/app:pull,push"]);
    let targets = ["manifests/1".to_owned(), format!("manifests/{digest}"), format!("blobs/{layer}")];
    for target in &targets {
        let answer = curl(&warden).bearer(&access).send("DELETE", &format!("/v2/team/app/{target}")).is(401);
        let denial = "the token of account 'admin' was not issued to delete from repository team/app";
        assert_eq!(answer.denial(), denial, "{target}");
        let look = curl(&warden).bearer(&access).header(&format!("Accept: {MANIFEST}"));
        look.head(&format!("/v2/team/app/{target}")).is(200);
    }
    let may_delete = token_exchange::token(&warden, ADMIN, &["repository:team/app:delete"]);
    let by_digest = format!("/v2/team/app/{}", targets[1]);
    curl(&warden).bearer(&may_delete).send("DELETE", &by_digest).is(202);
}

/// CVE-2026-32589: in Quay, an account that may push somewhere could read, change and end uploads to other repositories.
#[test]
fn an_upload_is_reached_through_its_own_repository_only() {
    let registry = registry();
    let acl = "
  - {match: {account: admin}, actions: ['*']}
  - {match: {account: user, name: 'own/*'}, actions: ['*']}
";
    let warden = portwarden(&registry).acl(acl).start();
    let (admin, other) = (curl(&warden).user(ADMIN), curl(&warden).user(USER));
    push_image(&other, "own/app", "1");
    let location = start_upload(&admin, "team/app");
    let begin = admin.clone().body(b"begin").send("PATCH", &location).is(202);
    let location = begin.header("location").unwrap().to_owned();
    let elsewhere = location.replace("/v2/team/app/", "/v2/own/app/");
    let digest = sha256(b"begin and evil");
    for (target, allowed) in [(&location, false), (&elsewhere, true)] {
        let last = with_digest(target, &digest);
        let tries = [("GET", target), ("PATCH", target), ("PUT", &last), ("DELETE", target)];
        for (method, target) in tries {
            let answer = other.clone().body(b" and evil").send(method, target);
            let expected: &[u16] = if allowed { &[400, 404] } else { &[401, 403] };
            assert!(expected.contains(&answer.status), "{method} {target}: {answer:?}");
        }
    }
    // Nothing was added, and it goes on.
    let end = with_digest(&location, &sha256(b"begin and end"));
    admin.body(b" and end").send("PUT", &end).is(201);
}

/// CVE-2026-103667: Gitea served a layer as whatever its manifest called it, a page among others.
#[test]
fn a_layer_that_is_called_a_page_is_served_as_bytes() {
    let registry = registry();
    let warden = portwarden(&registry).users(&[ADMIN]).start();
    let admin = curl(&warden).user(ADMIN);
    let page = b"<!doctype html><script>alert(document.domain)</script>";
    let layer = push_blob(&admin, "team/app", page);
    let config = push_blob(&admin, "team/app", b"{}");
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "text/html", "size": 2, "digest": config},
        "layers": [{"mediaType": "text/html", "size": page.len(), "digest": layer}],
    });
    let put = |kind: &str| {
        let request = admin.clone().body_of(kind, manifest.to_string().as_bytes());
        request.send("PUT", "/v2/team/app/manifests/1").status
    };
    assert_eq!(put(MANIFEST), 201);
    assert_ne!(put("text/html"), 201, "a manifest is no page either");
    for path in [format!("/v2/team/app/blobs/{layer}"), "/v2/team/app/manifests/1".to_owned()] {
        let answer = admin.clone().header(&format!("Accept: text/html, {MANIFEST}")).get(&path).is(200);
        let kind = answer.header("content-type").unwrap();
        assert!(["application/octet-stream", MANIFEST].contains(&kind), "{path} is {kind}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
}

/// CVE-2026-42018: Artifactory gave a token to a client without an account, if the address ended in a slash.
#[test]
fn no_spelling_of_the_token_endpoint_gives_a_token_to_a_client_without_an_account() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let query = format!("?service={SERVICE}&scope=repository:team/app:pull");
    let spellings = [
        "/auth", "/auth/", "//auth", "/auth//", "/./auth", "/auth/.", "/auth;x", "/AUTH", "/%61uth",
        "/auth%2f",
    ];
    for spelling in spellings {
        for method in ["GET", "POST", "HEAD", "PUT"] {
            let request = curl(&warden).option(&["--path-as-is"]).body(b"");
            let answer = request.send(method, &format!("{spelling}{query}"));
            assert!(answer.status >= 300, "{method} {spelling}: {answer:?}");
            assert!(!answer.text().contains("token\":"), "{method} {spelling}: {answer:?}");
        }
    }
}

/// CVE-2026-82329: Artifactory accepted a token signed with an HMAC, with a blank as the key.
#[test]
fn a_token_with_an_hmac_of_nothing_opens_nothing() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let real = token_exchange::token(&warden, ADMIN, &["repository:team/app:pull"]);
    let list = |token: &str| curl(&warden).bearer(token);
    list(&real).get("/v2/").is(200);
    let parts: Vec<&str> = real.split('.').collect();
    let mut header: serde_json::Value = serde_json::from_slice(&BASE64.decode(parts[0]).unwrap()).unwrap();
    header["alg"] = "HS256".into();
    let signed = format!("{}.{}", BASE64.encode(header.to_string()), parts[1]);
    for key in ["", " ", "\0", "null", "secret"] {
        let mac = sign(&Key::new(HMAC_SHA256, key.as_bytes()), signed.as_bytes());
        list(&format!("{signed}.{}", BASE64.encode(mac))).get("/v2/").is(401);
    }
}
