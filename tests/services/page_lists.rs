//! The lists of the web pages: their order, and what stands in a row or apart from it.
//!
//! Needs: curl, docker-registry, htpasswd.

use serde_json::json;

use super::page_details::{put, text};
use crate::support::{
    curl::curl,
    distribution::{MANIFEST, push_blob, push_image},
    image::sha256,
    page_client::Visitor,
    portwarden::portwarden_at,
    portwarden::{ADMIN, ANYBODY, USER, portwarden},
    registry::registry,
    relay::{RelayFault, relay},
};

/// Clients without an account may pull everything, `user` some tags of it.
const PUBLIC: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "user", name: "team/app", tag: "1.0"}
    actions: [pull]
  - match: {account: "user"}
    actions: []
  - match: {name: "team/*"}
    actions: [pull]
"#;
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The tags of rows, in order.
fn rows(page: &str) -> Vec<String> {
    let (_, table) = page.split_once("<caption class=\"unseen\">Tags</caption>").expect("a table of tags");
    let (table, _) = table.split_once("</table>").expect("its end");
    let links = table.split("<th ").skip(1).filter_map(|row| row.split_once("href=\"/team/app:"));
    links.map(|(_, rest)| rest.split('"').next().unwrap().to_owned()).collect()
}

/// The row of a tag.
fn row<'p>(page: &'p str, tag: &str) -> &'p str {
    let (_, rest) = page.split_once(&format!("href=\"/team/app:{tag}\"")).expect("a row");
    rest.split("</tr>").next().unwrap()
}

#[test]
fn attachments_are_badges_of_the_image_they_belong_to_and_orphans_are_named() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let admin = curl(&warden).user(ADMIN);
    let [signed, listed, gone] = ["1.0", "1.1", "1.2"].map(|tag| push_image(&admin, "team/app", tag));
    let tag_of = |digest: &str| digest.replace(':', "-");
    push_image(&admin, "team/app", &format!("{}.sig", tag_of(&signed)));
    push_image(&admin, "team/app", &format!("{}.sig", tag_of(&gone)));
    // A list of referrers, as clients keep it for a registry that has none.
    let sbom = push_image(&admin, "team/app", "sbom");
    let entry =
        json!({"mediaType": MANIFEST, "digest": sbom, "size": 400, "artifactType": "application/spdx+json"});
    let list = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]});
    put(&admin, "team/app", &tag_of(&listed), INDEX, &list);
    admin.send("DELETE", &format!("/v2/team/app/manifests/{gone}")).is(202);

    let visitor = Visitor::signed_in(&warden, USER);
    let page = visitor.get("/team/app").is(200).text();
    assert_eq!(rows(&page), ["1.1", "1.0", "sbom"], "attachments are no rows");
    for (tag, badge) in [("1.0", Some("signed")), ("1.1", Some("SBOM")), ("sbom", None)] {
        let row = row(&page, tag);
        assert_eq!(row.contains("chip badge"), badge.is_some(), "{tag}: {row}");
        assert!(badge.is_none_or(|badge| row.contains(&format!(">{badge}<"))), "{tag}: {row}");
    }
    let (_, orphans) = page.split_once("1 attachment of images without a tag").expect("the orphan");
    assert!(orphans.contains(&format!("/team/app:{}.sig", tag_of(&gone))) && orphans.contains(">deleted<"));
    assert!(!orphans.contains(&tag_of(&signed)), "{orphans}");
    // A pasted tag of an attachment finds the image.
    let found = visitor.get(&format!("/team/app?q={}.sig", tag_of(&signed))).is(200).text();
    assert_eq!(rows(&found), ["1.0"]);
}

#[test]
fn tags_are_in_the_order_that_was_chosen_and_latest_is_never_hidden() {
    let registry = registry();
    let warden = portwarden(&registry).with("state: {file: ./state.db}").start();
    let admin = curl(&warden).user(ADMIN);
    for tag in ["1.10", "latest", "1.9", "a"] {
        push_image(&admin, "team/app", tag);
    }
    let visitor = Visitor::signed_in(&warden, USER);
    let in_order = |order: &str| rows(&visitor.get(&format!("/team/app?order={order}")).is(200).text());
    assert_eq!(in_order("version"), ["latest", "1.10", "1.9", "a"]);
    assert_eq!(in_order("name"), ["latest", "1.10", "1.9", "a"]);
    assert_eq!(in_order("no-such-order")[0], "latest");
    push_image(&admin, "team/app", "1.2");
    assert_eq!(in_order("version"), ["latest", "1.10", "1.9", "1.2", "a"]);
    assert_eq!(in_order("name"), ["latest", "1.10", "1.2", "1.9", "a"]);
    // More than are looked into: the pushes that Portwarden has seen are known all the same.
    registry.add_tags("team/app", "a", &(0..300).map(|n| format!("v{n}")).collect::<Vec<_>>());
    let page = visitor.get("/team/app").is(200).text();
    assert!(page.contains("order=newest"), "{page}");
    assert_eq!(rows(&page)[..5], ["latest", "v299", "v298", "v297", "v296"], "by version, the v aside");
    let mut newest = rows(&visitor.get("/team/app?order=newest").is(200).text())[..5].to_vec();
    newest[1..].sort();
    assert_eq!(newest, ["latest", "1.10", "1.2", "1.9", "a"]);
}

#[test]
fn the_size_of_one_platform_and_the_sum_are_the_same_on_both_pages() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let admin = curl(&warden).user(ADMIN);
    let child = |architecture: &str, bytes: usize| {
        let config = json!({"architecture": architecture, "os": "linux"}).to_string();
        push_blob(&admin, "team/app", config.as_bytes());
        let layer = push_blob(&admin, "team/app", &vec![b'x'; bytes]);
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": config.len(), "digest": sha256(config.as_bytes())},
            "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": bytes, "digest": layer}]});
        let digest = put(&admin, "team/app", "", MANIFEST, &manifest);
        json!({"mediaType": MANIFEST, "digest": digest, "size": 400, "platform": {"os": "linux", "architecture": architecture}})
    };
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child("amd64", 20_000), child("arm64", 50_000)]});
    put(&admin, "team/app", "1.0", INDEX, &index);
    let visitor = Visitor::signed_in(&warden, USER);
    for path in ["/team/app", "/team/app:1.0"] {
        let page = visitor.get(path).is(200).text();
        for size in [">20.0 kB<", ">50.0 kB<", ">70.1 kB</span> for all 2"] {
            assert!(page.contains(size), "{path} has no {size}: {page}");
        }
    }
}

#[test]
fn rights_are_counted_by_rule_and_those_to_push_are_listed() {
    let registry = registry();
    let acl = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "user", name: "own/*"}
    actions: [pull, push]
  - match: {account: "user", name: "shared/*"}
    actions: [pull]
"#;
    let warden = portwarden(&registry).acl(acl).start();
    let admin = curl(&warden).user(ADMIN);
    for name in ["own/a", "own/b", "shared/c", "hidden/d"] {
        push_image(&admin, name, "1");
    }
    let visitor = Visitor::signed_in(&warden, USER);
    let page = text(&visitor.get("/-/access").is(200).text());
    assert!(page.contains("of the 3 repositories that you may see"), "{page}");
    let (_, own) = page.split_once("rule 2").expect("the rule");
    let (own, shared) = own.split_once("rule 3").expect("the other rule");
    assert!(own.trim_end().ends_with(" 2 2 0") && shared.contains(" 1 0 0"), "{page}");
    let pushable = visitor.get("/-/access?right=push").is(200).text();
    assert!(pushable.contains("href=\"/own/a\"") && pushable.contains("href=\"/own/b\""), "{pushable}");
    assert!(!pushable.contains("href=\"/shared/c\"") && !pushable.contains("hidden/d"), "{pushable}");
    let none = visitor.get("/-/access?right=delete").is(200).text();
    assert!(text(&none).contains("There is none that you may delete"), "{none}");
}

/// The row of the repository in the list of repositories.
fn tags_of_app(visitor: &Visitor<'_>) -> String {
    let page = visitor.get("/").is(200).text();
    let (_, rest) = page.split_once("href=\"/team/app\"").expect("a row");
    let (_, cell) = rest.split_once("<td").expect("its tags");
    cell.split_once('>').unwrap().1.split('<').next().unwrap().to_owned()
}

#[test]
fn rule_28_visits_to_the_list_of_repositories_ask_the_registry_once_and_changes_are_seen_at_once() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let admin = curl(&warden).user(ADMIN);
    push_image(&admin, "team/app", "1");
    push_image(&admin, "team/other", "1");
    let visitor = Visitor::signed_in(&warden, ADMIN);
    let asked = || registry.requests("/tags/list").len();
    assert_eq!(tags_of_app(&visitor), "1");
    let before = asked();
    for _ in 0..3 {
        assert_eq!(tags_of_app(&visitor), "1");
    }
    assert_eq!(asked(), before, "each visit asks again");
    // Nor does a search ask about repositories that do not have the tag.
    visitor.get("/?q=no-such-tag").is(200);
    assert_eq!(registry.requests("no-such-tag").len(), 0);
    push_image(&admin, "team/app", "2");
    let digest = push_image(&admin, "team/app", "3");
    let before = asked();
    assert_eq!(tags_of_app(&visitor), "3");
    assert_eq!(asked(), before + 1, "only the one that has changed is asked for");
    admin.clone().send("DELETE", "/v2/team/app/manifests/2").is(202);
    assert_eq!(tags_of_app(&visitor), "2");
    admin.send("DELETE", &format!("/v2/team/app/manifests/{digest}")).is(202);
    assert_eq!(tags_of_app(&visitor), "1");
}

#[test]
fn rule_28_badges_of_what_the_registry_lists_cost_each_list_once_a_minute() {
    let registry = registry();
    let relay = relay(registry.address());
    let warden = portwarden_at(&relay.url()).acl(PUBLIC).users(&[ADMIN, USER, ANYBODY]).start();
    let admin = curl(&warden).user(ADMIN);
    let [signed, plain] = ["1.0", "1.1"].map(|tag| push_image(&admin, "team/app", tag));
    (2..10).for_each(|n| drop(push_image(&admin, "team/app", &format!("1.{n}"))));
    let entry =
        |kind: &str| json!({"mediaType": MANIFEST, "digest": plain, "size": 400, "artifactType": kind});
    let kinds = ["application/vnd.dev.sigstore.bundle.v0.3+json", "application/spdx+json"].map(entry);
    let index = |entries: &[serde_json::Value]| {
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string()
    };
    relay.set(Some(RelayFault::Referrers(vec![(signed.clone(), index(&kinds))])));

    let visitor = Visitor::new(&warden);
    let page = visitor.get("/team/app").is(200).text();
    let badges = row(&page, "1.0");
    assert!(badges.contains(">signed<") && badges.contains(">SBOM<"), "{badges}");
    assert!(!row(&page, "1.1").contains("chip badge"), "{}", row(&page, "1.1"));
    assert_eq!(relay.has_met("GET "), 10);
    for _ in 0..3 {
        assert!(row(&visitor.get("/team/app").is(200).text(), "1.0").contains(">signed<"));
    }
    assert_eq!(relay.has_met("GET "), 10, "each visit asks again");
    // A visitor that may see some tags only is not shown what refers to others.
    let some = Visitor::signed_in(&warden, USER).get("/team/app").is(200).text();
    assert!(!row(&some, "1.0").contains("chip badge"), "{some}");
    // A push through Portwarden is seen at once.
    relay.set(Some(RelayFault::Referrers(vec![(signed, index(&kinds[1..]))])));
    push_image(&admin, "team/app", "1.0-att");
    let page = visitor.get("/team/app").is(200).text();
    assert!(
        !row(&page, "1.0").contains(">signed<") && row(&page, "1.0").contains(">SBOM<"),
        "{}",
        row(&page, "1.0")
    );
}

/// Pushers choose how many there are.
#[test]
fn rule_28_a_list_of_referrers_that_is_too_large_is_read_once_a_minute_and_hides_no_other() {
    let registry = registry();
    let relay = relay(registry.address());
    let warden = portwarden_at(&relay.url()).acl(PUBLIC).users(&[ADMIN, USER, ANYBODY]).start();
    let admin = curl(&warden).user(ADMIN);
    let [first, listed, last] = ["1.0", "1.1", "1.2"].map(|tag| push_image(&admin, "team/app", tag));
    let entry =
        json!({"mediaType": MANIFEST, "digest": last, "size": 400, "artifactType": "application/spdx+json"});
    let index = |more: &str| {
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry], "annotations": {"more": more}})
            .to_string()
    };
    let large = index(&"x".repeat(600 << 10));
    let lists = vec![(first, large.clone()), (listed, index("")), (last, large)];
    relay.set(Some(RelayFault::Referrers(lists)));
    let visitor = Visitor::new(&warden);
    for _ in 0..2 {
        let page = visitor.get("/team/app").is(200).text();
        assert!(row(&page, "1.1").contains(">SBOM<"), "{}", row(&page, "1.1"));
        assert_eq!(relay.has_met("GET "), 3);
    }
}

#[test]
fn rule_28_a_registry_that_lists_no_referrers_is_asked_once_a_minute() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let admin = curl(&warden).user(ADMIN);
    push_image(&admin, "team/app", "1.0");
    push_image(&admin, "team/web", "1.0");
    let visitor = Visitor::signed_in(&warden, USER);
    for _ in 0..3 {
        visitor.get("/team/app").is(200);
        visitor.get("/team/web").is(200);
    }
    assert_eq!(registry.requests("/referrers/").len(), 1);
}
