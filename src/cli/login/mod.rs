//! `portwarden login` and `logout`: from a browser to docker's `config.json`, without a password that is typed (device
//! authorization, RFC 8628).
//!
//! Nothing is known here of a configuration. What the server says is printed only where it cannot steer a terminal.

mod docker_config;
mod registry;
mod wait;

use std::process::{Command, Stdio};

use super::{
    Login, Logout,
    output::{Failure, say, tell},
    token::client::{Client, runtime},
};
use crate::{
    authn::{Secret, TokenDigest},
    authz::ANY_NAME,
};
use docker_config::DockerConfig;
use registry::Registry;
use wait::{Codes, Issued, ask_for_codes, wait_for_token};

/// Gets a token, once a person has allowed it, and stores or prints it.
///
/// # Errors
/// The fault, with the next step.
pub(super) fn login(login: &Login) -> Result<(), Failure> {
    let registry = Registry::parse(&login.registry)?;
    if !login.print {
        // Before a person is asked for anything.
        DockerConfig::open()?.refuse_helper(registry.host())?;
    }
    let client = Client::new(login.ca_certificate.as_deref())?;
    let issued = runtime()?.block_on(async {
        let codes = ask_for_codes(&client, &registry, login).await?;
        show(&codes, login.browser);
        wait_for_token(&client, &registry, &codes).await
    })?;
    let Issued { account, token, scope, .. } = &issued;
    let (account_shown, scope) = (account.escape_debug(), in_words(scope));
    if login.print {
        tell(format_args!("The token is the password of the account {account_shown}: {scope}"));
        return say(token.expose_text().unwrap_or_default());
    }
    let mut config = DockerConfig::open()?;
    config.refuse_helper(registry.host())?;
    config.set(registry.host(), account, token);
    let stored = config.store().map_err(|error| format!("{error}; {}", left_behind(token)));
    stored?;
    say(format_args!(
        "logged in to {} as {account_shown}: {scope}; the token is in {}",
        registry.host(),
        config.path().display()
    ))
}

/// Removes a registry from docker's file, and revokes the token that stood there.
///
/// # Errors
/// There is no such login, or the token could not be revoked.
pub(super) fn logout(logout: &Logout) -> Result<(), Failure> {
    let registry = Registry::parse(&logout.registry)?;
    let mut config = DockerConfig::open()?;
    config.refuse_helper(registry.host())?;
    let (host, file) = (registry.host(), config.path().display().to_string());
    let (account, password) =
        config.remove(host).ok_or_else(|| format!("{file}: there is no login of {host}"))?;
    config.store()?;
    let token = Secret::new(password.as_bytes());
    if TokenDigest::of(&token).is_err() {
        return say(format_args!("logged out of {host}; what stood there was no token, so none is revoked"));
    }
    let client = Client::new(logout.ca_certificate.as_deref());
    let revoked = client.and_then(|client| runtime()?.block_on(registry.revoke(&client, &account, &token)));
    revoked.map_err(|error| format!("logged out of {host}, but: {error}; {}", left_behind(&token)))?;
    say(format_args!("logged out of {host}; the token is revoked"))
}

/// Scopes for people, fit for a terminal: the name that stands for all is an expression.
fn in_words(scopes: &str) -> String {
    let all = format!("repository:{ANY_NAME}:");
    scopes.replace(&all, "all repositories: ").escape_debug().to_string()
}

/// The next step about a token that no file has any longer.
fn left_behind(token: &Secret) -> String {
    let id = TokenDigest::of(token).map(|digest| digest.id()).unwrap_or_default();
    format!("revoke the token {id} on the page /-/tokens")
}

/// Tells the person where to go, on standard error.
fn show(codes: &Codes, in_browser: bool) {
    let Codes { code, page, page_to_type, .. } = codes;
    tell(format_args!("Open this page, and compare the code:\n\n  {page}\n\n  {code}\n"));
    tell(format_args!("Or open {page_to_type} and type the code. Waiting…"));
    if in_browser {
        let opened = Command::new("xdg-open")
            .arg(page)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        if let Err(error) = opened {
            tell(format_args!("xdg-open: {error}; open the page yourself"));
        }
    }
}
