//! `ldap_auth`: a directory says whether a password is right, and which labels the account has.
//!
//! One login (docker_auth, `ldap_auth.go`) takes a connection and three steps: a new bind (as the configured reader,
//! anonymous, or as the account itself), a search for the one entry of the account, and a bind as that entry with the
//! password. The protocol is spoken here and not by a library: see `Cargo.toml`.

mod account;
mod ber;
mod connection;
mod dn;
mod filter;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod labels;
mod message;
mod pool;
mod settings;
mod tls;
mod verdict;

use std::sync::Arc;

use super::{Answer, Secret};
use crate::backend::{BackendLimits, Gate, Unavailable};
pub(super) use account::is_visible;
use connection::{Connection, Endpoint, FoundEntry, Security};
pub use dn::{DnTemplate, NoAccount};
pub use filter::{Filter, FilterError};
use message::{Entry, Outcome, Search};
use pool::Pool;
pub use settings::{BindPassword, LabelMap, LdapSettings, LdapTls, SearchAs, Trust};
use verdict::Verdict;

/// The placeholder for the account in `filter` and `bind_dn`.
pub const ACCOUNT: &str = "${account}";

/// The directory.
#[derive(Debug)]
pub struct Ldap {
    settings: LdapSettings,
    /// The attributes that labels come from, each once.
    attributes: Vec<String>,
    /// `Err` where TLS cannot be spoken at all.
    endpoint: Result<Endpoint, String>,
    gate: Gate,
    pool: Arc<Pool<Connection>>,
}

/// A search as it has to end for a login to go on.
enum Lookup {
    Entry(Entry),
    Answer(Answer),
}

impl Ldap {
    /// Nothing is connected yet.
    pub fn new(settings: LdapSettings, limits: &BackendLimits) -> Self {
        Self {
            attributes: attributes(&settings),
            endpoint: endpoint(&settings),
            gate: Gate::new("ldap_auth", limits),
            pool: Pool::new(limits.concurrent),
            settings,
        }
    }

    /// Looks the account up, binds as it with the password, and reads its labels. If the directory rejects the account,
    /// that counts as a wrong password (see `verdict`); so do two entries for one account. An account with a character
    /// that directories ignore is unknown, as is an empty one or one without a password. A password with a NUL is
    /// wrong: a directory that reads it as a C string takes it for an empty one.
    ///
    /// # Errors
    /// The directory gives no answer, within `backends.timeout` from connecting to the last bind.
    pub async fn authenticate(&self, account: &str, password: &Secret) -> Result<Answer, Unavailable> {
        if !account::is_plain(account) || password.expose().is_empty() {
            return Ok(Answer::NoSuchUser);
        }
        if password.expose().contains(&0) {
            return Ok(Answer::WrongPassword);
        }
        self.gate.ask(self.ask(account, password)).await
    }

    /// A connection comes back to the pool only from here: after a failure, or when the question is dropped, it is
    /// dropped as well.
    async fn ask(&self, account: &str, password: &Secret) -> Result<Answer, String> {
        let (mut connection, bound) = self.bound(account, password).await?;
        let answer = match self.look_up(&mut connection, &bound, account).await? {
            Lookup::Entry(entry) => {
                let bound = connection.bind(&entry.dn, password.expose()).await?;
                if admits(&bound, account)? {
                    Answer::Accepted(labels::labels(&self.settings.labels, &entry))
                } else {
                    Answer::WrongPassword
                }
            }
            Lookup::Answer(answer) => answer,
        };
        self.pool.put(connection);
        Ok(answer)
    }

    /// A connection on which the searching account was bound just now, and the result of that bind. A pooled connection
    /// that turns out to be unusable, because the directory closed it in the meantime, is replaced by a new one, once.
    async fn bound(&self, account: &str, password: &Secret) -> Result<(Connection, Outcome), String> {
        if let Some(mut connection) = self.pool.take()
            && let Ok(outcome) = self.bind_searcher(&mut connection, account, password).await
            && (outcome.is_success() || self.settings.search_as != SearchAs::Anonymous)
        {
            return Ok((connection, outcome));
        }
        let mut connection = self.endpoint.as_ref().map_err(Clone::clone)?.connect().await?;
        // No bind has happened on it yet; some directories allow anonymous searches and reject anonymous binds.
        let outcome = match &self.settings.search_as {
            SearchAs::Anonymous => Outcome { code: 0, message: String::new() },
            _ => self.bind_searcher(&mut connection, account, password).await?,
        };
        Ok((connection, outcome))
    }

    async fn bind_searcher(
        &self,
        connection: &mut Connection,
        account: &str,
        password: &Secret,
    ) -> Result<Outcome, String> {
        match &self.settings.search_as {
            SearchAs::Anonymous => connection.bind(b"", b"").await,
            SearchAs::Reader { dn, password } => connection.bind(dn.as_bytes(), password.expose()).await,
            SearchAs::User(template) => {
                connection.bind(template.of(account).as_bytes(), password.expose()).await
            }
        }
    }

    async fn look_up(
        &self,
        connection: &mut Connection,
        bound: &Outcome,
        account: &str,
    ) -> Result<Lookup, String> {
        let as_user = matches!(self.settings.search_as, SearchAs::User(_));
        if as_user && !admits(bound, account)? {
            return Ok(Lookup::Answer(Answer::WrongPassword));
        }
        if !bound.is_success() {
            return Err(format!("the bind as `bind_dn` failed: {bound}; look at `bind_password_file`"));
        }
        let search = Search {
            base: &self.settings.base,
            filter: &self.settings.filter.encode(account),
            attributes: &self.attributes,
        };
        let found = connection.search(&search).await?;
        let verdict =
            if as_user { verdict::of_own_search(&found.outcome) } else { verdict::of_search(&found.outcome) };
        match verdict {
            Verdict::Accepted => Ok(only_entry(found, account)),
            Verdict::NoAnswer => Err(format!(
                "the search below `base` failed: {}; look at `base`, and at what `bind_dn` may see",
                found.outcome
            )),
            Verdict::WrongPassword | Verdict::Refused => {
                refused(&found.outcome, account);
                Ok(Lookup::Answer(Answer::WrongPassword))
            }
        }
    }
}

fn only_entry(found: FoundEntry, account: &str) -> Lookup {
    let FoundEntry { mut entries, outcome } = found;
    if entries.len() > 1 || outcome.is_cut_short() {
        let message = "ldap_auth.filter finds more than one entry, so this account is refused; \
                       make the filter match one attribute that is unique below `base`";
        tracing::warn!(account, "{message}");
        return Lookup::Answer(Answer::WrongPassword);
    }
    match entries.pop() {
        // A bind without a name would be anonymous, and succeed.
        Some(entry) if !entry.dn.is_empty() => Lookup::Entry(entry),
        _ => Lookup::Answer(Answer::NoSuchUser),
    }
}

/// Returns true if the directory admits the account.
fn admits(bound: &Outcome, account: &str) -> Result<bool, String> {
    match verdict::of_bind(bound) {
        Verdict::Accepted => Ok(true),
        Verdict::WrongPassword => Ok(false),
        Verdict::Refused => {
            refused(bound, account);
            Ok(false)
        }
        Verdict::NoAnswer => Err(format!("the bind as the account failed: {bound}")),
    }
}

/// The client learns only of a wrong password; the reason is for the operator.
fn refused(outcome: &Outcome, account: &str) {
    tracing::info!(account, %outcome, "the directory does not admit this account");
}

fn attributes(settings: &LdapSettings) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (_, map) in &settings.labels {
        if !names.iter().any(|name| name.eq_ignore_ascii_case(&map.attribute)) {
            names.push(map.attribute.clone());
        }
    }
    names
}

fn endpoint(settings: &LdapSettings) -> Result<Endpoint, String> {
    let connector = |trust| tls::connector(trust).map_err(|error| format!("TLS cannot be spoken: {error}"));
    let security = match &settings.tls {
        LdapTls::None => Security::None,
        LdapTls::StartTls(trust) => Security::StartTls(connector(trust)?),
        LdapTls::Always(trust) => Security::Tls(connector(trust)?),
    };
    Ok(Endpoint { host: settings.host.clone(), port: settings.port, security })
}

#[cfg(test)]
mod tests;
