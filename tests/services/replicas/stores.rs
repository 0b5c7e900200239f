//! The state in a file and the state in PostgreSQL answer alike: claims, people, personal tokens, pushes, activity.
//!
//! Needs: postgresql.

use std::{
    fmt::Debug,
    path::Path,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use portwarden::{
    activity::Key,
    authn::{Labels, NewToken, SignInEnd, SignInSection, Source},
    backend::SqlServer,
    registry::{Digest, RepositoryName, Tag},
    state::{
        AccountClaims, DeviceLogin, DeviceLoginStanding, Ended, EndedSession, NewPersonalToken, NotSignedIn,
        SharedSettings, SignIn, State, StateSettings, Target,
    },
    telemetry::{Action, Object, RegistryEvent},
};

use crate::support::postgres::{PERSONAL_TOKENS, Postgres, SIGN_INS};

const NOW: u64 = 1_800_000_000;

/// All that a state answers, in order.
#[derive(Default)]
struct Answers(Vec<String>);

impl Answers {
    fn add(&mut self, what: &str, answer: impl Debug) {
        self.0.push(format!("{what}: {answer:?}"));
    }
}

async fn open(settings: &StateSettings) -> State {
    State::open(settings, NOW).await.unwrap()
}

fn tag(name: &str) -> Tag {
    Tag::parse(name).unwrap()
}

async fn claims(state: &State, answers: &mut Answers) {
    let groups = |count: usize| AccountClaims {
        labels: Arc::new(Labels::from([(
            "group".to_owned(),
            (0..count).map(|n| format!("group {n}")).collect(),
        )])),
        ..AccountClaims::default()
    };
    let digest = state.store_claims("alice", &groups(1000), NOW + 900, NOW).await;
    answers.add("claims", digest);
    answers.add("claims again", state.store_claims("alice", &groups(1000), NOW + 90_000, NOW).await);
    answers.add("too long", state.store_claims("alice", &groups(100_000), NOW + 900, NOW).await);
    // The share of an account.
    for n in 0..400 {
        let more = state.store_claims("mallory", &groups(1000 + n), NOW + 900, NOW).await;
        if more.is_none() {
            answers.add("full after", n);
            break;
        }
    }
    answers.add("others have room", state.store_claims("bob", &groups(900), NOW + 900, NOW).await.is_some());
}

fn person(subject: &str, account: &str) -> SignIn {
    SignIn {
        section: SignInSection::Github,
        provider: "https://github.com".to_owned(),
        subject: subject.to_owned(),
        account: account.to_owned(),
        labels: Arc::new(Labels::from([("teams".to_owned(), vec!["dev".to_owned()])])),
        settings: "digest".to_owned(),
        confirmed_at: NOW,
        ended: None,
        secret: Some("sealed".to_owned()),
    }
}

async fn people(state: &State, answers: &mut Answers) {
    for (subject, account) in [("1", "Ada"), ("2", "bob"), ("3", "Ada"), ("1", "carol"), ("1", "Ada")] {
        answers.add("person", state.keep_sign_in(person(subject, account)).await);
    }
    let entry = state.sign_in("bob").unwrap();
    let ended = SignIn { ended: Some(SignInEnd::NotMember), secret: None, ..person("2", "bob") };
    state.renew_sign_in(&entry, ended).await;
    answers.add("forgotten", state.forget_sign_in("ADA").await);
    answers.add("the name is free", state.keep_sign_in(person("3", "ada")).await);
}

async fn tokens(state: &State, digests: &[NewPersonalToken], answers: &mut Answers) {
    for new in digests {
        let stamp = state.stamp(&new.account, state.revocation_count()).unwrap();
        answers.add("token", state.make_personal_token(new.clone(), &stamp, 2).await);
    }
    answers.add("ended", state.end_personal_token(&digests[0].digest.id(), NOW).await);
    answers.add("ended again", state.end_personal_token(&digests[0].digest.id(), NOW).await);
    state.personal_token(&digests[1].account, &digests[1].digest).unwrap().used(NOW + 5);
    answers.add("uses", state.settle_personal_tokens(NOW + 6).await);
}

async fn pushes(state: &State, name: &RepositoryName, answers: &mut Answers) {
    let digest = |n: u8| Digest::of(&[n]);
    for (name_of, n, at) in [("a", 1, 10), ("b", 2, 5), ("a", 3, 20), ("c", 4, 15)] {
        answers.add("push", state.note_push(name, &tag(name_of), &digest(n), NOW + at).await);
    }
    let seen = [(tag("a"), digest(9)), (tag("new"), digest(5))];
    answers.add("seen", state.note_seen(name, &seen, NOW + 10_000).await);
}

fn event(action: Action, tag: &str, at: u64) -> Arc<RegistryEvent> {
    Arc::new(RegistryEvent {
        time: UNIX_EPOCH + Duration::from_secs(at),
        action,
        method: "GET".to_owned(),
        account: "ci".to_owned(),
        ..RegistryEvent::deletion(Object::Tag, "ci/app", Some(tag), None)
    })
}

async fn activity(state: &State, answers: &mut Answers) {
    let listener = state.record_activity().unwrap();
    for (action, tag, at) in
        [(Action::Push, "a", 1), (Action::Pull, "a", 2), (Action::Pull, "B", 3), (Action::Pull, "_", 4)]
    {
        listener.hear(&event(action, tag, NOW + at));
    }
    answers.add("activity", state.activity_behind(Key::default()).await);
    listener.hear(&event(Action::Delete, "B", NOW + 5));
    let behind = ("ci/app".to_owned(), "B".to_owned());
    answers.add("behind", state.activity_behind(behind).await);
}

fn session(account: &str, id: u64) -> EndedSession {
    let issued_at = i64::try_from(NOW + id).unwrap();
    let (account, id) = (account.to_owned(), Some(format!("{account}-{id}")));
    EndedSession { account, id, issued_at, expires_at: NOW + 90_000 }
}

/// Eve has as many as are kept of an account, and one more, which began before some of them.
async fn end_sessions(state: &State, answers: &mut Answers) {
    let of_eve = (0..32).rev().map(|id| session("eve", id)).chain([session("eve", 10)]);
    for session in of_eve.chain([session("bob", 1)]) {
        answers.add("session", state.end_session(session, NOW + 5).await);
    }
}

fn ended_sessions(state: &State, answers: &mut Answers) {
    let ended = |account: &str, id: u64| {
        let session = session(account, id);
        state.has_session_ended(account, session.id.as_deref().unwrap(), session.issued_at)
    };
    assert!((0..32).all(|id| ended("eve", id)) && !ended("eve", 40), "none comes back, and a new one begins");
    answers.add("ended of bob", (0..3).map(|id| ended("bob", id)).collect::<Vec<_>>());
}

async fn revocations(state: &State, answers: &mut Answers) {
    let before = state.stamp("alice", state.revocation_count()).unwrap();
    for target in [
        Target::Account("Alice".to_owned()),
        Target::Account("alice".to_owned()),
        Target::Token("0123456789ab".to_owned()),
    ] {
        answers.add("revoked", state.revoke(&target, NOW).await);
    }
    answers.add("checked", state.check("ALICE", &before));
    answers.add("generation", state.stamp("alice", state.revocation_count()).unwrap().generation);
}

/// The answers after a restart.
async fn kept(state: &State, name: &RepositoryName, answers: &mut Answers) {
    answers.add("revocations", state.revocations(None));
    answers.add("generation", state.stamp("alice", state.revocation_count()).unwrap().generation);
    for account in ["Ada", "ada", "bob"] {
        answers.add(account, state.sign_in(account).map(|entry| SignIn::clone(&entry.record())));
    }
    let tokens = state.personal_tokens(None);
    let tokens = tokens.iter().map(|token| (token.made.comment.clone(), token.last_use()));
    answers.add("tokens", tokens.collect::<Vec<_>>());
    let mut times: Vec<_> = state.push_times(name).await.unwrap().into_iter().collect();
    times.sort_by_key(|(tag, _)| tag.to_string());
    answers.add("pushes", times);
    answers.add("activity", state.activity_behind(Key::default()).await);
    let asked = state.pulls(name).await.unwrap();
    let mut asked: Vec<_> = asked.tags.iter().map(|(tag, at)| (tag.to_string(), *at)).collect();
    asked.sort();
    answers.add("asked", asked);
}

/// Each part in a runtime of its own, whose end is that of the state.
fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn all(settings: &StateSettings, digests: &[NewPersonalToken]) -> Vec<String> {
    let (name, mut answers) = (RepositoryName::parse("ci/app").unwrap(), Answers::default());
    run(async {
        let state = open(settings).await;
        claims(&state, &mut answers).await;
        people(&state, &mut answers).await;
        tokens(&state, digests, &mut answers).await;
        pushes(&state, &name, &mut answers).await;
        activity(&state, &mut answers).await;
        end_sessions(&state, &mut answers).await;
        ended_sessions(&state, &mut answers);
        revocations(&state, &mut answers).await;
        state.end_activity().await;
    });
    run(async {
        let state = open(settings).await;
        kept(&state, &name, &mut answers).await;
        ended_sessions(&state, &mut answers);
        state.revoke(&Target::All, NOW).await.unwrap();
        answers.add("revocations", state.revocations(None).len());
    });
    answers.0
}

fn shared(postgres: &Postgres) -> StateSettings {
    let server = SqlServer::postgres(&postgres.state_url(), Path::new("/")).unwrap();
    StateSettings::Shared(SharedSettings { server, trusted_for: None })
}

/// Neither knows what the other has done a moment ago: it has not read it yet.
#[test]
fn rule_64_replicas_that_do_the_same_at_the_same_moment_end_and_pin_all_of_it() {
    let postgres = Postgres::start();
    let settings = shared(&postgres);
    run(async {
        let (a, b) = (open(&settings).await, open(&settings).await);
        a.revoke(&Target::Account("alice".to_owned()), NOW).await.unwrap();
        let issued = a.stamp("alice", a.revocation_count()).unwrap();
        assert_eq!((issued.generation, a.check("alice", &issued)), (1, Ok(())));
        b.revoke(&Target::Account("alice".to_owned()), NOW).await.unwrap();
        assert_eq!(b.check("alice", &issued), Err(Ended::Account), "issued between the two");
        assert_eq!(open(&settings).await.check("alice", &issued), Err(Ended::Account), "after a restart");
        // Two people get one name, and one person two.
        a.keep_sign_in(person("1", "Ada")).await.unwrap();
        for other in [person("2", "ada"), person("1", "carol")] {
            let refused = b.keep_sign_in(other).await;
            assert!(matches!(refused, Err(NotSignedIn::NotStored(_))), "{refused:?}");
        }
        // One that was forgotten elsewhere does not come back with an answer of its provider.
        let c = open(&settings).await;
        let entry = c.sign_in("Ada").unwrap();
        assert_eq!(a.forget_sign_in("Ada").await, Ok(true));
        c.renew_sign_in(&entry, person("1", "Ada")).await;
        assert!(open(&settings).await.sign_in("Ada").is_none());
    });
}

/// They are read some at a time.
#[test]
fn a_start_reads_all_of_many() {
    let postgres = Postgres::start();
    let settings = shared(&postgres);
    run(open(&settings));
    postgres.fill_state(PERSONAL_TOKENS, 3001);
    postgres.fill_state(SIGN_INS, 3000);
    let state = run(open(&settings));
    assert_eq!((state.personal_token_counts().0, state.sign_in_count()), (3001, 3000));
}

#[test]
fn a_file_and_a_server_answer_alike() {
    let (directory, postgres) = (tempfile::tempdir().unwrap(), Postgres::start());
    let token = |comment: &str, account: &str| NewPersonalToken {
        digest: NewToken::random().unwrap().digest,
        account: account.into(),
        source: Source::LdapAuth,
        claims: None,
        person: None,
        scopes: "repository:team/*:pull".into(),
        comment: comment.into(),
        at: NOW,
        ends: NOW + 90_000,
    };
    let digests =
        [token("one", "eve"), token("two \u{2603}", "eve"), token("three", "eve"), token("four", "oscar")];
    let file = all(&StateSettings::File(directory.path().join("state.db")), &digests);
    let server = all(&shared(&postgres), &digests);
    for (of_file, of_server) in file.iter().zip(&server) {
        assert_eq!(of_file, of_server);
    }
    assert_eq!(file.len(), server.len());
}

#[test]
fn rule_64_a_record_is_written_by_the_replica_whose_lease_has_not_ended_by_the_clock_of_the_server() {
    let postgres = Postgres::start();
    let settings = shared(&postgres);
    run(async {
        let (a, b) = (open(&settings).await, open(&settings).await);
        let (lease, content) = a.lease("record").await.unwrap().unwrap();
        assert_eq!(content, None);
        assert!(b.lease("record").await.unwrap().is_none());
        lease.write("first").await.unwrap();
        assert!(b.lease("record").await.unwrap().is_none());
        assert_eq!(open(&settings).await.record("record").as_deref(), Some("first"));
        // As if ten seconds had passed while the first one was stopped.
        postgres.in_state("UPDATE leased_records SET until = 0");
        let (other, content) = b.lease("record").await.unwrap().unwrap();
        assert_eq!(content.as_deref(), Some("first"));
        other.write("second").await.unwrap();
        for _ in 0..2 {
            let late = lease.write("late").await.unwrap_err();
            assert!(late.message.contains("the lease has ended"), "{late}");
        }
        assert!(lease.keep().await.message.contains("the lease has ended"));
        other.end().await.unwrap();
        lease.write("late, too").await.unwrap_err();
        let (_lease, content) = a.lease("record").await.unwrap().unwrap();
        assert_eq!(content.as_deref(), Some("second"));
        assert!(State::default().lease("record").await.unwrap().is_none());
    });
}

#[test]
fn rule_65_a_login_is_answered_and_taken_once_before_its_end_by_the_clock_of_the_server() {
    let postgres = Postgres::start();
    let settings = shared(&postgres);
    let login = |name: &str| DeviceLogin {
        id: name.to_owned(),
        user_code: format!("code of {name}"),
        request: "sealed".to_owned(),
    };
    run(async {
        let (a, b) = (open(&settings).await, open(&settings).await);
        let (at_a, at_b) = (a.device_logins().unwrap(), b.device_logins().unwrap());
        let found = async |name: &str| at_b.find(format!("code of {name}")).await.unwrap();
        let answer = async |name: &str, answer: &str| {
            at_b.answer(name.to_owned(), Some("session".to_owned()), answer.to_owned()).await.unwrap()
        };
        for (name, given_up) in [("first", None), ("late", None), ("next", Some("first".to_owned()))] {
            assert!(at_a.begin(login(name), given_up, 600).await.unwrap());
        }
        assert!(!at_b.begin(login("next"), None, 600).await.unwrap(), "it is there");
        assert_eq!([found("first").await, found("next").await], [None, Some(login("next"))]);
        assert_eq!(at_a.take("next".to_owned()).await, Ok(DeviceLoginStanding::Waits));
        assert_eq!([answer("next", "yes").await, answer("next", "no").await], [true, false]);
        assert_eq!(found("next").await, None, "it was answered");
        let (one, other) = tokio::join!(at_a.take("next".to_owned()), at_b.take("next".to_owned()));
        let standings = [one.unwrap(), other.unwrap()];
        let is_taken = |standing: &&DeviceLoginStanding| {
            matches!(standing, DeviceLoginStanding::Answered { answer, session: Some(session), .. }
                if (answer.as_str(), session.as_str()) == ("yes", "session"))
        };
        assert_eq!(standings.iter().filter(is_taken).count(), 1, "{standings:?}");
        assert_eq!(at_a.take("next".to_owned()).await, Ok(DeviceLoginStanding::Gone));
        assert!(answer("late", "yes").await);
        postgres.in_state("UPDATE device_logins SET until = 0");
        assert_eq!(at_a.take("late".to_owned()).await, Ok(DeviceLoginStanding::Waits), "too late");
        postgres.in_state("UPDATE device_logins SET answer = NULL");
        assert_eq!((found("late").await, answer("late", "no").await), (None, false));
        assert!(at_a.begin(login("new"), None, 600).await.unwrap());
        assert_eq!(at_a.take("late".to_owned()).await, Ok(DeviceLoginStanding::Gone));
        assert!(State::default().device_logins().is_none());
    });
}
