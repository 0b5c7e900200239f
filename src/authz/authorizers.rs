//! The authorizers in docker_auth's order: `acl`, `acl_xorm`, `ext_authz`. "No rule matched" goes on to the next; a rule
//! that matched ends it, whatever it grants.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    Policy, Question, SqlRulesSettings,
    command::{CommandRules, Remembered},
    sql::SqlRules,
};
use crate::backend::{CommandSettings, Limits, Unavailable};

/// The back ends that are configured (`acl_xorm:`, `ext_authz:`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackendSettings {
    /// `acl_xorm`.
    pub acl_xorm: Option<SqlRulesSettings>,
    /// `ext_authz`.
    pub ext_authz: Option<CommandSettings>,
    /// `backends.remember_decisions`: how long an answer of `ext_authz` holds.
    pub remember: Duration,
    /// `backends`.
    pub limits: Limits,
}

/// All who decide: the rules of `acl` first, then the back ends.
#[derive(Debug)]
pub struct Authorizers {
    /// `acl`.
    pub acl: Policy,
    backends: Arc<Backends>,
    /// What the command said. Not kept with it: a reload forgets it, since the script may be another one now.
    remembered: Remembered,
}

#[derive(Debug)]
struct Backends {
    settings: BackendSettings,
    acl_xorm: Option<SqlRules>,
    ext_authz: Option<CommandRules>,
}

/// What was decided, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// Who decided.
    pub by: DecidedBy,
    /// The granted ones of the requested actions.
    pub actions: Vec<String>,
}

/// Who decided. Displays as `rule 3, line 33`, without the operator's comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecidedBy {
    /// No rule matched, and nobody else was to be asked.
    Nobody,
    /// The first rule that matched.
    Rule(RuleName),
    /// The command of `ext_authz`.
    Command,
}

/// A rule, as an operator finds it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleName {
    /// `acl` or `acl_xorm`.
    pub section: &'static str,
    /// Its place in the section, from 0.
    pub index: usize,
    /// Its line in the configuration, from 1; 0 when it stands elsewhere.
    pub line: usize,
    /// The operator's own words.
    pub comment: Option<Arc<str>>,
}

impl Authorizers {
    /// The rules and the back ends. Those of `before` go on, with their connections, where the settings are the same.
    /// With `acl_xorm` this must be called on a runtime.
    pub fn new(acl: Policy, settings: BackendSettings, before: Option<&Self>) -> Self {
        let remembered = Remembered::new(settings.remember);
        let before = before.map(|before| &before.backends).filter(|before| before.settings == settings);
        let backends = before.map_or_else(|| Arc::new(Backends::new(settings)), Arc::clone);
        Self { acl, backends, remembered }
    }

    /// Decides a question (docker_auth, `server.go`, `authorizeScope`).
    ///
    /// # Errors
    /// A back end that has to be asked gives no answer: then nothing is granted, and nothing is denied for good.
    pub async fn decide(&self, question: &Question<'_>) -> Result<Ruling, Unavailable> {
        if let Some(ruling) = by_rules(&self.acl, "acl", question) {
            return Ok(ruling);
        }
        if let Some(sql) = &self.backends.acl_xorm
            && let Some(ruling) = by_rules(&*sql.rules().await?, "acl_xorm", question)
        {
            return Ok(ruling);
        }
        if let Some(command) = &self.backends.ext_authz {
            // Boxed, since every request would have to have room for it.
            let actions = Box::pin(command.decide(question, &self.remembered)).await?;
            return Ok(Ruling { by: DecidedBy::Command, actions });
        }
        Ok(Ruling { by: DecidedBy::Nobody, actions: Vec::new() })
    }
}

/// `None` where no rule matches.
fn by_rules(policy: &Policy, section: &'static str, question: &Question<'_>) -> Option<Ruling> {
    let decision = policy.decide(question);
    let index = decision.rule?;
    let rule = policy.rule(index)?;
    let by = RuleName { section, index, line: rule.line(), comment: rule.comment().map(Arc::clone) };
    Some(Ruling { by: DecidedBy::Rule(by), actions: decision.actions })
}

impl Backends {
    fn new(settings: BackendSettings) -> Self {
        let BackendSettings { acl_xorm, ext_authz, limits, .. } = settings.clone();
        Self {
            acl_xorm: acl_xorm.map(|sql| SqlRules::new(sql, &limits)),
            ext_authz: ext_authz.map(|command| CommandRules::new(command, &limits)),
            settings,
        }
    }
}

impl DecidedBy {
    /// The same with the operator's comment.
    pub fn in_full(&self) -> String {
        match self {
            Self::Rule(RuleName { comment: Some(comment), .. }) => self.to_string() + " (" + comment + ")",
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for DecidedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("no rule matches"),
            Self::Rule(rule) => rule.fmt(f),
            Self::Command => f.write_str("the command of ext_authz"),
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
