//! Notifications: the events of pushes, pulls, mounts and deletions, beside those that the registry sends itself about the
//! same requests; and endpoints, spools and servers that fail.
//!
//! Needs: curl, docker-registry, htpasswd, openssl, skopeo, strace.

use std::{collections::BTreeMap, fs, path::Path, thread};

use serde_json::{Value, json};

use crate::support::{
    collector::{Collector, Manner, collector, collector_with_tls},
    command::run,
    curl::{Request, curl, curl_at},
    distribution::{MANIFEST, push_blob, push_image, put_manifest, start_upload},
    events::{assert_the_same, of_clients, with_references},
    image::{Image, random_bytes, sha256},
    metrics::{self, value},
    portwarden::{ADMIN, Builder, Portwarden, TEST2, USER, portwarden, portwarden_at, program},
    registry::{Registry, deletes_one_tag, registry, registry_notifying},
    relay::{RelayFault, relay},
    skopeo::skopeo,
    waiting::{PATIENCE, eventually},
};

/// The key of a signature.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn endpoint(name: &str, url: &str, more: &str) -> String {
    format!("{{name: {name}, url: '{url}', timeout: 10s, threshold: 2, backoff: 100ms{more}}}")
}

fn section(endpoints: &[String]) -> String {
    format!("notifications: {{spool: notifications.spool, endpoints: [{}]}}", endpoints.join(", "))
}

fn notifying(registry: &Registry, endpoints: &[String]) -> Builder {
    portwarden(registry).with(metrics::ON).with(&section(endpoints))
}

fn to(registry: &Registry, collector: &Collector) -> Portwarden {
    notifying(registry, &[endpoint("one", &collector.url(), "")]).start()
}

fn admin(warden: &Portwarden) -> Request {
    curl(warden).user(ADMIN).header("User-Agent: a client of the tests")
}

fn metric(warden: &Portwarden, name: &str, endpoint: &str) -> f64 {
    value(warden, &format!("portwarden_notifications_{name}{{endpoint=\"{endpoint}\"}}")).unwrap_or(-1.0)
}

fn count(warden: &Portwarden, outcome: &str) -> f64 {
    let name = format!("portwarden_notifications_total{{endpoint=\"one\",outcome=\"{outcome}\"}}");
    value(warden, &name).unwrap_or(-1.0)
}

/// Pushes a manifest under each of these tags.
fn push_tags(warden: &Portwarden, tags: &[String]) {
    for tag in tags {
        put_manifest(&admin(warden), "acme/app", tag, b"{}", &[]).is(201);
    }
}

/// The tags of events about pushes, in their order.
fn tags(events: &[Value]) -> Vec<String> {
    let pushes = events.iter().filter(|event| event["action"] == "push");
    pushes.filter_map(|event| event["target"]["tag"].as_str().map(str::to_owned)).collect()
}

fn names(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("t{n}")).collect()
}

// ---- the same as the registry's own

/// Pushes, mounts, pulls and deletes; returns the number of events. What is deleted must have come before.
fn all_kinds(warden: &Portwarden, ours: &Collector) -> usize {
    let client = admin(warden);
    let (config, layer) = (b"{}".to_vec(), random_bytes(3000));
    // A blob in one piece, one in two, and one that is mounted.
    push_blob(&client, "acme/app", &config);
    let location = start_upload(&client, "acme/app");
    let patched = client.clone().body(&layer[..1000]).send("PATCH", &location).is(202);
    let location = patched.header("location").unwrap().to_owned();
    let digest = sha256(&layer);
    let end = crate::support::distribution::with_digest(&location, &digest);
    client.clone().body(&layer[1000..]).send("PUT", &end).is(201);
    let mount = format!("/v2/acme/other/blobs/uploads/?mount={digest}&from=acme/app");
    client.clone().send("POST", &mount).is(201);
    let pushed = put_manifest(&client, "acme/app", "1", &config, &[&layer]).is(201);
    let manifest = pushed.header("docker-content-digest").unwrap().to_owned();
    let accept = client.clone().header(&format!("Accept: {MANIFEST}"));
    accept.clone().get("/v2/acme/app/manifests/1").is(200);
    accept.clone().head("/v2/acme/app/manifests/1").is(200);
    accept.get(&format!("/v2/acme/app/manifests/{manifest}")).is(200);
    client.clone().get(&format!("/v2/acme/app/blobs/{digest}")).is(200);
    client.clone().head(&format!("/v2/acme/app/blobs/{digest}")).is(200);
    client.clone().header("Range: bytes=0-9").get(&format!("/v2/acme/app/blobs/{digest}")).is(206);
    ours.until(|events| events.len() == 10);
    client.clone().send("DELETE", &format!("/v2/acme/app/manifests/{manifest}")).is(202);
    client.clone().send("DELETE", &format!("/v2/acme/app/blobs/{digest}")).is(202);
    // Nothing of note.
    client.clone().get("/v2/acme/app/manifests/none").is(404);
    client.get("/v2/acme/app/tags/list").is(200);
    13
}

#[test]
fn events_are_those_of_the_registry_field_by_field() {
    let (theirs, ours) = (collector(), collector());
    let registry = registry_notifying(&theirs.url());
    let warden = portwarden(&registry).with(&with_references(&ours)).start();
    let mut expected = all_kinds(&warden, &ours);
    let image = Image::random(1, 1000).archive("acme/real:1");
    skopeo(&warden, ADMIN).push(image.path(), "acme/real:1").succeeds();
    skopeo(&warden, ADMIN).pull("acme/real:1").succeeds();
    // Two blobs and a manifest each way; skopeo may also ask whether they are there.
    expected += 6;
    ours.until(|events| events.len() >= expected);
    let (ours, theirs) = assert_the_same(&ours, &theirs);
    for event in &ours {
        assert_eq!(event["actor"], json!({"name": "admin"}), "{event}");
        assert_eq!(event["request"]["addr"], "127.0.0.1", "{event}");
        let portwarden = &event["portwarden"];
        assert_eq!(portwarden["section"], "users");
        assert!(portwarden["rule"].as_str().is_some_and(|rule| rule.starts_with("rule 1, line ")), "{event}");
    }
    assert!(of_clients(&theirs).iter().all(|event| event["actor"] == json!({})), "then this is of no use");
}

#[test]
fn a_push_by_digest_with_tags_and_a_deletion_of_a_tag_name_their_tags() {
    let (registry, collector) = (registry(), collector());
    let warden = to(&registry, &collector);
    let client = admin(&warden);
    push_blob(&client, "acme/app", b"{}");
    let pushed = put_manifest(&client, "acme/app", "first", b"{}", &[]).is(201);
    let digest = pushed.header("docker-content-digest").unwrap().to_owned();
    let by_digest = format!("{digest}?tag=a&tag=b");
    put_manifest(&client, "acme/app", &by_digest, b"{}", &[]).is(201);
    client.send("DELETE", "/v2/acme/app/manifests/first").is(202);
    let events = collector.until(|events| events.len() == 5);
    assert_eq!(tags(&events), ["first", "a", "b"]);
    let deletion = events.last().unwrap();
    assert_eq!(deletion["target"], json!({"repository": "acme/app", "tag": "first"}));
    assert_eq!((&deletion["action"], &deletion["portwarden"]["object"]), (&json!("delete"), &json!("tag")));
}

#[test]
fn a_deletion_by_digest_names_each_tag_that_went() {
    let (registry, collector) = (registry(), collector());
    let warden = to(&registry, &collector);
    let client = admin(&warden);
    push_blob(&client, "acme/app", b"{}");
    push_tags(&warden, &["a".to_owned(), "b".to_owned()]);
    let digest = put_manifest(&client, "acme/app", "c", b"{}", &[]).is(201);
    let digest = digest.header("docker-content-digest").unwrap().to_owned();
    let other = push_image(&client, "acme/app", "other");
    client.clone().send("DELETE", &format!("/v2/acme/app/manifests/{digest}")).is(202);
    client.clone().send("DELETE", &format!("/v2/acme/app/manifests/{other}")).is(202);
    client.clone().send("DELETE", &format!("/v2/acme/app/manifests/{other}")).is(404);
    let deletions = |events: &[Value]| {
        let deletions = events.iter().filter(|event| event["action"] == "delete");
        deletions.map(|event| event["target"].clone()).collect::<Vec<_>>()
    };
    let manifest = |digest: &str| json!({"digest": digest, "repository": "acme/app"});
    let tag = |tag: &str| json!({"repository": "acme/app", "tag": tag});
    let events = collector.until(|events| deletions(events).len() == 6);
    let expected = [manifest(&digest), tag("a"), tag("b"), tag("c"), manifest(&other), tag("other")];
    assert_eq!(deletions(&events), expected);
    // Above a thousand tags they are not looked at.
    push_image(&client, "acme/many", "like");
    let many: Vec<String> = (0..1000).map(|n| format!("n{n}")).collect();
    registry.add_tags("acme/many", "like", &many);
    let accept = client.clone().header(&format!("Accept: {MANIFEST}"));
    let digest = accept.head("/v2/acme/many/manifests/like").is(200);
    let digest = digest.header("docker-content-digest").unwrap().to_owned();
    client.send("DELETE", &format!("/v2/acme/many/manifests/{digest}")).is(202);
    push_image(&admin(&warden), "acme/last", "1");
    let events =
        collector.until(|events| events.iter().any(|event| event["target"]["repository"] == "acme/last"));
    assert_eq!(deletions(&events).len(), 7, "{events:#?}");
}

#[test]
fn what_is_refused_is_no_event_and_what_is_ignored_is_not_sent() {
    let (registry, all, some) = (registry(), collector(), collector());
    let ignore = ", ignore: {actions: [pull], mediatypes: [application/octet-stream]}";
    let endpoints = [endpoint("one", &all.url(), ""), endpoint("two", &some.url(), ignore)];
    let warden = notifying(&registry, &endpoints).start();
    push_image(&curl(&warden).user(TEST2), "acme/app", "1");
    curl(&warden).user(USER).send("DELETE", "/v2/acme/app/manifests/1").is(401);
    curl(&warden).get("/v2/acme/app/manifests/1").is(401);
    let pull = curl(&warden).user(USER).header(&format!("Accept: {MANIFEST}"));
    pull.get("/v2/acme/app/manifests/1").is(200);
    let events = all.until(|events| events.len() == 4);
    let by = |event: &Value| format!("{} {}", event["action"], event["actor"]["name"]).replace('"', "");
    let by: Vec<String> = events.iter().map(by).collect();
    assert_eq!(by, ["push test2", "push test2", "push test2", "pull user"]);
    let events = some.until(|events| !events.is_empty());
    assert_eq!(tags(&events), ["1"]);
    assert!(eventually(PATIENCE, || metric(&warden, "waiting", "two") == 0.0));
    assert_eq!(some.events().len(), 1);
}

// ---- endpoints

#[test]
fn rule_57_an_endpoint_that_fails_loses_no_event_and_gets_them_in_order_with_their_ids() {
    let (registry, mut collector) = (registry(), collector());
    let endpoints = [endpoint("one", &collector.url(), "").replace("10s", "500ms")];
    let warden = notifying(&registry, &endpoints).start();
    push_blob(&admin(&warden), "acme/app", b"{}");
    collector.until(|events| events.len() == 1);
    let mut pushed = 0;
    for manner in [Manner::Status(500), Manner::Status(404), Manner::Redirects, Manner::Closes, Manner::Hangs]
    {
        collector.behave(manner);
        let before = collector.posted().len();
        push_tags(&warden, &names(pushed..pushed + 2));
        pushed += 2;
        assert!(eventually(PATIENCE, || collector.posted().len() > before + 1), "{manner:?}");
        collector.behave(Manner::Takes);
        collector.until(|events| tags(events) == names(0..pushed));
    }
    for manner in [Manner::IsSlow, Manner::IsEndless] {
        collector.behave(manner);
        push_tags(&warden, &names(pushed..pushed + 2));
        pushed += 2;
        collector.until(|events| tags(events) == names(0..pushed));
    }
    collector.behave(Manner::Takes);
    collector.stop();
    push_tags(&warden, &names(pushed..pushed + 3));
    pushed += 3;
    warden.says("an endpoint does not take notifications, which wait: ");
    assert!(eventually(PATIENCE, || metric(&warden, "waiting", "one") == 3.0));
    collector.restart();
    collector.until(|events| tags(events) == names(0..pushed));
    let mut ids: BTreeMap<String, Value> = BTreeMap::new();
    for event in collector.posted().iter().flat_map(|posted| posted.events()) {
        let known = ids.entry(event["id"].to_string()).or_insert_with(|| event.clone());
        assert_eq!(*known, event, "the same event under the same id");
    }
    assert_eq!(ids.len(), pushed + 1);
    assert_eq!((count(&warden, "sent"), count(&warden, "dropped")), ((pushed + 1) as f64, 0.0));
    assert!(count(&warden, "failed") >= 10.0);
}

#[test]
fn rule_57_requests_are_signed_over_tls_and_no_secret_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let (registry, (collector, authority)) = (registry(), collector_with_tls(directory.path()));
    let secret = directory.path().join("secret");
    fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let more = format!(
        ", headers: {{Authorization: [Bearer hunter2]}}, secret_file: '{}', ca_certificate: '{}'",
        secret.display(),
        authority.display()
    );
    let socket = directory.path().join("control.sock");
    let control = format!("control: {{socket: '{}'}}\nlog: {{level: debug}}", socket.display());
    let url = format!("{}/token-in-a-path", collector.url());
    let untrusted = endpoint("untrusted", &collector.url(), "");
    let warden = notifying(&registry, &[endpoint("one", &url, &more), untrusted]).with(&control).start();
    push_blob(&admin(&warden), "acme/app", b"{}");
    collector.until(|events| events.len() == 1);
    assert!(
        eventually(PATIENCE, || (metric(&warden, "waiting", "one"), count(&warden, "sent")) == (0.0, 1.0))
    );
    let posted = collector.posted().remove(0);
    assert_eq!(posted.header("authorization"), Some("Bearer hunter2"));
    assert_eq!(posted.header("content-type"), Some("application/vnd.docker.distribution.events.v2+json"));
    let file = directory.path().join("signed");
    let timestamp = posted.header("portwarden-timestamp").unwrap();
    fs::write(&file, format!("{timestamp}.{}", posted.body)).unwrap();
    let arguments = ["dgst", "-sha256", "-hmac", SECRET, "-r", file.to_str().unwrap()];
    let digest = run("openssl", &arguments, &[]).succeeds().stdout;
    let digest = digest.split(' ').next().unwrap();
    assert_eq!(posted.header("portwarden-signature"), Some(&*format!("sha256={digest}")));
    assert!(
        eventually(PATIENCE, || metric(&warden, "waiting", "untrusted") == 1.0),
        "its authority is unknown"
    );
    warden.says("endpoint=\"untrusted\"");
    let status = run(&program(), &["status", "--socket", socket.to_str().unwrap()], &[]).succeeds();
    let json = run(&program(), &["status", "--json", "--socket", socket.to_str().unwrap()], &[]).succeeds();
    let file = warden.file("portwarden.yml");
    let check = run(&program(), &["check", "--config", file.to_str().unwrap()], &[]).succeeds();
    status.says("notifications to one: 0 waiting, 1 sent, 0 dropped, 0 failed attempts");
    let read: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(read["notifications"][0]["endpoint"], "one");
    assert_eq!(read["notifications"][1]["waiting"], 1);
    let shown = [warden.log(), json.stdout, check.stdout, check.stderr].concat();
    for secret in [SECRET, "hunter2", "token-in-a-path"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn endpoints_come_and_go_with_a_reload() {
    let (registry, first, second) = (registry(), collector(), collector());
    first.behave(Manner::Status(503));
    let mut warden = to(&registry, &first);
    push_blob(&admin(&warden), "acme/app", b"{}");
    push_tags(&warden, &names(0..2));
    assert!(eventually(PATIENCE, || metric(&warden, "waiting", "one") == 3.0));
    let (old, new) = (section(&[endpoint("one", &first.url(), "")]), endpoint("two", &second.url(), ""));
    let with = |builder: Builder, from: &str, to: &str| builder.replacing(from, to);
    let other = section(std::slice::from_ref(&new));
    warden.reload(|builder| with(builder, &old, &other));
    warden.says("an endpoint is gone: the notifications that waited for it are dropped");
    push_tags(&warden, &names(2..3));
    second.until(|events| tags(events) == ["t2"]);
    first.behave(Manner::Takes);
    warden
        .reload(|builder| with(builder, &other, &section(&[endpoint("one", &first.url(), ""), new.clone()])));
    push_tags(&warden, &names(3..4));
    first.until(|events| tags(events) == ["t3"]);
    second.until(|events| tags(events) == ["t2", "t3"]);
}

// ---- servers and spools

#[test]
fn rule_57_what_is_stored_survives_a_crash_at_any_moment() {
    let (registry, mut collector) = (registry(), collector());
    let mut warden = to(&registry, &collector);
    push_blob(&admin(&warden), "acme/app", b"{}");
    collector.until(|events| events.len() == 1);
    collector.stop();
    let mut stored = Vec::new();
    for round in 0..5 {
        let sure: Vec<String> = (0..3).map(|n| format!("sure-{round}-{n}")).collect();
        let before = metric(&warden, "waiting", "one");
        push_tags(&warden, &sure);
        assert!(eventually(PATIENCE, || metric(&warden, "waiting", "one") >= before + 3.0));
        stored.extend(sure);
        // Pushes are under way when it is killed: their events may be stored or not.
        thread::scope(|scope| {
            let client = admin(&warden);
            let pushing = scope.spawn(move || {
                for n in 0..50 {
                    let tag = format!("maybe-{round}-{n}");
                    if put_manifest(&client, "acme/app", &tag, b"{}", &[]).status != 201 {
                        return;
                    }
                }
            });
            let enough =
                eventually(PATIENCE, || !registry.requests(&format!("maybe-{round}-{round}")).is_empty());
            assert!(enough, "nothing is pushed");
            run("kill", &["-9", &warden.id().to_string()], &[]).succeeds();
            pushing.join().unwrap();
        });
        warden.crash_and_restart();
        // Its metrics are on another port.
        let starts = || warden.log().matches("metrics and health").count();
        assert!(eventually(PATIENCE, || starts() == round + 2));
    }
    collector.restart();
    let is_sure = |tag: &String| tag.starts_with("sure");
    let sure = |events: &[Value]| tags(events).into_iter().filter(is_sure).collect::<Vec<_>>();
    let events = collector.until(|events| sure(events) == stored);
    // The registry has nothing that there is no event of, however late the kill came.
    let list = curl_at(&registry.url()).get("/v2/acme/app/tags/list").is(200);
    let has: Vec<String> = serde_json::from_value(list.json()["tags"].clone()).unwrap();
    let missing = |events: &[Value]| {
        let known = tags(events);
        has.iter().filter(|tag| !known.contains(tag)).cloned().collect::<Vec<_>>()
    };
    let events =
        if missing(&events).is_empty() { events } else { collector.until(|all| missing(all).is_empty()) };
    let is_settled = |tag: &String| {
        events.iter().any(|event| event["target"]["tag"] == **tag && event["portwarden"]["settled"] == true)
    };
    let maybe = tags(&events).into_iter().filter(|tag| !is_sure(tag) && !is_settled(tag));
    let maybe: Vec<String> = maybe.collect();
    let mut in_order = maybe.clone();
    in_order.sort_by_key(|tag| tag.split('-').skip(1).map(|n| n.parse().unwrap()).collect::<Vec<u32>>());
    assert_eq!(maybe, in_order);
    assert!(!warden.log().contains("is damaged"), "{}", warden.log());
}

/// A change that is under way when the server is killed.
struct Change {
    method: &'static str,
    target: String,
    /// The beginning of the request to the registry by which it is done.
    by: String,
    /// The events, in words.
    events: &'static [&'static str],
}

fn changes([layer, first]: &[String; 2]) -> [Change; 5] {
    let change = |method, target: String, events| Change {
        by: format!("{method} {}", target.split('?').next().unwrap()),
        method,
        target,
        events,
    };
    let mount = format!("/v2/acme/other/blobs/uploads/?mount={layer}&from=acme/app");
    let by_digest = format!("/v2/acme/app/manifests/{first}");
    let tag = "/v2/acme/app/manifests/second";
    [
        change("POST", mount, &["mount blob"]),
        change("PUT", "/v2/acme/app/manifests/new".to_owned(), &["push manifest new"]),
        // Registry 2.8 cannot delete a tag alone: it gets the placeholder first.
        Change {
            by: format!("{} {tag}", if deletes_one_tag() { "DELETE" } else { "PUT" }),
            ..change("DELETE", tag.to_owned(), &["delete tag second"])
        },
        change("DELETE", by_digest, &["delete manifest", "delete tag first"]),
        change("DELETE", format!("/v2/acme/app/blobs/{layer}"), &["delete blob"]),
    ]
}

fn in_words(event: &Value) -> String {
    let text = |at: &str| event.pointer(at).and_then(Value::as_str).unwrap_or_default();
    let words = [text("/action"), text("/portwarden/object"), text("/target/tag")];
    words.join(" ").trim().to_owned()
}

/// Pushes two images. Returns a layer, and the digests of it and of the first manifest.
fn two_images(client: &Request) -> (Vec<u8>, [String; 2]) {
    let layer = random_bytes(2000);
    push_blob(client, "acme/app", b"{}");
    push_blob(client, "acme/app", &layer);
    let first = put_manifest(client, "acme/app", "first", b"{}", &[]).is(201);
    let first = first.header("docker-content-digest").unwrap().to_owned();
    put_manifest(client, "acme/app", "second", b"{}", &[&layer]).is(201);
    let digest = sha256(&layer);
    (layer, [digest, first])
}

fn make(client: &Request, change: &Change, layer: &[u8]) {
    if change.method == "PUT" {
        put_manifest(client, "acme/app", "new", b"{}", &[layer, layer]);
    } else {
        client.clone().send(change.method, &change.target);
    }
}

#[test]
fn rule_57_what_the_registry_did_while_the_server_was_killed_is_an_event() {
    let (registry, collector) = (registry(), collector());
    let relay = relay(registry.address());
    let section = section(&[endpoint("one", &collector.url(), ", ignore: {actions: [pull]}")]);
    let mut warden = portwarden_at(&relay.url()).with(&section).start();
    let (layer, digests) = two_images(&admin(&warden));
    let mut expected: Vec<&str> = Vec::new();
    for change in changes(&digests) {
        // First it never reaches the registry, then only the answer is missing.
        for fault in [RelayFault::Stuck(change.by.clone()), RelayFault::Held(change.by.clone())] {
            if matches!(fault, RelayFault::Held(_)) {
                expected.extend(change.events);
            }
            relay.set(Some(fault));
            let client = admin(&warden);
            thread::scope(|scope| {
                let sending = scope.spawn(|| make(&client, &change, &layer));
                assert!(eventually(PATIENCE, || relay.has_met(&change.by) > 0), "{} is not sent", change.by);
                run("kill", &["-9", &warden.id().to_string()], &[]).succeeds();
                sending.join().unwrap();
            });
            relay.set(None);
            warden.crash_and_restart();
        }
        let settled = |events: &[Value]| {
            let settled = events.iter().filter(|event| event["portwarden"]["settled"] == true);
            settled.map(in_words).collect::<Vec<_>>()
        };
        let events = collector.until(|events| settled(events).len() >= expected.len());
        assert_eq!(settled(&events), expected, "after {}", change.by);
        assert!(events.iter().all(|event| event["actor"]["name"] == "admin"));
    }
}

/// Returns true if it answers, and says that no event waits. It may be killed at any moment.
fn none_waits(warden: &Portwarden) -> bool {
    let text = metrics::watcher(warden).get("/metrics").text();
    text.contains("portwarden_notifications_waiting{endpoint=\"one\"} 0\n")
}

/// Returns true unless the process has ended, also while its parent does not know yet.
fn is_running(process: u32) -> bool {
    let state = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    state.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// The calls by which the spool changes its files.
const CALLS: [&str; 2] = ["pwrite64", "fsync"];

#[test]
fn rule_57_a_kill_at_any_write_to_the_spool_loses_nothing() {
    let (registry, collector) = (registry(), collector());
    let mut warden = to(&registry, &collector);
    let (spool, journal) = (warden.file("notifications.spool"), warden.file("notifications.spool-journal"));
    push_blob(&admin(&warden), "acme/app", b"{}");
    // An event behind all others: once it is taken, nothing is left to write.
    let settle = |warden: &Portwarden, tag: &str| {
        push_tags(warden, &[tag.to_owned()]);
        collector.until(|events| tags(events).iter().any(|found| found == tag));
        assert!(eventually(PATIENCE, || none_waits(warden)), "{tag}");
    };
    settle(&warden, "first");
    for call in CALLS {
        for n in 1.. {
            let tag = format!("{call}-{n}");
            let (which, when) = (format!("trace={call}"), format!("inject={call}:signal=KILL:when={n}"));
            let paths = [spool.to_str().unwrap(), journal.to_str().unwrap()];
            let strace = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-P", paths[0], "-P", paths[1]];
            warden.crash_and_restart_under(&[&strace[..], &["-e", &which, "-e", &when]].concat());
            let is_pushed = put_manifest(&admin(&warden), "acme/app", &tag, b"{}", &[]).status == 201;
            let has = |events: &[Value]| tags(events).contains(&tag);
            let is_done = || has(&collector.events()) && none_waits(&warden);
            assert!(eventually(PATIENCE, || !is_running(warden.id()) || is_done()), "{tag}");
            let is_killed = !is_running(warden.id());
            warden.crash_and_restart_under(&[]);
            let accept = curl_at(&registry.url()).header(&format!("Accept: {MANIFEST}"));
            let is_there = accept.head(&format!("/v2/acme/app/manifests/{tag}")).status == 200;
            assert!(is_there || !is_pushed, "{tag}");
            if is_there {
                collector.until(has);
            }
            settle(&warden, &format!("after-{tag}"));
            if !is_killed {
                println!("{call}: {} kills", n - 1);
                assert!(n > 2, "{call} is not called");
                break;
            }
        }
    }
    assert!(!warden.log().contains("is damaged"), "{}", warden.log());
}

#[test]
fn rule_57_an_event_follows_where_the_answer_of_the_registry_is_lost() {
    let (registry, collector) = (registry(), collector());
    let relay = relay(registry.address());
    let warden = portwarden_at(&relay.url()).with(&section(&[endpoint("one", &collector.url(), "")])).start();
    let client = admin(&warden);
    push_blob(&client, "acme/app", b"{}");
    relay.set(Some(RelayFault::Unanswered("PUT /v2/acme/app/manifests/done".to_owned())));
    put_manifest(&client, "acme/app", "done", b"{}", &[]).is(502);
    relay.set(Some(RelayFault::Lost("PUT /v2/acme/app/manifests/lost".to_owned())));
    put_manifest(&client, "acme/app", "lost", b"{}", &[]).is(502);
    relay.set(Some(RelayFault::Status("PUT /v2/acme/app/manifests/refused".to_owned(), 400)));
    put_manifest(&client, "acme/app", "refused", b"{}", &[]).is(400);
    // A client that is gone before the answer.
    let held = "PUT /v2/acme/app/manifests/gone";
    relay.set(Some(RelayFault::Held(held.to_owned())));
    put_manifest(&client.seconds(2), "acme/app", "gone", b"{}", &[]);
    assert!(relay.has_met(held) > 0);
    relay.set(None);
    let events = collector.until(|events| tags(events).len() >= 2);
    assert_eq!(tags(&events), ["done", "gone"]);
    push_tags(&warden, &names(0..1));
    let events = collector.until(|events| tags(events).len() >= 3);
    assert_eq!(tags(&events), ["done", "gone", "t0"]);
}

#[test]
fn a_spool_that_was_cut_short_is_set_aside_and_the_server_serves() {
    let (registry, mut collector) = (registry(), collector());
    let mut warden = to(&registry, &collector);
    push_blob(&admin(&warden), "acme/app", b"{}");
    collector.stop();
    push_tags(&warden, &names(0..40));
    assert!(eventually(PATIENCE, || metric(&warden, "waiting", "one") >= 40.0));
    warden.stop();
    let spool = warden.file("notifications.spool");
    let whole = fs::read(&spool).unwrap();
    collector.restart();
    for length in [whole.len() - 1, whole.len() / 2, 5000, 100, 17] {
        fs::write(&spool, &whole[..length]).unwrap();
        warden.crash_and_restart();
        let tag = format!("after-{length}");
        push_tags(&warden, std::slice::from_ref(&tag));
        collector.until(|events| tags(events).last() == Some(&tag));
        warden.says("the spool of notifications cannot be read");
        assert_eq!(fs::read(with_suffix(&spool, ".damaged")).unwrap().len(), length);
        warden.stop();
    }
}

fn with_suffix(path: &Path, suffix: &str) -> std::path::PathBuf {
    format!("{}{suffix}", path.display()).into()
}

#[test]
fn what_was_pushed_before_an_orderly_end_is_sent_after_the_next_start() {
    let (registry, mut collector) = (registry(), collector());
    collector.stop();
    let mut warden = to(&registry, &collector);
    push_blob(&admin(&warden), "acme/app", b"{}");
    push_tags(&warden, &names(0..20));
    assert!(warden.stop().is_some_and(|status| status.success()));
    collector.restart();
    warden.crash_and_restart();
    collector.until(|events| tags(events) == names(0..20));
}
