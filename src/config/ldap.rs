//! `ldap_auth:`: a directory.

use super::{Context, file::LdapAuth};
use crate::authn::LdapSettings;

/// The directory; `None` after an error.
pub(super) fn settings(_written: &LdapAuth, context: &mut Context<'_>) -> Option<LdapSettings> {
    let hint = "Remove it and list the accounts under `users`";
    context.report.error("ldap_auth", "authentication by LDAP, which is not in this version", hint);
    None
}
