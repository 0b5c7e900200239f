//! `registry.follow_redirects:`: the object stores to which the web pages follow a redirect of the registry.

use std::net::IpAddr;

use crate::{
    config::{
        Context,
        diagnostics::path::Path,
        schema::{OneOrMany, Registry},
    },
    proxy::WebOrigin,
};

const HINT: &str = "Write the scheme, the host and the port of the store, as `https://bucket.s3.example.com`, \
                    without a path, a user or a wildcard";

/// Names that are not given out on the internet, so that they stand for a machine of the operator's network.
const PRIVATE_NAMES: [&str; 4] = [".internal", ".local", ".home.arpa", ".localhost"];

/// Reads the list; an origin that is wrong is reported and left out.
pub(crate) fn origins(written: &Registry, context: &mut Context<'_>) -> Vec<WebOrigin> {
    let Some(OneOrMany(texts)) = &written.follow_redirects else { return Vec::new() };
    let key = Path::from("registry").key("follow_redirects");
    let mut origins = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        let at = if texts.len() > 1 { key.index(n) } else { key.clone() };
        let Some(origin) = WebOrigin::parse(text) else {
            context.report.error(at, "not an origin", HINT);
            continue;
        };
        if !origin.is_tls() && !is_private(&origin) {
            let message =
                "the web pages would fetch blobs over the internet in the clear, for others to read";
            context.report.warn(at, message, format!("Write `https://{}`", origin.host()));
        }
        origins.push(origin);
    }
    origins
}

/// Returns true for a host of this machine or of a private network, as far as its name or address shows that.
fn is_private(origin: &WebOrigin) -> bool {
    let host = origin.host();
    match origin.ip() {
        Some(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private(),
        Some(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local(),
        None => !host.contains('.') || PRIVATE_NAMES.iter().any(|suffix| host.ends_with(suffix)),
    }
}
