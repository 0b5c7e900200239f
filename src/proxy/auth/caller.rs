//! Identifies the caller: from an `Authorization` header to an identity, with the ceiling that it brought along.

use std::{net::IpAddr, sync::Arc};

use hyper::header::{self, HeaderMap, HeaderValue};

use super::{
    Authentication,
    certificate::{Certified, certified},
    claims_unavailable, session,
};
use crate::{
    authn::{Credentials, Identity, Secret},
    authz,
    proxy::{
        Snapshot,
        request::context::RequestContext,
        request_log::RequestLog,
        snapshot::{Issued, unix_now},
    },
    registry::{ChallengeError, Endpoint, ErrorCode, Method, Refusal, Route},
    token::{AccessToken, TokenError, UploadGrace, UploadName},
};

/// The caller behind a request.
#[derive(Debug)]
pub(crate) struct Caller {
    identity: Identity,
    /// The scopes of its personal token.
    token_scopes: Option<authz::TokenScopes>,
    /// A token, of which `access` counts; `None` for a caller without a token.
    ceiling: Option<Arc<AccessToken>>,
    /// The part of an upload's key that is known before the answer, for a request of an upload with a token.
    pub(in crate::proxy) grace: Option<UploadGrace>,
    /// True if credentials were presented: without any, the caller is challenged where the anonymous account may not.
    pub(crate) presented: bool,
    ip: Option<IpAddr>,
}

/// The content of an `Authorization` header.
pub(crate) enum Presented<'a> {
    Nothing,
    Token(&'a str),
    Password(Credentials),
    /// Another scheme, or none: never taken for anonymous.
    Unknown,
}

impl Presented<'_> {
    pub(crate) fn record_in(&self, log: &mut RequestLog) {
        match self {
            Self::Nothing => log.shows("none", None),
            Self::Token(_) => log.shows("token", None),
            Self::Password(credentials) => log.shows(credentials.kind(), Some(&credentials.account)),
            Self::Unknown => log.shows("unknown", None),
        }
    }
}

impl Caller {
    /// A caller without a token, which may do all that the rules say.
    pub(crate) fn without_ceiling(identity: Identity, presented: bool, ip: Option<IpAddr>) -> Self {
        let token_scopes = identity.token_scopes().map(authz::TokenScopes::of);
        Self { identity, token_scopes, ceiling: None, grace: None, presented, ip }
    }

    /// The holder of a token.
    fn with_ceiling(
        identity: Identity,
        token: Arc<AccessToken>,
        grace: Option<UploadGrace>,
        ip: Option<IpAddr>,
    ) -> Self {
        Self { ceiling: Some(token), grace, ..Self::without_ceiling(identity, true, ip) }
    }

    /// Returns the identity.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Reads and verifies the credentials of a `/v2` request, and records in `log` whose they are. Without any, the
    /// certificate of the connection is the login. Returns `None` where there is none either, and no anonymous user.
    ///
    /// # Errors
    /// Two headers, a bad token, a wrong password, too many attempts; a certificate of another account.
    pub(in crate::proxy) async fn authenticate(
        context: RequestContext<'_>,
        ip: Option<IpAddr>,
        authentication: &Authentication,
        route: &Route,
        log: &mut RequestLog,
    ) -> Result<Option<Self>, Refusal> {
        let RequestContext { head, snapshot, .. } = context;
        let headers = &head.headers;
        let presented = presented(headers)?;
        let certified = certified(context, log);
        let proof = Proof { snapshot, authentication, certified: certified.as_ref(), ip, route };
        let caller = match presented {
            Presented::Nothing if is_of_a_page_of_ours(headers) => proof.by_session(headers, log).await?,
            _ => None,
        };
        let caller = match caller {
            Some(caller) => Some(caller),
            None => proof.by_credentials(presented, log).await?,
        };
        if let Some(caller) = &caller {
            log.asked_by(&caller.identity);
        }
        Ok(caller)
    }

    /// The account; empty for the anonymous user.
    pub(crate) fn account(&self) -> &str {
        &self.identity.account
    }

    /// The same for the policy.
    pub(crate) fn as_authz<'a>(&'a self, service: &'a str) -> authz::Caller<'a> {
        authz::Caller {
            account: &self.identity.account,
            labels: &self.identity.labels,
            left_out: &self.identity.left_out,
            ip: self.ip,
            service,
            ceiling: self.ceiling.as_ref().map(|token| token.access.as_slice()),
            token_scopes: self.token_scopes.as_ref(),
            now: unix_now(),
        }
    }
}

/// The account of the certificate, where the request shows nothing else, or a password of that account.
///
/// # Errors
/// The password is of another account.
fn by_certificate(
    presented: &Presented<'_>,
    certified: Option<&Certified>,
) -> Result<Option<Identity>, Refusal> {
    let Some(certified) = certified else { return Ok(None) };
    let identity = match presented {
        Presented::Nothing => certified.login(),
        Presented::Password(credentials) => certified.with(credentials)?,
        Presented::Token(_) | Presented::Unknown => None,
    };
    Ok(identity.cloned())
}

/// A refusal of `/v2`: wrong credentials are answered with a challenge, whatever else is said about them.
fn challenging(refusal: Refusal, route: &Route) -> Refusal {
    match refusal.code {
        ErrorCode::Unauthorized => Refusal::unauthorized(route.needs().to_vec(), None, Some(refusal.message)),
        _ => refusal,
    }
}

/// The surroundings in which credentials are proved.
#[derive(Clone, Copy)]
struct Proof<'a> {
    snapshot: &'a Arc<Snapshot>,
    authentication: &'a Authentication,
    /// The certificate of the connection, where it may be a login.
    certified: Option<&'a Certified>,
    ip: Option<IpAddr>,
    route: &'a Route,
}

impl Proof<'_> {
    /// The holder of a session of the web pages; `None` where there is none that holds.
    ///
    /// # Errors
    /// Its claims cannot be read now: 503.
    async fn by_session(self, headers: &HeaderMap, log: &mut RequestLog) -> Result<Option<Caller>, Refusal> {
        let snapshot = self.snapshot;
        // With the pages turned off, sessions are of no use.
        if !snapshot.settings.ui.enabled {
            return Ok(None);
        }
        match session::shown(headers, snapshot).await {
            Some(Ok((_, identity))) => {
                log.shows("session", None);
                Ok(Some(Caller::without_ceiling(identity, true, self.ip)))
            }
            Some(Err(TokenError::ClaimsUnavailable)) => Err(claims_unavailable()),
            Some(Err(_)) | None => Ok(None),
        }
    }

    async fn by_credentials(
        self,
        presented: Presented<'_>,
        log: &mut RequestLog,
    ) -> Result<Option<Caller>, Refusal> {
        let Self { snapshot, authentication, ip, route, .. } = self;
        presented.record_in(log);
        if let Some(identity) = by_certificate(&presented, self.certified)? {
            log.shows("certificate", None);
            // docker first asks for this, and does not show the password of a login to a server that answers: it would say
            // that the login has succeeded.
            let is_first_look =
                matches!(presented, Presented::Nothing) && *route.endpoint() == Endpoint::Base;
            return Ok(Some(Caller::without_ceiling(identity, !is_first_look, ip)));
        }
        let unproved = || Refusal::unauthorized(route.needs().to_vec(), None, None);
        match presented {
            Presented::Nothing => {
                let anonymous = |identity| Caller::without_ceiling(identity, false, ip);
                Ok(snapshot.authenticators.users.anonymous().map(anonymous))
            }
            Presented::Unknown => Err(unproved()),
            Presented::Token(token) => self.by_token(token, log).await.map(Some),
            Presented::Password(credentials) => {
                // Apart: its future is large, and most requests bring a token.
                let checked = Box::pin(authentication.passwords.check(snapshot, credentials, ip, log)).await;
                let identity =
                    checked.map_err(|refusal| challenging(refusal, route))?.ok_or_else(unproved)?;
                Ok(Some(Caller::without_ceiling(identity, true, ip)))
            }
        }
    }

    /// The holder of a token that was issued here, or of a JWT whose issuer has `bearer: true`.
    async fn by_token(self, token: &str, log: &mut RequestLog) -> Result<Caller, Refusal> {
        let Self { snapshot, authentication, certified, ip, route } = self;
        let agree = |account: &str| certified.map_or(Ok(()), |certified| certified.agree(account));
        let error = match by_token(token, ip, snapshot, (certified, log)).await {
            Ok((identity, ceiling)) => {
                agree(&identity.account)?;
                let grace = route.endpoint().is_of_upload().then(|| UploadGrace::of_valid(token, unix_now()));
                return Ok(Caller::with_ceiling(identity, ceiling, grace, ip));
            }
            Err(TokenError::Expired) => match self.in_grace(token, log).await {
                Ok(caller) => return agree(caller.account()).map(|()| caller),
                Err(error) => error,
            },
            Err(error) => error,
        };
        if error == TokenError::ClaimsUnavailable {
            return Err(claims_unavailable());
        }
        let Some(issuer) = snapshot.workload.of_bearer(token) else {
            let description = Some(error.to_string());
            return Err(Refusal::unauthorized(
                route.needs().to_vec(),
                Some(ChallengeError::InvalidToken),
                description,
            ));
        };
        log.shows("jwt", Some(issuer.name()));
        certified.map_or(Ok(()), Certified::alone)?;
        let jwt = Secret::new(token);
        let checked = Box::pin(authentication.workload.check(snapshot, issuer, &jwt, (ip, log))).await;
        let identity = checked.map_err(|refusal| challenging(refusal, route))?;
        Ok(Caller::without_ceiling(identity, true, ip))
    }

    /// The holder of a token that has expired during an upload, which goes on.
    async fn in_grace(self, token: &str, log: &mut RequestLog) -> Result<Caller, TokenError> {
        let Self { snapshot, certified, ip, route, .. } = self;
        let goes_on = [Method::Get, Method::Patch, Method::Put].contains(&route.method());
        let (Endpoint::Upload(name, id), Some(key), true) = (route.endpoint(), route.upload_key(), goes_on)
        else {
            return Err(TokenError::Expired);
        };
        let (upload, now) = (UploadName { repository: name.as_str(), id: id.as_str() }, unix_now());
        let (token, grace) = snapshot.authority.verify_in_grace(token, key, upload, now)?;
        log.shows("expired_token", Some(&token.account));
        let valid_at = grace.valid_at();
        let identity = match &token.bound_to {
            Some(thumbprint) => by_bound_token(&token, thumbprint, snapshot, certified)?,
            None => snapshot.holder_at(Issued::from(&*token), ip, valid_at).await?,
        };
        Ok(Caller::with_ceiling(identity, token, Some(grace), ip))
    }
}

/// Returns true if a script on a page of this very origin sends the request, by the word of the browser (Fetch
/// Metadata, W3C). Only then does the cookie of a session count on `/v2`. A browser also sends it along with requests
/// that other pages make, and content opened as a page of its own must not have come from a repository.
fn is_of_a_page_of_ours(headers: &HeaderMap) -> bool {
    [("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "empty")].iter().all(|(name, wanted)| {
        let mut values = headers.get_all(*name).iter();
        values.next().is_some_and(|value| value == wanted) && values.next().is_none()
    }) && headers.get("sec-fetch-mode").is_some_and(|mode| mode != "navigate")
}

/// Tells `log` the account of a token that was signed here and counts no longer, as after its robot's line is gone.
async fn by_token(
    token: &str,
    ip: Option<IpAddr>,
    snapshot: &Snapshot,
    (certified, log): (Option<&Certified>, &mut RequestLog),
) -> Result<(Identity, Arc<AccessToken>), TokenError> {
    let token = snapshot.authority.verify(token, unix_now())?;
    let holder = match &token.bound_to {
        Some(thumbprint) => by_bound_token(&token, thumbprint, snapshot, certified),
        None => snapshot.holder(Issued::from(&*token), ip).await,
    };
    let holder = holder.inspect_err(|_| log.shows("token", Some(&token.account)))?;
    Ok((holder, token))
}

/// The account of the connection's certificate as it is now, if the token is of that certificate and account, and was
/// not revoked.
fn by_bound_token(
    token: &AccessToken,
    thumbprint: &str,
    snapshot: &Snapshot,
    certified: Option<&Certified>,
) -> Result<Identity, TokenError> {
    snapshot.state.check(&token.account, &token.stamp)?;
    let shown = certified.filter(|certified| certified.thumbprint() == *thumbprint);
    let identity = shown.and_then(Certified::login).filter(|identity| identity.account == token.account);
    identity.cloned().ok_or(TokenError::OtherCertificate)
}

/// The one `Authorization` header: exactly `Bearer <token>` as the registry reads it, or Basic.
pub(crate) fn presented(headers: &HeaderMap) -> Result<Presented<'_>, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(Presented::Nothing),
        (Some(value), None) => value,
        (Some(_), Some(_)) => {
            let why = "the request has two Authorization headers";
            return Err(Refusal::new(ErrorCode::BadRequest, why).and_close());
        }
    };
    if let Some(token) = bearer(value) {
        return Ok(Presented::Token(token));
    }
    Ok(match Credentials::from_basic(value.as_bytes()) {
        Ok(Some(credentials)) => Presented::Password(credentials),
        Ok(None) | Err(_) => Presented::Unknown,
    })
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && memchr::memchr(b' ', token.as_bytes()).is_none())
        .then_some(token)
}
