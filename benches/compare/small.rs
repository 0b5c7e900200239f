//! Many small requests on connections that stay: manifests, and whether a blob is there.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use hyper::Method;
use serde_json::json;

use crate::{
    client::{Ask, Client, all},
    contenders::{Contender, Field, REPOSITORY, Setup},
    options::Options,
    pull::{Blob, upload_to},
    report::{Goal, OURS, Report, Sample, cpu_samples, quantile, sample},
    support::{
        client::{Protocol, run as block_on},
        content::Content,
        distribution::MANIFEST,
    },
    usage::{Meter, Spent},
};

/// Connections with a request all the time.
const CONNECTIONS: usize = 64;
/// The processor time and the rate without storage: the rate is not judged.
const PLAIN: [Goal; 2] = [Goal::Times(1.0), Goal::None];
/// The same with answers from the registry's files, in microseconds and by the others' rate.
const STORED: [Goal; 2] = [Goal::AtMost(60.0), Goal::TimesMore(15.0)];

/// Measures them: Portwarden's own processor time, and, where it answers from the registry's files, that of all processes,
/// also beside the registry's own TLS and tokens.
pub fn run(options: &Options, report: &mut Report) {
    let plain = ["small-manifest-get", "small-manifest-head", "small-blob-head"];
    let stored = ["storage-manifest-get", "storage-manifest-head", "storage-blob-head"];
    for (cases, answers) in [(plain, false), (stored, true)] {
        if cases.iter().any(|case| options.wants(case)) {
            measure(cases, answers, options, report);
        }
    }
}

fn measure(cases: [&'static str; 3], answers: bool, options: &Options, report: &mut Report) {
    let mut field = Field::start(Setup { storage: answers, answers, ..Setup::default() });
    let put = |field: &Field, contender: &Contender| {
        let blob = upload_to(field, contender, &Content::made(4, 100_000));
        (put_manifest_to(field, contender, &blob), blob)
    };
    if !answers {
        field.add_relay();
    }
    let (manifest, blob) = put(&field, &field.contenders[0]);
    if answers {
        field.warden.says("reads are answered from registry.storage");
        field.add_registry();
        field.contenders.last().map(|registry| put(&field, registry));
    }
    let targets = [(Method::GET, &manifest), (Method::HEAD, &manifest), (Method::HEAD, &blob)];
    for (case, (method, what)) in cases.iter().zip(targets) {
        if !options.wants(case) {
            continue;
        }
        field.renew();
        report.measure(case, &field.contenders, options.rounds(), |contender| {
            // Answers from files take a tenth of the time, or less.
            let more = if answers && contender.name == OURS { 4 } else { 1 };
            let load = Load {
                method: method.clone(),
                target: &what.target,
                digest: &what.digest,
                connections: CONNECTIONS,
                requests: more * options.pick(6_000, 1_000),
            };
            let client = field.client(contender, Protocol::Http1);
            let (spent, times) = ask_all(&client, &contender.processes, &load);
            samples(&spent, &times, if answers { STORED } else { PLAIN })
        });
    }
}

fn samples(spent: &Spent, times: &[f64], [cpu, rate]: [Goal; 2]) -> Vec<Sample> {
    let requests = times.len() as f64;
    let mut samples = cpu_samples("CPU µs/request", &[cpu], spent, requests / 1e6);
    samples.extend([
        sample("p50 ms", Goal::Ratio, quantile(times, 0.5)),
        sample("p99 ms", Goal::Times(1.0), quantile(times, 0.99)),
        sample("requests/s", rate, requests / spent.wall),
    ]);
    samples
}

/// Puts a manifest of one layer into the registry, through Portwarden.
pub fn put_manifest(field: &Field, layer: &Blob) -> Blob {
    put_manifest_to(field, &field.contenders[0], layer)
}

/// The same through another one.
fn put_manifest_to(field: &Field, contender: &Contender, layer: &Blob) -> Blob {
    let config = upload_to(field, contender, &Content::made(5, 1000));
    let descriptor = |media_type: &str, blob: &Blob| json!({"mediaType": media_type, "size": blob.size, "digest": blob.digest});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": descriptor("application/vnd.docker.container.image.v1+json", &config),
        "layers": [descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", layer)],
    });
    let content = Content::given(manifest.to_string(), MANIFEST);
    let target = format!("/v2/{REPOSITORY}/manifests/latest");
    let client = field.client(contender, Protocol::Http1);
    block_on(async {
        let mut connection = client.connect().await.unwrap();
        let put = Ask::new(Method::PUT, &target).with(content.clone(), MANIFEST);
        let answer = connection.send(put).await.unwrap();
        assert_eq!(answer.status, 201, "{answer:?}");
    });
    Blob { target, digest: content.digest(), size: content.size() }
}

/// Requests, all of one kind.
pub struct Load<'a> {
    pub method: Method,
    pub target: &'a str,
    pub digest: &'a str,
    /// Each with a request all the time.
    pub connections: usize,
    pub requests: usize,
}

/// Sends them; what `processes` used, and the milliseconds of each.
pub fn ask_all(client: &Client, processes: &[u32], load: &Load<'_>) -> (Spent, Vec<f64>) {
    let times = Arc::new(Mutex::new(Vec::with_capacity(load.requests)));
    let spent = block_on(async {
        let connections = client.streams(load.connections).await;
        let left = Arc::new(AtomicUsize::new(load.requests));
        let meter = Meter::start(processes);
        all(connections.into_iter().map(|mut connection| {
            let (left, times, method) = (Arc::clone(&left), Arc::clone(&times), load.method.clone());
            let (target, digest) = (load.target.to_owned(), load.digest.to_owned());
            async move {
                let mut mine = Vec::new();
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                    .is_ok()
                {
                    let began = Instant::now();
                    let answer = connection.send(Ask::new(method.clone(), &target)).await.unwrap();
                    mine.push(began.elapsed().as_secs_f64() * 1e3);
                    assert_eq!(answer.status, 200, "{answer:?}");
                    assert_eq!(answer.headers["docker-content-digest"], digest.as_str());
                    assert!(method == Method::HEAD || answer.digest == digest, "{answer:?}");
                }
                times.lock().unwrap().extend(mine);
            }
        }))
        .await;
        meter.stop()
    });
    let times = std::mem::take(&mut *times.lock().unwrap());
    assert_eq!(times.len(), load.requests);
    (spent, times)
}
