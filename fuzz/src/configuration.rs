//! Configurations: reading one never panics, says the same each time, and every finding has its place; what loads can
//! be used; and no text is so strange that an unknown key in it is overlooked.

use std::{fs, os::unix::fs::PermissionsExt as _, sync::LazyLock};

use portwarden::{
    authz::Policy,
    config::{Config, Finding, Findings},
};

/// The start of every case that does not want to be the whole file.
const HEAD: &str =
    "server: {addr: \":5001\"}\ntoken: {issuer: i, expiration: 900, certificate: cert.pem, key: key.pem}\n";

/// With `cert.pem` and `key.pem`, as the texts name them.
static DIRECTORY: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(directory.path().join("cert.pem"), certificate.pem()).unwrap();
    fs::write(directory.path().join("key.pem"), key.serialize_pem()).unwrap();
    fs::set_permissions(directory.path().join("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    directory
});

/// Takes a whole file, or after a `+` what follows a right beginning.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let text = match text.strip_prefix('+') {
        Some(rest) => format!("{HEAD}{rest}"),
        None => text.into_owned(),
    };
    // Files of this machine are not the subject.
    if text.contains("/dev") || text.contains("/proc") || text.contains("/sys") {
        return;
    }
    let loaded = read(&text);
    let said = loaded.as_ref().map_or_else(Clone::clone, |(_, warnings)| warnings.clone());
    assert_eq!(read(&text).map_or_else(|findings| findings, |(_, warnings)| warnings), said, "{text:?}");
    assert_eq!(said.has_errors(), loaded.is_err(), "{text:?}\n{said}");
    places(&said, &text);
    if let Ok((config, _)) = loaded {
        assert!(Policy::compile(&config.acl).is_ok(), "{text:?}");
        assert!(text.ends_with('\n') || text.ends_with("\n..."), "a file cut short is read: {text:?}");
        let strange = format!("{text}\nacount: x\n");
        assert!(read(&strange).is_err(), "an unknown key is overlooked in {strange:?}");
    }
}

fn read(text: &str) -> Result<(Config, Findings), Findings> {
    Config::parse(text, "f.yml", DIRECTORY.path()).map(|loaded| (loaded.config, loaded.warnings))
}

fn places(findings: &Findings, text: &str) {
    let lines = text.split(['\n', '\r']).count();
    for finding in &findings.0 {
        assert!(finding.file == "f.yml" && !finding.message.is_empty(), "{finding:?}");
        assert!(finding.line.is_none_or(|line| (1..=lines + 1).contains(&line)), "{finding:?} in {text:?}");
        // A missing key has its place where there is a key at all.
        let nothing = !text.lines().any(|line| line.split('#').next().is_some_and(|code| code.contains(':')));
        assert!(
            nothing || finding.line.is_some() || finding.key.is_empty(),
            "no place: {finding:?} in {text:?}"
        );
        let line = Finding { excerpt: None, ..finding.clone() };
        assert!(!line.to_string().contains('\n'), "{finding:?} is more than a line");
    }
}
