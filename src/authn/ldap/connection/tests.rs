//! Input that a directory, or an impostor, may send.

use tokio::io::DuplexStream;

use super::*;

const SUCCESS: &[u8] = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\0\x04\0\x04\0";

/// A connection, and the end that plays the directory.
fn connection() -> (Connection, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(4 << 20);
    (Connection::over(Box::new(ours)), theirs)
}

/// Returns the result of a bind that is answered with `bytes`, after which the connection is closed.
async fn bound(bytes: &[u8]) -> Result<Outcome, String> {
    let (mut connection, mut directory) = connection();
    directory.write_all(bytes).await.unwrap();
    directory.shutdown().await.unwrap();
    connection.bind(b"cn=x", b"y").await
}

/// The same for a search.
async fn found(bytes: &[u8]) -> Result<FoundEntry, String> {
    let (mut connection, mut directory) = connection();
    directory.write_all(bytes).await.unwrap();
    directory.shutdown().await.unwrap();
    connection.search(&Search { base: "dc=x", filter: b"\x87\x01a", attributes: &[] }).await
}

fn entry(dn: u8) -> Vec<u8> {
    [b"\x30\x0a\x02\x01\x01\x64\x05\x04\x01", &[dn][..], b"\x30\0"].concat()
}

#[tokio::test]
async fn an_answer_may_come_in_pieces() {
    let (mut connection, mut directory) = connection();
    let slowly = async {
        for byte in SUCCESS {
            directory.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let (bound, ()) = tokio::join!(connection.bind(b"cn=x", b"y"), slowly);
    assert_eq!(bound.unwrap().code, 0);
}

#[tokio::test]
async fn what_is_no_answer_is_an_error_and_never_a_success() {
    let nested = [0x30, 0x84, 0, 0x0f, 0, 0].repeat(170_000);
    let other_id = [&SUCCESS[..4], &[2], &SUCCESS[5..]].concat();
    let notice = b"\x30\x10\x02\x01\0\x78\x0b\x0a\x01\x34\x04\0\x04\x04bye\n";
    for (bytes, why) in [
        (&b""[..], "the directory closed the connection"),
        (&SUCCESS[..9], "the directory closed the connection"),
        (b"\x30\0", "the directory's answer is not LDAP"),
        (b"\x30\x03\x02\x01\x01", "the directory's answer is not LDAP"),
        (b"\x30\x80\x02\x01\x01", "the directory does not speak LDAP"),
        (b"\x30\x84\x7f\xff\xff\xff", "the directory's answer has 2147483653 bytes, more than 1048576"),
        (&nested, "the directory's answer is not LDAP"),
        (&other_id, "the directory answered something else than was asked"),
        (&entry(b'a'), "the directory answered something else than was asked"),
        (notice, "the directory ends the connection: unavailable, code 52 (bye)"),
    ] {
        assert_eq!(bound(bytes).await, Err(why.to_owned()), "{:x?}", &bytes[..bytes.len().min(40)]);
    }
    assert_eq!(bound(SUCCESS).await.map(|outcome| outcome.code), Ok(0));
}

#[tokio::test]
async fn references_are_passed_over_and_no_more_than_two_entries_are_kept() {
    let done = b"\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\0\x04\0\x04\0";
    let reference = b"\x30\x0d\x02\x01\x01\x73\x08\x04\x06ldap:/";
    let with_reference = [&reference[..], &entry(b'a'), reference, done].concat();
    let entries = found(&with_reference).await.unwrap().entries;
    assert_eq!(entries.iter().map(|entry| entry.dn.as_slice()).collect::<Vec<_>>(), [b"a"]);
    let many = [entry(b'a').repeat(1000), done.to_vec()].concat();
    assert_eq!(found(&many).await.unwrap().entries.len(), 2);
    assert!(found(&entry(b'a')).await.is_err(), "without an end it is no answer");
}

#[tokio::test]
async fn there_is_no_bind_with_a_name_or_a_password_alone() {
    let (mut connection, _directory) = connection();
    for (dn, password) in [(&b"cn=x"[..], &b""[..]), (b"", b"y")] {
        let error = connection.bind(dn, password).await.unwrap_err();
        assert_eq!(error, "a bind needs a name and a password, or neither");
    }
    assert_eq!(connection.last_id, 0, "nothing was sent");
}

#[tokio::test]
async fn what_comes_in_the_clear_after_the_answer_to_starttls_is_not_believed() {
    let answer = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\0\x04\0\x04\0";
    let refusal = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\0\x04\0";
    for (bytes, error) in [
        (answer.to_vec(), None),
        ([&answer[..], SUCCESS].concat(), Some("something follows the answer in the clear")),
        (refusal.to_vec(), Some("protocolError, code 2")),
    ] {
        let (connection, mut directory) = connection();
        directory.write_all(&bytes).await.unwrap();
        assert_eq!(connection.start_tls().await.err().as_deref(), error);
    }
}
