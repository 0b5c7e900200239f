//! `ext_auth:` and `ext_authz:`: a command of the operator, found and fit to be run.
//!
//! Running it is the business of `backend`.

use std::{
    env, fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path as FilePath, PathBuf},
};

use crate::{
    backend::CommandSettings,
    config::{
        Context,
        diagnostics::path::Path,
        schema::{Command, Text},
    },
};

/// Any of the three bits will do: permission to execute it is only known when it is run, perhaps by another user than
/// now.
const EXECUTABLE: u32 = 0o111;
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// In a directory with this bit, no user can replace files of another.
const STICKY: u32 = 0o1000;

/// The command of the section `key`, looked for as Go's `exec.LookPath` does. With a slash it is a path, which starts
/// at the configuration's directory and not, as in docker_auth, at the working directory. Without one, it is a program
/// in `PATH`.
///
/// `None` after an error: it is missing, not there, no file or not executable.
pub(crate) fn settings(written: &Command, key: &str, context: &mut Context<'_>) -> Option<CommandSettings> {
    let at = Path::from(key).key("command");
    let Some(Text(name)) = written.command.as_ref().filter(|name| !name.0.is_empty()) else {
        context.report.error(
            at,
            "missing",
            "Write the program to run, and its arguments as a list in `args`",
        );
        return None;
    };
    let args = written.args.iter().flatten().map(|Text(arg)| arg.clone()).collect();
    if !context.looks_at(FilePath::new(name), &at) {
        return Some(CommandSettings { command: context.path(name), args });
    }
    match find(name, context) {
        Ok(command) => {
            warn_if_writable(&command, &at, context);
            Some(CommandSettings { command, args })
        }
        Err((message, hint)) => {
            let is_line = name.split_once(' ').is_some_and(|(program, _)| find(program, context).is_ok());
            let hint = if is_line { "Arguments stand in a list of their own, `args`" } else { hint };
            context.report.error(at, message, hint);
            None
        }
    }
}

/// The problem, and the remedy.
type Wrong = (String, &'static str);

fn find(name: &str, context: &Context<'_>) -> Result<PathBuf, Wrong> {
    if name.contains('/') { path(name, context) } else { look_up(name) }
}

fn path(name: &str, context: &Context<'_>) -> Result<PathBuf, Wrong> {
    let hint = "Give a program that is there; a relative path starts at this file's directory";
    let cannot =
        |path: &FilePath, error: io::Error| (format!("cannot find {}: {error}", path.display()), hint);
    let written = context.path(name);
    let path = std::path::absolute(&written).map_err(|error| cannot(&written, error))?;
    let found = fs::metadata(&path).map_err(|error| cannot(&path, error))?;
    if !found.is_file() {
        return Err((format!("{} is not a file", path.display()), hint));
    }
    if !is_executable(&found) {
        return Err((format!("{} is not executable", path.display()), "Run `chmod +x` on it"));
    }
    Ok(path)
}

/// The first executable file of that name. Relative directories are passed over, as by Go.
fn look_up(name: &str) -> Result<PathBuf, Wrong> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut candidates = env::split_paths(&path).filter(|directory| directory.is_absolute());
    let fits =
        |file: &PathBuf| fs::metadata(file).is_ok_and(|found| found.is_file() && is_executable(&found));
    candidates.find_map(|directory| Some(directory.join(name)).filter(fits)).ok_or_else(|| {
        let path = path.to_string_lossy();
        let hint = "Write a path, as `./check.sh` for a program in this file's directory";
        (format!("there is no such program in PATH, which is {path:?} here"), hint)
    })
}

fn is_executable(found: &fs::Metadata) -> bool {
    found.permissions().mode() & EXECUTABLE != 0
}

/// An account that can write the program, or replace it in its directory, reads every password and decides.
fn warn_if_writable(command: &FilePath, at: &Path, context: &mut Context<'_>) {
    // A link is followed: what it names is what is run.
    let program = fs::canonicalize(command).unwrap_or_else(|_| command.to_owned());
    let directories = [command.parent(), program.parent()].into_iter().flatten();
    let directory = directories.into_iter().find(|directory| is_writable(directory, STICKY));
    let open = Some(program.as_path()).filter(|program| is_writable(program, 0)).or(directory);
    if let Some(open) = open {
        let message = format!(
            "{} can be written by other users, who could put a program of theirs in its place",
            open.display()
        );
        context.report.warn(at, message, "Run `chmod go-w` on it");
    }
}

fn is_writable(path: &FilePath, unless: u32) -> bool {
    fs::metadata(path).is_ok_and(|found| {
        let mode = found.permissions().mode();
        mode & WRITABLE_BY_OTHERS != 0 && mode & unless == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{
        Loaded,
        tests::{SERVER, TOKEN, directory, read, write},
    };

    fn mode(directory: &tempfile::TempDir, name: &str, mode: u32) {
        fs::set_permissions(directory.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A directory with an executable `check.sh`.
    fn installed() -> tempfile::TempDir {
        let directory = directory();
        write(directory.path(), "check.sh", "#!/bin/sh\n");
        mode(&directory, "check.sh", 0o700);
        directory
    }

    fn with(directory: &tempfile::TempDir, section: &str) -> (String, Option<Loaded>) {
        let text = format!("{SERVER}{TOKEN}acl: []\next_auth: {section}\n");
        read(&text, directory.path())
    }

    #[test]
    fn a_program_is_found_in_path_or_beside_the_configuration() {
        let directory = installed();
        let found = |section: &str| {
            let (said, loaded) = with(&directory, section);
            assert_eq!(said, "", "{section}");
            loaded.unwrap().config.authenticators.ext_auth.unwrap()
        };
        let sh = found("{command: sh, args: [-c, 1, 'a b']}");
        assert!(sh.command.is_absolute() && sh.command.ends_with("sh"), "{sh:?}");
        assert_eq!(sh.args, ["-c", "1", "a b"]);
        assert_eq!(found("{command: ./check.sh}").command, directory.path().join("check.sh"));
        assert_eq!(found("{command: /bin/sh}").command, FilePath::new("/bin/sh"));
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_what_to_do() {
        let directory = installed();
        mode(&directory, "cert.pem", 0o600);
        let said = |section: &str| with(&directory, section).0;
        let missing = "f.yml:9:1: ext_auth.command: missing. Write the program to run, and its arguments as a list in \
                       `args`";
        assert_eq!(said("{}"), missing);
        assert_eq!(said("{command: ''}"), missing.replace("9:1:", "9:12:"));
        assert_eq!(
            said("{command: ./no-such}"),
            "f.yml:9:12: ext_auth.command: cannot find no-such: No such file or directory (os error 2). Give a program \
             that is there; a relative path starts at this file's directory"
        );
        assert_eq!(
            said("{command: ./cert.pem}"),
            "f.yml:9:12: ext_auth.command: cert.pem is not executable. Run `chmod +x` on it"
        );
        assert!(said("{command: ../}").contains("is not a file"));
        assert!(said("{command: check.sh}").contains("there is no such program in PATH, which is \""));
        assert!(
            said("{command: ./check.sh --all}").ends_with("Arguments stand in a list of their own, `args`")
        );
    }

    #[test]
    fn a_program_that_others_may_replace_is_said() {
        let directory = installed();
        let said = || with(&directory, "{command: ./check.sh}").0;
        mode(&directory, "check.sh", 0o720);
        assert_eq!(
            said(),
            "f.yml:9:12: warning: ext_auth.command: check.sh can be written by other users, who could put a program of \
             theirs in its place. Run `chmod go-w` on it"
        );
        mode(&directory, "check.sh", 0o700);
        mode(&directory, "", 0o777);
        assert!(said().contains("can be written by other users"), "{}", said());
        mode(&directory, "", 0o1777);
        assert_eq!(said(), "");
    }
}
