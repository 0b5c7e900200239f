//! A relay of TCP connections that stops: what is sent over it stays on the way, as on a network that is cut.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use parking_lot::{Condvar, Mutex};

/// The relay; it ends with the test process.
pub struct TcpRelay {
    address: SocketAddr,
    gate: Arc<Gate>,
}

/// True while nothing passes.
#[derive(Default)]
struct Gate(Mutex<bool>, Condvar);

impl TcpRelay {
    /// Starts one before `to`.
    pub fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let gate: Arc<Gate> = Arc::default();
        let shared = Arc::clone(&gate);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(to) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let gate = Arc::clone(&shared);
                    thread::spawn(move || pass(from, to, &gate));
                }
            }
        });
        Self { address, gate }
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing passes.
    pub fn stop(&self) {
        *self.gate.0.lock() = true;
    }

    /// Passes on the bytes that were held.
    pub fn go_on(&self) {
        *self.gate.0.lock() = false;
        self.gate.1.notify_all();
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, gate: &Gate) {
    let mut bytes = [0; 16_384];
    loop {
        let read = from.read(&mut bytes).unwrap_or_default();
        let mut stopped = gate.0.lock();
        while *stopped {
            gate.1.wait(&mut stopped);
        }
        drop(stopped);
        if read == 0 || to.write_all(&bytes[..read]).is_err() {
            let _ = to.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}
