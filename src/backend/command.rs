//! Running a command of the operator: without a shell, with bounds on what it says, and with nothing of it left behind.
//!
//! The meaning of its input and of its exit codes is known to `authn` and `authz`; its timeout, to the gate.

mod orphans;

use std::{
    cmp::Reverse,
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use orphans::ChildReaper;

/// The most that is taken from standard output, in bytes.
const MOST_OUTPUT: usize = 256 << 10;
/// The most that is shown of standard error, in bytes.
const MOST_COMPLAINT: usize = 1 << 10;
/// A word of a password shorter than this, in bytes, would show itself by the letters that are missing.
const SHORTEST_MASKED: usize = 4;
/// The time for which the pipes of a command may stay open after it has ended: a process that it started holds them.
const GRACE: Duration = Duration::from_millis(200);
/// Variables that systemd sets for Portwarden alone: sockets, and the means to speak in its name (sd_listen_fds(3),
/// sd_notify(3), sd_watchdog_enabled(3)). All others are inherited, as by docker_auth.
const NOT_INHERITED: [&str; 6] =
    ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// A command and its arguments (`ext_auth:`, `ext_authz:`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSettings {
    /// The program, absolute: what is written was looked up in `PATH`, or starts at the configuration's directory.
    pub command: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

/// The result of a command. Has no `Debug`: its output may repeat its input.
pub(crate) struct Exit {
    /// The exit code; -1 when a signal ended it, as in docker_auth.
    pub(crate) code: i32,
    /// All of standard output. Not for logs.
    pub(crate) output: Vec<u8>,
    /// For the log: the beginning of standard error without control characters and without the secret.
    complaint: String,
}

impl CommandSettings {
    /// Runs the command with `input` on its standard input, in a process group of its own, which is killed when the
    /// future is dropped before its end. Processes that the command leaves running are killed too if they hold on to
    /// the output. It inherits Portwarden's directory and environment, except for the variables that systemd gave to
    /// Portwarden alone.
    ///
    /// `secret` is masked in the command's error messages; empty for none. Must run on a runtime with I/O.
    ///
    /// # Errors
    /// For the log: it cannot be run, or prints more than 256 KiB.
    pub(crate) async fn run(&self, input: &[u8], secret: &[u8]) -> Result<Exit, String> {
        let mut group = Group::start(self).map_err(|error| self.cannot_run(&error))?;
        let mut said = CommandOutput::default();
        group.attend(input, &mut said, MOST_COMPLAINT + secret.len()).await?;
        let status = group.reap().await.map_err(|error| self.cannot_run(&error))?;
        let complaint = harmless(&said.complaint, secret);
        Ok(Exit { code: status.code().unwrap_or(-1), output: said.output, complaint })
    }

    /// The error where its exit code is none of those with a meaning.
    pub(crate) fn bad_exit_code(&self, exit: &Exit, meaning: &str) -> String {
        let (code, command) = (exit.code, self.command.display());
        let of = if code == -1 { " (ended by a signal)" } else { "" };
        let said = if exit.complaint.is_empty() { String::new() } else { format!(": {}", exit.complaint) };
        format!("bad exit code {code}{of} from {command}, where {meaning}{said}")
    }

    fn prepared(&self) -> Command {
        let mut command = Command::new(&self.command);
        command.args(&self.args).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in NOT_INHERITED {
            command.env_remove(name);
        }
        command
    }

    fn cannot_run(&self, error: &io::Error) -> String {
        /// exec(2): neither a binary nor a script that says what reads it.
        const ENOEXEC: i32 = 8;
        let hint = match (error.kind(), error.raw_os_error()) {
            (io::ErrorKind::NotFound, _) => {
                "; put it back, or correct the first line of the script: what it names is not there"
            }
            (io::ErrorKind::PermissionDenied, _) => {
                "; run `chmod +x` on it, and let this user enter the directories it is in"
            }
            (io::ErrorKind::ExecutableFileBusy, _) => {
                "; another process is writing it: replace a program by renaming the new one over it"
            }
            (_, Some(ENOEXEC)) => "; a script begins with a line as `#!/bin/sh`",
            _ => "",
        };
        format!("cannot run {}: {error}{hint}", self.command.display())
    }
}

/// The output of a command.
#[derive(Default)]
struct CommandOutput {
    output: Vec<u8>,
    complaint: Vec<u8>,
}

/// A running command and all that it starts. Dropping it kills them; the runtime reaps the leader.
struct Group {
    leader: Child,
    /// Its id, which is the group's, until it is reaped: until then no other process can have that id.
    id: Option<Pid>,
    /// Behind the leader, since fields are dropped in their order.
    _left: ChildReaper,
}

impl Group {
    fn start(settings: &CommandSettings) -> io::Result<Self> {
        orphans::reap();
        let leader = settings.prepared().spawn()?;
        let id = leader.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Self { leader, id, _left: ChildReaper(id) })
    }

    /// Tells and hears all there is, until the leader has ended.
    async fn attend(
        &mut self,
        input: &[u8],
        said: &mut CommandOutput,
        most_complaint: usize,
    ) -> Result<(), String> {
        let (stdin, stdout, stderr) =
            (self.leader.stdin.take(), self.leader.stdout.take(), self.leader.stderr.take());
        let pipes = async {
            tokio::try_join!(
                write_input(stdin, input),
                hear_all(stdout, &mut said.output),
                hear_some(stderr, &mut said.complaint, most_complaint)
            )
        };
        tokio::pin!(pipes);
        tokio::select! {
            all = &mut pipes => {
                all?;
                self.leader_ends().await?;
            }
            ended = self.leader_ends() => {
                ended?;
                match timeout(GRACE, pipes).await {
                    Ok(all) => drop(all?),
                    Err(_) => self.kill(),
                }
            }
        }
        Ok(())
    }

    /// Waits for the end of the leader and does not reap it: the group keeps its id.
    async fn leader_ends(&self) -> Result<(), String> {
        let cannot = |error: io::Error| format!("cannot wait for a command: {error}");
        let mut children = signal(SignalKind::child()).map_err(cannot)?;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while let Some(id) = self.id
            && waitid(WaitId::Pid(id), options).map_err(|error| cannot(error.into()))?.is_none()
        {
            children.recv().await;
        }
        Ok(())
    }

    async fn reap(&mut self) -> io::Result<ExitStatus> {
        let status = self.leader.wait().await?;
        self.id = None;
        Ok(status)
    }

    fn kill(&self) {
        if let Some(id) = self.id {
            // The group is empty, or it cannot be killed: a command that changed its user.
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Writes the input and closes the pipe. A command that does not read it decides without it.
async fn write_input(pipe: Option<impl AsyncWrite + Unpin>, input: &[u8]) -> Result<(), String> {
    if let Some(mut pipe) = pipe {
        let _ = pipe.write_all(input).await;
    }
    Ok(())
}

/// Reads to the end.
async fn hear_all(pipe: Option<impl AsyncRead + Unpin>, output: &mut Vec<u8>) -> Result<(), String> {
    let Some(pipe) = pipe else { return Ok(()) };
    let most = MOST_OUTPUT as u64 + 1;
    pipe.take(most).read_to_end(output).await.map_err(|error| format!("cannot read its output: {error}"))?;
    if output.len() > MOST_OUTPUT {
        return Err(format!("it printed more than {MOST_OUTPUT} bytes; let it print its answer only"));
    }
    Ok(())
}

/// Reads to the end and keeps the first `most` bytes.
async fn hear_some(
    pipe: Option<impl AsyncRead + Unpin>,
    output: &mut Vec<u8>,
    most: usize,
) -> Result<(), String> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    let mut buffer = [0; 1024];
    // An unreadable rest of its messages changes no answer.
    while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
        let room = most.saturating_sub(output.len()).min(length);
        output.extend_from_slice(buffer.get(..room).unwrap_or_default());
    }
    Ok(())
}

/// The error message with `***` for each word of the secret, which a script may have split, on one line, without
/// control characters.
fn harmless(complaint: &[u8], secret: &[u8]) -> String {
    let mut words: Vec<&[u8]> =
        secret.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    // Of two that begin alike the longer one, or its end would show.
    words.sort_unstable_by_key(|word| Reverse(word.len()));
    if words.last().is_some_and(|shortest| shortest.len() < SHORTEST_MASKED) && !complaint.is_empty() {
        return "(what it complains about is not shown: the password is too short to be masked)".to_owned();
    }
    let (mut shown, mut rest, mut taken) = (Vec::new(), complaint, 0);
    while taken < MOST_COMPLAINT
        && let Some((first, others)) = rest.split_first()
    {
        match words.iter().find_map(|word| Some((word.len(), rest.strip_prefix(*word)?))) {
            Some((length, behind)) => {
                shown.extend_from_slice(b"***");
                (rest, taken) = (behind, taken + length);
            }
            None => {
                shown.push(*first);
                (rest, taken) = (others, taken + 1);
            }
        }
    }
    String::from_utf8_lossy(&shown).trim().escape_debug().to_string()
}

#[cfg(test)]
mod tests;
