//! The ceiling of a robot: the most that its account may do, whatever the rules grant, and from where. Below it, that of
//! a personal token.
//!
//! A ceiling only takes away. It is asked on each decision about the account, inside [`super::Authorizers`], so that no
//! way to a decision leads past it: not a token's, not the catalogue's, not that of `explain`.

use std::{collections::HashMap, fmt, net::IpAddr};

use super::{
    IpBlock, IpBlockError, PatternError, Question,
    patterns::{matchable, pattern::Pattern, placeholder},
};

/// A ceiling as configured; `config` builds these, [`Ceilings`] compiles them.
#[derive(Debug, Clone, Default)]
pub struct CeilingSettings {
    /// The account that it bounds.
    pub account: String,
    /// `scopes`: `None` for whatever the rules grant.
    pub scopes: Option<Vec<String>>,
    /// `ip`: `None` for any address.
    pub ip: Option<Vec<String>>,
    /// The line of the account in the file it came from, from 1; 0 when unknown.
    pub line: usize,
}

/// The ceilings of all accounts that have one.
#[derive(Debug, Clone, Default)]
pub struct Ceilings {
    by_account: HashMap<Box<str>, Ceiling>,
}

#[derive(Debug, Clone)]
struct Ceiling {
    scopes: Option<Box<[ScopePattern]>>,
    ip: Option<Box<[IpBlock]>>,
    line: usize,
}

/// A scope whose name is a pattern of the rules, without placeholders.
#[derive(Debug, Clone)]
struct ScopePattern {
    resource_type: Box<str>,
    name: Pattern,
    actions: Box<[Box<str>]>,
}

/// The part of a ceiling that took something away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CeilingName {
    /// Displays as `the scopes of robot "ci", line 12`.
    Robot {
        /// The account.
        account: String,
        /// `scopes` or `ip`.
        key: &'static str,
        /// Its line in the configuration, from 1; 0 when unknown.
        line: usize,
    },
    /// The scopes of the personal token that was shown, now or for the token of the request. The same text for each.
    PersonalToken,
}

/// A mistake in a ceiling. Displays with its place and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CeilingError {
    /// The account.
    pub account: String,
    /// `scopes` or `ip`.
    pub key: &'static str,
    /// The index of the element, from 0.
    pub index: usize,
    /// The mistake, without a full stop.
    pub message: String,
    /// The remedy, a clause.
    pub hint: String,
}

/// The actions that the registry asks for on a repository, and `*`.
pub const ACTIONS: [&str; 4] = ["pull", "push", "delete", "*"];
const SCOPE_HINT: &str = "write it as \"repository:acme/*:pull,push\" or \"registry:catalog:*\"";

impl Ceilings {
    /// Compiles them.
    ///
    /// # Errors
    /// All that is wrong, in the order of `settings`.
    pub fn compile(settings: &[CeilingSettings]) -> Result<Self, Vec<CeilingError>> {
        let (mut ceilings, mut errors) = (Self::default(), Vec::new());
        for ceiling in settings {
            let compiled = Ceiling {
                scopes: ceiling.each("scopes", &ceiling.scopes, ScopePattern::compile, &mut errors),
                ip: ceiling.each("ip", &ceiling.ip, block, &mut errors),
                line: ceiling.line,
            };
            ceilings.by_account.insert(ceiling.account.as_str().into(), compiled);
        }
        if errors.is_empty() { Ok(ceilings) } else { Err(errors) }
    }

    /// Returns whether the account may be used from this address. An unknown address is in no block.
    pub fn admits(&self, account: &str, ip: Option<IpAddr>) -> bool {
        self.by_account.get(account).is_none_or(|ceiling| ceiling.admits(ip))
    }

    /// The requested actions below the ceilings of the question's account and of its personal token, and the part that
    /// took others away; `None` where all are.
    pub(super) fn bound(&self, question: &Question<'_>) -> Option<(Vec<String>, CeilingName)> {
        let of_account = self.of_account(question);
        let Some(scopes) = question.token_scopes else { return of_account };
        let asked = of_account.as_ref().map_or(question.actions, |(left, _)| left);
        let is_below = |action: &&String| scopes.grant(question, action);
        let left: Vec<String> = asked.iter().filter(is_below).cloned().collect();
        if left.len() == asked.len() { of_account } else { Some((left, CeilingName::PersonalToken)) }
    }

    fn of_account(&self, question: &Question<'_>) -> Option<(Vec<String>, CeilingName)> {
        let ceiling = self.by_account.get(question.account)?;
        let name = |key| CeilingName::Robot { account: question.account.to_owned(), key, line: ceiling.line };
        if !ceiling.admits(question.ip) {
            return Some((Vec::new(), name("ip")));
        }
        let scopes = ceiling.scopes.as_ref()?;
        let is_below = |action: &String| scopes.iter().any(|scope| scope.grants(question, action));
        if question.actions.iter().all(is_below) {
            return None;
        }
        let left = question.actions.iter().filter(|action| is_below(action)).cloned().collect();
        Some((left, name("scopes")))
    }
}

impl Ceiling {
    fn admits(&self, ip: Option<IpAddr>) -> bool {
        self.ip
            .as_ref()
            .is_none_or(|blocks| ip.is_some_and(|ip| blocks.iter().any(|block| block.contains(ip))))
    }
}

impl CeilingSettings {
    /// The elements of a list, each read by `compile`; what cannot be read is an error.
    fn each<T>(
        &self,
        key: &'static str,
        written: &Option<Vec<String>>,
        compile: fn(&str) -> Result<T, (String, String)>,
        errors: &mut Vec<CeilingError>,
    ) -> Option<Box<[T]>> {
        let mut compiled = Vec::new();
        for (index, text) in written.as_ref()?.iter().enumerate() {
            match compile(text) {
                Ok(element) => compiled.push(element),
                Err((message, hint)) => {
                    errors.push(CeilingError { account: self.account.clone(), key, index, message, hint });
                }
            }
        }
        Some(compiled.into())
    }
}

/// An expression of the `regex` crate that, meant as a whole, matches at least what the name of a scope matches. For a
/// linter.
pub fn superset_of(name: &str) -> Option<String> {
    matchable::superset(name, &placeholder::Scope::default().scan(name).symbols)
}

/// The parts of a scope of a ceiling: the type, the name (which may have colons) and the actions.
pub fn scope_parts(scope: &str) -> Option<(&str, &str, &str)> {
    let (resource_type, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    Some((resource_type, name, actions))
}

impl ScopePattern {
    fn compile(text: &str) -> Result<Self, (String, String)> {
        let wrong = |why: String| Err((why, SCOPE_HINT.to_owned()));
        let Some((resource_type, name, actions)) = scope_parts(text) else {
            return wrong(format!("{text:?} is no scope: expected a type, a name and actions"));
        };
        let is_type = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if resource_type.is_empty() || !resource_type.chars().all(is_type) {
            return wrong(format!("{text:?} is no scope: {resource_type:?} is no type of a resource"));
        }
        if name.is_empty() {
            return wrong(format!("{text:?} is no scope: it has no name"));
        }
        if let Some(unknown) = actions.split(',').find(|action| !ACTIONS.contains(action)) {
            return wrong(format!("{text:?} is no scope: {unknown:?} is no action (pull, push, delete, *)"));
        }
        if name.contains("${") {
            let hint = "write the name out; `*` and expressions between slashes work as in a rule";
            return Err((format!("{text:?} has a placeholder, which only rules have"), hint.to_owned()));
        }
        let pattern = Pattern::compile(name, placeholder::Scope::default().scan(name));
        let name = pattern
            .map_err(|PatternError { message, hint }| (format!("the name in {text:?} is {message}"), hint))?;
        Ok(Self {
            resource_type: resource_type.into(),
            name,
            actions: actions.split(',').map(Box::from).collect(),
        })
    }

    /// Returns whether it has `action` on the resource of the question. `*` stands for all of them.
    fn grants(&self, question: &Question<'_>, action: &str) -> bool {
        *self.resource_type == *question.resource_type
            && self.actions.iter().any(|given| **given == *action || **given == *"*")
            // False where it cannot be told.
            && self.name.always_matches(question.name)
    }
}

fn block(text: &str) -> Result<IpBlock, (String, String)> {
    text.parse().map_err(|error: IpBlockError| (error.problem(), IpBlock::HINT.to_owned()))
}

impl fmt::Display for CeilingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Robot { account, key, line } = self else {
            return f.write_str("the scopes of the personal token");
        };
        write!(f, "the {key} of robot {account:?}")?;
        if *line > 0 { write!(f, ", line {line}") } else { Ok(()) }
    }
}

impl fmt::Display for CeilingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, key, index, message, hint } = self;
        write!(f, "robots: {account:?}: {key}[{index}]: {message}; {hint}")
    }
}

impl std::error::Error for CeilingError {}

#[cfg(test)]
mod tests;
