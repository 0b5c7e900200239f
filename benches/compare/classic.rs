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

const CASES: [(&str, Protocol, bool); 4] = [
    ("classic-pull-h1", Protocol::Http1, true),
    ("classic-pull-h2", Protocol::Http2, true),
    ("classic-push-h1", Protocol::Http1, false),
    ("classic-push-h2", Protocol::Http2, false),
];

/// Measures them.
pub fn run(options: &Options, report: &mut Report) {
    let cases: Vec<_> = CASES.iter().filter(|(name, ..)| options.wants(name)).collect();
    if cases.is_empty() {
        return;
    }
    let mut field = Field::start(Setup::default());
    let alone = registry_alone(&field.warden);
    let mut both = field.contenders[0].clone();
    both.processes.push(field.registry.id());
    let other = Contender { name: "registry", address: alone.address(), processes: vec![alone.id()] };
    let size = options.pick(1 << 30, 128 << 20);
    let content = Content::made(9, size);
    let blob = upload(&field, &content);
    upload_to(&field, &other, &content);
    let layer = Layer::new(size);
    for (case, protocol, pull) in cases {
        field.renew();
        report.measure(case, &[both.clone(), other.clone()], options.rounds(), |contender| {
            let used = if *pull {
                let transfer = Transfer { protocol: *protocol, streams: 1, blob: &blob };
                transfer.pull(&field, contender, &contender.processes)
            } else {
                let used = layer.push(&field, contender, *protocol, Way::Docker, &contender.processes);
                layer.forget(store_of(contender, &field, &alone));
                used
            };
            used.samples(Goal::Times(1.0), Goal::Times(1.0))
        });
    }
}

fn store_of<'a>(contender: &Contender, field: &'a Field, alone: &'a Registry) -> &'a Registry {
    if contender.name == "registry" { alone } else { &field.registry }
}
