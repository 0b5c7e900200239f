//! Header injection from HTTP/2 into HTTP/1.1: a table of requests that no client library would send, written as frames
//! by hand and judged by what reached the registry. All carry right credentials. Over HTTP/1.1 see `smuggling`.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use crate::support::{
    in_process::{InProcess, in_process},
    raw::latin1,
    recorder::{Arrived, recorder},
    tls,
};

/// The password is `badmin`.
const CONFIG: &str = r#"
server: {addr: ":0", certificate: "@CERT@", key: "@KEY@"}
token: {issuer: i, expiration: 900, certificate: "@CERT@", key: "@KEY@"}
users: {admin: {password: "$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC"}}
acl: [{match: {account: admin}, actions: ["*"]}]
"#;

type Fields = Vec<(String, String)>;

/// The required fate of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Must {
    /// Nothing arrives, and it is not answered with success.
    BeRefused,
    /// Nothing arrives as a whole: what comes before the fault may be on its way already.
    BreakOff,
    /// It arrives, once, as nothing but itself.
    Arrive,
}
use Must::{Arrive, BeRefused, BreakOff};

struct Probe {
    name: String,
    fields: Fields,
    /// DATA frames; none ends the stream with the head.
    data: Vec<&'static str>,
    must: Must,
}

/// In each probe `@P@` becomes its number.
fn get() -> Fields {
    let fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "registry.example"),
        (":path", "/v2/probe/@P@/tags/list"),
        ("authorization", "Basic YWRtaW46YmFkbWlu"),
    ];
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

fn without(name: &str) -> Fields {
    get().into_iter().filter(|(other, _)| other != name).collect()
}

/// The same with another value, at the same place.
fn with(name: &str, value: &str) -> Fields {
    let change = |(other, before): (String, String)| {
        let value = if other == name { value.to_owned() } else { before };
        (other, value)
    };
    get().into_iter().map(change).collect()
}

fn and(name: &str, value: &str) -> Fields {
    let mut fields = get();
    fields.push((name.to_owned(), value.to_owned()));
    fields
}

fn probe(name: &str, fields: Fields, must: Must) -> Probe {
    Probe { name: name.to_owned(), fields, data: Vec::new(), must }
}

/// Values that would end a line, or a head, if they were written as they are. `Accept` is forwarded, so is the path.
fn injected() -> Vec<Probe> {
    let bad = [
        "x\r\nsmuggled: y",
        "x\nsmuggled: y",
        "x\rsmuggled: y",
        "x\u{0}y",
        "\r\n",
        "x\r\n\r\nGET /v2/smuggled/@P@/tags/list HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    let mut probes = Vec::new();
    for value in bad {
        let shown = value.escape_debug();
        probes.push(probe(&format!("a value {shown}"), and("accept", value), BeRefused));
        probes.push(probe(&format!("a name {shown}"), and(value, "x"), BeRefused));
        probes.push(probe(
            &format!("a name beginning as another {shown}"),
            and(&format!("accept: {value}"), "x"),
            BeRefused,
        ));
        for name in [":method", ":scheme", ":authority", ":path"] {
            let before = get().into_iter().find(|(other, _)| other == name).unwrap().1;
            probes.push(probe(
                &format!("{name} {shown}"),
                with(name, &format!("{before}{value}")),
                BeRefused,
            ));
            probes.push(probe(&format!("{name} only {shown}"), with(name, value), BeRefused));
        }
    }
    probes
}

fn names() -> Vec<Probe> {
    let bad = [
        "",
        "Accept",
        "aCCEPT",
        "acc ept",
        "accept ",
        " accept",
        "accept:",
        ":accept",
        "acc\u{e9}pt",
        "acc\u{7f}ept",
        "\tx",
    ];
    bad.map(|name| probe(&format!("the name {name:?}"), and(name, "x"), BeRefused)).into()
}

fn pseudo_headers() -> Vec<Probe> {
    let again = |name: &str, value: &str| {
        let mut fields = get();
        fields.insert(0, (name.to_owned(), value.to_owned()));
        fields
    };
    let other = "/v2/smuggled/@P@/tags/list";
    vec![
        probe("a second :method", again(":method", "DELETE"), BeRefused),
        probe("a second :path", again(":path", other), BeRefused),
        probe("a second :authority", again(":authority", "b"), BeRefused),
        probe("a second :scheme", again(":scheme", "http"), BeRefused),
        probe("a :path behind the others", and(":path", other), BeRefused),
        probe("an unknown one", again(":host", "b"), BeRefused),
        probe(":status", again(":status", "200"), BeRefused),
        probe(":protocol", again(":protocol", "websocket"), BeRefused),
        probe("no :method", without(":method"), BeRefused),
        probe("no :scheme", without(":scheme"), BeRefused),
        probe("no :path", without(":path"), BeRefused),
        probe("no :authority and no Host", without(":authority"), BeRefused),
        probe("an empty :method", with(":method", ""), BeRefused),
        probe("an empty :path", with(":path", ""), BeRefused),
        probe("a method in other letters", with(":method", "get"), BeRefused),
        probe(
            "a method with a target",
            with(":method", "GET /v2/smuggled/@P@/tags/list HTTP/1.1"),
            BeRefused,
        ),
        probe("CONNECT", with(":method", "CONNECT"), BeRefused),
        probe("a path without a slash", with(":path", "v2/probe/@P@/tags/list"), BeRefused),
        probe("an asterisk", with(":path", "*"), BeRefused),
        probe("a whole URL", with(":path", "https://b/v2/probe/@P@/tags/list"), BeRefused),
        probe("a path with a space", with(":path", "/v2/probe/@P@/tags/list x"), BeRefused),
        probe("a path with a version", with(":path", "/v2/probe/@P@/tags/list HTTP/1.1"), BeRefused),
        probe("a path with a tab", with(":path", "/v2/probe/@P@/tags/list\tx"), BeRefused),
        probe("a path with a fragment", with(":path", "/v2/probe/@P@/tags/list#x"), BeRefused),
        probe("a query with a fragment", with(":path", "/v2/probe/@P@/tags/list?n=1#x"), BeRefused),
        probe("a path with a backslash", with(":path", "/v2/probe/@P@\\tags/list"), BeRefused),
        probe("a path beyond ASCII", with(":path", "/v2/probe/@P@/tags/list\u{e9}"), BeRefused),
        probe("an authority with a path", with(":authority", "a/v2/smuggled"), BeRefused),
        probe("an authority with a user", with(":authority", "user@registry.example"), BeRefused),
        probe("an authority with a space", with(":authority", "a b"), BeRefused),
        probe("an empty authority", with(":authority", ""), BeRefused),
        probe("Host of another name", and("host", "evil.example"), BeRefused),
        probe("Host of the same name", and("host", "registry.example"), Arrive),
        probe(
            "two Hosts",
            {
                let mut fields = and("host", "a");
                fields.push(("host".to_owned(), "b".to_owned()));
                fields
            },
            BeRefused,
        ),
        probe("nothing strange", get(), Arrive),
    ]
}

fn of_the_connection() -> Vec<Probe> {
    let bad = [
        ("connection", "close"),
        ("connection", "x-forwarded-for"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("content-length", "+0"),
        ("content-length", "0, 0"),
        ("content-length", "-1"),
        ("content-length", "x"),
        ("content-length", "18446744073709551616"),
        ("content-length", "5"),
    ];
    bad.map(|(name, value)| probe(&format!("{name}: {value}"), and(name, value), BeRefused)).into()
}

fn bodies() -> Vec<Probe> {
    let patch = |lengths: &[&str], data: Vec<&'static str>, name: &str, must| {
        let mut fields = with(":method", "PATCH");
        fields
            .iter_mut()
            .filter(|(name, _)| name == ":path")
            .for_each(|(_, path)| *path = "/v2/probe/@P@/blobs/uploads/x".to_owned());
        fields.extend(lengths.iter().map(|length| ("content-length".to_owned(), (*length).to_owned())));
        Probe { name: name.to_owned(), fields, data, must }
    };
    let hidden = "0\r\n\r\nGET /v2/smuggled/1/tags/list HTTP/1.1\r\nHost: a\r\n\r\n";
    vec![
        patch(&["5"], vec!["hello"], "a body of its length", Arrive),
        patch(&[], vec!["hel", "lo"], "a body without a length", Arrive),
        patch(&[], vec![hidden], "a body that would end a chunked one", Arrive),
        patch(&["0"], vec![hidden], "more than nothing", BreakOff),
        patch(&["3"], vec![hidden], "more than was said", BreakOff),
        patch(&["3"], vec!["abc", hidden], "more in a second frame", BreakOff),
        patch(&["500"], vec!["abc"], "less than was said", BreakOff),
        patch(&["3", "3"], vec!["abc"], "a length twice", BeRefused),
        patch(&["3", "5"], vec!["abc"], "two lengths", BeRefused),
    ]
}

#[test]
fn rule_10_nothing_is_injected_through_http2() {
    let probes: Vec<Probe> = [injected(), names(), pseudo_headers(), of_the_connection(), bodies()]
        .into_iter()
        .flatten()
        .collect();
    let recorder = recorder();
    let portwarden = in_process(CONFIG, &recorder.url());
    let answers: Vec<Option<u8>> = portwarden.block_on(async {
        let sent = probes.iter().enumerate().map(|(number, probe)| send(&portwarden, probe, number));
        let mut answers = Vec::new();
        for sent in sent {
            answers.push(sent.await);
        }
        answers
    });
    drop(portwarden);
    let arrived = recorder.all_arrived();
    let wrong: Vec<String> = probes
        .iter()
        .zip(&answers)
        .enumerate()
        .filter_map(|(number, (probe, answer))| {
            let marker = format!("/v2/probe/{number}/");
            let own: Vec<&Arrived> =
                arrived.iter().filter(|request| request.target().starts_with(&marker)).collect();
            let why = judge(probe, *answer, &own)?;
            Some(format!("{number} {}: {why}; answer {answer:x?}, arrived {own:?}", probe.name))
        })
        .collect();
    println!("{} requests", probes.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), probes.len(), wrong.join("\n"));
    let strays: Vec<&Arrived> =
        arrived.iter().filter(|request| !request.target().starts_with("/v2/probe/")).collect();
    assert!(strays.is_empty(), "smuggled: {strays:?}");
    assert!(probes.len() > 120, "{} probes only", probes.len());
}

fn judge(probe: &Probe, answer: Option<u8>, arrived: &[&Arrived]) -> Option<&'static str> {
    let succeeded = answer == Some(STATUS_200);
    let lines: usize =
        arrived.iter().map(|request| request.head.to_lowercase().matches("smuggled").count()).sum();
    match probe.must {
        _ if lines > 0 => Some("INJECTED"),
        BeRefused if !arrived.is_empty() => Some("it arrived"),
        BreakOff if arrived.iter().any(|request| request.whole) => Some("it arrived as a whole"),
        BeRefused | BreakOff if succeeded => Some("it succeeded"),
        Arrive if !succeeded || arrived.len() != 1 => Some("an honest request should arrive"),
        Arrive if arrived[0].body != probe.data.concat().as_bytes() => Some("with another body"),
        _ => None,
    }
}

/// Sends one request on a connection of its own; returns the first byte of the response's header block, `None` when the
/// stream or the connection is ended without one.
async fn send(portwarden: &InProcess, probe: &Probe, number: usize) -> Option<u8> {
    let mut stream = tls::connect(portwarden, &[b"h2"]).await;
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    let end = if probe.data.is_empty() { END_STREAM } else { 0 };
    let block: Vec<u8> = probe.fields.iter().flat_map(|(name, value)| field(name, value, number)).collect();
    bytes.extend(frame(HEADERS, END_HEADERS | end, 1, &block));
    for (index, data) in probe.data.iter().enumerate() {
        let end = if index + 1 == probe.data.len() { END_STREAM } else { 0 };
        bytes.extend(frame(DATA, end, 1, data.as_bytes()));
    }
    let _ = stream.write_all(&bytes).await;
    let answer = async {
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.ok()?;
            let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
            stream.read_exact(&mut payload).await.ok()?;
            match head[3] {
                HEADERS => return payload.first().copied(),
                RST_STREAM | GOAWAY => return None,
                _ => {}
            }
        }
    };
    timeout(crate::support::waiting::PATIENCE, answer)
        .await
        .unwrap_or_else(|_| panic!("{} is not answered", probe.name))
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` of HPACK's static table.
const STATUS_200: u8 = 0x88;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![0, length[0], length[1], kind, flags, 0, 0, 0, stream];
    bytes.extend(payload);
    bytes
}

/// A literal field without indexing, both texts as they are (RFC 7541, section 6.2.2).
fn field(name: &str, value: &str, number: usize) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        let text = latin1(&text.replace("@P@", &number.to_string()));
        let length = u8::try_from(text.len()).unwrap();
        match length.checked_sub(127) {
            None => bytes.push(length),
            Some(rest) => bytes.extend([127, rest]),
        }
        bytes.extend(text);
    }
    bytes
}
