//! Certificates and keys on disk: they are there, are what they should be, and belong together.
//!
//! Using them is the business of `server` and `token`.

use std::{
    fs,
    path::{Path as FilePath, PathBuf},
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::config::{
    Context,
    diagnostics::{
        encoding,
        path::Path,
        unusable_keys::{self, Unusable, Use},
    },
    schema::Text,
};

/// A certificate and its key.
pub(crate) struct PairFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Checks the pair of a section; `None` when none is written, or after an error.
pub(crate) fn pair(
    section: &str,
    certificate: Option<&Text>,
    key: Option<&Text>,
    context: &mut Context<'_>,
) -> Option<PairFiles> {
    let written = |text: Option<&Text>| text.map(|t| t.0.clone()).filter(|t| !t.is_empty());
    let at = |name: &str| Path::from(section).key(name);
    match (written(certificate), written(key)) {
        (None, None) => None,
        (Some(_), None) => missing("key", &at("certificate"), context),
        (None, Some(_)) => missing("certificate", &at("key"), context),
        (Some(certificate), Some(key)) => {
            let pair = PairFiles { certificate: context.path(&certificate), key: context.path(&key) };
            let looks = [(&pair.certificate, "certificate"), (&pair.key, "key")];
            if !looks.map(|(file, name)| context.looks_at(file, &at(name))).contains(&true) {
                return Some(pair);
            }
            let chain = read(&pair.certificate, &at("certificate"), context)
                .and_then(|pem| certificates(&pem, &pair.certificate, &at("certificate"), context));
            let secret = read(&pair.key, &at("key"), context)
                .and_then(|pem| private_key(&pem, &pair.key, &at("key"), context));
            warn_if_public(&pair.key, &at("key"), context);
            matching(&chain?, &secret?, &pair, section, context).then_some(pair)
        }
    }
}

fn missing(other: &str, at: &Path, context: &mut Context<'_>) -> Option<PairFiles> {
    let hint = format!("Add `{other}`, or remove this; the two belong together");
    context.report.error(at, format!("stands without `{other}`"), hint);
    None
}

/// The content of a file, which is watched from now on; `None` after an error.
pub(crate) fn read(file: &FilePath, at: &Path, context: &mut Context<'_>) -> Option<Vec<u8>> {
    match fs::read(file) {
        Ok(pem) => {
            if !context.files.iter().any(|known| known == file) {
                context.files.push(file.to_owned());
            }
            Some(pem)
        }
        Err(error) => {
            let hint =
                "Give a PEM file that this user may read; a relative path starts at this file's directory";
            context.report.error(at, format!("cannot read {}: {error}", file.display()), hint);
            None
        }
    }
}

/// The certificates in a PEM file, at least one; `None` after an error.
pub(crate) fn certificates(
    pem: &[u8],
    file: &FilePath,
    at: &Path,
    context: &mut Context<'_>,
) -> Option<Vec<CertificateDer<'static>>> {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    if let Some(chain) = chain.ok().filter(|chain| !chain.is_empty()) {
        return Some(chain);
    }
    let (is, hint) = if PrivateKeyDer::from_pem_slice(pem).is_ok() {
        let hint = "Give the file of the certificate; perhaps the two are swapped";
        ("holds a private key and no certificate", hint.to_owned())
    } else {
        let hint = "Give the chain as PEM, the server's own certificate first";
        encoding::of(pem, file).unwrap_or_else(|| ("holds no certificate in PEM form", hint.to_owned()))
    };
    context.report.error(at, format!("{} {is}", file.display()), hint);
    None
}

fn private_key(
    pem: &[u8],
    file: &FilePath,
    at: &Path,
    context: &mut Context<'_>,
) -> Option<PrivateKeyDer<'static>> {
    if let Ok(key) = PrivateKeyDer::from_pem_slice(pem) {
        return Some(key);
    }
    let (is, hint) = if CertificateDer::from_pem_slice(pem).is_ok() {
        let hint = "Give the file of the key; perhaps the two are swapped";
        ("holds a certificate and no private key", hint.to_owned())
    } else {
        let hint = "Give a PEM file with a PKCS#8, PKCS#1 or SEC1 key";
        encoding::of(pem, file).unwrap_or_else(|| ("holds no private key in PEM form", hint.to_owned()))
    };
    context.report.error(at, format!("{} {is}", file.display()), hint);
    None
}

fn matching(
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
    pair: &PairFiles,
    section: &str,
    context: &mut Context<'_>,
) -> bool {
    let purpose = if section == "token" { Use::Tokens } else { Use::Tls };
    let Some(Unusable { is_key, why, hint }) = unusable_keys::check(chain, key, &pair.certificate, purpose)
    else {
        return true;
    };
    let (name, file) = if is_key { ("key", &pair.key) } else { ("certificate", &pair.certificate) };
    context.report.error(Path::from(section).key(name), format!("{} {why}", file.display()), hint);
    false
}

/// Warns of a file with secrets that others may read.
#[cfg(unix)]
pub(crate) fn warn_if_public(file: &FilePath, at: &Path, context: &mut Context<'_>) {
    use std::os::unix::fs::PermissionsExt as _;
    const READ_BY_OTHERS: u32 = 0o004;
    if context.without_files {
        return;
    }
    if fs::metadata(file).is_ok_and(|data| data.permissions().mode() & READ_BY_OTHERS != 0) {
        let message = format!("{} can be read by every user of this machine", file.display());
        context.report.warn(at, message, "Run `chmod o-rwx` on it");
    }
}

#[cfg(not(unix))]
pub(crate) fn warn_if_public(_: &FilePath, _: &Path, _: &mut Context<'_>) {}
