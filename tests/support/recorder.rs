//! An upstream that keeps every byte that reaches it and reads requests strictly: for probes of request smuggling,
//! where a body may look like a request. For heads only there is `raw::Sink`.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use super::{
    raw::looks_for_placeholder,
    waiting::{PATIENCE, eventually},
};

/// A request that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// Request line and headers.
    pub head: String,
    /// The body, without its framing.
    pub body: Vec<u8>,
    /// True if it came to its end.
    pub whole: bool,
}

impl Arrived {
    /// The target of the request line.
    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The first header of that name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// The upstream; its threads end with the process.
pub struct Recorder {
    address: SocketAddr,
    arrived: Arc<Mutex<Vec<Arrived>>>,
    /// Each connection that is open has another one of it.
    open: Arc<()>,
}

/// Starts one, which answers each request with 200 and nothing.
pub fn recorder() -> Recorder {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let arrived = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::new(());
    let (record, open) = (Arc::clone(&arrived), Arc::clone(&kept));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (record, open) = (Arc::clone(&record), Arc::clone(&open));
            thread::spawn(move || {
                let _open = open;
                serve(stream, &record);
            });
        }
    });
    Recorder { address, arrived, open: kept }
}

impl Recorder {
    /// As for `--registry`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that arrived, once every connection has ended, so that what broke off is among it.
    pub fn all_arrived(&self) -> Vec<Arrived> {
        // Connections are accepted in order: once this one is, all that came before it are counted.
        let mut last = TcpStream::connect(self.address).unwrap();
        last.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        last.read_exact(&mut [0; 1]).unwrap();
        drop(last);
        assert!(eventually(PATIENCE, || Arc::strong_count(&self.open) == 2), "connections are kept");
        self.arrived().into_iter().filter(|request| request.target() != "/").collect()
    }

    /// Returns the requests that have arrived so far, but for those of [`looks_for_placeholder`]; one that broke off
    /// counts once its connection has ended.
    pub fn arrived(&self) -> Vec<Arrived> {
        let mut arrived = self.arrived.lock().unwrap().clone();
        arrived.retain(|request| !looks_for_placeholder(&request.head));
        arrived
    }
}

fn serve(mut stream: TcpStream, record: &Mutex<Vec<Arrived>>) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        while let Some((request, length)) = whole(&bytes) {
            bytes.drain(..length);
            record.lock().unwrap().push(request);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
    if !bytes.is_empty() {
        let (head, body) = bytes.split_at(head_length(&bytes).unwrap_or(bytes.len()));
        let head = String::from_utf8_lossy(head).into_owned();
        record.lock().unwrap().push(Arrived { head, body: body.to_vec(), whole: false });
    }
}

fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// The first request and how many bytes it takes, once it is whole.
fn whole(bytes: &[u8]) -> Option<(Arrived, usize)> {
    let length = head_length(bytes)?;
    let head = String::from_utf8_lossy(&bytes[..length]).into_owned();
    let mut request = Arrived { head, body: Vec::new(), whole: true };
    if request.header("transfer-encoding").is_none() {
        let body = request.header("content-length").map_or(0, |length| length.parse().unwrap());
        request.body = bytes.get(length..length + body)?.to_vec();
        return Some((request, length + body));
    }
    let mut at = length;
    loop {
        let line = bytes.get(at..)?.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&bytes[at..at + line]).unwrap();
        let size = usize::from_str_radix(size, 16).expect("the size of a chunk");
        at += line + 2;
        request.body.extend_from_slice(bytes.get(at..at + size)?);
        at += size + 2;
        if size == 0 {
            return (at <= bytes.len()).then_some((request, at));
        }
    }
}
