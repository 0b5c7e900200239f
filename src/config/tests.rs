//! The words of each important finding, with file, line, column and key.

use std::{fs, path::Path, process::Command};

use rcgen::{CertifiedKey, generate_simple_self_signed};

use super::{Config, Findings, Loaded};

pub(super) const SERVER: &str = "server:\n  addr: \":5001\"\n";
pub(super) const TOKEN: &str =
    "token:\n  issuer: Acme\n  expiration: 900\n  certificate: cert.pem\n  key: key.pem\n";
pub(super) const REST: &str = "users: {}\nacl: []\n";

/// A directory with two pairs, `cert.pem` and `other.pem` with their keys, and an empty file.
pub(super) fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (certificate, key) in [("cert.pem", "key.pem"), ("other.pem", "otherkey.pem")] {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        write(directory.path(), certificate, &cert.pem());
        write(directory.path(), key, &signing_key.serialize_pem());
    }
    write(directory.path(), "empty.pem", "");
    directory
}

pub(super) fn write(directory: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let file = directory.join(name);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Returns the errors or warnings about `text`, with the directory's name cut out.
pub(super) fn said(text: &str) -> String {
    read(text, directory().path()).0
}

/// The same with these files beside it, and the configuration where it may be used.
pub(super) fn read(text: &str, directory: &Path) -> (String, Option<Loaded>) {
    match Config::parse(text, "f.yml", directory) {
        Ok(loaded) => (cut(&loaded.warnings, directory), Some(loaded)),
        Err(findings) => (cut(&findings, directory), None),
    }
}

pub(super) fn cut(findings: &Findings, directory: &Path) -> String {
    findings.to_string().replace(&format!("{}/", directory.display()), "")
}

/// The findings about a server's `cert.pem` and `key.pem` after `script` was run beside them; `C` is the place of the
/// certificate, `K` that of the key. `rest` goes on with `token:`.
pub(super) fn after(script: &str, rest: &str) -> String {
    after_with(script, "", rest)
}

/// The same with `server` behind the other keys of `server`.
pub(super) fn after_with(script: &str, server: &str, rest: &str) -> String {
    let directory = directory();
    let made = Command::new("sh").args(["-ec", script]).current_dir(directory.path()).output().unwrap();
    assert!(made.status.success(), "{script}: {}", String::from_utf8_lossy(&made.stderr));
    let text = format!(
        "server: {{addr: ':443', certificate: cert.pem, key: key.pem{server}}}\n\
         token: {{issuer: A, expiration: 900{rest}}}\nusers: {{}}\nacl: []\n"
    );
    let (said, _) = read(&text, directory.path());
    let said = said.replace("f.yml:1:24: warning: server.certificate: ", "warning: C ");
    said.replace("f.yml:1:24: server.certificate: ", "C ").replace("f.yml:1:47: server.key: ", "K ")
}

/// Returns the findings with `server` below `server:`, everything else being right.
pub(super) fn of_server(server: &str) -> String {
    said(&format!("{SERVER}{server}{TOKEN}{REST}"))
}

pub(super) fn of_token(token: &str) -> String {
    said(&format!("{SERVER}token:\n{token}{REST}"))
}

pub(super) fn of_ours(section: &str) -> String {
    said(&format!("{SERVER}{TOKEN}{REST}{section}"))
}

#[test]
fn a_right_file_says_nothing() {
    assert_eq!(of_server(""), "");
    assert_eq!(
        said(&format!("\u{feff}{SERVER}{TOKEN}{REST}x-notes: {{a: 1}}\n...\n# end\n").replace('\n', "\r\n")),
        ""
    );
}

#[test]
fn what_is_required_is_missed_all_at_once() {
    let all = "f.yml: server.addr: missing. Write where to listen, as `:443` or `127.0.0.1:443`\n\
        f.yml: token.issuer: missing. Write any name, as `Acme auth server`; a registry with `auth: token` \
        must have the same\n\
        f.yml: token.expiration: missing. Write a number of seconds, as `900`\n\
        f.yml: token: there is no certificate and key to sign tokens with. Add `certificate` and `key` \
        here, or under `server`\n\
        f.yml: users: no account is configured to sign in, which is probably a mistake. Add `users`; `users: \
        {}` if no account may sign in\n\
        f.yml: acl: there are no rules, which is probably a mistake. Add `acl`; `acl: []` if nothing is to \
        be allowed";
    assert_eq!(said(""), all);
    assert_eq!(said("~\n"), all.replace("f.yml:", "f.yml:1:1:"));
}

#[test]
fn unknown_keys_are_errors_with_a_suggestion() {
    let text = format!("{SERVER}{TOKEN}users: {{}}\nacl:\n  - match: {{acount: admin}}\n    actions: []\n");
    assert_eq!(said(&text), "f.yml:10:13: acl[0].match.acount: unknown key. Did you mean `account`?");
}

#[test]
fn a_wrong_shape_is_said_beside_unknown_keys() {
    let shape = "f.yml:3:3: server.hsts: expected `true` or `false`, found text. Look at the \
    indentation, dashes and \
                 quotes of this line";
    let key = "f.yml:4:3: server.adr: unknown key. Did you mean `addr`?";
    assert_eq!(of_server("  hsts: maybe\n"), shape);
    assert_eq!(of_server("  hsts: maybe\n  adr: x\n"), format!("{shape}\n{key}"));
}

#[test]
fn text_that_is_not_yaml_says_where() {
    let said = said("server:\n  addr: [\ntoken: x\n");
    assert_eq!(
        said,
        "f.yml:2:9: not valid YAML: unclosed bracket '['. Look at this line and the one before: indentation, quotes, \
         brackets\n    2 |   addr: [\n      |         ^"
    );
}

#[test]
fn everything_is_said_at_once() {
    let text = "server: {addr: ':5001', certificate: no.pem, key: no.key, cert: x, letsencrypt: {cachefile: x}}\n\
        token: {issuer: [], expiration: 900, rootcertbundle: /x.pem}\n\
        users:\n  kim: {password: in the clear}\n  amy: {}\n\
        acl:\n  - match: {account: 'a['}\n    action: ['*']\nmongo_auth: {}\nregistry: {url: x}\n";
    let said = said(text);
    let keys: Vec<_> = said.lines().filter_map(|line| line.split(": ").nth(1)).collect();
    let all = "server.certificate server.key server.cert server.letsencrypt.cachefile token.issuer token.rootcertbundle \
        users.kim.password users.amy.password acl[0].match.account acl[0].action mongo_auth registry.url";
    assert_eq!(keys, all.split(' ').collect::<Vec<_>>(), "{said}");
}

#[test]
fn an_error_elsewhere_hides_no_warning_about_a_rule() {
    let rule = "users: {\"\": {}}\nacl: [{match: {}, actions: [Pull]}]\n";
    let with = |more: &str| said(&format!("{SERVER}{more}{TOKEN}{rule}"));
    assert!(with("  cert: x\n").contains("acl[0].actions[0]: "), "{}", with("  cert: x\n"));
    let unknown = said(&format!("{SERVER}{TOKEN}{rule}sql_auth: {{}}\n"));
    assert!(unknown.contains("acl[0].actions[0]: "), "{unknown}");
}

#[test]
fn rules_need_match_and_actions() {
    let text = format!("{SERVER}{TOKEN}users: {{}}\nacl:\n  - match: {{}}\n  - actions: []\n  -\n");
    assert_eq!(
        said(&text),
        "f.yml:10:5: acl[0].actions: missing. Write a list, as `[\"pull\"]`; `[\"*\"]` for all, `[]` for \
        none\n\
         f.yml:11:5: acl[1].match: missing. Write the conditions, indented under `match:`; `match: {}` for \
         every account and every request\n\
         f.yml:12:4: acl[2].match: missing. Write the conditions, indented under `match:`; `match: {}` for \
         every account and every request\n\
         f.yml:12:4: acl[2].actions: missing. Write a list, as `[\"pull\"]`; `[\"*\"]` for all, `[]` for none"
    );
}

#[test]
fn sections_that_are_not_built_are_refused_by_name() {
    assert_eq!(
        of_ours("mongo_auth: {password: hunter2}\n"),
        "f.yml:10:1: mongo_auth: accounts in MongoDB, which is not in this version. Remove it, and list the accounts under \
         `users`, or let a command say who they are: `ext_auth`"
    );
}

#[test]
fn a_file_that_cannot_be_read_says_so() {
    let error = Config::load(Path::new("/nonexistent/f.yml")).err().unwrap().to_string();
    assert_eq!(
        error,
        "/nonexistent/f.yml: cannot read the configuration: No such file or directory (os error 2). Give \
        the path of a YAML \
         file in UTF-8 that this user may read"
    );
}

#[test]
fn a_file_that_is_not_utf_8_says_where() {
    let directory = directory();
    let path = directory.path().join("f.yml");
    for (bytes, line) in [(&b"a: 1\nb: \xff\n"[..], 2), (b"\xff\xfea\0:\0", 1), (b"a: \xed\xa0\x80\n", 1)] {
        fs::write(&path, bytes).unwrap();
        let error = Config::load(&path).err().unwrap().to_string();
        assert!(error.contains(&format!("line {line} is not UTF-8")), "{error}");
    }
}

#[test]
fn settings_know_their_lines() {
    let directory = directory();
    let text = format!(
        "{SERVER}{TOKEN}users:\n  \"\": {{}}\n  bob: {{password: \
        $2y$05$lfIkMm1jPw8Is./rthy5auKvJeeuH7pJMDm4K.KmbODdBR31EC/am}}\nacl:\n  - match: {{}}\n    actions: \
        []\n"
    );
    let config = Config::parse(&text, "f.yml", directory.path()).ok().unwrap().config;
    assert_eq!(config.users.iter().map(|user| user.line).collect::<Vec<_>>(), [9, 10]);
    assert_eq!(config.acl[0].line, 12);
    assert_eq!(config.files, [directory.path().join("cert.pem"), directory.path().join("key.pem")]);
}
