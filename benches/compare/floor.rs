//! The floor: a program that moves bytes between two sockets by reading and writing, in large chunks, without TLS and
//! without looking at them.

use std::{
    env,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex, mpsc},
    thread,
};

/// As much as Portwarden reads at once.
const CHUNK: usize = 1 << 20;
/// Two for each connection. They never end: the exact time of a thread that has ended is lost.
const THREADS: usize = 64;

/// Serves for ever if the command line is `--floor ADDRESS`, before what listens there. The benchmark starts itself this
/// way, since a process of its own can be measured.
pub fn serve_if_asked() {
    let mut words = env::args().skip(1);
    let (Some("--floor"), Some(registry)) = (words.next().as_deref(), words.next()) else { return };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (work, waiting) = mpsc::channel::<(TcpStream, TcpStream)>();
    let waiting = Arc::new(Mutex::new(waiting));
    for _ in 0..THREADS {
        let waiting = Arc::clone(&waiting);
        thread::spawn(move || {
            let mut chunk = vec![0; CHUNK];
            loop {
                let (from, to) = waiting.lock().unwrap().recv().unwrap();
                pass(from, to, &mut chunk);
            }
        });
    }
    println!("listening on {}", listener.local_addr().unwrap());
    for client in listener.incoming() {
        let (client, server) = (client.unwrap(), TcpStream::connect(&registry).unwrap());
        for end in [&client, &server] {
            end.set_nodelay(true).unwrap();
        }
        work.send((client.try_clone().unwrap(), server.try_clone().unwrap())).unwrap();
        work.send((server, client)).unwrap();
    }
}

/// Until one of the two closes.
fn pass(mut from: TcpStream, mut to: TcpStream, chunk: &mut [u8]) {
    while let Ok(read @ 1..) = from.read(chunk) {
        if to.write_all(&chunk[..read]).is_err() {
            break;
        }
    }
    for end in [from, to] {
        let _ = end.shutdown(Shutdown::Both);
    }
}
