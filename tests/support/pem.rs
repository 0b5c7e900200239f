//! A certificate for loopback with its key, made once per test process: RSA keys take long to make.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::OnceLock};

static PAIR: OnceLock<(String, String)> = OnceLock::new();

/// Writes `cert.pem` and `key.pem` into `directory`.
pub fn write_pair(directory: &Path) {
    let (certificate, key) = PAIR.get_or_init(|| {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let names = ["localhost", "127.0.0.1", "registry.example"].map(str::to_owned);
        let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    });
    write(directory, certificate, key);
}

/// The same for a key of the caller's, in PKCS#8 PEM.
pub fn write_pair_of(directory: &Path, key: &str) {
    let pair = rcgen::KeyPair::from_pem(key).unwrap();
    let certificate =
        rcgen::CertificateParams::new(["registry.example".to_owned()]).unwrap().self_signed(&pair).unwrap();
    write(directory, &certificate.pem(), key);
}

fn write(directory: &Path, certificate: &str, key: &str) {
    fs::write(directory.join("cert.pem"), certificate).unwrap();
    fs::write(directory.join("key.pem"), key).unwrap();
    fs::set_permissions(directory.join("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
}
