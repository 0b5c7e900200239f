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
    let lifetime = quantity::duration(written.lifetime.as_ref(), lifetime, report);
    let unverified = quantity::duration(written.lifetime_unverified.as_ref(), unverified, report);
    PersonalTokenSettings {
        enabled: written.enabled.unwrap_or(Switch(true)).0,
        lifetime,
        // Who writes `lifetime` alone means all accounts.
        lifetime_unverified: unverified.min(lifetime),
        per_account: quantity::count(written.per_account, most, report) as usize,
        device_login: written.device_login.unwrap_or(Switch(true)).0,
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

#[cfg(test)]
mod tests {
    use crate::config::{
        Config,
        tests::{SERVER, TOKEN, directory, said},
    };

    fn of(sections: &str) -> String {
        said(&format!("{SERVER}{TOKEN}users: {{}}\nacl: []\n{sections}"))
    }

    #[test]
    fn rule_62_no_account_has_tokens_for_longer_than_the_longest_lifetime() {
        for (section, longest, unverified) in [
            ("", 90, 7),
            ("personal_tokens: {lifetime: 24h}\n", 1, 1),
            ("personal_tokens: {lifetime: 48h, lifetime_unverified: 240h}\n", 2, 2),
            ("personal_tokens: {lifetime: 240h, lifetime_unverified: 48h}\n", 10, 2),
        ] {
            let text = format!("{SERVER}{TOKEN}users: {{}}\nacl: []\n{section}");
            let directory = directory();
            let config = Config::parse(&text, "f.yml", directory.path()).ok().unwrap().config;
            let of = config.proxy.personal_tokens;
            let days = [of.lifetime, of.lifetime_unverified].map(|time| time.as_secs() / (24 * 3600));
            assert_eq!(days, [longest, unverified], "{section}");
        }
    }

    #[test]
    fn a_section_without_effect_and_a_value_out_of_range_are_named() {
        let state = "state: {file: state.db}\n";
        for (sections, says) in [
            ("personal_tokens: {lifetime: 48h}\n", "there are no personal tokens without a state file"),
            (
                "personal_tokens: {}\nui: {enabled: false}\n",
                "there are no personal tokens without the web pages",
            ),
            (&format!("personal_tokens: {{lifetime: 1h}}\n{state}"), "personal_tokens.lifetime"),
            (
                &format!("personal_tokens: {{lifetime_unverified: 367d}}\n{state}"),
                "personal_tokens.lifetime_unverified",
            ),
            (&format!("personal_tokens: {{per_account: 0}}\n{state}"), "personal_tokens.per_account"),
            (
                &format!("personal_tokens: {{lifetimes: 1h}}\n{state}"),
                "unknown key. Did you mean `lifetime`?",
            ),
        ] {
            let said = of(sections);
            assert!(said.contains(says), "{sections}: {said}");
        }
        for fine in [
            "personal_tokens: {enabled: false}\n",
            &format!("personal_tokens: {{lifetime: 48h, lifetime_unverified: 24h, per_account: 3}}\n{state}"),
        ] {
            assert!(!of(fine).contains("personal_tokens"), "{fine}: {}", of(fine));
        }
    }
}
