//! A provider that takes requests and gives no answer: who waits for it, and for how long.

use super::{Browser, with};
use crate::support::{
    curl::curl,
    provider::{Provider, provider},
    registry::registry,
};

/// The number of requests of that method and target.
fn asked(provider: &Provider, beginning: &str) -> usize {
    provider.world().asked.iter().filter(|asked| asked.starts_with(beginning)).count()
}

#[test]
fn rule_60_visitors_who_hang_up_do_not_make_the_next_ones_wait_longer() {
    let (registry, provider) = (registry(), provider());
    provider.world().hangs = Some("/.well-known");
    let warden = with(&registry, &provider.oidc()).start();
    let hasty = curl(&warden).seconds(2).get("/oidc_auth");
    assert_eq!((hasty.exit, asked(&provider, "GET /.well-known")), (28, 1), "{hasty:?}");
    // The next one waits for the answer that the first has asked for.
    Browser::new(&warden).get("/oidc_auth").is(503);
    assert_eq!(asked(&provider, "GET /.well-known"), 1);
}
