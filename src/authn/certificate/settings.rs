//! The settings of client certificates, and the account that a certificate names by them. Built by `config`.

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::certificate::X509Certificate;

use super::{Field, NameError, NameTemplate, USER};
use crate::authn::Labels;

/// The longest account, in bytes, its prefix included.
const LONGEST_ACCOUNT: usize = 512;

/// `server.client_ca`, what belongs to it, and `certificate_auth`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateSettings {
    /// `server.client_ca`: the authorities.
    pub authorities: Vec<CertificateDer<'static>>,
    /// `server.client_crl`: with one list at least, a certificate without a list of its authority is not trusted.
    pub revocation_lists: Vec<CertificateRevocationListDer<'static>>,
    /// `server.client_auth: required`.
    pub is_required: bool,
    /// `certificate_auth`; `None` where a certificate is no login.
    pub accounts: Option<CertificateAccounts>,
}

/// `certificate_auth`: the account and the labels in a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateAccounts {
    /// `account`: the name behind `cert:`.
    pub account: NameTemplate,
    /// `strip`: what the name must begin with, and is left out of the account. Empty for nothing.
    pub strip: String,
    /// `labels`: label and field.
    pub labels: Vec<(String, Field)>,
}

impl CertificateAccounts {
    /// The account and the labels that a certificate names. A label has every value of its field; the account needs one
    /// value of each.
    pub(super) fn of(&self, own: &X509Certificate<'_>) -> Result<(String, Labels), NameError> {
        let name = self.account.fill(own)?;
        let name = name.strip_prefix(&*self.strip).ok_or(NameError::OtherPrefix)?;
        let account = format!("{USER}:{name}");
        if name.is_empty() || account.len() > LONGEST_ACCOUNT {
            return Err(NameError::Account);
        }
        let label = |(label, field): &(String, Field)| match field.values(own)? {
            values if values.is_empty() => Err(NameError::Missing(field.name())),
            values => Ok((label.clone(), values)),
        };
        Ok((account, self.labels.iter().map(label).collect::<Result<_, _>>()?))
    }
}
