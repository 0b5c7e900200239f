//! `backends:`: bounds on asking commands, directories and databases; and the back ends, section by section.

use std::time::Duration;

use super::{command, ldap, sql};
use crate::{
    authn, authz,
    backend::BackendLimits,
    config::{
        Context,
        schema::{Backends, File},
        settings,
        values::quantity,
    },
};

/// The authenticators after `users`.
pub(crate) fn authenticators(file: &File, context: &mut Context<'_>) -> authn::AuthenticationBackendSettings {
    authn::AuthenticationBackendSettings {
        ext_auth: file.ext_auth.as_ref().and_then(|written| command::settings(written, "ext_auth", context)),
        ldap_auth: file.ldap_auth.as_ref().and_then(|written| ldap::settings(written, context)),
        xorm_auth: file.xorm_auth.as_ref().and_then(|written| sql::accounts(written, context)),
        limits: limits(file, context),
    }
}

/// The authorizers after `acl`.
pub(crate) fn authorizers(file: &File, context: &mut Context<'_>) -> authz::AuthorizationBackendSettings {
    authz::AuthorizationBackendSettings {
        acl_xorm: file.acl_xorm.as_ref().and_then(|written| sql::rules(written, context)),
        ext_authz: file
            .ext_authz
            .as_ref()
            .and_then(|written| command::settings(written, "ext_authz", context)),
        remember: remember(file, context),
        limits: limits(file, context),
    }
}

fn limits(file: &File, context: &mut Context<'_>) -> BackendLimits {
    let none = Backends::default();
    let written = file.backends.as_ref().unwrap_or(&none);
    let report = &mut context.report;
    let timeout = const { settings::duration("backends.timeout") };
    let concurrent = const { settings::count("backends.concurrent") };
    let queue = const { settings::count("backends.queue") };
    BackendLimits {
        timeout: quantity::duration(written.timeout.as_ref(), timeout, report),
        concurrent: quantity::count(written.concurrent, concurrent, report) as usize,
        queue: quantity::count(written.queue, queue, report) as usize,
    }
}

/// `backends.remember_decisions`.
fn remember(file: &File, context: &mut Context<'_>) -> Duration {
    let written = file.backends.as_ref().and_then(|backends| backends.remember_decisions.as_ref());
    let bounds = const { settings::duration("backends.remember_decisions") };
    quantity::duration(written, bounds, &mut context.report)
}
