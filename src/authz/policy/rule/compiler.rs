//! Compiles a rule, and finds all that is wrong with it.

use std::{collections::BTreeSet, sync::Arc};

use super::{Grant, Rule, RuleError};
use crate::authz::{
    RuleSettings,
    patterns::{
        go_regex::GoRegex,
        ip::IpBlock,
        pattern::{self, Pattern},
        pattern_error::PatternError,
        placeholder::{Field, Scanned, Scope},
    },
};

/// Compiles one rule, collecting what is wrong.
pub(super) struct Compiler<'s> {
    pub(super) index: usize,
    pub(super) settings: &'s RuleSettings,
    pub(super) errors: Vec<RuleError>,
}

impl Compiler<'_> {
    pub(super) fn run(mut self) -> Result<Rule, Vec<RuleError>> {
        let ip = self.ip();
        let written = self.written();
        let mut scope = Scope { groups: Default::default(), in_label: None };
        scope
            .groups
            .extend(written.iter().filter_map(|(field, _, text)| Some((*field, pattern::groups(text)?))));
        let (mut fields, mut captures) = (Vec::new(), BTreeSet::new());
        for (field, key, text) in &written {
            let scanned = scope.scan(text);
            captures.extend(scanned.captures.iter().cloned());
            fields.extend(self.pattern(key, text, scanned).map(|pattern| (*field, pattern)));
        }
        fields.sort_by_key(|(_, pattern)| pattern.cost());
        let tags = self.tags(&scope);
        let labels = self.labels(&Scope { in_label: Some(captures), ..scope });
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        let patterns = fields.iter().map(|(_, p)| p).chain(labels.iter().map(|(_, p)| p));
        let patterns = patterns.chain(tags.iter().flatten());
        let captured: BTreeSet<Field> = patterns.flat_map(Pattern::captured_fields).collect();
        let regex = |field: &Field, text: &str| {
            let regex = GoRegex::compile(pattern::expression(text).filter(|_| captured.contains(field))?);
            Some((*field, regex.ok()?))
        };
        Ok(Rule {
            ip,
            fields,
            labels,
            tags,
            captures: written.iter().filter_map(|(field, _, text)| regex(field, text)).collect(),
            grant: grant(&self.settings.actions),
            validity: self.settings.validity,
            line: self.settings.line,
            written_tags: self.settings.tags.as_ref().map(|tags| tags.join(", ").into()),
            comment: self.settings.comment.as_deref().map(Arc::from),
        })
    }

    /// The patterns of the rule's fields, with their keys.
    fn written(&self) -> Vec<(Field, &'static str, String)> {
        let s = self.settings;
        let all = [
            (Field::Account, "match.account", &s.account),
            (Field::Type, "match.type", &s.resource_type),
            (Field::Name, "match.name", &s.name),
            (Field::Service, "match.service", &s.service),
        ];
        all.into_iter().filter_map(|(field, key, text)| Some((field, key, text.clone()?))).collect()
    }

    fn ip(&mut self) -> Option<IpBlock> {
        let parsed = self.settings.ip.as_deref()?.parse::<IpBlock>();
        parsed.map_err(|error| self.error("match.ip", error.problem(), IpBlock::HINT)).ok()
    }

    fn labels(&mut self, scope: &Scope) -> Vec<(String, Pattern)> {
        let settings = self.settings;
        let mut labels = Vec::new();
        for (label, text) in &settings.labels {
            let pattern = self.pattern(&format!("match.labels.{label}"), text, scope.scan(text));
            labels.extend(pattern.map(|pattern| (label.clone(), pattern)));
        }
        labels
    }

    fn tags(&mut self, scope: &Scope) -> Option<Vec<Pattern>> {
        let texts = self.settings.tags.as_ref()?;
        if texts.is_empty() {
            let hint = "write a pattern or a list of patterns; without `tag` the rule is for every tag";
            self.error("match.tag", "the list is empty, so the rule matches no tag".to_owned(), hint);
        }
        Some(texts.iter().filter_map(|text| self.pattern("match.tag", text, scope.scan(text))).collect())
    }

    fn pattern(&mut self, key: &str, text: &str, scanned: Scanned) -> Option<Pattern> {
        let wrong =
            |error: PatternError| self.error(key, format!("{text:?} is {}", error.message), &error.hint);
        Pattern::compile(text, scanned).map_err(wrong).ok()
    }

    fn error(&mut self, key: &str, message: String, hint: &str) {
        let (rule, line) = (self.index, self.settings.line);
        self.errors.push(RuleError { rule, line, key: key.to_owned(), message, hint: hint.to_owned() });
    }
}

fn grant(actions: &[String]) -> Grant {
    match actions {
        [all] if all == "*" => Grant::Requested,
        actions => Grant::These(actions.iter().cloned().collect()),
    }
}
