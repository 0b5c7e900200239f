//! Claims in the file, within their bounds, and with a store that fails.

use std::path::Path;

use super::*;
use crate::state::{StateSettings, Target};

const NOW: u64 = 1_800_000_000;
const UNTIL: u64 = NOW + 900;

async fn open(file: &Path) -> State {
    State::open(&StateSettings::File(file.to_owned()), NOW).await.unwrap()
}

/// Claims of so many groups, which differ by a mark.
fn groups(count: usize, mark: &str) -> AccountClaims {
    let groups = (0..count).map(|number| format!("group {number} {mark}")).collect();
    AccountClaims {
        labels: Arc::new(Labels::from([("group".to_owned(), groups)])),
        left_out: Arc::new(Labels::from([("city".to_owned(), Vec::new())])),
        required: Arc::new(RequiredClaims::from([("/a/b".to_owned(), "c".to_owned())])),
    }
}

#[tokio::test]
async fn rule_49_claims_survive_a_crash_and_are_those_of_their_account_only() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let state = open(&file).await;
    let claims = groups(1000, "");
    let digest = state.store_claims("alice", &claims, UNTIL, NOW).await.unwrap();
    assert_eq!(ClaimsDigest::decode(&digest.encoded()), Some(digest));
    assert_eq!(state.claims_of("alice", digest).await, Ok(claims.clone()));
    drop(state);
    let state = open(&file).await;
    assert_eq!(state.claims_of("bob", digest).await, Err(NoClaims::Unknown), "of another account");
    assert_eq!(state.claims_of("alice", digest).await, Ok(claims.clone()));
    let of_bob = state.store_claims("bob", &claims, UNTIL, NOW).await.unwrap();
    assert_ne!(digest, of_bob);
    let others = state.store_claims("alice", &groups(1000, "x"), UNTIL, NOW).await.unwrap();
    assert_ne!(digest, others);
    assert_eq!(state.claims_of("alice", others).await.unwrap(), groups(1000, "x"));
}

#[tokio::test]
async fn rule_49_claims_that_are_lost_or_changed_are_never_empty_ones() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let never_stored = ClaimsDigest::of("alice", b"[{},{},{}]");
    assert_eq!(State::default().claims_of("alice", never_stored).await, Err(NoClaims::Unknown));
    let state = open(&file).await;
    assert_eq!(state.claims_of("alice", never_stored).await, Err(NoClaims::Unknown));
    let digest = state.store_claims("alice", &groups(100, ""), UNTIL, NOW).await.unwrap();
    drop(state);
    sql(&file, "UPDATE account_claims SET claims = CAST('[{},{},{}]' AS BLOB)").await;
    let state = open(&file).await;
    assert_eq!(state.claims_of("alice", digest).await, Err(NoClaims::Unknown), "changed in the file");
    drop(state);
    sql(&file, "DELETE FROM account_claims").await;
    assert_eq!(open(&file).await.claims_of("alice", digest).await, Err(NoClaims::Unknown));
}

async fn sql(file: &Path, statement: &'static str) {
    use sqlx::{ConnectOptions as _, Connection as _};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut connection = options.connect().await.unwrap();
    sqlx::query(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn claims_are_kept_as_long_as_they_are_needed_and_then_make_room() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let state = open(&file).await;
    let [short, long] = ["short", "long"].map(|mark| groups(100, mark));
    let first = state.store_claims("alice", &short, UNTIL, NOW).await.unwrap();
    let second = state.store_claims("alice", &long, UNTIL, NOW).await.unwrap();
    // Known to be stored for long enough: no write. Then a later end, which is one.
    for (until, stored) in [(UNTIL + KEPT_LONGER, 2), (UNTIL + KEPT_LONGER + 1, 3)] {
        assert_eq!(state.store_claims("alice", &long, until, NOW).await, Some(second));
        assert_eq!(state.claims_counts()[0], ("stored", stored));
    }
    drop(state);
    let state = open(&file).await;
    let later = UNTIL + KEPT_LONGER;
    state.store_claims("bob", &short, later, later).await.unwrap();
    assert!(state.claims_of("alice", first).await.is_ok(), "needed until then");
    drop(state);
    let state = open(&file).await;
    state.store_claims("eve", &short, later + 1, later + 1).await.unwrap();
    assert_eq!(state.claims_of("alice", first).await, Err(NoClaims::Unknown));
    assert!(state.claims_of("alice", second).await.is_ok());
}

#[tokio::test]
async fn an_account_fills_its_share_and_leaves_room_for_others() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(&directory.path().join("state.db")).await;
    let mut stored = 0;
    while state.store_claims("greedy", &groups(3000, &stored.to_string()), UNTIL, NOW).await.is_some() {
        stored += 1;
        assert!(stored < 200, "without an end");
    }
    assert!(stored > 20, "{stored}");
    assert!(state.store_claims("alice", &groups(3000, ""), UNTIL, NOW).await.is_some());
    assert!(state.is_up(), "nothing is wrong with the file");
    assert_eq!(state.claims_counts()[1], ("no_room", 1));
    // Beyond what is kept in memory, all of them are still there.
    for number in [0, stored - 1] {
        let claims = groups(3000, &number.to_string());
        let digest = ClaimsDigest::of("greedy", &claims.encode());
        assert_eq!(state.claims_of("greedy", digest).await, Ok(claims));
    }
    assert!(state.claims_counts()[3].1 > 0, "one was read from the file");
    assert_eq!(state.store_claims("alice", &groups(10_000, ""), UNTIL, NOW).await, None, "too long");
}

#[test]
fn the_memory_is_bounded() {
    let mut halves = Halves::default();
    let digest = |number: u32| ClaimsDigest::of("", &number.to_be_bytes());
    for number in 0..100_000 {
        halves.insert(digest(number), Known { claims: groups(20, ""), until: 0 });
        let kept = halves.recent.values().chain(halves.older.values());
        if number % 10_000 == 0 {
            let bytes: usize = kept.map(|known| known.claims.bytes() + OVERHEAD).sum();
            assert!(bytes <= 2 * HALF, "{bytes}");
        }
    }
    assert!(halves.get(&digest(99_999)).is_some() && halves.get(&digest(0)).is_none());
}

/// Takes the tables of claims and revocations away, or puts them back.
async fn take_away(state: &State, is_away: bool) {
    let store = state.store.as_ref().unwrap();
    for (there, away) in [
        ("ALTER TABLE account_claims RENAME TO away_1", "ALTER TABLE away_1 RENAME TO account_claims"),
        ("ALTER TABLE revoked_accounts RENAME TO away_2", "ALTER TABLE away_2 RENAME TO revoked_accounts"),
    ] {
        store.execute(if is_away { there } else { away }).await;
    }
}

#[tokio::test]
async fn rule_49_a_store_that_fails_or_hangs_is_unavailable_and_never_empty() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(&directory.path().join("state.db")).await;
    let (claims, unknown) = (groups(100, ""), ClaimsDigest::of("alice", b""));
    assert!(state.store_claims("alice", &claims, UNTIL, NOW).await.is_some());
    assert_eq!(state.claims_of("alice", unknown).await, Err(NoClaims::Unknown));
    let is_unavailable = async || {
        assert_eq!(state.claims_of("alice", unknown).await, Err(NoClaims::Unavailable));
        assert_eq!(state.store_claims("alice", &groups(100, "x"), UNTIL, NOW).await, None);
        assert!(!state.is_up());
        let known = state.store_claims("alice", &claims, UNTIL, NOW).await.unwrap();
        assert_eq!(state.claims_of("alice", known).await, Ok(claims.clone()), "in memory");
    };
    take_away(&state, true).await;
    is_unavailable().await;
    take_away(&state, false).await;
    assert_eq!(state.claims_of("alice", unknown).await, Err(NoClaims::Unknown));
    assert!(state.is_up());
    let held_up = state.store.as_ref().unwrap().held_up().await;
    tokio::time::pause();
    let asked = tokio::time::Instant::now();
    is_unavailable().await;
    assert!(asked.elapsed() <= 2 * PATIENCE + Duration::from_millis(2));
    tokio::time::resume();
    drop(held_up);
    // Behind what was given up, however long the disk takes for that.
    state.store.as_ref().unwrap().claims(unknown).await.unwrap();
    assert_eq!(state.claims_of("alice", unknown).await, Err(NoClaims::Unknown));
    assert!(state.is_up());
}

#[tokio::test]
async fn an_answer_about_claims_does_not_hide_a_revocation_that_is_not_stored() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(&directory.path().join("state.db")).await;
    take_away(&state, true).await;
    state.revoke(&Target::Account("alice".to_owned()), NOW).await.unwrap_err();
    take_away(&state, false).await;
    state.store_claims("alice", &groups(100, ""), UNTIL, NOW).await.unwrap();
    assert!(!state.is_up(), "it would be forgotten by a restart");
    state.revoke(&Target::Account("eve".to_owned()), NOW).await.unwrap();
    assert!(state.is_up(), "both are stored");
}
