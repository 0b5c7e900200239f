//! The control socket: `portwarden freeze`, `thaw`, `status`, `revoke`, `token list`, `untag`, `prune` and `activity` speak
//! to the running server through it.
//!
//! A Unix socket for its owner, and only root and the user that the server runs as are listened to (SO_PEERCRED). One
//! request a connection, a line of JSON; the answer is one or several lines. The end of a freeze is kept in a file
//! beside the socket, so that a restart in the middle of a garbage collection does not thaw it.

mod activity;
mod freeze;
mod messages;
mod personal_tokens;
mod prune;
mod release;
mod revocation;
mod untag;

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{interval, timeout},
};

use super::{ACCEPT_PAUSE, listener::remove_stale_socket};
use crate::{
    acme::Acme,
    proxy::{Freeze, FreezeStatus, PruneRequest, Service, Totals},
    telemetry::{Event, Record, Telemetry},
};
pub use messages::{ControlAnswer, ControlRequest, PersonalTokenEntry, RevocationEntry, RobotTokenEntry};

/// The control socket of a server.
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
    handler: Arc<ControlHandler>,
}

/// The longest request line: of `prune` with some hundred repositories, of `activity import` with some hundred records.
const LONGEST: u64 = 64 << 10;
/// The longest freeze, and the longest drain.
const LONGEST_FREEZE: Duration = Duration::from_secs(24 * 3600);
/// For the request line to come.
const DEADLINE: Duration = Duration::from_secs(10);
/// The last second whose year has four digits.
const LAST_SECOND: u64 = 253_402_300_799;
/// The interval between reports on a freeze to a waiting client.
const TELL: Duration = Duration::from_millis(500);

impl Control {
    /// Listens at `path`, for the owner only. A freeze that a server before this one left behind is in force when this
    /// returns, so it comes before the first client. Within a tokio runtime.
    ///
    /// # Errors
    /// The directory does not exist or cannot be written, or another server listens there.
    pub fn bind(path: &Path, service: &Arc<Service>, acme: Option<Arc<Acme>>) -> io::Result<Self> {
        remove_stale_socket(path)?;
        let listener = UnixListener::bind(path)?;
        // A client that connects in between must prove its user all the same.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        let handler = Arc::new(ControlHandler {
            service: Arc::clone(service),
            acme,
            freeze: service.freeze().clone(),
            telemetry: Arc::clone(service.telemetry()),
            kept: path.with_extension("frozen-until"),
        });
        handler.resume();
        Ok(Self { listener, path: path.to_owned(), handler })
    }

    /// Answers for ever.
    pub async fn serve(self) {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let handler = Arc::clone(&self.handler);
            tokio::spawn(async move {
                if let Err(error) = handler.answer(stream).await {
                    tracing::debug!(%error, "a connection to the control socket broke");
                }
            });
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The server's side of the socket.
struct ControlHandler {
    service: Arc<Service>,
    acme: Option<Arc<Acme>>,
    freeze: Freeze,
    telemetry: Arc<Telemetry>,
    /// The file with the end of a freeze, in seconds since 1970, and the id of one of all replicas.
    kept: PathBuf,
}

impl ControlHandler {
    async fn answer(self: &Arc<Self>, stream: UnixStream) -> io::Result<()> {
        let user = stream.peer_cred()?.uid();
        let (read, mut write) = stream.into_split();
        let is_ours = user == 0 || user == rustix::process::geteuid().as_raw();
        if !is_ours {
            return say(&mut write, &refused("only root may do that")).await;
        }
        let mut lines = BufReader::new(read.take(LONGEST));
        let mut line = String::new();
        timeout(DEADLINE, lines.read_line(&mut line)).await.map_err(io::Error::other)??;
        match serde_json::from_str(&line) {
            Ok(ControlRequest::Freeze { seconds, drain_seconds }) => {
                let time = |seconds: u64| Duration::from_secs(seconds).min(LONGEST_FREEZE);
                let (length, drain) = (time(seconds), time(drain_seconds));
                self.freeze(length, drain, user, lines.into_inner().into_inner(), write).await
            }
            Ok(ControlRequest::Thaw) => say(&mut write, &self.thaw(user).await).await,
            Ok(ControlRequest::Status) => say(&mut write, &freeze_status(self.freeze.status())).await,
            Ok(ControlRequest::Shadow) => say(&mut write, &self.shadow()).await,
            Ok(ControlRequest::Certificate) => say(&mut write, &self.certificate()).await,
            Ok(ControlRequest::Notifications) => say_all(&mut write, &self.deliveries()).await,
            Ok(ControlRequest::Revoke { target, is_jti, forget }) => {
                say(&mut write, &self.revoke_and(&target, is_jti, forget, user).await).await
            }
            Ok(ControlRequest::Untag { repository, tag }) => {
                say(&mut write, &self.untag(&repository, &tag, user).await).await
            }
            Ok(ControlRequest::Release { repository, tag }) => {
                say(&mut write, &self.release(&repository, &tag, user).await).await
            }
            Ok(ControlRequest::Prune { apply, kept, repositories }) => {
                let request = PruneRequest { apply, kept, repositories, user };
                self.prune(request, lines.into_inner().into_inner(), write).await
            }
            Ok(ControlRequest::Activity { repository, reference, account, since }) => {
                let wanted = activity::Wanted { repository, reference, account, since };
                self.activity(&wanted, &mut write).await
            }
            Ok(ControlRequest::ImportActivity { entries }) => {
                say(&mut write, &self.import_activity(entries).await).await
            }
            Ok(ControlRequest::ExtendActivity { from, until }) => {
                say(&mut write, &self.extend_activity(from, until).await).await
            }
            Ok(ControlRequest::Tokens { account }) => {
                say_all(&mut write, &self.tokens(account.as_deref())).await
            }
            Ok(ControlRequest::Revocations { account }) => {
                say_all(&mut write, &self.revocations(&account)).await
            }
            Err(_) => {
                say(&mut write, &refused("another version of portwarden? This is not understood")).await
            }
        }
    }

    /// Freezes, and reports the progress. When the client goes away before it is done, the freeze is called off.
    async fn freeze(
        self: &Arc<Self>,
        length: Duration,
        drain: Duration,
        user: u32,
        mut asker: OwnedReadHalf,
        mut write: OwnedWriteHalf,
    ) -> io::Result<()> {
        tracing::warn!(seconds = length.as_secs(), user, "freezing writes");
        let gone = async move { asker.read_u8().await };
        let frozen = tokio::select! {
            // The result goes before the progress.
            biased;
            frozen = self.freeze_all(length, drain) => frozen,
            error = self.tell(&mut write) => return self.called_off(error),
            _ = gone => return self.called_off(io::ErrorKind::BrokenPipe.into()),
        };
        let (cut_off, replicas) = match frozen {
            Ok(frozen) => frozen,
            Err(why) => {
                tracing::warn!(why, user, "the freeze failed");
                return say(&mut write, &refused(&why)).await;
            }
        };
        // One of all replicas is in their state, and each tells when it ends.
        if !self.service.state().is_shared() {
            self.keep(length, None);
            self.watch();
        }
        tracing::warn!(seconds = length.as_secs(), cut_off, "writes are frozen");
        self.record(&format!("frozen for {} s by user {user}; {cut_off} writes cut off", length.as_secs()));
        say(&mut write, &ControlAnswer::Frozen { seconds: length.as_secs(), cut_off, replicas }).await
    }

    fn called_off(&self, error: io::Error) -> io::Result<()> {
        tracing::warn!("the freeze was called off: the command that asked for it did not wait");
        Err(error)
    }

    /// Says how many pushes are under way, as often as that changes. What comes after is for `freeze` to say.
    async fn tell(&self, write: &mut OwnedWriteHalf) -> io::Error {
        let mut ticks = interval(TELL);
        let mut told = None;
        loop {
            ticks.tick().await;
            let FreezeStatus::Draining { pushes } = self.freeze.status() else { continue };
            if told != Some(pushes) {
                if let Err(error) = say(write, &ControlAnswer::Draining { pushes }).await {
                    return error;
                }
                told = Some(pushes);
            }
        }
    }

    async fn thaw(&self, user: u32) -> ControlAnswer {
        if let Err(error) = self.service.state().thaw().await {
            return refused(&format!(
                "the thaw may not have reached the database, so some replicas may still be frozen: {error}; run \
                 `portwarden thaw` again once the database answers"
            ));
        }
        let thawed = self.freeze.thaw();
        let _ = fs::remove_file(&self.kept);
        if thawed {
            tracing::warn!(user, "writes are thawed");
            self.record(&format!("thawed by user {user}"));
        }
        ControlAnswer::Open { thawed }
    }

    /// Tells when a freeze ends by itself.
    fn watch(self: &Arc<Self>) {
        let handler = Arc::clone(self);
        tokio::spawn(async move {
            if handler.freeze.expired().await {
                let _ = fs::remove_file(&handler.kept);
                tracing::warn!("writes are thawed: the time of the freeze is over");
                handler.record("thawed: its time was over");
            }
        });
    }

    fn shadow(&self) -> ControlAnswer {
        let snapshot = self.service.snapshot();
        let Some(shadow) = &snapshot.shadow else { return ControlAnswer::End };
        let Totals { gain, loss, undecided } = shadow.totals();
        let until = UNIX_EPOCH + Duration::from_secs(shadow.until().min(LAST_SECOND));
        let until = humantime::format_rfc3339_seconds(until).to_string();
        ControlAnswer::Shadow { file: shadow.file().to_owned(), until, gain, loss, undecided }
    }

    fn certificate(&self) -> ControlAnswer {
        self.acme.as_ref().map_or(ControlAnswer::End, |acme| ControlAnswer::Certificate(acme.reading()))
    }

    fn deliveries(&self) -> Vec<ControlAnswer> {
        self.telemetry.events.deliveries().into_iter().map(ControlAnswer::Endpoint).collect()
    }

    fn record(&self, what: &str) {
        let mut record = Record::new(Event::Freeze);
        record.time = SystemTime::now();
        record.reason = Some(what.to_owned());
        self.telemetry.audit.write(&record);
    }
}

fn freeze_status(status: FreezeStatus) -> ControlAnswer {
    match status {
        FreezeStatus::Open => ControlAnswer::Open { thawed: false },
        FreezeStatus::Draining { pushes } => ControlAnswer::Draining { pushes },
        FreezeStatus::Frozen { left } => {
            ControlAnswer::Frozen { seconds: left.as_secs(), cut_off: 0, replicas: None }
        }
    }
}

fn refused(why: &str) -> ControlAnswer {
    ControlAnswer::Refused { why: why.to_owned() }
}

async fn say_all(write: &mut OwnedWriteHalf, answers: &[ControlAnswer]) -> io::Result<()> {
    for answer in answers {
        say(write, answer).await?;
    }
    say(write, &ControlAnswer::End).await
}

async fn say(write: &mut OwnedWriteHalf, answer: &ControlAnswer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    write.write_all(&line).await
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
