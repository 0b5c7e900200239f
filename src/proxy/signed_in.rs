//! A person who has signed in at a provider, as of now: by the record in the state, and by the provider, which is asked
//! again when its word is older than `revalidate_after`.
//!
//! One request at a time asks about a person, in a task of its own: a refresh token that changes with its use must not be
//! lost with a client that hangs up.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::{Snapshot, snapshot::unix_now};
use crate::{
    authn::{Identity, Labels, Seal, Secret, SignInEnd, SignInSection},
    sign_in::{Failure, Person, Provider},
    state::{SignIn, SignInEntry, State},
    token::{SignInClaim, TokenError},
};

/// The time for which a person counts whose provider gives no answer, in seconds.
const GRACE: u64 = 24 * 3600;
/// The time between two questions about a person to a provider that gives no answer, unless it is asked more often anyway.
const PAUSE: Duration = Duration::from_secs(60);
/// The time after which a request no longer waits for one of the slots of questions.
const PATIENCE: Duration = Duration::from_secs(5);

/// A person who has signed in at a provider, as of now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::proxy) enum SignedIn {
    /// The sign-in counts.
    Valid {
        /// The labels, as the provider told them last.
        labels: Arc<Labels>,
        /// A digest of the person: another one who gets the name of the account has another. What is issued carries it.
        person: String,
    },
    /// It does not. Displays a sentence for the person.
    Ended(SignInEnd),
}

impl Snapshot {
    /// Returns whether the person of an account is still signed in with this section. Asks the provider where its word is
    /// too old; while it gives no answer, its last word counts for a day more.
    pub(in crate::proxy) async fn signed_in(&self, section: SignInSection, account: &str) -> SignedIn {
        let Some((provider, entry)) = self.sign_in_of(section, account) else {
            return SignedIn::Ended(SignInEnd::Unknown);
        };
        let lasts = provider.settings().revalidate_after.as_secs();
        let mut record = entry.record();
        if is_due(&record, provider) {
            self.ask_provider(provider, &entry).await;
            record = entry.record();
        }
        match record.ended {
            Some(end) => SignedIn::Ended(end),
            // The provider has confirmed the person under settings that may have admitted more.
            None if record.settings != provider.meaning() => SignedIn::Ended(SignInEnd::Unconfirmed),
            None if age(&record) >= lasts.saturating_add(GRACE) => SignedIn::Ended(SignInEnd::Unconfirmed),
            None => SignedIn::Valid { labels: Arc::clone(&record.labels), person: record.person() },
        }
    }

    /// The identity of the person of a token or session, as it is now.
    ///
    /// # Errors
    /// The sign-in no longer counts, or another person has the account by now.
    pub(super) async fn signed_in_person(
        &self,
        account: &str,
        claim: &SignInClaim,
    ) -> Result<Identity, TokenError> {
        match self.signed_in(claim.section, account).await {
            SignedIn::Valid { labels, person } if person == claim.person => {
                Ok(Identity::of_sign_in(account, labels, claim.section))
            }
            SignedIn::Valid { .. } => Err(TokenError::SignIn(SignInEnd::Unknown)),
            SignedIn::Ended(end) => Err(TokenError::SignIn(end)),
        }
    }

    /// The claim for what is issued to a person who has just signed in. Without a record it is of no person.
    pub(super) fn sign_in_claim(&self, section: SignInSection, account: &str) -> SignInClaim {
        let entry = self.state.sign_in(account);
        SignInClaim { section, person: entry.map(|entry| entry.record().person()).unwrap_or_default() }
    }

    /// Returns true if an account has signed in at the provider that this section names now. Whether that still counts, the
    /// provider says.
    pub(super) fn is_on_record(&self, section: SignInSection, account: &str) -> bool {
        self.sign_in_of(section, account).is_some()
    }

    /// The provider that the section names now, and the record of an account by it. None where the configuration itself
    /// has the name, in any spelling.
    fn sign_in_of(
        &self,
        section: SignInSection,
        account: &str,
    ) -> Option<(&Arc<Provider>, Arc<SignInEntry>)> {
        let provider = self.sign_ins.provider(section)?;
        let entry = self.state.sign_in(account)?;
        let record = entry.record();
        let is_of_provider = record.section == section && record.provider == provider.id();
        let is_held = self.authenticators.has_spelling_of(account) || self.is_of_no_password(account);
        (is_of_provider && !is_held).then_some((provider, entry))
    }

    async fn ask_provider(&self, provider: &Arc<Provider>, entry: &Arc<SignInEntry>) {
        if is_pausing(entry, provider) {
            return;
        }
        // From now, and not from its turn: otherwise the requests of a person would wait one after the other.
        let patience = Instant::now() + PATIENCE;
        let turn = Arc::clone(&entry.turn).lock_owned().await;
        // Another request has asked meanwhile.
        if is_pausing(entry, provider) || !is_due(&entry.record(), provider) {
            return;
        }
        let slot = timeout_at(patience, Arc::clone(self.sign_ins.turns()).acquire_owned()).await;
        let Ok(Ok(slot)) = slot else { return };
        let question = Question {
            provider: Arc::clone(provider),
            entry: Arc::clone(entry),
            state: Arc::clone(&self.state),
            seal: Arc::clone(self.sign_ins.seal()),
        };
        let asked = tokio::spawn(async move {
            question.ask().await;
            drop((turn, slot));
        });
        let _ = asked.await;
    }
}

/// The purpose for which the token of a person is sealed: it opens in no other record.
pub(in crate::proxy) fn secret_purpose(person: &str) -> String {
    format!("token of {person}")
}

/// Returns true if the provider is to be asked about the person: its word is too old, or was given under other settings.
fn is_due(record: &SignIn, provider: &Provider) -> bool {
    let is_old = age(record) >= provider.settings().revalidate_after.as_secs();
    record.ended.is_none() && (is_old || record.settings != provider.meaning())
}

/// The time since the provider has confirmed the person, in seconds. By a clock that was ahead then, its word is as old
/// as it is early: a clock that is put right gives it no time more.
fn age(record: &SignIn) -> u64 {
    unix_now().abs_diff(record.confirmed_at)
}

/// Returns true if the provider gave no answer about the person a moment ago.
fn is_pausing(entry: &SignInEntry, provider: &Provider) -> bool {
    let pause = PAUSE.min(provider.settings().revalidate_after);
    entry.unanswered_at.lock().is_some_and(|at| at.elapsed() < pause)
}

/// A question about a person to a provider.
struct Question {
    provider: Arc<Provider>,
    entry: Arc<SignInEntry>,
    state: Arc<State>,
    seal: Arc<Seal>,
}

impl Question {
    async fn ask(&self) {
        let record = self.entry.record();
        let answer = match self.secret(&record) {
            Some(secret) => self.provider.confirm(&secret, &record.subject, unix_now()).await,
            None => Err(Failure::Refused(SignInEnd::NotRenewable, String::new())),
        };
        let (section, account) = (record.section.key(), &record.account);
        match answer.and_then(|person| self.renewed(&record, person)) {
            Ok(renewed) => {
                *self.entry.unanswered_at.lock() = None;
                self.state.count_confirmation(true);
                tracing::debug!(section, account, "the provider confirms a sign-in");
                self.state.renew_sign_in(&self.entry, renewed).await;
            }
            Err(Failure::Refused(end, why)) => {
                self.state.count_confirmation(true);
                tracing::info!(section, account, why, "a sign-in has ended: {end}");
                let ended = SignIn { ended: Some(end), secret: None, ..SignIn::clone(&record) };
                self.state.renew_sign_in(&self.entry, ended).await;
            }
            Err(Failure::Unavailable(why) | Failure::Misconfigured(why)) => {
                self.state.count_confirmation(false);
                *self.entry.unanswered_at.lock() = Some(Instant::now());
                tracing::warn!(
                    section,
                    account,
                    "the provider does not say whether a person may still sign in; its last word counts for a day: {why}"
                );
            }
        }
    }

    fn secret(&self, record: &SignIn) -> Option<Secret> {
        let opened = self.seal.open(&secret_purpose(&record.person()), record.secret.as_deref()?)?;
        Some(Secret::new(opened))
    }

    /// The record with what the provider says now, of the same person under the same name.
    fn renewed(&self, record: &SignIn, person: Person) -> Result<SignIn, Failure> {
        if person.subject != record.subject {
            let why = "the provider's token is of another person".to_owned();
            return Err(Failure::Refused(SignInEnd::Refused, why));
        }
        if person.account != record.account {
            return Err(Failure::Refused(
                SignInEnd::Renamed,
                format!("the name is {:?} now", person.account),
            ));
        }
        // Some providers tell groups at a sign-in only: a rule that denies something to a group must not forget it.
        let mut told = self.provider.settings().labels().filter(|name| record.labels.contains_key(*name));
        if let Some(name) = told.find(|name| !person.labels.contains_key(*name)) {
            return Err(Failure::Refused(SignInEnd::Refused, format!("it no longer tells `{name}`")));
        }
        let sealed =
            person.secret.map(|secret| self.seal.seal(&secret_purpose(&record.person()), secret.expose()));
        Ok(SignIn {
            labels: Arc::new(person.labels),
            settings: self.provider.meaning().to_owned(),
            confirmed_at: unix_now(),
            secret: sealed.flatten().or_else(|| record.secret.clone()),
            ..record.clone()
        })
    }
}
