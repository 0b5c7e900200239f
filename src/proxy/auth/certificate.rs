//! The certificate of a request's connection: whether it is trusted now, and the account that it is a login of.
//!
//! A browser shows a certificate with whatever request a page makes, of any site. So a certificate is a login of
//! programs only: a request that a browser's headers mark has none. Neither has one that a trusted proxy passes on: the
//! certificate is then the proxy's own.

use std::sync::Arc;

use hyper::header::{self, HeaderMap};

use super::cross_site::SEC_FETCH_SITE;
use crate::{
    authn::{CERTIFICATE_USER, ClientCertificate, Credentials, Identity, Judgement},
    proxy::{request::context::RequestContext, request_log::RequestLog, snapshot::unix_now},
    registry::{ErrorCode, Refusal},
};

/// The certificate of a connection, as it counts for a request.
pub(crate) struct Certified {
    certificate: Arc<ClientCertificate>,
    judgement: Arc<Judgement>,
}

/// Refuses every request on a connection whose certificate is not trusted now, or that has none where one is required.
/// Handshakes have seen to the same; this is for what has changed since.
///
/// # Errors
/// 403: no password would change the answer. The connection ends, since another handshake may.
pub(in crate::proxy) fn admit(context: RequestContext<'_>, log: &RequestLog) -> Result<(), Refusal> {
    let Some(certificates) = &context.snapshot.certificates else { return Ok(()) };
    let Some(certificate) = shown(context) else {
        if certificates.is_required() {
            let why =
                "this server requires a client certificate (server.client_auth), and the connection has none";
            return Err(Refusal::new(ErrorCode::Denied, why).and_close());
        }
        return Ok(());
    };
    let (judgement, is_new) = certificates.judge(certificate, unix_now());
    if is_new {
        log_judgement(&judgement, certificate, log);
    }
    match &*judgement {
        Judgement::Untrusted(why) => {
            let why = format!("the client certificate {why}");
            Err(Refusal::new(ErrorCode::Denied, why).and_close())
        }
        Judgement::Nameless(_) | Judgement::Login(_) => Ok(()),
    }
}

/// The certificate of a request's connection, where certificates are logins and this request may have one. `log` gets
/// its serial number.
pub(crate) fn certified(context: RequestContext<'_>, log: &mut RequestLog) -> Option<Certified> {
    let certified = Certified::of(context)?;
    if certified.login().is_some() {
        log.certified(&certified.certificate);
    }
    Some(certified)
}

/// Adds to a challenge that has no sentence why the certificate of the connection is no login.
pub(in crate::proxy) fn explain(mut refusal: Refusal, context: RequestContext<'_>) -> Refusal {
    if let Some(challenge) = refusal.challenge.as_mut().filter(|challenge| challenge.description.is_none())
        && let Some(Judgement::Nameless(Some(why))) = Certified::of(context).as_ref().map(|it| &*it.judgement)
    {
        refusal.message = format!("the client certificate {why}, so it is no login");
        challenge.description = Some(refusal.message.clone());
    }
    refusal
}

impl Certified {
    fn of(context: RequestContext<'_>) -> Option<Self> {
        let certificates = context.snapshot.certificates.as_ref().filter(|all| all.has_accounts())?;
        let certificate = shown(context)?;
        if context.is_passed_on() || is_of_a_browser(&context.head.headers) {
            return None;
        }
        let (judgement, _) = certificates.judge(certificate, unix_now());
        Some(Self { certificate: Arc::clone(certificate), judgement })
    }

    /// The account that it is a login of.
    pub(crate) fn login(&self) -> Option<&Identity> {
        match &*self.judgement {
            Judgement::Login(identity) => Some(identity),
            Judgement::Untrusted(_) | Judgement::Nameless(_) => None,
        }
    }

    /// The thumbprint, to which tokens are bound.
    pub(crate) fn thumbprint(&self) -> String {
        self.certificate.thumbprint()
    }

    /// The account, where a request shows no other credentials: none, or the user `cert` or the account's own name, whose
    /// password is not looked at, since it has none. `None` where the certificate is no login.
    ///
    /// # Errors
    /// They are of another account: 400.
    pub(crate) fn with(&self, credentials: &Credentials) -> Result<Option<&Identity>, Refusal> {
        let Some(identity) = self.login() else { return Ok(None) };
        if credentials.are_of_robot() {
            return Err(disagreement(identity));
        }
        if credentials.account != CERTIFICATE_USER {
            self.agree(&credentials.account)?;
        }
        Ok(Some(identity))
    }

    /// Refuses credentials that no account of a certificate has.
    ///
    /// # Errors
    /// 400, where the certificate is a login.
    pub(crate) fn alone(&self) -> Result<(), Refusal> {
        self.login().map_or(Ok(()), |identity| Err(disagreement(identity)))
    }

    /// Refuses an account that is not the certificate's. The anonymous one is none.
    ///
    /// # Errors
    /// 400.
    pub(crate) fn agree(&self, account: &str) -> Result<(), Refusal> {
        match self.login() {
            Some(identity) if !account.is_empty() && account != identity.account => {
                Err(disagreement(identity))
            }
            _ => Ok(()),
        }
    }
}

/// Says whose certificate it is, to its holder: the other account is the request's own word.
fn disagreement(identity: &Identity) -> Refusal {
    let why = format!(
        "the connection's certificate is of the account {:?}, and the request's credentials are of another: \
         leave out one of the two",
        identity.account
    );
    Refusal::new(ErrorCode::BadRequest, why)
}

fn shown<'a>(context: RequestContext<'a>) -> Option<&'a Arc<ClientCertificate>> {
    context.head.extensions.get()
}

/// Logs a new judgement, and counts it as a login: one for each connection, and one more after a reload.
fn log_judgement(judgement: &Judgement, certificate: &ClientCertificate, log: &RequestLog) {
    let (serial, sha256) = (certificate.serial(), certificate.sha256());
    let outcome = match judgement {
        Judgement::Login(identity) => {
            tracing::debug!(account = identity.account, serial, sha256, "a client certificate was taken");
            "accepted"
        }
        // Nothing is logged in to.
        Judgement::Nameless(None) => return,
        Judgement::Nameless(Some(why)) => {
            tracing::info!(serial, sha256, "a client certificate is no login: it {why}");
            "failed"
        }
        Judgement::Untrusted(why) => {
            tracing::info!(serial, sha256, "a client certificate is refused: it {why}");
            "failed"
        }
    };
    log.counts_login(outcome);
}

/// Every browser of today says from where a page's request comes, and the older ones say `Origin` with a POST.
fn is_of_a_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(SEC_FETCH_SITE) || headers.contains_key(header::ORIGIN)
}
