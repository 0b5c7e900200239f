//! The configurations we ship load, without errors, and mean what their comments say.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of a test may fail loudly, as the tests do"
)]

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use portwarden::{
    config::{Config, Loaded, LogSettings},
    telemetry::AuditSettings,
};
use tempfile::TempDir;

#[test]
fn the_sample_is_warned_of_its_cheap_passwords_only() {
    let loaded = load(&surroundings(), "auth_config.yml");
    // Cheap on purpose, as a comment in it says: who keeps them is told so.
    assert_eq!(cheap_passwords(&loaded), ["admin", "test", "user", "test2"]);
    let config = loaded.config;
    assert_eq!(config.token.lifetime, Duration::from_secs(900));
    let users: Vec<&str> = config.users.iter().map(|user| user.name.as_str()).collect();
    assert_eq!(users, ["admin", "test", "user", "test2"]);
    assert!(config.users.iter().all(|user| user.password.as_ref().unwrap().starts_with("$2y$05$")));
    let accounts: Vec<_> = config.acl.iter().map(|rule| rule.account.as_deref().unwrap()).collect();
    assert_eq!(accounts, ["admin", "user", "test2"], "`test` has no rule");
    let names: Vec<_> = config.files.iter().map(|f| f.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["auth_config.yml", "portwarden.crt", "portwarden.key"]);
}

#[test]
fn the_reference_loads_and_its_defaults_are_the_defaults() {
    let directory = surroundings();
    let sample = load(&directory, "auth_config.yml").config;
    let loaded = load(&directory, "reference.yml");
    assert_eq!(cheap_passwords(&loaded), ["admin"]);
    let config = loaded.config;
    assert_eq!(format!("{:?}", config.server), format!("{:?}", sample.server));
    assert_eq!(format!("{:?}", config.proxy.upstream), format!("{:?}", sample.proxy.upstream));
    assert_eq!(config.token, sample.token);
    assert_eq!(config.proxy.service, sample.proxy.service);
    assert_eq!(config.proxy.token_body, sample.proxy.token_body);
    assert_eq!(config.proxy.token_requests, sample.proxy.token_requests);
    assert_eq!(config.proxy.idle_body, sample.proxy.idle_body);
    assert_eq!(config.proxy.passwords.queue, sample.proxy.passwords.queue);
    assert_eq!(config.proxy.passwords.remember, sample.proxy.passwords.remember);
    assert_eq!(config.log, LogSettings::default());
    assert_eq!(config.audit, AuditSettings::default());
}

/// The users whose hash is cheap, when nothing else is warned of.
fn cheap_passwords(loaded: &Loaded) -> Vec<&str> {
    let mut users = Vec::new();
    for finding in &loaded.warnings.0 {
        assert!(finding.message.starts_with("the bcrypt cost is 5: "), "{finding}");
        users.extend(finding.key.strip_prefix("users.").and_then(|key| key.strip_suffix(".password")));
    }
    users
}

/// A copy of the shipped files with certificates, which are not shipped.
fn surroundings() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let (certs, copies) = (directory.path().join("certs"), directory.path().join("config"));
    fs::create_dir(&certs).unwrap();
    fs::create_dir(&copies).unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["registry.example".to_owned()]).unwrap();
    fs::write(certs.join("portwarden.crt"), made.cert.pem()).unwrap();
    let key = certs.join("portwarden.key");
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    for name in ["auth_config.yml", "reference.yml"] {
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name), copies.join(name)).unwrap();
    }
    directory
}

fn load(directory: &TempDir, name: &str) -> Loaded {
    Config::load(&directory.path().join("config").join(name)).unwrap_or_else(|findings| panic!("{findings}"))
}
