//! `workload_auth:`: the issuers whose JWTs are taken as logins.

use std::collections::HashSet;

use hyper::Uri;
use rustls::pki_types::CertificateDer;

use super::ldap::authorities;
use crate::{
    authn::{RobotSettings, UserSettings},
    config::{
        Context,
        diagnostics::path::Path,
        schema::{File, Text, WorkloadAuth, WorkloadIssuer, text},
        sections::{access::user_path, robots::robot_path},
        settings,
        values::{pem, quantity},
    },
    workload::{
        AccountTemplate, Algorithm, ClaimName, IssuerSettings, KeySet, KeySource, Requirement,
        WorkloadSettings, is_issuer_name, is_of,
    },
};

/// Reads `workload_auth:`. Issuers with an error are left out.
pub(crate) fn settings(file: &File, context: &mut Context<'_>) -> WorkloadSettings {
    let Some(written) = &file.workload_auth else { return WorkloadSettings::default() };
    let bounds = const { settings::duration("workload_auth.session") };
    let session = quantity::duration(written.session.as_ref(), bounds, &mut context.report);
    WorkloadSettings { audience: audience(written, context), session, issuers: issuers(written, context) }
}

/// Reports accounts of `users`, `htpasswd` and `robots` that have the name of an issuer, or one that begins with it and
/// a colon.
pub(crate) fn refuse_names(
    settings: &WorkloadSettings,
    users: &[UserSettings],
    robots: &[RobotSettings],
    context: &mut Context<'_>,
) {
    let of_users = users.iter().map(|user| match user.line {
        0 => (&user.name, Path::from("htpasswd").key("file"), "user"),
        _ => (&user.name, user_path(&user.name), "user"),
    });
    let of_robots = robots.iter().map(|robot| (&robot.name, robot_path(&robot.name), "robot"));
    for (name, place, kind) in of_users.chain(of_robots) {
        if let Some(issuer) = settings.issuers.iter().find(|issuer| is_of(name, &issuer.name)) {
            let message =
                format!("the name {name:?} belongs to the issuer {:?} of `workload_auth`", issuer.name);
            context.report.error(place, message, format!("Rename the {kind}, or the issuer"));
        }
    }
}

fn audience(written: &WorkloadAuth, context: &mut Context<'_>) -> Vec<String> {
    let audience = written.audience.as_ref().map(|texts| texts.0.clone()).unwrap_or_default();
    if audience.is_empty() || audience.iter().any(String::is_empty) {
        let hint =
            "Write the address of this registry, as `https://registry.example`, and request JWTs for it";
        context.report.error(at("audience"), "missing", hint);
    }
    for text in &audience {
        let shared = ["sigstore", "sts.amazonaws.com", "https://kubernetes.default.svc"];
        let of_github = text.starts_with("https://github.com/") || text.starts_with("https://gitlab.com");
        if of_github || shared.contains(&text.as_str()) || text.contains("kubernetes.default.svc") {
            let message = format!(
                "{text:?} is the audience of other services, too: each could sign in here with a JWT that it received"
            );
            context.report.warn(at("audience"), message, "Write the address of this registry");
        }
    }
    audience
}

fn issuers(written: &WorkloadAuth, context: &mut Context<'_>) -> Vec<IssuerSettings> {
    let none = WorkloadIssuer::default();
    let all = written.issuers.as_deref().unwrap_or_default();
    if all.is_empty() {
        let hint = "List at least one issuer, or remove this section";
        context.report.error(at("issuers"), "there are no issuers", hint);
    }
    let mut names = HashSet::new();
    let mut issuers = Vec::new();
    for (n, issuer) in all.iter().enumerate() {
        let mut reader =
            Reader { at: at("issuers").index(n), written: issuer.as_ref().unwrap_or(&none), context };
        let Some(issuer) = reader.issuer() else { continue };
        if !names.insert(issuer.name.clone()) {
            reader.error("name", "another issuer has this name", "Give each issuer a name of its own");
        }
        issuers.push(issuer);
    }
    issuers
}

/// One issuer.
struct Reader<'r, 'c, 'w> {
    at: Path,
    written: &'w WorkloadIssuer,
    context: &'r mut Context<'c>,
}

impl<'w> Reader<'_, '_, 'w> {
    fn issuer(&mut self) -> Option<IssuerSettings> {
        let written = self.written;
        let (name, issuer) = (self.name(), self.url());
        let algorithms = self.algorithms();
        let account = self.account();
        let require = self.require();
        let labels = self.labels();
        let keys = self.keys();
        let issuer = issuer?;
        self.judge(&issuer, &require, written);
        Some(IssuerSettings {
            name: name?,
            issuer,
            algorithms,
            account: account?,
            require,
            labels,
            bearer: written.bearer.unwrap_or(false),
            keys: keys?,
        })
    }

    fn name(&mut self) -> Option<String> {
        let name = text(&self.written.name).filter(|name| is_issuer_name(name));
        if name.is_none() {
            let hint = "Write up to 32 lower case letters, digits, `.`, `-` or `_`, as `github`: `docker login -u github`";
            self.error("name", "missing, or not a name of an issuer", hint);
        }
        name.map(str::to_owned)
    }

    fn url(&mut self) -> Option<String> {
        let url = text(&self.written.issuer).filter(|url| https(url).is_some());
        if url.is_none() {
            let hint = "Write it exactly as the JWT has it in `iss`, as `https://token.actions.githubusercontent.com`";
            self.error("issuer", "missing, or not an https URL", hint);
        }
        url.map(str::to_owned)
    }

    fn algorithms(&mut self) -> Vec<Algorithm> {
        let hint =
            "Write some of `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `EdDSA`";
        let Some(written) = &self.written.algorithms else { return vec![Algorithm::Rs256] };
        let algorithms: Vec<_> = written.iter().map(|Text(name)| Algorithm::parse(name)).collect();
        if algorithms.is_empty() || algorithms.contains(&None) {
            self.error("algorithms", "empty, or not algorithms with a public key", hint);
        }
        algorithms.into_iter().flatten().collect()
    }

    fn account(&mut self) -> Option<AccountTemplate> {
        let account = text(&self.written.account).and_then(AccountTemplate::parse);
        if account.is_none() {
            let hint = "Write a claim, as `${claim:sub}` or `${claim:/kubernetes.io/namespace}`; the account begins with the \
                        issuer's name";
            self.error("account", "missing, or without a claim", hint);
        }
        if account.as_ref().is_some_and(AccountTemplate::is_ambiguous) {
            let message = "two claims adjoin, so jobs of different claims can be the same account";
            let hint = "Write a text between them that no claim contains, as `:`; or one claim here, and the other in `labels`";
            self.context.report.warn(self.at.key("account"), message, hint);
        }
        account
    }

    fn require(&mut self) -> Vec<(ClaimName, Requirement)> {
        let mut all = Vec::new();
        for (name, value) in self.written.require.iter().flat_map(|entries| &entries.0) {
            let Some(claim) = self.claim("require", name, name) else { continue };
            let value = value.as_ref().map(|text| text.0.as_str()).filter(|value| !value.is_empty());
            match value.ok_or_else(|| "no value".to_owned()).and_then(Requirement::parse) {
                Ok(requirement) => all.push((claim, requirement)),
                Err(why) => {
                    let place = self.at.key("require").key(name);
                    let hint =
                        "Write a text, a glob, or an expression between slashes, as `/^(push|release)$/`";
                    self.context.report.error(place, why, hint);
                }
            }
        }
        all
    }

    fn labels(&mut self) -> Vec<(String, ClaimName)> {
        let mut labels = Vec::new();
        for (label, claim) in self.written.labels.iter().flat_map(|entries| &entries.0) {
            let claim = claim.as_ref().map(|text| text.0.as_str()).unwrap_or_default();
            if let Some(claim) = self.claim("labels", label, claim) {
                labels.push((label.clone(), claim));
            }
        }
        labels
    }

    fn claim(&mut self, section: &str, key: &str, name: &str) -> Option<ClaimName> {
        let place = self.at.key(section).key(key);
        let claim = ClaimName::parse(name);
        if claim.is_none() {
            let hint = "Write a claim of the top level, as `repository`, or a JSON Pointer, as `/kubernetes.io/namespace`";
            self.context.report.error(place, "not the name of a claim", hint);
        } else if name.starts_with("kubernetes.io") {
            let hint = format!(
                "Write `/kubernetes.io/{}`",
                name.trim_start_matches("kubernetes.io").trim_matches('.')
            );
            self.context.report.warn(
                place,
                "a dot separates nothing, and no JWT has this claim at the top level",
                hint,
            );
        }
        claim
    }

    fn keys(&mut self) -> Option<KeySource> {
        let written = self.written;
        if let Some(file) = text(&written.jwks_file) {
            if text(&written.jwks_uri).or(text(&written.ca_certificate)).is_some() {
                let hint = "Remove it, or `jwks_file`: with a file nothing is fetched";
                self.error("jwks_file", "stands beside `jwks_uri` or `ca_certificate`", hint);
            }
            return self.file(file);
        }
        let uri = match text(&written.jwks_uri) {
            Some(uri) => Some(https(uri).or_else(|| {
                self.error("jwks_uri", "not an https URL", "Write the URL of the JWK Set, with https");
                None
            })?),
            None => None,
        };
        Some(KeySource::Fetched { uri, authorities: self.authorities()? })
    }

    fn file(&mut self, file: &str) -> Option<KeySource> {
        let (file, place) = (self.context.path(file), self.at.key("jwks_file"));
        if !self.context.looks_at(&file, &place) {
            return Some(KeySource::File(KeySet::default()));
        }
        let document = pem::read(&file, &place, self.context)?;
        match KeySet::parse(&document) {
            Ok(keys) => Some(KeySource::File(keys)),
            Err(why) => {
                let hint = "Save the issuer's JWK Set, as `kubectl get --raw /openid/v1/jwks` prints one";
                self.context.report.error(place, format!("{}: {why}", file.display()), hint);
                None
            }
        }
    }

    fn authorities(&mut self) -> Option<Vec<CertificateDer<'static>>> {
        authorities(text(&self.written.ca_certificate), &self.at.key("ca_certificate"), self.context)
    }

    /// Reports settings that are allowed and dangerous.
    fn judge(&mut self, issuer: &str, require: &[(ClaimName, Requirement)], written: &WorkloadIssuer) {
        let host = https(issuer).and_then(|url| url.host().map(str::to_ascii_lowercase)).unwrap_or_default();
        let global = GLOBAL.iter().find(|(of, _)| *of == host);
        // One that a text of another's choosing meets pins nothing.
        let pins = |name: &str| {
            require.iter().any(|(claim, requirement)| claim.as_str() == name && requirement.is_literal())
        };
        if let Some((_, ids)) = global
            && !ids.iter().any(|id| pins(id))
        {
            let message = format!(
                "{host} signs for everyone in the world, and `require` demands no claim that is never reused"
            );
            let hint = format!(
                "Require one of these, as a text: `{}`. A name that is deleted can be registered by others",
                ids.join("`, `")
            );
            self.error("require", message, hint);
        }
        let is_loose = |(claim, requirement): &&(ClaimName, Requirement)| {
            claim.as_str().trim_start_matches('/') == "sub" && !requirement.is_literal()
        };
        if let Some((claim, _)) = require.iter().find(is_loose) {
            let place = self.at.key("require").key(claim.as_str());
            let message = "a pattern on `sub` matches more than it seems to: its parts are chosen by the job";
            self.context.report.warn(
                place,
                message,
                "Require the claims that `sub` is made of, each by itself",
            );
        }
        let names = |name: &str| require.iter().any(|(claim, _)| claim.as_str() == name);
        if host == GITHUB && !names("event_name") && !names("environment") {
            let message = "jobs of every event may sign in, `pull_request_target` too, which runs for a stranger's fork with \
                           the `ref` of the base";
            let hint = "Require `event_name: \"/^(push|release|workflow_dispatch)$/\"`, or an `environment`";
            let key = if written.require.is_some() { "require" } else { "issuer" };
            self.context.report.warn(self.at.key(key), message, hint);
        }
    }

    fn error(&mut self, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.context.report.error(self.at.key(key), message, hint);
    }
}

const GITHUB: &str = "token.actions.githubusercontent.com";

/// Issuers that sign for everyone, with the claims that one owner only can have.
const GLOBAL: [(&str, &[&str]); 5] = [
    (GITHUB, &["repository_owner_id", "repository_id", "enterprise_id"]),
    ("gitlab.com", &["namespace_id", "project_id"]),
    ("accounts.google.com", &["sub"]),
    ("agent.buildkite.com", &["organization_id", "pipeline_id"]),
    ("app.terraform.io", &["terraform_organization_id", "terraform_workspace_id"]),
];

/// The URL, where it is https, has a host and no user, query or fragment.
pub(super) fn https(url: &str) -> Option<Uri> {
    let uri: Uri = url.parse().ok()?;
    let plain =
        uri.query().is_none() && !url.contains(['#', '@', '\\']) && url.bytes().all(|b| b.is_ascii_graphic());
    (uri.scheme_str() == Some("https") && uri.host().is_some_and(|host| !host.is_empty()) && plain)
        .then_some(uri)
}

fn at(key: &str) -> Path {
    Path::from("workload_auth").key(key)
}

#[cfg(test)]
mod tests;
