//! Lists of tags and repositories, and what Portwarden reads for itself, from the registry's files alone
//! (`registry.storage_answers`): each answer is the one that comes without them, and changes ask the registry.
//!
//! Needs: curl, docker-registry, htpasswd, registry-3.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use serde_json::json;

use super::storage_answers::{OCI_INDEX, Pair, accepting, all_kinds, answering, outcome, pair};
use crate::support::{
    command,
    curl::{Request, curl},
    image::sha256,
    page_client::Visitor,
    portwarden::{ADMIN, Portwarden, TEST2, USER, portwarden},
    process::{PATIENCE, eventually},
    registry::{Registry, registry, registry_with_pages_of},
    registry3::{Release, registry_of},
};

const TAGS: &str = "/v2/team/app/tags/list";

/// Names of which some sort differently by path than by byte.
const NAMES: [&str; 9] =
    ["a", "a/b", "a-b", "a/b/c", "team", "team-x/app", "zoo/1/deep", "zoo/a.b_c", "zoo/z--z"];

fn plain(request: Request) -> Request {
    request
}

/// A pair, and a repository `team/app` with four tags and a thousand.
fn filled(registry: Registry) -> Pair {
    let pair = pair(registry);
    pair.fill("team/app");
    pair.registry.add_repositories(&NAMES.map(str::to_owned));
    pair
}

fn repositories(pair: &Pair) -> PathBuf {
    pair.registry.store().join("docker/registry/v2/repositories")
}

/// The answer is the same, and comes from the files.
#[track_caller]
fn from_files(pair: &Pair, target: &str) {
    let before = outcome(&pair.with, "storage");
    pair.same("GET", target, plain);
    assert!(outcome(&pair.with, "storage") > before, "{target}");
}

/// The answer is the same, and the registry's own.
#[track_caller]
fn left_to_the_registry(pair: &Pair, target: &str) {
    pair.same("GET", target, plain);
    let before = outcome(&pair.with, "storage");
    pair.same("GET", target, plain);
    assert!(outcome(&pair.with, "storage") == before, "{target}");
}

fn each_list_is_the_same(release: Release) {
    let pair = filled(registry_of(release));
    for _ in 0..2 {
        for query in [
            "",
            "?",
            "?n=2",
            "?n=0",
            "?n=1000",
            "?n=x",
            "?n=",
            "?last=oci",
            "?last=",
            "?n=1&last=list",
            "?foo=1",
        ] {
            pair.same_twice(&format!("{TAGS}{query}"), plain);
        }
        from_files(&pair, TAGS);
        let tags: Vec<String> = (0..1000).map(|n| format!("v1.{n}-rc_{}", n % 7)).collect();
        pair.registry.add_tags("team/app", "oci", &tags);
    }
    for protocol in ["--http1.1", "--http2"] {
        let before = outcome(&pair.with, "storage");
        let list = pair.same("GET", TAGS, |request| request.option(&[protocol]));
        assert_eq!(list.json()["tags"].as_array().unwrap().len(), 1004);
        assert_eq!(list.header("content-length"), None, "its length is not told before");
        assert!(outcome(&pair.with, "storage") > before);
    }
    let empty = repositories(&pair).join("a/_manifests/tags");
    for target in ["/v2/none/tags/list", "/v2/a/tags/list"] {
        left_to_the_registry(&pair, target);
    }
    fs::create_dir(empty).unwrap();
    left_to_the_registry(&pair, "/v2/a/tags/list");
}

#[test]
fn rule_66_each_list_of_tags_is_the_one_without_storage_by_registry_2() {
    each_list_is_the_same(Release::V2);
}

#[test]
#[ignore = "run by `make test-registry3`, which builds registry 3"]
fn rule_66_each_list_of_tags_is_the_one_without_storage_by_registry_3() {
    each_list_is_the_same(Release::V3);
}

fn each_catalog_is_the_same(release: Release) {
    let pair = filled(registry_of(release));
    let store = repositories(&pair);
    // What shows in one version of the registry, and names that are none.
    for path in [
        "begun/_layers",
        "no-layer/_manifests/tags/1",
        "Upper/case/_layers",
        "Upper/case/_manifests",
        "x/y/z",
    ] {
        fs::create_dir_all(store.join(path)).unwrap();
    }
    let all = || pair.same("GET", "/v2/_catalog?n=1000", plain);
    all();
    from_files(&pair, "/v2/_catalog?n=1000");
    let names = all().json()["repositories"].as_array().unwrap().len();
    assert!(names > 10);
    for n in 0..=names + 1 {
        pair.same("GET", &format!("/v2/_catalog?n={n}"), plain);
    }
    for last in ["a", "a/b", "a/b/c", "a/c", "Upper/case", "zoo", "zzz", "", "%20", "%FF", "a%2Fb"] {
        for query in [format!("n=3&last={last}"), format!("last={last}")] {
            pair.same_twice(&format!("/v2/_catalog?{query}"), plain);
        }
    }
    for query in ["", "?n=x", "?n=-1", "?n=2&foo=1", "?n=5000"] {
        pair.same_twice(&format!("/v2/_catalog{query}"), plain);
    }
    for page in ["n=1000", "n=3", "n=4&foo=%20"] {
        from_files(&pair, &format!("/v2/_catalog?{page}"));
    }
    // An account that sees a part gets the same names in the same order.
    for user in [USER, TEST2] {
        let [with, without] = [&pair.with, &pair.without]
            .map(|warden| curl(warden).user(user).get("/v2/_catalog?n=1000").is(200).json());
        assert_eq!(with, without);
    }
    // Where a repository comes after one below it, a page ends in a way of its own.
    fs::create_dir_all(store.join("m/0/_layers")).unwrap();
    fs::create_dir_all(store.join("m/0/_manifests")).unwrap();
    fs::create_dir_all(store.join("m/_layers")).unwrap();
    fs::create_dir_all(store.join("m/_manifests")).unwrap();
    if release == Release::V2 {
        for n in 1..=names + 3 {
            pair.same("GET", &format!("/v2/_catalog?n={n}"), plain);
        }
        pair.same("GET", "/v2/_catalog?n=1&last=m%2F0", plain);
    }
}

#[test]
fn rule_66_each_catalog_is_the_one_without_storage_by_registry_2() {
    each_catalog_is_the_same(Release::V2);
}

#[test]
#[ignore = "run by `make test-registry3`, which builds registry 3"]
fn rule_66_each_catalog_is_the_one_without_storage_by_registry_3() {
    each_catalog_is_the_same(Release::V3);
}

#[test]
fn rule_66_no_page_of_the_catalog_is_larger_than_the_registrys() {
    let pair = filled(registry_with_pages_of(5));
    for query in ["", "?n=5", "?n=6", "?n=1000", "?n=4"] {
        pair.same_twice(&format!("/v2/_catalog{query}"), plain);
    }
    from_files(&pair, "/v2/_catalog?n=5");
}

#[test]
fn rule_66_a_list_with_something_odd_in_it_is_left_to_the_registry() {
    let pair = filled(registry());
    let (store, tags) = (repositories(&pair), repositories(&pair).join("team/app/_manifests/tags"));
    let catalog = "/v2/_catalog?n=1000";
    for target in [TAGS, catalog] {
        pair.same_twice(target, plain);
        from_files(&pair, target);
    }
    let remove = |path: &Path| {
        let _ = fs::remove_file(path);
        let _ = fs::remove_dir_all(path);
    };
    for (at, target) in [(tags.join("odd"), TAGS), (store.join("odd"), catalog)] {
        symlink("oci", &at).unwrap();
        left_to_the_registry(&pair, target);
        remove(&at);
        symlink("none", &at).unwrap();
        left_to_the_registry(&pair, target);
        remove(&at);
        fs::write(&at, "").unwrap();
        left_to_the_registry(&pair, target);
        remove(&at);
        from_files(&pair, target);
    }
    fs::create_dir(tags.join("+a")).unwrap();
    left_to_the_registry(&pair, TAGS);
    remove(&tags.join("+a"));
    symlink("team", store.join("linked")).unwrap();
    left_to_the_registry(&pair, catalog);
    remove(&store.join("linked"));
    // What is gone is gone with the next request, half of it too.
    fs::remove_dir_all(tags.join("oci")).unwrap();
    from_files(&pair, TAGS);
    fs::remove_dir_all(tags.join("list/current")).unwrap();
    from_files(&pair, TAGS);
    fs::rename(&tags, tags.with_extension("kept")).unwrap();
    left_to_the_registry(&pair, TAGS);
    symlink("tags.kept", &tags).unwrap();
    left_to_the_registry(&pair, TAGS);
    remove(&tags);
    fs::write(&tags, "").unwrap();
    left_to_the_registry(&pair, TAGS);
    fs::remove_dir_all(store.join("zoo/1")).unwrap();
    from_files(&pair, catalog);
}

#[test]
fn rule_66_a_copy_of_the_files_lists_nothing() {
    let pair = filled(registry());
    let copy = tempfile::tempdir().unwrap();
    let (from, to) = (format!("{}/.", pair.registry.store().display()), copy.path().display().to_string());
    command::run("cp", &["-a", &from, &to], &[]).succeeds();
    let warden = answering(&pair.registry, copy.path()).start();
    warden.says("does not show in the files");
    pair.fill("late/app");
    let ask = |target: &str| curl(&warden).user(ADMIN).get(target).is(200).text();
    for _ in 0..2 {
        assert!(ask("/v2/_catalog?n=1000").contains("late/app"));
        assert!(ask("/v2/late/app/tags/list").contains("oci"));
        assert!(Visitor::signed_in(&warden, ADMIN).get("/").text().contains("late"));
    }
    assert_eq!(outcome(&warden, "storage"), 0.0);
}

/// The links of a page, and the digests that it shows.
fn shown_page(warden: &Portwarden, path: &str) -> Vec<String> {
    let page = Visitor::signed_in(warden, ADMIN).get(path).is(200).text();
    let shown = page.split('"').filter(|part| part.starts_with('/') || part.starts_with("sha256:"));
    shown.map(str::to_owned).collect()
}

/// Each page is the same with and without, and after the first visit no manifest and no list is asked for.
#[test]
fn rule_66_pages_are_made_of_files() {
    let pair = filled(registry());
    for path in ["/", "/team/app", "/team/app:oci", "/team/app:list"] {
        let [with, without] = [&pair.with, &pair.without].map(|warden| shown_page(warden, path));
        assert_eq!(with, without, "{path}");
        assert!(with.len() > 10);
    }
    pair.registry.forget_log();
    let visitor = Visitor::signed_in(&pair.with, ADMIN);
    for path in ["/team/app", "/team/app:oci", "/team/app:list", "/team/app:schema2"] {
        visitor.get(path).is(200);
    }
    let asked = pair.registry.requests("team/app");
    let asked = asked.iter().filter(|line| !line.contains("_uploads") && !line.contains("/referrers/"));
    assert_eq!(asked.collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn rule_66_the_catalog_is_read_from_files_for_the_pages_and_for_those_who_see_a_part() {
    let pair = filled(registry());
    pair.registry.forget_log();
    assert!(Visitor::signed_in(&pair.with, ADMIN).get("/").is(200).text().contains("zoo/1/deep"));
    let list = curl(&pair.with).user(USER).get("/v2/_catalog?n=1000").is(200).json();
    assert!(list["repositories"].as_array().unwrap().contains(&json!("zoo/1/deep")));
    assert_eq!(pair.registry.requests("/v2/_catalog"), Vec::<String>::new());
}

#[test]
fn rule_66_rules_by_tag_reach_the_same_from_files() {
    let mut pair = filled(registry());
    let acl = "  - match: {account: \"admin\"}\n    actions: [\"*\"]\n  \
               - match: {account: \"test2\", name: \"team/app\", tag: [\"oci\", \"index\"]}\n    actions: [\"pull\"]\n";
    pair.with.reload(|builder| builder.acl(acl));
    pair.without.reload(|builder| builder.acl(acl));
    pair.wait_for_proof();
    // Also while the proof is made anew.
    assert!(eventually(PATIENCE, || {
        for target in [TAGS, "/v2/team/app/manifests/oci", "/v2/team/app/manifests/list", "/v2/_catalog"] {
            let [with, without] = [&pair.with, &pair.without].map(|warden| {
                let answer = accepting(&all_kinds())(curl(warden).user(TEST2)).get(target);
                (answer.status, answer.body)
            });
            assert_eq!(with, without, "{target}");
        }
        outcome(&pair.with, "storage") > 3.0
    }));
}

/// A change is decided by the registry's own answers.
#[test]
fn rule_66_a_change_asks_the_registry_what_is_there() {
    let registry = registry();
    let builder = answering(&registry, &registry.store());
    let with = builder.with("tags: {write_once: [{match: {name: \"team/*\", tag: \"*\"}}]}").start();
    let pair = Pair { without: portwarden(&registry).start(), with, registry };
    pair.fill("team/app");
    pair.wait_for_proof();
    pair.same("GET", TAGS, plain);
    let text = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).to_string();
    pair.registry.forget_log();
    let push = || curl(&pair.with).user(ADMIN).body_of(OCI_INDEX, text.as_bytes());
    push().send("PUT", "/v2/team/app/manifests/oci").is(403);
    assert!(!pair.registry.requests("HEAD /v2/team/app/manifests/oci").is_empty());
    pair.registry.forget_log();
    let digest = sha256(text.as_bytes());
    curl(&pair.with).user(ADMIN).send("DELETE", &format!("/v2/team/app/manifests/{digest}"));
    assert!(!pair.registry.requests("GET /v2/team/app/tags/list").is_empty());
}
