//! All that a reload replaces, as one value. A request takes it once and sees one policy from its head to its permit.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use super::Settings;
use crate::{
    authn::{
        Authenticators, Certificates, Identity, MOST_TOKENS, Remembered, Source, TokenEnded, WorkloadSession,
    },
    authz::Authorizers,
    state::{Stamp, State},
    token::{AccessToken, AuthSourceClaim, Authority, Fingerprint, TokenError},
    workload::{Workload, jwt_id},
};

/// The configuration in force, compiled.
#[derive(Debug)]
pub struct Snapshot {
    /// The accounts that may log in.
    pub authenticators: Authenticators,
    /// The rules on their rights.
    pub authorizers: Authorizers,
    /// The issuers of `workload_auth`.
    pub workload: Workload,
    /// The authorities of client certificates, and the accounts that these name; `None` where none is asked for.
    pub certificates: Option<Arc<Certificates>>,
    /// Signs and checks tokens.
    pub authority: Authority,
    /// The passwords that were right a moment ago, under this configuration.
    pub remembered: Remembered,
    /// The revocations. The same for all snapshots of a server.
    pub state: Arc<State>,
    /// The rest of what the proxy was told.
    pub settings: Settings,
}

/// A token or a session that was issued here, as far as it says who its account is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Issued<'a> {
    /// The account.
    pub(super) account: &'a str,
    /// The information that it carries on the account; `None` for one that `users` knows.
    pub(super) voucher: Option<&'a AuthSourceClaim>,
    /// The part that revocations are held against.
    pub(super) stamp: &'a Stamp,
}

impl<'a> From<&'a AccessToken> for Issued<'a> {
    fn from(token: &'a AccessToken) -> Self {
        Self { account: &token.account, voucher: token.voucher.as_ref(), stamp: &token.stamp }
    }
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

    /// The identity behind a refresh token, as it is now: of an account with a password, of a robot, or of a session of
    /// `workload_auth`, whose tokens have a `typ` of their own.
    ///
    /// # Errors
    /// The first thing that is wrong with it, and those of [`Self::holder`].
    pub(super) fn refreshed(
        &self,
        token: &str,
        service: &str,
        ip: Option<IpAddr>,
    ) -> Result<Identity, TokenError> {
        let verify = |fingerprint_of: &dyn Fn(&str) -> Option<Fingerprint>| {
            self.authority.verify_refresh(token, service, unix_now(), fingerprint_of)
        };
        match verify(&|account| self.fingerprint(account)) {
            Ok((account, stamp)) => {
                return self.holder(Issued { account: &account, voucher: None, stamp: &stamp }, ip);
            }
            Err(TokenError::Revoked) => {}
            Err(TokenError::WrongAudience) => {
                let (account, voucher, stamp) = self.authority.verify_workload(token, service, unix_now())?;
                let issued = Issued { account: &account, voucher: Some(&voucher), stamp: &stamp };
                return self.holder(issued, ip);
            }
            Err(error) => return Err(error),
        }
        let of_robot = (0..MOST_TOKENS).find_map(|slot| {
            let (account, stamp) = verify(&|account| self.robot_fingerprint(account, slot)).ok()?;
            let token = self.robot_token(&account, slot)?;
            let checked = self.state.check(&account, &stamp).map_err(TokenError::from);
            Some(checked.and_then(|()| self.robot(&account, token, ip)))
        });
        of_robot.unwrap_or(Err(TokenError::Revoked))
    }

    /// The part of an identity that a token must carry. Nothing for an account that can be looked up on each request,
    /// and for a robot the id of the token that it has shown. For others, the labels that the rules of now look at.
    pub(super) fn voucher(&self, identity: &Identity) -> Option<AuthSourceClaim> {
        let robot_token = identity.token.as_ref().map(|token| token.id.to_string());
        let (labels, left_out) = match identity.source {
            Source::Users => return None,
            // A robot's labels are looked up, and a certificate has its own at hand.
            Source::Robots | Source::Certificate => Default::default(),
            // It comes from a token already. To part what is left of the labels again would lose what is known of the
            // rest.
            _ if !identity.left_out.is_empty() => {
                (Arc::clone(&identity.labels), Arc::clone(&identity.left_out))
            }
            Source::Workload | Source::ExtAuth | Source::LdapAuth | Source::XormAuth => {
                let (labels, left_out) = self.authorizers.part(&identity.labels);
                (labels.into(), left_out.into())
            }
        };
        let (backend, workload) = (identity.source.section().to_owned(), identity.workload.clone());
        Some(AuthSourceClaim { backend, robot_token, labels, left_out, workload })
    }

    /// The identity of a token's account as it is now. An account of `users` ends with its entry there and has the
    /// labels of now. A robot ends with the token that it has shown, and with the address. An account of a back end has
    /// what the token carries. It ends with the section that vouches for it, or when the configuration, which is asked
    /// first, has the name. An account of `workload_auth` ends with its issuer, and when the claims of its session no
    /// longer suffice. All of them end when they are revoked, which the stamp is held against. Labels that were left out
    /// and that the rules look at by now are never taken for missing.
    ///
    /// # Errors
    /// [`TokenError::Revoked`], those of a revocation, [`TokenError::LacksLabels`], and of a robot
    /// [`TokenError::RobotTokenExpired`] and [`TokenError::WrongAddress`].
    pub(super) fn holder(&self, issued: Issued<'_>, ip: Option<IpAddr>) -> Result<Identity, TokenError> {
        self.holder_at(issued, ip, unix_now())
    }

    /// The same for a token that was valid at `now`, in seconds since 1970. A robot's last day is held against the clock all
    /// the same.
    ///
    /// # Errors
    /// As [`Self::holder`].
    pub(super) fn holder_at(
        &self,
        Issued { account, voucher, stamp }: Issued<'_>,
        ip: Option<IpAddr>,
        now: u64,
    ) -> Result<Identity, TokenError> {
        self.state.check(account, stamp)?;
        let Some(AuthSourceClaim { backend, robot_token, labels, left_out, workload }) = voucher else {
            return self.authenticators.users.identity(account).ok_or(TokenError::Revoked);
        };
        if backend == Source::Robots.section() {
            return self.robot(account, robot_token.as_deref().unwrap_or_default(), ip);
        }
        match Source::backend(backend) {
            Some(source)
                if self.vouches(source, account, workload.as_ref(), now)
                    && !self.authenticators.is_configured(account) =>
            {
                if let Some(id) = workload.as_ref().and_then(jwt_id) {
                    self.state.check_token(id)?;
                }
                if self.authorizers.need(left_out) {
                    return Err(TokenError::LacksLabels);
                }
                let (labels, left_out) = (Arc::clone(labels), Arc::clone(left_out));
                let (account, workload) = (account.to_owned(), workload.clone());
                Ok(Identity { account, labels, left_out, source, token: None, workload })
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
        self.state.check_token(id)?;
        let now = unix_now();
        let identity = self.authenticators.robots.identity(name, id, now);
        let identity = identity.map_err(|ended| match ended {
            TokenEnded::Removed => TokenError::Revoked,
            TokenEnded::Expired => TokenError::RobotTokenExpired,
        })?;
        if !self.authorizers.ceilings.admits(name, ip) {
            return Err(TokenError::WrongAddress);
        }
        self.authenticators.robots.used(name, id, now);
        Ok(identity)
    }

    fn robot_token(&self, name: &str, slot: usize) -> Option<&str> {
        self.authenticators.robots.stored(name, slot).map(|(_, token)| &*token.id)
    }

    fn robot_fingerprint(&self, name: &str, slot: usize) -> Option<Fingerprint> {
        let (digest, _) = self.authenticators.robots.stored(name, slot)?;
        Some(self.authority.fingerprint(name, &digest))
    }

    /// Returns true if the name belongs to an issuer of `workload_auth`, or to certificates: no password is its own, and
    /// none for it may reach a back end.
    pub(super) fn is_of_no_password(&self, account: &str) -> bool {
        self.workload.owns(account) || self.certificates.as_ref().is_some_and(|all| all.owns(account))
    }

    /// Returns whether the source still vouches for an account. A name of an issuer is no back end's.
    fn vouches(&self, source: Source, account: &str, session: Option<&WorkloadSession>, now: u64) -> bool {
        match (source, session) {
            (Source::Workload, Some(session)) => self.workload.accepts(account, session, now),
            (Source::Workload, None) | (_, Some(_)) => false,
            (_, None) => self.authenticators.has(source) && !self.is_of_no_password(account),
        }
    }
}

/// Seconds since 1970, for tokens.
pub(super) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
