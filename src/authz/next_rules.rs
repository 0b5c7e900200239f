//! The next rules beside those in force: the same request put to both, over `acl` alone.
//!
//! Nothing here asks a back end or the registry. Where the answer would depend on one, it is undecided.

use super::{
    AuthorizationBackendSettings, Authorizers, Caller, DecidedBy, DeniedBy, NotPermitted, Permit, Policy,
    at_once, authorize,
};
use crate::registry::Route;

/// Rules that are to be in force later.
#[derive(Debug)]
pub struct NextRules {
    /// Without back ends, so that a question to it never waits.
    authorizers: Authorizers,
    /// True if a back end decides where these rules do not.
    beside_back_ends: bool,
}

/// The difference that the next rules make to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Comparison {
    /// Both allow it, or both deny it.
    Same,
    /// It is denied, and the next rules allow it.
    Gain,
    /// It is allowed, and the next rules deny it.
    Loss,
    /// One of the two depends on a back end, on labels that are not known, or on the registry's tags.
    Undecided,
}

impl Comparison {
    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Gain => "gain",
            Self::Loss => "loss",
            Self::Undecided => "undecided",
        }
    }
}

impl NextRules {
    /// The rules of `acl`, beside those in force. The ceilings of robots hold for both.
    pub fn new(acl: Policy, in_force: &Authorizers) -> Self {
        let none = AuthorizationBackendSettings::default();
        Self {
            authorizers: Authorizers::new(acl, in_force.ceilings.clone(), none, None),
            beside_back_ends: in_force.has_back_ends(),
        }
    }

    /// Compares the decision `in_force` about a request with that of the next rules, and names the rule that makes the
    /// difference. `None` for a request that no rule has decided: one that needs no access, or more than its token
    /// lists.
    ///
    /// The token's list bounds only what is in force: a client asks for another token once the rules grant more.
    pub fn compare(
        &self,
        caller: Caller<'_>,
        route: Route,
        in_force: &Result<Permit, NotPermitted>,
    ) -> Option<(Comparison, Option<String>)> {
        let is_allowed = match in_force {
            _ if route.needs().is_empty() => return None,
            Ok(_) => true,
            Err(NotPermitted::Denied(denial)) if denial.by == DeniedBy::Ceiling => return None,
            Err(NotPermitted::Denied(_)) => false,
            Err(NotPermitted::ByTag(_)) => return Some((Comparison::Undecided, None)),
            Err(NotPermitted::Unavailable(_)) => return None,
        };
        let caller = Caller { ceiling: None, ..caller };
        Some(match at_once(authorize(&self.authorizers, caller, route)) {
            Some(Ok(_)) if is_allowed => (Comparison::Same, None),
            Some(Ok(permit)) => (Comparison::Gain, Some(permit.decided_by())),
            Some(Err(NotPermitted::Denied(denial))) => match denial.by {
                DeniedBy::Policy(DecidedBy::NoRule) if self.beside_back_ends => (Comparison::Undecided, None),
                _ if !is_allowed => (Comparison::Same, None),
                by => (Comparison::Loss, Some(by.in_full())),
            },
            Some(Err(NotPermitted::ByTag(_) | NotPermitted::Unavailable(_))) | None => {
                (Comparison::Undecided, None)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;
    use crate::{
        authz::{CeilingSettings, Ceilings, LeftOut, RuleSettings},
        backend::CommandSettings,
        registry::Scope,
    };

    fn policy(rules: &[(&str, &[&str])]) -> Policy {
        let rule = |(conditions, actions): &(&str, &[&str])| {
            let mut rule = RuleSettings {
                actions: actions.iter().map(|action| (*action).to_owned()).collect(),
                ..RuleSettings::default()
            };
            for condition in conditions.split_whitespace() {
                let (key, pattern) = condition.split_once('=').unwrap();
                match key {
                    "account" => rule.account = Some(pattern.to_owned()),
                    "name" => rule.name = Some(pattern.to_owned()),
                    "tag" => rule.tags = Some(vec![pattern.to_owned()]),
                    label => drop(rule.labels.insert(label.to_owned(), pattern.to_owned())),
                }
            }
            rule
        };
        Policy::compile(&rules.iter().map(rule).collect::<Vec<_>>()).unwrap()
    }

    /// A command that no test may start.
    fn with_command() -> AuthorizationBackendSettings {
        let command = CommandSettings { command: "/no/such/command".into(), args: Vec::new() };
        AuthorizationBackendSettings {
            ext_authz: Some(command),
            remember: Duration::ZERO,
            ..AuthorizationBackendSettings::default()
        }
    }

    #[expect(clippy::result_large_err, reason = "as `authorize` itself")]
    fn decided(authorizers: &Authorizers, caller: Caller<'_>, route: &Route) -> Result<Permit, NotPermitted> {
        at_once(authorize(authorizers, caller, route.clone())).expect("no back end is asked")
    }

    /// A request of `bob` that `now` has decided, by its token's list if there is one, and that `next` are asked about.
    struct Case<'a> {
        now: Policy,
        next: Policy,
        back_ends: AuthorizationBackendSettings,
        ceilings: Ceilings,
        left_out: &'a [(&'a str, &'a [&'a str])],
        listed: Option<&'a [Scope]>,
    }

    impl Case<'_> {
        fn of(now: &[(&str, &[&str])], next: &[(&str, &[&str])]) -> Self {
            Self {
                now: policy(now),
                next: policy(next),
                back_ends: AuthorizationBackendSettings::default(),
                ceilings: Ceilings::default(),
                left_out: &[],
                listed: None,
            }
        }

        fn compared(self, method: &str, path: &str) -> Option<(Comparison, Option<String>)> {
            let owned = |states: &[&str]| states.iter().map(|state| (*state).to_owned()).collect();
            let left_out: LeftOut =
                self.left_out.iter().map(|(label, states)| ((*label).to_owned(), owned(states))).collect();
            let caller = Caller {
                account: "bob",
                labels: &BTreeMap::new(),
                left_out: &left_out,
                ip: None,
                service: "registry",
                ceiling: self.listed,
                token_scopes: None,
                now: 0,
            };
            let route = Route::parse(method, path, None).unwrap();
            let in_force = Authorizers::new(self.now, self.ceilings, self.back_ends, None);
            let decided = decided(&in_force, caller, &route);
            NextRules::new(self.next, &in_force).compare(caller, route, &decided)
        }

        fn pull(self) -> (Comparison, Option<String>) {
            self.compared("GET", "/v2/acme/app/manifests/1").unwrap()
        }
    }

    const PULL: &[&str] = &["pull"];
    const NONE: &[(&str, &[&str])] = &[];

    #[test]
    fn a_difference_names_the_next_rule_that_makes_it() {
        let (open, closed) = (("name=acme/*", PULL), ("name=acme/app", NONE_GRANTED));
        let rule = |text: &str| Some(text.to_owned());
        for (now, next, expected) in [
            (&[open][..], &[open][..], (Comparison::Same, None)),
            (NONE, NONE, (Comparison::Same, None)),
            (&[closed], NONE, (Comparison::Same, None)),
            (&[open], &[closed, open], (Comparison::Loss, rule("rule 1"))),
            (&[open], NONE, (Comparison::Loss, rule("no rule matches"))),
            (&[closed], &[("account=al", PULL), open], (Comparison::Gain, rule("rule 2"))),
        ] {
            assert_eq!(Case::of(now, next).pull(), expected, "{now:?} {next:?}");
        }
    }

    const NONE_GRANTED: &[&str] = &[];

    #[test]
    fn a_request_that_no_rule_has_decided_is_not_compared() {
        let open = &[("name=acme/*", PULL)][..];
        assert_eq!(Case::of(open, NONE).compared("GET", "/v2/"), None);
        let narrow = Case { listed: Some(&[]), ..Case::of(open, NONE) };
        assert_eq!(narrow.compared("GET", "/v2/acme/app/manifests/1"), None);
    }

    /// It was issued by the rules in force: a client asks for another once it may have more.
    #[test]
    fn what_a_token_lists_does_not_hide_a_gain() {
        let case = Case { listed: Some(&[]), ..Case::of(NONE, &[("name=acme/*", PULL)]) };
        assert_eq!(case.pull().0, Comparison::Gain);
    }

    #[test]
    fn the_ceiling_of_a_robot_holds_in_both() {
        let bound = CeilingSettings {
            account: "bob".to_owned(),
            scopes: Some(vec!["repository:other/*:pull".to_owned()]),
            ..CeilingSettings::default()
        };
        let ceilings = Ceilings::compile(&[bound]).unwrap();
        let case = Case { ceilings, ..Case::of(NONE, &[("name=acme/*", PULL)]) };
        assert_eq!(case.pull(), (Comparison::Same, None));
    }

    #[test]
    fn rule_56_no_back_end_is_asked_for_the_next_rules() {
        let open = &[("name=acme/*", PULL)][..];
        let beside = |next| Case { back_ends: with_command(), ..Case::of(open, next) };
        assert_eq!(beside(NONE).pull(), (Comparison::Undecided, None));
        assert_eq!(beside(&[("name=acme/app", NONE_GRANTED)]).pull().0, Comparison::Loss);
        assert_eq!(beside(open).pull().0, Comparison::Same);
    }

    #[test]
    fn what_depends_on_tags_or_on_labels_that_are_not_known_is_undecided() {
        let (open, by_tag) = (&[("name=acme/*", PULL)][..], &[("name=acme/* tag=v*", PULL)][..]);
        let digest = format!("/v2/acme/app/manifests/sha256:{}", "0".repeat(64));
        let by_digest = |now, next| Case::of(now, next).compared("GET", &digest).unwrap();
        assert_eq!(by_digest(open, by_tag), (Comparison::Undecided, None));
        assert_eq!(by_digest(by_tag, open), (Comparison::Undecided, None));
        let labelled = &[("name=acme/* group=ops", NONE_GRANTED), ("name=acme/*", PULL)][..];
        let unknown = Case { left_out: &[("group", &["", ""])], ..Case::of(open, labelled) };
        assert_eq!(unknown.pull(), (Comparison::Undecided, None));
        assert_eq!(Case::of(open, labelled).pull().0, Comparison::Same);
    }
}
