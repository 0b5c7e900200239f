//! The claims of an access token in docker_auth's shape, written and read.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

use super::{TokenError, json::Object, memory};
use crate::{authn::WorkloadSession, registry::Scope, state::Stamp};

/// The clock skew allowed between issuer and reader, in seconds: the registry's own leeway.
pub(super) const LEEWAY: u64 = 60;

/// The latest moment that a registry can compare: it counts from the year 1 in 64 bits and adds the leeway; later ones
/// wrap around into the past.
pub(super) const LATEST: u64 = i64::MAX.cast_unsigned() - 62_135_596_800 - LEEWAY;

/// The claims of an access token as docker_auth writes them, all of them always present; then Portwarden's own, where a
/// back end knows the account.
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
    /// Instead of `access`, for an account of `workload_auth` or `certificate_auth`: a registry that trusts our key
    /// grants nothing by it.
    #[serde(skip_serializing_if = "<[Scope]>::is_empty")]
    pub(super) grants: &'a [Scope],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) backend: Option<&'a str>,
    /// The id of a robot's token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) robot_token: Option<&'a str>,
    /// Lists of a name and its values. Not an object: a label may be called like a claim, in any case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) labels: Vec<Vec<&'a str>>,
    /// The same of what was left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) left_out: Vec<Vec<&'a str>>,
    /// The same of the claims of a session of `workload_auth`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) workload: Vec<Vec<&'a str>>,
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

/// The information on an account that a back end gave at login. It cannot be asked again without the password, so the
/// token carries it for as long as it is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthSourceClaim {
    /// The section of the configuration that vouches: `ldap_auth`, ….
    pub backend: String,
    /// The id of the robot's token that was shown, with which all that is issued for it ends.
    pub robot_token: Option<String>,
    /// The account's labels, as far as the rules look at them.
    pub labels: Arc<BTreeMap<String, Vec<String>>>,
    /// The labels that `labels` has not, or not with all values, with what the rules need to know of each.
    pub left_out: Arc<BTreeMap<String, Vec<String>>>,
    /// The session of an account of `workload_auth`.
    pub workload: Option<WorkloadSession>,
}

/// The account that holds a token, and the most it may do with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// `sub`: the account; empty for the anonymous user.
    pub account: String,
    /// `access`: a ceiling, not a grant.
    pub access: Vec<Scope>,
    /// `backend` and `labels`; `None` for an account that the configuration knows.
    pub voucher: Option<AuthSourceClaim>,
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
        let voucher = voucher(claims)?;
        let is_session = voucher.as_ref().is_some_and(|voucher| voucher.workload.is_some());
        let bound_to = bound_to(claims)?;
        let ceiling = if is_session || bound_to.is_some() { "grants" } else { "access" };
        let access = claims.objects(ceiling)?.iter().map(scope).collect::<Result<_, _>>()?;
        Ok(Self { account, access, voucher, bound_to, stamp: stamp(claims)? })
    }
}

/// The thumbprint in `cnf`. Another proof that it may demand is not understood, so such a token is refused.
fn bound_to(claims: &Object) -> Result<Option<String>, TokenError> {
    let Some(confirmation) = claims.object("cnf")? else { return Ok(None) };
    let thumbprint = confirmation.text("x5t#S256")?.ok_or(TokenError::Malformed)?;
    Ok(Some(thumbprint.to_owned()))
}

pub(super) fn voucher(claims: &Object) -> Result<Option<AuthSourceClaim>, TokenError> {
    let Some(backend) = claims.text("backend")? else { return Ok(None) };
    let (labels, left_out) = (by_name(claims, "labels")?.into(), by_name(claims, "left_out")?.into());
    let robot_token = claims.text("robot_token")?.map(str::to_owned);
    let workload = if claims.has("workload") { Some(workload(claims)?) } else { None };
    Ok(Some(AuthSourceClaim { backend: backend.to_owned(), robot_token, labels, left_out, workload }))
}

fn workload(claims: &Object) -> Result<WorkloadSession, TokenError> {
    let ends = claims.integer("exp")?.and_then(|at| u64::try_from(at).ok()).ok_or(TokenError::Malformed)?;
    Ok(WorkloadSession { ends, claims: by_name(claims, "workload")?.into() })
}

/// A list of lists, each of a name and its texts.
fn by_name(claims: &Object, claim: &str) -> Result<BTreeMap<String, Vec<String>>, TokenError> {
    let named = |list: Vec<String>| {
        let mut texts = list.into_iter();
        Ok((texts.next().ok_or(TokenError::Malformed)?, texts.collect()))
    };
    claims.lists(claim)?.into_iter().map(named).collect()
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
        let AccessToken { account, access, voucher, bound_to, stamp } = &*self.token;
        let scope = |Scope { resource_type, name, actions }: &Scope| {
            size_of::<Vec<String>>() + memory::heap([resource_type, name]) + memory::heap(actions)
        };
        let access: usize = access.iter().map(scope).sum();
        size_of::<AccessToken>()
            + memory::heap([account])
            + memory::heap(bound_to)
            + access
            + stamp_bytes(stamp)
            + voucher.as_ref().map_or(0, AuthSourceClaim::bytes)
    }
}

impl AuthSourceClaim {
    /// Bytes that it takes on the heap, about.
    pub(super) fn bytes(&self) -> usize {
        // A node of the tree has room for more names than it may have.
        let label = |(name, values): (&String, &Vec<String>)| {
            2 * (memory::heap([name]) + size_of::<Vec<String>>()) + memory::heap(values)
        };
        let claims = self.workload.iter().flat_map(|session| session.claims.iter());
        let all = self.labels.iter().chain(&*self.left_out).chain(claims);
        memory::heap(std::iter::once(&self.backend).chain(&self.robot_token)) + all.map(label).sum::<usize>()
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
