//! People who sign in with GitHub and GitLab, whose APIs are a fake that answers as their documentation says.

use serde_json::json;

use super::{ALLOWED, Browser, DENIED, with};
use crate::support::{
    clock::Clock,
    provider::{parameters, provider},
    registry::registry,
};

#[test]
fn a_member_of_the_organization_signs_in_with_github_and_its_teams_are_labels() {
    let (registry, provider) = (registry(), provider());
    let warden = with(&registry, &provider.github()).start();
    let mut browser = Browser::new(&warden);
    let address = browser.start("/github_auth");
    let query = parameters(address.split_once('?').unwrap().1);
    assert!(address.starts_with(&format!("{}/login/oauth/authorize?", provider.url())));
    assert_eq!((query["scope"].as_str(), query.get("redirect_uri")), ("user:email read:org", None));
    let back = provider.approve(&address);
    browser.get_from("cross-site", &format!("/github_auth?{back}")).is(200);
    assert_eq!([browser.tags("dev/app"), browser.tags("ada/app")], [ALLOWED, ALLOWED]);
    let page = browser.account().unwrap();
    assert!(page.contains("ada"), "{page}");
    let asked = provider.world().asked.join("\n");
    assert!(asked.contains("page=2") && asked.contains("/api/v3/orgs/acme/members/ada"), "{asked}");
}

#[test]
fn rule_60_a_person_who_has_left_the_organization_is_out_within_the_hour() {
    let (registry, provider, clock) = (registry(), provider(), Clock::right());
    let warden = clock.of(with(&registry, &provider.github()).with("ui: {session: 200h}")).start();
    for status in ["404 Not Found", "302 Found"] {
        provider.world().membership = status;
        let page = Browser::new(&warden).sign_in(&provider, "github_auth").is(403).text();
        assert!(
            page.contains("only members of the organization acme may sign in")
                || page.contains("Only members"),
            "{page}"
        );
    }
    provider.world().membership = "204 No Content";
    let mut browser = Browser::new(&warden);
    browser.sign_in(&provider, "github_auth").is(200);
    // From one team only.
    provider.world().teams[0] = json!([]);
    clock.set("+61m");
    assert_eq!([browser.tags("dev/app"), browser.tags("ada/app")], [DENIED, ALLOWED]);
    provider.world().membership = "404 Not Found";
    clock.set("+130m");
    assert_eq!(browser.tags("ada/app"), DENIED);
    let page = browser.get("/-/access").is(303);
    let page = browser.get(page.header("location").unwrap()).is(200).text();
    assert!(page.contains("no longer one of those that may sign in here"), "{page}");
}

#[test]
fn rule_60_settings_that_admit_fewer_people_count_at_once() {
    let (registry, provider) = (registry(), provider());
    let everyone = provider.github().replace("  organization: acme\n", "");
    for is_down in [false, true] {
        let mut warden = with(&registry, &everyone).start();
        let mut browser = Browser::new(&warden);
        browser.sign_in(&provider, "github_auth").is(200);
        assert_eq!([browser.tags("ada/app"), browser.tags("dev/app")], [ALLOWED, DENIED]);
        let cookies = browser.cookies;
        // A member, whose teams are asked for now.
        warden.reload(|builder| builder.replacing(&everyone, &provider.github()));
        let browser = Browser { warden: &warden, cookies: cookies.clone() };
        assert_eq!([browser.tags("ada/app"), browser.tags("dev/app")], [ALLOWED, ALLOWED]);
        provider.world().membership = "404 Not Found";
        provider.world().is_down = is_down;
        let other = provider.github().replace("acme", "Acme");
        warden.reload(|builder| builder.replacing(&provider.github(), &other));
        assert_eq!(Browser { warden: &warden, cookies }.tags("ada/app"), DENIED);
        (provider.world().membership, provider.world().is_down) = ("204 No Content", false);
    }
}

#[test]
fn rule_60_a_login_that_another_account_of_github_has_by_now_gives_no_account() {
    let (registry, provider, clock) = (registry(), provider(), Clock::right());
    let warden = clock.of(with(&registry, &provider.github()).with("ui: {session: 200h}")).start();
    let mut browser = Browser::new(&warden);
    browser.sign_in(&provider, "github_auth").is(200);
    provider.world().user = json!({"id": 8, "login": "ada"});
    let page = Browser::new(&warden).sign_in(&provider, "github_auth").is(403).text();
    assert!(page.contains("belongs to another person"), "{page}");
    provider.world().user = json!({"id": 7, "login": "ada-lovelace"});
    clock.set("+61m");
    assert_eq!(browser.tags("ada/app"), DENIED, "the name is another");
}

#[test]
fn a_rate_limit_of_github_ends_no_sign_in() {
    let (registry, provider, clock) = (registry(), provider(), Clock::right());
    let warden = clock.of(with(&registry, &provider.github())).start();
    let mut browser = Browser::new(&warden);
    browser.sign_in(&provider, "github_auth").is(200);
    provider.world().is_limited = true;
    clock.set("+61m");
    assert_eq!(browser.tags("dev/app"), ALLOWED);
    warden.says("its rate limit is used up");
    let page = Browser::new(&warden).sign_in(&provider, "github_auth").is(503).text();
    assert!(page.contains("GitHub gives no answer just now"), "{page}");
}

#[test]
fn rule_60_the_token_of_a_person_goes_to_the_api_and_nowhere_else() {
    let (registry, github, evil) = (registry(), provider(), provider());
    let warden = with(&registry, &github.github()).start();
    github.world().next_page = Some(format!("{}/api/v3/user/teams?per_page=50&page=2", evil.url()));
    let page = Browser::new(&warden).sign_in(&github, "github_auth").is(403).text();
    assert!(page.contains("tell its operator"), "{page}");
    assert!(evil.world().asked.is_empty());
}

#[test]
fn a_person_signs_in_with_gitlab_and_a_blocked_one_does_not() {
    let (registry, provider, clock) = (registry(), provider(), Clock::right());
    let warden = clock.of(with(&registry, &provider.gitlab()).with("ui: {session: 200h}")).start();
    let mut browser = Browser::new(&warden);
    let query = browser.start("/gitlab_auth");
    assert_eq!(
        parameters(query.split_once('?').unwrap().1)["redirect_uri"],
        "https://registry.test/gitlab_auth"
    );
    browser.sign_in(&provider, "gitlab_auth").is(200);
    assert_eq!(browser.tags("ada/app"), ALLOWED);
    for hours in ["+61m", "+130m"] {
        clock.set(hours);
        assert_eq!(browser.tags("ada/app"), ALLOWED);
    }
    provider.world().user["state"] = json!("blocked");
    clock.set("+200m");
    assert_eq!(browser.tags("ada/app"), DENIED);
    let page = Browser::new(&warden).sign_in(&provider, "gitlab_auth").is(403).text();
    assert!(page.contains("blocked this account"), "{page}");
}
