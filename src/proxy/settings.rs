//! The settings for the journey of a request. Built by `config`.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// Settings of the proxy and its token endpoint.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `token.realm`: the URL in the challenge; `None` for `https://<host as the client named it><path_prefix>/auth`.
    pub realm: Option<String>,
    /// `token.refresh_tokens`: an account with a password gets a refresh token where its client asks for one.
    pub refresh_tokens: bool,
    /// `registry.service`: the `service` of the challenge and the only audience that opens `/v2`.
    pub service: String,
    /// `server.path_prefix`: empty, or absolute without a trailing slash.
    pub path_prefix: String,
    /// `server.relative_urls`: a `Location` names no host; clients resolve it against the URL that they asked for.
    pub relative_urls: bool,
    /// `server.hsts`: send `Strict-Transport-Security`.
    pub hsts: bool,
    /// `server.cors`: which pages of other origins may use the registry.
    pub cors: CorsSettings,
    /// The proxies trusted for the client's address.
    pub client_address: ClientAddressSettings,
    /// `log.explain_denials`: a denied client sees the rule behind the denial, with its comment.
    pub explain_denials: bool,
    /// `audit.labels`: tokens carry all labels of their accounts, so that the audit log has them.
    pub all_labels: bool,
    /// `registry.catalog`: the part of the catalogue for accounts that may not see all of it.
    pub catalog: CatalogSettings,
    /// `ui`: the web pages.
    pub ui: UiSettings,
    /// `personal_tokens`.
    pub personal_tokens: PersonalTokenSettings,
    /// `registry.follow_redirects`: the object stores to which the web pages follow a redirect of the registry.
    pub follow_redirects: Vec<super::WebOrigin>,
    /// `registry.storage`: the directory in which the registry stores, from which blobs are read.
    pub storage: Option<PathBuf>,
    /// `registry.storage_answers`: reads are answered from there without the registry.
    pub storage_answers: bool,
    /// The registry.
    pub upstream: UpstreamSettings,
    /// Bounds on the work of passwords.
    pub passwords: PasswordSettings,
    /// `limits.token_body`: the largest body of a token request, in bytes.
    pub token_body: usize,
    /// `limits.token_requests`: requests for tokens from one address, a second; bursts of half a minute's worth are
    /// free.
    pub token_requests: u32,
    /// `limits.idle_body`: how long a body may stand still before its request ends.
    pub idle_body: Duration,
}

/// The source of the client's address.
#[derive(Debug, Clone, Default)]
pub struct ClientAddressSettings {
    /// `server.real_ip_header`: must then be present and parse, as in docker_auth.
    pub header: Option<String>,
    /// `server.real_ip_pos`: which entry of a comma-separated list; negative counts from the end. `None` is the first,
    /// as in docker_auth, or with `trusted_proxies` the nearest stranger.
    pub position: Option<i64>,
    /// `server.trusted_proxies`: the peers that are believed; empty with `header` set believes any peer, as
    /// docker_auth.
    pub trusted_proxies: Vec<crate::authz::IpBlock>,
}

impl ClientAddressSettings {
    /// Returns true if `server.trusted_proxies` lists the address, in any of its notations.
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies.iter().any(|block| block.contains(address))
    }
}

/// Pages of other origins; none by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CorsSettings {
    /// `server.cors.origins`, as browsers send them.
    pub origins: Vec<String>,
    /// `server.cors.methods`: what they may send.
    pub methods: Vec<&'static str>,
}

/// The part of the catalogue for an account without `registry:catalog:*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CatalogSettings {
    /// Nothing, as with docker_auth.
    Strict,
    /// The repositories that it may pull.
    #[default]
    Filtered,
}

/// The web pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UiSettings {
    /// `ui.enabled`.
    pub enabled: bool,
    /// `ui.session`: how long one stays signed in.
    pub session: Duration,
}

/// The tokens that people make for themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonalTokenSettings {
    /// `personal_tokens.enabled`: they can be made, and those that were made count.
    pub enabled: bool,
    /// `personal_tokens.lifetime`: the longest one, counted from when the token was made.
    pub lifetime: Duration,
    /// `personal_tokens.lifetime_unverified`: the same for an account whose section cannot be asked without its
    /// password.
    pub lifetime_unverified: Duration,
    /// `personal_tokens.per_account`: the most of one account, in all its spellings.
    pub per_account: usize,
    /// `personal_tokens.device_login`: programs may ask for one, for a person to allow it.
    pub device_login: bool,
}

/// The registry behind Portwarden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// `registry.url`.
    pub address: UpstreamAddress,
    /// `limits.upstream_requests`: requests on their way to it; one address gets as many as it leaves for others, and
    /// more wait a short while.
    pub requests: usize,
    /// `registry.connect_timeout`.
    pub connect_timeout: Duration,
    /// `registry.response_timeout`: from the end of the request's body to the head of the response.
    pub response_timeout: Duration,
    /// `limits.idle_body`: how long the registry may stop reading an upload.
    pub idle_body: Duration,
    /// `registry.idle_timeout`: how long a connection to the registry is kept for reuse.
    pub idle_timeout: Duration,
}

/// The address on which the registry listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamAddress {
    /// `http://host:port`: host and port, the port always present.
    Tcp(String),
    /// `unix:/path`.
    Unix(PathBuf),
}

/// As `registry.url` and `--registry` are written.
impl std::fmt::Display for UpstreamAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(authority) => write!(f, "http://{authority}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Bounds on passwords.
#[derive(Debug, Clone)]
pub struct PasswordSettings {
    /// `limits.password_checks`: how many bcrypt checks run at once.
    pub concurrent: usize,
    /// `limits.password_queue`: how many more may wait; beyond that the answer is 503 with `Retry-After`.
    pub queue: usize,
    /// `limits.remember_passwords`: how long a verified password is remembered; zero for never.
    pub remember: Duration,
}

/// The peer of a connection, as far as the journey needs it.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The address of the TCP peer; `None` on a Unix socket.
    pub address: Option<SocketAddr>,
    /// True if the connection is TLS.
    pub tls: bool,
}
