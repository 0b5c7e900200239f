//! A machine that fails: no descriptors left, no room for the log, no reader of it, a clock that is set.
//!
//! Needs: curl, docker-registry, faketime, htpasswd, pebble, prlimit, root, step-ca.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    net::TcpStream,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use http_body_util::BodyExt as _;
use hyper::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{
    acme::{DONE, HOST, Names, Pebble, PebbleSettings, by_acme, shown},
    client::{Answer, Client, Connection, Protocol, basic, run, wrong_password},
    clock::Clock,
    collector::{Manner, collector},
    content::Content,
    curl::{curl, curl_at},
    distribution::{push_blob, put_manifest},
    misbehaving_registry::{Fault, misbehaving, no_registry},
    pki, ports,
    portwarden::{ADMIN, Portwarden, USER, port_after, portwarden, portwarden_at, program},
    process::{PATIENCE, eventually, pause},
    raw,
    registry::registry,
    small_disk::SmallDisk,
    token_exchange,
};

/// The log line for a connection that cannot be accepted.
const NO_ACCEPT: &str = "cannot accept a connection";

#[test]
fn without_descriptors_accepting_pauses_and_what_is_under_way_goes_on() {
    let registry = registry();
    let mut warden = portwarden(&registry)
        .registry_setting("idle_timeout", "1s")
        .under(&["prlimit", "--nofile=80"])
        .start();
    let blob = Content::made(1, 24 << 20);
    run(async {
        let client = Client::new(&warden, Protocol::Http1);
        let mut waiting = client.connect().await.unwrap();
        let token = waiting.token(ADMIN, &["repository:team/app:pull,push"]).await.unwrap();
        assert_eq!(waiting.push("team/app", &token, &blob).await.unwrap().status, 201);
        let mut pulling = client.connect().await.unwrap();
        let target = format!("/v2/team/app/blobs/{}", blob.digest());
        let pull = pulling.begin(Method::GET, &target, &token, &Content::empty()).await.unwrap();
        // The connections to the registry that wait for another request are closed first.
        let port = registry.address().port();
        tokio::task::block_in_place(|| assert!(eventually(PATIENCE, || ports::connections(port) == 1)));

        let held: Vec<TcpStream> = (0..120).map(|_| raw::connect(warden.address())).collect();
        tokio::task::block_in_place(|| warden.wait_for_log(0, NO_ACCEPT));
        let refused = waiting.get("/v2/team/app/tags/list", &token).await.unwrap();
        assert_eq!(refused.status, 503, "no descriptor for a connection to the registry: {refused:?}");

        let (cpu, said) = (warden.cpu_time(), warden.log().matches(NO_ACCEPT).count());
        tokio::task::block_in_place(|| pause(Duration::from_secs(4)));
        let (cpu, said) = (warden.cpu_time() - cpu, warden.log().matches(NO_ACCEPT).count() - said);
        assert!(cpu < Duration::from_millis(400), "{cpu:?} of a processor in 4 s: it spins");
        assert!(said <= 1, "said {said} times in 4 s");
        let pulled = Answer::read(pull).await.unwrap();
        assert_eq!((pulled.bytes, pulled.digest), (blob.size(), blob.digest()));

        drop(held);
        let mut connection = client.connect().await.expect("it accepts again");
        assert_eq!(connection.get("/v2/team/app/tags/list", &token).await.unwrap().status, 404);
    });
    assert!(warden.is_running());
}

#[test]
fn a_full_disk_for_the_log_stops_nothing_and_lines_come_again() {
    let disk = SmallDisk::new(256);
    // Then each refused request is a line.
    let debug = "log: {level: debug}";
    let mut warden = portwarden_at(&no_registry()).with(debug).log_to(&disk.path().join("log")).start();
    disk.fill();
    let full = warden.log().len();
    // Fewer than the log takes of one line in a minute.
    ask_and_be_refused(&warden, 200);
    // A page of the log that was begun has room to its end.
    assert!(warden.log().len() <= full + 4096, "there was room for more");
    disk.clear();
    let from = warden.log().len();
    let logged = eventually(PATIENCE, || {
        ask_and_be_refused(&warden, 1);
        warden.log()[from..].contains("refused")
    });
    assert!(logged, "nothing more is logged: {}", warden.log());
    assert!(warden.stop().is_some_and(|status| status.success()), "had to be killed");
}

#[test]
fn rule_61_a_full_disk_for_the_cache_loses_no_certificate() {
    let (registry, names, disk, port) = (registry(), Names::start(), SmallDisk::new(256), ports::free_port());
    let pebble = Pebble::start(&names, PebbleSettings { tls_port: port, ..PebbleSettings::default() });
    let cache = disk.path().join("acme");
    let builder = by_acme(&registry, port, &pebble.section(""));
    let mut warden = builder.replacing_server("./acme", cache.to_str().unwrap()).start();
    warden.says(DONE);
    let root = pebble.root();
    let old = shown(&warden, &root).unwrap();
    // Its file is as it was, but for being renewed at once.
    let file = cache.join(HOST);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(&pebble.url(), "https://other.example/directory")).unwrap();
    let (stored, orders) = (fs::read(&file).unwrap(), pebble.orders());
    disk.fill();
    warden.crash_and_restart();
    warden.says("no certificate: cannot write to cache_dir ");
    assert_eq!(pebble.orders(), orders, "what cannot be stored is not ordered");
    assert_eq!(shown(&warden, &root).as_ref(), Some(&old), "the old one goes on");
    // Full between the order and its end.
    disk.clear();
    pebble.suspend();
    warden.reload(|same| same);
    assert!(eventually(PATIENCE, || pebble.connections() > 0), "{}", warden.log());
    disk.fill();
    pebble.resume();
    warden.says("the new certificate is in use, and cannot be stored as ");
    assert!(shown(&warden, &root).is_some_and(|shown| shown != old), "the new one serves");
    assert_eq!(fs::read(&file).unwrap(), stored, "the file of the old one is whole");
    warden.crash_and_restart();
    assert_eq!(shown(&warden, &root).as_ref(), Some(&old), "the old one, until there is room");
    disk.clear();
    warden.reload(|same| same);
    let renewed = || shown(&warden, &root).is_some_and(|shown| shown != old);
    assert!(eventually(PATIENCE, renewed), "{}", warden.log());
    assert!(eventually(PATIENCE, || fs::read(&file).unwrap() != stored), "{}", warden.log());
}

#[test]
fn rule_57_a_full_disk_for_the_spool_stops_no_push_and_events_come_once_there_is_room() {
    let (registry, collector, disk) = (registry(), collector(), SmallDisk::new(512));
    let spool = disk.path().join("notifications.spool");
    let section = format!(
        "notifications: {{spool: '{}', endpoints: [{{name: one, url: '{}'}}]}}",
        spool.display(),
        collector.url()
    );
    let warden = portwarden(&registry).with(&section).start();
    let client = curl(&warden).user(ADMIN);
    let push = |tag: &str| put_manifest(&client, "acme/app", tag, b"{}", &[]).is(201);
    push_blob(&client, "acme/app", b"{}");
    push("before");
    collector.until(|events| events.len() == 2);
    collector.behave(Manner::Status(503));
    disk.fill();
    // Until the room within the file is used up.
    let says = |text: &str| warden.log().contains(text);
    let mut expected = vec!["before".to_owned()];
    while !says("cannot use the spool of notifications")
        || !says("cannot write down what the registry is about")
    {
        assert!(expected.len() < 500, "there is room: {}", warden.log());
        expected.push(format!("full-{}", expected.len()));
        push(expected.last().unwrap());
    }
    disk.clear();
    collector.behave(Manner::Takes);
    expected.push("after".to_owned());
    push("after");
    let tags = |events: &[Value]| {
        let tag = |event: &Value| event["target"]["tag"].as_str().map(str::to_owned);
        events.iter().filter_map(tag).collect::<Vec<_>>()
    };
    let events = collector.until(|events| tags(events).len() == expected.len());
    assert_eq!(tags(&events), expected);
    assert!(!warden.log().contains("is damaged"), "{}", warden.log());
}

#[test]
fn it_starts_and_stops_where_nothing_can_be_printed() {
    let directory = tempfile::tempdir().unwrap();
    pki::authority().write_server_certificate(directory.path());
    // Its port could not be told.
    let socket = directory.path().join("socket").display().to_string();
    let config = format!(
        "server: {{addr: \"{socket}\", net: unix}}\n\
         token: {{issuer: Acme, expiration: 900, certificate: tls.crt, key: tls.key}}\nusers: {{}}\nacl: []\n"
    );
    fs::write(directory.path().join("auth_config.yml"), config).unwrap();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(program());
    command.args(["serve", "--config"]).arg(directory.path().join("auth_config.yml"));
    let mut child = command.stdout(full()).stderr(full()).spawn().unwrap();
    let ask = || curl_at("http://localhost").option(&["--unix-socket", &socket]).send("GET", "/v2/");
    let answers = || ask().status == 401;
    let served = eventually(PATIENCE, answers);
    let told = Command::new("kill").arg(child.id().to_string()).status().unwrap().success();
    let ended = eventually(PATIENCE, || child.try_wait().unwrap().is_some());
    let _ = child.kill();
    assert!(served && told && ended, "served {served}, told {told}, ended {ended}");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_log_that_is_read_again_has_lines_again() {
    /// Is in one line of each request.
    const REFUSED: &str = "refused request=";
    let directory = tempfile::tempdir().unwrap();
    pki::authority().write_server_certificate(directory.path());
    let config = format!(
        "server: {{addr: \"127.0.0.1:0\"}}\nregistry: {{url: \"{}\"}}\n\
         token: {{issuer: Acme, expiration: 900, certificate: tls.crt, key: tls.key}}\n\
         users: {{\"\": {{}}}}\nacl: [{{match: {{}}, actions: [\"*\"]}}]\nlog: {{level: debug}}\n",
        no_registry()
    );
    fs::write(directory.path().join("auth_config.yml"), config).unwrap();
    let mut command = Command::new(program());
    command.args(["serve", "--config"]).arg(directory.path().join("auth_config.yml"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let mut stream = raw::connect(([127, 0, 0, 1], port_after(&ready, "listening on")).into());
    let mut ask = |times: usize| {
        for n in 0..times {
            let request = raw::latin1("GET /v2/a/tags/list HTTP/1.1\r\nHost: a\r\n\r\n");
            std::io::Write::write_all(&mut stream, &request).unwrap();
            assert_eq!(raw::read_response(&mut stream).map(|answer| answer.status), Some(503), "{n}");
        }
    };
    // More than the pipe and the lines that wait can hold: lines for debugging are not throttled.
    ask(12_000);
    let (lines, read) = mpsc::channel();
    let errors = BufReader::new(child.stderr.take().unwrap());
    thread::spawn(move || errors.lines().map_while(Result::ok).all(|line| lines.send(line).is_ok()));
    // All that was kept, until a line of another kind follows; that one is lost as long as there is no room for it.
    let mut kept = 0;
    let followed = eventually(PATIENCE, || {
        let pid = Pid::from_child(&child);
        kill_process(pid, Signal::HUP).unwrap();
        let mut lines = std::iter::from_fn(|| read.recv_timeout(Duration::from_secs(2)).ok());
        lines.any(|line| {
            kept += usize::from(line.contains(REFUSED));
            line.contains("reloaded")
        })
    });
    ask(1);
    let again = std::iter::from_fn(|| read.recv_timeout(PATIENCE).ok()).any(|line| line.contains(REFUSED));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(followed && (1_000..12_000).contains(&kept), "{kept} lines were kept");
    assert!(again, "nothing more is logged");
}

/// Each is a line of the log.
fn ask_and_be_refused(warden: &Portwarden, times: usize) {
    run(async {
        let mut connection = Client::new(warden, Protocol::Http1).connect().await.unwrap();
        for _ in 0..times {
            let answer = connection.get("/v2/team/app/tags/list", &basic(ADMIN)).await.unwrap();
            assert_eq!(answer.status, 503);
        }
    });
}

#[test]
fn tokens_follow_the_wall_clock_wherever_it_jumps() {
    let registry = registry();
    let clock = Clock::right();
    let mut warden = clock.of(portwarden(&registry)).start();
    let scope = ["repository:team/app:pull"];
    let at = format!("https://{}", warden.host());
    let trust = warden.authority_file().display().to_string();
    let request = curl_at(&at).option(&["--cacert", &trust]);
    let status = |token: &str| request.clone().bearer(token).get("/v2/team/app/tags/list").status;
    let now = token_exchange::token(&warden, USER, &scope);
    assert_eq!(status(&now), 404);
    clock.set("+2h");
    assert_eq!(status(&now), 401, "it has expired");
    let later = token_exchange::token(&warden, USER, &scope);
    assert_eq!(status(&later), 404, "a client only asks for another");
    clock.set("-2h");
    assert_eq!((status(&now), status(&later)), (401, 401), "neither is valid yet");
    let earlier = token_exchange::token(&warden, USER, &scope);
    assert_eq!(status(&earlier), 404);
    clock.set("+0");
    assert_eq!((status(&earlier), status(&now), status(&later)), (401, 404, 401));
    for extreme in ["-20000d", "+40000d"] {
        clock.set(extreme);
        let token = token_exchange::token(&warden, USER, &scope);
        assert_eq!(status(&token), 404, "{extreme}");
    }
    clock.set("+0");
    warden.reload(|builder| builder);
    assert_eq!(status(&now), 404);
    assert!(!warden.log().contains("panic"), "{}", warden.log());
}

#[test]
fn back_offs_neither_end_nor_grow_when_the_clock_jumps() {
    let clock = Clock::right();
    let warden = clock.of(portwarden_at(&no_registry())).start();
    run(async {
        let mut connection = Client::new(&warden, Protocol::Http1).connect().await.unwrap();
        // Three are free; the fifth finds a wait of two seconds.
        for guess in ["a", "b", "c", "d"] {
            ask(&mut connection, &wrong_password(ADMIN.name, guess)).await;
        }
        tokio::time::sleep(Duration::from_millis(1100)).await;
        ask(&mut connection, &wrong_password(ADMIN.name, "wrong")).await;
        let began = Instant::now();
        for offset in ["+400d", "-400d", "+0"] {
            clock.set(offset);
            let answer = ask(&mut connection, &basic(ADMIN)).await;
            let too_soon = began.elapsed() < Duration::from_secs(1);
            assert!(answer.status == 429 || !too_soon, "{offset}: who guesses gains by it: {answer:?}");
        }
        clock.set("-400d");
        let in_again = async {
            while ask(&mut connection, &basic(ADMIN)).await.status != 200 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, in_again).await;
        assert!(waited.is_ok(), "locked out by a clock that was set back");
    });
}

async fn ask(connection: &mut Connection, authorization: &str) -> Answer {
    connection.get("/auth", authorization).await.unwrap()
}

#[test]
fn deadlines_and_transfers_do_not_see_the_wall_clock() {
    let registry = registry();
    let clock = Clock::right();
    let warden = clock.of(portwarden(&registry)).start();
    let silent = misbehaving(Fault::Silence);
    let waiting = clock.of(portwarden_at(&silent.url()).registry_setting("response_timeout", "3s")).start();
    let blob = Content::made(1, 32 << 20);
    run(async {
        let mut transfer = Client::new(&warden, Protocol::Http2).connect().await.unwrap();
        assert_eq!(transfer.push("team/app", &basic(ADMIN), &blob).await.unwrap().status, 201);
        let target = format!("/v2/team/app/blobs/{}", blob.digest());
        let pull = transfer.begin(Method::GET, &target, &basic(ADMIN), &Content::empty()).await.unwrap();
        let mut body = pull.into_body();
        let mut bytes = body.frame().await.unwrap().unwrap().into_data().unwrap().len() as u64;
        let mut connection = Client::new(&waiting, Protocol::Http1).connect().await.unwrap();
        let began = Instant::now();
        let jumps = async {
            for offset in ["+1d", "-1d", "+0", "+400d"] {
                clock.set(offset);
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        };
        let basic = basic(ADMIN);
        let (answer, ()) = tokio::join!(connection.get("/v2/team/app/tags/list", &basic), jumps);
        assert_eq!(answer.unwrap().status, 504);
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(2900) && took < PATIENCE, "{took:?}");
        while let Some(frame) = body.frame().await {
            bytes += frame.unwrap().into_data().map_or(0, |data| data.len() as u64);
        }
        assert_eq!(bytes, blob.size());
        assert_eq!(transfer.get("/v2/", &basic).await.unwrap().status, 200, "the connection is still good");
    });
}
