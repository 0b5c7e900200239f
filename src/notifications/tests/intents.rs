//! Changes that are written down before the registry gets them, and what becomes of those whose answer is lost.

use super::*;

/// Starts with a registry that says of each repository what became of its change.
fn start_with(settings: &NotificationSettings, known: [(&'static str, Lookup); 2]) -> Arc<Notifications> {
    let (source, known) = (EventSource::new("host".to_owned()), Known(known.into()));
    Notifications::start(settings, source, Arc::new(known)).unwrap()
}

/// The number of intents in the spool that a server other than this one finds.
async fn left(directory: &Path) -> usize {
    Spool::new(&directory.join("spool")).left_intents("another").await.map_or(usize::MAX, |left| left.len())
}

#[tokio::test]
async fn rule_57_what_was_under_way_at_a_crash_is_asked_of_the_registry() {
    let directory = tempfile::tempdir().unwrap();
    let collector = Collector::start(Vec::new()).await;
    let settings = settings(directory.path(), vec![endpoint("one", &collector.url)]);
    let notifications = start(&settings);
    let mut under_way = Vec::new();
    for repository in ["stored", "lost", "down"] {
        under_way.push(notifications.intend((*push(repository)).clone()).unwrap().await);
    }
    notifications.intend((*push("refused")).clone()).unwrap().await.refused();
    let mut confirmed = (*push("confirmed")).clone();
    confirmed.intent = notifications.intend(confirmed.clone()).unwrap().await.confirmed();
    notifications.hear(&Arc::new(confirmed));
    collector.has(1).await;
    notifications.finish().await;
    // As after a crash: no task is left that would hear of it.
    drop(under_way);
    drop(notifications);
    until_left(directory.path(), 3).await;
    let known = [("lost", Lookup::NotDone), ("down", Lookup::Unanswered)];
    let notifications = start_with(&settings, known);
    collector.has(2).await;
    let events = Collector::events(&collector.requests.lock()[1]);
    assert_eq!(events[0]["portwarden"]["settled"], true);
    assert!(Collector::events(&collector.requests.lock()[0])[0]["portwarden"]["settled"].is_null());
    notifications.finish().await;
    drop(notifications);
    until_left(directory.path(), 1).await;
    let _notifications = start(&settings);
    collector.has(3).await;
    assert_eq!(collector.repositories().concat(), ["confirmed", "stored", "down"]);
}

/// Waits until another server finds so many intents, once the one before has let go of the file.
async fn until_left(directory: &Path, count: usize) {
    let began = Instant::now();
    loop {
        let found = left(directory).await;
        if found == count {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{found} are left");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn rule_57_what_became_of_a_request_whose_answer_is_lost_is_asked_of_the_registry() {
    let directory = tempfile::tempdir().unwrap();
    let collector = Collector::start(Vec::new()).await;
    let settings = settings(directory.path(), vec![endpoint("one", &collector.url)]);
    let known = [("lost", Lookup::NotDone), ("down", Lookup::Unanswered)];
    let notifications = start_with(&settings, known);
    for repository in ["lost", "down", "stored"] {
        drop(notifications.intend((*push(repository)).clone()).unwrap().await);
    }
    collector.has(1).await;
    assert_eq!(collector.repositories().concat(), ["stored"]);
    notifications.finish().await;
    drop(notifications);
    until_left(directory.path(), 1).await;
}

#[tokio::test]
async fn rule_57_lost_answers_without_end_do_not_fill_the_spool() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path(), vec![endpoint("one", "http://127.0.0.1:1/")]);
    let known = [("lost", Lookup::Unanswered), ("down", Lookup::Unanswered)];
    let notifications = start_with(&settings, known);
    for _ in 0..40 {
        let begun: Vec<_> =
            (0..100).map(|_| notifications.intend((*push("down")).clone()).unwrap()).collect();
        for intending in begun {
            drop(intending.await);
        }
    }
    let began = Instant::now();
    // Those that are asked about, and those that wait for that.
    while notifications.spool.left_intents("another").await.map_or(usize::MAX, |left| left.len()) > 2048 {
        assert!(began.elapsed() < PATIENCE, "all of them are kept");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_intent_whose_request_is_over_before_it_is_stored_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path(), vec![endpoint("one", "http://127.0.0.1:1/")]);
    let known = [("lost", Lookup::NotDone), ("down", Lookup::Unanswered)];
    let notifications = start_with(&settings, known);
    for n in 0..200 {
        // It is over while it waits to be stored, or is being stored.
        let intending = notifications.intend((*push("lost")).clone()).unwrap();
        tokio::select! {
            biased;
            intent = intending => intent.refused(),
            () = sleep(Duration::from_micros(n * 10)) => {}
        }
    }
    let began = Instant::now();
    while !notifications.spool.left_intents("another").await.is_ok_and(|left| left.is_empty()) {
        assert!(began.elapsed() < PATIENCE, "some are left");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(!notifications.intends(Action::Pull) && notifications.intends(Action::Delete));
}
