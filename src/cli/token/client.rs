//! One request after another, over TLS: no redirects, no proxies, bounded in time and size.

use std::{path::Path, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Uri,
    header::{self, HeaderValue},
};
use rustls::pki_types::{CertificateDer, pem::PemObject};

pub(in crate::cli) use crate::backend::HttpsReply as Reply;
use crate::{
    backend::{HttpsBounds, HttpsClient, HttpsError},
    registry::percent_encode,
};

/// A token or a challenge is small, and a token endpoint may ask a slow directory.
const BOUNDS: HttpsBounds = HttpsBounds { timeout: Duration::from_secs(30), body: 1 << 20 };

/// Asks registries and token endpoints.
pub(in crate::cli) struct Client(HttpsClient);

impl Client {
    /// A client that trusts the authorities of the system, or those in `ca_certificate` (PEM) only.
    ///
    /// # Errors
    /// There are none to trust.
    pub(in crate::cli) fn new(ca_certificate: Option<&Path>) -> Result<Self, String> {
        let named = match ca_certificate {
            Some(file) => certificates(file)?,
            None => rustls_native_certs::load_native_certs().certs,
        };
        HttpsClient::trusting(named).map(Self).map_err(|_| {
            "there is no certificate authority to trust: give --ca-certificate, or install ca-certificates".to_owned()
        })
    }

    /// Asks.
    ///
    /// # Errors
    /// There is no answer: why, with the URL, which has no secrets.
    pub(in crate::cli) async fn get(
        &self,
        url: &str,
        authorization: Option<HeaderValue>,
    ) -> Result<Reply, String> {
        let parsed = parse(url)?;
        let reply = self.0.get(parsed, authorization, BOUNDS).await;
        settled(url, reply)
    }

    /// Sends a form. Its fields may be secrets, and stand in no error.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(in crate::cli) async fn post(&self, url: &str, form: &[(&str, &str)]) -> Result<Reply, String> {
        let fields = form.iter().map(|(name, value)| format!("{name}={}", percent_encode(value)));
        let body = fields.collect::<Vec<_>>().join("&");
        let mut request = Request::new(Full::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = parse(url)?;
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(header::CONTENT_TYPE, form);
        settled(url, self.0.send(request, BOUNDS).await)
    }
}

/// The runtime of a command that asks others.
pub(in crate::cli) fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| format!("cannot start: {error}"))
}

fn parse(url: &str) -> Result<Uri, String> {
    url.parse().map_err(|error| format!("{url}: {error}"))
}

fn settled(url: &str, reply: Result<Reply, HttpsError>) -> Result<Reply, String> {
    let reply = reply.map_err(|error| format!("{url}: {}", with_advice(error.to_string())))?;
    if let Some(target) = reply.headers.get(header::LOCATION).filter(|_| reply.status.is_redirection()) {
        return Err(format!("{url} leads on to {target:?}: name that instead"));
    }
    Ok(reply)
}

/// Returns true if no third party can read along: TLS, or this machine.
pub(in crate::cli) fn is_safe(url: &Uri) -> bool {
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

/// Adds the option that helps where a certificate is not trusted.
fn with_advice(mut said: String) -> String {
    // The second: a certificate that signs itself.
    if ["UnknownIssuer", "CaUsedAsEndEntity"].iter().any(|fault| said.contains(fault)) {
        said.push_str("; give the certificate of its authority, or its own, with --ca-certificate");
    }
    said
}
