//! Keys for unit tests, made by the `openssl` command: a second opinion on every format that is read here.

use std::{
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use super::{Authority, Settings, SigningKey};

/// The kinds of key that sign, as `openssl genpkey` names them.
pub(super) const KINDS: [&str; 4] = [
    "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
    "-algorithm EC -pkeyopt ec_paramgen_curve:P-256",
    "-algorithm EC -pkeyopt ec_paramgen_curve:P-384",
    "-algorithm ED25519",
];
pub(super) const P256: &str = KINDS[1];
pub(super) const NOW: u64 = 1_767_225_600;

/// A new private key, PKCS#8 PEM.
pub(super) fn generate(kind: &str) -> Vec<u8> {
    shell(&format!("openssl genpkey {kind}"), b"")
}

/// Runs a shell command line; fails the test when the command fails.
pub(super) fn shell(command: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && !output.stdout.is_empty(), "{command}");
    output.stdout
}

/// An authority with this key, `Acme auth server` for `Docker registry`, 900 s.
pub(super) fn authority(pem: &[u8]) -> Authority {
    let settings = Settings {
        issuer: "Acme auth server".to_owned(),
        service: "Docker registry".to_owned(),
        lifetime: Duration::from_secs(900),
    };
    Authority::new(SigningKey::from_pem(pem, true).unwrap(), settings)
}
