//! A registry that fails while many use it: the errors that clients see, the requests that go on undisturbed, and
//! recovery without any action when it is back. One client at a time is in `faults`.
//!
//! Needs: curl, docker-registry, htpasswd, root.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::support::{
    client::{Client, Failure, PROTOCOLS, Protocol, run},
    content::Content,
    curl::curl,
    distribution::{push_blob, start_upload},
    image::random_bytes,
    misbehaving_registry::{Fault, misbehaving},
    portwarden::{ADMIN, portwarden, portwarden_at},
    process::{PATIENCE, eventually},
    registry::{registry, registry_with_store},
    small_disk::SmallDisk,
};

/// States of the registry.
const THERE: u8 = 0;
const AWAY: u8 = 1;
const BACK: u8 = 2;

/// The state of the registry, and what its clients have seen of it.
#[derive(Default)]
struct Phase {
    now: AtomicU8,
    succeeded: AtomicUsize,
    told: AtomicUsize,
}

impl Phase {
    fn begin(&self, phase: u8) {
        self.now.store(phase, Ordering::SeqCst);
    }

    fn now(&self) -> u8 {
        self.now.load(Ordering::SeqCst)
    }

    /// The number of transfers that have succeeded.
    fn succeeded(&self) -> usize {
        self.succeeded.load(Ordering::SeqCst)
    }

    /// The number of clients that were answered that the registry is away.
    fn told(&self) -> usize {
        self.told.load(Ordering::SeqCst)
    }
}

/// The results of failed transfers: a status, or none.
type Seen = BTreeMap<String, usize>;

#[test]
fn a_registry_killed_under_fifty_pulls_and_pushes_is_missed_only_while_it_is_away() {
    let mut registry = registry();
    let mut warden = portwarden(&registry).start();
    let phase = Arc::new(Phase::default());
    let blob = Content::made(1, 12 << 20);
    let seen = run(async {
        let client = |protocol| Client::new(&warden, protocol);
        let mut first = client(Protocol::Http1).connect().await.unwrap();
        let token = first.token(ADMIN, &["repository:team/app:pull,push"]).await.unwrap();
        assert_eq!(first.push("team/app", &token, &blob).await.unwrap().status, 201);
        let transfers: Vec<_> = (0..50)
            .zip(PROTOCOLS.into_iter().cycle())
            .map(|(number, protocol)| {
                let content = if number < 25 { blob.clone() } else { Content::made(number, 3 << 20) };
                let transfer = Transfer {
                    client: client(protocol),
                    token: token.clone(),
                    digest: content.digest(),
                    content,
                    pulls: number < 25,
                };
                tokio::spawn(transfer.until_it_succeeds_again(Arc::clone(&phase)))
            })
            .collect();
        tokio::task::block_in_place(|| {
            assert!(eventually(PATIENCE, || phase.succeeded() >= 10), "nothing is transferred");
            phase.begin(AWAY);
            registry.kill();
            // Each asks at least once while it is away.
            assert!(eventually(PATIENCE, || phase.told() == 50), "{} of 50 were answered", phase.told());
            registry.restart();
            phase.begin(BACK);
        });
        let mut seen = Seen::new();
        for transfer in transfers {
            for (how, times) in transfer.await.unwrap() {
                *seen.entry(how).or_default() += times;
            }
        }
        seen
    });
    assert!(warden.is_running());
    let (told, cut_off): (Vec<_>, Vec<_>) = seen.iter().partition(|(how, _)| how.parse::<u16>().is_ok());
    assert!(told.iter().all(|(status, _)| ["502", "503"].contains(&status.as_str())), "{seen:?}");
    // A pull whose head has gone out can only break off; a push always gets an answer.
    assert!(cut_off.iter().all(|(how, _)| how.starts_with("pull")), "{seen:?}");
}

/// One client that transfers the same blob again and again.
struct Transfer {
    client: Client,
    token: String,
    content: Content,
    digest: String,
    pulls: bool,
}

impl Transfer {
    /// Tries until a transfer that was begun after the registry's return has succeeded; each such one must.
    async fn until_it_succeeds_again(self, phase: Arc<Phase>) -> Seen {
        let (mut seen, mut told) = (Seen::new(), false);
        loop {
            let before = phase.now();
            let tried = self.once().await;
            match (tried, before) {
                (Ok(200 | 201), BACK) => return seen,
                (Ok(200 | 201), _) => drop(phase.succeeded.fetch_add(1, Ordering::SeqCst)),
                (failed, BACK) => panic!("the registry is back, and: {failed:?}"),
                (failed, _) if phase.now() == THERE => panic!("without a reason: {failed:?}"),
                (Ok(status), _) => {
                    *seen.entry(status.to_string()).or_default() += 1;
                    phase.told.fetch_add(usize::from(!told), Ordering::SeqCst);
                    told = true;
                }
                (Err(error), _) => {
                    let what = if self.pulls { "pull" } else { "push" };
                    *seen.entry(format!("{what}: {error}")).or_default() += 1;
                }
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The status; wrong bytes fail the test.
    async fn once(&self) -> Result<u16, Failure> {
        let mut connection = self.client.connect().await?;
        if !self.pulls {
            return Ok(connection.push("team/app", &self.token, &self.content).await?.status);
        }
        let answer = connection.get(&format!("/v2/team/app/blobs/{}", self.digest), &self.token).await?;
        assert!(answer.status != 200 || answer.digest == self.digest, "wrong bytes: {answer:?}");
        Ok(answer.status)
    }
}

#[test]
fn who_waits_for_a_silent_registry_gets_a_504_and_holds_up_nobody() {
    let upstream = misbehaving(Fault::SilenceAbout("/slow/"));
    let warden = portwarden_at(&upstream.url()).registry_setting("response_timeout", "10s").start();
    run(async {
        let client = |protocol| Client::new(&warden, protocol);
        let token = client(Protocol::Http1).connect().await.unwrap();
        let token =
            { token }.token(ADMIN, &["repository:slow/app:pull", "repository:quick/app:pull"]).await.unwrap();
        let began = Instant::now();
        let waiting: Vec<_> = (0..40)
            .map(|number| {
                let (client, token) = (client(PROTOCOLS[number % 2]), token.clone());
                tokio::spawn(async move {
                    let mut connection = client.connect().await.unwrap();
                    connection.get("/v2/slow/app/tags/list", &token).await.unwrap().status
                })
            })
            .collect();
        let mut connection = client(Protocol::Http2).connect().await.unwrap();
        for _ in 0..20 {
            let answer = connection.get("/v2/quick/app/tags/list", &token).await.unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        assert!(
            !waiting.iter().any(|waiting| waiting.is_finished()),
            "others had to wait for the silence to end"
        );
        for waiting in waiting {
            assert_eq!(waiting.await.unwrap(), 504);
        }
        assert!(began.elapsed() >= Duration::from_secs(10), "{:?}", began.elapsed());
    });
}

#[test]
fn half_of_a_head_is_a_504() {
    let upstream = misbehaving(Fault::HalfHead);
    let warden = portwarden_at(&upstream.url()).registry_setting("response_timeout", "1s").start();
    let before = warden.open_files();
    for protocol in ["--http1.1", "--http2"] {
        curl(&warden).user(ADMIN).option(&[protocol]).get("/v2/team/app/tags/list").is(504);
    }
    let closed = eventually(PATIENCE, || warden.open_files() <= before + 1);
    assert!(closed, "{} open files, {before} before", warden.open_files());
}

#[test]
fn a_body_that_stands_still_ends_after_the_idle_limit() {
    let upstream = misbehaving(Fault::StalledBody);
    let limits = "limits: {idle_body: 1s, idle_timeout: 1s}";
    let warden = portwarden_at(&upstream.url()).with(limits).start();
    let before = warden.open_files();
    for protocol in ["--http1.1", "--http2"] {
        let answer = curl(&warden).user(ADMIN).option(&[protocol]).get("/v2/team/app/tags/list");
        assert!(![0, 28].contains(&answer.exit), "{protocol}: neither whole nor given up: {answer:?}");
    }
    let closed = eventually(PATIENCE, || warden.open_files() <= before + 1);
    assert!(closed, "{} open files, {before} before", warden.open_files());
}

#[test]
fn a_registry_without_room_says_so_to_who_pushes_and_takes_pushes_again_when_there_is_some() {
    let disk = SmallDisk::new(8 * 1024);
    let registry = registry_with_store(disk.path());
    let warden = portwarden(&registry).start();
    for protocol in ["--http1.1", "--http2"] {
        let request = curl(&warden).user(ADMIN).option(&[protocol]);
        let location = start_upload(&request, "team/app");
        disk.fill();
        // It is answered, and has the answer in whole, while most of the upload has yet to be sent.
        let mut sent = Ok(());
        let answer = request.clone().send_stream("PATCH", &location, |body| {
            sent = body.write_all(&random_bytes(64 << 20));
            Ok(())
        });
        assert_eq!((answer.exit, answer.status), (0, 500), "{protocol}: {answer:?}");
        assert!(answer.text().contains("no space left on device"), "{protocol}: {}", answer.text());
        assert!(sent.is_err(), "{protocol}: something took 64 MiB for which there is no room");
        disk.clear();
        push_blob(&request, "team/app", &random_bytes(1 << 20));
    }
}
