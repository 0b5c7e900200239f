//! The notation of mattn/go-sqlite3: a path, or `file:path?mode=ro&_busy_timeout=5000`.

use std::path::Path;

use super::{
    DsnError, SqliteFile,
    dsn::{decode, parameters, path},
};

/// Parameters that mean something here, for messages.
const SUPPORTED: &str = "`mode` and `immutable`";

/// Parameters about writing, caches and time (`backends` says how long a question may take): the file is only read.
const WITHOUT_MEANING: &[&str] = &[
    "_auto_vacuum",
    "_busy_timeout",
    "_cache_size",
    "_case_sensitive_like",
    "_cslike",
    "_defer_fk",
    "_defer_foreign_keys",
    "_fk",
    "_foreign_keys",
    "_ignore_check_constraints",
    "_journal",
    "_journal_mode",
    "_loc",
    "_locking",
    "_locking_mode",
    "_mutex",
    "_query_only",
    "_recursive_triggers",
    "_rt",
    "_secure_delete",
    "_stmt_cache_size",
    "_sync",
    "_synchronous",
    "_timeout",
    "_txlock",
    "_vacuum",
    "_writable_schema",
    "cache",
];

/// Reads either form; a relative path starts at `base`, where docker_auth's starts at its working directory.
pub(super) fn parse(dsn: &str, base: &Path) -> Result<SqliteFile, DsnError> {
    let (name, written) = dsn.split_once('?').unwrap_or((dsn, ""));
    let (name, is_uri) = match name.strip_prefix("file:") {
        Some(rest) => (uri_path(rest)?, true),
        None => (name.to_owned(), false),
    };
    let mut file = SqliteFile { path: path(base, &name), immutable: false };
    for (key, value) in parameters(written)? {
        match (key.as_str(), value.as_str()) {
            ("mode", "memory") => return Err(in_memory()),
            ("mode", "ro" | "rw" | "rwc") => {}
            ("mode", _) => {
                return Err(DsnError::value("mode", "Write `ro`, or leave it out: the file is only read"));
            }
            // SQLite itself reads this one, and only where the name is a URI.
            ("immutable", value) if is_uri => file.immutable = matches!(value, "1" | "true" | "yes" | "on"),
            ("immutable", _) => {}
            (known, _) if WITHOUT_MEANING.contains(&known) => {}
            _ => return Err(DsnError::unsupported(&key, SUPPORTED)),
        }
    }
    if name.is_empty() || name == ":memory:" { Err(in_memory()) } else { Ok(file) }
}

/// `file:relative`, `file:/absolute`, `file:///absolute`, `file://localhost/absolute`.
fn uri_path(rest: &str) -> Result<String, DsnError> {
    let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
    let Some(after) = rest.strip_prefix("//") else { return decode(rest) };
    let (host, path) = after.split_at(after.find('/').unwrap_or(after.len()));
    if !matches!(host, "" | "localhost") {
        return Err(DsnError::new("the file is on another host", "Write `file:/path` or the path alone"));
    }
    decode(path)
}

fn in_memory() -> DsnError {
    DsnError::new(
        "a database in memory is empty, and no other process can fill it",
        "Give the path of the file",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_driver_is_read() {
        for (dsn, expected) in [
            ("/var/lib/users.db", "/var/lib/users.db"),
            ("users.db", "/etc/pw/users.db"),
            ("us%20ers.db", "/etc/pw/us%20ers.db"),
            ("users.db?_busy_timeout=5000&cache=shared", "/etc/pw/users.db"),
            ("file:users.db?mode=ro", "/etc/pw/users.db"),
            ("file:us%20ers.db#x", "/etc/pw/us ers.db"),
            ("file:/var/users.db?_fk=1", "/var/users.db"),
            ("file:///var/users.db?mode=rwc", "/var/users.db"),
            ("file://localhost/var/users.db", "/var/users.db"),
        ] {
            let file = parse(dsn, Path::new("/etc/pw")).unwrap();
            assert_eq!((file.path.as_path(), file.immutable), (Path::new(expected), false), "{dsn}");
        }
        assert!(parse("file:a?immutable=1", Path::new("/")).unwrap().immutable);
        assert!(!parse("a?immutable=1", Path::new("/")).unwrap().immutable);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (dsn, expected) in [
            ("", "in memory"),
            (":memory:", "in memory"),
            ("file::memory:?cache=shared", "in memory"),
            ("file:a?mode=memory", "in memory"),
            ("file://host/a", "another host"),
            ("a?mode=x", "`mode` has a value"),
            ("a?vfs=x", "`vfs` is not supported"),
            ("a?_auth_user=u&_auth_pass=hunter2", "`_auth_user` is not supported"),
            ("file:a%", "`%`"),
        ] {
            let error = parse(dsn, Path::new("/")).unwrap_err();
            assert!(error.message.contains(expected), "{dsn}: {error:?}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
