//! The settings for the journey of a request: `registry:`, and the parts of other sections that bear on it.

use std::time::Duration;

use super::{
    audit, cors, limits, log, personal_tokens,
    registry::{self, RegistrySettings},
    server, token, ui,
};
use crate::{
    config::{Context, schema::File},
    proxy::Settings,
};

/// The settings of the proxy; after an error, with a default in place of what is wrong.
pub(crate) fn settings(file: &File, idle_body: Duration, context: &mut Context<'_>) -> Settings {
    let RegistrySettings { upstream, service, catalog, follow_redirects, storage, storage_answers } =
        registry::settings(file, idle_body, context);
    Settings {
        realm: token::realm(file, context),
        refresh_tokens: token::refresh_tokens(file),
        service,
        path_prefix: server::path_prefix(file, context),
        relative_urls: server::relative_urls(file),
        hsts: server::hsts(file),
        cors: cors::settings(file, context),
        client_address: server::client_address(file, context),
        explain_denials: log::explain_denials(file),
        all_labels: audit::labels(file),
        catalog,
        follow_redirects,
        ui: ui::settings(file, context),
        personal_tokens: personal_tokens::settings(file, context),
        storage,
        storage_answers,
        upstream,
        passwords: limits::passwords(file, &mut context.report),
        token_requests: limits::token_requests(file, &mut context.report),
        token_body: limits::token_body(file, &mut context.report),
        idle_body,
    }
}
