//! The shipped configurations load, without errors, and mean what their comments say.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command, time::Duration};

use portwarden::{
    config::{Config, Loaded, LogSettings, Severity},
    telemetry::AuditSettings,
};
use tempfile::TempDir;

#[test]
fn the_sample_is_warned_of_its_cheap_passwords_only() {
    let loaded = load(&surroundings(), "auth_config.yml");
    // Cheap on purpose, as a comment in it says: an operator that keeps them gets a warning.
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
    assert_eq!(config.proxy.follow_redirects, sample.proxy.follow_redirects);
    assert_eq!(config.proxy.token_body, sample.proxy.token_body);
    assert_eq!(config.proxy.token_requests, sample.proxy.token_requests);
    assert_eq!(config.proxy.idle_body, sample.proxy.idle_body);
    assert_eq!(config.proxy.passwords.queue, sample.proxy.passwords.queue);
    assert_eq!(config.proxy.passwords.remember, sample.proxy.passwords.remember);
    assert_eq!(config.log, LogSettings::default());
    assert_eq!(config.audit, AuditSettings::default());
}

/// Blocks of YAML in the documentation that are no part of a configuration, by their first line.
const NO_CONFIGURATION: [&str; 9] = [
    "# expectations.yml",
    "groups:",
    "# .github/workflows/push.yml",
    "# .forgejo/workflows/push.yml",
    "# .gitlab-ci.yml",
    // Checked by `services::chart`.
    "# values.yaml",
    // Checked by `fast::kubernetes`.
    "# Secret",
    "# ServiceAccount",
    "# /etc/rancher/k3s/registries.yaml",
];

/// The surroundings of a part of a configuration, by the key it begins with.
const AROUND: [(&str, &str); 4] = [
    ("server", "  addr: ':443'\n  certificate: tls.crt\n  key: tls.key\n"),
    ("token", "  issuer: Acme\n  expiration: 900\n"),
    ("users", "  partner: {password: \"HASH\", labels: {role: [tester]}}\n"),
    ("acl", "  - match: {account: /.+/}\n    actions: [pull]\n"),
];
const HASH: &str = "$2y$10$lfIkMm1jPw8Is./rthy5auKvJeeuH7pJMDm4K.KmbODdBR31EC/am";

#[test]
fn every_block_of_yaml_in_the_documentation_passes_check_strict() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages =
        docs.filter(|page| page.extension().is_some_and(|e| e == "md")).chain([root.join("README.md")]);
    let mut checked = 0;
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for block in blocks(&text)
            .iter()
            .filter(|block| !NO_CONFIGURATION.iter().any(|first| block.starts_with(first)))
        {
            let whole = completed(block);
            assert_eq!(strictly(&whole), "", "{}:\n{whole}", page.display());
            checked += 1;
        }
    }
    assert!(checked >= 13, "only {checked} blocks");
}

#[test]
fn every_shipped_configuration_passes_check_strict_but_for_its_cheap_passwords() {
    for name in ["auth_config.yml", "closed.yml", "reference.yml"] {
        let text =
            fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)).unwrap();
        assert_eq!(strictly(&text.replace("$2y$05$", "$2y$10$")), "", "{name}");
    }
}

/// The faults that `check --strict --without-files` finds.
fn strictly(text: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("f.yml"), text).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_portwarden"));
    check.current_dir(&directory).args(["check", "--strict", "--without-files", "--config", "f.yml"]);
    let output = check.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let found: Vec<_> = said.lines().filter(|line| !line.contains(": note: ")).collect();
    assert_eq!(output.status.success(), found.is_empty(), "{said}");
    found.join("\n")
}

/// The fenced blocks of YAML, without the indentation of a list around them.
fn blocks(page: &str) -> Vec<String> {
    let mut lines = page.lines();
    let mut blocks = Vec::new();
    while let Some(fence) = lines.find(|line| line.trim_start() == "```yaml") {
        let indent = fence.len() - fence.trim_start().len();
        let body = lines.by_ref().take_while(|line| line.trim_start() != "```");
        blocks.push(body.map(|line| format!("{}\n", line.get(indent..).unwrap_or_default())).collect());
    }
    blocks
}

/// A part of a configuration with all that it needs around it.
fn completed(block: &str) -> String {
    let block = block.replace("$2y$10$…", HASH);
    let mut whole = if block.starts_with(' ') { format!("acl:\n{block}") } else { block };
    let end =
        if whole.ends_with("\n...\n") { whole.split_off(whole.len() - "...\n".len()) } else { String::new() };
    for (key, rest) in AROUND {
        let section = format!("{key}:\n");
        let missing = rest.lines().filter(|line| !whole.contains(line.split(':').next().unwrap_or_default()));
        match whole.find(&section) {
            None => whole.push_str(&format!("{section}{rest}")),
            Some(at) if key == "server" => {
                let missing: String = missing.map(|line| format!("{line}\n")).collect();
                whole.insert_str(at + section.len(), &missing);
            }
            Some(_) => {}
        }
    }
    whole.replace("HASH", HASH) + &end
}

/// The users whose hash is cheap, when nothing else is warned of.
fn cheap_passwords(loaded: &Loaded) -> Vec<&str> {
    let mut users = Vec::new();
    for finding in loaded.warnings.0.iter().filter(|finding| finding.severity == Severity::Warning) {
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
