//! Pictures of the pages for the README, and that the pages fit the screen.
//!
//! `make pictures` takes them anew. They are not compared: fonts differ from machine to machine.

use std::{env, fs, path::PathBuf};

use super::screen::{NARROW, SCREENS, Screen};
use super::showroom::showroom;
use crate::support::{
    audit,
    browser::Browser,
    clock::Clock,
    curl::curl,
    portwarden::{ADMIN, User, portwarden},
    registry::registry,
};

/// The moment from which ages are counted.
const NOW: &str = "2026-09-12 10:00:00";
const PAGES: [&str; 8] =
    ["repositories", "repository", "image", "access", "sign-in", "delete", "selection", "events"];
const CI: User = User { name: "ci", password: "ci" };
const CLUSTER: User = User { name: "cluster-production", password: "cluster" };
const ACL: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "ci"}
    actions: [pull, push]
    comment: "builds"
  - match: {account: "cluster-production", name: "team/*"}
    actions: [pull]
    comment: "what runs"
"#;

#[test]
fn pages_fit_every_screen_and_there_are_pictures_of_them() {
    let registry = registry();
    let clock = Clock::right();
    clock.set("2026-09-11 16:20:00");
    let warden = clock.of(portwarden(&registry)).service("Harbour registry").users(&[ADMIN, CI, CLUSTER]);
    let warden = warden.acl(ACL).with("state: {file: ./state.db}").with(audit::TO_FILE).start();
    let shown = showroom(&curl(&warden).user(CI));
    clock.set("2026-09-12 08:05:00");
    for path in [
        "team/app/manifests/2.4.1",
        "team/app/manifests/latest",
        "team/web/manifests/main",
        "library/nginx/manifests/1.29",
    ] {
        let accept =
            "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";
        curl(&warden).user(CLUSTER).header(accept).get(&format!("/v2/{path}"));
    }
    clock.set(NOW);
    let browser = Browser::new(&warden);
    for page in PAGES {
        let path = match page {
            "repositories" => "/".to_owned(),
            "repository" => "/team/app".to_owned(),
            "image" => "/team/app:2.4.1-amd64".to_owned(),
            "access" => "/-/access?name=team/app".to_owned(),
            "delete" => format!("/-/delete/team/app@{}?tag=latest", shown.index),
            "selection" => "/-/delete-tags/team/app?tag=2.4.1&tag=2.4&tag=2.3.0".to_owned(),
            "events" => "/-/events".to_owned(),
            _ => "/-/sign-in".to_owned(),
        };
        if page == "sign-in" {
            // It is the same with a session, except for the way out.
            browser.sign_out();
        } else if browser.count(".account") == 0 {
            browser.sign_in(ADMIN);
        }
        browser.open(&path);
        for screen in SCREENS.into_iter().chain([NARROW]) {
            screen.show(&browser);
            fits(&browser, page, screen);
        }
        // It blinks.
        browser.run("document.documentElement.style.caretColor = 'transparent'");
        for screen in SCREENS {
            screen.show(&browser);
            let file = picture(page, screen);
            if env::var_os("PORTWARDEN_WRITE").is_some() {
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(&file, browser.picture()).unwrap();
            }
            assert!(file.exists(), "there is no {}: `make pictures`", file.display());
        }
    }
}

/// No page scrolls sideways, apart from parts that scroll by themselves.
#[track_caller]
fn fits(browser: &Browser, page: &str, screen: Screen) {
    // Not `innerWidth`: a phone zooms out until all fits.
    let width = browser.run("return document.documentElement.scrollWidth").as_u64().unwrap();
    let sticking_out = format!(
        "return [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > {}).map((one) => \
         one.outerHTML.slice(0, 200))",
        screen.width + 1
    );
    let is_fit = width <= screen.width.into();
    assert!(is_fit, "{page} is {width} wide on a screen of {}: {}", screen.width, browser.run(&sticking_out));
}

fn picture(page: &str, screen: Screen) -> PathBuf {
    let name = format!("docs/screenshots/{page}-{}.png", screen.name);
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}
