//! `xorm_auth:` and `acl_xorm:`: a database with docker_auth's tables.

use std::{fs, io, net::IpAddr, path::Path as FilePath};

use crate::{
    authz::SqlRulesSettings,
    backend::{Address, SqlServer, SqlSettings, TlsMode},
    config::{
        Context,
        diagnostics::path::Path,
        schema::{AclXorm, Text, XormAuth},
        settings,
        values::{pem, quantity},
    },
};

/// The database of accounts; `None` after an error.
pub(crate) fn accounts(written: &XormAuth, context: &mut Context<'_>) -> Option<SqlSettings> {
    database("xorm_auth", written.database_type.as_ref(), written.conn_string.as_ref(), context)
}

/// The database of rules; `None` after an error.
pub(crate) fn rules(written: &AclXorm, context: &mut Context<'_>) -> Option<SqlRulesSettings> {
    let section = "acl_xorm";
    let database = database(section, written.database_type.as_ref(), written.conn_string.as_ref(), context);
    let cache_ttl = const { settings::duration("acl_xorm.cache_ttl") };
    if written.cache_ttl.is_none() {
        let hint = "Write how often the rules are read, as `cache_ttl: 1m`; docker_auth ends without it";
        context.report.error(cache_ttl.key, "missing", hint);
    }
    let refresh = quantity::duration(written.cache_ttl.as_ref(), cache_ttl, &mut context.report);
    Some(SqlRulesSettings { database: database?, refresh })
}

fn database(
    section: &str,
    database_type: Option<&Text>,
    conn_string: Option<&Text>,
    context: &mut Context<'_>,
) -> Option<SqlSettings> {
    let at = |key: &str| Path::from(section).key(key);
    for (key, written, hint) in [
        ("database_type", database_type, "Write `mysql` (MySQL, MariaDB), `postgres` or `sqlite3`"),
        ("conn_string", conn_string, "Write where the database is, as for docker_auth"),
    ] {
        if written.is_none() {
            context.report.error(at(key), "missing", hint);
        }
    }
    let (kind, dsn) = (&database_type?.0, &conn_string?.0);
    let settings = match SqlSettings::parse(kind, dsn, context.base) {
        Ok(settings) => settings,
        Err(error) => {
            let key = if SUPPORTED.contains(&kind.as_str()) { "conn_string" } else { "database_type" };
            context.report.error(at(key), error.message, error.hint);
            return None;
        }
    };
    check_settings(&settings, &at("conn_string"), context)?;
    Some(settings)
}

/// Checks a PostgreSQL server whose address stands at `at`; `None` after an error.
pub(super) fn check_server(server: &SqlServer, at: &Path, context: &mut Context<'_>) -> Option<()> {
    check_settings(&SqlSettings::Postgres(server.clone()), at, context)
}

fn check_settings(settings: &SqlSettings, at: &Path, context: &mut Context<'_>) -> Option<()> {
    files(settings, at, context)?;
    if let Some(server) = settings.server() {
        warn_of_network(server, settings, at, context);
        if server.password.is_some() {
            // The password stands in the configuration itself.
            pem::warn_if_public(FilePath::new(context.report.file()), at, context);
        }
    }
    Some(())
}

const SUPPORTED: [&str; 3] = ["mysql", "postgres", "sqlite3"];

/// The files that are named are there; `None` after an error.
fn files(settings: &SqlSettings, at: &Path, context: &mut Context<'_>) -> Option<()> {
    let named: Vec<&FilePath> = match settings {
        SqlSettings::Sqlite(file) => vec![&file.path],
        SqlSettings::Postgres(server) | SqlSettings::MySql(server) => {
            let client = server.tls.client.iter().flat_map(|(certificate, key)| [certificate, key]);
            server.tls.roots.iter().chain(client).map(AsRef::as_ref).collect()
        }
    };
    let mut all = Some(());
    for file in named {
        if !context.looks_at(file, at) {
            continue;
        }
        if let Err(error) = readable(file) {
            let hint = "Give a file that this user may read; a relative path starts at this file's directory";
            context.report.error(at, format!("cannot read {}: {error}", file.display()), hint);
            all = None;
        }
    }
    all
}

/// A pipe would be waited for, and a directory is only found out by the first login.
fn readable(file: &FilePath) -> io::Result<fs::File> {
    if fs::metadata(file)?.is_file() { fs::File::open(file) } else { Err(io::Error::other("not a file")) }
}

/// An attacker on the network can read, or change, an unprotected connection.
fn warn_of_network(server: &SqlServer, settings: &SqlSettings, at: &Path, context: &mut Context<'_>) {
    let Address::Tcp(host, _) = &server.address else { return };
    if is_here(host) {
        return;
    }
    let message = match server.tls.mode {
        TlsMode::Full => return,
        TlsMode::Off => format!("what {host} says goes over the network in the clear: hashes, labels, rules"),
        TlsMode::IfOffered | TlsMode::Unverified => {
            format!("the identity of {host} is not verified: an attacker in between can pose as the database")
        }
    };
    let hint = match settings {
        SqlSettings::MySql(_) => {
            "Add `tls=true`, with a certificate for that name by an authority of this system"
        }
        _ => {
            "Add `sslmode=verify-full`, and `sslrootcert=` with the authority unless it is one of this system"
        }
    };
    context.report.warn(at, message, hint);
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use crate::config::{
        Config,
        tests::{SERVER, TOKEN, cut, directory, said, write},
    };

    fn of_users(database_type: &str, conn_string: &str) -> String {
        let section =
            format!("xorm_auth:\n  database_type: {database_type}\n  conn_string: \"{conn_string}\"\n");
        said(&format!("{SERVER}{TOKEN}acl: []\n{section}"))
    }

    fn of_rules(rest: &str) -> String {
        let section = format!("acl_xorm:\n  database_type: sqlite3\n  conn_string: cert.pem\n{rest}");
        said(&format!("{SERVER}{TOKEN}users: {{}}\n{section}"))
    }

    #[test]
    fn what_docker_auth_takes_is_taken() {
        for (kind, dsn) in [
            ("mysql", "username:password@/database_name?charset=utf8"),
            ("mysql", "u:p@tcp(db.example)/d?tls=true"),
            ("postgres", "host=/run/postgresql user=u sslmode=require"),
            ("postgres", "postgres://u:p@db.example/d?sslmode=verify-full&sslrootcert=cert.pem"),
            ("sqlite3", "file:cert.pem?mode=ro"),
        ] {
            assert_eq!(of_users(kind, dsn), "", "{kind} {dsn}");
        }
        assert_eq!(of_rules("  cache_ttl: 1m\n"), "");
    }

    #[test]
    fn each_mistake_is_said_where_it_stands_and_without_the_password() {
        for (kind, dsn, expected) in [
            (
                "oracle",
                "x",
                "f.yml:10:3: xorm_auth.database_type: not a supported type of database. Write `mysql` (MySQL, MariaDB), `postgres` or `sqlite3`",
            ),
            (
                "mysql",
                "u:hunter2@h",
                "f.yml:11:3: xorm_auth.conn_string: not a connection string for `mysql`. Write `user:password@tcp(host:3306)/database`, or `user:password@unix(/path/of/socket)/database`",
            ),
            (
                "sqlite3",
                "missing.db",
                "f.yml:11:3: xorm_auth.conn_string: cannot read missing.db: No such file or directory (os error 2). Give a file that this user may read; a relative path starts at this file's directory",
            ),
            (
                "postgres",
                "host=localhost sslmode=verify-full sslrootcert=missing.pem",
                "f.yml:11:3: xorm_auth.conn_string: cannot read missing.pem: No such file or directory (os error 2). Give a file that this user may read; a relative path starts at this file's directory",
            ),
        ] {
            assert_eq!(of_users(kind, dsn), expected);
        }
        assert_eq!(
            said(&format!("{SERVER}{TOKEN}acl: []\nxorm_auth: {{}}\n")),
            "f.yml:9:1: xorm_auth.database_type: missing. Write `mysql` (MySQL, MariaDB), `postgres` or `sqlite3`\n\
             f.yml:9:1: xorm_auth.conn_string: missing. Write where the database is, as for docker_auth"
        );
    }

    #[test]
    fn what_is_no_file_is_said_and_not_waited_for() {
        let directory = directory();
        let pipe = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [directory.path(), std::path::Path::new("/dev/zero"), &pipe] {
            let said = of_users("sqlite3", path.to_str().unwrap());
            assert!(said.contains(&format!("cannot read {}: not a file", path.display())), "{said}");
        }
    }

    #[test]
    fn what_crosses_a_network_unprotected_is_said() {
        let clear = "goes over the network in the clear";
        let unverified = "is not verified";
        for (kind, dsn, expected) in [
            ("mysql", "u:p@tcp(db.example)/d", clear),
            ("mysql", "u:p@tcp(db.example)/d?tls=skip-verify", unverified),
            ("mysql", "u:p@tcp(db.example)/d?tls=preferred", unverified),
            ("postgres", "host=db.example sslmode=disable", clear),
            ("postgres", "host=10.0.0.1", unverified),
            ("mysql", "u:p@tcp(127.0.0.2)/d", ""),
            ("postgres", "host=::1 sslmode=disable", ""),
            ("postgres", "sslmode=disable", ""),
        ] {
            let said = of_users(kind, dsn);
            assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{dsn}: {said}");
            assert!(
                said.is_empty() || said.starts_with("f.yml:11:3: warning: xorm_auth.conn_string"),
                "{said}"
            );
        }
    }

    #[test]
    fn how_often_rules_are_read_is_bounded() {
        assert!(of_rules("").starts_with("f.yml:9:1: acl_xorm.cache_ttl: missing"), "{}", of_rules(""));
        for ttl in ["0", "500ms", "25h"] {
            let said = of_rules(&format!("  cache_ttl: {ttl}\n"));
            assert_eq!(
                said,
                "f.yml:12:3: acl_xorm.cache_ttl: must be from 1s to 24h. Write a number with a unit: `30s`, `5m`, `1h30m`"
            );
        }
    }

    #[test]
    fn a_password_that_everybody_can_read_is_said() {
        let directory = directory();
        let said = |dsn: &str, mode: u32| {
            let section = format!("xorm_auth: {{database_type: mysql, conn_string: \"{dsn}\"}}\n");
            write(directory.path(), "f.yml", &format!("{SERVER}{TOKEN}acl: []\n{section}"));
            let file = directory.path().join("f.yml");
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            cut(&Config::load(&file).ok().unwrap().warnings, directory.path())
        };
        assert_eq!(
            said("u:p@/d", 0o644),
            "f.yml:9:35: warning: xorm_auth.conn_string: f.yml can be read by every user of this machine. Run \
             `chmod o-rwx` on it"
        );
        assert_eq!(said("u:p@/d", 0o640), "");
        assert_eq!(said("u@/d", 0o644), "");
    }
}
