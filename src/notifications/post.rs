//! One attempt to hand events to an endpoint: a connection of its own, no redirect followed, no proxy, bounded in time.

use std::{
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, StatusCode, Uri,
    client::conn::http1,
    header::{self, HeaderValue},
};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{envelope::MEDIA_TYPE, settings::EndpointSettings, signature::sign};
use crate::backend::trusting;

/// The reason why an endpoint did not take events. Displays without its URL, which may have a token in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    /// No answer within so long.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The name of its host cannot be looked up, or no connection be made.
    #[error("no connection: {0}")]
    Connect(io::Error),
    /// The name of its host leads to addresses that are not for endpoints.
    #[error(
        "its name leads to a link-local or multicast address; write the address itself into `url` if that is meant"
    )]
    Forbidden,
    /// The connection broke off, or what came was no answer.
    #[error("no answer: {0}")]
    Broken(hyper::Error),
    /// A redirect, which is not followed: it might lead elsewhere, and a client that follows it drops the body.
    #[error("it answers {}, a redirect, which is not followed; write the URL that takes events", .0.as_u16())]
    Redirect(StatusCode),
    /// Another status.
    #[error("it answers {}", .0.as_u16())]
    Status(StatusCode),
    /// The request cannot be written.
    #[error("the request cannot be written: {0}")]
    Request(hyper::http::Error),
}

/// Hands events to one endpoint.
pub(super) struct Client {
    tls: Option<(TlsConnector, ServerName<'static>)>,
    host: String,
    port: u16,
}

impl Client {
    /// Returns a client for an endpoint.
    ///
    /// # Errors
    /// The TLS library refuses its certificates, or the name of its host.
    pub(super) fn new(settings: &EndpointSettings) -> Result<Self, String> {
        let written = settings.url.host().unwrap_or_default();
        let host = written.trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_tls = settings.url.scheme_str() == Some("https");
        let tls = if is_tls {
            let config = trusting(settings.authorities.clone()).map_err(|error| error.to_string())?;
            let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string())?;
            Some((TlsConnector::from(Arc::new(config)), name))
        } else {
            None
        };
        let port = settings.url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        Ok(Self { tls, host, port })
    }

    /// Sends a body once.
    ///
    /// # Errors
    /// The endpoint has not said that it has taken it, by a status from 200 to 299.
    pub(super) async fn post(&self, settings: &EndpointSettings, body: Bytes) -> Result<(), PostError> {
        let request = request(settings, body, SystemTime::now()).map_err(PostError::Request)?;
        let exchanged = timeout(settings.timeout, self.exchange(request)).await;
        let status = exchanged.map_err(|_| PostError::Timeout(settings.timeout))??;
        match status {
            status if status.is_success() => Ok(()),
            status if status.is_redirection() => Err(PostError::Redirect(status)),
            status => Err(PostError::Status(status)),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<StatusCode, PostError> {
        let stream = self.connect().await?;
        match &self.tls {
            None => status(stream, request).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await.map_err(PostError::Connect)?;
                status(stream, request).await
            }
        }
    }

    async fn connect(&self) -> Result<TcpStream, PostError> {
        let addresses = match self.host.parse::<IpAddr>() {
            // An operator that writes such an address means it.
            Ok(address) => vec![SocketAddr::new(address, self.port)],
            Err(_) => {
                let found = lookup_host((self.host.as_str(), self.port)).await.map_err(PostError::Connect)?;
                let fit: Vec<_> = found.filter(|address| is_for_endpoints(address.ip())).collect();
                if fit.is_empty() {
                    return Err(PostError::Forbidden);
                }
                fit
            }
        };
        TcpStream::connect(&*addresses).await.map_err(PostError::Connect)
    }
}

/// Sends a request and returns the status of the answer; the rest of it is not read.
async fn status<S>(stream: S, request: Request<Full<Bytes>>) -> Result<StatusCode, PostError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(LONGEST_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(PostError::Broken)?;
    let mut answer = pin!(sender.send_request(request));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        // It may have brought the answer before it ended.
        _ = connection => answer.await,
    };
    answer.map(|answer| answer.status()).map_err(PostError::Broken)
}

/// Bytes of the head of an answer.
const LONGEST_HEAD: usize = 16 << 10;

fn request(
    settings: &EndpointSettings,
    body: Bytes,
    now: SystemTime,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let path = settings.url.path_and_query().map_or("/", |path| path.as_str());
    let host = settings.url.authority().map_or("", |authority| authority.as_str());
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_str(host)?);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let agent = HeaderValue::from_static(concat!("portwarden/", env!("CARGO_PKG_VERSION")));
    headers.insert(header::USER_AGENT, agent);
    headers.extend(settings.secret.iter().flat_map(|secret| sign(secret, &body, now)));
    for (name, value) in &settings.headers {
        headers.append(name, value.clone());
    }
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = path.parse::<Uri>()?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Returns false for addresses that a name of an endpoint has no business to lead to: where clouds keep the credentials
/// of a machine, and groups of machines.
pub(crate) fn is_for_endpoints(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !address.is_link_local() && !address.is_multicast() && !address.is_broadcast(),
        IpAddr::V6(address) => {
            !address.is_unicast_link_local() && !address.is_multicast() && address != METADATA
        }
    }
}

/// The metadata service of AWS over IPv6.
const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notifications::settings::SigningSecret;

    pub(super) fn settings(url: &str) -> EndpointSettings {
        EndpointSettings {
            name: "test".to_owned(),
            url: url.parse().unwrap(),
            headers: Vec::new(),
            secret: None,
            authorities: Vec::new(),
            timeout: Duration::from_secs(60),
            threshold: 1,
            backoff: Duration::from_secs(1),
            ignored_media_types: Vec::new(),
            ignored_actions: Vec::new(),
        }
    }

    #[test]
    fn rule_57_names_do_not_lead_to_the_services_of_the_machine() {
        for (address, fits) in [
            ("127.0.0.1", true),
            ("10.0.0.7", true),
            ("192.0.2.7", true),
            ("169.254.169.254", false),
            ("::ffff:169.254.169.254", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::1", true),
            ("2001:db8::1", true),
            ("fe80::1", false),
            ("fd00::1", true),
            ("fd00:ec2::254", false),
            ("ff02::1", false),
        ] {
            assert_eq!(is_for_endpoints(address.parse().unwrap()), fits, "{address}");
        }
    }

    #[test]
    fn rule_57_a_request_shows_no_secret() {
        let mut settings = settings("https://hooks.example:8443/a/b?c=d");
        let mut token = HeaderValue::from_static("Bearer x");
        token.set_sensitive(true);
        settings.headers = vec![(header::AUTHORIZATION, token)];
        settings.secret = Some(SigningSecret::new(b"0123456789abcdef".to_vec()));
        let request = request(&settings, Bytes::from_static(b"{}"), SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!((request.method(), request.uri().to_string()), (&Method::POST, "/a/b?c=d".to_owned()));
        for (name, value) in [
            ("host", "hooks.example:8443"),
            ("content-type", "application/vnd.docker.distribution.events.v2+json"),
            ("authorization", "Bearer x"),
            ("portwarden-timestamp", "0"),
        ] {
            assert_eq!(request.headers()[name], value);
        }
        assert!(request.headers()["portwarden-signature"].to_str().unwrap().starts_with("sha256="));
        let shown = format!("{request:?}{settings:?}");
        assert!(!shown.contains("Bearer") && !format!("{settings:?}").contains("hooks"), "{shown}");
        let plain = super::request(&super::tests::settings("http://h"), Bytes::new(), SystemTime::now());
        assert!(!plain.unwrap().headers().contains_key("portwarden-signature"));
    }

    #[test]
    fn rule_57_errors_do_not_show_the_url() {
        for error in [
            PostError::Timeout(Duration::from_millis(500)),
            PostError::Forbidden,
            PostError::Redirect(StatusCode::MOVED_PERMANENTLY),
            PostError::Status(StatusCode::INTERNAL_SERVER_ERROR),
        ] {
            assert!(!error.to_string().contains("://"), "{error}");
        }
    }
}
