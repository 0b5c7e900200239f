//! HTTP/2 clients that cost much and send little: each either loses its connection or costs nothing, our memory stays
//! bounded, and meanwhile another client's pull, begun before, comes to its end with the right digest.
//!
//! The refusals here come from h2 (frames), `server/activity.rs` (requests given up) or `server/stream_executor.rs`
//! (windows kept shut).
//!
//! Needs: curl, docker-registry, htpasswd.

use std::{
    io::Read,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::support::{
    curl::curl,
    distribution::push_blob,
    h2::{
        self, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, INITIAL_WINDOW, PING,
        RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, setting_values, stream,
    },
    image::{random_bytes, sha256},
    portwarden::{ADMIN, Portwarden, USER, portwarden},
    process::{PATIENCE, eventually, pause},
    registry::{Registry, registry},
};

/// More than the sockets on the way hold, so that the pull is not over before the flood.
const LARGE: usize = 24 << 20;

/// The memory growth allowed, in KiB: a connection and its streams, and what the allocator keeps of that.
const GROWTH: u64 = 64 << 10;

struct Scene {
    warden: Portwarden,
    registry: Registry,
    blob: String,
    digest: String,
}

fn scene(limits: &str) -> Scene {
    let registry = registry();
    let warden = portwarden(&registry).with(limits).start();
    let digest = push_blob(&curl(&warden).user(ADMIN), "team/app", &random_bytes(LARGE));
    Scene { warden, registry, blob: format!("/v2/team/app/blobs/{digest}"), digest }
}

impl Scene {
    /// Lets `attack` happen in the middle of another client's pull.
    fn survives<T>(&mut self, attack: impl FnOnce(&Portwarden) -> T) -> T {
        let files = tempfile::tempdir().unwrap();
        let mut pull = curl(&self.warden).user(USER).start(&self.blob, files.path());
        let mut body = pull.stdout.take().unwrap();
        let mut content = vec![0; 1 << 16];
        body.read_exact(&mut content).unwrap();
        let attacked = AtomicBool::new(true);
        let before = self.warden.rss_kib();

        let (outcome, content) = thread::scope(|scope| {
            let reader = scope.spawn(|| {
                read_slowly_while(&attacked, &mut body, &mut content);
                content
            });
            let outcome = attack(&self.warden);
            attacked.store(false, Ordering::Relaxed);
            (outcome, reader.join().unwrap())
        });

        assert!(pull.wait().unwrap().success());
        assert!(sha256(&content) == self.digest, "{} other bytes", content.len());
        let grown = self.warden.peak_rss_kib().saturating_sub(before);
        assert!(grown < GROWTH, "{grown} KiB more memory");
        curl(&self.warden).user(USER).head(&self.blob).is(200);
        assert!(self.warden.is_running());
        outcome
    }
}

/// A megabyte a second, then all.
fn read_slowly_while(attacked: &AtomicBool, body: &mut impl Read, content: &mut Vec<u8>) {
    let mut piece = vec![0; 1 << 16];
    while let Ok(read @ 1..) = body.read(&mut piece) {
        content.extend(&piece[..read]);
        if attacked.load(Ordering::Relaxed) {
            pause(Duration::from_millis(60));
        }
    }
}

fn authorization() -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{}", USER.name, USER.password)))
}

/// Each stream of `block` is opened and reset at once.
fn reset_rapidly(frames: &mut Frames, block: &[u8]) {
    frames.flood(20_000, |n| {
        let mut round = frame(HEADERS, END_HEADERS | END_STREAM, stream(n), block);
        round.extend(frame(RST_STREAM, 0, stream(n), &[0, 0, 0, 8]));
        round
    });
}

#[test]
fn a_rapid_reset_of_pulls_ends_the_connection() {
    let mut scene = scene("");
    let blob = scene.blob.clone();
    let asked = |scene: &Scene| scene.registry.requests("GET /v2/team/app/blobs").len();
    let before = asked(&scene);
    let ended = scene.survives(|warden| {
        let mut frames = h2::connect(warden, &[]);
        let block = frames.get(&blob, &authorization());
        reset_rapidly(&mut frames, &block);
        frames.ends()
    });
    assert!(ended);
    let asked = asked(&scene) - before;
    assert!(asked < 1000, "the registry was asked {asked} times");
}

/// The same one after the other, each when its response has begun: none of them is reset before it was looked at.
#[test]
fn resetting_every_pull_that_has_begun_ends_the_connection() {
    let mut scene = scene("");
    let blob = scene.blob.clone();
    let (resets, took) = scene.survives(|warden| {
        let mut frames = h2::connect(warden, &[(INITIAL_WINDOW, 0)]);
        let block = frames.get(&blob, &authorization());
        let began = Instant::now();
        let mut reset = |n| {
            frames.send(HEADERS, END_HEADERS | END_STREAM, stream(n), &block).ok()?;
            frames.read_until(HEADERS)?;
            frames.send(RST_STREAM, 0, stream(n), &[0, 0, 0, 8]).ok()
        };
        ((0..2000).take_while(|n| reset(*n).is_some()).count(), began.elapsed())
    });
    // Twice as many as there are streams, then ten a second: a slow client stays below that. Those that were under way
    // when the connection ended may come on top.
    let allowed = 300 + 10 * usize::try_from(took.as_secs()).unwrap();
    assert!((200..=allowed).contains(&resets), "{resets} resets in {took:?}");
}

#[test]
fn a_rapid_reset_without_credentials_costs_no_memory() {
    scene("").survives(|warden| {
        let mut frames = h2::connect(warden, &[]);
        let block = frames.get("/v2/team/app/tags/list", "");
        reset_rapidly(&mut frames, &block);
    });
}

/// A pull that is interrupted resets all its streams: its connection has to go on.
#[test]
fn a_client_that_gives_up_all_streams_once_keeps_its_connection() {
    let scene = scene("");
    let mut frames = h2::connect(&scene.warden, &[]);
    let block = frames.get(&scene.blob, &authorization());
    for n in 0..100 {
        frames.send(HEADERS, END_HEADERS | END_STREAM, stream(n), &block).unwrap();
    }
    for n in 0..100 {
        frames.send(RST_STREAM, 0, stream(n), &[0, 0, 0, 8]).unwrap();
    }
    let block = frames.get("/v2/", &authorization());
    frames.send(HEADERS, END_HEADERS | END_STREAM, stream(100), &block).unwrap();
    let answer =
        frames.find(|frame| frame.kind == GOAWAY || (frame.kind == HEADERS && frame.stream == stream(100)));
    assert!(answer.as_ref().is_some_and(|frame| frame.kind == HEADERS), "{answer:?}");
}

#[test]
fn a_flood_of_continuation_frames_ends_the_connection() {
    let ended = scene("").survives(|warden| {
        let full = {
            let mut block = Vec::new();
            while block.len() < 16_000 {
                h2::literal(&mut block, "x-filler", &"x".repeat(100));
            }
            block
        };
        [Vec::new(), full].map(|fragment| {
            let mut frames = h2::connect(warden, &[]);
            let block = frames.get("/v2/", "");
            frames.send(HEADERS, END_STREAM, 1, &block).unwrap();
            frames.flood(20_000, |_| frame(CONTINUATION, 0, 1, &fragment));
            frames.ends()
        })
    });
    assert_eq!(ended, [true, true], "empty, and full of headers");
}

/// A few bytes that unpack to many (an HPACK bomb).
#[test]
fn headers_that_unpack_to_more_than_they_may_be_are_refused() {
    let mut scene = scene("limits: {header_count: 1000}");
    scene.survives(|warden| {
        let mut frames = h2::connect(warden, &[]);
        let mut block = frames.get("/v2/team/app/tags/list", &authorization());
        h2::kept(&mut block, "x-large", &"x".repeat(4000));
        block.extend([0x80 | 62; 900]);
        frames.send(HEADERS, END_HEADERS | END_STREAM, 1, &block).unwrap();
        let answer = frames.find(|frame| [GOAWAY, RST_STREAM, HEADERS].contains(&frame.kind));
        assert!(answer.is_some(), "no answer");
    });
    assert_eq!(scene.registry.requests("tags/list"), Vec::<String>::new());
}

#[test]
fn a_flood_of_settings_costs_no_memory() {
    scene("").survives(|warden| {
        let mut frames = h2::connect(warden, &[]);
        frames.flood(200_000, |n| {
            let window = u32::try_from(n % 65_536).unwrap();
            frame(SETTINGS, 0, 0, &setting_values(&[(INITIAL_WINDOW, window)]))
        });
    });
}

#[test]
fn a_flood_of_pings_costs_no_memory() {
    scene("").survives(|warden| {
        let mut frames = h2::connect(warden, &[]);
        frames.flood(200_000, |n| frame(PING, 0, 0, &n.to_be_bytes()));
    });
}

#[test]
fn a_flood_of_empty_data_frames_ends_the_connection() {
    let ended = scene("").survives(|warden| {
        let mut frames = h2::connect(warden, &[]);
        let block = frames.post("/v2/team/app/blobs/uploads/", &authorization());
        frames.send(HEADERS, END_HEADERS, 1, &block).unwrap();
        frames.flood(100_000, |_| frame(DATA, 0, 1, &[]));
        frames.ends()
    });
    assert!(ended);
}

#[test]
fn a_flood_of_empty_heads_ends_the_connection() {
    let ended = scene("").survives(|warden| {
        let mut frames = h2::connect(warden, &[]);
        frames.flood(100_000, |n| frame(HEADERS, END_HEADERS | END_STREAM, stream(n), &[]));
        frames.ends()
    });
    assert!(ended);
}

/// Streams beyond `limits.streams`, whose refusals the client never reads.
#[test]
fn a_flood_of_streams_costs_no_memory() {
    let mut scene = scene("limits: {idle_body: 2s}");
    let blob = scene.blob.clone();
    scene.survives(|warden| {
        let mut frames = h2::connect(warden, &[(INITIAL_WINDOW, 0)]);
        let block = frames.get(&blob, &authorization());
        frames.flood(50_000, |n| frame(HEADERS, END_HEADERS | END_STREAM, stream(n), &block));
    });
}

#[test]
fn clients_that_keep_their_windows_shut_or_open_them_by_a_byte_lose_their_streams() {
    // The other client reads slowly, and on a busy machine more slowly still: it must not be taken for an idle one.
    let mut scene = scene("limits: {idle_body: 10s}");
    let blob = scene.blob.clone();
    let before = scene.warden.open_files();
    scene.survives(|warden| {
        let mut shut = h2::connect(warden, &[(INITIAL_WINDOW, 0)]);
        let mut narrow = h2::connect(warden, &[(INITIAL_WINDOW, 1)]);
        for frames in [&mut shut, &mut narrow] {
            let block = frames.get(&blob, &authorization());
            for n in 0..100 {
                frames.send(HEADERS, END_HEADERS | END_STREAM, stream(n), &block).unwrap();
            }
        }
        let began = Instant::now();
        // By a reset, or before a body began, where the registry of a busy machine did not answer in time.
        let (mut resets, mut ended) = ([0, 0], [0, 0]);
        while began.elapsed() < 3 * PATIENCE && ended != [100, 100] {
            for n in 0..100 {
                let _ = narrow.send(WINDOW_UPDATE, 0, stream(n), &1_u32.to_be_bytes());
            }
            for (n, frames) in [&mut shut, &mut narrow].into_iter().enumerate() {
                for frame in std::iter::from_fn(|| frames.read()) {
                    let is_reset = frame.kind == RST_STREAM;
                    let is_whole = frame.kind == HEADERS && frame.flags & END_STREAM != 0;
                    resets[n] += usize::from(is_reset);
                    ended[n] += usize::from(is_reset || is_whole);
                }
            }
        }
        assert_eq!(ended, [100, 100], "streams that ended; by a reset {resets:?}");
        assert!(resets.iter().all(|resets| *resets > 0), "{resets:?} streams were reset");
    });
    let closed = eventually(PATIENCE, || scene.warden.open_files() <= before + 4);
    assert!(closed, "{} open files, {before} before", scene.warden.open_files());
}

/// `:status` of the static table (RFC 7541 appendix A), as the answers begin.
const STATUS_200: u8 = 0x80 | 8;
const STATUS_400: u8 = 0x80 | 12;

/// The head guard sees the bytes of the whole connection, and cannot tell later streams from the one that it refuses.
#[test]
fn rule_10_after_a_fragment_the_connection_ends_with_the_answers_under_way() {
    let scene = scene("");
    let mut frames = h2::connect(&scene.warden, &[(INITIAL_WINDOW, 0)]);
    let block = frames.get("/v2/", &authorization());
    frames.send(HEADERS, END_HEADERS | END_STREAM, stream(0), &block).unwrap();
    let answered = frames.read_until(HEADERS).unwrap();
    assert_eq!((answered.stream, answered.payload[0]), (stream(0), STATUS_200));
    let block = frames.get("/v2/#x", &authorization());
    frames.send(HEADERS, END_HEADERS | END_STREAM, stream(1), &block).unwrap();
    // Now the bodies may come, of which nothing was sent yet.
    for n in 0..2 {
        frames.send(WINDOW_UPDATE, 0, stream(n), &1000_u32.to_be_bytes()).unwrap();
    }
    let rest = frames.read_to_end().expect("the end of the connection");
    let refused = rest.iter().find(|frame| frame.kind == HEADERS).expect("an answer");
    assert_eq!((refused.stream, refused.payload[0]), (stream(1), STATUS_400));
    assert!(rest.iter().any(|frame| frame.kind == GOAWAY && frame.payload[4..8] == [0; 4]), "{rest:?}");
    for n in 0..2 {
        let of_stream = |frame: &&h2::Frame| frame.kind == DATA && frame.stream == stream(n);
        let ended = rest.iter().filter(of_stream).any(|frame| frame.flags & END_STREAM != 0);
        assert!(ended, "stream {n} was cut off: {rest:?}");
    }
}

#[test]
fn a_header_with_a_hash_ends_no_connection() {
    let scene = scene("");
    let mut frames = h2::connect(&scene.warden, &[]);
    let mut block = frames.get("/v2/", &authorization());
    h2::literal(&mut block, "referer", "/a#b");
    h2::kept(&mut block, "x-path", "/a#b");
    for n in 0..3 {
        frames.send(HEADERS, END_HEADERS | END_STREAM, stream(n), &block).unwrap();
        let is_it =
            |frame: &h2::Frame| frame.kind == GOAWAY || frame.stream == stream(n) && frame.kind == HEADERS;
        assert_eq!(frames.find(is_it).map(|answer| answer.payload[0]), Some(STATUS_200));
        // Of the table from now on: the pair, then its name with a value of its own.
        block = frames.get("/v2/", &authorization());
        block.push(0x80 | 62);
        if n == 1 {
            block.extend([0x7e, 4]);
            block.extend(b"/a#b");
        }
    }
}
