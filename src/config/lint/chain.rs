//! Warnings about the certificate that clients of the listeners see: its names, its uses, and the chain behind it.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension},
    prelude::FromDer,
};

use super::{Lint, LintInput, Report, certificates};
use crate::config::diagnostics::unusable_keys::{command, common_name};

pub(super) const LINTS: &[Lint] = &[served_certificate];

/// `id-ad-caIssuers`: where the certificate of the issuer is, as public authorities say it.
const CA_ISSUERS: &str = "1.3.6.1.5.5.7.48.2";
/// Signatures that clients refuse: RSA and ECDSA with SHA-1, RSA with MD5.
const WEAK: [&str; 3] = ["1.2.840.113549.1.1.5", "1.2.840.10045.4.1", "1.2.840.113549.1.1.4"];

/// A clause about the certificate, and what to do.
type Said = (String, String);

fn served_certificate(input: &LintInput<'_>, report: &mut Report<'_>) {
    let served = input.config.server.tls.as_ref().and_then(|tls| tls.certificate_file());
    let Some(served) = served else { return };
    let ders = certificates::chain(served);
    let chain: Vec<_> = ders.iter().filter_map(|der| Some(X509Certificate::from_der(der).ok()?.1)).collect();
    let Some(own) = chain.first().filter(|_| chain.len() == ders.len()) else { return };
    let said =
        [names(own), authority(own), uses(own), signature(own), order(&ders, &chain), intermediate(&chain)];
    for (clause, hint) in said.into_iter().flatten() {
        report.warn("server.certificate", format!("{} {clause}", served.display()), hint);
    }
    // Behind another proxy that host is the proxy's.
    let realm = input
        .config
        .proxy
        .realm
        .as_deref()
        .filter(|_| input.config.proxy.client_address.trusted_proxies.is_empty());
    if let Some(host) = realm.and_then(host_of_https).filter(|host| has_names(own) && !is_for(own, host)) {
        let message = format!("sends clients to {host}, a name that {} does not have", served.display());
        let hint = "Leave it out, write a name of the certificate, or get a certificate for that name";
        report.warn("token.realm", message, hint);
    }
}

fn alternative_names<'a>(own: &'a X509Certificate<'a>) -> impl Iterator<Item = &'a GeneralName<'a>> {
    let names = own.subject_alternative_name().ok().flatten();
    names.into_iter().flat_map(|extension| &extension.value.general_names)
}

/// Returns whether there is a name that a client can look for.
fn has_names(own: &X509Certificate<'_>) -> bool {
    alternative_names(own).any(|name| matches!(name, GeneralName::DNSName(_) | GeneralName::IPAddress(_)))
}

fn names(own: &X509Certificate<'_>) -> Option<Said> {
    let make = || {
        format!(
            "Make one with `{}`, or have the authority add the name",
            command(common_name(own).as_deref())
        )
    };
    (!has_names(own)).then(|| {
        (
            "has no subjectAltName with a host: docker and most other clients do not look at the common name"
                .to_owned(),
            make(),
        )
    })
}

fn authority(own: &X509Certificate<'_>) -> Option<Said> {
    let hint = || format!("Make one with `{}`", command(common_name(own).as_deref()));
    own.is_ca().then(|| {
        let why = "is the certificate of an authority (CA:TRUE): some clients refuse it for a server, and those that trust it \
                   trust all that its key signs";
        (why.to_owned(), hint())
    })
}

fn uses(own: &X509Certificate<'_>) -> Option<Said> {
    let uses = own.extended_key_usage().ok().flatten()?.value;
    let why = "is not meant for servers: its extended key usage has no `serverAuth`, and clients refuse it";
    (!uses.any && !uses.server_auth)
        .then(|| (why.to_owned(), "Get one with `extendedKeyUsage=serverAuth`".to_owned()))
}

/// A certificate that is trusted by itself is not checked for its signature.
fn signature(own: &X509Certificate<'_>) -> Option<Said> {
    let is_weak = WEAK.contains(&own.signature_algorithm.algorithm.to_id_string().as_str());
    let why = "is signed with SHA-1 or MD5, which clients refuse".to_owned();
    (is_weak && !is_self_signed(own)).then(|| (why, "Have it signed with SHA-256".to_owned()))
}

fn is_self_signed(certificate: &X509Certificate<'_>) -> bool {
    certificate.issuer().as_raw() == certificate.subject().as_raw()
}

/// Each certificate was signed by the next.
fn order(ders: &[CertificateDer<'_>], chain: &[X509Certificate<'_>]) -> Option<Said> {
    let signed =
        |one: &X509Certificate<'_>, by: &X509Certificate<'_>| one.issuer().as_raw() == by.subject().as_raw();
    let mut pairs = chain.iter().zip(chain.iter().skip(1)).enumerate();
    let (n, (one, _)) = pairs.find(|(_, (one, next))| !signed(one, next))?;
    let hint = "Write the server's own certificate, then the one that signed it, and so on; the root may be left out";
    let why = if ders.get(n) == ders.get(n + 1) {
        format!("holds certificate {} twice", n + 1)
    } else if is_self_signed(one) {
        format!("goes on behind certificate {}, which no other one signed", n + 1)
    } else if chain.iter().any(|other| signed(one, other)) {
        format!("is in the wrong order: certificate {} did not sign certificate {}", n + 2, n + 1)
    } else {
        let issuer = one.issuer();
        format!("lacks the certificate of `{issuer}` between the certificates {} and {}", n + 1, n + 2)
    };
    Some((why, hint.to_owned()))
}

/// The certificate alone, of an authority that is not a root.
fn intermediate(chain: &[X509Certificate<'_>]) -> Option<Said> {
    let [own] = chain else { return None };
    let issuer = own.issuer().to_string();
    let lower = issuer.to_ascii_lowercase();
    let is_named =
        ["intermediate", "issuing", "subordinate", "sub ca"].iter().any(|word| lower.contains(word));
    if is_self_signed(own) || !(is_named || has_issuers(own)) {
        return None;
    }
    let why = format!(
        "lacks the certificate of `{issuer}`, which signed it: clients know roots, and refuse what is missing between"
    );
    let hint = "Give the full chain (`fullchain.pem` of certbot), or append it: `cat intermediate.crt >> <this file>`";
    Some((why, hint.to_owned()))
}

/// Returns whether it says where the certificate of its issuer is: roots sign no servers of public authorities.
fn has_issuers(own: &X509Certificate<'_>) -> bool {
    own.extensions().iter().any(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(access) => {
            access.accessdescs.iter().any(|access| access.access_method.to_id_string() == CA_ISSUERS)
        }
        _ => false,
    })
}

/// The host of `https://host:port/…`, without brackets.
fn host_of_https(url: &str) -> Option<&str> {
    let authority = url.strip_prefix("https://")?.split('/').next()?;
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    Some(host.trim_start_matches('[').trim_end_matches(']')).filter(|host| !host.is_empty())
}

fn is_for(own: &X509Certificate<'_>, host: &str) -> bool {
    let octets = host.parse::<IpAddr>().ok().map(|address| match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    });
    alternative_names(own).any(|name| match (name, &octets) {
        (GeneralName::IPAddress(address), Some(octets)) => address == octets,
        (GeneralName::DNSName(pattern), None) => {
            covers(&pattern.to_ascii_lowercase(), &host.to_ascii_lowercase())
        }
        _ => false,
    })
}

/// A `*` stands for the first label.
fn covers(pattern: &str, host: &str) -> bool {
    pattern == host
        || pattern
            .strip_prefix("*.")
            .is_some_and(|rest| host.split_once('.').is_some_and(|(_, parent)| parent == rest))
}

#[cfg(test)]
mod tests {
    use super::{covers, host_of_https};
    use crate::config::tests;

    /// A root, an intermediate authority `Example Issuing CA`, and `sign`, which makes cert.pem with extensions.
    const AUTHORITIES: &str = r"
        key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $1; }
        sign() { # by-name, extensions
            openssl req -new -key key.pem -subj /CN=reg.example -out req
            printf '%b' $2 > ext
            openssl x509 -req -in req -CA $1.crt -CAkey $1.key -CAcreateserial -days 90 -extfile ext -out cert.pem
        }
        for name in root issuing; do key $name.key; done; key key.pem
        openssl req -x509 -new -key root.key -subj '/CN=Example Root' -days 900 -out root.crt
        openssl req -new -key issuing.key -subj '/CN=Example Issuing CA' -out req
        echo basicConstraints=critical,CA:TRUE > ext
        openssl x509 -req -in req -CA root.crt -CAkey root.key -CAcreateserial -days 900 -extfile ext -out issuing.crt
        san='subjectAltName=DNS:reg.example\n'
        chmod 600 key.pem
    ";

    fn after(script: &str) -> String {
        tests::after(&format!("{AUTHORITIES}{script}"), "")
    }

    #[test]
    fn a_right_chain_says_nothing() {
        for script in [
            "sign root $san",
            "sign root $san; cat root.crt >> cert.pem",
            "sign issuing $san; cat issuing.crt >> cert.pem",
            "sign issuing $san; cat issuing.crt root.crt >> cert.pem",
            "sign root ${san}extendedKeyUsage=serverAuth,clientAuth",
        ] {
            assert_eq!(after(script), "", "{script}");
        }
    }

    #[test]
    fn a_chain_with_a_gap_or_in_the_wrong_order() {
        let order = "Write the server's own certificate, then the one that signed it, and so on; the root may be left out";
        let full = "Give the full chain (`fullchain.pem` of certbot), or append it: `cat intermediate.crt >> <this file>`";
        for (script, why, hint) in [
            (
                "sign issuing $san",
                "lacks the certificate of `CN=Example Issuing CA`, which signed it: clients know roots, and refuse what is \
                 missing between",
                full,
            ),
            (
                "sign root ${san}authorityInfoAccess=caIssuers\\;URI:http://ca.example/ca.crt",
                "lacks the certificate of `CN=Example Root`, which signed it: clients know roots, and refuse what is missing \
                 between",
                full,
            ),
            (
                "sign issuing $san; cat root.crt >> cert.pem",
                "lacks the certificate of `CN=Example Issuing CA` between the certificates 1 and 2",
                order,
            ),
            (
                "sign issuing $san; cat root.crt issuing.crt >> cert.pem",
                "is in the wrong order: certificate 2 did not sign certificate 1",
                order,
            ),
            (
                "sign issuing $san; cp cert.pem c; cat c issuing.crt >> cert.pem",
                "holds certificate 1 twice",
                order,
            ),
            (
                "sign root $san; cat root.crt issuing.crt >> cert.pem",
                "goes on behind certificate 2, which no other one signed",
                order,
            ),
        ] {
            assert_eq!(after(script), format!("warning: C cert.pem {why}. {hint}"), "{script}");
        }
    }

    #[test]
    fn a_certificate_that_clients_refuse() {
        let make = "Make one with `openssl req -x509 ";
        for (script, why, hint) in [
            (
                "sign root keyUsage=digitalSignature",
                "has no subjectAltName with a host: docker and most",
                make,
            ),
            (
                "sign root subjectAltName=email:a@example.com",
                "has no subjectAltName with a host: docker and most",
                make,
            ),
            (
                "sign root ${san}extendedKeyUsage=clientAuth",
                "is not meant for servers: its extended key usage has no `serverAuth`, and",
                "Get one with `extendedKeyUsage=serverAuth`",
            ),
            (
                "sign root ${san}basicConstraints=CA:TRUE",
                "is the certificate of an authority (CA:TRUE): some",
                make,
            ),
            (
                "openssl req -x509 -key key.pem -subj /CN=reg.example -addext subjectAltName=DNS:reg.example -days 90 -out \
                 cert.pem",
                "is the certificate of an authority (CA:TRUE): some",
                make,
            ),
        ] {
            let said = after(script);
            assert!(said.starts_with(&format!("warning: C cert.pem {why}")), "{script}: {said}");
            assert!(said.contains(&format!(". {hint}")) && said.lines().count() == 1, "{script}: {said}");
        }
    }

    #[test]
    fn a_realm_that_the_certificate_does_not_name() {
        let script = format!("{AUTHORITIES}sign root ${{san}}");
        let of = |realm: &str| tests::after(&script, &format!(", realm: '{realm}'"));
        assert_eq!(
            of("https://registry.example/auth"),
            "f.yml:2:37: warning: token.realm: sends clients to registry.example, a name that cert.pem does not have. Leave \
             it out, write a name of the certificate, or get a certificate for that name"
        );
        for fine in
            ["https://reg.example/auth", "https://REG.example:8443/auth", "http://registry.example/auth"]
        {
            assert_eq!(of(fine), "", "{fine}");
        }
        let (proxied, realm) = (", trusted_proxies: 10.0.0.1", ", realm: 'https://registry.example/auth'");
        assert_eq!(tests::after_with(&script, proxied, realm), "", "that name is another proxy's");
        assert_eq!(host_of_https("https://[::1]:443/auth"), Some("::1"));
        assert!(
            covers("*.example", "reg.example")
                && !covers("*.example", "a.reg.example")
                && !covers("*.example", "example")
        );
    }
}
