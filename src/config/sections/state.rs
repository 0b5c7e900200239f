//! `state:`: the file or the database in which revocations are stored.

use std::{env, fs, os::unix::fs::MetadataExt as _, path::PathBuf, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use zeroize::Zeroizing;

use super::sql;
use crate::{
    authn::Secret,
    backend::SqlServer,
    config::{
        Context,
        diagnostics::path::Path,
        schema::{self, File, Text},
        values::{pem, quantity::parse_duration},
    },
    state::{SharedSettings, StateSettings},
};

/// The bounds of `state.when_down.revocations`: the changes are read several times a second.
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// The shortest key that seals: AES-256 has as many bytes.
const SHORTEST_KEY: usize = 32;

/// Reads `state.url`, or `state.file`; by default `state.db` in the directory that systemd made for the service
/// (`StateDirectory=`), and none where there is no such directory.
pub(crate) fn settings(file: &File, context: &mut Context<'_>) -> StateSettings {
    let none = schema::State::default();
    let written = file.state.as_ref().unwrap_or(&none);
    if let Some(Text(url)) = &written.url {
        let server = server(url, written, context);
        let trusted_for = trusted_for(written, context);
        if written.file.is_some() {
            let hint = "Keep `url` for several Portwardens, or `file` for one";
            context.report.error("state.file", "expected `file` or `url`, found both", hint);
        }
        return server.map_or(StateSettings::Off, |server| {
            StateSettings::Shared(SharedSettings { server, trusted_for })
        });
    }
    for (key, is_written) in [
        ("password_file", written.password_file.is_some()),
        ("key_file", written.key_file.is_some()),
        ("when_down", written.when_down.is_some()),
    ] {
        if is_written {
            let at = Path::from("state").key(key);
            context.report.error(at, "stands without `url`", "Add `url`, or remove this");
        }
    }
    match written.file.as_ref().map(|Text(path)| path.as_str()) {
        Some("none") => StateSettings::Off,
        Some(path) => {
            let path = context.path(path);
            check(&path, context);
            StateSettings::File(path)
        }
        None => in_state_directory("state.db").map_or(StateSettings::Off, StateSettings::Default),
    }
}

/// The server of a shared state; `None` after an error.
fn server(url: &str, written: &schema::State, context: &mut Context<'_>) -> Option<SqlServer> {
    let at = Path::from("state.url");
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        let hint = "Write `postgres://user@host/database?sslmode=verify-full`, or the path of a file as `state.file`";
        context.report.error(at, "expected the URL of a PostgreSQL database", hint);
        return None;
    }
    let server = match SqlServer::postgres(url, context.base) {
        Ok(server) => server,
        Err(error) => {
            context.report.error(at, error.message, error.hint);
            return None;
        }
    };
    sql::check_server(&server, &at, context)?;
    let Some(Text(file)) = &written.password_file else { return Some(server) };
    if server.password.is_some() {
        let hint = "Remove the password from `url`";
        context.report.error("state.password_file", "`url` has a password as well", hint);
        return None;
    }
    Some(server.with_password(&password(file, context)?))
}

/// The password in a file, without the white space around it.
fn password(written: &str, context: &mut Context<'_>) -> Option<Zeroizing<String>> {
    let (file, at) = (context.path(written), Path::from("state.password_file"));
    if !context.looks_at(&file, &at) {
        return Some(Zeroizing::new("not read".to_owned()));
    }
    let hint = "Give a file with the password, which this user may read";
    let content = match fs::read_to_string(&file) {
        Ok(content) => Zeroizing::new(content),
        Err(error) => {
            context.report.error(at, format!("cannot read {}: {error}", file.display()), hint);
            return None;
        }
    };
    pem::warn_if_public(&file, &at, context);
    let password = content.trim();
    if password.is_empty() {
        context.report.error(at, format!("{} is empty", file.display()), hint);
        return None;
    }
    Some(Zeroizing::new(password.to_owned()))
}

/// The time for which known revocations count while the server gives no answer; `None` for any.
fn trusted_for(written: &schema::State, context: &mut Context<'_>) -> Option<Duration> {
    let revocations = written.when_down.as_ref().and_then(|down| down.revocations.as_ref());
    let Text(text) = revocations.filter(|Text(text)| text != "never")?;
    let at = Path::from("state.when_down.revocations");
    let hint = "Write `never`, or a time as `60s`";
    match parse_duration(text) {
        Some(time) if (SHORTEST..=LONGEST).contains(&time) => return Some(time),
        Some(_) => context.report.error(at, "expected `never`, or a time from 5s to 24h", hint),
        None => context.report.error(at, "expected `never` or a duration", hint),
    }
    None
}

/// The key that seals the keys of a certificate in a database that replicas share; the outer `None` after an error, the
/// inner one where no database is shared.
pub(super) fn sealing_key(file: &File, context: &mut Context<'_>) -> Option<Option<Secret>> {
    let Some(written) = file.state.as_ref().filter(|state| state.url.is_some()) else { return Some(None) };
    let at = Path::from("state.key_file");
    let hint =
        "Make a key with `openssl rand -base64 32`, write it into a file, and give all replicas the same";
    let Some(Text(path)) = &written.key_file else {
        let message =
            "missing: `server.letsencrypt` beside `state.url` stores its keys in the database, sealed";
        context.report.error(at, message, hint);
        return None;
    };
    let path = context.path(path);
    if !context.looks_at(&path, &at) {
        return Some(Some(Secret::new("not read")));
    }
    let content = Zeroizing::new(pem::read(&path, &at, context)?);
    pem::warn_if_public(&path, &at, context);
    match BASE64.decode(content.trim_ascii()) {
        Ok(key) if key.len() >= SHORTEST_KEY => Some(Some(Secret::new(key))),
        _ => {
            let message =
                format!("{} holds no key of {SHORTEST_KEY} bytes or more in base64", path.display());
            context.report.error(at, message, hint);
            None
        }
    }
}

/// Returns the path of a file in the directory that systemd made for the service; `None` where there is none.
pub(super) fn in_state_directory(name: &str) -> Option<PathBuf> {
    let directories = env::var_os("STATE_DIRECTORY")?;
    // Where a unit names several, they are separated by colons, and the first is the one for this.
    let first = env::split_paths(&directories).next()?;
    (!first.as_os_str().is_empty()).then(|| first.join(name))
}

/// Looks for what would keep the server from starting, without opening the file: a running server has it.
fn check(path: &std::path::Path, context: &mut Context<'_>) {
    let at = Path::from("state.file");
    if !context.looks_at(path, &at) {
        return;
    }
    let Ok(found) = path.symlink_metadata() else {
        // A bare name has an empty parent: it is beside a configuration that was itself named without a directory.
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        if let Some(directory) = directory.filter(|directory| !directory.is_dir()) {
            let message = format!("expected a directory at {}, found none", directory.display());
            context.report.error(at, message, "Make it, and let the user of the service write there");
        }
        return;
    };
    if !found.is_file() {
        let hint = "Write the path of the file itself";
        context.report.error(
            at,
            format!("expected a file at {}, found a link or something else", path.display()),
            hint,
        );
    } else if found.mode() & 0o077 != 0 {
        let message = format!("other users may open {}: mode {:o}", path.display(), found.mode() & 0o777);
        context.report.error(at, message, "See who wrote to it, then `chmod 600` it");
    }
}
