//! One rule of an ACL: what it asks of a question, and which actions it grants.
//!
//! The order of rules, and that the first match decides, is `policy`.

mod compiler;

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    sync::Arc,
};

use super::validity::Validity;
use crate::authz::{
    RuleSettings,
    patterns::{
        go_regex::GoRegex,
        ip::IpBlock,
        pattern::Pattern,
        placeholder::Field,
        template::Values,
        tristate::{Doubt, Tristate},
    },
    question::Question,
};
use compiler::Compiler;

/// An error in a rule. Displays its position, the problem and the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// The position of the rule in the ACL, from 0.
    pub rule: usize,
    /// The line of the rule in its file, from 1; 0 when unknown.
    pub line: usize,
    /// The key that is wrong, such as `match.name` or `match.labels.team`.
    pub key: String,
    /// The problem.
    pub message: String,
    /// The next step.
    pub hint: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "acl rule {}", self.rule + 1)?;
        if self.line > 0 {
            write!(f, " (line {})", self.line)?;
        }
        write!(f, ", {}: {}; {}", self.key, self.message, self.hint)
    }
}

impl std::error::Error for RuleError {}

/// A compiled rule.
#[derive(Debug, Clone)]
pub struct Rule {
    ip: Option<IpBlock>,
    /// The cheapest first.
    fields: Vec<(Field, Pattern)>,
    labels: Vec<(String, Pattern)>,
    /// `None` for a rule that does not look at tags.
    tags: Option<Vec<Pattern>>,
    /// As written, with commas between them.
    written_tags: Option<Arc<str>>,
    /// The regexes, as written, whose groups other patterns of the rule use.
    captures: Vec<(Field, GoRegex)>,
    grant: Grant,
    validity: Validity,
    line: usize,
    comment: Option<Arc<str>>,
}

/// A condition of a rule's `match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition<'r> {
    /// `ip`
    Ip,
    /// `account`
    Account,
    /// `type`
    Type,
    /// `name`
    Name,
    /// `service`
    Service,
    /// `labels.<name>`
    Label(&'r str),
    /// `from` and `until` of the rule.
    Time,
    /// `tag`
    Tag,
}

/// The result of testing a question against a rule's conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'r> {
    /// All are met.
    Matches,
    /// All are met but the one on the tag, which is not known.
    ForSomeTags,
    /// This one is not.
    Unmet(Condition<'r>),
    /// This condition cannot be decided, and the others are met or cannot be decided either.
    Unclear(Condition<'r>, Doubt),
}

impl From<Field> for Condition<'_> {
    fn from(field: Field) -> Self {
        match field {
            Field::Account => Self::Account,
            Field::Type => Self::Type,
            Field::Name => Self::Name,
            Field::Service => Self::Service,
        }
    }
}

#[derive(Debug, Clone)]
enum Grant {
    /// `["*"]`: what was asked.
    Requested,
    These(BTreeSet<String>),
}

impl Rule {
    /// The line of the rule in its file, from 1; 0 when unknown.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The time in which it holds.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// The operator's own words.
    pub fn comment(&self) -> Option<&Arc<str>> {
        self.comment.as_ref()
    }

    /// Compiles the rule at `index` of the ACL.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(in crate::authz) fn compile(index: usize, settings: &RuleSettings) -> Result<Self, Vec<RuleError>> {
        Compiler { index, settings, errors: Vec::new() }.run()
    }

    pub(in crate::authz) fn ip(&self) -> Option<&IpBlock> {
        self.ip.as_ref()
    }

    pub(in crate::authz) fn field(&self, field: Field) -> Option<&Pattern> {
        self.fields.iter().find(|(f, _)| *f == field).map(|(_, pattern)| pattern)
    }

    pub(in crate::authz) fn label(&self, label: &str) -> Option<&Pattern> {
        self.labels.iter().find(|(l, _)| l == label).map(|(_, pattern)| pattern)
    }

    pub(in crate::authz) fn labels(&self) -> impl Iterator<Item = (&str, &Pattern)> {
        self.labels.iter().map(|(label, pattern)| (label.as_str(), pattern))
    }

    /// The patterns of `match.tag`, as written; `None` for a rule that does not look at the tag.
    pub fn written_tags(&self) -> Option<&Arc<str>> {
        self.written_tags.as_ref()
    }

    /// Returns true if it looks at the tag.
    pub fn has_tag(&self) -> bool {
        self.tags.is_some()
    }

    /// The labels that stand in its patterns, as `${labels:group}`.
    pub(super) fn label_placeholders(&self) -> impl Iterator<Item = &str> {
        let fields = self.fields.iter().map(|(_, pattern)| pattern);
        fields.chain(self.tags.iter().flatten()).flat_map(Pattern::labels)
    }

    /// Returns whether `question` meets the conditions. Those that are cheap to check come first, and the time last: it
    /// is named only where nothing else keeps the rule from deciding.
    pub fn judge(&self, question: &Question<'_>) -> Verdict<'_> {
        let values = Bound { rule: self, question, captured: Default::default() };
        let ip = self.ip.iter().map(|block| (Condition::Ip, fit_ip(block, question.ip)));
        let fields = self
            .fields
            .iter()
            .map(|(field, pattern)| (Condition::from(*field), pattern.fit(question.field(*field), &values)));
        let labels = self.labels.iter().map(|(label, pattern)| {
            let of_account = question.labels.get(label).map(Vec::as_slice).unwrap_or_default();
            (
                Condition::Label(label),
                Tristate::any(of_account.iter().map(|value| pattern.fit(value, &values))),
            )
        });
        let mut verdict = Verdict::Matches;
        for (condition, fit) in ip.chain(fields).chain(labels) {
            match fit {
                Tristate::No => return Verdict::Unmet(condition),
                Tristate::Unclear(doubt) => verdict = Verdict::Unclear(condition, doubt),
                Tristate::Yes => {}
            }
        }
        let verdict = match self.fit_tag(question, &values) {
            None | Some(Fit::Known(Tristate::Yes)) => verdict,
            Some(Fit::Known(Tristate::No)) => return Verdict::Unmet(Condition::Tag),
            Some(Fit::Known(Tristate::Unclear(doubt))) => Verdict::Unclear(Condition::Tag, doubt),
            Some(Fit::Unknown) if verdict == Verdict::Matches => Verdict::ForSomeTags,
            Some(Fit::Unknown) => verdict,
        };
        if self.validity.holds_at(question.now) { verdict } else { Verdict::Unmet(Condition::Time) }
    }

    /// Holds the tag against the rule's patterns; `None` for a rule without any. Only a repository has tags.
    fn fit_tag(&self, question: &Question<'_>, values: &Bound<'_, '_>) -> Option<Fit> {
        let patterns = self.tags.as_ref()?;
        if question.resource_type != "repository" {
            return Some(Fit::Known(Tristate::No));
        }
        let Some(tag) = question.tag else { return Some(Fit::Unknown) };
        Some(Fit::Known(Tristate::any(patterns.iter().map(|pattern| pattern.fit(tag, values)))))
    }

    /// The values of an account and its labels that docker_auth would read as part of a pattern, each with the
    /// condition that it gets into. None if the rule is not about the account.
    pub fn values_with_syntax(
        &self,
        account: &str,
        labels: &BTreeMap<String, Vec<String>>,
    ) -> Vec<(Condition<'_>, String)> {
        let question = Question {
            account,
            labels,
            ip: None,
            service: "",
            resource_type: "",
            name: "",
            tag: None,
            actions: &[],
            token_scopes: None,
            now: 0,
        };
        let values = Bound { rule: self, question: &question, captured: Default::default() };
        if self.field(Field::Account).is_some_and(|pattern| pattern.fit(account, &values) == Tristate::No) {
            return Vec::new();
        }
        let fields = self.fields.iter().map(|(field, pattern)| (Condition::from(*field), pattern));
        let labels = self.labels().map(|(label, pattern)| (Condition::Label(label), pattern));
        let tags = self.tags.iter().flatten().map(|pattern| (Condition::Tag, pattern));
        let templates =
            fields.chain(tags).chain(labels).filter_map(|(at, pattern)| Some((at, pattern.template()?)));
        let found = templates.flat_map(|(at, template)| {
            template.values_with_syntax(&values).into_iter().map(move |value| (at, value.to_owned()))
        });
        found.collect()
    }

    pub(in crate::authz) fn grants(&self, action: &str) -> bool {
        match &self.grant {
            Grant::Requested => true,
            Grant::These(actions) => actions.contains(action),
        }
    }

    /// Returns true if it denies all that it matches.
    pub fn grants_nothing(&self) -> bool {
        matches!(&self.grant, Grant::These(actions) if actions.is_empty())
    }

    /// The requested actions that the rule grants: all of them as they were asked for `["*"]`, else sorted.
    pub(in crate::authz) fn grant(&self, requested: &[String]) -> Vec<String> {
        match &self.grant {
            Grant::Requested => requested.to_vec(),
            Grant::These(actions) => {
                let requested: BTreeSet<&String> = requested.iter().collect();
                actions.iter().filter(|a| requested.contains(a)).cloned().collect()
            }
        }
    }
}

/// The state of the condition on the tag.
enum Fit {
    Known(Tristate),
    Unknown,
}

fn fit_ip(block: &IpBlock, address: Option<IpAddr>) -> Tristate {
    address.map_or(Tristate::Unclear(Doubt::Address), |address| Tristate::from_bool(block.contains(address)))
}

/// A rule's placeholders in one question; groups are captured when they are first asked for.
struct Bound<'r, 'q> {
    rule: &'r Rule,
    question: &'r Question<'q>,
    captured: [OnceCell<Option<Vec<&'q str>>>; 4],
}

impl<'q> Values<'q> for Bound<'_, 'q> {
    fn field(&self, field: Field) -> &'q str {
        self.question.field(field)
    }

    fn capture(&self, field: Field, group: usize) -> Option<&'q str> {
        let (_, regex) = self.rule.captures.iter().find(|(f, _)| *f == field)?;
        let groups =
            self.captured.get(field as usize)?.get_or_init(|| regex.captures(self.question.field(field)));
        groups.as_ref()?.get(group).copied()
    }

    fn label(&self, label: &str) -> Option<&'q [String]> {
        self.question.labels.get(label).map(Vec::as_slice)
    }

    fn has_label_with_brace(&self) -> bool {
        self.question.labels.keys().any(|label| label.contains(['{', '}']))
    }
}
