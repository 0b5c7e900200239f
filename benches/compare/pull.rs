//! Pulls of large blobs from the real registry: one stream or eight, over HTTP/1.1 and HTTP/2.

use crate::{
    client::{Ask, all},
    contenders::{Contender, Field, REPOSITORY, Setup},
    options::Options,
    report::{Goal, Report, Sample, cpu_samples, sample},
    support::{
        client::{Protocol, run as block_on, with_digest},
        content::Content,
    },
    usage::{Meter, Spent},
};
use hyper::Method;

/// One case.
struct Case {
    name: &'static str,
    protocol: Protocol,
    streams: usize,
    /// Portwarden's figure by the better of the others.
    cpu: f64,
}

const CASES: [Case; 4] = [
    Case { name: "pull-h1-1", protocol: Protocol::Http1, streams: 1, cpu: 0.5 },
    Case { name: "pull-h1-8", protocol: Protocol::Http1, streams: 8, cpu: 0.5 },
    Case { name: "pull-h2-1", protocol: Protocol::Http2, streams: 1, cpu: 0.5 },
    Case { name: "pull-h2-8", protocol: Protocol::Http2, streams: 8, cpu: 0.5 },
];

/// Measures them.
pub fn run(options: &Options, report: &mut Report) {
    let cases: Vec<&Case> = CASES.iter().filter(|case| options.wants(case.name)).collect();
    if cases.is_empty() {
        return;
    }
    let mut field = Field::start(Setup::default());
    field.add_floor();
    let large = upload(&field, &Content::made(1, options.pick(1 << 30, 128 << 20)));
    let small = upload(&field, &Content::made(2, options.pick(256 << 20, 32 << 20)));
    for case in cases {
        field.renew();
        let blob = if case.streams == 1 { &large } else { &small };
        report.measure(case.name, &field.contenders, options.rounds(), |contender| {
            let what = Transfer { protocol: case.protocol, streams: case.streams, blob };
            let used = what.pull(&field, contender, &contender.processes);
            used.samples(&[Goal::Times(case.cpu)], Goal::Times(1.0))
        });
    }
}

/// A blob of the registry.
pub struct Blob {
    pub target: String,
    pub digest: String,
    pub size: u64,
}

/// A transfer to measure.
pub struct Transfer<'a> {
    pub protocol: Protocol,
    pub streams: usize,
    pub blob: &'a Blob,
}

/// The resources that it took.
pub struct Used {
    pub spent: Spent,
    pub bytes: u64,
}

impl Transfer<'_> {
    /// Pulls through a contender; what `processes` used.
    pub fn pull(&self, field: &Field, contender: &Contender, processes: &[u32]) -> Used {
        let client = field.client(contender, self.protocol);
        block_on(async {
            let streams = client.streams(self.streams).await;
            let meter = Meter::start(processes);
            all(streams.into_iter().map(|mut stream| {
                let (target, digest) = (self.blob.target.clone(), self.blob.digest.clone());
                async move { stream.pull(&target, &digest).await }
            }))
            .await;
            Used { spent: meter.stop(), bytes: self.blob.size * self.streams as u64 }
        })
    }
}

impl Used {
    /// As they are reported.
    pub fn samples(&self, cpu: &[Goal], wall: Goal) -> Vec<Sample> {
        let gib = self.bytes as f64 / f64::from(1 << 30);
        let mut samples = cpu_samples("CPU s/GiB", cpu, &self.spent, gib);
        samples.push(sample("wall s/GiB", wall, self.spent.wall / gib));
        samples
    }
}

/// Puts a blob into the registry, through Portwarden.
pub fn upload(field: &Field, content: &Content) -> Blob {
    upload_to(field, &field.contenders[0], content)
}

/// The same through another one.
pub fn upload_to(field: &Field, contender: &Contender, content: &Content) -> Blob {
    let digest = content.digest();
    let client = field.client(contender, Protocol::Http1);
    block_on(async {
        let mut connection = client.connect().await.unwrap();
        let start = format!("/v2/{REPOSITORY}/blobs/uploads/");
        let started = connection.send(Ask::new(Method::POST, &start)).await.unwrap();
        let target = with_digest(&started.location(), &digest);
        let put = Ask::new(Method::PUT, &target).with(content.clone(), "application/octet-stream");
        let answer = connection.send(put).await.unwrap();
        assert_eq!(answer.status, 201, "{answer:?}");
    });
    Blob { target: format!("/v2/{REPOSITORY}/blobs/{digest}"), digest, size: content.size() }
}
