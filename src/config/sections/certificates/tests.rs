//! The findings of `check` about client certificates.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
};

use crate::config::tests::{TOKEN, directory, read, write};

const TLS: &str = "certificate: cert.pem, key: key.pem";
const ACCOUNT: &str = "certificate_auth: {account: '${san:uri}'}";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str, until: i32) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_after = date_time_ymd(until, 1, 1);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn list(by: &Authority, until: i32) -> String {
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(until, 1, 1),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(by).unwrap().pem().unwrap()
}

/// The findings on these keys of `server`, and of the rest. `ca.pem` is an authority with its list in `crl.pem`, and
/// `leaf.pem` is none. `old.pem` has expired, and so has its list, `oldcrl.pem`.
fn said(server: &str, rest: &str) -> String {
    let directory = directory();
    let (clients, old) = (authority("clients", 4000), authority("old", 2021));
    let leaf = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
    for (file, text) in [
        ("ca.pem", clients.pem()),
        ("crl.pem", list(&clients, 4000)),
        ("leaf.pem", leaf.cert.pem()),
        ("old.pem", old.pem()),
        ("oldcrl.pem", list(&old, 2021)),
    ] {
        write(directory.path(), file, &text);
    }
    let text = format!("server: {{addr: ':443', {server}}}\n{TOKEN}users: {{}}\nacl: []\n{rest}\n");
    let (lines, _) = read(&text, directory.path());
    lines.lines().filter(|line| !line.contains("server.certificate:")).collect::<Vec<_>>().join("\n")
}

#[test]
fn keys_that_belong_together_are_missed() {
    assert_eq!(said(&format!("{TLS}, client_ca: ca.pem, client_auth: optional"), ACCOUNT), "");
    assert_eq!(said(&format!("{TLS}, client_ca: [ca.pem], client_auth: required"), ""), "");
    for (server, rest, expected) in [
        ("client_ca: ca.pem", ACCOUNT, "server.client_ca: needs HTTPS, which the server does not speak"),
        (TLS, ACCOUNT, "certificate_auth: no certificate is asked for. Add `server.client_ca`"),
        (&format!("{TLS}, client_auth: required"), "", "server.client_auth: stands without `client_ca`"),
        (&format!("{TLS}, client_crl: x.pem"), "", "server.client_crl: stands without `client_ca`"),
        (&format!("{TLS}, client_ca: ca.pem"), "", "certificates are asked for, and mean nothing"),
        (
            &format!("{TLS}, client_ca: ca.pem, client_auth: maybe"),
            ACCOUNT,
            "expected `optional` or `required`",
        ),
        (
            &format!("{TLS}, client_ca: ca.pem, real_ip_header: X-Forwarded-For"),
            ACCOUNT,
            "certificate_auth: any peer may be a proxy",
        ),
    ] {
        assert!(said(server, rest).contains(expected), "{server} {rest}: {}", said(server, rest));
    }
}

#[test]
fn files_that_are_none_are_named_with_the_openssl_line() {
    let of = |keys: &str| said(&format!("{TLS}, client_ca: {keys}"), ACCOUNT);
    let leaf = of("leaf.pem");
    assert!(leaf.contains("leaf.pem is no certificate of an authority (CA:TRUE)"), "{leaf}");
    assert!(leaf.contains("openssl x509 -noout -subject -issuer -ext basicConstraints -in"), "{leaf}");
    assert!(of("nothing.pem").contains("server.client_ca: cannot read"), "{}", of("nothing.pem"));
    let list = of("ca.pem, client_crl: ca.pem");
    assert!(list.contains("server.client_crl: ca.pem holds no revocation list in PEM form"), "{list}");
    assert!(list.contains("openssl ca -gencrl"), "{list}");
}

#[test]
fn what_refuses_every_certificate_of_an_authority_is_warned_of() {
    let of = |keys: &str| said(&format!("{TLS}, client_ca: {keys}"), ACCOUNT);
    assert_eq!(of("ca.pem, client_crl: crl.pem"), "");
    let old = of("[ca.pem, old.pem], client_crl: [crl.pem, oldcrl.pem]");
    assert!(old.contains("warning: server.client_ca: the authority `CN=old` expired at"), "{old}");
    assert!(old.contains("warning: server.client_crl: the list of the authority"), "{old}");
    assert!(old.contains("openssl crl -noout -nextupdate -in FILE"), "{old}");
    let other = of("ca.pem, client_crl: oldcrl.pem");
    assert!(
        other.contains("no list is of the authority") && other.contains("openssl crl -noout -issuer"),
        "{other}"
    );
}

#[test]
fn the_account_needs_a_field() {
    let of =
        |keys: &str| said(&format!("{TLS}, client_ca: ca.pem"), &format!("certificate_auth: {{{keys}}}"));
    for account in ["", "account: machine", "account: '${san:ip}'", "account: '${account}'"] {
        let said = of(account);
        assert!(said.contains("certificate_auth.account: missing, or without a field"), "{account}: {said}");
    }
    let label = of("account: '${san:uri}', labels: {org: O}");
    assert!(label.contains("certificate_auth.labels.org: not a field. Write one field"), "{label}");
}

#[test]
fn names_of_certificates_belong_to_no_other_section() {
    let of = |rest: &str| said(&format!("{TLS}, client_ca: ca.pem"), &format!("{ACCOUNT}\n{rest}"));
    for name in ["cert", "cert:app", "Cert"] {
        let robot = of(&format!("robots: {{'{name}': {{}}}}"));
        assert!(robot.contains(&format!("the name {name:?} belongs to certificates")), "{robot}");
    }
    let issuer = of(
        "workload_auth: {audience: x, issuers: [{name: cert, issuer: 'https://a.example', account: '${claim:sub}'}]}",
    );
    assert!(issuer.contains("its accounts would have the names of certificates"), "{issuer}");
}
