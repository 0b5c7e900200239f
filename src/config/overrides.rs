//! Options of the command line that override the file.

use std::path::{Path, PathBuf};

use super::{Config, sections::registry, values::address};
use crate::server::Address;

impl Config {
    /// Listens on `listen` instead, if it names anything, and forwards to `registry` instead, if there is one.
    ///
    /// # Errors
    /// The option and what is wrong with it, one sentence.
    pub fn override_with(&mut self, listen: &[String], registry: Option<&str>) -> Result<(), String> {
        if !listen.is_empty() {
            self.server.addresses =
                listen.iter().map(|text| listen_address(text)).collect::<Result<_, _>>()?;
        }
        if let Some(url) = registry {
            let address = registry::parse_url(url, Path::new(""));
            self.proxy.upstream.address =
                address.map_err(|(what, hint)| format!("--registry {url}: {what}. {hint}"))?;
        }
        Ok(())
    }
}

fn listen_address(text: &str) -> Result<Address, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(Address::Unix(PathBuf::from(path)));
    }
    let hint = "Write `:443`, `127.0.0.1:8443` or `unix:/path`";
    address::socket_address(text)
        .map(Address::Tcp)
        .map_err(|error| format!("--listen {text}: {}. {hint}", error.message()))
}
