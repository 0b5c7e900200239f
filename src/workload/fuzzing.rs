//! Properties of every JWT and every JWK Set, checked by `fuzz/` and the unit tests. Compiled for them only.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a property fails by a panic"
)]

use super::{Algorithm, KeySet, jwt::Jwt};

const ALGORITHMS: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

/// A JWT after a zero byte, else a JWK Set: reading never panics, a JWT that is read has three parts and an algorithm
/// of the list, and no key of a set takes a signature that it did not make.
pub fn read(data: &[u8]) {
    match data.split_first() {
        Some((0, jwt)) => read_jwt(&String::from_utf8_lossy(jwt)),
        _ => read_keys(data),
    }
}

fn read_jwt(text: &str) {
    let Ok(jwt) = Jwt::parse(text, &ALGORITHMS) else { return };
    assert_eq!(text.matches('.').count(), 2, "{text:?}");
    assert!(text.starts_with(&jwt.message) && ALGORITHMS.contains(&jwt.algorithm), "{text:?}");
    assert!(jwt.claims.is_object() && !jwt.key_id.is_empty(), "{text:?}");
    let _ = jwt.check("https://ci.example", &["ours".to_owned()], 1_767_225_600);
    assert!(jwt.check("", &[], 1_767_225_600).is_err(), "an audience of no service: {text:?}");
}

fn read_keys(document: &[u8]) {
    let Ok(keys) = KeySet::parse(document) else { return };
    assert!(!keys.is_empty() && keys.len() <= 100);
    for key in keys.iter() {
        for algorithm in ALGORITHMS {
            assert!(key.verify(algorithm, b"a message", &[0; 64]).is_err());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::mutation::for_many;

    #[test]
    fn jwts_and_keys_of_strangers_are_read_without_a_panic() {
        for_many(include_str!("../../fuzz/seeds/workload.txt"), 5_000, super::read);
    }
}
