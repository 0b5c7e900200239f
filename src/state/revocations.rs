//! The revocations in memory, as every request asks them.

use std::{cmp::Reverse, collections::HashMap};

use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};

use super::{
    LONGEST_ID, LONGEST_NAME, MOST_REVOCATIONS, Revocation, StoreError, Target,
    stored::{Change, StoredRevocations},
};
use crate::authn::folded_name;

/// Bytes of all names together. With [`MOST_REVOCATIONS`], all of it stays below 30 MB.
const MOST_BYTES: usize = 8 << 20;
/// Characters of the id of a token that count.
const ID_CHARACTERS: usize = 64;
/// Random bytes of an id: no two states have the same.
const ID_BYTES: usize = 8;

/// The reason why a revocation is not stored. Displays what holds now, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRevoked {
    /// There is no state.
    #[error("nothing is revoked: {0}")]
    NoState(String),
    /// The name cannot be kept.
    #[error("nothing is revoked: expected a name of at most {LONGEST_NAME} bytes, found {0}")]
    Name(usize),
    /// The id cannot be kept.
    #[error(
        "nothing is revoked: expected an id of 1 to {LONGEST_ID} bytes, found {0}; give the id of the token, not the token"
    )]
    Id(usize),
    /// There is no room for one more.
    #[error(
        "nothing is revoked: {MOST_REVOCATIONS} revocations are stored, which is the most; \
         `portwarden revoke --all-sessions` ends all tokens and empties the list"
    )]
    Full,
    /// It holds until the next start only.
    #[error(
        "the server refuses it from now on, but could not store that, so a restart would forget it: {0}. Correct that, \
         and revoke again"
    )]
    NotStored(StoreError),
    /// The system gives no random bytes for a new id.
    #[error("nothing is revoked: the system gives no random bytes; see its log")]
    NoRandomness,
}

/// The revocations.
#[derive(Debug, Default)]
pub(super) struct Revocations {
    /// The id of the state, which each token carries; `None` without a state.
    pub(super) id: Option<Box<str>>,
    /// The time from which the id is in use, in seconds since 1970.
    pub(super) since: Option<u64>,
    /// True if everything was revoked then; false if the state was made then.
    all_revoked: bool,
    /// By the name under which all spellings of an account count.
    accounts: HashMap<Box<str>, RevokedAccount>,
    /// By the id of the token: the time of its revocation.
    pub(super) tokens: HashMap<Box<str>, u64>,
    /// Counts the revocations since the start.
    pub(super) sequence: u64,
    /// The number of the last one that concerned everything.
    all_changed: u64,
    /// Bytes of all names.
    bytes: usize,
}

/// A revoked account.
#[derive(Debug, Clone, Copy)]
pub(super) struct RevokedAccount {
    pub(super) generation: u64,
    /// The last revocation, in seconds since 1970.
    pub(super) at: u64,
    /// The number of the last one.
    changed: u64,
}

impl Revocations {
    /// The revocations of a store.
    pub(super) fn of(stored: StoredRevocations) -> Self {
        let bytes = stored.accounts.iter().map(|(name, ..)| name.len()).sum::<usize>()
            + stored.tokens.iter().map(|(id, _)| id.len()).sum::<usize>();
        let account = |(name, generation, at): (String, u64, u64)| {
            (name.into(), RevokedAccount { generation, at, changed: 0 })
        };
        Self {
            id: Some(stored.id.into()),
            since: Some(stored.since),
            all_revoked: stored.all_revoked,
            accounts: stored.accounts.into_iter().map(account).collect(),
            tokens: stored.tokens.into_iter().map(|(id, at)| (id.into(), at)).collect(),
            bytes,
            ..Self::default()
        }
    }

    /// No revocations, of no state. JWTs of until then are refused all the same.
    pub(super) fn empty_since(since: Option<u64>) -> Self {
        Self { since, ..Self::default() }
    }

    /// The last revocation of an account, in any spelling.
    pub(super) fn account(&self, account: &str) -> Option<&RevokedAccount> {
        // A name is folded only if one of them may be found.
        if self.accounts.is_empty() { None } else { self.accounts.get(&*folded_name(account)) }
    }

    /// The generation of an account: 0 for one that was never revoked.
    pub(super) fn generation(&self, account: &str) -> u64 {
        self.account(account).map_or(0, |revoked| revoked.generation)
    }

    /// The number of the last revocation that concerned an account; 0 where there was none since the start.
    pub(super) fn changed(&self, account: &str) -> u64 {
        self.account(account).map_or(0, |revoked| revoked.changed).max(self.all_changed)
    }

    pub(super) fn len(&self) -> usize {
        self.accounts.len() + self.tokens.len()
    }

    /// Puts a revocation in force; returns what is to be stored.
    ///
    /// # Errors
    /// It is not in force.
    pub(super) fn apply(&mut self, target: &Target, now: u64) -> Result<Change, NotRevoked> {
        match target {
            Target::Account(account) => self.revoke_account(account, now),
            Target::Token(id) => self.revoke_token(id, now),
            Target::All => self.revoke_all(now),
        }
    }

    fn revoke_account(&mut self, account: &str, now: u64) -> Result<Change, NotRevoked> {
        let name = folded_name(account);
        // The anonymous account has an empty name.
        if name.len() > LONGEST_NAME {
            return Err(NotRevoked::Name(name.len()));
        }
        if !self.accounts.contains_key(&*name) {
            self.reserve(&name)?;
        }
        self.sequence += 1;
        let changed = self.sequence;
        let new = RevokedAccount { generation: 0, at: now, changed };
        let revoked = self.accounts.entry(name.as_str().into()).or_insert(new);
        let generation = revoked.generation.saturating_add(1);
        // A clock that was set back must not let a JWT in again.
        *revoked = RevokedAccount { generation, at: now.max(revoked.at), changed };
        Ok(Change::Account { name, generation, at: revoked.at })
    }

    fn revoke_token(&mut self, id: &str, now: u64) -> Result<Change, NotRevoked> {
        if id.is_empty() || id.len() > LONGEST_ID {
            return Err(NotRevoked::Id(id.len()));
        }
        // As a JWT's is read, and as the audit log has it.
        let id: String = id.chars().filter(|c| !c.is_control()).take(ID_CHARACTERS).collect();
        if !self.tokens.contains_key(&*id) {
            self.reserve(&id)?;
        }
        self.sequence += 1;
        let at = *self.tokens.entry(id.as_str().into()).or_insert(now);
        Ok(Change::Token { id, at })
    }

    /// With another id, all that was issued is of another state. Then no generation is needed to refuse it, and no `jti`
    /// either: those of JWTs are older than `since`. Ids of robots' tokens stay: they are in the configuration.
    fn revoke_all(&mut self, now: u64) -> Result<Change, NotRevoked> {
        let id = random_id().ok_or(NotRevoked::NoRandomness)?;
        let since = now.max(self.since.unwrap_or_default());
        self.id = Some(id.as_str().into());
        self.since = Some(since);
        self.all_revoked = true;
        self.accounts = HashMap::new();
        self.tokens.retain(|id, _| is_robot_token_id(id));
        self.bytes = self.tokens.keys().map(|id| id.len()).sum();
        self.sequence += 1;
        self.all_changed = self.sequence;
        let tokens = self.tokens.iter().map(|(id, at)| (id.to_string(), *at)).collect();
        Ok(Change::All(StoredRevocations { id, since, all_revoked: true, accounts: Vec::new(), tokens }))
    }

    /// Takes all of what is stored in place of this, but for what is stricter here. A login that is under way ends.
    pub(super) fn replace(&mut self, stored: Self) {
        let before = std::mem::replace(self, stored);
        (self.sequence, self.all_changed) = (before.sequence + 1, before.sequence + 1);
        if before.id != self.id {
            // Those of robots are of no state: in one that was made anew they would count again.
            let robots = before.tokens.into_iter().filter(|(id, _)| is_robot_token_id(id));
            robots.for_each(|(id, at)| self.add_token(id.into(), at));
            return;
        }
        for (name, revoked) in before.accounts {
            self.raise_account(name.into(), revoked.generation, revoked.at);
        }
        for (id, at) in before.tokens {
            self.add_token(id.into(), at);
        }
    }

    /// Puts the revocation of an account by another replica in force, by the folded name.
    pub(super) fn raise_account(&mut self, name: String, generation: u64, at: u64) {
        if self.accounts.get(&*name).is_some_and(|known| known.generation >= generation && known.at >= at) {
            return;
        }
        self.sequence += 1;
        let changed = self.sequence;
        let bytes = name.len();
        if let Some(known) = self.accounts.get_mut(&*name) {
            let (generation, at) = (generation.max(known.generation), at.max(known.at));
            *known = RevokedAccount { generation, at, changed };
        } else {
            self.bytes += bytes;
            self.accounts.insert(name.into(), RevokedAccount { generation, at, changed });
        }
    }

    /// Puts the revocation of a token by another replica in force.
    pub(super) fn add_token(&mut self, id: String, at: u64) {
        let bytes = id.len();
        if self.tokens.insert(id.into(), at).is_none() {
            self.sequence += 1;
            self.bytes += bytes;
        }
    }

    fn reserve(&mut self, name: &str) -> Result<(), NotRevoked> {
        if self.len() >= MOST_REVOCATIONS || self.bytes + name.len() > MOST_BYTES {
            return Err(NotRevoked::Full);
        }
        self.bytes += name.len();
        Ok(())
    }

    /// The latest first.
    pub(super) fn revocations(&self, account: Option<&str>) -> Vec<Revocation> {
        let all = self.since.filter(|_| self.all_revoked);
        let all = all.map(|at| Revocation { target: Target::All, at });
        let of_account = |(name, revoked): (&str, &RevokedAccount)| Revocation {
            target: Target::Account(name.to_owned()),
            at: revoked.at,
        };
        let mut found: Vec<Revocation> = all.into_iter().collect();
        if let Some(account) = account {
            let name = folded_name(account);
            found.extend(self.accounts.get(&*name).map(|revoked| of_account((&name, revoked))));
        } else {
            found.extend(self.accounts.iter().map(|(name, revoked)| of_account((name, revoked))));
            let of_token = |(id, at)| Revocation { target: Target::Token(String::from(id)), at };
            found.extend(self.tokens.iter().map(|(id, at)| (&**id, *at)).map(of_token));
        }
        found.sort_by_key(|revocation| Reverse(revocation.at));
        found
    }
}

/// Returns true for the id of a robot's token: twelve hexadecimal digits.
pub fn is_robot_token_id(id: &str) -> bool {
    id.len() == 12 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// An id that no other state has; `None` if the system gives no random bytes.
pub(super) fn random_id() -> Option<String> {
    let mut bytes = [0; ID_BYTES];
    rand::fill(&mut bytes).ok()?;
    Some(BASE64URL.encode(bytes))
}
