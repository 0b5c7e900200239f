//! The word of a visitor on a program that waits for its login (RFC 8628 section 3.3): the code, what the program asks
//! for, and the form that allows or refuses it.
//!
//! A code in a link shows the form and does nothing else: a link may come from another site, or from a thief who has
//! started a login of its own (section 5.4).

use std::time::Instant;

use hyper::StatusCode;

use super::{
    answer::Answer,
    page_error::{PageError, PageResult},
    tokens::{Owner, fit_to_show, read, wish_in},
    visit::{Request, Visit},
};
use crate::{
    limits::Network,
    proxy::{
        auth::{
            device::{Found, Grant, WrongCode, on},
            session::token_in,
        },
        request::context::RequestContext,
        upstream::RETRY_AFTER,
    },
    registry::{ErrorCode, Refusal},
    ui::{Device, DeviceAsk, DeviceProblem, TokenProblem, TokenWish, views},
};

/// The page: the field for a code, or what the program with that code asks for.
pub(super) async fn show(request: &Request<'_>, visit: &Visit) -> PageResult {
    let owner = owner(request, visit)?;
    let typed = request.parameter("user_code");
    if typed.is_empty() {
        return Ok(Answer::page(views::device(&request.frame(), &Device::Enter { problem: None })));
    }
    let snapshot = request.context.snapshot;
    if snapshot.state.is_shared() {
        admit(request)?;
    }
    let devices = &request.authentication.device_logins;
    let found = match devices.find(snapshot, &typed, visit.caller.account()).await {
        Ok(found) => found,
        Err(wrong) => return no_such(request, wrong),
    };
    let asked = &found.request;
    let wish = TokenWish {
        comment: &asked.comment,
        repositories: &asked.repositories,
        access: &asked.access,
        days: owner.first_lifetime(asked.days),
    };
    Ok(Answer::page(ask(request, &owner, &found, wish, None)))
}

/// Allows or refuses what a program asks for.
pub(super) async fn decide(request: &mut Request<'_>, visit: &Visit) -> PageResult {
    let owner = owner(request, visit)?;
    let form = request.form().await?;
    if !visit.sent(&form, request.context.snapshot) {
        return Err(PageError::Forged);
    }
    admit(request)?;
    let RequestContext { head, snapshot, .. } = request.context;
    let (devices, account) = (&request.authentication.device_logins, visit.caller.account());
    let found = match devices.find(snapshot, form.get("user_code"), account).await {
        Ok(found) => found,
        Err(wrong) => return no_such(request, wrong),
    };
    let mut said = String::new();
    let grant = match form.get("decision") {
        "allow" => match granted(request, visit, &owner, wish_in(&form), &mut said) {
            Ok(grant) => Some(grant),
            Err((code_of_error, problem)) => {
                let html = ask(request, &owner, &found, fit_to_show(wish_in(&form)), Some(problem));
                let refusal = Refusal::new(code_of_error, views::token_problem(problem));
                return Ok(refused(html, refusal));
            }
        },
        "refuse" => None,
        _ => return Err(Refusal::new(ErrorCode::BadRequest, "expected allow or refuse").into()),
    };
    let (is_allowed, scopes) = (grant.is_some(), grant.as_ref().map(|grant| grant.scopes.clone()));
    let grant = grant.map(|grant| (grant, token_in(&head.headers).unwrap_or_default()));
    if let Err(wrong) = devices.answer_found(snapshot, &found, account, grant).await {
        return no_such(request, wrong);
    }
    let asked = &found.request;
    let word = if is_allowed { "allowed" } else { "refused" };
    let from = asked.address.map_or_else(|| "no known address".to_owned(), |address| address.to_string());
    let what = format!("{word} the login of a program{} from {from}", on(&asked.host_name));
    request.log.decided_on_device(account, visit.caller.identity().source, scopes.as_deref(), &what);
    Ok(Answer::page(views::device(&request.frame(), &Device::Done { is_allowed })))
}

/// The token that the visitor allows by the form.
///
/// # Errors
/// The form has a mistake, or the account has as many tokens as it may. `said` is for the words of one that has no
/// others.
fn granted<'s>(
    request: &Request<'_>,
    visit: &Visit,
    owner: &Owner,
    wish: TokenWish<'_>,
    said: &'s mut String,
) -> Result<Grant, (ErrorCode, TokenProblem<'s>)> {
    let scopes = read(&wish, owner, said).map_err(|problem| (ErrorCode::BadRequest, problem))?;
    let snapshot = request.context.snapshot;
    let most = snapshot.settings.personal_tokens.per_account;
    if !snapshot.has_room_for_token(visit.caller.account()) {
        return Err((ErrorCode::Conflict, TokenProblem::TooMany(most)));
    }
    let ended = || (ErrorCode::Unauthorized, TokenProblem::Other("the session has ended"));
    Ok(Grant {
        session: Ok(visit.session.clone().ok_or_else(ended)?),
        account: visit.caller.account().to_owned(),
        password: snapshot.fingerprint(visit.caller.account()),
        source: visit.caller.identity().source,
        comment: wish.comment.to_owned(),
        scopes,
        days: wish.days,
    })
}

/// The visitor, where it may have tokens, and programs may ask for them.
fn owner(request: &Request<'_>, visit: &Visit) -> PageResult<Owner> {
    if !request.context.snapshot.may_log_in_programs() {
        return Err(PageError::NoPage);
    }
    Owner::of(request, visit)
}

/// Each question may be one to the state.
fn admit(request: &Request<'_>) -> Result<(), Refusal> {
    let rate = request.context.snapshot.settings.token_requests;
    request.authentication.token_requests.admit(request.address, rate, Instant::now())
}

fn no_such(request: &Request<'_>, wrong: WrongCode) -> PageResult {
    let refuse = |code, problem| Refusal::new(code, views::device_problem(problem));
    let (refusal, problem) = match wrong {
        WrongCode::Unknown => (refuse(ErrorCode::NotFound, DeviceProblem::Unknown), DeviceProblem::Unknown),
        WrongCode::TooMany(wait) => {
            let refusal = refuse(ErrorCode::TooManyRequests, DeviceProblem::Wait(0)).retry_after(wait);
            let seconds = refusal.retry_after.unwrap_or(1);
            (refusal, DeviceProblem::Wait(seconds))
        }
        WrongCode::NoState => {
            let why = "the state that this server shares with others cannot be used now, and it has the programs that \
                       wait; try again later";
            return Err(Refusal::new(ErrorCode::Unavailable, why).retry_after(RETRY_AFTER).into());
        }
    };
    let page = Device::Enter { problem: Some(problem) };
    Ok(refused(views::device(&request.frame(), &page), refusal))
}

fn refused(html: String, refusal: Refusal) -> Answer {
    let status = StatusCode::from_u16(refusal.code.status()).unwrap_or(StatusCode::BAD_REQUEST);
    Answer::refused(html, status, refusal)
}

fn ask(
    request: &Request<'_>,
    owner: &Owner,
    found: &Found,
    wish: TokenWish<'_>,
    problem: Option<TokenProblem<'_>>,
) -> String {
    let mut lifetimes = owner.lifetimes();
    // One that the program asks for may lie between them.
    if let Err(place) = lifetimes.binary_search(&wish.days)
        && owner.first_lifetime(Some(wish.days)) == wish.days
    {
        lifetimes.insert(place, wish.days);
    }
    let asked = &found.request;
    let address = asked.address.map(|address| address.to_string());
    let page = DeviceAsk {
        csrf: &owner.csrf,
        code: &found.user.to_string(),
        host_name: &asked.host_name,
        address: address.as_deref(),
        // Privacy extensions of IPv6 change the address within its network.
        is_elsewhere: Network::from(asked.address) != Network::from(request.address),
        asked: asked.asked,
        lifetimes,
        wish,
        problem,
    };
    views::device(&request.frame(), &Device::Ask(page))
}
