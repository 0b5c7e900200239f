//! The findings on `ldap_auth`, and its meaning.

use std::fs;

use super::*;
use crate::config::{
    Config, Loaded,
    tests::{self, SERVER, TOKEN, cut, directory, write},
};

const RIGHT: &str = "  base: dc=example,dc=com\n  filter: (uid=${account})\n";

/// Reads `section` below `ldap_auth:`, line 11 being its first. Returns the settings and the findings. The directory
/// has `password`, with white space around it, `empty` and `cert.pem`.
fn read(section: &str) -> (Option<Loaded>, String) {
    let directory = directory();
    write(directory.path(), "password", " hunter2 \r\n");
    write(directory.path(), "empty", " \n");
    let text = format!("{SERVER}{TOKEN}users: {{}}\nacl: []\nldap_auth:\n{section}");
    let (said, loaded) = tests::read(&text, directory.path());
    (loaded, said)
}

fn said(section: &str) -> String {
    read(section).1
}

#[track_caller]
fn meant(section: &str) -> LdapSettings {
    let (loaded, said) = read(section);
    loaded.unwrap_or_else(|| panic!("{said}")).config.authenticators.ldap_auth.unwrap()
}

#[test]
fn what_is_missing_is_said_all_at_once() {
    assert_eq!(
        said("  tls: sometimes\n  labels: {group: {parse_cn: true}, title: }\n"),
        "f.yml:10:1: ldap_auth.addr: missing. Write host and port, as `ldap.example.com:636`\n\
         f.yml:10:1: ldap_auth.base: missing. Write the name to search below, as `dc=example,dc=com`\n\
         f.yml:10:1: ldap_auth.filter: missing. Write a filter, as `(&(uid=${account})(objectClass=person))`\n\
         f.yml:11:3: ldap_auth.tls: not a way to use TLS. Write `always`, `starttls`, or `none`\n\
         f.yml:12:12: ldap_auth.labels.group.attribute: missing. Write the attribute that the label comes from, as \
         `memberOf`\n\
         f.yml:12:37: ldap_auth.labels.title.attribute: missing. Write the attribute that the label comes from, as \
         `memberOf`"
    );
}

#[test]
fn an_address_is_a_host_and_a_port() {
    for (addr, host, port) in [
        ("localhost:389", "localhost", 389),
        ("127.0.0.1:3890", "127.0.0.1", 3890),
        ("'[::1]:389'", "::1", 389),
    ] {
        let settings = meant(&format!("  addr: {addr}\n{RIGHT}"));
        assert_eq!((settings.host.as_str(), settings.port), (host, port));
    }
    for addr in
        ["localhost", "ldap://localhost:389", "ldaps://a", ":389", "a:0", "a:x", "'::1'", "a:65536", "'[]:1'"]
    {
        assert_eq!(
            said(&format!("  addr: {addr}\n{RIGHT}")),
            "f.yml:11:3: ldap_auth.addr: not a host and a port. Write both and nothing else, as \
             `ldap.example.com:636` or `[2001:db8::1]:389`",
            "{addr}"
        );
    }
}

#[test]
fn nothing_written_about_tls_is_decided_by_the_port() {
    let mode = |addr: &str, tls: &str| {
        meant(&format!("  addr: {addr}\n  ca_certificate: cert.pem\n{tls}{RIGHT}")).tls
    };
    assert!(matches!(mode("a.example:636", ""), LdapTls::Always(_)));
    assert!(matches!(mode("a.example:636", "  tls:\n"), LdapTls::Always(_)));
    assert!(matches!(mode("a.example:636", "  tls: ''\n"), LdapTls::Always(_)));
    assert_eq!(mode("a.example:636", "  tls: none\n"), LdapTls::None);
    assert_eq!(mode("a.example:1636", ""), LdapTls::None);
    assert!(matches!(mode("a.example:389", "  tls: starttls\n"), LdapTls::StartTls(_)));
    assert!(matches!(mode("a.example:389", "  tls: always\n"), LdapTls::Always(_)));
}

#[test]
fn passwords_in_the_clear_are_warned_of() {
    let message = "passwords cross the network in the clear, and an attacker in between can pose as any account. \
                   Write `tls: starttls`, or `tls: always` with port 636";
    let addr = |addr: &str, tls: &str| said(&format!("  addr: {addr}\n{tls}{RIGHT}"));
    assert_eq!(addr("a.example:389", ""), format!("f.yml:11:3: warning: ldap_auth.addr: {message}"));
    let with_none = addr("a.example:389", "  tls: none\n");
    assert_eq!(with_none, format!("f.yml:12:3: warning: ldap_auth.tls: {message}"));
    for local in ["localhost:389", "127.9.9.9:389", "'[::1]:389'"] {
        assert_eq!(addr(local, ""), "", "{local}");
    }
}

#[test]
fn authorities_are_those_of_the_file_else_of_the_system() {
    let with = |rest: &str| meant(&format!("  addr: a.example:636\n{rest}{RIGHT}")).tls;
    let LdapTls::Always(Trust::Authorities(own)) = with("  ca_certificate: cert.pem\n") else { panic!() };
    assert_eq!(own.len(), 1);
    let LdapTls::Always(Trust::Authorities(system)) = with("  ca_certificate:\n") else { panic!() };
    assert!(system.len() > 10, "the system knows {} authorities", system.len());
    assert_eq!(
        said(&format!("  addr: a.example:636\n  ca_certificate: empty\n{RIGHT}")),
        "f.yml:12:3: ldap_auth.ca_certificate: empty is empty. Copy it again"
    );
    let missing = said(&format!("  addr: a.example:636\n  ca_certificate: none.pem\n{RIGHT}"));
    assert!(missing.starts_with("f.yml:12:3: ldap_auth.ca_certificate: cannot read none.pem: No such file"));
}

#[test]
fn believing_anything_is_warned_of() {
    let section = format!("  addr: a.example:636\n  insecure_tls_skip_verify: true\n{RIGHT}");
    assert_eq!(meant(&section).tls, LdapTls::Always(Trust::Anything));
    assert_eq!(
        said(&section),
        "f.yml:12:3: warning: ldap_auth.insecure_tls_skip_verify: ANY certificate is believed: an attacker in \
         between gets the passwords, and can pose as any account. Remove it, and name the authority of the directory \
         in `ca_certificate`"
    );
}

#[test]
fn a_filter_is_read_and_has_a_place_for_the_account() {
    let of = |filter: &str| said(&format!("  addr: localhost:389\n  base: dc=x\n  filter: {filter}\n"));
    assert_eq!(of("(&(uid=${account})(objectClass=person))"), "");
    assert_eq!(of("|\n    (&(uid=${account})\n      (objectClass=person))"), "", "folded by hand");
    assert_eq!(
        of("(uid=bob)"),
        "f.yml:13:3: ldap_auth.filter: has no `${account}`, so every login would be checked against the same entry. \
         Write a filter, as `(&(uid=${account})(objectClass=person))`"
    );
    assert_eq!(
        of("uid=${account}"),
        "f.yml:13:3: ldap_auth.filter: not a filter: a filter begins with `(` before \"uid=${account}\". Write a \
         filter, as `(&(uid=${account})(objectClass=person))`"
    );
    assert_eq!(
        of("(uid=${account}*)"),
        "f.yml:13:3: warning: ldap_auth.filter: an entry is found where `${account}` is only a part of a value, or none, \
         so a user may sign in with a part of another one's name. Compare it with the whole value of an attribute in \
         each alternative, as in `(uid=${account})`"
    );
}

#[test]
fn the_reader_has_a_password() {
    let of = |section: &str| format!("  addr: localhost:389\n{section}{RIGHT}");
    let reader = of("  bind_dn: cn=reader\n  bind_password_file: password\n");
    let SearchAs::Reader { dn, password } = meant(&reader).search_as else { panic!() };
    assert_eq!((dn.as_str(), Some(password)), ("cn=reader", BindPassword::new("hunter2")));
    assert_eq!(meant(&of("  bind_dn:\n  bind_password_file:\n")).search_as, SearchAs::Anonymous);
    for (section, finding) in [
        (
            "  bind_dn: cn=reader\n",
            "f.yml:12:3: ldap_auth.bind_dn: stands without `bind_password_file`: a bind without a password is anonymous. \
             Add the file with the password of this user, or remove this",
        ),
        (
            "  bind_dn: cn=reader\n  bind_password_file: empty\n",
            "f.yml:13:3: ldap_auth.bind_password_file: empty is empty: a bind without a password is anonymous. Write the \
             password of `bind_dn` into it",
        ),
        (
            "  bind_dn: cn=reader\n  bind_password_file: none\n",
            "f.yml:13:3: ldap_auth.bind_password_file: cannot read none: No such file or directory (os error 2). Give a \
             file that this user may read; a relative path starts at this file's directory",
        ),
        (
            "  bind_password_file: password\n",
            "f.yml:12:3: warning: ldap_auth.bind_password_file: ignored without `bind_dn`: accounts are looked up \
             anonymously. Add `bind_dn`, or remove this",
        ),
        (
            "  bind_dn: cn=${account}\n  bind_password_file: password\n",
            "f.yml:12:3: warning: ldap_auth.bind_dn: `${account}` has no meaning here without `initial_bind_as_user`. \
             Set `initial_bind_as_user: true`, or name one user",
        ),
    ] {
        assert_eq!(said(&of(section)), finding, "{section}");
    }
}

#[test]
fn binding_as_the_account_needs_a_place_for_it() {
    let of = |section: &str| format!("  addr: localhost:389\n  initial_bind_as_user: true\n{section}{RIGHT}");
    let template = DnTemplate::parse("cn=${account},dc=x").unwrap();
    let right = of("  bind_dn: cn=${account},dc=x\n");
    assert_eq!(meant(&right).search_as, SearchAs::User(template));
    assert_eq!(said(&right), "");
    for (section, finding) in [
        (
            "",
            "f.yml:10:1: ldap_auth.bind_dn: missing. Write the name of each account, as \
             `uid=${account},ou=people,dc=example,dc=com`",
        ),
        (
            "  bind_dn: cn=bob,dc=x\n",
            "f.yml:13:3: ldap_auth.bind_dn: has no `${account}`, so all accounts would bind as the same entry. Write the \
             name of each account, as `uid=${account},ou=people,dc=example,dc=com`",
        ),
        (
            "  bind_dn: cn=${account},dc=x\n  bind_password_file: none\n",
            "f.yml:14:3: warning: ldap_auth.bind_password_file: ignored: with `initial_bind_as_user` each account binds \
             with its own password. Remove it",
        ),
    ] {
        assert_eq!(said(&of(section)), finding, "{section}");
    }
}

#[test]
fn a_password_file_that_others_may_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = directory();
    write(directory.path(), "password", "hunter2");
    fs::set_permissions(directory.path().join("password"), fs::Permissions::from_mode(0o644)).unwrap();
    let section = format!("  addr: localhost:389\n  bind_dn: cn=x\n  bind_password_file: password\n{RIGHT}");
    let text = format!("{SERVER}{TOKEN}users: {{}}\nacl: []\nldap_auth:\n{section}");
    let loaded = Config::parse(&text, "f.yml", directory.path()).ok().unwrap();
    assert_eq!(
        cut(&loaded.warnings, directory.path()),
        "f.yml:13:3: warning: ldap_auth.bind_password_file: password can be read by every user of this machine. Run \
         `chmod o-rwx` on it"
    );
}

#[test]
fn the_files_are_watched() {
    let section = "  addr: localhost:636\n  ca_certificate: other.pem\n  bind_dn: cn=x\n  bind_password_file: password\n";
    let (loaded, _) = read(&format!("{section}{RIGHT}"));
    let files: Vec<_> = loaded.unwrap().config.files.into_iter().collect();
    for name in ["other.pem", "password"] {
        assert!(files.iter().any(|file| file.ends_with(name)), "{name} in {files:?}");
    }
}

#[test]
fn the_example_of_docker_auth_is_accepted() {
    let section = "  addr: ldap.example.com:636\n  tls: always\n  insecure_tls_skip_verify: false\n  ca_certificate:\n  \
                   bind_dn:\n  bind_password_file:\n  base: o=example.com\n  \
                   filter: (&(uid=${account})(objectClass=person))\n  labels:\n    title:\n      attribute: title\n    \
                   groups:\n      attribute: memberOf\n      parse_cn: true\n      lower_case: true\n";
    let settings = meant(section);
    assert_eq!(said(section), "");
    assert_eq!(settings.search_as, SearchAs::Anonymous);
    let groups = Mapping { attribute: "memberOf".to_owned(), parse_cn: true, lower_case: true };
    assert_eq!(settings.labels.last(), Some(&("groups".to_owned(), groups)));
}
