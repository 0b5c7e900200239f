//! The programs that tests start: looked for first, so that the test names one that is missing and the way to get it.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// Fails the test unless this machine has `program`, a path or the name of one in `PATH`.
#[track_caller]
pub fn require(program: &str) {
    assert!(is_installed(program), "{}", missing(program));
}

/// A command for a program that is installed; the test fails where it is not.
#[track_caller]
pub fn command(program: &str) -> Command {
    require(program);
    Command::new(program)
}

/// The sentence about a program, or a library, that this machine lacks.
pub fn missing(name: &str) -> String {
    format!("this machine has no {name}: run `make tools`, which installs the programs that the tests start")
}

/// A path in the target folder that `make tools` fills with `name`; the test fails where it has not.
#[track_caller]
pub fn fetched(path: &str, name: &str) -> PathBuf {
    let target = in_target_folder(path);
    assert!(target.exists(), "{}", missing(name));
    target
}

/// A path in the target folder that `make target` fills with `name` before it runs the tests that need it; other tests
/// fail. `make test` lets each of them fail, so that one of them does not pass only where an earlier run left `name`.
#[track_caller]
pub fn fetched_by(target: &str, path: &str, name: &str) -> PathBuf {
    let found = in_target_folder(path);
    let is_allowed = env::var_os("PORTWARDEN_TEST_TOOLS_ONLY").is_none();
    assert!(
        is_allowed && found.exists(),
        "`make test` has no {name}: mark the test as ignored, and run `make {target}`"
    );
    found
}

fn in_target_folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join(path)
}

fn is_installed(program: &str) -> bool {
    if program.contains('/') {
        return Path::new(program).exists();
    }
    let paths = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&paths).any(|folder| folder.join(program).is_file())
}
