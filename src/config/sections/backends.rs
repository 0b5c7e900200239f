//! `backends:`: bounds on asking commands, directories and databases; and the back ends, section by section.

use std::time::Duration;

use super::{command, ldap, sql};
use crate::{
    authn, authz,
    backend::Limits,
    config::{
        Context,
        diagnostics::path::Path,
        schema::{Backends, File},
        values::quantity,
    },
};

/// The authenticators after `users`.
pub(crate) fn authenticators(file: &File, context: &mut Context<'_>) -> authn::BackendSettings {
    authn::BackendSettings {
        ext_auth: file.ext_auth.as_ref().and_then(|written| command::settings(written, "ext_auth", context)),
        ldap_auth: file.ldap_auth.as_ref().and_then(|written| ldap::settings(written, context)),
        xorm_auth: file.xorm_auth.as_ref().and_then(|written| sql::accounts(written, context)),
        limits: limits(file, context),
    }
}

/// The authorizers after `acl`.
pub(crate) fn authorizers(file: &File, context: &mut Context<'_>) -> authz::BackendSettings {
    authz::BackendSettings {
        acl_xorm: file.acl_xorm.as_ref().and_then(|written| sql::rules(written, context)),
        ext_authz: file
            .ext_authz
            .as_ref()
            .and_then(|written| command::settings(written, "ext_authz", context)),
        remember: remember(file, context),
        limits: limits(file, context),
    }
}

/// Docker gives up on a token request after 30 seconds or less, so no client waits longer.
const LONGEST: Duration = Duration::from_secs(60);

fn limits(file: &File, context: &mut Context<'_>) -> Limits {
    let none = Backends::default();
    let written = file.backends.as_ref().unwrap_or(&none);
    let Limits { timeout, concurrent, queue } = Limits::default();
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let shortest = Duration::from_millis(100);
    let report = &mut context.report;
    Limits {
        timeout: quantity::duration(
            written.timeout.as_ref(),
            at("timeout"),
            timeout,
            shortest..=LONGEST,
            report,
        ),
        concurrent: quantity::count(
            written.concurrent,
            at("concurrent"),
            number(concurrent),
            1..=1024,
            report,
        ) as usize,
        queue: quantity::count(written.queue, at("queue"), number(queue), 0..=100_000, report) as usize,
    }
}

/// `backends.remember_decisions`.
fn remember(file: &File, context: &mut Context<'_>) -> Duration {
    let written = file.backends.as_ref().and_then(|backends| backends.remember_decisions.as_ref());
    let (default, most) = (Duration::from_secs(30), Duration::from_secs(3600));
    quantity::duration(written, at("remember_decisions"), default, Duration::ZERO..=most, &mut context.report)
}

fn at(key: &str) -> Path {
    Path::from("backends").key(key)
}
