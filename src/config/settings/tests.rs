//! The table against the schema, and against what the sections make of it.

use std::{collections::BTreeSet, path::Path, time::Duration};

use serde::Deserialize as _;

use super::{
    TABLE,
    documents::documented,
    known_keys,
    row::{Kind, Setting, segments},
};
use crate::{
    authn, backend,
    config::{Config, Findings, diagnostics::path::Step, schema::File, yaml},
};

#[test]
fn the_table_has_every_key_of_the_schema_and_no_other() {
    for place in places() {
        assert_eq!(known_keys(&place), fields(&place), "left: the table, right: the schema, at {place:?}");
    }
}

/// The top of the file, every key of the table, what a key is in, and what might be in a key.
fn places() -> BTreeSet<Vec<Step>> {
    let mut places = BTreeSet::from([Vec::new()]);
    for row in TABLE.iter().copied().flatten() {
        let steps: Vec<Step> = segments(row.key).map(step).collect();
        places.extend((1..=steps.len()).map(|length| steps[..length].to_vec()));
        places.insert([steps.clone(), vec![Step::Index(0)]].concat());
        places.insert([steps, vec![Step::Key("any".to_owned())]].concat());
    }
    places
}

fn step(segment: &str) -> Step {
    match segment {
        "[]" => Step::Index(0),
        name if name.starts_with('<') => Step::Key("any".to_owned()),
        name => Step::Key(name.to_owned()),
    }
}

/// The keys of the schema at a place, which serde names when it finds another one there.
fn fields(place: &[Step]) -> Vec<String> {
    let text = place.iter().rev().fold("{zzz: ~}".to_owned(), |inner, step| match step {
        Step::Key(key) => format!("{{{key}: {inner}}}"),
        Step::Index(_) => format!("[{inner}]"),
    });
    let (root, _) = yaml::read(&format!("{text}\n")).unwrap();
    let error = File::deserialize(&root.unwrap()).err().map(|error| error.to_string()).unwrap_or_default();
    let named = error.strip_prefix("unknown field `zzz`").unwrap_or_default();
    named.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_defaults_are_those_of_the_sections() {
    let mut compared = 0;
    for row in documented() {
        let (Some(default), Some((section, key))) = (row.written_default(), parts(row)) else { continue };
        let (without, with) = (config(section, "", ""), config(section, key, &default));
        assert_eq!(meaning(&with), meaning(&without), "{}: {default}", row.key);
        compared += 1;
    }
    assert!(compared > 35, "only {compared} defaults: the search is broken");
}

/// Other modules cannot see the table.
#[test]
fn the_defaults_of_other_modules_are_the_same() {
    let config = read(&config("backends", "", "")).unwrap();
    assert_eq!(config.authenticators.limits, backend::BackendLimits::default());
    assert_eq!(config.proxy.passwords.remember, authn::RememberedSettings::default().ttl);
}

#[test]
fn the_ranges_are_those_of_the_sections() {
    let mut tried = 0;
    for row in documented() {
        let ([least, most], beyond) = match row.kind {
            Kind::Count { bounds, .. } | Kind::Size(bounds) => {
                let beyond = [bounds.least.checked_sub(1), bounds.most.checked_add(1)];
                ([bounds.least, bounds.most].map(|n| n.to_string()), beyond.map(|n| n.map(|n| n.to_string())))
            }
            Kind::Duration(bounds) => {
                let step = Duration::from_millis(1);
                let beyond = [bounds.least.checked_sub(step), bounds.most.checked_add(step)];
                ([bounds.least, bounds.most].map(millis), beyond.map(|duration| duration.map(millis)))
            }
            _ => continue,
        };
        // An element of a list is tried with its section.
        let Some((section, key)) = parts(row) else { continue };
        for value in [least, most] {
            assert!(read(&config(section, key, &value)).is_ok(), "{}: {value} is refused", row.key);
        }
        for value in beyond.into_iter().flatten() {
            let findings = read(&config(section, key, &value)).err().map(|findings| findings.to_string());
            let expected = format!("{}: must be from ", row.key);
            assert!(
                findings.is_some_and(|said| said.contains(&expected)),
                "{}: {value} is accepted",
                row.key
            );
        }
        tried += 1;
    }
    assert!(tried > 20, "only {tried} ranges: the search is broken");
}

fn millis(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

/// The section and the key of a row; `None` if it is deeper, or a section.
fn parts(row: &Setting) -> Option<(&'static str, &'static str)> {
    row.key.split_once('.').filter(|(_, key)| !key.contains('.'))
}

/// Sections with what is required in them.
const REQUIRED: [(&str, &[(&str, &str)]); 10] = [
    ("server", &[("addr", "':443'"), ("certificate", "c.pem"), ("key", "k.pem"), ("client_ca", "ca.pem")]),
    ("token", &[("issuer", "A"), ("expiration", "900"), ("certificate", "c.pem"), ("key", "k.pem")]),
    ("ldap_auth", &[("addr", "localhost:389"), ("base", "dc=x"), ("filter", "(uid=${account})")]),
    (
        "workload_auth",
        &[
            ("audience", "x"),
            ("issuers", "[{name: a, issuer: 'https://a.example', account: '${claim:sub}'}]"),
        ],
    ),
    ("google_auth", &[("client_id", "a"), ("client_secret", "b")]),
    ("github_auth", &[("client_id", "a"), ("client_secret", "b")]),
    (
        "gitlab_auth",
        &[("client_id", "a"), ("client_secret", "b"), ("redirect_uri", "https://a.example/gitlab_auth")],
    ),
    (
        "oidc_auth",
        &[
            ("client_id", "a"),
            ("client_secret", "b"),
            ("issuer", "https://b.example"),
            ("redirect_url", "https://a.example/oidc_auth"),
        ],
    ),
    ("notifications", &[("endpoints", "[{name: a, url: 'https://a.example'}]"), ("spool", "x.spool")]),
    ("acl_xorm", &[("database_type", "sqlite3"), ("conn_string", "x.db"), ("cache_ttl", "1m")]),
];

/// A configuration with all that is required and a value of a section; without that value, if the key is empty.
fn config(section: &str, key: &str, value: &str) -> String {
    let mut text = "users: {}\nacl: []\n".to_owned();
    let names = BTreeSet::from(["server", "token", section]);
    for name in names {
        let required = REQUIRED.iter().find(|(other, _)| *other == name).map(|(_, keys)| *keys);
        let required =
            required.unwrap_or_default().iter().filter(|(other, _)| name != section || *other != key);
        let own = (name == section && !key.is_empty()).then_some((key, value));
        let lines: String =
            required.copied().chain(own).map(|(key, value)| format!("  {key}: {value}\n")).collect();
        let none = if lines.is_empty() { " {}" } else { "" };
        text.push_str(&format!("{name}:{none}\n{lines}"));
    }
    text
}

fn read(text: &str) -> Result<Config, Findings> {
    Config::parse_with(text, "f.yml", Path::new("/"), true).map(|loaded| loaded.config)
}

/// All settings that have a default.
fn meaning(text: &str) -> String {
    let config = read(text).unwrap_or_else(|findings| panic!("{text}{findings}"));
    let Config {
        proxy,
        server,
        token,
        log,
        audit,
        metrics,
        control,
        authenticators,
        authorizers,
        workload,
        sign_ins,
        certificates,
        notifications,
        ..
    } = config;
    let backends = (
        authenticators.limits,
        authenticators.ldap_auth,
        authorizers.limits,
        authorizers.remember,
        workload,
        sign_ins,
        certificates,
        notifications,
    );
    format!("{:?}", (proxy, server, token, log, audit, metrics, control, backends))
}
