//! A question about the policy, as it is put on the command line: who asks, for what, and the rule that answers.

use std::{collections::BTreeMap, fmt, net::IpAddr, path::Path};

use crate::{
    authz::{Decision, Policy, Question},
    config::Config,
    registry::{Route, Scope},
};

/// Who asks.
pub(super) struct Asked {
    account: String,
    labels: BTreeMap<String, Vec<String>>,
    ip: Option<IpAddr>,
    service: String,
    is_known: bool,
}

impl Asked {
    /// Without labels or a service of its own, with those of the configuration.
    pub(super) fn new(
        account: String,
        labels: BTreeMap<String, Vec<String>>,
        ip: Option<IpAddr>,
        service: Option<String>,
        config: &Config,
    ) -> Self {
        let user = config.users.iter().find(|user| user.name == account);
        let own = || user.map(|user| user.labels.clone()).unwrap_or_default();
        let labels = if labels.is_empty() { own() } else { labels };
        let service = service.unwrap_or_else(|| config.proxy.service.clone());
        Self { account, labels, ip, service, is_known: user.is_some() }
    }

    /// The question whether `need` is granted.
    pub(super) fn about<'q>(&'q self, need: &'q Scope) -> Question<'q> {
        Question {
            account: &self.account,
            labels: &self.labels,
            ip: self.ip,
            service: &self.service,
            resource_type: &need.resource_type,
            name: &need.name,
            actions: &need.actions,
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account {:?}", self.account)?;
        if !self.is_known {
            f.write_str(" (no such user in the configuration)")?;
        }
        for (label, values) in &self.labels {
            write!(f, ", {label}: {}", values.join(" "))?;
        }
        match self.ip {
            Some(ip) => write!(f, ", from {ip}"),
            None => f.write_str(", from no known address"),
        }
    }
}

/// The configuration and its rules, compiled.
///
/// # Errors
/// All that is wrong with the file.
pub(super) fn load(path: &Path) -> Result<(Config, Policy), String> {
    let config = Config::load(path).map_err(|findings| findings.to_string())?.config;
    let compiled = Policy::compile(&config.acl);
    let policy =
        compiled.map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    Ok((config, policy))
}

/// What was asked for: the scope as it is, or all that the request needs.
///
/// # Errors
/// A scope or a request that is none, and how to write one.
pub(super) fn needs(scope: Option<&str>, request: Option<&str>) -> Result<Vec<Scope>, String> {
    let Some(request) = request else {
        let scopes = Scope::parse_all(scope);
        return scopes.map_err(|error| format!("{error}: write a scope as repository:team/app:pull,push"));
    };
    let hint = "write a request as 'PUT /v2/team/app/manifests/1.0'";
    let (method, target) = request.split_once(' ').ok_or_else(|| format!("{request:?}: {hint}"))?;
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let route = Route::parse(method, path, query).map_err(|error| format!("{request:?}: {error}; {hint}"))?;
    Ok(route.needs())
}

/// `by rule 3, auth_config.yml:33 (test2 may pull and push)`.
pub(super) fn by_which(decision: &Decision, config: &Path, policy: &Policy) -> String {
    let Some(index) = decision.rule else { return "no rule matches".to_owned() };
    let rule = policy.rule(index);
    let line = rule.map_or(0, |rule| rule.line());
    let comment =
        rule.and_then(|rule| rule.comment()).map(|comment| format!(" ({comment})")).unwrap_or_default();
    format!("by rule {}, {}:{line}{comment}", index + 1, config.display())
}
