//! From a checked configuration to what a server runs with: at the start and at every reload.

use std::{fmt, fs, path::PathBuf, sync::Arc};

use rustls::ServerConfig;
use zeroize::Zeroizing;

use crate::{
    authn::{Authenticators, Certificates, NoRandomness, Remembered, RememberedSettings, Robots, Users},
    authz::{Authorizers, Ceilings, Policy, WriteOnce},
    config::Config,
    notifications::EndpointList,
    proxy::{Shadow, Snapshot, StoredAnswers},
    retention::Retention,
    server::TlsError,
    sign_in::{SEAL_PURPOSE, SignIns},
    storage::Storage,
    token::{self, Authority, KeyError, SigningKey},
    workload::Workload,
};

/// The parts that a reload replaces.
#[derive(Debug)]
pub struct Assembly {
    /// For the proxy.
    pub snapshot: Snapshot,
    /// For new connections; `None` for plain HTTP.
    pub tls: Option<Arc<ServerConfig>>,
}

/// The reason why a configuration that reads well cannot be put to use.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    /// A list of users or rules; the messages name their positions.
    #[error("{}", .0.join("\n"))]
    Findings(Vec<String>),
    /// The key that signs tokens.
    #[error("{}: {}", .0.display(), .1)]
    SigningKey(PathBuf, KeyError),
    /// A file that cannot be read.
    #[error("cannot read {}: {}", .0.display(), .1)]
    Unreadable(PathBuf, std::io::Error),
    /// Certificate or key of the listeners.
    #[error("{0}")]
    Tls(TlsError),
    /// Nothing to make a secret of.
    #[error("{0}")]
    NoRandomness(NoRandomness),
}

/// Compiles users, rules and keys. Back ends of `before` whose settings are the same go on with their connections; new
/// ones are not waited for. To be called on a runtime.
///
/// # Errors
/// The first part that cannot be used.
pub fn assemble(config: &Config, before: Option<&Snapshot>) -> Result<Assembly, AssemblyError> {
    let Parts { users, robots, ceilings, acl, write_once, retention, authority, certificates, tls } =
        Parts::of(config)?;
    let remembered =
        RememberedSettings { ttl: config.proxy.passwords.remember, ..RememberedSettings::default() };
    let (authenticators, authorizers) = (config.authenticators.clone(), config.authorizers.clone());
    let authorizers = Authorizers::new(acl, ceilings, authorizers, before.map(|before| &before.authorizers));
    let shadow = config
        .shadow
        .as_ref()
        .map(|shadow| Shadow::compile(shadow, &authorizers, before.and_then(|before| before.shadow.as_ref())))
        .transpose();
    let key = authority.key().derive_key(SEAL_PURPOSE);
    let sign_ins = SignIns::new(&config.sign_ins, &key, before.map(|before| &before.sign_ins));
    let snapshot = Snapshot {
        authority,
        remembered: Remembered::new(remembered).map_err(AssemblyError::NoRandomness)?,
        authenticators: Authenticators::new(
            users,
            robots,
            authenticators,
            before.map(|before| &before.authenticators),
        ),
        authorizers,
        shadow: shadow.map_err(findings)?,
        write_once,
        retention,
        workload: Workload::new(&config.workload, before.map(|before| &before.workload))
            .map_err(|error| AssemblyError::Findings(vec![error]))?,
        sign_ins: sign_ins.map_err(|error| AssemblyError::Findings(vec![error]))?,
        certificates,
        state: before.map_or_else(Arc::default, |before| Arc::clone(&before.state)),
        storage: storage(config)?,
        answers: config
            .proxy
            .storage_answers
            .then(|| StoredAnswers::after(before.and_then(|before| before.answers.as_ref()))),
        settings: config.proxy.clone(),
    };
    Ok(Assembly { snapshot, tls })
}

/// The compiled form of a configuration, before anything outside is asked.
pub(super) struct Parts {
    users: Users,
    robots: Robots,
    ceilings: Ceilings,
    acl: Policy,
    write_once: WriteOnce,
    retention: Retention,
    authority: Authority,
    certificates: Option<Arc<Certificates>>,
    tls: Option<Arc<ServerConfig>>,
}

impl Parts {
    /// # Errors
    /// The first part that cannot be used.
    pub(super) fn of(config: &Config) -> Result<Self, AssemblyError> {
        let certificates = config.certificates.as_ref().map(Certificates::new).transpose();
        let certificates = certificates.map_err(|error| AssemblyError::Findings(vec![error]))?.map(Arc::new);
        EndpointList::new(&config.notifications, None)
            .map_err(|error| AssemblyError::Findings(vec![error]))?;
        let tls = config.server.tls.as_ref().map(|tls| tls.load(certificates.as_deref())).transpose();
        Ok(Self {
            users: Users::build(&config.users).map_err(findings)?,
            robots: Robots::build(&config.robots).map_err(findings)?,
            ceilings: Ceilings::compile(&config.ceilings).map_err(findings)?,
            acl: Policy::compile(&config.acl).map_err(findings)?,
            write_once: WriteOnce::compile(&config.write_once).map_err(findings)?,
            retention: Retention::compile(&config.retention).map_err(findings)?,
            tls: tls.map_err(AssemblyError::Tls)?,
            authority: authority(config)?,
            certificates,
        })
    }
}

fn storage(config: &Config) -> Result<Option<Storage>, AssemblyError> {
    let open =
        |path: &PathBuf| Storage::open(path).map_err(|error| AssemblyError::Unreadable(path.clone(), error));
    config.proxy.storage.as_ref().map(open).transpose()
}

fn authority(config: &Config) -> Result<Authority, AssemblyError> {
    let path = &config.token.key;
    let pem = fs::read(path).map_err(|error| AssemblyError::Unreadable(path.clone(), error))?;
    let key = SigningKey::from_pem(&Zeroizing::new(pem), config.token.legacy_key_id)
        .map_err(|error| AssemblyError::SigningKey(path.clone(), error))?;
    let settings = token::Settings {
        issuer: config.token.issuer.clone(),
        service: config.proxy.service.clone(),
        lifetime: config.token.lifetime,
    };
    Ok(Authority::new(key, settings))
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn findings<E: fmt::Display>(errors: Vec<E>) -> AssemblyError {
    AssemblyError::Findings(errors.iter().map(E::to_string).collect())
}
