//! Standard output of a command, and how a command ends when it cannot write there.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

/// The status of a process that SIGPIPE ends, as a shell reports it: 128 and the number of the signal.
const BROKEN_PIPE: u8 = 141;

/// The reason why a command ends early.
#[derive(Debug)]
pub(super) enum Failure {
    /// An error for the operator.
    Message(String),
    /// The reader of standard output has gone, as in `| head -1`. Not an error, and not a success: the rest was not
    /// said.
    ClosedPipe,
}

impl Failure {
    /// Reports the error on standard error, and returns the exit code of the command.
    pub(super) fn report(&self) -> ExitCode {
        match self {
            Self::Message(message) => {
                let _ = writeln!(io::stderr(), "{message}");
                ExitCode::FAILURE
            }
            Self::ClosedPipe => ExitCode::from(BROKEN_PIPE),
        }
    }
}

impl<M: Into<String>> From<M> for Failure {
    fn from(message: M) -> Self {
        Self::Message(message.into())
    }
}

/// Writes a line to standard output.
///
/// # Errors
/// The line was not written: the reader has gone, or the disk is full.
pub(super) fn say(line: impl Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    written(writeln!(out, "{line}").and_then(|()| out.flush()))
}

/// Writes a line to standard error, for the person who runs the command. Where that is closed, it is left out.
pub(super) fn tell(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The failure of a command whose output could not be written.
///
/// # Errors
/// The same as `written`, in the words of a command.
pub(super) fn written(written: io::Result<()>) -> Result<(), Failure> {
    written.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::ClosedPipe,
        _ => format!("cannot write to standard output: {error}").into(),
    })
}
