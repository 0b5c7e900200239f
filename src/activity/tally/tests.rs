//! Tests of what an event counts as, and of the bounds.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, SystemTime},
};

use super::*;
use crate::{
    activity::Last,
    telemetry::{Action, Object},
};

const NOW: u64 = 1_800_000_000;
const INDEX: &str = "sha256:aa";
const PLATFORM: &str = "sha256:bb";

fn time(at: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(at)
}

/// A request of `ci` from 192.0.2.7; a tag, or a digest without one.
fn event(action: Action, method: &str, tag: Option<&str>, digest: &str, at: u64) -> RegistryEvent {
    RegistryEvent {
        time: time(at),
        action,
        method: method.to_owned(),
        account: "ci".to_owned(),
        address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
        ..RegistryEvent::deletion(Object::Manifest, "team/app", tag, Some(digest))
    }
}

fn pull(method: &str, tag: Option<&str>, digest: &str, at: u64) -> RegistryEvent {
    event(Action::Pull, method, tag, digest, at)
}

fn heard(events: &[RegistryEvent]) -> Tally {
    let mut tally = Tally::default();
    events.iter().for_each(|event| tally.hear(event));
    tally
}

fn of(tally: &Tally, reference: &str) -> Option<Activity> {
    tally.complete(&("team/app".to_owned(), reference.to_owned()), None)
}

/// The number of pulls, and the times of the last pull and the last request.
fn pulls(tally: &Tally, reference: &str) -> (u64, Option<u64>, Option<u64>) {
    let activity = of(tally, reference).unwrap_or_default();
    let at = |last: &Option<Last>| last.as_ref().map(|last| last.at);
    (activity.pulls.recent(tally.latest), at(&activity.pulled), at(&activity.asked))
}

#[test]
fn a_pull_by_docker_counts_for_the_tag_that_it_asked_for() {
    let tally = heard(&[
        pull("HEAD", Some("1.0"), INDEX, NOW),
        pull("GET", None, INDEX, NOW + 1),
        pull("GET", None, PLATFORM, NOW + 2),
    ]);
    assert_eq!(pulls(&tally, "1.0"), (1, Some(NOW + 1), Some(NOW + 1)));
    assert_eq!(pulls(&tally, INDEX), (1, Some(NOW + 1), Some(NOW + 1)));
    assert_eq!(pulls(&tally, PLATFORM), (1, Some(NOW + 2), Some(NOW + 2)));
}

#[test]
fn an_image_that_is_up_to_date_was_asked_for_and_not_pulled() {
    let tally = heard(&[pull("HEAD", Some("1.0"), INDEX, NOW), pull("HEAD", None, PLATFORM, NOW)]);
    assert_eq!(pulls(&tally, "1.0"), (0, None, Some(NOW)));
    assert_eq!(pulls(&tally, PLATFORM), (0, None, Some(NOW)));
}

#[test]
fn a_digest_counts_for_a_tag_only_by_the_same_client_once_and_soon() {
    let by_other = RegistryEvent { account: "other".to_owned(), ..pull("GET", None, INDEX, NOW + 1) };
    let elsewhere = RegistryEvent { address: None, ..pull("GET", None, INDEX, NOW + 1) };
    let of_other = RegistryEvent { repository: "team/b".to_owned(), ..pull("GET", None, INDEX, NOW + 1) };
    for event in [by_other, elsewhere, of_other, pull("GET", None, INDEX, NOW + 601)] {
        let tally = heard(&[pull("HEAD", Some("1.0"), INDEX, NOW), event.clone()]);
        assert_eq!(pulls(&tally, "1.0"), (0, None, Some(NOW)), "{event:?}");
    }
    let head = pull("HEAD", Some("1.0"), INDEX, NOW);
    let tally = heard(&[
        head,
        pull("GET", None, INDEX, NOW),
        pull("GET", None, INDEX, NOW),
        pull("GET", None, INDEX, NOW),
    ]);
    assert_eq!((pulls(&tally, "1.0").0, pulls(&tally, INDEX).0), (1, 3));
}

#[test]
fn a_pull_by_tag_counts_once_and_a_push_for_each_of_its_tags() {
    let mut push = event(Action::Push, "PUT", Some("1.0"), INDEX, NOW);
    push.tags.push("latest".to_owned());
    let tally = heard(&[push, pull("GET", Some("1.0"), INDEX, NOW + 1), pull("GET", None, INDEX, NOW + 1)]);
    assert_eq!(pulls(&tally, "1.0").0, 1);
    for tag in ["1.0", "latest"] {
        let activity = of(&tally, tag).unwrap();
        assert_eq!((activity.pushed, activity.digest.as_deref()), (Some(Last::new(NOW, "ci")), Some(INDEX)));
    }
}

#[test]
fn blobs_leave_nothing() {
    let blob = RegistryEvent { object: Object::Blob, ..pull("GET", None, INDEX, NOW) };
    let push = RegistryEvent { object: Object::Blob, ..event(Action::Push, "PUT", None, INDEX, NOW) };
    let mut tally = heard(&[blob, push, event(Action::Push, "PUT", None, PLATFORM, NOW)]);
    assert_eq!((tally.counts(), tally.take(10)), ((0, 0), None));
}

#[test]
fn what_is_deleted_is_forgotten_and_begins_anew() {
    let delete =
        |object, tag| RegistryEvent { object, ..event(Action::Delete, "DELETE", tag, INDEX, NOW + 9) };
    let mut tally = heard(&[
        pull("GET", Some("1.0"), INDEX, NOW),
        pull("GET", Some("2.0"), INDEX, NOW),
        pull("GET", None, INDEX, NOW),
        delete(Object::Tag, Some("1.0")),
    ]);
    assert_eq!((of(&tally, "1.0"), pulls(&tally, "2.0").0, pulls(&tally, INDEX).0), (None, 1, 1));
    tally.hear(&delete(Object::Manifest, None));
    assert_eq!((of(&tally, INDEX), pulls(&tally, "2.0").0), (None, 1));
    tally.hear(&event(Action::Push, "PUT", Some("1.0"), PLATFORM, NOW + 20));
    let stored = Activity::request(Last::new(NOW, "ci"), true);
    let whole = tally.complete(&("team/app".to_owned(), "1.0".to_owned()), Some(stored)).unwrap();
    assert_eq!((whole.pulled, whole.pushed), (None, Some(Last::new(NOW + 20, "ci"))));
    let batch = tally.take(10).unwrap();
    assert_eq!((batch.forget.len(), batch.add.len()), (2, 2));
}

#[test]
fn a_clock_that_goes_back_makes_nothing_look_unused() {
    let mut tally = Tally::since(NOW, 0);
    tally.hear(&pull("GET", Some("1.0"), INDEX, NOW - 100 * 86_400));
    assert_eq!(pulls(&tally, "1.0"), (1, Some(NOW), Some(NOW)));
    tally.hear(&pull("GET", Some("1.0"), INDEX, NOW + 5));
    tally.hear(&pull("GET", Some("2.0"), INDEX, 0));
    assert_eq!(pulls(&tally, "2.0"), (1, Some(NOW + 5), Some(NOW + 5)));
}

#[test]
fn what_was_not_stored_is_kept_in_the_right_order() {
    let mut tally = heard(&[pull("GET", Some("1.0"), INDEX, NOW), pull("GET", Some("2.0"), INDEX, NOW)]);
    let batch = tally.take(10).unwrap();
    assert_eq!(tally.take(10), None);
    tally.hear(&pull("GET", Some("1.0"), INDEX, NOW + 1));
    let delete = event(Action::Delete, "DELETE", Some("2.0"), INDEX, NOW + 2);
    tally.hear(&RegistryEvent { object: Object::Tag, ..delete });
    tally.hear(&pull("HEAD", Some("2.0"), INDEX, NOW + 3));
    tally.put_back(batch);
    assert_eq!(pulls(&tally, "1.0"), (2, Some(NOW + 1), Some(NOW + 1)));
    assert_eq!(pulls(&tally, "2.0"), (0, None, Some(NOW + 3)), "deleted since");
    let again = tally.take(10).unwrap();
    assert_eq!(again.forget, [("team/app".to_owned(), "2.0".to_owned())]);
    tally.put_back(again);
    let once_more = tally.take(10).unwrap();
    assert_eq!((once_more.forget.len(), once_more.add.len()), (1, 2));
    assert_eq!(tally.bytes, 0, "nothing waits");
}

#[test]
fn memory_is_bounded_and_what_is_lost_is_known() {
    let mut tally = Tally::default();
    for n in 0..MOST as u64 + 5 {
        tally.hear(&pull("GET", Some(&format!("t{n}")), INDEX, NOW + n));
    }
    tally.hear(&pull("GET", Some("t0"), INDEX, NOW));
    let last = NOW + MOST as u64 + 4;
    assert_eq!((tally.counts(), tally.lost_at()), ((MOST as u64 + 6, 5), last));
    assert!(tally.bytes < MOST_BYTES, "{}", tally.bytes);
    let batch = tally.take(MOST).unwrap();
    assert_eq!((batch.add.len(), batch.lost_at, batch.latest), (MOST, last, last));
    // Lost again before the first loss is stored.
    tally.put_back(batch.clone());
    tally.hear(&pull("GET", Some("another"), INDEX, last + 1));
    tally.stored(&batch);
    assert_eq!(tally.lost_at(), last + 1);
    let batch = tally.take(MOST).unwrap();
    tally.stored(&batch);
    assert_eq!((tally.lost_at(), tally.take(1)), (0, None));
}

#[test]
fn long_names_take_their_share_of_the_bytes() {
    let mut tally = Tally::default();
    for n in 0..MOST {
        let mut event = pull("GET", Some(&format!("t{n}")), INDEX, NOW);
        (event.repository, event.account) = ("r".repeat(2000), "a".repeat(3000));
        tally.hear(&event);
    }
    assert!(tally.bytes <= MOST_BYTES + 4096 && tally.lost_at() == NOW, "{}", tally.bytes);
}
