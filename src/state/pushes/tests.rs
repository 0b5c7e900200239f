//! Tests of the times of pushes, with the file.

use std::{fs, path::Path, sync::atomic::Ordering};

use super::*;
use crate::state::{
    StateSettings,
    sql::{MOST_PUSHES as MOST, Store},
};

const NOW: u64 = 1_800_000_000;
const HOUR: u64 = 3600;

async fn open(file: &Path) -> State {
    State::open(&StateSettings::File(file.to_owned()), NOW).await.unwrap()
}

fn repository(name: &str) -> RepositoryName {
    RepositoryName::parse(name).unwrap()
}

fn tag(name: &str) -> Tag {
    Tag::parse(name).unwrap()
}

fn digest(n: u8) -> Digest {
    Digest::of(&[n])
}

/// Notes a push, as often as a slow machine needs: what is not stored within a second is kept, and tried again.
async fn push(state: &State, name: &str, n: u8, at: u64) {
    let mut noted = Ok(());
    for _ in 0..60 {
        noted = state.note_push(&repository("ci/app"), &tag(name), &digest(n), at).await;
        if noted.is_ok() {
            return;
        }
    }
    noted.unwrap();
}

async fn seen(state: &State, tags: &[(&str, u8)], at: u64) {
    let tags: Vec<_> = tags.iter().map(|(name, n)| (tag(name), digest(*n))).collect();
    state.note_seen(&repository("ci/app"), &tags, at).await.unwrap();
}

/// The records of `ci/app`: tag, manifest, time, and whether that is exact.
async fn records(state: &State) -> Vec<(String, u8, u64, bool)> {
    let known = state.push_times(&repository("ci/app")).await.unwrap();
    let number = |found: &Digest| (0..=u8::MAX).find(|n| digest(*n) == *found).unwrap();
    let record = |(tag, (digest, PushTime { at, is_exact })): (&Tag, &(Digest, PushTime))| {
        (tag.to_string(), number(digest), *at, *is_exact)
    };
    let mut records: Vec<_> = known.iter().map(record).collect();
    records.sort();
    records
}

fn record(name: &str, n: u8, at: u64, is_exact: bool) -> (String, u8, u64, bool) {
    (name.to_owned(), n, at, is_exact)
}

#[tokio::test]
async fn the_last_push_of_a_tag_is_known_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let state = open(&file).await;
    push(&state, "a", 1, NOW).await;
    push(&state, "b", 1, NOW + 1).await;
    state.note_push(&repository("other"), &tag("a"), &digest(9), NOW + 9).await.unwrap();
    // Another manifest, and the same one again: what the registry makes of it is not known yet.
    push(&state, "a", 2, NOW + 2).await;
    push(&state, "b", 1, NOW + 3).await;
    drop(state);
    let expected = [record("a", 2, NOW + 2, true), record("b", 1, NOW + 3, true)];
    assert_eq!(records(&open(&file).await).await, expected);
}

#[tokio::test]
async fn rule_54_a_clock_that_went_back_makes_no_push_look_old() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(&directory.path().join("state.db")).await;
    push(&state, "a", 1, NOW).await;
    push(&state, "b", 2, NOW - 1_000_000).await;
    push(&state, "a", 3, 0).await;
    seen(&state, &[("a", 3), ("b", 2), ("c", 4)], 5).await;
    let expected = [record("a", 3, NOW, true), record("b", 2, NOW, true), record("c", 4, NOW, false)];
    assert_eq!(records(&state).await, expected);
}

#[tokio::test]
async fn a_tag_that_is_seen_was_pushed_then_or_before() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(&directory.path().join("state.db")).await;
    push(&state, "known", 1, NOW).await;
    push(&state, "moved", 2, NOW).await;
    push(&state, "gone", 3, NOW).await;
    let later = NOW + HOUR + 1;
    push(&state, "moving", 4, later - HOUR).await;
    push(&state, "coming", 5, later - 10).await;
    // `moved` was pushed past this server, and `moving` may be about to have 4.
    seen(&state, &[("known", 1), ("moved", 7), ("moving", 8), ("new", 9)], later).await;
    let expected = [
        record("coming", 5, later - 10, true),
        record("known", 1, NOW, true),
        record("moved", 7, later, false),
        record("moving", 4, later - HOUR, true),
        record("new", 9, later, false),
    ];
    assert_eq!(records(&state).await, expected);
    // Seen again, nothing is younger for it.
    seen(&state, &[("known", 1), ("moved", 7), ("new", 9)], later + 2 * HOUR).await;
    let expected =
        [record("known", 1, NOW, true), record("moved", 7, later, false), record("new", 9, later, false)];
    assert_eq!(records(&state).await, expected);
    // A push is what it is from then on.
    push(&state, "new", 9, later + 3 * HOUR).await;
    assert_eq!(records(&state).await[2], record("new", 9, later + 3 * HOUR, true));
    // Of a clock that was wrong for a while, nothing is left once its tags are gone.
    push(&state, "future", 1, NOW * 2).await;
    seen(&state, &[("known", 1)], later + 5 * HOUR).await;
    assert_eq!(records(&state).await, [record("known", 1, NOW, true)]);
}

#[tokio::test]
async fn many_tags_are_seen_and_forgotten_whole() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(&directory.path().join("state.db")).await;
    let names: Vec<String> = (0..2 * AT_A_TIME + 1).map(|n| format!("t{n}")).collect();
    let tags: Vec<(&str, u8)> = names.iter().map(|name| (&**name, 1)).collect();
    seen(&state, &tags, NOW).await;
    assert_eq!(records(&state).await.len(), tags.len());
    seen(&state, &[], NOW + 2 * HOUR).await;
    assert_eq!(records(&state).await, []);
}

#[tokio::test]
async fn pushes_at_the_same_time_are_all_stored() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let state = Arc::new(open(&file).await);
    let pushes: Vec<_> = (0..300)
        .map(|n| {
            let state = Arc::clone(&state);
            tokio::spawn(async move {
                let name = format!("t{n}");
                // A slow machine may need longer; what is late is stored all the same.
                let _ = state.note_push(&repository("ci/app"), &tag(&name), &digest(1), NOW).await;
            })
        })
        .collect();
    for push in pushes {
        push.await.unwrap();
    }
    assert_eq!(records(&state).await.len(), 300);
}

#[tokio::test]
async fn rule_54_while_a_push_is_not_stored_no_times_are_answered() {
    let directory = tempfile::tempdir().unwrap();
    let (file, away) = (directory.path().join("state.db"), directory.path().join("away"));
    let state = open(&file).await;
    push(&state, "a", 1, NOW).await;
    push(&state, "b", 2, NOW).await;
    fs::rename(&file, &away).unwrap();
    for (name, n, at) in [("a", 1, NOW + 10), ("c", 3, NOW + 20), ("c", 4, NOW + 30)] {
        let error = state.note_push(&repository("ci/app"), &tag(name), &digest(n), at).await.unwrap_err();
        assert!(error.to_string().contains("removed or replaced"), "{error}");
    }
    // The file that is open could be read: its time of `a` would be too old.
    assert!(state.push_times(&repository("ci/app")).await.is_err());
    assert!(state.note_seen(&repository("ci/app"), &[], NOW + 100).await.is_err());
    assert!(!state.is_up());
    fs::rename(&away, &file).unwrap();
    let expected =
        [record("a", 1, NOW + 10, true), record("b", 2, NOW + 10, true), record("c", 4, NOW + 30, true)];
    let found = records(&state).await;
    assert_eq!((&found[0], &found[2]), (&expected[0], &expected[2]));
    assert!(state.is_up());
}

#[tokio::test]
async fn rule_54_after_a_push_that_was_lost_any_tag_may_be_as_young() {
    let directory = tempfile::tempdir().unwrap();
    let (file, away) = (directory.path().join("state.db"), directory.path().join("away"));
    let state = open(&file).await;
    push(&state, "old", 1, NOW).await;
    fs::rename(&file, &away).unwrap();
    for n in 0..MOST_WAITING {
        let push = stored(&repository("other"), (&tag(&format!("t{n}")), &digest(1)), NOW, true);
        state.pushes.waiting.lock().add(&push).unwrap();
    }
    let lost = state.note_push(&repository("ci/app"), &tag("old"), &digest(1), NOW + 50).await;
    assert!(lost.is_err());
    fs::rename(&away, &file).unwrap();
    push(&state, "new", 2, NOW + 60).await;
    let expected = [record("new", 2, NOW + 60, true), record("old", 1, NOW + 50, false)];
    assert_eq!(records(&state).await, expected);
    assert_eq!(state.push_times(&repository("other")).await.unwrap().len(), MOST_WAITING);
}

#[tokio::test]
async fn the_times_are_bounded_in_number() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let store = Store::open(file.clone(), NOW).await.unwrap();
    store.pushes.store(MOST - 1, Ordering::Relaxed);
    let state = State::with(Arc::new(store)).await.unwrap();
    push(&state, "a", 1, NOW).await;
    let note = |name: &'static str| {
        let (name, state) = (tag(name), &state);
        async move { state.note_push(&repository("ci/app"), &name, &digest(2), NOW + 1).await }
    };
    let error = note("b").await.unwrap_err();
    assert!(error.to_string().contains("no room"), "{error}");
    assert!(
        state
            .note_seen(&repository("ci/app"), &[(tag("a"), digest(1)), (tag("b"), digest(2))], NOW)
            .await
            .is_err()
    );
    assert!(state.is_up(), "the file is fine");
    // What is there can change, and what goes makes room.
    push(&state, "a", 2, NOW + 2).await;
    assert_eq!(records(&state).await, [record("a", 2, NOW + 2, true)]);
    seen(&state, &[], NOW + 2 * HOUR).await;
    note("b").await.unwrap();
    assert_eq!(records(&state).await, [record("b", 2, NOW + 1, true)]);
}

#[tokio::test]
async fn without_a_state_nothing_is_known() {
    let state = State::default();
    push(&state, "a", 1, NOW).await;
    seen(&state, &[("a", 1)], NOW).await;
    assert_eq!(records(&state).await, []);
}
