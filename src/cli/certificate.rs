//! `portwarden explain --certificate`: the account and the labels of a client certificate, or the reason why it is no
//! login.

use std::path::Path;

use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::{
    login_file,
    output::{Failure, say},
    policy_query::PolicyEvaluator,
};
use crate::authn::{Certificates, ClientCertificate, Identity, Judgement};

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
    let pem = login_file::read("--certificate", file, "a certificate in PEM form")?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
    let certificate = ClientCertificate::new(Some(&chain)).ok_or_else(|| {
        format!(
            "--certificate {name}: holds no certificate in PEM form; \
             look at it with `openssl x509 -noout -text -in {name}`"
        )
    })?;
    let now = login_file::now();
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
        login_file::say_labels(&identity.labels)?;
    }
    Ok(identity)
}
