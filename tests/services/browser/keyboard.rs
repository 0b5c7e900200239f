//! Without a mouse, and without scripts: everything works; with them, some of it is quicker.

use std::time::Duration;

use serde_json::json;

use crate::support::{
    browser::{Browser, REGISTRY},
    curl::curl,
    distribution::push_image,
    portwarden::{ADMIN, USER, portwarden},
    process::eventually,
    registry::registry,
};

// As WebDriver calls them.
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

#[test]
fn without_scripts_everything_works() {
    let registry = registry();
    let names: Vec<String> = (0..150).map(|n| format!("many/app{n:03}")).collect();
    registry.add_repositories(&names);
    let warden = portwarden(&registry).start();
    push_image(&curl(&warden).user(ADMIN), "team/app", "1.0");
    let browser = Browser::new(&warden);
    browser.devtools("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
    browser.sign_in(ADMIN);
    assert_eq!(browser.count("button.copy"), 0, "scripts do run");

    browser.click("a.next");
    browser.arrives("/?page=2");
    assert!(browser.texts(".extent").concat().starts_with("101–151 of 151"), "{}", browser.text());
    browser.fill("#q", "team");
    browser.click("form.search button");
    browser.arrives("/?q=team");
    assert_eq!(browser.texts("tbody th a"), ["team/app"]);
    browser.click("tbody th a");
    browser.arrives("/team/app");
    // Folded parts open all the same.
    browser.click("details.guide summary");
    browser.shows("docker push registry.example/team/app:latest");
    browser.click("input[name='tag'][value='1.0']");
    browser.click(".selected button");
    browser.arrives("/-/delete-tags/team/app?tag=1.0");
    browser.click("form.decision button");
    browser.arrives("/-/delete-tags/team/app");
    browser.shows("1 tag deleted");
    browser.click("main a[href='/team/app']:not(.breadcrumbs a)");
    browser.arrives("/team/app");
    browser.shows("No tags");
    browser.click("button[value='ja']");
    browser.arrives("/team/app");
    browser.shows("タグがありません");
    browser.click("button[value='dark']");
    browser.arrives("/team/app");
    assert_eq!(browser.count("link[href$='dark.css'][media='screen']"), 1);
    browser.click("button[value='en']");
    browser.shows("No tags");
    browser.sign_out();
}

#[test]
fn without_a_mouse_one_signs_in_and_finds_an_image() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    push_image(&curl(&warden).user(ADMIN), "team/app", "1.0");
    let browser = Browser::new(&warden);
    browser.open("/-/sign-in");
    // The focus is there already.
    browser.press(&format!("user{TAB}user{ENTER}"));
    browser.arrives("/");
    // The first link to take the focus leads past the navigation.
    browser.press(TAB);
    assert_eq!(browser.run("return document.activeElement.className"), "skip");
    assert!(is_in_view(&browser), "the link to skip is hidden though it has the focus");
    browser.press(ENTER);
    browser.arrives("/#content");
    browser.press(&format!("/team{ENTER}"));
    browser.arrives("/?q=team");
    tab_to(&browser, "/team/app");
    browser.press(ENTER);
    browser.arrives("/team/app");
    tab_to(&browser, "/team/app:1.0");
    browser.press(ENTER);
    browser.arrives("/team/app:1.0");
}

#[test]
fn slash_goes_to_the_search_unless_one_is_typing() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    push_image(&curl(&warden).user(ADMIN), "team/app", "1.0");
    let browser = Browser::new(&warden);
    browser.sign_in(USER);
    for path in ["/", "/team/app"] {
        browser.open(path);
        browser.press("/");
        assert_eq!(browser.run("return document.activeElement.id"), "q", "{path}");
        browser.press("a/b");
        assert_eq!(browser.run("return document.getElementById('q').value"), "a/b", "{path}");
    }
}

#[test]
fn what_is_to_be_copied_is_copied() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let digest = push_image(&curl(&warden).user(ADMIN), "team/app", "1.0");
    let browser = Browser::new(&warden);
    let permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"];
    browser.devtools("Browser.grantPermissions", &json!({"origin": REGISTRY, "permissions": permissions}));
    browser.sign_in(USER);
    for (path, button, copied) in [
        ("/team/app:1.0", ".command button.copy", "docker pull registry.example/team/app:1.0"),
        ("/team/app:1.0", ".facts button.copy", &digest),
        ("/team/app", "th button.copy", "docker pull registry.example/team/app:1.0"),
        ("/team/app", "th .below button.copy", &digest),
    ] {
        browser.open(path);
        browser.click(button);
        // For users that do not see the button change.
        let told = || {
            browser.run("return [...document.querySelectorAll('body > [role=status]')].map((p) => p.textContent).join()")
        };
        let is_told = eventually(Duration::from_secs(5), || told() == format!("Copied {copied}"));
        assert!(is_told, "{path} {button}: {}", told());
        let clipboard = browser
            .run_until_done("navigator.clipboard.readText().then(done, (error) => done(String(error)))");
        assert_eq!(clipboard, copied, "{path} {button}");
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

/// Presses the key until the link to `path` has the focus, and sees that the focus shows.
#[track_caller]
fn tab_to(browser: &Browser, path: &str) {
    for _ in 0..30 {
        browser.press(TAB);
        assert!(is_in_view(browser), "{}", browser.run("return document.activeElement.outerHTML"));
        if browser.run("return document.activeElement.getAttribute('href')") == path {
            return;
        }
    }
    panic!("{path} is not among what can be reached by the keyboard at {}", browser.path());
}

/// Returns true if the focused element is marked and on the screen, once it has moved there.
fn is_in_view(browser: &Browser) -> bool {
    let script = "
        const box = document.activeElement.getBoundingClientRect(), style = getComputedStyle(document.activeElement);
        return box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth
            && (style.outlineStyle !== 'none' || style.boxShadow !== 'none');";
    eventually(Duration::from_secs(2), || browser.run(script) == true)
}
