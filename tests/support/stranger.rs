//! A foreign web site, with pages that mean no good.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

/// The site; its threads end with the process.
pub struct Stranger {
    port: u16,
}

/// Opens one with these pages: paths and documents.
pub fn stranger(pages: Vec<(&'static str, String)>) -> Stranger {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let pages = Arc::new(pages);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let pages = Arc::clone(&pages);
            // A browser opens connections in advance, and says nothing on them.
            thread::spawn(move || answer(stream, &pages));
        }
    });
    Stranger { port }
}

impl Stranger {
    /// Returns the port on which it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn answer(mut stream: TcpStream, pages: &[(&'static str, String)]) {
    let lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let page = pages.iter().find(|(known, _)| *known == path);
    let (status, html) = page.map_or(("404 Not Found", ""), |(_, html)| ("200 OK", html));
    let length = html.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{html}"
    );
}
