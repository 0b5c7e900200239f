//! The ceiling of a robot: the most that its account may do, whatever the rules grant, and from where.
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

/// The part of a ceiling that took something away. Displays as `the scopes of robot "ci", line 12`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CeilingName {
    /// The account.
    pub account: String,
    /// `scopes` or `ip`.
    pub key: &'static str,
    /// Its line in the configuration, from 1; 0 when unknown.
    pub line: usize,
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

    /// The requested actions below the ceiling of the question's account, and the part that took others away; `None`
    /// where all are.
    pub(super) fn bound(&self, question: &Question<'_>) -> Option<(Vec<String>, CeilingName)> {
        let ceiling = self.by_account.get(question.account)?;
        let name = |key| CeilingName { account: question.account.to_owned(), key, line: ceiling.line };
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
        write!(f, "the {} of robot {:?}", self.key, self.account)?;
        if self.line > 0 { write!(f, ", line {}", self.line) } else { Ok(()) }
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
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::authz::{AuthorizationBackendSettings, Authorizers, LeftOut, Policy, RuleSettings};

    fn ceilings(scopes: Option<&[&str]>, ip: Option<&[&str]>) -> Result<Ceilings, String> {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let settings = CeilingSettings {
            account: "ci".to_owned(),
            scopes: scopes.map(owned),
            ip: ip.map(owned),
            line: 3,
        };
        Ceilings::compile(&[settings]).map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    /// The actions that are left of those asked for.
    fn left(ceilings: &Ceilings, ip: Option<&str>, scope: (&str, &str), actions: &[&str]) -> String {
        let actions: Vec<String> = actions.iter().map(|action| (*action).to_owned()).collect();
        let question = Question {
            account: "ci",
            labels: &BTreeMap::new(),
            ip: ip.map(|ip| ip.parse().unwrap()),
            service: "registry.example",
            resource_type: scope.0,
            name: scope.1,
            tag: None,
            actions: &actions,
            now: 0,
        };
        ceilings.bound(&question).map_or(actions.clone(), |(left, _)| left).join(",")
    }

    #[test]
    fn scopes_add_up_and_whatever_they_do_not_list_is_taken_away() {
        let bound = ceilings(Some(&["repository:acme/*:pull", "repository:acme/app:push"]), None).unwrap();
        let of = |name, actions: &[&str]| left(&bound, None, ("repository", name), actions);
        assert_eq!(of("acme/app", &["pull", "push"]), "pull,push");
        assert_eq!(of("acme/lib", &["pull", "push"]), "pull");
        assert_eq!(of("acme/app", &["delete"]), "");
        assert_eq!(of("acme/app", &["*"]), "", "a part is not all");
        for outside in ["acme/a/b", "acme", "acme2/app", "xacme/app", "acme/", "other/app", "ACME/app", ""] {
            assert_eq!(of(outside, &["push"]), "", "{outside}");
        }
        assert_eq!(of("acme/a/b", &["pull"]), "", "`*` stops at a slash, as in a rule");
        assert_eq!(left(&bound, None, ("registry", "acme/app"), &["pull"]), "");
    }

    #[test]
    fn a_star_is_every_action_and_an_expression_is_one_of_a_rule() {
        let all = ceilings(Some(&["repository:/^acme\\/(a|b)$/:*", "registry:catalog:*"]), None).unwrap();
        let of = |kind, name, actions: &[&str]| left(&all, None, (kind, name), actions);
        assert_eq!(of("repository", "acme/a", &["delete", "*"]), "delete,*");
        assert_eq!(of("repository", "acme/c", &["pull"]), "");
        assert_eq!(of("registry", "catalog", &["*"]), "*");
    }

    #[test]
    fn rule_41_an_address_that_is_unknown_or_elsewhere_leaves_nothing() {
        let bound = ceilings(None, Some(&["10.0.0.0/8", "2001:db8::/32"])).unwrap();
        let of = |ip| left(&bound, ip, ("repository", "a"), &["pull"]);
        for (ip, granted) in [
            (Some("10.1.2.3"), "pull"),
            (Some("::ffff:10.1.2.3"), "pull"),
            (Some("2001:db8::1"), "pull"),
            (Some("11.0.0.1"), ""),
            (Some("::1"), ""),
            (None, ""),
        ] {
            assert_eq!(of(ip), granted, "{ip:?}");
            assert_eq!(bound.admits("ci", ip.map(|ip| ip.parse().unwrap())), granted == "pull", "{ip:?}");
        }
        assert!(bound.admits("another", None), "an account without a ceiling");
    }

    #[test]
    fn rule_41_a_ceiling_takes_away_and_never_adds() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let rule = |name: &str, actions: &[&str]| RuleSettings {
            name: Some(name.to_owned()),
            actions: actions.iter().map(|action| (*action).to_owned()).collect(),
            ..RuleSettings::default()
        };
        let rules = [rule("acme/app", &["pull"]), rule("acme/*", &["*"])];
        let scopes: [&[&str]; 3] = [&["repository:acme/*:*"], &["repository:acme/*:pull,push"], &[]];
        for (scopes, ip) in
            scopes.iter().flat_map(|scopes| [(*scopes, None), (*scopes, Some(&["10.0.0.0/8"][..]))])
        {
            let policy = Policy::compile(&rules).unwrap();
            let bound = Authorizers::new(
                policy,
                ceilings(Some(scopes), ip).unwrap(),
                AuthorizationBackendSettings::default(),
                None,
            );
            for (name, actions) in ["acme/app", "acme/lib", "other"].into_iter().flat_map(|name| {
                [(name, &["pull"][..]), (name, &["pull", "push"]), (name, &["pull", "push", "delete"])]
            }) {
                let actions: Vec<String> = actions.iter().map(|action| (*action).to_owned()).collect();
                let question = Question {
                    account: "ci",
                    labels: &BTreeMap::new(),
                    ip: Some("10.0.0.1".parse().unwrap()),
                    service: "registry.example",
                    resource_type: "repository",
                    name,
                    tag: None,
                    actions: &actions,
                    now: 0,
                };
                let without = runtime.block_on(bound.decide_by_rules(&LeftOut::new(), &question)).unwrap();
                let with = runtime.block_on(bound.decide(&question)).unwrap();
                assert!(
                    with.actions.iter().all(|action| without.actions.contains(action)),
                    "{name} {with:?}"
                );
                let another =
                    runtime.block_on(bound.decide(&Question { account: "alice", ..question })).unwrap();
                assert_eq!(another, without, "a ceiling is of one account");
            }
        }
    }

    #[test]
    fn an_empty_list_leaves_nothing_and_none_leaves_all() {
        let of = |ceilings: &Ceilings| left(ceilings, Some("10.0.0.1"), ("repository", "a"), &["pull"]);
        assert_eq!(of(&ceilings(Some(&[]), None).unwrap()), "");
        assert_eq!(of(&ceilings(None, Some(&[])).unwrap()), "");
        assert_eq!(of(&ceilings(None, None).unwrap()), "pull");
    }

    #[test]
    fn what_is_no_scope_and_no_block_is_refused() {
        for wrong in [
            "",
            "repository",
            "repository:a",
            "repository::pull",
            ":a:pull",
            "repository:a:",
            "repository:a:pull,",
            "repository:a:read",
            "repository:a:Pull",
            "repository:a:pull push",
            "Repository:a:pull",
            "repo*:a:pull",
            "repository:a[:pull",
            "repository:/(/:pull",
            "repository:${account}/*:pull",
            "repository:a:pull:x",
        ] {
            assert!(ceilings(Some(&[wrong]), None).is_err(), "{wrong}");
        }
        assert!(ceilings(Some(&["repository:host:5000/a:pull"]), None).is_ok());
        let said = ceilings(Some(&["repository:a:read"]), Some(&["10.0.0.0/33"])).unwrap_err();
        assert!(
            said.contains("robots: \"ci\": scopes[0]: \"repository:a:read\" is no scope: \"read\""),
            "{said}"
        );
        assert!(said.contains("ip[0]: \"10.0.0.0/33\" is neither an address nor a CIDR block"), "{said}");
    }
}
