//! Registries that misbehave: plain listeners that read a request's head and then do the wrong thing.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use socket2::{Domain, Socket, Type};

use super::waiting::pause;

/// Its behaviour after the head of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Never answers, keeps the connection.
    Silence,
    /// Answers with something that is not HTTP.
    Garbage,
    /// Closes without a byte.
    Close,
    /// Resets the connection.
    Reset,
    /// Promises 1000 bytes, sends 10 and closes.
    ShortBody,
    /// Sends half of a head and no more, keeps the connection.
    HalfHead,
    /// Promises 1000 bytes, sends 10 and no more, keeps the connection.
    StalledBody,
    /// Never answers a request with that text in its head; the others at once, with `[]`.
    SilenceAbout(&'static str),
    /// Has nothing, and takes each push without an answer.
    LosesPushes,
    /// Has nothing, and answers each push after four seconds.
    AnswersPushesLate,
}

/// A registry with one fault; it ends with the test process.
pub struct MisbehavingRegistry {
    port: u16,
}

/// Starts one.
pub fn misbehaving(fault: Fault) -> MisbehavingRegistry {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || misbehave(stream, fault));
        }
    });
    MisbehavingRegistry { port }
}

/// The URL of a registry that is not there. Its port is taken as long as the process runs, so that no other program
/// answers.
pub fn no_registry() -> String {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket_ipv4().unwrap();
    std::mem::forget(socket);
    format!("http://{address}")
}

impl MisbehavingRegistry {
    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn misbehave(mut stream: TcpStream, fault: Fault) {
    if fault == Fault::Reset {
        // Closing with unread bytes in the socket makes the kernel send RST.
        let _ = stream.peek(&mut [0; 1]);
        return;
    }
    let head = read_head(&mut stream);
    let forever = Duration::from_secs(600);
    match fault {
        Fault::Silence => pause(forever),
        Fault::HalfHead => {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le"));
            pause(forever);
        }
        Fault::StalledBody => {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789"));
            pause(forever);
        }
        Fault::SilenceAbout(text) if head.contains(text) => pause(forever),
        Fault::LosesPushes if head.starts_with("PUT") => {}
        Fault::AnswersPushesLate if head.starts_with("PUT") => {
            pause(Duration::from_secs(4));
            drop(stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
        }
        Fault::LosesPushes | Fault::AnswersPushesLate if head.starts_with("HEAD") => {
            drop(
                stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
            );
        }
        Fault::SilenceAbout(_) | Fault::LosesPushes | Fault::AnswersPushesLate => {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"));
        }
        Fault::Garbage => drop(stream.write_all(b"\x16\x03\x01 this is not HTTP\r\n\r\n")),
        Fault::ShortBody => {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789"));
        }
        Fault::Close | Fault::Reset => {}
    }
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
        head.extend(byte);
    }
    String::from_utf8_lossy(&head).into_owned()
}
