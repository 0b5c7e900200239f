//! A scope: a resource and the actions asked for, or granted, on it.
//!
//! The text form is that of the token specification (`docs/spec/auth/scope.md` of Distribution),
//! `repository:team/app:pull,push`; the same triple is an entry of a token's `access` claim.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A resource and actions on it.
///
/// Everything is text as the client wrote it: the token endpoint signs scopes of any type and name, as docker_auth
/// does. What a `/v2` request needs is built from parsed types, see [`crate::registry::Route`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// `repository`, `registry`, …: the resource's type, without its class.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// `team/app`, `catalog`, `host:5000/x`.
    pub name: String,
    /// `pull`, `push`, `delete`, `*`; sorted, duplicates kept as docker_auth keeps them.
    pub actions: Vec<String>,
}

/// The reason why a scope could not be read. Displays in docker_auth's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// The type has no lower-case letter or digit.
    #[error("malformed scope request")]
    Malformed,
    /// The scope has not three or four parts.
    #[error("invalid scope: {0:?}")]
    Invalid(String),
}

impl Scope {
    /// A scope on a repository.
    pub fn repository(name: &str, actions: &[&str]) -> Self {
        Self::new("repository", name, actions)
    }

    /// A scope of any type; `actions` are sorted.
    pub fn new(resource_type: &str, name: &str, actions: &[&str]) -> Self {
        let mut actions: Vec<String> = actions.iter().map(|a| (*a).to_owned()).collect();
        actions.sort();
        Self { resource_type: resource_type.to_owned(), name: name.to_owned(), actions }
    }

    /// Returns true if this entry of a token's `access` grants `action` on the resource of `need`: exactly its type and
    /// name, and the action or `*`, which stands for all (registry 2.8).
    pub fn grants(&self, need: &Self, action: &str) -> bool {
        let granted = |given: &String| given == action || given == "*";
        self.resource_type == need.resource_type && self.name == need.name && self.actions.iter().any(granted)
    }

    /// Reads the values of the `scope` parameters: each holds scopes separated by one ASCII space. Nothing is asked for
    /// where there is no value or the first one is empty, whatever follows it, as in docker_auth.
    ///
    /// # Errors
    /// The first scope that is not `type:name:actions`, where the name may hold one colon (`host:5000/x`).
    pub fn parse_all<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Vec<Self>, ScopeError> {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none_or(|first| first.is_empty()) {
            return Ok(Vec::new());
        }
        values.flat_map(|value| value.split(' ')).map(Self::parse).collect()
    }

    /// Reads one scope. The type is docker_auth's: the first run of lower-case letters and digits, so that the class
    /// of `repository(plugin)` falls away.
    fn parse(text: &str) -> Result<Self, ScopeError> {
        let parts: Vec<&str> = text.split(':').collect();
        let head = parts.first().copied().unwrap_or_default();
        let is_type = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let run = head.trim_start_matches(|c| !is_type(c));
        let resource_type = run.split(|c| !is_type(c)).next().unwrap_or_default();
        if resource_type.is_empty() {
            return Err(ScopeError::Malformed);
        }
        let (name, actions) = match parts.as_slice() {
            [_, name, actions] => ((*name).to_owned(), actions),
            [_, host, rest, actions] => (format!("{host}:{rest}"), actions),
            _ => return Err(ScopeError::Invalid(text.to_owned())),
        };
        let mut actions: Vec<String> = actions.split(',').map(str::to_owned).collect();
        actions.sort();
        Ok(Self { resource_type: resource_type.to_owned(), name, actions })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.resource_type, self.name)?;
        for (position, action) in self.actions.iter().enumerate() {
            write!(f, "{}{action}", if position > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_grants_exact_names_and_the_action_star() {
        let (entry, all) = (Scope::repository("a", &["pull"]), Scope::repository("a", &["*"]));
        let need = Scope::repository("a", &["pull", "push"]);
        assert!(entry.grants(&need, "pull") && !entry.grants(&need, "push") && all.grants(&need, "push"));
        assert!(!entry.grants(&all, "*"), "a part is not all");
        for other in [
            Scope::repository("b", &["*"]),
            Scope::new("registry", "a", &["*"]),
            Scope::new("*", "*", &["*"]),
        ] {
            assert!(!other.grants(&need, "pull"), "{other}");
        }
    }
}
