//! Several tags that are selected in the list and deleted at once: what the page before says, who may, what is written
//! down, and what a client cannot make of it.
//!
//! Needs: curl, docker-registry, htpasswd.

use serde_json::{Value, json};

use super::{
    one_tag::{copy, tags},
    page_details::text,
    tag_rules::{NAME, client, image},
    write_once::TAGS,
};
use crate::support::{
    audit::{self, lines},
    curl::curl,
    metrics,
    page_client::Visitor,
    portwarden::{ADMIN, Builder, Portwarden, TEST2, USER, portwarden},
    process::{PATIENCE, eventually},
    registry::{Registry, registry, registry_without_deletion},
};

const PATH: &str = "/-/delete-tags/acme/app";

/// `user` may delete all tags but `prod`; the others may look.
const ACL: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "user", name: "acme/app", tag: "prod"}
    actions: [pull]
    comment: "prod is deleted by admins"
  - match: {account: "user", name: "acme/app"}
    actions: [pull, push, delete]
  - match: {account: "test2", name: "acme/*"}
    actions: [pull]
"#;

fn open(registry: &Registry) -> Builder {
    portwarden(registry).acl(ACL).with(TAGS).with(audit::TO_FILE).with(metrics::ON)
}

/// The row of a tag on a page, as text.
#[track_caller]
fn row(page: &str, tag: &str) -> String {
    let rows = page.split("<tr ").filter(|row| text(row).split(' ').next() == Some(tag));
    rows.map(text).next().unwrap_or_else(|| panic!("no row of {tag}: {page}"))
}

/// The form of the page that asks.
fn form(page: &str) -> Vec<(&'static str, String)> {
    let values = |name: &str| {
        let marks = format!("name=\"{name}\" value=\"");
        let (_, form) = page.split_once("class=\"decision\"").expect("the form");
        let values = form.split(&marks).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        values.collect::<Vec<_>>()
    };
    let csrf = values("csrf").into_iter().map(|value| ("csrf", value));
    csrf.chain(values("tag").into_iter().map(|value| ("tag", value))).collect()
}

fn send(visitor: &Visitor<'_>, form: &[(&str, String)]) -> crate::support::curl::Response {
    visitor.post(PATH, &form.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>())
}

/// The lines of the audit log about a tag that a page was to delete, once they are there.
#[track_caller]
fn about(warden: &Portwarden, tag: &str, events: &[&str]) -> Vec<Value> {
    let found = || {
        let of_page =
            |line: &Value| line["route"] == "page" && line["reference"] == tag && line["method"] == "POST";
        lines(&warden.file("audit.log")).into_iter().filter(of_page).collect::<Vec<_>>()
    };
    let is_there = || {
        found().iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect::<Vec<_>>() == events
    };
    assert!(eventually(PATIENCE, is_there), "{tag}: {:?}", found());
    found()
}

#[test]
fn rule_53_several_tags_are_deleted_and_each_is_decided_and_written_down_by_itself() {
    let registry = registry();
    let warden = open(&registry).start();
    let admin = client(&warden).user(ADMIN);
    let shared = image(&admin, "1.0", &[b"shared"]);
    ["latest", "stable"].iter().for_each(|tag| copy(&admin, "1.0", tag));
    image(&admin, "old", &[b"old"]);
    image(&admin, "moves", &[b"before"]);
    image(&admin, "prod", &[b"prod"]);
    image(&admin, "1.2.0", &[b"locked"]);
    copy(&admin, "old", &format!("{}.sig", shared.replace(':', "-")));

    let visitor = Visitor::signed_in(&warden, USER);
    let list = visitor.get("/acme/app").is(200).text();
    assert!(list.contains(&format!("action=\"{PATH}\"")), "{list}");
    for (tag, selectable) in [("1.0", true), ("latest", true), ("prod", false), ("1.2.0", false)] {
        assert_eq!(list.contains(&format!("name=\"tag\" value=\"{tag}\"")), selectable, "{tag}: {list}");
        assert_eq!(list.contains(&format!("/-/delete-tag/{NAME}:{tag}\"")), selectable, "{tag}: {list}");
    }
    let query =
        ["1.0", "latest", "old", "moves", "prod", "1.2.0", "none"].map(|tag| format!("tag={tag}")).join("&");
    let asks = visitor.get(&format!("{PATH}?{query}")).is(200).text();
    assert!(row(&asks, "1.0").contains("The image, as stable 1 attachment of it"), "{}", row(&asks, "1.0"));
    assert!(row(&asks, "old").contains("The image, by its digest only"), "{}", row(&asks, "old"));
    assert!(
        row(&asks, "prod").contains("prod is deleted by admins") || row(&asks, "prod").contains("may not"),
        "{asks}"
    );
    assert!(row(&asks, "1.2.0").contains("write-once"), "{asks}");
    assert!(row(&asks, "none").contains("no such tag"), "{asks}");
    assert!(text(&asks).contains("Delete 4 tags"), "{asks}");
    assert_eq!(tags(&admin).len(), 8, "asking deletes nothing");

    // One moves before the form is sent, and one is named in it that may not be deleted.
    image(&admin, "moves", &[b"after"]);
    let mut sent = form(&asks);
    assert_eq!(sent.len(), 5, "{sent:?}");
    sent.extend([
        ("tag", format!("prod@{shared}")),
        ("tag", format!("1.2.0@{shared}")),
        ("tag", format!("none@{shared}")),
    ]);
    let done = send(&visitor, &sent).is(200).text();
    assert!(text(&done).contains("3 of 7 tags deleted"), "{done}");
    for (tag, says) in [
        ("1.0", "deleted"),
        ("latest", "deleted"),
        ("old", "deleted"),
        ("moves", "kept: it names another image"),
        ("prod", "not deleted:"),
        ("1.2.0", "not deleted:"),
        ("none", "no such tag"),
    ] {
        assert!(row(&done, tag).contains(says), "{tag}: {}", row(&done, tag));
    }
    let sig = format!("{}.sig", shared.replace(':', "-"));
    assert_eq!(tags(&admin), ["1.2.0", "moves", "prod", &sig, "stable"]);
    admin.get(&format!("/v2/{NAME}/manifests/{shared}")).is(200);

    let first = about(&warden, "1.0", &["decision", "transfer"]);
    assert_eq!(
        (first[1]["digest"].as_str(), first[1]["ended"].as_str()),
        (Some(shared.as_str()), Some("complete"))
    );
    for (tag, decision) in
        [("moves", "refused"), ("prod", "denied"), ("1.2.0", "denied"), ("none", "refused")]
    {
        let [line] = &about(&warden, tag, &["decision"])[..] else { panic!() };
        assert_eq!(
            (line["decision"].as_str(), line["account"].as_str()),
            (Some(decision), Some("user")),
            "{line}"
        );
        assert_eq!(line["request_id"], first[0]["request_id"], "one request");
    }
    let counted = r#"portwarden_requests_total{route="page",method="POST",status="200"}"#;
    let is_one = || metrics::value(&warden, counted) == Some(1.0);
    assert!(eventually(PATIENCE, is_one), "one request: {:?}", metrics::value(&warden, counted));
}

#[test]
fn rule_53_a_form_of_another_session_and_too_many_tags_delete_nothing() {
    let registry = registry();
    let warden = open(&registry).start();
    let admin = client(&warden).user(ADMIN);
    let digest = image(&admin, "1.0", &[b"a layer"]);
    let visitor = Visitor::signed_in(&warden, USER);
    let (csrf, pair) = (visitor.csrf(), format!("1.0@{digest}"));
    let form = [("csrf", csrf.as_str()), ("tag", pair.as_str())];
    visitor.post_from(&["Origin: https://evil.example"], PATH, &form).is(403);
    visitor.post(PATH, &[("csrf", "x"), ("tag", &pair)]).is(403);
    let other = Visitor::signed_in(&warden, TEST2);
    other.get("/acme/app").is(200);
    assert!(!other.get("/acme/app").is(200).text().contains("name=\"tag\""), "nothing to select");
    let seen = text(&other.get(&format!("{PATH}?tag=1.0")).is(200).text());
    assert!(seen.contains("No tag will be deleted"), "{seen}");
    let refused = other.post(PATH, &[("csrf", &other.csrf()), ("tag", &pair)]).is(200).text();
    assert!(text(&refused).contains("No tag was deleted"), "{refused}");
    Visitor::new(&warden).get(&format!("{PATH}?tag=1.0")).is(303);
    curl(&warden).user(USER).get(&format!("{PATH}?tag=1.0")).is(403);
    visitor.get("/-/delete-tags/no/such?tag=1.0").is(404);
    visitor.post(PATH, &[("csrf", &csrf), ("tag", "1.0")]).is(400);
    let many: Vec<String> = (0..51).map(|n| format!("t{n}@{digest}")).chain([pair.clone()]).collect();
    let fields: Vec<(&str, &str)> =
        many.iter().map(|pair| ("tag", pair.as_str())).chain([("csrf", csrf.as_str())]).collect();
    visitor.post(PATH, &fields).is(400);
    let query: Vec<String> = (0..60).map(|n| format!("tag=t{n}")).collect();
    let asks = text(&visitor.get(&format!("{PATH}?{}", query.join("&"))).is(200).text());
    assert!(asks.contains("10 more tags are left out"), "{asks}");
    assert!(text(&visitor.get(PATH).is(200).text()).contains("No tag is selected"));
    visitor.post(PATH, &[("csrf", &csrf)]).is(303);
    assert_eq!(tags(&admin), ["1.0"]);
}

#[test]
fn rule_53_what_the_rules_say_when_the_form_is_sent_counts() {
    let registry = registry();
    let mut warden = open(&registry).start();
    let admin = client(&warden).user(ADMIN);
    image(&admin, "1.0", &[b"a layer"]);
    let asks = Visitor::signed_in(&warden, USER).get(&format!("{PATH}?tag=1.0")).is(200).text();
    warden.reload(|builder| builder.acl(&ACL.replace("[pull, push, delete]", "[pull, push]")));
    let visitor = Visitor::signed_in(&warden, USER);
    let mut sent = form(&asks);
    sent[0].1 = visitor.csrf();
    let done = send(&visitor, &sent).is(200).text();
    assert!(row(&done, "1.0").contains("not deleted"), "{done}");
    assert_eq!(tags(&admin), ["1.0"]);
}

#[test]
fn a_registry_that_deletes_nothing_says_so_for_each_tag() {
    let registry = registry_without_deletion();
    let warden = portwarden(&registry).start();
    let admin = client(&warden).user(ADMIN);
    let manifest = json!({"1.0": image(&admin, "1.0", &[b"a layer"])});
    let visitor = Visitor::signed_in(&warden, ADMIN);
    let pair = format!("1.0@{}", manifest["1.0"].as_str().unwrap());
    let done = visitor.post(PATH, &[("csrf", &visitor.csrf()), ("tag", &pair)]).is(200).text();
    assert!(row(&done, "1.0").contains("not deleted"), "{done}");
    assert_eq!(tags(&admin), ["1.0"]);
}

#[test]
fn a_page_that_asks_says_which_tag_is_write_once_and_has_no_form() {
    let registry = registry();
    let warden = open(&registry).start();
    let admin = client(&warden).user(ADMIN);
    let digest = image(&admin, "1.2.0", &[b"locked"]);
    copy(&admin, "1.2.0", "stable");

    let visitor = Visitor::signed_in(&warden, USER);
    let of_image = visitor.get(&format!("/-/delete/{NAME}@{digest}?tag=stable")).is(200).text();
    assert!(text(&of_image).contains("The tag 1.2.0 is write-once"), "{of_image}");
    let of_tag = visitor.get(&format!("/-/delete-tag/{NAME}:1.2.0")).is(200).text();
    assert!(text(&of_tag).contains("it cannot be moved or deleted"), "{of_tag}");
    for page in [of_image, of_tag] {
        assert!(!page.contains("class=\"decision\""), "{page}");
    }
    let access = visitor.get(&format!("/-/access?name={NAME}:1.2.0")).is(200).text();
    assert!(text(&access).contains("This tag is write-once"), "{access}");
    // An account that may delete it has the form.
    let visitor = Visitor::signed_in(&warden, ADMIN);
    assert_eq!(form(&visitor.get(&format!("/-/delete/{NAME}@{digest}")).is(200).text()).len(), 1);
    let access = visitor.get(&format!("/-/access?name={NAME}:1.2.0")).is(200).text();
    assert!(!text(&access).contains("This tag is write-once"), "{access}");
}
