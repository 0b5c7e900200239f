//! A provider that other people wrote, npm's `oidc-provider`, and the commands about people.

use serde_json::json;

use super::{ALLOWED, Browser, DENIED, with};
use crate::support::{
    clock::Clock,
    command::{self, Output},
    metrics,
    oidc::OidcIssuer,
    portwarden::{Portwarden, program},
    provider::provider,
    registry::registry,
};

/// Its ID tokens have no e-mail address and no groups, which its endpoint for claims has.
#[test]
fn a_person_signs_in_at_oidc_provider_and_is_asked_about_again() {
    let (registry, issuer, clock) = (registry(), OidcIssuer::of_people(), Clock::right());
    let section = format!(
        "oidc_auth:\n  issuer: {}\n  redirect_url: https://registry.test/oidc_auth\n  client_id: the-registry\n  \
         client_secret: the-secret-of-the-registry\n  scopes: [openid, email, groups]\n  label_claims: [groups]\n  revalidate_after: 1m\n  \
         ca_certificate: {}\n",
        issuer.url(),
        issuer.authority_file().display()
    );
    let warden = clock.of(with(&registry, &section).with(metrics::ON)).start();
    let mut browser = Browser::new(&warden);
    let address = browser.start("/oidc_auth");
    let back = issuer.follow(&address);
    let back = back.strip_prefix("https://registry.test").unwrap_or_else(|| panic!("{back}"));
    assert!(back.contains("&iss=https%3A%2F%2F127.0.0.1"), "{back}");
    browser.get_from("cross-site", back).is(200);
    assert_eq!([browser.tags("dev/app"), browser.tags("ops/app")], [ALLOWED, DENIED]);
    // The provider's own clock stands still.
    for (minutes, answers) in [("+2m", 1.0), ("+4m", 2.0)] {
        clock.set(minutes);
        assert_eq!(browser.tags("dev/app"), ALLOWED);
        let answered = "portwarden_sign_in_checks_total{outcome=\"answered\"}";
        assert_eq!(metrics::value(&warden, answered), Some(answers));
    }
}

#[test]
fn an_operator_forgets_a_person_and_the_name_is_free() {
    let (registry, provider) = (registry(), provider());
    let warden = with(&registry, &provider.oidc()).start();
    let mut first = Browser::new(&warden);
    first.sign_in(&provider, "oidc_auth").is(200);
    provider.world().claims["sub"] = json!("subject-2");
    Browser::new(&warden).sign_in(&provider, "oidc_auth").is(403);
    let forgotten = revoke(&warden, &["--account", "ADA@example.com", "--forget"]).succeeds().stdout;
    assert!(forgotten.contains("forgotten: the person who has signed in under this name"), "{forgotten}");
    let mut second = Browser::new(&warden);
    second.sign_in(&provider, "oidc_auth").is(200);
    assert_eq!([first.tags("dev/app"), second.tags("dev/app")], [DENIED, ALLOWED]);
    let nothing = revoke(&warden, &["--account", "bob", "--forget"]).succeeds().stdout;
    assert!(nothing.contains("nothing to forget"), "{nothing}");
    assert!(revoke(&warden, &["--all-sessions", "--forget"]).fails().stderr.contains("--account"));
}

/// `portwarden revoke`.
pub(super) fn revoke(warden: &Portwarden, arguments: &[&str]) -> Output {
    let socket = warden.file("control.sock");
    command::run(&program(), &[&["revoke"], arguments, &["--socket", socket.to_str().unwrap()]].concat(), &[])
}
