//! The command line as a shell, a script and an operator use it: output that cannot be written, where the configuration
//! comes from, help that can be copied, the version.

use std::{
    fs::{self, File, Permissions},
    io::Read,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use serde_json::json;
use tempfile::TempDir;

use crate::support::programs;

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
const PRINTING: [(&[&str], &str); 11] = [
    (&["--help"], ""),
    (&["--version"], ""),
    (&["check", "--config", "auth_config.yml"], ""),
    (&["explain", "--config", "auth_config.yml", "--account", "user1", "--scope", "repository:a:pull"], ""),
    (&["explain", "auth_config.yml", "--account", "user1", "--scope", "repository:a:pull", "--json"], ""),
    (&["explain", "--config", "auth_config.yml", "--everyone", "--scope", "repository:a:pull"], ""),
    (&["test-policy", "--config", "auth_config.yml", "table.yml"], ""),
    (&["replay", "--config", "auth_config.yml", "--audit", "-"], ""),
    (&["unused", "--config", "auth_config.yml", "--audit", "-"], ""),
    (&["hash", "--cost", "4"], "a password\n"),
    (&["completions", "bash"], ""),
];

fn with_input(directory: &TempDir, input: &str) -> Stdio {
    let path = directory.path().join("input");
    fs::write(&path, input).unwrap();
    File::open(path).unwrap().into()
}

/// A table of expectations that is met.
const TABLE: &str = "- {account: stranger, scope: 'repository:a:pull', expect: deny}\n";

#[test]
fn a_full_disk_fails_every_command_that_prints() {
    let directory = configured(2);
    fs::write(directory.path().join("table.yml"), TABLE).unwrap();
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
    fs::write(directory.path().join("table.yml"), TABLE).unwrap();
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

#[test]
fn the_configuration_is_named_as_docker_auth_does_or_by_a_variable() {
    let directory = configured(1);
    let check = |args: &[&str], variable: Option<&str>| {
        let mut command = portwarden(&directory, &[&["check"], args].concat());
        variable.map(|value| command.env("PORTWARDEN_CONFIG", value));
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let ok = (0, String::new());
    for named in [&["auth_config.yml"][..], &["--config", "auth_config.yml"], &["-c", "auth_config.yml"]] {
        assert_eq!(check(named, None), ok, "{named:?}");
        assert_eq!(check(named, Some("/nowhere")), ok, "{named:?}: the command line wins");
    }
    assert_eq!(check(&[], Some("auth_config.yml")), ok);
    for (args, variable) in [(&[][..], None), (&[], Some(""))] {
        let (code, said) = check(args, variable);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("name it with --config FILE, or set PORTWARDEN_CONFIG"), "{said}");
    }
    let (code, said) = check(&["auth_config.yml", "-c", "other.yml"], None);
    assert!(code == 2 && said.contains("cannot be used with"), "{said}");
}

#[test]
fn every_command_takes_the_configuration_in_the_same_ways() {
    let directory = configured(1);
    fs::write(directory.path().join("table.yml"), TABLE).unwrap();
    let pull = json!({
        "time": "2026-11-28T10:00:00Z", "event": "decision", "account": "user0", "source": "users", "method": "GET",
        "route": "tags", "repository": "a", "requested": ["repository:a:pull"], "decision": "allowed",
    });
    fs::write(directory.path().join("audit.log"), format!("{pull}\n")).unwrap();
    let may = ["--account", "user0", "--scope", "repository:a:pull"];
    let commands: [(&str, &[&str]); 4] = [
        ("check", &[]),
        ("explain", &may),
        ("test-policy", &["table.yml"]),
        ("replay", &["--audit", "audit.log"]),
    ];
    for (command, rest) in commands {
        for named in [&["auth_config.yml"][..], &["-c", "auth_config.yml"], &[]] {
            let mut run = portwarden(&directory, &[&[command], named, rest].concat());
            if named.is_empty() {
                run.env("PORTWARDEN_CONFIG", "auth_config.yml");
            }
            let output = run.output().unwrap();
            assert!(output.status.success(), "{command} {named:?}: {output:?}");
        }
    }
    // `serve` gets as far as its address, which no machine has.
    let serve =
        portwarden(&directory, &["serve", "auth_config.yml", "--listen", "192.0.2.1:1"]).output().unwrap();
    let said = String::from_utf8_lossy(&serve.stderr).into_owned();
    assert!(said.contains("192.0.2.1:1"), "{said}");
}

#[test]
fn a_hash_for_a_user_is_a_line_of_the_configuration() {
    let directory = configured(1);
    for name in ["alice", "a b", "-", "yes", "quo\"te", "*"] {
        let mut command = portwarden(&directory, &["hash", "--cost", "10", "--user", name]);
        let output = command.stdin(with_input(&directory, "a password\n")).output().unwrap();
        let line = String::from_utf8(output.stdout).unwrap();
        let file = directory.path().join("auth_config.yml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("users:\n", &format!("users:\n  {line}"))).unwrap();
        let args = ["explain", "auth_config.yml", "--account", name, "--scope", "repository:a:pull"];
        let explained = portwarden(&directory, &args).output().unwrap();
        let said = String::from_utf8_lossy(&explained.stdout).into_owned();
        assert!(!said.is_empty() && !said.contains("no such user"), "{name}: {line}{explained:?}");
    }
}

#[test]
fn a_hash_is_for_no_name_that_cannot_sign_in() {
    for name in ["al:ice", "al\nice"] {
        let output = portwarden(&configured(0), &["hash", "--user", name]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains("no colon"), "{said}");
    }
}

#[test]
fn the_log_has_no_colors_where_they_are_not_wanted() {
    let directory = configured(1);
    let file = directory.path().join("auth_config.yml");
    // A rule with a warning, and an address that no machine has: a line in the log, and the end.
    let text = fs::read_to_string(&file).unwrap().replace("[0-9]+$/", "/").replace(":443", "192.0.2.1:1");
    fs::write(&file, text).unwrap();
    let on_a_terminal = |no_color: Option<&str>| {
        let mut command = programs::command("script");
        let serve = format!("{PORTWARDEN} serve auth_config.yml");
        command.current_dir(directory.path()).args(["-qc", &serve, "/dev/null"]).env_remove("NO_COLOR");
        no_color.map(|value| command.env("NO_COLOR", value));
        String::from_utf8(command.stdin(Stdio::null()).output().unwrap().stdout).unwrap()
    };
    for colored in [None, Some("")] {
        let log = on_a_terminal(colored);
        assert!(log.contains("not anchored") && log.contains("\x1b["), "{colored:?}: {log:?}");
    }
    let log = on_a_terminal(Some("1"));
    assert!(log.contains("not anchored") && !log.contains('\x1b'), "{log:?}");
}

#[test]
fn completions_are_for_each_shell() {
    let directory = configured(0);
    for (shell, word) in
        [("bash", "complete -F"), ("zsh", "#compdef portwarden"), ("fish", "complete -c portwarden")]
    {
        let output = portwarden(&directory, &["completions", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && script.contains(word) && script.contains("test-policy"),
            "{script}"
        );
    }
}

/// The lines of a help text that are examples: `  portwarden …`, with those that continue them.
fn examples(help: &str) -> Vec<String> {
    let joined = help.replace("\\\n", " ");
    let lines = joined.lines().filter_map(|line| line.strip_prefix("  "));
    let lines = lines.map(|line| line.strip_prefix("token=$(").unwrap_or(line));
    lines.filter(|line| line.starts_with("portwarden ") && !line.contains("...")).map(str::to_owned).collect()
}

/// The words of an example up to a redirection or the next command; `'…'` is one word.
fn words(example: &str) -> Vec<String> {
    let end = [" <", " >", " &&"].iter().filter_map(|end| example.find(end)).min().unwrap_or(example.len());
    let odd_parts_are_quoted = example[..end].split('\'').enumerate();
    odd_parts_are_quoted
        .flat_map(|(n, part)| match n % 2 {
            1 => vec![part.to_owned()],
            _ => part.split_whitespace().map(str::to_owned).collect(),
        })
        .collect()
}

#[test]
fn examples_of_the_help_can_be_copied() {
    let directory = configured(0);
    let mut count = 0;
    for command in portwarden::cli::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .chain([String::new()])
    {
        let args: Vec<&str> =
            [command.as_str(), "--help"].into_iter().filter(|arg| !arg.is_empty()).collect();
        let output = portwarden(&directory, &args).env("COLUMNS", "80").output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        // The example is copied as it stands in the source: a line that had to be wrapped would not parse.
        for example in examples(&help) {
            count += 1;
            let parsed = portwarden::cli::command().try_get_matches_from(words(&example));
            assert!(parsed.is_ok(), "{example}: {parsed:?}");
        }
    }
    assert!(count >= 12, "{count}");
}
