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
    pull::{Blob, upload},
    report::{Goal, Report, Sample, quantile, sample},
    support::{
        client::{Protocol, run as block_on},
        content::Content,
        distribution::MANIFEST,
    },
    usage,
};

/// Connections with a request all the time.
const CONNECTIONS: usize = 64;
/// The processor time of an answer from files, by that of another with the registry.
const STORED: f64 = 0.067;

/// Measures them: Portwarden's own processor time, and, where it answers from the registry's files, that of all processes.
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
    let blob = upload(&field, &Content::made(4, 100_000));
    let manifest = put_manifest(&field, &blob);
    if answers {
        field.warden.says("reads are answered from registry.storage");
        let registry = field.registry.id();
        field.contenders.iter_mut().for_each(|contender| contender.processes.push(registry));
    }
    let requests = options.pick(6_000, 1_000);
    let targets = [(Method::GET, &manifest), (Method::HEAD, &manifest), (Method::HEAD, &blob)];
    for (case, (method, what)) in cases.iter().zip(targets) {
        if options.wants(case) {
            field.renew();
            report.measure(case, &field.contenders, options.rounds(), |contender| {
                let goal = if answers { STORED } else { 1.0 };
                ask_all(&field, contender, &method, what, requests, goal)
            });
        }
    }
}

/// Puts a manifest of one layer into the registry.
pub fn put_manifest(field: &Field, layer: &Blob) -> Blob {
    let config = upload(field, &Content::made(5, 1000));
    let descriptor = |media_type: &str, blob: &Blob| json!({"mediaType": media_type, "size": blob.size, "digest": blob.digest});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": descriptor("application/vnd.docker.container.image.v1+json", &config),
        "layers": [descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", layer)],
    });
    let content = Content::given(manifest.to_string(), MANIFEST);
    let target = format!("/v2/{REPOSITORY}/manifests/latest");
    let address = field.contenders[0].address;
    let client = Client::new(address, Protocol::Http1, &field.authority, &field.authorization);
    block_on(async {
        let mut connection = client.connect().await.unwrap();
        let put = Ask::new(Method::PUT, &target).with(content.clone(), MANIFEST);
        let answer = connection.send(put).await.unwrap();
        assert_eq!(answer.status, 201, "{answer:?}");
    });
    Blob { target, digest: content.digest(), size: content.size() }
}

fn ask_all(
    field: &Field,
    contender: &Contender,
    method: &Method,
    what: &Blob,
    requests: usize,
    goal: f64,
) -> Vec<Sample> {
    let client = Client::new(contender.address, Protocol::Http1, &field.authority, &field.authorization);
    let times = Arc::new(Mutex::new(Vec::with_capacity(requests)));
    let (cpu, wall) = block_on(async {
        let connections = client.streams(CONNECTIONS).await;
        let left = Arc::new(AtomicUsize::new(requests));
        let before = usage::cpu(&contender.processes);
        let began = Instant::now();
        all(connections.into_iter().map(|mut connection| {
            let (left, times, method) = (Arc::clone(&left), Arc::clone(&times), method.clone());
            let (target, digest) = (what.target.clone(), what.digest.clone());
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
        let wall = began.elapsed().as_secs_f64();
        ((usage::cpu(&contender.processes) - before).as_secs_f64(), wall)
    });
    let times = times.lock().unwrap();
    assert_eq!(times.len(), requests);
    vec![
        sample("CPU µs/request", Goal::Times(goal), cpu * 1e6 / requests as f64),
        sample("p50 ms", Goal::Ratio, quantile(&times, 0.5)),
        sample("p99 ms", Goal::Times(1.0), quantile(&times, 0.99)),
        sample("requests/s", Goal::None, requests as f64 / wall),
    ]
}
