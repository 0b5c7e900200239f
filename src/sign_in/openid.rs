//! A provider of OpenID Connect: its endpoints by discovery, the code and the refresh token at its token endpoint, and
//! the claims of its ID token.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Attempt, Failure, OpenIdSettings, Person, ProviderSettings,
    http::{Connection, access_token, encoded, secret},
    person::label,
};
use crate::{
    authn::Secret,
    workload::{
        AccountTemplate, Algorithm, Issuer, IssuerSettings, JwtError, KeySource,
        discovery::{document, origin},
    },
};

/// The time for which a discovery document counts.
const FRESH: Duration = Duration::from_secs(3600);
/// The time between two failed questions for it.
const PAUSE: Duration = Duration::from_secs(10);

/// A provider of OpenID Connect.
#[derive(Debug)]
pub(super) struct OpenId {
    settings: OpenIdSettings,
    client_id: String,
    issuer: Arc<Issuer>,
    known: Arc<Mutex<Known>>,
    /// Held while the document is fetched.
    flight: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct Known {
    endpoints: Option<(Arc<Endpoints>, Instant)>,
    failed: Option<(String, Instant)>,
}

/// The part of a discovery document that is of use here.
#[derive(Debug)]
struct Endpoints {
    authorization: String,
    token: String,
    userinfo: Option<String>,
    /// True if the provider takes the client's secret in the form alone.
    posts_secret: bool,
    /// True if its answers carry `iss` (RFC 9207).
    names_itself: bool,
}

impl OpenId {
    pub(super) fn new(settings: OpenIdSettings, provider: &ProviderSettings) -> Result<Self, String> {
        use Algorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        let account = AccountTemplate::parse("${claim:sub}").ok_or("not a template")?;
        let issuer = IssuerSettings {
            name: provider.section.key().to_owned(),
            issuer: settings.issuer.clone(),
            algorithms: vec![Rs256, Rs384, Rs512, Ps256, Ps384, Ps512, Es256, Es384, EdDsa],
            account,
            require: Vec::new(),
            labels: Vec::new(),
            bearer: false,
            keys: KeySource::Fetched {
                uri: settings.jwks_uri.clone(),
                authorities: provider.authorities.clone(),
            },
        };
        Ok(Self {
            issuer: Arc::new(Issuer::new(issuer, std::slice::from_ref(&provider.client_id), None)?),
            client_id: provider.client_id.clone(),
            settings,
            known: Arc::default(),
            flight: Arc::default(),
        })
    }

    /// The address that a browser is sent to.
    pub(super) async fn authorization(&self, to: &Connection, attempt: &Attempt) -> Result<String, Failure> {
        let endpoints = self.endpoints(to).await?;
        let (scope, challenge) = (self.settings.scopes.join(" "), attempt.challenge());
        let mut query = vec![
            ("response_type", "code"),
            ("client_id", self.client_id.as_str()),
            ("redirect_uri", attempt.redirect_uri.as_deref().unwrap_or_default()),
            ("scope", &scope),
            ("state", &attempt.state),
            ("nonce", &attempt.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        query.extend(self.settings.domain.as_deref().map(|domain| ("hd", domain)));
        query.extend(self.settings.more);
        let separator = if endpoints.authorization.contains('?') { '&' } else { '?' };
        Ok(format!("{}{separator}{}", endpoints.authorization, encoded(&query)))
    }

    /// Checks that an answer comes from this provider, as far as it says so (RFC 9207).
    pub(super) async fn check_issuer(&self, to: &Connection, named: Option<&str>) -> Result<(), Failure> {
        let is_right = match named {
            Some(issuer) => issuer == self.settings.issuer,
            None => !self.endpoints(to).await?.names_itself,
        };
        if is_right {
            return Ok(());
        }
        Err(Failure::refused("the answer names another provider than the one that was asked: sign in again"))
    }

    /// The person for whom a code was made.
    pub(super) async fn redeem(
        &self,
        to: &Connection,
        code: &str,
        (attempt, client_secret): (&Attempt, &str),
        now: u64,
    ) -> Result<Person, Failure> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", attempt.redirect_uri.as_deref().unwrap_or_default()),
            ("code_verifier", attempt.verifier.as_str()),
        ];
        let answer = self.ask(to, &form, client_secret).await?;
        let token = answer.get("id_token").and_then(Value::as_str);
        let token = token
            .ok_or_else(|| Failure::Misconfigured("the token endpoint gives no `id_token`".to_owned()))?;
        let claims = self.verified(token, now).await?;
        if claims.get("nonce").and_then(Value::as_str) != Some(&attempt.nonce) {
            return Err(Failure::refused(
                "the provider's answer was not made for this sign-in: sign in again",
            ));
        }
        let claims = self.with_more(to, claims, &answer).await?;
        self.person(&claims, secret(&answer, "refresh_token"))
    }

    /// The person of a refresh token, as it is now.
    pub(super) async fn refresh(
        &self,
        to: &Connection,
        token: &Secret,
        (subject, client_secret): (&str, &str),
        now: u64,
    ) -> Result<Person, Failure> {
        let token = token.expose_text().unwrap_or_default();
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        let answer = self.ask(to, &form, client_secret).await?;
        let claims = match answer.get("id_token").and_then(Value::as_str) {
            Some(token) => self.verified(token, now).await?,
            None => json!({"sub": subject}),
        };
        let claims = self.with_more(to, claims, &answer).await?;
        self.person(&claims, secret(&answer, "refresh_token"))
    }

    fn person(&self, claims: &Value, secret: Option<Secret>) -> Result<Person, Failure> {
        let OpenIdSettings { user_claim, label_claims, domain, .. } = &self.settings;
        if let Some(domain) = domain {
            check_domain(claims, domain)?;
        }
        Person::of_claims(claims, (user_claim, label_claims), secret)
    }

    async fn verified(&self, token: &str, now: u64) -> Result<Value, Failure> {
        let claims = self.issuer.claims(token, now).await.map_err(|error| match error {
            JwtError::KeysUnavailable(_) => Failure::Unavailable(error.to_string()),
            JwtError::Audience => Failure::Misconfigured(
                "the ID token of the provider: its `aud` is not `client_id`".to_owned(),
            ),
            error => Failure::Misconfigured(format!("the ID token of the provider: {error}")),
        })?;
        // Of several audiences, `azp` says for which it was made (OpenID Connect Core 1.0, section 3.1.3.7).
        let is_of_others = match claims.get("azp") {
            Some(azp) => azp.as_str() != Some(&self.client_id),
            None => claims.get("aud").and_then(Value::as_array).is_some_and(|all| all.len() > 1),
        };
        if is_of_others {
            return Err(Failure::Misconfigured(
                "the ID token of the provider is for another client".to_owned(),
            ));
        }
        Ok(claims)
    }

    /// The claims with those that the endpoint for claims has, where one of those that are needed is missing (OpenID
    /// Connect Core 1.0, section 5.3). What an ID token says is never replaced.
    async fn with_more(&self, to: &Connection, mut claims: Value, answer: &Value) -> Result<Value, Failure> {
        let OpenIdSettings { user_claim, label_claims, domain, .. } = &self.settings;
        // A claim that is null is one that is not returned (OpenID Connect Core 1.0, section 5.3.2).
        let all = claims.as_object_mut().into_iter();
        all.for_each(|all| all.retain(|name, claim| !claim.is_null() || !label_claims.contains(name)));
        let is_missing = |name: &str| claims.get(name).is_none();
        let needs_more = is_missing(user_claim)
            || label_claims.iter().any(|name| is_missing(name))
            || (user_claim == "email" && is_missing("email_verified"))
            || (domain.is_some() && is_missing("hd"));
        let endpoints = self.endpoints(to).await?;
        let (Some(userinfo), true) = (&endpoints.userinfo, needs_more) else { return Ok(claims) };
        let token = access_token(answer)?;
        let more = to.object(userinfo, token.expose_text().unwrap_or_default()).await?;
        if more.get("sub").is_none() || more.get("sub") != claims.get("sub") {
            return Err(Failure::refused(
                "the provider describes another person than the one that signed in",
            ));
        }
        for name in label_claims.iter().filter(|name| is_missing(name)) {
            // What is elsewhere by the word of this answer is lost when it is joined with another such word.
            label(&more, name)?;
        }
        // The word about one address counts for no other.
        let is_of_other = user_claim == "email"
            && claims.get("email").is_some_and(|email| more.get("email") != Some(email))
            && is_missing("email_verified")
            && more.get("email_verified").is_some();
        if is_of_other {
            return Err(Failure::refused(
                "the provider tells two e-mail addresses of this person, and has verified one of them: make them the same there",
            ));
        }
        if let (Some(all), Value::Object(more)) = (claims.as_object_mut(), more) {
            for (name, value) in more {
                all.entry(name).or_insert(value);
            }
        }
        Ok(claims)
    }

    async fn ask(&self, to: &Connection, form: &[(&str, &str)], secret: &str) -> Result<Value, Failure> {
        let endpoints = self.endpoints(to).await?;
        let client = [("client_id", self.client_id.as_str()), ("client_secret", secret)];
        if endpoints.posts_secret {
            return to.token(&endpoints.token, &[form, &client].concat(), None).await;
        }
        to.token(&endpoints.token, form, Some((&self.client_id, secret))).await
    }

    /// The endpoints, which are asked for once an hour, and once at a time.
    async fn endpoints(&self, to: &Connection) -> Result<Arc<Endpoints>, Failure> {
        if let Some(known) = self.known.lock().look() {
            return known;
        }
        let flight = Arc::clone(&self.flight).lock_owned().await;
        if let Some(known) = self.known.lock().look() {
            return known;
        }
        let (client, issuer, known) =
            (to.client.clone(), self.settings.issuer.clone(), Arc::clone(&self.known));
        // In a task of its own: a visitor who hangs up must not break the question off.
        let asked = tokio::spawn(async move {
            let read = document(&client, &issuer).await;
            let answered = known.lock().note(read.and_then(|document| Endpoints::read(&document)));
            drop(flight);
            answered
        });
        let broken = || Failure::Unavailable("the question for its discovery document broke off".to_owned());
        asked.await.unwrap_or_else(|_| Err(broken()))
    }
}

impl Known {
    /// The endpoints, or the reason why there are none; `None` where the provider is to be asked.
    fn look(&self) -> Option<Result<Arc<Endpoints>, Failure>> {
        let known = self.endpoints.as_ref();
        let is_pausing = self.failed.as_ref().filter(|(_, at)| at.elapsed() < PAUSE);
        match (known, is_pausing) {
            (Some((endpoints, at)), None) if at.elapsed() < FRESH => Some(Ok(Arc::clone(endpoints))),
            (Some((endpoints, _)), Some(_)) => Some(Ok(Arc::clone(endpoints))),
            (None, Some((why, _))) => Some(Err(Failure::Unavailable(why.clone()))),
            _ => None,
        }
    }

    /// Takes the answer of the provider, and returns the endpoints of now.
    fn note(&mut self, read: Result<Endpoints, String>) -> Result<Arc<Endpoints>, Failure> {
        match read {
            Ok(endpoints) => {
                let endpoints = Arc::new(endpoints);
                *self = Self { endpoints: Some((Arc::clone(&endpoints), Instant::now())), failed: None };
                Ok(endpoints)
            }
            Err(why) => {
                self.failed = Some((why.clone(), Instant::now()));
                // What was right an hour ago is right until another answer comes.
                let before = self.endpoints.as_ref().map(|(endpoints, _)| Arc::clone(endpoints));
                before.ok_or(Failure::Unavailable(why))
            }
        }
    }
}

impl Endpoints {
    fn read(document: &Value) -> Result<Self, String> {
        let endpoint = |name: &str| {
            let uri = document.get(name).and_then(Value::as_str)?;
            uri.parse().ok().filter(|uri| origin(uri).is_some()).map(|_| uri.to_owned())
        };
        let needed = |name: &str| {
            endpoint(name).ok_or_else(|| format!("its discovery document has no https `{name}`"))
        };
        let methods = document.get("token_endpoint_auth_methods_supported").and_then(Value::as_array);
        let takes = |method: &str| methods.is_some_and(|all| all.iter().any(|known| known == method));
        let flag = "authorization_response_iss_parameter_supported";
        Ok(Self {
            authorization: needed("authorization_endpoint")?,
            token: needed("token_endpoint")?,
            userinfo: endpoint("userinfo_endpoint"),
            posts_secret: takes("client_secret_post") && !takes("client_secret_basic"),
            names_itself: document.get(flag).and_then(Value::as_bool).unwrap_or(false),
        })
    }
}

/// Checks that an account is of this domain of Google: by `hd`, which Google gives to the accounts of an organization
/// alone, and as docker_auth does by the address.
pub(super) fn check_domain(claims: &Value, domain: &str) -> Result<(), Failure> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let (_, of_address) = text("email").rsplit_once('@').unwrap_or_default();
    if text("hd").eq_ignore_ascii_case(domain) && of_address.eq_ignore_ascii_case(domain) {
        return Ok(());
    }
    Err(Failure::not_member(format!(
        "only accounts of {domain} may sign in: choose one of them at the provider"
    )))
}
