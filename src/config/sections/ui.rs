//! `ui:`: the web pages.

use std::time::Duration;

use crate::{
    config::{
        Context,
        diagnostics::path::Path,
        schema::{File, Switch, Ui},
        values::quantity,
    },
    proxy::UiSettings,
};

const EIGHT_HOURS: Duration = Duration::from_secs(8 * 60 * 60);
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Reads `ui:`.
pub(crate) fn settings(file: &File, context: &mut Context<'_>) -> UiSettings {
    let none = Ui::default();
    let written = file.ui.as_ref().unwrap_or(&none);
    let at = Path::from("ui").key("session");
    let session = quantity::duration(
        written.session.as_ref(),
        at,
        EIGHT_HOURS,
        SHORTEST..=LONGEST,
        &mut context.report,
    );
    UiSettings { enabled: written.enabled.unwrap_or(Switch(true)).0, session }
}
