//! A TLS client that trusts a local Portwarden's certificate.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::in_process::InProcess;

/// Connects and offers the protocols of `alpn`.
pub async fn connect(portwarden: &InProcess, alpn: &[&[u8]]) -> TlsStream<TcpStream> {
    let config = client_config(portwarden, alpn, rustls::ALL_VERSIONS);
    let stream = TcpStream::connect(portwarden.address).await.unwrap();
    let name = ServerName::try_from("registry.example").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

/// Returns the TLS settings of such a client.
pub fn client_config(
    portwarden: &InProcess,
    alpn: &[&[u8]],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(portwarden.certificate()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config
}
