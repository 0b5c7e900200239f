//! An HTTPS server on a port of its own that answers each request as a test says: the ground of the fakes of issuers and
//! providers.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, Stream,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tempfile::TempDir;

use super::pki::Authority;

/// The server; its threads end with the process.
pub struct HttpsServer {
    url: String,
    directory: TempDir,
}

/// A request as it came.
pub struct Asked {
    pub method: String,
    pub target: String,
    /// `Authorization`, or empty.
    pub authorization: String,
    pub body: String,
}

/// Status, header lines, and body.
pub type Answer = (&'static str, String, String);

/// Starts one, which shows `answer` its own URL and each request.
pub fn https_server(answer: impl Fn(&str, &Asked) -> Answer + Send + Sync + 'static) -> HttpsServer {
    let directory = tempfile::Builder::new().prefix("portwarden-https-").tempdir().unwrap();
    let authority = Authority::new("authority of a fake");
    authority.write_server_certificate(directory.path());
    std::fs::write(directory.path().join("ca.pem"), authority.pem()).unwrap();
    let config = Arc::new(config(directory.path()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let served = Arc::new((url.clone(), answer));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (config, served) = (Arc::clone(&config), Arc::clone(&served));
            thread::spawn(move || serve(stream, config, |asked| (served.1)(&served.0, asked)));
        }
    });
    HttpsServer { url, directory }
}

impl HttpsServer {
    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The file with the certificate of its authority.
    pub fn authority_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// The file with its own certificate.
    pub fn certificate_file(&self) -> PathBuf {
        self.directory.path().join("tls.crt")
    }
}

fn config(directory: &Path) -> ServerConfig {
    let chain = CertificateDer::from_pem_file(directory.join("tls.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join("tls.key")).unwrap();
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .unwrap()
}

/// Answers one request.
fn serve(mut tcp: TcpStream, config: Arc<ServerConfig>, answer: impl Fn(&Asked) -> Answer) {
    let mut tls = ServerConnection::new(config).unwrap();
    let mut stream = Stream::new(&mut tls, &mut tcp);
    let (mut read, mut piece) = (Vec::new(), [0; 4096]);
    let asked = loop {
        if let Some(asked) = whole(&read) {
            break asked;
        }
        match stream.read(&mut piece) {
            Ok(length) if length > 0 => read.extend(&piece[..length]),
            _ => return,
        }
    };
    let (status, more, body) = answer(&asked);
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status}\r\n{more}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
    let _ = stream.write_all(answer.as_bytes());
    tls.send_close_notify();
    let _ = tls.write_tls(&mut tcp);
}

fn whole(read: &[u8]) -> Option<Asked> {
    let text = String::from_utf8_lossy(read).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut words = head.split(' ');
    (body.len() >= length).then(|| Asked {
        method: words.next().unwrap().to_owned(),
        target: words.next().unwrap().to_owned(),
        authorization: header("authorization").unwrap_or_default(),
        body: body.to_owned(),
    })
}
