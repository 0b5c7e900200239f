//! The claims that name the section of the configuration that knows an account, with what it said at the login.
//!
//! An account of `users` has none: it is looked up on each request. Others cannot be asked again without their password
//! or their JWT, so their tokens carry the answer, or the digest under which the state has it.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

use super::{IssueError, TokenError, json::Object, memory};
use crate::{
    authn::{Labels, RequiredClaims, SessionStart, SignInSection, Source},
    state::{AccountClaims, ClaimsDigest},
};

/// The most bytes of labels in a token, which travels in a header: base64 makes 16 KiB of them, and a head may have 32.
const MOST: usize = 12 << 10;
/// The `backend` of what is issued for a personal token, whichever section knows its account.
const PERSONAL_TOKENS: &str = "personal_tokens";

/// The section that knows the account of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthSourceClaim {
    /// `robots`: the id of the robot's token that was shown, with which all that is issued for it ends.
    Robot(String),
    /// The id of the personal token that was shown, with which all that is issued for it ends.
    PersonalToken(String),
    /// `certificate_auth`: the certificate, which has to be shown as well, has the labels.
    Certificate,
    /// A section with which people sign in at a provider: the record of the person, in the state, has the labels.
    SignIn(SignInClaim),
    /// A section that cannot be asked again.
    BackEnd(BackEndClaim),
}

/// A person who has signed in at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInClaim {
    /// The section.
    pub section: SignInSection,
    /// The digest of the person: another one who gets the name of the account has another.
    pub person: String,
}

/// The answer of a section that cannot be asked again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackEndClaim {
    /// The section.
    pub source: Source,
    /// Its answer about the account.
    pub claims: CarriedClaims,
    /// The login with a JWT; of `workload_auth`, and of no other.
    pub session: Option<Arc<SessionStart>>,
}

/// The way in which a token carries the claims about its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CarriedClaims {
    /// In full.
    Inline(AccountClaims),
    /// They are in the state, under this digest.
    Stored(ClaimsDigest),
}

/// The claims as they are written.
#[derive(Serialize, Default)]
pub(super) struct AuthSourceClaims<'a> {
    /// The section.
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    robot_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    personal_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<&'a str>,
    /// Lists of a name and its values. Not an object: a label may be called like a claim, in any case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<Vec<&'a str>>,
    /// The same of what was left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<Vec<&'a str>>,
    /// The same of the claims of the JWT that the session needs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    required: Vec<[&'a str; 2]>,
    /// In place of the three before: their digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<String>,
    /// The session: settings, `kid`, key, beginning, and the `jti` if there is one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    session: Vec<String>,
}

impl AuthSourceClaim {
    /// The start of its session, for an account of `workload_auth`.
    pub fn session(&self) -> Option<&Arc<SessionStart>> {
        match self {
            Self::BackEnd(claim) => claim.session.as_ref(),
            Self::Robot(_) | Self::PersonalToken(_) | Self::Certificate | Self::SignIn(_) => None,
        }
    }

    /// Reads the claims of a token whose signature is right; `None` for an account of `users`.
    pub(super) fn read(claims: &Object) -> Result<Option<Self>, TokenError> {
        let Some(section) = claims.text("backend")? else { return Ok(None) };
        if section == Source::Robots.section() {
            let id = claims.text("robot_token")?.unwrap_or_default();
            return Ok(Some(Self::Robot(id.to_owned())));
        }
        if section == PERSONAL_TOKENS {
            let id = claims.text("personal_token")?.ok_or(TokenError::Malformed)?;
            return Ok(Some(Self::PersonalToken(id.to_owned())));
        }
        if section == Source::Certificate.section() {
            return Ok(Some(Self::Certificate));
        }
        if let Some(section) = SignInSection::parse(section) {
            let person = claims.text("person")?.ok_or(TokenError::Malformed)?.to_owned();
            return Ok(Some(Self::SignIn(SignInClaim { section, person })));
        }
        let source = Source::backend(section).ok_or(TokenError::Malformed)?;
        let session = session(claims)?.map(Arc::new);
        if session.is_some() != (source == Source::Workload) {
            return Err(TokenError::Malformed);
        }
        let claims = match claims.text("stored")? {
            Some(digest) => CarriedClaims::Stored(ClaimsDigest::decode(digest).ok_or(TokenError::Malformed)?),
            None => CarriedClaims::Inline(AccountClaims {
                labels: labels(claims, "labels")?.into(),
                left_out: labels(claims, "left_out")?.into(),
                required: required(claims)?.into(),
            }),
        };
        Ok(Some(Self::BackEnd(BackEndClaim { source, claims, session })))
    }

    /// Bytes that it takes on the heap, about.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Robot(id) | Self::PersonalToken(id) => memory::heap([id]),
            Self::SignIn(claim) => memory::heap([&claim.person]),
            Self::Certificate => 0,
            Self::BackEnd(BackEndClaim { claims, session, .. }) => {
                let session = session.iter().map(|start| {
                    let texts = [&start.settings, &start.key_id, &start.key_fingerprint];
                    size_of::<SessionStart>() + memory::heap(texts) + memory::heap(&start.jwt_id)
                });
                let claims = match claims {
                    // A node of a tree has room for more than it may have.
                    CarriedClaims::Inline(claims) => 2 * claims.bytes(),
                    CarriedClaims::Stored(_) => 0,
                };
                session.sum::<usize>() + claims
            }
        }
    }
}

impl<'a> AuthSourceClaims<'a> {
    /// The claims of a new token.
    ///
    /// # Errors
    /// [`IssueError::TooManyLabels`].
    pub(super) fn of(source: Option<&'a AuthSourceClaim>) -> Result<Self, IssueError> {
        match source {
            None => Ok(Self::default()),
            Some(AuthSourceClaim::Robot(id)) => {
                let backend = Some(Source::Robots.section());
                Ok(Self { backend, robot_token: Some(id), ..Self::default() })
            }
            Some(AuthSourceClaim::PersonalToken(id)) => {
                Ok(Self { backend: Some(PERSONAL_TOKENS), personal_token: Some(id), ..Self::default() })
            }
            Some(AuthSourceClaim::Certificate) => {
                Ok(Self { backend: Some(Source::Certificate.section()), ..Self::default() })
            }
            Some(AuthSourceClaim::SignIn(SignInClaim { section, person })) => {
                Ok(Self { backend: Some(section.key()), person: Some(person), ..Self::default() })
            }
            Some(AuthSourceClaim::BackEnd(claim)) => Self::of_back_end(claim),
        }
    }

    fn of_back_end(BackEndClaim { source, claims, session }: &'a BackEndClaim) -> Result<Self, IssueError> {
        let session = session.as_ref().map(|start| {
            let SessionStart { settings, key_id, key_fingerprint, began, jwt_id, .. } = &**start;
            let began = began.to_string();
            let mut texts = vec![settings.clone(), key_id.clone(), key_fingerprint.clone(), began];
            texts.extend(jwt_id.clone());
            texts
        });
        let (backend, session) = (Some(source.section()), session.unwrap_or_default());
        let named = Self { backend, session, ..Self::default() };
        match claims {
            CarriedClaims::Stored(digest) => Ok(Self { stored: Some(digest.encoded()), ..named }),
            CarriedClaims::Inline(claims) if claims.text_bytes() > MOST => {
                Err(IssueError::TooManyLabels(MOST))
            }
            CarriedClaims::Inline(AccountClaims { labels, left_out, required }) => Ok(Self {
                labels: texts(labels),
                left_out: texts(left_out),
                required: required.iter().map(|(name, value)| [name.as_str(), value.as_str()]).collect(),
                ..named
            }),
        }
    }
}

fn texts(labels: &Labels) -> Vec<Vec<&str>> {
    let texts = |(name, values)| std::iter::once(name).chain::<&Vec<_>>(values).map(String::as_str).collect();
    labels.iter().map(texts).collect()
}

/// A list of lists, each of a name and its values.
fn labels(claims: &Object, claim: &str) -> Result<Labels, TokenError> {
    let named = |list: Vec<String>| {
        let mut texts = list.into_iter();
        Ok((texts.next().ok_or(TokenError::Malformed)?, texts.collect()))
    };
    claims.lists(claim)?.into_iter().map(named).collect()
}

/// A list of pairs, each of a name and a value.
fn required(claims: &Object) -> Result<RequiredClaims, TokenError> {
    let pair = |list: Vec<String>| {
        let [name, value] = <[String; 2]>::try_from(list).map_err(|_| TokenError::Malformed)?;
        Ok((name, value))
    };
    claims.lists("required")?.into_iter().map(pair).collect::<Result<BTreeMap<_, _>, _>>()
}

fn session(claims: &Object) -> Result<Option<SessionStart>, TokenError> {
    if !claims.has("session") {
        return Ok(None);
    }
    let ends = claims.integer("exp")?.and_then(|at| u64::try_from(at).ok()).ok_or(TokenError::Malformed)?;
    let mut texts = claims.texts("session")?.into_iter();
    let (Some(settings), Some(key_id), Some(key_fingerprint), Some(began), jwt_id, None) =
        (texts.next(), texts.next(), texts.next(), texts.next(), texts.next(), texts.next())
    else {
        return Err(TokenError::Malformed);
    };
    let began = began.parse().map_err(|_| TokenError::Malformed)?;
    Ok(Some(SessionStart { ends, began, settings, key_id, key_fingerprint, jwt_id }))
}
