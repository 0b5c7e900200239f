//! The implementation of each cipher suite of TLS: aws-lc's, but ring's where this processor runs its AES-GCM faster.
//!
//! Processors with VAES and without AVX-512, such as AMD's Zen 3 and most of Intel's since 2021 that are not for
//! servers, encrypt twice as fast with ring 0.17: aws-lc has code for AES-NI and for AVX-512, and none between
//! (<https://github.com/aws/aws-lc/issues/2283>). With AVX-512, aws-lc is twice as fast as ring.
//!
//! Only the suite changes hands: records and the key schedule. Key exchange, signatures, tickets and everything
//! outside of TLS stay with aws-lc. aws-lc encrypts the records of TLS 1.3 out of place, which spares a copy.

mod out_of_place;

use rustls::{
    CipherSuite,
    crypto::{CryptoProvider, aws_lc_rs, ring},
};

/// Returns the provider of TLS for this processor: suites, order and key exchange are the same on each.
pub(super) fn provider() -> CryptoProvider {
    provider_with(is_faster_in_ring())
}

fn provider_with(ring_is_faster: bool) -> CryptoProvider {
    let rings = |name| ring::ALL_CIPHER_SUITES.iter().copied().find(|other| other.suite() == name);
    let mut provider = aws_lc_rs::default_provider();
    for suite in provider.cipher_suites.iter_mut().filter(|suite| is_aes_gcm(suite.suite())) {
        let same = if ring_is_faster { rings(suite.suite()) } else { out_of_place::suite(*suite) };
        *suite = same.unwrap_or(*suite);
    }
    provider
}

fn is_aes_gcm(suite: CipherSuite) -> bool {
    use CipherSuite as Suite;
    matches!(
        suite,
        Suite::TLS13_AES_128_GCM_SHA256
            | Suite::TLS13_AES_256_GCM_SHA384
            | Suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | Suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
            | Suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
            | Suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
    )
}

/// The features that ring's faster code needs, without those that aws-lc's needs.
#[cfg(target_arch = "x86_64")]
fn is_faster_in_ring() -> bool {
    let has_vaes = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("vaes")
        && is_x86_feature_detected!("vpclmulqdq");
    let has_avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    has_vaes && !has_avx512
}

#[cfg(not(target_arch = "x86_64"))]
const fn is_faster_in_ring() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::{ptr, sync::Arc};

    use rustls::{
        ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, SupportedCipherSuite,
        pki_types::ServerName,
    };
    use std::io::{Read, Write};

    use super::*;

    fn is_rings(suite: SupportedCipherSuite) -> bool {
        ring::ALL_CIPHER_SUITES.iter().any(|other| match (*other, suite) {
            (SupportedCipherSuite::Tls12(a), SupportedCipherSuite::Tls12(b)) => ptr::eq(a, b),
            (SupportedCipherSuite::Tls13(a), SupportedCipherSuite::Tls13(b)) => ptr::eq(a, b),
            _ => false,
        })
    }

    #[test]
    fn the_processor_changes_no_suite_and_no_order() {
        let names = |provider: &CryptoProvider| -> Vec<_> {
            provider.cipher_suites.iter().map(SupportedCipherSuite::suite).collect()
        };
        let plain = aws_lc_rs::default_provider();
        assert_eq!(names(&provider_with(true)), names(&plain));
        assert_eq!(names(&provider_with(false)), names(&plain));
    }

    #[test]
    fn aes_gcm_is_rings_where_that_is_faster_and_nothing_else_is() {
        for suite in provider_with(true).cipher_suites {
            let name = format!("{:?}", suite.suite());
            assert_eq!(is_rings(suite), name.contains("_GCM_"), "{name}");
        }
        assert!(!provider_with(false).cipher_suites.into_iter().any(is_rings));
    }

    /// A client of aws-lc that offers one suite, and a server with a certificate that fits it.
    fn ends(suite: SupportedCipherSuite, ring_is_faster: bool) -> (ClientConnection, ServerConnection) {
        let algorithm = match suite.suite().as_str() {
            Some(name) if name.contains("_RSA_") => &rcgen::PKCS_RSA_SHA256,
            _ => &rcgen::PKCS_ECDSA_P256_SHA256,
        };
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let made =
            rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let (certificate, key) = (made.der().clone(), key.serialize_der().try_into().unwrap());
        let server = ServerConfig::builder_with_provider(Arc::new(provider_with(ring_is_faster)))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let offered = CryptoProvider { cipher_suites: vec![suite], ..aws_lc_rs::default_provider() };
        let client = ClientConfig::builder_with_provider(Arc::new(offered))
            .with_protocol_versions(&[suite.version()])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        (
            ClientConnection::new(Arc::new(client), name).unwrap(),
            ServerConnection::new(Arc::new(server)).unwrap(),
        )
    }

    /// Moves records both ways until neither end has any left.
    fn exchange(client: &mut ClientConnection, server: &mut ServerConnection) {
        while client.wants_write() || server.wants_write() {
            let mut records = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut records).unwrap();
            }
            feed(&records, |rest| server.read_tls(rest).map(|_| server.process_new_packets().unwrap()));
            let mut records = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut records).unwrap();
            }
            feed(&records, |rest| client.read_tls(rest).map(|_| client.process_new_packets().unwrap()));
        }
    }

    fn feed<T>(mut records: &[u8], mut read: impl FnMut(&mut &[u8]) -> std::io::Result<T>) {
        while !records.is_empty() {
            read(&mut records).unwrap();
        }
    }

    #[test]
    fn each_suite_is_understood_by_a_client_of_aws_lc() {
        let suites = aws_lc_rs::DEFAULT_CIPHER_SUITES.iter();
        for (suite, rings) in suites.flat_map(|suite| [(suite, true), (suite, false)]) {
            let (mut client, mut server) = ends(*suite, rings);
            exchange(&mut client, &mut server);
            for text in [&b"hello"[..], &[7; 10_000]] {
                client.writer().write_all(text).unwrap();
                server.writer().write_all(text).unwrap();
                exchange(&mut client, &mut server);
                let mut read = vec![0; text.len()];
                server.reader().read_exact(&mut read).unwrap();
                assert!(read == text, "{suite:?}");
                client.reader().read_exact(&mut read).unwrap();
                assert!(read == text, "{suite:?}");
            }
        }
    }
}
