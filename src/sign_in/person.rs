//! A person, as a provider describes it.

use std::fmt;

use serde_json::Value;

use super::Failure;
use crate::authn::{Labels, Secret, folded_name, is_robot_token};

/// The longest account and the longest subject, in bytes.
const LONGEST_NAME: usize = 255;
/// The most bytes of all labels of a person, with their names.
const MOST_LABELS: usize = 32 << 10;

/// A person, as a provider describes it.
pub struct Person {
    /// The name that the provider gives to no other: `sub` of an ID token, or the number of a user.
    pub subject: String,
    /// The name of the account here.
    pub account: String,
    /// The labels of now.
    pub labels: Labels,
    /// The token with which the provider is asked again: of a new one only; `None` where the provider gave none.
    pub secret: Option<Secret>,
}

impl Person {
    /// A person, if the name can be an account's and the labels are not too many.
    ///
    /// # Errors
    /// A sentence for that person.
    pub(super) fn new(
        subject: &str,
        account: &str,
        labels: Labels,
        secret: Option<Secret>,
    ) -> Result<Self, Failure> {
        if subject.is_empty() || subject.len() > LONGEST_NAME {
            return Err(Failure::Misconfigured("the subject is empty, or longer than 255 bytes".to_owned()));
        }
        if !is_account(account) {
            let why = "the provider gives a name that cannot be an account here: expected up to 255 bytes without spaces, \
                       colons, slashes and control characters";
            return Err(Failure::refused(why));
        }
        let bytes: usize = labels
            .iter()
            .map(|(name, values)| name.len() + values.iter().map(String::len).sum::<usize>())
            .sum();
        if bytes > MOST_LABELS {
            let why = "the provider names more groups of this person than are stored here, 32 KiB: ask the operator of this \
                       registry to let it name fewer";
            return Err(Failure::refused(why));
        }
        Ok(Self { subject: subject.to_owned(), account: account.to_owned(), labels, secret })
    }

    /// A person by the claims of an ID token, or of the answer of the endpoint for claims.
    ///
    /// # Errors
    /// A claim that is missing or does not suffice: a sentence for that person.
    pub(super) fn of_claims(
        claims: &Value,
        (user_claim, label_claims): (&str, &[String]),
        secret: Option<Secret>,
    ) -> Result<Self, Failure> {
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        let account = claims.get(user_claim).and_then(Value::as_str).filter(|name| !name.is_empty());
        let account = account.ok_or_else(|| {
            Failure::refused(format!(
                "the provider does not say this person's `{user_claim}`, which names the account"
            ))
        })?;
        if user_claim == "email" && !is_verified(claims) {
            let why = "the provider has not verified the e-mail address of this person: verify it there, and sign in again";
            return Err(Failure::refused(why));
        }
        let mut labels = Labels::new();
        for name in label_claims {
            if let Some(values) = label(claims, name)? {
                labels.insert(name.clone(), values);
            }
        }
        Self::new(subject, account, labels, secret)
    }
}

/// Some providers write the truth as text.
fn is_verified(claims: &Value) -> bool {
    match claims.get("email_verified") {
        Some(Value::Bool(verified)) => *verified,
        Some(Value::String(text)) => text == "true",
        _ => false,
    }
}

/// The values of a claim that is a list of text, as docker_auth takes them; `None` where there is none. Groups that do
/// not fit into a token are named in `_claim_names` instead (OpenID Connect Core 1.0, section 5.6.2): they are not none.
pub(super) fn label(claims: &Value, name: &str) -> Result<Option<Vec<String>>, Failure> {
    if claims.get("_claim_names").and_then(|names| names.get(name)).is_some() {
        let why = format!(
            "the provider keeps the `{name}` of this person elsewhere, because they are too many: ask the operator of this \
             registry to let it name fewer"
        );
        return Err(Failure::refused(why));
    }
    let wrong = || Failure::refused(format!("the `{name}` of this person are not a list of text"));
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(values)) => {
            let texts = values.iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(wrong));
            let texts = texts.collect::<Result<Vec<_>, _>>()?;
            Ok(Some(texts.into_iter().filter(|text| !text.is_empty()).collect()))
        }
        Some(_) => Err(wrong()),
    }
}

/// Returns true if a person may have this name: a client can send it, it is no robot's token, and a rule for
/// `${account}/*` opens nothing in the namespace of another.
fn is_account(account: &str) -> bool {
    let is_right = |c: char| !c.is_control() && !c.is_whitespace() && c != ':' && c != '/';
    (1..=LONGEST_NAME).contains(&account.len())
        && account.chars().all(is_right)
        && !folded_name(account).is_empty()
        && !is_robot_token(account.as_bytes())
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person").field("account", &self.account).field("subject", &self.subject).finish()
    }
}
