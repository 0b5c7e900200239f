//! Signing in and out: passwords are checked as everywhere else, with the same patience and the same memory.

use std::time::Instant;

use hyper::{StatusCode, Uri};

use super::{
    answer::Answer,
    page_error::{PageError, PageResult},
    visit::{Request, Visit},
};
use crate::{
    authn::{Credentials, Secret, SignInEnd},
    proxy::auth::session::{self, TOKENS_STAY_OUT},
    registry::{ErrorCode, Refusal},
    ui::{Ended, PagePath, SignIn, SignInProblem, views},
};

/// The page to sign in.
pub(super) fn show(request: &Request<'_>) -> PageResult {
    let problem = match () {
        () if !request.context.origin.is_private() => Some(SignInProblem::NotSecure),
        () if !request.parameter("ended").is_empty() => {
            Some(SignInProblem::Expired(ended(&request.parameter("ended"))))
        }
        () if !request.parameter("out").is_empty() => Some(SignInProblem::SignedOut),
        () => None,
    };
    let next = next(request, &request.parameter("next"));
    Ok(Answer::page(page(request, &next, "", problem)))
}

/// The reason why a sign-in at a provider has ended, by its word in the address.
fn ended(code: &str) -> Option<Ended> {
    SignInEnd::parse(code).map(|end| match end {
        SignInEnd::Refused => Ended::Refused,
        SignInEnd::NotMember => Ended::NotMember,
        SignInEnd::Renamed => Ended::Renamed,
        SignInEnd::NotRenewable => Ended::NotRenewable,
        SignInEnd::Unconfirmed => Ended::Unconfirmed,
        SignInEnd::Unknown => Ended::Unknown,
    })
}

/// Checks the password, and begins a session.
pub(super) async fn sign_in(request: &mut Request<'_>) -> PageResult {
    let form = request.form().await?;
    let account = form.get("account").to_owned();
    let credentials = Credentials { account: account.clone(), password: Secret::new(form.get("password")) };
    request.log.shows(credentials.kind(), Some(&account));
    let next = next(request, form.get("next"));
    if credentials.are_of_robot() {
        let refusal = Refusal::new(ErrorCode::Denied, TOKENS_STAY_OUT);
        return Ok(again(request, &next, "", SignInProblem::Robot, refusal));
    }
    if !request.context.origin.is_private() {
        let refusal = Refusal::new(ErrorCode::BadRequest, "a password would cross the network in the clear");
        return Ok(again(request, &next, &account, SignInProblem::NotSecure, refusal));
    }
    let began = request.context.snapshot.state.revocation_count();
    let rate = request.context.snapshot.settings.token_requests;
    let checked = match request.authentication.token_requests.admit(request.address, rate, Instant::now()) {
        // The anonymous account has no session: its pages are seen without one.
        Ok(()) if account.is_empty() => Ok(None),
        Ok(()) => {
            request
                .authentication
                .passwords
                .check(request.context.snapshot, credentials, request.address, request.log)
                .await
        }
        Err(refusal) => Err(refusal),
    };
    let identity = match checked {
        Ok(Some(identity)) => identity,
        Ok(None) => {
            let refusal = Refusal::new(ErrorCode::Unauthorized, "the name or the password is wrong");
            return Ok(again(request, &next, &account, SignInProblem::Wrong, refusal));
        }
        Err(refusal) => {
            let seconds = refusal.retry_after.unwrap_or(1);
            let problem = match refusal.code {
                ErrorCode::TooManyRequests => SignInProblem::Wait(seconds),
                _ => SignInProblem::Unavailable(seconds),
            };
            return Ok(again(request, &next, &account, problem, refusal));
        }
    };
    request.log.asked_by(&identity);
    let cookie = session::begin(&identity, request.context.snapshot, began).await?;
    Ok(Answer::redirect(&next).with_cookie(&cookie))
}

/// Ends the session.
pub(super) async fn sign_out(request: &mut Request<'_>, visit: &Visit) -> PageResult {
    let form = request.form().await?;
    if !visit.sent(&form, request.context.snapshot) {
        return Err(PageError::Forged);
    }
    let cookie = match &visit.session {
        Some(session) => session::end(session, request.context.snapshot).await,
        None => session::forget(),
    };
    let page = request.href(&PagePath::SignIn);
    Ok(Answer::redirect(&format!("{page}?out=1")).with_cookie(&cookie).forgetting_pages())
}

fn again(
    request: &Request<'_>,
    next: &str,
    account: &str,
    problem: SignInProblem,
    refusal: Refusal,
) -> Answer {
    let page = page(request, next, account, Some(problem));
    let status = StatusCode::from_u16(refusal.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Answer::refused(page, status, refusal)
}

/// The page, with the ways to sign in that are configured.
fn page(request: &Request<'_>, next: &str, account: &str, problem: Option<SignInProblem>) -> String {
    let snapshot = request.context.snapshot;
    let providers: Vec<_> =
        snapshot.sign_ins.sections().map(|section| (section.key(), section.title())).collect();
    let has_passwords = snapshot.authenticators.take_passwords();
    let sign_in = SignIn { next, account, problem, providers: &providers, has_passwords };
    views::sign_in(&request.frame(), &sign_in)
}

/// The page to go on to, below our own prefix and nowhere else; the first one where `wanted` is none to return to.
pub(super) fn next(request: &Request<'_>, wanted: &str) -> String {
    let prefix = &request.context.snapshot.settings.path_prefix;
    // The page before a deletion too: it only asks, and its form needs another click.
    let returns =
        |page: &PagePath| !matches!(page, PagePath::SignIn | PagePath::SignOut | PagePath::Preferences);
    let page = page_to_return_to(wanted, prefix, returns);
    page.unwrap_or_else(|| request.href(&PagePath::Repositories))
}

/// The address of a page here that `returns` admits, written anew; `None` for any other.
pub(super) fn page_to_return_to(
    wanted: &str,
    prefix: &str,
    returns: impl Fn(&PagePath) -> bool,
) -> Option<String> {
    let uri: Uri = wanted.parse().ok()?;
    if uri.authority().is_some() {
        return None;
    }
    let page = PagePath::parse(uri.path().strip_prefix(prefix)?)?;
    // Written anew from what was understood; the query's bytes are those that a URI may have.
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    let is_shown = page.is_page() && !matches!(page, PagePath::Provider(_)) && returns(&page);
    is_shown.then(|| format!("{prefix}{page}{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELETION: &str = "/-/delete/team/app@sha256:\
                            0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn one_returns_to_a_page_of_ours_and_nowhere_else() {
        for (wanted, prefix, page) in [
            ("/", "", Some("/")),
            ("/team/app?q=1&page=2", "", Some("/team/app?q=1&page=2")),
            ("/team/app%3A1.0", "", Some("/team/app:1.0")),
            ("/prefix/team/app", "/prefix", Some("/prefix/team/app")),
            ("/team/app", "/prefix", None),
            ("/-/access", "", Some("/-/access")),
            (DELETION, "", Some(DELETION)),
            ("/-/sign-out", "", None),
            ("/-/preferences", "", None),
            ("/-/sign-in?next=/", "", None),
            ("/oidc_auth?code=a", "", None),
            ("/v2/", "", None),
            ("//evil.example/", "", None),
            ("/\\evil.example", "", None),
            ("https://evil.example/team/app", "", None),
            ("evil.example", "", None),
            ("javascript:alert(1)", "", None),
            ("/team/app\r\nSet-Cookie: a=b", "", None),
            ("", "", None),
        ] {
            let returns = |page: &PagePath| {
                !matches!(page, PagePath::SignIn | PagePath::SignOut | PagePath::Preferences)
            };
            assert_eq!(page_to_return_to(wanted, prefix, returns).as_deref(), page, "{wanted}");
        }
    }
}
