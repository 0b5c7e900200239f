//! The questions to an issuer for its keys, and the moments without one. The clock is tokio's, and stands still.

use std::sync::atomic::{AtomicBool, AtomicUsize};

use super::*;

/// An issuer that counts how often it is asked; it publishes `a`, then `b` too once it has rotated.
#[derive(Default)]
struct Counting {
    asked: AtomicUsize,
    is_down: AtomicBool,
    has_rotated: AtomicBool,
}

const KEY: &str = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;

fn counting() -> (Arc<Counting>, Arc<Fetched>) {
    let issuer = Arc::new(Counting::default());
    let asked = Arc::clone(&issuer);
    let fetch = move || {
        let asked = Arc::clone(&asked);
        Box::pin(async move {
            asked.asked.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(1)).await;
            if asked.is_down.load(Ordering::SeqCst) {
                return Err("connection refused".to_owned());
            }
            let more = if asked.has_rotated.load(Ordering::SeqCst) {
                format!(r#",{{"kid":"b",{KEY}}}"#)
            } else {
                String::new()
            };
            Ok(KeySet::parse(format!(r#"{{"keys":[{{"kid":"a",{KEY}}}{more}]}}"#).as_bytes()).unwrap())
        }) as _
    };
    (issuer, Fetched::new("ci".to_owned(), Box::new(fetch)))
}

fn asked(issuer: &Counting) -> usize {
    issuer.asked.load(Ordering::SeqCst)
}

async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_once_and_again_after_an_hour() {
    let (issuer, keys) = counting();
    let (first, second) = tokio::join!(keys.find("a"), keys.find("a"));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(asked(&issuer), 1, "two at a time are one question");
    pass(3500).await;
    assert!(keys.find("a").await.is_ok());
    assert_eq!(asked(&issuer), 1);
    pass(200).await;
    assert!(keys.find("a").await.is_ok());
    assert_eq!(asked(&issuer), 2);
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_unknown_kids_asks_once_in_half_a_minute() {
    let (issuer, keys) = counting();
    assert!(keys.find("a").await.is_ok());
    pass(31).await;
    for n in 0..1000 {
        assert_eq!(keys.find(&n.to_string()).await.err(), Some(JwtError::UnknownKey));
    }
    assert_eq!(asked(&issuer), 2);
    assert!(keys.find("a").await.is_ok(), "the others go on");
    pass(31).await;
    assert!(keys.find("z").await.is_err());
    assert_eq!(asked(&issuer), 3);
}

#[tokio::test(start_paused = true)]
async fn a_rotated_key_is_found_when_it_is_first_shown() {
    let (issuer, keys) = counting();
    assert!(keys.find("a").await.is_ok());
    pass(60).await;
    issuer.has_rotated.store(true, Ordering::SeqCst);
    assert!(keys.find("b").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_down_leaves_the_old_keys_for_a_day() {
    let (issuer, keys) = counting();
    assert!(keys.find("a").await.is_ok());
    issuer.is_down.store(true, Ordering::SeqCst);
    for _ in 0..23 {
        pass(3600).await;
        assert!(keys.find("a").await.is_ok());
    }
    assert!(matches!(keys.find("b").await, Err(JwtError::KeysUnavailable(_))), "it may be a new key");
    pass(3700).await;
    let Err(JwtError::KeysUnavailable(after)) = keys.find("a").await else { panic!("a day is over") };
    assert!(after <= Duration::from_secs(30) && !after.is_zero(), "{after:?}");
    issuer.is_down.store(false, Ordering::SeqCst);
    assert!(keys.find("a").await.is_err(), "not before half a minute is over");
    pass(31).await;
    assert!(keys.find("a").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_does_not_break_the_question_off() {
    let (issuer, keys) = counting();
    let hung_up = tokio::time::timeout(Duration::from_millis(10), keys.find("a")).await;
    assert!(hung_up.is_err());
    pass(2).await;
    assert!(keys.find("a").await.is_ok());
    assert_eq!(asked(&issuer), 1);
}
