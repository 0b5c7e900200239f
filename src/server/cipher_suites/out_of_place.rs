//! Out-of-place encryption of TLS 1.3 records with AES-GCM.
//!
//! rustls copies the plaintext into the record, and encrypts it there. Here AES-GCM reads it from the chunk that the
//! registry sent, and writes the ciphertext to the record, so a pull is copied once less. The records are the same, byte
//! for byte (RFC 8446 section 5.2).

use std::{iter, sync::LazyLock};

use aws_lc_rs::aead::{self, AES_128_GCM, AES_256_GCM, Aad, TlsProtocolId, TlsRecordSealingKey};
use rustls::{
    CipherSuite, CipherSuiteCommon, ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion,
    SupportedCipherSuite, Tls13CipherSuite,
    crypto::{
        self,
        cipher::{
            AeadKey, Iv, MessageDecrypter, MessageEncrypter, Nonce, OutboundChunks, OutboundOpaqueMessage,
            OutboundPlainMessage, PrefixedPayload, Tls13AeadAlgorithm, UnsupportedOperationError,
            make_tls13_aad,
        },
    },
};

/// aws-lc's suites of TLS 1.3 with AES-GCM, with an encrypter that works out of place.
static SUITES: LazyLock<Vec<Tls13CipherSuite>> = LazyLock::new(|| {
    let all = crypto::aws_lc_rs::ALL_CIPHER_SUITES.iter();
    all.filter_map(SupportedCipherSuite::tls13).filter_map(with_encrypter).collect()
});

/// Returns the counterpart of `suite` that encrypts out of place; `None` for a suite that has none.
pub(super) fn suite(suite: SupportedCipherSuite) -> Option<SupportedCipherSuite> {
    let counterpart = SUITES.iter().find(|other| other.common.suite == suite.suite())?;
    Some(SupportedCipherSuite::Tls13(counterpart))
}

/// Returns `None` for a suite without AES-GCM.
fn with_encrypter(suite: &'static Tls13CipherSuite) -> Option<Tls13CipherSuite> {
    let algorithm = match suite.common.suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => &AES_128_GCM,
        CipherSuite::TLS13_AES_256_GCM_SHA384 => &AES_256_GCM,
        _ => return None,
    };
    let CipherSuiteCommon { suite: name, hash_provider, confidentiality_limit } = suite.common;
    Some(Tls13CipherSuite {
        common: CipherSuiteCommon { suite: name, hash_provider, confidentiality_limit },
        hkdf_provider: suite.hkdf_provider,
        // rustls takes `'static` references only. `SUITES` is made once, so this is two values for each process.
        aead_alg: Box::leak(Box::new(OutOfPlace { own: suite.aead_alg, algorithm })),
        // Portwarden does not speak QUIC.
        quic: None,
    })
}

/// An algorithm of rustls with another encrypter. The rest is its own.
struct OutOfPlace {
    own: &'static dyn Tls13AeadAlgorithm,
    algorithm: &'static aead::Algorithm,
}

impl Tls13AeadAlgorithm for OutOfPlace {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        match TlsRecordSealingKey::new(self.algorithm, TlsProtocolId::TLS13, key.as_ref()) {
            Ok(key) => Box::new(Encrypter { key, iv }),
            // A key of another length than `key_len`, which rustls does not pass.
            Err(_) => self.own.encrypter(key, iv),
        }
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        self.own.decrypter(key, iv)
    }

    fn key_len(&self) -> usize {
        self.own.key_len()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.own.extract_keys(key, iv)
    }

    fn fips(&self) -> bool {
        self.own.fips()
    }
}

struct Encrypter {
    key: TlsRecordSealingKey,
    iv: Iv,
}

impl MessageEncrypter for Encrypter {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        sequence: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let size = self.encrypted_payload_len(message.payload.len());
        let nonce = aead::Nonce::assume_unique_for_key(Nonce::new(&self.iv, sequence).0);
        let aad = Aad::from(make_tls13_aad(size));
        let content_type = [u8::from(message.typ)];
        let mut record = PrefixedPayload::with_capacity(size);
        let encrypted = if let Some(plaintext) = contiguous(&message.payload) {
            record.extend(iter::repeat_n(&0, size));
            let (ciphertext, end) = record.as_mut().split_at_mut(plaintext.len());
            self.key.seal_out_of_place_scatter(nonce, aad, plaintext, ciphertext, &content_type, end)
        } else {
            record.extend_from_chunks(&message.payload);
            record.extend_from_slice(&content_type);
            self.key.seal_in_place_append_tag(nonce, aad, &mut record)
        };
        encrypted.map_err(|_| Error::EncryptError)?;
        // RFC 8446 section 5.2: all encrypted records have this type and this version.
        Ok(OutboundOpaqueMessage::new(ContentType::ApplicationData, ProtocolVersion::TLSv1_2, record))
    }

    fn encrypted_payload_len(&self, plaintext: usize) -> usize {
        plaintext + 1 + self.key.algorithm().tag_len()
    }
}

/// Returns the plaintext if it lies within one slice.
fn contiguous<'t>(plaintext: &OutboundChunks<'t>) -> Option<&'t [u8]> {
    let (slices, mut start, mut end) = match *plaintext {
        OutboundChunks::Single(slice) => return Some(slice),
        OutboundChunks::Multiple { chunks, start, end } => (chunks, start, end),
    };
    for slice in slices {
        if start < slice.len() {
            return slice.get(start..end);
        }
        start -= slice.len();
        end -= slice.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encrypts a record whose plaintext is in pieces.
    fn record(with: SupportedCipherSuite, pieces: &[&[u8]], sequence: u64) -> Vec<u8> {
        let (key, iv) = (AeadKey::from([7; 32]), Iv::from([9; 12]));
        let mut encrypter = with.tls13().unwrap().aead_alg.encrypter(key, iv);
        let payload = OutboundChunks::new(pieces);
        let (typ, version) = (ContentType::ApplicationData, ProtocolVersion::TLSv1_3);
        encrypter.encrypt(OutboundPlainMessage { typ, version, payload }, sequence).unwrap().encode()
    }

    #[test]
    fn records_are_the_same_as_those_of_rustls() {
        let theirs = crypto::aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384;
        let ours = suite(theirs).unwrap();
        let text: Vec<u8> = (0..=255).cycle().take(1 << 14).collect();
        for size in [0, 1, 15, 16, 17, 100, (1 << 14) - 1, 1 << 14] {
            let text = &text[..size];
            for at in [0, 1, size / 2, size] {
                let (first, second) = text.split_at(at.min(size));
                for pieces in [&[text][..], &[first, second], &[&[], first, &[], second, &[]]] {
                    assert_eq!(record(ours, pieces, 3), record(theirs, pieces, 3), "{size} bytes, {at}");
                }
            }
        }
    }

    #[test]
    fn plaintext_is_contiguous_within_one_slice() {
        let slices: [&[u8]; 4] = [b"", b"abc", b"", b"defg"];
        let part = |start, end| contiguous(&OutboundChunks::Multiple { chunks: &slices, start, end });
        assert_eq!(part(0, 3), Some(&b"abc"[..]));
        assert_eq!(part(1, 2), Some(&b"b"[..]));
        assert_eq!(part(3, 7), Some(&b"defg"[..]));
        assert_eq!(part(4, 5), Some(&b"e"[..]));
        assert_eq!(part(2, 4), None);
        assert_eq!(part(0, 7), None);
        assert_eq!(contiguous(&OutboundChunks::Single(b"abc")), Some(&b"abc"[..]));
    }

    #[test]
    fn other_suites_stay_as_they_are() {
        let replaced = crypto::aws_lc_rs::ALL_CIPHER_SUITES.iter().filter(|name| suite(**name).is_some());
        let names: Vec<_> = replaced.map(SupportedCipherSuite::suite).collect();
        assert_eq!(names, [CipherSuite::TLS13_AES_256_GCM_SHA384, CipherSuite::TLS13_AES_128_GCM_SHA256]);
    }
}
