//! Logins with a client certificate (RFC 5280): trust in it, and the account that it names.
//!
//! A handshake shows a certificate and proves its key, once for a connection. Trust is asked again on every request, by
//! the authorities, the revocation lists and the mapping of now: a long-lived or resumed connection brings no right of
//! its own. A judgement is kept with the certificate for as long as nothing can change it, so it costs two comparisons.

mod error;
mod field;
mod settings;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use parking_lot::Mutex;
use rustls::{
    RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use x509_parser::{
    certificate::{Validity, X509Certificate},
    prelude::FromDer,
    revocation_list::CertificateRevocationList,
};

use super::{Identity, Source, folded_name};
pub use error::{NameError, Untrusted};
pub use field::{Field, NameTemplate};
pub use settings::{CertificateAccounts, CertificateSettings};

/// The beginning of every account of `certificate_auth`, before a colon. Basic can carry no name with a colon, so this
/// alone is the user of a client that insists on one.
pub const USER: &str = "cert";

/// Returns true if an account's name is `cert`, or begins with it and a colon, in any spelling that a back end could
/// take for it.
pub fn is_certificate_name(account: &str) -> bool {
    let account = folded_name(account);
    account.split_once(':').map_or(&*account, |(name, _)| name).trim() == USER
}

/// The authorities, revocation lists and mapping in force.
#[derive(Debug)]
pub struct Certificates {
    /// Another one for each configuration, so that no judgement outlives the one it was made under.
    number: u64,
    verifier: Arc<dyn ClientCertVerifier>,
    authorities: Vec<Authority>,
    /// The second, since 1970, in which the first of the revocation lists runs out.
    lists_end: u64,
    is_required: bool,
    accounts: Option<CertificateAccounts>,
}

/// An authority, whose own end the TLS library does not look at.
#[derive(Debug)]
struct Authority {
    from: u64,
    until: u64,
    /// Trusts this authority alone: the one that has signed is not told otherwise, since a client may send any
    /// certificate along.
    verifier: Arc<dyn ClientCertVerifier>,
}

/// The certificate that the client of a connection has shown, with the proof of its key.
#[derive(Debug)]
pub struct ClientCertificate {
    chain: Vec<CertificateDer<'static>>,
    fingerprint: [u8; digest::SHA256_OUTPUT_LEN],
    judged: Mutex<Option<Judged>>,
}

/// The judgement on a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// No request is answered on a connection of it.
    Untrusted(Untrusted),
    /// It is trusted, and no login: the reason, where certificates are logins at all.
    Nameless(Option<NameError>),
    /// It is the login of an account.
    Login(Identity),
}

#[derive(Debug)]
struct Judged {
    by: u64,
    /// The seconds, since 1970, in which it holds.
    from: u64,
    until: u64,
    judgement: Arc<Judgement>,
}

impl Certificates {
    /// Reads the authorities and the lists.
    ///
    /// # Errors
    /// The TLS library refuses one of them.
    pub fn new(settings: &CertificateSettings) -> Result<Self, String> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let verifier = verifier(settings, &settings.authorities)?;
        let authorities = settings.authorities.iter().map(|der| Authority::read(settings, der));
        let authorities = authorities.collect::<Result<_, _>>()?;
        Ok(Self {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            verifier,
            authorities,
            lists_end: settings.revocation_lists.iter().map(end_of_list).min().unwrap_or(u64::MAX),
            is_required: settings.is_required,
            accounts: settings.accounts.clone(),
        })
    }

    /// The judge of handshakes.
    pub fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.verifier)
    }

    /// Returns true if no connection may do without a certificate (`server.client_auth: required`).
    pub fn is_required(&self) -> bool {
        self.is_required
    }

    /// Returns true if a certificate may be a login (`certificate_auth`).
    pub fn has_accounts(&self) -> bool {
        self.accounts.is_some()
    }

    /// Returns true if an account's name can be that of a certificate only: no password for it may reach a back end.
    pub fn owns(&self, account: &str) -> bool {
        self.has_accounts() && is_certificate_name(account)
    }

    /// Judges a certificate, `now` in seconds since 1970. Returns true beside the judgement if it is a new one: the
    /// first under this configuration, or after the one before has run out.
    pub fn judge(&self, certificate: &ClientCertificate, now: u64) -> (Arc<Judgement>, bool) {
        let mut judged = certificate.judged.lock();
        let known = judged.as_ref().filter(|known| known.by == self.number);
        if let Some(known) = known.filter(|known| (known.from..=known.until).contains(&now)) {
            return (Arc::clone(&known.judgement), false);
        }
        let (judgement, until) = match self.verify(certificate, now) {
            Ok(until) => (self.name(certificate), until),
            Err(why) => (Judgement::Untrusted(why), now),
        };
        let judgement = Arc::new(judgement);
        *judged = Some(Judged { by: self.number, from: now, until, judgement: Arc::clone(&judgement) });
        (judgement, true)
    }

    /// Returns the last second in which the certificate is trusted if nothing else changes.
    fn verify(&self, certificate: &ClientCertificate, now: u64) -> Result<u64, Untrusted> {
        let (own, others) = certificate.chain.split_first().ok_or(Untrusted::Unreadable)?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(now));
        self.verifier.verify_client_cert(own, others, time).map_err(|error| Untrusted::from(&error))?;
        let mut until = self.lists_end;
        for der in &certificate.chain {
            let (_, read) = X509Certificate::from_der(der).map_err(|_| Untrusted::Unreadable)?;
            until = until.min(seconds(read.validity()).1);
        }
        let in_time =
            self.authorities.iter().filter(|authority| (authority.from..=authority.until).contains(&now));
        let signing =
            in_time.filter(|authority| authority.verifier.verify_client_cert(own, others, time).is_ok());
        let authority = signing.map(|authority| authority.until).max().ok_or(Untrusted::AuthorityExpired)?;
        // A certificate that was sent along and is not used may have expired: then each second is judged anew.
        Ok(until.min(authority).max(now))
    }

    fn name(&self, certificate: &ClientCertificate) -> Judgement {
        let Some(accounts) = &self.accounts else { return Judgement::Nameless(None) };
        let named = certificate.leaf().ok_or(NameError::Unreadable).and_then(|own| accounts.of(&own));
        match named {
            Ok((account, labels)) => {
                Judgement::Login(Identity::with_labels(&account, Arc::new(labels), Source::Certificate))
            }
            Err(why) => Judgement::Nameless(Some(why)),
        }
    }
}

impl Authority {
    fn read(settings: &CertificateSettings, der: &CertificateDer<'static>) -> Result<Self, String> {
        let (_, read) =
            X509Certificate::from_der(der).map_err(|error| format!("server.client_ca: {error}"))?;
        let (from, until) = seconds(read.validity());
        Ok(Self { from, until, verifier: verifier(settings, std::slice::from_ref(der))? })
    }
}

/// A judge that trusts these authorities, by the revocation lists of the settings.
fn verifier(
    settings: &CertificateSettings,
    authorities: &[CertificateDer<'static>],
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for der in authorities {
        roots.add(der.clone()).map_err(|error| format!("server.client_ca: {error}"))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()))
        .with_crls(settings.revocation_lists.iter().cloned())
        .enforce_revocation_expiration();
    let builder = if settings.is_required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| format!("server.client_crl: {error}"))
}

impl ClientCertificate {
    /// The certificate of a connection, with those that its client has sent along; `None` where it has shown none.
    pub fn new(chain: Option<&[CertificateDer<'_>]>) -> Option<Self> {
        let chain: Vec<_> = chain?.iter().map(|der| der.clone().into_owned()).collect();
        let mut fingerprint = [0; digest::SHA256_OUTPUT_LEN];
        let digest = digest::digest(&digest::SHA256, chain.first()?);
        fingerprint.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        Some(Self { chain, fingerprint, judged: Mutex::default() })
    }

    /// SHA-256 of the certificate, as a token names it (`x5t#S256`, RFC 8705 section 3.1).
    pub fn thumbprint(&self) -> String {
        BASE64URL.encode(self.fingerprint)
    }

    /// The same in hexadecimal, for logs.
    pub fn sha256(&self) -> String {
        hexadecimal(&self.fingerprint)
    }

    /// The serial number in hexadecimal, for logs: up to 64 digits, as `openssl x509 -serial` prints it.
    pub fn serial(&self) -> String {
        let own = self.leaf();
        let serial = own.as_ref().map(|own| own.raw_serial()).unwrap_or_default();
        let unsigned = serial.strip_prefix(&[0]).filter(|rest| !rest.is_empty()).unwrap_or(serial);
        hexadecimal(unsigned.get(..32).unwrap_or(unsigned)).to_ascii_uppercase()
    }

    fn leaf(&self) -> Option<X509Certificate<'_>> {
        Some(X509Certificate::from_der(self.chain.first()?).ok()?.1)
    }
}

/// The first and the last second of a certificate, since 1970. A year before that counts as 1970.
fn seconds(validity: &Validity) -> (u64, u64) {
    let second = |timestamp: i64| u64::try_from(timestamp).unwrap_or_default();
    (second(validity.not_before.timestamp()), second(validity.not_after.timestamp()))
}

/// A list that cannot be read, or has no end, is asked each time: the TLS library then decides.
fn end_of_list(der: &CertificateRevocationListDer<'_>) -> u64 {
    let list = CertificateRevocationList::from_der(der.as_ref()).ok();
    let end = list.and_then(|(_, list)| list.next_update());
    end.and_then(|end| u64::try_from(end.timestamp()).ok()).unwrap_or_default()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
