//! `portwarden login` in a browser: a link of another site shows the form, and a click there is what allows it.

use crate::support::{
    browser::{Browser, REGISTRY, STRANGER},
    device_login::{PAGE, begin, error, poll},
    portwarden::{USER, portwarden},
    registry::registry,
    stranger::stranger,
};

#[test]
fn rule_65_a_link_leads_to_the_form_and_a_click_allows_the_program() {
    let registry = registry();
    let warden = portwarden(&registry).with("state: {file: ./state.db}").start();
    let codes = begin(&warden, &[("host_name", "laptop"), ("comment", "builds")]);
    let page = format!("{PAGE}?user_code={}", codes.user);
    let link = format!("<title>x</title><a href=\"{REGISTRY}{page}\">free images</a>");
    let form = format!(
        "<title>x</title><form method=\"post\" action=\"{REGISTRY}{PAGE}\"><input name=\"user_code\" value=\"{}\">\
         <input name=\"decision\" value=\"allow\"><input name=\"comment\" value=\"x\"><input name=\"access\" value=\"pull\">\
         <input name=\"days\" value=\"1\"></form><script>document.forms[0].submit()</script>",
        codes.user
    );
    let site = stranger(vec![("/link", link), ("/form", form)]);
    let browser = Browser::with_stranger(&warden, site.port());
    browser.sign_in(USER);
    browser.open_url(&format!("{STRANGER}/form"));
    // Without the session, which a form of another site does not bring along.
    browser.arrives("/-/sign-in?next=/-/device");
    browser.open_url(&format!("{STRANGER}/link"));
    browser.click("a");
    browser.arrives(&page);
    assert!(browser.text().contains("laptop") && browser.text().contains(&codes.user));
    assert_eq!(error(&poll(&warden, &codes).is(400)), "authorization_pending");
    browser.click("button[value=allow]");
    browser.shows("Go back to the program");
    poll(&warden, &codes).is(200);
    assert_eq!(browser.complaints(), [""; 0]);

    // By typing the code, and without a mouse.
    let codes = begin(&warden, &[]);
    browser.open(PAGE);
    browser.fill("#user_code", &codes.user.replace('-', " ").to_lowercase());
    browser.click("main button");
    browser.shows(&codes.user);
    browser.click("button[value=refuse]");
    browser.shows("The program gets no token");
    assert_eq!(error(&poll(&warden, &codes).is(400)), "access_denied");
}
