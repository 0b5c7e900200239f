//! An asynchronous client for load: many connections in one process, HTTP/1.1 or HTTP/2 over TLS, bodies made and
//! digested as they pass. Anything that is one request at a time is `curl`'s.

use std::{
    error::Error,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use aws_lc_rs::digest::{Context, SHA256};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body_util::BodyExt as _;
use hyper::{
    Method, Request, Response,
    body::Incoming,
    client::conn::{http1, http2},
    header::{self, HeaderMap},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use serde_json::Value;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::{net::TcpStream, task::AbortHandle};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    content::{Content, ContentBody},
    distribution::MANIFEST,
    image::hex,
    portwarden::{Portwarden, SERVICE, User},
};

/// The reason why there is no answer, or no whole one.
pub type Failure = Box<dyn Error + Send + Sync>;

/// The protocol of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

/// Both.
pub const PROTOCOLS: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

/// The settings of a client's connections.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    name: ServerName<'static>,
    protocol: Protocol,
    source: Ipv4Addr,
    resets: bool,
    lag: Duration,
    tls: TlsConnector,
    roots: Arc<RootCertStore>,
    /// The certificate that it shows, and its key.
    own: Option<Arc<Own>>,
}

type Own = (Vec<CertificateDer<'static>>, rustls::pki_types::PrivateKeyDer<'static>);

/// An open connection; dropped, it closes without a farewell.
pub struct Connection {
    sender: Sender,
    authority: String,
    task: AbortHandle,
    certificate: Vec<u8>,
    resumed: bool,
}

enum Sender {
    Http1(http1::SendRequest<ContentBody>),
    Http2(http2::SendRequest<ContentBody>),
}

/// A whole answer: the body is counted and digested, and its beginning kept.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: u64,
    /// `sha256:…` of the body.
    pub digest: String,
    start: Vec<u8>,
}

/// The number of bytes that are kept of a body.
const START: usize = 64 << 10;

/// Runs a test's asynchronous part on two threads.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let result = runtime.block_on(future);
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

/// The value of an `Authorization` header with a password.
pub fn basic(user: User) -> String {
    wrong_password(user.name, user.password)
}

/// The same for any name and password.
pub fn wrong_password(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

impl Client {
    /// A client of that Portwarden, which trusts its authority.
    pub fn new(warden: &Portwarden, protocol: Protocol) -> Self {
        Self::trusting(warden.address(), protocol, &std::fs::read(warden.authority_file()).unwrap())
    }

    /// A client of any address, which trusts the authority of that PEM.
    pub fn trusting(address: SocketAddr, protocol: Protocol, authority: &[u8]) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authority) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let roots = Arc::new(roots);
        let none = versions.unwrap().with_root_certificates(Arc::clone(&roots)).with_no_client_auth();
        let tls = TlsConnector::from(Arc::new(none));
        let (source, lag) = (Ipv4Addr::LOCALHOST, Duration::ZERO);
        let client = Self {
            address,
            name: ServerName::from(address.ip()),
            protocol,
            source,
            resets: false,
            lag,
            tls,
            roots,
            own: None,
        };
        client.configured(rustls::ALL_VERSIONS)
    }

    /// Shows a client certificate, whose certificate and key stand in these files.
    pub fn showing(mut self, certificate: &Path, key: &Path) -> Self {
        let chain = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
        let key = rustls::pki_types::PrivateKeyDer::from_pem_file(key).unwrap();
        self.own = Some(Arc::new((chain, key)));
        self.configured(rustls::ALL_VERSIONS)
    }

    /// Asks for a server of that name.
    pub fn calling(self, name: &str) -> Self {
        Self { name: ServerName::try_from(name.to_owned()).unwrap(), ..self }
    }

    /// Speaks that version of TLS only.
    pub fn speaking(self, version: &'static rustls::SupportedProtocolVersion) -> Self {
        self.configured(&[version])
    }

    fn configured(mut self, versions: &[&'static rustls::SupportedProtocolVersion]) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let builder = builder.with_root_certificates(Arc::clone(&self.roots));
        let mut config = match &self.own {
            Some(own) => builder.with_client_auth_cert(own.0.clone(), own.1.clone_key()).unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = match self.protocol {
            Protocol::Http1 => vec![b"http/1.1".to_vec()],
            Protocol::Http2 => vec![b"h2".to_vec()],
        };
        self.tls = TlsConnector::from(Arc::new(config));
        self
    }

    /// From another address of the loopback network.
    pub fn from(mut self, source: Ipv4Addr) -> Self {
        self.source = source;
        self
    }

    /// Its connections end with a reset.
    pub fn resetting(mut self) -> Self {
        self.resets = true;
        self
    }

    /// Its handshakes begin so much later than its connections.
    pub fn lagging(self, lag: Duration) -> Self {
        Self { lag, ..self }
    }

    /// Connects.
    pub async fn connect(&self) -> Result<Connection, Failure> {
        let stream = self.connect_tls().await?;
        let certificates = stream.get_ref().1.peer_certificates();
        let certificate =
            certificates.and_then(|chain| chain.first()).map_or(Vec::new(), |leaf| leaf.to_vec());
        let resumed = stream.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        let io = TokioIo::new(stream);
        let (sender, task) = match self.protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(io).await?;
                (Sender::Http1(sender), tokio::spawn(async { drop(connection.await) }))
            }
            Protocol::Http2 => {
                let builder = http2::Builder::new(TokioExecutor::new())
                    .initial_stream_window_size(1 << 20)
                    .initial_connection_window_size(4 << 20)
                    .handshake(io);
                let (sender, connection) = builder.await?;
                (Sender::Http2(sender), tokio::spawn(async { drop(connection.await) }))
            }
        };
        Ok(Connection {
            sender,
            authority: self.address.to_string(),
            task: task.abort_handle(),
            certificate,
            resumed,
        })
    }

    /// The TCP and TLS below.
    pub async fn connect_tls(&self) -> Result<TlsStream<TcpStream>, Failure> {
        let stream = self.connect_tcp().await?;
        tokio::time::sleep(self.lag).await;
        self.shake_hands(stream).await
    }

    /// TLS over a connection.
    pub async fn shake_hands(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, Failure> {
        Ok(self.tls.connect(self.name.clone(), stream).await?)
    }

    /// TCP alone. A connection that is refused fails with `ConnectionRefused`.
    pub async fn connect_tcp(&self) -> std::io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((self.source, 0)).into())?;
        socket.set_nonblocking(true)?;
        let socket = tokio::net::TcpSocket::from_std_stream(socket.into());
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        if self.resets {
            SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        }
        Ok(stream)
    }
}

impl Connection {
    /// Sends a request and reads the whole answer; `authorization` may be empty.
    pub async fn send(
        &mut self,
        method: Method,
        target: &str,
        authorization: &str,
        content: &Content,
    ) -> Result<Answer, Failure> {
        let response = self.begin(method, target, authorization, content).await?;
        Answer::read(response).await
    }

    /// GET.
    pub async fn get(&mut self, target: &str, authorization: &str) -> Result<Answer, Failure> {
        self.send(Method::GET, target, authorization, &Content::empty()).await
    }

    /// Sends a request and waits for the head of the answer.
    pub async fn begin(
        &mut self,
        method: Method,
        target: &str,
        authorization: &str,
        content: &Content,
    ) -> Result<Response<Incoming>, Failure> {
        // Else the registry would make a manifest of another form of it.
        let mut request = Request::builder().method(method).header(header::ACCEPT, MANIFEST);
        if !authorization.is_empty() {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        if let Some(media_type) = content.media_type() {
            request = request.header(header::CONTENT_TYPE, media_type);
        }
        match &mut self.sender {
            Sender::Http1(sender) => {
                let request = request.header(header::HOST, &self.authority).uri(target);
                sender.ready().await?;
                Ok(sender.send_request(request.body(content.body())?).await?)
            }
            Sender::Http2(sender) => {
                let request = request.uri(format!("https://{}{target}", self.authority));
                sender.ready().await?;
                Ok(sender.send_request(request.body(content.body())?).await?)
            }
        }
    }

    /// Asks for a token.
    pub async fn token(&mut self, user: User, scopes: &[&str]) -> Result<String, Failure> {
        let scopes: String = scopes.iter().map(|scope| format!("&scope={scope}")).collect();
        let answer = self.get(&format!("/auth?service={SERVICE}{scopes}"), &basic(user)).await?;
        let token = answer.json()["token"].as_str().map(|token| format!("Bearer {token}"));
        token.ok_or_else(|| format!("no token: {answer:?}").into())
    }

    /// Uploads `content` as a blob, in one request after the start; returns the last answer.
    pub async fn push(
        &mut self,
        repository: &str,
        authorization: &str,
        content: &Content,
    ) -> Result<Answer, Failure> {
        let target = format!("/v2/{repository}/blobs/uploads/");
        let started = self.send(Method::POST, &target, authorization, &Content::empty()).await?;
        let Some(location) = started.location() else { return Ok(started) };
        let target = with_digest(&location, &content.digest());
        self.send(Method::PUT, &target, authorization, content).await
    }

    /// Returns true if the handshake resumed a session.
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// The certificate that the server showed, in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Answer {
    /// Reads a response to its end.
    pub async fn read(response: Response<Incoming>) -> Result<Self, Failure> {
        let (head, mut body) = response.into_parts();
        let (mut bytes, mut context, mut start) = (0, Context::new(&SHA256), Vec::new());
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            bytes += data.len() as u64;
            context.update(&data);
            start.extend_from_slice(&data[..data.len().min(START - start.len())]);
        }
        let digest = format!("sha256:{}", hex(context.finish().as_ref()));
        Ok(Self { status: head.status.as_u16(), headers: head.headers, bytes, digest, start })
    }

    /// The path and query of its `Location`.
    pub fn location(&self) -> Option<String> {
        let uri: hyper::Uri = self.headers.get(header::LOCATION)?.to_str().ok()?.parse().ok()?;
        Some(uri.path_and_query()?.to_string())
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.start).unwrap_or_default()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.start.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let start: String = start.chars().take(300).collect();
        write!(f, "{} with {} bytes: {start:?}", self.status, self.bytes)
    }
}

/// `location` with `digest` added to its query.
pub fn with_digest(location: &str, digest: &str) -> String {
    super::distribution::with_digest(location, digest)
}
