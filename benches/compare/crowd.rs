//! A thousand pulls at the same time: how much memory they take, and whether all get their share.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use crate::{
    client::{Answer, Ask, Client, all},
    contenders::{Contender, Field, Setup},
    options::Options,
    pull::{Blob, upload},
    report::{Goal, Report, Sample, sample},
    support::{
        client::{Protocol, run as block_on},
        content::Content,
    },
    usage,
};

/// The most memory, in MB.
const MEMORY: f64 = 150.0;
/// The slowest by the fastest.
const UNFAIR: f64 = 2.0;

/// Measures them, each once: it takes minutes. All start anew, so that the most memory is that of the crowd.
pub fn run(options: &Options, report: &mut Report) {
    if !options.wants("crowd") {
        return;
    }
    let field = Field::start(Setup::default());
    let blob = upload(&field, &Content::made(7, options.pick(64 << 20, 8 << 20)));
    for contender in &field.contenders {
        eprintln!("crowd: {}", contender.name);
        let samples = pull_all(&field, contender, &blob, options.pick(1_000, 200));
        report.add("crowd", contender.name, samples);
    }
}

fn pull_all(field: &Field, contender: &Contender, blob: &Blob, number: usize) -> Vec<Sample> {
    let client = Client::new(contender.address, Protocol::Http1, &field.authority, &field.authorization);
    let received: Arc<Vec<AtomicU64>> = Arc::new((0..number).map(|_| AtomicU64::new(0)).collect());
    // What each had when the first one had everything.
    let (ended, at_first) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let times = Arc::new(Mutex::new(Vec::new()));
    block_on(async {
        let connections = client.streams(number).await;
        let began = Instant::now();
        all(connections.into_iter().enumerate().map(|(place, mut connection)| {
            let (received, ended, at_first, times) =
                (Arc::clone(&received), Arc::clone(&ended), Arc::clone(&at_first), Arc::clone(&times));
            let (target, digest) = (blob.target.clone(), blob.digest.clone());
            async move {
                let response = connection.begin(Ask::get(&target)).await.unwrap();
                let came = |bytes| {
                    received[place].fetch_add(bytes, Ordering::Relaxed);
                };
                let answer = Answer::read(response, came).await.unwrap();
                assert_eq!((answer.status, answer.digest.as_str()), (200, digest.as_str()));
                times.lock().unwrap().push(began.elapsed().as_secs_f64());
                if !ended.swap(true, Ordering::Relaxed) {
                    let all = received.iter().map(|bytes| bytes.load(Ordering::Relaxed));
                    *at_first.lock().unwrap() = all.collect::<Vec<u64>>();
                }
            }
        }))
        .await;
    });
    let times = times.lock().unwrap();
    let at_first = at_first.lock().unwrap();
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
