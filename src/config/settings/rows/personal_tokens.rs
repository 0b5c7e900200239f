//! `personal_tokens:`.

use crate::config::settings::row::{Setting, count, duration, hours, plain, section};

pub(crate) const ROWS: &[Setting] = &[
    section(
        "personal_tokens",
        "Tokens that people make for themselves on the page `/-/tokens`, where there is a state file: see \
         docs/personal-tokens.md.",
    ),
    plain("personal_tokens.enabled", "true", "If false, none can be made, and none that was made counts."),
    duration(
        "personal_tokens.lifetime",
        hours(90 * 24),
        hours(24)..=hours(366 * 24),
        "The longest lifetime, counted from when a token was made. A shorter one ends older tokens, too.",
    ),
    duration(
        "personal_tokens.lifetime_unverified",
        hours(7 * 24),
        hours(24)..=hours(366 * 24),
        "The same for an account of `ext_auth`, `ldap_auth` or `xorm_auth`, of which only a login tells whether it is \
         still there. Never longer than `lifetime`.",
    ),
    count("personal_tokens.per_account", 50, 1..=1000, "tokens", "The most tokens of one account."),
    plain(
        "personal_tokens.device_login",
        "true",
        "If false, `portwarden login` gets no token from this registry, and people make theirs on the page.",
    ),
];
