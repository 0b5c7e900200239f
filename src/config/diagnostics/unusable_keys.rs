//! Names the reason why a certificate and its key cannot be used, for TLS or to sign tokens, and the command that makes
//! a usable pair.

use std::path::Path as FilePath;

use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::CertifiedKey,
};
use x509_parser::{
    asn1_rs::Tag, certificate::X509Certificate, prelude::FromDer, public_key::PublicKey, x509::X509Version,
};

/// Kinds of keys that TLS does not take here, by the OID of the algorithm or the curve.
const NOT_TAKEN: &[(&str, &str)] = &[
    ("1.2.840.10040.4.1", "a DSA key"),
    ("1.2.840.113549.1.1.10", "a key for RSA-PSS alone"),
    ("1.3.101.113", "an Ed448 key"),
    ("1.2.840.10045.3.1.1", "an EC key on P-192"),
    ("1.3.132.0.33", "an EC key on P-224"),
    ("1.3.132.0.10", "an EC key on secp256k1"),
    ("1.3.36.3.3.2.8.1.1.7", "an EC key on brainpoolP256r1"),
    ("1.3.36.3.3.2.8.1.1.11", "an EC key on brainpoolP384r1"),
    ("1.3.36.3.3.2.8.1.1.13", "an EC key on brainpoolP512r1"),
];
/// Curves on which TLS takes keys, and on which tokens are not signed.
const NOT_TAKEN_FOR_TOKENS: &[(&str, &str)] = &[("1.3.132.0.35", "an EC key on P-521")];
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The use of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// TLS, and a certificate that is sent to clients.
    Tls,
    /// Tokens: the certificate is for registries that check them.
    Tokens,
}

impl Use {
    /// The kinds of keys that are taken, as a list.
    fn taken(self) -> &'static str {
        match self {
            Self::Tls => "RSA, P-256, P-384 and P-521 are",
            Self::Tokens => "RSA, P-256, P-384 and Ed25519 are",
        }
    }
}

/// The fault of a pair: the file at fault, a clause about it, and the fix.
pub(crate) struct Unusable {
    pub(crate) is_key: bool,
    pub(crate) why: String,
    pub(crate) hint: String,
}

/// The reason why the `chain` of a `file` and `key` cannot be used; `None` when they can.
pub(crate) fn check(
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
    file: &FilePath,
    purpose: Use,
) -> Option<Unusable> {
    let error = match pair(chain, key) {
        Ok(()) if purpose == Use::Tokens => return cannot_sign(chain),
        Ok(()) => return None,
        Err(error) => error,
    };
    let fault = |is_key, why: String, hint: String| Some(Unusable { is_key, why, hint });
    let own = chain.first().and_then(|der| X509Certificate::from_der(der).ok()).map(|(_, own)| own);
    let host = own.as_ref().and_then(common_name);
    let command = || format!("Make a pair with `{}`", command(host.as_deref()));
    if let Some(number) = (1..chain.len()).find(|n| pair(chain.get(*n..).unwrap_or_default(), key).is_ok()) {
        let why = format!(
            "is in the wrong order: the certificate of the key is number {} and not the first",
            number + 1
        );
        return fault(
            false,
            why,
            "Put the server's own certificate first, and behind it the one that signed it".to_owned(),
        );
    }
    if let Some(why) = own.as_ref().and_then(|own| not_taken(own, purpose)) {
        return fault(false, why, command());
    }
    match error {
        rustls::Error::InconsistentKeys(_) => {
            let why = format!("is not the key of {}", file.display());
            fault(true, why, "Give the key that the certificate was made with".to_owned())
        }
        error => {
            let why = format!("cannot be used with {}: {error}; {} taken", file.display(), purpose.taken());
            fault(true, why, command())
        }
    }
}

/// The reason why a key that TLS takes cannot sign tokens, by the certificate in front of its `chain`.
pub(crate) fn cannot_sign(chain: &[CertificateDer<'static>]) -> Option<Unusable> {
    let (_, own) = X509Certificate::from_der(chain.first()?).ok()?;
    let kind = kind_in(NOT_TAKEN_FOR_TOKENS, &own)?;
    Some(Unusable {
        is_key: false,
        why: format!("has {kind}, with which tokens are not signed: {} taken", Use::Tokens.taken()),
        hint: format!("Make a pair with `{}`", command(common_name(&own).as_deref())),
    })
}

fn pair(chain: &[CertificateDer<'static>], key: &PrivateKeyDer<'static>) -> Result<(), rustls::Error> {
    CertifiedKey::from_der(chain.to_vec(), key.clone_key(), &aws_lc_rs::default_provider()).map(|_| ())
}

/// The unsupported property of a certificate, as a clause.
fn not_taken(own: &X509Certificate<'_>, purpose: Use) -> Option<String> {
    let bits = match own.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => Some(key.key_size()),
        _ => None,
    };
    if let Some(kind) = kind_in(NOT_TAKEN, own).or_else(|| with_unnamed_curve(own)) {
        return Some(format!("has {kind}, which is not taken: {}", purpose.taken()));
    }
    if let Some(bits) = bits.filter(|bits| !RSA_BITS.contains(bits)) {
        return Some(format!("has an RSA key of {bits} bits, and 2048 to 8192 are taken"));
    }
    (own.version() != X509Version::V3).then(|| {
        format!(
            "is a certificate of version {}, without the names that clients look for: version 3 is needed",
            own.version().0 + 1
        )
    })
}

/// The kind of a certificate's key, if it is one of `kinds`.
fn kind_in(kinds: &[(&'static str, &'static str)], own: &X509Certificate<'_>) -> Option<&'static str> {
    let algorithm = &own.public_key().algorithm;
    let curve = algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
    let oids = [Some(algorithm.algorithm.to_id_string()), curve.map(|oid| oid.to_id_string())];
    oids.iter().flatten().find_map(|oid| kinds.iter().find(|(known, _)| known == oid)).map(|(_, kind)| *kind)
}

/// A key whose certificate describes the curve and does not name it (RFC 5480 wants the name). TLS takes the curve, and
/// finds that the public keys differ.
fn with_unnamed_curve(own: &X509Certificate<'_>) -> Option<&'static str> {
    let algorithm = &own.public_key().algorithm;
    let is_named = algorithm.parameters.as_ref().is_some_and(|any| any.tag() == Tag::Oid);
    let is_ec = algorithm.algorithm.to_id_string() == "1.2.840.10045.2.1";
    (is_ec && !is_named).then_some("an EC key with explicit parameters in place of the name of a curve")
}

/// The name of the subject, where it may be a host.
pub(crate) fn common_name(own: &X509Certificate<'_>) -> Option<String> {
    let name = own.subject().iter_common_name().next()?.as_str().ok()?;
    let is_host = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
    is_host.then(|| name.to_owned())
}

/// Makes a certificate that clients take, once they trust it.
pub(crate) fn command(host: Option<&str>) -> String {
    let host = host.unwrap_or("registry.example");
    let kind = if host.parse::<std::net::IpAddr>().is_ok() { "IP" } else { "DNS" };
    format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN={host} \
         -addext subjectAltName={kind}:{host} -addext basicConstraints=critical,CA:FALSE -keyout portwarden.key \
         -out portwarden.crt"
    )
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use crate::config::tests;

    fn after(script: &str) -> String {
        tests::after(script, "")
    }

    /// A self-signed certificate with a key of a kind.
    fn of_key(kind: &str) -> String {
        after(&format!(
            "openssl genpkey {kind} -out key.pem
             openssl req -x509 -new -key key.pem -days 90 -subj /CN=reg.example -addext subjectAltName=DNS:reg.example \
                 -addext basicConstraints=critical,CA:FALSE -out cert.pem"
        ))
    }

    const MAKE: &str = "Make a pair with `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 \
                        -subj /CN=reg.example -addext subjectAltName=DNS:reg.example -addext \
                        basicConstraints=critical,CA:FALSE -keyout portwarden.key -out portwarden.crt`";

    #[test]
    fn a_key_that_is_not_taken_is_named() {
        for (kind, why) in [
            (
                "-algorithm RSA -pkeyopt rsa_keygen_bits:1024",
                "an RSA key of 1024 bits, and 2048 to 8192 are taken",
            ),
            (
                "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1",
                "an EC key on secp256k1, which is not taken: RSA, P-256, P-384 and P-521 are",
            ),
            (
                "-algorithm EC -pkeyopt ec_paramgen_curve:P-224",
                "an EC key on P-224, which is not taken: RSA, P-256, P-384 and P-521 are",
            ),
            (
                "-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit",
                "an EC key with explicit parameters in place of the name of a curve, which is not taken: RSA, P-256, P-384 \
                 and P-521 are",
            ),
            ("-algorithm ED448", "an Ed448 key, which is not taken: RSA, P-256, P-384 and P-521 are"),
        ] {
            assert_eq!(of_key(kind), format!("C cert.pem has {why}. {MAKE}"), "{kind}");
        }
        for kind in
            ["-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "-algorithm EC -pkeyopt ec_paramgen_curve:P-384"]
        {
            assert_eq!(of_key(kind), "", "{kind}");
        }
    }

    /// The findings about a pair of keys that is named by `server`, by `token`, or by both.
    fn of_key_for(section: &str, kind: &str) -> String {
        let directory = tests::directory();
        let made = format!(
            "openssl genpkey {kind} -out other.key && chmod 600 other.key
             openssl req -x509 -new -key other.key -days 90 -subj /CN=reg.example \
                 -addext subjectAltName=DNS:reg.example -addext basicConstraints=critical,CA:FALSE -out other.crt"
        );
        assert!(
            Command::new("sh")
                .args(["-ec", &made])
                .current_dir(directory.path())
                .output()
                .unwrap()
                .status
                .success()
        );
        let pair = |used: bool| {
            if used {
                ", certificate: other.crt, key: other.key"
            } else {
                ", certificate: cert.pem, key: key.pem"
            }
        };
        let text = format!(
            "server: {{addr: ':443'{}}}\ntoken: {{issuer: Acme, expiration: 900{}}}\nusers: {{}}\nacl: []\n",
            pair(section != "token"),
            if section == "both" { "" } else { pair(section == "token") },
        );
        tests::read(&text, directory.path()).0
    }

    #[test]
    fn a_key_on_p_521_serves_tls_and_signs_no_tokens() {
        let p_521 = "-algorithm EC -pkeyopt ec_paramgen_curve:P-521";
        assert_eq!(of_key_for("server", p_521), "");
        let why = "other.crt has an EC key on P-521, with which tokens are not signed: RSA, P-256, P-384 and Ed25519 \
                   are taken";
        let token = of_key_for("token", p_521);
        assert_eq!(token, format!("f.yml:2:40: token.certificate: {why}. {MAKE}"));
        let both = of_key_for("both", p_521);
        let apart = MAKE.replace("Make a pair with", "Name another pair under `token`, made with");
        assert_eq!(both, format!("f.yml:1:24: server.certificate: {why}. {apart}"));
        let secp256k1 = of_key_for("token", "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1");
        assert!(secp256k1.contains("which is not taken: RSA, P-256, P-384 and Ed25519 are"), "{secp256k1}");
        assert!(of_key_for("token", "-algorithm ED25519").contains("which docker_auth refuses"));
    }

    #[test]
    fn every_form_of_a_good_key_is_taken() {
        for way in [
            "openssl ecparam -name prime256v1 -genkey -out key.pem",
            "openssl ecparam -name secp384r1 -genkey -noout -out key.pem",
            "openssl genrsa -traditional -out key.pem 2048",
        ] {
            let script = format!(
                "{way}; openssl req -x509 -new -key key.pem -days 90 -subj /CN=reg.example -addext \
                 subjectAltName=DNS:reg.example -addext basicConstraints=critical,CA:FALSE -out cert.pem"
            );
            assert_eq!(after(&script), "", "{way}");
        }
    }

    #[test]
    fn the_command_in_the_hints_makes_a_pair_without_warnings() {
        for host in ["reg.example", "192.0.2.1"] {
            let command = super::command(Some(host)).replace("-days 365", "-days 90");
            assert_eq!(
                after(&format!("{command}; mv portwarden.key key.pem; mv portwarden.crt cert.pem")),
                ""
            );
        }
    }

    #[test]
    fn a_certificate_of_version_1_is_named() {
        let said = after(
            "openssl req -new -newkey rsa:2048 -nodes -subj /CN=reg.example -keyout key.pem -out req
             openssl x509 -req -in req -signkey key.pem -days 90 -out cert.pem",
        );
        let why = "C cert.pem is a certificate of version 1, without the names that clients look for: version 3 is needed";
        assert_eq!(said, format!("{why}. {MAKE}"));
    }

    #[test]
    fn a_file_in_another_form_is_named_with_the_command_that_converts_it() {
        let script = |script: &str| after(&format!("cp cert.pem c; cp key.pem k; {script}"));
        for (how, said) in [
            (
                "openssl x509 -in c -outform DER -out cert.pem",
                "C cert.pem is a certificate in DER form, not PEM. Convert it with `openssl x509 -inform DER -in cert.pem -out cert.pem.pem`",
            ),
            (
                "openssl pkey -in k -outform DER -out key.pem",
                "K key.pem is a private key in DER form, not PEM. Convert it with `openssl pkey -inform DER -in key.pem -out key.pem.pem`",
            ),
            (
                "openssl pkcs12 -export -in c -inkey k -passout pass: -out cert.pem",
                "C cert.pem is a PKCS#12 container. Take certificates and key out with `openssl pkcs12 -in cert.pem -nodes -out cert.pem.pem`; both settings may name that file",
            ),
            (
                "openssl crl2pkcs7 -nocrl -certfile c -out cert.pem",
                "C cert.pem is a PKCS#7 container. Take the certificates out with `openssl pkcs7 -print_certs -in cert.pem -out cert.pem.pem`",
            ),
            (
                "openssl crl2pkcs7 -nocrl -certfile c -outform DER -out cert.pem",
                "C cert.pem is a PKCS#7 container. Take the certificates out with `openssl pkcs7 -inform DER -print_certs -in cert.pem -out cert.pem.pem`",
            ),
            (
                "openssl pkey -in k -aes128 -passout pass:abcd -out key.pem",
                "K key.pem is encrypted. Decrypt it with `openssl pkey -in key.pem -out key.pem.plain`, and protect that file by its permissions",
            ),
            (
                "openssl ec -in k -aes128 -passout pass:abcd -out key.pem",
                "K key.pem is encrypted. Decrypt it with `openssl pkey -in key.pem -out key.pem.plain`, and protect that file by its permissions",
            ),
            (
                "openssl req -new -key k -subj /CN=a -out cert.pem",
                "C cert.pem holds a request for a certificate (CSR) and not the certificate. Give the certificate that the authority made of it",
            ),
            (
                "openssl pkey -in k -pubout -out key.pem",
                "K key.pem holds a public key. Give the file of the private key, or of the certificate",
            ),
            ("cp empty.pem cert.pem", "C cert.pem is empty. Copy it again"),
            (
                "cp otherkey.pem key.pem",
                "K key.pem is not the key of cert.pem. Give the key that the certificate was made with",
            ),
            (
                "echo hello > cert.pem",
                "C cert.pem holds no certificate in PEM form. Give the chain as PEM, the server's own certificate first",
            ),
            (
                "cat other.pem c > cert.pem",
                "C cert.pem is in the wrong order: the certificate of the key is number 2 and not the first. Put the server's own certificate first, and behind it the one that signed it",
            ),
        ] {
            assert_eq!(script(how), said, "{how}");
        }
    }

    #[test]
    fn what_the_commands_convert_can_be_used() {
        for way in [
            "openssl x509 -in cert.pem -outform DER -out c; openssl x509 -inform DER -in c -out cert.pem",
            "openssl pkey -in key.pem -outform DER -out k; openssl pkey -inform DER -in k -out key.pem",
            "openssl pkcs12 -export -in cert.pem -inkey key.pem -passout pass: -out p
             openssl pkcs12 -in p -nodes -passin pass: -out key.pem; cp key.pem cert.pem",
            "openssl crl2pkcs7 -nocrl -certfile cert.pem -out p; openssl pkcs7 -print_certs -in p -out cert.pem",
        ] {
            assert_eq!(after(&format!("{way}; chmod 600 *.pem")), "", "{way}");
        }
    }
}
