//! Questions to a running server, through its control socket.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use crate::server::{ControlAnswer, ControlRequest};

/// The answers of the server. Dropped, it is no longer waited for.
pub(super) struct Answers(BufReader<UnixStream>);

/// Asks the server that listens at `socket`.
///
/// # Errors
/// It cannot be reached, with what to look at.
pub(super) fn ask(socket: &Path, request: &ControlRequest) -> Result<Answers, String> {
    connect(socket, request, None).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => "only root may do that",
            _ => "does portwarden run, with control.socket at this path (or RuntimeDirectory= in its unit)?",
        };
        format!("cannot reach the server at {}: {error}; {hint}", socket.display())
    })
}

/// The same for a question that is only asked on the way: no answer takes longer than `patience`.
///
/// # Errors
/// It cannot be reached.
pub(super) fn ask_briefly(
    socket: &Path,
    request: &ControlRequest,
    patience: Duration,
) -> io::Result<Answers> {
    connect(socket, request, Some(patience))
}

fn connect(socket: &Path, request: &ControlRequest, patience: Option<Duration>) -> io::Result<Answers> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(patience)?;
    let line = serde_json::to_string(request)?;
    writeln!(stream, "{line}")?;
    Ok(Answers(BufReader::new(stream)))
}

impl Answers {
    /// Returns the next answer.
    ///
    /// # Errors
    /// There is none, or it is not understood.
    pub(super) fn next(&mut self) -> Result<ControlAnswer, String> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => Err("the server has ended the connection without an answer; see its log".to_owned()),
            Ok(_) => {
                serde_json::from_str(&line).map_err(|error| format!("not understood: {line:?}: {error}"))
            }
            Err(error) => Err(format!("the connection to the server broke: {error}")),
        }
    }

    /// Returns the next answer of a list; `None` at its end.
    ///
    /// # Errors
    /// As [`Self::next`], and what the server refuses.
    pub(super) fn next_of_list(&mut self) -> Result<Option<ControlAnswer>, String> {
        match self.next()? {
            ControlAnswer::End => Ok(None),
            ControlAnswer::Refused { why } => Err(why),
            answer => Ok(Some(answer)),
        }
    }
}
