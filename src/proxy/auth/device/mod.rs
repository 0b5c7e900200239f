//! Programs that wait for a person: device authorization (RFC 8628), by which `portwarden login` gets a personal token.
//!
//! A program asks without credentials, and gets two codes: one to ask again with, and one that a person takes to a page
//! of this server. All that is remembered of it is in memory, or in a shared state, for ten minutes, and bounded.
//! Nothing is granted before the person has allowed it in a session, and then no more than that session could make
//! itself at that moment.

pub(in crate::proxy) mod endpoint;
mod issue;
mod shared;
mod table;
mod user_code;

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::{
    authn::{NoRandomness, Secret, Source},
    limits::{CounterTable, Network, Rate, Shares},
    token::{Fingerprint, Session},
};
pub(in crate::proxy) use issue::on;
pub(in crate::proxy) use shared::Found;
use table::{Answered, Table, Waiting};
pub(in crate::proxy) use user_code::UserCode;

/// The time for which the codes are good.
pub(in crate::proxy) const LIFETIME: Duration = Duration::from_secs(600);
/// The time between two questions of a program, and what is added to it for one that asks too soon (RFC 8628 section
/// 3.5).
pub(super) const INTERVAL: Duration = Duration::from_secs(5);
/// The longest such time.
const LONGEST_INTERVAL: Duration = Duration::from_secs(60);
/// The time for which a program is still told that its code has expired.
const TOLD_LONGER: Duration = Duration::from_secs(60);
/// Programs that wait at once; some 4 MiB, and 24 if each asks for as many scopes as it may, of the longest names.
const MOST: usize = 4096;
/// Those of one client.
const MOST_OF_CLIENT: usize = 32;
/// Those of all clients without a known address: it may stand for many.
const MOST_WITHOUT_ADDRESS: usize = MOST / 4;
/// The pause between two times of looking for codes that are over.
const SWEEP: Duration = Duration::from_secs(1);
/// Wrong codes of one account: in one go, then one in each minute. With 34 bits in a code, a guess among 4096 codes is
/// right once in six million.
const GUESSES: Rate = Rate { burst: 10, interval: Duration::from_secs(60) };
/// The questions of a program that waits in a shared state, to each replica.
const POLLS: Rate = Rate { burst: 1, interval: INTERVAL };
/// Accounts whose wrong codes are counted at a time.
const GUESSERS: usize = 4096;

/// The request of a program. All of it is its own word but for the address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::proxy) struct DeviceRequest {
    /// The address that the program asks from.
    pub(in crate::proxy) address: Option<IpAddr>,
    /// The name that it gives its machine.
    pub(in crate::proxy) host_name: String,
    /// The purpose of the token.
    pub(in crate::proxy) comment: String,
    /// Names of repositories with spaces between them; empty for all.
    pub(in crate::proxy) repositories: String,
    /// `pull`, `push` or `delete`, as on the page of tokens.
    pub(in crate::proxy) access: String,
    /// The lifetime of the token, in days, where one is wanted.
    pub(in crate::proxy) days: Option<u64>,
    /// The time at which it asked.
    pub(in crate::proxy) asked: SystemTime,
}

/// A token that a person has allowed.
#[derive(Debug, Clone)]
pub(in crate::proxy) struct Grant {
    /// The session in which it was allowed, for which the token is made; or why it counts no longer.
    pub(in crate::proxy) session: Result<Session, String>,
    pub(in crate::proxy) account: String,
    /// The fingerprint of the password of its account, where the configuration has one.
    pub(in crate::proxy) password: Option<Fingerprint>,
    /// The section of its account.
    pub(in crate::proxy) source: Source,
    /// The purpose of the token.
    pub(in crate::proxy) comment: String,
    /// The scopes of the token, with spaces between them.
    pub(in crate::proxy) scopes: String,
    /// The lifetime of the token, in days.
    pub(in crate::proxy) days: u64,
}

/// The codes of a program that has asked.
pub(super) struct Codes {
    pub(super) device: Secret,
    pub(super) user: UserCode,
}

/// The reason why a program gets no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoCode {
    /// Too many wait: of this client, or of all.
    Full,
    /// The machine gives no random bytes.
    NoRandomness,
    /// The shared state gives no answer.
    NoState,
}

impl From<NoRandomness> for NoCode {
    fn from(_: NoRandomness) -> Self {
        Self::NoRandomness
    }
}

/// The reason why a code leads to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum WrongCode {
    /// No program waits with it: it is mistyped, over, or was answered.
    Unknown,
    /// The account has typed too many wrong ones; the time until the next.
    TooMany(Duration),
    /// The shared state gives no answer. It is not counted.
    NoState,
}

/// The answer to a program that asks again (RFC 8628 section 3.5).
#[derive(Debug)]
pub(super) enum Poll {
    /// No person has answered yet.
    Pending,
    /// The same, and the program asks too often.
    TooSoon,
    /// A person has allowed it. The codes are over with this answer.
    Allowed(Box<Grant>, Arc<DeviceRequest>),
    /// A person has refused. The codes are over with this answer.
    Refused,
    /// Its time is over.
    Expired,
    /// There is no such code.
    Unknown,
    /// The shared state gives no answer.
    NoState,
}

/// All programs that wait.
pub(in crate::proxy) struct DeviceLogins {
    table: Mutex<Table>,
    shares: Shares,
    refused: AtomicU64,
    counts: [AtomicU64; Outcome::ALL.len()],
}

/// The outcome of a program's request, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Outcome {
    /// It has got its codes.
    Begun,
    /// A person has allowed it.
    Allowed,
    /// A person has refused it.
    Refused,
    /// It has got its token.
    Issued,
    /// It was allowed, and the account could have no token any longer.
    Failed,
}

impl Outcome {
    const ALL: [Self; 5] = [Self::Begun, Self::Allowed, Self::Refused, Self::Issued, Self::Failed];

    fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::Issued => "issued",
            Self::Failed => "failed",
        }
    }
}

/// The digest of a device code. The code itself is nowhere here.
type DeviceKey = [u8; 32];

impl Default for DeviceLogins {
    fn default() -> Self {
        let table = Table {
            waiting: HashMap::new(),
            by_user_code: HashMap::new(),
            guesses: CounterTable::new(GUESSERS),
            polls: CounterTable::new(MOST),
            swept: None,
        };
        Self {
            table: Mutex::new(table),
            shares: Shares::default(),
            refused: AtomicU64::new(0),
            counts: Default::default(),
        }
    }
}

impl DeviceLogins {
    /// Remembers a program's request, and makes its codes.
    ///
    /// # Errors
    /// [`NoCode`].
    pub(super) fn begin(&self, request: DeviceRequest, now: Instant) -> Result<Codes, NoCode> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
        let (codes, _) = self.insert(request, Secret::new(BASE64URL.encode(bytes)), now)?;
        self.count(Outcome::Begun);
        Ok(codes)
    }

    /// Gives a request a place in the table, with a user code for its device code. With it comes the program that was given
    /// up for it.
    fn insert(
        &self,
        request: DeviceRequest,
        device: Secret,
        now: Instant,
    ) -> Result<(Codes, Option<DeviceKey>), NoCode> {
        let of = Network::from(request.address);
        let most = if request.address.is_some() { MOST_OF_CLIENT } else { MOST_WITHOUT_ADDRESS };
        let mut table = self.table.lock();
        table.sweep(now);
        let given_up = if table.waiting.len() < MOST { None } else { table.give_up_for(of) };
        let has_room = table.waiting.len() < MOST;
        let share = has_room.then(|| self.shares.take(of, most)).flatten();
        let Some(share) = share else {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(NoCode::Full);
        };
        let user = table.free_user_code()?;
        let waiting = Waiting {
            request: Arc::new(request),
            user,
            ends: now + LIFETIME,
            interval: INTERVAL,
            polled: None,
            answer: None,
            _share: share,
        };
        let key = key_of(device.expose());
        table.by_user_code.insert(user, key);
        table.waiting.insert(key, waiting);
        Ok((Codes { device, user }, given_up))
    }

    /// The request of the program that waits with this code, for an account that has typed it.
    ///
    /// # Errors
    /// [`WrongCode`]. It is counted against the account.
    pub(in crate::proxy) fn asked(
        &self,
        typed: &str,
        account: &str,
        now: Instant,
    ) -> Result<(UserCode, Arc<DeviceRequest>), WrongCode> {
        let mut table = self.table.lock();
        let (user, waiting) = table.waiting_for(typed, account, now)?;
        Ok((user, Arc::clone(&waiting.request)))
    }

    /// Answers the program that waits with this code: with a grant, or without one, in the negative.
    ///
    /// # Errors
    /// [`WrongCode`]. It is counted against the account.
    pub(in crate::proxy) fn answer(
        &self,
        typed: &str,
        account: &str,
        grant: Option<Grant>,
        now: Instant,
    ) -> Result<Arc<DeviceRequest>, WrongCode> {
        let mut table = self.table.lock();
        let (_, waiting) = table.waiting_for(typed, account, now)?;
        let (answer, outcome) = match grant {
            Some(grant) => (Answered::Allowed(Box::new(grant)), Outcome::Allowed),
            None => (Answered::Refused, Outcome::Refused),
        };
        waiting.answer = Some(answer);
        self.count(outcome);
        Ok(Arc::clone(&waiting.request))
    }

    /// Tells a program how its request stands.
    pub(super) fn poll(&self, device: &[u8], now: Instant) -> Poll {
        let mut table = self.table.lock();
        let key = key_of(device);
        let Some(waiting) = table.waiting.get_mut(&key) else { return Poll::Unknown };
        if now >= waiting.ends {
            return Poll::Expired;
        }
        if waiting.answer.is_some() {
            let waiting = table.remove(&key);
            return match waiting.and_then(|waiting| Some((waiting.answer?, waiting.request))) {
                Some((Answered::Allowed(grant), request)) => Poll::Allowed(grant, request),
                Some((Answered::Refused, _)) => Poll::Refused,
                None => Poll::Unknown,
            };
        }
        let is_soon = waiting.polled.is_some_and(|polled| now < polled + waiting.interval);
        waiting.polled = Some(now);
        if is_soon {
            waiting.interval = (waiting.interval + INTERVAL).min(LONGEST_INTERVAL);
            return Poll::TooSoon;
        }
        Poll::Pending
    }

    /// Counts what became of a request.
    pub(super) fn count(&self, outcome: Outcome) {
        if let Some(counter) = self.counts.get(outcome as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns what became of the requests since the start.
    pub(in crate::proxy) fn counts(&self) -> Vec<(&'static str, u64)> {
        let counts = Outcome::ALL.iter().zip(&self.counts);
        counts.map(|(outcome, count)| (outcome.as_str(), count.load(Ordering::Relaxed))).collect()
    }

    /// Returns the number of programs that got no code because too many wait.
    pub(in crate::proxy) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// The codes are kept private.
impl fmt::Debug for DeviceLogins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceLogins")
    }
}

fn key_of(device: &[u8]) -> DeviceKey {
    digest(&SHA256, device).as_ref().try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests;
