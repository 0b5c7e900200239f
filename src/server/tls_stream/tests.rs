//! Against a client of rustls over a pipe: small records, coalescing, order, and a client that does not read.

use std::time::Duration;

use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::aws_lc_rs, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

use super::*;

/// The most that all connections may come to hold together, when each could hold a megabyte.
const MOST_HELD: usize = 115 << 20;

/// Makes connections that share an budget.
struct Ends {
    server: TlsAcceptor,
    client: TlsConnector,
    budget: BufferBudget,
}

impl Ends {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = made.signing_key.serialize_der().try_into().unwrap();
        let provider = || Arc::new(aws_lc_rs::default_provider());
        let server =
            ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let server = server.with_no_client_auth().with_single_cert(vec![certificate.clone()], key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let client =
            ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let client = client.with_root_certificates(roots).with_no_client_auth();
        Self {
            server: Arc::new(server).into(),
            client: Arc::new(client).into(),
            budget: BufferBudget::default(),
        }
    }

    /// Both ends of a connection with so much room between them.
    async fn connect(
        &self,
        room: usize,
    ) -> (client::TlsStream<DuplexStream>, TlsStream<DuplexStream>, Output<DuplexStream>) {
        let (near, far) = duplex(room);
        let name = ServerName::try_from("localhost").unwrap();
        let (near, far) = tokio::join!(self.client.connect(name, near), self.server.accept(far));
        let (io, session) = far.unwrap().into_inner();
        let (stream, output) = TlsStream::new(io, session, self.budget.clone());
        (near.unwrap(), stream, output)
    }
}

async fn connected(
    room: usize,
) -> (client::TlsStream<DuplexStream>, TlsStream<DuplexStream>, Output<DuplexStream>) {
    Ends::new().connect(room).await
}

#[tokio::test]
async fn many_small_records_that_come_at_once_are_read() {
    let (mut client, mut stream, _output) = connected(1 << 20).await;
    let sent: Vec<u8> = (0..60_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    for piece in sent.chunks(10) {
        client.write_all(piece).await.unwrap();
    }
    client.shutdown().await.unwrap();
    let mut received = Vec::new();
    let mut piece = vec![0; 50_000];
    loop {
        match stream.read(&mut piece).await.unwrap() {
            0 => break,
            read => received.extend_from_slice(&piece[..read]),
        }
    }
    assert!(received == sent, "{} bytes", received.len());
}

#[tokio::test]
async fn what_is_written_leaves_when_the_connection_waits() {
    let (mut client, mut stream, output) = connected(1 << 20).await;
    stream.write_all(b"abc").await.unwrap();
    stream.flush().await.unwrap();
    let mut read = [0; 3];
    let early = timeout(Duration::from_millis(50), client.read(&mut read)).await;
    assert!(early.is_err(), "it has left before");
    let mut waits = pin!(std::future::pending::<()>());
    let driven = output.drive(waits.as_mut());
    let (_, read) = tokio::join!(timeout(Duration::from_millis(50), driven), client.read_exact(&mut read));
    read.unwrap();
}

#[tokio::test]
async fn everything_arrives_in_order_however_it_is_written() {
    let (mut client, mut stream, output) = connected(10_000).await;
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 7).to_le_bytes()[0]).collect();
    let expected = content.clone();
    let writing = async move {
        let (mut at, mut turn) = (0, 0);
        while at < content.len() {
            let size = [9, 16_384, 1, 40_000, 16_393, 700_000][turn % 6];
            let piece = &content[at..content.len().min(at + size)];
            let (head, tail) = piece.split_at(piece.len().min(9));
            at += stream.write_vectored(&[IoSlice::new(head), IoSlice::new(tail)]).await.unwrap();
            stream.flush().await.unwrap();
            turn += 1;
        }
        stream.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let mut writing = pin!(writing);
    let (done, read) = tokio::join!(output.drive(writing.as_mut()), client.read_to_end(&mut received));
    assert!(done.is_some() && read.is_ok() && received == expected, "{} bytes", received.len());
}

#[tokio::test]
async fn a_client_that_does_not_read_is_pressure_until_it_does() {
    let (mut client, mut stream, output) = connected(1_000).await;
    let pressure = output.pressure();
    let writing = async {
        stream.write_all(&[7; 50_000]).await.unwrap();
        std::future::pending::<()>().await;
    };
    let mut writing = pin!(writing);
    assert!(timeout(Duration::from_millis(50), output.drive(writing.as_mut())).await.is_err());
    assert!(pressure.is_on());
    let mut received = vec![0; 50_000];
    let read = tokio::select! {
        _ = output.drive(writing.as_mut()) => panic!("it has no end"),
        read = client.read_exact(&mut received) => read,
    };
    assert!(read.is_ok() && !pressure.is_on());
}

/// No login is needed for it: answers that say so, asked for and never read.
#[tokio::test]
async fn rule_25_many_clients_that_do_not_read_hold_little_each() {
    let ends = Ends::new();
    let (mut open, mut held) = (Vec::new(), 0);
    for _ in 0..300 {
        let (client, mut stream, output) = ends.connect(4_000).await;
        let endless = async { while stream.write_all(&[7; 10_000]).await.is_ok() {} };
        let mut endless = pin!(endless);
        let driven = timeout(Duration::ZERO, output.drive(endless.as_mut())).await;
        assert!(driven.is_err() && output.pressure().is_on());
        held += output.0.lock().sealed;
        open.push((client, output));
    }
    assert!(held < MOST_HELD, "{} MiB", held >> 20);
    drop(open);
    assert_eq!(ends.budget.piece(), BufferBudget::default().piece(), "what is gone holds nothing");
}

/// Nor for this: a request whose body is not read, because it is refused.
#[tokio::test]
async fn rule_25_many_clients_that_are_not_read_hold_little_each() {
    let ends = Ends::new();
    let (mut open, mut held) = (Vec::new(), 0);
    for _ in 0..150 {
        let (mut client, mut stream, _output) = ends.connect(2 << 20).await;
        client.write_all(&vec![7; 1_600_000]).await.unwrap();
        stream.read_exact(&mut vec![0; 400_000]).await.unwrap();
        // The rest stays where it is, and only what was taken off the socket counts.
        drop(client);
        held += stream.0.lock().ahead.len();
        open.push(stream);
    }
    assert!(held < MOST_HELD, "{} MiB", held >> 20);
    drop(open);
    assert_eq!(ends.budget.piece(), BufferBudget::default().piece(), "what is gone holds nothing");
}

#[tokio::test]
async fn a_body_gives_a_piece_at_a_time_and_more_once_all_is_sent() {
    let (mut client, mut stream, output) = connected(1 << 22).await;
    let (pressure, piece) = (output.pressure(), BufferBudget::default().piece());
    let polls = std::cell::Cell::new(0);
    let body = async {
        for _ in 0..3 {
            assert!(pressure.has_room());
            pressure.gave(piece);
            stream.write_all(&vec![7; piece]).await.unwrap();
            poll_fn(|_| {
                polls.set(polls.get() + 1);
                if pressure.has_room() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    };
    let mut body = pin!(body);
    let mut received = vec![0; 3 * piece];
    let driven = timeout(Duration::from_secs(60), output.drive(body.as_mut()));
    let (driven, read) = tokio::join!(driven, client.read_exact(&mut received));
    assert!(driven.is_ok() && read.is_ok());
    assert_eq!(polls.get(), 6, "each time it is asked once too early, and once when all is sent");
}

#[tokio::test]
async fn what_comes_while_a_connection_rests_is_still_there_afterwards() {
    let (mut client, mut stream, output) = connected(1 << 20).await;
    let mut nothing = pin!(poll_fn(|cx| output.poll_readable(cx)));
    assert!(timeout(Duration::from_millis(50), nothing.as_mut()).await.is_err());
    client.write_all(b"abc").await.unwrap();
    client.shutdown().await.unwrap();
    nothing.await.unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, b"abc");
    poll_fn(|cx| output.poll_readable(cx)).await.unwrap();
}
