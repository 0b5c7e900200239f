//! `login` and `logout`.

use std::path::PathBuf;

use super::values::{comment, days};
use crate::{authz::parse_token_scope, registry::Scope};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Login {
    /// The registry: https://registry.example, with server.path_prefix if it has one
    #[arg(value_name = "URL")]
    pub(in crate::cli) registry: String,
    /// Scope of the token, as repository:team/*:pull,push (may be repeated, with the same actions); without it, pull from
    /// all repositories
    #[arg(long, value_name = "SCOPE", value_parser = parse_token_scope)]
    pub(in crate::cli) scope: Vec<Scope>,
    /// Lifetime of the token, in whole days: 30d, 12w
    #[arg(long, value_name = "TIME", value_parser = days)]
    pub(in crate::cli) lifetime: Option<u64>,
    /// Your own words about the token, to find it again [portwarden login on this machine]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, value_parser = comment)]
    pub(in crate::cli) comment: Option<String>,
    /// Print the token and write no file
    #[arg(long)]
    pub(in crate::cli) print: bool,
    /// Open the page with xdg-open, too
    #[arg(long)]
    pub(in crate::cli) browser: bool,
    /// Trust the authorities in this file (PEM) instead of the system's
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) ca_certificate: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Logout {
    /// The registry: https://registry.example, with server.path_prefix if it has one
    #[arg(value_name = "URL")]
    pub(in crate::cli) registry: String,
    /// Trust the authorities in this file (PEM) instead of the system's
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) ca_certificate: Option<PathBuf>,
}

pub(super) const LOGIN_EXAMPLES: &str = "\
Shows an address and a code, and waits up to ten minutes until you allow the login there. The token goes to
$DOCKER_CONFIG/config.json, or ~/.docker/config.json, where docker, podman and skopeo find it. On the page you can
change its scope, lifetime and comment.

Examples:
  portwarden login https://registry.example
  portwarden login https://registry.example --lifetime 90d \\
      --scope 'repository:team/*:pull,push'
  portwarden login https://registry.example --print >token-file";

pub(super) const LOGOUT_EXAMPLE: &str = "\
Removes the registry from $DOCKER_CONFIG/config.json, or ~/.docker/config.json, and revokes the token that stood there.

Example:
  portwarden logout https://registry.example";
