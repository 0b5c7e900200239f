//! Signing in at a provider: the way there, and back with a code.
//!
//! Nothing is remembered here between the two: the attempt is sealed in a cookie of the browser. The cookie is
//! `SameSite=Lax`, since the browser comes back from another site.

use std::{sync::Arc, time::Instant};

use super::{
    answer::Answer,
    page_error::{PageError, PageResult},
    sign_in::next,
    visit::Request,
};
use crate::{
    authn::{Identity, SignInSection},
    proxy::{
        auth::{
            cross_site::SEC_FETCH_SITE,
            session::{self, cookie_of},
        },
        request::form::Form,
        signed_in::secret_purpose,
        snapshot::unix_now,
    },
    registry::{ErrorCode, Refusal, percent_encode},
    sign_in::{Attempt, Failure, LIFETIME, Person, Provider},
    state::{NotSignedIn, SignIn},
    ui::{PagePath, views},
};

/// The sentence for a visitor whose browser does not show the attempt that the answer belongs to.
const START_AGAIN: &str = "this answer of the provider belongs to no sign-in of this browser within the last ten minutes: start \
                           again on the page to sign in";

/// Answers at the address of a section: a browser without an answer of the provider is sent there.
pub(super) async fn answer(request: &mut Request<'_>, section: &str) -> PageResult {
    let snapshot = Arc::clone(request.context.snapshot);
    let section = SignInSection::parse(section).ok_or(PageError::NoPage)?;
    let provider = snapshot.sign_ins.provider(section).ok_or(PageError::NoPage)?;
    if !request.context.origin.is_private() {
        let page = request.href(&PagePath::SignIn);
        return Ok(Answer::redirect(&page));
    }
    if !snapshot.state.keeps_sign_ins() {
        let why = "no person can sign in at a provider, because this server has no state file: its operator sets `state.file`";
        return Err(Refusal::new(ErrorCode::Unavailable, why).into());
    }
    let rate = snapshot.settings.token_requests;
    request.authentication.token_requests.admit(request.address, rate, Instant::now())?;
    let query = Form::parse(request.context.head.uri.query().unwrap_or_default(), None);
    if query.get("code").is_empty() && query.get("error").is_empty() {
        return send(request, provider).await;
    }
    request.log.shows("sign_in", None);
    let Some(attempt) = answered_attempt(request, section, &query) else {
        // The cookie stays: any site can lead here, and must not end a sign-in that has begun.
        request.log.counts_login("failed");
        return Err(PageError::NotSignedIn(START_AGAIN.to_owned()));
    };
    let came = come_back(request, provider, (&query, attempt)).await;
    let outcome = if came.is_ok() { "accepted" } else { "failed" };
    request.log.counts_login(outcome);
    let answer = came.unwrap_or_else(|error| error.page(request));
    Ok(answer.with_cookie(&cookie(section, "", 0)))
}

/// Sends the browser to the provider.
async fn send(request: &mut Request<'_>, provider: &Provider) -> PageResult {
    let wanted = next(request, &request.parameter("next"));
    if is_from_elsewhere(request) {
        // The person decides here whether to sign in, and not a link of another site.
        let (page, next) = (request.href(&PagePath::SignIn), percent_encode(&wanted));
        return Ok(Answer::redirect(&format!("{page}?next={next}")));
    }
    let attempt = Attempt::new(redirect_uri(request, provider), &wanted, unix_now()).ok_or_else(broken)?;
    let address = provider.authorization(&attempt).await.map_err(|failure| told(provider, failure))?;
    let seal = request.context.snapshot.sign_ins.seal();
    let sealed = attempt.sealed(seal, provider.section()).ok_or_else(broken)?;
    Ok(Answer::redirect(&address).with_cookie(&cookie(provider.section(), &sealed, LIFETIME)))
}

/// The attempt of this browser that an answer belongs to.
fn answered_attempt(request: &Request<'_>, section: SignInSection, query: &Form) -> Option<Attempt> {
    let sealed = cookie_of(&request.context.head.headers, cookie_name(section))?;
    let attempt = Attempt::open(sealed, request.context.snapshot.sign_ins.seal(), section, unix_now())?;
    attempt.is_answered_by(once(query, "state")?).then_some(attempt)
}

/// Takes the answer of the provider, and begins a session.
async fn come_back(
    request: &mut Request<'_>,
    provider: &Arc<Provider>,
    (query, attempt): (&Form, Attempt),
) -> PageResult {
    let (snapshot, section) = (Arc::clone(request.context.snapshot), provider.section());
    let Some(code) = once(query, "code").filter(|code| !code.is_empty()) else {
        return Err(refused_by(provider, query.get("error")));
    };
    let busy = || Refusal::new(ErrorCode::Unavailable, "too many people sign in at once").retry_after(BUSY);
    let _slot = request.authentication.sign_ins.take(request.address).await.map_err(|_| busy())?;
    let began = snapshot.state.revocation_count();
    let issuer = match query.all("iss").next() {
        Some(_) => Some(once(query, "iss").ok_or_else(|| PageError::NotSignedIn(START_AGAIN.to_owned()))?),
        None => None,
    };
    let person = provider.redeem(code, issuer, &attempt, unix_now()).await;
    let person = person.map_err(|failure| told(provider, failure))?;
    let identity = record(request, provider, person).await?;
    request.log.asked_by(&identity);
    let session = session::begin(&identity, &snapshot, began).await?;
    tracing::info!(section = section.key(), account = identity.account, "a person has signed in");
    Ok(Answer::page(views::go_on(&request.frame(), &attempt.next)).with_cookie(&session))
}

/// Pins the person to the account, unless the name is another's.
async fn record(request: &Request<'_>, provider: &Provider, person: Person) -> PageResult<Identity> {
    let snapshot = request.context.snapshot;
    let Person { subject, account, labels, secret } = person;
    if snapshot.authenticators.has_spelling_of(&account) || snapshot.is_of_no_password(&account) {
        return Err(not_recorded(provider, &NotSignedIn::NameHeld(account)));
    }
    let labels = Arc::new(labels);
    let mut record = SignIn {
        section: provider.section(),
        provider: provider.id().to_owned(),
        subject,
        account: account.clone(),
        labels: Arc::clone(&labels),
        settings: provider.meaning().to_owned(),
        confirmed_at: unix_now(),
        ended: None,
        secret: None,
    };
    let seal = snapshot.sign_ins.seal();
    let purpose = secret_purpose(&record.person());
    record.secret = secret.and_then(|secret| seal.seal(&purpose, secret.expose()));
    let kept = snapshot.state.keep_sign_in(record).await;
    kept.map_err(|error| not_recorded(provider, &error))?;
    Ok(Identity::of_sign_in(&account, labels, provider.section()))
}

fn not_recorded(provider: &Provider, error: &NotSignedIn) -> PageError {
    tracing::warn!(section = provider.section().key(), "a person cannot sign in: {error}");
    match error {
        NotSignedIn::Full | NotSignedIn::NotStored(_) => {
            Refusal::new(ErrorCode::Unavailable, error.to_string()).into()
        }
        NotSignedIn::NameHeld(_) | NotSignedIn::Renamed { .. } => PageError::NotSignedIn(error.to_string()),
    }
}

/// The page for what a provider answered in place of a code (RFC 6749, section 4.1.2.1). Its own words are not shown:
/// anyone can write them into a link.
fn refused_by(provider: &Provider, error: &str) -> PageError {
    let title = provider.section().title();
    PageError::NotSignedIn(match error {
        "access_denied" => {
            format!(
                "{title} says that the sign-in was cancelled, or that this account may not use this registry: try again"
            )
        }
        "temporarily_unavailable" | "server_error" => {
            format!("{title} cannot sign anyone in just now: try again in a moment")
        }
        _ => format!("{title} does not accept this registry as it is configured: tell its operator"),
    })
}

/// The page for a provider that does not say who a person is.
fn told(provider: &Provider, failure: Failure) -> PageError {
    let (section, title) = (provider.section().key(), provider.section().title());
    match failure {
        Failure::Refused(_, why) => {
            tracing::info!(section, "a person cannot sign in: {why}");
            PageError::NotSignedIn(why)
        }
        Failure::Unavailable(why) => {
            tracing::warn!(section, "a provider gives no answer: {why}");
            let why = format!("{title} gives no answer just now");
            Refusal::new(ErrorCode::Unavailable, why).retry_after(PROVIDER_DOWN).into()
        }
        Failure::Misconfigured(why) => {
            tracing::error!(
                section,
                "a provider does not accept this server, or cannot be understood: {why}"
            );
            let why = format!(
                "{title} does not accept this registry as it is configured: tell its operator, who finds the reason in the log"
            );
            PageError::NotSignedIn(why)
        }
    }
}

fn broken() -> PageError {
    Refusal::new(ErrorCode::Internal, "the system gives no random bytes").into()
}

/// The redirect URI that is configured. For Google docker_auth has none: then it is the address of this request, which
/// Google holds against those that are registered.
fn redirect_uri(request: &Request<'_>, provider: &Provider) -> Option<String> {
    let configured = provider.settings().redirect_uri.clone();
    let origin = request.context.origin;
    let own = || {
        let path = PagePath::provider(provider.section().key())?;
        Some(format!("{}://{}{}", origin.scheme, origin.host, request.href(&path)))
    };
    configured.or_else(|| if provider.section() == SignInSection::Google { own() } else { None })
}

/// A parameter that stands there once; of two, each reader takes another.
fn once<'q>(query: &'q Form, name: &'q str) -> Option<&'q str> {
    let mut all = query.all(name);
    all.next().filter(|_| all.next().is_none() && !query.has_unreadable(name))
}

/// Returns true if the page of another site leads here, by the word of the browser.
fn is_from_elsewhere(request: &Request<'_>) -> bool {
    let mut sites = request.context.head.headers.get_all(SEC_FETCH_SITE).iter();
    sites.any(|site| site == "cross-site" || site == "same-site")
}

/// The name of the cookie with the attempt of a section.
fn cookie_name(section: SignInSection) -> &'static str {
    match section {
        SignInSection::Oidc => "__Host-portwarden-oidc",
        SignInSection::Google => "__Host-portwarden-google",
        SignInSection::Github => "__Host-portwarden-github",
        SignInSection::Gitlab => "__Host-portwarden-gitlab",
    }
}

fn cookie(section: SignInSection, value: &str, seconds: u64) -> String {
    let name = cookie_name(section);
    format!("{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax")
}

/// The times after which a visitor tries again.
const BUSY: std::time::Duration = std::time::Duration::from_secs(2);
const PROVIDER_DOWN: std::time::Duration = std::time::Duration::from_secs(30);
