//! Personal tokens: the account of one, as the configuration of now has it.
//!
//! The record of a token grants nothing by itself. Each request asks the configuration of now for the account, for the
//! longest lifetime, and for whether there are such tokens at all.

use std::{sync::Arc, time::Duration};

use super::{Snapshot, snapshot::unix_now};
use crate::{
    authn::{Identity, NewToken, PersonalToken, Secret, SignInSection, Source, TokenDigest},
    authz::parse_token_scope,
    registry::Scope,
    state::{AccountClaims, ClaimsDigest, NewPersonalToken, NotMade, PersonalTokenRecord, Stamp},
    token::{SignInClaim, TokenError},
};

/// Characters of a comment.
pub(super) const LONGEST_COMMENT: usize = 100;
/// Seconds of a day.
const DAY: u64 = 24 * 3600;

/// A token that a person wants.
#[derive(Debug, Clone, Copy)]
pub(super) struct WantedToken<'a> {
    /// Its purpose, in the person's words.
    pub(super) comment: &'a str,
    /// Its scopes, which were read, with spaces between them.
    pub(super) scopes: &'a str,
    /// Its lifetime, in days.
    pub(super) days: u64,
}

/// The standing of an account by the configuration of now, without its password.
pub(super) enum Standing {
    /// Its section has it, with the labels of now.
    Known(Identity),
    /// Its section does not have it, is gone, or has no accounts of people.
    Gone,
    /// Its person is on record, and the provider can be asked whether the sign-in still counts.
    SignsIn(SignInSection),
    /// Its section can only be asked with the password. What it said at the last login counts.
    CannotBeAsked,
}

impl Snapshot {
    /// The standing of an account that the section `source` knew.
    pub(super) fn standing(&self, account: &str, source: Source) -> Standing {
        match source {
            Source::Users if account.is_empty() => Standing::Gone,
            Source::Users => {
                self.authenticators.users.identity(account).map_or(Standing::Gone, Standing::Known)
            }
            Source::ExtAuth | Source::LdapAuth | Source::XormAuth => {
                let is_elsewhere =
                    self.authenticators.is_configured(account) || self.is_of_no_password(account);
                let vouches = self.authenticators.has(source) && !is_elsewhere;
                if vouches { Standing::CannotBeAsked } else { Standing::Gone }
            }
            Source::SignIn(section) if self.is_on_record(section, account) => Standing::SignsIn(section),
            Source::SignIn(_) | Source::Robots | Source::Workload | Source::Certificate => Standing::Gone,
        }
    }

    /// Returns true if personal tokens count: they are not turned off, there is a page to make and revoke them, and a
    /// state to keep them in.
    pub fn has_personal_tokens(&self) -> bool {
        let settings = &self.settings;
        settings.personal_tokens.enabled && settings.ui.enabled && self.state.keeps_personal_tokens()
    }

    /// Returns true if programs may ask for such tokens, for a person to allow it: `portwarden login`.
    pub(super) fn may_log_in_programs(&self) -> bool {
        self.has_personal_tokens() && self.settings.personal_tokens.device_login
    }

    /// The longest lifetime of a token of an account; `None` for an account that may have none.
    pub(super) fn longest_lifetime(&self, account: &str, source: Source) -> Option<Duration> {
        let settings = &self.settings.personal_tokens;
        match self.standing(account, source) {
            Standing::Known(_) | Standing::SignsIn(_) => Some(settings.lifetime),
            Standing::CannotBeAsked => Some(settings.lifetime_unverified),
            Standing::Gone => None,
        }
    }

    /// The second, since 1970, in which a token is over: by what was chosen for it, and by the longest lifetime of now.
    pub fn end_of_token(&self, token: &NewPersonalToken) -> u64 {
        let longest = self.longest_lifetime(&token.account, token.source).unwrap_or_default();
        token.ends.min(token.at.saturating_add(longest.as_secs()))
    }

    /// Returns true if an account has fewer tokens than it may.
    pub(super) fn has_room_for_token(&self, account: &str) -> bool {
        let (most, now) = (self.settings.personal_tokens.per_account, unix_now());
        let own = self.state.personal_tokens(Some(account));
        own.iter().filter(|token| token.made.ends > now).count() < most
    }

    /// Makes a token for the account of a session, and stores it. `stamp` is that of the session: what was revoked since it
    /// was checked is revoked for the token, too.
    ///
    /// # Errors
    /// [`NotMade`].
    pub(super) async fn make_token(
        &self,
        identity: &Identity,
        stamp: &Stamp,
        wanted: WantedToken<'_>,
    ) -> Result<(Secret, NewPersonalToken), NotMade> {
        let now = unix_now();
        let NewToken { token, digest } =
            NewToken::random().map_err(|error| NotMade::NoState(error.to_string()))?;
        let ends = now.saturating_add(wanted.days.saturating_mul(DAY));
        let claims = self.store_claims_for_token(identity, ends).await.map_err(|_| NotMade::Full)?;
        let person = match identity.source {
            Source::SignIn(section) => Some(self.sign_in_claim(section, &identity.account).person.into()),
            _ => None,
        };
        let new = NewPersonalToken {
            digest,
            account: identity.account.as_str().into(),
            source: identity.source,
            claims,
            person,
            scopes: wanted.scopes.into(),
            comment: wanted.comment.into(),
            at: now,
            ends,
        };
        let most = self.settings.personal_tokens.per_account;
        self.state.make_personal_token(new.clone(), stamp, most).await?;
        Ok((token, new))
    }

    /// The personal token of an account that was shown, where it is not revoked.
    pub(super) fn shown_token(&self, account: &str, shown: &TokenDigest) -> Option<Arc<PersonalTokenRecord>> {
        self.state.personal_token(account, shown).filter(|_| self.has_personal_tokens())
    }

    /// The identity behind something that was issued for the personal token `id` of an account, as it is now.
    ///
    /// # Errors
    /// As [`Self::holder_of`].
    pub(super) async fn holder_by_token(&self, account: &str, id: &str) -> Result<Identity, TokenError> {
        let token = self.state.personal_token_by_id(account, id).filter(|_| self.has_personal_tokens());
        self.holder_of(&*token.ok_or(TokenError::Revoked)?).await
    }

    /// The identity behind a personal token, as it is now, and notes the use of it.
    ///
    /// # Errors
    /// [`TokenError::Revoked`] where the account is gone, [`TokenError::SignIn`], [`TokenError::PersonalTokenExpired`],
    /// [`TokenError::LacksLabels`], and those of claims that are stored.
    pub(super) async fn holder_of(&self, token: &PersonalTokenRecord) -> Result<Identity, TokenError> {
        if self.state.is_out_of_date() {
            return Err(TokenError::ClaimsUnavailable);
        }
        let (made, now) = (&token.made, unix_now());
        let identity = match self.standing(&made.account, made.source) {
            Standing::Known(identity) => identity,
            Standing::SignsIn(section) => {
                let person = made.person.as_deref().unwrap_or_default().to_owned();
                self.signed_in_person(&made.account, &SignInClaim { section, person }).await?
            }
            Standing::CannotBeAsked => self.as_it_was(made).await?,
            Standing::Gone => return Err(TokenError::Revoked),
        };
        let ends = self.end_of_token(made);
        if now >= ends {
            return Err(TokenError::PersonalTokenExpired);
        }
        if self.authorizers.need(&identity.left_out) {
            return Err(TokenError::LacksLabels);
        }
        let scopes = made.scopes.split(' ').map(parse_token_scope).collect::<Result<Arc<[Scope]>, _>>();
        let scopes = scopes.map_err(|_| TokenError::Malformed)?;
        token.used(now);
        let personal = PersonalToken { id: token.id().into(), ends, scopes };
        Ok(Identity { personal: Some(Arc::new(personal)), ..identity })
    }

    /// The account with what its section said when the token was made.
    async fn as_it_was(&self, token: &NewPersonalToken) -> Result<Identity, TokenError> {
        let claims = match token.claims {
            Some(digest) => Box::pin(self.state.claims_of(&token.account, digest)).await?,
            None => AccountClaims::default(),
        };
        Ok(Identity {
            account: token.account.to_string(),
            labels: claims.labels,
            left_out: claims.left_out,
            source: token.source,
            token: None,
            personal: None,
            workload: None,
        })
    }

    /// Stores what is known of an account for a token that ends at `ends`, in seconds since 1970; `Ok(None)` where nothing
    /// need be: its section is asked on each request, or said nothing.
    ///
    /// # Errors
    /// There is no room for it, or the state does not take it.
    async fn store_claims_for_token(
        &self,
        identity: &Identity,
        ends: u64,
    ) -> Result<Option<ClaimsDigest>, ClaimsNotStored> {
        let Identity { account, labels, left_out, source, .. } = identity;
        let is_asked = matches!(self.standing(account, *source), Standing::Known(_) | Standing::SignsIn(_));
        if is_asked || (labels.is_empty() && left_out.is_empty()) {
            return Ok(None);
        }
        let (labels, left_out) = (Arc::clone(labels), Arc::clone(left_out));
        let claims = AccountClaims { labels, left_out, ..AccountClaims::default() };
        let ends = ends.saturating_add(super::snapshot::COUNTS_LONGER);
        let stored = Box::pin(self.state.store_claims(account, &claims, ends, unix_now())).await;
        stored.map(Some).ok_or(ClaimsNotStored)
    }
}

/// The labels of an account could not be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ClaimsNotStored;
