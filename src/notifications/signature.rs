//! The signature of a request to an endpoint: an HMAC of its time and its body, by which a receiver knows its sender.

use std::time::SystemTime;

use aws_lc_rs::hmac;
use hyper::header::{HeaderName, HeaderValue};

use super::settings::SigningSecret;

/// The time of the attempt, in seconds since 1970.
pub(crate) const TIMESTAMP: HeaderName = HeaderName::from_static("portwarden-timestamp");
/// `sha256=` and the HMAC-SHA256 of the timestamp, a full stop and the body, in hexadecimal digits.
pub(crate) const SIGNATURE: HeaderName = HeaderName::from_static("portwarden-signature");

/// Signs a body at this time.
pub(super) fn sign(secret: &SigningSecret, body: &[u8], now: SystemTime) -> [(HeaderName, HeaderValue); 2] {
    let timestamp = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
    let mut context = hmac::Context::with_key(&key);
    context.update(timestamp.to_string().as_bytes());
    context.update(b".");
    context.update(body);
    let digits: String = context.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let signature = HeaderValue::from_str(&format!("sha256={digits}"));
    [
        (TIMESTAMP, HeaderValue::from(timestamp)),
        (SIGNATURE, signature.unwrap_or(HeaderValue::from_static(""))),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_signature_is_that_of_openssl() {
        // printf '1700000000.{"events":[]}' | openssl dgst -sha256 -hmac 0123456789abcdef
        let expected = "sha256=1f1c43683e76ee83b09613ab56fa5bdd3ce55f3ee41db00a92e22eea0376899e";
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_999);
        let secret = SigningSecret::new(b"0123456789abcdef".to_vec());
        let [(_, timestamp), (_, signature)] = sign(&secret, b"{\"events\":[]}", now);
        assert_eq!((timestamp.to_str().unwrap(), signature.to_str().unwrap()), ("1700000000", expected));
        let other = SigningSecret::new(b"0123456789abcdeg".to_vec());
        assert_ne!(sign(&other, b"{\"events\":[]}", now)[1].1, expected);
        assert_eq!(format!("{secret:?}"), "***");
    }
}
