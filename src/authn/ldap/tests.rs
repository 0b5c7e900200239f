//! A login against a directory of a few lines, that answers what no real one would. Real ones:
//! `tests/services/ldap.rs`.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

/// The answers of a directory to one login: to the first bind, to the search (an entry, unless its code is not 0), to
/// the bind as the account.
type Codes = [u8; 3];

/// Listens, and answers every connection with these codes.
async fn directory(codes: Codes, dn: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, codes, dn));
        }
    });
    port
}

async fn serve(mut stream: TcpStream, codes: Codes, dn: &str) {
    let mut number = 0;
    loop {
        let (id, tag) = request(&mut stream).await;
        let code = codes[number % 3];
        number += 1;
        let answer = match tag {
            0x63 if code == 0 => [entry(id, dn), outcome(id, 0x65, code)].concat(),
            0x63 => outcome(id, 0x65, code),
            _ => outcome(id, 0x61, code),
        };
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// Reads a request as Portwarden writes it, with lengths in four octets; its id and its kind.
async fn request(stream: &mut TcpStream) -> (u8, u8) {
    let mut head = [0; 6];
    if stream.read_exact(&mut head).await.is_err() {
        std::future::pending::<()>().await;
    }
    let length = u32::from_be_bytes(head[2..].try_into().unwrap());
    let mut rest = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut rest).await.unwrap();
    (rest[6], rest[7])
}

fn outcome(id: u8, tag: u8, code: u8) -> Vec<u8> {
    vec![0x30, 0x0c, 2, 1, id, tag, 7, 0x0a, 1, code, 4, 0, 4, 0]
}

fn entry(id: u8, dn: &str) -> Vec<u8> {
    let length = u8::try_from(dn.len()).unwrap();
    let head = [0x30, length + 9, 2, 1, id, 0x64, length + 4, 4, length];
    [&head, dn.as_bytes(), &[0x30, 0]].concat()
}

async fn ask(codes: Codes, dn: &'static str, as_user: bool) -> Result<Answer, String> {
    ask_with(codes, dn, as_user, b"builder").await
}

async fn ask_with(codes: Codes, dn: &'static str, as_user: bool, shown: &[u8]) -> Result<Answer, String> {
    let password = BindPassword::new("reader's").unwrap();
    let search_as = match as_user {
        true => SearchAs::User(DnTemplate::parse("uid=${account},dc=x").unwrap()),
        false => SearchAs::Reader { dn: "cn=reader".to_owned(), password },
    };
    let settings = LdapSettings {
        host: "127.0.0.1".to_owned(),
        port: directory(codes, dn).await,
        tls: LdapTls::None,
        base: "dc=x".to_owned(),
        filter: Filter::parse("(uid=${account})").unwrap(),
        search_as,
        labels: Vec::new(),
    };
    let ldap =
        Ldap::new(settings, &BackendLimits { timeout: Duration::from_secs(10), ..BackendLimits::default() });
    ldap.authenticate("bob", &Secret::new(shown)).await.map_err(|error| error.why)
}

const DN: &str = "uid=bob,dc=x";

#[tokio::test]
async fn a_locked_account_is_no_outage() {
    assert_eq!(ask([0, 0, 0], DN, false).await, Ok(Answer::Accepted(Default::default())));
    for code in [19, 32, 48, 49, 50, 53] {
        assert_eq!(ask([0, 0, code], DN, false).await, Ok(Answer::WrongPassword), "{code}");
        assert_eq!(ask([code, 0, 0], DN, true).await, Ok(Answer::WrongPassword), "{code}, as the account");
        assert_eq!(ask([0, 0, code], DN, true).await, Ok(Answer::WrongPassword), "{code}, as the account");
    }
    for code in [50, 53] {
        assert_eq!(ask([0, code, 0], DN, true).await, Ok(Answer::WrongPassword), "{code}, may not search");
    }
}

#[tokio::test]
async fn an_outage_is_no_wrong_password() {
    for code in [1, 2, 3, 7, 8, 10, 11, 13, 14, 34, 51, 52, 80, 99] {
        for as_user in [false, true] {
            let why = ask([0, 0, code], DN, as_user).await.unwrap_err();
            assert!(why.contains(&format!("code {code}")), "{why}");
            let why = ask([code, 0, 0], DN, as_user).await.unwrap_err();
            assert!(why.contains(&format!("code {code}")), "{why}");
            let why = ask([0, code, 0], DN, as_user).await.unwrap_err();
            assert!(why.contains("`base`") && why.contains(&format!("code {code}")), "{why}");
        }
    }
    for code in [19, 32, 48, 49, 50, 53] {
        let why = ask([code, 0, 0], DN, false).await.unwrap_err();
        assert!(why.contains("`bind_dn`"), "{code} as the reader: {why}");
        assert!(ask([0, code, 0], DN, false).await.is_err(), "{code} of a search as the reader");
    }
}

#[tokio::test]
async fn a_search_that_is_cut_short_found_too_much() {
    assert_eq!(ask([0, 4, 0], DN, false).await, Ok(Answer::WrongPassword));
    assert_eq!(ask([0, 4, 0], DN, true).await, Ok(Answer::WrongPassword));
}

#[tokio::test]
async fn an_entry_without_a_name_is_not_bound_as() {
    assert_eq!(ask([0, 0, 0], "", false).await, Ok(Answer::NoSuchUser));
}

/// A directory that reads C's strings would see an empty one, with which every bind succeeds.
#[tokio::test]
async fn a_password_with_a_nul_in_it_is_nobodys() {
    for (password, as_user) in [(&b"\0"[..], false), (b"\0builder", true), (b"builder\0", false)] {
        let answer = ask_with([0, 0, 0], DN, as_user, password).await;
        assert_eq!(answer, Ok(Answer::WrongPassword), "{password:?}");
    }
}

#[test]
fn each_attribute_is_asked_for_once() {
    let map =
        |attribute: &str| LabelMap { attribute: attribute.to_owned(), parse_cn: false, lower_case: false };
    let settings = LdapSettings {
        host: "a.example".to_owned(),
        port: 389,
        tls: LdapTls::None,
        base: "dc=x".to_owned(),
        filter: Filter::parse("(uid=${account})").unwrap(),
        search_as: SearchAs::Anonymous,
        labels: vec![
            ("a".to_owned(), map("memberOf")),
            ("b".to_owned(), map("memberof")),
            ("c".to_owned(), map("title")),
        ],
    };
    assert_eq!(attributes(&settings), ["memberOf", "title"]);
}

/// A directory that sends a byte from time to time keeps no login waiting, and holds no connection.
#[tokio::test]
async fn what_a_question_began_ends_with_its_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (closed, mut ends) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let closed = closed.clone();
            tokio::spawn(async move {
                // The head of a long message, and then a byte from time to time.
                let mut drip: &[u8] = b"\x30\x82\xff\xff";
                while stream.write_all(drip).await.is_ok() {
                    drip = b"x";
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                closed.send(()).unwrap();
            });
        }
    });
    let settings = LdapSettings {
        host: "127.0.0.1".to_owned(),
        port,
        tls: LdapTls::None,
        base: "dc=x".to_owned(),
        filter: Filter::parse("(uid=${account})").unwrap(),
        search_as: SearchAs::User(DnTemplate::parse("uid=${account},dc=x").unwrap()),
        labels: Vec::new(),
    };
    let limits = BackendLimits { timeout: Duration::from_millis(50), ..BackendLimits::default() };
    let ldap = Ldap::new(settings, &limits);
    for _ in 0..10 {
        let error = ldap.authenticate("bob", &Secret::new("builder")).await.unwrap_err();
        assert_eq!(error.why, "no answer within 50ms");
    }
    for n in 0..10 {
        let closed = tokio::time::timeout(Duration::from_secs(60), ends.recv()).await;
        assert!(closed.is_ok(), "connection {n} is still open");
    }
}
