//! Ports of programs that do not say which one they were given.

use std::{
    fs,
    net::TcpListener,
    process,
    sync::atomic::{AtomicU16, Ordering},
};

const ESTABLISHED: &str = "01";
const LISTEN: &str = "0A";

/// A port that no program listens on, below those that the kernel hands out.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let of_process = u16::try_from(process::id() % 500).unwrap() * 20;
    let free = |port: &u16| {
        ["127.0.0.1", "127.0.0.2"].iter().all(|address| TcpListener::bind((*address, *port)).is_ok())
    };
    let mut ports = (0..10_000).map(|_| {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        20_000 + (of_process + next) % 10_000
    });
    ports.find(free).expect("a free port")
}

/// Returns the number of sockets that listen on a port, on any address.
pub fn listeners(port: u16) -> usize {
    sockets(|local, _, state| state == LISTEN && is_port(local, port))
}

/// Returns the number of open connections to a port.
pub fn connections(port: u16) -> usize {
    sockets(|_, remote, state| state == ESTABLISHED && is_port(remote, port))
}

fn sockets(counts: impl Fn(&str, &str, &str) -> bool) -> usize {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    table.lines().skip(1).map(fields).filter(|of| counts(&of[1], &of[2], &of[3])).count()
}

fn is_port(address: &str, port: u16) -> bool {
    address.ends_with(&format!(":{port:04X}"))
}
