//! The files of `cache_dir`: the certificate with its key, and the account at the authority. For their owner only, and
//! replaced in one step.
//!
//! The certificate's has the name and the form of docker_auth's, so that either finds what the other has fetched: the
//! key and the chain in PEM. A line before them, which PEM readers pass over, says which directory it came from.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use instant_acme::AccountCredentials;
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    certificate::Certificate,
    settings::{AcmeSettings, LETS_ENCRYPT},
};
use crate::private_file;

/// The file of the account. No host has a plus sign in its name.
const ACCOUNT: &str = "portwarden+account";
/// Bytes of a probe: more than a chain with its key has.
const PROBE: usize = 32 << 10;
/// The line with the directory of a certificate.
const FROM: &str = "Directory: ";

/// Reads the certificate of the last run; `None` where there is none of use, and a line of the log says why.
pub(super) fn certificate(settings: &AcmeSettings) -> Option<Certificate> {
    let path = settings.certificate_file();
    let passed_over =
        |why: &str| tracing::warn!(file = %path.display(), "the certificate is not used: {why}");
    let found = match private_file::look_at(&path, "put the file itself there") {
        Ok(found) => found?,
        Err(why) => {
            passed_over(&format!("{}; {}", why.message, why.hint));
            return None;
        }
    };
    // A time in the future would put the next order off.
    let obtained = found.modified().unwrap_or(SystemTime::UNIX_EPOCH).min(SystemTime::now());
    let read = fs::read_to_string(&path).map(Zeroizing::new).map_err(|error| error.to_string());
    let read = read.and_then(|pem| {
        let directory = pem.lines().find_map(|line| line.strip_prefix(FROM)).unwrap_or(LETS_ENCRYPT);
        let is_of_authority = directory == settings.directory;
        Certificate::read(&pem, &settings.host, obtained)
            .map(|certificate| Certificate { is_of_authority, ..certificate })
    });
    read.inspect_err(|why| passed_over(why)).ok()
}

/// Stores a key and its certificates in PEM.
///
/// # Errors
/// The file cannot be written.
pub(super) fn store_certificate(settings: &AcmeSettings, pem: &str) -> io::Result<()> {
    let text = Zeroizing::new(format!("{FROM}{}\n{pem}", settings.directory));
    private_file::replace(&settings.certificate_file(), text.as_bytes())
}

/// Reads the account of the last run; `None` where there is none at this directory.
///
/// # Errors
/// The file cannot be read or used.
pub(super) fn account(settings: &AcmeSettings) -> Result<Option<AccountCredentials>, String> {
    let read = account_json(settings)?.map(serde_json::from_value).transpose();
    read.map_err(|_| unusable_account(&account_file(settings)))
}

/// Reads the account as [`account`] does, and leaves it as it is.
///
/// # Errors
/// The file cannot be read, or is not JSON.
pub(super) fn account_json(settings: &AcmeSettings) -> Result<Option<Value>, String> {
    let path = account_file(settings);
    let said = |why: &str| format!("{}: {why}", path.display());
    let found = private_file::look_at(&path, "put the file itself there");
    if found.map_err(|why| said(&format!("{}; {}", why.message, why.hint)))?.is_none() {
        return Ok(None);
    }
    let text = fs::read(&path).map(Zeroizing::new).map_err(|error| said(&error.to_string()))?;
    let read: Value = serde_json::from_slice(&text).map_err(|_| unusable_account(&path))?;
    let is_of_directory = read.get("directory").and_then(Value::as_str) == Some(&settings.directory);
    Ok(is_of_directory.then_some(read))
}

fn unusable_account(path: &Path) -> String {
    format!(
        "{}: not the account of an authority; remove it, and the next order makes another",
        path.display()
    )
}

/// Stores the account.
///
/// # Errors
/// The file cannot be written.
pub(super) fn store_account(settings: &AcmeSettings, account: &impl Serialize) -> Result<(), String> {
    let path = account_file(settings);
    let stored = serde_json::to_vec(account)
        .map(Zeroizing::new)
        .map_err(io::Error::other)
        .and_then(|json| private_file::replace(&path, &json));
    stored.map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Removes the account, which its authority does not know.
///
/// # Errors
/// It cannot be removed.
pub(super) fn forget_account(settings: &AcmeSettings) -> Result<(), String> {
    let path = account_file(settings);
    fs::remove_file(&path).map_err(|error| format!("cannot remove {}: {error}", path.display()))
}

/// Makes the directory, for its owner only, where there is none.
///
/// # Errors
/// It cannot be made, or nothing can be written into it.
pub(super) fn prepare(settings: &AcmeSettings) -> Result<(), String> {
    let path = &settings.cache_dir;
    let said = |error: io::Error| format!("cannot write to cache_dir {}: {error}", path.display());
    if !path.is_dir() {
        fs::DirBuilder::new().mode(0o700).create(path).map_err(said)?;
    }
    // Before the authority is asked: what cannot be stored would be ordered again and again. On a full disk an empty file
    // could be written.
    let probe = path.join("portwarden+probe");
    private_file::replace(&probe, &[0; PROBE]).and_then(|()| fs::remove_file(&probe)).map_err(said)
}

fn account_file(settings: &AcmeSettings) -> PathBuf {
    settings.cache_dir.join(ACCOUNT)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt as _, process::Command};

    use super::*;
    use crate::acme::ChallengeKind;

    /// As golang.org/x/crypto/acme/autocert writes it for docker_auth: a key in the form of SEC1, and the chain.
    const MAKE: &str = "umask 077
        openssl ecparam -name prime256v1 -genkey -noout -out key
        openssl req -x509 -new -key key -days 30 -subj / -addext subjectAltName=DNS:registry.example -out own
        cat key own >registry.example; grep -q 'BEGIN EC PRIVATE KEY' registry.example";

    #[test]
    fn docker_auths_file_is_used_as_it_is_and_ours_says_its_directory() {
        let directory = tempfile::tempdir().unwrap();
        let made = Command::new("sh").args(["-ec", MAKE]).current_dir(directory.path()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let settings = |directory_url: &str| AcmeSettings {
            host: "registry.example".to_owned(),
            email: None,
            cache_dir: directory.path().to_owned(),
            directory: directory_url.to_owned(),
            authorities: Vec::new(),
            challenge: ChallengeKind::TlsAlpn,
            external_account: None,
            sealing_key: None,
        };
        let (usual, other) = (settings(LETS_ENCRYPT), settings("https://ca.example/directory"));
        let is_of = |settings| certificate(settings).unwrap().is_of_authority;
        assert!(is_of(&usual) && !is_of(&other));
        let pem = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
        store_certificate(&other, &(pem("key") + &pem("own"))).unwrap();
        assert!(!is_of(&usual) && is_of(&other));
        // A key that others may have read is not shown to clients.
        fs::set_permissions(usual.certificate_file(), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(certificate(&other).is_none());
    }
}
