//! Sockets that listen: bound by Portwarden, or handed over by systemd.

use std::{
    io,
    net::{self, Ipv4Addr, SocketAddr, TcpListener},
    os::{
        fd::{AsRawFd, RawFd},
        unix::{self, net::UnixListener},
    },
    path::PathBuf,
    pin::Pin,
    task::{Context, Poll},
};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf, unix::AsyncFd},
    net::{TcpStream, UnixStream},
};

use super::{Address, notsent_lowat::Unsent};
use crate::net::BufferBudget;

/// A listening socket.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener, PathBuf),
}

/// The same, watched by the runtime of a thread.
#[derive(Debug)]
pub struct Accepting {
    socket: AsyncFd<Listener>,
    redirects_to: Option<u16>,
}

/// An accepted connection, before the thread is known that it will live on: no runtime watches it yet.
#[derive(Debug)]
pub(super) enum Accepted {
    /// TCP.
    Tcp(net::TcpStream),
    /// A Unix socket.
    Unix(unix::net::UnixStream),
}

/// A connection.
#[derive(Debug)]
pub(super) enum Stream {
    /// TCP, and the bound on what waits in the kernel to be sent, where it has one.
    Tcp(TcpStream, Option<Unsent>),
    /// A Unix socket.
    Unix(UnixStream),
}

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

impl Listener {
    /// Binds an address.
    ///
    /// # Errors
    /// The address is taken, not one of this machine, or a port under 1024 without `CAP_NET_BIND_SERVICE`.
    pub fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => bind_tcp(*address).and_then(Self::from_tcp),
            Address::Unix(path) => {
                remove_stale_socket(path)?;
                let listener = UnixListener::bind(path)?;
                listener.set_nonblocking(true)?;
                Ok(Self::Unix(listener, path.clone()))
            }
        }
    }

    /// Takes over a socket that listens already.
    ///
    /// # Errors
    /// It cannot be made non-blocking.
    pub fn from_tcp(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self::Tcp(listener))
    }

    /// Watched by the runtime of this thread from now on. Must run within a tokio runtime.
    ///
    /// # Errors
    /// The runtime cannot watch it.
    #[expect(
        deprecated,
        reason = "what replaces it is unsafe; a listener's descriptor stays the same, which it asks for"
    )]
    pub fn accepting(self) -> io::Result<Accepting> {
        let socket = AsyncFd::with_interest(self, Interest::READABLE)?;
        Ok(Accepting { socket, redirects_to: None })
    }

    /// The port, of TCP.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok().map(|address| address.port()),
            Self::Unix(..) => None,
        }
    }

    /// Returns the address on which it listens, as a URL without scheme: with the port that port 0 became.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> io::Result<String> {
        match self {
            Self::Tcp(listener) => Ok(listener.local_addr()?.to_string()),
            Self::Unix(_, path) => Ok(format!("unix:{}", path.display())),
        }
    }

    /// Returns true if only this machine can connect.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(listener) => {
                listener.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback())
            }
            Self::Unix(..) => true,
        }
    }

    fn accept(&self) -> io::Result<(Accepted, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                stream.set_nonblocking(true)?;
                // Only slower without, and no reason to refuse.
                let _ = stream.set_nodelay(true);
                Ok((Accepted::Tcp(stream), Some(peer)))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                Ok((Accepted::Unix(stream), None))
            }
        }
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Tcp(listener) => listener.as_raw_fd(),
            Self::Unix(listener, _) => listener.as_raw_fd(),
        }
    }
}

impl Accepting {
    /// The same, which speaks plain HTTP and only redirects to HTTPS at `port`.
    #[must_use]
    pub fn redirecting_to(self, port: u16) -> Self {
        Self { redirects_to: Some(port), ..self }
    }

    /// The port of HTTPS, where it only redirects to it.
    pub(super) fn redirects_to(&self) -> Option<u16> {
        self.redirects_to
    }

    /// The next connection, and its peer where it has an address.
    ///
    /// # Errors
    /// The system's, such as too many open files; the listener stays usable.
    pub(super) async fn next(&self) -> io::Result<(Accepted, Option<SocketAddr>)> {
        // tokio's own listeners would have this runtime watch the connection as well, and take it back when it moves to
        // its thread: two system calls for each handshake.
        self.socket.async_io(Interest::READABLE, Listener::accept).await
    }

    /// A connection that the kernel has taken already.
    ///
    /// # Errors
    /// There is none, or it broke.
    pub(super) fn waiting(&self) -> io::Result<(Accepted, Option<SocketAddr>)> {
        self.socket.get_ref().accept()
    }
}

impl Accepted {
    /// Watched by the runtime of this thread from now on.
    ///
    /// # Errors
    /// The runtime cannot watch it.
    pub(super) fn here(self) -> io::Result<Stream> {
        match self {
            Self::Tcp(stream) => TcpStream::from_std(stream).map(|stream| Stream::Tcp(stream, None)),
            Self::Unix(stream) => UnixStream::from_std(stream).map(Stream::Unix),
        }
    }
}

impl Stream {
    /// The same; of what its client is to be sent, about as much waits in the kernel as the budget has for each.
    pub(super) fn bounded(self, budget: BufferBudget) -> Self {
        match self {
            Self::Tcp(stream, _) => Self::Tcp(stream, Some(Unsent::new(budget))),
            // There it is what `net.core.wmem_default` says: 208 KiB, unless changed.
            Self::Unix(_) => self,
        }
    }

    /// Returns whether the client speaks HTTP without TLS: its first byte, which is left where it is, is a letter. In
    /// TLS it is the type of a record (RFC 8446 section 5.1). A Unix socket is not asked: the system has no safe call
    /// for it.
    pub(super) async fn begins_as_http(&self) -> io::Result<bool> {
        let Self::Tcp(stream, _) = self else { return Ok(false) };
        let mut first = [0; 1];
        stream.peek(&mut first).await?;
        Ok(first.iter().all(u8::is_ascii_alphabetic))
    }

    /// Passes on what became of a write.
    fn written(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Self::Tcp(stream, Some(unsent)) = self {
            unsent.written(stream, &written);
        }
        written
    }
}

/// The sockets that systemd handed over (`LISTEN_FDS`, sd_listen_fds(3)); none when it did not.
///
/// # Errors
/// A socket that is not a TCP listener.
pub fn from_systemd() -> io::Result<Vec<Listener>> {
    let mut handed_over = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for position in 0..handed_over.len() {
        if let Some(listener) = handed_over.take_tcp_listener(position)? {
            listeners.push(Listener::from_tcp(listener)?);
        }
    }
    Ok(listeners)
}

/// `[::]` also takes IPv4 connections; where the kernel has no IPv6, it becomes `0.0.0.0`.
fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let bound = bind_exactly(address);
    match &bound {
        Err(error) if address.ip().is_unspecified() && is_unsupported(error) => {
            bind_exactly((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        _ => bound,
    }
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::AddrNotAvailable)
        || error.raw_os_error() == Some(EAFNOSUPPORT)
}

/// Address family not supported by protocol (Linux).
const EAFNOSUPPORT: i32 = 97;

fn bind_exactly(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for connections in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if address.ip().is_unspecified() && address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Removes a socket without a listener: it is left over from a run that was killed.
pub(super) fn remove_stale_socket(path: &std::path::Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    match std::os::unix::net::UnixStream::connect(path) {
        // There is no listener. Any other fault, such as a full queue, says nothing of the kind.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        _ => Ok(()),
    }
}

/// Forwards to whichever socket it is.
macro_rules! on_socket {
    ($socket:expr, $stream:ident => $call:expr) => {
        match $socket {
            Stream::Tcp($stream, _) => $call,
            Stream::Unix($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_socket!(self.get_mut(), stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = on_socket!(this, stream => Pin::new(stream).poll_write(cx, buf));
        this.written(written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_socket!(self.get_mut(), stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_socket!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = on_socket!(this, stream => Pin::new(stream).poll_write_vectored(cx, bufs));
        this.written(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
