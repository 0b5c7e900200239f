//! A password for a command: typed without echo on a terminal, or a line of standard input.

use std::io::{self, BufRead, IsTerminal};

use zeroize::Zeroizing;

/// Reads one; on a terminal, `again` lets it be typed twice.
///
/// # Errors
/// The fault, with the next step.
pub(super) fn read(again: bool) -> Result<Zeroizing<String>, String> {
    let password = if io::stdin().is_terminal() { ask(again)? } else { read_line()? };
    if password.is_empty() {
        return Err("the password is empty: type one, or write one line to standard input".to_owned());
    }
    Ok(password)
}

fn ask(again: bool) -> Result<Zeroizing<String>, String> {
    let ask =
        |prompt| rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|error| error.to_string());
    let first = ask("Password: ")?;
    if again && first != ask("Again: ")? {
        return Err("the two passwords differ; nothing was hashed".to_owned());
    }
    Ok(first)
}

fn read_line() -> Result<Zeroizing<String>, String> {
    let mut line = Zeroizing::new(String::new());
    io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| format!("cannot read standard input: {error}"))?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}
