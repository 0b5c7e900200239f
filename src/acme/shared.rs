//! The one account, certificate and pending challenge of several replicas: sealed, in a record of their state that is
//! written by the replica whose turn it is to order.
//!
//! The files of each replica are copies. What they have is stored again where the state has lost it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_lc_rs::hmac;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::timeout;
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    Acme, cache,
    certificate::Certificate,
    challenge::ChallengeAnswer,
    renewal::{Backoff, Suggestion},
    settings::AcmeSettings,
};
use crate::{
    authn::Seal,
    state::{Lease, State, StoreError},
};

/// Separates the key that seals from other secrets of `state.key_file`.
const PURPOSE: &[u8] = b"portwarden acme v1";
/// The time for which a client that may be the authority waits for what other replicas have stored.
const PATIENCE: Duration = Duration::from_secs(1);

/// The part that replicas have together.
pub(super) struct Shared {
    state: Arc<State>,
    seal: Seal,
    /// The name of the record: another host or directory has another.
    name: String,
    known: Mutex<Known>,
}

/// The record that was taken over last.
#[derive(Default)]
struct Known {
    /// As it is stored; `None` where there is none.
    content: Option<Box<str>>,
    /// The beginning of the life of its certificate.
    from: Option<SystemTime>,
    /// The content that was tried last: what fails is not tried again for every stranger.
    tried: Option<Arc<str>>,
    /// True while this replica writes the record, and what was read of it may be older.
    is_own: bool,
}

#[derive(Default, Serialize, Deserialize)]
struct Record {
    account: Option<Value>,
    /// The key and the chain, in PEM.
    certificate: Option<String>,
    challenge: Option<ChallengeAnswer>,
    backoff: Backoff,
}

impl Drop for Record {
    fn drop(&mut self) {
        self.certificate.zeroize();
    }
}

/// While it lives, this replica takes nothing over from the others.
struct OwnTurn<'a>(&'a Shared);

impl Drop for OwnTurn<'_> {
    fn drop(&mut self) {
        self.0.known.lock().is_own = false;
    }
}

impl Shared {
    /// Returns the part that replicas share; `None` for one alone.
    ///
    /// # Errors
    /// The record of the others cannot be opened.
    pub(super) fn new(settings: &AcmeSettings, state: &Arc<State>) -> Result<Option<Self>, String> {
        let Some(key) = &settings.sealing_key else { return Ok(None) };
        let of = |key: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, key);
        let key = of(hmac::sign(&of(key.expose()), PURPOSE).as_ref());
        let seal = Seal::new(&key).ok_or("the cryptographic library refuses the key of state.key_file")?;
        let name = format!("acme {} {}", settings.host, settings.directory);
        let shared = Self { state: Arc::clone(state), seal, name, known: Mutex::default() };
        if let Some(content) = shared.state.record(&shared.name) {
            shared.open(&content)?;
        }
        Ok(Some(shared))
    }

    fn open(&self, content: &str) -> Result<Record, String> {
        let opened = self.seal.open(&self.name, content).map(Zeroizing::new);
        let record = opened.and_then(|json| serde_json::from_slice(&json).ok());
        record.ok_or_else(|| {
            "state.key_file: the certificate in the shared state was sealed with another key; give all replicas the same \
             file. If that is lost, docs/acme.md says how to seal with a new one"
                .to_owned()
        })
    }

    fn seal(&self, record: &Record) -> Result<String, String> {
        let json = serde_json::to_vec(record).map(Zeroizing::new).map_err(|error| error.to_string())?;
        self.seal.seal(&self.name, &json).ok_or_else(|| "the cryptographic library cannot seal".to_owned())
    }
}

impl Acme {
    /// Takes over what other replicas have stored, for as long as the server runs.
    pub(super) async fn follow_replicas(&self) {
        let Some(shared) = &self.shared else { return std::future::pending().await };
        let mut changes = shared.state.record_changes();
        while changes.changed().await.is_ok() {
            self.adopt_as_read();
        }
    }

    /// Waits for what other replicas have stored until now, for a second at most. Any stranger may cause it: the state
    /// is not asked more often for that.
    pub(super) async fn hear_replicas(&self) {
        if let Some(shared) = &self.shared {
            let _ = timeout(PATIENCE, shared.state.caught_up()).await;
            self.adopt_as_read();
        }
    }

    /// Takes over the record as it was last read.
    pub(super) fn adopt_as_read(&self) {
        let Some(shared) = &self.shared else { return };
        let mut known = shared.known.lock();
        let content = shared.state.record(&shared.name);
        if known.is_own || known.tried == content {
            return;
        }
        known.tried.clone_from(&content);
        let adopted = self.adopt(shared, &mut known, content.as_deref());
        drop(known);
        if let Err(why) = adopted {
            self.report(why);
        }
    }

    fn adopt(&self, shared: &Shared, known: &mut Known, content: Option<&str>) -> Result<(), String> {
        if known.content.as_deref() == content {
            return Ok(());
        }
        let (settings, record) = (&self.settings, content.map(|content| shared.open(content)).transpose()?);
        let record = record.unwrap_or_default();
        known.from = None;
        if let Some(pem) = &record.certificate {
            let certificate = Certificate::read(pem, &settings.host, SystemTime::now())
                .map_err(|why| {
                    format!(
                        "the certificate in the shared state cannot be used: {why}; docs/acme.md says how to remove \
                         its record"
                    )
                })?;
            known.from = Some(certificate.from);
            self.use_newer(certificate, pem);
        }
        self.challenges.follow(&settings.host, record.challenge.as_ref())?;
        self.orders.lock().error.clone_from(&record.backoff.error);
        // A record that is lost ends no pause.
        if content.is_some() {
            *self.backoff.lock() = record.backoff.clone();
        }
        if record.account.is_some() && cache::account_json(settings)? != record.account {
            cache::prepare(settings)?;
            cache::store_account(settings, &record.account)?;
        }
        known.content = content.map(Into::into);
        self.adopted.notify_one();
        Ok(())
    }

    /// Puts a certificate of another replica in force, unless the own one is newer.
    fn use_newer(&self, certificate: Certificate, pem: &str) {
        let is_newer = self.in_use.get().is_none_or(|own| {
            !own.is_of_authority
                || own.from < certificate.from
                || (own.from == certificate.from && own.own() != certificate.own())
        });
        if !is_newer {
            return;
        }
        let until = humantime::format_rfc3339_seconds(certificate.until).to_string();
        self.in_use.replace(certificate);
        *self.suggestion.lock() = Suggestion::default();
        let host = &self.settings.host;
        tracing::info!(
            host,
            until,
            "a certificate of the authority is in use, which another replica ordered"
        );
        let stored = cache::prepare(&self.settings)
            .and_then(|()| cache::store_certificate(&self.settings, pem).map_err(|error| error.to_string()));
        if let Err(error) = stored {
            let file = self.settings.certificate_file();
            tracing::warn!(file = %file.display(), error, "the certificate of the other replicas cannot be stored here");
        }
    }

    /// Returns true if the record lacks the certificate in use: the state was lost or restored, or the certificate is
    /// from before the state was shared.
    pub(super) fn is_ahead(&self) -> bool {
        let own = self.in_use.get().filter(|certificate| certificate.is_of_authority);
        let known = |shared: &Shared| shared.known.lock().from;
        self.shared
            .as_ref()
            .zip(own)
            .is_some_and(|(shared, own)| known(shared).is_none_or(|from| from < own.from))
    }

    /// Orders a certificate, unless another replica does or has done so.
    pub(super) async fn order_in_turn(&self, shared: &Shared) {
        let (lease, content) = match shared.state.lease(&shared.name).await {
            Ok(Some(taken)) => taken,
            // Another one orders.
            Ok(None) => return,
            Err(error) => return self.report(unshared(&error)),
        };
        shared.known.lock().is_own = true;
        let turn = OwnTurn(shared);
        let ordered = self.order_with(shared, &lease, content.as_deref()).await;
        // Also where it failed: a replica that cannot order must not keep others from it.
        let ended = lease.end().await.map_err(|error| unshared(&error));
        if let Err(why) = ordered.and(ended) {
            self.report(why);
        }
        // What was written is read before anything is taken over again.
        let _ = timeout(PATIENCE, shared.state.caught_up()).await;
        drop(turn);
        self.adopt_as_read();
    }

    async fn order_with(&self, shared: &Shared, lease: &Lease, content: Option<&str>) -> Result<(), String> {
        self.adopt(shared, &mut shared.known.lock(), content)?;
        if self.is_ahead() {
            self.tell_replicas(Some(lease), None).await?;
        }
        if !self.is_due() {
            let error = self.backoff.lock().error.clone();
            self.orders.lock().error = error;
            return Ok(());
        }
        let ordered = tokio::select! {
            ordered = self.order(Some(lease)) => ordered,
            lost = lease.keep() => Err(unshared(&lost)),
        };
        self.settle(ordered);
        self.tell_replicas(Some(lease), None).await
    }

    /// Stores the account, the certificate and the pending challenge for the other replicas, where there are any.
    ///
    /// # Errors
    /// They may be stored or not.
    pub(super) async fn tell_replicas(
        &self,
        lease: Option<&Lease>,
        challenge: Option<ChallengeAnswer>,
    ) -> Result<(), String> {
        let (Some(shared), Some(lease)) = (&self.shared, lease) else { return Ok(()) };
        let certificate = self.in_use.get().filter(|certificate| certificate.is_of_authority);
        let pem = certificate.as_ref().and_then(|certificate| certificate.pem.expose_text());
        let record = Record {
            account: cache::account_json(&self.settings)?,
            certificate: pem.map(str::to_owned),
            challenge,
            backoff: self.backoff.lock().clone(),
        };
        let sealed = shared.seal(&record)?;
        lease.write(&sealed).await.map_err(|error| unshared(&error))?;
        let mut known = shared.known.lock();
        (known.content, known.from) = (Some(sealed.into()), certificate.map(|certificate| certificate.from));
        Ok(())
    }
}

fn unshared(error: &StoreError) -> String {
    format!("the shared state cannot be used: {error}")
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
    use rustls::pki_types::CertificateDer;
    use tokio::time::Instant;

    use super::*;
    use crate::{
        acme::{ACME_TLS, ChallengeKind, LETS_ENCRYPT},
        authn::Secret,
    };

    fn authority() -> CertificateDer<'static> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().into()
    }

    fn settings(challenge: ChallengeKind, cache_dir: &std::path::Path) -> AcmeSettings {
        AcmeSettings {
            host: "registry.example".to_owned(),
            email: None,
            cache_dir: cache_dir.to_owned(),
            directory: LETS_ENCRYPT.to_owned(),
            authorities: vec![authority()],
            challenge,
            external_account: None,
            sealing_key: Some(Secret::new([7; 32])),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn rule_61_strangers_wait_for_other_replicas_a_second_at_most_and_only_as_the_authority_would() {
        let (directory, state) = (tempfile::tempdir().unwrap(), Arc::new(State::default()));
        let acme = |kind| Acme::new(Arc::new(settings(kind, directory.path())), &state).unwrap();
        let (by_tls, by_http) = (acme(ChallengeKind::TlsAlpn), acme(ChallengeKind::Http));
        assert!(by_tls.awaits_handshake() && !by_http.awaits_handshake());
        let host = "registry.example";
        let began = Instant::now();
        for (acme, server, protocols) in [
            (&by_tls, Some("other.example"), &[ACME_TLS][..]),
            (&by_tls, None, &[ACME_TLS]),
            (&by_tls, Some(host), &[b"h2"]),
            (&by_tls, Some(host), &[ACME_TLS, b"h2"]),
            (&by_http, Some(host), &[ACME_TLS]),
        ] {
            assert!(acme.challenge_tls(server, protocols).await.is_none());
        }
        for path in ["/", "/v2/", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/a/b"] {
            assert_eq!(by_http.challenge_answer(path).await, None);
        }
        let path = "/.well-known/acme-challenge/token";
        assert_eq!(by_tls.challenge_answer(path).await, None);
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(by_tls.challenge_tls(Some(host), &[ACME_TLS]).await.is_none());
        assert_eq!(began.elapsed(), PATIENCE);
        assert_eq!(by_http.challenge_answer(path).await, None);
        assert_eq!(began.elapsed(), 2 * PATIENCE);
    }

    #[test]
    fn rule_61_a_record_opens_with_the_key_and_for_the_name_that_it_was_sealed_for() {
        let (directory, state) = (tempfile::tempdir().unwrap(), Arc::new(State::default()));
        let shared = |change: &dyn Fn(&mut AcmeSettings)| {
            let mut settings = settings(ChallengeKind::Http, directory.path());
            change(&mut settings);
            Shared::new(&settings, &state).unwrap().unwrap()
        };
        let own = shared(&|_| {});
        let mut record = Record::default();
        record.certificate = Some("a key in PEM".to_owned());
        let sealed = own.seal(&record).unwrap();
        assert!(!sealed.contains("PEM"));
        assert_eq!(own.open(&sealed).unwrap().certificate, record.certificate);
        for other in [
            shared(&|settings| settings.sealing_key = Some(Secret::new([8; 32]))),
            shared(&|settings| settings.host = "other.example".to_owned()),
            shared(&|settings| settings.directory = "https://ca.example/directory".to_owned()),
        ] {
            let said = other.open(&sealed).err().unwrap();
            assert!(said.contains("state.key_file") && said.contains("the same file"), "{said}");
        }
    }
}
