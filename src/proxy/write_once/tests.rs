//! Locks and claims. Decisions about requests are tested with a registry, in `tests/services/write_once.rs`.

use std::{pin::pin, time::Duration};

use hyper::StatusCode;
use tokio::time::{Instant, timeout};

use super::{
    claims::Claims,
    locks::{Locks, TagKey},
};
use crate::registry::{Digest, RepositoryName, Tag};

fn name(text: &str) -> RepositoryName {
    RepositoryName::parse(text).unwrap()
}

fn key(tag: &str) -> TagKey {
    TagKey::new(&name("a/b"), &Tag::parse(tag).unwrap())
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

#[tokio::test]
async fn rule_50_a_claim_ends_with_a_definite_answer_and_never_with_time() {
    for (status, ends) in [
        (Some(StatusCode::CREATED), true),
        (Some(StatusCode::BAD_REQUEST), true),
        (Some(StatusCode::INTERNAL_SERVER_ERROR), false),
        (Some(StatusCode::BAD_GATEWAY), false),
        (None, false),
    ] {
        let (locks, claims) = (Locks::default(), Claims::default());
        let mut passage = locks.for_push(&name("a/b"), vec![key("x")], &claims, digest("one")).await.unwrap();
        assert_eq!(claims.other_than(&key("x"), &digest("two")), None, "nothing is sent yet");
        passage.begin().unwrap();
        assert_eq!(claims.other_than(&key("x"), &digest("one")), None);
        assert_eq!(claims.other_than(&key("x"), &digest("two")), Some(digest("one")));
        if let Some(status) = status {
            passage.answered(status);
        }
        drop(passage);
        assert_eq!(claims.other_than(&key("x"), &digest("two")).is_none(), ends, "{status:?}");
    }
    let (locks, claims) = (Locks::default(), Claims::default());
    let mut passage = locks.for_push(&name("a/b"), vec![key("x")], &claims, digest("one")).await.unwrap();
    passage.begin().unwrap();
    passage.not_sent();
    assert_eq!(claims.other_than(&key("x"), &digest("two")), None);
}

#[tokio::test(start_paused = true)]
async fn rule_50_a_tag_is_pushed_once_at_a_time_and_no_manifest_deleted_meanwhile() {
    let (locks, claims) = (Locks::default(), Claims::default());
    let push = |repository: &str, tags: &[&str]| {
        let keys = tags.iter().map(|tag| key(tag)).collect();
        let (locks, claims, name) = (&locks, &claims, name(repository));
        async move { locks.for_push(&name, keys, claims, digest("one")).await }
    };
    let soon = Duration::from_secs(1);
    let first = push("a/b", &["x", "y"]).await.unwrap();
    assert!(timeout(soon, push("a/b", &["y"])).await.is_err());
    assert!(timeout(soon, locks.for_deletion(&name("a/b"), "someone")).await.is_err());
    assert!(timeout(soon, push("a/b", &["z"])).await.is_ok(), "another tag");
    assert!(timeout(soon, locks.for_deletion(&name("a/c"), "someone")).await.is_ok(), "another repository");
    let begins = Instant::now();
    assert!(push("a/b", &["x"]).await.is_err(), "not for ever");
    assert!(begins.elapsed() >= Duration::from_secs(30));
    drop(first);
    assert!(timeout(soon, push("a/b", &["y", "x", "x"])).await.is_ok());
    let mut deletion = locks.for_deletion(&name("a/b"), "someone").await.unwrap();
    assert!(timeout(soon, push("a/b", &["x"])).await.is_err());
    deletion.begin().unwrap();
    drop(deletion);
    let begins = Instant::now();
    while push("a/b", &["x"]).await.is_err() {}
    assert!(begins.elapsed() >= Duration::from_secs(25), "the registry may still be at it");
    let mut deletion = locks.for_deletion(&name("a/b"), "someone").await.unwrap();
    deletion.begin().unwrap();
    deletion.answered(StatusCode::ACCEPTED);
    assert!(timeout(soon, push("a/b", &["x"])).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn rule_53_a_push_waits_for_one_deletion_of_an_account_at_most() {
    let (locks, name, soon) = (Locks::default(), name("a/b"), Duration::from_secs(1));
    let one = digest("one");
    let first = locks.for_deletion(&name, "someone").await.unwrap();
    // It asked before the push did.
    let (mut second, mut push) =
        (pin!(locks.for_deletion(&name, "someone")), pin!(locks.shared(&name, &one)));
    assert!(timeout(soon, &mut second).await.is_err());
    assert!(timeout(soon, &mut push).await.is_err());
    drop(first);
    let pushed = timeout(soon, &mut push).await.expect("it waits for the second deletion").unwrap();
    assert!(timeout(soon, &mut second).await.is_err(), "it waits for the push");
    drop(pushed);
    let second = second.await.unwrap();
    assert!(timeout(soon, locks.for_deletion(&name, "another")).await.is_err(), "one at a time");
    drop(second);
    assert!(timeout(soon, locks.for_deletion(&name, "another")).await.is_ok());
}

#[test]
fn claims_are_bounded_and_each_repository_has_its_share() {
    let claims = Claims::default();
    let claim = |repository: &str, tag: &str| {
        let key = TagKey::new(&name(repository), &Tag::parse(tag).unwrap());
        claims.claim(&name(repository), &[key], &digest("one"))
    };
    (0..1000).for_each(|n| claim("a/b", &format!("t{n}")).unwrap());
    let full = claim("a/b", "more").unwrap_err();
    assert!(full.message.contains("without an answer"), "{full:?}");
    claim("a/b", "t7").unwrap();
    (0..9000).for_each(|n| claim(&format!("c/d{}", n % 9), &format!("t{n}")).unwrap());
    claim("others/find", "no-room-where-all-is-full").unwrap_err();
    claims.settle(&key("t1"));
    claim("others/find", "room").unwrap();
}
