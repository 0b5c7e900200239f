//! The configuration: docker_auth's `auth_config.yml` with our own sections, checked, as the settings of each
//! module.
//!
//! Two stages: `yaml` and `schema` read what was written, and `sections` turn it into settings. Nothing is run here.
//! Users and rules are judged by `authn` and `authz`; `lint` warns of what is allowed but probably not meant.

mod diagnostics;
mod file_text;
mod lint;
mod overrides;
mod schema;
mod sections;
mod settings;
mod values;
mod yaml;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::{
    authn,
    authz::{self, Policy, RuleSettings},
    notifications::NotificationSettings,
    proxy::{Settings as ProxySettings, ShadowSettings},
    retention::RetentionSettings,
    server as listening,
    sign_in::ProviderSettings,
    state::StateSettings,
    telemetry::AuditSettings,
    workload::WorkloadSettings,
};
pub use diagnostics::finding::{Finding, Findings, Severity};
use diagnostics::{finding::Report, positions::Positions};
pub(crate) use file_text::read_yaml;
use file_text::{read_text, whole_file};
use schema::File;
pub use sections::log::{LogFormat, LogLevel, LogSettings};
use sections::{
    access, audit, backends, certificates, control, htpasswd, limits, log, metrics, notifications,
    personal_tokens, proxy, retention, robots, server, shadow, sign_in, state, tags, tls, token, unsupported,
    workload,
};
pub(crate) use values::moment::{FORM as FORM_OF_A_MOMENT, Moment, written as written_moment};
pub(crate) use values::quantity::counted;

/// Sections that say nothing of accounts and rules: with an error in them, the warnings about the others hold all the
/// same.
const APART: [&str; 14] = [
    "server",
    "token",
    "registry",
    "limits",
    "log",
    "audit",
    "metrics",
    "state",
    "tags",
    "retention",
    "shadow",
    "notifications",
    "ui",
    "personal_tokens",
];

/// The same with the rules. An error in one of them says nothing of accounts.
const APART_AND_RULES: [&[&str]; 2] = [&APART, &["acl"]];
/// The service of a rule that stands for one with an error: no request is for it.
const NO_SERVICE: &str = "\0";

/// A checked configuration: what can be checked without listening or connecting is right.
///
/// It has no `Debug`, because users have hashes.
#[derive(Clone)]
pub struct Config {
    /// The journey of a request: `registry:`, and parts of `server:` and `limits:`.
    pub proxy: ProxySettings,
    /// The listeners: `server:` and `limits:`.
    pub server: listening::Settings,
    /// `token:`.
    pub token: TokenSettings,
    /// `users:`, in the order of the file, then the accounts of the file of `htpasswd:`, whose `line` is 0.
    pub users: Vec<authn::UserSettings>,
    /// `robots:`, in the order of the file.
    pub robots: Vec<authn::RobotSettings>,
    /// `scopes` and `ip` of `robots:`, in the order of the file.
    pub ceilings: Vec<authz::CeilingSettings>,
    /// `acl:`, in the order of the file.
    pub acl: Vec<authz::RuleSettings>,
    /// `tags.write_once:`, in the order of the file.
    pub write_once: Vec<authz::WriteOnceSettings>,
    /// `retention:`, in the order of the file.
    pub retention: Vec<RetentionSettings>,
    /// `shadow:`.
    pub shadow: Option<ShadowSettings>,
    /// `notifications:`.
    pub notifications: NotificationSettings,
    /// `ext_auth:`, `ldap_auth:`, `xorm_auth:`, and `backends:`.
    pub authenticators: authn::AuthenticationBackendSettings,
    /// `workload_auth:`.
    pub workload: WorkloadSettings,
    /// `google_auth:`, `github_auth:`, `gitlab_auth:`, `oidc_auth:`.
    pub sign_ins: Vec<ProviderSettings>,
    /// `server.client_ca` with what belongs to it, and `certificate_auth:`; `None` where no certificate is asked for.
    pub certificates: Option<authn::CertificateSettings>,
    /// `acl_xorm:`, `ext_authz:`, and `backends:`.
    pub authorizers: authz::AuthorizationBackendSettings,
    /// `log:`.
    pub log: LogSettings,
    /// `audit:`.
    pub audit: AuditSettings,
    /// `metrics.addr`: where metrics and health are asked for.
    pub metrics: Option<SocketAddr>,
    /// `control.socket`: where `portwarden freeze` finds the server.
    pub control: Option<PathBuf>,
    /// `state.file`: where revocations are stored.
    pub state: StateSettings,
    /// Every file that was read, the configuration first: a change of one of them is worth a reload.
    pub files: Vec<PathBuf>,
}

/// The settings for making tokens (`token:`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenSettings {
    /// `token.issuer`: the `iss` of every token.
    pub issuer: String,
    /// `token.expiration`, at least 60 seconds.
    pub lifetime: Duration,
    /// `token.certificate`, else `server.certificate`.
    pub certificate: Option<PathBuf>,
    /// `token.key`, else `server.key`; belongs to the certificate.
    pub key: PathBuf,
    /// True if `kid` is libtrust's; not with `token.disable_legacy_key_id`.
    pub legacy_key_id: bool,
}

/// A configuration, and what is worth saying about it.
#[derive(Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Warnings only.
    pub warnings: Findings,
    /// True if the document end marker `...` closes the file, which thereby is known to be whole.
    pub end_marker: bool,
}

/// The context for the modules of the sections.
struct Context<'a> {
    /// The directory relative paths start from.
    base: &'a Path,
    report: Report<'a>,
    files: Vec<PathBuf>,
    /// True if files other than the configuration are left alone: they are on another machine.
    without_files: bool,
}

impl Config {
    /// Reads and checks the file at `path`, and the certificates and keys it names.
    ///
    /// # Errors
    /// All findings, at least one of them an error.
    pub fn load(path: &Path) -> Result<Loaded, Findings> {
        Self::load_with(path, false)
    }

    /// Reads and checks the file at `path` alone, where the certificates, keys, commands and databases that it names
    /// are on another machine; a note says of each that it was not looked at. Not fit to be served.
    ///
    /// # Errors
    /// All findings, at least one of them an error.
    pub fn load_without_files(path: &Path) -> Result<Loaded, Findings> {
        Self::load_with(path, true)
    }

    fn load_with(path: &Path, without_files: bool) -> Result<Loaded, Findings> {
        let name = path.display().to_string();
        let text = read_text(path).map_err(|why| whole_file(&name, &why))?;
        let base = path.parent().unwrap_or(Path::new(""));
        let mut loaded = Self::parse_with(&text, &name, base, without_files)?;
        loaded.config.files.insert(0, path.to_owned());
        Ok(loaded)
    }

    /// Checks a configuration that is called `file_name` in findings; relative paths in it start at
    /// `base_dir`.
    ///
    /// # Errors
    /// All findings, at least one of them an error.
    pub fn parse(text: &str, file_name: &str, base_dir: &Path) -> Result<Loaded, Findings> {
        Self::parse_with(text, file_name, base_dir, false)
    }

    fn parse_with(
        text: &str,
        file_name: &str,
        base_dir: &Path,
        without_files: bool,
    ) -> Result<Loaded, Findings> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (root, problems, is_yaml) = match yaml::read(text) {
            Ok((root, problems)) => (root, problems, true),
            Err(problems) => (None, problems, false),
        };
        let positions = Positions::of(root.as_ref());
        let mut report = Report::new(file_name, &positions);
        problems.into_iter().for_each(|problem| report.problem(problem));
        if !is_yaml {
            return Err(report.finish());
        }
        let file = schema::read(schema::without_unknown_keys(root, &mut report), &mut report);
        let mut context = Context { base: base_dir, report, files: Vec::new(), without_files };
        let config = context.config(&file);
        let findings = context.report.finish();
        match config.filter(|_| !findings.has_errors()) {
            Some(config) => Ok(Loaded { config, warnings: findings, end_marker: yaml::has_end_marker(text) }),
            None => Err(findings),
        }
    }
}

impl Config {
    /// `1 user, 2 rules`; with robots `1 user, 3 robots, 2 rules`.
    pub fn size(&self) -> String {
        let robots = Some(self.robots.len()).filter(|robots| *robots > 0);
        let parts = [
            Some(counted(self.users.len(), "user")),
            robots.map(|robots| counted(robots, "robot")),
            Some(counted(self.acl.len(), "rule")),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// The names and labels of all accounts that the configuration lists: those of `users` with `htpasswd`, then
    /// robots.
    pub fn accounts(&self) -> impl Iterator<Item = (&str, &authn::Labels)> {
        let users = self.users.iter().map(|user| (user.name.as_str(), &user.labels));
        users.chain(self.robots.iter().map(|robot| (robot.name.as_str(), &robot.labels)))
    }

    /// The sections that know accounts which the configuration does not list, by a password or by a sign-in at a provider.
    pub fn sections_elsewhere(&self) -> impl Iterator<Item = &'static str> {
        self.authenticators.sections().chain(self.sign_ins.iter().map(|provider| provider.section.key()))
    }

    /// Returns the expiry of the certificates in use: of the `server`, unless it comes by ACME, and of the key that signs the `token`.
    pub fn certificates_end(&self) -> Vec<(&'static str, SystemTime)> {
        let files = [
            ("server", self.server.tls.as_ref().and_then(|tls| tls.certificate_file())),
            ("token", self.token.certificate.as_deref()),
        ];
        let end = |(purpose, file): (_, Option<&Path>)| Some((purpose, lint::end_of(file?)?));
        files.into_iter().filter_map(end).collect()
    }
}

impl Context<'_> {
    /// Reads the meaning of the file. Every section is looked at, so that all errors are found at once.
    fn config(&mut self, file: &File) -> Option<Config> {
        unsupported::refuse(file, &mut self.report);
        let tls = tls::settings(file, self);
        let certificates = certificates::settings(file, tls.as_ref(), self);
        let idle_body = limits::idle_body(file, &mut self.report);
        let server = server::settings(file, tls, idle_body, self);
        let token = token::settings(file, server.tls.is_some(), self);
        let proxy = proxy::settings(file, idle_body, self);
        let mut users = access::users(file, &mut self.report);
        htpasswd::join(file, &mut users, self);
        let (robots, ceilings) = robots::settings(file, &mut self.report);
        let acl = access::acl(file, &mut self.report);
        let write_once = tags::write_once(file, &mut self.report);
        let authenticators = backends::authenticators(file, self);
        let authorizers = backends::authorizers(file, self);
        let workload = workload::settings(file, self);
        workload::refuse_names(&workload, &users, &robots, self);
        certificates::refuse_names(certificates.as_ref(), (&users, &robots), &workload, self);
        let log = log::settings(file, &mut self.report);
        let audit = audit::settings(file, self);
        let metrics = metrics::address(file, &mut self.report);
        let control = control::socket(file, self);
        let state = state::settings(file, self);
        personal_tokens::check(file, &proxy.ui, &state, self);
        let sign_ins = sign_in::settings(file, (&state, proxy.ui.enabled), &authenticators, self);
        let notifications = notifications::settings(file, &state, self);
        let retention = retention::entries(file, &state, &mut self.report);
        let files = std::mem::take(&mut self.files);
        let policy = access::check(&users, &acl, &mut self.report);
        robots::check(&robots, &ceilings, &users, &mut self.report);
        let can_sign = token.is_some();
        let mut config = Config {
            proxy,
            server,
            token: token.unwrap_or_default(),
            users,
            robots,
            ceilings,
            acl,
            write_once,
            retention,
            shadow: None,
            notifications,
            authenticators,
            workload,
            sign_ins,
            certificates,
            authorizers,
            log,
            audit,
            metrics,
            control,
            state,
            files,
        };
        self.lint(file, &mut config, policy);
        shadow::read_into(&mut config, file, self);
        can_sign.then_some(config)
    }

    /// Warns of what is probably not meant. Errors hide as little as possible: a rule with an error is left out, and
    /// with it what depends on all rules together; beside errors elsewhere, so are statements about accounts and
    /// labels.
    fn lint(&mut self, file: &File, config: &mut Config, policy: Option<Policy>) {
        let complete = self.report.has_errors_only_in(&APART);
        let all_labels = self.report.has_errors_only_in(&APART_AND_RULES.concat());
        let wrong = self.report.wrong_elements("acl");
        for index in &wrong {
            if let Some(rule) = config.acl.get_mut(*index) {
                *rule = RuleSettings { service: Some(NO_SERVICE.to_owned()), ..RuleSettings::default() };
            }
            self.report.settle(&access::rule_path(*index));
        }
        let policy = policy.filter(|_| wrong.is_empty()).or_else(|| Policy::compile(&config.acl).ok());
        let Some(policy) = policy else { return };
        let with_files = !self.without_files;
        let all_accounts = all_labels && (with_files || file.htpasswd.is_none());
        let subject = lint::LintInput::new(config, &policy, SystemTime::now());
        let subject = lint::LintInput { complete, with_files, all_accounts, all_labels, ..subject };
        lint::run(&subject, &mut self.report);
    }

    /// Returns whether a file that is named at `at` is to be looked at; if not, a note says so.
    fn looks_at(&mut self, file: &Path, at: &diagnostics::path::Path) -> bool {
        if self.without_files {
            self.report.note(at, format!("{} was not looked at", file.display()));
        }
        !self.without_files
    }

    /// A path of the file, from the file's directory if it is relative.
    fn path(&self, written: &str) -> PathBuf {
        self.base.join(written)
    }
}

#[cfg(test)]
mod tests;
