//! The scopes of a personal token: the most that its holder may do with it, whatever the rules grant.
//!
//! They are a person's own and come by the thousand, so their names are globs, which take no memory that a pattern
//! chooses. Expressions are for the configuration, except for the one that stands for every name. Globs are compiled
//! once for a request: a list asks about each name of the registry.

use std::hash::{Hash, Hasher};

use super::{
    Glob, PatternError, Question,
    ceiling::{ACTIONS, scope_parts},
};
use crate::registry::Scope;

/// The name in a scope that stands for each name of its type. As an expression it says the same in the configuration.
pub const ANY_NAME: &str = "/.*/";
/// The most scopes of a token.
pub const MOST_SCOPES: usize = 20;
/// The longest name in a scope, in bytes: that of a repository.
const LONGEST_NAME: usize = 255;

/// Reads a scope of a personal token, as `repository:team/*:pull,push`.
///
/// # Errors
/// It is none: what is wrong, and how to write one.
pub fn parse_token_scope(text: &str) -> Result<Scope, String> {
    let hint = "write it as repository:team/*:pull,push";
    let wrong = |why: &str| Err(format!("{text:?} {why}; {hint}"));
    let Some((resource_type, name, actions)) = scope_parts(text) else {
        return wrong("is no scope: expected a type, a name and actions");
    };
    if !["repository", "registry"].contains(&resource_type) {
        return wrong("is no scope of a registry: expected the type repository or registry");
    }
    if let Some(unknown) = actions.split(',').find(|action| !ACTIONS.contains(action)) {
        return Err(format!("{text:?}: {unknown:?} is no action (pull, push, delete, *); {hint}"));
    }
    check_name(name)?;
    Ok(Scope::new(resource_type, name, &actions.split(',').collect::<Vec<_>>()))
}

/// Checks the name in a scope: a glob without placeholders, or [`ANY_NAME`].
///
/// # Errors
/// It is neither: what is wrong, and the remedy.
fn check_name(name: &str) -> Result<(), String> {
    if name == ANY_NAME {
        return Ok(());
    }
    let hint = "write the name of a repository; `*` stands for any part of it between two slashes";
    if name.is_empty() || name.len() > LONGEST_NAME {
        return Err(format!("expected a name of 1 to {LONGEST_NAME} bytes, found {}; {hint}", name.len()));
    }
    if name.starts_with('/') || name.contains("${") || name.chars().any(|c| !c.is_ascii_graphic()) {
        return Err(format!("{name:?} is no name of a repository; {hint}"));
    }
    match Glob::compile(name) {
        Ok(_) => Ok(()),
        Err(PatternError { message, .. }) => Err(format!("{name:?} is {message}; {hint}")),
    }
}

/// The scopes of a personal token, ready for questions.
#[derive(Debug, Clone)]
pub struct TokenScopes(Box<[(Scope, Names)]>);

#[derive(Debug, Clone)]
enum Names {
    All,
    Matching(Glob),
    None,
}

impl TokenScopes {
    /// Compiles them. A scope that cannot be read has nothing.
    pub fn of(scopes: &[Scope]) -> Self {
        let compiled = |scope: &Scope| (scope.clone(), Names::of(&scope.name));
        Self(scopes.iter().map(compiled).collect())
    }

    /// Returns whether one of them has `action` on the resource of the question.
    pub(super) fn grant(&self, question: &Question<'_>, action: &str) -> bool {
        self.0.iter().any(|(scope, names)| {
            scope.resource_type == question.resource_type
                && scope.actions.iter().any(|given| given == action || given == "*")
                && names.have(question.name)
        })
    }
}

/// By what is written.
impl Hash for TokenScopes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.iter().for_each(|(scope, _)| scope.hash(state));
        self.0.len().hash(state);
    }
}

impl Names {
    fn of(name: &str) -> Self {
        #[cfg(test)]
        tests::COMPILED.set(tests::COMPILED.get() + 1);
        match Glob::compile(name) {
            _ if name == ANY_NAME => Self::All,
            Ok(glob) => Self::Matching(glob),
            Err(_) => Self::None,
        }
    }

    fn have(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Matching(glob) => glob.is_match(name),
            Self::None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, collections::BTreeMap};

    use super::*;

    thread_local!(pub(super) static COMPILED: Cell<u32> = const { Cell::new(0) });

    fn granted(scope: &str, resource: (&str, &str), action: &str) -> bool {
        has(&TokenScopes::of(&[parse_token_scope(scope).unwrap()]), resource, action)
    }

    fn has(scopes: &TokenScopes, (resource_type, name): (&str, &str), action: &str) -> bool {
        let (labels, actions) = (BTreeMap::new(), [action.to_owned()]);
        let question = Question {
            account: "alice",
            labels: &labels,
            ip: None,
            service: "registry.example",
            resource_type,
            name,
            tag: None,
            actions: &actions,
            token_scopes: Some(scopes),
            now: 0,
        };
        scopes.grant(&question, action)
    }

    /// A list asks about a hundred thousand names, and a person writes twenty globs of 255 characters.
    #[test]
    fn rule_62_scopes_are_compiled_once_however_many_names_are_asked_about() {
        let scopes: Vec<Scope> = ["a/*", "b?/*", "c"].map(|name| Scope::repository(name, &["pull"])).into();
        COMPILED.set(0);
        let scopes = TokenScopes::of(&scopes);
        let seen = (0..1000).filter(|n| has(&scopes, ("repository", &format!("b{}/x", n % 20)), "pull"));
        assert_eq!((seen.count(), COMPILED.get()), (500, 3));
    }

    #[test]
    fn a_scope_is_for_its_type_its_names_and_its_actions() {
        let of = |scope: &str, name, action| granted(scope, ("repository", name), action);
        for name in ["team/app", "team/lib"] {
            assert!(of("repository:team/*:pull,push", name, "push"), "{name}");
            assert!(!of("repository:team/*:pull,push", name, "delete"), "{name}");
        }
        for outside in ["team", "team/", "team/a/b", "xteam/app", "TEAM/app", ""] {
            let is_last_part = outside == "team/";
            assert_eq!(of("repository:team/*:pull", outside, "pull"), is_last_part, "{outside}");
        }
        assert!(of("repository:/.*/:pull", "a/b/c", "pull") && !of("repository:/.*/:pull", "a", "push"));
        assert!(of("repository:host.example:5000/a:*", "host.example:5000/a", "delete"));
        assert!(!granted("repository:/.*/:*", ("registry", "catalog"), "*"));
        assert!(granted("registry:catalog:*", ("registry", "catalog"), "*"));
        assert!(!of("repository:a:pull", "a", "*"), "a part is not all");
    }

    #[test]
    fn what_is_no_scope_of_a_person_is_refused() {
        let long = format!("repository:{}:pull", "a".repeat(256));
        for wrong in [
            "",
            "repository:a",
            "repository::pull",
            "repository:a:",
            "repository:a:read",
            "repository:a:pull,",
            "plugin:a:pull",
            "repository:/a+/:pull",
            "repository:a[:pull",
            "repository:a b:pull",
            "repository:${account}/*:pull",
            "repository:\u{fc}:pull",
            &long,
        ] {
            assert!(parse_token_scope(wrong).is_err(), "{wrong}");
        }
    }
}
