//! A registry with a fault in one kind of request: a relay before a real one, which takes each request on a connection of
//! its own.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use parking_lot::Mutex;

/// The fault of a relay in requests whose line begins with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayFault {
    /// They never reach the registry.
    Lost(String),
    /// They reach it, and their answer does not come.
    Unanswered(String),
    /// They reach it, and the client waits for their answer until it gives up.
    Held(String),
    /// They never reach it, and the client waits until it gives up.
    Stuck(String),
    /// They are answered with this status.
    Status(String, u16),
    /// No fault: the registry lists referrers (OCI distribution 1.1, "Listing Referrers"), which the registry behind it does
    /// not. The digests of subjects, and the index for each; others have an empty one.
    Referrers(Vec<(String, String)>),
}

/// The relay; it ends with the test process.
pub struct Relay {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    fault: Mutex<Option<RelayFault>>,
    /// The lines of requests that met a fault, which the registry has answered if they reached it.
    met: Mutex<Vec<String>>,
}

/// Starts one, without a fault.
pub fn relay(registry: SocketAddr) -> Relay {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let state: Arc<State> = Arc::default();
    let shared = Arc::clone(&state);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let state = Arc::clone(&shared);
            thread::spawn(move || pass(client, registry, &state));
        }
    });
    Relay { port, state }
}

impl Relay {
    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on it has this fault, or none.
    pub fn set(&self, fault: Option<RelayFault>) {
        *self.state.fault.lock() = fault;
        self.state.met.lock().clear();
    }

    /// The number of requests whose line begins with a text and that met the fault; one that reached the registry is done
    /// by then.
    pub fn has_met(&self, text: &str) -> usize {
        self.state.met.lock().iter().filter(|line| line.starts_with(text)).count()
    }
}

fn pass(mut client: TcpStream, registry: SocketAddr, state: &State) -> Option<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let text = String::from_utf8(head).ok()?;
    let length = text.to_ascii_lowercase();
    let length = length.split_once("content-length: ").and_then(|(_, rest)| rest.split_once('\r'));
    let mut body = vec![0; length.map_or(0, |(length, _)| length.parse().unwrap())];
    client.read_exact(&mut body).ok()?;
    let fault = state.fault.lock().clone();
    let met = || state.met.lock().push(text.clone());
    match &fault {
        Some(RelayFault::Stuck(of)) if text.starts_with(of.as_str()) => {
            met();
            let _ = client.read(&mut [0]);
            return None;
        }
        Some(RelayFault::Lost(of)) if text.starts_with(of.as_str()) => return None,
        Some(RelayFault::Status(of, status)) if text.starts_with(of.as_str()) => {
            let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return client.write_all(answer.as_bytes()).ok();
        }
        Some(RelayFault::Referrers(lists)) if text.starts_with("GET ") && text.contains("/referrers/") => {
            met();
            let empty =
                r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
            let list = lists.iter().find(|(subject, _)| text.contains(subject.as_str()));
            let list = list.map_or(empty, |(_, list)| list);
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.index.v1+json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{list}",
                list.len()
            );
            return client.write_all(answer.as_bytes()).ok();
        }
        _ => {}
    }
    let mut registry = TcpStream::connect(registry).ok()?;
    let closing = text.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    registry.write_all(closing.as_bytes()).and_then(|()| registry.write_all(&body)).ok()?;
    let mut answer = Vec::new();
    registry.read_to_end(&mut answer).ok()?;
    if matches!(&fault, Some(RelayFault::Held(of)) if text.starts_with(of.as_str())) {
        met();
        let _ = client.read(&mut [0]);
        return None;
    }
    if !matches!(&fault, Some(RelayFault::Unanswered(of)) if text.starts_with(of.as_str())) {
        client.write_all(&answer).ok()?;
    }
    client.shutdown(Shutdown::Both).ok()
}
