//! Logins with a JWT of an issuer of `workload_auth`, and what wrong ones cost their sender.
//!
//! A wrong JWT is no guess: a signature is not found by trying. It costs work, so it is counted by the address of the
//! client, and never by the issuer's name, which all jobs share.

use std::{
    fmt,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{
    authn::{Identity, Secret},
    limits::{Buckets, CheckQueue, Network, Rate},
    proxy::{Snapshot, auth::claims_unavailable, request_log::RequestLog, snapshot::unix_now},
    registry::{ErrorCode, Refusal},
    state::Ended,
    telemetry::Telemetry,
    workload::{Issuer, JwtError, Login, Unproved},
};

/// Signatures that are checked at once, and those that may wait: each takes a tenth of a millisecond.
const AT_ONCE: usize = 2;
const WAITING: usize = 256;
/// Wrong JWTs of one address, and the time after which there may be one more.
const WRONG: Rate = Rate { burst: 60, interval: Duration::from_secs(1) };
/// Networks that are known at the same time; each takes less than 50 bytes.
const NETWORKS: usize = 16 * 1024;
/// The time for which a client waits when the queue is full.
const BUSY: Duration = Duration::from_secs(1);

/// The queue of signature checks, and the wrong JWTs of each client. Outlives reloads.
pub(crate) struct WorkloadLogins {
    queue: CheckQueue,
    wrong: Mutex<Buckets>,
    telemetry: Arc<Telemetry>,
}

impl WorkloadLogins {
    /// An empty queue.
    pub(crate) fn new(telemetry: Arc<Telemetry>) -> Self {
        Self {
            queue: CheckQueue::new(AT_ONCE, WAITING),
            wrong: Mutex::new(Buckets::new(NETWORKS)),
            telemetry,
        }
    }

    /// The identity that a JWT of `issuer` proves.
    ///
    /// # Errors
    /// 401 with what is wrong with the JWT; 429 to a client that sent too many wrong ones; 503 where the keys of the
    /// issuer cannot be fetched, or too many signatures are waiting. The last two have `Retry-After`.
    pub(crate) async fn check(
        &self,
        snapshot: &Snapshot,
        issuer: &Arc<Issuer>,
        jwt: &Secret,
        (ip, log): (Option<IpAddr>, &mut RequestLog),
    ) -> Result<Identity, Refusal> {
        let checked = self.prove(issuer, jwt, ip).await.and_then(|login| not_revoked(snapshot, login));
        let outcome = match &checked {
            Ok(_) => "accepted",
            Err(refusal) if refusal.code == ErrorCode::Unauthorized => "failed",
            Err(refusal) if refusal.code == ErrorCode::TooManyRequests => "throttled",
            Err(_) => "unanswered",
        };
        self.telemetry.metrics.login(outcome);
        let login = checked?;
        log.proved_by(&login);
        let session = snapshot.workload.begin(&login, unix_now());
        let key_id = login.logged_key_id();
        let Login { account, labels, id, .. } = login;
        tracing::debug!(issuer = issuer.name(), account, jti = id, kid = key_id, "a JWT was taken");
        Ok(Identity::of_workload(&account, labels, session))
    }

    async fn prove(&self, issuer: &Arc<Issuer>, jwt: &Secret, ip: Option<IpAddr>) -> Result<Login, Refusal> {
        self.admit(ip, Instant::now())?;
        let looked_at = match jwt.expose_text() {
            Some(text) => issuer.look_at(text, unix_now()).await,
            None => Err(JwtError::Malformed),
        };
        let proved = match looked_at {
            Ok(unproved) => {
                self.check_signature(unproved, ip).await?.inspect_err(|_| self.count(ip, Instant::now()))
            }
            // It has cost no signature. Counted, one client could keep out the jobs of its address with anything at all.
            Err(error) => Err(error),
        };
        match proved {
            Ok(login) => Ok(login),
            Err(JwtError::KeysUnavailable(after)) => {
                let why = "the keys of the issuer cannot be fetched now";
                Err(Refusal::new(ErrorCode::Unavailable, why).retry_after(after))
            }
            Err(error) => {
                let ip = ip.map(tracing::field::display);
                tracing::info!(issuer = issuer.name(), ip, "a login with a JWT failed: {error}");
                // The reason is sent: the reader of the answer has the JWT, and the log is not the job's.
                Err(Refusal::new(
                    ErrorCode::Unauthorized,
                    format!("Auth failed. The JWT is no login: {error}"),
                ))
            }
        }
    }

    /// Off the threads of connections, a bounded number at a time.
    async fn check_signature(
        &self,
        unproved: Unproved,
        ip: Option<IpAddr>,
    ) -> Result<Result<Login, JwtError>, Refusal> {
        let Some(turn) = self.queue.take(self.tried(ip, Instant::now())).await else {
            return Err(Refusal::new(ErrorCode::Unavailable, "too many logins at once").retry_after(BUSY));
        };
        let checked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            unproved.prove()
        });
        checked.await.map_err(|_| Refusal::new(ErrorCode::Internal, "checking the JWT failed"))
    }

    fn admit(&self, ip: Option<IpAddr>, now: Instant) -> Result<(), Refusal> {
        // An unknown address, as through a Unix socket, may stand for many clients.
        if ip.is_none() {
            return Ok(());
        }
        self.wrong.lock().wait(Network::from(ip), WRONG, now).map_err(|after| {
            let why = "too many wrong tokens from your address; wait before you try again";
            Refusal::new(ErrorCode::TooManyRequests, why).retry_after(after)
        })
    }

    fn count(&self, ip: Option<IpAddr>, now: Instant) {
        if ip.is_none() {
            return;
        }
        let _ = self.wrong.lock().take(Network::from(ip), WRONG, now);
    }

    fn tried(&self, ip: Option<IpAddr>, now: Instant) -> u32 {
        self.wrong.lock().missing(Network::from(ip), WRONG, now)
    }
}

/// Refuses a JWT that was revoked, or that is older than a revocation of its account. It is right, so it counts against
/// no address.
fn not_revoked(snapshot: &Snapshot, login: Login) -> Result<Login, Refusal> {
    let Login { account, id, issued_at, .. } = &login;
    snapshot.state.check_jwt(account, id.as_deref(), *issued_at).map_err(|ended| {
        tracing::info!(account, jti = id, ?ended, "a login with a JWT failed: it was revoked");
        let why = match ended {
            Ended::Unknown => return claims_unavailable(),
            Ended::Token => "Auth failed. The JWT was revoked: request another",
            Ended::Account => {
                "Auth failed. The JWT was issued before its account was revoked, or within a minute after it: request \
                 another after that minute"
            }
            Ended::OtherState => {
                "Auth failed. The JWT was issued before everything was revoked or the state file was made, or within a \
                 minute after it: request another after that minute"
            }
        };
        Refusal::new(ErrorCode::Unauthorized, why)
    })?;
    Ok(login)
}

/// The addresses of clients are kept private.
impl fmt::Debug for WorkloadLogins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WorkloadLogins")
    }
}
