//! A provider that takes requests and gives no answer: who waits for it, and for how long.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::{ALLOWED, Browser, with};
use crate::support::{
    clock::Clock,
    curl::curl,
    provider::{Provider, provider},
    registry::registry,
    waiting::{PATIENCE, eventually},
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

/// As many as the questions to all providers at once.
const OTHERS: usize = 16;

#[test]
fn rule_60_requests_of_a_person_do_not_wait_one_after_the_other_while_a_provider_hangs() {
    let (registry, provider, clock) = (registry(), provider(), Clock::right());
    let section = provider.oidc() + "  http_timeout: 1m\n";
    let warden = clock.of(with(&registry, &section).with("ui: {session: 200h}")).start();
    let signed_in: Vec<_> = (0..=OTHERS)
        .map(|n| {
            let email = format!("person-{n}@example.com");
            {
                let claims = &mut provider.world().claims;
                (claims["sub"], claims["email"]) = (json!(email), json!(email));
            }
            let mut browser = Browser::new(&warden);
            browser.sign_in(&provider, "oidc_auth").is(200);
            browser
        })
        .collect();
    let (last, others) = signed_in.split_last().unwrap();
    let before = asked(&provider, "POST /token");
    clock.set("+61m");
    provider.world().hangs = Some("/token");
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for other in others {
            scope.spawn(|| {
                other.tags("dev/app");
                answered.fetch_add(1, Ordering::SeqCst);
            });
        }
        assert!(eventually(PATIENCE, || asked(&provider, "POST /token") == before + OTHERS));
        let requests: Vec<_> = (0..20).map(|_| scope.spawn(|| last.tags("dev/app"))).collect();
        requests.into_iter().for_each(|request| assert_eq!(request.join().unwrap(), ALLOWED));
        assert_eq!(answered.load(Ordering::SeqCst), 0, "one request after the other has waited");
        provider.world().hangs = None;
    });
}
