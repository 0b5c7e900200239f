//! Rules that can never decide, because an earlier one matches whatever they match. For a linter.
//!
//! Only what one earlier rule proves is reported, so that a rule named here may be removed. Each condition of the
//! earlier rule is one of the later rule, word for word, or holds for the only text that the later rule asks for. Two
//! globs are not compared, nor are several earlier rules taken together.

use std::collections::HashMap;

use super::rule::Rule;
use crate::authz::{
    Policy, RuleSettings,
    patterns::{pattern::Pattern, placeholder::Field},
};

/// Pairs of rules that are compared closely; beyond that nothing more is found. A table of rules with an account or a
/// name of its own in each needs hardly any: the bound is for 10,000 globs before 10,000 names.
const MAX_COMPARISONS: usize = 200_000;

/// A pattern that matches every text, the empty one too.
const ANYTHING: &str = "/.*/";

/// For each rule that cannot be reached, its index and that of the first rule found to hide it, both from 0.
///
/// `policy` is what `settings` compile to.
pub fn hidden_rules(policy: &Policy, settings: &[RuleSettings]) -> Vec<(usize, usize)> {
    let mut earlier = Earlier::default();
    let mut hidden = Vec::new();
    let rules = settings
        .iter()
        .enumerate()
        .filter_map(|(n, s)| Some((n, Written { rule: policy.rule(n)?, settings: s })));
    for (index, rule) in rules {
        match earlier.hider(&rule) {
            Some(by) => hidden.push((index, by)),
            // Any rule that a hidden rule hides is hidden by its hider too.
            None => earlier.add(index, rule),
        }
    }
    hidden
}

/// A compiled rule with its text.
#[derive(Clone, Copy)]
struct Written<'a> {
    rule: &'a Rule,
    settings: &'a RuleSettings,
}

/// The part of a rule that a condition is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Slot<'a> {
    Field(Field),
    Label(&'a str),
}

/// One condition on a text.
struct Condition<'a> {
    slot: Slot<'a>,
    text: &'a str,
    pattern: &'a Pattern,
}

/// The rules so far, by the one condition each is most easily told apart by.
#[derive(Default)]
struct Earlier<'a> {
    rules: Vec<(usize, Written<'a>)>,
    /// Rules by a condition's text, which a hidden rule has word for word, or as its only text.
    by_text: HashMap<(Slot<'a>, &'a str), Vec<usize>>,
    /// Rules by a condition that may hold for other texts as well.
    by_pattern: HashMap<Slot<'a>, Vec<usize>>,
    /// Without a condition on a text.
    wide: Vec<usize>,
    comparisons: usize,
}

impl<'a> Earlier<'a> {
    fn add(&mut self, index: usize, rule: Written<'a>) {
        let position = self.rules.len();
        self.rules.push((index, rule));
        let conditions: Vec<Condition<'a>> = rule.conditions().collect();
        let Some(key) = conditions.iter().min_by_key(|condition| condition.commonness()) else {
            return self.wide.push(position);
        };
        self.by_text.entry((key.slot, key.pattern.as_text().unwrap_or(key.text))).or_default().push(position);
        if key.pattern.as_text().is_none() {
            self.by_pattern.entry(key.slot).or_default().push(position);
        }
    }

    /// The first rule that matches whatever `rule` matches.
    fn hider(&mut self, rule: &Written<'a>) -> Option<usize> {
        if self.comparisons >= MAX_COMPARISONS {
            return None;
        }
        let mut candidates = self.wide.clone();
        for Condition { slot, text, pattern } in rule.all_conditions() {
            let only = pattern.as_text();
            let same = self.by_text.get(&(slot, only.unwrap_or(text)));
            let wider = only.and_then(|_| self.by_pattern.get(&slot));
            candidates.extend(same.into_iter().chain(wider).flatten());
        }
        candidates.sort_unstable();
        candidates.dedup();
        candidates.truncate(MAX_COMPARISONS.saturating_sub(self.comparisons));
        self.comparisons += candidates.len();
        let found = candidates.into_iter().filter_map(|position| self.rules.get(position));
        found.into_iter().find(|(_, earlier)| earlier.hides(rule)).map(|(index, _)| *index)
    }
}

impl<'a> Written<'a> {
    /// The conditions on texts that do not always hold.
    fn conditions(self) -> impl Iterator<Item = Condition<'a>> {
        self.all_conditions().filter(|c| !(c.text == ANYTHING && matches!(c.slot, Slot::Field(_))))
    }

    fn all_conditions(self) -> impl Iterator<Item = Condition<'a>> {
        let Self { rule, settings } = self;
        let fields = settings.fields().filter_map(|(field, text)| {
            Some(Condition { slot: Slot::Field(field), text, pattern: rule.field(field)? })
        });
        let labels = settings.labels.iter().filter_map(|(label, text)| {
            Some(Condition { slot: Slot::Label(label), text, pattern: rule.label(label)? })
        });
        fields.chain(labels)
    }

    /// Returns true if this rule provably matches everything that `later` matches.
    fn hides(self, later: &Written<'a>) -> bool {
        let ip = match (self.rule.ip(), later.rule.ip()) {
            (None, _) => true,
            (Some(block), Some(other)) => block.covers(other),
            (Some(_), None) => false,
        };
        let time = self.rule.validity().covers(later.rule.validity());
        // A list of tags is compared as it is written: where it is another one, nothing is proved.
        let tags = self.settings.tags.is_none()
            || (self.settings.tags == later.settings.tags
                && self.settings.fields().eq(later.settings.fields()));
        ip && time
            && tags
            && self.conditions().all(|condition| {
                later
                    .all_conditions()
                    .any(|other| other.slot == condition.slot && self.implied(&condition, &other, later))
            })
    }

    /// Returns true if `condition` of this rule holds wherever `other`, of `later`, does.
    fn implied(self, condition: &Condition<'_>, other: &Condition<'_>, later: &Written<'_>) -> bool {
        if let Some(only) = other.pattern.as_text() {
            return condition.pattern.always_matches(only);
        }
        // `${account:1}` means a group of the rule's own expression, or nothing: it says the same in both
        // rules only when their fields are the same.
        let captures = |pattern: &Pattern| pattern.captured_fields().next().is_some();
        let same_scope = || self.settings.fields().eq(later.settings.fields());
        let plain = !captures(condition.pattern) && !captures(other.pattern);
        condition.text == other.text && (plain || same_scope())
    }
}

impl Condition<'_> {
    /// Sorts conditions by the number of rules that probably share them: an account or a name is the operator's own, a
    /// type is not.
    fn commonness(&self) -> (bool, bool) {
        let common = matches!(self.slot, Slot::Field(Field::Type | Field::Service));
        (common, self.pattern.as_text().is_none())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::authz::Validity;

    /// A rule from `key=pattern`; any other key is a label.
    fn rule(conditions: &[&str]) -> RuleSettings {
        let mut rule = RuleSettings::default();
        for condition in conditions {
            let (key, text) = condition.split_once('=').unwrap();
            let text = text.to_owned();
            match key {
                "account" => rule.account = Some(text),
                "type" => rule.resource_type = Some(text),
                "name" => rule.name = Some(text),
                "service" => rule.service = Some(text),
                "ip" => rule.ip = Some(text),
                label => drop(rule.labels.insert(label.to_owned(), text)),
            }
        }
        rule
    }

    fn hidden(rules: &[RuleSettings]) -> Vec<(usize, usize)> {
        hidden_rules(&Policy::compile(rules).unwrap(), rules)
    }

    fn hides(earlier: &[&str], later: &[&str]) -> bool {
        hidden(&[rule(earlier), rule(later)]) == [(1, 0)]
    }

    #[test]
    fn an_earlier_rule_with_fewer_or_wider_conditions_hides() {
        let hide: &[(&[&str], &[&str])] = &[
            (&[], &[]),
            (&[], &["account=a", "ip=10.0.0.1"]),
            (&["account=/.*/", "name=/.*/"], &["account=a*"]),
            (&["account=a*"], &["account=a*"]),
            (&["account=a*"], &["account=a*", "name=b/*", "g=x"]),
            (&["account=a*"], &["account=alice"]),
            (&["account=/^a/"], &["account=alice", "type=registry"]),
            (&["account=a\\b"], &["account=ab"]),
            (&["account=ab"], &["account=a\\b"]),
            (&["g=a*"], &["g=ab", "name=x"]),
            (&["name=${account}/*"], &["name=${account}/*", "account=alice"]),
            (&["name=${labels:g}/*"], &["name=${labels:g}/*", "ip=::1"]),
            (
                &["account=/^(.+)@x$/", "name=${account:1}/*"],
                &["account=/^(.+)@x$/", "name=${account:1}/*", "g=x"],
            ),
            (&["ip=10.0.0.0/8"], &["ip=10.1.0.0/16", "account=a"]),
            (&["type=repository", "account=/.+/"], &["type=repository", "account=bob"]),
        ];
        for (earlier, later) in hide {
            assert!(hides(earlier, later), "{earlier:?} {later:?}");
        }
    }

    #[test]
    fn what_cannot_be_proved_is_not_said() {
        let apart: &[(&[&str], &[&str])] = &[
            (&["account=alice"], &[]),
            (&["account=alice"], &["account=bob"]),
            (&["account=alice"], &["account=a*"]),
            (&["account=alice"], &["name=alice"]),
            (&["account=alice", "name=x"], &["account=alice"]),
            (&["name=a/*"], &["name=a/b/c"]),
            (&["name=*"], &["name=team/app"]),
            (&["name=a*"], &["name=ab*"]),
            (&["account=/.+/"], &["account="]),
            (&["g=/.*/"], &["account=alice"]),
            (&["g=x"], &["h=x"]),
            (&["name=${account}/*"], &["name=alice/*", "account=alice"]),
            (&["name=${account}"], &["name=alice", "account=alice"]),
            // Without an expression in `account` the placeholder is plain text, or it is another group.
            (&["name=${account:1}/*"], &["account=/^(.+)@x$/", "name=${account:1}/*"]),
            (&["account=/^(.+)@x$/", "name=${account:1}/*"], &["account=a@x", "name=${account:1}/*"]),
            (&["ip=10.0.0.0/8"], &["account=a"]),
            (&["ip=10.1.0.0/16"], &["ip=10.0.0.0/8"]),
            (&["ip=0.0.0.0/0"], &["ip=::1"]),
        ];
        for (earlier, later) in apart {
            assert!(!hides(earlier, later), "{earlier:?} {later:?}");
        }
    }

    #[test]
    fn a_rule_for_a_time_hides_what_holds_within_that_time_only() {
        let bounded = |conditions: &[&str], from: Option<u64>, until: Option<u64>| RuleSettings {
            validity: Validity { from, until },
            ..rule(conditions)
        };
        let all = [(None, None), (Some(2), None), (None, Some(5)), (Some(2), Some(5)), (Some(3), Some(4))];
        let hide: Vec<(usize, usize)> = (0..all.len())
            .flat_map(|earlier| (0..all.len()).map(move |later| (earlier, later)))
            .filter(|(earlier, later)| {
                let rules = [
                    bounded(&[], all[*earlier].0, all[*earlier].1),
                    bounded(&["account=a"], all[*later].0, all[*later].1),
                ];
                hidden(&rules) == [(1, 0)]
            })
            .collect();
        let within = [
            (0, 0),
            (0, 1),
            (0, 2),
            (0, 3),
            (0, 4),
            (1, 1),
            (1, 3),
            (1, 4),
            (2, 2),
            (2, 3),
            (2, 4),
            (3, 3),
            (3, 4),
            (4, 4),
        ];
        assert_eq!(hide, within);
    }

    #[test]
    fn the_first_one_is_named_and_a_hidden_one_hides_nothing_more() {
        let rules = [
            rule(&["account=a*"]),
            rule(&["account=ab"]),
            rule(&["account=ab"]),
            rule(&["name=x"]),
            rule(&[]),
        ];
        assert_eq!(hidden(&rules), [(1, 0), (2, 0)]);
    }

    #[test]
    fn many_rules_are_compared_in_little_time() {
        let rules: Vec<RuleSettings> =
            (0..10_000).map(|n| rule(&["type=repository", &format!("name=team{n}/*")])).collect();
        let globs = (0..5_000).map(|n| rule(&[&format!("name=a{n}*")]));
        let all: Vec<_> = rules
            .into_iter()
            .chain(globs)
            .chain((0..5_000).map(|n| rule(&[&format!("name=b{n}")])))
            .collect();
        let policy = Policy::compile(&all).unwrap();
        let started = cpu_time();
        assert_eq!(hidden_rules(&policy, &all), []);
        let took = cpu_time() - started;
        assert!(took < Duration::from_secs(5), "{took:?} of processor time");
    }

    /// The processor time of this thread, which other load on the machine does not add to (proc_pid_stat(5): `utime`
    /// and `stime`, in hundredths of a second on every architecture of Linux).
    fn cpu_time() -> Duration {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        // Behind the name, which may have spaces and parentheses, the fields begin with the third.
        let fields = stat.rsplit_once(") ").unwrap().1.split(' ');
        let hundredths: u64 = fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(hundredths * 10)
    }
}
