//! `portwarden check` as an operator, or their CI, runs it: where findings go, `--strict`, `--json`, exit
//! codes.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use serde_json::{Value, json};
use tempfile::TempDir;

const USERS: &str =
    "users: {bob: {password: $2y$10$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC}}\n";
const CLEAN: &str = "acl: [{match: {account: bob}, actions: ['*']}]\n";
const WARNED: &str =
    "acl:\n- match: {account: bob}\n  actions: [push]\n- match: {account: bbo}\n  actions: []\n";
const WRONG: &str = "acl: [{match: {acount: bob}, actions: [push]}]\n";

/// A directory with a certificate and a configuration.
fn installed(acl: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["registry.example".to_owned()]).unwrap();
    fs::write(directory.path().join("tls.crt"), made.cert.pem()).unwrap();
    let key = directory.path().join("tls.key");
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let token = "server: {addr: ':443'}\n\
                 token: {issuer: Acme, expiration: 900, certificate: tls.crt, key: tls.key}\n";
    fs::write(directory.path().join("auth_config.yml"), format!("{token}{USERS}{acl}")).unwrap();
    directory
}

/// Exit code, standard output and standard error.
fn check(acl: &str, options: &[&str]) -> (i32, String, String) {
    check_in(&installed(acl), options)
}

fn check_in(directory: &TempDir, options: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portwarden"));
    command.current_dir(directory.path()).args(["check", "--config", "auth_config.yml"]).args(options);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

const FINE: &str = "auth_config.yml: ok: 1 user, 1 rule\n";
const PUSH: &str =
    "`push` without `pull` allows no push: the registry asks for both, and no later rule adds to this one";

#[test]
fn nothing_to_say_is_fine_in_every_way() {
    assert_eq!(check(CLEAN, &[]), (0, FINE.to_owned(), String::new()));
    assert_eq!(check(CLEAN, &["--strict"]), (0, FINE.to_owned(), String::new()));
    assert_eq!(check(CLEAN, &["--json", "--strict"]), (0, String::new(), String::new()));
}

#[test]
fn warnings_are_errors_when_strict() {
    let said = |warning: &str| {
        format!(
            "auth_config.yml:6:3: {warning}acl[0].actions: {PUSH}. Add `pull`\n\
             auth_config.yml:7:11: {warning}acl[1].match.account: there is no user \"bbo\", so this rule \
             never matches. Did you mean `bob`? Else add the user, or remove the rule\n"
        )
    };
    let fine = FINE.replace("1 rule", "2 rules");
    assert_eq!(check(WARNED, &[]), (0, fine, said("warning: ")));
    assert_eq!(check(WARNED, &["--strict"]), (1, String::new(), said("")));
}

#[test]
fn every_slip_of_a_file_that_is_not_yaml_is_shown_with_its_line() {
    let slips = "acl:\n  - match: {account: bob}\n\tactions: []\n - match: {}\n    actions: ['*']\n  - match: {}\n  actions: []\n";
    let (code, out, err) = check(slips, &[]);
    let line = |line: usize, column: usize, found: &str, wanted: usize| {
        format!(
            "auth_config.yml:{line}:{column}: not valid YAML: this line is indented by {found}, and the lines it belongs to by \
             {wanted} spaces. Indent it by {wanted} spaces\n"
        )
    };
    let expected = [
        line(6, 2, "a tab, which YAML does not take", 4) + "    6 | \tactions: []\n      | \t^\n",
        line(7, 2, "1 space", 2) + "    7 |  - match: {}\n      |  ^\n",
        line(10, 3, "2 spaces", 4) + "   10 |   actions: []\n      |   ^\n",
    ];
    assert_eq!((code, out.as_str(), err), (1, "", expected.concat()));
    let (_, out, _) = check(slips, &["--json"]);
    assert_eq!(objects(&out).len(), 3);
    assert_eq!(objects(&out)[1]["excerpt"], "    7 |  - match: {}\n      |  ^");
}

#[test]
fn a_file_cut_short_is_refused() {
    let (code, out, err) = check(CLEAN.trim_end(), &[]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        err.starts_with("auth_config.yml:4:47: the file may be cut short: its last line has no end. "),
        "{err}"
    );
    assert!(err.contains("`mv auth_config.yml.new auth_config.yml`"), "{err}");
    assert_eq!(check(&format!("{CLEAN}..."), &[]).0, 0, "an end marker is an end");
}

/// A configuration that is named without its directory, as by an operator who is in that directory.
#[test]
fn a_state_file_may_be_beside_a_configuration_without_a_directory_in_its_name() {
    let with = |file: &str| check(&format!("{CLEAN}state: {{file: {file}}}\n"), &["--strict"]);
    assert_eq!(with("state.db"), (0, FINE.to_owned(), String::new()));
    let (code, _, err) = with("missing/state.db");
    assert!(code == 1 && err.contains("state.file: expected a directory at missing, found none"), "{err}");
}

/// The findings about a state that several Portwardens share, with a password that must never be among them.
#[test]
fn rule_16_a_shared_state_is_checked_and_its_password_is_not_shown() {
    let url = "url: 'postgres://pw:hunter2@localhost/state?sslmode=disable'";
    for (state, expected) in [
        (format!("state: {{{url}, file: state.db}}"), "expected `file` or `url`, found both"),
        ("state: {url: 'mysql://pw:hunter2@h/d'}".to_owned(), "expected the URL of a PostgreSQL database"),
        ("state: {url: 'postgres://pw:hunter2@h,i/d'}".to_owned(), "not `host:port`"),
        ("state: {url: 'postgres://pw:hunter2@h/d?options=-c'}".to_owned(), "`options` is not supported"),
        ("state: {url: 'postgres://pw:hunter2@db.example/d?sslmode=disable'}".to_owned(), "in the clear"),
        (
            "state: {url: 'postgres://pw:hunter2@db.example/d'}".to_owned(),
            "identity of db.example is not verified",
        ),
        (format!("state: {{{url}, password_file: password}}"), "`url` has a password as well"),
        (
            "state: {url: 'postgres://pw@localhost/d?sslmode=disable', password_file: none}".to_owned(),
            "cannot read",
        ),
        (
            "state: {url: 'postgres://pw@localhost/d?sslmode=disable', password_file: empty}".to_owned(),
            "is empty",
        ),
        ("state: {password_file: password}".to_owned(), "password_file: stands without `url`"),
        ("state: {when_down: {revocations: never}}".to_owned(), "when_down: stands without `url`"),
        (
            format!("state: {{{url}, when_down: {{revocations: 1s}}}}"),
            "expected `never`, or a time from 5s to 24h",
        ),
        (format!("state: {{{url}, when_down: {{revocations: soon}}}}"), "expected `never` or a duration"),
        (format!("state: {{{url}, when_down: {{throttle: local}}}}"), "throttle"),
    ] {
        let directory = installed(&format!("{CLEAN}{state}\n"));
        fs::write(directory.path().join("empty"), "\n").unwrap();
        fs::write(directory.path().join("password"), "hunter2\n").unwrap();
        let (_, out, said) = check_in(&directory, &["--strict"]);
        assert!(said.contains(expected), "{state}: {said}");
        assert!(!said.contains("hunter2") && !out.contains("hunter2"), "{said}");
    }
    let directory = installed(&format!("{CLEAN}state: {{{url}, when_down: {{revocations: 60s}}}}\n"));
    fs::set_permissions(directory.path().join("auth_config.yml"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(check_in(&directory, &["--strict"]), (0, FINE.to_owned(), String::new()));
}

#[test]
fn replicas_that_order_certificates_need_a_key_that_seals_them() {
    let acme = "server: {addr: ':443', letsencrypt: {email: a@b.example, cache_dir: acme, host: registry.example}}\n";
    let said = |key: &str, more: &str| {
        let directory = installed(CLEAN);
        fs::write(directory.path().join("state.key"), key).unwrap();
        fs::set_permissions(directory.path().join("state.key"), fs::Permissions::from_mode(0o600)).unwrap();
        let file = directory.path().join("auth_config.yml");
        let text = fs::read_to_string(&file).unwrap().replace("server: {addr: ':443'}\n", acme);
        let state = format!("state: {{url: 'postgres://pw@localhost/state?sslmode=disable'{more}}}\n");
        fs::write(&file, format!("{text}{state}")).unwrap();
        check_in(&directory, &[]).2
    };
    let key = "HTYa0NBlKMpPZNsZDvr3MIyQcuyEHm2rHJmOlV4qWxI=\n";
    let missing = said(key, "");
    assert!(
        missing.contains("state.key_file: missing: ") && missing.contains("openssl rand -base64 32"),
        "{missing}"
    );
    for wrong in ["", "a password of an operator, with more than 32 characters", "c2hvcnQ="] {
        let found = said(wrong, ", key_file: state.key");
        assert!(found.contains("state.key holds no key of 32 bytes or more in base64"), "{wrong}: {found}");
        assert!(wrong.is_empty() || !found.contains(wrong), "{found}");
    }
    assert!(!said(key, ", key_file: state.key").contains("state.key_file"));
}

#[test]
fn what_a_merge_key_stands_for_is_in_force() {
    let acl = "x-read: &read\n  actions: [pull]\nacl:\n- match: {account: bob}\n  <<: *read\n";
    assert_eq!(check(acl, &["--strict"]), (0, FINE.to_owned(), String::new()));
    let (code, _, err) = check(&acl.replace("[pull]", "[push]"), &["--strict"]);
    assert_eq!(code, 1);
    assert!(err.starts_with("auth_config.yml:5:3: acl[0].actions: `push` without `pull`"), "{err}");
}

#[test]
fn json_is_one_object_a_line_and_nothing_else() {
    let push = |severity: &str| {
        json!({"severity": severity, "file": "auth_config.yml", "line": 6, "column": 3,
            "key": "acl[0].actions",
            "message": PUSH, "hint": "Add `pull`"})
    };
    let (code, out, err) = check(WARNED, &["--json"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!((objects(&out).len(), &objects(&out)[0]), (2, &push("warning")));
    let keys: Vec<_> = ["severity", "file", "line", "column", "key", "message", "hint"]
        .map(|key| format!("\"{key}\":"))
        .into();
    let places: Vec<_> = keys.iter().map(|key| out.find(key).unwrap()).collect();
    assert!(places.is_sorted(), "the keys stand in this order: {out}");
    let (code, out, err) = check(WARNED, &["--json", "--strict"]);
    assert_eq!((code, err.as_str()), (1, "auth_config.yml: 2 errors and 0 warnings\n"));
    assert_eq!(objects(&out)[0], push("error"));
}

#[test]
fn errors_are_said_in_json_too() {
    let (code, out, err) = check(WRONG, &["--json"]);
    assert_eq!((code, err.as_str()), (1, "auth_config.yml: 1 error and 0 warnings\n"));
    let wrong = json!({"severity": "error", "file": "auth_config.yml", "line": 4, "column": 16,
        "key": "acl[0].match.acount", "message": "unknown key", "hint": "Did you mean `account`?"});
    assert_eq!(objects(&out), [wrong]);
    let (code, out, _) = check("", &["--json", "--config", "missing.yml"]);
    assert_eq!((code, out.as_str()), (2, ""), "an option given twice is a mistake of the command line");
}

#[test]
fn a_file_that_is_not_there_has_no_line() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_portwarden"));
    let output = command
        .current_dir(directory.path())
        .args(["check", "--json", "--config", "no.yml"])
        .output()
        .unwrap();
    let said = objects(&String::from_utf8(output.stdout).unwrap());
    assert_eq!((output.status.code(), said.len()), (Some(1), 1));
    assert_eq!((&said[0]["line"], &said[0]["key"]), (&Value::Null, &json!("")));
}

/// Everything that names a file, on a machine that has none of them.
const ELSEWHERE: &str = "\
server: {addr: ':443', certificate: /etc/none/tls.crt, key: /etc/none/tls.key}
token: {issuer: Acme, expiration: 900, certificate: none.crt, key: none.key}
users: {bob: {password: $2y$10$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC}}
htpasswd: {file: none.htpasswd}
ext_auth: {command: ./none.sh}
ldap_auth: {addr: 'ldap.example:636', base: dc=x, filter: '(uid=${account})', ca_certificate: none.pem, bind_dn: cn=x, bind_password_file: none.txt}
xorm_auth: {database_type: sqlite3, conn_string: none.db}
acl_xorm: {database_type: postgres, conn_string: 'host=db.example password=secret sslmode=verify-full sslrootcert=none.crt', cache_ttl: 1m}
ext_authz: {command: no-such-command}
";

/// As `check`, of a file alone in its directory.
fn check_alone(text: &str, options: &[&str]) -> (i32, String, String) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("auth_config.yml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_portwarden"));
    command.current_dir(directory.path()).args(["check", "--config", "auth_config.yml"]).args(options);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn without_files_the_configuration_is_checked_alone() {
    let fine = format!("{ELSEWHERE}acl: [{{match: {{account: amy}}, actions: ['*']}}]\n");
    let (code, out, err) = check_alone(&fine, &["--strict", "--without-files"]);
    assert_eq!((code, out.as_str()), (0, "auth_config.yml: ok: 1 user, 1 rule\n"), "{err}");
    let notes: Vec<_> = err.lines().map(|line| line.split_once(": note: ").unwrap().1).collect();
    let expected = [
        ("server.certificate", "/etc/none/tls.crt"),
        ("server.key", "/etc/none/tls.key"),
        ("token.certificate", "none.crt"),
        ("token.key", "none.key"),
        ("htpasswd.file", "none.htpasswd"),
        ("ext_auth.command", "./none.sh"),
        ("ldap_auth.ca_certificate", "none.pem"),
        ("ldap_auth.bind_password_file", "none.txt"),
        ("xorm_auth.conn_string", "none.db"),
        ("acl_xorm.conn_string", "none.crt"),
        ("ext_authz.command", "no-such-command"),
    ];
    assert_eq!(notes, expected.map(|(key, file)| format!("{key}: {file} was not looked at")));
    let (code, _, err) = check_alone(&fine, &[]);
    assert!(code == 1 && err.matches("no such program").count() == 1, "{err}");
    assert_eq!(err.matches("cannot read").count() + err.matches("cannot find").count(), 10, "{err}");
}

#[test]
fn without_files_nothing_is_said_about_a_file_that_is_there() {
    let directory = installed(CLEAN);
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let nameless = rcgen::CertificateParams::default().self_signed(&key).unwrap();
    write("tls.crt", &nameless.pem());
    write("tls.key", &key.serialize_pem());
    fs::set_permissions(directory.path().join("tls.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let text = fs::read_to_string(directory.path().join("auth_config.yml")).unwrap();
    let served = "addr: ':443', certificate: tls.crt, key: tls.key";
    write("auth_config.yml", &text.replace("addr: ':443'", served));
    let (code, _, err) = check_in(&directory, &[]);
    assert!(code == 0 && err.contains("no subjectAltName") && err.contains("can be read by every"), "{err}");
    let (code, _, err) = check_in(&directory, &["--without-files", "--strict"]);
    assert!(code == 0 && err.lines().all(|line| line.contains(": note: ")), "{err}");
}

#[test]
fn without_files_all_else_is_found() {
    let wrong = format!("{ELSEWHERE}acl: [{{match: {{name: 'team/app:v1', ip: x}}, actions: [push]}}]\n")
        .replace("(uid=${account})", "(uid=")
        .replace("cache_ttl: 1m", "cache_ttl: 1ms");
    let (code, _, err) = check_alone(&wrong, &["--without-files"]);
    assert_eq!(code, 1);
    for key in ["ldap_auth.filter: ", "acl_xorm.cache_ttl: ", "acl[0].match.ip: "] {
        assert!(err.contains(key), "{key}{err}");
    }
    // An account may be in the file that was not read.
    let static_users =
        "server: {addr: ':443'}\ntoken: {issuer: A, expiration: 900, certificate: c, key: k}\nusers: {}\n";
    let rule = "acl: [{match: {account: amy, name: 'team/app:v1'}, actions: [push]}]\n";
    let (_, _, err) = check_alone(&format!("{static_users}{rule}"), &["--without-files"]);
    assert_eq!(err.matches(": warning: ").count(), 3, "{err}");
    let (_, _, err) =
        check_alone(&format!("{static_users}htpasswd: {{file: f}}\n{rule}"), &["--without-files"]);
    assert_eq!(err.matches(": warning: ").count(), 2, "{err}");
    let (code, out, _) =
        check_alone(&format!("{static_users}{rule}"), &["--without-files", "--strict", "--json"]);
    let severities: Vec<_> = objects(&out).iter().map(|finding| finding["severity"].clone()).collect();
    assert_eq!(
        (code, severities),
        (1, ["note", "note", "error", "error", "error"].map(Value::from).to_vec())
    );
}

fn objects(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
