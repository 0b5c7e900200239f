//! The command line as a shell, a script and an operator use it: output that cannot be written, where the configuration comes
//! from, help that can be copied, the version.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use std::{
    fs::{self, File, Permissions},
    io::Read,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use tempfile::TempDir;

const PORTWARDEN: &str = env!("CARGO_BIN_EXE_portwarden");

/// The exit status that a shell reports for a process ended by SIGPIPE.
const BROKEN_PIPE: Option<i32> = Some(141);

/// A directory with a configuration of `users` accounts.
fn configured(users: usize) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["registry.example".to_owned()]).unwrap();
    fs::write(directory.path().join("tls.crt"), made.cert.pem()).unwrap();
    let key = directory.path().join("tls.key");
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    let user = |n| {
        format!("  user{n}: {{password: $2y$10$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC}}\n")
    };
    let users: String = (0..users).map(user).collect();
    let text = format!(
        "server: {{addr: ':443'}}\n\
         token: {{issuer: Acme, expiration: 900, certificate: tls.crt, key: tls.key}}\n\
         users:\n{users}\
         acl: [{{match: {{account: '/^user[0-9]+$/'}}, actions: ['*']}}]\n"
    );
    fs::write(directory.path().join("auth_config.yml"), text).unwrap();
    directory
}

fn portwarden(directory: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(PORTWARDEN);
    command.current_dir(directory.path()).args(args).env_remove("PORTWARDEN_CONFIG").stdin(Stdio::null());
    command
}

/// Commands that print something when all is well, with what they read.
const PRINTING: [(&[&str], &str); 7] = [
    (&["--help"], ""),
    (&["--version"], ""),
    (&["check", "--config", "auth_config.yml"], ""),
    (&["explain", "--config", "auth_config.yml", "--account", "user1", "--scope", "repository:a:pull"], ""),
    (&["explain", "--config", "auth_config.yml", "--everyone", "--scope", "repository:a:pull"], ""),
    (&["test-policy", "--config", "auth_config.yml", "table.yml"], ""),
    (&["hash", "--cost", "4"], "a password\n"),
];

fn with_input(directory: &TempDir, input: &str) -> Stdio {
    let path = directory.path().join("input");
    fs::write(&path, input).unwrap();
    File::open(path).unwrap().into()
}

#[test]
fn a_full_disk_fails_every_command_that_prints() {
    let directory = configured(2);
    fs::write(directory.path().join("table.yml"), "[]\n").unwrap();
    for (args, input) in PRINTING {
        let full = || File::options().write(true).open("/dev/full").unwrap();
        let mut command = portwarden(&directory, args);
        let output = command.stdin(with_input(&directory, input)).stdout(full()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(
            said.contains("cannot write to standard output: No space left on device"),
            "{args:?}: {said}"
        );
    }
}

#[test]
fn a_closed_pipe_ends_a_command_without_a_word() {
    let directory = configured(2);
    fs::write(directory.path().join("table.yml"), "[]\n").unwrap();
    for (args, input) in PRINTING {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = portwarden(&directory, args);
        let output = command.stdin(with_input(&directory, input)).stdout(writer).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.as_str()), (BROKEN_PIPE, ""), "{args:?}");
    }
}

/// 20,000 lines are more than a pipe holds: the command has to notice, in place of deciding for them all.
#[test]
fn a_long_list_ends_with_its_reader() {
    let directory = configured(20_000);
    let args = ["explain", "--config", "auth_config.yml", "--everyone", "--scope", "repository:a:pull"];
    let mut child = portwarden(&directory, &args).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 20];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(child.wait().unwrap().code(), BROKEN_PIPE);
}
