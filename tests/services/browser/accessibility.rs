//! The accessibility of the pages for people with poor or no sight: the findings of axe-core, on each page and screen.
//!
//! axe-core is not part of this repository: `.ci/install test` fetches it, by the lock file in
//! `tests/services/browser/`.

use std::fs;

use serde_json::{Value, json};

use super::screen::SCREENS;
use super::showroom::{Showroom, showroom};
use crate::support::{
    audit,
    browser::Browser,
    curl::curl_at,
    device_login::{PAGE, begin},
    portwarden::{ADMIN, TEST, portwarden},
    programs,
    registry::registry,
};

#[test]
fn axe_finds_nothing_serious_on_any_page() {
    let registry = registry();
    let Showroom { image, index, artifact } = showroom(&curl_at(&registry.url()));
    let warden = portwarden(&registry).with(audit::TO_FILE).with("state: {file: ./state.db}\n").start();
    let browser = Browser::new(&warden);
    let script = json!({"source": axe_core()});
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", &script);

    browser.open("/-/sign-in");
    nothing_serious(&browser, "Sign in");
    browser.fill("#account", "admin");
    browser.fill("#password", "wrong");
    browser.click("form.card button");
    nothing_serious(&browser, "Wrong account or password");
    browser.sign_in(TEST);
    nothing_serious(&browser, "Nothing to see yet");
    browser.sign_in(ADMIN);
    let device = format!("{PAGE}?user_code={}", begin(&warden, &[("host_name", "laptop")]).user);
    for (path, says) in [
        ("/", "8 repositories"),
        ("/?q=nothing-like-it", "Nothing matches"),
        ("/team/app", "8 tags"),
        ("/team/app?q=nothing-like-it", "No tag matches"),
        (&format!("/team/app?deleted={index}"), "and every tag on it"),
        ("/team/app:2.4.1", "Image for several platforms"),
        (&format!("/team/app@{image}"), "Claimed, not verified"),
        (&format!("/charts/app@{artifact}"), "Helm"),
        ("/-/compare/team/app?from=2.3.0&to=2.4.1", "3 layers are the same"),
        ("/-/compare/team/app?from=none&to=2.4.1", "that you may pull"),
        (&format!("/-/delete/team/app@{index}?tag=2.4.1"), "all 3 tags that name it"),
        ("/team/app?untagged=1.0", "the image stays, by its digest"),
        ("/-/delete-tag/team/app:2.4.1", "The image that it names stays"),
        ("/-/delete-tags/team/app?tag=2.4.1&tag=2.3.0&tag=none", "Delete 2 tags"),
        ("/-/delete-tags/team/app", "No tag is selected"),
        ("/-/access?name=team/app", "rule 1"),
        ("/-/access?right=push", "By rule"),
        ("/?q=2.4.1", "tags found"),
        ("/-/access?name=No", "is not the name of a repository"),
        ("/-/tokens", "You have none"),
        ("/-/device", "The code that the program shows"),
        (&device, "Allow this only if you have just started it yourself"),
        ("/-/events", "unauthenticated"),
        ("/-/events?account=nobody", "No event matches"),
        ("/none", "Not found"),
    ] {
        browser.open(path);
        browser.run("for (const folded of document.querySelectorAll('details')) folded.open = true");
        nothing_serious(&browser, says);
    }
    browser.open("/-/tokens");
    browser.fill("#comment", "my laptop");
    browser.click("form.card button");
    nothing_serious(&browser, "Copy it now");
    browser.click("td.actions button");
    nothing_serious(&browser, "is revoked");
    in_the_dark_and_in_japanese(&browser);
}

/// Chosen in the foot of a page, whatever the system has.
fn in_the_dark_and_in_japanese(browser: &Browser) {
    browser.open("/");
    browser.click("button[value='ja']");
    browser.shows("リポジトリ 8 件");
    SCREENS[0].show(browser);
    browser.click("button[value='dark']");
    browser.waits_until("document.querySelector(\"button[value='dark']\")?.ariaPressed === 'true'");
    browser.waits_until("getComputedStyle(document.body).backgroundColor === 'rgb(14, 20, 24)'");
    for (path, says) in [
        ("/team/app", "タグ 8 件"),
        ("/team/app:2.4.1", "複数プラットフォーム対応のイメージ"),
        ("/-/access?name=team/app", "ルール別"),
        ("/-/tokens", "トークンを作成"),
        ("/-/events", "監査ログ(新しい順)"),
        ("/none", "見つかりません"),
    ] {
        browser.open(path);
        browser.run("for (const folded of document.querySelectorAll('details')) folded.open = true");
        nothing_serious(browser, says);
    }
}

/// Runs axe on each screen, on the page that says so. What is minor or moderate to it is a matter of taste.
#[track_caller]
fn nothing_serious(browser: &Browser, says: &str) {
    browser.shows(says);
    for screen in SCREENS {
        screen.show(browser);
        let findings = browser.run_until_done(
            "axe.run({resultTypes: ['violations'], preload: false, iframes: false}).then(({violations}) => done(violations.map((one) => ({
                rule: one.id, impact: one.impact, help: one.help, at: one.nodes.map((node) => node.html + '\\n' + node.failureSummary),
            }))), (error) => done([{impact: 'serious', error: String(error)}]))",
        );
        let is_serious =
            |finding: &&Value| ["serious", "critical"].iter().any(|impact| finding["impact"] == *impact);
        let serious: Vec<&Value> = findings.as_array().expect("findings").iter().filter(is_serious).collect();
        assert!(serious.is_empty(), "{says}, {}: {serious:#?}", screen.name);
    }
}

/// Returns the script; `.ci/install` puts it below the directory of Cargo.
fn axe_core() -> String {
    let script = programs::fetched("browser/node_modules/axe-core/axe.min.js", "axe-core");
    fs::read_to_string(script).unwrap()
}
