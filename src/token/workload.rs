//! The refresh token of a session of `workload_auth`: what docker keeps after a login with a JWT, which is dead in
//! minutes.
//!
//! Nothing is stored about it. It ends with its time, which no use of it prolongs, with the key, and with the
//! configuration that its claims no longer suffice for: the caller sees to that. Its `typ` and `aud` are its own, so it
//! opens no registry.

use super::{
    AuthSourceClaim, Authority, Holder, IssueError, SignedToken, TokenError,
    auth_source::AuthSourceClaims,
    authority::random_id,
    claims::{StampClaims, check_party},
    jws::{self, Kind},
    login::{LoginClaims, LoginToken},
};
use crate::state::Stamp;

/// The `aud` of these tokens; a registry that trusts our key refuses it.
const AUDIENCE: &str = "portwarden workload";

/// The least validity of an access token, in seconds: with less left, the session is over.
const SHORTEST: u64 = 60;

impl Authority {
    /// Makes a refresh token of a session, with which its holder may ask for access tokens at `service` until it ends.
    /// `None` for a holder without a session.
    ///
    /// # Errors
    /// As [`Authority::issue_to`].
    pub fn issue_workload(
        &self,
        holder: Holder<'_>,
        service: &str,
        now: u64,
    ) -> Result<Option<SignedToken>, IssueError> {
        let Holder { account, auth_source, stamp, .. } = holder;
        let Some(session) = auth_source.and_then(AuthSourceClaim::session) else { return Ok(None) };
        let claims = LoginClaims {
            iss: self.issuer(),
            sub: account,
            aud: AUDIENCE,
            service,
            iat: now,
            exp: Some(session.ends),
            jti: &random_id()?,
            auth_source: AuthSourceClaims::of(auth_source)?,
            stamp: StampClaims::of(stamp),
            ..LoginClaims::default()
        };
        jws::sign(self.key(), Kind::Workload, &claims).map(|token| Some(SignedToken::new(token)))
    }

    /// Checks a refresh token of a session for `service`, and returns its account, session and stamp. Whether the session
    /// still suffices, and was not revoked, is for the caller to see.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn verify_workload(
        &self,
        token: &str,
        service: &str,
        now: u64,
    ) -> Result<(String, AuthSourceClaim, Stamp), TokenError> {
        let claims = jws::open(self.key(), Kind::Workload, token)?;
        check_party(&claims, self.issuer(), AUDIENCE)?;
        let login = LoginToken::read(&claims, true)?;
        login.check_issued(service, now)?;
        let source = AuthSourceClaim::read(&claims)?.ok_or(TokenError::Malformed)?;
        let ends = source.session().ok_or(TokenError::Malformed)?.ends;
        if now.saturating_add(SHORTEST) > ends {
            Err(TokenError::Expired)
        } else {
            Ok((login.account, source, login.stamp))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        authn::{Labels, RequiredClaims, SessionStart, Source},
        registry::Scope,
        state::AccountClaims,
        token::{
            BackEndClaim, CarriedClaims, Holder,
            testing::{NOW, P256, authority, generate},
        },
    };

    const SERVICE: &str = "Docker registry";

    fn session() -> AuthSourceClaim {
        let start = SessionStart {
            ends: NOW + 3600,
            began: NOW,
            settings: "settings".to_owned(),
            key_id: "kid".to_owned(),
            key_fingerprint: "key".to_owned(),
            jwt_id: Some("jti".to_owned()),
        };
        let claims = AccountClaims {
            labels: Arc::new(Labels::from([("repo".to_owned(), vec!["acme/app".to_owned()])])),
            left_out: Arc::default(),
            required: Arc::new(RequiredClaims::from([("owner_id".to_owned(), "1".to_owned())])),
        };
        let (source, claims) = (Source::Workload, CarriedClaims::Inline(claims));
        AuthSourceClaim::BackEnd(BackEndClaim { source, claims, session: Some(Arc::new(start)) })
    }

    fn holder(source: &AuthSourceClaim) -> Holder<'_> {
        Holder { auth_source: Some(source), ..Holder::from("ci:a") }
    }

    fn push() -> Vec<Scope> {
        Scope::parse_all(["repository:acme/app:push"]).unwrap()
    }

    #[test]
    fn an_access_token_of_a_session_lives_as_long_and_grants_nothing_elsewhere() {
        let authority = authority(&generate(P256));
        let issued = authority.issue_to(holder(&session()), SERVICE, &push(), NOW).unwrap();
        assert_eq!(issued.expires_in, 3600);
        let token = authority.verify(issued.token.expose(), NOW).unwrap();
        assert_eq!((token.auth_source.clone(), &token.access), (Some(session()), &push()));
        let claims = jws::open(authority.key(), Kind::Access, issued.token.expose()).unwrap();
        assert_eq!(
            claims.objects("access").unwrap().len(),
            0,
            "a registry that trusts the key reads this one"
        );
        assert!(claims.has("grants"));
    }

    #[test]
    fn grants_count_for_sessions_only_and_access_for_no_session() {
        let authority = authority(&generate(P256));
        let claims = CarriedClaims::Inline(AccountClaims::default());
        let usual =
            AuthSourceClaim::BackEnd(BackEndClaim { source: Source::LdapAuth, claims, session: None });
        for (source, empty) in [(session(), "grants"), (usual, "access")] {
            let issued = authority.issue_to(holder(&source), SERVICE, &[], NOW).unwrap();
            assert!(authority.verify(issued.token.expose(), NOW).unwrap().access.is_empty(), "{empty}");
        }
    }

    #[test]
    fn a_refresh_token_of_a_session_ends_with_it_and_is_no_other_kind() {
        let authority = authority(&generate(P256));
        let token = authority.issue_workload(holder(&session()), SERVICE, NOW).unwrap().unwrap();
        let at = |now| {
            let read = authority.verify_workload(token.expose(), SERVICE, now);
            read.map(|(account, source, _)| (account, source))
        };
        assert_eq!(at(NOW), Ok(("ci:a".to_owned(), session())));
        assert!(at(NOW + 3540).is_ok());
        assert_eq!(at(NOW + 3541), Err(TokenError::Expired), "no token may be valid for less than 60 s");
        let elsewhere = authority.verify_workload(token.expose(), "other", NOW);
        assert_eq!(elsewhere, Err(TokenError::WrongAudience));
        assert_eq!(authority.verify(token.expose(), NOW), Err(TokenError::WrongAudience));
        assert!(authority.verify_refresh(token.expose(), SERVICE, NOW, |_| None).is_err());
        assert!(authority.verify_session(token.expose(), SERVICE, NOW, |_| None).is_err());
        let access = authority.issue_to(holder(&session()), AUDIENCE, &[], NOW).unwrap().token;
        assert_eq!(authority.verify_workload(access.expose(), SERVICE, NOW), Err(TokenError::WrongAudience));
    }
}
