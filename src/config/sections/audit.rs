//! `audit:`: where the audit log goes, and whether it has labels.

use crate::config::{
    Context,
    schema::{File, Text},
};
use crate::telemetry::{AuditDestination, AuditSettings};

/// Reads `audit:`.
pub(crate) fn settings(file: &File, context: &mut Context<'_>) -> AuditSettings {
    let Some(written) = &file.audit else { return AuditSettings::default() };
    AuditSettings { to: destination(written.to.as_ref(), context), labels: labels(file) }
}

/// `audit.labels`.
pub(crate) fn labels(file: &File) -> bool {
    file.audit.as_ref().and_then(|audit| audit.labels).unwrap_or_default().0
}

/// `audit.to`. A file is at the place as written, from the directory of the configuration.
fn destination(written: Option<&Text>, context: &mut Context<'_>) -> AuditDestination {
    match written.map(|Text(to)| to.as_str()) {
        None | Some("stdout") => AuditDestination::Stdout,
        Some("none") => AuditDestination::Off,
        Some(path) if path.contains('/') => AuditDestination::File(context.path(path)),
        Some(_) => {
            let hint = "Write stdout, none, or the path of a file with a slash in it, such as ./audit.log";
            context.report.error("audit.to", "unknown destination", hint);
            AuditDestination::Off
        }
    }
}
