//! Checks passwords off the async threads, a bounded number at a time, so that guessing slows only the guesser.

use std::{
    net::IpAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::single_flight::{FlightGuard, SingleFlight};
use crate::{
    authn::{
        Attempt, Credentials, CredentialsDigest, DigestKey, Identity, Outcome, RetryAfter, Secret, Shown,
        Throttle, ThrottleSettings, User, fit_to_log,
    },
    limits::CheckQueue,
    proxy::{PasswordSettings, Snapshot, request_log::RequestLog, response::upstream_error::undecided},
    registry::{ErrorCode, Refusal},
    telemetry::Telemetry,
};

/// The bounded pool, and the failures held against each client. Outlives reloads.
pub struct Passwords {
    pool: Pool,
    pub(in crate::proxy) throttle: Arc<Throttle>,
    single_flight: SingleFlight,
    telemetry: Arc<Telemetry>,
}

/// The priority of a check: a tenth of the processor where a thread of the usual one wants it too.
const NICE: i32 = 10;

/// The queue in which checks run, in their turn.
#[derive(Clone)]
struct Pool(CheckQueue);

impl Passwords {
    /// An idle pool. `key` is for digests of passwords.
    pub fn new(settings: &PasswordSettings, key: DigestKey, telemetry: Arc<Telemetry>) -> Self {
        Self {
            pool: Pool(CheckQueue::new(settings.concurrent, settings.queue)),
            throttle: Throttle::new(ThrottleSettings::default(), key),
            single_flight: SingleFlight::default(),
            telemetry,
        }
    }

    /// Returns the numbers of running and of waiting checks.
    pub fn load(&self) -> (usize, usize) {
        self.pool.0.load()
    }

    /// The identity that the credentials prove; `None` when they prove none.
    ///
    /// # Errors
    /// 429 to a client that failed too often; 503 when too many checks are waiting, or a back end that may know the
    /// account gives no answer; all with `Retry-After`.
    pub(in crate::proxy) async fn check(
        &self,
        snapshot: &Arc<Snapshot>,
        credentials: Credentials,
        ip: Option<IpAddr>,
        log: &mut RequestLog,
    ) -> Result<Option<Identity>, Refusal> {
        // Its user is an issuer of `workload_auth`, one of its accounts, or one of a certificate: no password is theirs,
        // and none may reach a back end. It is refused without any work.
        if snapshot.is_of_no_password(&credentials.account) {
            return Ok(None);
        }
        let are_token = credentials.are_of_robot();
        let nameless = credentials.account.is_empty() && !are_token;
        let count = Count { telemetry: Arc::clone(&self.telemetry), nameless };
        if are_token {
            return count.ended(self.check_token(snapshot, credentials, ip, log).await);
        }
        let (login, attempt, turn) = match self.prepare(snapshot, credentials, ip).await {
            Ok(Prepared::ToCheck(login, attempt, turn)) => (login, attempt, turn),
            Ok(Prepared::Known(identity)) => return count.ended(Ok(identity)),
            Err(refusal) => return count.ended(Err(refusal)),
        };
        let pool = self.pool.clone();
        // In a task of its own, so that it comes to its end when the client hangs up. Otherwise a client with the right
        // password, which drops a request because another one was denied, would have failed; and a guesser could do so
        // uncounted.
        let verified = tokio::spawn(async move {
            let outcome = pool.verify(Arc::new(login), attempt).await;
            if let (Err(refusal), Some(turn)) = (&outcome, turn) {
                turn.unanswered(refusal);
            }
            count.ended(outcome.map(accepted))
        });
        verified.await.map_err(|_| broken_off())?
    }

    /// All that goes before a check, which is often enough.
    async fn prepare(
        &self,
        snapshot: &Arc<Snapshot>,
        credentials: Credentials,
        ip: Option<IpAddr>,
    ) -> Result<Prepared, Refusal> {
        let Credentials { account, password } = credentials;
        let users = &snapshot.authenticators.users;
        // Without a name there is nothing to guess: no bcrypt, and nothing is held against the clients that ask for a
        // token before they log in.
        let has_password = users.lookup(&account).is_some_and(User::has_password);
        let anonymous = users.anonymous().filter(|_| account.is_empty());
        let asks_somebody = has_password || snapshot.authenticators.knows_nameless();
        if anonymous.is_some() || (account.is_empty() && !asks_somebody) {
            return Ok(Prepared::Known(anonymous));
        }
        let login = Login::new(&account, password, ip);
        let counted = login.shown(&self.throttle);
        // Before what is remembered is asked: a client that has to wait learns nothing, or it would be a fast oracle.
        let passage = self.throttle.peek(&counted, Instant::now()).map_err(|after| login.too_many(after))?;
        let shown = login.digest(snapshot);
        let recall = || {
            let outcome = snapshot.remembered.recall(&shown, Instant::now())?;
            if matches!(outcome, Outcome::Accepted(_)) {
                self.throttle.prove(&counted, Instant::now());
            }
            Some(Prepared::Known(accepted(outcome)))
        };
        if let Some(known) = recall() {
            return Ok(known);
        }
        // Where nothing is remembered, waiting for another's result would bring none.
        let turn = match snapshot.settings.passwords.remember {
            Duration::ZERO => None,
            _ => Some(self.single_flight.take(shown).await),
        };
        if let Some(known) = recall() {
            return Ok(known);
        }
        if let Some(refusal) = turn.as_ref().and_then(FlightGuard::unanswered_meanwhile) {
            return Err(refusal);
        }
        let attempt = self.throttle.check(&counted, passage, Instant::now());
        match attempt.map_err(|after| login.too_many(after))? {
            Some(attempt) => {
                let attempted = Attempted { login, shown, snapshot: Arc::clone(snapshot) };
                Ok(Prepared::ToCheck(attempted, attempt, turn))
            }
            // It was wrong a moment ago.
            None => Ok(Prepared::Known(None)),
        }
    }
}

/// The next step of a login.
enum Prepared {
    /// None: the outcome is known already; `None` where the credentials prove no identity.
    Known(Option<Identity>),
    /// The password is to be checked.
    ToCheck(Attempted, Attempt, Option<FlightGuard>),
}

/// Counts how a login ends.
struct Count {
    telemetry: Arc<Telemetry>,
    /// Without a name it is none.
    nameless: bool,
}

impl Count {
    fn ended(&self, checked: Result<Option<Identity>, Refusal>) -> Result<Option<Identity>, Refusal> {
        let outcome = match &checked {
            Ok(Some(_)) => "accepted",
            Ok(None) => "failed",
            Err(refusal) if refusal.code == ErrorCode::TooManyRequests => "throttled",
            Err(refusal) if refusal.code == ErrorCode::Unauthorized => "failed",
            Err(_) => "unanswered",
        };
        if !self.nameless {
            self.telemetry.metrics.login(outcome);
        }
        checked
    }
}

impl Pool {
    /// Asks `users`, and the back ends about a name that is not there.
    async fn verify(&self, login: Arc<Attempted>, attempt: Attempt) -> Result<Outcome, Refusal> {
        match self.ask(&login, attempt.tried()).await {
            Ok(outcome) => Ok(login.ended(outcome, attempt)),
            Err(refusal) => {
                attempt.withdraw();
                Err(refusal)
            }
        }
    }

    async fn ask(&self, login: &Arc<Attempted>, tried: u32) -> Result<Outcome, Refusal> {
        let outcome = self.ask_users(Arc::clone(login), tried).await?;
        if outcome != Outcome::NoSuchUser {
            return Ok(outcome);
        }
        let Login { account, password, ip, .. } = &login.login;
        let asked = login.snapshot.authenticators.ask_backends(account, password, *ip);
        asked.await.map_err(|error| undecided(&error))
    }

    /// bcrypt, when it is its turn; before those whose address has tried more.
    async fn ask_users(&self, login: Arc<Attempted>, tried: u32) -> Result<Outcome, Refusal> {
        let Some(turn) = self.0.take(tried).await else {
            return Err(Refusal::new(ErrorCode::Unavailable, "too many logins at once").retry_after(BUSY));
        };
        let (sender, checked) = oneshot::channel();
        let check = move || {
            let _turn = turn;
            lower_priority();
            let Login { account, password, .. } = &login.login;
            let _ = sender.send(login.snapshot.authenticators.users.verify(account, password));
        };
        thread::Builder::new().name("password".to_owned()).spawn(check).map_err(|_| broken_off())?;
        checked.await.map_err(|_| broken_off())
    }
}

/// Lets all other threads of this machine go first: as many checks as there are processors would otherwise keep pulls
/// waiting. On Linux the priority is the thread's own; a thread cannot raise it again, so each check has one to itself,
/// which costs a thousandth of the check. Where the system does not allow it, the check goes on as it is.
fn lower_priority() {
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
}

fn broken_off() -> Refusal {
    Refusal::new(ErrorCode::Internal, "checking the password failed")
}

pub(super) struct Login {
    account: Box<str>,
    password: Secret,
    ip: Option<IpAddr>,
}

impl Login {
    /// A login with a password or a token.
    pub(super) fn new(account: &str, password: Secret, ip: Option<IpAddr>) -> Self {
        Self { account: account.into(), password, ip }
    }

    /// The name and the password, as they count if it fails.
    pub(super) fn shown(&self, throttle: &Throttle) -> Shown {
        throttle.shown(&self.account, &self.password, self.ip)
    }

    /// Returns its digest for the memory of the snapshot.
    fn digest(&self, snapshot: &Snapshot) -> CredentialsDigest {
        let stored = snapshot.authenticators.users.stored_hash(&self.account);
        snapshot.remembered.digest(&self.account, &self.password, stored.unwrap_or_default())
    }

    pub(super) fn too_many(&self, after: RetryAfter) -> Refusal {
        let (account, ip) = (fit_to_log(&self.account), self.ip.map(tracing::field::display));
        tracing::debug!(account, ip, "a login has to wait after failed ones");
        Refusal::new(ErrorCode::TooManyRequests, "too many failed logins; wait before you try again")
            .retry_after(after.0)
    }

    pub(super) fn failed(&self, attempt: Attempt) {
        attempt.failed(Instant::now());
        tracing::info!(
            account = fit_to_log(&self.account),
            ip = self.ip.map(tracing::field::display),
            "a login failed"
        );
    }
}

/// A login that is being verified.
struct Attempted {
    login: Login,
    shown: CredentialsDigest,
    snapshot: Arc<Snapshot>,
}

impl Attempted {
    /// Records the outcome. A failure is never remembered, except that of an empty name and password, which is no
    /// guess.
    fn ended(&self, outcome: Outcome, attempt: Attempt) -> Outcome {
        let Login { account, password, .. } = &self.login;
        let nobody = account.is_empty() && password.expose().is_empty();
        let is_accepted = matches!(outcome, Outcome::Accepted(_));
        if is_accepted || nobody {
            self.snapshot.remembered.remember(self.shown, outcome.clone(), Instant::now());
        }
        if is_accepted {
            attempt.succeeded();
        } else if nobody {
            attempt.withdraw();
        } else {
            self.login.failed(attempt);
        }
        outcome
    }
}

/// The time for which a client waits when the queue is full: bcrypt at cost 10 takes 50 ms.
const BUSY: Duration = Duration::from_secs(1);

fn accepted(outcome: Outcome) -> Option<Identity> {
    match outcome {
        Outcome::Accepted(identity) => Some(identity),
        Outcome::WrongPassword | Outcome::NoSuchUser => None,
    }
}
