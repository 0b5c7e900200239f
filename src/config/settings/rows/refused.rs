//! docker_auth's sections that Portwarden refuses: `sections::unsupported` says what to use instead.

use crate::config::settings::row::{Setting, refused};

/// Before `xorm_auth`.
pub(crate) const MONGO: &[Setting] = &[refused("mongo_auth")];

/// Between `xorm_auth` and `acl_xorm`.
pub(crate) const BACKENDS: &[Setting] = &[refused("plugin_authn"), refused("acl_mongo")];

/// Before `ext_authz`.
pub(crate) const CASBIN: &[Setting] = &[refused("casbin_authz")];

/// After `ext_authz`.
pub(crate) const PLUGIN: &[Setting] = &[refused("plugin_authz")];
