//! Merge keys (`<<`), as docker_auth reads them; refused where other readers of YAML would see something else.
//!
//! To docker_auth a merge key is what stands in its place: what comes later wins, and two mappings under one key become
//! one. To others the keys written out win, and whole. So no key may be merged behind one that is written out, and no
//! mapping onto a mapping.

use std::collections::BTreeMap;

use super::{Entry, Mark, Node, Problem, Value};
use crate::config::diagnostics::path::{Path, shown};

/// A merge key with its value.
pub(super) struct Merge {
    /// The number of entries written before it.
    pub(super) after: usize,
    pub(super) at: Mark,
    pub(super) node: Node,
}

/// The entries of a mapping, whose merge key is at `path`, with what the merge key stands for: first the merged ones,
/// then those written.
pub(super) fn merge(
    written: Vec<Entry>,
    merge: Merge,
    path: &Path,
    problems: &mut Vec<Problem>,
) -> Vec<Entry> {
    let Merge { after, at, node } = merge;
    let mut report = |at: Mark, message: String, hint: &str| {
        problems.push(Problem {
            at,
            path: path.clone(),
            message,
            hint: hint.to_owned(),
            ..Problem::default()
        });
    };
    let Some(sources) = sources(node) else {
        let message = "expected an alias of a mapping, or a list of such aliases".to_owned();
        report(at, message, "Write `<<: *name`, where `&name` marks a mapping");
        return written;
    };
    let mut entries: Vec<Entry> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    // Of several sources the earlier ones win, in every reader.
    for entry in sources.into_iter().flatten() {
        match known.get(&entry.key).and_then(|index| entries.get(*index)) {
            Some(first) if both_mappings(first, &entry) => report(at, mixed(&entry.key), WRITE_OUT),
            Some(_) => {}
            None => {
                known.insert(entry.key.clone(), entries.len());
                entries.push(entry);
            }
        }
    }
    for (index, entry) in written.into_iter().enumerate() {
        let Some(merged) = known.get(&entry.key).and_then(|index| entries.get_mut(*index)) else {
            entries.push(entry);
            continue;
        };
        if index < after {
            report(
                at,
                overridden(&entry.key),
                "Write `<<` before the keys that differ from what it stands for",
            );
        } else if both_mappings(merged, &entry) {
            report(at, mixed(&entry.key), WRITE_OUT);
        }
        *merged = entry;
    }
    entries
}

const WRITE_OUT: &str = "Write this key out in full, and leave it out of the mapping that is merged";

fn sources(node: Node) -> Option<Vec<Vec<Entry>>> {
    match node.value {
        Value::Mapping(entries) => Some(vec![entries]),
        Value::List(items) => items.into_iter().map(mapping).collect(),
        _ => None,
    }
}

fn mapping(node: Node) -> Option<Vec<Entry>> {
    if let Value::Mapping(entries) = node.value { Some(entries) } else { None }
}

fn both_mappings(one: &Entry, other: &Entry) -> bool {
    matches!((&one.node.value, &other.node.value), (Value::Mapping(_), Value::Mapping(_)))
}

fn mixed(key: &str) -> String {
    format!(
        "`{}` is a mapping here and in what is merged: docker_auth makes one of both, others keep one",
        shown(key)
    )
}

fn overridden(key: &str) -> String {
    format!(
        "`{}` stands before the merge key that has it too: docker_auth takes the merged value, others this one",
        shown(key)
    )
}
