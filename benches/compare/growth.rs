//! The cost of a small request in small and in large installations: rules, accounts, repositories, open connections.

use std::fs;

use hyper::Method;
use tempfile::TempDir;

use crate::{
    blocking::Tls,
    client::Client,
    contenders::{Contender, Field, Setup, ours, rules},
    idle::connect_all,
    options::Options,
    pull::upload,
    report::{Goal, OURS, Report, cpu_samples},
    small::{Load, ask_all, put_manifest},
    support::{client::Protocol, content::Content, portwarden::Builder, registry::registry_with_store},
};

/// The largest by the smallest.
const GROWN: Goal = Goal::TimesOf(1.25, &[SMALLEST]);
/// The largest is called as Portwarden is elsewhere.
const NAMES: [&str; 3] = [SMALLEST, "middle", OURS];
const SMALLEST: &str = "smallest";
/// Connections with a request all the time.
const CONNECTIONS: usize = 8;

/// One thing that there can be many of.
#[derive(Clone, Copy, PartialEq)]
enum Axis {
    Rules,
    /// Robots: their tokens need no hashing, neither here nor there.
    Accounts,
    Repositories,
    Connections,
}

const CASES: [(&str, Axis); 4] = [
    ("growth-rules", Axis::Rules),
    ("growth-accounts", Axis::Accounts),
    ("growth-repositories", Axis::Repositories),
    ("growth-connections", Axis::Connections),
];

/// Measures them: the HEAD of a manifest that is answered from the registry's files, so that only Portwarden works.
pub fn run(options: &Options, report: &mut Report) {
    for (case, axis) in CASES.iter().filter(|(case, _)| options.wants(case)) {
        let most = if *axis == Axis::Connections { 10_000 } else { 100_000 };
        let sizes = options.pick([10, 1_000, most], [10, 100, 1_000]);
        let all: Vec<Grown> =
            sizes.iter().zip(NAMES).map(|(size, name)| Grown::start(*axis, *size, name)).collect();
        // Looked for every ten seconds: at the first time there was no image yet.
        for grown in &all {
            grown.field.warden.says("reads are answered from registry.storage");
        }
        report.measure(case, &all, options.few_rounds(), |grown| {
            let load = Load {
                method: Method::HEAD,
                target: &grown.target,
                digest: &grown.digest,
                connections: CONNECTIONS,
                requests: options.pick(6_000, 1_000),
            };
            let (spent, _) = ask_all(&grown.client, &grown.contender.processes, &load);
            cpu_samples("CPU µs/request", &[GROWN], &spent, load.requests as f64 / 1e6)
        });
    }
}

/// A Portwarden with many of something.
struct Grown {
    contender: Contender,
    client: Client,
    target: String,
    digest: String,
    _idle: Vec<Tls>,
    field: Field,
    _store: TempDir,
}

impl AsRef<Contender> for Grown {
    fn as_ref(&self) -> &Contender {
        &self.contender
    }
}

impl Grown {
    fn start(axis: Axis, size: usize, name: &'static str) -> Self {
        // In memory: to remove so many directories from a disk takes minutes.
        let store = tempfile::Builder::new().prefix("portwarden-bench-").tempdir_in("/dev/shm").unwrap();
        let registry = registry_with_store(store.path());
        let repositories = if axis == Axis::Repositories { size } else { 1 };
        for n in 1..repositories {
            let name = registry.store().join(format!("docker/registry/v2/repositories/team/app{n}"));
            fs::create_dir_all(name.join("_manifests/tags/latest")).unwrap();
        }
        let builder = ours(&registry, Setup { storage: true, answers: true, ..Setup::default() });
        let field = Field::alone(registry, with_many(builder, axis, size));
        let manifest = put_manifest(&field, &upload(&field, &Content::made(10, 1000)));
        let mut contender = field.contenders[0].clone();
        contender.name = name;
        let idle = if axis == Axis::Connections { size - CONNECTIONS } else { 0 };
        Self {
            client: field.client(&contender, Protocol::Http1),
            _idle: connect_all(&field, &contender, &manifest.target, idle),
            contender,
            target: manifest.target,
            digest: manifest.digest,
            field,
            _store: store,
        }
    }
}

fn with_many(builder: Builder, axis: Axis, size: usize) -> Builder {
    match axis {
        Axis::Rules => builder.acl(&rules(size)),
        Axis::Accounts => {
            // The beginning names the token.
            let robot = |n| format!("  robot{n}: {{tokens: [{{sha256: \"{n:08x}{:056}\"}}]}}\n", 0);
            builder.with(&format!("robots:\n{}", (1..size).map(robot).collect::<String>()))
        }
        Axis::Repositories | Axis::Connections => builder,
    }
}
