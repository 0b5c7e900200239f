//! Programs that wait at any replica of a shared state: they begin at one, a person answers at another, and each asks
//! where the balancer sends it.
//!
//! The table of a replica bounds what strangers may begin there; all else is in the state, as rows that count only if a
//! server with the same signing key has sealed them. A device code proves itself, so that one that was made up costs no
//! question to the state.

use std::{
    mem::take,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use aws_lc_rs::{hmac, rand};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    Codes, DeviceKey, DeviceLogins, DeviceRequest, Grant, LIFETIME, NoCode, Outcome, Poll, TOLD_LONGER,
    UserCode, WrongCode, key_of,
};
use crate::{
    authn::{NoRandomness, Seal, Secret, Source},
    proxy::{Snapshot, auth::session, snapshot::unix_now},
    state::{DeviceLogin, DeviceLoginStanding, SharedDeviceLogins},
    token::SigningKey,
};

/// Separate the keys of codes and of rows from other secrets of the signing key.
const CODES: &str = "portwarden device codes v1";
const ROWS: &str = "portwarden device logins v1";
/// Bytes of a device code that are random.
const RANDOM: usize = 32;
/// The same with the end of its time, in seconds since 1970; behind them is the proof.
const PROVED: usize = RANDOM + 8;

/// A program that waits, as a person finds it by its code.
#[derive(Debug)]
pub(in crate::proxy) struct Found {
    /// Its code, as it shows it.
    pub(in crate::proxy) user: UserCode,
    pub(in crate::proxy) request: Arc<DeviceRequest>,
    /// Its row, where it waits in a shared state.
    row: Option<DeviceLogin>,
}

/// The programs in the shared state, with the keys of now.
struct Replicas<'a> {
    logins: SharedDeviceLogins<'a>,
    keys: Keys,
}

/// The keys that all replicas derive from the signing key.
struct Keys {
    codes: hmac::Key,
    /// `None` where the cryptographic library refuses it: nothing is sealed then, and nothing opens.
    seal: Option<Seal>,
}

/// A grant in a row. The signed session is looked at again before a token is made.
#[derive(Serialize, Deserialize)]
struct SealedGrant {
    session: String,
    account: String,
    source: Source,
    comment: String,
    scopes: String,
    days: u64,
}

impl Keys {
    fn of(key: &SigningKey) -> Self {
        Self { codes: key.derive_key(CODES), seal: Seal::new(&key.derive_key(ROWS)) }
    }

    /// Makes a device code that proves who made it, and that it is good until `ends`, in seconds since 1970.
    fn new_code(&self, ends: u64) -> Result<Secret, NoRandomness> {
        let mut code = [0; RANDOM];
        rand::fill(&mut code).map_err(|_| NoRandomness)?;
        let proved = [code.as_slice(), &ends.to_be_bytes()].concat();
        let proof = hmac::sign(&self.codes, &proved);
        Ok(Secret::new(BASE64URL.encode([proved.as_slice(), proof.as_ref()].concat())))
    }

    /// The answer to a program whose device code does not count at `now`, in seconds since 1970; `None` where the state
    /// has to be asked.
    fn refuse(&self, device: &[u8], now: u64) -> Option<Poll> {
        match self.end_of(device) {
            Some(ends) if now < ends => None,
            Some(ends) if now < ends.saturating_add(TOLD_LONGER.as_secs()) => Some(Poll::Expired),
            _ => Some(Poll::Unknown),
        }
    }

    fn end_of(&self, device: &[u8]) -> Option<u64> {
        let bytes = BASE64URL.decode(device).ok()?;
        let (proved, proof) = bytes.split_at_checked(PROVED)?;
        hmac::verify(&self.codes, proved, proof).ok()?;
        proved.get(RANDOM..)?.try_into().ok().map(u64::from_be_bytes)
    }

    /// The user code as the state has it: not to be read there.
    fn hidden(&self, user: UserCode) -> String {
        BASE64URL.encode(hmac::sign(&self.codes, user.to_string().as_bytes()))
    }

    fn sealed(&self, what: &str, row: (&str, &str), content: &impl Serialize) -> Option<String> {
        let json = Zeroizing::new(serde_json::to_vec(content).ok()?);
        self.seal.as_ref()?.seal(&purpose(what, row), &json)
    }

    fn opened<T: DeserializeOwned>(&self, what: &str, row: &DeviceLogin, sealed: &str) -> Option<T> {
        let json = self.seal.as_ref()?.open(&purpose(what, (&row.id, &row.user_code)), sealed)?;
        serde_json::from_slice(&Zeroizing::new(json)).ok()
    }
}

impl<'a> Replicas<'a> {
    /// `None` where no other replica shares the state.
    fn of(snapshot: &'a Snapshot) -> Option<Self> {
        let logins = snapshot.state.device_logins()?;
        Some(Self { logins, keys: Keys::of(snapshot.authority.key()) })
    }

    async fn begin(
        &self,
        (key, user): (&DeviceKey, UserCode),
        request: &DeviceRequest,
        given_up: Option<DeviceKey>,
    ) -> Result<(), NoCode> {
        let (id, user_code) = (id_of(key), self.keys.hidden(user));
        let request = self.keys.sealed("request", (&id, &user_code), request).ok_or(NoCode::NoState)?;
        let login = DeviceLogin { id, user_code, request };
        match self.logins.begin(login, given_up.as_ref().map(id_of), LIFETIME.as_secs()).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(NoCode::Full),
            Err(_) => Err(NoCode::NoState),
        }
    }

    async fn find(&self, user: UserCode) -> Result<Option<Found>, WrongCode> {
        let row = self.logins.find(self.keys.hidden(user)).await.map_err(|_| WrongCode::NoState)?;
        Ok(row.and_then(|row| {
            let request = self.keys.opened("request", &row, &row.request)?;
            Some(Found { user, request: Arc::new(request), row: Some(row) })
        }))
    }
}

impl DeviceLogins {
    /// Remembers a program's request for all replicas, and makes its codes.
    ///
    /// # Errors
    /// [`NoCode`].
    pub(super) async fn begin_anywhere(
        &self,
        snapshot: &Snapshot,
        request: DeviceRequest,
    ) -> Result<Codes, NoCode> {
        let Some(replicas) = Replicas::of(snapshot) else { return self.begin(request, Instant::now()) };
        let device = replicas.keys.new_code(unix_now().saturating_add(LIFETIME.as_secs()))?;
        let key = key_of(device.expose());
        let (codes, given_up) = self.insert(request.clone(), device, Instant::now())?;
        if let Err(why) = replicas.begin((&key, codes.user), &request, given_up).await {
            self.table.lock().remove(&key);
            self.refused.fetch_add(u64::from(why == NoCode::Full), Ordering::Relaxed);
            return Err(why);
        }
        self.count(Outcome::Begun);
        Ok(codes)
    }

    /// The program that waits with this code at any replica, for an account that has typed it.
    ///
    /// # Errors
    /// [`WrongCode`]. It is counted against the account.
    pub(in crate::proxy) async fn find(
        &self,
        snapshot: &Snapshot,
        typed: &str,
        account: &str,
    ) -> Result<Found, WrongCode> {
        let now = Instant::now();
        let Some(replicas) = Replicas::of(snapshot) else {
            let (user, request) = self.asked(typed, account, now)?;
            return Ok(Found { user, request, row: None });
        };
        // Taken first: guesses at the same time are counted, too.
        self.table.lock().guess(account, now)?;
        let found = match UserCode::parse(typed) {
            Some(user) => replicas.find(user).await,
            None => Ok(None),
        };
        if !matches!(found, Ok(None)) {
            self.table.lock().give_guess_back(account, now);
        }
        found?.ok_or(WrongCode::Unknown)
    }

    /// Answers a program: with a grant in the session of this signed `token`, or without one, in the negative.
    ///
    /// # Errors
    /// [`WrongCode`]: it was answered meanwhile, at any replica.
    pub(in crate::proxy) async fn answer_found(
        &self,
        snapshot: &Snapshot,
        found: &Found,
        account: &str,
        grant: Option<(Grant, &str)>,
    ) -> Result<(), WrongCode> {
        let (Some(replicas), Some(row)) = (Replicas::of(snapshot), &found.row) else {
            let grant = grant.map(|(grant, _)| grant);
            return self.answer(&found.user.to_string(), account, grant, Instant::now()).map(drop);
        };
        let outcome = if grant.is_some() { Outcome::Allowed } else { Outcome::Refused };
        let session = grant.as_ref().and_then(|(grant, _)| Some(grant.session.as_ref().ok()?.id.clone()));
        let grant = grant.map(|(grant, token)| SealedGrant {
            session: token.to_owned(),
            account: grant.account,
            source: grant.source,
            comment: grant.comment,
            scopes: grant.scopes,
            days: grant.days,
        });
        let answer =
            replicas.keys.sealed("answer", (&row.id, &row.user_code), &grant).ok_or(WrongCode::NoState)?;
        match replicas.logins.answer(row.id.clone(), session, answer).await {
            Ok(true) => self.count(outcome),
            Ok(false) => return Err(WrongCode::Unknown),
            Err(_) => return Err(WrongCode::NoState),
        }
        Ok(())
    }

    /// Tells a program how its request stands at all replicas.
    pub(super) async fn poll_anywhere(&self, snapshot: &Snapshot, device: &[u8]) -> Poll {
        let Some(replicas) = Replicas::of(snapshot) else { return self.poll(device, Instant::now()) };
        if let Some(refused) = replicas.keys.refuse(device, unix_now()) {
            return refused;
        }
        let key = key_of(device);
        if !self.table.lock().may_poll(&key, Instant::now()) {
            return Poll::TooSoon;
        }
        let (row, answer, session) = match replicas.logins.take(id_of(&key)).await {
            Err(_) => return Poll::NoState,
            Ok(DeviceLoginStanding::Waits) => return Poll::Pending,
            Ok(DeviceLoginStanding::Gone) => {
                self.table.lock().remove(&key);
                return Poll::Unknown;
            }
            Ok(DeviceLoginStanding::Answered { login, answer, session }) => (login, answer, session),
        };
        self.table.lock().remove(&key);
        let request = replicas.keys.opened::<DeviceRequest>("request", &row, &row.request);
        let answer = replicas.keys.opened::<Option<SealedGrant>>("answer", &row, &answer);
        match (request, answer) {
            (Some(request), Some(Some(sealed))) => {
                let grant = sealed.open(snapshot, session).await;
                Poll::Allowed(Box::new(grant), Arc::new(request))
            }
            (Some(_), Some(None)) => Poll::Refused,
            // Another has written to the database.
            _ => Poll::Unknown,
        }
    }
}

impl Drop for SealedGrant {
    fn drop(&mut self) {
        self.session.zeroize();
    }
}

impl SealedGrant {
    /// The grant, if the session counts at this replica. `session` is its name, as long as it was ended at none.
    async fn open(mut self, snapshot: &Snapshot, session: Option<String>) -> Grant {
        let verified = match session {
            Some(_) => session::verify(&self.session, snapshot).await.map_err(|error| error.to_string()),
            None => Err("the session in which it was allowed has ended".to_owned()),
        };
        Grant {
            session: verified.map(|(session, _)| session),
            account: take(&mut self.account),
            // The session was held against it.
            password: None,
            source: self.source,
            comment: take(&mut self.comment),
            scopes: take(&mut self.scopes),
            days: self.days,
        }
    }
}

/// The name of a row: a device code is not to be read there.
fn id_of(key: &DeviceKey) -> String {
    BASE64URL.encode(key)
}

/// A text opens in the row for which it was sealed only: no writer of the database moves it to another program or code.
fn purpose(what: &str, (id, user_code): (&str, &str)) -> String {
    format!("{what} {id} {user_code}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secret: &[u8]) -> Keys {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Keys { seal: Seal::new(&key), codes: key }
    }

    #[test]
    fn rule_65_a_device_code_counts_until_its_end_and_with_its_key_only() {
        let own = keys(b"own");
        let code = own.new_code(1000).unwrap();
        let refused = |keys: &Keys, code: &[u8], now| match keys.refuse(code, now) {
            None => "counts",
            Some(Poll::Expired) => "expired",
            Some(_) => "unknown",
        };
        let stands = |now| refused(&own, code.expose(), now);
        assert_eq!(
            [0, 999, 1000, 1059, 1060].map(stands),
            ["counts", "counts", "expired", "expired", "unknown"]
        );
        assert_eq!(refused(&keys(b"other"), code.expose(), 0), "unknown");
        let bytes = BASE64URL.decode(code.expose()).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(refused(&own, BASE64URL.encode(changed).as_bytes(), 0), "unknown", "{at}");
            assert_eq!(refused(&own, BASE64URL.encode(&bytes[..at]).as_bytes(), 0), "unknown", "{at}");
        }
    }

    #[test]
    fn rule_65_a_text_opens_for_its_program_its_code_and_its_use_only() {
        let own = keys(b"own");
        let sealed = own.sealed("answer", ("a", "b"), &7).unwrap();
        let row = |id: &str, user_code: &str| DeviceLogin {
            id: id.to_owned(),
            user_code: user_code.to_owned(),
            request: String::new(),
        };
        let opened = |keys: &Keys, what, id, user_code| keys.opened::<u8>(what, &row(id, user_code), &sealed);
        assert_eq!(opened(&own, "answer", "a", "b"), Some(7));
        assert_eq!(opened(&keys(b"other"), "answer", "a", "b"), None);
        for (what, id, user_code) in [("request", "a", "b"), ("answer", "c", "b"), ("answer", "a", "c")] {
            assert_eq!(opened(&own, what, id, user_code), None);
        }
    }
}
