//! The claims of an access token in docker_auth's shape, written and read.

use std::sync::Arc;

use serde::Serialize;

use super::{AuthSourceClaim, TokenError, auth_source::AuthSourceClaims, json::Object, memory};
use crate::{registry::Scope, state::Stamp};

/// The clock skew allowed between issuer and reader, in seconds: the registry's own leeway.
pub(super) const LEEWAY: u64 = 60;

/// The latest moment that a registry can compare: it counts from the year 1 in 64 bits and adds the leeway; later ones
/// wrap around into the past.
pub(super) const LATEST: u64 = i64::MAX.cast_unsigned() - 62_135_596_800 - LEEWAY;

/// The claims of an access token as docker_auth writes them, all of them always present; then Portwarden's own,
/// where another section than `users` knows the account.
#[derive(Serialize)]
pub(super) struct AccessClaims<'a> {
    pub(super) iss: &'a str,
    /// The account; empty for the anonymous user.
    pub(super) sub: &'a str,
    pub(super) aud: &'a str,
    pub(super) exp: u64,
    pub(super) nbf: u64,
    pub(super) iat: u64,
    pub(super) jti: &'a str,
    pub(super) access: &'a [Scope],
    /// Instead of `access`, for an account of `workload_auth` or `certificate_auth`; beside it, what rules grant for some
    /// tags only. A registry that trusts our key grants nothing by it.
    #[serde(skip_serializing_if = "<[Scope]>::is_empty")]
    pub(super) grants: &'a [Scope],
    #[serde(flatten)]
    pub(super) auth_source: AuthSourceClaims<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cnf: Option<Confirmation<'a>>,
    #[serde(flatten)]
    pub(super) stamp: StampClaims<'a>,
}

/// `cnf` (RFC 7800): what a client must prove beside the token.
#[derive(Serialize)]
pub(super) struct Confirmation<'a> {
    /// The thumbprint of a certificate (RFC 8705, section 3.1).
    #[serde(rename = "x5t#S256")]
    pub(super) thumbprint: &'a str,
}

/// The claims that revocations are held against.
#[derive(Serialize, Default)]
pub(super) struct StampClaims<'a> {
    /// The id of the state.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
    /// The generation of the account. Left out for 0, so that a token grows only for an account that was revoked.
    #[serde(skip_serializing_if = "is_zero")]
    generation: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(generation: &u64) -> bool {
    *generation == 0
}

impl<'a> StampClaims<'a> {
    /// The claims of a new token.
    pub(super) fn of(stamp: Option<&'a Stamp>) -> Self {
        let Some(Stamp { state, generation, .. }) = stamp else { return Self::default() };
        Self { state: state.as_deref(), generation: *generation }
    }
}

/// Reads the stamp of a token. A generation of another type, or below 0, is none that was issued.
pub(super) fn stamp(claims: &Object) -> Result<Stamp, TokenError> {
    let generation = claims.integer("generation")?.unwrap_or_default();
    Ok(Stamp {
        state: claims.text("state")?.map(Box::from),
        generation: u64::try_from(generation).map_err(|_| TokenError::Malformed)?,
        id: claims.text("jti")?.map(Box::from),
    })
}

/// Bytes that a stamp takes on the heap, about.
pub(super) fn stamp_bytes(stamp: &Stamp) -> usize {
    let texts = stamp.state.iter().chain(&stamp.id);
    texts.map(|text| size_of::<String>() + text.len()).sum()
}

/// The account that holds a token, and the most it may do with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// `sub`: the account; empty for the anonymous user.
    pub account: String,
    /// `access`: a ceiling, not a grant.
    pub access: Vec<Scope>,
    /// The section that knows the account; `None` for `users`.
    pub auth_source: Option<AuthSourceClaim>,
    /// `cnf`: the thumbprint of the certificate without which it is refused.
    pub bound_to: Option<String>,
    /// The state and the generation with which it was issued, and `jti`: whether it was revoked is asked on each use.
    pub stamp: Stamp,
}

impl AccessToken {
    /// Reads claims whose signature, issuer, audience and time have been checked.
    fn read(claims: &Object) -> Result<Self, TokenError> {
        // Of no use here, but a registry refuses a token in which it is of another type.
        claims.integer("iat")?;
        let account = claims.text("sub")?.unwrap_or_default().to_owned();
        let auth_source = AuthSourceClaim::read(claims)?;
        let is_session = auth_source.as_ref().is_some_and(|source| source.session().is_some());
        let bound_to = bound_to(claims)?;
        let ceiling = if is_session || bound_to.is_some() { "grants" } else { "access" };
        let mut access = claims.objects(ceiling)?.iter().map(scope).collect::<Result<Vec<_>, _>>()?;
        if ceiling == "access" {
            // What rules grant for some tags only stands there.
            access.extend(claims.objects("grants")?.iter().map(scope).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(Self { account, access, auth_source, bound_to, stamp: stamp(claims)? })
    }
}

/// The thumbprint in `cnf`. Another proof that it may demand is not understood, so such a token is refused.
fn bound_to(claims: &Object) -> Result<Option<String>, TokenError> {
    let Some(confirmation) = claims.object("cnf")? else { return Ok(None) };
    let thumbprint = confirmation.text("x5t#S256")?.ok_or(TokenError::Malformed)?;
    Ok(Some(thumbprint.to_owned()))
}

/// `iss` and `aud`, exactly. `aud` is one text: a list is refused, as the registry refuses it.
pub(super) fn check_party(claims: &Object, issuer: &str, audience: &str) -> Result<(), TokenError> {
    if claims.text("iss")? != Some(issuer) {
        return Err(TokenError::WrongIssuer);
    }
    if claims.text("aud")? == Some(audience) { Ok(()) } else { Err(TokenError::WrongAudience) }
}

/// An access token whose signature, issuer and audience are right, now and for as long as the key is the same. Its time
/// is checked on each use.
#[derive(Debug)]
pub(super) struct SignedClaims {
    pub(super) token: Arc<AccessToken>,
    validity: Validity,
}

/// `exp` and `nbf`, both required.
#[derive(Debug, Clone, Copy)]
struct Validity {
    expiry: i128,
    start: i128,
}

impl SignedClaims {
    /// Reads claims whose signature has been checked; `iss` and `aud` must be exactly these.
    pub(super) fn read(claims: &Object, issuer: &str, audience: &str, now: u64) -> Result<Self, TokenError> {
        check_party(claims, issuer, audience)?;
        let validity = Validity::read(claims)?;
        validity.check(now)?;
        Ok(Self { token: Arc::new(AccessToken::read(claims)?), validity })
    }

    /// Checks that it is valid at that moment.
    pub(super) fn check_time(&self, now: u64) -> Result<(), TokenError> {
        self.validity.check(now)
    }
}

impl memory::CachedClaims for SignedClaims {
    fn account(&self) -> &str {
        &self.token.account
    }

    fn bytes(&self) -> usize {
        let AccessToken { account, access, auth_source, bound_to, stamp } = &*self.token;
        let scope = |Scope { resource_type, name, actions }: &Scope| {
            size_of::<Vec<String>>() + memory::heap([resource_type, name]) + memory::heap(actions)
        };
        let access: usize = access.iter().map(scope).sum();
        size_of::<AccessToken>()
            + memory::heap([account])
            + memory::heap(bound_to)
            + access
            + stamp_bytes(stamp)
            + auth_source.as_ref().map_or(0, AuthSourceClaim::bytes)
    }
}

impl Validity {
    fn read(claims: &Object) -> Result<Self, TokenError> {
        let timestamp = |name| claims.integer(name)?.map(i128::from).ok_or(TokenError::Malformed);
        let (expiry, start) = (timestamp("exp")?, timestamp("nbf")?);
        if expiry.max(start) > i128::from(LATEST) {
            Err(TokenError::Malformed)
        } else {
            Ok(Self { expiry, start })
        }
    }

    fn check(self, now: u64) -> Result<(), TokenError> {
        let (now, leeway) = (i128::from(now), i128::from(LEEWAY));
        if now > self.expiry + leeway {
            return Err(TokenError::Expired);
        }
        if now < self.start - leeway { Err(TokenError::NotYetValid) } else { Ok(()) }
    }
}

/// An entry of `access`. What is missing is empty, as in Go, and then covers nothing; `class` must be a text, and like
/// unknown members it changes nothing.
fn scope(entry: &Object) -> Result<Scope, TokenError> {
    let text = |name| Ok::<_, TokenError>(entry.text(name)?.unwrap_or_default().to_owned());
    text("class")?;
    let mut actions = entry.texts("actions")?;
    actions.sort();
    Ok(Scope { resource_type: text("type")?, name: text("name")?, actions })
}
