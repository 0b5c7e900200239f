//! Running a command of the operator: without a shell, with bounds on what it says, and with nothing of it left behind.
//!
//! What is written to it and what its exit codes mean is known to `authn` and `authz`; how long it may take, to the gate.

use std::{
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

/// The most that is taken from standard output, in bytes.
const MOST_OUTPUT: usize = 64 << 10;
/// The most that is shown of standard error, in bytes.
const MOST_COMPLAINT: usize = 1 << 10;
/// A password shorter than this, in bytes, would show itself by the letters that are missing.
const SHORTEST_MASKED: usize = 4;
/// How long the pipes of a command may stay open when it has ended: somebody whom it started holds them.
const GRACE: Duration = Duration::from_millis(200);
/// What systemd hands to us and to nobody else: sockets, and the means to speak in our name (sd_listen_fds(3),
/// sd_notify(3), sd_watchdog_enabled(3)). All else is inherited, as by docker_auth.
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

/// How a command ended. Has no `Debug`: what it printed may be what it was told.
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
    /// future is dropped before its end. What the command leaves running is killed too if it holds on to the output.
    /// It inherits our environment, but for what systemd gave to us alone, and our directory.
    ///
    /// `secret` is kept out of what the command complains about; empty for none. Must run on a runtime with I/O.
    ///
    /// # Errors
    /// For the log: it cannot be run, or prints more than 64 KiB.
    pub(crate) async fn run(&self, input: &[u8], secret: &[u8]) -> Result<Exit, String> {
        let mut group = Group::start(self).map_err(|error| self.cannot_run(&error))?;
        let mut said = Said::default();
        group.attend(input, &mut said, MOST_COMPLAINT + secret.len()).await?;
        let status = group.reap().await.map_err(|error| self.cannot_run(&error))?;
        let complaint = harmless(&said.complaint, secret);
        Ok(Exit { code: status.code().unwrap_or(-1), output: said.output, complaint })
    }

    /// The error where its exit code is none that means anything.
    pub(crate) fn bad_exit_code(&self, exit: &Exit) -> String {
        let (code, command) = (exit.code, self.command.display());
        let of = if code == -1 { " (ended by a signal)" } else { "" };
        let said = if exit.complaint.is_empty() { String::new() } else { format!(": {}", exit.complaint) };
        format!("bad exit code {code}{of} from {command}{said}")
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
                "; somebody is writing it: replace a program by renaming the new one over it"
            }
            (_, Some(ENOEXEC)) => "; a script begins with a line as `#!/bin/sh`",
            _ => "",
        };
        format!("cannot run {}: {error}{hint}", self.command.display())
    }
}

/// What a command printed.
#[derive(Default)]
struct Said {
    output: Vec<u8>,
    complaint: Vec<u8>,
}

/// A running command and all that it starts. Dropping it kills them; the runtime reaps the leader.
struct Group {
    leader: Child,
    /// Its id, which is the group's, until it is reaped: so long it cannot be the id of anybody else.
    id: Option<Pid>,
}

impl Group {
    fn start(settings: &CommandSettings) -> io::Result<Self> {
        let leader = settings.prepared().spawn()?;
        let id = leader.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Self { leader, id })
    }

    /// Tells and hears all there is, until the leader has ended.
    async fn attend(&mut self, input: &[u8], said: &mut Said, most_complaint: usize) -> Result<(), String> {
        let (stdin, stdout, stderr) =
            (self.leader.stdin.take(), self.leader.stdout.take(), self.leader.stderr.take());
        let pipes = async {
            tokio::try_join!(
                tell(stdin, input),
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
            // Nobody is left in it, or it cannot be helped: a command that changed its user.
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
async fn tell(pipe: Option<impl AsyncWrite + Unpin>, input: &[u8]) -> Result<(), String> {
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
    // What cannot be read of a complaint changes no answer.
    while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
        let room = most.saturating_sub(output.len()).min(length);
        output.extend_from_slice(buffer.get(..room).unwrap_or_default());
    }
    Ok(())
}

/// The complaint with `***` for the secret, on one line, without control characters.
fn harmless(complaint: &[u8], secret: &[u8]) -> String {
    if (1..SHORTEST_MASKED).contains(&secret.len()) && !complaint.is_empty() {
        return "(what it complains about is not shown: the password is too short to be masked)".to_owned();
    }
    let (mut shown, mut rest, mut taken) = (Vec::new(), complaint, 0);
    while taken < MOST_COMPLAINT
        && let Some((first, others)) = rest.split_first()
    {
        match rest.strip_prefix(secret).filter(|_| !secret.is_empty()) {
            Some(behind) => {
                shown.extend_from_slice(b"***");
                (rest, taken) = (behind, taken + secret.len());
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
mod tests {
    use std::{fs, time::Instant};

    use tokio::time::sleep;

    use super::*;

    fn sh(script: &str) -> CommandSettings {
        CommandSettings { command: "/bin/sh".into(), args: vec!["-c".into(), script.into()] }
    }

    async fn run(script: &str) -> Exit {
        sh(script).run(b"a question", b"hunter2").await.unwrap_or_else(|why| panic!("{script}: {why}"))
    }

    async fn failure(script: &str) -> String {
        sh(script)
            .run(b"a question", b"hunter2")
            .await
            .err()
            .unwrap_or_else(|| panic!("{script}: no failure"))
    }

    /// The state in `/proc/<id>/stat`: `S`, `Z`, …; `None` once it is gone.
    fn state(id: &str) -> Option<char> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        stat.rsplit(") ").next()?.chars().next()
    }

    async fn is_gone(id: &str) -> bool {
        let until = Instant::now() + Duration::from_secs(5);
        while state(id).is_some() && Instant::now() < until {
            sleep(Duration::from_millis(10)).await;
        }
        state(id).is_none()
    }

    /// Runs the script for a while, then drops the question; returns the ids that it wrote into `$1`.
    async fn interrupted(script: &str) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let ids = directory.path().join("ids");
        let mut command = sh(script);
        command.args.extend(["sh".to_owned(), ids.display().to_string()]);
        let patience = Duration::from_millis(500);
        assert!(timeout(patience, command.run(b"", b"")).await.is_err(), "{script}: it should hang");
        fs::read_to_string(ids).unwrap().split_whitespace().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn input_output_and_exit_code_go_through_as_they_are() {
        let exit = run("cat; echo; exit 7").await;
        assert_eq!((exit.code, exit.output.as_slice()), (7, &b"a question\n"[..]));
        assert_eq!(run("kill -9 $$").await.code, -1);
        // Nobody reads a word of it.
        let long = vec![b'x'; 1 << 20];
        assert_eq!(sh("exit 0").run(&long, b"").await.ok().map(|exit| exit.code), Some(0));
        let exit = sh("wc -c").run(&long, b"").await.ok().unwrap();
        assert_eq!(String::from_utf8_lossy(&exit.output).trim(), "1048576");
    }

    #[tokio::test]
    async fn a_command_that_hangs_is_killed_with_all_it_started_and_reaped() {
        let ids =
            interrupted("echo $$ >$1; sleep 600 & echo $! >>$1; (sleep 601 & echo $! >>$1; wait)").await;
        assert_eq!(ids.len(), 3);
        for id in ids {
            assert!(is_gone(&id).await, "{id} is {:?}", state(&id));
        }
    }

    #[tokio::test]
    async fn who_is_left_behind_with_the_output_open_is_killed_and_not_waited_for() {
        let started = Instant::now();
        let exit = run("printf answer; sleep 600 & echo $! >&2; exit 0").await;
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        assert_eq!((exit.code, exit.output.as_slice()), (0, &b"answer"[..]));
        assert!(is_gone(&exit.complaint).await, "{} is {:?}", exit.complaint, state(&exit.complaint));
    }

    #[tokio::test]
    async fn who_let_go_of_the_output_may_stay() {
        let exit = run("sleep 600 >/dev/null 2>&1 & printf $!").await;
        let id = String::from_utf8(exit.output).unwrap();
        assert_eq!(state(&id), Some('S'));
        let id = Pid::from_raw(id.parse().unwrap()).unwrap();
        rustix::process::kill_process(id, Signal::KILL).unwrap();
    }

    #[tokio::test]
    async fn output_without_end_is_an_error_and_its_end() {
        assert_eq!(
            failure("echo $$; yes").await,
            "it printed more than 65536 bytes; let it print its answer only"
        );
        let exact = run("head -c 65536 /dev/zero").await;
        assert_eq!(exact.output.len(), 65536);
        // Complaints are read to their end, so that nobody waits for a reader, and kept only so far.
        let exit = run("head -c 300000 /dev/zero | tr '\\0' x >&2; exit 3").await;
        assert_eq!((exit.code, exit.complaint.len()), (3, MOST_COMPLAINT));
    }

    #[tokio::test]
    async fn rule_16_a_complaint_is_shown_without_the_password_and_cannot_forge_a_line() {
        let exit = run("printf 'no\\033[2J hunter2\\nhunter2: no such \\377 user' >&2; exit 3").await;
        assert_eq!(
            sh("").bad_exit_code(&exit),
            "bad exit code 3 from /bin/sh: no\\u{1b}[2J ***\\n***: no such \u{fffd} user"
        );
        let cut = [&vec![b'x'; MOST_COMPLAINT - 3][..], b"hunter2", b"hunter2"].concat();
        assert!(
            harmless(&cut[..MOST_COMPLAINT + 7], b"hunter2").ends_with("x***"),
            "the cut hides nothing of it"
        );
        assert!(harmless(b"xa ya", b"a").contains("not shown"));
        assert_eq!(harmless(b"", b"a"), "");
        let killed = run("kill -9 $$").await;
        assert_eq!(sh("").bad_exit_code(&killed), "bad exit code -1 (ended by a signal) from /bin/sh");
    }

    #[tokio::test]
    async fn a_program_that_cannot_be_run_is_named_with_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| CommandSettings { command: directory.path().join(name), args: Vec::new() };
        fs::write(directory.path().join("plain"), "#!/bin/sh\n").unwrap();
        let why = |command: CommandSettings| async move { command.run(b"", b"").await.err().unwrap() };
        let missing = why(file("missing")).await;
        assert!(
            missing.starts_with(&format!("cannot run {}/missing: No such file", directory.path().display()))
        );
        assert!(missing.contains("put it back"), "{missing}");
        assert!(why(file("plain")).await.contains("run `chmod +x` on it"));
    }

    #[tokio::test]
    async fn the_environment_goes_through_but_for_what_systemd_gave_to_us_alone() {
        // Tests may not change their own environment, so this looks at what the child's is made of.
        let command = sh("").prepared();
        let changed: Vec<_> = command.as_std().get_envs().collect();
        let mut removed = NOT_INHERITED.map(|name| (name.as_ref(), None));
        removed.sort_unstable();
        assert_eq!(changed, removed);
        let exit = run("printf '%s' \"$PATH\"").await;
        assert_eq!(exit.output, std::env::var("PATH").unwrap().as_bytes());
    }

    #[tokio::test]
    async fn descriptors_of_ours_stay_ours() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let exit = run("ls -l /proc/self/fd").await;
        let open = String::from_utf8(exit.output).unwrap();
        assert!(open.contains(" 0 -> pipe:"), "{open}");
        assert!(!open.contains(file.path().to_str().unwrap()) && !open.contains("socket:"), "{open}");
        drop(listener);
    }
}
