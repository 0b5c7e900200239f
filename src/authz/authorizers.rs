//! The authorizers in docker_auth's order: `acl`, `acl_xorm`, `ext_authz`. "No rule matched" goes on to the next; a
//! rule that matched ends it, whatever it grants. Of what comes after a rule that may match or not, only what it
//! grants, too, is granted. Below all of them is the ceiling of the account, where it has one.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    CeilingName, Ceilings, LeftOut, Policy, Question, Rule, SqlRulesSettings, Withheld,
    command::{CommandRules, DecisionCache},
    policy::{
        TagBound,
        named_labels::{self, IN_ACL, IN_ACL_XORM, Labels},
    },
    sql::SqlRules,
};
use crate::backend::{BackendLimits, CommandSettings, Unavailable};

/// The sections of rules.
const ACL: &str = "acl";
const ACL_XORM: &str = "acl_xorm";
const EXT_AUTHZ: &str = "ext_authz";

/// The back ends that are configured (`acl_xorm:`, `ext_authz:`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthorizationBackendSettings {
    /// `acl_xorm`.
    pub acl_xorm: Option<SqlRulesSettings>,
    /// `ext_authz`.
    pub ext_authz: Option<CommandSettings>,
    /// `backends.remember_decisions`: how long an answer of `ext_authz` holds.
    pub remember: Duration,
    /// `backends`.
    pub limits: BackendLimits,
}

/// All that decide: the rules of `acl` first, then the back ends.
#[derive(Debug)]
pub struct Authorizers {
    /// `acl`.
    pub acl: Policy,
    /// The most that an account may do, for those that have such a bound.
    pub ceilings: Ceilings,
    backends: Arc<Backends>,
    /// The earlier answers of the command. They end with a reload, since the script may be another one then.
    remembered: DecisionCache,
}

#[derive(Debug)]
struct Backends {
    settings: AuthorizationBackendSettings,
    acl_xorm: Option<SqlRules>,
    ext_authz: Option<CommandRules>,
}

/// A decision and its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// The source of the decision.
    pub by: DecidedBy,
    /// The granted ones of the requested actions; where the tag is not known, those that are granted for each.
    pub actions: Vec<String>,
    /// The others of the requested actions that are granted for some tags, where the tag is not known.
    pub some_tags: Vec<String>,
    /// The first rule with a `tag` that could decide.
    pub tag_rule: Option<RuleName>,
}

/// The source of a decision. Displays as `rule 3, line 33`, without the operator's comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecidedBy {
    /// No rule of `acl` or `acl_xorm` matched, and there is no command of `ext_authz` to ask.
    NoRule,
    /// The first rule that matched.
    Rule(RuleName),
    /// A rule that may match or not, and so withheld something: what it does not grant itself.
    Unclear(RuleName),
    /// A rule with a `tag`, for tags that are not known.
    SomeTags(RuleName),
    /// The command of `ext_authz`.
    Command,
    /// The account's own ceiling, below what the rules grant.
    Ceiling(CeilingName),
}

/// A rule, as an operator finds it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleName {
    /// `acl` or `acl_xorm`.
    pub section: &'static str,
    /// Its index in the section, from 0.
    pub index: usize,
    /// Its line in the configuration, from 1; 0 when it stands elsewhere.
    pub line: usize,
    /// The second in which it is over, since 1970, where it ends.
    pub until: Option<u64>,
    /// The operator's own words.
    pub comment: Option<Arc<str>>,
}

impl Authorizers {
    /// The rules, what bounds them, and the back ends. Those of `before` go on, with their connections, where the
    /// settings are the same. With `acl_xorm` this must be called on a runtime.
    pub fn new(
        acl: Policy,
        ceilings: Ceilings,
        settings: AuthorizationBackendSettings,
        before: Option<&Self>,
    ) -> Self {
        let remembered = DecisionCache::new(settings.remember);
        let before = before.map(|before| &before.backends).filter(|before| before.settings == settings);
        let backends = before.map_or_else(|| Arc::new(Backends::new(settings)), Arc::clone);
        Self { acl, ceilings, backends, remembered }
    }

    /// Parts the labels of an account into those that a token has to carry for these rules to decide, and what is known
    /// of the rest. The command of `ext_authz` is given all of them.
    pub fn part(&self, labels: &Labels) -> (Labels, LeftOut) {
        if self.backends.ext_authz.is_some() {
            return (labels.clone(), LeftOut::new());
        }
        let acl_xorm = self.backends.acl_xorm.as_ref().and_then(SqlRules::last_read);
        let policies = [Some(&self.acl), acl_xorm.as_deref()];
        named_labels::part(labels, policies.map(|policy| policy.map(Policy::named_labels)))
    }

    /// Returns the rule of `acl` that grants all of a question for some tags, before the one that decides for every tag. If
    /// several do so together, the first that looks at tags.
    pub fn granting_some_tags(&self, question: &Question<'_>, ruling: &Ruling) -> Option<RuleName> {
        let end = match &ruling.by {
            DecidedBy::Rule(rule) if rule.section == ACL => Some(rule.index),
            _ => None,
        };
        let granting = self.acl.granting_some_tags(question, end);
        granting.map(|index| name(&self.acl, ACL, index)).or_else(|| ruling.tag_rule.clone())
    }

    /// Returns whether a rule looks at a label that was left out, or at other values of it than when it was.
    pub fn need(&self, left_out: &LeftOut) -> bool {
        let acl_xorm = self.backends.acl_xorm.as_ref().and_then(SqlRules::last_read);
        let command = self.backends.ext_authz.is_some() && !left_out.is_empty();
        command
            || self.acl.named_labels().need(left_out, IN_ACL)
            || acl_xorm.is_some_and(|rules| rules.named_labels().need(left_out, IN_ACL_XORM))
    }

    /// Decides a question about an account whose labels are all known.
    ///
    /// # Errors
    /// As [`Self::decide_without`].
    pub async fn decide(&self, question: &Question<'_>) -> Result<Ruling, Unavailable> {
        self.decide_without(&LeftOut::new(), question).await
    }

    /// Decides a question (docker_auth, `server.go`, `authorizeScope`) about an account whose `left_out` labels are
    /// missing.
    ///
    /// # Errors
    /// A back end that has to be asked gives no answer, or the rules look at what was left out: then nothing is
    /// granted, and nothing is denied for good.
    pub async fn decide_without(
        &self,
        left_out: &LeftOut,
        question: &Question<'_>,
    ) -> Result<Ruling, Unavailable> {
        let Some((left, by)) = self.ceilings.bound(question) else {
            return self.decide_by_rules(left_out, question).await;
        };
        let by = DecidedBy::Ceiling(by);
        if left.is_empty() {
            return Ok(Ruling { by, actions: left, some_tags: Vec::new(), tag_rule: None });
        }
        // The rules are asked about all actions at once, as the client does.
        let ruling = self.decide_by_rules(left_out, question).await?;
        let Ruling { by: rule, actions: granted, mut some_tags, tag_rule } = ruling;
        some_tags.retain(|action| left.contains(action));
        let actions: Vec<String> = granted.iter().filter(|action| left.contains(action)).cloned().collect();
        let by = if actions.len() < granted.len() { by } else { rule };
        Ok(Ruling { by, actions, some_tags, tag_rule })
    }

    /// Returns true if `acl_xorm` or `ext_authz` decides where no rule of `acl` does.
    pub fn has_back_ends(&self) -> bool {
        self.backends.acl_xorm.is_some() || self.backends.ext_authz.is_some()
    }

    /// Returns true if a rule looks at tags.
    pub fn looks_at_tags(&self) -> bool {
        self.acl.looks_at_tags()
    }

    /// Decides a question as if its account had no ceiling. To explain a decision, never to make one.
    ///
    /// # Errors
    /// As [`Self::decide_without`].
    pub async fn decide_by_rules(
        &self,
        left_out: &LeftOut,
        question: &Question<'_>,
    ) -> Result<Ruling, Unavailable> {
        if self.acl.named_labels().need(left_out, IN_ACL) {
            return Err(left_out_labels(ACL));
        }
        let mut search = Search { question, withheld: None, tags: None };
        if let Some(ruling) = search.rules(&self.acl, ACL) {
            return Ok(ruling);
        }
        if let Some(sql) = &self.backends.acl_xorm {
            let rules = sql.rules().await?;
            // They may have been read again since.
            if rules.named_labels().need(left_out, IN_ACL_XORM) {
                return Err(left_out_labels(ACL_XORM));
            }
            if let Some(ruling) = search.rules(&rules, ACL_XORM) {
                return Ok(ruling);
            }
        }
        if let Some(command) = &self.backends.ext_authz {
            if !left_out.is_empty() {
                return Err(left_out_labels(EXT_AUTHZ));
            }
            // Boxed, since every request would have to have room for it.
            let actions = Box::pin(command.decide(question, &self.remembered)).await?;
            return Ok(search.end(DecidedBy::Command, actions));
        }
        Ok(search.end(DecidedBy::NoRule, Vec::new()))
    }
}

fn left_out_labels(backend: &'static str) -> Unavailable {
    let why = "its rules have changed, and look at labels that the token does not carry";
    Unavailable { backend, why: why.to_owned() }
}

/// One question's way through the authorizers.
struct Search<'q> {
    question: &'q Question<'q>,
    /// The actions withheld by rules that may match or not, whichever section decides in the end.
    withheld: Option<(RuleName, Withheld)>,
    /// The bounds of rules with a `tag`, which only `acl` has.
    tags: Option<(RuleName, TagBound)>,
}

impl Search<'_> {
    /// `None` where no rule matches and something may still be granted.
    fn rules(&mut self, policy: &Policy, section: &'static str) -> Option<Ruling> {
        let decision = policy.decide(self.question);
        if let Some(tags) = decision.tags {
            self.tags = Some((name(policy, section, tags.by), tags));
        }
        if let Some(withheld) = decision.withheld {
            self.withhold(name(policy, section, withheld.by), withheld);
        }
        if self.withheld.as_ref().is_some_and(|(_, withheld)| withheld.left.is_empty()) {
            return Some(self.end(DecidedBy::NoRule, self.question.actions.to_vec()));
        }
        let index = decision.rule?;
        let granted = policy.rule(index).map(|rule| rule.grant(self.question.actions)).unwrap_or_default();
        Some(self.end(DecidedBy::Rule(name(policy, section, index)), granted))
    }

    fn withhold(&mut self, by: RuleName, withheld: Withheld) {
        match &mut self.withheld {
            Some((_, before)) => withheld.narrow(&mut before.left),
            None => self.withheld = Some((by, withheld)),
        }
    }

    /// The ruling where `by` decides: less what is withheld.
    fn end(&self, by: DecidedBy, granted: Vec<String>) -> Ruling {
        let Some((rule, withheld)) = &self.withheld else { return self.with_tags(by, granted) };
        let mut actions = granted.clone();
        withheld.narrow(&mut actions);
        let by = if actions == granted { by } else { DecidedBy::Unclear(rule.clone()) };
        self.with_tags(by, actions)
    }

    /// The ruling where `granted` is what the rules without a `tag` grant.
    fn with_tags(&self, by: DecidedBy, granted: Vec<String>) -> Ruling {
        let Some((rule, tags)) = &self.tags else {
            return Ruling { by, actions: granted, some_tags: Vec::new(), tag_rule: None };
        };
        let tag_rule = Some(rule.clone());
        if self.question.tag.is_some() {
            return Ruling { by, actions: granted, some_tags: Vec::new(), tag_rule };
        }
        let (actions, rest): (Vec<_>, Vec<_>) =
            granted.into_iter().partition(|action| tags.all.contains(action));
        let mut some_tags = rest;
        for action in &tags.some {
            if !actions.contains(action) && !some_tags.contains(action) {
                some_tags.push(action.clone());
            }
        }
        Ruling { by, actions, some_tags, tag_rule }
    }
}

fn name(policy: &Policy, section: &'static str, index: usize) -> RuleName {
    let rule = policy.rule(index);
    let comment = rule.and_then(Rule::comment).map(Arc::clone);
    let until = rule.and_then(|rule| rule.validity().until);
    RuleName { section, index, line: rule.map_or(0, Rule::line), until, comment }
}

impl Backends {
    fn new(settings: AuthorizationBackendSettings) -> Self {
        let AuthorizationBackendSettings { acl_xorm, ext_authz, limits, .. } = settings.clone();
        Self {
            acl_xorm: acl_xorm.map(|sql| SqlRules::new(sql, &limits)),
            ext_authz: ext_authz.map(|command| CommandRules::new(command, &limits)),
            settings,
        }
    }
}

impl DecidedBy {
    /// The second in which the rule behind it is over, since 1970, where it ends.
    pub fn until(&self) -> Option<u64> {
        match self {
            Self::Rule(rule) | Self::Unclear(rule) | Self::SomeTags(rule) => rule.until,
            Self::NoRule | Self::Command | Self::Ceiling(_) => None,
        }
    }

    /// The same with the operator's comment.
    pub fn in_full(&self) -> String {
        match self {
            Self::Rule(RuleName { comment: Some(comment), .. })
            | Self::Unclear(RuleName { comment: Some(comment), .. })
            | Self::SomeTags(RuleName { comment: Some(comment), .. }) => {
                self.to_string() + " (" + comment + ")"
            }
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for DecidedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRule => f.write_str("no rule matches"),
            Self::Rule(rule) => rule.fmt(f),
            Self::Unclear(rule) => write!(f, "{rule}, which may match or not"),
            Self::SomeTags(rule) => write!(f, "{rule}, for some tags"),
            Self::Command => f.write_str("the command of ext_authz"),
            Self::Ceiling(ceiling) => ceiling.fmt(f),
        }
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.section != "acl" {
            write!(f, "{} ", self.section)?;
        }
        // In pieces: it is written for each request.
        f.write_str("rule ")?;
        (self.index + 1).fmt(f)?;
        if self.line == 0 {
            return Ok(());
        }
        f.write_str(", line ")?;
        self.line.fmt(f)
    }
}
