//! Warnings about certificates that have expired, or will before an operator looks again. Those about their content are
//! in `chain`.
//!
//! The presence and fit of the files, and the permissions of a key, are up to `pem`.

use std::{
    fs,
    path::Path as FilePath,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_parser::{
    certificate::X509Certificate, prelude::FromDer, revocation_list::CertificateRevocationList,
};

use super::{Lint, LintInput, Report};
use crate::{authn::CertificateSettings, config::values::quantity::counted};

pub(super) const LINTS: &[Lint] = &[certificates_near_their_end, authorities_of_clients];

const DAY: u64 = 24 * 3600;
/// The time that ACME clients leave for a renewal that fails.
const NEAR: Duration = Duration::from_secs(30 * DAY);

/// Every certificate of the chains: clients refuse a chain for any of them.
fn certificates_near_their_end(input: &LintInput<'_>, report: &mut Report<'_>) {
    let served = input.config.server.tls.as_ref().and_then(|tls| tls.certificate_file());
    let signing = input.config.token.certificate.as_deref().filter(|signing| Some(*signing) != served);
    for (key, file) in [("server.certificate", served), ("token.certificate", signing)] {
        for said in file.map(|file| overdue(file, input.now)).unwrap_or_default() {
            report.warn(key, said, "Renew it: a changed file is read at once");
        }
    }
}

/// The authorities of client certificates, and their revocation lists.
fn authorities_of_clients(input: &LintInput<'_>, report: &mut Report<'_>) {
    let Some(CertificateSettings { authorities, revocation_lists, .. }) = &input.config.certificates else {
        return;
    };
    let lists =
        revocation_lists.iter().filter_map(|der| CertificateRevocationList::from_der(der.as_ref()).ok());
    let lists: Vec<_> = lists.map(|(_, list)| list).collect();
    for der in authorities {
        let Ok((_, authority)) = X509Certificate::from_der(der) else { continue };
        let name = authority.subject();
        if let Some(said) = said(der, input.now) {
            let hint = "Add the certificate of the authority that signs now: a changed file is read at once";
            report.warn("server.client_ca", format!("the authority `{name}` {said}"), hint);
        }
        let has_list = lists.iter().any(|list| list.issuer().as_raw() == name.as_raw());
        if !lists.is_empty() && !has_list {
            let message =
                format!("no list is of the authority `{name}`: all certificates that it signs are refused");
            let hint = "Add its list; `openssl crl -noout -issuer -in FILE` shows whose a list is";
            report.warn("server.client_crl", message, hint);
        }
    }
    for list in lists {
        let end = list.next_update().and_then(|end| time(end.timestamp()));
        if let Some(end) = end.filter(|end| *end < input.now) {
            let (name, end) = (list.issuer(), humantime::format_rfc3339_seconds(end));
            let message = format!(
                "the list of the authority `{name}` ran out at {end}: all certificates that it signs are refused"
            );
            let hint = "Put a new list in its place, which is read at once; \
                        `openssl crl -noout -nextupdate -in FILE` shows the end of one";
            report.warn("server.client_crl", message, hint);
        }
    }
}

/// Returns the problems of the certificates in a file.
fn overdue(file: &FilePath, now: SystemTime) -> Vec<String> {
    let chain = chain(file);
    let chain = chain.iter().enumerate().filter_map(|(n, der)| {
        let which = if n == 0 {
            file.display().to_string()
        } else {
            format!("{}, certificate {},", file.display(), n + 1)
        };
        Some(format!("{which} {}", said(der, now)?))
    });
    chain.collect()
}

/// The certificates in a file.
pub(super) fn chain(file: &FilePath) -> Vec<CertificateDer<'static>> {
    let pem = fs::read(file).unwrap_or_default();
    CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect()
}

/// Returns the expiry of a server's certificate: the first of its chain.
pub(in crate::config) fn end_of(file: &FilePath) -> Option<SystemTime> {
    let pem = fs::read(file).ok()?;
    let der = CertificateDer::pem_slice_iter(&pem).next()?.ok()?;
    Some(validity(&der)?.1)
}

/// From when, and until when.
fn validity(der: &[u8]) -> Option<(SystemTime, SystemTime)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let validity = certificate.validity();
    Some((time(validity.not_before.timestamp())?, time(validity.not_after.timestamp())?))
}

fn days(time: Duration) -> usize {
    usize::try_from(time.as_secs() / DAY).unwrap_or(usize::MAX)
}

fn said(der: &[u8], now: SystemTime) -> Option<String> {
    let (from, until) = validity(der)?;
    let day = |time: SystemTime| humantime::format_rfc3339_seconds(time);
    match until.duration_since(now) {
        Err(_) => Some(format!("expired at {}", day(until))),
        Ok(_) if from > now => Some(format!("is not valid before {}", day(from))),
        Ok(left) if left < NEAR => {
            Some(format!("expires in {}, at {}", counted(days(left), "day"), day(until)))
        }
        Ok(_) => None,
    }
}

/// Before 1970 counts as 1970; `None` where the clock cannot say it, in a year far from any.
fn time(seconds: i64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;
    use crate::config::{
        Config,
        tests::{SERVER, TOKEN, cut, directory, write},
    };

    fn at(text: &str) -> SystemTime {
        humantime::parse_rfc3339(text).unwrap()
    }

    /// A certificate from 2020-01-01 to 2024-03-31.
    fn certificate(key: &KeyPair) -> rcgen::Certificate {
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2024, 3, 31));
        params.self_signed(key).unwrap()
    }

    #[test]
    fn the_last_thirty_days_count() {
        let der = certificate(&KeyPair::generate().unwrap()).der().to_vec();
        let said = |now: &str| said(&der, at(now)).unwrap_or_default();
        assert_eq!(said("2024-03-31T00:00:01Z"), "expired at 2024-03-31T00:00:00Z");
        assert_eq!(said("2024-03-30T00:00:00Z"), "expires in 1 day, at 2024-03-31T00:00:00Z");
        assert_eq!(said("2024-03-01T00:00:01Z"), "expires in 29 days, at 2024-03-31T00:00:00Z");
        assert_eq!(said("2024-03-01T00:00:00Z"), "");
        assert_eq!(said("2019-12-31T00:00:00Z"), "is not valid before 2020-01-01T00:00:00Z");
    }

    #[test]
    fn an_expired_certificate_is_said_once_where_it_stands() {
        let directory = directory();
        let key = KeyPair::generate().unwrap();
        let good = rcgen::generate_simple_self_signed(vec!["ca.example".to_owned()]).unwrap().cert.pem();
        let said = |pem: &str, text: &str| {
            write(directory.path(), "cert.pem", pem);
            write(directory.path(), "key.pem", &key.serialize_pem());
            cut(&Config::parse(text, "f.yml", directory.path()).ok().unwrap().warnings, directory.path())
        };
        let (rest, own) = ("users: {}\nacl: []\n", certificate(&key).pem());
        assert_eq!(
            said(&own, &format!("{SERVER}{TOKEN}{rest}")),
            "f.yml:6:3: warning: token.certificate: cert.pem expired at 2024-03-31T00:00:00Z. Renew it: a \
             changed file is read at once"
        );
        let shared = "  certificate: cert.pem\n  key: key.pem\ntoken: {issuer: A, expiration: 900}\n";
        assert_eq!(
            said(&own, &format!("{SERVER}{shared}{rest}")),
            "f.yml:3:3: warning: server.certificate: cert.pem expired at 2024-03-31T00:00:00Z. Renew it: a \
             changed file is read at once"
        );
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_after = date_time_ymd(4000, 1, 1);
        let young = params.self_signed(&key).unwrap().pem();
        assert_eq!(said(&format!("{young}{good}"), &format!("{SERVER}{TOKEN}{rest}")), "");
        assert!(
            said(&format!("{young}{own}"), &format!("{SERVER}{TOKEN}{rest}"))
                .contains("cert.pem, certificate 2, expired")
        );
    }
}
