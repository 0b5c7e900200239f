//! One order of a certificate (RFC 8555 section 7.4), from the account to the files, and the time that the authority
//! suggests for the next (RFC 9773).

use std::time::{Duration, SystemTime};

use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, CertificateIdentifier, ChallengeStatus, ChallengeType,
    Error, ExternalAccountKey, Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};

use tokio::time::timeout;

use super::{
    Acme, cache,
    certificate::Certificate,
    challenge::{ChallengeAnswer, ChallengeGuard},
    settings::{AcmeSettings, ChallengeKind},
};
use crate::{backend::one_line, state::Lease};

/// For one order, with all waiting for the authority.
pub(super) const LONGEST_ORDER: Duration = Duration::from_secs(600);
/// For an authorization to be valid, and again for the certificate: authorities look from several places.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(120));

/// A renewal window of the authority, and how long its answer holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) start: SystemTime,
    pub(super) end: SystemTime,
    pub(super) holds: Duration,
}

impl Acme {
    /// Orders a certificate, puts it in force and stores it; with the lease of the record where there are other replicas.
    ///
    /// # Errors
    /// The reason, in one line. What was in force still is.
    pub(super) async fn order(&self, lease: Option<&Lease>) -> Result<(), String> {
        let ordered = timeout(LONGEST_ORDER, self.order_at_length(lease)).await;
        ordered.unwrap_or_else(|_| Err("the order took longer than ten minutes".to_owned()))
    }

    async fn order_at_length(&self, lease: Option<&Lease>) -> Result<(), String> {
        let settings = &self.settings;
        cache::prepare(settings)?;
        let mut order = match self.new_order(&self.account(lease).await?).await {
            // Such as a private authority that was set up again.
            Err(error) if is_unknown_account(&error) => {
                cache::forget_account(settings)?;
                self.new_order(&self.account(lease).await?).await.map_err(said)?
            }
            order => order.map_err(said)?,
        };
        self.authorize(&mut order, lease).await?;
        let key = zeroize::Zeroizing::new(order.finalize().await.map_err(said)?);
        let chain = order.poll_certificate(&PATIENCE).await.map_err(said)?;
        let pem = zeroize::Zeroizing::new(format!("{}\n{chain}", *key));
        let certificate = Certificate::read(&pem, &settings.host, SystemTime::now())
            .map_err(|why| format!("the authority sent a certificate of no use: {why}"))?;
        if certificate.until <= SystemTime::now() {
            return Err("the authority sent a certificate that has expired; compare the clocks".to_owned());
        }
        self.in_use.replace(certificate);
        // It serves all the same; the next start orders another.
        cache::store_certificate(settings, &pem).map_err(|error| {
            let file = settings.certificate_file();
            format!("the new certificate is in use, and cannot be stored as {}: {error}", file.display())
        })
    }

    /// Asks the authority when to renew the certificate in use; `None` where it does not say, or not now.
    pub(super) async fn ask_window(&self) -> Option<Window> {
        let certificate = self.in_use.get().filter(|certificate| certificate.is_of_authority)?;
        let id = CertificateIdentifier::try_from(certificate.own()?).ok()?;
        // An account is made by an order only.
        let account = match cache::account(&self.settings) {
            Ok(Some(credentials)) => {
                Account::builder_with_http(Box::new(self.client.clone())).from_credentials(credentials).await
            }
            _ => return None,
        };
        let asked = match account {
            Ok(account) => account.renewal_info(&id).await,
            Err(error) => Err(error),
        };
        match asked {
            Ok((info, holds)) => {
                let (start, end) = (info.suggested_window.start.into(), info.suggested_window.end.into());
                // RFC 9773 section 4.2: any other is to be taken for none.
                Some(Window { start, end, holds }).filter(|window| window.start < window.end)
            }
            Err(error) => {
                tracing::debug!("the authority suggests no time of renewal: {}", words(&error));
                None
            }
        }
    }

    /// The account of the last run, or a new one.
    async fn account(&self, lease: Option<&Lease>) -> Result<Account, String> {
        let settings = &self.settings;
        let builder = Account::builder_with_http(Box::new(self.client.clone()));
        if let Some(credentials) = cache::account(settings)? {
            return builder.from_credentials(credentials).await.map_err(said);
        }
        let contact = settings.email.as_ref().map(|email| format!("mailto:{email}"));
        let contact: Vec<&str> = contact.as_deref().into_iter().collect();
        let new =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let external = settings
            .external_account
            .as_ref()
            .map(|external| ExternalAccountKey::new(external.id.clone(), external.key.expose()));
        let made = builder.create(&new, settings.directory.clone(), external.as_ref()).await;
        let (account, credentials) = made.map_err(said)?;
        cache::store_account(settings, &credentials)?;
        self.tell_replicas(lease, None).await?;
        tracing::info!(directory = settings.directory, "made an account at the authority");
        Ok(account)
    }

    /// An order that replaces the certificate in use, where the authority knows that one.
    async fn new_order(&self, account: &Account) -> Result<Order, Error> {
        let hosts = [Identifier::Dns(self.settings.host.clone())];
        let replaced = self.in_use.get().filter(|_| self.has_window());
        let id = replaced.as_ref().and_then(|it| CertificateIdentifier::try_from(it.own()?).ok());
        if let Some(id) = id {
            match account.new_order(&NewOrder::new(&hosts).replaces(id)).await {
                Ok(order) => return Ok(order),
                // Such as `alreadyReplaced`, by another machine or before the state was restored.
                Err(error) => tracing::debug!("ordered as a new one: {}", words(&error)),
            }
        }
        account.new_order(&NewOrder::new(&hosts)).await
    }

    /// Proves control of the host, unless the authority still takes it for proven.
    async fn authorize(&self, order: &mut Order, lease: Option<&Lease>) -> Result<(), String> {
        let mut pending = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let authorization = authorization.map_err(said)?;
            match authorization.status {
                AuthorizationStatus::Valid => {}
                AuthorizationStatus::Pending => {
                    pending.push(self.await_authority(authorization, lease).await?);
                }
                status => {
                    return Err(format!("the authorization is {}", format!("{status:?}").to_lowercase()));
                }
            }
        }
        let ready = order.poll_ready(&PATIENCE).await;
        let why = match ready {
            Ok(OrderStatus::Ready) => return Ok(()),
            Ok(_) => "the authority did not say why".to_owned(),
            Err(error) => words(&error),
        };
        Err(failed_challenge(order).await.unwrap_or(why))
    }

    /// Answers the challenge of an authorization until the guard is dropped. Other replicas can answer it, too, before the
    /// authority is asked to look.
    async fn await_authority(
        &self,
        mut authorization: AuthorizationHandle<'_>,
        lease: Option<&Lease>,
    ) -> Result<ChallengeGuard<'_>, String> {
        let AcmeSettings { host, challenge: kind, .. } = &*self.settings;
        let wanted = match kind {
            ChallengeKind::TlsAlpn => ChallengeType::TlsAlpn01,
            ChallengeKind::Http => ChallengeType::Http01,
        };
        let challenge = authorization.challenge(wanted);
        let mut challenge =
            challenge.ok_or_else(|| format!("the authority does not offer {}", kind.name()))?;
        let key_authorization = challenge.key_authorization().as_str().to_owned();
        let answer = ChallengeAnswer { kind: *kind, token: challenge.token.clone(), key_authorization };
        let guard = self.challenges.answer(host, &answer)?;
        self.tell_replicas(lease, Some(answer)).await?;
        challenge.set_ready().await.map_err(said)?;
        Ok(guard)
    }
}

fn is_unknown_account(error: &Error) -> bool {
    let unknown = "urn:ietf:params:acme:error:accountDoesNotExist";
    matches!(error, Error::Api(problem) if problem.r#type.as_deref() == Some(unknown))
}

/// The authority's reason, which is at the challenge and not at the order.
async fn failed_challenge(order: &mut Order) -> Option<String> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.ok()?;
        let state = authorization.refresh().await.ok()?;
        let failed = state.challenges.iter().find(|challenge| challenge.status == ChallengeStatus::Invalid);
        if let Some(problem) = failed.and_then(|challenge| challenge.error.as_ref()) {
            return Some(words(&Error::Api(problem.clone())));
        }
    }
    None
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn said(error: Error) -> String {
    words(&error)
}

/// An error for people, in one line of bounded length: the authority may say anything.
fn words(error: &Error) -> String {
    let said = match error {
        Error::Api(problem) => {
            let kind = problem.r#type.as_deref().unwrap_or("no type");
            let kind = kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(kind);
            let details = problem.subproblems.iter().filter_map(|sub| sub.detail.as_deref());
            let details: Vec<_> = problem.detail.as_deref().into_iter().chain(details).collect();
            format!("the authority refuses it: {} ({kind})", details.join("; "))
        }
        Error::Timeout(_) => "the authority did not decide in time".to_owned(),
        error => error.to_string(),
    };
    one_line(&said)
}
