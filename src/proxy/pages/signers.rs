//! The identities in the certificates of a cosign signature, which Sigstore issues for a login (Fulcio,
//! `docs/oid-info.md` there). They are what the signature says of itself: nothing is verified.

use x509_parser::{
    extensions::GeneralName, oid_registry::asn1_rs::oid, pem::parse_x509_pem, prelude::X509Certificate,
};

use crate::image::Descriptor;

/// The annotation in which cosign keeps the certificate, as PEM.
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
/// Signatures of one manifest that are looked at.
const MOST: usize = 10;

/// Returns the identities that the signatures in a manifest name: `ann@example.com (https://accounts.example)`.
pub(super) fn signers(layers: &[Descriptor]) -> Vec<String> {
    let certificates = layers.iter().filter_map(|layer| layer.annotations.get(CERTIFICATE));
    let mut names: Vec<String> = certificates.take(MOST).filter_map(|pem| identity(pem.as_bytes())).collect();
    names.dedup();
    names
}

fn identity(pem: &[u8]) -> Option<String> {
    let (_, pem) = parse_x509_pem(pem).ok()?;
    let certificate = pem.parse_x509().ok()?;
    let names = certificate.subject_alternative_name().ok().flatten()?;
    let name = names.value.general_names.iter().find_map(|name| match name {
        GeneralName::URI(name) | GeneralName::RFC822Name(name) => Some(*name),
        _ => None,
    })?;
    Some(match issuer(&certificate) {
        Some(issuer) => format!("{name} ({issuer})"),
        None => name.to_owned(),
    })
}

/// The issuer of the login: the older field has the text alone, the newer one a DER string around it.
fn issuer(certificate: &X509Certificate<'_>) -> Option<String> {
    let older = oid!(1.3.6.1.4.1.57264.1.1);
    let extension = certificate.extensions().iter().find(|extension| extension.oid == older)?;
    String::from_utf8(extension.value.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rcgen::{CertificateParams, CustomExtension, KeyPair, SanType};

    use super::*;

    fn signature(certificate: &str) -> Descriptor {
        Descriptor {
            media_type: String::new(),
            digest: String::new(),
            size: 0,
            platform: None,
            artifact_type: None,
            annotations: BTreeMap::from([(CERTIFICATE.to_owned(), certificate.to_owned())]),
        }
    }

    fn certificate(name: SanType, issuer: Option<&str>) -> String {
        let extension = |text: &str| {
            CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 57264, 1, 1], text.as_bytes().to_vec())
        };
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![name];
        params.custom_extensions = issuer.map(extension).into_iter().collect();
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    }

    #[test]
    fn the_identity_is_that_of_the_certificate_and_its_issuer() {
        let workflow = "https://github.com/team/app/.github/workflows/release.yml@refs/tags/v1";
        let by_job = certificate(SanType::URI(workflow.try_into().unwrap()), Some("https://token.example"));
        let by_mail = certificate(SanType::Rfc822Name("ann@example.com".try_into().unwrap()), None);
        let by_host = certificate(SanType::DnsName("a.example".try_into().unwrap()), None);
        let layers = [&by_job, &by_job, &by_mail, &by_host, "no certificate", ""].map(signature);
        assert_eq!(
            signers(&layers),
            [format!("{workflow} (https://token.example)"), "ann@example.com".into()]
        );
        let many = (0..=MOST).map(|n| SanType::Rfc822Name(format!("ann{n}@example.com").try_into().unwrap()));
        let many: Vec<_> = many.map(|name| signature(&certificate(name, None))).collect();
        assert_eq!(signers(&many).len(), MOST, "no more are looked at");
    }
}
