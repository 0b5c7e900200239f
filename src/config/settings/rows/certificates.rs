//! `certificate_auth:`.

use crate::config::settings::row::{DefaultValue::Words, Setting, optional, required, section};

pub(crate) const ROWS: &[Setting] = &[
    section(
        "certificate_auth",
        "Machines that sign in with a client certificate of `server.client_ca`: see docs/certificates.md.",
    )
    .or(Words("none")),
    required(
        "certificate_auth.account",
        "The account behind `cert:`, with fields in it: `${san:uri}`, `${san:dns}`, `${san:email}`, `${subject:CN}`, \
         `${subject:O}`, `${subject:OU}`, `${subject:L}`, `${subject:C}`, `${subject:UID}`.",
    ),
    optional(
        "certificate_auth.strip",
        "What the name must begin with; it is left out of the account. Another beginning is no login.",
    ),
    section(
        "certificate_auth.labels",
        "Labels, and the field of each, with all its values. A missing field is no login.",
    )
    .or(Words("none")),
];
