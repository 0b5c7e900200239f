//! A journal of its own: a real `systemd-journald` in a mount namespace, which hands its files to nothing else. Needs
//! root.

use std::{
    fs,
    io::Write as _,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    process::Stdio,
    time::Duration,
};

use tempfile::TempDir;

use super::{
    command,
    process::{Process, eventually},
};

/// Its path on Debian; it is outside the shell's `PATH`.
const JOURNALD: &str = "/lib/systemd/systemd-journald";

/// A running journal, with the default rate limit but for its burst, which is small: what one unit may write in half a
/// minute.
pub struct Journal {
    process: Process,
    directory: TempDir,
}

/// Lines in half a minute at least; journald allows some times as many where there is much free space.
const BURST: usize = 100;

impl Journal {
    /// Starts one that knows of the rate limit of `unit` what its file says, as systemd tells it (`systemd.exec(5)`).
    pub fn start(unit: &str, text: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("portwarden-journal-").tempdir().unwrap();
        fs::create_dir(directory.path().join("files")).unwrap();
        let limit = text.lines().find_map(|line| line.strip_prefix("LogRateLimitIntervalSec="));
        let link = limit.map(|seconds| {
            format!("ln -s {seconds}000000 /run/systemd/units/log-rate-limit-interval:{unit}")
        });
        let script = format!(
            "set -e
            test -e /etc/machine-id || {{ echo 'this machine has no /etc/machine-id'; exit 1; }}
            mkdir -p /run/systemd /etc/systemd /var/log/journal
            mount -t tmpfs tmpfs /run/systemd
            mkdir /run/systemd/units
            {}
            mount --bind '{files}' /var/log/journal
            mount -t tmpfs tmpfs /etc/systemd
            printf '[Journal]\\nStorage=persistent\\nRateLimitBurst={BURST}\\n' >/etc/systemd/journald@tests.conf
            exec {JOURNALD} tests",
            link.unwrap_or_default(),
            files = directory.path().join("files").display(),
        );
        let sockets = directory.path().join("sockets");
        let process = Process::start(
            "unshare",
            &["--mount", "--propagation", "private", "sh", "-c", &script],
            &[
                ("RUNTIME_DIRECTORY", sockets.to_str().unwrap()),
                ("SYSTEMD_LOG_TARGET", "console"),
                ("SYSTEMD_LOG_LEVEL", "debug"),
            ],
            &directory.path().join("log"),
        );
        let mut journal = Self { process, directory };
        journal.process.wait_for_log(0, "systemd-journald running");
        journal
    }

    /// Returns a stream to the journal, as systemd sets it up for the output of a unit.
    pub fn output_of(&self, unit: &str) -> OwnedFd {
        let mut stream = UnixStream::connect(self.directory.path().join("sockets/stdout")).unwrap();
        // Its name, its unit, priority, and whether: prefixes are read, and to syslog, kmsg and the console.
        write!(stream, "{unit}\n{unit}\n6\n1\n0\n0\n0\n").unwrap();
        stream.into()
    }

    /// Returns the messages that it has kept, line by line.
    pub fn lines(&self) -> String {
        let files = format!("{}/*/*.journal", self.directory.path().join("files").display());
        let read =
            command::run("journalctl", &["--file", &files, "--output=cat", "--no-pager", "--quiet"], &[]);
        read.stdout
    }

    /// The first line with that text, once it is there.
    #[track_caller]
    pub fn line_with(&self, text: &str) -> String {
        let find = || self.lines().lines().find(|line| line.contains(text)).map(str::to_owned);
        let found = eventually(Duration::from_secs(30), || find().is_some());
        assert!(found, "no {text} in the last of\n{}\n{}", self.lines(), self.process.log());
        find().unwrap()
    }
}

/// Both of a program's outputs.
pub fn outputs(journal: &Journal, unit: &str) -> (Stdio, Stdio) {
    (journal.output_of(unit).into(), journal.output_of(unit).into())
}

/// The text of a unit that is shipped.
pub fn unit(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name)).unwrap()
}
