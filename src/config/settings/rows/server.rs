//! `server:`.

use crate::config::settings::row::{
    DefaultValue::{Required, Words},
    Setting, optional, plain, required, section,
};

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
    section(
        "server.letsencrypt",
        "Fetch the certificate by ACME and renew it, instead of `certificate` and `key`: see docs/acme.md. `token` then \
         needs a pair of its own.",
    )
    .or(Words("none")),
    required("server.letsencrypt.host", "The name of the certificate. No other is ordered, whatever clients ask for."),
    optional("server.letsencrypt.email", "Where the authority sends warnings."),
    required("server.letsencrypt.cache_dir", "The directory for the certificate, its key and the account."),
    section("server.acme", "Another authority than Let's Encrypt, or another way to prove the name.")
        .or(Words("none")),
    plain(
        "server.acme.directory",
        "https://acme-v02.api.letsencrypt.org/directory",
        "The URL of the authority's directory.",
    ),
    optional(
        "server.acme.ca_certificate",
        "The certificates that the authority's own server is trusted by, in PEM, instead of those of this machine.",
    ),
    plain(
        "server.acme.challenge",
        "tls-alpn-01",
        "`tls-alpn-01`: the authority connects to port 443. `http-01`: to port 80, which `redirect_addr` must serve.",
    ),
    section("server.acme.eab", "An account that the authority has made for you (external account binding).")
        .or(Words("none")),
    required("server.acme.eab.kid", "Its key identifier."),
    required("server.acme.eab.key_file", "The file of its HMAC key, in base64url."),
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
         with 400. Written as `addr`, and only with TLS. An authority of `letsencrypt` is answered here as well.",
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
