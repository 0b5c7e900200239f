//! The two notations of lib/pq: `postgres://user:password@host:port/database?sslmode=…` and
//! `host=… user=… password='…' sslmode=…`.

use std::{collections::BTreeMap, path::Path};

use super::{
    Address, DsnError, SqlServer, Tls, TlsMode,
    dsn::{decode, host_and_port, parameters, path},
    settings::Password,
};

const PORT: u16 = 5432;

/// Parameters that mean something here, for messages.
const SUPPORTED: &str = "`host`, `port`, `user`, `password`, `dbname`, `search_path`, `sslmode`, `sslrootcert`, \
`sslcert` and `sslkey`";

/// Parameters about what is not asked for, and about time, which is said by `backends`.
const WITHOUT_MEANING: &[&str] = &[
    "application_name",
    "binary_parameters",
    "client_encoding",
    "connect_timeout",
    "datestyle",
    "disable_prepared_binary_result",
    "extra_float_digits",
    "fallback_application_name",
    "geqo",
    "sslsni",
    "statement_timeout",
    "timezone",
    "tz",
];

/// Parameters of lib/pq and of PostgreSQL that would change something, and are not here. Others are not named: a piece
/// of a password without its quotes looks like one.
const KNOWN_ELSEWHERE: &[&str] = &[
    "hostaddr",
    "krbspn",
    "krbsrvname",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "options",
    "passfile",
    "require_auth",
    "role",
    "service",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslinline",
    "sslnegotiation",
    "target_session_attrs",
];

type Pairs = BTreeMap<String, String>;

/// Reads either notation; relative paths start at `base`.
pub(super) fn parse(dsn: &str, base: &Path) -> Result<SqlServer, DsnError> {
    let url = dsn.strip_prefix("postgres://").or_else(|| dsn.strip_prefix("postgresql://"));
    let mut pairs = url.map_or_else(|| key_value(dsn), from_url)?;
    pairs.retain(|_, value| !value.is_empty());
    let address = address(&mut pairs, base)?;
    let tls = tls(&mut pairs, base, &address)?;
    let server = SqlServer {
        address,
        user: pairs.remove("user"),
        password: pairs.remove("password").as_deref().map(Password::new),
        database: pairs.remove("dbname"),
        search_path: pairs.remove("search_path"),
        tls,
    };
    match pairs.keys().find(|key| !WITHOUT_MEANING.contains(&key.as_str())) {
        Some(key) if KNOWN_ELSEWHERE.contains(&key.as_str()) => Err(DsnError::unsupported(key, SUPPORTED)),
        Some(_) => Err(DsnError::new(
            "there is a parameter that is not known",
            format!("Supported are {SUPPORTED}; a password with spaces needs quotes: `password='…'`"),
        )),
        None => Ok(server),
    }
}

fn address(pairs: &mut Pairs, base: &Path) -> Result<Address, DsnError> {
    let port = match pairs.remove("port") {
        Some(port) => port.parse().map_err(|_| DsnError::value("port", "Write a number up to 65535"))?,
        None => PORT,
    };
    match pairs.remove("host") {
        None => Ok(Address::Tcp("localhost".to_owned(), port)),
        Some(directory) if directory.starts_with('/') => Ok(Address::Unix(path(base, &directory), port)),
        Some(host) if host.contains([',', '@', ' ']) => {
            Err(DsnError::value("host", "Write one name, one address, or the directory of a Unix socket"))
        }
        Some(host) => Ok(Address::Tcp(host, port)),
    }
}

fn tls(pairs: &mut Pairs, base: &Path, address: &Address) -> Result<Tls, DsnError> {
    let mode = pairs.remove("sslmode");
    let mut file = |key: &str| pairs.remove(key).map(|written| path(base, &written));
    let (roots, certificate, key) = (file("sslrootcert"), file("sslcert"), file("sslkey"));
    let client = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err(DsnError::new("`sslcert` and `sslkey` belong together", "Give both or neither")),
    };
    let mode = match mode.as_deref() {
        // As libpq, with an authority given `require` verifies against it. It verifies the name too, because the
        // library trusts the public authorities as well: without the name, any holder of a public certificate could
        // pose as the server.
        None | Some("require") if roots.is_some() => TlsMode::Full,
        None | Some("require") => TlsMode::Unverified,
        Some("disable") => TlsMode::Off,
        Some("verify-ca" | "verify-full") => TlsMode::Full,
        Some(_) => {
            let allowed = "Write `disable`, `require`, `verify-ca` or `verify-full`";
            return Err(DsnError::value("sslmode", allowed));
        }
    };
    // There is no TLS on a Unix socket, whatever `sslmode` says.
    let mode = if matches!(address, Address::Unix(..)) { TlsMode::Off } else { mode };
    Ok(Tls { mode, roots, client })
}

/// `user:password@host:port/database?parameters`, behind the scheme.
fn from_url(rest: &str) -> Result<Pairs, DsnError> {
    let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
    let (rest, written) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (who, at) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = who.split_once(':').unwrap_or((who, ""));
    let (host, port) = host_and_port(at, 0)?;
    let port = Some(port).filter(|port| *port != 0);
    let mut pairs = Pairs::from([
        ("user".to_owned(), decode(user)?),
        ("password".to_owned(), decode(password)?),
        ("host".to_owned(), host),
        ("port".to_owned(), port.map(|port| port.to_string()).unwrap_or_default()),
        ("dbname".to_owned(), decode(database)?),
    ]);
    for (key, value) in parameters(written)? {
        // lib/pq sorts the two before it reads them, so that either may win.
        if pairs.get(&key).is_some_and(|known| !known.is_empty()) {
            return Err(DsnError::new(
                "a parameter is there twice, in the address and behind the `?`",
                "Remove one",
            ));
        }
        pairs.insert(key, value);
    }
    Ok(pairs)
}

/// `host=h password='with spaces' sslmode = disable`; `\` escapes inside and outside of quotes.
fn key_value(text: &str) -> Result<Pairs, DsnError> {
    let mut pairs = Pairs::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').ok_or_else(shape)?;
        let key = key.trim_end();
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err(shape());
        }
        let (value, after) = value(after.trim_start())?;
        if pairs.insert(key.to_owned(), value).is_some() {
            return Err(DsnError::new("a parameter is there twice", "Remove one of the two"));
        }
        rest = after.trim_start();
    }
    Ok(pairs)
}

/// A value, and what follows it.
fn value(text: &str) -> Result<(String, &str), DsnError> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut letters = text.char_indices().skip(usize::from(quoted));
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => value.push(letters.next().ok_or_else(shape)?.1),
            '\'' if quoted => return Ok((value, text.get(at + 1..).unwrap_or_default())),
            _ if !quoted && letter.is_whitespace() => return Ok((value, text.get(at..).unwrap_or_default())),
            _ => value.push(letter),
        }
    }
    if quoted { Err(shape()) } else { Ok((value, "")) }
}

fn shape() -> DsnError {
    DsnError::new(
        "not a connection string for `postgres`",
        "Write `postgres://user:password@host:5432/database?sslmode=verify-full`, or \
        `host=… user=… password='…' dbname=… sslmode=verify-full`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(dsn: &str) -> String {
        let server = parse(dsn, Path::new("/etc/pw")).unwrap();
        let SqlServer { address, user, password, database, search_path, tls } = server;
        let at = match address {
            Address::Tcp(host, port) => format!("{host} {port}"),
            Address::Unix(path, port) => format!("{} {port}", path.display()),
        };
        let password = password.map(|password| password.expose().to_owned());
        let mut said = format!("{at} {:?}", tls.mode);
        for text in [user, password, database, search_path].into_iter().flatten() {
            said = format!("{said} {text}");
        }
        for file in tls.roots.into_iter().chain(tls.client.into_iter().flat_map(|(a, b)| [a, b])) {
            said = format!("{said} {}", file.display());
        }
        said
    }

    #[test]
    fn every_form_of_the_driver_is_read() {
        for (dsn, expected) in [
            ("", "localhost 5432 Unverified"),
            ("postgres://", "localhost 5432 Unverified"),
            ("postgres://u:p@db.example/d?sslmode=verify-full", "db.example 5432 Full u p d"),
            (
                "postgresql://u:p%40%2F%3A@[::1]:1/d%20e?sslmode=verify-ca&sslrootcert=ca.pem",
                "::1 1 Full u p@/: d e /etc/pw/ca.pem",
            ),
            ("postgres://u@/d?host=/run/postgresql&sslmode=require", "/run/postgresql 5432 Off u d"),
            ("postgres://u@h/d?sslmode=disable&connect_timeout=10&application_name=x", "h 5432 Off u d"),
            ("host=h user=u password='a b\\'c' dbname=d sslmode=require", "h 5432 Unverified u a b'c d"),
            ("host=h sslmode=require sslrootcert=/ca.pem", "h 5432 Full /ca.pem"),
            ("  host = h  port=1 user=u\\ v password=", "h 1 Unverified u v"),
            (
                "host=h\tsearch_path=registry\nsslmode=verify-full sslcert=c sslkey=k",
                "h 5432 Full registry /etc/pw/c /etc/pw/k",
            ),
            ("postgres://u@h/d?port=6", "h 6 Unverified u d"),
            ("host=h password=a'b=c", "h 5432 Unverified a'b=c"),
        ] {
            assert_eq!(said(dsn), expected, "{dsn}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (dsn, expected) in [
            ("host", "not a connection string"),
            ("=h", "not a connection string"),
            ("password='hunter2", "not a connection string"),
            ("password=hunter2\\", "not a connection string"),
            ("password=x hunter2", "not a connection string"),
            ("password=x hunter2 host=h", "not a connection string"),
            ("password=x hunter2=h", "not known"),
            ("postgres://u:x?hunter2=@h/d", "not `host:port`"),
            ("postgres://u:hunter2@h,i/d", "not `host:port`"),
            ("postgres://u:%hunter2@h/d", "`%`"),
            ("host=a,b", "`host` has a value"),
            ("port=x", "`port` has a value"),
            ("sslmode=prefer", "`sslmode` has a value"),
            ("sslcert=c", "belong together"),
            ("target_session_attrs=any", "`target_session_attrs` is not supported"),
            ("service=hunter2", "`service` is not supported"),
            ("host=h host=i", "there twice"),
            ("postgres://u@h/d?user=v", "there twice"),
            ("postgres://u@h:5433/d?port=5432", "there twice"),
        ] {
            let error = parse(dsn, Path::new("/")).unwrap_err();
            assert!(error.message.contains(expected), "{dsn}: {error:?}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
