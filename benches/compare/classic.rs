//! The registry with TLS and tokens of its own, against Portwarden with a plain registry: all processors together. Where
//! Portwarden reads the registry's files, also against nginx and HAProxy with the registry.

use crate::{
    contenders::{Field, Setup},
    options::Options,
    pull::{Transfer, upload_to},
    push::{Layer, Way},
    report::{Goal, PROXIES, REGISTRY, Report},
    support::{client::Protocol, content::Content},
};

/// One case.
struct Case {
    name: &'static str,
    protocol: Protocol,
    is_pull: bool,
    /// True if Portwarden reads blobs from the registry's files.
    storage: bool,
    /// Processor time.
    cpu: &'static [Goal],
}

const fn case(
    name: &'static str,
    protocol: Protocol,
    is_pull: bool,
    storage: bool,
    cpu: &'static [Goal],
) -> Case {
    Case { name, protocol, is_pull, storage, cpu }
}

/// No more than the registry.
const EVEN: &[Goal] = &[Goal::Times(1.0)];
const STORAGE_H1: &[Goal] = &[Goal::TimesOf(0.75, REGISTRY), Goal::TimesOf(0.45, PROXIES)];
const STORAGE_H2: &[Goal] = &[Goal::TimesOf(0.5, REGISTRY), Goal::TimesOf(0.5, PROXIES)];

const CASES: [Case; 6] = [
    case("classic-pull-h1", Protocol::Http1, true, false, EVEN),
    case("classic-pull-h2", Protocol::Http2, true, false, EVEN),
    case("classic-push-h1", Protocol::Http1, false, false, EVEN),
    case("classic-push-h2", Protocol::Http2, false, false, EVEN),
    case("storage-pull-h1", Protocol::Http1, true, true, STORAGE_H1),
    case("storage-pull-h2", Protocol::Http2, true, true, STORAGE_H2),
];

/// Measures them.
pub fn run(options: &Options, report: &mut Report) {
    for storage in [false, true] {
        let cases = CASES.iter().filter(|case| case.storage == storage && options.wants(case.name));
        let cases: Vec<&Case> = cases.collect();
        if !cases.is_empty() {
            measure(&cases, storage, options, report);
        }
    }
}

fn measure(cases: &[&Case], storage: bool, options: &Options, report: &mut Report) {
    let mut field = Field::start(Setup { storage, ..Setup::default() });
    if !storage {
        field.contenders.truncate(1);
        field.add_floor();
    }
    field.add_registry();
    let size = options.pick(1 << 30, 128 << 20);
    let content = Content::made(9, size);
    // To Portwarden's registry, and to the other one.
    let blob = upload_to(&field, &field.contenders[0], &content);
    field.contenders.last().map(|registry| upload_to(&field, registry, &content));
    let layer = Layer::new(size);
    for case in cases {
        field.renew();
        report.measure(case.name, &field.contenders, options.rounds(), |contender| {
            let used = if case.is_pull {
                let transfer = Transfer { protocol: case.protocol, streams: 1, blob: &blob };
                transfer.pull(&field, contender, &contender.processes)
            } else {
                let used = layer.push(&field, contender, case.protocol, Way::Docker, &contender.processes);
                layer.forget(field.registry_of(contender));
                used
            };
            used.samples(case.cpu, Goal::Times(1.0))
        });
    }
}
