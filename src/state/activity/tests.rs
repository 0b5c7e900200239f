//! Tests of activity, with the file.

use std::{fs, path::Path};

use std::time::UNIX_EPOCH;

use super::*;
use crate::{
    activity::Last,
    state::{
        StateSettings,
        sql::{BOUNDS, Bounds, Store},
    },
    telemetry::{Action, Object},
};

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 86_400;

async fn open_at(file: &Path, now: u64) -> State {
    State::open(&StateSettings::File(file.to_owned()), now).await.unwrap()
}

async fn open(file: &Path) -> State {
    open_at(file, NOW).await
}

fn name(name: &str) -> RepositoryName {
    RepositoryName::parse(name).unwrap()
}

fn event(action: Action, repository: &str, tag: &str, at: u64) -> Arc<RegistryEvent> {
    Arc::new(RegistryEvent {
        time: UNIX_EPOCH + Duration::from_secs(at),
        action,
        method: "GET".to_owned(),
        account: "ci".to_owned(),
        ..RegistryEvent::deletion(Object::Tag, repository, Some(tag), None)
    })
}

fn pull(state: &State, tag: &str, at: u64) {
    state.activity.hear(&event(Action::Pull, "ci/app", tag, at));
}

async fn store(state: &State) -> Result<(), StoreError> {
    state.activity.write(state.store.as_ref().unwrap(), false).await
}

/// The number of pulls of a tag of `ci/app`, and the time of the last.
async fn pulls(state: &State, tag: &str) -> Option<(u64, u64)> {
    let known = state.activity(&name("ci/app"), [tag.to_owned()].into_iter()).await.unwrap();
    let activity = known.get(tag)?;
    Some((activity.pulls.recent(NOW), activity.pulled.as_ref().map_or(0, |last| last.at)))
}

async fn since(state: &State) -> u64 {
    state.pulls(&name("ci/app")).await.unwrap().since
}

/// Ends as a server does, at a time of the file's own: the time of its last change.
async fn end(state: &State, file: &Path) -> u64 {
    let changed = || std::os::unix::fs::MetadataExt::ctime(&fs::metadata(file).unwrap()).unsigned_abs();
    loop {
        store(state).await.unwrap();
        state.store.as_ref().unwrap().end_activity(unix_now()).await.unwrap();
        *state.activity.writer.lock().await = true;
        // It took longer on a machine with other work.
        if unix_now() == changed() {
            return changed();
        }
        *state.activity.writer.lock().await = false;
    }
}

#[tokio::test]
async fn what_is_heard_is_known_at_once_and_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let state = open(&file).await;
    pull(&state, "a", NOW + 1);
    assert_eq!(pulls(&state, "a").await, Some((1, NOW + 1)));
    store(&state).await.unwrap();
    pull(&state, "a", NOW + 2);
    state.activity.hear(&event(Action::Push, "ci/app", "a", NOW + 3));
    assert_eq!(pulls(&state, "a").await, Some((2, NOW + 2)));
    assert_eq!(pulls(&state, "b").await, None);
    store(&state).await.unwrap();
    drop(state);
    let state = open(&file).await;
    assert_eq!(pulls(&state, "a").await, Some((2, NOW + 2)));
    let known = state.activity(&name("ci/app"), ["a".to_owned()].into_iter()).await.unwrap();
    assert_eq!(known["a"].pushed, Some(Last::new(NOW + 3, "ci")));
    state.activity.hear(&event(Action::Delete, "ci/app", "a", NOW + 4));
    assert_eq!(pulls(&state, "a").await, None);
    store(&state).await.unwrap();
    assert_eq!(pulls(&state, "a").await, None);
    assert_eq!(state.activity_behind(Key::default()).await.unwrap(), []);
}

#[tokio::test]
async fn before_the_beginning_and_after_an_end_that_was_not_orderly_nothing_is_known() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let now = unix_now();
    let state = open_at(&file, now).await;
    assert_eq!(since(&state).await, now);
    let ended = end(&state, &file).await;
    drop(state);
    let state = open_at(&file, ended + DAY).await;
    assert_eq!(since(&state).await, now, "stopped for a day");
    drop(state);
    let gap = ended + DAY + 9;
    let state = open_at(&file, gap).await;
    assert_eq!(since(&state).await, gap, "it was not ended: kill -9, or a power cut");
    let ended = end(&state, &file).await;
    drop(state);
    let state = open_at(&file, ended).await;
    assert_eq!(since(&state).await, gap);
    let ended = end(&state, &file).await;
    drop(state);
    let state = open_at(&file, ended + 2 * DAY).await;
    assert_eq!(since(&state).await, ended + 2 * DAY, "stopped for longer, or restored");
}

#[tokio::test]
async fn a_file_that_was_put_back_from_a_copy_lacks_what_happened_since() {
    let directory = tempfile::tempdir().unwrap();
    let (file, copy) = (directory.path().join("state.db"), directory.path().join("copy"));
    let state = open_at(&file, unix_now()).await;
    let began = since(&state).await;
    let ended = end(&state, &file).await;
    drop(state);
    fs::copy(&file, &copy).unwrap();
    while unix_now() <= ended + 3 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    fs::copy(&copy, &file).unwrap();
    let state = open_at(&file, ended + 4).await;
    assert_eq!((since(&state).await, began <= ended), (ended + 4, true));
}

#[tokio::test]
async fn a_clock_that_went_back_while_it_was_stopped_makes_nothing_look_unused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let state = open(&file).await;
    pull(&state, "a", NOW + 100);
    store(&state).await.unwrap();
    drop(state);
    let state = open_at(&file, NOW - 90 * DAY).await;
    pull(&state, "b", NOW - 90 * DAY);
    let known = state.pulls(&name("ci/app")).await.unwrap();
    assert_eq!((known.since, known.tags[&Tag::parse("b").unwrap()]), (NOW + 100, NOW + 100));
}

#[tokio::test]
async fn a_file_that_fails_delays_nothing_and_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let (file, away) = (directory.path().join("state.db"), directory.path().join("away"));
    let state = open(&file).await;
    pull(&state, "a", NOW);
    store(&state).await.unwrap();
    fs::rename(&file, &away).unwrap();
    pull(&state, "a", NOW + 1);
    pull(&state, "b", NOW + 2);
    for _ in 0..3 {
        assert!(store(&state).await.is_err());
    }
    assert!(state.activity(&name("ci/app"), std::iter::empty()).await.is_none());
    assert!(state.pulls(&name("ci/app")).await.is_err(), "the file that is open lacks a pull");
    assert!(state.activity_behind(Key::default()).await.is_err());
    assert_eq!(state.activity_counts(), [("recorded", 3), ("lost", 0), ("not_stored", 5)]);
    fs::rename(&away, &file).unwrap();
    store(&state).await.unwrap();
    assert_eq!(pulls(&state, "a").await, Some((2, NOW + 1)));
    assert_eq!(pulls(&state, "b").await, Some((1, NOW + 2)));
    assert_eq!(since(&state).await, NOW);
}

#[tokio::test]
async fn an_event_without_room_is_a_gap() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let state = open(&file).await;
    for n in 0..20_001 {
        state.activity.hear(&event(Action::Pull, "other", &format!("t{n}"), NOW + 50));
    }
    assert_eq!(state.activity.tally.lock().lost_at(), NOW + 50);
    assert_eq!(since(&state).await, NOW + 50);
    drop(state);
    assert_eq!(since(&open(&file).await).await, NOW + 50, "it was stored");
}

/// A state whose file has room for so many records.
async fn bounded(file: &Path, all: u64, of_one: u64) -> State {
    let mut store = Store::open(file.to_owned(), NOW).await.unwrap();
    store.bounds = Bounds { all, of_one };
    State::with(Arc::new(store)).await.unwrap()
}

#[tokio::test]
async fn the_oldest_records_give_way_and_what_they_knew_is_not_taken_for_unused() {
    let directory = tempfile::tempdir().unwrap();
    let state = bounded(&directory.path().join("a"), 1000, 3).await;
    for n in 0..5 {
        pull(&state, &format!("t{n}"), NOW + n);
        store(&state).await.unwrap();
    }
    state.activity.hear(&event(Action::Pull, "other", "x", NOW + 9));
    let known = state.pulls(&name("ci/app")).await.unwrap();
    assert_eq!((known.tags.len(), known.since), (3, NOW + 1), "t0 and t1 gave way");
    assert_eq!(state.pulls(&name("other")).await.unwrap().since, NOW, "another repository");
    // What is used anew is not the oldest.
    pull(&state, "t2", NOW + 20);
    pull(&state, "t9", NOW + 21);
    store(&state).await.unwrap();
    assert_eq!((pulls(&state, "t3").await, since(&state).await), (None, NOW + 3));
    assert!(pulls(&state, "t2").await.is_some());

    let state = bounded(&directory.path().join("b"), 3, 3).await;
    for n in 0..5 {
        state.activity.hear(&event(Action::Pull, &format!("r{n}"), "t", NOW + n));
        store(&state).await.unwrap();
    }
    assert_eq!(state.activity_behind(Key::default()).await.unwrap().len(), 3);
    assert_eq!(since(&state).await, NOW + 1);
    // One repository cannot push out all others.
    const { assert!(BOUNDS.of_one * 10 <= BOUNDS.all) };
}

#[tokio::test]
async fn records_are_listed_in_parts_without_a_gap() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(&directory.path().join("state.db")).await;
    for n in 0..2 * AT_A_TIME + 1 {
        state.activity.hear(&event(Action::Pull, &format!("r{}", n % 7), &format!("t{n}"), NOW));
    }
    let (mut after, mut found) = (Key::default(), Vec::new());
    loop {
        let part = state.activity_behind(after).await.unwrap();
        let Some(last) = part.last() else { break };
        after = (last.repository.clone(), last.reference.clone());
        found.extend(part.into_iter().map(|entry| (entry.repository, entry.reference)));
    }
    assert!(found.is_sorted() && found.len() == 2 * AT_A_TIME + 1, "{}", found.len());
}

#[tokio::test]
async fn an_import_counts_once_and_moves_the_beginning_back_where_it_reaches_it() {
    let directory = tempfile::tempdir().unwrap();
    let state = bounded(&directory.path().join("a"), 1000, 3).await;
    pull(&state, "a", NOW + 1);
    let old = |tag: &str, at| Entry {
        repository: "ci/app".to_owned(),
        reference: tag.to_owned(),
        activity: Activity::request(Last::new(at, "old"), true),
    };
    let entries = vec![old("a", NOW - DAY), old("b", NOW - 2 * DAY)];
    for _ in 0..2 {
        state.import_activity(entries.clone()).await.unwrap();
    }
    assert_eq!(pulls(&state, "a").await, Some((2, NOW + 1)));
    assert_eq!(pulls(&state, "b").await, Some((1, NOW - 2 * DAY)));
    assert_eq!(state.extend_activity(NOW - 9 * DAY, NOW - 1).await, Ok(NOW), "a gap before the beginning");
    assert_eq!(state.extend_activity(NOW - 9 * DAY, NOW).await, Ok(NOW - 9 * DAY));
    assert_eq!(state.extend_activity(NOW - 5 * DAY, NOW + 9).await, Ok(NOW - 9 * DAY), "no less is known");
    // What gives way is gone, whatever a log says.
    state.import_activity(vec![old("c", NOW - 3 * DAY), old("d", NOW - 4 * DAY)]).await.unwrap();
    assert_eq!(state.extend_activity(NOW - 20 * DAY, NOW).await, Ok(NOW - 20 * DAY));
    assert_eq!(since(&state).await, NOW - 4 * DAY);
    // A gap since the start is stored first.
    state.activity.tally.lock().lost_at_for_tests(NOW + 50);
    assert_eq!(state.extend_activity(NOW - 30 * DAY, NOW + 49).await, Ok(NOW + 50));
}

#[tokio::test]
async fn without_a_state_nothing_is_heard_and_nothing_is_known() {
    let state = State::default();
    assert!(state.record_activity().is_none());
    assert!(state.activity(&name("ci/app"), std::iter::empty()).await.is_none());
    assert_eq!(state.pulls(&name("ci/app")).await.unwrap(), Pulls::default());
    assert_eq!(Pulls::default().since, u64::MAX);
}
