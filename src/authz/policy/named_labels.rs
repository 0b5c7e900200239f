//! Finds the labels of an account, and the values of them, that a list of rules looks at: a token has to carry these.
//!
//! Labels that a token leaves out must never be read as missing: a rule that denies by a label would not be met. So
//! it is written down for each label which conditions were looked at, and rules with others refuse to decide.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};

use super::rule::Rule;
use crate::authz::{RuleSettings, patterns::pattern::Pattern};

/// Label to values.
pub(in crate::authz) type Labels = BTreeMap<String, Vec<String>>;

/// The labels that a token does not carry, or not with all values, each with the state of the rules of `acl` and of
/// `acl_xorm` about it.
pub type LeftOut = BTreeMap<String, Vec<String>>;

/// The indices of `acl` and `acl_xorm` in the states of a label in [`LeftOut`].
pub(in crate::authz) const IN_ACL: usize = 0;
pub(in crate::authz) const IN_ACL_XORM: usize = 1;

/// The conditions on labels in a list of rules.
#[derive(Debug, Clone, Default)]
pub(in crate::authz) struct NamedLabels(BTreeMap<String, Conditions>);

/// The conditions on one label.
#[derive(Debug, Clone, Default)]
struct Conditions {
    /// `${labels:…}`, or a pattern with placeholders: every value may be the one that counts.
    all_values: bool,
    /// Patterns by their text.
    patterns: BTreeMap<String, Pattern>,
    /// A fingerprint of all of them: the same for the same.
    state: String,
}

/// With more patterns on one label all its values travel, so that a login is not held against each of 100,000.
const MOST_PATTERNS: usize = 1_000;

/// Bytes of the digest that stands for the conditions on a label.
const STATE_BYTES: usize = 12;

/// Parts labels into what these rules look at, `acl` first, and the states of the rest. Of rules that are not known
/// nothing is looked at yet.
pub(in crate::authz) fn part(labels: &Labels, rules: [Option<&NamedLabels>; 2]) -> (Labels, LeftOut) {
    let (mut carried, mut left_out) = (Labels::new(), LeftOut::new());
    for (label, values) in labels {
        let known = rules.iter().flatten();
        // One with a brace in its name makes rules with placeholders unclear, whatever its values are: see `template`.
        let is_named = label.contains(['{', '}']) || known.clone().any(|rules| rules.0.contains_key(label));
        let looked_at = |value: &&String| known.clone().any(|rules| rules.look_at(label, value));
        let kept: Vec<String> = values.iter().filter(looked_at).cloned().collect();
        if !is_named || kept.len() < values.len() {
            let state =
                |rules: Option<&NamedLabels>| rules.map_or_else(String::new, |rules| rules.state(label));
            left_out.insert(label.clone(), rules.map(state).to_vec());
        }
        if is_named {
            carried.insert(label.clone(), kept);
        }
    }
    (carried, left_out)
}

impl NamedLabels {
    /// The conditions of these rules, which were compiled from `settings`.
    pub(in crate::authz) fn of(rules: &[Rule], settings: &[RuleSettings]) -> Self {
        let mut named: BTreeMap<String, Conditions> = BTreeMap::new();
        for (rule, settings) in rules.iter().zip(settings) {
            for label in rule.label_placeholders() {
                named.entry(label.to_owned()).or_default().all_values = true;
            }
            for (label, pattern) in rule.labels() {
                let text = settings.labels.get(label).cloned().unwrap_or_default();
                named.entry(label.to_owned()).or_default().add(text, pattern);
            }
        }
        named.values_mut().for_each(Conditions::seal);
        Self(named)
    }

    /// Returns whether these rules look at a label that was left out when their conditions on it were others. `place`
    /// is theirs in the states of a label.
    pub(in crate::authz) fn need(&self, left_out: &LeftOut, place: usize) -> bool {
        left_out.iter().any(|(label, states)| {
            let conditions = self.0.get(label);
            conditions.is_some_and(|conditions| states.get(place) != Some(&conditions.state))
        })
    }

    fn look_at(&self, label: &str, value: &str) -> bool {
        self.0.get(label).is_some_and(|conditions| conditions.look_at(value))
    }

    /// Empty where there are no conditions on the label.
    fn state(&self, label: &str) -> String {
        self.0.get(label).map(|conditions| conditions.state.clone()).unwrap_or_default()
    }
}

impl Conditions {
    fn add(&mut self, text: String, pattern: &Pattern) {
        self.all_values |= pattern.template().is_some() || self.patterns.len() >= MOST_PATTERNS;
        if !self.all_values {
            self.patterns.entry(text).or_insert_with(|| pattern.clone());
        }
    }

    fn look_at(&self, value: &str) -> bool {
        self.all_values || self.patterns.values().any(|pattern| pattern.always_matches(value))
    }

    fn seal(&mut self) {
        if self.all_values {
            self.patterns.clear();
        }
        let mut written = vec![u8::from(self.all_values)];
        for text in self.patterns.keys() {
            written.extend((text.len() as u64).to_be_bytes());
            written.extend(text.as_bytes());
        }
        let digest = digest::digest(&digest::SHA256, &written);
        self.state = BASE64URL.encode(digest.as_ref().get(..STATE_BYTES).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::{Policy, Validity};

    /// The policy of rules with these patterns on the label `group`, each beside a pattern of the name.
    fn policy(rules: &[(Option<&str>, &str)]) -> Policy {
        let rule = |(group, name): &(Option<&str>, &str)| RuleSettings {
            name: Some((*name).to_owned()),
            labels: group.iter().map(|text| ("group".to_owned(), (*text).to_owned())).collect(),
            ..RuleSettings::default()
        };
        Policy::compile(&rules.iter().map(rule).collect::<Vec<_>>()).unwrap()
    }

    fn labels(written: &[(&str, &[&str])]) -> Labels {
        let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        written.iter().map(|(label, values)| ((*label).to_owned(), owned(values))).collect()
    }

    fn part_by(policy: &Policy, of_account: &Labels) -> (Labels, LeftOut) {
        part(of_account, [Some(policy.named_labels()), None])
    }

    fn needs(policy: &Policy, left_out: &LeftOut) -> bool {
        policy.named_labels().need(left_out, IN_ACL)
    }

    /// Or a token would have to be fetched anew when the rule begins, and a rule that denies would not see the label.
    #[test]
    fn a_rule_looks_at_labels_outside_its_time_too() {
        let rule = RuleSettings {
            labels: BTreeMap::from([("group".to_owned(), "ops".to_owned())]),
            validity: Validity { from: Some(u64::MAX), until: None },
            ..RuleSettings::default()
        };
        let (carried, left_out) =
            part_by(&Policy::compile(&[rule]).unwrap(), &labels(&[("group", &["ops", "dev"])]));
        assert_eq!(carried, labels(&[("group", &["ops"])]));
        assert_eq!(left_out.len(), 1);
    }

    #[test]
    fn values_that_a_condition_may_look_at_are_carried_and_no_others() {
        let account = labels(&[("group", &["dev", "ops", "web-1"]), ("city", &["Ulm"]), ("none", &[])]);
        for (rules, carried) in [
            (policy(&[(None, "*")]), labels(&[])),
            (policy(&[(Some("ops"), "*")]), labels(&[("group", &["ops"])])),
            (policy(&[(Some("web-*"), "*"), (Some("/^d/"), "*")]), labels(&[("group", &["dev", "web-1"])])),
            (policy(&[(Some("qa"), "*")]), labels(&[("group", &[])])),
            (policy(&[(Some("${account}"), "*")]), labels(&[("group", &["dev", "ops", "web-1"])])),
            (policy(&[(None, "${labels:group}/*")]), labels(&[("group", &["dev", "ops", "web-1"])])),
            (policy(&[(None, "/^${labels:none}$/")]), labels(&[("none", &[])])),
        ] {
            let (kept, left_out) = part_by(&rules, &account);
            assert_eq!(kept, carried);
            assert!(!needs(&rules, &left_out), "the same rules decide by what they asked for");
            for (label, values) in &account {
                assert_eq!(left_out.contains_key(label), kept.get(label) != Some(values), "{label}");
            }
        }
    }

    #[test]
    fn rules_that_look_at_more_than_was_carried_do_not_decide() {
        let account = labels(&[("group", &["dev", "ops"]), ("empty", &[])]);
        let before = policy(&[(Some("ops"), "a")]);
        let (_, left_out) = part_by(&before, &account);
        for (after, lacks) in [
            (policy(&[(Some("ops"), "b"), (None, "*")]), false),
            (policy(&[(None, "*")]), false),
            (policy(&[(Some("dev"), "a")]), true),
            (policy(&[(Some("ops"), "a"), (Some("dev"), "b")]), true),
            (policy(&[(Some("o*"), "a")]), true),
            (policy(&[(None, "${labels:group}/*")]), true),
            (policy(&[(None, "${labels:empty}/*")]), true),
            (policy(&[(None, "${labels:other}/*")]), false),
        ] {
            assert_eq!(needs(&after, &left_out), lacks, "{after:?}");
        }
        let in_the_other_place = |rules: &Policy| rules.named_labels().need(&left_out, IN_ACL_XORM);
        assert!(in_the_other_place(&before), "these rules were not known");
    }

    #[test]
    fn a_label_with_a_brace_in_its_name_is_never_missing() {
        let account = labels(&[("a}${labels:b", &["x"])]);
        assert_eq!(part_by(&policy(&[(None, "*")]), &account).0, labels(&[("a}${labels:b", &[])]));
    }

    #[test]
    fn many_patterns_on_one_label_let_all_its_values_travel() {
        let texts: Vec<String> = (0..=MOST_PATTERNS).map(|n| format!("group-{n}")).collect();
        let rules: Vec<_> = texts.iter().map(|text| (Some(text.as_str()), "*")).collect();
        let account = labels(&[("group", &["dev"])]);
        assert_eq!(part_by(&policy(&rules[..MOST_PATTERNS]), &account).0, labels(&[("group", &[])]));
        assert_eq!(part_by(&policy(&rules), &account).0, account);
    }
}
