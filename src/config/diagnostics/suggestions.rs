//! The key that was probably meant by one that means nothing here.

use super::path::{Path, Step};
use crate::config::settings::known_keys;

/// The fix for an unknown key.
pub(in crate::config) struct Suggestion {
    /// A sentence.
    pub(crate) hint: String,
    /// The key that was meant, and that is therefore not missing.
    pub(crate) meant: Option<Path>,
}

/// Names that other programs and forks use for a Portwarden key.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("addr", &["address", "bind", "host", "hostname", "http_addr", "listen", "port", "server", "uri", "url"]),
    (
        "certificate",
        &["cert", "cert_file", "certfile", "certificate_file", "crt", "pem", "ssl_cert", "tls_cert"],
    ),
    ("key", &["cert_key", "key_file", "keyfile", "private_key", "privatekey", "signing_key", "tls_key"]),
    (
        "expiration",
        &["duration", "exp", "expiry", "expire", "expires", "expires_in", "lifetime", "ttl", "validity"],
    ),
    ("issuer", &["iss"]),
    ("path_prefix", &["base_path", "prefix"]),
    ("trusted_proxies", &["proxies", "proxy", "trusted_proxy"]),
    ("tls_min_version", &["min_version", "tls_version"]),
    ("url", &["addr", "address", "backend", "upstream"]),
    ("service", &["audience", "service_name"]),
    ("password", &["hash", "pass", "passwd", "password_hash", "pw", "pwd", "secret"]),
    ("labels", &["group", "groups", "label", "role", "roles", "team", "teams"]),
    ("account", &["accounts", "user", "username", "users"]),
    ("name", &["image", "namespace", "path", "repo", "repos", "repository", "repositories"]),
    ("type", &["kind"]),
    ("ip", &["address", "addr", "cidr", "ips", "network"]),
    ("match", &["conditions", "matches", "when", "where"]),
    ("actions", &["access", "allow", "grant", "permission", "permissions", "rights"]),
    ("comment", &["description", "desc", "name", "note"]),
    ("command", &["cmd", "exec", "path", "program", "script"]),
    ("args", &["arguments", "argv", "params"]),
    ("filter", &["user_filter"]),
    ("base", &["base_dn", "basedn", "search_base"]),
    ("bind_dn", &["bind_user", "binddn"]),
    ("bind_password_file", &["bind_password", "bind_pw", "bindpw", "password"]),
    ("ca_certificate", &["ca", "ca_cert", "ca_file", "cacert"]),
    ("insecure_tls_skip_verify", &["insecure", "insecure_skip_verify", "skip_verify"]),
    ("tls", &["ssl", "start_tls", "starttls"]),
    ("database_type", &["database", "dialect", "driver", "type"]),
    ("conn_string", &["conn", "connection", "connection_string", "connstring", "dsn", "url"]),
    ("file", &["path"]),
    ("to", &["file", "output", "path"]),
    ("socket", &["path"]),
    ("users", &["accounts", "static_auth", "static_users", "user"]),
    ("acl", &["acls", "permissions", "policies", "policy", "rules"]),
    ("ldap_auth", &["ad_auth", "ldap"]),
    ("oidc_auth", &["azure_auth", "keycloak_auth", "oidc", "okta_auth", "openid_auth"]),
    (
        "xorm_auth",
        &["db_auth", "mysql_auth", "pg_auth", "postgres_auth", "postgresql_auth", "sql_auth", "sqlite_auth"],
    ),
    ("acl_xorm", &["acl_db", "acl_mysql", "acl_postgres", "acl_sql", "xorm_acl"]),
    ("acl_mongo", &["mongo_acl"]),
    ("ext_authz", &["acl_ext", "acl_external", "ext_acl"]),
    ("htpasswd", &["htpasswd_auth"]),
    ("robots", &["machine_users", "robot", "robot_accounts", "service_accounts"]),
    ("tokens", &["keys", "secrets", "token"]),
    ("sha256", &["digest", "hash", "secret", "sha", "sha-256", "token"]),
    ("expires", &["expiration", "expires_at", "expiry", "until", "valid_until"]),
    ("scopes", &["access", "actions", "permissions", "repositories", "scope"]),
];

/// Settings of the registry's own file, by section.
const OF_THE_REGISTRY: &[(&str, &[&str])] = &[
    ("token", &["autoredirect", "autoredirectpath", "jwks", "rootcertbundle", "signingalgorithms"]),
    ("server", &["debug", "headers", "http2", "relativeurls", "secret"]),
    (
        "",
        &[
            "auth",
            "catalog",
            "compatibility",
            "health",
            "http",
            "middleware",
            "proxy",
            "redis",
            "reporting",
            "storage",
            "validation",
            "version",
        ],
    ),
];

/// Back ends of forks.
const OF_FORKS: &[&str] = &[
    "api_auth",
    "db",
    "http_auth",
    "kerberos_auth",
    "pam_auth",
    "radius_auth",
    "redis_auth",
    "rest_auth",
    "restapi_auth",
    "webhook_auth",
];

/// Returns what was probably meant by `key` in the mapping at `parent`, where `known` keys may stand.
pub(crate) fn suggest(parent: &Path, key: &str, known: &[&'static str]) -> Suggestion {
    let meant = |name: &'static str, hint: String| Suggestion { hint, meant: Some(parent.key(name)) };
    if let Some(name) = key.split_once(':').and_then(|(name, _)| same(name, known)) {
        return meant(name, format!("A space belongs after the colon: `{name}: …`"));
    }
    if let Some(name) = same(&key.to_lowercase(), known) {
        return meant(name, format!("Did you mean `{name}`?"));
    }
    if let Some(suggestion) = misplaced(parent, key) {
        return suggestion;
    }
    if let Some(hint) = foreign(parent, key) {
        return Suggestion { hint: hint.to_owned(), meant: None };
    }
    match synonym(key, known).or_else(|| near(key, known)) {
        Some(name) => meant(name, format!("Did you mean `{name}`?")),
        None => Suggestion { hint: of_section(parent, key).unwrap_or_else(|| listed(known)), meant: None },
    }
}

fn same(name: &str, known: &[&'static str]) -> Option<&'static str> {
    known.iter().find(|known| **known == name).copied()
}

fn listed(known: &[&'static str]) -> String {
    format!("Known keys here: {}", known.join(", "))
}

/// Right keys of a rule one level too high or too low, which is what a lost indentation makes.
fn misplaced(parent: &Path, key: &str) -> Option<Suggestion> {
    let [Step::Key(section), Step::Index(_), deeper @ ..] = parent.steps() else { return None };
    let is_of = |place: Path| known_keys(place.steps()).contains(&key);
    if section != "acl" {
        return None;
    }
    match deeper {
        [] if is_of(parent.key("match")) => {
            let hint = "It is a condition: indent it under `match`".to_owned();
            Some(Suggestion { hint, meant: Some(parent.key("match")) })
        }
        [_] if is_of(parent.parent()?) => {
            let hint = "It belongs beside `match`, not under it: indent it less".to_owned();
            Some(Suggestion { hint, meant: Some(parent.parent()?.key(key)) })
        }
        _ => None,
    }
}

/// The meaning of that name in another program.
fn foreign(parent: &Path, key: &str) -> Option<&'static str> {
    let section = match parent.steps() {
        [] => "",
        [Step::Key(section)] => section,
        _ => return None,
    };
    if section.is_empty() && OF_FORKS.contains(&key) {
        return Some(
            "docker_auth has no such section. Let a command ask that service: `ext_auth`. Else list the accounts under `users`",
        );
    }
    if (section, key) == ("gitlab_auth", "organization") {
        return Some(
            "docker_auth reads it and checks nothing: remove it. To require a group, use `oidc_auth` with `label_claims: [groups_direct]`",
        );
    }
    let registry = OF_THE_REGISTRY.iter().any(|(of, keys)| *of == section && keys.contains(&key));
    registry.then_some("A setting of the registry's own configuration: remove it here")
}

/// A key of that name in a section, which this one is not.
fn of_section(parent: &Path, key: &str) -> Option<String> {
    let sections = known_keys(&[]);
    let has = |section: &&&str| known_keys(&[Step::Key((**section).to_owned())]).contains(&key);
    let found: Vec<String> =
        sections.iter().filter(has).map(|section| format!("`{section}.{key}`")).collect();
    let near_top = parent.steps().len() < 2 && !found.is_empty() && found.len() < 4;
    near_top.then(|| format!("It is {}", found.join(" or ")))
}

fn synonym(key: &str, known: &[&'static str]) -> Option<&'static str> {
    let key = key.to_lowercase().replace('-', "_");
    if let Some(name) = same(&key, known) {
        return Some(name);
    }
    let (name, _) = SYNONYMS.iter().find(|(name, others)| known.contains(name) && others.contains(&&*key))?;
    Some(name)
}

/// A key that is spelt almost so: one slip in a short word, one more for every four letters.
fn near(key: &str, known: &[&'static str]) -> Option<&'static str> {
    let distance = |name: &str| strsim::damerau_levenshtein(&key.to_lowercase(), name);
    let (distance, name) = known.iter().map(|name| (distance(name), *name)).min()?;
    (distance <= (name.len() / 4).max(1)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(parent: &[&str], key: &str) -> String {
        let parent: Path = parent.iter().map(|step| Step::Key((*step).to_owned())).collect();
        suggest(&parent, key, &known_keys(parent.steps())).hint
    }

    #[test]
    fn the_right_key_is_suggested() {
        for (parent, key, meant) in [
            (&["server"][..], "cert", "certificate"),
            (&["server"], "port", "addr"),
            (&["server"], "host", "addr"),
            (&["server"], "adr", "addr"),
            (&["server"], "path-prefix", "path_prefix"),
            (&["server"], "Certificate", "certificate"),
            (&["token"], "cert", "certificate"),
            (&["token"], "expires", "expiration"),
            (&[], "sql_auth", "xorm_auth"),
            (&[], "rules", "acl"),
            (&[], "usres", "users"),
            (&["users", "bob"], "passwd", "password"),
            (&["users", "bob"], "groups", "labels"),
            (&["registry"], "addr", "url"),
            (&["xorm_auth"], "dsn", "conn_string"),
            (&["ldap_auth"], "bind_password", "bind_password_file"),
            (&["htpasswd"], "path", "file"),
        ] {
            assert_eq!(hint(parent, key), format!("Did you mean `{meant}`?"), "{parent:?} {key}");
        }
    }

    #[test]
    fn a_key_of_another_place_or_program_is_said_to_be_one() {
        assert_eq!(hint(&["token"], "service"), "It is `registry.service`");
        let gitlab = hint(&["gitlab_auth"], "organization");
        assert!(gitlab.starts_with("docker_auth reads it and checks nothing: remove it."), "{gitlab}");
        assert_eq!(hint(&[], "issuer"), "It is `token.issuer` or `oidc_auth.issuer`");
        assert_eq!(hint(&[], "certificate"), "It is `server.certificate` or `token.certificate`");
        for (parent, key) in [
            (&["token"][..], "rootcertbundle"),
            (&["token"], "autoredirect"),
            (&[], "storage"),
            (&[], "http"),
        ] {
            assert_eq!(hint(parent, key), "A setting of the registry's own configuration: remove it here");
        }
        for key in ["redis_auth", "restapi_auth", "db"] {
            assert!(hint(&[], key).starts_with("docker_auth has no such section."), "{key}");
        }
    }

    #[test]
    fn a_far_key_gets_the_list() {
        for (parent, key) in [(&["server"][..], "colour"), (&["token"], "x"), (&["audit"], "zzz")] {
            assert!(hint(parent, key).starts_with("Known keys here: "), "{key}: {}", hint(parent, key));
        }
    }
}
