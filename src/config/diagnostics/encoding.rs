//! Names the format of a file that is not the expected certificate or key in PEM, and the command that converts it.

use std::path::Path as FilePath;

use rustls::pki_types::PrivateKeyDer;
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::unusable_keys;

/// The fault as a clause about the file, and the fix.
type Found = (&'static str, String);

/// DER of the OIDs that tell containers apart: `signedData` and `data` of PKCS#7, the second also in PKCS#12.
const SIGNED_DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
const DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";

/// The content of a file without the expected PEM block; `None` when it is not known.
pub(crate) fn of(content: &[u8], file: &FilePath) -> Option<Found> {
    let from = file.display();
    let text = String::from_utf8_lossy(content);
    let blocks: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("-----BEGIN ")).collect();
    let has = |label: &str| blocks.iter().any(|block| block.trim_end_matches('-') == label);
    let contains = |part: &[u8]| content.windows(part.len()).any(|window| window == part);
    if content.trim_ascii().is_empty() {
        Some(("is empty", "Copy it again".to_owned()))
    } else if has("ENCRYPTED PRIVATE KEY") || contains(b"Proc-Type: 4,ENCRYPTED") {
        let command = format!("openssl pkey -in {from} -out {from}.plain");
        Some((
            "is encrypted",
            format!("Decrypt it with `{command}`, and protect that file by its permissions"),
        ))
    } else if has("CERTIFICATE REQUEST") || has("NEW CERTIFICATE REQUEST") {
        let hint = "Give the certificate that the authority made of it";
        Some(("holds a request for a certificate (CSR) and not the certificate", hint.to_owned()))
    } else if has("OPENSSH PRIVATE KEY") {
        let hint = format!("Convert a copy of it with `ssh-keygen -p -m PEM -f {from}`");
        Some(("holds a key in the form of OpenSSH", hint))
    } else if has("DSA PRIVATE KEY") {
        let hint = format!("Make a pair with `{}`", unusable_keys::command(None));
        Some(("holds a DSA key, which is not taken", hint))
    } else if has("PUBLIC KEY") || has("RSA PUBLIC KEY") {
        Some(("holds a public key", "Give the file of the private key, or of the certificate".to_owned()))
    } else if has("PKCS7") || (!content.is_ascii() && contains(SIGNED_DATA)) {
        let form = if blocks.is_empty() { " -inform DER" } else { "" };
        let command = format!("openssl pkcs7{form} -print_certs -in {from} -out {from}.pem");
        Some(("is a PKCS#7 container", format!("Take the certificates out with `{command}`")))
    } else if content.starts_with(b"\xfe\xed\xfe\xed") {
        let command = format!(
            "keytool -importkeystore -srckeystore {from} -destkeystore {from}.p12 -deststoretype PKCS12"
        );
        Some(("is a Java keystore", format!("Convert it with `{command}`, and that with `openssl pkcs12`")))
    } else if content.starts_with(b"\x30") && contains(DATA) {
        let command = format!("openssl pkcs12 -in {from} -nodes -out {from}.pem");
        Some((
            "is a PKCS#12 container",
            format!("Take certificates and key out with `{command}`; both settings may name that file"),
        ))
    } else if X509Certificate::from_der(content).is_ok() {
        let command = format!("openssl x509 -inform DER -in {from} -out {from}.pem");
        Some(("is a certificate in DER form, not PEM", format!("Convert it with `{command}`")))
    } else if PrivateKeyDer::try_from(content).is_ok() {
        let command = format!("openssl pkey -inform DER -in {from} -out {from}.pem");
        Some(("is a private key in DER form, not PEM", format!("Convert it with `{command}`")))
    } else {
        None
    }
}
