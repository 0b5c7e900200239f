//! Portwarden in front of registry 3 (distribution v3), and beside it the same with 2.8: the statuses of the API, uploads,
//! mounts, tags in pages, deletions, the catalogue, the web pages, and a registry that is killed. All other modules run with
//! registry 3 by `make test-registry3`.
//!
//! Needs: curl, docker-registry, htpasswd, registry-3.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{
    curl::{Request, Response, curl, curl_at},
    distribution::{MANIFEST, push_blob, push_image, put_manifest, start_upload, with_digest},
    image::{random_bytes, sha256},
    page_client::Visitor,
    pki::KeyType,
    portwarden::{ADMIN, Portwarden, TEST, TEST2, USER, portwarden},
    process::{PATIENCE, eventually},
    registry3::{Release, registry_of, registry3, registry3_with_token_auth},
    token_exchange,
};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The requests of [`journey`] that the two releases answer differently: the request, the answer of 2.8, that of 3.
const DIFFERENCES: [[&str; 3]; 2] = [
    ["chunk in the wrong place", "202", "416 RANGE_INVALID"],
    ["tags, n is no number", "200", "400 PAGINATION_NUMBER_INVALID"],
];

fn admin(warden: &Portwarden) -> Request {
    curl(warden).user(ADMIN)
}

fn location(answer: &Response) -> String {
    answer.header("location").expect("a Location").to_owned()
}

fn names_no_port_of(registry: &str, answer: &Response) {
    let port = registry.rsplit(':').next().unwrap();
    for name in ["location", "link"] {
        let value = answer.header(name).unwrap_or_default();
        assert!(!value.contains(port), "{name}: {value} leads around Portwarden");
    }
}

/// The status, and the code of the error where there is one.
fn verdict(answer: &Response) -> String {
    let error = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    let code = error["errors"][0]["code"].as_str().map(|code| format!(" {code}")).unwrap_or_default();
    format!("{}{code}", answer.status)
}

/// One request of each kind through Portwarden, with its verdict; what `Location` and `Link` say leads to Portwarden.
fn journey(release: Release) -> BTreeMap<&'static str, String> {
    let registry = registry_of(release);
    let warden = portwarden(&registry).start();
    let mut verdicts = BTreeMap::new();
    let mut note = |what: &'static str, answer: Response| {
        names_no_port_of(&registry.url(), &answer);
        assert!(verdicts.insert(what, verdict(&answer)).is_none(), "{what}");
        answer
    };
    let ask = || admin(&warden);
    let (repository, none) = ("/v2/team/app", sha256(b"none"));
    let (config, layer) = (b"{}".to_vec(), random_bytes(30_000));
    let (config_digest, digest) = (sha256(&config), sha256(&layer));

    note("base", ask().get("/v2/"));
    note("tags of no repository", ask().get("/v2/none/tags/list"));
    note("no manifest", ask().get("/v2/none/manifests/1"));
    note("no blob", ask().get(&format!("/v2/none/blobs/{none}")));
    note("a digest that is none", ask().get("/v2/none/blobs/sha256:x"));
    note("referrers", ask().get(&format!("{repository}/referrers/{none}")));
    note("catalogue, n is no number", ask().get("/v2/_catalog?n=x"));
    note("catalogue, n is too large", ask().get("/v2/_catalog?n=100000"));

    let started = note("start an upload", ask().send("POST", &format!("{repository}/blobs/uploads/")));
    let first = ask().body(&layer[..10_000]).header("Content-Range: 0-9999");
    let first = note("first chunk", first.send("PATCH", &location(&started)));
    let at = note("ask how far it is", ask().get(&location(&first)));
    assert_eq!(at.header("range"), Some("0-9999"));
    let rest = ask().body(&layer[10_000..]).header("Content-Range: 10000-29999");
    let rest = note("go on", rest.send("PATCH", &location(&first)));
    note("wrong digest", ask().send("PUT", &with_digest(&location(&rest), &none)));
    push_blob(&ask(), "team/app", &layer);
    push_blob(&ask(), "team/app", &config);
    let wrong = ask().body(&layer[..10_000]).header("Content-Range: 500-10499");
    note("chunk in the wrong place", wrong.send("PATCH", &start_upload(&ask(), "team/app")));
    let cancelled = start_upload(&ask(), "team/app");
    note("cancel", ask().send("DELETE", &cancelled));
    note("an upload that was cancelled", ask().get(&cancelled));
    let mount = format!("/v2/team/other/blobs/uploads/?mount={digest}&from=team/app");
    note("a mount", ask().send("POST", &mount));
    note("a mount of what is not there", ask().send("POST", &mount.replace(&digest, &none)));

    let blob = format!("{repository}/blobs/{digest}");
    assert_eq!(note("blob", ask().get(&blob)).body, layer);
    note("part of a blob", ask().header("Range: bytes=10-19").get(&blob));
    note("part that is not there", ask().header("Range: bytes=90000-").get(&blob));
    note("head of a blob", ask().head(&blob));

    note("manifest of what is not there", put_manifest(&ask(), "team/app", "bad", b"none", &[b"nothing"]));
    let put = note("manifest", put_manifest(&ask(), "team/app", "1", &config, &[&layer]));
    let manifest = put.header("docker-content-digest").unwrap().to_owned();
    note("same manifest again", put_manifest(&ask(), "team/app", "2", &config, &[&layer]));
    let oci = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": config.len(), "digest": config_digest},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "size": layer.len(), "digest": digest}],
    })
    .to_string();
    let oci_digest = sha256(oci.as_bytes());
    let typed = ask().body(oci.as_bytes()).header(&format!("Content-Type: {OCI_MANIFEST}"));
    note("OCI manifest by digest", typed.send("PUT", &format!("{repository}/manifests/{oci_digest}")));
    note(
        "its bytes",
        ask().header(&format!("Accept: {OCI_MANIFEST}")).get(&format!("{repository}/manifests/{oci_digest}")),
    );
    let malformed = ask().body(b"{").header(&format!("Content-Type: {MANIFEST}"));
    note("malformed manifest", malformed.send("PUT", &format!("{repository}/manifests/3")));
    note(
        "manifest by tag",
        ask().header(&format!("Accept: {MANIFEST}")).get(&format!("{repository}/manifests/1")),
    );
    note(
        "head of a manifest",
        ask().header(&format!("Accept: {MANIFEST}")).head(&format!("{repository}/manifests/1")),
    );
    note("tags", ask().get(&format!("{repository}/tags/list")));
    note("tags, n is no number", ask().get(&format!("{repository}/tags/list?n=x")));

    note("delete a tag", ask().send("DELETE", &format!("{repository}/manifests/2")));
    note(
        "the other tag",
        ask().header(&format!("Accept: {MANIFEST}")).get(&format!("{repository}/manifests/1")),
    );
    note("delete a manifest", ask().send("DELETE", &format!("{repository}/manifests/{manifest}")));
    note("its tag", ask().get(&format!("{repository}/manifests/1")));
    note("delete it again", ask().send("DELETE", &format!("{repository}/manifests/{manifest}")));
    note("delete a blob", ask().send("DELETE", &blob));
    note("delete it again as well", ask().send("DELETE", &blob));
    note("options", ask().send("OPTIONS", "/v2/"));
    verdicts
}

#[test]
#[ignore = "run by `make test-registry3`, which builds registry 3"]
fn both_releases_answer_the_same_but_for_a_list() {
    let [two, three] = Release::ALL.map(journey);
    println!("{three:#?}");
    assert_eq!(two.len(), three.len());
    let both = two.iter().map(|(what, answer)| [*what, answer, &three[what]]);
    let differences: Vec<[&str; 3]> = both.filter(|[_, two, three]| two != three).collect();
    assert_eq!(differences, DIFFERENCES);
}

#[test]
#[ignore = "run by `make test-registry3`, which builds registry 3"]
fn a_registry_3_is_ready_and_a_dead_one_is_reported_and_comes_back() {
    let mut registry = registry3();
    let warden = portwarden(&registry).start();
    push_image(&admin(&warden), "team/app", "1");
    warden.says("a registry answers at");
    registry.kill();
    let answer = admin(&warden).get("/v2/team/app/tags/list");
    assert!([502, 503].contains(&answer.status), "{}", answer.text());
    assert_eq!(answer.error().0, "UNAVAILABLE");
    registry.restart();
    assert!(eventually(PATIENCE, || admin(&warden).get("/v2/team/app/tags/list").status == 200));
}

#[test]
#[ignore = "run by `make test-registry3`, which builds registry 3"]
fn tags_come_in_pages_whose_links_lead_through_portwarden() {
    let registry = registry3();
    let warden = portwarden(&registry).start();
    push_image(&admin(&warden), "team/app", "t00");
    let tags: Vec<String> = (1..25).map(|number| format!("t{number:02}")).collect();
    registry.add_tags("team/app", "t00", &tags);
    let (mut found, mut next, mut pages) = (Vec::new(), Some("/v2/team/app/tags/list?n=10".to_owned()), 0);
    while let Some(path) = next {
        let answer = admin(&warden).get(&path).is(200);
        names_no_port_of(&registry.url(), &answer);
        let listed = answer.json()["tags"].as_array().unwrap().clone();
        found.extend(listed.iter().map(|tag| tag.as_str().unwrap().to_owned()));
        next = answer.header("link").map(|link| {
            assert!(link.ends_with("rel=\"next\""), "{link}");
            link.trim_start_matches('<').split('>').next().unwrap().to_owned()
        });
        pages += 1;
    }
    assert_eq!((found.len(), pages, found[24].as_str()), (25, 3, "t24"), "{found:?}");
    // An account without a right gets none of them.
    assert_eq!(curl(&warden).user(TEST).get("/v2/team/app/tags/list?n=10").status, 401);
}

#[test]
#[ignore = "run by `make test-registry3`, which builds registry 3"]
fn a_tag_is_deleted_alone_by_those_who_may() {
    let registry = registry3();
    let warden = portwarden(&registry).start();
    let digest = push_image(&admin(&warden), "team/app", "1");
    registry.add_tags("team/app", "1", &["2".to_owned()]);
    let tag = |user, tag: &str, method: &str| {
        curl(&warden).user(user).send(method, &format!("/v2/team/app/manifests/{tag}"))
    };
    for user in [USER, TEST2] {
        let denied = tag(user, "2", "DELETE").denial();
        assert_eq!(denied, format!("account '{}' may not delete from repository team/app", user.name));
    }
    tag(ADMIN, "2", "DELETE").is(202);
    tag(ADMIN, "2", "HEAD").is(404);
    tag(ADMIN, "1", "HEAD").is(200);
    tag(ADMIN, &digest, "HEAD").is(200);
    tag(ADMIN, &digest, "DELETE").is(202);
    tag(ADMIN, "1", "HEAD").is(404);
}

#[test]
#[ignore = "run by `make test-registry3`, which builds registry 3"]
fn rule_08_a_mount_without_a_right_on_its_source_becomes_a_plain_upload() {
    let registry = registry3();
    let rules = "  - {match: {account: admin}, actions: ['*']}\n  - {match: {account: user, name: 'own/*'}, actions: ['*']}\n";
    let warden = portwarden(&registry).acl(rules).start();
    let secret = push_blob(&admin(&warden), "team/secret", &random_bytes(2_000));
    let mount = format!("/v2/own/app/blobs/uploads/?mount={secret}&from=team/secret");
    let answer = curl(&warden).user(USER).send("POST", &mount).is(202);
    names_no_port_of(&registry.url(), &answer);
    assert_eq!(curl(&warden).user(USER).get(&format!("/v2/own/app/blobs/{secret}")).status, 404);
    let form = curl(&warden).user(USER).header("Content-Type: application/x-www-form-urlencoded");
    let form = form.body(format!("mount={secret}&from=team/secret").as_bytes());
    assert_eq!(form.send("POST", "/v2/own/app/blobs/uploads/").status, 415);
    assert_eq!(curl(&warden).user(USER).get(&format!("/v2/own/app/blobs/{secret}")).status, 404);
}

#[test]
#[ignore = "run by `make test-registry3`, which builds registry 3"]
fn each_account_sees_what_it_may_pull_in_the_catalogue() {
    let registry = registry3();
    let rules = "  - {match: {account: admin}, actions: ['*']}\n  - {match: {account: user, name: 'own/*'}, actions: [pull]}\n";
    let warden = portwarden(&registry).acl(rules).start();
    let repositories: Vec<String> = (0..1_500).map(|number| format!("own/r{number:04}")).collect();
    registry.add_repositories(&repositories);
    registry.add_repositories(&["team/secret".to_owned()]);
    let listed = |user| {
        let token = token_exchange::token(&warden, user, &["registry:catalog:*"]);
        let (mut names, mut next) = (Vec::new(), Some("/v2/_catalog?n=700".to_owned()));
        while let Some(path) = next {
            let answer = curl(&warden).bearer(&token).get(&path).is(200);
            names_no_port_of(&registry.url(), &answer);
            let page = answer.json()["repositories"].as_array().unwrap().clone();
            names.extend(page.iter().map(|name| name.as_str().unwrap().to_owned()));
            next = answer
                .header("link")
                .map(|link| link.trim_start_matches('<').split('>').next().unwrap().to_owned());
        }
        names
    };
    assert_eq!(listed(USER), repositories);
    assert_eq!(listed(ADMIN).len(), 1_501);
    let alone = curl_at(&registry.url()).get("/v2/_catalog?n=1000").is(200).json();
    assert_eq!(alone["repositories"].as_array().unwrap().len(), 1_000);
}

#[test]
#[ignore = "run by `make test-registry3`, which builds registry 3"]
fn the_pages_show_and_delete() {
    let registry = registry3();
    let warden = portwarden(&registry).start();
    let digest = push_image(&admin(&warden), "team/app", "1");
    let visitor = Visitor::signed_in(&warden, ADMIN);
    assert!(visitor.get("/").is(200).text().contains("href=\"/team/app\""));
    assert!(visitor.get("/team/app").is(200).text().contains("/team/app:1"));
    assert!(visitor.get("/team/app:1").is(200).text().contains(&digest));
    let deleted = visitor.delete(&format!("/-/delete/team/app@{digest}"));
    assert_eq!(deleted.status, 303, "{}", deleted.text());
    assert_eq!(admin(&warden).get("/v2/team/app/manifests/1").status, 404);
}

/// For a move in two steps: registry 3 names a key by its thumbprint, and no longer as docker_auth does by default.
#[test]
#[ignore = "run by `make test-registry3`, which builds registry 3"]
fn a_registry_3_that_verifies_tokens_itself_knows_the_key_by_its_thumbprint() {
    let plain = registry3();
    let upload = |key_type, disable_legacy: &str| {
        let warden = portwarden(&plain)
            .token_key(key_type)
            .with_token("disable_legacy_key_id", disable_legacy)
            .start();
        let guarded = registry3_with_token_auth(&warden);
        let push = |user, repository: &str| {
            let token = token_exchange::token(&warden, user, &["repository:team/app:pull,push"]);
            let target = format!("/v2/{repository}/blobs/uploads/");
            curl_at(&guarded.url()).bearer(&token).send("POST", &target).status
        };
        [push(ADMIN, "team/app"), push(ADMIN, "team/other"), push(USER, "team/app")]
    };
    for key_type in [KeyType::Rsa, KeyType::P256, KeyType::P384, KeyType::Ed25519] {
        assert_eq!(upload(key_type, "true"), [202, 401, 401], "{key_type:?}");
    }
    assert_eq!(upload(KeyType::P256, "false"), [401; 3]);
}
