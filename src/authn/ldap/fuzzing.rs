//! Properties that hold for every answer of a directory, checked by `fuzz/` and the unit tests. Compiled for them only.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a property fails by a panic"
)]

use super::{
    ber::{self, Elements, Malformed},
    message::{self, Entry, Response},
};

/// Bytes of a directory: reading them never panics, and the length of a message does not change while it comes in. An
/// entry written with the content of the bytes is read back the same.
pub fn message(data: &[u8]) {
    let _ = message::read(data);
    let whole = ber::size(data);
    for length in 0..data.len().min(8) {
        match ber::size(&data[..length]) {
            Ok(None) => {}
            known => assert_eq!(known, whole, "{length} bytes of {data:02x?}"),
        }
    }
    let mut elements = Elements(data);
    let mut taken = 0;
    while let Ok(Some((_, content))) = elements.next() {
        taken += content.len() + 2;
        assert!(taken <= data.len(), "more than there is: {data:02x?}");
    }
    assert_eq!(elements.next(), elements.clone().next());
    round_trip(data);
}

fn round_trip(data: &[u8]) {
    let (dn, values) = data.split_at(data.len() / 3);
    let values: Vec<Vec<u8>> = values.split(|b| *b == 0).map(<[u8]>::to_vec).collect();
    let id = u32::try_from(data.len()).unwrap() << (data.len() % 24);
    let mut bytes = Vec::new();
    ber::element(&mut bytes, ber::SEQUENCE, |out| {
        ber::number(out, ber::INTEGER, id);
        ber::element(out, ber::APPLICATION | ber::CONSTRUCTED | 4, |out| {
            ber::octets(out, ber::OCTET_STRING, dn);
            ber::element(out, ber::SEQUENCE, |out| {
                ber::element(out, ber::SEQUENCE, |out| {
                    ber::octets(out, ber::OCTET_STRING, b"memberOf");
                    ber::element(out, ber::SET, |out| {
                        values.iter().for_each(|value| ber::octets(out, ber::OCTET_STRING, value));
                    });
                });
            });
        });
    });
    assert_eq!(ber::size(&bytes), Ok(Some(bytes.len())));
    let cut = bytes.len() - 1;
    assert_eq!(message::read(&bytes[..cut]), Err(Malformed), "a message that is not whole");
    let entry = Entry { dn: dn.to_vec(), attributes: vec![("memberOf".to_owned(), values)] };
    assert_eq!(message::read(&bytes), Ok((id, Response::Entry(entry))));
}

#[cfg(test)]
mod tests {
    use crate::mutation::for_many;

    #[test]
    fn answers_of_a_directory_are_read_without_a_panic() {
        for_many(include_str!("../../../fuzz/seeds/ldap.txt"), 20_000, super::message);
    }
}
