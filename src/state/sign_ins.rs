//! The records of people who have signed in at a provider: in memory for each request, and in the file for the next
//! start.
//!
//! A record pins a person, by the subject that the provider gives, to the name of an account. No other person signs in
//! under that name, in any spelling, and the person under no other, until an operator forgets the record. So an e-mail
//! address or a login that is given to another person at the provider gives no account here.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use parking_lot::{Mutex, RwLock};
use tokio::time::Instant;

use super::{State, sql::Store, stored::StoreError};
use crate::authn::{Labels, SignInEnd, SignInSection, folded_name};

/// The most people.
const MOST: usize = 50_000;
/// Bytes of the labels and tokens of all people.
const MOST_BYTES: usize = 64 << 20;
/// The time that a request waits for the file.
const PATIENCE: Duration = Duration::from_secs(2);

/// The record of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// The section with which the person signed in.
    pub section: SignInSection,
    /// The provider that the section named then.
    pub provider: String,
    /// The name of the person at the provider, which it gives to no other.
    pub subject: String,
    /// The account here.
    pub account: String,
    /// The labels, as the provider told them last.
    pub labels: Arc<Labels>,
    /// A digest of the settings under which the provider confirmed the person.
    pub settings: String,
    /// The last time that the provider confirmed the person, in seconds since 1970.
    pub confirmed_at: u64,
    /// The reason why the sign-in no longer counts.
    pub ended: Option<SignInEnd>,
    /// The sealed token with which the provider is asked again.
    pub secret: Option<String>,
}

/// A record with what belongs to it.
#[derive(Debug)]
pub struct SignInEntry {
    record: RwLock<Arc<SignIn>>,
    /// Held while the provider is asked about the person.
    pub turn: Arc<tokio::sync::Mutex<()>>,
    /// The last time that the provider gave no answer about the person.
    pub unanswered_at: Mutex<Option<Instant>>,
}

/// The reason why a person may not sign in under a name. Displays a sentence for that person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSignedIn {
    /// Another person has the name, or had it.
    #[error(
        "the account name {0:?} belongs to another person, or to an earlier account at the provider: ask the operator of \
         this registry, who can forget that one"
    )]
    NameHeld(String),
    /// The person has signed in under another name before.
    #[error(
        "the provider gives the account name {now:?} to a person who has signed in here as {before:?}: ask the operator of \
         this registry, who can forget that one"
    )]
    Renamed {
        /// The name that the record has.
        before: String,
        /// The name that the provider gives.
        now: String,
    },
    /// There are too many.
    #[error("there is no room for another person: ask the operator of this registry")]
    Full,
    /// It cannot be stored.
    #[error("sign-ins cannot be stored now: ask the operator of this registry")]
    NotStored(String),
}

/// The records in memory. Outlive reloads.
#[derive(Default)]
pub(super) struct SignInMemory {
    known: RwLock<Known>,
    /// Held while one is stored.
    storing: tokio::sync::Mutex<()>,
    answered: AtomicU64,
    unanswered: AtomicU64,
}

#[derive(Default)]
struct Known {
    /// By the account, folded.
    by_account: HashMap<String, Arc<SignInEntry>>,
    /// The accounts, folded, by [`SignIn::person`].
    by_person: HashMap<String, String>,
    /// The labels of all, each list once: people share theirs with their teams.
    labels: HashSet<Arc<Labels>>,
    bytes: usize,
}

impl SignIn {
    /// A digest of the person: another one for any other section, provider or subject. Tokens and sessions carry it.
    pub fn person(&self) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [self.section.key(), &self.provider, &self.subject] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        BASE64URL.encode(context.finish().as_ref().get(..16).unwrap_or_default())
    }

    fn bytes(&self) -> usize {
        let labels = self.labels.iter().flat_map(|(name, values)| std::iter::once(name).chain(values));
        let texts = labels.chain(&self.secret).chain([&self.provider, &self.subject, &self.account]);
        texts.map(|text| text.len() + 32).sum()
    }
}

impl SignInEntry {
    fn new(record: SignIn) -> Arc<Self> {
        Arc::new(Self {
            record: RwLock::new(Arc::new(record)),
            turn: Arc::default(),
            unanswered_at: Mutex::default(),
        })
    }

    /// The record of now.
    pub fn record(&self) -> Arc<SignIn> {
        Arc::clone(&self.record.read())
    }
}

impl Known {
    fn insert(&mut self, mut record: SignIn) {
        let name = folded_name(&record.account);
        self.remove(&name);
        self.share_labels(&mut record);
        self.bytes += record.bytes();
        self.by_person.insert(record.person(), name.clone());
        self.by_account.insert(name, SignInEntry::new(record));
    }

    /// Gives a record the labels of another, where they are equal.
    fn share_labels(&mut self, record: &mut SignIn) {
        if let Some(known) = self.labels.get(&record.labels) {
            record.labels = Arc::clone(known);
            return;
        }
        // At times, those that no record has any more go.
        if self.labels.len() > 2 * self.by_account.len() + 100 {
            self.labels.retain(|labels| Arc::strong_count(labels) > 1);
        }
        self.labels.insert(Arc::clone(&record.labels));
    }

    /// A record of the same person changes in place: requests hold it.
    fn follow(&mut self, name: &str, stored: Option<SignIn>) {
        let Some(mut stored) = stored else {
            self.remove(name);
            return;
        };
        let same = self.by_account.get(name).filter(|entry| entry.record().person() == stored.person());
        let Some(entry) = same.cloned() else {
            self.insert(stored);
            return;
        };
        self.bytes = self.bytes.saturating_sub(entry.record().bytes()) + stored.bytes();
        self.share_labels(&mut stored);
        *entry.record.write() = Arc::new(stored);
    }

    fn remove(&mut self, name: &str) -> bool {
        let Some(entry) = self.by_account.remove(name) else { return false };
        let record = entry.record();
        self.bytes = self.bytes.saturating_sub(record.bytes());
        self.by_person.remove(&record.person());
        true
    }

    /// Returns whether the person may have the name. A record of a provider that its section no longer names holds none.
    fn admit(&self, new: &SignIn) -> Result<(), NotSignedIn> {
        let name = folded_name(&new.account);
        let (mut count, mut bytes) = (self.by_account.len() + 1, self.bytes + new.bytes());
        if let Some(entry) = self.by_account.get(&name) {
            let held = entry.record();
            let is_of_old_provider = held.section == new.section && held.provider != new.provider;
            if held.person() != new.person() && !is_of_old_provider {
                return Err(NotSignedIn::NameHeld(new.account.clone()));
            }
            if held.person() == new.person() && held.account != new.account {
                return Err(NotSignedIn::Renamed { before: held.account.clone(), now: new.account.clone() });
            }
            (count, bytes) = (count - 1, bytes.saturating_sub(held.bytes()));
        }
        if let Some(before) = self.by_person.get(&new.person()).filter(|before| **before != name) {
            let before = self.by_account.get(before).map(|entry| entry.record().account.clone());
            return Err(NotSignedIn::Renamed {
                before: before.unwrap_or_default(),
                now: new.account.clone(),
            });
        }
        if count > MOST || bytes > MOST_BYTES { Err(NotSignedIn::Full) } else { Ok(()) }
    }
}

impl SignInMemory {
    pub(super) fn of(records: Vec<SignIn>) -> Self {
        let mut known = Known::default();
        records.into_iter().for_each(|record| known.insert(record));
        Self { known: RwLock::new(known), ..Self::default() }
    }

    /// Puts what is stored under a folded name now in place of what is known: another replica has changed it.
    pub(super) async fn follow(&self, name: &str, stored: Option<SignIn>) {
        let _storing = self.storing.lock().await;
        self.known.write().follow(name, stored);
    }

    /// Puts all that is stored in place of what is known.
    pub(super) async fn replace(&self, stored: Vec<SignIn>) {
        let _storing = self.storing.lock().await;
        let mut known = self.known.write();
        let names: HashMap<String, SignIn> =
            stored.into_iter().map(|record| (folded_name(&record.account), record)).collect();
        known
            .by_account
            .keys()
            .filter(|name| !names.contains_key(*name))
            .cloned()
            .collect::<Vec<_>>()
            .iter()
            .for_each(|name| {
                known.remove(name);
            });
        names.into_iter().for_each(|(name, record)| known.follow(&name, Some(record)));
    }
}

impl State {
    /// Returns true if sign-ins can be stored: otherwise no person signs in at a provider.
    pub fn keeps_sign_ins(&self) -> bool {
        self.store.is_ok()
    }

    /// The record of the account of exactly that name.
    pub fn sign_in(&self, account: &str) -> Option<Arc<SignInEntry>> {
        let known = self.sign_ins.known.read();
        let entry = known.by_account.get(&folded_name(account))?;
        (entry.record().account == account).then(|| Arc::clone(entry))
    }

    /// Stores the record of a person who has signed in, so that it survives a crash from when this returns.
    ///
    /// # Errors
    /// The person may not sign in under that name, or it cannot be stored.
    pub async fn keep_sign_in(&self, record: SignIn) -> Result<(), NotSignedIn> {
        let _storing = self.sign_ins.storing.lock().await;
        self.sign_ins.known.read().admit(&record)?;
        self.store_sign_in(&record).await.map_err(|error| {
            tracing::error!(%error, "cannot store a sign-in");
            NotSignedIn::NotStored(error.to_string())
        })?;
        self.sign_ins.known.write().insert(record);
        Ok(())
    }

    /// Puts `record` in place of the one that `entry` has, of the same person and account. In memory it is in force at
    /// once, and where it cannot be stored the next start asks the provider again. One for which there is no room ends.
    pub async fn renew_sign_in(&self, entry: &SignInEntry, mut record: SignIn) {
        let _storing = self.sign_ins.storing.lock().await;
        let is_in_force = {
            let mut known = self.sign_ins.known.write();
            let in_force = known.by_account.get(&folded_name(&record.account));
            let is_in_force = in_force.is_some_and(|known| std::ptr::eq(&raw const **known, entry));
            if is_in_force {
                let others = known.bytes.saturating_sub(entry.record().bytes());
                if record.bytes() > entry.record().bytes() && others + record.bytes() > MOST_BYTES {
                    tracing::error!(
                        account = record.account,
                        "no room for what a provider says of a sign-in, which ends"
                    );
                    record = SignIn {
                        ended: Some(SignInEnd::Refused),
                        labels: Arc::default(),
                        secret: None,
                        ..record
                    };
                }
                known.bytes = others + record.bytes();
                known.share_labels(&mut record);
            }
            *entry.record.write() = Arc::new(record.clone());
            is_in_force
        };
        // One that was forgotten or replaced meanwhile must not come back.
        if !is_in_force {
            return;
        }
        if let Err(error) = self.store_renewed(&record).await {
            tracing::error!(%error, "cannot store what a provider says of a sign-in");
        }
    }

    /// Forgets the record of an account, in any spelling of its name: the name is free for the next person. Returns false
    /// where there is none.
    ///
    /// # Errors
    /// The file still has it.
    pub async fn forget_sign_in(&self, account: &str) -> Result<bool, StoreError> {
        let _storing = self.sign_ins.storing.lock().await;
        let name = folded_name(account);
        let is_known = self.sign_ins.known.read().by_account.contains_key(&name);
        let (Ok(store), true) = (&self.store, is_known) else { return Ok(false) };
        let row = name.clone();
        self.ask(store, PATIENCE, async move |store: Arc<Store>| store.forget_sign_in(&row).await).await?;
        Ok(self.sign_ins.known.write().remove(&name))
    }

    /// The number of people on record.
    pub fn sign_in_count(&self) -> usize {
        self.sign_ins.known.read().by_account.len()
    }

    /// Counts a question to a provider about a person, and whether it gave an answer.
    pub fn count_confirmation(&self, is_answered: bool) {
        let SignInMemory { answered, unanswered, .. } = &self.sign_ins;
        (if is_answered { answered } else { unanswered }).fetch_add(1, Ordering::Relaxed);
    }

    /// The number of questions to providers about people since the start, by outcome.
    pub fn confirmation_counts(&self) -> [(&'static str, u64); 2] {
        let SignInMemory { answered, unanswered, .. } = &self.sign_ins;
        [("answered", answered), ("unanswered", unanswered)]
            .map(|(outcome, count)| (outcome, count.load(Ordering::Relaxed)))
    }

    async fn store_renewed(&self, record: &SignIn) -> Result<(), StoreError> {
        let Ok(store) = &self.store else { return Ok(()) };
        let (name, row) = (folded_name(&record.account), record.clone());
        self.ask(store, PATIENCE, async move |store: Arc<Store>| store.renew_sign_in(&name, &row).await).await
    }

    async fn store_sign_in(&self, record: &SignIn) -> Result<(), StoreError> {
        let Ok(store) = &self.store else { return Ok(()) };
        let (name, row) = (folded_name(&record.account), record.clone());
        self.ask(store, PATIENCE, async move |store: Arc<Store>| store.keep_sign_in(&name, &row).await).await
    }
}

#[cfg(test)]
mod tests;
