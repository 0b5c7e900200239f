//! The certificates that Portwarden's own clients trust, where an operator names them in a file.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use x509_parser::time::ASN1Time;

/// Trusts certificates signed by the named authorities, and a named certificate that the server itself shows.
/// `openssl req -x509` marks a self-signed one as an authority's, which the usual verifier takes from no server.
#[derive(Debug)]
pub(crate) struct NamedCertificates {
    usual: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
}

impl NamedCertificates {
    /// A verifier that trusts these.
    ///
    /// # Errors
    /// None of them can be an authority's.
    pub(crate) fn new(
        named: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(named.iter().cloned());
        let usual = WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build();
        Ok(Self { usual: usual.map_err(|error| Error::General(error.to_string()))?, named })
    }

    /// Checks what remains to be checked of a certificate that is known byte by byte: its names and its time.
    fn check_named(
        &self,
        shown: &CertificateDer<'_>,
        server: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        verify_server_name(&ParsedCertificate::try_from(shown)?, server)?;
        let (_, certificate) =
            x509_parser::parse_x509_certificate(shown).map_err(|_| CertificateError::BadEncoding)?;
        let now = i64::try_from(now.as_secs()).ok().and_then(|now| ASN1Time::from_timestamp(now).ok());
        match now {
            Some(now) if now < certificate.validity().not_before => Err(CertificateError::NotValidYet.into()),
            Some(now) if now <= certificate.validity().not_after => Ok(ServerCertVerified::assertion()),
            _ => Err(CertificateError::Expired.into()),
        }
    }
}

impl ServerCertVerifier for NamedCertificates {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let usual = self.usual.verify_server_cert(shown, intermediates, server, ocsp, now);
        match usual {
            Err(_) if self.named.contains(shown) => self.check_named(shown, server, now),
            decided => decided,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
    use rustls::crypto::aws_lc_rs;

    use super::*;

    /// As `openssl req -x509 -addext subjectAltName=DNS:registry.test` makes one.
    fn self_signed(until: i32) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(["registry.test".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn verify(
        named: &CertificateDer<'static>,
        shown: &CertificateDer<'_>,
        server: &str,
        year: i32,
    ) -> Result<(), Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = NamedCertificates::new(vec![named.clone()], provider).unwrap();
        let now = date_time_ymd(year, 6, 1).unix_timestamp();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(u64::try_from(now).unwrap()));
        let server = ServerName::try_from(server.to_owned()).unwrap();
        verifier.verify_server_cert(shown, &[], &server, &[], now).map(|_| ())
    }

    #[test]
    fn a_named_certificate_is_believed_of_its_server_though_it_is_an_authoritys() {
        let (named, other) = (self_signed(2030), self_signed(2030));
        assert_eq!(verify(&named, &named, "registry.test", 2025), Ok(()));
        assert!(verify(&named, &other, "registry.test", 2025).is_err(), "another one of the same name");
        assert!(verify(&named, &named, "other.test", 2025).is_err(), "another server");
        assert_eq!(verify(&named, &named, "registry.test", 2019), Err(CertificateError::NotValidYet.into()));
        assert_eq!(verify(&named, &named, "registry.test", 2031), Err(CertificateError::Expired.into()));
    }
}
