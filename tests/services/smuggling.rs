//! Request smuggling over HTTP/1.1: a table of probes over raw sockets, judged by what reached the registry.
//!
//! Each carries right credentials, so that a missing password cannot hide a fault, and most have a second request
//! behind what they hide it with. Over HTTP/2 see `injection`.
//!
//! Needs: no other program.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::SocketAddr,
    thread,
    time::Duration,
};

use crate::support::{
    in_process::in_process,
    raw::{self, latin1},
    recorder::{Arrived, recorder},
};

/// The password is `badmin`.
const CONFIG: &str = r#"
server: {addr: ":0"}
token: {issuer: i, expiration: 900, certificate: "@CERT@", key: "@KEY@"}
users: {admin: {password: "$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC"}}
acl: [{match: {account: admin}, actions: ["*"]}]
"#;
const CREDENTIALS: &str = "Authorization: Basic YWRtaW46YmFkbWlu\r\n";

/// The required fate of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Must {
    /// Nothing arrives; the answer, if there is one, is a 4xx, and the connection ends.
    BeRefused,
    /// At most the carrying request arrives, and not to its end; the connection ends. What comes before the fault may
    /// be on its way already.
    BreakOff,
    /// Exactly the carrying request arrives, with the rest as its body or not at all.
    HideNothing,
    /// It is an honest request, and so is the one behind it: both arrive.
    PassTwice,
}
use Must::{BeRefused, BreakOff, HideNothing, PassTwice};

struct Probe {
    name: String,
    bytes: String,
    must: Must,
}

/// In each probe `@P@` becomes its number, so that what arrives can be told apart.
fn probe(name: &str, bytes: &str, must: Must) -> Probe {
    Probe { name: name.to_owned(), bytes: bytes.to_owned(), must }
}

fn smuggled() -> String {
    format!("GET /v2/smuggled/@P@/tags/list HTTP/1.1\r\nHost: a\r\n{CREDENTIALS}\r\n")
}

/// A PATCH with these header lines, and what follows its head.
fn upload(lines: &str, rest: &str) -> String {
    format!("PATCH /v2/probe/@P@/blobs/uploads/x HTTP/1.1\r\nHost: a\r\n{CREDENTIALS}{lines}\r\n{rest}")
}

/// The same with a request behind an empty chunked body.
fn behind_nothing(lines: &str) -> String {
    upload(lines, &format!("0\r\n\r\n{}", smuggled()))
}

/// Values of `Transfer-Encoding` that some program somewhere reads as `chunked`, and another does not.
fn obscured_encodings() -> Vec<Probe> {
    let lines = [
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunkedx",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked\u{b}",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding: chunked\u{0}",
        "Transfer-Encoding: \u{a0}chunked",
        "Transfer-Encoding:",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "Transfer-Encoding\u{b}: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: x\r\ntransfer-encoding: chunked",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding: chunk\r\n ed",
        "Accept: x\r\n Transfer-Encoding: chunked",
        "Accept: x\r\n\tTransfer-Encoding: chunked",
        "Accept: x\rTransfer-Encoding: chunked",
        "Accept: x\nTransfer-Encoding: chunked",
        "Accept: x\u{0}\r\nTransfer-Encoding: chunked",
        ": x\r\nTransfer-Encoding: chunked",
    ];
    let alone = |line: &&str| {
        probe(&format!("TE {}", line.escape_debug()), &behind_nothing(&format!("{line}\r\n")), BeRefused)
    };
    let beside = |line: &&str| {
        let bytes = behind_nothing(&format!("Content-Length: 5\r\n{line}\r\n"));
        probe(&format!("CL beside TE {}", line.escape_debug()), &bytes, BeRefused)
    };
    lines.iter().map(alone).chain(lines.iter().map(beside)).collect()
}

fn both_framings() -> Vec<Probe> {
    let length = smuggled().len() + 5;
    vec![
        probe(
            "CL.TE",
            &behind_nothing(&format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n")),
            BeRefused,
        ),
        probe("TE.CL", &behind_nothing("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), BeRefused),
        probe(
            "TE.CL in other letters",
            &behind_nothing("transfer-ENCODING: CHUNKED\r\ncontent-LENGTH: 5\r\n"),
            BeRefused,
        ),
        probe("0.CL", &behind_nothing("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"), BeRefused),
        probe(
            "HTTP/1.0 with TE",
            &behind_nothing("Transfer-Encoding: chunked\r\n").replacen("HTTP/1.1", "HTTP/1.0", 1),
            BeRefused,
        ),
        probe(
            "HTTP/1.0 with TE and keep-alive",
            &behind_nothing("Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n")
                .replacen("HTTP/1.1", "HTTP/1.0", 1),
            BeRefused,
        ),
        probe(
            "underscores are other names",
            &upload("Content_Length: 999\r\nTransfer_Encoding: chunked\r\n", &smuggled()),
            PassTwice,
        ),
        probe(
            "a fold into Content-Length",
            &upload("Accept: x\r\n Content-Length: 5\r\n", &smuggled()),
            BeRefused,
        ),
    ]
}

fn lengths() -> Vec<Probe> {
    let lines = [
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 0",
        "Content-Length: 0\r\ncontent-length: 5",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 5, 5",
        "Content-Length: 5,0",
        "Content-Length: 0x5",
        "Content-Length: 5 0",
        "Content-Length: 5;",
        "Content-Length: 5.0",
        "Content-Length: 5e0",
        "Content-Length: \"5\"",
        "Content-Length:",
        "Content-Length: \u{b}5",
        "Content-Length: \u{b2}",
        "Content-Length: 5\u{0}",
        "Content-Length: 18446744073709551616",
        "Content-Length: 18446744073709551621",
        "Content-Length: 99999999999999999999999999999999",
        "Content-Length : 5",
        "Content-Length\t: 5",
        "Content-Length:\r\n 5",
        "Accept: x\rContent-Length: 5",
        "Accept: x\nContent-Length: 5",
    ];
    let refused = lines.iter().map(|line| {
        let bytes = upload(&format!("{line}\r\n"), &format!("hello{}", smuggled()));
        probe(&line.escape_debug().to_string(), &bytes, BeRefused)
    });
    let tolerated =
        ["Content-Length:5", "Content-Length:  \t5 \t", "Content-Length: 0005", "CONTENT-LENGTH: 5"].map(
            |line| {
                let bytes = upload(&format!("{line}\r\n"), &format!("hello{}", smuggled()));
                probe(&line.escape_debug().to_string(), &bytes, PassTwice)
            },
        );
    let body = smuggled();
    let is_body = probe("a request as a body", &upload("Content-Length: @LENGTH@\r\n", &body), HideNothing);
    refused.chain(tolerated).chain([is_body]).collect()
}

fn chunks() -> Vec<Probe> {
    let bodies = [
        "0x3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "3x\r\nabc\r\n0\r\n\r\n",
        "3 x\r\nabc\r\n0\r\n\r\n",
        "3_\r\nabc\r\n0\r\n\r\n",
        "3,3\r\nabc\r\n0\r\n\r\n",
        "\r\nabc\r\n0\r\n\r\n",
        ";x\r\n0\r\n\r\n",
        "\u{b3}\r\nabc\r\n0\r\n\r\n",
        "3\nabc\n0\n\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\rabc\r\n0\r\n\r\n",
        "3;\nabc\r\n0\r\n\r\n",
        "3;x=\ny\r\nabc\r\n0\r\n\r\n",
        "3;x=\ry\r\nabc\r\n0\r\n\r\n",
        "3;x=\u{0}\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcXX0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "3\r\nabc\r\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "10000000000000003\r\nabc\r\n0\r\n\r\n",
        "ffffffffffffffffffffffffffffffff3\r\nabc\r\n0\r\n\r\n",
        "0\n\n",
        "0\r\n\n",
        "0\r\n\r\r\n",
        "0\r\nno colon\r\n\r\n",
        "0\r\n folded: x\r\n\r\n",
        "0\r\nX: a\nContent-Length: 5\r\n\r\n",
        "0\r\nX: a\rb\r\n\r\n",
        "0\r\nX: a\u{0}b\r\n\r\n",
    ];
    let broken = bodies.iter().map(|body| {
        let bytes = upload("Transfer-Encoding: chunked\r\n", &format!("{body}{}", smuggled()));
        probe(&format!("chunks {}", body.escape_debug()), &bytes, BreakOff)
    });
    let honest = [
        "0\r\n\r\n",
        "3\r\nabc\r\n0\r\n\r\n",
        "03\r\nabc\r\n000\r\n\r\n",
        "3;name=value;other=\"quoted\"\r\nabc\r\n0;last\r\n\r\n",
        "0\r\nContent-Length: 70\r\n\r\n",
        "0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "0\r\nHost: evil\r\nX-Forwarded-For: 10.0.0.1\r\nAuthorization: Basic evil\r\n\r\n",
    ];
    let honest = honest.map(|body| {
        let bytes = upload("Transfer-Encoding: chunked\r\n", &format!("{body}{}", smuggled()));
        probe(&format!("chunks {}", body.escape_debug()), &bytes, PassTwice)
    });
    let hidden = format!("@SIZE@\r\n{}\r\n0\r\n\r\n", smuggled());
    let is_chunk =
        probe("a request as a chunk", &upload("Transfer-Encoding: chunked\r\n", &hidden), HideNothing);
    broken.chain(honest).chain([is_chunk]).collect()
}

fn heads() -> Vec<Probe> {
    let plain = format!("Host: a\r\n{CREDENTIALS}");
    let get = |line: &str, lines: &str| format!("{line}\r\n{lines}{plain}\r\n{}", smuggled());
    let lines = [
        ("HTTP/0.9", "GET /v2/probe/@P@/tags/list"),
        ("HTTP/1.2", "GET /v2/probe/@P@/tags/list HTTP/1.2"),
        ("HTTP/2.0", "GET /v2/probe/@P@/tags/list HTTP/2.0"),
        ("HTTP/1", "GET /v2/probe/@P@/tags/list HTTP/1"),
        ("HTTP/01.1", "GET /v2/probe/@P@/tags/list HTTP/01.1"),
        ("http/1.1", "GET /v2/probe/@P@/tags/list http/1.1"),
        ("a space behind the version", "GET /v2/probe/@P@/tags/list HTTP/1.1 "),
        ("a word behind the version", "GET /v2/probe/@P@/tags/list HTTP/1.1 x"),
        ("two spaces", "GET  /v2/probe/@P@/tags/list HTTP/1.1"),
        ("a tab", "GET\t/v2/probe/@P@/tags/list HTTP/1.1"),
        ("a space before", " GET /v2/probe/@P@/tags/list HTTP/1.1"),
        ("a space within", "GET /v2/probe/@P@/tags list HTTP/1.1"),
        ("a version within", "GET /v2/probe/@P@/tags/list HTTP/1.1 HTTP/1.1"),
        ("NUL within", "GET /v2/probe/@P@/tags/list\u{0} HTTP/1.1"),
        ("CR within", "GET /v2/probe/@P@/tags/list\r HTTP/1.1"),
        ("a fragment", "GET /v2/probe/@P@/tags/list#x HTTP/1.1"),
        ("LF alone before", "\nGET /v2/probe/@P@/tags/list HTTP/1.1"),
        ("CR alone before", "\rGET /v2/probe/@P@/tags/list HTTP/1.1"),
        ("absolute-form of another host", "GET http://b/v2/probe/@P@/tags/list HTTP/1.1"),
        ("absolute-form of the same host", "GET http://a/v2/probe/@P@/tags/list HTTP/1.1"),
        ("authority-form", "GET a:443 HTTP/1.1"),
        ("CONNECT", "CONNECT a:443 HTTP/1.1"),
        ("asterisk-form", "GET * HTTP/1.1"),
        ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ];
    let lines = lines.map(|(name, line)| probe(name, &get(line, ""), BeRefused));
    let headers = [
        ("a fold", "Accept: x\r\n y\r\n"),
        ("a fold of the first header", " Accept: x\r\n"),
        ("a tab before the first header", "\tAccept: x\r\n"),
        ("no colon", "Accept\r\n"),
        ("no name", ": x\r\n"),
        ("a space in a name", "Acc ept: x\r\n"),
        ("a space behind a name", "Accept : x\r\n"),
        ("NUL in a name", "Acc\u{0}ept: x\r\n"),
        ("NUL in a value", "Accept: x\u{0}y\r\n"),
        ("CR in a value", "Accept: x\ry\r\n"),
        ("CR CR LF", "Accept: x\r\r\n"),
        ("LF alone", "Accept: x\n"),
        ("LF in a value", "Accept: x\ny: z\r\n"),
        ("DEL in a value", "Accept: x\u{7f}\r\n"),
        ("a name beyond ASCII", "Acc\u{e9}pt: x\r\n"),
        ("a second Host", "Host: b\r\n"),
        ("a second equal Host", "Host: a\r\n"),
        ("a second Authorization", CREDENTIALS),
    ];
    let headers = headers
        .map(|(name, lines)| probe(name, &get("GET /v2/probe/@P@/tags/list HTTP/1.1", lines), BeRefused));
    let only_lf = get("GET /v2/probe/@P@/tags/list HTTP/1.1", "").replace("\r\n", "\n");
    let early_end =
        format!("GET /v2/probe/@P@/tags/list HTTP/1.1\nHost: a\n{CREDENTIALS}\n\r\n{}", smuggled());
    let others = [
        probe("LF only", &only_lf, BeRefused),
        probe("LF at the end of the head", &early_end, BeRefused),
        probe("nothing strange", &get("GET /v2/probe/@P@/tags/list HTTP/1.1", ""), PassTwice),
        probe("an empty line before", &get("\r\nGET /v2/probe/@P@/tags/list HTTP/1.1", ""), PassTwice),
        probe(
            "an upgrade to h2c",
            &get(
                "GET /v2/probe/@P@/tags/list HTTP/1.1",
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
            ),
            PassTwice,
        ),
        probe(
            "close, and then more",
            &get("GET /v2/probe/@P@/tags/list HTTP/1.1", "Connection: close\r\n"),
            HideNothing,
        ),
        probe("HTTP/1.0, and then more", &get("GET /v2/probe/@P@/tags/list HTTP/1.0", ""), HideNothing),
    ];
    lines.into_iter().chain(headers).chain(others).collect()
}

#[test]
fn rule_10_no_probe_smuggles_a_request() {
    let probes: Vec<Probe> =
        [obscured_encodings(), both_framings(), lengths(), chunks(), heads()].into_iter().flatten().collect();
    let recorder = recorder();
    let portwarden = in_process(CONFIG, &recorder.url());
    let address = portwarden.address;
    // Probes wait in parallel.
    let answers: Vec<Answer> = thread::scope(|scope| {
        let sent: Vec<_> = probes
            .iter()
            .enumerate()
            .map(|(number, probe)| scope.spawn(move || send(address, &filled(&probe.bytes, number))))
            .collect();
        sent.into_iter().map(|sent| sent.join().unwrap()).collect()
    });
    // Ends the connections to the registry, those of requests that hang too: what broke off is then recorded.
    portwarden.stop();
    let arrived = recorder.all_arrived();
    let wrong: Vec<String> = probes
        .iter()
        .zip(&answers)
        .enumerate()
        .filter_map(|(number, (probe, answer))| {
            let of = |kind: &str| -> Vec<&Arrived> {
                let marker = format!("/v2/{kind}/{number}/");
                arrived.iter().filter(|request| request.target().starts_with(&marker)).collect()
            };
            let why = judge(probe.must, answer, &of("probe"), &of("smuggled"))?;
            Some(format!(
                "{number} {}: {why}; answered {:?}, end: {}",
                probe.name, answer.statuses, answer.ended
            ))
        })
        .collect();
    let of = |must| probes.iter().filter(|probe| probe.must == must).count();
    println!("{} probes, {} of them honest", probes.len(), of(PassTwice));
    assert!(wrong.is_empty(), "{} of {} probes:\n{}", wrong.len(), probes.len(), wrong.join("\n"));
    let strays: Vec<&Arrived> = arrived
        .iter()
        .filter(|request| {
            !request.target().starts_with("/v2/probe/") && !request.target().starts_with("/v2/smuggled/")
        })
        .collect();
    assert!(strays.is_empty(), "what is no probe arrived: {strays:?}");
    assert!(of(BeRefused) > 130 && of(BreakOff) > 30 && of(PassTwice) > 12, "probes are missing");
}

fn filled(bytes: &str, number: usize) -> Vec<u8> {
    let bytes = bytes.replace("@P@", &number.to_string());
    let size = smuggled().replace("@P@", &number.to_string()).len();
    latin1(&bytes.replace("@LENGTH@", &size.to_string()).replace("@SIZE@", &format!("{size:x}")))
}

struct Answer {
    statuses: Vec<u16>,
    /// True if the connection ended by itself.
    ended: bool,
}

/// Sends all and reads until the connection ends or nothing more comes.
fn send(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = raw::connect(address);
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    let _ = stream.write_all(bytes);
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    let ended = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break true,
            Ok(read) => answer.extend_from_slice(&buffer[..read]),
            Err(error) => break !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    };
    let text = String::from_utf8_lossy(&answer);
    let statuses =
        text.split("HTTP/1.").skip(1).filter_map(|answer| answer.get(2..5)?.parse().ok()).collect();
    Answer { statuses, ended }
}

/// Returns the problem, if any.
fn judge(must: Must, answer: &Answer, carrying: &[&Arrived], smuggled: &[&Arrived]) -> Option<String> {
    let refused = answer.statuses.iter().all(|status| (400..500).contains(status));
    let wrong = match must {
        PassTwice if carrying.len() == 1 && smuggled.len() == 1 && answer.statuses == [200, 200] => {
            return None;
        }
        PassTwice => "two honest requests should both arrive",
        _ if !smuggled.is_empty() => "SMUGGLED",
        BeRefused if !carrying.is_empty() => "it arrived",
        BreakOff if carrying.len() > 1 || carrying.iter().any(|request| request.whole) => {
            "it arrived as a whole"
        }
        HideNothing if carrying.len() != 1 || !carrying[0].whole => "the carrying request should arrive",
        HideNothing if answer.statuses != [200] => "one answer, 200",
        BeRefused | BreakOff if !refused => "it is not refused",
        BeRefused | BreakOff if !answer.ended => "the connection goes on",
        _ => return None,
    };
    Some(format!("{wrong}: {carrying:?} {smuggled:?}"))
}
