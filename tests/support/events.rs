//! Events of notifications beside those that the registry sends itself about the same requests, field by field.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    collector::Collector,
    waiting::{PATIENCE, eventually},
};

/// The differences from the registry's own events, by the place of the field, with the reason. All else is the same.
const DIFFERENCES: [(&str, &str); 8] = [
    ("/id", "each sender draws its own"),
    ("/timestamp", "each sender has its own clock, and hears of the end at another time"),
    ("/actor/name", "the registry does not know the account"),
    ("/request/id", "ours is that of the audit log and of `X-Request-Id`"),
    (
        "/request/addr",
        "ours is the client's address as the rules see it; the registry's has the port of a connection",
    ),
    ("/source/addr", "another server"),
    ("/source/instanceID", "another server"),
    ("/portwarden", "the rule, and what the registry's form has no place for"),
];

/// All fields of an event that are no mappings, by their place.
fn fields(event: &Value, at: &str, all: &mut BTreeMap<String, Value>) {
    match event {
        Value::Object(entries) if !entries.is_empty() && at != "/portwarden" => {
            for (key, value) in entries {
                fields(value, &format!("{at}/{key}"), all);
            }
        }
        Value::Object(entries) if entries.is_empty() => {}
        value => drop(all.insert(at.to_owned(), value.clone())),
    }
}

/// Members of a reference that are not everywhere: the first two not in those of 2.8, `data` not in ours.
const OF_REFERENCES: [&str; 3] = ["platform", "artifactType", "data"];

/// The fields that are to be the same. Registry 3 writes those of a target that it does not know as empty ones.
fn compared(event: &Value) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    fields(event, "", &mut all);
    for reference in all.get_mut("/target/references").and_then(Value::as_array_mut).into_iter().flatten() {
        reference.as_object_mut().unwrap().retain(|member, _| !OF_REFERENCES.contains(&&**member));
    }
    all.retain(|at, value| !at.starts_with("/target/") || (*value != json!("") && *value != json!(0)));
    all.retain(|at, _| !DIFFERENCES.iter().any(|(different, _)| at == different));
    all
}

/// The events about requests of clients: those of Portwarden itself to the registry have no `User-Agent`.
pub fn of_clients(events: &[Value]) -> Vec<&Value> {
    events.iter().filter(|event| event["request"]["useragent"] != "").collect()
}

/// The section that sends events to this endpoint, with what each manifest refers to.
pub fn with_references(collector: &Collector) -> String {
    format!(
        "notifications: {{spool: notifications.spool, events: {{includereferences: true}}, endpoints: [{{name: one, url: \
         '{}', timeout: 10s}}]}}",
        collector.url()
    )
}

/// Waits until both have the same events about requests of clients, and returns them.
#[track_caller]
pub fn assert_the_same(ours: &Collector, theirs: &Collector) -> (Vec<Value>, Vec<Value>) {
    let in_order = |events: &[Value]| {
        let mut all: Vec<_> = of_clients(events).into_iter().map(compared).collect();
        all.sort_by_key(|event| format!("{event:?}"));
        all
    };
    eventually(PATIENCE, || in_order(&theirs.events()) == in_order(&ours.events()));
    let (ours, theirs) = (ours.events(), theirs.events());
    let in_short = |event: &Value| format!("{} {} {}\n", event["action"], event["request"], event["target"]);
    let said = |events: &[Value]| of_clients(events).into_iter().map(in_short).collect::<String>();
    let (ours_compared, theirs_compared) = (in_order(&ours), in_order(&theirs));
    assert_eq!(
        ours_compared.len(),
        theirs_compared.len(),
        "ours:\n{}theirs:\n{}",
        said(&ours),
        said(&theirs)
    );
    for (ours, theirs) in ours_compared.iter().zip(&theirs_compared) {
        assert_eq!(ours, theirs);
    }
    (ours, theirs)
}
