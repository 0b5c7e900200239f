//! `portwarden check`: all that is wrong with a configuration, and what is probably not meant, one line each.

use std::io::{self, Write};

use super::{
    Check,
    assembly::Parts,
    output::{Failure, say},
};
use crate::config::{Config, Finding, Findings, Loaded, Severity, counted};

/// Prints the findings: errors and warnings to standard error with a summary on standard output, or JSON
/// Lines and nothing else to standard output.
///
/// # Errors
/// The findings, or how many there are when they have been printed as JSON, when the configuration cannot
/// be used; with `--strict` a warning is enough.
pub(super) fn run(check: &Check) -> Result<(), Failure> {
    let name = check.config.display().to_string();
    let load = if check.without_files { Config::load_without_files } else { Config::load };
    let (loaded, mut findings) = match load(&check.config) {
        // Nothing is compiled without its files; users and rules have been.
        Ok(loaded) if check.without_files => (Some(loaded.clone()), loaded.warnings),
        Ok(loaded) => usable(loaded, &name),
        Err(findings) => (None, findings),
    };
    if check.strict {
        let warnings = findings.0.iter_mut().filter(|finding| finding.severity == Severity::Warning);
        warnings.for_each(|finding| finding.severity = Severity::Error);
    }
    if check.json {
        findings.0.iter().try_for_each(|finding| say(json(finding)))?;
    }
    match loaded {
        Some(loaded) if !findings.has_errors() => {
            if !check.json {
                fine(&loaded, &findings, &name)?;
            }
            Ok(())
        }
        _ if check.json => Err(format!("{name}: {}", total(&findings)).into()),
        _ => Err(findings.to_string().into()),
    }
}

/// The configuration with its warnings, when it can also be put to use.
fn usable(loaded: Loaded, name: &str) -> (Option<Loaded>, Findings) {
    let mut findings = loaded.warnings.clone();
    let Err(error) = Parts::of(&loaded.config) else { return (Some(loaded), findings) };
    findings.0.push(Finding {
        severity: Severity::Error,
        file: name.to_owned(),
        line: None,
        column: None,
        key: String::new(),
        message: error.to_string(),
        hint: None,
        excerpt: None,
    });
    (None, findings)
}

fn fine(loaded: &Loaded, warnings: &Findings, name: &str) -> Result<(), Failure> {
    if !warnings.0.is_empty() {
        let _ = writeln!(io::stderr(), "{warnings}");
    }
    say(format!("{name}: ok: {}", loaded.config.size()))
}

/// Texts and numbers only, so this does not fail.
fn json(finding: &Finding) -> String {
    serde_json::to_string(finding).unwrap_or_default()
}

fn total(findings: &Findings) -> String {
    let of = |severity, noun| {
        counted(findings.0.iter().filter(|finding| finding.severity == severity).count(), noun)
    };
    format!("{} and {}", of(Severity::Error, "error"), of(Severity::Warning, "warning"))
}
