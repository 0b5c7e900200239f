//! Certificates and keys: one authority per test process, server certificates under it, keys that sign tokens.

use std::{fs, path::Path, sync::OnceLock};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SignatureAlgorithm,
};

/// The address every client uses. Docker does not verify certificates of `localhost` and `127.0.0.0/8`; the
/// unspecified address leads to this host as well and is verified like any other.
pub const ADDRESS: &str = "0.0.0.0";

/// A certificate authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// A new one, not yet trusted by any client.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its certificate.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Writes `tls.crt` and `tls.key` into `directory`: a server at every name by which the tests call it.
    pub fn write_server_certificate(&self, directory: &Path) {
        self.write_server_certificate_of(directory, KeyType::P256);
    }

    /// The same with a key of that kind.
    pub fn write_server_certificate_of(&self, directory: &Path, key_type: KeyType) {
        let names = [ADDRESS, "127.0.0.1", "::1", "localhost"].map(str::to_owned);
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "registry of a test");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate_for(algorithm(key_type)).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        fs::write(directory.join("tls.crt"), certificate.pem()).unwrap();
        write_key(&directory.join("tls.key"), &key);
    }
}

/// The authority that every client of this test process trusts.
pub fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| Authority::new("Authority of the tests"))
}

/// The kind of key that signs tokens, or is a server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// RSA with 2048 bits: RS256.
    Rsa,
    /// P-256: ES256.
    P256,
    /// P-384: ES384.
    P384,
    /// Ed25519: EdDSA.
    Ed25519,
}

/// Writes `token.crt` and `token.key` into `directory`: what signs tokens, and what a registry verifies them by.
pub fn write_token_key(directory: &Path, key_type: KeyType) {
    let key = KeyPair::generate_for(algorithm(key_type)).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "token signer of a test");
    let certificate = params.self_signed(&key).unwrap();
    fs::write(directory.join("token.crt"), certificate.pem()).unwrap();
    write_key(&directory.join("token.key"), &key);
}

fn algorithm(key_type: KeyType) -> &'static SignatureAlgorithm {
    match key_type {
        KeyType::Rsa => &rcgen::PKCS_RSA_SHA256,
        KeyType::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
        KeyType::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
        KeyType::Ed25519 => &rcgen::PKCS_ED25519,
    }
}

/// Private keys are for their owner only: Portwarden warns otherwise.
fn write_key(path: &Path, key: &KeyPair) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, key.serialize_pem()).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
