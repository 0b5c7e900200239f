//! The registry with TLS and tokens of its own, against Portwarden with a plain registry: all processors together.

use crate::{
    contenders::{Contender, Field, Setup},
    options::Options,
    pull::{Transfer, upload, upload_to},
    push::{Layer, Way},
    report::{Goal, Report},
    support::{
        client::Protocol,
        content::Content,
        registry::{Registry, registry_alone},
    },
};

/// One case.
struct Case {
    name: &'static str,
    protocol: Protocol,
    is_pull: bool,
    /// True if Portwarden reads blobs from the registry's files.
    storage: bool,
    /// Processor time, by that of the registry.
    cpu: f64,
}

const fn case(name: &'static str, protocol: Protocol, is_pull: bool, storage: bool, cpu: f64) -> Case {
    Case { name, protocol, is_pull, storage, cpu }
}

const CASES: [Case; 6] = [
    case("classic-pull-h1", Protocol::Http1, true, false, 1.0),
    case("classic-pull-h2", Protocol::Http2, true, false, 1.0),
    case("classic-push-h1", Protocol::Http1, false, false, 1.0),
    case("classic-push-h2", Protocol::Http2, false, false, 1.0),
    case("storage-pull-h1", Protocol::Http1, true, true, 0.75),
    case("storage-pull-h2", Protocol::Http2, true, true, 0.75),
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
    let alone = registry_alone(&field.warden);
    let mut both = field.contenders[0].clone();
    both.processes.push(field.registry.id());
    let other = Contender { name: "registry", address: alone.address(), processes: vec![alone.id()] };
    let size = options.pick(1 << 30, 128 << 20);
    let content = Content::made(9, size);
    let blob = upload(&field, &content);
    upload_to(&field, &other, &content);
    let layer = Layer::new(size);
    for case in cases {
        field.renew();
        report.measure(case.name, &[both.clone(), other.clone()], options.rounds(), |contender| {
            let used = if case.is_pull {
                let transfer = Transfer { protocol: case.protocol, streams: 1, blob: &blob };
                transfer.pull(&field, contender, &contender.processes)
            } else {
                let used = layer.push(&field, contender, case.protocol, Way::Docker, &contender.processes);
                layer.forget(store_of(contender, &field, &alone));
                used
            };
            used.samples(Goal::Times(case.cpu), Goal::Times(1.0))
        });
    }
}

fn store_of<'a>(contender: &Contender, field: &'a Field, alone: &'a Registry) -> &'a Registry {
    if contender.name == "registry" { alone } else { &field.registry }
}
