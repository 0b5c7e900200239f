//! `ui:`.

use crate::config::settings::row::{Setting, duration, hours, plain, seconds, section};

pub(crate) const ROWS: &[Setting] = &[
    section("ui", "The web pages at `<path_prefix>/`."),
    plain("ui.enabled", "true", "If false, that path shows docker_auth's one line instead."),
    duration("ui.session", hours(8), seconds(60)..=hours(30 * 24), "Length of a session."),
];
