//! Trust in client certificates, and the accounts that they name.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber, date_time_ymd,
};
use rustls::pki_types::CertificateRevocationListDer;

use super::*;

/// 2026-07-01.
const NOW: u64 = 1_782_864_000;
const DAY: u64 = 24 * 3600;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str, until: i32) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(until, 1, 1));
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn params(names: &[SanType]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.subject_alt_names = names.to_vec();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.serial_number = Some(SerialNumber::from(0x0a0b_u64));
    (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2027, 1, 1));
    params
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn signed(params: &CertificateParams, by: &Authority) -> ClientCertificate {
    let certificate = params.signed_by(&KeyPair::generate().unwrap(), by).unwrap();
    ClientCertificate::new(Some(&[certificate.der().clone()])).unwrap()
}

fn list(by: &Authority, serials: &[u64], until: (i32, u8, u8)) -> CertificateRevocationListDer<'static> {
    let revoked = |serial: &u64| RevokedCertParams {
        serial_number: SerialNumber::from(*serial),
        revocation_time: date_time_ymd(2026, 2, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 1, 1),
        next_update: date_time_ymd(until.0, until.1, until.2),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: serials.iter().map(revoked).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(by).unwrap().der().clone()
}

fn settings(authorities: &[&Authority]) -> CertificateSettings {
    let account = NameTemplate::parse("${san:uri}").unwrap();
    CertificateSettings {
        authorities: authorities.iter().map(|by| by.der().clone()).collect(),
        revocation_lists: Vec::new(),
        is_required: false,
        accounts: Some(CertificateAccounts {
            account,
            strip: "spiffe://a.example/".to_owned(),
            labels: Vec::new(),
        }),
    }
}

fn judged(
    settings: &CertificateSettings,
    certificate: &ClientCertificate,
    now: u64,
) -> Result<String, String> {
    match &*Certificates::new(settings).unwrap().judge(certificate, now).0 {
        Judgement::Login(identity) => Ok(identity.account.clone()),
        Judgement::Nameless(why) => Err(why.as_ref().map(ToString::to_string).unwrap_or_default()),
        Judgement::Untrusted(why) => Err(why.to_string()),
    }
}

const APP: &str = "spiffe://a.example/app";

#[test]
fn a_certificate_of_an_authority_is_a_login_while_it_is_valid() {
    let (ours, other) = (authority("ours", 2040), authority("other", 2040));
    let (settings, good) = (settings(&[&ours]), signed(&params(&[uri(APP)]), &ours));
    let said = |now| judged(&settings, &good, now);
    assert_eq!(said(NOW).as_deref(), Ok("cert:app"));
    assert_eq!(said(NOW - 200 * DAY), Err("is not valid yet".to_owned()));
    assert_eq!(said(NOW + 200 * DAY), Err("has expired".to_owned()));
    let foreign = signed(&params(&[uri(APP)]), &other);
    assert_eq!(judged(&settings, &foreign, NOW), Err("is from no authority in server.client_ca".to_owned()));
    // Another of the same name.
    let forged = signed(&params(&[uri(APP)]), &authority("ours", 2040));
    assert_eq!(judged(&settings, &forged, NOW), Err("is from no authority in server.client_ca".to_owned()));
}

#[test]
fn a_certificate_for_other_uses_is_not_trusted() {
    let ours = authority("ours", 2040);
    for (uses, is_good) in [
        (vec![ExtendedKeyUsagePurpose::ServerAuth], false),
        (vec![ExtendedKeyUsagePurpose::EmailProtection], false),
        (vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth], true),
        (vec![], true),
    ] {
        let mut params = params(&[uri(APP)]);
        params.extended_key_usages.clone_from(&uses);
        let said = judged(&settings(&[&ours]), &signed(&params, &ours), NOW);
        assert_eq!(said.is_ok(), is_good, "{uses:?}: {said:?}");
        assert!(is_good || said.unwrap_err().contains("clientAuth"), "{uses:?}");
    }
}

#[test]
fn an_authority_that_has_expired_signs_no_login() {
    let ours = authority("ours", 2026);
    let said = judged(&settings(&[&ours]), &signed(&params(&[uri(APP)]), &ours), NOW);
    assert_eq!(said, Err("is from an authority that has expired".to_owned()));
    let ending = authority("ending", 2027);
    let certificates = Certificates::new(&settings(&[&ending])).unwrap();
    let mut long = params(&[uri(APP)]);
    long.not_after = date_time_ymd(2030, 1, 1);
    let certificate = signed(&long, &ending);
    let is_login = |now| matches!(&*certificates.judge(&certificate, now).0, Judgement::Login(_));
    assert!(is_login(NOW) && is_login(NOW + 183 * DAY) && !is_login(NOW + 185 * DAY));
}

#[test]
fn an_authority_that_has_expired_is_not_vouched_for_by_one_that_was_sent_along_or_has_its_name() {
    for name in ["new", "old"] {
        let (old, new) = (authority("old", 2026), authority(name, 2040));
        let mut chain = signed(&params(&[uri(APP)]), &old);
        chain.chain.push(new.as_ref().der().clone());
        let said = judged(&settings(&[&old, &new]), &chain, NOW);
        assert_eq!(said, Err("is from an authority that has expired".to_owned()), "{name}");
    }
}

#[test]
fn rule_46_a_revoked_certificate_is_no_login_from_the_next_list_on() {
    let ours = authority("ours", 2040);
    let certificate = signed(&params(&[uri(APP)]), &ours);
    let with = |lists| CertificateSettings { revocation_lists: lists, ..settings(&[&ours]) };
    let said = |settings: &CertificateSettings| judged(settings, &certificate, NOW);
    assert!(said(&with(vec![list(&ours, &[], (2027, 1, 1))])).is_ok());
    assert_eq!(
        said(&with(vec![list(&ours, &[1, 0x0a0b], (2027, 1, 1))])),
        Err("has been revoked".to_owned())
    );
    assert!(said(&with(vec![list(&ours, &[1], (2027, 1, 1))])).is_ok());
}

#[test]
fn a_list_that_ran_out_or_is_of_another_authority_vouches_for_no_certificate() {
    let (ours, other) = (authority("ours", 2040), authority("other", 2040));
    let certificate = signed(&params(&[uri(APP)]), &ours);
    let with = |lists| CertificateSettings { revocation_lists: lists, ..settings(&[&ours]) };
    let said = |lists, now| judged(&with(lists), &certificate, now).unwrap_err();
    assert!(said(vec![list(&ours, &[], (2026, 6, 1))], NOW).contains("out of date"));
    assert!(said(vec![list(&other, &[], (2027, 1, 1))], NOW).contains("no list"));
    // One of the same name, which another key has signed.
    let forged = authority("ours", 2040);
    assert!(judged(&with(vec![list(&forged, &[], (2027, 1, 1))]), &certificate, NOW).is_err());
    // Known and kept, it runs out all the same.
    let certificates = Certificates::new(&with(vec![list(&ours, &[], (2026, 7, 10))])).unwrap();
    let is_login = |now| matches!(&*certificates.judge(&certificate, now).0, Judgement::Login(_));
    assert!(is_login(NOW) && is_login(NOW + 8 * DAY) && !is_login(NOW + 10 * DAY));
}

#[test]
fn a_judgement_is_kept_until_something_can_change_it() {
    let ours = authority("ours", 2040);
    let certificate = signed(&params(&[uri(APP)]), &ours);
    let certificates = Certificates::new(&settings(&[&ours])).unwrap();
    let is_new = |certificates: &Certificates, now| certificates.judge(&certificate, now).1;
    assert!(is_new(&certificates, NOW) && !is_new(&certificates, NOW + DAY));
    assert!(is_new(&certificates, NOW - 1), "a clock that was set back");
    assert!(is_new(&certificates, NOW + 200 * DAY), "its own end");
    let reloaded = Certificates::new(&settings(&[&ours])).unwrap();
    assert!(is_new(&reloaded, NOW) && is_new(&certificates, NOW), "another configuration");
    let bare = CertificateSettings { accounts: None, ..settings(&[&ours]) };
    assert_eq!(judged(&bare, &certificate, NOW), Err(String::new()));
    let other = settings(&[&authority("other", 2040)]);
    assert!(judged(&other, &certificate, NOW).is_err(), "an authority that was taken out");
}

/// The account that a template finds in a certificate.
fn named(template: &str, strip: &str, params: &CertificateParams) -> Result<String, String> {
    let ours = authority("ours", 2040);
    let account = NameTemplate::parse(template).unwrap();
    let accounts = Some(CertificateAccounts { account, strip: strip.to_owned(), labels: Vec::new() });
    judged(&CertificateSettings { accounts, ..settings(&[&ours]) }, &signed(params, &ours), NOW)
}

fn subject(entries: &[(DnType, &str)]) -> CertificateParams {
    let mut params = params(&[]);
    for (kind, text) in entries {
        params.distinguished_name.push(kind.clone(), *text);
    }
    params
}

#[test]
fn rule_46_a_certificate_that_names_no_account_or_several_is_no_login() {
    let of = |names: &[SanType]| named("${san:uri}", "", &params(names)).unwrap_err();
    assert_eq!(of(&[]), "has no san:uri");
    assert_eq!(of(&[SanType::DnsName("a.example".try_into().unwrap())]), "has no san:uri");
    assert_eq!(of(&[uri("spiffe://a/x"), uri("spiffe://a/y")]), "has more than one san:uri");
    assert_eq!(of(&[uri("spiffe://a/x"), uri("spiffe://a/x")]), "has more than one san:uri");
    let dns = [SanType::DnsName("a.example".try_into().unwrap()), uri("spiffe://a/x")];
    assert_eq!(named("${san:dns}", "", &params(&dns)).as_deref(), Ok("cert:a.example"));
    let email = params(&[SanType::Rfc822Name("kim@a.example".try_into().unwrap())]);
    assert_eq!(named("${san:email}", "", &email).as_deref(), Ok("cert:kim@a.example"));
    let names = subject(&[(DnType::OrganizationName, "acme"), (DnType::CommonName, "ci")]);
    assert_eq!(named("${subject:O}/${subject:CN}", "", &names).as_deref(), Ok("cert:acme/ci"));
    assert_eq!(named("${subject:OU}", "", &names), Err("has no subject:OU".to_owned()));
}

#[test]
fn rule_46_odd_characters_name_no_account() {
    for bad in ["", " ", "a ", " a", "a\0b", "a\nb", "a\u{7f}", "a\u{85}b", &"x".repeat(513)] {
        let said = named("${subject:CN}", "", &subject(&[(DnType::CommonName, bad)]));
        assert!(said.is_err(), "{bad:?}: {said:?}");
        if bad.is_ascii() {
            assert!(named("${san:uri}", "", &params(&[uri(bad)])).is_err(), "{bad:?}");
        }
    }
    assert_eq!(
        named("${subject:CN}", "", &subject(&[(DnType::CommonName, "Zoë*")])).as_deref(),
        Ok("cert:Zoë*")
    );
    // Too long with what is ours.
    let long = "x".repeat(510);
    assert!(named("${subject:CN}", "", &subject(&[(DnType::CommonName, &long)])).is_err());
    // Two readers may take these for two texts.
    let mut params = params(&[]);
    let teletex = DnValue::TeletexString("ci".try_into().unwrap());
    params.distinguished_name.push(DnType::CommonName, teletex);
    assert!(named("${subject:CN}", "", &params).is_err());
}

#[test]
fn what_is_stripped_must_be_there_and_leave_something() {
    let of = |text: &str| named("${san:uri}", "spiffe://a.example/", &params(&[uri(text)]));
    assert_eq!(of("spiffe://a.example/ci/app").as_deref(), Ok("cert:ci/app"));
    for bad in ["spiffe://b.example/ci", "spiffe://a.example/", "spiffe://a.example", "SPIFFE://a.example/ci"]
    {
        assert!(of(bad).is_err(), "{bad}");
    }
}

#[test]
fn labels_have_every_value_of_their_field_and_need_one() {
    let ours = authority("ours", 2040);
    let accounts = |label: &str| {
        let account = NameTemplate::parse("${subject:CN}").unwrap();
        let labels = vec![("group".to_owned(), Field::parse_placeholder(label).unwrap())];
        Some(CertificateAccounts { account, strip: String::new(), labels })
    };
    let own = subject(&[
        (DnType::CommonName, "ci"),
        (DnType::OrganizationalUnitName, "web"),
        (DnType::OrganizationName, "acme"),
    ]);
    let own = signed(&own, &ours);
    let of = |label: &str| CertificateSettings { accounts: accounts(label), ..settings(&[&ours]) };
    let judgement = Certificates::new(&of("${subject:OU}")).unwrap().judge(&own, NOW).0;
    let Judgement::Login(identity) = &*judgement else { panic!("{judgement:?}") };
    assert_eq!(identity.labels["group"], ["web"]);
    assert_eq!(judged(&of("${san:dns}"), &own, NOW), Err("has no san:dns".to_owned()));
    for bad in ["subject:O", "${subject:X}", "a${subject:O}", "${subject:O}b", "", "${claim:sub}"] {
        assert!(Field::parse_placeholder(bad).is_none(), "{bad}");
    }
    for bad in ["", "all", "${san:uri", "${}", "${account}", "${san:uri}${"] {
        assert!(NameTemplate::parse(bad).is_none(), "{bad}");
    }
}

#[test]
fn names_of_certificates_are_theirs_in_every_spelling() {
    for name in ["cert", " Cert", "cert:app", "CERT:app", " cert :x", "cert:", "ｃert:a", "ce\u{200b}rt:a"] {
        assert!(is_certificate_name(name), "{name}");
    }
    for name in ["certs", "certs:a", "a:cert:b", "certificate", "", ":"] {
        assert!(!is_certificate_name(name), "{name}");
    }
}

#[test]
fn serial_and_fingerprint_are_those_of_openssl() {
    let ours = authority("ours", 2040);
    let certificate = signed(&params(&[uri(APP)]), &ours);
    assert_eq!(certificate.serial(), "0A0B");
    assert_eq!((certificate.sha256().len(), certificate.thumbprint().len()), (64, 43));
    let mut high = params(&[uri(APP)]);
    high.serial_number = Some(SerialNumber::from(vec![0xff, 1]));
    assert_eq!(signed(&high, &ours).serial(), "FF01");
}
