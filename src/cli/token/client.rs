//! One GET after another, over TLS: no redirects, no proxies, bounded in time and size.

use std::{path::Path, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    HeaderMap, Request, StatusCode, Uri,
    body::Bytes,
    header::{self, HeaderValue},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{
    ClientConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::backend::NamedCertificates;

/// The timeout for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most bytes of an answer.
const LARGEST: usize = 1 << 20;

/// Asks registries and token endpoints.
pub(super) struct Client(legacy::Client<HttpsConnector<HttpConnector>, Empty<Bytes>>);

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Client {
    /// A client that trusts the authorities of the system, or those in `ca_certificate` (PEM) only.
    ///
    /// # Errors
    /// There are none to trust.
    pub(super) fn new(ca_certificate: Option<&Path>) -> Result<Self, String> {
        let named = match ca_certificate {
            Some(file) => certificates(file)?,
            None => rustls_native_certs::load_native_certs().certs,
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let trusted = NamedCertificates::new(named, Arc::clone(&provider)).map_err(|_| {
            "there is no certificate authority to trust: give --ca-certificate, or install ca-certificates".to_owned()
        })?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(trusted))
            .with_no_client_auth();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build();
        Ok(Self(legacy::Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// Asks.
    ///
    /// # Errors
    /// There is no answer: why, with the URL, which has no secrets.
    pub(super) async fn get(&self, url: &str, authorization: Option<HeaderValue>) -> Result<Reply, String> {
        let mut request = Request::builder()
            .uri(url)
            .header(header::USER_AGENT, concat!("portwarden/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
            .map_err(|error| format!("{url}: {error}"))?;
        request.headers_mut().extend(authorization.map(|value| (header::AUTHORIZATION, value)));
        let answered = tokio::time::timeout(PATIENCE, async {
            let (head, body) = self.0.request(request).await.map_err(|error| reasons(&error))?.into_parts();
            let body = Limited::new(body, LARGEST).collect().await.map_err(|error| error.to_string())?;
            Ok::<_, String>(Reply { status: head.status, headers: head.headers, body: body.to_bytes() })
        });
        let reply = answered
            .await
            .map_err(|_| format!("{url}: no answer within {} s", PATIENCE.as_secs()))?
            .map_err(|why| format!("{url}: {why}"))?;
        if let Some(target) = reply.headers.get(header::LOCATION).filter(|_| reply.status.is_redirection()) {
            return Err(format!("{url} leads on to {target:?}: name that instead"));
        }
        Ok(reply)
    }
}

/// Returns true if no third party can read along: TLS, or this machine.
pub(super) fn is_safe(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_local = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    url.scheme_str() == Some("https") || (url.scheme_str() == Some("http") && is_local)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed = |why: String| format!("--ca-certificate: {}: {why}", file.display());
    let read = CertificateDer::pem_file_iter(file).map_err(|error| failed(error.to_string()))?;
    let found: Result<Vec<_>, _> = read.collect();
    match found.map_err(|error| failed(error.to_string()))? {
        none if none.is_empty() => Err(failed("there is no certificate in it".to_owned())),
        some => Ok(some),
    }
}

/// An error with what caused it: the library's own words stop at `client error (Connect)`.
fn reasons(error: &legacy::Error) -> String {
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    // The second: a certificate that signs itself.
    if ["UnknownIssuer", "CaUsedAsEndEntity"].iter().any(|fault| said.contains(fault)) {
        said.push_str("; give the certificate of its authority, or its own, with --ca-certificate");
    }
    said
}
