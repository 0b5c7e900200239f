//! `audit:`: where the audit log goes.

use crate::config::{
    Context,
    schema::{File, Text},
};
use crate::telemetry::AuditSettings;

/// Reads `audit:`. A file is at the place as written, from the directory of the configuration.
pub(crate) fn settings(file: &File, context: &mut Context<'_>) -> AuditSettings {
    let written = file.audit.as_ref().and_then(|audit| audit.to.as_ref());
    match written.map(|Text(to)| to.as_str()) {
        None | Some("stdout") => AuditSettings::Stdout,
        Some("none") => AuditSettings::Off,
        Some(path) if path.contains('/') => AuditSettings::File(context.path(path)),
        Some(_) => {
            let hint = "Write stdout, none, or the path of a file with a slash in it, such as ./audit.log";
            context.report.error("audit.to", "unknown destination", hint);
            AuditSettings::Off
        }
    }
}
