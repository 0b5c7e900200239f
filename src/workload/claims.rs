//! Claims by name: what `account` and `labels` take from them, and what `require` demands of them.

use std::fmt;

use serde_json::Value;

use super::JwtError;
use crate::authz::{Glob, GoRegex};

/// The longest account, in bytes, the issuer's name included.
const LONGEST_ACCOUNT: usize = 512;
/// The longest value that is taken from a claim, in bytes.
const LONGEST_VALUE: usize = 2048;

/// The name of a claim: a member of the top level as it is, or a JSON Pointer (RFC 6901) that begins with a slash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClaimName(String);

impl ClaimName {
    /// Reads a name; `None` for an empty one, and a pointer with a bad escape.
    pub fn parse(text: &str) -> Option<Self> {
        let is_pointer = text.starts_with('/');
        let escapes = text.split('~').skip(1);
        let well_escaped = !is_pointer || escapes.into_iter().all(|rest| rest.starts_with(['0', '1']));
        (!text.is_empty() && well_escaped).then(|| Self(text.to_owned()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The claim's text.
    ///
    /// # Errors
    /// It is missing, not a text, or longer than any that is used.
    pub(super) fn text<'c>(&self, claims: &'c Value) -> Result<&'c str, JwtError> {
        let found = if self.0.starts_with('/') { claims.pointer(&self.0) } else { claims.get(&self.0) };
        let text = found.and_then(Value::as_str);
        // It is shown to people, in logs and on terminals.
        let text = text.filter(|text| text.len() <= LONGEST_VALUE && !text.chars().any(char::is_control));
        text.ok_or_else(|| JwtError::Claim(self.0.clone()))
    }
}

/// The part of an account's name after the issuer: text with `${claim:…}` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountTemplate {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Claim(ClaimName),
}

impl AccountTemplate {
    /// Reads a template. `None` where a placeholder is not closed, is no `claim:`, or names no claim; and where there
    /// is no placeholder at all, since every job would be the same account.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (inside, after) = after.split_once('}')?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Claim(ClaimName::parse(inside.strip_prefix("claim:")?)?));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        let has_claim = parts.iter().any(|part| matches!(part, Part::Claim(_)));
        has_claim.then(|| Self { text: text.to_owned(), parts })
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns true if two claims adjoin: then `ab` and `c` make the same account as `a` and `bc`.
    pub fn is_ambiguous(&self) -> bool {
        let inner = self.parts.get(1..self.parts.len().saturating_sub(1)).unwrap_or_default();
        inner.iter().any(|part| matches!(part, Part::Text(text) if text.is_empty()))
    }

    /// `<issuer>:` and the values of the claims.
    pub(super) fn account(&self, issuer: &str, claims: &Value) -> Result<String, JwtError> {
        let mut account = format!("{issuer}:");
        let prefix = account.len();
        for part in &self.parts {
            match part {
                Part::Text(text) => account.push_str(text),
                // Empty, it would make another account of the rest.
                Part::Claim(name) => match name.text(claims)? {
                    "" => return Err(JwtError::Account),
                    text => account.push_str(text),
                },
            }
        }
        let fits = account.len() > prefix && account.len() <= LONGEST_ACCOUNT;
        if fits && !account.chars().any(char::is_control) { Ok(account) } else { Err(JwtError::Account) }
    }
}

/// The demand on a claim: a text, a glob, or a regular expression between two slashes, as in a rule.
#[derive(Debug, Clone)]
pub struct Requirement {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Glob(Glob),
    Expression(Box<GoRegex>),
}

impl Requirement {
    /// Reads a requirement. An expression holds for the whole value, whether it is anchored or not: one that is met by
    /// a part would let in more than it seems to.
    ///
    /// # Errors
    /// The fault in it, for the report.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expression = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        let kind = match expression.filter(|expression| !expression.is_empty()) {
            Some(expression) => Kind::Expression(Box::new(whole(expression)?)),
            None => Kind::Glob(Glob::compile(text).map_err(|error| error.to_string())?),
        };
        Ok(Self { text: text.to_owned(), kind })
    }

    /// Returns true if `value` meets it.
    pub fn is_met(&self, value: &str) -> bool {
        match &self.kind {
            Kind::Glob(glob) => glob.is_match(value),
            Kind::Expression(expression) => expression.is_match(value),
        }
    }

    /// Returns true if one text alone meets it.
    pub fn is_literal(&self) -> bool {
        matches!(self.kind, Kind::Glob(_)) && !self.text.contains(['*', '?', '[', '\\'])
    }
}

/// The expression, anchored at both ends. It must be one by itself, too, or parentheses could end the group around it.
fn whole(expression: &str) -> Result<GoRegex, String> {
    let compiled =
        GoRegex::compile(expression).and_then(|_| GoRegex::compile(&format!("^(?:{expression})$")));
    compiled.map_err(|error| error.to_string())
}

impl PartialEq for Requirement {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Requirement {}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_is_named_by_a_plain_name_or_a_pointer() {
        let claims =
            json!({"sub": "x", "kubernetes.io": {"namespace": "ci"}, "a.b": "dots", "n": 1, "": "empty"});
        let text = |name: &str| ClaimName::parse(name).unwrap().text(&claims).map(str::to_owned);
        assert_eq!(text("sub").as_deref(), Ok("x"));
        assert_eq!(text("/sub").as_deref(), Ok("x"));
        assert_eq!(text("/kubernetes.io/namespace").as_deref(), Ok("ci"));
        assert_eq!(text("a.b").as_deref(), Ok("dots"), "a dot separates nothing");
        for missing in ["n", "kubernetes.io", "kubernetes.io.namespace", "nothing", "/kubernetes.io/pod"] {
            assert_eq!(text(missing), Err(JwtError::Claim(missing.to_owned())));
        }
        assert!(ClaimName::parse("").is_none() && ClaimName::parse("/a~2").is_none());
    }

    #[test]
    fn the_prefix_of_an_account_is_the_issuers_name() {
        let template = AccountTemplate::parse("${claim:repo}").unwrap();
        assert_eq!(
            template.account("github", &json!({"repo": "acme/app"})).as_deref(),
            Ok("github:acme/app")
        );
        assert_eq!(template.account("github", &json!({"repo": "admin:x"})).as_deref(), Ok("github:admin:x"));
        for bad in ["", &"x".repeat(600)] {
            assert_eq!(template.account("github", &json!({"repo": bad})), Err(JwtError::Account));
        }
        assert!(template.account("github", &json!({"repo": ["a"]})).is_err());
        assert!(template.account("github", &json!({"repo": "a\nb"})).is_err());
        for bad in ["", "all", "${claim:", "${claim:}", "${account}", "${claim:a}${"] {
            assert!(AccountTemplate::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_requirement_holds_for_whole_values() {
        let met = |text: &str, value: &str| Requirement::parse(text).unwrap().is_met(value);
        assert!(met("push", "push") && !met("push", "pushed") && !met("push", ""));
        assert!(met("/^(push|release)$/", "release") && !met("/^(push|release)$/", "pull_request"));
        assert!(met("refs/heads/*", "refs/heads/main") && !met("refs/heads/*", "refs/tags/v1"));
        for loose in ["/push/", "/^push/", "/push$/", "/^x|push$/", "/^[(]|push$/"] {
            assert!(met(loose, "push") && !met(loose, "pushed") && !met(loose, "a push"), "{loose}");
        }
        assert!(Requirement::parse("/a)(b/").is_err() && Requirement::parse("/(/").is_err());
        assert!(
            Requirement::parse("a").unwrap().is_literal() && !Requirement::parse("a*").unwrap().is_literal()
        );
    }
}
