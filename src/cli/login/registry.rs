//! The registry of a login: where it is asked, and the name under which docker looks for its password.

use hyper::{StatusCode, Uri};

use crate::{
    authn::Secret,
    cli::token::client::{Client, Reply, is_safe},
};

/// A registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Registry {
    /// Scheme, host, port and prefix, without a slash at the end.
    base: String,
    host: String,
}

impl Registry {
    /// Reads a URL; `https://` may be left out.
    ///
    /// # Errors
    /// It is none, or what is sent there could be read along.
    pub(super) fn parse(written: &str) -> Result<Self, String> {
        let url = if written.contains("://") { written.to_owned() } else { format!("https://{written}") };
        let wrong = |why: &str| format!("{written:?} {why}; write it as https://registry.example");
        let uri: Uri = url.trim_end_matches('/').parse().map_err(|_| wrong("is no URL"))?;
        let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("has a name or a password in it, which a login does not need"));
        }
        if !is_safe(&uri) {
            return Err(wrong("would carry the token over the network in the clear"));
        }
        if uri.query().is_some() {
            return Err(wrong("has a query"));
        }
        let host = authority.as_str().to_ascii_lowercase();
        let scheme = uri.scheme_str().unwrap_or("https");
        let base = format!("{scheme}://{host}{}", uri.path().trim_end_matches('/'));
        Ok(Self { base, host })
    }

    /// The host with its port, as it stands before the name of an image.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Sends a form to an endpoint of device authorization.
    ///
    /// # Errors
    /// There is no answer.
    pub(super) async fn post(
        &self,
        client: &Client,
        endpoint: &str,
        form: &[(&str, &str)],
    ) -> Result<Reply, String> {
        client.post(&format!("{}/-/device/{endpoint}", self.base), form).await
    }

    /// Ends a token.
    ///
    /// # Errors
    /// The server does not say that it has ended.
    pub(super) async fn revoke(&self, client: &Client, account: &str, token: &Secret) -> Result<(), String> {
        let token = token.expose_text().unwrap_or_default();
        let reply = self.post(client, "revoke", &[("token", token), ("username", account)]).await?;
        match reply.status {
            StatusCode::OK => Ok(()),
            status => Err(format!("{} answers {status}{}", self.base, super::wait::said(&reply))),
        }
    }

    /// Returns whether a page is the one of this registry for codes, as such or with this code in its address, and nothing
    /// else: it is shown as it is, and given to a program that opens it.
    pub(super) fn has(&self, page: &str, code: &str) -> bool {
        let rest = page.strip_prefix(&self.base).and_then(|rest| rest.strip_prefix("/-/device"));
        rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix("?user_code=") == Some(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_named_as_docker_names_it() {
        for (written, base, host) in [
            ("registry.example", "https://registry.example", "registry.example"),
            ("https://Registry.Example/", "https://registry.example", "registry.example"),
            (
                "https://registry.example:8443/prefix/",
                "https://registry.example:8443/prefix",
                "registry.example:8443",
            ),
            ("http://localhost:5000", "http://localhost:5000", "localhost:5000"),
            ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443", "[2001:db8::1]:8443"),
        ] {
            let registry = Registry::parse(written).unwrap();
            assert_eq!((registry.base.as_str(), registry.host()), (base, host), "{written}");
        }
        for (written, why) in [
            ("http://registry.example", "in the clear"),
            ("https://ada:secret@registry.example", "has a name or a password"),
            ("https://registry.example?x=1", "has a query"),
            ("a b", "is no URL"),
        ] {
            let said = Registry::parse(written).unwrap_err();
            assert!(said.contains(why), "{written}: {said}");
        }
    }

    #[test]
    fn rule_65_no_page_of_another_site_is_shown_and_no_text_that_steers_a_terminal() {
        let registry = Registry::parse("https://registry.example/prefix").unwrap();
        for (page, is_shown) in [
            ("https://registry.example/prefix/-/device", true),
            // What opens a page in a browser may be a script.
            ("https://registry.example/prefix/-/device?user_code=$(id)", false),
            ("https://registry.example/prefix/-/device;id", false),
            ("https://registry.example/prefix/-/device?user_code=WDJB-MJHT&x=`id`", false),
            ("https://registry.example/prefix/-/device?user_code=ZZZZ-ZZZZ", false),
            ("https://registry.example/prefix/-/device/../../sign-out", false),
            ("https://registry.example/prefix/-/device?user_code=WDJB-MJHT", true),
            ("https://registry.example/-/device", false),
            ("https://registry.example.evil.example/prefix/-/device", false),
            ("https://evil.example/prefix/-/device", false),
            ("http://registry.example/prefix/-/device", false),
            ("https://registry.example/prefix/-/device?\u{1b}[2J", false),
            ("https://registry.example/prefix/-/device\nhttps://evil.example", false),
            ("--help", false),
        ] {
            assert_eq!(registry.has(page, "WDJB-MJHT"), is_shown, "{page:?}");
        }
    }
}
