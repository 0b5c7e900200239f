//! Servers that refuse to run as root, in a container or a CI job where everything is: they run as `nobody` there.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, chown},
    path::Path,
};

const NOBODY: u32 = 65534;

/// The program and arguments that run `program` with `args` as a user without rights.
pub fn unprivileged(program: &str, args: &[&str]) -> (String, Vec<String>) {
    let args = args.iter().map(|arg| (*arg).to_owned());
    if !is_root() {
        return (program.to_owned(), args.collect());
    }
    let id = NOBODY.to_string();
    // A change of user clears the signal that the harness asked for.
    let switch = ["--reuid", &id, "--regid", &id, "--clear-groups", "--pdeathsig", "TERM", "--", program];
    ("setpriv".to_owned(), switch.map(str::to_owned).into_iter().chain(args).collect())
}

/// Gives a directory, and what is in it, to that user.
pub fn give_away(directory: &Path) {
    if is_root() {
        for entry in fs::read_dir(directory).unwrap() {
            chown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        chown(directory, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}
