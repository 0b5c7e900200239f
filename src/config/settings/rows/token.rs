//! `token:`.

use crate::config::settings::row::{
    DefaultValue::{Required, Words},
    Setting, count, optional, plain, required, section,
};

pub(crate) const ROWS: &[Setting] = &[
    section("token", "The issuer and lifetime of tokens, and their key if it is not that of the server.")
        .or(Required),
    required("token.issuer", "The name in every token."),
    // A token is only as fresh as the account behind it; a year is surely a mistake of unit.
    count(
        "token.expiration",
        900,
        1..=366 * 24 * 3600,
        "seconds",
        "The lifetime of a token. Less than 60 counts as 60, with a warning.",
    )
    .or(Required),
    optional("token.certificate", "The certificate of the key that signs, in PEM.")
        .or(Words("server.certificate")),
    optional("token.key", "The key that signs, in PEM.").or(Words("server.key")),
    plain(
        "token.disable_legacy_key_id",
        "false",
        "Name the key by its RFC 7638 thumbprint instead of libtrust's id.",
    ),
    optional("token.realm", "Where clients are sent for a token.")
        .or(Words("https://<the host of the request><path_prefix>/auth")),
    plain(
        "token.refresh_tokens",
        "false",
        "Give accounts of `users`, `htpasswd` and `robots` a refresh token when their client asks for one. docker then \
         keeps it in place of the password: see docs/policy.md.",
    ),
];
