//! docker_auth's sections that Portwarden does not have: refused by name, with what to use instead.
//!
//! To ignore them would be to drop an authenticator, or an authorizer, that an operator relies on.

use crate::config::{
    diagnostics::{finding::Report, path::Path},
    schema::File,
};

/// Reports every such section that is written.
pub(crate) fn refuse(file: &File, report: &mut Report<'_>) {
    for (key, present, what, instead) in sections(file) {
        if present {
            report.error(Path::default().key(key), format!("{what}, which is not in this version"), instead);
        }
    }
}

/// Returns true if an authenticator other than `users` is named.
pub(super) fn names_authenticator(file: &File) -> bool {
    let built = file.ext_auth.is_some() || file.ldap_auth.is_some() || file.xorm_auth.is_some();
    let authenticator = |key: &str| key.ends_with("_auth") || key == "plugin_authn";
    built
        || file.htpasswd.is_some()
        || file.robots.is_some()
        || file.workload_auth.is_some()
        || file.certificate_auth.is_some()
        || file.google_auth.is_some()
        || file.github_auth.is_some()
        || file.gitlab_auth.is_some()
        || file.oidc_auth.is_some()
        || sections(file).iter().any(|(key, present, ..)| *present && authenticator(key))
}

/// Returns true if an authorizer other than `acl` is named.
pub(super) fn names_authorizer(file: &File) -> bool {
    let authorizer = |key: &str| key.starts_with("acl_") || key.ends_with("_authz");
    let built = file.acl_xorm.is_some() || file.ext_authz.is_some();
    built || sections(file).iter().any(|(key, present, ..)| *present && authorizer(key))
}

/// Key, whether it is written, what it is, what to do.
type Section = (&'static str, bool, &'static str, &'static str);

const USERS: &str =
    "Remove it, and list the accounts under `users`, or let a command say who they are: `ext_auth`";
const RULES: &str = "Remove it, and write the rules under `acl`, or let a command decide: `ext_authz`";

fn sections(file: &File) -> [Section; 5] {
    [
        ("mongo_auth", file.mongo_auth.is_some(), "accounts in MongoDB", USERS),
        ("plugin_authn", file.plugin_authn.is_some(), "authentication by a Go plugin", USERS),
        ("acl_mongo", file.acl_mongo.is_some(), "rules in MongoDB", RULES),
        ("casbin_authz", file.casbin_authz.is_some(), "authorization by Casbin", RULES),
        ("plugin_authz", file.plugin_authz.is_some(), "authorization by a Go plugin", RULES),
    ]
}
