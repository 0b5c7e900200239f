//! Configurations against what docker_auth makes of them: what it refuses or dies of is refused, what it
//! accepts is accepted with the same meaning, or refused for one of the reasons listed here.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use portwarden::config::{Config, Findings};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use serde_json::Value;

/// Reasons for refusing a configuration that docker_auth accepts: a part of the message, and the number of rows that
/// have it.
const REASONS: &[(&str, usize)] = &[
    // Ignored by docker_auth, where a misspelt condition matches every account and a misspelt password admits any
    // client.
    ("unknown key", 10),
    // The last one wins in docker_auth.
    ("the key is written twice", 3),
    // Ignored by docker_auth, while a reader of the file sees it.
    ("a second document begins here", 1),
    // docker_auth dies when such a rule is used.
    ("actions: missing", 2),
    // `Null` is the empty text to docker_auth, by accident.
    ("means the empty text to docker_auth", 2),
    // docker_auth accepts these, and fails when it listens.
    ("the address has no port", 2),
    ("lists no suite that is known and safe", 2),
    ("the suites of TLS 1.3 cannot be chosen", 1),
    // docker_auth accepts these, and fails at the first login.
    ("ldap_auth.", 2),
    // A database without a place, which docker_auth cannot connect to.
    ("xorm", 2),
    // Any password would do, or none ever.
    ("the user has no password", 2),
    ("this is no bcrypt hash", 1),
    ("is a malformed glob, which would never match", 1),
    // Not built.
    ("which is not in this version", 2),
    // docker_auth accepts these, and no person can sign in, or no request to the provider ever ends in time.
    ("gitlab_auth.redirect_uri: missing", 4),
    ("oidc_auth.redirect_url: expected an https URL", 1),
    ("http_timeout: ", 2),
    // docker_auth orders a certificate for any name that a client asks for.
    ("would let any client use up the limits of the authority", 1),
];

#[test]
fn every_configuration_is_read_as_docker_auth_reads_it_or_refused() {
    let files = Files::new();
    let rows = rows();
    assert!(rows.len() >= 256, "only {} rows", rows.len());
    let mut failures = Vec::new();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &rows {
        let text = files.fill(row["config"].as_str().unwrap());
        let outcome = Config::parse(&text, "auth_config.yml", files.directory());
        match (row["expect"]["outcome"].as_str().unwrap(), outcome) {
            ("accepted", Ok(loaded)) => failures.extend(differences(row, &loaded.config)),
            ("accepted", Err(findings)) => match reason(&findings) {
                Some(reason) => *reasons.entry(reason).or_default() += 1,
                None => failures.push(failure(row, &format!("refused: {findings}"))),
            },
            (_, Err(findings)) => failures.extend(unclear(row, &findings)),
            (_, Ok(_)) => failures.push(failure(row, "accepted")),
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), rows.len(), failures.join("\n"));
    assert_eq!(reasons, REASONS.iter().copied().collect());
}

fn rows() -> Vec<Value> {
    let text =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/config_errors.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The listed reason of a refusal; every error must have one.
fn reason(findings: &Findings) -> Option<&'static str> {
    let of = |line: &str| REASONS.iter().map(|(reason, _)| *reason).find(|reason| line.contains(reason));
    let reasons: Option<Vec<_>> =
        findings.to_string().lines().filter(|l| !l.contains(": warning: ")).map(of).collect();
    reasons?.into_iter().next()
}

fn failure(row: &Value, what: &str) -> String {
    format!("{} [{}] {}: {what}", row["id"], row["group"], row["note"])
}

/// A refusal without the file's name, a line (of a file that has one) or something to do.
fn unclear(row: &Value, findings: &Findings) -> Option<String> {
    let clear = findings.0.iter().all(|f| f.file == "auth_config.yml" && f.hint.is_some());
    let empty = row["config"] == "";
    let placed = empty || findings.0.iter().all(|f| f.line.is_some());
    (!clear || !placed || !findings.has_errors()).then(|| failure(row, &format!("unclear: {findings}")))
}

fn differences(row: &Value, config: &Config) -> Option<String> {
    let expect = &row["expect"];
    let mut wrong = Vec::new();
    let mut same = |key: &str, ours: Value| {
        if expect[key] != ours {
            wrong.push(format!("{key} is {ours}, not {}", expect[key]));
        }
    };
    same("issuer", config.token.issuer.clone().into());
    same("net", net(config).into());
    // Without `acl`, which another authorizer makes up for, there are no rules.
    if !(expect["acl"].is_null() && config.acl.is_empty()) {
        same("acl", acl(config));
    }
    let mut names: Vec<&str> = config.users.iter().map(|user| user.name.as_str()).collect();
    names.sort_unstable();
    same("users", names.into());
    // Tokens last at least a minute.
    let expiration = Duration::from_secs(expect["expiration"].as_u64().unwrap().max(60));
    if config.token.lifetime != expiration {
        wrong.push(format!("lifetime is {:?}, not {expiration:?}", config.token.lifetime));
    }
    (!wrong.is_empty()).then(|| failure(row, &wrong.join("; ")))
}

fn net(config: &Config) -> &'static str {
    let unix = |address: &_| matches!(address, portwarden::server::Address::Unix(_));
    if config.server.addresses.iter().all(unix) { "unix" } else { "tcp" }
}

fn acl(config: &Config) -> Value {
    let rules = config.acl.iter().map(|rule| {
        let mut conditions = serde_json::Map::new();
        let texts = [
            ("account", &rule.account),
            ("type", &rule.resource_type),
            ("name", &rule.name),
            ("service", &rule.service),
            ("ip", &rule.ip),
        ];
        for (key, text) in texts {
            conditions.extend(text.iter().map(|text| (key.to_owned(), text.clone().into())));
        }
        if !rule.labels.is_empty() {
            conditions.insert("labels".to_owned(), serde_json::to_value(&rule.labels).unwrap());
        }
        serde_json::json!({"match": conditions, "actions": rule.actions})
    });
    rules.collect()
}

/// The files that the rows name.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.pair("cert", "key", &PKCS_RSA_SHA256, 2099);
        files.pair("cert2", "key2", &PKCS_RSA_SHA256, 2099);
        files.pair("eccert", "eckey", &PKCS_ECDSA_P256_SHA256, 2099);
        files.pair("expcert", "expkey", &PKCS_RSA_SHA256, 2001);
        files.write("empty.pem", "");
        files.write("client_secret.txt", "secret");
        files.write("ext.sh", "#!/bin/sh\n");
        fs::set_permissions(files.directory().join("ext.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        files.write("noexec.sh", "");
        fs::create_dir(files.directory().join("cache")).unwrap();
        files
    }

    fn directory(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.directory().join(name), text).unwrap();
    }

    fn pair(&self, certificate: &str, key: &str, algorithm: &'static rcgen::SignatureAlgorithm, until: i32) {
        let pair = KeyPair::generate_for(algorithm).unwrap();
        let mut params = CertificateParams::new(vec!["registry.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        self.write(&format!("{certificate}.pem"), &params.self_signed(&pair).unwrap().pem());
        self.write(&format!("{key}.pem"), &pair.serialize_pem());
    }

    /// `@CERT@` and its like become paths.
    fn fill(&self, text: &str) -> String {
        let directory = self.directory().display().to_string();
        let names = ["CERT2", "KEY2", "CERT", "KEY", "ECCERT", "ECKEY", "EXPCERT", "EXPKEY", "EMPTY"];
        names.iter().fold(text.replace("@DIR@", &directory), |text, name| {
            text.replace(&format!("@{name}@"), &format!("{directory}/{}.pem", name.to_lowercase()))
        })
    }
}
