//! `ui:`: the web pages.

use crate::{
    config::{
        Context,
        schema::{File, Switch, Ui},
        settings,
        values::quantity,
    },
    proxy::UiSettings,
};

/// Reads `ui:`.
pub(crate) fn settings(file: &File, context: &mut Context<'_>) -> UiSettings {
    let none = Ui::default();
    let written = file.ui.as_ref().unwrap_or(&none);
    let session = const { settings::duration("ui.session") };
    UiSettings {
        enabled: written.enabled.unwrap_or(Switch(true)).0,
        session: quantity::duration(written.session.as_ref(), session, &mut context.report),
    }
}
