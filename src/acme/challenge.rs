//! The one challenge that is pending, if any: what the authority is to see, for as long as an order waits for it.
//!
//! A name or a path that a client sends is compared with that one challenge, and with nothing else.

use std::sync::Arc;

use ::aws_lc_rs::digest;
use arc_swap::ArcSwapOption;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::{CertifiedKey, SingleCertAndKey},
};
use serde::{Deserialize, Serialize};

use super::ChallengeKind;

/// The ALPN name of a connection that only proves control of a name (RFC 8737 section 4).
pub(crate) const ACME_TLS: &[u8] = b"acme-tls/1";
/// The path of a token (RFC 8555 section 8.3).
const WELL_KNOWN: &str = "/.well-known/acme-challenge/";

/// The place of the pending challenge.
#[derive(Debug, Default)]
pub(super) struct Challenges(ArcSwapOption<Pending>);

#[derive(Debug)]
enum Pending {
    TlsAlpn { host: String, config: Arc<ServerConfig> },
    Http { path: String, key_authorization: String },
}

/// The answer to a challenge, as the replica that orders tells it to the others.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ChallengeAnswer {
    pub(super) kind: ChallengeKind,
    pub(super) token: String,
    /// The token with the thumbprint of the account's key (RFC 8555 section 8.1).
    pub(super) key_authorization: String,
}

/// Takes the challenge back when it is dropped.
pub(super) struct ChallengeGuard<'a> {
    challenges: &'a Challenges,
    pending: Arc<Pending>,
}

impl Drop for ChallengeGuard<'_> {
    fn drop(&mut self) {
        // Another replica may have begun an order since.
        let own = Some(Arc::clone(&self.pending));
        self.challenges.0.compare_and_swap(&own, None);
    }
}

impl Pending {
    /// # Errors
    /// The token is not one of RFC 8555, or the certificate cannot be made.
    fn new(host: &str, answer: &ChallengeAnswer) -> Result<Arc<Self>, String> {
        let ChallengeAnswer { kind, token, key_authorization } = answer;
        let pending = match kind {
            ChallengeKind::TlsAlpn => {
                let digest = digest::digest(&digest::SHA256, key_authorization.as_bytes());
                let config = Arc::new(challenge_config(host, digest.as_ref())?);
                Self::TlsAlpn { host: host.to_owned(), config }
            }
            ChallengeKind::Http if is_token(token) => {
                let key_authorization = key_authorization.clone();
                Self::Http { path: format!("{WELL_KNOWN}{token}"), key_authorization }
            }
            ChallengeKind::Http => {
                return Err("the authority sent a token that is not base64url".to_owned());
            }
        };
        Ok(Arc::new(pending))
    }
}

fn is_token(text: &str) -> bool {
    let is_token_byte = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Returns true if a client that offers these protocols and names that server may be the authority of `host`.
pub(super) fn is_for(host: &str, server: Option<&str>, protocols: &[&[u8]]) -> bool {
    protocols == [ACME_TLS] && server.is_some_and(|name| name.eq_ignore_ascii_case(host))
}

/// Returns true if a request for that path may be an authority's.
pub(super) fn is_path_of_token(path: &str) -> bool {
    path.strip_prefix(WELL_KNOWN).is_some_and(is_token)
}

impl Challenges {
    /// Answers for `host` until the guard is dropped.
    ///
    /// # Errors
    /// The token is not one of RFC 8555, or the certificate cannot be made.
    pub(super) fn answer(&self, host: &str, answer: &ChallengeAnswer) -> Result<ChallengeGuard<'_>, String> {
        let pending = Pending::new(host, answer)?;
        self.0.store(Some(Arc::clone(&pending)));
        Ok(ChallengeGuard { challenges: self, pending })
    }

    /// Answers for `host` as the replica does that orders; nothing where no order waits.
    ///
    /// # Errors
    /// As [`Self::answer`].
    pub(super) fn follow(&self, host: &str, answer: Option<&ChallengeAnswer>) -> Result<(), String> {
        self.0.store(answer.map(|answer| Pending::new(host, answer)).transpose()?);
        Ok(())
    }

    /// Returns true while a handshake may be the authority's.
    pub(super) fn awaits_handshake(&self) -> bool {
        matches!(self.0.load().as_deref(), Some(Pending::TlsAlpn { .. }))
    }

    /// The TLS of a connection whose client offers these protocols and names that server; `None` for all but the
    /// authority's.
    pub(super) fn tls_of(&self, server: Option<&str>, protocols: &[&[u8]]) -> Option<Arc<ServerConfig>> {
        match self.0.load().as_deref() {
            Some(Pending::TlsAlpn { host, config }) if is_for(host, server, protocols) => {
                Some(Arc::clone(config))
            }
            _ => None,
        }
    }

    /// The answer to a request in plain HTTP for that path; `None` for all but the authority's.
    pub(super) fn answer_to(&self, path: &str) -> Option<String> {
        match self.0.load().as_deref() {
            Some(Pending::Http { path: awaited, key_authorization }) if path == awaited => {
                Some(key_authorization.clone())
            }
            _ => None,
        }
    }
}

/// A self-signed certificate with the digest in it (RFC 8737 section 3). Clients need none: the authority has none.
fn challenge_config(host: &str, digest: &[u8]) -> Result<ServerConfig, String> {
    let said = |error: &dyn std::fmt::Display| format!("the certificate of the challenge: {error}");
    let mut params = CertificateParams::new([host.to_owned()]).map_err(|error| said(&error))?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate().map_err(|error| said(&error))?;
    let certificate = params.self_signed(&key).map_err(|error| said(&error))?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = aws_lc_rs::sign::any_supported_type(&key).map_err(|error| said(&error))?;
    // Not read by the library: its reader refuses the critical extension, as RFC 8737 has it of any but an authority.
    let certified = CertifiedKey::new(vec![certificate.der().clone()], key);
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| said(&error))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: ChallengeKind, token: &str) -> ChallengeAnswer {
        ChallengeAnswer { kind, token: token.to_owned(), key_authorization: format!("{token}.thumb") }
    }

    #[test]
    fn rule_61_only_the_pending_challenge_is_answered_and_only_while_it_is() {
        let challenges = Challenges::default();
        let asks = |server: &str, protocols: &[&[u8]]| challenges.tls_of(Some(server), protocols).is_some();
        assert!(!challenges.awaits_handshake() && !asks("registry.example", &[ACME_TLS]));
        let guard = challenges.answer("registry.example", &answer(ChallengeKind::TlsAlpn, "t")).unwrap();
        assert!(challenges.awaits_handshake());
        assert!(asks("registry.example", &[ACME_TLS]) && asks("Registry.EXAMPLE", &[ACME_TLS]));
        assert!(!asks("other.example", &[ACME_TLS]) && !asks("registry.example", &[b"h2"]));
        assert!(!asks("registry.example", &[ACME_TLS, b"h2"]), "RFC 8737: that protocol alone");
        assert!(challenges.tls_of(None, &[ACME_TLS]).is_none());
        assert_eq!(challenges.answer_to("/.well-known/acme-challenge/token"), None);
        drop(guard);
        assert!(!challenges.awaits_handshake() && !asks("registry.example", &[ACME_TLS]));
    }

    #[test]
    fn rule_61_a_request_is_answered_for_the_path_of_the_pending_token_alone() {
        let challenges = Challenges::default();
        let guard = challenges.answer("registry.example", &answer(ChallengeKind::Http, "to_k-en")).unwrap();
        let at = |path: &str| challenges.answer_to(path);
        assert_eq!(at("/.well-known/acme-challenge/to_k-en").as_deref(), Some("to_k-en.thumb"));
        for other in ["/.well-known/acme-challenge/", "/.well-known/acme-challenge/to_k-en/", "/to_k-en", ""]
        {
            assert_eq!(at(other), None, "{other}");
        }
        assert!(!challenges.awaits_handshake());
        drop(guard);
        assert_eq!(at("/.well-known/acme-challenge/to_k-en"), None);
        for token in ["", "../x", "a/b", "a b"] {
            assert!(
                challenges.answer("registry.example", &answer(ChallengeKind::Http, token)).is_err(),
                "{token}"
            );
        }
    }

    #[test]
    fn rule_61_the_end_of_an_order_takes_no_challenge_of_another_replica_back() {
        let challenges = Challenges::default();
        let own = challenges.answer("registry.example", &answer(ChallengeKind::Http, "own")).unwrap();
        let other = answer(ChallengeKind::Http, "other");
        challenges.follow("registry.example", Some(&other)).unwrap();
        drop(own);
        assert!(challenges.answer_to("/.well-known/acme-challenge/other").is_some());
        challenges.follow("registry.example", None).unwrap();
        assert_eq!(challenges.answer_to("/.well-known/acme-challenge/other"), None);
    }
}
