//! All that a reload replaces, as one value. A request takes it once and sees one policy from its head to its permit.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use super::Settings;
use crate::{
    authn::{Authenticators, Identity, Remembered, Source},
    authz::Authorizers,
    token::{AuthSourceClaim, Authority, TokenError},
};

/// The configuration in force, compiled.
#[derive(Debug)]
pub struct Snapshot {
    /// The accounts that may log in.
    pub authenticators: Authenticators,
    /// The rules on their rights.
    pub authorizers: Authorizers,
    /// Signs and checks tokens.
    pub authority: Authority,
    /// The passwords that were right a moment ago, under this configuration.
    pub remembered: Remembered,
    /// The rest of what the proxy was told.
    pub settings: Settings,
}

impl Snapshot {
    /// The fingerprint to which an account's refresh tokens are tied; `None` for an account without a password here.
    pub(super) fn fingerprint(&self, account: &str) -> Option<crate::token::Fingerprint> {
        Some(self.authority.fingerprint(account, self.authenticators.users.stored_hash(account)?))
    }

    /// The part of an identity that a token must carry: nothing where the account can be looked up on each request,
    /// else the labels that the rules of now look at.
    pub(super) fn voucher(&self, identity: &Identity) -> Option<AuthSourceClaim> {
        let backend = identity.source.section().to_owned();
        (identity.source != Source::Users).then(|| {
            let (labels, left_out) = self.authorizers.part(&identity.labels);
            AuthSourceClaim { backend, labels: labels.into(), left_out: left_out.into() }
        })
    }

    /// The identity of a token's account as it is now. An account of `users` ends with its entry there and has the
    /// labels of now. An account of a back end has what the token carries. It ends with the section that vouches for
    /// it, or when `users`, which is asked first, has the name. Labels that were left out and that the rules look at by
    /// now are never taken for missing.
    ///
    /// # Errors
    /// [`TokenError::Revoked`], [`TokenError::LacksLabels`].
    pub(super) fn holder(
        &self,
        account: &str,
        voucher: Option<&AuthSourceClaim>,
    ) -> Result<Identity, TokenError> {
        let users = &self.authenticators.users;
        let Some(AuthSourceClaim { backend, labels, left_out }) = voucher else {
            return users.identity(account).ok_or(TokenError::Revoked);
        };
        match Source::backend(backend) {
            Some(source) if self.authenticators.has(source) && users.lookup(account).is_none() => {
                if self.authorizers.need(left_out) {
                    return Err(TokenError::LacksLabels);
                }
                let (labels, left_out) = (Arc::clone(labels), Arc::clone(left_out));
                Ok(Identity { account: account.to_owned(), labels, left_out, source })
            }
            _ => Err(TokenError::Revoked),
        }
    }
}

/// Seconds since 1970, for tokens.
pub(super) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
