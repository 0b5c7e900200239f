//! The policy: the rules in order, of which the first that matches decides.
//!
//! A policy is immutable; a reload makes a new one. Default is deny: a question that no rule matches is granted
//! nothing.

pub(super) mod candidates;
pub(super) mod index;
pub(super) mod named_labels;
pub(super) mod rule;
pub(super) mod shape;
pub(super) mod unreachable_rules;
pub(super) mod validity;

use super::{RuleSettings, question::Question};
use index::Index;
use named_labels::NamedLabels;
use rule::{Condition, Rule, RuleError, Verdict};

/// A compiled ACL.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    rules: Vec<Rule>,
    index: Index,
    named_labels: NamedLabels,
    looks_at_tags: bool,
}

/// The answer of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The first rule that matches, counted from 0; `None` when no rule does.
    pub rule: Option<usize>,
    /// The granted ones of the requested actions; empty when no rule matched, or when the matching one grants none.
    pub actions: Vec<String>,
    /// The actions withheld by earlier rules that may match or not.
    pub withheld: Option<Withheld>,
    /// The part of rules with a `tag`; `None` where none that looks at tags could decide.
    pub tags: Option<TagBound>,
}

/// The bounds set by rules with a `tag`, where the tag is not known: what is granted lies between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagBound {
    /// The first such rule, counted from 0.
    pub by: usize,
    /// The requested actions that one of them grants to its tags.
    pub some: Vec<String>,
    /// The requested actions that each of them grants.
    pub all: Vec<String>,
}

/// The bound set by rules that may match or not: later rules grant only the actions that these grant, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// The first such rule that grants less than what is asked for, counted from 0.
    pub by: usize,
    /// The requested actions that all of them grant.
    pub left: Vec<String>,
}

impl Policy {
    /// Compiles the rules of an ACL.
    ///
    /// # Errors
    /// Everything that is wrong with every rule, in order.
    pub fn compile(settings: &[RuleSettings]) -> Result<Self, Vec<RuleError>> {
        let mut rules = Vec::with_capacity(settings.len());
        let mut errors = Vec::new();
        for (index, rule) in settings.iter().enumerate() {
            match Rule::compile(index, rule) {
                Ok(rule) => rules.push(rule),
                Err(wrong) => errors.extend(wrong),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            index: Index::new(&rules),
            named_labels: NamedLabels::of(&rules, settings),
            looks_at_tags: rules.iter().any(Rule::has_tag),
            rules,
        })
    }

    /// Decides a question, as docker_auth: the first rule that matches ends the search, whatever it grants.
    ///
    /// If it cannot be told whether a rule matches, the answer is what both ways grant: the rule that decides, and
    /// the search without it.
    pub fn decide(&self, question: &Question<'_>) -> Decision {
        let mut withheld: Option<Withheld> = None;
        let mut tags: Option<TagBound> = None;
        let candidates = self.index.candidates(question);
        for (index, rule) in candidates.filter_map(|index| Some((index, self.rules.get(index)?))) {
            let verdict = rule.judge(question);
            let looks_at_tag = rule.has_tag()
                && rule.validity().holds_at(question.now)
                && !matches!(verdict, Verdict::Unmet(condition) if condition != Condition::Tag);
            if looks_at_tag {
                tags.get_or_insert_with(|| TagBound::new(index, question.actions));
            }
            match verdict {
                Verdict::Unmet(_) => {}
                Verdict::Matches => {
                    let mut actions = rule.grant(question.actions);
                    withheld.iter().for_each(|withheld| withheld.narrow(&mut actions));
                    return Decision { rule: Some(index), actions, withheld, tags };
                }
                Verdict::ForSomeTags => {
                    let mut granted = rule.grant(question.actions);
                    withheld.iter().for_each(|withheld| withheld.narrow(&mut granted));
                    tags.iter_mut().for_each(|tags| tags.add(&granted));
                }
                // For tags that it does not match, it withholds nothing.
                Verdict::Unclear(..) if looks_at_tag && question.tag.is_none() => {
                    tags.iter_mut().for_each(|tags| tags.all.retain(|action| rule.grants(action)));
                }
                Verdict::Unclear(..) if question.actions.iter().all(|action| rule.grants(action)) => {}
                Verdict::Unclear(..) => {
                    let of = withheld
                        .get_or_insert_with(|| Withheld { by: index, left: question.actions.to_vec() });
                    of.left.retain(|action| rule.grants(action));
                    if of.left.is_empty() {
                        break;
                    }
                }
            }
        }
        Decision { rule: None, actions: Vec::new(), withheld, tags }
    }

    /// The first rule before `end` that grants all requested actions for some tags, where the tag is not known.
    pub(super) fn granting_some_tags(&self, question: &Question<'_>, end: Option<usize>) -> Option<usize> {
        let before = self.rules.iter().take(end.unwrap_or(self.rules.len()));
        let grants_all = |rule: &Rule| question.actions.iter().all(|action| rule.grants(action));
        before.into_iter().position(|rule| rule.judge(question) == Verdict::ForSomeTags && grants_all(rule))
    }

    /// The labels of an account that its rules look at.
    pub(super) fn named_labels(&self) -> &NamedLabels {
        &self.named_labels
    }

    /// Returns true if a rule looks at tags.
    pub(super) fn looks_at_tags(&self) -> bool {
        self.looks_at_tags
    }

    /// Returns the number of rules.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Returns true if there are no rules: then nothing is granted.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rule at `index`, counted from 0, as a [`Decision`] names it.
    pub fn rule(&self, index: usize) -> Option<&Rule> {
        self.rules.get(index)
    }
}

impl TagBound {
    fn new(by: usize, requested: &[String]) -> Self {
        Self { by, some: Vec::new(), all: requested.to_vec() }
    }

    /// One more rule, which grants this to its tags.
    fn add(&mut self, granted: &[String]) {
        self.all.retain(|action| granted.contains(action));
        for action in granted {
            if !self.some.contains(action) {
                self.some.push(action.clone());
            }
        }
    }
}

impl Withheld {
    /// Takes away what is withheld.
    pub(super) fn narrow(&self, actions: &mut Vec<String>) {
        actions.retain(|action| self.left.contains(action));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns true if a rule with these patterns for the account and the name matches.
    fn matches(account: (&str, &str), name: (&str, &str), labels: &[(&str, &[&str])]) -> bool {
        let rule = RuleSettings {
            account: Some(account.0.to_owned()),
            name: Some(name.0.to_owned()),
            actions: vec!["*".to_owned()],
            ..RuleSettings::default()
        };
        let owned = |(label, values): &(&str, &[&str])| {
            ((*label).to_owned(), values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>())
        };
        let question = Question {
            account: account.1,
            labels: &labels.iter().map(owned).collect(),
            ip: None,
            service: "registry.example",
            resource_type: "repository",
            name: name.1,
            tag: None,
            actions: &[],
            token_scopes: None,
            now: 0,
        };
        Policy::compile(&[rule]).unwrap().decide(&question).rule.is_some()
    }

    const MAIL: &str = "/^(.+)@x$/";

    #[test]
    fn placeholders_are_literal() {
        for name in ["${account:1}/*", "/^${account:1}\\/.*$/"] {
            assert!(matches((MAIL, "a.b@x"), (name, "a.b/app"), &[]));
            assert!(!matches((MAIL, "a.b@x"), (name, "axb/app"), &[]));
            assert!(!matches((MAIL, "*@x"), (name, "axb/app"), &[]));
            assert!(!matches((MAIL, ".*|@x"), (name, "axb/app"), &[]));
        }
        assert!(!matches(("*", "u"), ("${labels:g}/*", "secret/app"), &[("g", &["*"])]));
        assert!(
            matches(("*", "K"), ("/(?i)^${account}$/", "k"), &[])
                && !matches(("*", "ß"), ("/(?i)^${account}$/", "S"), &[])
                && !matches(("*", "ı"), ("/(?i)^${account}$/", "i"), &[])
        );
    }

    #[test]
    fn a_patterns_kind_is_fixed_at_load() {
        assert!(!matches(("${account}", "/.*/"), ("${account}", "secret"), &[]));
        assert!(
            !matches(("${account}", ""), ("/${account}/", "secret"), &[]),
            "an empty expression matches everything"
        );
    }

    #[test]
    fn occurrences_of_one_label_agree() {
        let labels: &[(&str, &[&str])] = &[("g", &["dev", "ops"])];
        for name in ["${labels:g}-${labels:g}", "/^${labels:g}-${labels:g}$/", "/^(?:${labels:g}-?)+$/"] {
            assert!(matches(("*", "u"), (name, "ops-ops"), labels), "{name}");
            assert!(!matches(("*", "u"), (name, "dev-ops"), labels), "{name}");
        }
    }

    #[test]
    fn an_empty_label_leaves_no_combination() {
        let labels: &[(&str, &[&str])] = &[("g", &["dev"]), ("e", &[])];
        assert!(!matches(("*", "u"), ("/^(${labels:g}|${labels:e})$/", "dev"), labels));
        assert!(matches(("*", "u"), ("/^(${labels:g}|${labels:none})$/", "dev"), labels));
    }

    #[test]
    fn many_values_that_all_fit_take_no_time() {
        let values: Vec<String> = (1..=100).map(|n| "a".repeat(n)).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let labels: &[(&str, &[&str])] = &[("a", &values), ("b", &values), ("c", &values)];
        let subject = "a".repeat(250) + "b";
        for name in ["${labels:a}${labels:b}${labels:c}", "/^${labels:a}${labels:b}${labels:c}$/"] {
            assert!(!matches(("*", "u"), (name, &subject), labels));
            assert!(matches(("*", "u"), (name, &subject[..250]), labels));
        }
    }

    #[test]
    fn every_error_is_reported_with_its_place() {
        let bad = |line| RuleSettings {
            name: Some("a[".to_owned()),
            ip: Some("10.0.0".to_owned()),
            line,
            ..RuleSettings::default()
        };
        let errors = Policy::compile(&[RuleSettings::default(), bad(7), bad(9)]).unwrap_err();
        let places: Vec<_> = errors.iter().map(|e| (e.rule, e.line, e.key.as_str())).collect();
        assert_eq!(
            places,
            [(1, 7, "match.ip"), (1, 7, "match.name"), (2, 9, "match.ip"), (2, 9, "match.name")]
        );
        assert!(
            errors[1].to_string().starts_with("acl rule 2 (line 7), match.name: \"a[\" is a malformed glob")
        );
    }
}
