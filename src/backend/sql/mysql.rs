//! The notation of go-sql-driver/mysql: `user:password@tcp(host:port)/database?tls=true`.

use std::path::Path;

use super::{
    Address, DsnError, SqlServer, Tls, TlsMode,
    dsn::{decode, host_and_port, parameters, path},
    settings::Password,
};

const PORT: u16 = 3306;

/// Parameters that mean something here, for messages.
const SUPPORTED: &str = "`tls` (`true`, `skip-verify`, `preferred`, `false`)";

/// Parameters about writing, times, sizes and encodings: names and rules are read as UTF-8 text, and how long that may
/// take is said by `backends`.
const WITHOUT_MEANING: &[&str] = &[
    "allowAllFiles",
    "charset",
    "checkConnLiveness",
    "clientFoundRows",
    "collation",
    "columnsWithAlias",
    "compress",
    "connectionAttributes",
    "interpolateParams",
    "loc",
    "maxAllowedPacket",
    "multiStatements",
    "parseTime",
    "readTimeout",
    "rejectReadOnly",
    "timeTruncate",
    "timeout",
    "writeTimeout",
];

/// Reads `[user[:password]@][net[(address)]]/database[?parameters]`. The password stands as it is, without escapes.
pub(super) fn parse(dsn: &str, base: &Path) -> Result<SqlServer, DsnError> {
    let (before, after) = dsn.rsplit_once('/').ok_or_else(shape)?;
    let (who, at) = before.rsplit_once('@').unwrap_or(("", before));
    let (user, password) = who.split_once(':').unwrap_or((who, ""));
    let (database, written) = after.split_once('?').unwrap_or((after, ""));
    let address = address(at, base)?;
    let mode = tls_mode(written)?;
    let said = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Ok(SqlServer {
        address,
        user: said(user),
        password: Some(password).filter(|text| !text.is_empty()).map(Password::new),
        database: said(&decode(database)?),
        search_path: None,
        tls: Tls { mode, roots: None, client: None },
    })
}

/// `tcp(host:port)`, `unix(/path)`; the driver's defaults are 127.0.0.1:3306 and /tmp/mysql.sock.
fn address(text: &str, base: &Path) -> Result<Address, DsnError> {
    let (net, address) = match text.split_once('(') {
        Some((net, rest)) => (net, rest.strip_suffix(')').ok_or_else(shape)?),
        None => (text, ""),
    };
    match net {
        "" | "tcp" | "tcp4" | "tcp6" => {
            let (host, port) = host_and_port(address, PORT)?;
            Ok(Address::Tcp(if host.is_empty() { "127.0.0.1".to_owned() } else { host }, port))
        }
        "unix" if address.is_empty() => Ok(Address::Unix("/tmp/mysql.sock".into(), PORT)),
        "unix" => Ok(Address::Unix(path(base, address), PORT)),
        _ => Err(shape()),
    }
}

fn tls_mode(written: &str) -> Result<TlsMode, DsnError> {
    let mut mode = TlsMode::Off;
    for (key, value) in parameters(written)? {
        match key.as_str() {
            "tls" => mode = named_mode(&value)?,
            // The default of the driver: what an older server asks for is known.
            "allowNativePasswords" if is_true(&value) => {}
            // The methods that these allow are not supported.
            "allowCleartextPasswords" | "allowOldPasswords" | "allowFallbackToPlaintext"
                if is_false(&value) => {}
            known if WITHOUT_MEANING.contains(&known) => {}
            _ => return Err(DsnError::unsupported(&key, SUPPORTED)),
        }
    }
    Ok(mode)
}

fn named_mode(value: &str) -> Result<TlsMode, DsnError> {
    match value.to_ascii_lowercase().as_str() {
        "skip-verify" => Ok(TlsMode::Unverified),
        "preferred" => Ok(TlsMode::IfOffered),
        _ if is_true(value) => Ok(TlsMode::Full),
        _ if is_false(value) => Ok(TlsMode::Off),
        _ => Err(DsnError::value("tls", "Write `true`, `skip-verify`, `preferred` or `false`")),
    }
}

fn is_true(value: &str) -> bool {
    matches!(value, "1" | "true" | "TRUE" | "True")
}

fn is_false(value: &str) -> bool {
    matches!(value, "0" | "false" | "FALSE" | "False")
}

fn shape() -> DsnError {
    DsnError::new(
        "not a connection string for `mysql`",
        "Write `user:password@tcp(host:3306)/database`, or `user:password@unix(/path/of/socket)/database`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(dsn: &str) -> String {
        let server = parse(dsn, Path::new("/etc/pw")).unwrap();
        let SqlServer { address, user, password, database, tls, .. } = server;
        let at = match address {
            Address::Tcp(host, port) => format!("{host} {port}"),
            Address::Unix(path, _) => path.display().to_string(),
        };
        let password = password.map(|password| password.expose().to_owned()).unwrap_or_default();
        format!(
            "{} {password} {at} {} {:?}",
            user.unwrap_or_default(),
            database.unwrap_or_default(),
            tls.mode
        )
    }

    #[test]
    fn every_form_of_the_driver_is_read() {
        for (dsn, expected) in [
            (
                "username:password@/database_name?charset=utf8",
                "username password 127.0.0.1 3306 database_name Off",
            ),
            ("u:p@tcp(db.example:3307)/d?tls=true", "u p db.example 3307 d Full"),
            (
                "u:p@tcp(db.example)/d?tls=skip-verify&parseTime=true&loc=Europe%2FBerlin",
                "u p db.example 3306 d Unverified",
            ),
            ("u:p@tcp([::1]:3307)/d?tls=preferred", "u p ::1 3307 d IfOffered"),
            ("u@unix(/run/mysqld/mysqld.sock)/d?tls=false", "u  /run/mysqld/mysqld.sock d Off"),
            ("u@unix(run.sock)/d", "u  /etc/pw/run.sock d Off"),
            ("u:a:b/c@d?e#%@tcp(h:1)/d", "u a:b/c@d?e#% h 1 d Off"),
            ("tcp(h)/", "  h 3306  Off"),
            ("/", "  127.0.0.1 3306  Off"),
            ("u:p@unix/d%2Fe", "u p /tmp/mysql.sock d/e Off"),
        ] {
            assert_eq!(said(dsn), expected, "{dsn}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (dsn, expected) in [
            ("", "not a connection string"),
            ("u:hunter2@tcp(h)", "not a connection string"),
            ("u:hunter2@tcp(h/d", "not a connection string"),
            ("u:hunter2@pipe(h)/d", "not a connection string"),
            ("u:hunter2@tcp(h:x)/d", "not `host:port`"),
            ("u:hunter2@tcp(h)/d?loc=Europe/Berlin", "not a connection string"),
            ("u:hunter2@/d?tls=mine", "`tls` has a value"),
            ("u:hunter2@/d?serverPubKey=k", "`serverPubKey` is not supported"),
            ("u:hunter2@/d?allowCleartextPasswords=true", "`allowCleartextPasswords` is not supported"),
            ("u:hunter2@/d?sql_mode=ANSI", "`sql_mode` is not supported"),
            ("u:hunter2@/d?tls=true&tls=false", "there twice"),
        ] {
            let error = parse(dsn, Path::new("/")).unwrap_err();
            assert!(error.message.contains(expected), "{dsn}: {error:?}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
