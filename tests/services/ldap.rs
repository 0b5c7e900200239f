//! `ldap_auth` against a real directory, Debian's slapd, alone, as `authn::Ldap`. The whole program before
//! it is in `tests/system/ldap.rs`.
//!
//! Needs: slapd.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use portwarden::{
    authn::{
        Answer, Labels, Ldap, LdapSettings, Secret,
        ldap::{BindPassword, DnTemplate, Filter, LabelMap, LdapTls, SearchAs, Trust},
    },
    backend::BackendLimits,
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use crate::support::{
    pki,
    slapd::{BASE, BY_UID, Builder, FOR_ANYBODY, FOR_USERS, READER, READER_PASSWORD, Slapd, slapd},
    waiting::{PATIENCE, eventually},
};

/// As an operator with a reader configures it, in the clear.
fn settings(directory: &Slapd) -> LdapSettings {
    LdapSettings {
        host: "127.0.0.1".to_owned(),
        port: directory.port(),
        tls: LdapTls::None,
        base: BASE.to_owned(),
        filter: Filter::parse(BY_UID).unwrap(),
        search_as: SearchAs::Reader {
            dn: READER.to_owned(),
            password: BindPassword::new(READER_PASSWORD).unwrap(),
        },
        labels: Vec::new(),
    }
}

fn with_filter(directory: &Slapd, filter: &str) -> LdapSettings {
    LdapSettings { filter: Filter::parse(filter).unwrap(), ..settings(directory) }
}

fn ldap(settings: LdapSettings) -> Ldap {
    Ldap::new(settings, &BackendLimits { timeout: Duration::from_secs(20), ..BackendLimits::default() })
}

fn as_user(directory: &Slapd, template: &str, filter: &str) -> LdapSettings {
    let search_as = SearchAs::User(DnTemplate::parse(template).unwrap());
    LdapSettings { search_as, ..with_filter(directory, filter) }
}

/// The answer; an error is shown as it would be logged.
async fn ask(ldap: &Ldap, account: &str, password: impl Into<Vec<u8>>) -> Result<Answer, String> {
    ldap.authenticate(account, &Secret::new(password)).await.map_err(|error| error.to_string())
}

fn accepted() -> Result<Answer, String> {
    Ok(Answer::Accepted(Labels::new()))
}

fn start(builder: Builder) -> Slapd {
    // It takes a moment and blocks, which a test with a runtime of its own can bear.
    builder.start()
}

#[tokio::test]
async fn a_password_is_right_or_wrong_and_an_account_may_be_unknown() {
    let directory = start(slapd());
    let ldap = ldap(settings(&directory));
    for (account, password) in [
        ("bob", "builder"),
        ("alice", "wonderland"),
        ("jürgen", "pässwort"),
        ("(*)\\", "special"),
        ("comma,x", "comma"),
    ] {
        assert_eq!(ask(&ldap, account, password).await, accepted(), "{account}");
        assert_eq!(ask(&ldap, account, "wrong").await, Ok(Answer::WrongPassword), "{account}");
    }
    assert_eq!(ask(&ldap, "stranger", "builder").await, Ok(Answer::NoSuchUser));
    assert_eq!(ask(&ldap, "locked", "anything").await, Ok(Answer::WrongPassword), "it has no password");
}

#[tokio::test]
async fn passwords_are_bytes() {
    let directory = start(slapd());
    let ldap = ldap(settings(&directory));
    assert_eq!(ask(&ldap, "latin", *b"p\xe4sswort").await, accepted());
    assert_eq!(ask(&ldap, "latin", "pässwort").await, Ok(Answer::WrongPassword));
}

#[tokio::test]
async fn an_empty_password_never_reaches_the_directory() {
    // It would succeed there.
    let directory = start(slapd().directive("allow bind_anon_cred bind_anon_dn"));
    let ldap = ldap(settings(&directory));
    assert_eq!(ask(&ldap, "bob", "").await, Ok(Answer::NoSuchUser));
    assert_eq!(ask(&ldap, "", "builder").await, Ok(Answer::NoSuchUser));
    let as_user = self::ldap(as_user(&directory, "uid=${account},ou=people,dc=example,dc=com", BY_UID));
    assert_eq!(ask(&as_user, "bob", "").await, Ok(Answer::NoSuchUser));
    assert!(!directory.log().contains("ACCEPT"), "{}", directory.log());
}

#[tokio::test]
async fn an_account_cannot_change_the_filter() {
    let directory = start(slapd());
    let ldap = ldap(settings(&directory));
    for account in [
        "*",
        "bo*",
        "b*b",
        "bob)(uid=*",
        "bob)(objectClass=*",
        "*)(uid=bob",
        "bob)(|(uid=*)",
        "\\62ob",
        "bob))(|(uid=bob",
    ] {
        assert_eq!(ask(&ldap, account, "builder").await, Ok(Answer::NoSuchUser), "{account}");
    }
    assert_eq!(ask(&ldap, "bob", "builder").await, accepted());
}

#[tokio::test]
async fn an_account_that_a_directory_takes_for_another_is_nobody() {
    let directory = start(slapd());
    let ldap = ldap(settings(&directory));
    for account in ["bob ", " bob", "bob\0", "bob\n", "b\u{ad}ob", "bob\u{200b}", "bob\u{a0}", "bob\u{feff}"]
    {
        assert_eq!(ask(&ldap, account, "builder").await, Ok(Answer::NoSuchUser), "{account:?}");
    }
    // Other letters for the same ones (NFKC): wide, mathematical, raised, and composed in another way.
    for account in ["ｂob", "\u{1d41b}ob", "b\u{ba}b"] {
        assert_eq!(ask(&ldap, account, "builder").await, Ok(Answer::NoSuchUser), "{account:?}");
    }
    assert_eq!(ask(&ldap, "ju\u{308}rgen", "pässwort").await, Ok(Answer::NoSuchUser));
}

#[tokio::test]
async fn an_account_cannot_add_to_the_name_it_binds_as() {
    let directory = start(slapd().access(FOR_USERS));
    let either = "(|(uid=${account})(cn=${account}))";
    let ldap = ldap(as_user(&directory, "uid=${account},ou=people,dc=example,dc=com", either));
    assert_eq!(ask(&ldap, "bob", "builder").await, accepted());
    assert_eq!(ask(&ldap, "comma,x", "comma").await, accepted(), "a comma is only a comma");
    // There is such an entry below ou=evil, with this common name and this password.
    assert_eq!(ask(&ldap, "mallory,ou=evil", "evil").await, Ok(Answer::WrongPassword));
    directory.says("uid=mallory\\2Cou");
}

#[tokio::test]
async fn binding_as_the_account_searches_as_the_account() {
    let directory = start(slapd().access(FOR_USERS));
    let ldap = ldap(as_user(&directory, "uid=${account},ou=people,dc=example,dc=com", BY_UID));
    assert_eq!(ask(&ldap, "bob", "builder").await, accepted());
    assert_eq!(ask(&ldap, "bob", "wrong").await, Ok(Answer::WrongPassword));
    assert_eq!(ask(&ldap, "alice", "wonderland").await, accepted());
    assert_eq!(ask(&ldap, "stranger", "builder").await, Ok(Answer::WrongPassword), "as docker_auth");
    assert!(!directory.log().contains("BIND dn=\"cn=reader"), "{}", directory.log());
    assert!(!directory.log().contains("BIND dn=\"\""), "{}", directory.log());
}

#[tokio::test]
async fn nobody_may_look_people_up_where_the_directory_lets_them() {
    let directory = start(slapd().access(FOR_ANYBODY));
    let ldap = ldap(LdapSettings { search_as: SearchAs::Anonymous, ..settings(&directory) });
    for _ in 0..3 {
        assert_eq!(ask(&ldap, "bob", "builder").await, accepted());
        assert_eq!(ask(&ldap, "bob", "wrong").await, Ok(Answer::WrongPassword));
        assert_eq!(ask(&ldap, "stranger", "builder").await, Ok(Answer::NoSuchUser));
    }
    assert_connections(&directory, 1);
    // The second use of a connection begins anonymously, not as the account before.
    directory.says("BIND dn=\"\" method=128");
}

#[tokio::test]
async fn nobody_may_search_where_nobody_may_bind() {
    let directory = start(slapd().access(FOR_ANYBODY).directive("disallow bind_anon"));
    let ldap = ldap(LdapSettings { search_as: SearchAs::Anonymous, ..settings(&directory) });
    for _ in 0..3 {
        assert_eq!(ask(&ldap, "bob", "builder").await, accepted());
    }
    // A connection cannot be used a second time.
    assert_connections(&directory, 3);
}

#[tokio::test]
async fn two_entries_for_one_account_are_refused() {
    let directory = start(slapd());
    let ldap = ldap(with_filter(&directory, "(mail=${account})"));
    assert_eq!(ask(&ldap, "bob@example.com", "builder").await, accepted());
    assert_eq!(ask(&ldap, "twin@example.com", "twin").await, Ok(Answer::WrongPassword));
    assert_eq!(
        ask(&ldap, "bob@example.com", "builder").await,
        accepted(),
        "the connection is as good as before"
    );
}

#[tokio::test]
async fn labels_come_from_attributes() {
    let directory = start(slapd());
    let map = |attribute: &str, parse_cn, lower_case| LabelMap {
        attribute: attribute.to_owned(),
        parse_cn,
        lower_case,
    };
    let labels = [
        ("groups", map("seeAlso", true, true)),
        ("group-names", map("SEEALSO", true, false)),
        ("title", map("title", false, false)),
        ("phone", map("telephoneNumber", false, false)),
    ];
    let labels = labels.map(|(label, map)| (label.to_owned(), map)).to_vec();
    let ldap = ldap(LdapSettings { labels, ..settings(&directory) });
    let Ok(Answer::Accepted(mut labels)) = ask(&ldap, "bob", "builder").await else { panic!() };
    labels.values_mut().for_each(|values| values.sort());
    let expected = [
        ("groups", &["admins", "night, shift", "ou=no name,dc=example,dc=com", "über"][..]),
        ("group-names", &["Admins", "Night, Shift", "ou=no name,dc=example,dc=com", "ÜBER"]),
        ("title", &["Master Builder"]),
        ("phone", &[]),
    ];
    let expected =
        expected.map(|(label, values)| (label.to_owned(), values.iter().map(|v| (*v).to_owned()).collect()));
    assert_eq!(labels, Labels::from(expected));
    let without = ask(&ldap, "alice", "wonderland").await;
    let Ok(Answer::Accepted(labels)) = without else { panic!("{without:?}") };
    assert!(labels.len() == 4 && labels.values().all(Vec::is_empty), "{labels:?}");
}

/// The directory by TLS: its mode, the trusted authorities, and the name in the URL.
fn encrypted(directory: &Slapd, tls: LdapTls, host: &str) -> Ldap {
    let port = if matches!(tls, LdapTls::Always(_)) { directory.tls_port() } else { directory.port() };
    ldap(LdapSettings { host: host.to_owned(), port, tls, ..settings(directory) })
}

fn tests_authority() -> Trust {
    let pem = pki::authority().pem();
    Trust::Authorities(vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()])
}

#[tokio::test]
async fn tls_is_spoken_from_the_start_or_after_starttls() {
    // Without TLS it takes no password.
    let mut directory = start(slapd().directive("security simple_bind=128"));
    for tls in [LdapTls::Always(tests_authority()), LdapTls::StartTls(tests_authority())] {
        for host in ["127.0.0.1", "localhost"] {
            let from = directory.log().len();
            let ldap = encrypted(&directory, tls.clone(), host);
            assert_eq!(ask(&ldap, "bob", "builder").await, accepted(), "{tls:?} {host}");
            assert_eq!(ask(&ldap, "bob", "wrong").await, Ok(Answer::WrongPassword), "{tls:?} {host}");
            directory.wait_for_log(from, "TLS established");
        }
    }
    let plain = ask(&ldap(settings(&directory)), "bob", "builder").await.unwrap_err();
    assert!(plain.contains("confidentialityRequired, code 13"), "{plain}");
}

#[tokio::test]
async fn a_certificate_by_a_stranger_is_refused_before_any_password() {
    let directory = start(slapd().authority("A stranger's authority"));
    for mode in [LdapTls::Always, LdapTls::StartTls] {
        let strict = encrypted(&directory, mode(tests_authority()), "127.0.0.1");
        let error = ask(&strict, "bob", "builder").await.unwrap_err();
        assert!(
            error.contains("invalid peer certificate: ") && error.contains("`ca_certificate`"),
            "{error}"
        );
        assert!(!directory.log().contains("BIND"), "{}", directory.log());
    }
    for mode in [LdapTls::Always, LdapTls::StartTls] {
        let careless = encrypted(&directory, mode(Trust::Anything), "127.0.0.1");
        assert_eq!(ask(&careless, "bob", "builder").await, accepted());
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let directory = start(slapd());
    let ldap = encrypted(&directory, LdapTls::Always(tests_authority()), "127.0.0.2");
    let error = ask(&ldap, "bob", "builder").await.unwrap_err();
    assert!(error.contains("not valid for name") && error.contains("`addr`"), "{error}");
    assert!(!directory.log().contains("BIND"), "{}", directory.log());
}

#[tokio::test]
async fn a_connection_is_used_again_and_never_as_the_one_before() {
    let directory = start(slapd());
    let ldap = ldap(settings(&directory));
    for _ in 0..3 {
        // Only the reader may search here: as bob, the search would find no entry.
        assert_eq!(ask(&ldap, "bob", "builder").await, accepted());
        assert_eq!(ask(&ldap, "bob", "wrong").await, Ok(Answer::WrongPassword));
        assert_eq!(ask(&ldap, "alice", "wonderland").await, accepted());
        assert_eq!(ask(&ldap, "stranger", "builder").await, Ok(Answer::NoSuchUser));
    }
    assert_connections(&directory, 1);
    let log = directory.log();
    let mut last = "";
    for line in log.lines().filter(|line| line.contains(" BIND dn=") || line.contains(" SRCH base=")) {
        if line.contains(" SRCH base=") {
            assert!(last.contains("BIND dn=\"cn=reader"), "searched after {last:?}\n{log}");
        }
        last = line;
    }
    assert_eq!(log.matches(" SRCH base=").count(), 12, "{log}");
}

#[tokio::test]
async fn fifty_at_once_share_eight_connections() {
    let directory = start(slapd());
    let ldap = Arc::new(ldap(settings(&directory)));
    let logins = (0..50).map(|n| {
        let ldap = Arc::clone(&ldap);
        tokio::spawn(async move {
            let (account, password) =
                [("bob", "builder"), ("alice", "wonderland"), ("bob", "wrong"), ("x", "x")][n % 4];
            (n, ask(&ldap, account, password).await)
        })
    });
    for login in logins.collect::<Vec<_>>() {
        let (n, answer) = login.await.unwrap();
        let expected = [accepted(), accepted(), Ok(Answer::WrongPassword), Ok(Answer::NoSuchUser)];
        assert_eq!(answer, expected[n % 4], "{n}");
    }
    assert!(connections(&directory) <= 8, "{}", connections(&directory));
}

#[tokio::test]
async fn a_directory_that_is_gone_is_said_at_once_and_comes_back() {
    let mut directory = start(slapd());
    let ldap = ldap(settings(&directory));
    assert_eq!(ask(&ldap, "bob", "builder").await, accepted());
    directory.kill();
    let error = ask(&ldap, "bob", "builder").await.unwrap_err();
    assert!(error.starts_with("ldap_auth gave no answer: cannot connect to 127.0.0.1:"), "{error}");
    assert!(!error.contains("builder") && !error.contains(READER_PASSWORD), "{error}");
    directory.start_again();
    assert_eq!(ask(&ldap, "bob", "builder").await, accepted());
}

#[tokio::test]
async fn a_connection_that_the_directory_closed_is_replaced_unnoticed() {
    let mut directory = start(slapd());
    let ldap = ldap(settings(&directory));
    assert_eq!(ask(&ldap, "bob", "builder").await, accepted());
    directory.kill();
    directory.start_again();
    assert_eq!(ask(&ldap, "bob", "builder").await, accepted(), "after a restart");

    let mut impatient = start(slapd().directive("idletimeout 1"));
    let ldap = self::ldap(settings(&impatient));
    assert_eq!(ask(&ldap, "bob", "builder").await, accepted());
    impatient.wait_for_log(0, "closed (idletimeout)");
    assert_eq!(ask(&ldap, "bob", "builder").await, accepted(), "after it was idle");
    assert_connections(&impatient, 2);
}

#[tokio::test]
async fn a_directory_that_hangs_costs_its_time_and_no_more() {
    let directory = start(slapd());
    let limits = BackendLimits { timeout: Duration::from_secs(6), concurrent: 2, queue: 2 };
    let ldap = Ldap::new(settings(&directory), &limits);
    assert_eq!(ask(&ldap, "bob", "builder").await, accepted());
    directory.signal("STOP");
    let begin = Instant::now();
    let errors = tokio::join!(ask(&ldap, "bob", "builder"), ask(&ldap, "alice", "x"), ask(&ldap, "x", "x"));
    for error in [errors.0, errors.1, errors.2] {
        assert_eq!(error, Err("ldap_auth gave no answer: no answer within 6s".to_owned()));
    }
    assert!(begin.elapsed() < Duration::from_secs(11), "one after the other: {:?}", begin.elapsed());
    directory.signal("CONT");
    for _ in 0..3 {
        assert_eq!(ask(&ldap, "bob", "builder").await, accepted());
        assert_eq!(ask(&ldap, "bob", "wrong").await, Ok(Answer::WrongPassword));
    }
}

#[tokio::test]
async fn a_reader_with_a_wrong_password_is_no_answer_about_anybody() {
    let directory = start(slapd());
    let password = BindPassword::new("not the reader's").unwrap();
    let search_as = SearchAs::Reader { dn: READER.to_owned(), password };
    let ldap = ldap(LdapSettings { search_as, ..settings(&directory) });
    let error = ask(&ldap, "bob", "builder").await.unwrap_err();
    assert!(error.contains("`bind_dn`") && error.contains("invalidCredentials, code 49"), "{error}");
    assert!(!error.contains("not the reader's"), "{error}");
}

#[tokio::test]
async fn a_base_that_is_not_there_is_no_answer_about_anybody() {
    let directory = start(slapd());
    let ldap = ldap(LdapSettings { base: "dc=elsewhere".to_owned(), ..settings(&directory) });
    let error = ask(&ldap, "bob", "builder").await.unwrap_err();
    assert!(error.contains("`base`"), "{error}");
}

/// Fails the test unless the directory has accepted so many connections; it may log one after it has served it.
#[track_caller]
fn assert_connections(directory: &Slapd, expected: usize) {
    eventually(PATIENCE, || connections(directory) >= expected);
    assert_eq!(connections(directory), expected, "{}", directory.log());
}

fn connections(directory: &Slapd) -> usize {
    directory.log().matches(" ACCEPT from ").count()
}
