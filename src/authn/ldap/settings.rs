//! Settings of the directory. Built by `config`.

use std::fmt;

use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::{dn::DnTemplate, filter::Filter};

/// The directory (`ldap_auth:`). Certificates and passwords are held by their content, so that a changed file is a
/// changed setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapSettings {
    /// The host of `addr`: a name, or an address without brackets. The certificate must name it.
    pub host: String,
    /// The port of `addr`.
    pub port: u16,
    /// `tls`.
    pub tls: LdapTls,
    /// `base`: the name below which accounts are looked for.
    pub base: String,
    /// `filter`.
    pub filter: Filter,
    /// `bind_dn`, `bind_password_file`, `initial_bind_as_user`.
    pub search_as: SearchAs,
    /// `labels`: each label with where it comes from.
    pub labels: Vec<(String, LabelMap)>,
}

/// Encryption of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LdapTls {
    /// `none`: passwords cross the network in the clear.
    None,
    /// `starttls`: before the first password. A directory that does not offer it is not used.
    StartTls(Trust),
    /// `always`: from the first byte.
    Always(Trust),
}

/// The certificates that are trusted.
#[derive(Clone, PartialEq, Eq)]
pub enum Trust {
    /// Certificates of the authorities in `ca_certificate`, else of the system's.
    Authorities(Vec<CertificateDer<'static>>),
    /// Any: `insecure_tls_skip_verify`.
    Anything,
}

/// The account that searches for the entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchAs {
    /// Anonymous: neither `bind_dn` nor `initial_bind_as_user`.
    Anonymous,
    /// The user `bind_dn`, with the password from `bind_password_file`.
    Reader {
        /// Its name.
        dn: String,
        /// Its password.
        password: BindPassword,
    },
    /// The account that signs in (`initial_bind_as_user`), under the name that `bind_dn` makes of it.
    User(DnTemplate),
}

/// A password of the configuration, never empty: a bind with a name and no password succeeds and proves nothing (RFC
/// 4513, section 5.1.2). Prints as `***`, is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct BindPassword(Zeroizing<Vec<u8>>);

/// The source of a label (an entry of `labels`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelMap {
    /// `attribute`.
    pub attribute: String,
    /// `parse_cn`: of a value that is a distinguished name, only the first common name.
    pub parse_cn: bool,
    /// `lower_case`.
    pub lower_case: bool,
}

impl BindPassword {
    /// `None` when it is empty.
    pub fn new(content: impl Into<Vec<u8>>) -> Option<Self> {
        let content = Zeroizing::new(content.into());
        (!content.is_empty()).then_some(Self(content))
    }

    pub(super) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for BindPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Shows the number of authorities: the bytes of a hundred certificates would be unreadable.
impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authorities(list) => write!(f, "Authorities({})", list.len()),
            Self::Anything => f.write_str("Anything"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_16_the_password_of_the_configuration_prints_as_stars() {
        let password = BindPassword::new("hunter2").unwrap();
        let settings = LdapSettings {
            host: "ldap.example".to_owned(),
            port: 389,
            tls: LdapTls::StartTls(Trust::Authorities(Vec::new())),
            base: "dc=example".to_owned(),
            filter: Filter::parse("(uid=${account})").unwrap(),
            search_as: SearchAs::Reader { dn: "cn=reader".to_owned(), password },
            labels: Vec::new(),
        };
        let printed = format!("{settings:?}");
        assert!(printed.contains("***") && printed.contains("cn=reader"), "{printed}");
        assert!(!printed.contains("hunter2") && !printed.contains("104, 117, 110"), "{printed}");
    }

    #[test]
    fn there_is_no_empty_password() {
        assert_eq!(BindPassword::new(""), None);
    }
}
