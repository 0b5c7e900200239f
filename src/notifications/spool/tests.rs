//! Tests of the spool: its order, and files that are damaged, full, in use or gone.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn event(endpoint: &str, n: u64) -> NewEvent {
    NewEvent {
        endpoint: endpoint.to_owned(),
        at: 100 + n,
        action: "push",
        media_type: "m".to_owned(),
        body: format!("event {n} {}", "x".repeat(200)),
    }
}

fn numbers(kept: &[KeptEvent]) -> Vec<u64> {
    kept.iter().map(|event| event.body.split(' ').nth(1).unwrap().parse().unwrap()).collect()
}

fn file() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notifications.spool");
    (directory, path)
}

#[tokio::test]
async fn events_wait_in_their_order_for_each_endpoint_and_over_a_restart() {
    let (_directory, path) = file();
    let spool = Spool::new(&path);
    let events: Vec<_> = (0..100).flat_map(|n| [event("a", n), event("b", n)]).collect();
    spool.keep(&events, &[]).await.unwrap();
    assert_eq!(spool.backlog("a"), Backlog { count: 100, oldest: 100 });
    let first = spool.next("a").await.unwrap();
    assert_eq!(numbers(&first), (0..u64::from(BATCH)).collect::<Vec<_>>());
    assert_eq!(spool.forget("a", first.last().unwrap().sequence).await.unwrap(), u64::from(BATCH));
    drop(spool);
    let spool = Spool::new(&path);
    assert_eq!(numbers(&spool.next("a").await.unwrap()), (64..100).collect::<Vec<_>>());
    assert_eq!(spool.backlog("a"), Backlog { count: 36, oldest: 164 });
    assert_eq!(spool.backlog("b"), Backlog { count: 100, oldest: 100 }, "another endpoint");
    assert_eq!(spool.forget_others(&["a", "c"]).await.unwrap(), [("b".to_owned(), 100)]);
    assert_eq!(spool.next("b").await.unwrap(), []);
    assert_eq!(spool.backlog("b"), Backlog::default());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_file_that_is_cut_short_anywhere_is_set_aside_or_read_and_never_in_the_way() {
    let (_directory, path) = file();
    let spool = Spool::new(&path);
    spool.keep(&(0..200).map(|n| event("a", n)).collect::<Vec<_>>(), &[]).await.unwrap();
    drop(spool);
    let whole = eventually_unlocked(&path).await;
    let lengths = (0..whole.len()).step_by(997).chain([1, 99, 100, 511, 512, 4095, 4096, whole.len() - 1]);
    for length in lengths {
        let (_directory, path) = file();
        fs::write(&path, &whole[..length]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let spool = Spool::new(&path);
        let left = spool.next("a").await.unwrap();
        assert!(left.is_empty(), "{length}: {} events of a file that is not whole", left.len());
        spool.keep(&[event("a", 7)], &[]).await.unwrap();
        assert_eq!(numbers(&spool.next("a").await.unwrap()), [7], "{length}");
        let aside = fs::read(with_suffix(&path, ".damaged"));
        // What has no whole head is as good as an empty file.
        assert!(length < 512 || aside.is_ok_and(|aside| aside == whole[..length]), "{length}");
    }
}

/// The bytes of a file whose connection ends in a thread of its own.
async fn eventually_unlocked(path: &Path) -> Vec<u8> {
    let spool = Spool::new(path);
    spool.next("a").await.unwrap();
    fs::read(path).unwrap()
}

#[tokio::test]
async fn bytes_that_are_no_database_are_set_aside_with_their_journal() {
    let (_directory, path) = file();
    fs::write(&path, "no database, but long enough to be looked at ".repeat(100)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(with_suffix(&path, "-journal"), "x").unwrap();
    let spool = Spool::new(&path);
    spool.keep(&[event("a", 1)], &[]).await.unwrap();
    assert_eq!(numbers(&spool.next("a").await.unwrap()), [1]);
    assert!(fs::read_to_string(with_suffix(&path, ".damaged")).unwrap().starts_with("no database"));
}

#[tokio::test]
async fn a_file_that_others_may_open_or_that_is_in_use_is_refused_and_left_alone() {
    let (_directory, path) = file();
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = Spool::new(&path).keep(&[event("a", 1)], &[]).await.unwrap_err().to_string();
    assert!(refused.contains("other users may open it: mode 644; see who wrote"), "{refused}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let spool = Spool::new(&path);
    spool.keep(&[event("a", 1)], &[]).await.unwrap();
    let refused = Spool::new(&path).next("a").await.unwrap_err().to_string();
    assert!(refused.contains("another process uses it"), "{refused}");
    assert_eq!(numbers(&spool.next("a").await.unwrap()), [1]);
}

#[tokio::test]
async fn a_full_disk_keeps_nothing_in_part_and_what_is_there_stays() {
    let (_directory, path) = file();
    let spool = Spool::new(&path);
    spool.keep(&[event("a", 1)], &[]).await.unwrap();
    let spool = &spool;
    let limit = |sql| async move {
        sqlx::query(sql).execute(&mut *spool.connection().await.unwrap()).await.unwrap();
    };
    limit("PRAGMA max_page_count = 8").await;
    let many: Vec<_> = (2..500).map(|n| event("a", n)).collect();
    let full = spool.keep(&many, &[]).await.unwrap_err().to_string();
    assert!(full.contains("full; make room on its disk"), "{full}");
    assert_eq!((numbers(&spool.next("a").await.unwrap()), spool.backlog("a").count), (vec![1], 1));
    limit("PRAGMA max_page_count = 100000").await;
    spool.keep(&many, &[]).await.unwrap();
    assert_eq!(spool.backlog("a").count, 499);
}

#[tokio::test]
async fn a_file_that_is_removed_is_made_again() {
    let (_directory, path) = file();
    let spool = Spool::new(&path);
    spool.keep(&[event("a", 1)], &[]).await.unwrap();
    fs::remove_file(&path).unwrap();
    spool.keep(&[event("a", 2)], &[]).await.unwrap();
    assert_eq!(numbers(&spool.next("a").await.unwrap()), [2]);
    assert_eq!(spool.backlog("a").count, 1);
    drop(spool);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn an_intent_that_cannot_be_read_is_forgotten() {
    let (_directory, path) = file();
    let spool = Spool::new(&path);
    let insert = "INSERT INTO intents (id, server, event) VALUES (7, 'before', 'nonsense')";
    execute(&mut spool.connection().await.unwrap(), insert).await.unwrap();
    assert_eq!(spool.left_intents("now").await.unwrap(), []);
    let count = sqlx::query_scalar::<Sqlite, i64>("SELECT count(*) FROM intents");
    assert_eq!(count.fetch_one(&mut *spool.connection().await.unwrap()).await.unwrap(), 0);
}
