//! Signing in and out, and what each user then finds.

use crate::support::{
    browser::Browser,
    curl::curl,
    distribution::push_image,
    portwarden::{ADMIN, TEST, TEST2, USER, User, portwarden},
    registry::registry,
};

#[test]
fn each_user_finds_what_it_may_and_nothing_more() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let admin = curl(&warden).user(ADMIN);
    push_image(&admin, "team/app", "1.0");
    push_image(&admin, "team/app", "2.0");
    push_image(&admin, "library/base", "1");
    let browser = Browser::new(&warden);
    for (user, pulls, pushes, deletes) in
        [(ADMIN, true, true, true), (TEST2, true, true, false), (USER, true, false, false)]
    {
        browser.sign_in(user);
        let who = user.name;
        assert_eq!(browser.texts("tbody th a"), if pulls { ["library/base", "team/app"] } else { [""; 2] });
        assert_eq!(browser.count("nav.main a[href='/-/events']"), usize::from(deletes), "{who}");
        browser.click("tbody th a[href='/team/app']");
        browser.arrives("/team/app");
        let mut tags = browser.texts("th a[href^='/team/app:']");
        tags.sort();
        assert_eq!(tags, ["1.0", "2.0"], "{who}");
        assert_eq!(browser.count("a[href^='/-/delete-tag/']"), if deletes { 2 } else { 0 }, "{who}");
        assert_eq!(browser.count("input[name='tag']"), if deletes { 2 } else { 0 }, "{who}");
        assert_eq!(browser.count("details.guide"), usize::from(pushes), "{who}");
        browser.click("a[href='/team/app:1.0']");
        browser.arrives("/team/app:1.0");
        let command = browser.texts(".command code");
        assert_eq!(command[0], "docker pull registry.example/team/app:1.0", "{who}");
        assert_eq!(browser.count("a[href^='/-/delete/']"), usize::from(deletes), "{who}");
        sign_out(&browser);
    }
    browser.sign_in(TEST);
    browser.shows("There is no repository that test may pull");
    assert_eq!(browser.count("tbody, nav.main a[href='/-/events']"), 0);
    browser.open("/team/app");
    browser.shows("Not found");
    sign_out(&browser);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_wrong_password_is_told_and_the_name_kept() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let browser = Browser::new(&warden);
    browser.open("/-/access");
    browser.arrives("/-/sign-in?next=/-/access");
    type_and_send(&browser, User { password: "wrong", ..USER });
    browser.shows("Wrong account or password");
    assert_eq!(browser.count("[role=alert]"), 1);
    assert_eq!(browser.run("return document.querySelector('#account').value"), "user");
    assert_eq!(browser.run("return document.querySelector('#password').value"), "");
    assert_eq!(
        browser.run("return document.activeElement.id"),
        "password",
        "whoever has typed a name goes on"
    );
    type_and_send(&browser, USER);
    browser.arrives("/-/access");
}

#[test]
fn after_signing_out_nothing_is_left_to_go_back_to() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    push_image(&curl(&warden).user(ADMIN), "team/app", "1.0");
    let browser = Browser::new(&warden);
    browser.sign_in(ADMIN);
    for path in ["/team/app", "/team/app:1.0", "/-/access", "/-/events"] {
        browser.open(path);
    }
    sign_out(&browser);
    for _ in 0..5 {
        // The browser may have kept a page in memory, and then sends no request.
        browser.back();
        let text = browser.text();
        assert!(browser.path().starts_with("/-/sign-in"), "{}: {text}", browser.path());
        assert!(!text.contains("team/app") && !text.contains("admin"), "{text}");
    }
    browser.open("/");
    browser.arrives("/-/sign-in?next=/");
    let cookies =
        browser.run("return document.cookie + JSON.stringify({...localStorage, ...sessionStorage})");
    assert_eq!(cookies, "{}", "nothing is kept that a script could read");
}

fn type_and_send(browser: &Browser, user: User) {
    browser.fill("#account", user.name);
    browser.fill("#password", user.password);
    browser.click("form.card button");
}

fn sign_out(browser: &Browser) {
    browser.sign_out();
    browser.shows("You have signed out");
    assert_eq!(browser.count(".account"), 0);
}
