//! All that a reload replaces, as one value. A request takes it once and sees one policy from its head to its permit.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use super::Settings;
use crate::{
    authn::{Authenticators, Identity, MOST_TOKENS, Remembered, Source, TokenEnded},
    authz::Authorizers,
    token::{AuthSourceClaim, Authority, Fingerprint, TokenError},
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
    pub(super) fn fingerprint(&self, account: &str) -> Option<Fingerprint> {
        Some(self.authority.fingerprint(account, self.authenticators.users.stored_hash(account)?))
    }

    /// The same for an identity: of a robot's token, where it has shown one.
    pub(super) fn fingerprint_of(&self, identity: &Identity) -> Option<Fingerprint> {
        let Some(token) = &identity.token else { return self.fingerprint(&identity.account) };
        let slot =
            (0..MOST_TOKENS).find(|slot| self.robot_token(&identity.account, *slot) == Some(&*token.id))?;
        self.robot_fingerprint(&identity.account, slot)
    }

    /// The identity behind a refresh token, as it is now; `None` if it proves none.
    pub(super) fn refreshed(&self, token: &str, service: &str, ip: Option<IpAddr>) -> Option<Identity> {
        let verify = |fingerprint_of: &dyn Fn(&str) -> Option<Fingerprint>| {
            self.authority.verify_refresh(token, service, unix_now(), fingerprint_of)
        };
        match verify(&|account| self.fingerprint(account)) {
            Ok(account) => return self.authenticators.users.identity(&account),
            Err(TokenError::Revoked) => {}
            Err(_) => return None,
        }
        (0..MOST_TOKENS).find_map(|slot| {
            let account = verify(&|account| self.robot_fingerprint(account, slot)).ok()?;
            self.robot(&account, self.robot_token(&account, slot)?, ip).ok()
        })
    }

    /// The part of an identity that a token must carry. Nothing for an account that can be looked up on each request,
    /// and for a robot the id of the token that it has shown. For others, the labels that the rules of now look at.
    pub(super) fn voucher(&self, identity: &Identity) -> Option<AuthSourceClaim> {
        let backend = identity.source.section().to_owned();
        let robot_token = identity.token.as_ref().map(|token| token.id.to_string());
        match identity.source {
            Source::Users => None,
            Source::Robots => Some(AuthSourceClaim {
                backend,
                robot_token,
                labels: Arc::default(),
                left_out: Arc::default(),
            }),
            Source::ExtAuth | Source::LdapAuth | Source::XormAuth => {
                let (labels, left_out) = self.authorizers.part(&identity.labels);
                let (labels, left_out) = (labels.into(), left_out.into());
                Some(AuthSourceClaim { backend, robot_token, labels, left_out })
            }
        }
    }

    /// The identity of a token's account as it is now. An account of `users` ends with its entry there and has the
    /// labels of now. A robot ends with the token that it has shown, and with the address. An account of a back end has
    /// what the token carries. It ends with the section that vouches for it, or when the configuration, which is asked
    /// first, has the name. Labels that were left out and that the rules look at by now are never taken for missing.
    ///
    /// # Errors
    /// [`TokenError::Revoked`], [`TokenError::LacksLabels`], and of a robot [`TokenError::RobotTokenExpired`] and
    /// [`TokenError::WrongAddress`].
    pub(super) fn holder(
        &self,
        account: &str,
        voucher: Option<&AuthSourceClaim>,
        ip: Option<IpAddr>,
    ) -> Result<Identity, TokenError> {
        let Some(AuthSourceClaim { backend, robot_token, labels, left_out }) = voucher else {
            return self.authenticators.users.identity(account).ok_or(TokenError::Revoked);
        };
        if backend == Source::Robots.section() {
            return self.robot(account, robot_token.as_deref().unwrap_or_default(), ip);
        }
        match Source::backend(backend) {
            Some(source)
                if self.authenticators.has(source) && !self.authenticators.is_configured(account) =>
            {
                if self.authorizers.need(left_out) {
                    return Err(TokenError::LacksLabels);
                }
                let (labels, left_out) = (Arc::clone(labels), Arc::clone(left_out));
                Ok(Identity { account: account.to_owned(), labels, left_out, source, token: None })
            }
            _ => Err(TokenError::Revoked),
        }
    }

    /// The second, since 1970, in which the robot's token of an identity is over; `None` for one without an end.
    pub(super) fn last_second_of(&self, identity: &Identity) -> Option<u64> {
        self.authenticators.robots.end_of(&identity.account, &identity.token.as_ref()?.id)
    }

    /// The robot that has shown the token `id`, if it still may.
    fn robot(&self, name: &str, id: &str, ip: Option<IpAddr>) -> Result<Identity, TokenError> {
        let identity = self.authenticators.robots.identity(name, id, unix_now());
        let identity = identity.map_err(|ended| match ended {
            TokenEnded::Removed => TokenError::Revoked,
            TokenEnded::Expired => TokenError::RobotTokenExpired,
        })?;
        if self.authorizers.ceilings.admits(name, ip) { Ok(identity) } else { Err(TokenError::WrongAddress) }
    }

    fn robot_token(&self, name: &str, slot: usize) -> Option<&str> {
        self.authenticators.robots.stored(name, slot).map(|(_, token)| &*token.id)
    }

    fn robot_fingerprint(&self, name: &str, slot: usize) -> Option<Fingerprint> {
        let (digest, _) = self.authenticators.robots.stored(name, slot)?;
        Some(self.authority.fingerprint(name, &digest))
    }
}

/// Seconds since 1970, for tokens.
pub(super) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
