//! Sessions that were ended before their time, in bounded memory, none of which ever counts again.
//!
//! Each account has room for some. An account with more, or all of them where there are too many accounts, gets a
//! moment instead: what began until then has ended. That signs out more than was asked for, and brings nothing back.

use std::collections::HashMap;

use crate::token::Session;

/// The sessions that have ended.
#[derive(Debug, Default)]
pub(super) struct EndedSessions {
    by_account: HashMap<String, OfAccount>,
    /// All sessions that began until then have ended.
    all_until: Option<i64>,
}

#[derive(Debug, Default)]
struct OfAccount {
    /// Sessions by `jti`, with the time when they would have ended by themselves.
    named: HashMap<String, u64>,
    /// All sessions of this account that began until then have ended.
    all_until: Option<i64>,
    /// The time after which this entry is no longer needed.
    forgotten_at: u64,
}

/// Sessions for each account.
const SESSIONS: usize = 32;
/// Accounts in all.
const ACCOUNTS: usize = 10_000;
/// No session is longer, in seconds: a day more than `ui.session` may be.
const LONGEST: u64 = 31 * 24 * 60 * 60;

impl EndedSessions {
    /// Returns whether the session has ended.
    pub(crate) fn contains(&self, session: &Session) -> bool {
        let began_until = |until: Option<i64>| until.is_some_and(|until| session.issued_at <= until);
        let of_account = self.by_account.get(&session.account);
        let is_named = |of: &OfAccount| of.named.contains_key(&session.id) || began_until(of.all_until);
        began_until(self.all_until) || of_account.is_some_and(is_named)
    }

    /// Ends a session.
    pub(crate) fn insert(&mut self, session: &Session, now: u64) {
        self.by_account.retain(|_, of| of.forgotten_at > now);
        if self.by_account.len() >= ACCOUNTS && !self.by_account.contains_key(&session.account) {
            self.by_account.clear();
            self.all_until = Some(seconds(now).max(session.issued_at));
        }
        let of = self.by_account.entry(session.account.clone()).or_default();
        of.named.retain(|_, ends| *ends > now);
        if of.named.len() >= SESSIONS {
            of.named.clear();
            of.all_until = Some(seconds(now).max(session.issued_at));
            of.forgotten_at = now.saturating_add(LONGEST);
        }
        of.named.insert(session.id.clone(), session.expires_at);
        of.forgotten_at = of.forgotten_at.max(session.expires_at);
    }
}

fn seconds(now: u64) -> i64 {
    i64::try_from(now).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Stamp;

    const NOW: u64 = 1_800_000_000;
    const HOUR: u64 = 3600;

    fn session(account: &str, id: usize, issued_at: u64) -> Session {
        let (account, id) = (account.to_owned(), id.to_string());
        let (issued_at, expires_at) = (seconds(issued_at), issued_at + HOUR);
        Session { account, auth_source: None, id, issued_at, expires_at, stamp: Stamp::default() }
    }

    #[test]
    fn rule_37_ten_thousand_sign_outs_of_one_account_bring_no_session_of_another_back() {
        let mut ended = EndedSessions::default();
        let (stolen, going_on) = (session("alice", 0, NOW), session("alice", 1, NOW));
        ended.insert(&stolen, NOW);
        for id in 0..10_000 {
            ended.insert(&session("eve", id, NOW), NOW + 1);
            assert!(ended.contains(&session("eve", id, NOW)));
        }
        assert!(ended.contains(&stolen) && !ended.contains(&going_on));
        assert!((0..10_000).all(|id| ended.contains(&session("eve", id, NOW))), "nor one of her own");
        assert!(!ended.contains(&session("eve", 10_001, NOW + 2)), "and she can sign in again");
        assert!(ended.by_account["eve"].named.len() <= SESSIONS);
    }

    #[test]
    fn rule_37_sign_outs_of_many_accounts_bring_none_back_either() {
        let mut ended = EndedSessions::default();
        ended.insert(&session("alice", 0, NOW), NOW);
        for account in 0..3 * ACCOUNTS {
            ended.insert(&session(&account.to_string(), 0, NOW), NOW + 1);
        }
        assert!(ended.contains(&session("alice", 0, NOW)));
        assert!(!ended.contains(&session("alice", 1, NOW + 2)));
        assert!(ended.by_account.len() <= ACCOUNTS);
    }

    #[test]
    fn what_would_have_ended_by_itself_is_forgotten_and_a_moment_is_not() {
        let mut ended = EndedSessions::default();
        ended.insert(&session("alice", 0, NOW), NOW);
        (0..=SESSIONS).for_each(|id| ended.insert(&session("eve", id, NOW), NOW));
        ended.insert(&session("bob", 0, NOW + HOUR), NOW + HOUR);
        assert!(!ended.by_account.contains_key("alice") && ended.by_account.contains_key("eve"));
    }
}
