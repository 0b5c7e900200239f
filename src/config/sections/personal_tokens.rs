//! `personal_tokens:`.

use crate::{
    config::{
        Context,
        diagnostics::path::Path,
        schema::{File, PersonalTokens, Switch},
        settings,
        values::quantity,
    },
    proxy::{PersonalTokenSettings, UiSettings},
    state::StateSettings,
};

/// Reads `personal_tokens:`.
pub(crate) fn settings(file: &File, context: &mut Context<'_>) -> PersonalTokenSettings {
    let none = PersonalTokens::default();
    let written = file.personal_tokens.as_ref().unwrap_or(&none);
    let report = &mut context.report;
    let lifetime = const { settings::duration("personal_tokens.lifetime") };
    let unverified = const { settings::duration("personal_tokens.lifetime_unverified") };
    let most = const { settings::count("personal_tokens.per_account") };
    PersonalTokenSettings {
        enabled: written.enabled.unwrap_or(Switch(true)).0,
        lifetime: quantity::duration(written.lifetime.as_ref(), lifetime, report),
        lifetime_unverified: quantity::duration(written.lifetime_unverified.as_ref(), unverified, report),
        per_account: quantity::count(written.per_account, most, report) as usize,
    }
}

/// Warns of a section that has no effect.
pub(crate) fn check(file: &File, ui: &UiSettings, state: &StateSettings, context: &mut Context<'_>) {
    let Some(written) = &file.personal_tokens else { return };
    if written.enabled == Some(Switch(false)) {
        return;
    }
    let (message, hint) = if !ui.enabled {
        ("there are no personal tokens without the web pages", "Remove `ui.enabled: false`, or this section")
    } else if *state == StateSettings::Off {
        let hint = "Set `state.file`, or remove this section; below systemd, `StateDirectory=` in the unit is enough";
        ("there are no personal tokens without a state file", hint)
    } else {
        return;
    };
    context.report.warn(Path::from("personal_tokens"), message, hint);
}
