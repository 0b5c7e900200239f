//! `xorm_auth:` and `acl_xorm:`: a database with docker_auth's tables.

use super::{
    Context,
    file::{AclXorm, XormAuth},
};
use crate::{authz::SqlRulesSettings, backend::SqlSettings};

/// The database of accounts; `None` after an error.
pub(super) fn accounts(_written: &XormAuth, context: &mut Context<'_>) -> Option<SqlSettings> {
    context.report.error(
        "xorm_auth",
        "accounts in an SQL database, which is not in this version",
        "Remove it",
    );
    None
}

/// The database of rules; `None` after an error.
pub(super) fn rules(_written: &AclXorm, context: &mut Context<'_>) -> Option<SqlRulesSettings> {
    context.report.error("acl_xorm", "rules in an SQL database, which is not in this version", "Remove it");
    None
}
