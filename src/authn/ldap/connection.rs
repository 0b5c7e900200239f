//! One connection to the directory: opened, then one operation after the other.
//!
//! It has no task of its own: dropping it closes it, whatever was under way. An error here means that the connection
//! can no longer be used. The directory's answer is an [`Outcome`], whose meaning is decided in `verdict`.

use std::{fmt, io};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{
    ber::{self, Malformed},
    message::{self, Entry, Outcome, Response, Search},
    verdict::name,
};

/// The longest message that is read, in bytes: several thousand groups in one entry.
const LONGEST: usize = 1 << 20;
/// Bytes read at a time.
const CHUNK: usize = 8 << 10;

/// TCP, or TLS above it.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection between two operations.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    last_id: u32,
    /// Bytes that were read and not yet decoded.
    received: Vec<u8>,
}

/// The address of a directory, and the encryption of connections to it.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
}

/// The encryption of a connection.
#[derive(Clone)]
pub(super) enum Security {
    None,
    StartTls(TlsConnector),
    Tls(TlsConnector),
}

/// The entries that a search found, at most two, and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FoundEntry {
    pub(super) entries: Vec<Entry>,
    pub(super) outcome: Outcome,
}

impl Endpoint {
    /// A new connection on which no bind has happened.
    ///
    /// # Errors
    /// What failed, for the log.
    pub(super) async fn connect(&self) -> Result<Connection, String> {
        let failed =
            |error| format!("cannot connect to {self}: {error}; see whether it runs, or correct `addr`");
        let tcp = TcpStream::connect((&*self.host, self.port)).await.map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        match &self.security {
            Security::None => Ok(Connection::over(Box::new(tcp))),
            Security::Tls(connector) => self.encrypt(connector, Box::new(tcp)).await,
            Security::StartTls(connector) => {
                let stream = Connection::over(Box::new(tcp)).start_tls().await;
                let stream = stream.map_err(|why| format!("StartTLS with {self} failed: {why}"))?;
                self.encrypt(connector, stream).await
            }
        }
    }

    async fn encrypt(&self, connector: &TlsConnector, stream: Box<dyn Stream>) -> Result<Connection, String> {
        let failed = |why: &dyn fmt::Display| {
            format!(
                "TLS with {self} failed: {why}; look at `ca_certificate`, at the name in `addr`, and whether that port \
                     begins with TLS (`tls: always`) or without (`tls: starttls`)"
            )
        };
        let name = ServerName::try_from(self.host.clone()).map_err(|error| failed(&error))?;
        let tls = connector.connect(name, stream).await.map_err(|error| failed(&error))?;
        Ok(Connection::over(Box::new(tls)))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Connection {
    fn over(stream: Box<dyn Stream>) -> Self {
        Self { stream, last_id: 0, received: Vec::new() }
    }

    /// A simple bind. Without a password only an anonymous one, `dn` empty: a directory would accept any name.
    ///
    /// # Errors
    /// The connection broke.
    pub(super) async fn bind(&mut self, dn: &[u8], password: &[u8]) -> Result<Outcome, String> {
        if dn.is_empty() != password.is_empty() {
            return Err("a bind needs a name and a password, or neither".to_owned());
        }
        let id = self.next_id();
        self.send(&message::bind(id, dn, password)).await?;
        match self.receive(id).await? {
            Response::Bind(outcome) => Ok(outcome),
            _ => Err(unexpected()),
        }
    }

    /// Searches; references to other servers are passed over.
    ///
    /// # Errors
    /// The connection broke.
    pub(super) async fn search(&mut self, search: &Search<'_>) -> Result<FoundEntry, String> {
        let id = self.next_id();
        self.send(&message::search(id, search)).await?;
        let mut entries = Vec::new();
        loop {
            match self.receive(id).await? {
                Response::SearchDone(outcome) => return Ok(FoundEntry { entries, outcome }),
                // The second one already decides.
                Response::Entry(entry) if entries.len() < 2 => entries.push(entry),
                Response::Entry(_) | Response::Other => {}
                Response::Bind(_) | Response::Extended(_) => return Err(unexpected()),
            }
        }
    }

    /// Asks for TLS; the stream it is to be spoken on.
    async fn start_tls(mut self) -> Result<Box<dyn Stream>, String> {
        let id = self.next_id();
        self.send(&message::start_tls(id)).await?;
        match self.receive(id).await? {
            Response::Extended(outcome) if outcome.code == 0 => {}
            Response::Extended(outcome) => return Err(outcome.to_string()),
            _ => return Err(unexpected()),
        }
        // An attacker may have sent it, to be read as if it had come encrypted.
        if self.received.is_empty() {
            Ok(self.stream)
        } else {
            Err("something follows the answer in the clear".to_owned())
        }
    }

    fn next_id(&mut self) -> u32 {
        self.last_id = if self.last_id == u32::MAX >> 1 { 1 } else { self.last_id + 1 };
        self.last_id
    }

    async fn send(&mut self, message: &[u8]) -> Result<(), String> {
        self.stream.write_all(message).await.map_err(|error| broken(&error))?;
        self.stream.flush().await.map_err(|error| broken(&error))
    }

    /// The next answer, which must be to `id`.
    async fn receive(&mut self, id: u32) -> Result<Response, String> {
        let message = self.message().await?;
        match message::read(&message).map_err(|Malformed| "the directory's answer is not LDAP".to_owned())? {
            (answered, response) if answered == id => Ok(response),
            (0, Response::Extended(notice)) => Err(format!("the directory ends the connection: {notice}")),
            _ => Err(unexpected()),
        }
    }

    /// The bytes of the next message.
    async fn message(&mut self) -> Result<Vec<u8>, String> {
        loop {
            let size = ber::size(&self.received)
                .map_err(|Malformed| "the directory does not speak LDAP".to_owned())?;
            match size {
                Some(size) if size > LONGEST => {
                    return Err(format!("the directory's answer has {size} bytes, more than {LONGEST}"));
                }
                Some(size) if size <= self.received.len() => {
                    let rest = self.received.split_off(size);
                    return Ok(std::mem::replace(&mut self.received, rest));
                }
                _ => self.read().await?,
            }
        }
    }

    async fn read(&mut self) -> Result<(), String> {
        self.received.reserve(CHUNK);
        match self.stream.read_buf(&mut self.received).await.map_err(|error| broken(&error))? {
            0 => Err("the directory closed the connection".to_owned()),
            _ => Ok(()),
        }
    }
}

fn broken(error: &io::Error) -> String {
    format!("the connection broke: {error}")
}

fn unexpected() -> String {
    "the directory answered something else than was asked".to_owned()
}

/// The name of the code and, for people, what the directory says, in one line and not without end.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", name(self.code))?;
        let said: String = self.message.chars().take(200).collect();
        if said.is_empty() { Ok(()) } else { write!(f, " ({})", said.trim().escape_debug()) }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests;
