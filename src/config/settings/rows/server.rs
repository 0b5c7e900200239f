//! `server:`.

use crate::config::settings::row::{
    DefaultValue::{Required, Words},
    Setting, optional, plain, refused, required, section,
};

/// The rows.
pub(crate) const ROWS: &[Setting] = &[
    section(
        "server",
        "Addresses, certificate and key, a port that redirects browsers to HTTPS, trusted proxies, other origins.",
    )
    .or(Required),
    required(
        "server.addr",
        "Where to listen: `\":443\"` is all interfaces, `\"127.0.0.1:443\"` or `\"[::1]:443\"` one of them; or a list.",
    ),
    plain("server.net", "tcp", "`tcp`, or `unix`: then `addr` is the path of a socket."),
    plain(
        "server.path_prefix",
        "\"\"",
        "Put before the paths of the token endpoint: `\"/prefix\"` makes it `/prefix/auth`.",
    ),
    optional(
        "server.certificate",
        "The certificates in PEM, the server's own first. Without this and `key`, Portwarden serves plain HTTP.",
    ),
    optional("server.key", "The private key of the certificate, in PEM."),
    optional(
        "server.client_ca",
        "The authorities of client certificates, in PEM; a file or a list: see docs/certificates.md.",
    ),
    plain(
        "server.client_auth",
        "optional",
        "`optional`, or `required`: then no connection is served without a certificate of `client_ca`.",
    ),
    optional(
        "server.client_crl",
        "Their revocation lists, in PEM; a file or a list. With one, each authority must have a list that is in date.",
    ),
    plain("server.hsts", "false", "Send Strict-Transport-Security."),
    plain("server.tls_min_version", "TLS12", "The oldest version of TLS: `TLS12` or `TLS13`."),
    optional("server.tls_curve_preferences", "Accepted for docker_auth, but not used: the safe curves are offered."),
    optional(
        "server.tls_cipher_suites",
        "Accepted for docker_auth, but not used: the safe suites are offered, and no others.",
    ),
    optional(
        "server.real_ip_header",
        "The header with the client's address. Without `trusted_proxies`, any client can write it.",
    ),
    optional("server.real_ip_pos", "The entry of that header that counts: 0 is the first, -1 the last.")
        .or(Words("the first; with trusted_proxies, the last that is none of them")),
    refused("server.letsencrypt"),
    optional(
        "server.trusted_proxies",
        "The proxies in front of Portwarden whose headers are trusted: addresses or blocks.",
    ),
    plain(
        "server.relative_urls",
        "true",
        "Answer uploads with a path as the next place, which clients resolve against the URL of their request. With false, \
         the answer has scheme and host: `Host`, or those that a trusted proxy reports in X-Forwarded-Proto, -Host and \
         -Port or in Forwarded.",
    ),
    optional(
        "server.redirect_addr",
        "Where to speak plain HTTP and redirect browsers to the first port of `addr`. All other requests are rejected \
         with 400. Written as `addr`, and only with `certificate` and `key`.",
    ),
    section(
        "server.cors",
        "Pages of other origins, such as an older front end, that may use /v2 and the token endpoint from a browser, with \
         the password that the browser knows.",
    )
    .or(Words("none")),
    required("server.cors.origins", "The origins by name, each with scheme, host and port."),
    optional("server.cors.methods", "The methods that they may send; add DELETE for a front end that deletes.")
        .or(Words("GET, HEAD")),
];
