//! A question about the policy, as it is put on the command line: the account, the access, and the authorizers.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    net::IpAddr,
    path::Path,
};

use tokio::runtime::{self, Runtime};

use super::login_file::now;
use crate::{
    authn::{Labels, RobotSettings, Robots, is_certificate_name},
    authz::{
        Authorizers, CeilingName, Ceilings, DecidedBy, LeftOut, Policy, Question, Ruling, TokenScopes,
        WriteOnce,
    },
    config::{Config, written_moment},
    registry::{Route, Scope, Tag},
    workload::is_of,
};

/// The account and address in a question.
pub(super) struct PolicyQuery {
    pub(super) account: String,
    pub(super) labels: BTreeMap<String, Vec<String>>,
    pub(super) ip: Option<IpAddr>,
    pub(super) service: String,
    /// The time of the question, in seconds since 1970.
    pub(super) now: u64,
    /// True if another time than the present is asked about.
    is_at: bool,
    /// The request that is asked about, where it is not a scope.
    route: Option<Route>,
    /// The tag that a scope is asked about.
    tag: Option<String>,
    /// The scopes of a personal token.
    token_scopes: Option<TokenScopes>,
    is_known: bool,
    /// True if a back end, or an issuer of `workload_auth`, may know the account where `users` does not.
    may_be_elsewhere: bool,
    /// The section that alone may have the name, and its issuer: a phrase.
    owner: Option<String>,
}

impl PolicyQuery {
    /// Without labels or a service of its own, with those of the configuration.
    pub(super) fn new(
        account: String,
        labels: BTreeMap<String, Vec<String>>,
        ip: Option<IpAddr>,
        service: Option<String>,
        evaluator: &PolicyEvaluator,
    ) -> Self {
        let config = &evaluator.config;
        let own = evaluator.labels_of(&account);
        let is_known = own.is_some();
        let labels = if labels.is_empty() { own.cloned().unwrap_or_default() } else { labels };
        let service = service.unwrap_or_else(|| config.proxy.service.clone());
        let may_be_elsewhere = config.sections_elsewhere().next().is_some();
        let issuer = config.workload.issuers.iter().find(|issuer| is_of(&account, &issuer.name));
        let issuer = issuer.map(|issuer| format!("issuer {:?} of `workload_auth`", issuer.name));
        let certificates = config.certificates.as_ref().is_some_and(|all| all.accounts.is_some());
        let certificate =
            (certificates && is_certificate_name(&account)).then(|| "`certificate_auth`".to_owned());
        let owner = issuer.or(certificate);
        Self {
            account,
            labels,
            ip,
            service,
            now: now(),
            is_at: false,
            route: None,
            tag: None,
            token_scopes: None,
            is_known,
            may_be_elsewhere,
            owner,
        }
    }

    /// The same question at another time, in seconds since 1970, where there is one.
    pub(super) fn at(self, time: Option<u64>) -> Self {
        Self { now: time.unwrap_or(self.now), is_at: time.is_some(), ..self }
    }

    /// The other time that is asked about, as RFC 3339 writes it.
    pub(super) fn other_time(&self) -> Option<String> {
        self.is_at.then(|| written_moment(self.now))
    }

    /// The same about a request, or about one tag.
    pub(super) fn about_request(self, request: Option<&str>, tag: Option<&str>) -> Self {
        let route = request.and_then(|request| route(request).ok());
        Self { route, tag: tag.map(str::to_owned), ..self }
    }

    /// The same with a personal token of these scopes; without any, with a password.
    pub(super) fn with_token(self, scopes: &[Scope]) -> Self {
        Self { token_scopes: (!scopes.is_empty()).then(|| TokenScopes::of(scopes)), ..self }
    }

    /// The request that is asked about, where it is not a scope.
    pub(super) fn route(&self) -> Option<&Route> {
        self.route.as_ref()
    }

    /// The tag in question on a repository.
    fn tag_of(&self, name: &str) -> Option<&str> {
        let Some(route) = &self.route else { return self.tag.as_deref() };
        let repository = route.endpoint().repository().filter(|repository| repository.as_str() == name);
        repository.and_then(|_| route.tag()).map(Tag::as_str)
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
            tag: self.tag_of(&need.name),
            actions: &need.actions,
            token_scopes: self.token_scopes.as_ref(),
            now: self.now,
        }
    }
}

impl fmt::Display for PolicyQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account {:?}", self.account)?;
        match &self.owner {
            Some(owner) if self.labels.is_empty() => write!(f, " ({owner}; name its labels with --label)")?,
            Some(owner) => write!(f, " ({owner})")?,
            None => self.fmt_source(f)?,
        }
        for (label, values) in &self.labels {
            write!(f, ", {label}: {}", values.join(" "))?;
        }
        match self.ip {
            Some(ip) => write!(f, ", from {ip}")?,
            None => f.write_str(", from no known address")?,
        }
        self.other_time().map_or(Ok(()), |time| write!(f, ", at {time}"))
    }
}

impl PolicyQuery {
    fn fmt_source(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.is_known, self.may_be_elsewhere, self.labels.is_empty()) {
            (true, _, _) => {}
            (false, false, _) => f.write_str(" (no such user in the configuration)")?,
            (false, true, true) => f.write_str(" (not in `users`; name its labels with --label)")?,
            (false, true, false) => f.write_str(" (not in `users`)")?,
        }
        Ok(())
    }
}

/// The authorizers: the rules of a configuration, and the back ends that it names.
pub(super) struct PolicyEvaluator {
    pub(super) config: Config,
    /// The indexes of its users, by name.
    users: HashMap<String, usize>,
    /// The indexes of its robots, by name.
    robots: HashMap<String, usize>,
    /// Their tokens.
    tokens: Robots,
    authorizers: Authorizers,
    write_once: WriteOnce,
    runtime: Runtime,
}

impl PolicyEvaluator {
    /// Reads the configuration at `path`. Back ends are asked when it comes to them.
    ///
    /// # Errors
    /// All that is wrong with the file.
    pub(super) fn load(path: &Path) -> Result<Self, String> {
        let config = Config::load(path).map_err(|findings| findings.to_string())?.config;
        let acl = Policy::compile(&config.acl).map_err(|errors| joined(&errors))?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
        let entered = runtime.enter();
        let ceilings = Ceilings::compile(&config.ceilings).map_err(|errors| joined(&errors))?;
        let authorizers = Authorizers::new(acl, ceilings, config.authorizers.clone(), None);
        drop(entered);
        let users = config.users.iter().enumerate().map(|(n, user)| (user.name.clone(), n)).collect();
        let robots = config.robots.iter().enumerate().map(|(n, robot)| (robot.name.clone(), n)).collect();
        let tokens = Robots::build(&config.robots).map_err(|errors| joined(&errors))?;
        let write_once = WriteOnce::compile(&config.write_once).map_err(|errors| joined(&errors))?;
        Ok(Self { config, users, robots, tokens, authorizers, write_once, runtime })
    }

    /// The write-once tags.
    pub(super) fn write_once(&self) -> &WriteOnce {
        &self.write_once
    }

    /// The rules of the file.
    pub(super) fn acl(&self) -> &Policy {
        &self.authorizers.acl
    }

    /// The labels of an account that the configuration lists; `None` for another.
    fn labels_of(&self, account: &str) -> Option<&Labels> {
        let user = self.users.get(account).and_then(|user| Some(&self.config.users.get(*user)?.labels));
        user.or_else(|| Some(&self.robot(account)?.labels))
    }

    fn robot(&self, account: &str) -> Option<&RobotSettings> {
        self.config.robots.get(*self.robots.get(account)?)
    }

    /// The ceiling of a robot as it is written: `scopes repository:acme/*:pull; ip 10.0.0.0/8`. `None` for any other
    /// account, and for a robot without one.
    pub(super) fn ceiling_of(&self, account: &str) -> Option<String> {
        let ceiling = self.config.ceilings.get(*self.robots.get(account)?)?;
        let part = |key: &str, list: &Option<Vec<String>>| Some(format!("{key} {}", or_none(list.as_ref()?)));
        let parts = [part("scopes", &ceiling.scopes), part("ip", &ceiling.ip)];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// Returns true for a robot without a token that is in force at that time: it cannot sign in, whatever it would be granted.
    pub(super) fn is_shut_out(&self, asked: &PolicyQuery) -> bool {
        self.tokens.is_shut_out(&asked.account, asked.now)
    }

    /// The ruling without the ceiling of the account, where the ceiling decided.
    ///
    /// # Errors
    /// A back end that has to be asked gives no answer.
    pub(super) fn above_ceiling(
        &self,
        ruling: &Ruling,
        question: &Question<'_>,
    ) -> Result<Option<Ruling>, String> {
        if !matches!(ruling.by, DecidedBy::Ceiling(_)) {
            return Ok(None);
        }
        let ruling = self.runtime.block_on(self.authorizers.decide_by_rules(&LeftOut::new(), question));
        ruling.map(Some).map_err(|error| error.to_string())
    }

    /// Runs a question to an issuer to its end.
    pub(super) fn wait_for<T>(&self, question: impl Future<Output = T>) -> T {
        self.runtime.block_on(question)
    }

    /// # Errors
    /// A back end that has to be asked gives no answer.
    pub(super) fn decide(&self, question: &Question<'_>) -> Result<Ruling, String> {
        self.runtime.block_on(self.authorizers.decide(question)).map_err(|error| error.to_string())
    }
}

/// Returns the accesses in question: the scope as it is, or all that the request needs.
///
/// # Errors
/// A scope or a request that is none, and how to write one.
pub(super) fn needs(scope: Option<&str>, request: Option<&str>) -> Result<Vec<Scope>, String> {
    let Some(request) = request else {
        let hint = "write a scope as repository:team/app:pull,push";
        // A request for a token may ask for nothing. An answer about nothing would be "allowed", for every account.
        if scope == Some("") {
            return Err(format!("the scope is empty: {hint}"));
        }
        return Scope::parse_all(scope).map_err(|error| format!("{error}: {hint}"));
    };
    Ok(route(request)?.needs().to_vec())
}

fn route(request: &str) -> Result<Route, String> {
    let hint = "write a request as 'PUT /v2/team/app/manifests/1.0'";
    let (method, target) = request.split_once(' ').ok_or_else(|| format!("{request:?}: {hint}"))?;
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    Route::parse(method, path, query).map_err(|error| format!("{request:?}: {error}; {hint}"))
}

fn joined<E: fmt::Display>(errors: &[E]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn or_none(list: &[String]) -> String {
    if list.is_empty() { "(none)".to_owned() } else { list.join(" ") }
}

/// `by rule 3, auth_config.yml:33 (test2 may pull and push)`.
pub(super) fn by_which(by: &DecidedBy, config: &Path) -> String {
    let (rule, unclear) = match by {
        DecidedBy::NoRule => return by.to_string(),
        DecidedBy::Command => return format!("by {by}"),
        DecidedBy::Ceiling(by @ CeilingName::PersonalToken) => return format!("by {by}"),
        DecidedBy::Ceiling(CeilingName::Robot { account, key, line }) => {
            let place = if *line > 0 { format!(", {}:{line}", config.display()) } else { String::new() };
            return format!("by the {key} of robot {account:?}{place}");
        }
        DecidedBy::Rule(rule) => (rule, ""),
        DecidedBy::Unclear(rule) => (rule, ", which may match or not"),
        DecidedBy::SomeTags(rule) => (rule, ", for some tags"),
    };
    let comment = rule.comment.as_ref().map(|comment| format!(" ({comment})")).unwrap_or_default();
    let until =
        rule.until.map(|end| format!(", which holds until {}", written_moment(end))).unwrap_or_default();
    if rule.line == 0 {
        return format!("by {rule}{comment}{unclear}{until}");
    }
    format!("by rule {}, {}:{}{comment}{unclear}{until}", rule.index + 1, config.display(), rule.line)
}
