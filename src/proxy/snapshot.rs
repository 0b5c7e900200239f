//! All that a reload replaces, as one value. A request takes it once and sees one policy from its head to its permit.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{Settings, Shadow, StoredAnswers};
use crate::{
    authn::{
        Authenticators, Certificates, Identity, MOST_TOKENS, Remembered, RequiredClaims, Source, TokenEnded,
        WorkloadSession,
    },
    authz::{Authorizers, WriteOnce},
    retention::Retention,
    sign_in::SignIns,
    state::{AccountClaims, Stamp, State},
    storage::Storage,
    token::{AccessToken, AuthSourceClaim, Authority, BackEndClaim, CarriedClaims, Fingerprint, TokenError},
    workload::Workload,
};

/// The configuration in force, compiled.
#[derive(Debug)]
pub struct Snapshot {
    /// The accounts that may log in.
    pub authenticators: Authenticators,
    /// The rules on their rights.
    pub authorizers: Authorizers,
    /// The tags that may be made once.
    pub write_once: WriteOnce,
    /// The tags that `portwarden prune` keeps.
    pub retention: Retention,
    /// The next rules, to which live requests are put.
    pub shadow: Option<Shadow>,
    /// The issuers of `workload_auth`.
    pub workload: Workload,
    /// The providers at which people sign in.
    pub sign_ins: SignIns,
    /// The authorities of client certificates, and the accounts that these name; `None` where none is asked for.
    pub certificates: Option<Arc<Certificates>>,
    /// Signs and checks tokens.
    pub authority: Authority,
    /// The passwords that were right a moment ago, under this configuration.
    pub remembered: Remembered,
    /// The revocations. The same for all snapshots of a server.
    pub state: Arc<State>,
    /// The registry's own files, where blobs are read from them.
    pub storage: Option<Storage>,
    /// The knowledge about answers from them, if reads are answered so.
    pub answers: Option<StoredAnswers>,
    /// The rest of what the proxy was told.
    pub settings: Settings,
}

/// Bytes of claims about an account that its token carries in full. Longer ones are stored: with those of 100 groups, a
/// token would be too long for the headers that a server takes.
const INLINE: usize = 512;

/// Bytes of claims that may be carried for the audit log alone: a line of it has no room for more.
const RECORDED: usize = 5 << 10;

/// The time for which a token counts after its end, in seconds: the leeway of clocks, and an upload that goes on.
pub(super) const COUNTS_LONGER: u64 = 16 * 60;

/// A token or a session that was issued here, as far as it says who its account is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Issued<'a> {
    pub(super) account: &'a str,
    /// The section that knows it; `None` for `users`.
    pub(super) auth_source: Option<&'a AuthSourceClaim>,
    /// The part that revocations are held against.
    pub(super) stamp: &'a Stamp,
}

impl<'a> From<&'a AccessToken> for Issued<'a> {
    fn from(token: &'a AccessToken) -> Self {
        Self { account: &token.account, auth_source: token.auth_source.as_ref(), stamp: &token.stamp }
    }
}

impl Snapshot {
    /// The fingerprint to which an account's refresh tokens are tied; `None` for an account without a password here.
    pub(super) fn fingerprint(&self, account: &str) -> Option<Fingerprint> {
        Some(self.authority.fingerprint(account, self.authenticators.users.stored_hash(account)?))
    }

    /// The same for an identity: of a robot's token, where it has shown one. None of a personal token: a refresh token would
    /// outlast its scopes.
    pub(super) fn fingerprint_of(&self, identity: &Identity) -> Option<Fingerprint> {
        if identity.personal.is_some() {
            return None;
        }
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
    pub(super) async fn refreshed(
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
                return self.holder(Issued { account: &account, auth_source: None, stamp: &stamp }, ip).await;
            }
            Err(TokenError::Revoked) => {}
            Err(TokenError::WrongAudience) => {
                let (account, source, stamp) = self.authority.verify_workload(token, service, unix_now())?;
                let issued = Issued { account: &account, auth_source: Some(&source), stamp: &stamp };
                return self.holder(issued, ip).await;
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

    /// The claim of a token that names the section which knows an account; `None` for `users`, which is asked again on
    /// each request. A robot's token, and a personal one, has the id of the one that was shown, and is looked up. So is the
    /// record of a person who has signed in at a provider. Of other accounts it has what
    /// was said at the login, with the labels that the rules of now look at. If that is long, it is stored for as long as
    /// what is issued to the account can count: at least for `lifetime`.
    pub(super) async fn auth_source(
        &self,
        identity: &Identity,
        lifetime: Duration,
    ) -> Option<AuthSourceClaim> {
        let Identity { account, source, workload, personal, .. } = identity;
        if let Some(token) = personal {
            return Some(AuthSourceClaim::PersonalToken(token.id.to_string()));
        }
        match source {
            Source::Users => return None,
            Source::Robots => {
                let id = identity.token.as_ref().map(|token| token.id.to_string());
                return Some(AuthSourceClaim::Robot(id.unwrap_or_default()));
            }
            Source::Certificate => return Some(AuthSourceClaim::Certificate),
            Source::SignIn(section) => {
                return Some(AuthSourceClaim::SignIn(self.sign_in_claim(*section, account)));
            }
            Source::Workload | Source::ExtAuth | Source::LdapAuth | Source::XormAuth => {}
        }
        let session = workload.as_ref().map(|session| Arc::clone(&session.start));
        let end = unix_now().saturating_add(lifetime.as_secs());
        let end = session.as_ref().map_or(end, |session| session.ends.max(end)).saturating_add(COUNTS_LONGER);
        let recorded = match self.claims_to_record(identity) {
            Some(claims) => self.carry(account, claims, end).await.ok(),
            None => None,
        };
        let claims = match recorded {
            Some(claims) => claims,
            None => {
                let carried = self.carry(account, self.claims_to_carry(identity), end).await;
                carried.unwrap_or_else(CarriedClaims::Inline)
            }
        };
        Some(AuthSourceClaim::BackEnd(BackEndClaim { source: *source, claims, session }))
    }

    /// Claims as a token carries them: in full if they are short, else stored until `end`.
    ///
    /// # Errors
    /// Returns them where they cannot be stored.
    async fn carry(
        &self,
        account: &str,
        claims: AccountClaims,
        end: u64,
    ) -> Result<CarriedClaims, AccountClaims> {
        if claims.text_bytes() <= INLINE {
            return Ok(CarriedClaims::Inline(claims));
        }
        let stored = Box::pin(self.state.store_claims(account, &claims, end, unix_now())).await;
        stored.map(CarriedClaims::Stored).ok_or(claims)
    }

    /// All claims, where the audit log has the labels of accounts and room for these.
    fn claims_to_record(&self, identity: &Identity) -> Option<AccountClaims> {
        let Identity { labels, left_out, .. } = identity;
        if !self.settings.all_labels || !left_out.is_empty() {
            return None;
        }
        let required = required_claims(identity);
        let claims = AccountClaims { labels: Arc::clone(labels), left_out: Arc::default(), required };
        (claims.text_bytes() <= RECORDED).then_some(claims)
    }

    fn claims_to_carry(&self, identity: &Identity) -> AccountClaims {
        let Identity { labels, left_out, .. } = identity;
        // It comes from a token already. To part what is left of the labels again would lose what is known of the rest.
        let (labels, left_out) = if left_out.is_empty() {
            let (labels, left_out) = self.authorizers.part(labels);
            (labels.into(), left_out.into())
        } else {
            (Arc::clone(labels), Arc::clone(left_out))
        };
        AccountClaims { labels, left_out, required: required_claims(identity) }
    }

    /// The identity of a token's account as it is now. An account of `users` ends with its entry there and has the
    /// labels of now. A robot ends with the token that it has shown, and with the address. An account of a back end has
    /// what the token carries, or what is stored under its digest. It ends with the section that vouches for it, or when
    /// the configuration, which is asked first, has the name. An account of `workload_auth` ends with its issuer, and when
    /// the claims of its session no longer suffice. All of them end when they are revoked, which the stamp is held
    /// against. Labels that were left out and that the rules look at by now are never taken for missing.
    ///
    /// # Errors
    /// [`TokenError::Revoked`], those of a revocation, [`TokenError::LacksLabels`], those of claims that are stored, and of
    /// a robot [`TokenError::RobotTokenExpired`] and [`TokenError::WrongAddress`].
    pub(super) async fn holder(
        &self,
        issued: Issued<'_>,
        ip: Option<IpAddr>,
    ) -> Result<Identity, TokenError> {
        self.holder_at(issued, ip, unix_now()).await
    }

    /// The same for a token that was valid at `now`, in seconds since 1970. A robot's last day is held against the clock all
    /// the same.
    ///
    /// # Errors
    /// As [`Self::holder`].
    pub(super) async fn holder_at(
        &self,
        Issued { account, auth_source, stamp }: Issued<'_>,
        ip: Option<IpAddr>,
        now: u64,
    ) -> Result<Identity, TokenError> {
        self.state.check(account, stamp)?;
        match auth_source {
            None => self.authenticators.users.identity(account).ok_or(TokenError::Revoked),
            Some(AuthSourceClaim::Robot(id)) => self.robot(account, id, ip),
            Some(AuthSourceClaim::PersonalToken(id)) => Box::pin(self.holder_by_token(account, id)).await,
            // It counts with the certificate only, which has been looked at where there is one.
            Some(AuthSourceClaim::Certificate) => Err(TokenError::Revoked),
            Some(AuthSourceClaim::SignIn(claim)) => Box::pin(self.signed_in_person(account, claim)).await,
            Some(AuthSourceClaim::BackEnd(BackEndClaim { source, claims, session })) => {
                let claims = match claims {
                    CarriedClaims::Inline(claims) => claims.clone(),
                    CarriedClaims::Stored(digest) => Box::pin(self.state.claims_of(account, *digest)).await?,
                };
                let AccountClaims { labels, left_out, required } = claims;
                let workload = session
                    .as_ref()
                    .map(|start| WorkloadSession { start: Arc::clone(start), claims: required });
                let identity = Identity {
                    account: account.to_owned(),
                    labels,
                    left_out,
                    source: *source,
                    token: None,
                    personal: None,
                    workload,
                };
                self.still_vouched(identity, now)
            }
        }
    }

    /// An identity of a back end, if its section still vouches for it.
    fn still_vouched(&self, identity: Identity, now: u64) -> Result<Identity, TokenError> {
        let Identity { account, source, workload, .. } = &identity;
        if !self.vouches(*source, account, workload.as_ref(), now)
            || self.authenticators.is_configured(account)
        {
            return Err(TokenError::Revoked);
        }
        if let Some(id) = workload.as_ref().and_then(|session| session.start.jwt_id.as_deref()) {
            self.state.check_token(id)?;
        }
        if self.authorizers.need(&identity.left_out) { Err(TokenError::LacksLabels) } else { Ok(identity) }
    }

    /// The second, since 1970, in which the robot's or the personal token of an identity is over; `None` for one without an
    /// end.
    pub(super) fn last_second_of(&self, identity: &Identity) -> Option<u64> {
        if let Some(token) = &identity.personal {
            return Some(token.ends);
        }
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

fn required_claims(identity: &Identity) -> Arc<RequiredClaims> {
    identity.workload.as_ref().map(|session| Arc::clone(&session.claims)).unwrap_or_default()
}

/// Seconds since 1970, for tokens.
pub(super) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
