//! The index of a policy: which of many rules can match a question at all.
//!
//! The final match of a candidate is left to the rule, in `policy`.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    iter::successors,
};

use super::{
    candidates::{Candidates, Run},
    rule::Rule,
};
use crate::authz::{
    patterns::{pattern::Pattern, placeholder::Field, template::is_syntax},
    question::Question,
};

/// The rules of a policy by what each asks for literally.
///
/// It never changes a decision. A rule stands under one of its conditions on the account, the name or a label, and only
/// where that condition can hold for nothing but this text, or for nothing but texts that begin with it. Conditions are
/// ANDed, so a question that the rule matches has such an account, name or value. [`Index::candidates`] finds every
/// text of the question itself and every start of it. Rules without such a condition are candidates always. Those whose
/// expression a value can change (see [`Pattern::is_loose`]) are candidates where a text of the question has syntax. So
/// the candidates are a superset of the rules that match, or may match. They come in the order of the rules, and each
/// is asked in full: the first that matches is the one that a search through all rules would find. Placeholders end a
/// literal start, so nothing of a question, which a client may choose, ever takes part in building it.
///
/// A question costs a look-up for each of its texts, and a full check for each rule that shares its key with them.
#[derive(Debug, Clone, Default)]
pub(in crate::authz) struct Index {
    /// The indices of all rules; those under one key stand together, ascending. Then those of `loose`.
    rules: Vec<usize>,
    /// The rules that are candidates always.
    always: Run,
    /// The rules that also are where a text of the question has syntax.
    loose: Run,
    account: Table,
    name: Table,
    labels: BTreeMap<String, Table>,
}

/// The keys on one account, name or label.
#[derive(Debug, Clone, Default)]
struct Table {
    texts: HashMap<Box<[u8]>, Run>,
    /// Sorted, each once.
    starts: Vec<Start>,
}

/// Rules whose subject begins with a text.
#[derive(Debug, Clone)]
struct Start {
    text: Box<[u8]>,
    rules: Run,
    /// The longest other one that this one begins with.
    parent: Option<usize>,
}

/// The literal text that a rule requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key<'r> {
    slot: Slot<'r>,
    literal: Literal<'r>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Slot<'r> {
    Account,
    Name,
    Label(&'r str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Literal<'r> {
    /// This and nothing else.
    Text(&'r [u8]),
    /// This at the beginning; never empty.
    Start(&'r [u8]),
}

impl Index {
    /// Indexes rules, each under the key that it shares with the fewest others.
    pub(in crate::authz) fn new(rules: &[Rule]) -> Self {
        let mut uses: HashMap<Key<'_>, usize> = HashMap::new();
        for key in rules.iter().flat_map(keys) {
            *uses.entry(key).or_default() += 1;
        }
        let best = |rule| keys(rule).min_by_key(|key| (uses.get(key), key.literal.commonness()));
        let mut keyed: Vec<_> = rules.iter().map(best).zip(0..).collect();
        keyed.sort_unstable();
        let mut index = Self { rules: keyed.iter().map(|(_, rule)| *rule).collect(), ..Self::default() };
        let mut start = 0;
        for group in keyed.chunk_by(|(a, _), (b, _)| a == b) {
            let end = start + group.len();
            if let Some((key, _)) = group.first() {
                index.add(*key, Run { start, end });
            }
            start = end;
        }
        index.rules.extend((0..).zip(rules).filter(|(_, rule)| is_loose(rule)).map(|(index, _)| index));
        index.loose = Run { start, end: index.rules.len() };
        index
    }

    /// The rules that can match, ascending.
    pub(in crate::authz) fn candidates(&self, question: &Question<'_>) -> Candidates<'_> {
        let mut found = Candidates::new(&self.rules);
        found.add(self.always);
        if self.loose.start < self.loose.end && question.texts().any(is_syntax) {
            found.add(self.loose);
        }
        self.account.find(question.account, &mut found);
        self.name.find(question.name, &mut found);
        for (label, table) in &self.labels {
            let values = question.labels.get(label).into_iter().flatten();
            values.for_each(|value| table.find(value, &mut found));
        }
        found
    }

    /// Keys must come in their order.
    fn add(&mut self, key: Option<Key<'_>>, rules: Run) {
        let Some(Key { slot, literal }) = key else {
            self.always = rules;
            return;
        };
        match slot {
            Slot::Account => self.account.add(literal, rules),
            Slot::Name => self.name.add(literal, rules),
            Slot::Label(label) => self.labels.entry(label.to_owned()).or_default().add(literal, rules),
        }
    }
}

impl Table {
    fn add(&mut self, literal: Literal<'_>, rules: Run) {
        match literal {
            Literal::Text(text) => drop(self.texts.insert(text.into(), rules)),
            Literal::Start(text) => {
                let last = self.starts.len().checked_sub(1);
                let parent = self.upwards(last).find(|(_, start)| text.starts_with(&start.text));
                let parent = parent.map(|(at, _)| at);
                self.starts.push(Start { text: text.into(), rules, parent });
            }
        }
    }

    /// Adds the rules for `subject`.
    ///
    /// Whatever sorts between a start of the subject and the subject has that start, too: so all starts of the subject
    /// are found from the last one that does not sort behind it, upwards.
    fn find(&self, subject: &str, found: &mut Candidates<'_>) {
        let subject = subject.as_bytes();
        if let Some(rules) = self.texts.get(subject) {
            found.add(*rules);
        }
        let nearest = self.starts.partition_point(|start| &*start.text <= subject).checked_sub(1);
        let upwards = self.upwards(nearest).map(|(_, start)| start);
        upwards
            .skip_while(|start| !subject.starts_with(&start.text))
            .for_each(|start| found.add(start.rules));
    }

    /// The start at `at`, its parent, and so on.
    fn upwards(&self, at: Option<usize>) -> impl Iterator<Item = (usize, &Start)> {
        let place = move |at: usize| Some((at, self.starts.get(at)?));
        successors(at.and_then(place), move |(_, start)| start.parent.and_then(place))
    }
}

/// All that a rule could stand under.
fn keys(rule: &Rule) -> impl Iterator<Item = Key<'_>> {
    let fields = [(Slot::Account, Field::Account), (Slot::Name, Field::Name)];
    let fields = fields.into_iter().filter_map(|(slot, field)| Some((slot, rule.field(field)?)));
    let labels = rule.labels().map(|(label, pattern)| (Slot::Label(label), pattern));
    fields.chain(labels).filter_map(|(slot, pattern)| Some(Key { slot, literal: literal(pattern)? }))
}

fn is_loose(rule: &Rule) -> bool {
    let fields = [Field::Account, Field::Name].into_iter().filter_map(|field| rule.field(field));
    fields.chain(rule.labels().map(|(_, pattern)| pattern)).any(Pattern::is_loose)
}

fn literal(pattern: &Pattern) -> Option<Literal<'_>> {
    if let Some(text) = pattern.as_text() {
        return Some(Literal::Text(text.as_bytes()));
    }
    let start = pattern.literal_prefix();
    (!start.is_empty()).then_some(Literal::Start(start))
}

impl Literal<'_> {
    /// Ranks two literals that equally many rules ask for by the probable number of questions.
    fn commonness(&self) -> (bool, Reverse<usize>) {
        match self {
            Self::Text(text) => (false, Reverse(text.len())),
            Self::Start(text) => (true, Reverse(text.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::RuleSettings;

    /// A rule from `account=pattern`, `name=pattern` or `label=pattern`.
    fn rule(conditions: &[&str]) -> RuleSettings {
        let mut rule = RuleSettings::default();
        for condition in conditions {
            match condition.split_once('=').unwrap() {
                ("account", text) => rule.account = Some(text.to_owned()),
                ("name", text) => rule.name = Some(text.to_owned()),
                (label, text) => drop(rule.labels.insert(label.to_owned(), text.to_owned())),
            }
        }
        rule
    }

    fn index(rules: &[RuleSettings]) -> Index {
        let rules: Vec<Rule> = rules.iter().map(|rule| Rule::compile(0, rule).unwrap()).collect();
        Index::new(&rules)
    }

    fn candidates(index: &Index, account: &str, name: &str, g: &[&str]) -> Vec<usize> {
        let labels = BTreeMap::from([("g".to_owned(), g.iter().map(|v| (*v).to_owned()).collect())]);
        let question = Question {
            account,
            labels: &labels,
            ip: None,
            service: "s",
            resource_type: "repository",
            name,
            tag: None,
            actions: &[],
            token_scopes: None,
            now: 0,
        };
        index.candidates(&question).collect()
    }

    #[test]
    fn only_rules_that_share_a_text_with_the_question_are_candidates() {
        let rules = [
            rule(&["account=alice"]),
            rule(&["account=al*"]),
            rule(&["name=team-1/*"]),
            rule(&["name=/^team-12\\/.+$/"]),
            rule(&["name=team-${account}"]),
            rule(&["g=dev"]),
            rule(&["g=d*"]),
            rule(&["account="]),
            rule(&["name=*/app"]),
            rule(&["account=bob", "name=x*", "g=q"]),
            rule(&[]),
        ];
        let index = index(&rules);
        assert_eq!(candidates(&index, "zoe", "zoo", &[]), [8, 10]);
        assert_eq!(candidates(&index, "", "zoo", &[]), [7, 8, 10]);
        assert_eq!(candidates(&index, "alice", "zoo", &[]), [0, 1, 8, 10]);
        assert_eq!(candidates(&index, "al", "team-1", &["dev", "do", "dev"]), [1, 4, 5, 6, 8, 10]);
        assert_eq!(candidates(&index, "zoe", "team-1/", &[""]), [2, 4, 8, 10]);
        assert_eq!(candidates(&index, "zoe", "team-12/a", &["e"]), [3, 4, 8, 10]);
        assert_eq!(candidates(&index, "Alice", "Team-1/", &["Dev"]), [8, 10]);
    }

    #[test]
    fn a_rule_stands_under_the_key_that_fewest_share() {
        let rules: Vec<_> = (0..1_000)
            .map(|n| match n % 3 {
                0 => rule(&["account=ci", &format!("name=team{n}/*")]),
                1 => rule(&["name=shared/*", &format!("account=user{n}")]),
                _ => rule(&["account=ci", "name=shared/*", &format!("g=value{n}")]),
            })
            .collect();
        let index = index(&rules);
        assert_eq!(candidates(&index, "ci", "shared/app", &["value500"]), [500]);
        assert_eq!(candidates(&index, "ci", "team501/app", &["value501"]), [501]);
        assert_eq!(candidates(&index, "user502", "shared/app", &["value502"]), [502]);
        assert_eq!(candidates(&index, "user502", "shared/app", &["value500"]), [500, 502]);
    }

    #[test]
    fn starts_within_starts_are_all_found() {
        let deep: Vec<_> = (1..=200).map(|n| rule(&[&format!("name={}*", "a".repeat(n))])).collect();
        let index = index(&deep);
        let name = "a".repeat(150);
        assert_eq!(candidates(&index, "u", &name, &[]), (0..150).collect::<Vec<_>>());
        assert_eq!(candidates(&index, "u", &(name + "b"), &[]), (0..150).collect::<Vec<_>>());
        assert_eq!(candidates(&index, "u", "b", &[]), [0; 0]);
    }

    #[test]
    fn a_policy_without_rules_has_no_candidates() {
        assert_eq!(candidates(&index(&[]), "a", "b", &["c"]), [0; 0]);
    }
}
