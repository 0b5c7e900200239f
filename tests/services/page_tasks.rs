//! The tasks of a visitor, by links and forms alone: who pushed the broken `latest`, whether it is signed and
//! by whom, to delete one old tag, what changed between two versions, and why a job cannot push.
//!
//! Needs: curl, docker-registry, htpasswd.

use serde_json::{Value, json};

use super::page_details::{push, text};
use crate::support::{
    audit,
    curl::curl,
    distribution::push_image,
    page_client::Visitor,
    portwarden::{ADMIN, Portwarden, TEST, USER, portwarden},
    registry::{Registry, registry},
    waiting::{PATIENCE, eventually},
};

/// `user` is a job that may push to `team/*`, by a rule that leaves `prod` out.
const ACL: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "user", name: "team/prod"}
    actions: [pull]
    comment: "deployments are pushed by admins"
  - match: {account: "user", name: "team/*"}
    actions: [pull, push]
  - match: {account: "test", name: "team/*"}
    actions: [pull]
"#;

fn open(registry: &Registry) -> Portwarden {
    let warden = portwarden(registry).acl(ACL).with(audit::TO_FILE).with("log: {explain_denials: true}");
    warden.with("state: {file: ./state.db}").start()
}

/// The address of the only link of a page whose text has these words, or begins so.
#[track_caller]
fn link(page: &str, words: &str) -> String {
    let links = page.split("<a ").skip(1).filter_map(|rest| rest.split_once("</a>")).filter(|(link, _)| {
        let inside = link.split_once('>').map_or("", |(_, inside)| inside);
        text(&format!(">{inside}<")).replace(' ', "").starts_with(&words.replace(' ', ""))
    });
    let (first, _) = links.map(|(link, _)| (link, ())).next().unwrap_or_else(|| panic!("no {words}: {page}"));
    let (_, rest) = first.split_once("href=\"").unwrap();
    rest.split('"').next().unwrap().replace("&amp;", "&")
}

/// The address to which the form of a page leads that has a field of this name, with these fields filled in.
#[track_caller]
fn fill(page: &str, fields: &[(&str, &str)]) -> String {
    let has = |form: &&str| fields.iter().all(|(name, _)| form.contains(&format!("name=\"{name}\"")));
    let form = page.split("<form").skip(1).map(|rest| rest.split("</form>").next().unwrap()).find(has);
    let form = form.unwrap_or_else(|| panic!("no form with {fields:?}: {page}"));
    let (_, action) = form.split_once("action=\"").unwrap();
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{}?{}", action.split('"').next().unwrap(), pairs.join("&"))
}

#[test]
fn who_pushed_latest_and_whether_it_is_signed_and_by_whom() {
    let registry = registry();
    let warden = open(&registry);
    let digest = push_image(&curl(&warden).user(USER), "team/app", "latest");
    push_image(&curl(&warden).user(ADMIN), "team/app", &format!("{}.sig", digest.replace(':', "-")));
    let visitor = Visitor::signed_in(&warden, TEST);
    let first = visitor.get("/").is(200).text();
    let repository = visitor.get(&link(&first, "team/app")).is(200).text();
    assert!(text(&repository).contains("latest signed sha256:"), "{repository}");
    assert!(text(&repository).contains("just now by user"), "{repository}");
    let image = visitor.get(&link(&repository, "latest")).is(200).text();
    assert!(text(&image).contains("Pushed just now by user"), "{image}");
    assert!(text(&image).contains("signature (cosign) pushed just now by admin"), "{image}");
}

#[test]
fn one_old_tag_is_deleted() {
    let registry = registry();
    let warden = open(&registry);
    let admin = curl(&warden).user(ADMIN);
    push_image(&admin, "team/app", "1.0");
    push_image(&admin, "team/app", "1.1");
    let visitor = Visitor::signed_in(&warden, ADMIN);
    let repository = visitor.get(&link(&visitor.get("/").is(200).text(), "team/app")).is(200).text();
    let image = visitor.get(&link(&repository, "1.0")).is(200).text();
    let asked = visitor.get(&link(&image, "Delete this tag")).is(200).text();
    assert!(text(&asked).contains("Delete this tag"), "{asked}");
    let field = |name: &str| {
        let (_, rest) = asked.rsplit_once(&format!("name=\"{name}\" value=\"")).expect("the field");
        rest.split('"').next().unwrap().to_owned()
    };
    let (_, action) = asked.split_once("class=\"decision\" method=\"post\" action=\"").expect("the form");
    let fields = [("csrf", field("csrf")), ("digest", field("digest"))];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    let done = visitor.post(action.split('"').next().unwrap(), &fields).is(303);
    let page = visitor.get(done.header("location").unwrap()).is(200).text();
    assert!(text(&page).contains("Deleted the tag 1.0") && page.contains("/team/app:1.1"), "{page}");
}

#[test]
fn what_changed_between_two_versions() {
    let registry = registry();
    let warden = open(&registry);
    let admin = curl(&warden).user(ADMIN);
    for version in ["1.4", "1.5"] {
        let env = json!([format!("VERSION={version}")]);
        let config = json!({"os": "linux", "architecture": "amd64", "config": {"Env": env}});
        push(&admin, "team/app", version, &config, &[b"base", version.as_bytes()]);
    }
    let visitor = Visitor::signed_in(&warden, TEST);
    let repository = visitor.get(&link(&visitor.get("/").is(200).text(), "team/app")).is(200).text();
    let form = visitor.get(&link(&repository, "Compare tags")).is(200).text();
    let page = visitor.get(&fill(&form, &[("from", "1.4"), ("to", "1.5")])).is(200).text();
    assert!(text(&page).contains("VERSION 1.4 1.5") && text(&page).contains("1 layer is the same"), "{page}");
}

#[test]
fn why_a_job_cannot_push() {
    let registry = registry();
    let warden = open(&registry);
    push_image(&curl(&warden).user(ADMIN), "team/prod", "1");
    // What the filter leaves out: what was allowed, what another account wanted, and another action.
    push_image(&curl(&warden).user(USER), "team/app", "1");
    curl(&warden).user(TEST).send("POST", "/v2/team/prod/blobs/uploads/").is(401);
    curl(&warden).user(USER).get("/v2/secret/app/manifests/1").is(401);
    curl(&warden).user(USER).send("POST", "/v2/team/prod/blobs/uploads/").is(401);
    let visitor = Visitor::signed_in(&warden, ADMIN);
    let events = visitor.get(&link(&visitor.get("/").is(200).text(), "Events")).is(200).text();
    let refused = fill(&events, &[("account", "user"), ("action", "push"), ("refused", "1")]);
    let shows = || {
        let page = text(&visitor.get(&refused).is(200).text());
        page.contains("wanted to push team/ prod") && page.contains("deployments are pushed by admins")
    };
    assert!(eventually(PATIENCE, shows), "{}", text(&visitor.get(&refused).text()));
    let page = visitor.get(&refused).is(200).text();
    let saved = visitor.get(&link(&page, "JSON Lines")).is(200);
    assert_eq!(saved.header("content-disposition"), Some("attachment; filename=\"events.jsonl\""));
    let rows: Vec<Value> = saved.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let is_meant =
        |row: &Value| row["account"] == "user" && row["action"] == "push" && row["decision"] == "denied";
    assert!(!rows.is_empty() && rows.iter().all(is_meant), "{rows:?}");
    // The job's own owner sees the rule, too.
    let own = Visitor::signed_in(&warden, USER);
    let access = own.get(&link(&own.get("/").is(200).text(), "My access")).is(200).text();
    let access = text(&own.get(&fill(&access, &[("name", "team/prod")])).is(200).text());
    assert!(access.contains("deployments are pushed by admins"), "{access}");
}

#[test]
fn one_box_finds_repositories_tags_and_digests_that_may_be_pulled() {
    let registry = registry();
    let warden = open(&registry);
    let admin = curl(&warden).user(ADMIN);
    push_image(&admin, "team/app", "1.4.2");
    push_image(&admin, "team/web", "1.4.2");
    push_image(&admin, "team/web", "nightly");
    push_image(&admin, "secret/app", "hidden");
    let visitor = Visitor::signed_in(&warden, TEST);
    let image = visitor.get("/team/app:1.4.2").is(200).text();
    let found = |words: &str| visitor.get(&fill(&image, &[("q", words)]));
    assert_eq!(found("nightly").is(303).header("location"), Some("/team/web:nightly"));
    assert_eq!(found("app+1.4.2").is(303).header("location"), Some("/team/app:1.4.2"));
    assert_eq!(found("1.4.2+web").is(303).header("location"), Some("/team/web:1.4.2"));
    let both = found("1.4.2").is(200).text();
    assert!(both.contains("href=\"/team/app:1.4.2\"") && both.contains("href=\"/team/web:1.4.2\""), "{both}");
    assert!(found("web").is(200).text().contains("href=\"/team/web\""));
    assert!(found("hidden").is(200).text().contains("no such tag was found"));
    assert!(found("secret+app").is(200).text().contains("Nothing matches"));
}
