//! The key that signs tokens: parsed once, used for every signature.
//!
//! `jsonwebtoken` parses an RSA key on every signature and has no call that takes a parsed one: its `JwtSigner` is
//! reached only through a factory that gets the bytes. So signing and checking go to `aws-lc-rs` directly.

use std::fmt;

use aws_lc_rs::{
    encoding::{AsBigEndian, AsDer, Curve25519SeedBin, EcPrivateKeyBin, Pkcs8V1Der, PublicKeyX509Der},
    error::Unspecified,
    hmac,
    rand::SystemRandom,
    signature::{
        self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, ParsedPublicKey, RsaKeyPair,
    },
};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{Jwk, ThumbprintHash},
};
use rustls::pki_types::{
    PrivateKeyDer,
    pem::{self, PemObject},
};
use zeroize::{Zeroize, Zeroizing};

use super::{KeyError, key_id};

/// A private key with everything derived from it. Prints as `***`.
pub struct SigningKey {
    pair: ParsedKeyPair,
    public: ParsedPublicKey,
    algorithm: Algorithm,
    key_id: String,
    derivation: hmac::Key,
}

enum ParsedKeyPair {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Reads the first private key of a PEM file: RSA of 2048 to 8192 bits (PKCS#8, PKCS#1), P-256 and P-384 (PKCS#8,
    /// SEC1), Ed25519 (PKCS#8). Other blocks, such as certificates, may stand beside it.
    ///
    /// `legacy_key_id` chooses libtrust's key id, docker_auth's default; otherwise it is the JWK thumbprint of
    /// RFC 7638, docker_auth's `disable_legacy_key_id`.
    ///
    /// # Errors
    /// What was found instead, and what to do.
    pub fn from_pem(pem: &[u8], legacy_key_id: bool) -> Result<Self, KeyError> {
        let mut der = decode(pem)?;
        let parsed = parse(&der);
        der.zeroize();
        let (pair, algorithm) = parsed?;
        let public = ParsedPublicKey::new(verification(algorithm), pair.public())
            .map_err(|_| KeyError::Unsupported(RSA_OUT_OF_BOUNDS))?;
        let key_id = if legacy_key_id { pair.libtrust_key_id() } else { pair.thumbprint() };
        let key_id = key_id.ok_or(KeyError::Damaged)?;
        let derivation = hmac::Key::new(hmac::HMAC_SHA256, &pair.secret().map_err(|_| KeyError::Damaged)?);
        Ok(Self { pair, public, algorithm, key_id, derivation })
    }

    /// `RS256`, `ES256`, `ES384` or `EdDSA`: the only one this key signs with, and the only one it accepts.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The `kid` of our tokens.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// A secret for another use, HMAC-SHA-256 of `purpose` under the private key: the same for the same key however
    /// its file is written, unrelated for another purpose, and gone with the key.
    pub fn derive_key(&self, purpose: &str) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&self.derivation, purpose.as_bytes()).as_ref())
    }

    /// Signs as RFC 7518 and RFC 8037 write it: for ECDSA the two numbers one after the other, not DER.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        match &self.pair {
            ParsedKeyPair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)?;
                Ok(signature)
            }
            ParsedKeyPair::Ecdsa(pair) => Ok(pair.sign(&SystemRandom::new(), message)?.as_ref().to_vec()),
            ParsedKeyPair::Ed25519(pair) => Ok(pair.try_sign(message)?.as_ref().to_vec()),
        }
    }

    /// Returns true if this key made `signature` of `message`.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.public.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl ParsedKeyPair {
    /// The public key: `RSAPublicKey`, an uncompressed point, or 32 bytes.
    fn public(&self) -> &[u8] {
        match self {
            Self::Rsa(pair) => pair.public_key().as_ref(),
            Self::Ecdsa(pair) => pair.public_key().as_ref(),
            Self::Ed25519(pair) => pair.public_key().as_ref(),
        }
    }

    fn libtrust_key_id(&self) -> Option<String> {
        let spki: Result<PublicKeyX509Der<'_>, _> = match self {
            Self::Rsa(pair) => pair.public_key().as_der(),
            Self::Ecdsa(pair) => pair.public_key().as_der(),
            Self::Ed25519(pair) => pair.public_key().as_der(),
        };
        Some(key_id::libtrust(spki.ok()?.as_ref()))
    }

    /// RFC 7638, SHA-256, base64url.
    fn thumbprint(&self) -> Option<String> {
        let key = match self {
            Self::Rsa(_) => DecodingKey::from_rsa_der(self.public()),
            Self::Ecdsa(_) => DecodingKey::from_ec_der(self.public()),
            Self::Ed25519(_) => DecodingKey::from_ed_der(self.public()),
        };
        Jwk::from_decoding_key(&key, None).ok()?.thumbprint(ThumbprintHash::SHA256).ok()
    }

    /// The private key in a form that does not depend on how the file wrote it.
    fn secret(&self) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        let bytes = match self {
            Self::Rsa(pair) => AsDer::<Pkcs8V1Der<'_>>::as_der(pair)?.as_ref().to_vec(),
            Self::Ecdsa(pair) => {
                AsBigEndian::<EcPrivateKeyBin<'_>>::as_be_bytes(&pair.private_key())?.as_ref().to_vec()
            }
            Self::Ed25519(pair) => {
                AsBigEndian::<Curve25519SeedBin<'_>>::as_be_bytes(&pair.seed()?)?.as_ref().to_vec()
            }
        };
        Ok(Zeroizing::new(bytes))
    }
}

fn verification(algorithm: Algorithm) -> &'static dyn signature::VerificationAlgorithm {
    match algorithm {
        Algorithm::ES256 => &signature::ECDSA_P256_SHA256_FIXED,
        Algorithm::ES384 => &signature::ECDSA_P384_SHA384_FIXED,
        Algorithm::EdDSA => &signature::ED25519,
        _ => &signature::RSA_PKCS1_2048_8192_SHA256,
    }
}

/// Takes the first private key out of a PEM file.
fn decode(pem: &[u8]) -> Result<PrivateKeyDer<'static>, KeyError> {
    let text = String::from_utf8_lossy(pem);
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(KeyError::Encrypted);
    }
    match PrivateKeyDer::from_pem_slice(pem) {
        Ok(der) => Ok(der),
        Err(pem::Error::NoItemsFound) => Err(explain_absence(&text)),
        Err(_) => Err(KeyError::Damaged),
    }
}

/// Says what stands in a file without a private key.
fn explain_absence(text: &str) -> KeyError {
    let labels: Vec<&str> = text.lines().filter_map(label).collect();
    match labels.as_slice() {
        [] => KeyError::NotPem,
        labels if labels.contains(&"ENCRYPTED PRIVATE KEY") => KeyError::Encrypted,
        labels => KeyError::NotAPrivateKey(labels.join(", ")),
    }
}

/// The label of `-----BEGIN LABEL-----`, as long as it looks like one.
fn label(line: &str) -> Option<&str> {
    let label = line.trim_end().strip_prefix("-----BEGIN ")?.strip_suffix("-----")?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == ' ';
    (label.len() <= 40 && label.chars().all(is_plain)).then_some(label)
}

fn parse(der: &PrivateKeyDer<'_>) -> Result<(ParsedKeyPair, Algorithm), KeyError> {
    let bytes = der.secret_der();
    let pair = match der {
        PrivateKeyDer::Pkcs1(_) => rsa(RsaKeyPair::from_der(bytes)),
        PrivateKeyDer::Sec1(_) => ecdsa(bytes),
        _ => ecdsa(bytes).or_else(|| ed25519(bytes)).or_else(|| rsa(RsaKeyPair::from_pkcs8(bytes))),
    };
    pair.ok_or_else(|| match der {
        PrivateKeyDer::Pkcs1(_) => KeyError::Unsupported(RSA_OUT_OF_BOUNDS),
        _ => explain_kind(bytes),
    })
}

fn rsa<E>(parsed: Result<RsaKeyPair, E>) -> Option<(ParsedKeyPair, Algorithm)> {
    Some((ParsedKeyPair::Rsa(parsed.ok()?), Algorithm::RS256))
}

fn ecdsa(der: &[u8]) -> Option<(ParsedKeyPair, Algorithm)> {
    let on = |curve: &'static EcdsaSigningAlgorithm, algorithm| {
        Some((ParsedKeyPair::Ecdsa(EcdsaKeyPair::from_private_key_der(curve, der).ok()?), algorithm))
    };
    on(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, Algorithm::ES256)
        .or_else(|| on(&signature::ECDSA_P384_SHA384_FIXED_SIGNING, Algorithm::ES384))
}

fn ed25519(der: &[u8]) -> Option<(ParsedKeyPair, Algorithm)> {
    Some((ParsedKeyPair::Ed25519(Ed25519KeyPair::from_pkcs8(der).ok()?), Algorithm::EdDSA))
}

const RSA_OUT_OF_BOUNDS: &str = "an RSA key that is damaged, or has fewer than 2048 or more than 8192 bits";

/// Names a key that cannot be used by the object identifier of its algorithm or curve (RFC 5480, 8017, 8410).
fn explain_kind(der: &[u8]) -> KeyError {
    const KINDS: [(&[u8], &str); 9] = [
        (b"\x06\x05\x2b\x81\x04\x00\x23", "an EC key on the curve P-521"),
        (b"\x06\x05\x2b\x81\x04\x00\x21", "an EC key on the curve P-224"),
        (b"\x06\x05\x2b\x81\x04\x00\x0a", "an EC key on the curve secp256k1"),
        (b"\x06\x03\x2b\x65\x71", "an Ed448 key"),
        (b"\x06\x03\x2b\x65\x6e", "an X25519 key, which cannot sign"),
        (b"\x06\x07\x2a\x86\x48\xce\x38\x04\x01", "a DSA key"),
        (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", "a key for RSA-PSS only"),
        (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", RSA_OUT_OF_BOUNDS),
        (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01", "an EC key that is damaged or on another curve"),
    ];
    let found = KINDS.iter().find(|(oid, _)| der.windows(oid.len()).any(|window| window == *oid));
    found.map_or(KeyError::Damaged, |(_, name)| KeyError::Unsupported(name))
}

#[cfg(test)]
mod tests;
