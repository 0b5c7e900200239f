//! Accounts and rules: `users:`, `acl:`, and the back ends of each.

use crate::config::settings::row::{
    DefaultValue::{self, Required, Words},
    Setting, duration, hours, optional, plain, required, seconds, section,
};

pub(crate) const USERS: &[Setting] = &[
    section("users", "The accounts that may sign in. The user `\"\"` is every client without a password.")
        .or(Required),
    optional("users.<name>.password", "The bcrypt hash of the password: `htpasswd -nBC 10 <name>`.")
        .or(Words("none; only the user \"\" may lack it")),
    section("users.<name>.labels", "Labels with their values, for rules to match.").or(Words("none")),
];

pub(crate) const ACL: &[Setting] = &[
    section(
        "acl",
        "The rules: the first that matches decides, and a request that none matches is denied. See docs/policy.md.",
    )
    .or(Required),
    section(
        "acl[].match",
        "The conditions, all of which must hold; `{}` always holds. Globs, where * does not cross a slash, or /regular \
         expressions/.",
    )
    .or(Required),
    optional("acl[].match.account", "The name of the account; `\"\"` is a client without a password.").or(ANY),
    optional("acl[].match.type", "The type of the resource: `repository` or `registry`.").or(ANY),
    optional("acl[].match.name", "The repository, with `${account}`, `${labels:group}` and other placeholders.").or(ANY),
    optional("acl[].match.ip", "The address of the client, or a block of addresses.").or(ANY),
    optional("acl[].match.service", "The service that the token is for.").or(ANY),
    optional("acl[].match.labels", "A pattern for each label of the account.").or(ANY),
    optional("acl[].match.tag", "The tag: a pattern or a list, of which one must match. docker_auth does not have it.").or(ANY),
    required("acl[].actions", "Of `pull`, `push`, `delete`, `*`. `[\"*\"]` allows all that is requested, `[]` nothing."),
    optional(
        "acl[].from",
        "The day in UTC from whose beginning the rule holds, or the time: see docs/policy.md#rules-for-a-time.",
    ),
    optional("acl[].until", "The last day in UTC on which the rule holds, or the time at which it ends."),
    optional("acl[].comment", "Repeated by the log, by `explain` and by the web pages."),
];

const ANY: DefaultValue = Words("any");

pub(crate) const EXT_AUTH: &[Setting] = &[
    section("ext_auth", "More accounts, from a command: see docs/backends.md.").or(Words("none")),
    required("ext_auth.command", "The path of a program, or the name of one in PATH."),
    optional("ext_auth.args", "The arguments of the command."),
];

pub(crate) const LDAP_AUTH: &[Setting] = &[
    section("ldap_auth", "More accounts, from a directory: see docs/backends.md.").or(Words("none")),
    required("ldap_auth.addr", "The host and port of the directory."),
    optional("ldap_auth.tls", "`always`, `starttls` or `none`.").or(Words("always for port 636, else none")),
    plain("ldap_auth.insecure_tls_skip_verify", "false", "Accept any certificate. For trying out only."),
    optional("ldap_auth.ca_certificate", "The authorities that its certificate may be from, in PEM.")
        .or(Words("the authorities of this machine")),
    required("ldap_auth.base", "The name below which accounts are looked up."),
    required("ldap_auth.filter", "The filter that finds an account, with `${account}` in it."),
    optional("ldap_auth.bind_dn", "The name that looks accounts up.").or(Words("anonymous")),
    optional("ldap_auth.bind_password_file", "The file with the password of `bind_dn`."),
    section("ldap_auth.labels", "Labels of the account, from attributes of its entry.").or(Words("none")),
    required("ldap_auth.labels.<label>.attribute", "The attribute of the entry that has the values."),
    plain(
        "ldap_auth.labels.<label>.parse_cn",
        "false",
        "Take the common name of a value that is the name of an entry.",
    ),
    plain("ldap_auth.labels.<label>.lower_case", "false", "Turn the values into lower case."),
    plain(
        "ldap_auth.initial_bind_as_user",
        "false",
        "Look an account up with its own password. `bind_dn` then has `${account}` in it, and there is no \
         `bind_password_file`.",
    ),
];

pub(crate) const XORM_AUTH: &[Setting] = &[
    section("xorm_auth", "More accounts, from a database: see docs/backends.md.").or(Words("none")),
    required("xorm_auth.database_type", DATABASE_TYPE),
    required("xorm_auth.conn_string", CONN_STRING),
];

pub(crate) const ACL_XORM: &[Setting] = &[
    section("acl_xorm", "More rules, from a database: see docs/backends.md.").or(Words("none")),
    required("acl_xorm.database_type", DATABASE_TYPE),
    required("acl_xorm.conn_string", CONN_STRING),
    // docker_auth has no bounds, and ends with 0.
    duration("acl_xorm.cache_ttl", seconds(60), seconds(1)..=hours(24), "How often the rules are read.")
        .or(Required),
];

const DATABASE_TYPE: &str = "`sqlite3`, `postgres` or `mysql`.";
const CONN_STRING: &str = "The place of the database, as the Go drivers write it.";

pub(crate) const EXT_AUTHZ: &[Setting] = &[
    section("ext_authz", "More rules, from a command: see docs/backends.md.").or(Words("none")),
    required("ext_authz.command", "The path of a program, or the name of one in PATH."),
    optional("ext_authz.args", "The arguments of the command."),
];

pub(crate) const HTPASSWD: &[Setting] = &[
    section("htpasswd", "More accounts, from the file of `registry:2`.").or(Words("none")),
    required("htpasswd.file", "The file, with bcrypt hashes. It is read again when it changes."),
];
