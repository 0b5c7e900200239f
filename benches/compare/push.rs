//! Pushes of a large blob to the real registry: in one request, and in the three that docker makes of it.

use std::fs;

use hyper::Method;

use crate::{
    client::{Answer, Ask, Connection},
    contenders::{Contender, Field, REPOSITORY, Setup},
    options::Options,
    pull::Used,
    report::{Goal, Report},
    support::{
        client::{Protocol, run as block_on, with_digest},
        content::Content,
        registry::Registry,
    },
    usage::Meter,
};

/// Portwarden's figure by the better of the others.
const CPU: f64 = 0.65;

/// The way in which a blob is uploaded.
#[derive(Clone, Copy)]
pub enum Way {
    /// POST, then all of it with a PUT.
    Monolithic,
    /// POST, then all of it with a PATCH that does not say how long it is, then a PUT without a body.
    Docker,
}

const CASES: [(&str, Protocol, Way); 4] = [
    ("push-h1-monolithic", Protocol::Http1, Way::Monolithic),
    ("push-h1-docker", Protocol::Http1, Way::Docker),
    ("push-h2-monolithic", Protocol::Http2, Way::Monolithic),
    ("push-h2-docker", Protocol::Http2, Way::Docker),
];

/// Measures them.
pub fn run(options: &Options, report: &mut Report) {
    let cases: Vec<_> = CASES.iter().filter(|(name, ..)| options.wants(name)).collect();
    if cases.is_empty() {
        return;
    }
    let mut field = Field::start(Setup::default());
    field.add_floor();
    let layer = Layer::new(options.pick(1 << 30, 128 << 20));
    for (name, protocol, way) in cases {
        field.renew();
        report.measure(name, &field.contenders, options.rounds(), |contender| {
            let used = layer.push(&field, contender, *protocol, *way, &contender.processes);
            layer.forget(&field.registry);
            used.samples(&[Goal::Times(CPU)], Goal::Ratio)
        });
    }
}

/// The layer that is pushed.
pub struct Layer {
    content: Content,
    digest: String,
}

impl Layer {
    /// Bytes that are made as they are sent.
    pub fn new(size: u64) -> Self {
        let content = Content::made(3, size);
        let digest = content.digest();
        Self { content, digest }
    }

    /// Pushes it through a contender; what `processes` used.
    pub fn push(
        &self,
        field: &Field,
        contender: &Contender,
        protocol: Protocol,
        way: Way,
        processes: &[u32],
    ) -> Used {
        let client = field.client(contender, protocol);
        block_on(async {
            let mut connection = client.connect().await.unwrap();
            let meter = Meter::start(processes);
            let answer = self.send(&mut connection, way).await;
            let spent = meter.stop();
            let digest = answer.headers.get("docker-content-digest").and_then(|digest| digest.to_str().ok());
            assert_eq!((answer.status, digest), (201, Some(self.digest.as_str())), "{answer:?}");
            Used { spent, bytes: self.content.size() }
        })
    }

    /// The last answer.
    async fn send(&self, connection: &mut Connection, way: Way) -> Answer {
        const BYTES: &str = "application/octet-stream";
        let start = format!("/v2/{REPOSITORY}/blobs/uploads/");
        let mut location = connection.send(Ask::new(Method::POST, &start)).await.unwrap().location();
        let last = match way {
            Way::Monolithic => self.content.clone(),
            Way::Docker => {
                let patch = Ask::new(Method::PATCH, &location).with(self.content.clone().chunked(), BYTES);
                location = connection.send(patch).await.unwrap().location();
                Content::empty()
            }
        };
        let target = with_digest(&location, &self.digest);
        connection.send(Ask::new(Method::PUT, &target).with(last, BYTES)).await.unwrap()
    }

    /// Takes it out of the registry's store, so that the disk stays small and the next push is one of something new.
    pub fn forget(&self, registry: &Registry) {
        let file = registry.blob_file(&self.digest);
        assert_eq!(fs::metadata(&file).unwrap().len(), self.content.size());
        fs::remove_file(file).unwrap();
    }
}
