//! `portwarden explain --certificate`: the account and the labels of a client certificate, or the reason why it is no
//! login.

use std::{
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::{
    output::{Failure, say},
    policy_query::PolicyEvaluator,
};
use crate::authn::{Certificates, ClientCertificate, Identity, Judgement};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 64 << 10;

/// Reads the certificate in `file`, which may be followed by those of intermediate authorities, judges it as a
/// connection's would be now, and prints the answer. Its key is not looked at.
///
/// # Errors
/// It is no login, and why.
pub(super) fn read(file: &Path, evaluator: &PolicyEvaluator, json: bool) -> Result<Identity, Failure> {
    let name = file.display();
    let settings = evaluator.config.certificates.as_ref().filter(|settings| settings.accounts.is_some());
    let Some(settings) = settings else {
        let why = "the configuration has no account for it (`certificate_auth`)";
        return Err(format!("--certificate {name}: {why}").into());
    };
    let size = fs::metadata(file).map_err(|error| format!("--certificate {name}: {error}"))?.len();
    if size > LARGEST {
        return Err(format!(
            "--certificate {name}: expected a certificate, found {size} bytes; name its PEM file"
        )
        .into());
    }
    let pem = fs::read(file).map_err(|error| format!("--certificate {name}: {error}"))?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
    let certificate = ClientCertificate::new(Some(&chain)).ok_or_else(|| {
        format!(
            "--certificate {name}: holds no certificate in PEM form; \
             look at it with `openssl x509 -noout -text -in {name}`"
        )
    })?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (judgement, _) = Certificates::new(settings)?.judge(&certificate, now);
    let identity = match &*judgement {
        Judgement::Login(identity) => identity.clone(),
        Judgement::Untrusted(why) => {
            return Err(format!("--certificate {name}: no login: the certificate {why}").into());
        }
        Judgement::Nameless(why) => {
            let why = why.as_ref().map(ToString::to_string).unwrap_or_default();
            return Err(format!("--certificate {name}: no login: the certificate {why}").into());
        }
    };
    if !json {
        say(format!("the certificate is a login as {} (serial {})", identity.account, certificate.serial()))?;
        for (label, values) in &*identity.labels {
            say(format!("  {label}: {}", values.join(" ")))?;
        }
    }
    Ok(identity)
}
