//! Raw HTTP/1.1 over a socket: requests that no client would send, and an upstream that records what reaches it.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use portwarden::registry::PLACEHOLDER_DIGEST;

use super::waiting::PATIENCE;

/// A response, as far as tests look at it.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of that name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// A parameter of the challenge.
    pub fn challenge(&self, name: &str) -> Option<String> {
        let value = self.header("www-authenticate")?;
        let (_, rest) = value.split_once(&format!("{name}=\""))?;
        Some(rest.split('"').next().unwrap().to_owned())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One character U+0000 to U+00FF is one byte.
pub fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

/// Sends bytes and reads one response; `None` when the connection closes without one.
pub fn exchange(address: SocketAddr, request: &[u8]) -> Option<Response> {
    let mut stream = connect(address);
    // A refusal may come before all is written.
    let _ = stream.write_all(request);
    read_response(&mut stream)
}

/// A request with `Host` and `Connection: close`, and more header lines, each ending with CRLF.
pub fn request(method: &str, target: &str, headers: &str) -> Vec<u8> {
    latin1(&format!(
        "{method} {target} HTTP/1.1\r\nHost: registry.example\r\nConnection: close\r\n{headers}\r\n"
    ))
}

pub fn connect(address: SocketAddr) -> TcpStream {
    set_up(TcpStream::connect(address).unwrap())
}

/// Connects from another loopback address.
pub fn connect_from(source: Ipv4Addr, address: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((IpAddr::from(source), 0)).into()).unwrap();
    socket.connect(&address.into()).unwrap();
    set_up(socket.into())
}

fn set_up(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Returns true if nothing came for the time that a read waits.
pub fn is_time_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Reads a head and the body that its framing announces (none after a HEAD is not known here: then it reads to the
/// end).
pub fn read_response(stream: &mut impl Read) -> Option<Response> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end + 4;
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
        }
    };
    let body = bytes.split_off(end);
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut response = Response { status, headers, body };
    match response.header("content-length").and_then(|length| length.parse::<usize>().ok()) {
        Some(length) => {
            let mut rest = vec![0; length.saturating_sub(response.body.len())];
            if stream.read_exact(&mut rest).is_ok() {
                response.body.extend(rest);
            }
        }
        None => {
            let _ = stream.read_to_end(&mut response.body);
        }
    }
    Some(response)
}

/// An upstream that records the head of every request and answers each with the same bytes.
pub struct Sink {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

/// Starts one; `answer` is a whole response, in which `@HERE@` stands for its own address. Its thread ends with the
/// process.
pub fn sink(answer: &str) -> Sink {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = answer.replace("@HERE@", &address.to_string());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&seen);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (record, answer) = (Arc::clone(&record), answer.clone());
            thread::spawn(move || serve(stream, &record, &answer));
        }
    });
    Sink { address, seen }
}

fn serve(mut stream: TcpStream, record: &Mutex<Vec<String>>, answer: &str) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(head) = read_head(&mut reader) {
        let length = head
            .to_ascii_lowercase()
            .split_once("content-length: ")
            .and_then(|(_, rest)| rest.lines().next()?.trim().parse::<u64>().ok());
        record.lock().unwrap().push(head);
        let _ = std::io::copy(&mut (&mut reader).take(length.unwrap_or_default()), &mut std::io::sink());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read_head(reader: &mut impl BufRead) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head).ok()? == 0 {
            return None;
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

impl Sink {
    /// As for `--registry`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the requests that have arrived since the last call, but for those of [`looks_for_placeholder`].
    pub fn take(&self) -> Vec<String> {
        let mut seen = std::mem::take(&mut *self.seen.lock().unwrap());
        seen.retain(|head| !looks_for_placeholder(head));
        seen
    }
}

/// Returns true for the request by which Portwarden sees, once for each repository, whether a tag of it is half deleted.
pub fn looks_for_placeholder(head: &str) -> bool {
    let mut line = head.lines().next().unwrap_or_default().split(' ');
    let (method, target) = (line.next(), line.next().unwrap_or_default());
    method == Some("HEAD") && target.ends_with(&format!("/manifests/{PLACEHOLDER_DIGEST}"))
}
