//! Tests of the records of people, with their file.

use std::path::Path;

use super::*;
use crate::state::StateSettings;

const NOW: u64 = 1_800_000_000;

async fn open(file: &Path) -> State {
    State::open(&StateSettings::File(file.to_owned()), NOW).await.unwrap()
}

fn person(subject: &str, account: &str) -> SignIn {
    let labels = Labels::from([("teams".to_owned(), vec!["dev".to_owned(), "ops".to_owned()])]);
    SignIn {
        section: SignInSection::Github,
        provider: "https://github.com".to_owned(),
        subject: subject.to_owned(),
        account: account.to_owned(),
        labels: Arc::new(labels),
        settings: "digest".to_owned(),
        confirmed_at: NOW,
        ended: None,
        secret: Some("sealed".to_owned()),
    }
}

fn record(state: &State, account: &str) -> Option<SignIn> {
    Some(SignIn::clone(&state.sign_in(account)?.record()))
}

#[tokio::test]
async fn a_record_is_the_same_after_a_restart_and_pins_a_person_to_a_name() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let state = open(&file).await;
    state.keep_sign_in(person("1", "Ada")).await.unwrap();
    let ended = SignIn { ended: Some(SignInEnd::NotMember), secret: None, ..person("2", "bob") };
    state.keep_sign_in(ended.clone()).await.unwrap();
    drop(state);
    let state = open(&file).await;
    assert_eq!(record(&state, "Ada"), Some(person("1", "Ada")));
    assert_eq!((record(&state, "bob"), state.sign_in_count()), (Some(ended), 2));
    assert_eq!(record(&state, "ada"), None, "another spelling is another name");
    // Another person, in another spelling, of another section; and the same person under another name.
    let of_other_section = SignIn { section: SignInSection::Oidc, ..person("1", "Ada") };
    for other in [person("3", "Ada"), person("3", "ADA"), of_other_section] {
        let refused = state.keep_sign_in(other.clone()).await;
        assert_eq!(refused, Err(NotSignedIn::NameHeld(other.account)));
    }
    for name in ["carol", "ada"] {
        let refused = state.keep_sign_in(person("1", name)).await;
        assert!(matches!(refused, Err(NotSignedIn::Renamed { .. })), "{name}: {refused:?}");
    }
    // The section names another provider by now.
    let of_other_provider =
        SignIn { provider: "https://github.acme.example".to_owned(), ..person("1", "Ada") };
    assert_ne!(of_other_provider.person(), person("1", "Ada").person());
    state.keep_sign_in(of_other_provider.clone()).await.unwrap();
    assert_eq!((record(&state, "Ada"), state.sign_in_count()), (Some(of_other_provider), 2));
}

#[tokio::test]
async fn a_record_that_was_forgotten_does_not_come_back_with_an_answer_of_its_provider() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let state = open(&file).await;
    state.keep_sign_in(person("1", "ada")).await.unwrap();
    let entry = state.sign_in("ada").unwrap();
    assert_eq!(state.forget_sign_in("ADA").await, Ok(true));
    assert_eq!(state.forget_sign_in("ada").await, Ok(false));
    state.renew_sign_in(&entry, person("1", "ada")).await;
    assert_eq!(record(&state, "ada"), None);
    state.keep_sign_in(person("2", "ada")).await.unwrap();
    state.renew_sign_in(&entry, person("1", "ada")).await;
    drop(state);
    assert_eq!(record(&open(&file).await, "ada"), Some(person("2", "ada")));
}

#[tokio::test]
async fn without_room_or_a_file_no_record_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(&directory.path().join("state.db")).await;
    state.keep_sign_in(person("1", "ada")).await.unwrap();
    state.sign_ins.known.write().bytes = MOST_BYTES;
    assert_eq!(state.keep_sign_in(person("2", "bob")).await, Err(NotSignedIn::Full));
    assert!(state.keeps_sign_ins() && !State::default().keeps_sign_ins());
    // What is there may be renewed, with labels that are no longer.
    state.keep_sign_in(person("1", "ada")).await.unwrap();
    let entry = state.sign_in("ada").unwrap();
    state.renew_sign_in(&entry, person("1", "ada")).await;
    assert_eq!(entry.record().ended, None);
    let labels = Labels::from([("teams".to_owned(), vec!["a-longer-name-of-a-team".to_owned(); 9])]);
    state.renew_sign_in(&entry, SignIn { labels: Arc::new(labels), ..person("1", "ada") }).await;
    let ended = (entry.record().ended, entry.record().labels.len());
    assert_eq!(ended, (Some(SignInEnd::Refused), 0), "there is no room for what the provider says now");
    assert!(state.sign_ins.known.read().bytes <= MOST_BYTES);
    std::fs::remove_file(directory.path().join("state.db")).unwrap();
    state.sign_ins.known.write().bytes = 0;
    let refused = state.keep_sign_in(person("3", "eve")).await;
    assert!(matches!(refused, Err(NotSignedIn::NotStored(_))), "{refused:?}");
    assert_eq!(record(&state, "eve"), None);
}

#[test]
fn people_with_the_same_labels_share_them_for_as_long_as_they_have_them() {
    let mut known = Known::default();
    let in_team = |team: &str, n: u32| {
        let labels = Labels::from([("teams".to_owned(), vec![team.to_owned()])]);
        SignIn { labels: Arc::new(labels), ..person(&n.to_string(), &format!("person{n}")) }
    };
    let labels = |known: &Known, n: u32| Arc::clone(&known.by_account[&format!("person{n}")].record().labels);
    (0..3).for_each(|n| known.insert(in_team("dev", n)));
    assert!(Arc::ptr_eq(&labels(&known, 0), &labels(&known, 2)));
    // Another replica has seen one change the team.
    known.follow("person1", Some(in_team("ops", 1)));
    assert_eq!(
        (&*labels(&known, 1), labels(&known, 0)["teams"].join(" ").as_str()),
        (&*in_team("ops", 1).labels, "dev")
    );
    (0..10_000).for_each(|n| known.follow("person2", Some(in_team(&format!("team {n}"), 2))));
    assert!(known.labels.len() < 120, "{} are kept for three people", known.labels.len());
    assert_eq!(labels(&known, 2)["teams"], ["team 9999"]);
}
