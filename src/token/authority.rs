//! The authority: one key, one issuer, one service; makes access tokens and checks them.
//!
//! Refresh tokens are in [`super::refresh`]. What an account may do is decided elsewhere, before and after.

use std::{fmt, sync::Arc, time::Duration};

use aws_lc_rs::{hmac, rand};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};

use super::{
    AccessToken, AuthSourceClaim, IssueError, SigningKey, TokenError,
    auth_source::AuthSourceClaims,
    claims::{AccessClaims, Confirmation, LATEST, SignedClaims, StampClaims},
    grace,
    jws::{self, Kind},
    memory::Memory,
    refresh::{self, RefreshClaims},
    session::{self, SessionClaims},
};
use crate::{registry::Scope, state::Stamp};

/// The shortest validity of a token, in seconds: clients assume it when the answer names none (token specification).
const SHORTEST: u64 = 60;

/// Seconds by which `nbf` is backdated, as docker_auth sets it.
const BACKDATED: u64 = 10;

/// Number of sets for the remembered tokens of each kind: see [`super::memory`]. Each set of eight takes at most 16
/// KiB, usually a quarter of that. Access tokens come with each request; the other kinds now and then.
const ACCESS_SETS: usize = 256;
const OTHER_SETS: usize = 64;

/// Separates the keys of the memories, each from the other and from other secrets of the same private key.
const MEMORY_PURPOSES: [&str; 3] =
    ["portwarden access memory v1", "portwarden refresh memory v1", "portwarden session memory v1"];

/// The settings for tokens.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `token.issuer`: written to and demanded of `iss`.
    pub issuer: String,
    /// `registry.service`: the only `aud` that [`Authority::verify`] accepts.
    pub service: String,
    /// `token.expiration`: how long a token is valid; at least 60 s whatever is set. Whole seconds count.
    pub lifetime: Duration,
}

/// Makes tokens and checks them. Prints as `***`.
pub struct Authority {
    pub(super) key: SigningKey,
    pub(super) settings: Settings,
    pub(super) fingerprints: hmac::Key,
    pub(super) forms: hmac::Key,
    pub(super) uploads: hmac::Key,
    pub(super) accesses: Memory<SignedClaims>,
    pub(super) refreshes: Memory<RefreshClaims>,
    pub(super) sessions: Memory<SessionClaims>,
}

/// A token with what the token endpoint says about it.
#[derive(Debug)]
pub struct IssuedToken {
    /// The token.
    pub token: SignedToken,
    /// Seconds from `issued_at` to its expiry; at least 60.
    pub expires_in: u64,
    /// The time of issue, in seconds since 1970.
    pub issued_at: u64,
}

/// A token, which is as good as a password for as long as it is valid. Prints as `***`.
#[derive(Clone)]
pub struct SignedToken(String);

/// The account that a token is made for.
#[derive(Debug, Clone, Copy)]
pub struct Holder<'a> {
    /// The account; empty for the anonymous user.
    pub account: &'a str,
    /// The section that knows the account; `None` for `users`.
    pub auth_source: Option<&'a AuthSourceClaim>,
    /// The second, since 1970, from which on the account may not sign in as it has: the token ends by then, though it is
    /// valid for a minute at least. Other registries that trust the key know of no other end.
    pub until: Option<u64>,
    /// The thumbprint of the certificate that the token is bound to.
    pub bound_to: Option<&'a str>,
    /// The state and generation of the account; `None` where there is no state.
    pub stamp: Option<&'a Stamp>,
}

impl<'a> From<&'a str> for Holder<'a> {
    /// An account that the configuration knows, without an end, and without a state.
    fn from(account: &'a str) -> Self {
        Self { account, auth_source: None, until: None, bound_to: None, stamp: None }
    }
}

impl Authority {
    /// An authority with this key.
    pub fn new(key: SigningKey, settings: Settings) -> Self {
        let fingerprints = key.derive_key(refresh::FINGERPRINT_PURPOSE);
        let forms = key.derive_key(session::FORMS_PURPOSE);
        let uploads = key.derive_key(grace::PURPOSE);
        let [access, refresh, session] = MEMORY_PURPOSES.map(|purpose| key.derive_key(purpose));
        Self {
            key,
            settings,
            fingerprints,
            forms,
            uploads,
            accesses: Memory::new(access, ACCESS_SETS),
            refreshes: Memory::new(refresh, OTHER_SETS),
            sessions: Memory::new(session, OTHER_SETS),
        }
    }

    /// The `iss` of its tokens, which is also the realm of docker_auth's Basic challenge.
    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// `token.expiration`: the validity of an access token, where nothing ends it before.
    pub fn lifetime(&self) -> Duration {
        self.settings.lifetime
    }

    /// The key it signs with.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Makes a token for `account` (empty: anonymous) at `service`, which becomes `aud`. As in docker_auth any service
    /// is signed for, since other registries may trust this key; only our own service passes [`Self::verify`].
    ///
    /// # Errors
    /// The token would be too large to be accepted, or the library refuses to sign.
    pub fn issue(
        &self,
        account: &str,
        service: &str,
        access: &[Scope],
        now: u64,
    ) -> Result<IssuedToken, IssueError> {
        self.issue_to(account.into(), service, access, now)
    }

    /// The same for an account that a back end knows, or whose right to sign in has an end.
    ///
    /// # Errors
    /// As [`Self::issue`], and [`IssueError::TooManyLabels`].
    pub fn issue_to(
        &self,
        holder: Holder<'_>,
        service: &str,
        access: &[Scope],
        now: u64,
    ) -> Result<IssuedToken, IssueError> {
        self.issue_in_part(holder, service, (access, &[]), now)
    }

    /// The same with accesses that only we grant: those that rules grant for some tags only.
    ///
    /// # Errors
    /// As [`Self::issue_to`].
    pub fn issue_in_part(
        &self,
        holder: Holder<'_>,
        service: &str,
        (access, ours): (&[Scope], &[Scope]),
        now: u64,
    ) -> Result<IssuedToken, IssueError> {
        let Holder { account, auth_source, until, bound_to, stamp } = holder;
        let session = auth_source.and_then(AuthSourceClaim::session);
        // An account of `workload_auth` cannot come back for another token, since its JWT is dead by then.
        let usual = now.saturating_add(self.settings.lifetime.as_secs());
        let end = session.map_or(usual, |session| session.ends).min(until.unwrap_or(LATEST));
        let exp = end.max(now.saturating_add(SHORTEST)).min(LATEST);
        let is_ours_alone = session.is_some() || bound_to.is_some();
        let both: Vec<Scope>;
        let (access, grants) = if is_ours_alone {
            both = access.iter().chain(ours).cloned().collect();
            (&[][..], &*both)
        } else {
            (access, ours)
        };
        let claims = AccessClaims {
            iss: &self.settings.issuer,
            sub: account,
            aud: service,
            exp,
            nbf: now.saturating_sub(BACKDATED),
            iat: now,
            jti: &random_id()?,
            access,
            grants,
            auth_source: AuthSourceClaims::of(auth_source)?,
            cnf: bound_to.map(|thumbprint| Confirmation { thumbprint }),
            stamp: StampClaims::of(stamp),
        };
        let token = SignedToken::new(jws::sign(&self.key, Kind::Access, &claims)?);
        Ok(IssuedToken { token, expires_in: exp.saturating_sub(now), issued_at: now })
    }

    /// Checks an access token for our own service.
    ///
    /// # Errors
    /// The first thing that is wrong with it: form, then header, signature, issuer, audience, time, access.
    pub fn verify(&self, token: &str, now: u64) -> Result<Arc<AccessToken>, TokenError> {
        let open = || {
            let claims = jws::open(&self.key, Kind::Access, token)?;
            SignedClaims::read(&claims, &self.settings.issuer, &self.settings.service, now)
        };
        let claims = self.accesses.recall_or_open(token, open, |claims| claims.check_time(now))?;
        Ok(Arc::clone(&claims.token))
    }
}

/// `jti`: 128 random bits.
pub(super) fn random_id() -> Result<String, IssueError> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| IssueError::Signing)?;
    Ok(BASE64URL.encode(bytes))
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl SignedToken {
    pub(super) fn new(token: String) -> Self {
        Self(token)
    }

    /// The token itself, for the one answer that carries it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SignedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for SignedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests;
