//! `log:`: how much is said, and in which form.

use crate::config::{
    diagnostics::finding::Report,
    schema::{File, Text},
};

/// The settings of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogSettings {
    /// `log.level`.
    pub level: LogLevel,
    /// `log.format`.
    pub format: LogFormat,
}

/// The least important line that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// Failures.
    Error,
    /// And what looks wrong.
    Warn,
    /// And what happened: the default.
    #[default]
    Info,
    /// And how.
    Debug,
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people: the default.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Reads `log:`.
pub(crate) fn settings(file: &File, report: &mut Report<'_>) -> LogSettings {
    let Some(written) = &file.log else { return LogSettings::default() };
    let levels = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
    ];
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    LogSettings {
        level: one_of(written.level.as_ref(), "log.level", &levels, report),
        format: one_of(written.format.as_ref(), "log.format", &formats, report),
    }
}

/// `log.explain_denials`.
pub(crate) fn explain_denials(file: &File) -> bool {
    file.log.as_ref().and_then(|log| log.explain_denials).unwrap_or_default().0
}

fn one_of<T: Copy + Default>(
    written: Option<&Text>,
    at: &str,
    known: &[(&str, T)],
    report: &mut Report<'_>,
) -> T {
    let Some(Text(text)) = written else { return T::default() };
    if let Some((_, value)) = known.iter().find(|(name, _)| name == text) {
        return *value;
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    report.error(at, "unknown value", format!("Write one of {}", names.join(", ")));
    T::default()
}
