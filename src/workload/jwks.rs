//! The keys that an issuer publishes (RFC 7517), and the algorithms that they are for (RFC 7518, RFC 8037).

use std::{collections::HashMap, fmt, sync::Arc};

use aws_lc_rs::{
    digest,
    signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use serde_json::Value;

use super::JwtError;
use crate::strict_json;

/// The most keys in one set: issuers publish two to ten.
const MOST_KEYS: usize = 100;
/// Bits of an RSA key (RFC 7518, section 3.3).
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// An algorithm with a public key. Those with a shared secret, and `none`, do not exist here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of RFC 7518")]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

const ALGORITHMS: [(&str, Algorithm); 9] = [
    ("RS256", Algorithm::Rs256),
    ("RS384", Algorithm::Rs384),
    ("RS512", Algorithm::Rs512),
    ("PS256", Algorithm::Ps256),
    ("PS384", Algorithm::Ps384),
    ("PS512", Algorithm::Ps512),
    ("ES256", Algorithm::Es256),
    ("ES384", Algorithm::Es384),
    ("EdDSA", Algorithm::EdDsa),
];

impl Algorithm {
    /// The algorithm of that name, in its exact case.
    pub fn parse(name: &str) -> Option<Self> {
        ALGORITHMS.into_iter().find(|(known, _)| *known == name).map(|(_, algorithm)| algorithm)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        ALGORITHMS.into_iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }

    fn rsa(self) -> Option<&'static RsaParameters> {
        Some(match self {
            Self::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
            Self::Es256 | Self::Es384 | Self::EdDsa => return None,
        })
    }
}

/// The keys of an issuer, by `kid`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct KeySet(HashMap<String, Arc<Jwk>>);

/// One key that checks signatures.
#[derive(PartialEq, Eq)]
pub(super) struct Jwk {
    /// `alg`, where the key is for one algorithm only.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(PartialEq, Eq)]
enum Material {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl KeySet {
    /// Reads a JWK Set. Keys that check no signatures, or none that are known here, are passed over, and so are all of
    /// a `kid` that more than one has: which one is meant cannot be told.
    ///
    /// # Errors
    /// Not a JWK Set, or without a key of use.
    pub fn parse(document: &[u8]) -> Result<Self, &'static str> {
        let document =
            strict_json::read(document, strict_json::once).ok_or("not JSON, or JSON that repeats a name")?;
        let keys =
            document.get("keys").and_then(Value::as_array).ok_or("not a JWK Set: expected `keys`, a list")?;
        if keys.len() > MOST_KEYS {
            return Err("more than 100 keys");
        }
        let mut set: HashMap<String, Option<Arc<Jwk>>> = HashMap::new();
        for key in keys {
            let Some(id) = key.get("kid").and_then(Value::as_str).filter(|id| !id.is_empty()) else {
                continue;
            };
            let Some(read) = Jwk::read(key) else { continue };
            set.entry(id.to_owned())
                .and_modify(|known| *known = None)
                .or_insert_with(|| Some(Arc::new(read)));
        }
        let set: HashMap<_, _> = set.into_iter().filter_map(|(id, key)| Some((id, key?))).collect();
        if set.is_empty() {
            Err("no key that checks signatures and has a `kid` of its own")
        } else {
            Ok(Self(set))
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Jwk>> {
        self.0.get(id).cloned()
    }

    /// Every key.
    #[cfg(any(test, fuzzing))]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Jwk>> {
        self.0.values()
    }

    /// Returns the number of keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Jwk {
    fn read(key: &Value) -> Option<Self> {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        // `use` and `key_ops` are optional (RFC 7517, sections 4.2 and 4.3).
        if key.get("use").is_some() && text("use") != Some("sig") {
            return None;
        }
        if let Some(operations) = key.get("key_ops") {
            operations.as_array()?.iter().find(|operation| operation.as_str() == Some("verify"))?;
        }
        let algorithm = match key.get("alg") {
            Some(name) => Some(Algorithm::parse(name.as_str()?)?),
            None => None,
        };
        let bytes = |name: &str| BASE64URL.decode(text(name)?).ok();
        let material = match (text("kty")?, text("crv")) {
            ("RSA", _) => rsa(&bytes("n")?, &bytes("e")?)?,
            ("EC", Some("P-256")) => Material::P256(point(&bytes("x")?, &bytes("y")?, 32)?),
            ("EC", Some("P-384")) => Material::P384(point(&bytes("x")?, &bytes("y")?, 48)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(bytes("x").filter(|x| x.len() == 32)?),
            _ => return None,
        };
        let jwk = Self { algorithm, material };
        jwk.is_sound().then_some(jwk)
    }

    /// Returns whether the cryptographic library takes it: a point lies on its curve.
    fn is_sound(&self) -> bool {
        let (algorithm, bytes): (&'static dyn VerificationAlgorithm, _) = match &self.material {
            Material::Rsa { .. } => return true,
            Material::P256(point) => (&signature::ECDSA_P256_SHA256_FIXED, point),
            Material::P384(point) => (&signature::ECDSA_P384_SHA384_FIXED, point),
            Material::Ed25519(point) => (&signature::ED25519, point),
        };
        ParsedPublicKey::new(algorithm, bytes).is_ok()
    }

    /// The beginning of a digest of the key, which differs for another key of the same `kid`.
    pub(super) fn fingerprint(&self) -> String {
        let (kind, parts): (&[u8], [&[u8]; 2]) = match &self.material {
            Material::Rsa { modulus, exponent } => (b"rsa", [modulus, exponent]),
            Material::P256(point) => (b"p256", [point, &[]]),
            Material::P384(point) => (b"p384", [point, &[]]),
            Material::Ed25519(point) => (b"ed25519", [point, &[]]),
        };
        let length = parts[0].len().to_be_bytes();
        let digest = digest::digest(&digest::SHA256, &[kind, &length, parts[0], parts[1]].concat());
        BASE64URL.encode(digest.as_ref().get(..12).unwrap_or_default())
    }

    /// Returns whether the key is for that algorithm, by its type, its curve, and its own `alg`.
    fn fits(&self, algorithm: Algorithm) -> bool {
        let fits = match self.material {
            Material::Rsa { .. } => algorithm.rsa().is_some(),
            Material::P256(_) => algorithm == Algorithm::Es256,
            Material::P384(_) => algorithm == Algorithm::Es384,
            Material::Ed25519(_) => algorithm == Algorithm::EdDsa,
        };
        fits && self.algorithm.is_none_or(|own| own == algorithm)
    }

    /// Checks that this key made `signature` of `message` by that algorithm.
    pub(super) fn verify(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), JwtError> {
        if !self.fits(algorithm) {
            return Err(JwtError::UnfitKey);
        }
        let verified = match (&self.material, algorithm.rsa()) {
            (Material::Rsa { modulus, exponent }, Some(parameters)) => {
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(parameters, message, signature)
            }
            (Material::P256(point), _) => {
                check(&signature::ECDSA_P256_SHA256_FIXED, point, message, signature)
            }
            (Material::P384(point), _) => {
                check(&signature::ECDSA_P384_SHA384_FIXED, point, message, signature)
            }
            (Material::Ed25519(point), _) => check(&signature::ED25519, point, message, signature),
            (Material::Rsa { .. }, None) => return Err(JwtError::UnfitKey),
        };
        verified.map_err(|_| JwtError::Signature)
    }
}

fn check(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), aws_lc_rs::error::Unspecified> {
    signature::UnparsedPublicKey::new(algorithm, key).verify(message, signature)
}

/// Numbers without leading zeros; a modulus of 2048 to 8192 bits.
fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Material> {
    let trim = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        number.get(zeros..).map(<[u8]>::to_vec)
    };
    let (modulus, exponent) = (trim(modulus)?, trim(exponent)?);
    let leading = modulus.first()?.leading_zeros() as usize;
    RSA_BITS.contains(&(modulus.len() * 8 - leading)).then_some(Material::Rsa { modulus, exponent })
}

/// An uncompressed point of two numbers of `length` bytes each.
fn point(x: &[u8], y: &[u8], length: usize) -> Option<Vec<u8>> {
    (x.len() == length && y.len() == length).then(|| [&[4], x, y].concat())
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}
