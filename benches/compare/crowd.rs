//! A thousand pulls at the same time: how much memory they take, and whether all get their share.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use aws_lc_rs::digest::{Context, SHA256};
use http_body_util::BodyExt as _;
use tokio::{sync::Barrier, task::yield_now};

use crate::{
    client::{Ask, Connection, all},
    contenders::{Contender, Field, Setup},
    options::Options,
    pull::{Blob, upload},
    report::{Goal, Report, Sample, sample},
    support::{
        client::{Protocol, run as block_on},
        content::Content,
        image::hex,
    },
    usage,
};

/// The most memory, in MB.
const MEMORY: f64 = 150.0;
/// The slowest by the fastest.
const UNFAIR: f64 = 2.0;

/// Measures them, in few rounds: each takes minutes. All start anew for each, so that the most memory is that of one
/// crowd.
pub fn run(options: &Options, report: &mut Report) {
    if !options.wants("crowd") {
        return;
    }
    for round in 0..options.few_rounds() {
        let field = Field::start(Setup::default());
        let blob = upload(&field, &Content::made(7, options.pick(64 << 20, 8 << 20)));
        for place in 0..field.contenders.len() {
            let contender = &field.contenders[(place + round) % field.contenders.len()];
            eprintln!("crowd: round {} of {}, {}", round + 1, options.few_rounds(), contender.name);
            let samples = pull_all(&field, contender, &blob, options.pick(1_000, 200));
            report.add("crowd", contender.name, samples);
        }
    }
}

/// The state that all clients share.
struct Crowd {
    /// The bytes that each has received.
    received: Vec<AtomicU64>,
    /// All begin to read when all have been answered, so that no client is ahead because it asked first.
    answered: Barrier,
    ended: AtomicBool,
    /// The bytes that each had when the first one had everything.
    at_first: Mutex<Vec<u64>>,
    times: Mutex<Vec<f64>>,
}

impl Crowd {
    async fn pull(&self, place: usize, mut connection: Connection, target: &str, digest: &str) {
        let response = connection.begin(Ask::get(target)).await.unwrap();
        assert_eq!(response.status(), 200);
        self.answered.wait().await;
        let began = Instant::now();
        let (mut body, mut context) = (response.into_body(), Context::new(&SHA256));
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.unwrap().into_data() else { continue };
            self.received[place].fetch_add(data.len() as u64, Ordering::Relaxed);
            context.update(&data);
            // Data that is ready at once would be read on and on, and the client be the unfair part.
            yield_now().await;
        }
        self.times.lock().unwrap().push(began.elapsed().as_secs_f64());
        assert_eq!(format!("sha256:{}", hex(context.finish().as_ref())), digest);
        if !self.ended.swap(true, Ordering::Relaxed) {
            let all = self.received.iter().map(|bytes| bytes.load(Ordering::Relaxed));
            *self.at_first.lock().unwrap() = all.collect();
        }
    }
}

fn pull_all(field: &Field, contender: &Contender, blob: &Blob, number: usize) -> Vec<Sample> {
    let client = field.client(contender, Protocol::Http1);
    let crowd = Arc::new(Crowd {
        received: (0..number).map(|_| AtomicU64::new(0)).collect(),
        answered: Barrier::new(number),
        ended: AtomicBool::new(false),
        at_first: Mutex::default(),
        times: Mutex::default(),
    });
    block_on(async {
        let connections = client.streams(number).await;
        all(connections.into_iter().enumerate().map(|(place, connection)| {
            let (crowd, target, digest) = (Arc::clone(&crowd), blob.target.clone(), blob.digest.clone());
            async move { crowd.pull(place, connection, &target, &digest).await }
        }))
        .await;
    });
    let (times, at_first) = (crowd.times.lock().unwrap(), crowd.at_first.lock().unwrap());
    let (first, last) = (times[0], times[times.len() - 1]);
    let least = at_first.iter().min().copied().unwrap_or_default().max(1);
    let most = at_first.iter().max().copied().unwrap_or_default();
    vec![
        sample("most memory MB", Goal::AtMost(MEMORY), usage::peak_memory(&contender.processes) as f64 / 1e6),
        sample("slowest by fastest", Goal::AtMost(UNFAIR), last / first),
        sample("bytes at first end, most by least", Goal::None, most as f64 / least as f64),
        sample("wall s", Goal::None, last),
    ]
}
