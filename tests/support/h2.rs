//! HTTP/2 by hand, over TLS: frames that no client sends (RFC 9113).

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};

use super::{pki, portwarden::Portwarden, process::PATIENCE, raw::is_time_out};

pub const DATA: u8 = 0x0;
pub const HEADERS: u8 = 0x1;
pub const RST_STREAM: u8 = 0x3;
pub const SETTINGS: u8 = 0x4;
pub const PING: u8 = 0x6;
pub const GOAWAY: u8 = 0x7;
pub const WINDOW_UPDATE: u8 = 0x8;
pub const CONTINUATION: u8 = 0x9;

pub const END_STREAM: u8 = 0x1;
/// Of SETTINGS and PING.
pub const ACK: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;

/// `SETTINGS_INITIAL_WINDOW_SIZE`.
pub const INITIAL_WINDOW: u16 = 0x4;

/// A connection of which the test writes every frame.
pub struct Frames {
    stream: StreamOwned<ClientConnection, TcpStream>,
    authority: String,
    /// The bytes of the next frame that have come so far.
    came: Vec<u8>,
}

/// A frame that has come.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// Connects, and sends the preface and these settings.
pub fn connect(portwarden: &Portwarden, settings: &[(u16, u32)]) -> Frames {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(portwarden.authority_file()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let socket = TcpStream::connect(portwarden.host()).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    socket.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    let name = ServerName::try_from(pki::ADDRESS).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = StreamOwned::new(connection, socket);
    let mut frames = Frames { stream, authority: portwarden.host(), came: Vec::new() };
    frames.stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    frames.send(SETTINGS, 0, 0, &setting_values(settings)).unwrap();
    frames
}

impl Frames {
    /// One frame.
    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        self.write(&frame(kind, flags, stream, payload))
    }

    /// Frames, made with `frame`.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The header block of a GET with `authorization`.
    pub fn get(&self, target: &str, authorization: &str) -> Vec<u8> {
        // Of the static table (RFC 7541 appendix A): `:method: GET`, `:scheme: https`; names 1, 4 and 23.
        let mut block = vec![0x82, 0x87];
        for (name, value) in [(1, self.authority.as_str()), (4, target), (23, authorization)] {
            literal_of(&mut block, name, value);
        }
        block
    }

    /// The header block of a request of any method with `authorization`.
    pub fn head(&self, method: &str, target: &str, authorization: &str) -> Vec<u8> {
        let mut block = Vec::new();
        literal_of(&mut block, 2, method);
        block.extend(&self.get(target, authorization)[1..]);
        block
    }

    /// The header block of a POST with `authorization`.
    pub fn post(&self, target: &str, authorization: &str) -> Vec<u8> {
        let mut block = self.get(target, authorization);
        block[0] = 0x83;
        block
    }

    /// The next frame; `None` at the end, or when none comes for two seconds.
    pub fn read(&mut self) -> Option<Frame> {
        self.try_read().ok()
    }

    /// A part of a frame that came before a timeout is kept for the next call.
    fn try_read(&mut self) -> io::Result<Frame> {
        let mut buffer = [0; 16 << 10];
        loop {
            if let Some(frame) = self.take_frame() {
                return Ok(frame);
            }
            match self.stream.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.came.extend_from_slice(&buffer[..read]),
            }
        }
    }

    fn take_frame(&mut self) -> Option<Frame> {
        let head = self.came.get(..9)?.to_vec();
        let end = 9 + u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let payload = self.came.get(9..end)?.to_vec();
        self.came.drain(..end);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// Reads until such a frame; `None` at the end, or when none comes.
    pub fn find(&mut self, is_it: impl Fn(&Frame) -> bool) -> Option<Frame> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            match self.try_read() {
                Ok(frame) if is_it(&frame) => return Some(frame),
                Err(error) if !is_time_out(&error) => return None,
                Ok(_) | Err(_) => {}
            }
        }
        None
    }

    /// Reads all to the end of the connection, and acknowledges each PING; `None` where the server does not end it.
    pub fn read_to_end(&mut self) -> Option<Vec<Frame>> {
        let (mut frames, began) = (Vec::new(), Instant::now());
        while let Some(frame) = self.read_and_acknowledge() {
            frames.push(frame);
        }
        (began.elapsed() < PATIENCE).then_some(frames)
    }

    /// Reads a frame, and acknowledges it if it is a PING; `None` at the end, or when none comes.
    pub fn read_and_acknowledge(&mut self) -> Option<Frame> {
        let frame = self.find(|_| true)?;
        if frame.kind == PING && frame.flags & ACK == 0 {
            // It may be closed by now.
            let _ = self.send(PING, ACK, 0, &frame.payload);
        }
        Some(frame)
    }

    /// Reads until a frame of that kind.
    pub fn read_until(&mut self, kind: u8) -> Option<Frame> {
        self.find(|frame| frame.kind == kind)
    }

    /// Returns true if the server ends the connection, or has ended it.
    pub fn ends(&mut self) -> bool {
        let began = Instant::now();
        self.read_until(GOAWAY).is_some() || began.elapsed() < PATIENCE
    }

    /// Writes what `round` makes for each number below `rounds`, as fast as it goes, and reads nothing; until the
    /// connection is closed, or nothing is read from it any more.
    pub fn flood(&mut self, rounds: usize, mut round: impl FnMut(usize) -> Vec<u8>) {
        let _ = (0..rounds).try_for_each(|n| self.write(&round(n)));
    }
}

/// The number of the `n`th stream of a client.
pub fn stream(n: usize) -> u32 {
    u32::try_from(2 * n + 1).unwrap()
}

/// The bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The payload of a SETTINGS frame.
pub fn setting_values(settings: &[(u16, u32)]) -> Vec<u8> {
    settings
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()[..]].concat())
        .collect()
}

/// A header that is not kept in the table, with a name of the static table.
pub fn literal_of(block: &mut Vec<u8>, name: u8, value: &str) {
    integer(block, 0, 4, usize::from(name));
    text(block, value);
}

/// A header that is not kept in the table.
pub fn literal(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    text(block, name);
    text(block, value);
}

/// A header that is kept as the newest of the table: index 62.
pub fn kept(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0x40);
    text(block, name);
    text(block, value);
}

fn text(block: &mut Vec<u8>, text: &str) {
    integer(block, 0, 7, text.len());
    block.extend(text.as_bytes());
}

/// RFC 7541 section 5.1.
fn integer(block: &mut Vec<u8>, flags: u8, bits: u32, value: usize) {
    let most = (1_usize << bits) - 1;
    if value < most {
        block.push(flags | u8::try_from(value).unwrap());
        return;
    }
    block.push(flags | u8::try_from(most).unwrap());
    let mut rest = value - most;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128 + 128).unwrap());
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}
