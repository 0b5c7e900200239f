//! Tests of personal tokens: the file, revocations, and the bounds.

use std::{fs, path::Path};

use super::*;
use crate::{
    authn::{NewToken, Source},
    state::{StateSettings, Target},
};

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 24 * 3600;

async fn open(file: &Path) -> Arc<State> {
    Arc::new(State::open(&StateSettings::File(file.to_owned()), NOW).await.unwrap())
}

fn stamp(state: &State, account: &str) -> Stamp {
    state.stamp(account, state.revocation_count()).unwrap()
}

fn new(account: &str) -> NewPersonalToken {
    NewPersonalToken {
        digest: NewToken::random().unwrap().digest,
        account: account.into(),
        source: Source::LdapAuth,
        claims: None,
        person: None,
        scopes: "repository:team/*:pull".into(),
        comment: "laptop".into(),
        at: NOW,
        ends: NOW + DAY,
    }
}

/// The digest of a token of the account, of which it may have ten.
async fn make(state: &State, account: &str) -> TokenDigest {
    let new = new(account);
    let digest = new.digest;
    state.make_personal_token(new, &stamp(state, account), 10).await.unwrap();
    digest
}

#[tokio::test]
async fn rule_62_a_token_counts_for_its_account_and_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let state = open(&file).await;
    let digest = make(&state, "alice").await;
    for _ in 0..2 {
        let state = open_again(&file, &state).await;
        let found = state.personal_token("alice", &digest).unwrap();
        assert_eq!((found.id(), &*found.made.comment), (digest.id(), "laptop"));
        assert_eq!(found.made.source, Source::LdapAuth);
        for another in ["bob", "Alice", "alice ", ""] {
            assert!(state.personal_token(another, &digest).is_none(), "{another}");
            assert!(state.personal_token_by_id(another, &digest.id()).is_none(), "{another}");
        }
        assert!(state.personal_token("alice", &NewToken::random().unwrap().digest).is_none());
    }
}

/// The file is one server's at a time, so this looks at a copy of it.
async fn open_again(file: &Path, _running: &State) -> Arc<State> {
    static COPIES: AtomicU64 = AtomicU64::new(0);
    let copy = file.with_extension(format!("{}.db", COPIES.fetch_add(1, Ordering::Relaxed)));
    fs::copy(file, &copy).unwrap();
    open(&copy).await
}

#[tokio::test]
async fn rule_62_another_token_with_the_same_id_is_not_the_token() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(&directory.path().join("state.db")).await;
    let digest = make(&state, "alice").await;
    let other = format!("{}{}", digest.id(), "0".repeat(52));
    let other = TokenDigest::parse(&other).unwrap();
    assert_eq!(other.id(), digest.id());
    assert!(state.personal_token("alice", &other).is_none());
}

#[tokio::test]
async fn rule_62_a_revocation_ends_the_tokens_of_the_account_in_every_spelling_and_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let state = open(&file).await;
    let (alice, bob) = (make(&state, "alice").await, make(&state, "bob").await);
    let overtaken = stamp(&state, "alice");
    state.revoke(&Target::Account(" ALICE".to_owned()), NOW).await.unwrap();
    let late = new("alice");
    let late_digest = late.digest;
    state.make_personal_token(late, &overtaken, 10).await.unwrap();
    let ended = |state: &State| {
        assert!(state.personal_token("alice", &alice).is_none());
        assert!(state.personal_token_by_id("alice", &alice.id()).is_none());
        assert!(state.personal_token("alice", &late_digest).is_none(), "revoked while it was made");
        assert!(state.personal_token("bob", &bob).is_some());
        assert_eq!(state.personal_tokens(None).len(), 1);
    };
    ended(&state);
    ended(&*open_again(&file, &state).await);
    let again = make(&state, "alice").await;
    assert!(state.personal_token("alice", &again).is_some(), "it can make others");

    state.revoke(&Target::All, NOW).await.unwrap();
    let copy = open_again(&file, &state).await;
    for state in [&state, &copy] {
        assert!(state.personal_token("alice", &again).is_none());
        assert!(state.personal_token("bob", &bob).is_none());
        assert!(state.personal_tokens(None).is_empty());
    }
    state.settle_personal_tokens(NOW).await.unwrap();
    assert_eq!(state.personal_token_counts().0, 0, "they take no room any longer");
}

#[tokio::test]
async fn rule_62_a_token_that_is_revoked_is_gone_and_stays_gone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let state = open(&file).await;
    let (gone, stays) = (make(&state, "alice").await, make(&state, "alice").await);
    assert_eq!(state.end_personal_token(&gone.id(), NOW).await, Ok(true));
    assert_eq!(state.end_personal_token(&gone.id(), NOW).await, Ok(false));
    let copy = open_again(&file, &state).await;
    for state in [&state, &copy] {
        assert!(state.personal_token("alice", &gone).is_none());
        assert!(state.personal_token("alice", &stays).is_some());
    }
    // A file that does not take it.
    fs::rename(&file, directory.path().join("elsewhere.db")).unwrap();
    state.end_personal_token(&stays.id(), NOW).await.unwrap_err();
    assert!(state.personal_token("alice", &stays).is_none(), "it is refused all the same");
    assert!(!state.is_up());
    fs::rename(directory.path().join("elsewhere.db"), &file).unwrap();
    state.settle_personal_tokens(NOW).await.unwrap();
    assert!(open_again(&file, &state).await.personal_tokens(None).is_empty(), "it is tried again");
}

#[tokio::test]
async fn rule_62_an_account_has_a_bounded_number_in_all_its_spellings() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(&directory.path().join("state.db")).await;
    let of = async |account: &str, at: u64| {
        let new = NewPersonalToken { at, ends: at + DAY, ..new(account) };
        state.make_personal_token(new, &stamp(&state, account), 2).await
    };
    assert_eq!((of("alice", NOW).await, of("ALICE", NOW).await), (Ok(()), Ok(())));
    assert_eq!(of("Alice ", NOW).await, Err(NotMade::TooMany(2)));
    assert_eq!(of("bob", NOW).await, Ok(()), "others have room");
    assert_eq!(of("alice", NOW + DAY).await, Ok(()), "what has expired does not count");
    assert_eq!(state.personal_tokens(Some("alice")).len(), 3);
    state.settle_personal_tokens(NOW + DAY + LISTED_LONGER + 1).await.unwrap();
    assert_eq!(state.personal_tokens(Some("alice")).len(), 1, "and is forgotten later");
}

#[tokio::test]
async fn without_a_state_there_is_none() {
    let state = State::default();
    let made = state.make_personal_token(new("alice"), &stamp(&state, "alice"), 2).await;
    assert!(matches!(made, Err(NotMade::NoState(_))), "{made:?}");
    assert!(!state.keeps_personal_tokens());
    state.settle_personal_tokens(NOW).await.unwrap();
}

#[tokio::test]
async fn the_last_use_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let state = open(&file).await;
    let digest = make(&state, "alice").await;
    let token = state.personal_token("alice", &digest).unwrap();
    assert_eq!(token.last_use(), None);
    token.used(NOW + 5);
    token.used(NOW + 3);
    state.settle_personal_tokens(NOW + 5).await.unwrap();
    let copy = open_again(&file, &state).await;
    assert_eq!(copy.personal_token("alice", &digest).unwrap().last_use(), Some(NOW + 5));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_opens_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(&directory.path().join("state.db")).await;
    make(&state, "alice").await;
    let store = state.store.as_ref().unwrap();
    let count = async || PersonalTokens::read(store).await.unwrap().table.read().by_id.len();
    for (damage, repair) in [
        ("UPDATE personal_tokens SET source = 'robots'", "UPDATE personal_tokens SET source = 'users'"),
        ("UPDATE personal_tokens SET source = 'next'", "UPDATE personal_tokens SET source = 'users'"),
        ("UPDATE personal_tokens SET claims = 'x'", "UPDATE personal_tokens SET claims = NULL"),
    ] {
        store.execute(damage).await;
        assert_eq!(count().await, 0, "{damage}");
        store.execute(repair).await;
        assert_eq!(count().await, 1, "{repair}");
    }
    store.execute("UPDATE personal_tokens SET sha256 = id").await;
    assert_eq!(count().await, 0, "cut");
}

#[test]
fn the_bound_in_all_holds() {
    let (tokens, digest) = (PersonalTokens::default(), |n: usize| {
        TokenDigest::parse(&format!("{n:012x}{}", "0".repeat(52))).unwrap()
    });
    let state = State { personal: Arc::new(tokens), ..State::default() };
    let record = |n: usize| PersonalTokenRecord {
        made: NewPersonalToken { digest: digest(n), ..new(&format!("account {n}")) },
        state: Box::default(),
        generation: 0,
        used: AtomicU64::new(0),
        stored_use: AtomicU64::new(0),
    };
    for n in 0..MOST_PERSONAL_TOKENS {
        state.personal.table.write().insert(Arc::new(record(n)));
    }
    assert_eq!(state.find_room(&record(MOST_PERSONAL_TOKENS), 10), Err(NotMade::Full));
    state.personal.table.write().remove(&digest(7).id());
    assert_eq!(state.find_room(&record(MOST_PERSONAL_TOKENS), 10), Ok(()));
    assert_eq!(state.find_room(&record(8), 10), Err(NotMade::Full), "the id is taken");
}
