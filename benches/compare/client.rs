//! The client for all that is transferred: HTTP/1.1 or HTTP/2 over TLS 1.3 with one cipher, windows that are never the
//! limit, and everything that arrives digested.

use std::{net::SocketAddr, sync::Arc};

use aws_lc_rs::digest::{Context, SHA256};
use http_body_util::BodyExt as _;
use hyper::{
    Method, Request, Response,
    body::Incoming,
    client::conn::{http1, http2},
    header::{self, HeaderMap},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    CipherSuite, ClientConfig, RootCertStore,
    crypto::aws_lc_rs::{cipher_suite::TLS13_AES_128_GCM_SHA256, default_provider},
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::{AbortHandle, JoinSet},
};
use tokio_rustls::TlsConnector;

use crate::support::{
    client::{Failure, Protocol},
    content::{Content, ContentBody},
    distribution::MANIFEST,
    image::hex,
};

/// Bytes that a stream of HTTP/2 may have under way, and those of a connection with eight of them.
const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 64 << 20;

/// The settings of connections.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    protocol: Protocol,
    authorization: String,
    /// None for the one that does not encrypt.
    tls: Option<TlsConnector>,
}

/// An open connection. Over HTTP/2 its clones share it.
pub struct Connection {
    sender: Sender,
    host: String,
    authorization: String,
    task: Option<AbortHandle>,
}

enum Sender {
    Http1(http1::SendRequest<ContentBody>),
    Http2(http2::SendRequest<ContentBody>),
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// `sha256:…` of the body.
    pub digest: String,
    /// The body, when it is short.
    pub text: String,
}

/// The number of bytes that are kept of a body.
const SHORT: usize = 8 << 10;

/// The TLS settings that every client of the benchmark offers: TLS 1.3 with one cipher, so that all contenders encrypt
/// alike.
pub fn tls_config(authority: &[u8], protocol: Protocol) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let mut provider = default_provider();
    provider.cipher_suites = vec![TLS13_AES_128_GCM_SHA256];
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let versions = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    let mut config = versions.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = match protocol {
        Protocol::Http1 => vec![b"http/1.1".to_vec()],
        Protocol::Http2 => vec![b"h2".to_vec()],
    };
    config
}

/// That it is what was offered.
pub fn assert_cipher(connection: &rustls::ClientConnection) {
    let suite = connection.negotiated_cipher_suite().expect("a handshake").suite();
    assert_eq!(suite, CipherSuite::TLS13_AES_128_GCM_SHA256);
}

impl Client {
    /// A client whose requests have that `Authorization`.
    pub fn new(address: SocketAddr, protocol: Protocol, authority: &[u8], authorization: &str) -> Self {
        let tls = Some(TlsConnector::from(Arc::new(tls_config(authority, protocol))));
        Self { address, protocol, authorization: authorization.to_owned(), tls }
    }

    /// The same over HTTP/1.1 without TLS.
    pub fn plain(address: SocketAddr, authorization: &str) -> Self {
        Self { address, protocol: Protocol::Http1, authorization: authorization.to_owned(), tls: None }
    }

    /// Connects.
    pub async fn connect(&self) -> Result<Connection, Failure> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return self.speak(stream).await };
        let stream = tls.connect(ServerName::from(self.address.ip()), stream).await?;
        assert_cipher(stream.get_ref().1);
        self.speak(stream).await
    }

    async fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Connection, Failure> {
        let io = TokioIo::new(stream);
        let (sender, task) = match self.protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(io).await?;
                (Sender::Http1(sender), tokio::spawn(async { drop(connection.await) }))
            }
            Protocol::Http2 => {
                let mut builder = http2::Builder::new(TokioExecutor::new());
                builder.initial_stream_window_size(STREAM_WINDOW);
                builder.initial_connection_window_size(CONNECTION_WINDOW).max_send_buf_size(1 << 20);
                let (sender, connection) = builder.handshake(io).await?;
                (Sender::Http2(sender), tokio::spawn(async { drop(connection.await) }))
            }
        };
        let (host, authorization) = (self.address.to_string(), self.authorization.clone());
        Ok(Connection { sender, host, authorization, task: Some(task.abort_handle()) })
    }

    /// So many streams: each its connection, or all one.
    pub async fn streams(&self, number: usize) -> Vec<Connection> {
        let first = self.connect().await.unwrap();
        let mut all = Vec::new();
        for _ in 1..number {
            all.push(match first.shared() {
                Some(shared) => shared,
                None => self.connect().await.unwrap(),
            });
        }
        all.push(first);
        all
    }
}

impl Connection {
    /// Another stream of the same connection.
    fn shared(&self) -> Option<Self> {
        let Sender::Http2(sender) = &self.sender else { return None };
        let (host, authorization) = (self.host.clone(), self.authorization.clone());
        Some(Self { sender: Sender::Http2(sender.clone()), host, authorization, task: None })
    }

    /// Sends a request and waits for the head of the answer.
    pub async fn begin(&mut self, request: Ask<'_>) -> Result<Response<Incoming>, Failure> {
        let mut builder = Request::builder().method(request.method).header(header::ACCEPT, MANIFEST);
        let authorization = request.authorization.unwrap_or(&self.authorization);
        if !authorization.is_empty() {
            builder = builder.header(header::AUTHORIZATION, authorization);
        }
        if !request.media_type.is_empty() {
            builder = builder.header(header::CONTENT_TYPE, request.media_type);
        }
        let body = request.content.body();
        match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await?;
                let request = builder.header(header::HOST, &self.host).uri(request.target).body(body)?;
                Ok(sender.send_request(request).await?)
            }
            Sender::Http2(sender) => {
                sender.ready().await?;
                let request = builder.uri(format!("https://{}{}", self.host, request.target)).body(body)?;
                Ok(sender.send_request(request).await?)
            }
        }
    }

    /// Sends a request and reads the answer.
    pub async fn send(&mut self, request: Ask<'_>) -> Result<Answer, Failure> {
        Answer::read(self.begin(request).await?).await
    }

    /// Pulls, and fails with anything else than what has that digest.
    pub async fn pull(&mut self, target: &str, digest: &str) {
        let answer = self.send(Ask::get(target)).await.unwrap();
        assert_eq!((answer.status, answer.digest.as_str()), (200, digest), "{target}");
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// A request to send.
pub struct Ask<'a> {
    pub method: Method,
    pub target: &'a str,
    pub content: Content,
    pub media_type: &'static str,
    /// Instead of the client's own.
    pub authorization: Option<&'a str>,
}

impl<'a> Ask<'a> {
    /// Without a body.
    pub fn new(method: Method, target: &'a str) -> Self {
        Self { method, target, content: Content::empty(), media_type: "", authorization: None }
    }

    /// GET.
    pub fn get(target: &'a str) -> Self {
        Self::new(Method::GET, target)
    }

    /// With a body.
    pub fn with(self, content: Content, media_type: &'static str) -> Self {
        Self { content, media_type, ..self }
    }
}

impl Answer {
    /// Reads a response to its end.
    pub async fn read(response: Response<Incoming>) -> Result<Self, Failure> {
        let (head, mut body) = response.into_parts();
        let (mut context, mut start) = (Context::new(&SHA256), Vec::new());
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            context.update(&data);
            start.extend_from_slice(&data[..data.len().min(SHORT - start.len())]);
        }
        let digest = format!("sha256:{}", hex(context.finish().as_ref()));
        let text = String::from_utf8_lossy(&start).into_owned();
        Ok(Self { status: head.status.as_u16(), headers: head.headers, digest, text })
    }

    /// The path and query of its `Location`.
    pub fn location(&self) -> String {
        let location = self.headers.get(header::LOCATION).unwrap_or_else(|| panic!("no Location: {self:?}"));
        let uri: hyper::Uri = location.to_str().unwrap().parse().unwrap();
        uri.path_and_query().unwrap().to_string()
    }
}

/// Runs one after the other's start, until all are done.
pub async fn all(tasks: impl Iterator<Item = impl Future<Output = ()> + Send + 'static>) {
    let mut running: JoinSet<()> = tasks.collect();
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}
