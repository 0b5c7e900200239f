//! `google_auth:`, `github_auth:`, `gitlab_auth:` and `oidc_auth:`: the providers at which people sign in, as docker_auth
//! reads them.

use std::{fs, time::Duration};

use hyper::Uri;
use zeroize::Zeroizing;

use super::{ldap::authorities, workload::https};
use crate::{
    authn::{AuthenticationBackendSettings, SignInSection},
    config::{
        Context,
        diagnostics::path::Path,
        schema::{
            File, GithubAuth, GitlabAuth, GoogleAuth, OidcAuth, OneOrMany, SignInAuth, Text, TokenDatabase,
            text,
        },
        settings,
        values::{pem, quantity},
    },
    sign_in::{ClientSecret, OpenIdSettings, ProviderKind, ProviderSettings},
    state::StateSettings,
};

/// Google's issuer, and its keys, which are on another host than the issuer.
const GOOGLE: &str = "https://accounts.google.com";
const GOOGLE_KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";
/// Google gives a refresh token to a client that asks for one, and each time only if the person is asked, too.
const GOOGLE_MORE: &[(&str, &str)] = &[("access_type", "offline"), ("prompt", "consent")];

/// Reads the sections. One with an error is left out. The state, the pages and the back ends are those beside them.
pub(crate) fn settings(
    file: &File,
    (state, has_pages): (&StateSettings, bool),
    back_ends: &AuthenticationBackendSettings,
    context: &mut Context<'_>,
) -> Vec<ProviderSettings> {
    let written = [
        (SignInSection::Google, file.google_auth.as_ref().map(GoogleAuth::as_any)),
        (SignInSection::Github, file.github_auth.as_ref().map(GithubAuth::as_any)),
        (SignInSection::Gitlab, file.gitlab_auth.as_ref().map(GitlabAuth::as_any)),
        (SignInSection::Oidc, file.oidc_auth.as_ref().map(OidcAuth::as_any)),
    ];
    let written = written.into_iter().filter_map(|(section, written)| Some((section, written?)));
    let read = |(section, written)| Reader { section, written, context: &mut *context }.provider();
    let providers: Vec<_> = written.filter_map(read).collect();
    check(&providers, (state, has_pages), back_ends, context);
    providers
}

/// Reports what the sections need of others, and what they mean beside them.
fn check(
    providers: &[ProviderSettings],
    (state, has_pages): (&StateSettings, bool),
    back_ends: &AuthenticationBackendSettings,
    context: &mut Context<'_>,
) {
    for provider in providers {
        let at = Path::from(provider.section.key());
        if *state == StateSettings::Off {
            let message = "no person can sign in without a state file, which has the sign-ins";
            let hint = "Set `state.file`. Where systemd makes a StateDirectory, as in the package, there is one without it";
            context.report.warn(at.clone(), message, hint);
        }
        if !has_pages {
            let hint = "Remove `ui.enabled: false`, or this section";
            context.report.warn(at.clone(), "no person can sign in without the web pages", hint);
        }
        if let Some(section) = back_ends.sections().next() {
            let message = format!(
                "a person can be called like an account of `{section}`, and the rules cannot tell the two apart"
            );
            let hint =
                "Make sure that the names differ, as e-mail addresses do, or remove one of the sections";
            context.report.warn(at, message, hint);
        }
    }
}

/// One section.
struct Reader<'r, 'c, 'w> {
    section: SignInSection,
    written: SignInAuth<'w>,
    context: &'r mut Context<'c>,
}

impl Reader<'_, '_, '_> {
    fn provider(&mut self) -> Option<ProviderSettings> {
        self.warn_of_ignored();
        let (kind, client_id, client_secret) = (self.kind(), self.client_id(), self.secret());
        let redirect_uri = self.redirect_uri();
        let authorities = self.authorities();
        let timeout = self.duration("http_timeout");
        let revalidate_after = self.duration("revalidate_after");
        Some(ProviderSettings {
            section: self.section,
            kind: kind?,
            client_id: client_id?,
            client_secret: client_secret?,
            redirect_uri: redirect_uri?,
            revalidate_after,
            timeout,
            authorities: authorities?,
        })
    }

    fn kind(&mut self) -> Option<ProviderKind> {
        match self.section {
            SignInSection::Oidc => self.openid(),
            SignInSection::Google => Some(self.google()),
            SignInSection::Github => self.github(),
            SignInSection::Gitlab => self.gitlab(),
        }
    }

    fn openid(&mut self) -> Option<ProviderKind> {
        let issuer = text(self.written.issuer).filter(|issuer| https(issuer).is_some());
        if issuer.is_none() {
            let hint = "Write the provider's `issuer`, as `https://login.example.com/realms/main`";
            self.error("issuer", "missing, or not an https URL", hint);
        }
        if issuer.is_some_and(|issuer| issuer.contains("/.well-known/")) {
            let hint = "Write its `issuer`, which is the address before `/.well-known/`";
            self.error("issuer", "the address of the discovery document, and not the issuer", hint);
        }
        let jwks_uri = match text(self.written.jwks_uri) {
            Some(uri) => Some(https(uri).or_else(|| {
                self.error("jwks_uri", "not an https URL", "Write the URL of the JWK Set, with https");
                None
            })?),
            None => None,
        };
        let label_claims = self.label_claims();
        let scopes = self.scopes();
        Some(ProviderKind::OpenId(OpenIdSettings {
            issuer: issuer?.to_owned(),
            user_claim: text(self.written.user_claim).unwrap_or("email").to_owned(),
            label_claims,
            scopes,
            jwks_uri,
            domain: None,
            more: &[],
        }))
    }

    fn scopes(&mut self) -> Vec<String> {
        let written = self.written.scopes;
        let written =
            written.map(|scopes| scopes.iter().map(|Text(scope)| scope.clone()).collect::<Vec<_>>());
        let scopes = written.unwrap_or_else(|| vec!["openid".to_owned(), "email".to_owned()]);
        if !scopes.iter().any(|scope| scope == "openid") {
            let hint = "Add `openid`: without it, a provider does not say who signs in";
            self.error("scopes", "`openid` is missing", hint);
        }
        scopes
    }

    /// docker_auth's example calls them `label_claims`, which its program does not read.
    fn label_claims(&mut self) -> Vec<String> {
        let SignInAuth { label_claims, labels_claims, .. } = self.written;
        if let (Some(_), Some(_)) = (label_claims, labels_claims) {
            self.error("labels_claims", "stands beside `label_claims`", "Remove one of the two");
        }
        label_claims
            .as_ref()
            .or(labels_claims.as_ref())
            .map(|OneOrMany(names)| names.clone())
            .unwrap_or_default()
    }

    fn google(&mut self) -> ProviderKind {
        let domain = text(self.written.domain).map(str::to_owned);
        match &domain {
            None => self.warn_of_everyone("Google", "domain"),
            Some(domain) if !is_name(domain, ".-") => {
                self.error("domain", "not a domain", "Write one domain, as `example.com`");
            }
            Some(_) => {}
        }
        ProviderKind::OpenId(OpenIdSettings {
            issuer: GOOGLE.to_owned(),
            user_claim: "email".to_owned(),
            label_claims: Vec::new(),
            scopes: vec!["openid".to_owned(), "email".to_owned()],
            jwks_uri: Some(Uri::from_static(GOOGLE_KEYS)),
            domain,
            more: GOOGLE_MORE,
        })
    }

    fn github(&mut self) -> Option<ProviderKind> {
        let web = self.uri("github_web_uri", self.written.github_web_uri, "https://github.com");
        let api = self.uri("github_api_uri", self.written.github_api_uri, "https://api.github.com");
        let organization = text(self.written.organization).map(str::to_owned);
        if organization.as_deref().is_some_and(|name| !is_name(name, "-_")) {
            self.error("organization", "not a name of GitHub", "Write the name in its address, as `acme`");
        }
        if organization.is_none() && web.as_deref() == Some("https://github.com") {
            self.warn_of_everyone("GitHub", "organization");
        }
        Some(ProviderKind::Github { web: web?, api: api?, organization })
    }

    fn gitlab(&mut self) -> Option<ProviderKind> {
        let web = self.uri("gitlab_web_uri", self.written.gitlab_web_uri, "https://gitlab.com");
        let api = self.uri("gitlab_api_uri", self.written.gitlab_api_uri, "https://gitlab.com/api/v4");
        if text(self.written.grant_type).is_some_and(|grant| grant != "authorization_code") {
            self.error("grant_type", "not a way to sign in", "Write `authorization_code`, or remove it");
        }
        if web.as_deref() == Some("https://gitlab.com") {
            let message = "every account of gitlab.com may sign in";
            let hint = "Let no rule allow more to an account of any name than to strangers; to require a group, use \
                        `oidc_auth` with `issuer: https://gitlab.com` and `label_claims: [groups_direct]`";
            self.context.report.warn(Path::from(self.section.key()), message, hint);
        }
        Some(ProviderKind::Gitlab { web: web?, api: api? })
    }

    fn warn_of_everyone(&mut self, provider: &str, key: &str) {
        let message = format!("every account of {provider} may sign in");
        let hint =
            format!("Set `{key}`, or let no rule allow more to an account of any name than to strangers");
        self.context.report.warn(Path::from(self.section.key()), message, hint);
    }

    /// An address of the provider, without a slash at its end.
    fn uri(&mut self, key: &str, written: Option<&Text>, default: &str) -> Option<String> {
        let written = written.map(|Text(uri)| uri.trim_end_matches('/')).filter(|uri| !uri.is_empty());
        let uri = written.unwrap_or(default);
        if https(uri).is_none() {
            self.error(key, "not an https URL", format!("Write it with https, as `{default}`"));
            return None;
        }
        Some(uri.to_owned())
    }

    fn client_id(&mut self) -> Option<String> {
        let id = text(self.written.client_id);
        if id.is_none() {
            let hint = "Register this registry at the provider, and write the id that it gives";
            self.error("client_id", "missing", hint);
        }
        id.map(str::to_owned)
    }

    /// As in docker_auth, the file wins.
    fn secret(&mut self) -> Option<ClientSecret> {
        let (secret, file) = (text(self.written.client_secret), text(self.written.client_secret_file));
        let Some(file) = file else {
            if secret.is_none() {
                let hint = "Write the secret that the provider gives into a file, and its path into `client_secret_file`";
                self.error("client_secret", "missing", hint);
            }
            return secret.map(ClientSecret::new);
        };
        let (file, at) = (self.context.path(file), self.at("client_secret_file"));
        if secret.is_some() {
            let message = "ignored: `client_secret_file` stands beside it";
            self.context.report.warn(self.at("client_secret"), message, "Remove it");
        }
        if !self.context.looks_at(&file, &at) {
            return Some(ClientSecret::new("not read"));
        }
        let content = match fs::read_to_string(&file) {
            Ok(content) => Zeroizing::new(content),
            Err(error) => {
                let hint =
                    "Give a file that this user may read; a relative path starts at this file's directory";
                self.context.report.error(at, format!("cannot read {}: {error}", file.display()), hint);
                return None;
            }
        };
        pem::warn_if_public(&file, &at, self.context);
        if content.trim().is_empty() {
            self.context.report.error(at, format!("{} is empty", file.display()), "Write the secret into it");
            return None;
        }
        self.context.files.push(file);
        Some(ClientSecret::new(content.trim()))
    }

    /// The outer `None` after an error.
    fn redirect_uri(&mut self) -> Option<Option<String>> {
        let (key, written) = match self.section {
            SignInSection::Gitlab => ("redirect_uri", text(self.written.redirect_uri)),
            _ => ("redirect_url", text(self.written.redirect_url)),
        };
        let is_needed = matches!(self.section, SignInSection::Oidc | SignInSection::Gitlab);
        let Some(uri) = written else {
            if is_needed {
                self.error(key, "missing", self.like());
                return None;
            }
            return Some(None);
        };
        let parsed = uri.parse::<Uri>().ok();
        let is_local =
            |uri: &Uri| uri.host().is_some_and(|host| ["localhost", "127.0.0.1", "[::1]"].contains(&host));
        let is_right = https(uri).is_some()
            || parsed.as_ref().is_some_and(|uri| uri.scheme_str() == Some("http") && is_local(uri));
        let path = parsed.as_ref().map_or("", Uri::path);
        if !is_right || !path.ends_with(&format!("/{}", self.section.key())) {
            let message = format!("expected an https URL that ends in `/{}`", self.section.key());
            self.error(key, message, self.like());
            return None;
        }
        Some(Some(uri.to_owned()))
    }

    fn like(&self) -> String {
        format!(
            "Write the address that is registered at the provider, as `https://registry.example/{}`",
            self.section.key()
        )
    }

    fn authorities(&mut self) -> Option<Vec<rustls::pki_types::CertificateDer<'static>>> {
        let at = self.at("ca_certificate");
        authorities(text(self.written.ca_certificate), &at, self.context)
    }

    /// The bounds are the same in all sections.
    fn duration(&mut self, key: &str) -> Duration {
        let at = self.at(key);
        let (written, bounds) = match key {
            "http_timeout" => {
                (self.written.http_timeout, const { settings::duration("oidc_auth.http_timeout") })
            }
            _ => (self.written.revalidate_after, const { settings::duration("oidc_auth.revalidate_after") }),
        };
        quantity::duration_at(written, bounds, at, &mut self.context.report)
    }

    fn warn_of_ignored(&mut self) {
        let SignInAuth { level_token_db, gcs_token_db, redis_token_db, registry_url, .. } = self.written;
        let level = |database: &TokenDatabase| text(&database.path).is_some();
        let gcs = |database: &TokenDatabase| {
            text(&database.bucket).is_some() && text(&database.client_secret_file).is_some()
        };
        let redis = |database: &TokenDatabase| {
            database.redis_options.is_some() || database.redis_cluster_options.is_some()
        };
        let databases = [
            ("level_token_db", level_token_db.map(level)),
            ("gcs_token_db", gcs_token_db.map(gcs)),
            ("redis_token_db", redis_token_db.map(redis)),
        ];
        let databases = databases.into_iter().filter_map(|(key, is_whole)| Some((key, is_whole?)));
        for (key, is_whole) in databases {
            if !is_whole {
                let hint = "Remove it, and set `state.file`, where Portwarden keeps sign-ins";
                self.error(key, "not a whole database, which docker_auth refuses, too", hint);
                continue;
            }
            let message = "ignored: sign-ins are kept in `state.file`";
            let hint = "Remove it, and set `state.file`; people sign in once more";
            self.context.report.warn(self.at(key), message, hint);
        }
        if registry_url.is_some() {
            let message = "ignored: the pages name the host that the browser asked for";
            self.context.report.warn(self.at("registry_url"), message, "Remove it");
        }
    }

    fn at(&self, key: &str) -> Path {
        Path::from(self.section.key()).key(key)
    }

    fn error(&mut self, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.context.report.error(self.at(key), message, hint);
    }
}

/// Returns true for ASCII letters, digits and these signs.
fn is_name(text: &str, signs: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || signs.contains(c))
}

#[cfg(test)]
mod tests;
