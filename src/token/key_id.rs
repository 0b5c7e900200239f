//! The two ways of naming a public key in a token's `kid`. Both are what docker_auth writes and a registry looks up.

use aws_lc_rs::digest;

/// libtrust's key id, which a registry computes from the certificates in its `rootcertbundle`: SHA-256 of the DER
/// `SubjectPublicKeyInfo`, its first 30 bytes in base32 (RFC 4648), in groups of four with colons between.
pub(super) fn libtrust(spki: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, spki);
    let text: Vec<char> = hash.as_ref().chunks(5).take(6).flat_map(base32).collect();
    let groups: Vec<String> = text.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join(":")
}

/// Five bytes are eight letters.
fn base32(five: &[u8]) -> impl Iterator<Item = char> + use<> {
    let bits = five.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    (0..8).rev().map(move |place| letter((bits >> (5 * place) & 31) as u8))
}

fn letter(value: u8) -> char {
    char::from(if value < 26 { b'A' + value } else { b'2' + value.saturating_sub(26) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_that_of_rfc_4648() {
        // RFC 4648, section 10, and all letters of the alphabet in order.
        assert_eq!(base32(b"fooba").collect::<String>(), "MZXW6YTB");
        assert_eq!(
            [0x00, 0x44, 0x32, 0x14, 0xc7, 0x42, 0x54, 0xb6, 0x35, 0xcf, 0x84, 0x65, 0x3a, 0x56, 0xd7, 0xc6]
                .chunks(5)
                .take(3)
                .flat_map(base32)
                .collect::<String>(),
            "ABCDEFGHIJKLMNOPQRSTUVWX"
        );
    }

    #[test]
    fn a_libtrust_key_id_has_twelve_groups_of_four() {
        let id = libtrust(b"any key");
        assert_eq!(id.len(), 59);
        assert!(id.split(':').all(|group| group.len() == 4), "{id}");
    }
}
