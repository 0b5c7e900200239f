//! An endpoint of notifications: it keeps the events that it takes, and can be slow, down, or say what is not so.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use parking_lot::Mutex;
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::Value;

use super::{
    pki::Authority,
    waiting::{PATIENCE, eventually, pause},
};

/// The way in which it treats a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Takes it: 202.
    Takes,
    /// Answers with this status.
    Status(u16),
    /// Redirects to another path of its own.
    Redirects,
    /// Reads it, and never answers.
    Hangs,
    /// Reads it, and closes.
    Closes,
    /// Takes it, and sends its answer byte by byte.
    IsSlow,
    /// Takes it, and sends a body without end.
    IsEndless,
}

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Posted {
    /// Request line and headers.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Posted {
    /// The value of a header, whose name is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Its events.
    pub fn events(&self) -> Vec<Value> {
        let envelope: Value = serde_json::from_str(&self.body).expect("an envelope");
        envelope["events"].as_array().expect("a list").clone()
    }
}

/// The endpoint.
pub struct Collector {
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    manner: Mutex<Manner>,
    /// Those that it took, and all.
    taken: Mutex<Vec<Posted>>,
    posted: Mutex<Vec<Posted>>,
    is_over: AtomicBool,
}

/// Starts one over plain HTTP.
pub fn collector() -> Collector {
    Collector::start(None)
}

/// Starts one over TLS, with a certificate by the authority in the file that is returned.
pub fn collector_with_tls(directory: &Path) -> (Collector, PathBuf) {
    let authority = Authority::new("authority of an endpoint");
    authority.write_server_certificate(directory);
    let file = directory.join("endpoint-ca.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    (Collector::start(Some(tls_with(directory))), file)
}

/// TLS for a server, with the certificate and the key in a directory.
pub fn tls_with(directory: &Path) -> Arc<ServerConfig> {
    let chain = CertificateDer::from_pem_file(directory.join("tls.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join("tls.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(vec![chain], key).unwrap())
}

impl Collector {
    fn start(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            manner: Mutex::new(Manner::Takes),
            taken: Mutex::default(),
            posted: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let mut collector = Self { address, tls, state, thread: None };
        collector.listen(listener);
        collector
    }

    fn listen(&mut self, listener: TcpListener) {
        self.state.is_over.store(false, Ordering::SeqCst);
        let (state, tls) = (Arc::clone(&self.state), self.tls.clone());
        self.thread = Some(thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if state.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let (state, tls) = (Arc::clone(&state), tls.clone());
                thread::spawn(move || match tls {
                    None => {
                        let _ = answer(stream, &state);
                    }
                    Some(tls) => {
                        let connection = ServerConnection::new(tls).unwrap();
                        let _ = answer(StreamOwned::new(connection, stream), &state);
                    }
                });
            }
        }));
    }

    /// The URL that takes events.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/events", self.address)
    }

    /// Treats requests in this manner from now on.
    pub fn behave(&self, manner: Manner) {
        *self.state.manner.lock() = manner;
    }

    /// Ends, with its port closed.
    pub fn stop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    /// Listens again on the same port.
    pub fn restart(&mut self) {
        let listener = TcpListener::bind(self.address).unwrap();
        self.listen(listener);
    }

    /// Returns the requests that came so far.
    pub fn posted(&self) -> Vec<Posted> {
        self.state.posted.lock().clone()
    }

    /// Returns the events that it has taken, in their order; one that came twice counts where it came first.
    pub fn events(&self) -> Vec<Value> {
        let taken = self.state.taken.lock().clone();
        let mut events: Vec<Value> = Vec::new();
        for event in taken.iter().flat_map(Posted::events) {
            if events.iter().all(|known| known["id"] != event["id"]) {
                events.push(event);
            }
        }
        events
    }

    /// Waits until this is true of its events, and returns them.
    #[track_caller]
    pub fn until(&self, is_it: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let came = eventually(PATIENCE, || is_it(&self.events()));
        assert!(came, "these events have come: {:#?}", self.events());
        self.events()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.stop();
    }
}

fn answer(mut stream: impl Read + Write, state: &State) -> Option<()> {
    let posted = read(&mut stream)?;
    let manner = *state.manner.lock();
    state.posted.lock().push(posted.clone());
    let takes = matches!(manner, Manner::Takes | Manner::IsSlow | Manner::IsEndless);
    if takes {
        state.taken.lock().push(posted);
    }
    let head = |status: u16, more: &str| format!("HTTP/1.1 {status} Said\r\n{more}\r\n");
    match manner {
        Manner::Takes => stream.write_all(head(202, "Content-Length: 0\r\n").as_bytes()).ok(),
        Manner::Status(status) => stream.write_all(head(status, "Content-Length: 0\r\n").as_bytes()).ok(),
        Manner::Redirects => {
            stream.write_all(head(301, "Location: /other\r\nContent-Length: 0\r\n").as_bytes()).ok()
        }
        Manner::Hangs => {
            while !state.is_over.load(Ordering::SeqCst) && *state.manner.lock() == Manner::Hangs {
                pause(Duration::from_millis(10));
            }
            None
        }
        Manner::Closes => None,
        Manner::IsSlow => head(202, "Content-Length: 0\r\n").bytes().try_for_each(|byte| {
            pause(Duration::from_millis(2));
            stream.write_all(&[byte]).and_then(|()| stream.flush()).ok()
        }),
        Manner::IsEndless => {
            stream.write_all(head(200, "").as_bytes()).ok()?;
            while stream.write_all(&[b'x'; 1024]).is_ok() && !state.is_over.load(Ordering::SeqCst) {}
            None
        }
    }
}

fn read(stream: &mut impl Read) -> Option<Posted> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let mut posted = Posted { head: String::from_utf8(head).ok()?, body: String::new() };
    let mut body = vec![0; posted.header("content-length")?.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    posted.body = String::from_utf8(body).ok()?;
    Some(posted)
}
