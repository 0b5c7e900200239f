//! Tests of the state, with its file, and with one that is gone for a while.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use super::{stored::StoredRevocations, *};

const NOW: u64 = 1_800_000_000;

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn open(file: &Path) -> Result<State, StoreError> {
    State::open(&StateSettings::File(file.to_owned()), NOW).await
}

fn account(name: &str) -> Target {
    Target::Account(name.to_owned())
}

fn token(id: &str) -> Target {
    Target::Token(id.to_owned())
}

fn stamp(state: &State, account: &str) -> Stamp {
    state.stamp(account, state.revocation_count()).unwrap()
}

#[tokio::test]
async fn rule_47_what_was_issued_before_a_revocation_counts_no_longer_after_a_restart_either() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let state = open(&file).await.unwrap();
    let (alice, bob) = (stamp(&state, "alice"), stamp(&state, "bob"));
    assert_eq!(state.check("alice", &alice), Ok(()));
    state.revoke(&account("alice"), NOW).await.unwrap();
    assert_eq!(state.check("alice", &alice), Err(Ended::Account));
    assert_eq!(state.check("bob", &bob), Ok(()));
    let after = stamp(&state, "alice");
    assert_eq!((state.check("alice", &after), after.generation), (Ok(()), 1));
    drop(state);
    let state = open(&file).await.unwrap();
    assert_eq!(state.check("alice", &alice), Err(Ended::Account));
    assert_eq!(state.check("alice", &after), Ok(()));
    // Twice in one second, and with a clock that was set back.
    state.revoke(&account("alice"), NOW).await.unwrap();
    assert_eq!(state.check("alice", &after), Err(Ended::Account));
    let second = stamp(&state, "alice");
    state.revoke(&account("alice"), NOW - 100_000).await.unwrap();
    assert_eq!(state.check("alice", &second), Err(Ended::Account));
    assert_eq!(state.check_jwt("alice", None, i64::try_from(NOW).unwrap()), Err(Ended::OtherState));
    assert_eq!(state.revocations(Some("alice")).len(), 1);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn rule_47_a_revocation_covers_every_spelling_of_the_name() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(&directory.path().join("state.db")).await.unwrap();
    let spelled = [" ALICE ", "Alice", "alice"];
    let before = spelled.map(|name| stamp(&state, name));
    state.revoke(&account("Alice"), NOW).await.unwrap();
    for (name, stamp) in spelled.iter().zip(&before) {
        assert_eq!(state.check(name, stamp), Err(Ended::Account), "{name}");
    }
}

#[tokio::test]
async fn rule_47_a_login_that_a_revocation_overtakes_gets_no_token_that_outlives_it() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(&directory.path().join("state.db")).await.unwrap();
    for target in [account("alice"), Target::All] {
        let began = state.revocation_count();
        state.revoke(&target, NOW).await.unwrap();
        assert_eq!(state.stamp("alice", began), Err(RevokedMeanwhile), "{target:?}");
        assert!(state.stamp("alice", state.revocation_count()).is_ok());
    }
    let began = state.revocation_count();
    state.revoke(&account("eve"), NOW).await.unwrap();
    assert!(state.stamp("alice", began).is_ok(), "that of another account");
}

#[tokio::test]
async fn rule_47_a_state_that_is_lost_restored_or_missing_ends_what_was_issued_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let (file, backup) = (directory.path().join("state.db"), directory.path().join("backup"));
    let state = open(&file).await.unwrap();
    let before = stamp(&state, "alice");
    drop(state);
    fs::copy(&file, &backup).unwrap();
    let state = open(&file).await.unwrap();
    state.revoke(&account("alice"), NOW).await.unwrap();
    let after = stamp(&state, "alice");
    drop(state);
    // Restored: the generation of `after` is of a time that the file does not know.
    fs::copy(&backup, &file).unwrap();
    let restored = open(&file).await.unwrap();
    assert_eq!(restored.check("alice", &after), Err(Ended::OtherState));
    restored.revoke(&Target::All, NOW).await.unwrap();
    assert_eq!(restored.check("alice", &before), Err(Ended::OtherState));
    drop(restored);
    fs::remove_file(&file).unwrap();
    let lost = open(&file).await.unwrap();
    assert_eq!(lost.check("alice", &before), Err(Ended::OtherState));
    assert_eq!(lost.check("alice", &Stamp::default()), Err(Ended::OtherState), "of no state");
    assert_eq!(State::default().check("alice", &before), Err(Ended::OtherState), "without a state");
    assert_eq!(State::default().check("alice", &Stamp::default()), Ok(()));
}

#[tokio::test]
async fn rule_47_a_jwt_of_before_a_revocation_and_a_minute_more_is_no_login() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(&directory.path().join("state.db")).await.unwrap();
    let check = |name: &str, seconds: i64, id: Option<&str>| {
        state.check_jwt(name, id, i64::try_from(NOW).unwrap() + 1000 + seconds)
    };
    assert_eq!(check("ci:a", 0, None), Ok(()));
    state.revoke(&account("ci:a"), NOW + 1000).await.unwrap();
    assert_eq!(check("ci:a", -100, None), Err(Ended::Account));
    assert_eq!(check("ci:a", 60, None), Err(Ended::Account));
    assert_eq!(check("ci:a", 61, None), Ok(()));
    assert_eq!(check("ci:b", 0, None), Ok(()));
    // A clock that was set back lets none in again.
    state.revoke(&account("ci:a"), NOW + 100).await.unwrap();
    assert_eq!(check("ci:a", 60, None), Err(Ended::Account));
    state.revoke(&token("the-jti"), NOW + 1000).await.unwrap();
    assert_eq!(check("ci:b", 0, Some("the-jti")), Err(Ended::Token));
    assert_eq!(check("ci:b", 0, Some("another")), Ok(()));
    state.revoke(&token(&format!("{0}\n{0}", "x".repeat(50))), NOW).await.unwrap();
    let cut = "x".repeat(64);
    assert_eq!(check("ci:b", 0, Some(&cut)), Err(Ended::Token), "as that of a JWT");
    state.revoke(&Target::All, NOW + 1100).await.unwrap();
    assert_eq!(check("ci:b", 160, None), Err(Ended::OtherState));
    assert_eq!(check("ci:b", 161, None), Ok(()));
}

#[tokio::test]
async fn everything_revoked_empties_the_list_but_for_tokens_of_robots() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let state = open(&file).await.unwrap();
    for target in [account("alice"), token("0123456789ab"), token("jti-of-a-token")] {
        state.revoke(&target, NOW).await.unwrap();
    }
    assert_eq!(state.len(), 3);
    let before = stamp(&state, "bob");
    state.revoke(&Target::All, NOW).await.unwrap();
    drop(state);
    let state = open(&file).await.unwrap();
    assert_eq!(state.check("bob", &before), Err(Ended::OtherState));
    assert_eq!(state.check_token("0123456789ab"), Err(Ended::Token));
    assert_eq!((state.len(), state.check_token("jti-of-a-token")), (1, Ok(())));
    assert_eq!(state.check("bob", &stamp(&state, "bob")), Ok(()));
}

#[test]
fn a_file_that_is_open_to_others_a_link_or_damaged_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let fails = |name: &str, with: &str| {
        let error = run(open(&at(name))).err().unwrap().to_string();
        assert!(error.contains(with) && error.contains(name), "{name}: {error}");
    };
    run(async { drop(open(&at("good")).await.unwrap()) });
    symlink(at("good"), at("link")).unwrap();
    fails("link", "found a link");
    fs::create_dir(at("directory")).unwrap();
    fails("directory", "found a link or something else");
    for mode in [0o604, 0o620, 0o660] {
        fs::copy(at("good"), at("public")).unwrap();
        fs::set_permissions(at("public"), fs::Permissions::from_mode(mode)).unwrap();
        fails("public", "other users may open it");
    }
    fails("nowhere/state.db", "cannot make it");
    let damaged = |name: &str, bytes: &[u8]| {
        fs::write(at(name), bytes).unwrap();
        fs::set_permissions(at(name), fs::Permissions::from_mode(0o600)).unwrap();
        fails(name, "the file is damaged");
    };
    damaged("text", &b"no database at all, but some text that is long enough".repeat(20));
    let mut bytes = fs::read(at("good")).unwrap();
    let length = bytes.len();
    bytes[200..length].fill(0xaa);
    damaged("overwritten", &bytes);
    let cut = fs::read(at("good")).unwrap();
    damaged("cut", &cut[..5000]);
}

#[test]
fn rule_47_two_servers_do_not_share_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    run(async {
        let first = open(&file).await.unwrap();
        let error = open(&file).await.err().unwrap().to_string();
        assert!(error.contains("another process uses it"), "{error}");
        first.revoke(&account("alice"), NOW).await.unwrap();
    });
    run(async { assert_eq!(open(&file).await.unwrap().len(), 1, "the lock ends with the server") });
}

#[tokio::test]
async fn rule_47_a_default_file_that_cannot_be_opened_lets_nothing_old_in() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let before = stamp(&open(&file).await.unwrap(), "alice");
    fs::write(&file, b"damaged".repeat(1000)).unwrap();
    let state = State::open(&StateSettings::Default(file.clone()), NOW).await.unwrap();
    assert_eq!(state.check("alice", &before), Err(Ended::OtherState));
    let iat = i64::try_from(NOW).unwrap();
    assert_eq!(state.check_jwt("ci:a", None, iat + 60), Err(Ended::OtherState));
    assert_eq!(state.check_jwt("ci:a", None, iat + 61), Ok(()));
    assert_eq!(state.check("alice", &stamp(&state, "alice")), Ok(()), "others go on");
    assert_eq!(state.check_token("60e05bd1b195"), Err(Ended::OtherState), "a robot's token may be revoked");
    assert_eq!(State::default().check_token("60e05bd1b195"), Ok(()), "there is no file");
    let refused = state.revoke(&account("alice"), NOW).await.unwrap_err();
    assert!(matches!(refused, NotRevoked::NoState(_)) && !state.is_up(), "{refused}");
    assert!(state.trouble().unwrap().contains("damaged"));
}

#[tokio::test]
async fn rule_47_a_revocation_that_is_not_stored_says_so_and_holds_until_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let state = open(&file).await.unwrap();
    let before = stamp(&state, "alice");
    for replaced in [false, true] {
        fs::remove_file(&file).unwrap();
        if replaced {
            fs::write(&file, b"another file").unwrap();
        }
        let error = state.revoke(&account("alice"), NOW).await.unwrap_err();
        assert!(error.to_string().contains("removed or replaced"), "{error}");
        assert_eq!(state.check("alice", &before), Err(Ended::Account), "what is in memory holds");
        assert!(!state.is_up());
        fs::write(&file, b"").unwrap();
    }
}

#[tokio::test]
async fn rule_47_what_a_store_could_not_take_is_stored_with_the_next_revocation() {
    let directory = tempfile::tempdir().unwrap();
    let (file, away) = (directory.path().join("state.db"), directory.path().join("away"));
    let state = open(&file).await.unwrap();
    let before = ["alice", "bob", "eve"].map(|name| (name, stamp(&state, name)));
    fs::rename(&file, &away).unwrap();
    // The second generation of alice is stored behind the first.
    for name in ["alice", "bob", "alice"] {
        let error = state.revoke(&account(name), NOW).await.unwrap_err().to_string();
        assert!(error.contains("removed") && error.contains("a restart would forget it"), "{error}");
        assert!(!state.is_up());
    }
    fs::rename(&away, &file).unwrap();
    state.revoke(&account("eve"), NOW).await.unwrap();
    assert!(state.is_up());
    drop(state);
    let state = open(&file).await.unwrap();
    for (name, before) in before {
        assert_eq!(state.check(name, &before), Err(Ended::Account), "{name}");
    }
    assert_eq!(["alice", "bob", "eve"].map(|name| stamp(&state, name).generation), [2, 1, 1]);
}

#[tokio::test]
async fn revocations_are_bounded_in_number_and_in_bytes() {
    let stored = StoredRevocations { id: "id".to_owned(), ..StoredRevocations::default() };
    let mut revocations = Revocations::of(stored);
    let mut revoke = |target: &Target| revocations.apply(target, NOW).map(drop);
    assert_eq!(revoke(&account(&"x".repeat(513))), Err(NotRevoked::Name(513)));
    assert_eq!(revoke(&token("")), Err(NotRevoked::Id(0)));
    assert_eq!(revoke(&token(&"x".repeat(257))), Err(NotRevoked::Id(257)));
    for n in 0..MOST_REVOCATIONS {
        revoke(&account(&n.to_string())).unwrap();
    }
    assert_eq!(revoke(&account("one more")), Err(NotRevoked::Full));
    assert_eq!(revoke(&token("one more")), Err(NotRevoked::Full));
    revoke(&account("5")).unwrap();
    revoke(&Target::All).unwrap();
    for n in 0..16 * 1024 {
        revoke(&account(&format!("{n:0>512}"))).unwrap();
    }
    assert_eq!(revoke(&account(&"y".repeat(512))), Err(NotRevoked::Full));
    let directory = tempfile::tempdir().unwrap();
    let state = open(&directory.path().join("state.db")).await.unwrap();
    assert_eq!(state.revoke(&account(&"x".repeat(513)), NOW).await, Err(NotRevoked::Name(513)));
}
