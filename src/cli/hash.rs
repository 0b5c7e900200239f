//! `portwarden hash`: a bcrypt hash for `users:`.

use std::io::{BufRead, IsTerminal};

use zeroize::Zeroizing;

use super::{Hash, say};
use crate::authn::{PasswordHash, Secret};

/// Prints what `htpasswd -nB` would print after the colon.
pub(super) fn run(hash: &Hash) -> Result<(), String> {
    let password = if std::io::stdin().is_terminal() { ask()? } else { read_line()? };
    if password.is_empty() {
        return Err("the password is empty: type one, or write one line to standard input".to_owned());
    }
    let hashed = PasswordHash::create(&Secret::new(password.as_bytes()), hash.cost)
        .map_err(|error| error.to_string())?;
    say(&mut std::io::stdout(), &hashed);
    Ok(())
}

fn ask() -> Result<Zeroizing<String>, String> {
    let ask =
        |prompt| rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|error| error.to_string());
    let (first, second) = (ask("Password: ")?, ask("Again: ")?);
    if first == second { Ok(first) } else { Err("the two passwords differ; nothing was hashed".to_owned()) }
}

fn read_line() -> Result<Zeroizing<String>, String> {
    let mut line = Zeroizing::new(String::new());
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| format!("cannot read standard input: {error}"))?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}
