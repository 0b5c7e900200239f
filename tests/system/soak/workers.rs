//! The clients' work, each in a task of its own, over and over until they are stopped.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use hyper::Method;
use serde_json::json;
use tokio::{task::JoinHandle, time::sleep};

use super::tally::{Tally, Trouble};
use crate::support::{
    client::{Answer, Client, Connection, PROTOCOLS, with_digest, wrong_password},
    content::{Content, digest_of},
    distribution::MANIFEST,
    portwarden::{ADMIN, Portwarden, TEST, TEST2, USER, User},
};

/// The kinds of operation that every run must have seen.
pub const KINDS: [&str; 7] =
    ["pulls", "manifests", "pushes", "chunked pushes", "mounts", "strangers refused", "clients vanished"];
/// Descriptors that may be open when no client is connected any more: threads that look at files, the log.
pub const LEFT_OVER: usize = 4;

/// The sizes of the blobs that are pulled: the smaller, the more often.
const SIZES: [(u64, u64); 6] =
    [(17, 30), (4 << 10, 30), (200_000, 20), (1 << 20, 12), (9 << 20, 6), (64 << 20, 1)];
/// Contents that are pushed again and again, so that the store does not grow.
const PUSHED: u64 = 64;
/// Requests on one connection.
const REQUESTS: usize = 40;
/// So that the other programs of the machine get a turn.
const BREATH: Duration = Duration::from_millis(3);
/// A client that was refused for a crash tries again after a while.
const AGAIN: Duration = Duration::from_millis(100);
const FIXTURE: &str = "soak/fixture";

/// The digests of what is pulled, made once: a client that works them out itself is silent for seconds.
struct Fixture {
    blobs: Vec<String>,
    manifest: String,
}

/// One client with its connection.
struct Worker {
    client: Client,
    user: User,
    number: u64,
    tally: Arc<Tally>,
    fixture: Arc<Fixture>,
    connection: Option<(Connection, String)>,
    used: usize,
}

/// Fills the registry with what is pulled, and starts all clients.
pub async fn start(warden: &Portwarden, tally: &Arc<Tally>) -> Vec<JoinHandle<()>> {
    let client = |protocol| Client::new(warden, protocol);
    let fixture = Arc::new(fill(&client(PROTOCOLS[0])).await);
    let mut tasks = Vec::new();
    for (number, protocol) in (0..).zip(PROTOCOLS.into_iter().cycle().take(8)) {
        let worker = |user, of: u64| Worker::new(client(protocol), user, number * 10 + of, tally, &fixture);
        tasks.push(tokio::spawn(worker(USER, 0).pull()));
        if number < 4 {
            tasks.push(tokio::spawn(worker(ADMIN, 1).push()));
            tasks.push(tokio::spawn(worker(TEST2, 2).push_in_chunks()));
        }
        if number < 2 {
            tasks.push(tokio::spawn(worker(ADMIN, 3).mount()));
            let stranger = Worker::new(client(protocol).from(STRANGER), TEST, 4, tally, &fixture);
            tasks.push(tokio::spawn(stranger.intrude()));
            tasks.push(tokio::spawn(worker(ADMIN, 5).vanish()));
            let resetting =
                Worker::new(client(protocol).resetting(), ADMIN, number * 10 + 6, tally, &fixture);
            tasks.push(tokio::spawn(resetting.vanish()));
        }
    }
    tasks
}

/// Clients that fail do so from an address of their own.
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// The blobs that are pulled, and a manifest with all of them.
async fn fill(client: &Client) -> Fixture {
    let mut connection = client.connect().await.unwrap();
    let token = connection.token(ADMIN, &[&format!("repository:{FIXTURE}:pull,push")]).await.unwrap();
    for content in fixture().chain([Content::given("{}", "application/octet-stream")]) {
        assert_eq!(connection.push(FIXTURE, &token, &content).await.unwrap().status, 201);
    }
    let (target, manifest) = (format!("/v2/{FIXTURE}/manifests/latest"), manifest());
    let answer = connection.send(Method::PUT, &target, &token, &manifest).await.unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
    Fixture { blobs: fixture().map(|blob| blob.digest()).collect(), manifest: manifest.digest() }
}

fn fixture() -> impl Iterator<Item = Content> {
    SIZES.iter().map(|(size, _)| Content::made(*size, *size))
}

fn manifest() -> Content {
    let layers: Vec<_> = fixture()
        .map(|blob| {
            json!({"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "size": blob.size(), "digest": blob.digest()})
        })
        .collect();
    let config = json!({"mediaType": "application/vnd.docker.container.image.v1+json", "size": 2,
        "digest": Content::given("{}", "").digest()});
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
    Content::given(manifest.to_string(), MANIFEST)
}

impl Worker {
    fn new(client: Client, user: User, number: u64, tally: &Arc<Tally>, fixture: &Arc<Fixture>) -> Self {
        let (tally, fixture) = (Arc::clone(tally), Arc::clone(fixture));
        Self { client, user, number, tally, fixture, connection: None, used: 0 }
    }

    /// The small often, the large now and then; after each round the manifest.
    async fn pull(mut self) {
        let fixture = Arc::clone(&self.fixture);
        let weights: u64 = SIZES.iter().map(|(_, weight)| weight).sum();
        let mut turn = self.number;
        while !self.tally.is_stopped() {
            // A step that has no divisor in common with the sum visits every weight in a mixed order.
            turn += 37;
            let which = weighted(turn % weights);
            let digest = &fixture.blobs[which];
            let target = format!("/v2/{FIXTURE}/blobs/{digest}");
            self.operate("pulls", async |worker| worker.expect_content(&target, digest).await).await;
            if turn.is_multiple_of(5) {
                let target = format!("/v2/{FIXTURE}/manifests/latest");
                let digest = &fixture.manifest;
                self.operate("manifests", async |worker| worker.expect_content(&target, digest).await).await;
            }
        }
    }

    /// A blob in one piece, then back.
    async fn push(mut self) {
        let repository = format!("soak/pushed-{}", self.number);
        let mut turn = 0;
        while !self.tally.is_stopped() {
            turn += 1;
            let content = Content::made((self.number << 32) | (turn % PUSHED), turn % PUSHED * 40_961 + 1);
            let operation = async |worker: &mut Self| {
                let (connection, token) = worker.connected(&repository).await?;
                is(connection.push(&repository, token, &content).await?, 201)?;
                worker.tally.sent(content.size());
                let digest = content.digest();
                worker.expect_content(&format!("/v2/{repository}/blobs/{digest}"), &digest).await
            };
            self.operate("pushes", operation).await;
        }
    }

    /// A blob in two pieces of unknown length, then back.
    async fn push_in_chunks(mut self) {
        let repository = format!("soak/chunked-{}", self.number);
        let mut turn = 0;
        while !self.tally.is_stopped() {
            turn += 1;
            let piece = |n: u64| {
                Content::made((self.number << 32) | (n << 16) | (turn % PUSHED), turn % PUSHED * 30_011 + n)
            };
            let pieces = [piece(1).chunked(), piece(2).chunked()];
            let operation = async |worker: &mut Self| {
                let (connection, token) = worker.connected(&repository).await?;
                let target = format!("/v2/{repository}/blobs/uploads/");
                let started = connection.send(Method::POST, &target, token, &Content::empty()).await?;
                let mut location = location(&is(started, 202)?)?;
                for piece in &pieces {
                    let answer = connection.send(Method::PATCH, &location, token, piece).await?;
                    location = self::location(&is(answer, 202)?)?;
                }
                let digest = digest_of(&pieces);
                let target = with_digest(&location, &digest);
                is(connection.send(Method::PUT, &target, token, &Content::empty()).await?, 201)?;
                worker.tally.sent(pieces.iter().map(Content::size).sum());
                worker.expect_content(&format!("/v2/{repository}/blobs/{digest}"), &digest).await
            };
            self.operate("chunked pushes", operation).await;
        }
    }

    /// A blob from the fixture, pulled from where it is mounted, and taken away again.
    async fn mount(mut self) {
        let repository = format!("soak/mounted-{}", self.number);
        let digest = self.fixture.blobs[2].clone();
        let blob = format!("/v2/{repository}/blobs/{digest}");
        while !self.tally.is_stopped() {
            let operation = async |worker: &mut Self| {
                let (connection, token) = worker.connected(&repository).await?;
                let target = format!("/v2/{repository}/blobs/uploads/?mount={digest}&from={FIXTURE}");
                is(connection.send(Method::POST, &target, token, &Content::empty()).await?, 201)?;
                worker.expect_content(&blob, &digest).await?;
                let (connection, token) = worker.connected(&repository).await?;
                is(connection.send(Method::DELETE, &blob, token, &Content::empty()).await?, 202).map(drop)
            };
            self.operate("mounts", operation).await;
            sleep(AGAIN).await;
        }
    }

    /// Bad tokens, wrong passwords, and an account that may nothing.
    async fn intrude(mut self) {
        let manifest = format!("/v2/{FIXTURE}/manifests/latest");
        let guess = wrong_password("admin", "guess");
        let bad_token = "Bearer eyJhbGciOiJub25lIn0.e30.";
        while !self.tally.is_stopped() {
            let operation = async |worker: &mut Self| {
                let mut connection = worker.client.connect().await?;
                for (target, shown, expected) in [
                    (manifest.as_str(), "", &[401][..]),
                    (&manifest, bad_token, &[401]),
                    (&manifest, &guess, &[401, 429]),
                    ("/auth", &guess, &[401, 429]),
                    ("/v2/../etc/passwd", "", &[400, 404]),
                ] {
                    let answer = connection.get(target, shown).await?;
                    if !expected.contains(&answer.status) {
                        return Err(Trouble::Unexpected(format!("{target}: {answer:?}")));
                    }
                }
                Ok(())
            };
            self.operate("strangers refused", operation).await;
            sleep(AGAIN).await;
        }
    }

    /// Goes away in the middle of an upload, and in the middle of a download.
    async fn vanish(mut self) {
        let large = self.fixture.blobs.last().unwrap().clone();
        while !self.tally.is_stopped() {
            let operation = async |worker: &mut Self| {
                let (connection, token) = worker.connected(FIXTURE).await?;
                let target = format!("/v2/{FIXTURE}/blobs/uploads/");
                let started = connection.send(Method::POST, &target, token, &Content::empty()).await?;
                let location = location(&is(started, 202)?)?;
                let (content, stalled) = Content::made(1, 1 << 20).stalling(100_000);
                tokio::select! {
                    _ = connection.begin(Method::PATCH, &location, token, &content) => {}
                    () = stalled.notified() => {}
                }
                worker.connection = None;
                let (connection, token) = worker.connected(FIXTURE).await?;
                let target = format!("/v2/{FIXTURE}/blobs/{large}");
                drop(connection.begin(Method::GET, &target, token, &Content::empty()).await?);
                worker.connection = None;
                Ok(())
            };
            self.operate("clients vanished", operation).await;
            sleep(AGAIN).await;
        }
    }

    /// One operation, judged. After trouble the next one has a new connection.
    async fn operate(
        &mut self,
        what: &'static str,
        operation: impl AsyncFnOnce(&mut Self) -> Result<(), Trouble>,
    ) {
        let tally = Arc::clone(&self.tally);
        let well = tally.judge(what, operation(self)).await;
        self.used += 1;
        if !well || self.used > REQUESTS {
            self.connection = None;
            self.used = 0;
        }
        sleep(if well { BREATH } else { AGAIN }).await;
    }

    async fn connected(&mut self, repository: &str) -> Result<(&mut Connection, &str), Trouble> {
        if self.connection.is_none() {
            let mut connection = self.client.connect().await?;
            let mut scopes = vec![format!("repository:{FIXTURE}:pull,push")];
            scopes.push(format!("repository:{repository}:pull,push,delete"));
            let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
            let token = connection.token(self.user, &scopes).await?;
            self.connection = Some((connection, token));
        }
        let (connection, token) = self.connection.as_mut().expect("just connected");
        Ok((connection, token))
    }

    /// The body must be what the digest says.
    async fn expect_content(&mut self, target: &str, digest: &str) -> Result<(), Trouble> {
        let (connection, token) = self.connected(FIXTURE).await?;
        let answer = is(connection.get(target, token).await?, 200)?;
        if answer.digest != digest {
            return Err(Trouble::Corrupt(format!("{target} is {} of {} bytes", answer.digest, answer.bytes)));
        }
        self.tally.received(answer.bytes);
        Ok(())
    }
}

fn is(answer: Answer, status: u16) -> Result<Answer, Trouble> {
    if answer.status == status {
        Ok(answer)
    } else {
        Err(Trouble::Unexpected(format!("not {status}: {answer:?}")))
    }
}

fn location(answer: &Answer) -> Result<String, Trouble> {
    answer.location().ok_or_else(|| Trouble::Unexpected(format!("no Location: {answer:?}")))
}

fn weighted(mut at: u64) -> usize {
    let position = SIZES.iter().position(|(_, weight)| {
        let found = at < *weight;
        at = at.saturating_sub(*weight);
        found
    });
    position.expect("less than the sum")
}
