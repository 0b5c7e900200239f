//! “My tokens”: the visitor's personal tokens, and the form that makes one.
//!
//! Only a session makes and revokes them, and no token begins a session: a token can neither renew itself nor make
//! another. Of the tokens of other accounts, nothing is shown.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hyper::StatusCode;

use super::{
    answer::Answer,
    deletion::csrf,
    page_error::{PageError, PageResult},
    visit::{Request, Visit},
};
use crate::{
    authn::{Secret, holds_robot_token},
    authz::{ANY_NAME, MOST_SCOPES, parse_token_scope},
    proxy::{
        personal_tokens::{LONGEST_COMMENT, WantedToken},
        request::form::Form,
        snapshot::unix_now,
    },
    registry::{ErrorCode, Refusal, Scope},
    state::{NotMade, is_robot_token_id},
    telemetry::Event,
    ui::{PagePath, TokenEntry, TokenNotice, TokenProblem, TokenScope, TokenWish, Tokens, views},
};

/// Seconds of a day.
const DAY: u64 = 24 * 3600;
/// The lifetimes to choose from, in days, below the longest.
const LIFETIMES: [u64; 5] = [1, 7, 30, 90, 180];
/// The lifetime that is chosen at first, in days.
const USUAL: u64 = 30;

/// A visitor that may have tokens.
pub(super) struct Owner {
    pub(super) csrf: String,
    /// The longest lifetime, in days.
    longest: u64,
}

impl Owner {
    /// # Errors
    /// There are no such tokens, the visitor has no session, or its account may have none.
    pub(super) fn of(request: &Request<'_>, visit: &Visit) -> PageResult<Self> {
        let snapshot = request.context.snapshot;
        if !snapshot.has_personal_tokens() {
            return Err(PageError::NoPage);
        }
        let csrf = csrf(request, visit)?;
        let identity = visit.caller.identity();
        let longest = snapshot.longest_lifetime(&identity.account, identity.source);
        let longest = longest.filter(|_| identity.personal.is_none());
        let longest = longest
            .ok_or_else(|| PageError::Denied("this account cannot have tokens of its own".to_owned()))?;
        Ok(Self { csrf, longest: (longest.as_secs() / DAY).max(1) })
    }

    /// The lifetimes to choose from, in days.
    pub(super) fn lifetimes(&self) -> Vec<u64> {
        let shorter = LIFETIMES.into_iter().filter(|days| *days < self.longest);
        shorter.chain([self.longest]).collect()
    }

    /// The lifetime that is chosen at first, in days: `wanted`, where there may be such.
    pub(super) fn first_lifetime(&self, wanted: Option<u64>) -> u64 {
        wanted.unwrap_or(USUAL).clamp(1, self.longest)
    }
}

/// The page.
pub(super) async fn show(request: &Request<'_>, visit: &Visit) -> PageResult {
    let owner = Owner::of(request, visit)?;
    let revoked = request.parameter("revoked");
    // A link from elsewhere may say so, too, of one that is in force.
    let state = &request.context.snapshot.state;
    let is_revoked =
        is_robot_token_id(&revoked) && state.personal_token_by_id(visit.caller.account(), &revoked).is_none();
    let notice = is_revoked.then_some(TokenNotice::Revoked(&revoked));
    Ok(Answer::page(page(request, visit, &owner, first_wish(&owner), notice)))
}

/// Makes or revokes a token.
pub(super) async fn change(request: &mut Request<'_>, visit: &Visit) -> PageResult {
    let owner = Owner::of(request, visit)?;
    let form = request.form().await?;
    if !visit.sent(&form, request.context.snapshot) {
        return Err(PageError::Forged);
    }
    // Each writes to the disk.
    let rate = request.context.snapshot.settings.token_requests;
    request.authentication.token_requests.admit(request.address, rate, Instant::now())?;
    match form.get("revoke") {
        "" => make(request, visit, &owner, &form).await,
        id => revoke(request, visit, id).await,
    }
}

fn first_wish(owner: &Owner) -> TokenWish<'static> {
    TokenWish { access: "pull", days: owner.first_lifetime(None), ..TokenWish::default() }
}

/// The content of the form.
pub(super) fn wish_in(form: &Form) -> TokenWish<'_> {
    TokenWish {
        comment: form.get("comment").trim(),
        repositories: form.get("repositories"),
        access: form.get("access"),
        days: form.get("days").parse().unwrap_or_default(),
    }
}

/// The same without a token that stands in the wrong place: it is not shown again.
pub(super) fn fit_to_show(wish: TokenWish<'_>) -> TokenWish<'_> {
    let fit = |text| if holds_robot_token(text) { "" } else { text };
    TokenWish { comment: fit(wish.comment), repositories: fit(wish.repositories), ..wish }
}

async fn make(request: &mut Request<'_>, visit: &Visit, owner: &Owner, form: &Form) -> PageResult {
    let wish = wish_in(form);
    let again = |request: &Request<'_>, code, problem: TokenProblem<'_>| {
        let refusal = Refusal::new(code, views::token_problem(problem));
        let status = StatusCode::from_u16(refusal.code.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let html = page(request, visit, owner, fit_to_show(wish), Some(TokenNotice::Problem(problem)));
        Ok(Answer::refused(html, status, refusal))
    };
    let mut said = String::new();
    let scopes = match read(&wish, owner, &mut said) {
        Ok(scopes) => scopes,
        Err(problem) => return again(request, ErrorCode::BadRequest, problem),
    };
    let made = match keep(request, visit, &wish, &scopes).await {
        Ok(made) => made,
        Err(error) => {
            let why = error.to_string();
            let (code, problem) = match error {
                NotMade::TooMany(most) => (ErrorCode::Conflict, TokenProblem::TooMany(most)),
                NotMade::NoState(_) | NotMade::Full | NotMade::NotStored(_) => {
                    (ErrorCode::Unavailable, TokenProblem::Other(&why))
                }
            };
            return again(request, code, problem);
        }
    };
    let token = made.expose_text().unwrap_or_default();
    let notice = Some(TokenNotice::Made(token));
    Ok(Answer::page(page(request, visit, owner, first_wish(owner), notice)))
}

/// The scopes of a wish, with spaces between them.
///
/// # Errors
/// The form has a mistake. `said` is for the words of one that has no others.
pub(super) fn read<'s>(
    wish: &TokenWish<'_>,
    owner: &Owner,
    said: &'s mut String,
) -> Result<String, TokenProblem<'s>> {
    let TokenWish { comment, repositories, access, days } = *wish;
    let length = comment.chars().count();
    if !(1..=LONGEST_COMMENT).contains(&length) || comment.chars().any(char::is_control) {
        return Err(TokenProblem::Comment(LONGEST_COMMENT));
    }
    if holds_robot_token(comment) || holds_robot_token(repositories) {
        return Err(TokenProblem::Misplaced);
    }
    if !(1..=owner.longest).contains(&days) {
        return Err(TokenProblem::Lifetime(owner.longest));
    }
    let actions: &[&str] = match access {
        "pull" => &["pull"],
        "push" => &["pull", "push"],
        "delete" => &["pull", "push", "delete"],
        _ => return Err(TokenProblem::Access),
    };
    let mut names: Vec<&str> = repositories.split_whitespace().collect();
    if names.len() > MOST_SCOPES {
        return Err(TokenProblem::Names(MOST_SCOPES));
    }
    if names.is_empty() {
        names.push(ANY_NAME);
    }
    let scopes = names.iter().map(|name| {
        let scope = Scope::repository(name, actions).to_string();
        parse_token_scope(&scope).map(|scope| scope.to_string())
    });
    scopes.collect::<Result<Vec<_>, _>>().map(|scopes| scopes.join(" ")).map_err(|why| {
        *said = why;
        TokenProblem::Other(said)
    })
}

/// Makes the token and keeps it.
async fn keep(
    request: &mut Request<'_>,
    visit: &Visit,
    wish: &TokenWish<'_>,
    scopes: &str,
) -> Result<Secret, NotMade> {
    let no_session = || NotMade::NoState("the session has ended".to_owned());
    let session = visit.session.as_ref().ok_or_else(no_session)?;
    let wanted = WantedToken { comment: wish.comment, scopes, days: wish.days };
    let snapshot = request.context.snapshot;
    let (token, new) = snapshot.make_token(visit.caller.identity(), &session.stamp, wanted).await?;
    let until = humantime::format_rfc3339_seconds(at(new.ends));
    request.log.changed_personal_token(Event::PersonalToken, &new, &format!("made, until {until}"));
    Ok(token)
}

async fn revoke(request: &mut Request<'_>, visit: &Visit, id: &str) -> PageResult {
    let state = &request.context.snapshot.state;
    let Some(token) = state.personal_token_by_id(visit.caller.account(), id) else {
        return Err(PageError::NotFound);
    };
    let ended = state.end_personal_token(id, unix_now()).await;
    let and = ended.as_ref().err().map(|error| format!("; not stored: {error}")).unwrap_or_default();
    let why = format!("revoked by its account{and}");
    request.log.changed_personal_token(Event::Revocation, &token.made, &why);
    if ended.is_err() {
        let why = "the token is refused from now on, but that could not be stored, and a restart of the server may bring it back; \
                   tell the operator of the registry";
        return Err(Refusal::new(ErrorCode::Unavailable, why).into());
    }
    let page = request.href(&PagePath::Tokens);
    Ok(Answer::redirect(&format!("{page}?revoked={}", token.id())))
}

fn page(
    request: &Request<'_>,
    visit: &Visit,
    owner: &Owner,
    wish: TokenWish<'_>,
    notice: Option<TokenNotice<'_>>,
) -> String {
    let (snapshot, now) = (request.context.snapshot, unix_now());
    let account = visit.caller.account();
    let own = snapshot.state.personal_tokens(Some(account)).into_iter();
    let tokens = own.filter(|token| *token.made.account == *account).map(|token| {
        let ends = snapshot.end_of_token(&token.made);
        TokenEntry {
            id: token.id(),
            comment: token.made.comment.to_string(),
            scopes: token.made.scopes.split(' ').map(in_words).collect(),
            made: at(token.made.at),
            ends: at(ends),
            has_ended: now >= ends,
            used: token.last_use().map(at),
        }
    });
    let page = Tokens {
        csrf: &owner.csrf,
        lifetimes: owner.lifetimes(),
        wish,
        notice,
        tokens: tokens.collect(),
        signs_in_programs: snapshot.may_log_in_programs(),
    };
    views::tokens(&request.frame(), &page)
}

/// A scope for people: `team/*: pull, push`.
fn in_words(scope: &str) -> TokenScope {
    match parse_token_scope(scope) {
        Ok(Scope { name, actions, .. }) => {
            TokenScope { name: Some(name).filter(|name| name != ANY_NAME), actions: actions.join(", ") }
        }
        Err(_) => TokenScope { name: Some(scope.to_owned()), actions: String::new() },
    }
}

/// A time in seconds since 1970.
fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
}
