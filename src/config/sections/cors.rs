//! `server.cors:`: the pages of other origins that may use the registry.

use crate::config::{
    Context,
    diagnostics::path::Path,
    schema::{Cors, File, OneOrMany},
};
use crate::{
    proxy::{CorsSettings, WebOrigin},
    registry::Method,
};

const ORIGIN: &str = "Write each origin by name, as `https://ui.example`: its pages use the passwords that a browser knows for \
                      this registry";

/// Reads `server.cors:`.
pub(crate) fn settings(file: &File, context: &mut Context<'_>) -> CorsSettings {
    let Some(written) = file.server.as_ref().and_then(|server| server.cors.as_ref()) else {
        return CorsSettings::default();
    };
    CorsSettings { origins: origins(written, context), methods: methods(written, context) }
}

fn origins(written: &Cors, context: &mut Context<'_>) -> Vec<String> {
    let Some(OneOrMany(texts)) = &written.origins else {
        context.report.error(at("origins"), "missing", ORIGIN);
        return Vec::new();
    };
    let mut origins = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        let at = if texts.len() > 1 { at("origins").index(n) } else { at("origins") };
        let Some(origin) = WebOrigin::parse(text) else {
            context.report.error(at, "not an origin", ORIGIN);
            continue;
        };
        if !origin.is_tls() && !origin.is_local() {
            let message = "a page that comes over the network in the clear may be an attacker's";
            let hint = format!("Write `https://{}`, and serve the page over TLS", origin.host());
            context.report.warn(at, message, hint);
        }
        origins.push(origin.to_string());
    }
    origins
}

/// GET and HEAD: to look. Everything else is named.
fn methods(written: &Cors, context: &mut Context<'_>) -> Vec<&'static str> {
    let Some(OneOrMany(texts)) = &written.methods else { return vec!["GET", "HEAD"] };
    let mut methods = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        match Method::parse(text) {
            Some(method) => methods.push(method.as_str()),
            None => {
                let hint = "Write some of `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`";
                context.report.error(at("methods").index(n), "not a method of the registry", hint);
            }
        }
    }
    methods
}

fn at(key: &str) -> Path {
    Path::from("server").key("cors").key(key)
}
