//! The certificate in use, with its key: from the authority, from the cache, or self-signed until there is one.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwapOption;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::{
    client::verify_server_name,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, pem::PemObject},
    server::{ClientHello, ParsedCertificate, ResolvesServerCert},
    sign::CertifiedKey,
};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use crate::authn::Secret;

/// The life of a self-signed certificate. No client trusts it, whatever its end.
const SELF_SIGNED: Duration = Duration::from_secs(30 * 24 * 3600);

/// A certificate with its key.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) certified: Arc<CertifiedKey>,
    /// The beginning of its life.
    pub(super) from: SystemTime,
    /// The end of its life.
    pub(super) until: SystemTime,
    /// The time at which it came.
    pub(super) obtained: SystemTime,
    /// False for one that Portwarden signed, or that another authority did.
    pub(super) is_of_authority: bool,
    /// The point of the authority's window at which it is renewed: from 0 to 1, the same at all replicas.
    pub(super) draw: f64,
    /// The key and the chain in PEM; empty for one that Portwarden signed.
    pub(super) pem: Secret,
}

/// The certificate that handshakes show. It is replaced under open connections.
#[derive(Debug, Default)]
pub(super) struct CertificateInUse(ArcSwapOption<Certificate>);

impl CertificateInUse {
    pub(super) fn replace(&self, certificate: Certificate) {
        self.0.store(Some(Arc::new(certificate)));
    }

    pub(super) fn get(&self) -> Option<Arc<Certificate>> {
        self.0.load_full()
    }
}

/// Whatever name a client asks for: as with a certificate from a file.
impl ResolvesServerCert for CertificateInUse {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().as_deref().map(|certificate| Arc::clone(&certificate.certified))
    }
}

impl Certificate {
    /// Reads a chain and its key in PEM, in one text.
    ///
    /// # Errors
    /// The reason why it cannot be used for `host`. An expired one can.
    pub(super) fn read(pem: &str, host: &str, obtained: SystemTime) -> Result<Self, String> {
        let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| format!("it is not PEM: {error}"))?;
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes());
        let key = key.map_err(|error| format!("it has no private key: {error}"))?;
        let pem = pem.find("-----BEGIN").map_or("", |start| &pem[start..]);
        Ok(Self { pem: Secret::new(pem), ..Self::new(chain, key, host, obtained)? })
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        host: &str,
        obtained: SystemTime,
    ) -> Result<Self, String> {
        let own = chain.first().ok_or("it has no certificate")?;
        let name = ServerName::try_from(host).map_err(|_| format!("{host} is not a name"))?;
        let (from, until) = validity(own).ok_or("its certificate cannot be read")?;
        ParsedCertificate::try_from(own)
            .and_then(|parsed| verify_server_name(&parsed, &name))
            .map_err(|_| format!("its certificate is not for {host}"))?;
        let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
            .map_err(|error| format!("its certificate and its key cannot be used: {error}"))?;
        let draw = draw_of(certified.cert.first().map_or(&[], |own| own));
        Ok(Self {
            certified: Arc::new(certified),
            from,
            until,
            obtained,
            is_of_authority: true,
            draw,
            pem: Secret::new(""),
        })
    }

    /// Makes one that serves until the authority's comes.
    ///
    /// # Errors
    /// The system has no randomness, or `host` is no name.
    pub(super) fn self_signed(host: &str, now: SystemTime) -> Result<Self, String> {
        let said = |error: rcgen::Error| format!("cannot make a self-signed certificate: {error}");
        let mut params = CertificateParams::new([host.to_owned()]).map_err(said)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Portwarden, until its first certificate comes");
        (params.not_before, params.not_after) = (now.into(), (now + SELF_SIGNED).into());
        let key = KeyPair::generate().map_err(said)?;
        let certificate = params.self_signed(&key).map_err(said)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let made = Self::new(vec![certificate.der().clone()], key, host, now)?;
        Ok(Self { is_of_authority: false, ..made })
    }

    /// The certificate of the server itself.
    pub(super) fn own(&self) -> Option<&CertificateDer<'static>> {
        self.certified.cert.first()
    }
}

/// A number from 0 to 1; without randomness the middle.
pub(super) fn draw() -> f64 {
    let mut bytes = [0; 4];
    ::aws_lc_rs::rand::fill(&mut bytes).map_or(0.5, |()| fraction(bytes))
}

/// A number from 0 to 1 that belongs to a certificate: its signature makes it as good as drawn.
fn draw_of(der: &[u8]) -> f64 {
    let digest = ::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, der);
    digest.as_ref().first_chunk().map_or(0.5, |bytes| fraction(*bytes))
}

fn fraction(bytes: [u8; 4]) -> f64 {
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

fn validity(der: &[u8]) -> Option<(SystemTime, SystemTime)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let time = |seconds: i64| UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?));
    let validity = certificate.validity();
    Some((time(validity.not_before.timestamp())?, time(validity.not_after.timestamp())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_used_for_its_name_with_its_key_only() {
        let made = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
            (certificate.pem(), key.serialize_pem())
        };
        let (certificate, key) = made(&["registry.example"]);
        let read = |pem: &str| Certificate::read(pem, "registry.example", UNIX_EPOCH);
        assert!(read(&format!("Directory: x\n{key}{certificate}")).is_ok(), "text before is passed over");
        let (other, other_key) = made(&["other.example"]);
        for (pem, why) in [
            (format!("{other_key}{certificate}"), "cannot be used"),
            (format!("{other_key}{other}"), "is not for registry.example"),
            (key, "no certificate"),
            (certificate, "no private key"),
            (String::new(), "no private key"),
        ] {
            let said = read(&pem).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn a_self_signed_one_is_for_its_host_and_is_replaced_at_once() {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let made = Certificate::self_signed("registry.example", now).unwrap();
        assert!(!made.is_of_authority && made.from == now && made.until == now + SELF_SIGNED);
        assert!((0.0..=1.0).contains(&draw()));
    }
}
