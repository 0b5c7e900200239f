//! A client that is one thread and one request at a time: handshakes, idle connections, latencies. Nothing of a runtime
//! is between the clock and the socket.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use rustls::{ClientConfig, ClientConnection, HandshakeKind, StreamOwned, pki_types::ServerName};

use crate::client::assert_cipher;

/// A connection with TLS.
pub type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Shakes hands.
pub fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Tls {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_nodelay(true).unwrap();
    let connection = ClientConnection::new(Arc::clone(config), ServerName::from(address.ip())).unwrap();
    let mut stream = StreamOwned::new(connection, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    assert_cipher(&stream.conn);
    stream
}

/// Shakes hands, waits for a ticket, and says goodbye: the next handshake can be a resumed one.
pub fn handshake(address: SocketAddr, config: &Arc<ClientConfig>) -> HandshakeKind {
    let mut stream = connect(address, config);
    while stream.conn.tls13_tickets_received() == 0 {
        assert!(stream.conn.read_tls(&mut stream.sock).unwrap() > 0, "closed before there was a ticket");
        stream.conn.process_new_packets().unwrap();
    }
    stream.conn.send_close_notify();
    stream.conn.write_tls(&mut stream.sock).unwrap();
    stream.conn.handshake_kind().unwrap()
}

/// A request whose answer has no body; its status.
pub fn head(stream: &mut (impl Read + Write), host: SocketAddr, target: &str, authorization: &str) -> u16 {
    let request = format!(
        "HEAD {target} HTTP/1.1\r\nHost: {host}\r\nAccept: {}\r\nAuthorization: {authorization}\r\n\r\n",
        crate::support::distribution::MANIFEST
    );
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut length) = ([0; 8192], 0);
    while !answer[..length].ends_with(b"\r\n\r\n") {
        let more = stream.read(&mut answer[length..]).unwrap();
        assert!(more > 0, "closed within an answer");
        length += more;
    }
    std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap()
}
