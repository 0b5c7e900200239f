//! The shape of the source: which module may import which, and that each file says what it is for.
//!
//! The modules are described in `docs/architecture.md`; their imports are checked here.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::support::sources::{files, root};

/// A module, and those that it may import. `telemetry` decides nothing, so anyone may import it.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("registry", &[]),
    ("telemetry", &[]),
    ("limits", &[]),
    ("strict_json", &[]),
    ("private_file", &[]),
    ("net", &[]),
    ("backend", &["limits"]),
    ("storage", &["registry", "net"]),
    ("authn", &["registry", "limits", "backend"]),
    ("authz", &["registry", "backend"]),
    ("retention", &["registry", "authz"]),
    ("activity", &["registry"]),
    ("acme", &["backend", "authn", "state"]),
    ("state", &["registry", "backend", "authn", "retention", "activity"]),
    ("token", &["registry", "authn", "state"]),
    ("workload", &["backend", "authn", "authz"]),
    ("sign_in", &["registry", "backend", "authn", "workload"]),
    ("notifications", &["limits", "backend"]),
    ("replay", &["registry", "backend", "authn", "authz", "workload"]),
    ("image", &["registry"]),
    ("ui", &["registry", "image"]),
    (
        "proxy",
        &[
            "registry",
            "limits",
            "net",
            "backend",
            "storage",
            "authn",
            "authz",
            "retention",
            "activity",
            "state",
            "token",
            "workload",
            "sign_in",
            "image",
            "ui",
        ],
    ),
    (
        "server",
        &[
            "acme",
            "registry",
            "limits",
            "net",
            "backend",
            "authn",
            "authz",
            "retention",
            "activity",
            "state",
            "token",
            "proxy",
        ],
    ),
    // Builds the settings that the others own.
    (
        "config",
        &[
            "acme",
            "registry",
            "authn",
            "authz",
            "retention",
            "state",
            "token",
            "workload",
            "sign_in",
            "notifications",
            "proxy",
            "server",
            "backend",
        ],
    ),
    (
        "cli",
        &[
            "acme",
            "registry",
            "backend",
            "storage",
            "authn",
            "authz",
            "retention",
            "activity",
            "state",
            "token",
            "workload",
            "sign_in",
            "notifications",
            "replay",
            "proxy",
            "server",
            "config",
        ],
    ),
];

#[test]
fn modules_import_in_one_direction() {
    let mut wrong = Vec::new();
    let mut imports = 0;
    for file in files("src") {
        let Some(module) = module_of(&file) else { continue };
        let known = MAY_IMPORT.iter().find(|(name, _)| *name == module);
        let Some((_, allowed)) = known else {
            wrong.push(format!("{}: the module {module} is not listed in this test", file.display()));
            continue;
        };
        let text = fs::read_to_string(&file).unwrap();

        for imported in imported_modules(&text) {
            imports += 1;
            // `mutation` is there for unit tests only: inputs for the properties that fuzzing asks.
            let by_anyone = ["telemetry", "strict_json", "private_file", "mutation"].contains(&&*imported);
            let fine = imported == module || by_anyone || allowed.contains(&&*imported);
            if !fine {
                wrong.push(format!("{}: {module} may not import {imported}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(imports > 20, "only {imports} imports found: the search is broken");
}

/// A room of `proxy`, and the rooms there that it may import. `service` imports all, and what outlives a request
/// (`settings`, `snapshot`, `freeze`) is imported by all.
const ROOMS_OF_PROXY: &[(&str, &[&str])] = &[
    ("request", &[]),
    ("body", &[]),
    ("upstream", &["body"]),
    ("request_log", &["request", "body", "upstream"]),
    ("response", &["request", "body", "upstream", "request_log"]),
    ("auth", &["request", "body", "request_log", "response"]),
    ("forward", &["request", "body", "upstream", "request_log", "response"]),
    ("write_once", &["request", "body", "upstream", "request_log", "response", "forward"]),
    ("closure", &["request", "body", "upstream", "request_log", "response", "forward"]),
    (
        "prune",
        &["request", "body", "upstream", "request_log", "response", "forward", "write_once", "closure"],
    ),
    (
        "pages",
        &[
            "request",
            "body",
            "upstream",
            "request_log",
            "response",
            "auth",
            "forward",
            "write_once",
            "closure",
        ],
    ),
];

#[test]
fn rooms_of_proxy_import_in_one_direction() {
    let mut wrong = Vec::new();
    let mut imports = 0;
    for file in files("src/proxy") {
        let inside = file.strip_prefix(root().join("src/proxy")).unwrap();
        let first = inside.iter().next().unwrap().to_str().unwrap();
        let room = first.strip_suffix(".rs").unwrap_or(first);
        let Some((_, allowed)) = ROOMS_OF_PROXY.iter().find(|(name, _)| *name == room) else { continue };
        let text = fs::read_to_string(&file).unwrap();
        // `super` of a file that stands in `proxy` itself is `proxy`, and so is `super::super` of one in a room.
        let ups = inside.iter().count() - usize::from(inside.ends_with("mod.rs"));
        for other in rooms_imported(&text, ups) {
            imports += 1;
            let is_room = ROOMS_OF_PROXY.iter().any(|(name, _)| *name == other);
            if is_room && other != room && !allowed.contains(&&*other) {
                wrong.push(format!("{}: {room} may not import {other}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(imports > 50, "only {imports} imports found: the search is broken");
}

#[test]
fn the_search_for_rooms_finds_every_form() {
    let source = "
use super::super::{auth::caller::Caller, body};
use crate::{registry::Route, proxy::{Peer, upstream::{Upstream, pace}}};
fn f(a: crate::proxy::pages::Pages) {}
";
    let found = rooms_imported(source, 2);
    assert_eq!(found, BTreeSet::from(["auth", "body", "Peer", "upstream", "pages"].map(str::to_owned)));
}

/// Returns the names that follow a path to `proxy`: by its name, in a group of the crate, or by `super` so often.
fn rooms_imported(source: &str, ups: usize) -> BTreeSet<String> {
    let code = without_comments(source);
    let relative = "super::".repeat(ups);
    let paths = code.match_indices("proxy::").chain(code.match_indices(&relative));
    let whole = paths.filter(|(at, _)| !code[..*at].ends_with("super::") && !is_inside_a_word(&code, *at));
    whole.flat_map(|(at, found)| names_at(&code[at + found.len()..])).collect()
}

fn is_inside_a_word(code: &str, at: usize) -> bool {
    code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

fn without_comments(source: &str) -> String {
    let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_search_for_imports_finds_every_form() {
    let source = "
use crate::registry::{Route, Scope};
use crate::{
    authn::{Users, Secret},
    config::{self, Config}, token,
};
// crate::cli::ignored
fn f(a: crate::authz::Permit) -> crate::proxy::Service {}
";
    let found = imported_modules(source);
    let expected = ["authn", "authz", "config", "proxy", "registry", "token"].map(str::to_owned);
    assert_eq!(found, BTreeSet::from(expected));
}

#[test]
fn every_file_says_what_it_is_for() {
    let all: Vec<PathBuf> =
        ["src", "tests", "benches", "fuzz/src", "fuzz/targets"].into_iter().flat_map(files).collect();
    let starts_with_doc = |file: &PathBuf| fs::read_to_string(file).unwrap().starts_with("//! ");
    let silent: Vec<String> =
        all.iter().filter(|file| !starts_with_doc(file)).map(|file| file.display().to_string()).collect();
    assert!(silent.is_empty(), "these do not begin with `//! `:\n{}", silent.join("\n"));
    assert!(all.len() > 50, "only {} files found: the search is broken", all.len());
}

/// `src/authn/users.rs` and `src/authn/mod.rs` are of `authn`; `src/lib.rs` and `src/main.rs` of none.
fn module_of(file: &Path) -> Option<String> {
    let inside = file.strip_prefix(root().join("src")).ok()?;
    let first = inside.iter().next()?.to_str()?;
    match first.strip_suffix(".rs") {
        None => Some(first.to_owned()),
        Some("lib" | "main") => None,
        Some(module) => Some(module.to_owned()),
    }
}

/// Returns the names after each `crate::`: one, or the first names in a group.
fn imported_modules(source: &str) -> BTreeSet<String> {
    let code = without_comments(source);
    let places = code.match_indices("crate::").filter(|(at, _)| !is_inside_a_name(&code, *at));
    places.flat_map(|(at, found)| names_at(&code[at + found.len()..])).collect()
}

/// `$crate::` and `some_crate::` are no imports of this crate.
fn is_inside_a_name(code: &str, at: usize) -> bool {
    code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$')
}

fn names_at(code: &str) -> Vec<String> {
    match code.strip_prefix('{') {
        None => vec![name_at(code)],
        Some(group) => group_members(group).iter().map(|member| name_at(member)).collect(),
    }
}

fn name_at(code: &str) -> String {
    code.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The members of a group whose opening brace has been read; those of groups inside it are not split.
fn group_members(group: &str) -> Vec<String> {
    let (mut members, mut depth) = (vec![String::new()], 0);
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => members.push(String::new()),
            _ => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                members.last_mut().unwrap().push(c);
            }
        }
    }
    members.retain(|member| !member.trim().is_empty());
    members
}
