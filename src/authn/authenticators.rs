//! The authenticators in docker_auth's order, and what becomes of a name that the first ones do not know.
//!
//! `users` is held in memory and costs bcrypt, so the caller that owns the threads for it asks that table. The back
//! ends after it are asked here, each through its own gate.

use std::{net::IpAddr, sync::Arc};

use super::{
    Identity, Labels, Ldap, LdapSettings, Outcome, Robots, Secret, Source, Users, command::CommandUsers,
    is_robot_token, sql::SqlUsers,
};
use crate::backend::{BackendLimits, BackendShares, CommandSettings, SqlSettings, Unavailable};

/// The back ends that are configured (`ext_auth:`, `ldap_auth:`, `xorm_auth:`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthenticationBackendSettings {
    /// `ext_auth`.
    pub ext_auth: Option<CommandSettings>,
    /// `ldap_auth`.
    pub ldap_auth: Option<LdapSettings>,
    /// `xorm_auth`.
    pub xorm_auth: Option<SqlSettings>,
    /// `backends`.
    pub limits: BackendLimits,
}

impl AuthenticationBackendSettings {
    /// The sections that are configured, in the order in which they are asked.
    pub fn sections(&self) -> impl Iterator<Item = &'static str> {
        let all = [
            (Source::ExtAuth, self.ext_auth.is_some()),
            (Source::LdapAuth, self.ldap_auth.is_some()),
            (Source::XormAuth, self.xorm_auth.is_some()),
        ];
        all.into_iter().filter(|(_, is_there)| *is_there).map(|(source, _)| source.section())
    }
}

/// The verdict of a back end on a name and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The password is right; the account has these labels.
    Accepted(Labels),
    /// It is not; no other back end may be asked.
    WrongPassword,
    /// No such account here; the next back end is asked.
    NoSuchUser,
}

/// All sources of accounts: the table of `users` first, then the back ends.
#[derive(Debug)]
pub struct Authenticators {
    /// `users` and `htpasswd`.
    pub users: Users,
    /// `robots`. None of their names is in `users`.
    pub robots: Robots,
    backends: Arc<Backends>,
}

#[derive(Debug)]
struct Backends {
    settings: AuthenticationBackendSettings,
    shares: BackendShares,
    ext_auth: Option<CommandUsers>,
    ldap_auth: Option<Ldap>,
    xorm_auth: Option<SqlUsers>,
}

impl Authenticators {
    /// The tables and the back ends. Those of `before` go on, with their connections, where the settings are the same.
    pub fn new(
        users: Users,
        mut robots: Robots,
        settings: AuthenticationBackendSettings,
        before: Option<&Self>,
    ) -> Self {
        if let Some(before) = before {
            robots.keep_uses_of(&before.robots);
        }
        let before = before.map(|before| &before.backends).filter(|before| before.settings == settings);
        let backends = before.map_or_else(|| Arc::new(Backends::new(settings)), Arc::clone);
        Self { users, robots, backends }
    }

    /// Returns true if the configuration itself knows the account: then no back end may.
    pub fn is_configured(&self, account: &str) -> bool {
        self.users.lookup(account).is_some() || self.robots.has(account)
    }

    /// Returns true if there may be an account with a password.
    pub fn take_passwords(&self) -> bool {
        self.users.have_passwords() || self.backends.settings.sections().next().is_some()
    }

    /// Returns true if the configuration has the name in any spelling: then no person has it.
    pub fn has_spelling_of(&self, account: &str) -> bool {
        self.robots.has(account) || self.users.have_spelling_of(account)
    }

    /// Returns true if a back end is asked even about the empty name: the command, as in docker_auth. Directories and
    /// databases know no account without a name.
    pub fn knows_nameless(&self) -> bool {
        self.backends.ext_auth.is_some()
    }

    /// Returns true if the section is configured. Otherwise its earlier verdict on an account no longer counts.
    pub fn has(&self, source: Source) -> bool {
        match source {
            Source::Users | Source::Robots => true,
            Source::ExtAuth => self.backends.ext_auth.is_some(),
            Source::LdapAuth => self.backends.ldap_auth.is_some(),
            Source::XormAuth => self.backends.xorm_auth.is_some(),
            // No password is ever held against it.
            Source::Workload | Source::Certificate | Source::SignIn(_) => false,
        }
    }

    /// Asks the back ends, one after the other, about a name that `users` does not have: the first that knows it
    /// decides (docker_auth, `server.go`, `Authenticate`).
    ///
    /// `ip` is the client's: one address may hold at most half of the slots before all of them. The name of a robot,
    /// and anything that begins as the token of one, is shown to no back end.
    ///
    /// # Errors
    /// A back end gives no answer: then the ones after it are not asked, since it may know the name.
    pub async fn ask_backends(
        &self,
        account: &str,
        password: &Secret,
        ip: Option<IpAddr>,
    ) -> Result<Outcome, Unavailable> {
        if self.robots.has(account) || [account.as_bytes(), password.expose()].into_iter().any(is_robot_token)
        {
            return Ok(Outcome::WrongPassword);
        }
        let Backends { settings, shares, ext_auth, ldap_auth, xorm_auth } = &*self.backends;
        let Some(first) = settings.sections().next() else { return Ok(Outcome::NoSuchUser) };
        let _share = shares.of(ip, first)?;
        if let Some(command) = ext_auth
            && let Some(outcome) =
                decided(command.authenticate(account, password).await?, account, Source::ExtAuth)
        {
            return Ok(outcome);
        }
        if let Some(ldap) = ldap_auth
            && let Some(outcome) =
                decided(ldap.authenticate(account, password).await?, account, Source::LdapAuth)
        {
            return Ok(outcome);
        }
        if let Some(sql) = xorm_auth
            && let Some(outcome) =
                decided(sql.authenticate(account, password).await?, account, Source::XormAuth)
        {
            return Ok(outcome);
        }
        Ok(Outcome::NoSuchUser)
    }
}

impl Backends {
    fn new(settings: AuthenticationBackendSettings) -> Self {
        let limits = &settings.limits;
        Self {
            ext_auth: settings.ext_auth.clone().map(|command| CommandUsers::new(command, limits)),
            ldap_auth: settings.ldap_auth.clone().map(|ldap| Ldap::new(ldap, limits)),
            xorm_auth: settings.xorm_auth.clone().map(|sql| SqlUsers::new(sql, limits)),
            shares: BackendShares::new(limits),
            settings,
        }
    }
}

/// `None` where the next one is to be asked.
fn decided(answer: Answer, account: &str, source: Source) -> Option<Outcome> {
    match answer {
        Answer::Accepted(labels) => {
            Some(Outcome::Accepted(Identity::with_labels(account, Arc::new(labels), source)))
        }
        Answer::WrongPassword => Some(Outcome::WrongPassword),
        Answer::NoSuchUser => None,
    }
}
