//! Signing in at a provider, which is another site: the browser has to bring the attempt back, and then the session.

use crate::support::{
    audit,
    browser::Browser,
    curl::curl,
    distribution::push_image,
    portwarden::{ADMIN, portwarden},
    provider::{REGISTERED, provider},
    registry::registry,
};

const ACL: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {labels: {groups: "dev"}, name: "dev/*"}
    actions: ["pull"]
"#;

#[test]
fn a_person_signs_in_at_another_site_and_finds_the_page_that_was_wanted() {
    let (registry, provider) = (registry(), provider());
    provider.world().authorization = Some("https://provider.example/authorize".to_owned());
    let section = provider.oidc().replace(REGISTERED, "https://registry.example");
    let state = "state: {file: ./state.db}";
    let warden = portwarden(&registry).acl(ACL).with(state).with(audit::TO_FILE).with(&section).start();
    push_image(&curl(&warden).user(ADMIN), "dev/app", "1");
    let (certificate, port) = provider.server();
    let browser = Browser::with_provider(&warden, port, &certificate);
    browser.open("/dev/app");
    browser.arrives("/-/sign-in?next=/dev/app");
    browser.click(".providers a");
    browser.waits_until("document.querySelector('#allow') !== null");
    assert!(browser.path().starts_with("https://provider.example/authorize?"), "{}", browser.path());
    browser.click("#allow");
    browser.arrives("/dev/app");
    assert_eq!(browser.texts(".account"), ["ada@example.com"]);
    assert_eq!(browser.complaints(), [""; 0]);
    browser.sign_out();
    browser.open("/dev/app");
    browser.arrives("/-/sign-in?next=/dev/app");
}
