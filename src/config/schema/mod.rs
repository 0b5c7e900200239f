//! The file as written: its keys, with docker_auth's scalars, unknown keys refused.
//!
//! Its meaning, and its validity, are decided in `config::sections`.

mod acme;
mod keys;
mod notifications;
mod read;
mod scalar;
mod sign_in;
mod tags;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

pub(crate) use acme::{Acme, LetsEncrypt};
pub(crate) use keys::without_unknown_keys;
pub(crate) use notifications::{NotificationEndpoint, Notifications};
pub(crate) use read::read;
pub(crate) use scalar::{Entries, Integer, OneOrMany, Switch, Text, text};
pub(crate) use sign_in::{GithubAuth, GitlabAuth, GoogleAuth, OidcAuth, SignInAuth, TokenDatabase};
pub(crate) use tags::{Keep, RetentionEntry, Tags, WriteOnceEntry};

/// The whole file: docker_auth's sections, then Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping of sections")]
pub(crate) struct File {
    pub(crate) server: Option<Server>,
    pub(crate) token: Option<Token>,
    pub(crate) users: Option<Entries<Option<User>>>,
    pub(crate) acl: Option<Vec<Option<Rule>>>,
    pub(crate) ext_auth: Option<Command>,
    pub(crate) ldap_auth: Option<LdapAuth>,
    pub(crate) google_auth: Option<GoogleAuth>,
    pub(crate) github_auth: Option<GithubAuth>,
    pub(crate) gitlab_auth: Option<GitlabAuth>,
    pub(crate) oidc_auth: Option<OidcAuth>,
    pub(crate) mongo_auth: Option<IgnoredAny>,
    pub(crate) xorm_auth: Option<XormAuth>,
    pub(crate) plugin_authn: Option<IgnoredAny>,
    pub(crate) acl_mongo: Option<IgnoredAny>,
    pub(crate) acl_xorm: Option<AclXorm>,
    pub(crate) casbin_authz: Option<IgnoredAny>,
    pub(crate) ext_authz: Option<Command>,
    pub(crate) plugin_authz: Option<IgnoredAny>,
    pub(crate) htpasswd: Option<Htpasswd>,
    pub(crate) robots: Option<Entries<Option<Robot>>>,
    pub(crate) workload_auth: Option<WorkloadAuth>,
    pub(crate) certificate_auth: Option<CertificateAuth>,
    pub(crate) tags: Option<Tags>,
    pub(crate) retention: Option<Vec<Option<RetentionEntry>>>,
    pub(crate) shadow: Option<Shadow>,
    pub(crate) notifications: Option<Notifications>,
    pub(crate) registry: Option<Registry>,
    pub(crate) backends: Option<Backends>,
    pub(crate) limits: Option<Limits>,
    pub(crate) log: Option<Log>,
    pub(crate) audit: Option<Audit>,
    pub(crate) metrics: Option<Metrics>,
    pub(crate) control: Option<Control>,
    pub(crate) state: Option<State>,
    pub(crate) ui: Option<Ui>,
    pub(crate) personal_tokens: Option<PersonalTokens>,
}

/// `server:`; `acme`, `client_ca`, `client_auth`, `client_crl`, `redirect_addr`, `trusted_proxies`, `relative_urls` and `cors` are
/// Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping")]
pub(crate) struct Server {
    pub(crate) addr: Option<OneOrMany>,
    pub(crate) net: Option<Text>,
    pub(crate) path_prefix: Option<Text>,
    pub(crate) certificate: Option<Text>,
    pub(crate) key: Option<Text>,
    pub(crate) client_ca: Option<OneOrMany>,
    pub(crate) client_auth: Option<Text>,
    pub(crate) client_crl: Option<OneOrMany>,
    pub(crate) hsts: Option<Switch>,
    pub(crate) tls_min_version: Option<Text>,
    pub(crate) tls_curve_preferences: Option<Vec<Text>>,
    pub(crate) tls_cipher_suites: Option<Vec<Text>>,
    pub(crate) real_ip_header: Option<Text>,
    pub(crate) real_ip_pos: Option<Integer>,
    pub(crate) letsencrypt: Option<LetsEncrypt>,
    pub(crate) acme: Option<Acme>,
    pub(crate) trusted_proxies: Option<OneOrMany>,
    pub(crate) relative_urls: Option<Switch>,
    pub(crate) redirect_addr: Option<OneOrMany>,
    pub(crate) cors: Option<Cors>,
}

/// `server.cors:`, Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `origins`")]
pub(crate) struct Cors {
    pub(crate) origins: Option<OneOrMany>,
    pub(crate) methods: Option<OneOrMany>,
}

/// `token:`; `realm` and `refresh_tokens` are Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping")]
pub(crate) struct Token {
    pub(crate) issuer: Option<Text>,
    pub(crate) expiration: Option<Integer>,
    pub(crate) certificate: Option<Text>,
    pub(crate) key: Option<Text>,
    pub(crate) disable_legacy_key_id: Option<Switch>,
    pub(crate) realm: Option<Text>,
    pub(crate) refresh_tokens: Option<Switch>,
}

/// A user.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `password` and `labels`")]
pub(crate) struct User {
    pub(crate) password: Option<Text>,
    pub(crate) labels: Option<Entries<Option<Vec<Text>>>>,
}

/// An entry of the ACL.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `match` and `actions`")]
pub(crate) struct Rule {
    #[serde(rename = "match")]
    pub(crate) conditions: Option<Match>,
    pub(crate) actions: Option<Vec<Text>>,
    pub(crate) from: Condition<Text>,
    pub(crate) until: Condition<Text>,
    pub(crate) comment: Option<Text>,
}

/// `match:` of an entry.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping of conditions")]
pub(crate) struct Match {
    pub(crate) account: Condition<Text>,
    #[serde(rename = "type")]
    pub(crate) resource_type: Condition<Text>,
    pub(crate) name: Condition<Text>,
    pub(crate) ip: Condition<Text>,
    pub(crate) service: Condition<Text>,
    pub(crate) labels: Condition<Entries<Option<Text>>>,
    pub(crate) tag: Condition<OneOrMany>,
}

/// A condition of a rule. One without a value is as good as an absent one, but hardly meant so.
#[derive(Default)]
pub(crate) enum Condition<T> {
    #[default]
    Absent,
    /// The key stands there without a value.
    Empty,
    Value(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Condition<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Empty, Self::Value))
    }
}

/// `ext_auth:` and `ext_authz:`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `command` and `args`")]
pub(crate) struct Command {
    pub(crate) command: Option<Text>,
    pub(crate) args: Option<Vec<Text>>,
}

/// `ldap_auth:`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping")]
pub(crate) struct LdapAuth {
    pub(crate) addr: Option<Text>,
    pub(crate) tls: Option<Text>,
    pub(crate) insecure_tls_skip_verify: Option<Switch>,
    pub(crate) ca_certificate: Option<Text>,
    pub(crate) base: Option<Text>,
    pub(crate) filter: Option<Text>,
    pub(crate) bind_dn: Option<Text>,
    pub(crate) bind_password_file: Option<Text>,
    pub(crate) labels: Option<Entries<Option<LabelMap>>>,
    pub(crate) initial_bind_as_user: Option<Switch>,
}

/// An entry of `ldap_auth.labels:`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `attribute`")]
pub(crate) struct LabelMap {
    pub(crate) attribute: Option<Text>,
    pub(crate) parse_cn: Option<Switch>,
    pub(crate) lower_case: Option<Switch>,
}

/// `xorm_auth:`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `database_type` and `conn_string`")]
pub(crate) struct XormAuth {
    pub(crate) database_type: Option<Text>,
    pub(crate) conn_string: Option<Text>,
}

/// `acl_xorm:`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `database_type` and `conn_string`")]
pub(crate) struct AclXorm {
    pub(crate) database_type: Option<Text>,
    pub(crate) conn_string: Option<Text>,
    pub(crate) cache_ttl: Option<Text>,
}

/// `htpasswd:`, Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `file`")]
pub(crate) struct Htpasswd {
    pub(crate) file: Option<Text>,
}

/// A robot, Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `tokens`, `scopes`, `ip` and `labels`")]
pub(crate) struct Robot {
    pub(crate) tokens: Option<Vec<Option<RobotToken>>>,
    pub(crate) scopes: Condition<OneOrMany>,
    pub(crate) ip: Condition<OneOrMany>,
    pub(crate) labels: Option<Entries<Option<Vec<Text>>>>,
}

/// A token of a robot.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `sha256`, `expires` and `comment`")]
pub(crate) struct RobotToken {
    pub(crate) sha256: Option<Text>,
    pub(crate) expires: Condition<Text>,
    pub(crate) comment: Option<Text>,
}

/// `workload_auth:`, Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `audience` and `issuers`")]
pub(crate) struct WorkloadAuth {
    pub(crate) audience: Option<OneOrMany>,
    pub(crate) session: Option<Text>,
    pub(crate) issuers: Option<Vec<Option<WorkloadIssuer>>>,
}

/// An entry of `workload_auth.issuers:`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `name`, `issuer` and `account`")]
pub(crate) struct WorkloadIssuer {
    pub(crate) name: Option<Text>,
    pub(crate) issuer: Option<Text>,
    pub(crate) algorithms: Option<Vec<Text>>,
    pub(crate) account: Option<Text>,
    pub(crate) require: Option<Entries<Option<Text>>>,
    pub(crate) labels: Option<Entries<Option<Text>>>,
    pub(crate) bearer: Option<bool>,
    pub(crate) ca_certificate: Option<Text>,
    pub(crate) jwks_uri: Option<Text>,
    pub(crate) jwks_file: Option<Text>,
}

/// `certificate_auth:`, Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `account`")]
pub(crate) struct CertificateAuth {
    pub(crate) account: Option<Text>,
    pub(crate) strip: Option<Text>,
    pub(crate) labels: Option<Entries<Option<Text>>>,
}

/// `backends:`, Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping")]
pub(crate) struct Backends {
    pub(crate) timeout: Option<Text>,
    pub(crate) concurrent: Option<Integer>,
    pub(crate) queue: Option<Integer>,
    pub(crate) remember_decisions: Option<Text>,
}

/// `registry:`, Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping")]
pub(crate) struct Registry {
    pub(crate) url: Option<Text>,
    pub(crate) service: Option<Text>,
    pub(crate) catalog: Option<Text>,
    pub(crate) follow_redirects: Option<OneOrMany>,
    pub(crate) storage: Option<Text>,
    pub(crate) storage_answers: Option<Switch>,
    pub(crate) connect_timeout: Option<Text>,
    pub(crate) response_timeout: Option<Text>,
    pub(crate) idle_timeout: Option<Text>,
}

/// `limits:`, Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping")]
pub(crate) struct Limits {
    pub(crate) connections: Option<Integer>,
    pub(crate) connections_per_address: Option<Integer>,
    pub(crate) streams: Option<Integer>,
    pub(crate) header_bytes: Option<Text>,
    pub(crate) header_count: Option<Integer>,
    pub(crate) handshake_timeout: Option<Text>,
    pub(crate) header_timeout: Option<Text>,
    pub(crate) idle_timeout: Option<Text>,
    pub(crate) drain_timeout: Option<Text>,
    pub(crate) idle_body: Option<Text>,
    pub(crate) token_body: Option<Text>,
    pub(crate) token_requests: Option<Integer>,
    pub(crate) upstream_requests: Option<Integer>,
    pub(crate) password_checks: Option<Integer>,
    pub(crate) password_queue: Option<Integer>,
    pub(crate) remember_passwords: Option<Text>,
}

/// `log:`, Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping")]
pub(crate) struct Log {
    pub(crate) level: Option<Text>,
    pub(crate) format: Option<Text>,
    pub(crate) explain_denials: Option<Switch>,
}

/// `audit:`, Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping")]
pub(crate) struct Audit {
    pub(crate) to: Option<Text>,
    pub(crate) labels: Option<Switch>,
}

/// `metrics:`, Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `addr`")]
pub(crate) struct Metrics {
    pub(crate) addr: Option<Text>,
}

/// `ui:`, Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping")]
pub(crate) struct Ui {
    pub(crate) enabled: Option<Switch>,
    pub(crate) session: Option<Text>,
}

/// `personal_tokens:`, Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping")]
pub(crate) struct PersonalTokens {
    pub(crate) enabled: Option<Switch>,
    pub(crate) lifetime: Option<Text>,
    pub(crate) lifetime_unverified: Option<Text>,
    pub(crate) per_account: Option<Integer>,
    pub(crate) device_login: Option<Switch>,
}

/// `state:`, Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `file` or `url`")]
pub(crate) struct State {
    pub(crate) file: Option<Text>,
    pub(crate) url: Option<Text>,
    pub(crate) password_file: Option<Text>,
    pub(crate) key_file: Option<Text>,
    pub(crate) when_down: Option<WhenDown>,
}

/// `state.when_down:`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `revocations`")]
pub(crate) struct WhenDown {
    pub(crate) revocations: Option<Text>,
}

/// `shadow:`, Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `acl_file` and `until`")]
pub(crate) struct Shadow {
    pub(crate) acl_file: Option<Text>,
    pub(crate) until: Condition<Text>,
}

/// `control:`, Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `socket`")]
pub(crate) struct Control {
    pub(crate) socket: Option<Text>,
}
