//! Requests to other servers, over TLS or in the clear: no redirects followed, no proxies, bounded in time and
//! size.

use std::{error::Error, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Request, StatusCode, Uri,
    body::Bytes,
    header::{self, HeaderValue},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::CertificateDer};

use super::trust::NamedCertificates;

/// The time that a connection is kept for the next request, and the number that are kept for one host.
const IDLE: Duration = Duration::from_secs(30);
const IDLE_CONNECTIONS: usize = 8;

/// A client that adds nothing but its `User-Agent` to what it is given: no cookies, no headers of another request.
#[derive(Debug, Clone)]
pub(crate) struct HttpsClient(legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// A response, read whole.
#[derive(Debug)]
pub(crate) struct HttpsReply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The bounds on one request and its response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HttpsBounds {
    /// From the lookup of the name to the end of the body.
    pub(crate) timeout: Duration,
    /// The largest body, in bytes.
    pub(crate) body: usize,
}

/// The reason why there is no response. Displays without the URL, which may be signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpsError {
    /// No response within so long.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// A body larger than so many bytes.
    #[error("the answer is larger than {} KiB", .0 >> 10)]
    TooLarge(usize),
    /// No connection, no trust, or a response that breaks off; with its causes.
    #[error("{0}")]
    Failed(String),
}

impl HttpsClient {
    /// Returns a client that trusts these certificates: authorities, or those that servers show themselves.
    ///
    /// # Errors
    /// None of them can be an authority's, or the TLS library lacks the usual versions.
    pub(crate) fn trusting(named: Vec<CertificateDer<'static>>) -> Result<Self, rustls::Error> {
        trusting(named).map(Self::with)
    }

    /// Returns a client that trusts no certificate, so that it reaches servers in the clear only.
    ///
    /// # Errors
    /// The TLS library lacks the usual versions.
    pub(crate) fn without_trust() -> Result<Self, rustls::Error> {
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        Ok(Self::with(config))
    }

    fn with(config: ClientConfig) -> Self {
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build();
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(connector);
        Self(client)
    }

    /// Sends a GET request, with that `Authorization` if there is one.
    ///
    /// # Errors
    /// There is no response within the bounds.
    pub(crate) async fn get(
        &self,
        url: Uri,
        authorization: Option<HeaderValue>,
        bounds: HttpsBounds,
    ) -> Result<HttpsReply, HttpsError> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = url;
        request.headers_mut().extend(authorization.map(|value| (header::AUTHORIZATION, value)));
        self.send(request, bounds).await
    }

    /// Sends a request, under Portwarden's name.
    ///
    /// # Errors
    /// There is no response within the bounds.
    pub(crate) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        bounds: HttpsBounds,
    ) -> Result<HttpsReply, HttpsError> {
        let agent = HeaderValue::from_static(concat!("portwarden/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(header::USER_AGENT, agent);
        let answered = tokio::time::timeout(bounds.timeout, async {
            let response =
                self.0.request(request).await.map_err(|error| HttpsError::Failed(causes(&error)))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, bounds.body).collect().await.map_err(|error| {
                let is_large = error.downcast_ref::<LengthLimitError>().is_some();
                if is_large {
                    HttpsError::TooLarge(bounds.body)
                } else {
                    HttpsError::Failed(error.to_string())
                }
            })?;
            Ok(HttpsReply { status: head.status, headers: head.headers, body: body.to_bytes() })
        });
        answered.await.map_err(|_| HttpsError::Timeout(bounds.timeout))?
    }
}

/// Returns the TLS of a client that trusts these certificates: authorities, or those that servers show themselves.
///
/// # Errors
/// None of them can be an authority's, or the TLS library lacks the usual versions.
pub(crate) fn trusting(named: Vec<CertificateDer<'static>>) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let trusted = NamedCertificates::new(named, Arc::clone(&provider))?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(trusted))
        .with_no_client_auth())
}

/// Returns an error with its causes: the library's own words stop at `client error (Connect)`.
fn causes(error: &legacy::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said
}
