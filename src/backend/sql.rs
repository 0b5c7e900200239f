//! Databases with docker_auth's tables.

/// A database (`xorm_auth:`, `acl_xorm:`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlSettings {}
