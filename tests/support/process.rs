//! Long-running children (registry, Portwarden, dockerd, containerd): started, watched through their log, ended by
//! their own id. What runs to its end is in `command`.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::programs;
pub use super::waiting::{PATIENCE, eventually, pause};

/// A child with its output in a file. Dropping it sends SIGTERM, then SIGKILL.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` with `args` and an environment of `PATH` and `environment` only; output is added to `log`.
    pub fn start(program: &str, args: &[&str], environment: &[(&str, &str)], log: &Path) -> Self {
        programs::require(program);
        let output = File::options().create(true).append(true).open(log).expect("log file");
        // The kernel ends the child when the test process dies without dropping anything (Ctrl-C, a CI time-out).
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--", program]).args(args);
        super::command::only_environment(&mut command, environment);
        command.stdin(Stdio::null()).stdout(output.try_clone().expect("log file")).stderr(output);
        let child = spawn(command).unwrap_or_else(|e| panic!("cannot start {program}: {e}"));
        Self { name: program.rsplit('/').next().unwrap_or(program).to_owned(), child, log: log.to_owned() }
    }

    /// Waits until the log, from byte `from`, has `text`; returns the first line with it.
    pub fn wait_for_log(&mut self, from: usize, text: &str) -> String {
        self.wait_for(from, text, |line| line.contains(text))
    }

    /// Waits until the log, from byte `from`, has such a line; returns the first.
    pub fn wait_for_line(&mut self, from: usize, is_it: impl Fn(&str) -> bool) -> String {
        self.wait_for(from, "what is waited for", is_it)
    }

    fn wait_for(&mut self, from: usize, text: &str, is_it: impl Fn(&str) -> bool) -> String {
        let found = |log: &str| log.lines().find(|line| is_it(line)).map(str::to_owned);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended = self.child.try_wait().expect("wait");
            let log = self.log();
            if let Some(line) = found(whole_lines(&log).get(from..).unwrap_or_default()) {
                return line;
            }
            assert!(ended.is_none(), "{} ended ({ended:?}) before it said {text:?}:\n{log}", self.name);
            assert!(Instant::now() < deadline, "{} did not say {text:?}:\n{log}", self.name);
            pause(Duration::from_millis(10));
        }
    }

    /// Waits until a line of the log has `text`, and returns the first; fails the test when none comes.
    #[track_caller]
    pub fn says(&self, text: &str) -> String {
        let said = || whole_lines(&self.log()).lines().find(|line| line.contains(text)).map(str::to_owned);
        assert!(
            eventually(PATIENCE, || said().is_some()),
            "{} did not say {text:?}:\n{}",
            self.name,
            self.log()
        );
        said().expect("it was there")
    }

    /// All it has printed.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        // A child that has ended and is not yet waited for keeps its id, so this cannot hit a stranger.
        let _ =
            Command::new("kill").args(["-s", name, &self.id().to_string()]).stderr(Stdio::null()).status();
        if name == "STOP" {
            let stands = eventually(PATIENCE, || self.stands_still());
            assert!(stands, "the process goes on after SIGSTOP");
        }
    }

    /// Returns true if all its threads are stopped: a signal reaches them one after the other.
    fn stands_still(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.id())).expect("its threads");
        let state = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        threads
            .flatten()
            .all(|thread| state(thread).rsplit(')').next().is_some_and(|rest| rest.starts_with(" T")))
    }

    /// Returns true while it runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("wait").is_none()
    }

    /// Ends it at once, with connections open: what a crash looks like from outside.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, then waits; SIGKILL when that does not help. Returns how it ended.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        if self.is_running() {
            self.signal("TERM");
        }
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("wait") {
                return Some(status);
            }
            pause(Duration::from_millis(5));
        }
        self.kill();
        None
    }

    /// Returns the number of its open descriptors: sockets, files, pipes.
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.id())).expect("a running process").count()
    }

    /// The time that processors have spent on it, in user and system mode (proc_pid_stat(5)).
    pub fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("a running process");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        let ticks: u64 = [11, 12].iter().map(|field| fields[*field].parse::<u64>().expect("ticks")).sum();
        Duration::from_millis(ticks * 10)
    }

    /// A line of `/proc/<id>/status` in KiB: `VmRSS` (resident now), `VmHWM` (the most it ever was).
    pub fn memory_kib(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse().ok()).expect("KiB")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// All but a last line that is still on its way.
pub fn whole_lines(text: &str) -> &str {
    text.rfind('\n').map_or("", |end| &text[..=end])
}

/// Starts children from one thread that never ends. The kernel sends the death signal when the *thread* that
/// started the child ends, and a test's thread ends before the parts it shares with other tests.
fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static SPAWNER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, orders) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in orders {
                let _ = answer.send(command.spawn());
            }
        });
        sender
    });
    let (answer, child) = mpsc::channel();
    spawner.send((command, answer)).expect("the spawner runs");
    child.recv().expect("the spawner answers")
}
