//! Attacks on a sign-in: each test is named after one.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::{ALLOWED, Browser, DENIED, FILES, with};
use crate::support::{
    audit::line_with,
    clock::Clock,
    portwarden::{ADMIN, Portwarden, User, portwarden},
    provider::{Provider, SECRET, parameters, provider},
    registry::{Registry, registry},
};

fn signing_in() -> (Registry, Provider, Portwarden) {
    let (registry, provider) = (registry(), provider());
    let warden = with(&registry, &provider.oidc()).start();
    (registry, provider, warden)
}

/// The page says that no one is signed in, and there is no session.
#[track_caller]
fn is_refused(browser: &Browser<'_>, page: &crate::support::curl::Response, says: &str) {
    assert_eq!(page.status, 403, "{}", page.text());
    assert!(page.text().contains(says), "{}", page.text());
    assert!(!browser.cookies.contains_key("__Host-portwarden-session"), "{:?}", browser.cookies);
}

#[test]
fn rule_60_login_csrf_an_answer_that_another_browser_asked_for_signs_no_one_in() {
    let (_registry, provider, warden) = signing_in();
    let mut attacker = Browser::new(&warden);
    let back = provider.approve(&attacker.start("/oidc_auth"));
    // Without an attempt, with one of its own, and with one of its own while the state is the attacker's.
    let mut victim = Browser::new(&warden);
    let page = victim.get_from("cross-site", &format!("/oidc_auth?{back}"));
    is_refused(&victim, &page, "belongs to no sign-in of this browser");
    victim.start("/oidc_auth");
    let page = victim.get_from("cross-site", &format!("/oidc_auth?{back}"));
    is_refused(&victim, &page, "belongs to no sign-in of this browser");
    assert!(
        !provider.world().asked.iter().any(|asked| asked.contains("authorization_code")),
        "a code was redeemed"
    );
    // The attacker's own browser still may.
    attacker.get_from("cross-site", &format!("/oidc_auth?{back}")).is(200);
}

#[test]
fn rule_60_a_link_of_another_site_ends_no_sign_in_that_has_begun() {
    let (_registry, provider, warden) = signing_in();
    let mut browser = Browser::new(&warden);
    let back = provider.approve(&browser.start("/oidc_auth"));
    for link in ["error=access_denied", "code=code-0&state=x"] {
        let page = browser.get_from("cross-site", &format!("/oidc_auth?{link}"));
        is_refused(&browser, &page, "belongs to no sign-in of this browser");
    }
    browser.get_from("cross-site", &format!("/oidc_auth?{back}")).is(200);
}

#[test]
fn rule_60_a_link_of_another_site_begins_no_sign_in() {
    let (_registry, _provider, warden) = signing_in();
    for site in ["cross-site", "same-site"] {
        let mut browser = Browser::new(&warden);
        let answer = browser.get_from(site, "/oidc_auth?next=/-/access").is(303);
        assert_eq!(answer.header("location"), Some("/-/sign-in?next=/-/access"));
        assert!(browser.cookies.is_empty());
    }
    Browser::new(&warden).get_from("none", "/oidc_auth").is(303);
}

#[test]
fn rule_60_open_redirect_a_sign_in_ends_on_a_page_of_ours() {
    let (_registry, provider, warden) = signing_in();
    for next in
        ["https://evil.example/", "//evil.example/", "/%5Cevil.example", "javascript:alert(1)", "/oidc_auth"]
    {
        let mut browser = Browser::new(&warden);
        let back = provider.approve(&browser.start(&format!("/oidc_auth?next={next}")));
        let page = browser.get_from("cross-site", &format!("/oidc_auth?{back}&next={next}")).is(200).text();
        assert!(page.contains("content=\"0; url=/\"") && !page.contains("evil"), "{page}");
    }
}

#[test]
fn rule_60_mix_up_a_code_counts_for_the_section_and_the_provider_that_were_asked() {
    let (registry, honest, evil) = (registry(), provider(), provider());
    let sections = format!("{}{}", honest.oidc(), evil.gitlab());
    let warden = with(&registry, &sections).start();
    // Asked at one, answered for the other.
    let mut browser = Browser::new(&warden);
    let back = honest.approve(&browser.start("/oidc_auth"));
    let page = browser.get_from("cross-site", &format!("/gitlab_auth?{back}"));
    is_refused(&browser, &page, "belongs to no sign-in of this browser");
    // The attempt of one section in the cookie of another.
    let attempt = browser.cookies["__Host-portwarden-oidc"].clone();
    browser.cookies.insert("__Host-portwarden-gitlab".to_owned(), attempt);
    let page = browser.get_from("cross-site", &format!("/gitlab_auth?{back}"));
    is_refused(&browser, &page, "belongs to no sign-in of this browser");
    assert!(
        !evil.world().asked.iter().any(|asked| asked.contains("code")),
        "the code was sent to another provider"
    );

    // A provider that names itself (RFC 9207) must do so, and another name counts for nothing.
    honest.world().names_itself = true;
    let warden = with(&registry, &honest.oidc()).start();
    for wrong in [format!("&iss={}", evil.url()), String::new()] {
        let mut browser = Browser::new(&warden);
        let back =
            honest.approve(&browser.start("/oidc_auth")).split("&iss=").next().unwrap().to_owned() + &wrong;
        let page = browser.get_from("cross-site", &format!("/oidc_auth?{back}"));
        is_refused(&browser, &page, "names another provider");
    }
    Browser::new(&warden).sign_in(&honest, "oidc_auth").is(200);
}

#[test]
fn rule_60_a_replayed_answer_signs_no_one_in() {
    let (_registry, provider, warden) = signing_in();
    let mut browser = Browser::new(&warden);
    let back = provider.approve(&browser.start("/oidc_auth"));
    let thief = browser.clone();
    browser.get_from("cross-site", &format!("/oidc_auth?{back}")).is(200);
    // By the button to go back, and by a thief of the cookie.
    let mut again = browser.clone();
    again.cookies.remove("__Host-portwarden-session");
    let page = again.get_from("cross-site", &format!("/oidc_auth?{back}"));
    is_refused(&again, &page, "belongs to no sign-in of this browser");
    let mut thief = thief;
    let page = thief.get_from("cross-site", &format!("/oidc_auth?{back}"));
    is_refused(&thief, &page, "does not accept the code");
    // Two of a parameter, of which each reader takes another.
    let mut browser = Browser::new(&warden);
    let back = provider.approve(&browser.start("/oidc_auth"));
    for twice in [format!("state=x&{back}"), format!("{back}&state=x")] {
        let mut browser = browser.clone();
        let page = browser.get_from("cross-site", &format!("/oidc_auth?{twice}"));
        is_refused(&browser, &page, "belongs to no sign-in of this browser");
    }
}

#[test]
fn rule_60_an_id_token_of_another_sign_in_client_or_issuer_counts_for_nothing() {
    let (_registry, provider, warden) = signing_in();
    let refused = |says: &str| {
        let mut browser = Browser::new(&warden);
        let page = browser.sign_in(&provider, "oidc_auth");
        is_refused(&browser, &page, says);
    };
    for nonce in ["", "of-another-sign-in"] {
        provider.world().nonce = Some(nonce.to_owned());
        refused("was not made for this sign-in");
    }
    provider.world().nonce = None;
    let right = provider.world().claims.clone();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    for (claim, wrong) in [
        ("aud", json!("another-client")),
        ("aud", json!(["the-registry", "another-client"])),
        ("azp", json!("another-client")),
        ("iss", json!("https://evil.example")),
        ("exp", json!(now - 120)),
        ("sub", json!("")),
    ] {
        provider.world().claims[claim] = wrong;
        refused("tell its operator");
        provider.world().claims = right.clone();
    }
    Browser::new(&warden).sign_in(&provider, "oidc_auth").is(200);
    // Of several audiences, the provider says for which it was made.
    provider.world().claims["aud"] = json!(["account", "the-registry"]);
    provider.world().claims["azp"] = json!("the-registry");
    Browser::new(&warden).sign_in(&provider, "oidc_auth").is(200);
}

#[test]
fn rule_60_an_email_names_an_account_only_if_it_is_verified() {
    let (_registry, provider, warden) = signing_in();
    for unverified in [json!(false), json!(null), json!("yes"), json!(1)] {
        provider.world().claims["email_verified"] = unverified;
        let mut browser = Browser::new(&warden);
        let page = browser.sign_in(&provider, "oidc_auth");
        is_refused(&browser, &page, "has not verified the e-mail address");
    }
}

#[test]
fn rule_60_an_email_is_verified_by_the_word_about_that_email() {
    let (_registry, provider, warden) = signing_in();
    {
        // The ID token has an address that the person may write, and the endpoint for claims the one that was verified.
        let world = &mut provider.world();
        world.claims["email"] = json!("root@example.com");
        world.claims.as_object_mut().unwrap().remove("email_verified");
    }
    let mut browser = Browser::new(&warden);
    let page = browser.sign_in(&provider, "oidc_auth");
    is_refused(&browser, &page, "two e-mail addresses");
    provider.world().claims["email"] = json!("ada@example.com");
    Browser::new(&warden).sign_in(&provider, "oidc_auth").is(200);
}

#[test]
fn rule_60_an_email_that_another_person_has_by_now_gives_no_account() {
    let (_registry, provider, warden) = signing_in();
    let mut first = Browser::new(&warden);
    first.sign_in(&provider, "oidc_auth").is(200);
    // The address is given to another person; in another spelling, too.
    for address in ["ada@example.com", "Ada@Example.com"] {
        {
            let claims = &mut provider.world().claims;
            (claims["sub"], claims["email"]) = (json!("subject-2"), json!(address));
        }
        let mut second = Browser::new(&warden);
        let page = second.sign_in(&provider, "oidc_auth");
        is_refused(&second, &page, "belongs to another person");
    }
    assert_eq!(first.tags("dev/app"), ALLOWED);
    // And the first one, whose address is another by now, gets no second account.
    {
        let claims = &mut provider.world().claims;
        (claims["sub"], claims["email"]) = (json!("subject-1"), json!("root@example.com"));
    }
    let mut renamed = Browser::new(&warden);
    let page = renamed.sign_in(&provider, "oidc_auth");
    is_refused(&renamed, &page, "has signed in here as");
}

#[test]
fn rule_60_no_person_has_the_name_of_an_account_of_the_configuration() {
    let (registry, provider) = (registry(), provider());
    let section = provider.oidc() + "  user_claim: preferred_username\n";
    let mut warden = with(&registry, &section).start();
    for name in [
        "admin",
        "ADMIN",
        "ad\u{200b}min",
        "certificate:x",
        "pwt_0123",
        "a b",
        "alice/private",
        "line\nbreak",
    ] {
        provider.world().claims["preferred_username"] = json!(name);
        let mut browser = Browser::new(&warden);
        let page = browser.sign_in(&provider, "oidc_auth");
        assert_eq!(page.status, 403, "{name}: {}", page.text());
        assert!(!browser.cookies.contains_key("__Host-portwarden-session"));
    }
    provider.world().claims["preferred_username"] = json!("test9");
    let mut browser = Browser::new(&warden);
    browser.sign_in(&provider, "oidc_auth").is(200);
    let cookies = browser.cookies;
    // A user of that name who is added later has the name alone, in each of its spellings.
    for name in ["TEST9", "test9"] {
        warden.reload(|builder| builder.users(&[ADMIN, User { name, password: name }]));
        assert_eq!(Browser { warden: &warden, cookies: cookies.clone() }.tags("dev/app"), DENIED, "{name}");
        warden.reload(|builder| builder.users(&[ADMIN]));
        assert_eq!(Browser { warden: &warden, cookies: cookies.clone() }.tags("dev/app"), ALLOWED);
    }
}

#[test]
fn rule_60_html_in_a_name_and_in_an_error_is_text() {
    let (registry, provider) = (registry(), provider());
    let section = provider.oidc() + "  user_claim: preferred_username\n";
    let warden = with(&registry, &section).start();
    provider.world().claims["preferred_username"] = json!("<b>ada");
    let mut browser = Browser::new(&warden);
    browser.sign_in(&provider, "oidc_auth").is(200);
    let page = browser.account().unwrap();
    assert!(!page.contains("<b>ada") && page.contains("&lt;b&gt;ada"), "{page}");
    {
        let world = &mut provider.world();
        world.claims["sub"] = json!("subject-2");
    }
    let mut other = Browser::new(&warden);
    let page = other.sign_in(&provider, "oidc_auth").is(403).text();
    assert!(!page.contains("<b>ada") && page.contains("&lt;b&gt;ada"), "{page}");
}

#[test]
fn rule_60_groups_that_are_elsewhere_or_no_list_of_text_are_not_none() {
    let (_registry, provider, warden) = signing_in();
    for (claim, value) in
        [("_claim_names", json!({"groups": "src1"})), ("groups", json!("dev")), ("groups", json!([1]))]
    {
        let right = provider.world().claims.clone();
        provider.world().claims[claim] = value;
        let mut browser = Browser::new(&warden);
        let page = browser.sign_in(&provider, "oidc_auth");
        is_refused(&browser, &page, "`groups` of this person");
        provider.world().claims = right;
    }
    // Each of the two sources keeps something elsewhere.
    {
        let world = &mut provider.world();
        world.claims.as_object_mut().unwrap().remove("groups");
        world.claims["_claim_names"] = json!({"address": "src1"});
        world.userinfo = json!({"sub": "subject-1", "_claim_names": {"groups": "src1"}});
    }
    let mut browser = Browser::new(&warden);
    let page = browser.sign_in(&provider, "oidc_auth");
    is_refused(&browser, &page, "`groups` of this person");
}

#[test]
fn rule_60_a_claim_that_is_null_is_asked_for() {
    let (_registry, provider, warden) = signing_in();
    provider.world().claims["groups"] = json!(null);
    let mut browser = Browser::new(&warden);
    browser.sign_in(&provider, "oidc_auth").is(200);
    assert_eq!(browser.tags("dev/app"), ALLOWED, "the endpoint for claims has the group");
}

#[test]
fn rule_60_groups_that_the_provider_no_longer_tells_are_not_none() {
    let acl = "
  - match: {labels: {groups: dev}, name: \"ops/*\"}
    actions: []
  - match: {account: \"/.+/\"}
    actions: [pull]
";
    for untold in [json!({}), json!({"groups": null})] {
        let (registry, provider, clock) = (registry(), provider(), Clock::right());
        let builder = portwarden(&registry).acl(acl).with(FILES).with(&provider.oidc());
        let warden = clock.of(builder.with("ui: {session: 200h}")).start();
        let mut browser = Browser::new(&warden);
        browser.sign_in(&provider, "oidc_auth").is(200);
        assert_eq!((browser.tags("dev/app"), browser.tags("ops/app")), (ALLOWED, DENIED));
        {
            let userinfo = &mut provider.world().userinfo;
            userinfo.as_object_mut().unwrap().remove("groups");
            userinfo.as_object_mut().unwrap().extend(untold.as_object().unwrap().clone());
        }
        clock.set("+61m");
        assert_eq!((browser.tags("dev/app"), browser.tags("ops/app")), (DENIED, DENIED), "{untold}");
    }
}

#[test]
fn rule_60_no_code_and_no_token_of_a_provider_is_logged_or_stays_in_a_browser() {
    let (registry, provider, clock) = (registry(), provider(), Clock::right());
    let builder = with(&registry, &provider.oidc()).with("log: {level: debug}").with("ui: {session: 200h}");
    let warden = clock.of(builder).start();
    let mut browser = Browser::new(&warden);
    let sent = browser.get("/oidc_auth").is(303);
    let address = sent.header("location").unwrap();
    let state = parameters(address.split_once('?').unwrap().1)["state"].clone();
    let back = provider.approve(address);
    let accepted = browser.get_from("cross-site", &format!("/oidc_auth?{back}")).is(200);
    let session = browser.cookies["__Host-portwarden-session"].clone();
    let refused = browser.get_from("cross-site", &format!("/oidc_auth?{back}")).is(403);
    let slashed = browser.get_from("cross-site", &format!("/oidc_auth/?{back}"));
    for answer in [&sent, &accepted, &refused, &slashed] {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    }
    for page in [&accepted, &refused] {
        assert_eq!(page.header("referrer-policy"), Some("same-origin"));
        assert!(!page.text().contains(&state) && !page.text().contains("code-"), "{}", page.text());
    }
    clock.set("+61m");
    browser.tags("dev/app");
    provider.world().refuses = true;
    clock.set("+130m");
    browser.tags("dev/app");
    line_with(&warden.file("audit.log"), &[("credentials", "sign_in")]);
    let all = std::fs::read_to_string(warden.file("audit.log")).unwrap() + &warden.log();
    for secret in [&*state, &session, "code-1", "access-", "refresh-", SECRET, "code_verifier"] {
        assert!(!all.contains(secret), "{secret} is in:\n{all}");
    }
}

#[test]
fn rule_60_a_name_and_a_group_of_a_provider_are_no_patterns() {
    let (registry, provider) = (registry(), provider());
    let acl = "
  - match: {name: \"${account}/*\"}
    actions: [pull]
  - match: {name: \"/^${account}/.*$/\"}
    actions: [pull]
  - match: {name: \"${labels:groups}/*\"}
    actions: [pull]
";
    let section = provider.oidc() + "  user_claim: preferred_username\n";
    let warden = portwarden(&registry).acl(acl).with(FILES).with(&section).start();
    for (n, name) in
        ["*", "?ev", "d[a-z]v", ".*", "d|dev", "{dev,ops}", "${account}", "dev"].iter().enumerate()
    {
        {
            let claims = &mut provider.world().claims;
            claims["sub"] = json!(format!("subject-{n}"));
            (claims["preferred_username"], claims["groups"]) = (json!(name), json!([name]));
        }
        let mut browser = Browser::new(&warden);
        browser.sign_in(&provider, "oidc_auth").is(200);
        assert_eq!(browser.tags("dev/app"), if *name == "dev" { ALLOWED } else { DENIED }, "{name}");
    }
}

#[test]
fn rule_60_claims_of_another_person_are_not_joined() {
    let (_registry, provider, warden) = signing_in();
    {
        let world = &mut provider.world();
        world.claims.as_object_mut().unwrap().remove("groups");
        world.userinfo["sub"] = json!("subject-2");
    }
    let mut browser = Browser::new(&warden);
    let page = browser.sign_in(&provider, "oidc_auth");
    is_refused(&browser, &page, "describes another person");
}
