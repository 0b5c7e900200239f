//! Sessions that were ended before their time, in bounded memory, none of which ever counts again. The store has them
//! for the next start, and for other replicas.
//!
//! Each account has room for some. An account with more, or all of them where there are too many accounts, gets a
//! moment instead: what began until then has ended. That signs out more than was asked for, and brings nothing back.

use std::collections::HashMap;

use super::{State, StoreError, follow::unix_now, sql::Store};

/// A session that was ended before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedSession {
    /// Its account.
    pub account: String,
    /// Its name, which no other session has; `None` for all of the account that began until then.
    pub id: Option<String>,
    /// Its beginning, in seconds since 1970.
    pub issued_at: i64,
    /// The time at which it ends by itself, in seconds since 1970.
    pub expires_at: u64,
}

/// The sessions that have ended.
#[derive(Debug, Default)]
pub(super) struct EndedSessions {
    by_account: HashMap<String, OfAccount>,
    /// All sessions that began until then have ended.
    all_until: Option<i64>,
}

#[derive(Debug, Default)]
struct OfAccount {
    /// Sessions by their names, with the time at which they would have ended by themselves, and their beginning.
    named: HashMap<String, (u64, i64)>,
    /// All sessions of this account that began until then have ended.
    all_until: Option<i64>,
    /// The time after which this entry is no longer needed.
    forgotten_at: u64,
}

/// Sessions for each account.
pub(super) const SESSIONS: usize = 32;
/// Accounts in all.
const ACCOUNTS: usize = 10_000;
/// The most that wait to be stored.
const MOST_UNSTORED: usize = 10_000;
/// No session is longer, in seconds: a day more than `ui.session` may be.
pub(super) const LONGEST: u64 = 31 * 24 * 60 * 60;

impl OfAccount {
    /// The beginning of the last session that has ended.
    fn last(&self) -> Option<i64> {
        self.named.values().map(|(_, began)| *began).max().max(self.all_until)
    }
}

impl EndedSessions {
    /// Those of a store.
    pub(super) fn of(stored: &[EndedSession], now: u64) -> Self {
        let mut ended = Self::default();
        ended.extend(stored, now);
        ended
    }

    fn contains(&self, account: &str, id: &str, issued_at: i64) -> bool {
        let began_until = |until: Option<i64>| until.is_some_and(|until| issued_at <= until);
        let is_named = |of: &OfAccount| of.named.contains_key(id) || began_until(of.all_until);
        began_until(self.all_until) || self.by_account.get(account).is_some_and(is_named)
    }

    /// Ends sessions, at `now` in seconds since 1970.
    pub(super) fn extend<'s>(&mut self, sessions: impl IntoIterator<Item = &'s EndedSession>, now: u64) {
        self.by_account.retain(|_, of| of.forgotten_at > now);
        sessions.into_iter().for_each(|session| self.insert(session, now));
    }

    fn insert(&mut self, session: &EndedSession, now: u64) {
        let EndedSession { account, id, issued_at, expires_at } = session;
        if self.by_account.len() >= ACCOUNTS && !self.by_account.contains_key(account) {
            // Another replica's clock may be ahead.
            let last = self.by_account.drain().filter_map(|(_, of)| of.last()).max().max(Some(*issued_at));
            self.all_until = self.all_until.max(last).max(Some(seconds(now)));
        }
        let of = self.by_account.entry(account.clone()).or_default();
        of.named.retain(|_, (ends, _)| *ends > now);
        of.forgotten_at = of.forgotten_at.max(*expires_at);
        let Some(id) = id else {
            of.all_until = of.all_until.max(Some(*issued_at));
            return;
        };
        if of.named.len() >= SESSIONS {
            of.all_until = of.last().max(Some(*issued_at)).max(Some(seconds(now)));
            of.named.clear();
            of.forgotten_at = now.saturating_add(LONGEST);
        }
        of.named.insert(id.clone(), (*expires_at, *issued_at));
    }
}

impl State {
    /// Ends a session, at `now` in seconds since 1970: here at once, and from when this returns across a restart and at
    /// the other replicas.
    ///
    /// # Errors
    /// It is not stored yet: until it is, with the next one or when a shared store answers again, a restart brings it
    /// back, and other replicas go on to take it.
    pub async fn end_session(&self, session: EndedSession, now: u64) -> Result<(), StoreError> {
        self.ended_sessions.lock().extend([&session], now);
        // Without a state it is known until the end of the process.
        let Ok(store) = &self.store else { return Ok(()) };
        let unstored = &mut *self.unstored_sessions.lock().await;
        unstored.push(session);
        let stored = store_ended(store, unstored, now).await;
        unstored.truncate(MOST_UNSTORED);
        stored
    }

    /// Stores the sessions that could not be stored when they ended.
    pub(super) async fn store_ended_sessions(&self, store: &Store) -> Result<(), StoreError> {
        store_ended(store, &mut *self.unstored_sessions.lock().await, unix_now()).await
    }

    /// Returns true if a session was ended before its time, by its account, its name and its beginning.
    pub fn has_session_ended(&self, account: &str, id: &str, issued_at: i64) -> bool {
        self.ended_sessions.lock().contains(account, id, issued_at)
    }
}

async fn store_ended(store: &Store, unstored: &mut Vec<EndedSession>, now: u64) -> Result<(), StoreError> {
    while let Some(session) = unstored.first() {
        store.end_session(session, now).await?;
        unstored.remove(0);
    }
    Ok(())
}

/// A number of seconds as a token has it.
pub(super) fn seconds(now: u64) -> i64 {
    i64::try_from(now).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const HOUR: u64 = 3600;

    fn session(account: &str, id: usize, issued_at: u64) -> EndedSession {
        let (account, id) = (account.to_owned(), Some(id.to_string()));
        EndedSession { account, id, issued_at: seconds(issued_at), expires_at: issued_at + HOUR }
    }

    fn has_ended(ended: &EndedSessions, session: &EndedSession) -> bool {
        ended.contains(&session.account, session.id.as_deref().unwrap(), session.issued_at)
    }

    #[test]
    fn rule_37_ten_thousand_sign_outs_of_one_account_bring_no_session_of_another_back() {
        let mut ended = EndedSessions::default();
        let (stolen, going_on) = (session("alice", 0, NOW), session("alice", 1, NOW));
        ended.extend([&stolen], NOW);
        for id in 0..10_000 {
            ended.extend([&session("eve", id, NOW)], NOW + 1);
            assert!(has_ended(&ended, &session("eve", id, NOW)));
        }
        assert!(has_ended(&ended, &stolen) && !has_ended(&ended, &going_on));
        assert!((0..10_000).all(|id| has_ended(&ended, &session("eve", id, NOW))), "nor one of her own");
        assert!(!has_ended(&ended, &session("eve", 10_001, NOW + 2)), "and she can sign in again");
        assert!(ended.by_account["eve"].named.len() <= SESSIONS);
    }

    #[test]
    fn rule_37_sign_outs_of_many_accounts_bring_none_back_either() {
        let mut ended = EndedSessions::default();
        ended.extend([&session("alice", 0, NOW), &session("carol", 0, NOW + HOUR)], NOW);
        for account in 0..3 * ACCOUNTS {
            ended.extend([&session(&account.to_string(), 0, NOW)], NOW + 1);
        }
        assert!(has_ended(&ended, &session("alice", 0, NOW)));
        assert!(has_ended(&ended, &session("carol", 0, NOW + HOUR)), "by a clock that is ahead");
        assert!(!has_ended(&ended, &session("alice", 1, NOW + HOUR + 1)));
        assert!(ended.by_account.len() <= ACCOUNTS);
    }

    #[test]
    fn what_would_have_ended_by_itself_is_forgotten_and_a_moment_is_not() {
        let mut ended = EndedSessions::default();
        ended.extend([&session("alice", 0, NOW)], NOW);
        (0..=SESSIONS).for_each(|id| ended.extend([&session("eve", id, NOW)], NOW));
        ended.extend([&session("bob", 0, NOW + HOUR)], NOW + HOUR);
        assert!(!ended.by_account.contains_key("alice") && ended.by_account.contains_key("eve"));
    }
}
