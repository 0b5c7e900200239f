//! Commands that run to their end (docker, skopeo, podman, ctr, curl) and what they answered. What keeps running is in
//! `process`.

use std::{
    env,
    process::{Command, Stdio},
};

use super::programs;

/// Timeout of one command of a client, in seconds; a client that hangs is a failed test, not a hung one.
const SECONDS: &str = "300";

/// The result of a command and its output.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command line, for messages.
    pub line: String,
    /// The exit code; `None` when a signal ended it.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Returns true if the exit code is 0.
    pub fn succeeded(&self) -> bool {
        self.status == Some(0)
    }

    /// Fails the test unless the exit code is 0.
    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert!(self.succeeded(), "should succeed: {self:#?}");
        self
    }

    /// Fails the test unless the command itself failed; a command that timed out or was not found has not.
    #[track_caller]
    pub fn fails(self) -> Self {
        assert!(!self.succeeded(), "should fail: {self:#?}");
        assert!(!matches!(self.status, Some(124 | 126 | 127) | None), "did not run to its end: {self:#?}");
        self
    }

    /// Fails the test unless `words` stand in what it printed.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.text().contains(words), "should say {words:?}: {self:#?}");
        self
    }

    /// Fails the test when `words` stand in what it printed.
    #[track_caller]
    pub fn does_not_say(self, words: &str) -> Self {
        assert!(!self.text().contains(words), "should not say {words:?}: {self:#?}");
        self
    }

    /// Everything printed; skopeo escapes the quotation marks of what it logs.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr).replace("\\\"", "\"")
    }

    /// The first `sha256:…` after `label` in what was printed.
    #[track_caller]
    pub fn digest_after(&self, label: &str) -> String {
        let text = self.text();
        let rest = text.split_once(label).unwrap_or_else(|| panic!("no {label:?}: {self:#?}")).1;
        let start = rest.find("sha256:").unwrap_or_else(|| panic!("no digest: {self:#?}"));
        rest[start..].chars().take("sha256:".len() + 64).collect()
    }
}

/// Runs `program` with an environment of `PATH` and `environment` only.
pub fn run(program: &str, args: &[&str], environment: &[(&str, &str)]) -> Output {
    programs::require(program);
    let mut command = Command::new("timeout");
    command.args([SECONDS, program]).args(args).stdin(Stdio::null());
    only_environment(&mut command, environment);
    let output = command.output().unwrap_or_else(|e| panic!("cannot run {program}: {e}"));
    Output {
        line: format!("{program} {}", args.join(" ")),
        status: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Gives a command `PATH` and `environment` and nothing else: proxies, authorities and credentials of the machine must
/// not decide a test.
pub fn only_environment(command: &mut Command, environment: &[(&str, &str)]) {
    command.env_clear().envs(environment.iter().copied());
    command.env("PATH", env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into()));
}
