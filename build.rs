//! Gives `portwarden --version` the commit it was built from: of this checkout, or from `PORTWARDEN_COMMIT` where there is
//! none, as in a container.
//!
//! Builds for tests do not have it. Otherwise each commit would build every test program anew.

use std::{env, process::Command};

fn main() {
    println!("cargo:rerun-if-env-changed=PORTWARDEN_COMMIT");
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let is_for_tests = env::var("PROFILE").is_ok_and(|profile| profile == "debug");
    let commit = if is_for_tests { None } else { commit().map(|commit| format!(" ({commit})")) };
    println!("cargo:rustc-env=PORTWARDEN_VERSION={version}{}", commit.unwrap_or_default());
}

fn commit() -> Option<String> {
    if let Some(given) = env::var("PORTWARDEN_COMMIT").ok().filter(|given| !given.is_empty()) {
        return Some(given);
    }
    // A line is added to this file whenever HEAD moves.
    println!("cargo:rerun-if-changed={}", git(&["rev-parse", "--git-path", "logs/HEAD"])?);
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
