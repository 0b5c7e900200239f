//! The pages for a person who sees them for the first time: the things that a deletion leaves behind, the names of one
//! image, events with their objects, a registry that is down, a search for a part of a name, and how to ask for a right.
//!
//! Needs: curl, docker-registry, htpasswd.

use super::page_details::text;
use crate::support::{
    audit,
    curl::curl,
    distribution::{MANIFEST, push_image},
    page_client::Visitor,
    portwarden::{ADMIN, Portwarden, TEST, USER, portwarden},
    registry::{Registry, registry},
    waiting::{PATIENCE, eventually},
};

/// `user` may do all in `team/*` but push to `prod`, and `test` may pull some tags.
const ACL: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "user", name: "team/prod"}
    actions: [pull]
    comment: "deployments are pushed by admins"
  - match: {account: "user", name: "team/*"}
    actions: [pull, push, delete]
  - match: {account: "test", name: "team/app", tag: "1.*"}
    actions: [pull, delete]
  - match: {account: "test", name: "team/web", tag: "secret-*"}
    actions: []
  - match: {account: "test", name: "team/web", tag: ["ci-*", "pr-*"]}
    actions: [pull, push]
"#;

fn open(registry: &Registry) -> Portwarden {
    portwarden(registry).acl(ACL).with(audit::TO_FILE).with("state: {file: ./state.db}").start()
}

/// Puts the image of a tag under others as well.
fn tagged(warden: &Portwarden, tag: &str, others: &[&str]) -> String {
    let admin = curl(warden).user(ADMIN);
    let digest = push_image(&admin, "team/app", tag);
    let manifest = admin
        .clone()
        .header(&format!("Accept: {MANIFEST}"))
        .get(&format!("/v2/team/app/manifests/{tag}"))
        .is(200);
    let media_type = format!("Content-Type: {}", manifest.header("content-type").unwrap());
    for other in others {
        let body = manifest.text();
        let request = admin.clone().header(&media_type).option(&["--data-binary", &body]);
        request.send("PUT", &format!("/v2/team/app/manifests/{other}")).is(201);
    }
    digest
}

#[test]
fn the_page_says_what_a_deleted_tag_or_image_leaves_behind() {
    let registry = registry();
    let warden = open(&registry);
    let digest = tagged(&warden, "1.4", &["v1.4.0", "2.0"]);
    let admin = curl(&warden).user(ADMIN);
    push_image(&admin, "team/app", &format!("{}.sig", digest.replace(':', "-")));
    push_image(&admin, "team/app", "0.9");
    let visitor = Visitor::signed_in(&warden, USER);
    let asked = |path: &str| text(&visitor.get(path).is(200).text());
    let one = asked("/-/delete-tag/team/app:1.4");
    assert!(one.contains("The image, as 2.0 , v1.4.0") && one.contains("1 attachment of it"), "{one}");
    assert!(!one.contains("only tag of the image"), "{one}");
    let last = asked("/-/delete-tag/team/app:0.9");
    assert!(
        last.contains("This is the only tag of the image") && last.contains("by its digest only"),
        "{last}"
    );
    let image = asked(&format!("/-/delete/team/app@{digest}"));
    assert!(image.contains("1 attachment of it stays behind"), "{image}");
    // Of tags that a visitor may not see, it is not said that there are none.
    let some = Visitor::signed_in(&warden, TEST).get("/-/delete-tag/team/app:1.4").is(200).text();
    assert!(
        !some.contains("v1.4.0") && !some.contains("only tag") && !some.contains("digest only"),
        "{some}"
    );
    assert!(text(&some).contains("its other tags were not looked up"), "{some}");
}

#[test]
fn an_image_names_its_other_tags_also_by_digest_and_compare_begins_with_the_version_before() {
    let registry = registry();
    let warden = open(&registry);
    let digest = tagged(&warden, "1.4", &["v1.4.0", "2.0"]);
    let admin = curl(&warden).user(ADMIN);
    push_image(&admin, "team/app", "v1.3");
    let visitor = Visitor::signed_in(&warden, USER);
    let by_tag = text(&visitor.get("/team/app:1.4").is(200).text());
    assert!(by_tag.contains("Other tags on it 2.0 , v1.4.0 "), "{by_tag}");
    let page = visitor.get(&format!("/team/app@{digest}")).is(200).text();
    let by_digest = text(&page);
    assert!(by_digest.contains("Tags 2.0 , v1.4.0 , 1.4 "), "{by_digest}");
    assert!(
        by_digest.contains("Pushed just now by admin") && page.contains("/-/compare/team/app?to="),
        "{page}"
    );
    let form = visitor.get("/-/compare/team/app?to=1.4").is(200).text();
    assert!(form.contains("name=\"from\" value=\"v1.3\""), "{form}");
    assert!(form.contains("name=\"to\" value=\"1.4\""), "{form}");
    // A tag that was moved past Portwarden, and those that a visitor may not pull, are not named.
    registry.add_tags("team/app", "v1.3", &["2.0".to_owned()]);
    let moved = text(&visitor.get("/team/app:1.4").is(200).text());
    assert!(moved.contains("Other tags on it v1.4.0 "), "{moved}");
    let some = Visitor::signed_in(&warden, TEST).get("/team/app:1.4").is(200).text();
    assert!(!some.contains("v1.4.0"), "{some}");
}

#[test]
fn events_say_which_page_and_leave_out_pages_but_no_refusal() {
    let registry = registry();
    let warden = open(&registry);
    tagged(&warden, "1.4", &[]);
    let user = Visitor::signed_in(&warden, USER);
    user.get("/-/access").is(200);
    user.get("/team/app").is(200);
    user.get("/-/events").is(403);
    let home = user.get("/").is(200).text();
    let (_, rest) = home.split_once("name=\"csrf\" value=\"").unwrap();
    user.post("/-/sign-out", &[("csrf", rest.split('"').next().unwrap())]).is(303);
    let admin = Visitor::signed_in(&warden, ADMIN);
    let events = |query: &str| text(&admin.get(&format!("/-/events{query}")).is(200).text());
    assert!(eventually(PATIENCE, || events("").contains("signed out")), "{}", events(""));
    let plain = events("");
    assert!(plain.contains("pushed team/ app :1.4") && plain.contains("wanted to look at Events"), "{plain}");
    assert!(!plain.contains("looked at My access") && !plain.contains("looked at team/ app"), "{plain}");
    assert!(!plain.contains("sent POST"), "{plain}");
    for query in ["?pages=1", "?action=page"] {
        let all = events(query);
        assert!(all.contains("looked at My access") && all.contains("looked at team/ app"), "{query}: {all}");
        assert!(all.contains("looked at Repositories"), "{query}: {all}");
    }
}

#[test]
fn a_registry_that_is_down_is_said_and_an_error_leads_to_the_repository() {
    let mut registry = registry();
    let warden = open(&registry);
    tagged(&warden, "1.4", &[]);
    let visitor = Visitor::signed_in(&warden, USER);
    for path in ["/", "/-/access"] {
        assert!(!visitor.get(path).is(200).text().contains("The registry does not answer"), "{path}");
    }
    let gone = visitor.get("/team/app:gone").is(404).text();
    assert!(text(&gone).contains("Go to team/ app") && gone.contains("href=\"/team/app\""), "{gone}");
    registry.kill();
    for path in ["/", "/?q=app", "/-/access"] {
        let says = || visitor.get(path).is(200).text().contains("The registry does not answer");
        assert!(eventually(PATIENCE, says), "{path}");
    }
    registry.restart();
    assert!(eventually(PATIENCE, || !visitor.get("/").is(200).text().contains("does not answer")));
}

#[test]
fn a_part_of_a_tag_and_the_start_of_a_digest_find_it_if_it_may_be_pulled() {
    let registry = registry();
    let warden = open(&registry);
    let digest = tagged(&warden, "1.4.2-alpine", &["nightly"]);
    let admin = curl(&warden).user(ADMIN);
    push_image(&admin, "team/web", "1.5.0-alpine");
    let secret = push_image(&admin, "secret/db", "hidden-alpine");
    let visitor = Visitor::signed_in(&warden, USER);
    let found = |words: &str| visitor.get(&format!("/?q={words}"));
    assert_eq!(found("ightl").is(303).header("location"), Some("/team/app:nightly"));
    assert_eq!(found("web:1.5").is(303).header("location"), Some("/team/web:1.5.0-alpine"));
    let both = found("ALPINE").is(200).text();
    assert!(text(&both).contains("2 tags found") && !both.contains("secret/db"), "{both}");
    // As pages show it, once one has.
    visitor.get("/team/app").is(200);
    Visitor::signed_in(&warden, ADMIN).get("/secret/db").is(200);
    let start = &digest[..19];
    let page = format!("/team/app@{digest}");
    assert_eq!(found(start).is(303).header("location"), Some(page.as_str()));
    assert!(found(&secret[..19]).is(200).text().contains("Nothing matches"));
    assert!(found("hidden").is(200).text().contains("Nothing matches"));
    // A visitor that may see some tags finds no other.
    let some = Visitor::signed_in(&warden, TEST);
    assert!(some.get("/?q=ightl").is(200).text().contains("Nothing matches"));
    assert_eq!(some.get("/?q=4.2-a").is(303).header("location"), Some("/team/app:1.4.2-alpine"));
}

/// The address of the only link with these words.
#[track_caller]
fn link(page: &str, words: &str) -> String {
    let (before, _) =
        page.split_once(&format!("\">{words}</a>")).unwrap_or_else(|| panic!("no {words}: {page}"));
    before.rsplit_once("href=\"").unwrap().1.replace("&amp;", "&")
}

#[test]
fn rule_58_rights_of_another_account_are_for_those_who_see_the_events() {
    let registry = registry();
    let warden = open(&registry);
    push_image(&curl(&warden).user(ADMIN), "team/prod", "1");
    curl(&warden).user(USER).send("POST", "/v2/team/prod/blobs/uploads/").is(401);
    // Who sees the events sees the rule, its place and its words, and asks the rules from there.
    let admin = Visitor::signed_in(&warden, ADMIN);
    let events = || admin.get("/-/events?account=user&refused=1").is(200).text();
    assert!(eventually(PATIENCE, || events().contains("Ask the rules")), "{}", events());
    let seen = text(&events());
    assert!(seen.contains("rule 2, line") && seen.contains("deployments are pushed by admins"), "{seen}");
    let asked = link(&events(), "Ask the rules");
    assert_eq!(asked, "/-/access?name=team/prod&account=user");
    let answer = text(&admin.get(&asked).is(200).text());
    let (_, answer) = answer.split_once("The account user :").unwrap_or_else(|| panic!("{answer}"));
    assert!(answer.contains("Yes rule 2") && answer.contains("No rule 2, line"), "{answer}");
    assert!(answer.contains("deployments are pushed by admins"), "{answer}");
    // The labels of an account from elsewhere are not known, which is said.
    let unknown = text(&admin.get("/-/access?name=team/prod&account=carol").is(200).text());
    assert!(unknown.contains("Its labels are not known here"), "{unknown}");
    // The account itself sees where, and no words of the rule; about others it cannot ask.
    let user = Visitor::signed_in(&warden, USER);
    let page = user.get("/-/access?name=team/prod&account=admin").is(200).text();
    let own = text(&page);
    let host = warden.url().replace("https://", "");
    assert!(
        own.contains(&format!("The account user may not push to team/prod on {host}: rule 2, line ")),
        "{own}"
    );
    assert!(own.contains("may not delete from team/prod") && !own.contains("may not pull"), "{own}");
    assert!(!own.contains("The account admin") && !page.contains("name=\"account\""), "{own}");
    assert!(!own.contains("deployments are pushed by admins"), "{own}");
    let japanese =
        user.request().header("Accept-Language: ja").get("/-/access?name=team/prod").is(200).text();
    assert!(japanese.contains("ルール 2(") && !japanese.contains("rule 2"), "{japanese}");
}

#[test]
fn rule_58_a_denial_for_one_tag_names_the_rule_that_grants_others_and_no_pattern_of_one_that_denies() {
    let registry = registry();
    let warden = open(&registry);
    let page = |user, path: &str| text(&Visitor::signed_in(&warden, user).get(path).is(200).text());
    let denied = page(TEST, "/-/access?name=team/web:1.6");
    assert!(denied.contains("For other tags: rule 6, line"), "{denied}");
    assert!(denied.contains("about tags ci-*, pr-*"), "{denied}");
    let in_general = page(TEST, "/-/access?name=team/web");
    assert!(in_general.contains("Some tags rule 6, line"), "{in_general}");
    let secret = page(TEST, "/-/access?name=team/web:secret-1");
    assert!(secret.contains("No rule 5, line") && !secret.contains("secret-*"), "{secret}");
    assert!(!in_general.contains("secret-*"), "{in_general}");
    let admin = page(ADMIN, "/-/access?name=team/web:secret-1&account=test");
    assert!(admin.contains("about tags secret-*"), "{admin}");
}

#[test]
fn an_error_is_in_the_language_of_the_page_and_what_the_server_says_is_marked() {
    let registry = registry();
    let warden = open(&registry);
    let user = Visitor::signed_in(&warden, USER);
    let page = user.request().header("Accept-Language: ja").get("/-/events").is(403).text();
    let (_, lead) = page.split_once("class=\"lead\">").unwrap();
    let lead = lead.split("</p>").next().unwrap();
    assert!(lead.contains("許可されていない") && !lead.contains("Events"), "{lead}");
    assert!(page.contains("サーバーのメッセージ: <span lang=\"en\"><bdi>Events are for"), "{page}");
    let english = text(&user.get("/-/events").is(403).text());
    assert!(english.contains("The server says: Events are for"), "{english}");
}

#[test]
fn the_layers_of_a_repository_are_added_up_from_the_files_for_who_may_pull_all_of_it() {
    let registry = registry();
    // The directory comes with the first push.
    let without = open(&registry);
    let digest = tagged(&without, "1.4", &["2.0"]);
    let storage = registry.store().to_str().unwrap().to_owned();
    let builder = portwarden(&registry).acl(ACL).registry_setting("storage", &storage);
    let warden = builder.start();
    let visitor = Visitor::signed_in(&warden, USER);
    let shown = |visitor: &Visitor<'_>| text(&visitor.get("/team/app").is(200).text());
    let first = shown(&visitor);
    let (_, taken) = first.split_once("Its 2 layers take 2.").unwrap_or_else(|| panic!("{first}"));
    assert!(
        taken.starts_with(|c: char| c.is_ascii_digit()) && taken.contains(" kB in the registry's storage"),
        "{first}"
    );
    // It is remembered, and what the visitor may not see changes nothing.
    push_image(&curl(&warden).user(ADMIN), "secret/app", "1");
    push_image(&curl(&warden).user(ADMIN), "team/app", "3.0");
    assert!(shown(&visitor).contains("Its 2 layers take 2."), "{}", shown(&visitor));
    assert!(!shown(&Visitor::signed_in(&warden, TEST)).contains("storage"), "some tags of {digest}");
    assert!(!shown(&Visitor::signed_in(&without, USER)).contains("registry's storage"));
}
