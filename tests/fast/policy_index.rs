//! A policy's index against a search through all rules: random policies and questions, made of what is tricky.
//!
//! That the rules themselves match as they should is `cases_policy`.

use std::{collections::BTreeMap, net::IpAddr};

use portwarden::authz::{
    AuthorizationBackendSettings, Authorizers, Ceilings, Decision, Policy, Question, RuleSettings, TagBound,
    Validity, Verdict, Withheld,
};

use crate::support::random::Random;

const POLICIES: usize = 2_000;
const QUESTIONS: usize = 50;

/// The form of a pattern, and so the knowledge that an index may have of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Text,
    GlobWithStart,
    RegexWithStart,
    TemplateWithStart,
    Open,
}

const KINDS: [Kind; 5] =
    [Kind::Text, Kind::GlobWithStart, Kind::RegexWithStart, Kind::TemplateWithStart, Kind::Open];

/// Which condition of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    Account,
    Name,
    Label,
}

const SLOTS: [Slot; 3] = [Slot::Account, Slot::Name, Slot::Label];

/// Accounts, names and values of labels: starts of each other, syntax, the empty one, characters that share a byte.
const SUBJECTS: [&str; 30] = [
    "",
    "a",
    "al",
    "alice",
    "alice2",
    "Alice",
    "alice/app",
    "alice-x",
    "bob",
    "bob/app",
    "team",
    "team-1",
    "team-1/",
    "team-1/app",
    "team-12/app",
    "team-1/app/x",
    "TEAM-1/app",
    "team*",
    "team[1]/x",
    "a*b",
    "a\\b",
    "/",
    "/a/",
    "//",
    "é",
    "éa",
    "ê",
    "é/x",
    "b\na",
    "a.b@x",
];

const OPEN: [&str; 22] = [
    "*",
    "*/app",
    "?lice",
    "[a-t]*",
    "*-1/*",
    "[^b]*",
    "/.*/",
    "/.+/",
    "/(?i)^alice/",
    "/(?i)team-1/",
    "/^al|bob/",
    "/(?m)^a$/",
    "/app$/",
    "/^(alice|team)/",
    "/(?:^)?al/",
    "/^a?l/",
    "/^a*b/",
    "/\\b1/",
    "${account}",
    "${account}/*",
    "/^${account}\\/.*$/",
    "/${labels:h}/",
];

const TEMPLATES: [&str; 14] = [
    "team${labels:h}*",
    "al${labels:h}*",
    "a${labels:h}",
    "/^team-${labels:h}/",
    "/^al${account}/",
    "t*${account}",
    "/^(?:al)${labels:h}/",
    "team-${account}",
    "é${labels:h}*",
    "/^a(l${labels:h})/",
    "a${account}*",
    "/^al(?:${account})?/",
    "/^team-1(?:${type}|.)*$/",
    "b${account}*",
];

#[derive(Debug)]
struct Written {
    settings: RuleSettings,
    /// Its conditions on texts.
    conditions: Vec<(Slot, Kind)>,
}

impl Random {
    /// A subject, sometimes cut, sometimes with a tail.
    fn subject(&mut self) -> String {
        let mut subject = self.pick(&SUBJECTS).to_owned();
        if self.one_in(6) {
            subject.pop();
        }
        if self.one_in(6) {
            subject.push_str(self.pick(&["a", "/", "1", "é", "/app"]));
        }
        subject
    }

    /// The beginning of a subject, not empty.
    fn start(&mut self) -> String {
        let subject = self.pick(&SUBJECTS[1..]);
        let length = 1 + self.below(subject.chars().count());
        subject.chars().take(length).collect()
    }

    /// A text as a glob spells it, with a backslash here and there where none is needed.
    fn as_glob(&mut self, text: &str) -> String {
        let mut glob = String::new();
        for c in text.chars() {
            if "*?[\\".contains(c) || self.one_in(5) {
                glob.push('\\');
            }
            glob.push(c);
        }
        glob
    }

    fn as_regex(&mut self, text: &str) -> String {
        let mut regex = String::new();
        for c in text.chars() {
            match self.below(6) {
                0 => regex.push_str(&format!("\\x{{{:X}}}", u32::from(c))),
                1 => regex.push_str(&format!("({c}){{0}}{}", escaped(c))),
                2 => regex.push_str(&format!("\\Q{c}\\E")),
                3 => regex.push_str(&format!("(?:{})", escaped(c))),
                _ => regex.push_str(&escaped(c)),
            }
        }
        regex
    }

    fn pattern(&mut self, kind: Kind) -> String {
        let start = self.start();
        match kind {
            Kind::Text => {
                let text = self.subject();
                self.as_glob(&text)
            }
            Kind::GlobWithStart => {
                self.as_glob(&start) + self.pick(&["*", "*/*", "?*", "[a-z0-9/]*", "**", "*a*", "[^x]?"])
            }
            Kind::RegexWithStart => {
                let tail =
                    self.pick(&["", ".*", "$", ".*$", "a?", "|b", "*", "?", "{0}", "{2}", "(?i)X?", "+"]);
                let anchor = self.pick(&["^", "^", "^", "\\A", "(?s)^", "^^", "(?:^)", "(?i)^", "(?m)^"]);
                format!("/{anchor}{}{tail}/", self.as_regex(&start))
            }
            Kind::TemplateWithStart => self.pick(&TEMPLATES).to_owned(),
            Kind::Open => self.pick(&OPEN).to_owned(),
        }
    }

    /// A rule that compiles.
    fn written_rule(&mut self) -> Written {
        loop {
            let mut rule = Written { settings: RuleSettings::default(), conditions: Vec::new() };
            for _ in 0..=usize::from(self.one_in(2)) + usize::from(self.one_in(4)) {
                let (slot, kind) = (self.pick(&SLOTS), self.pick(&KINDS));
                let pattern = self.pattern(kind);
                rule.add(slot, kind, pattern);
            }
            rule.settings.resource_type = self.one_in(6).then(|| "repository".to_owned());
            rule.settings.ip =
                self.one_in(8).then(|| self.pick(&["10.0.0.0/8", "::1", "0.0.0.0/0"]).to_owned());
            rule.settings.actions = vec!["*".to_owned()];
            if Policy::compile(std::slice::from_ref(&rule.settings)).is_ok() {
                return rule;
            }
        }
    }

    /// The same, for a time more often than not, and some deny.
    fn bounded_rule(&mut self) -> RuleSettings {
        let actions = self.pick(&[&["*"][..], &["pull"], &["pull", "push"], &[]]);
        let bound = |random: &mut Self| Some(random.pick(&TIMES)).filter(|_| random.one_in(2));
        RuleSettings {
            actions: actions.iter().map(|action| (*action).to_owned()).collect(),
            validity: Validity { from: bound(self), until: bound(self) },
            tags: Some(self.tags()).filter(|_| self.one_in(3)),
            ..self.written_rule().settings
        }
    }

    fn tags(&mut self) -> Vec<String> {
        let count = self.pick(&[1, 1, 2]);
        (0..count).map(|_| self.pick(&["1.*", "/^1\\.0$/", "main", "*", "${account}"]).to_owned()).collect()
    }

    /// More values than a person has, and the same one twice.
    fn labels(&mut self) -> BTreeMap<String, Vec<String>> {
        let mut labels = BTreeMap::new();
        for label in ["g", "h"] {
            let count = self.pick(&[0, 1, 2, 3, 20]);
            if !self.one_in(4) {
                labels.insert(label.to_owned(), (0..count).map(|_| self.subject()).collect());
            }
        }
        labels
    }
}

fn escaped(c: char) -> String {
    if c.is_ascii_punctuation() { format!("\\{c}") } else { c.to_string() }
}

impl Written {
    fn add(&mut self, slot: Slot, kind: Kind, pattern: String) {
        let before = match slot {
            Slot::Account => self.settings.account.replace(pattern),
            Slot::Name => self.settings.name.replace(pattern),
            Slot::Label => self.settings.labels.insert("g".to_owned(), pattern),
        };
        if before.is_some() {
            self.conditions.retain(|(other, _)| *other != slot);
        }
        self.conditions.push((slot, kind));
    }
}

/// Returns the rule that a search through all rules finds.
fn search(policy: &Policy, question: &Question<'_>) -> Option<usize> {
    (0..policy.len()).find(|index| policy.rule(*index).unwrap().judge(question) == Verdict::Matches)
}

#[test]
fn decides_as_a_search_through_all_rules() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut asked, mut undecided) = (0, 0);
    let (mut wrong, mut decided): (Vec<String>, BTreeMap<_, usize>) = (Vec::new(), BTreeMap::new());
    for _ in 0..POLICIES {
        let count = random.pick(&[1, 2, 4, 8, 40]);
        let rules: Vec<Written> = (0..count).map(|_| random.written_rule()).collect();
        let settings: Vec<RuleSettings> = rules.iter().map(|rule| rule.settings.clone()).collect();
        let policy = Policy::compile(&settings).unwrap();
        for _ in 0..QUESTIONS {
            let (account, name, labels) = (random.subject(), random.subject(), random.labels());
            let question = Question {
                account: &account,
                labels: &labels,
                ip: random.pick(&[None, Some(IpAddr::from([10, 1, 2, 3]))]),
                service: "registry.example",
                resource_type: random.pick(&["repository", "registry"]),
                name: &name,
                tag: None,
                actions: &[],
                token_scopes: None,
                now: 0,
            };
            asked += 1;
            let (found, expected) = (policy.decide(&question).rule, search(&policy, &question));
            if found != expected {
                let missed = expected.map(|index| &settings[index]);
                wrong.push(format!("{found:?} for {expected:?}: {question:?}\n  {missed:?}"));
            }
            match expected.map(|index| rules[index].conditions.as_slice()) {
                None => undecided += 1,
                // With one condition only there is no doubt under which the rule stands.
                Some([only]) => *decided.entry(*only).or_default() += 1,
                Some(_) => {}
            }
        }
    }
    println!("{asked} questions, {undecided} undecided, {decided:#?}");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    assert_eq!(asked, POLICIES * QUESTIONS);
    assert!(undecided > 5_000, "{undecided}");
    for slot in SLOTS {
        for kind in KINDS {
            let count = decided.get(&(slot, kind)).copied().unwrap_or(0);
            assert!(count > 100, "{slot:?} {kind:?} decided {count} only");
        }
    }
}

/// Hundreds of lists at once, each with rules that match and that do not, in any order.
#[test]
fn many_values_of_a_label_keep_the_order_of_the_rules() {
    let mut random = Random(0xD1B5_4A32_D192_ED03);
    let rules: Vec<RuleSettings> = (0..5_000)
        .map(|_| RuleSettings {
            labels: BTreeMap::from([("g".to_owned(), format!("value{}", random.below(1_000)))]),
            name: Some(format!("*-{}", random.below(500))),
            ..RuleSettings::default()
        })
        .collect();
    let policy = Policy::compile(&rules).unwrap();
    let mut decided = 0;
    for _ in 0..500 {
        let values = (0..300).map(|_| format!("value{}", random.below(1_000))).collect();
        let labels = BTreeMap::from([("g".to_owned(), values)]);
        let name = format!("x-{}", random.below(500));
        let question = Question {
            account: "alice",
            labels: &labels,
            ip: None,
            service: "registry.example",
            resource_type: "repository",
            name: &name,
            tag: None,
            actions: &[],
            token_scopes: None,
            now: 0,
        };
        let expected = search(&policy, &question);
        assert_eq!(policy.decide(&question).rule, expected, "{name}");
        decided += usize::from(expected.is_some());
    }
    assert!((300..500).contains(&decided), "{decided}");
}

/// The times at which rules begin and end, and at which they are asked.
const TIMES: [u64; 6] = [0, 1_000, 1_001, 2_000, 3_000, u64::MAX];

/// With rules that end, begin, deny, and that may match or not: a policy of those that hold at that time, without their
/// bounds, decides the same.
#[test]
fn rule_52_a_rule_outside_its_time_is_as_if_it_were_not_there() {
    let mut random = Random(0xA076_1D64_78BD_642F);
    let (mut decided, mut denied, mut withheld, mut changed) = (0, 0, 0, 0);
    for _ in 0..POLICIES / 4 {
        let count = random.pick(&[1, 2, 4, 8, 40]);
        let rules: Vec<RuleSettings> = (0..count).map(|_| random.bounded_rule()).collect();
        let policy = Policy::compile(&rules).unwrap();
        let slow = TIMES.map(|now| Slow::of(&rules, now));
        for _ in 0..QUESTIONS {
            let (account, name, labels) = (random.subject(), random.subject(), random.labels());
            let question = Question {
                account: &account,
                labels: &labels,
                ip: random.pick(&[None, Some(IpAddr::from([10, 1, 2, 3]))]),
                service: "registry.example",
                resource_type: "repository",
                name: &name,
                tag: random.pick(&[None, Some("1.0"), Some("1.1"), Some("main")]),
                actions: &["pull".to_owned(), "push".to_owned()],
                token_scopes: None,
                now: 0,
            };
            let answers: Vec<Decision> = slow
                .iter()
                .map(|slow| {
                    let question = Question { now: slow.now, ..question };
                    let found = policy.decide(&question);
                    assert_eq!(found, slow.decide(&question), "{question:?}\n{rules:#?}");
                    found
                })
                .collect();
            let by_a_rule = answers.iter().filter(|answer| answer.rule.is_some());
            decided += by_a_rule.clone().count();
            denied += by_a_rule.filter(|answer| answer.actions.is_empty()).count();
            withheld += answers.iter().filter(|answer| answer.withheld.is_some()).count();
            changed += usize::from(answers.iter().any(|answer| *answer != answers[0]));
        }
    }
    println!(
        "{decided} decided, {denied} of them denied, {withheld} withheld, {changed} change with the time"
    );
    assert!(decided > 10_000 && denied > 1_000 && withheld > 500 && changed > 3_000);
}

/// The rules that hold at one time, as if they were all and for ever. That the index is right for them is proved above.
struct Slow {
    now: u64,
    policy: Policy,
    /// For each of them, its place among all.
    places: Vec<usize>,
}

impl Slow {
    fn of(rules: &[RuleSettings], now: u64) -> Self {
        let holds = |rule: &RuleSettings| {
            let Validity { from, until } = rule.validity;
            from.unwrap_or(0) <= now && until.is_none_or(|until| until > now)
        };
        let places: Vec<usize> = (0..rules.len()).filter(|place| holds(&rules[*place])).collect();
        let unbounded =
            |place: &usize| RuleSettings { validity: Validity::default(), ..rules[*place].clone() };
        let held: Vec<RuleSettings> = places.iter().map(unbounded).collect();
        Self { now, policy: Policy::compile(&held).unwrap(), places }
    }

    fn decide(&self, question: &Question<'_>) -> Decision {
        let found = self.policy.decide(&Question { now: 0, ..*question });
        let Decision { rule, actions, withheld, tags } = found;
        let withheld = withheld.map(|withheld| Withheld { by: self.places[withheld.by], ..withheld });
        let tags = tags.map(|tags| TagBound { by: self.places[tags.by], ..tags });
        Decision { rule: rule.map(|rule| self.places[rule]), actions, withheld, tags }
    }
}

/// The tags that are asked about, and one that no pattern names.
const TAGS: [&str; 4] = ["1.0", "1.1", "main", "other"];

/// With rules that look at tags, deny, are over, and that may match or not: what is granted where the tag is not known lies
/// between what is granted for each tag and for any.
#[test]
fn rule_51_without_the_tag_no_more_is_certain_than_for_each_tag() {
    let mut random = Random(0x51ED_270B_4D09_9F1D);
    let (mut for_some, mut for_each) = (0, 0);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for _ in 0..POLICIES / 4 {
        let count = random.pick(&[1, 2, 4, 8, 40]);
        let rules: Vec<RuleSettings> = (0..count).map(|_| random.bounded_rule()).collect();
        let policy = Policy::compile(&rules).unwrap();
        let backends = AuthorizationBackendSettings::default();
        let authorizers = Authorizers::new(policy, Ceilings::default(), backends, None);
        for _ in 0..QUESTIONS {
            let (account, name, labels) = (random.subject(), random.subject(), random.labels());
            let unknown = Question {
                account: &account,
                labels: &labels,
                ip: random.pick(&[None, Some(IpAddr::from([10, 1, 2, 3]))]),
                service: "registry.example",
                resource_type: "repository",
                name: &name,
                tag: None,
                actions: &["pull".to_owned(), "push".to_owned()],
                token_scopes: None,
                now: random.pick(&TIMES),
            };
            let decide = |question: &Question<'_>| runtime.block_on(authorizers.decide(question)).unwrap();
            let bounds = decide(&unknown);
            for tag in TAGS.into_iter().chain([&*account]) {
                let granted = decide(&Question { tag: Some(tag), ..unknown });
                assert!(granted.some_tags.is_empty());
                let some = || bounds.actions.iter().chain(&bounds.some_tags);
                let certain = bounds.actions.iter().all(|action| granted.actions.contains(action));
                let possible = granted.actions.iter().all(|action| some().any(|other| other == action));
                assert!(certain && possible, "{tag}: {granted:?} not in {bounds:?}\n{unknown:?}\n{rules:#?}");
            }
            for_some += usize::from(!bounds.some_tags.is_empty());
            for_each += usize::from(!bounds.actions.is_empty() && bounds.tag_rule.is_some());
        }
    }
    assert!(for_some > 1_000 && for_each > 100, "{for_some} {for_each}");
}
