//! The whole path of an event, to an endpoint that answers as each test needs.

mod intents;

use std::{collections::VecDeque, path::Path, time::Instant};

use hyper::header::HeaderValue;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use super::*;
use crate::telemetry::Object;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// Far longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// One way to treat a request.
#[derive(Debug, Clone, PartialEq)]
enum Conduct {
    /// Answer with these bytes.
    Answer(&'static str),
    /// Read it, and close without an answer.
    Close,
    /// Read it, and never answer.
    Hang,
}

const TAKEN: Conduct = Conduct::Answer("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");

/// An endpoint that answers its first requests as the test says, and accepts all others.
struct Collector {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Collector {
    async fn start(conducts: Vec<Conduct>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let (seen, conducts) = (Arc::clone(&requests), Arc::new(Mutex::new(VecDeque::from(conducts))));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&seen), Arc::clone(&conducts)));
            }
        });
        Self { url, requests, task }
    }

    /// The events of a request.
    fn events(request: &str) -> Vec<Value> {
        let (_, body) = request.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<Value>(body).unwrap()["events"].as_array().unwrap().clone()
    }

    /// The repositories of the events of all requests.
    fn repositories(&self) -> Vec<Vec<String>> {
        let requests = self.requests.lock().clone();
        let repository = |event: &Value| event["target"]["repository"].as_str().unwrap().to_owned();
        requests.iter().map(|request| Self::events(request).iter().map(repository).collect()).collect()
    }

    /// Waits until so many requests have come.
    async fn has(&self, count: usize) {
        let began = Instant::now();
        while self.requests.lock().len() < count {
            assert!(began.elapsed() < PATIENCE, "{:?}", self.repositories());
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    seen: Arc<Mutex<Vec<String>>>,
    conducts: Arc<Mutex<VecDeque<Conduct>>>,
) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    let request = loop {
        let count = stream.read(&mut buffer).await.unwrap_or_default();
        if count == 0 {
            return;
        }
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .to_ascii_lowercase()
            .split_once("content-length: ")
            .map(|(_, rest)| rest.lines().next().unwrap().trim().parse::<usize>().unwrap());
        if body.len() >= length.unwrap() {
            break text;
        }
    };
    let conduct = conducts.lock().pop_front().unwrap_or(TAKEN);
    seen.lock().push(request);
    match conduct {
        Conduct::Answer(answer) => drop(stream.write_all(answer.as_bytes()).await),
        Conduct::Close => {}
        Conduct::Hang => sleep(PATIENCE * 10).await,
    }
}

/// A registry that knows no sizes, and says of each repository what became of its change.
#[derive(Default)]
struct Known(BTreeMap<&'static str, Lookup>);

impl RegistryQuestions for Known {
    fn details<'a>(&'a self, events: &'a [Arc<RegistryEvent>], _: bool) -> Answer<'a, Vec<TargetDetails>> {
        Box::pin(async { vec![TargetDetails::default(); events.len()] })
    }

    fn lookup<'a>(&'a self, event: &'a RegistryEvent) -> Answer<'a, Lookup> {
        let answer = self.0.get(event.repository.as_str()).cloned();
        Box::pin(async { answer.unwrap_or_else(|| Lookup::Done(Box::new(event.clone()))) })
    }
}

fn endpoint(name: &str, url: &str) -> EndpointSettings {
    EndpointSettings {
        name: name.to_owned(),
        url: url.parse().unwrap(),
        headers: Vec::new(),
        secret: None,
        authorities: Vec::new(),
        timeout: PATIENCE,
        threshold: 3,
        backoff: Duration::from_millis(100),
        ignored_media_types: Vec::new(),
        ignored_actions: Vec::new(),
    }
}

fn settings(directory: &Path, endpoints: Vec<EndpointSettings>) -> NotificationSettings {
    NotificationSettings { endpoints, spool: Some(directory.join("spool")), waiting: 100, references: false }
}

fn start(settings: &NotificationSettings) -> Arc<Notifications> {
    Notifications::start(settings, EventSource::new("host".to_owned()), Arc::new(Known::default())).unwrap()
}

fn push(repository: &str) -> Arc<RegistryEvent> {
    let event = RegistryEvent::deletion(Object::Manifest, repository, None, Some(DIGEST));
    Arc::new(RegistryEvent { action: Action::Push, media_type: Some("m".to_owned()), ..event })
}

async fn until(what: impl Fn() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed() < PATIENCE, "it does not come");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn rule_57_events_arrive_in_order_and_again_with_the_same_id_until_they_are_taken() {
    let directory = tempfile::tempdir().unwrap();
    let lies = "HTTP/1.1 301 Moved Permanently\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
    let conducts = vec![
        Conduct::Answer("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"),
        Conduct::Answer(lies),
        Conduct::Answer("nonsense\r\n\r\n"),
        Conduct::Answer(""),
        Conduct::Close,
    ];
    let collector = Collector::start(conducts).await;
    let notifications = start(&settings(directory.path(), vec![endpoint("one", &collector.url)]));
    notifications.hear(&push("first"));
    collector.has(6).await;
    for n in 0..10 {
        notifications.hear(&push(&format!("r{n}")));
    }
    until(|| notifications.deliveries()[0].sent == 11 && notifications.deliveries()[0].waiting == 0).await;
    let requests = collector.requests.lock().clone();
    let first: Vec<_> = requests[..6].iter().map(|request| Collector::events(request)).collect();
    assert!(first.iter().all(|events| *events == first[0]), "the same event with the same id: {first:?}");
    assert!(requests.iter().all(|request| request.starts_with("POST /events HTTP/1.1\r\n")));
    let rest: Vec<String> = collector.repositories()[6..].concat();
    assert_eq!(rest, (0..10).map(|n| format!("r{n}")).collect::<Vec<_>>());
    let reading = notifications.deliveries().remove(0);
    let expected = DeliveryReading { endpoint: "one".to_owned(), sent: 11, failed: 5, ..reading.clone() };
    assert_eq!((reading.waiting, reading.oldest, reading.dropped, reading.error.clone()), (0, 0, 0, None));
    assert_eq!(reading, expected);
}

#[tokio::test]
async fn rule_57_an_endpoint_that_hangs_is_given_up_on_and_harms_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (hanging, good) =
        (Collector::start(vec![Conduct::Hang; 2]).await, Collector::start(Vec::new()).await);
    let mut first = endpoint("hanging", &hanging.url);
    first.timeout = Duration::from_millis(200);
    let notifications = start(&settings(directory.path(), vec![first, endpoint("good", &good.url)]));
    notifications.hear(&push("a"));
    good.has(1).await;
    hanging.has(3).await;
    until(|| notifications.deliveries()[0].sent == 1).await;
    assert_eq!(notifications.deliveries()[0].failed, 2);
    assert_eq!(notifications.deliveries()[1].failed, 0);
}

#[tokio::test]
async fn rule_57_what_waits_is_sent_after_a_restart_and_dropped_with_its_endpoint() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = "http://127.0.0.1:1/";
    let both = vec![endpoint("stays", nowhere), endpoint("goes", nowhere)];
    let notifications = start(&settings(directory.path(), both));
    for n in 0..3 {
        notifications.hear(&push(&format!("r{n}")));
    }
    notifications.finish().await;
    drop(notifications);
    let collector = Collector::start(Vec::new()).await;
    let notifications = start(&settings(directory.path(), vec![endpoint("stays", &collector.url)]));
    until(|| notifications.deliveries()[0].sent == 3).await;
    assert_eq!(collector.repositories().concat(), ["r0", "r1", "r2"]);
    // Another server at the old name gets nothing of what was for the other.
    let later = settings(directory.path(), vec![endpoint("goes", &collector.url)]);
    notifications.replace(notifications.prepare(&later).unwrap());
    notifications.hear(&push("later"));
    until(|| notifications.deliveries()[0].sent == 1).await;
    assert_eq!(collector.repositories().concat(), ["r0", "r1", "r2", "later"]);
}

#[tokio::test]
async fn rule_57_settings_of_now_decide_about_what_was_kept() {
    let directory = tempfile::tempdir().unwrap();
    let notifications = start(&settings(directory.path(), vec![endpoint("one", "http://127.0.0.1:1/")]));
    let deletion = Arc::new(RegistryEvent::deletion(Object::Manifest, "gone", None, Some(DIGEST)));
    for event in [push("secret"), deletion] {
        notifications.hear(&event);
    }
    until(|| notifications.deliveries()[0].waiting == 2).await;
    let collector = Collector::start(Vec::new()).await;
    let mut narrower = endpoint("one", &collector.url);
    narrower.ignored_media_types = vec!["m".to_owned()];
    let narrower = settings(directory.path(), vec![narrower]);
    notifications.replace(notifications.prepare(&narrower).unwrap());
    until(|| notifications.deliveries()[0].waiting == 0).await;
    notifications.hear(&push("secret"));
    let mut pull = (*push("pulled")).clone();
    (pull.action, pull.media_type) = (Action::Pull, None);
    notifications.hear(&Arc::new(pull));
    until(|| notifications.deliveries()[0].sent == 2).await;
    assert_eq!(collector.repositories().concat(), ["gone", "pulled"]);
}

#[tokio::test]
async fn an_endpoint_has_so_much_room_and_others_have_theirs() {
    let directory = tempfile::tempdir().unwrap();
    let collector = Collector::start(Vec::new()).await;
    let endpoints = vec![endpoint("full", "http://127.0.0.1:1/"), endpoint("good", &collector.url)];
    let notifications = start(&settings(directory.path(), endpoints));
    for n in 0..150 {
        notifications.hear(&push(&format!("r{n}")));
        if n % 50 == 49 {
            until(|| notifications.deliveries()[1].sent == n + 1).await;
        }
    }
    let full = notifications.deliveries().remove(0);
    assert_eq!((full.waiting, full.dropped), (100, 50));
    assert!(full.error.is_some_and(|error| error.starts_with("no connection: ")));
    let good = collector.repositories().concat();
    assert_eq!(good, (0..150).map(|n| format!("r{n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_flood_of_pulls_leaves_room_for_a_push() {
    let directory = tempfile::tempdir().unwrap();
    let notifications = start(&settings(directory.path(), vec![endpoint("one", "http://127.0.0.1:1/")]));
    for n in 0..150 {
        let mut pull = (*push(&format!("r{n}"))).clone();
        pull.action = Action::Pull;
        notifications.hear(&Arc::new(pull));
    }
    until(|| notifications.deliveries()[0].dropped == 75).await;
    notifications.hear(&push("a"));
    until(|| notifications.deliveries()[0].waiting == 76).await;
    assert_eq!(notifications.deliveries()[0].dropped, 75);
}

#[tokio::test]
async fn a_spool_that_cannot_be_used_holds_nothing_up_and_is_used_once_it_can() {
    let directory = tempfile::tempdir().unwrap();
    let collector = Collector::start(Vec::new()).await;
    let missing = directory.path().join("missing");
    let notifications = start(&settings(&missing, vec![endpoint("one", &collector.url)]));
    notifications.hear(&push("a"));
    until(|| notifications.heard.capacity() == IN_MEMORY).await;
    std::fs::create_dir(&missing).unwrap();
    collector.has(1).await;
    assert_eq!(collector.repositories(), [["a"]]);
}

#[tokio::test]
async fn without_endpoints_nothing_is_heard_and_no_file_made() {
    let directory = tempfile::tempdir().unwrap();
    let notifications = start(&settings(directory.path(), Vec::new()));
    assert!(!notifications.is_listening());
    notifications.hear(&push("a"));
    let collector = Collector::start(Vec::new()).await;
    let some = settings(directory.path(), vec![endpoint("one", &collector.url)]);
    assert!(!directory.path().join("spool").exists());
    notifications.replace(notifications.prepare(&some).unwrap());
    assert!(notifications.is_listening());
    notifications.hear(&push("b"));
    collector.has(1).await;
    assert_eq!(collector.repositories(), [["b"]]);
    let without = start(&NotificationSettings::default());
    let refused = without.prepare(&some).map(|_| ()).unwrap_err();
    assert!(refused.contains("restart Portwarden"), "{refused}");
}

#[tokio::test]
async fn requests_are_signed_and_have_the_headers_of_the_operator() {
    let directory = tempfile::tempdir().unwrap();
    let collector = Collector::start(Vec::new()).await;
    let mut signed = endpoint("one", &collector.url);
    signed.secret = Some(SigningSecret::new(b"0123456789abcdef".to_vec()));
    signed.headers = vec![("x-two".parse().unwrap(), HeaderValue::from_static("one"))];
    let notifications = start(&settings(directory.path(), vec![signed]));
    notifications.hear(&push("a"));
    collector.has(1).await;
    let request = collector.requests.lock()[0].clone();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    let timestamp = header("portwarden-timestamp: ");
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"0123456789abcdef");
    let tag = aws_lc_rs::hmac::sign(&key, format!("{timestamp}.{body}").as_bytes());
    let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(header("portwarden-signature: "), format!("sha256={digits}"));
    assert_eq!(header("x-two: "), "one");
    assert_eq!(header("content-type: "), "application/vnd.docker.distribution.events.v2+json");
}
