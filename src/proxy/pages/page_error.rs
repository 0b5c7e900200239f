//! Errors on the way to a page, and the page that reports each: the problem, and the remedy.

use hyper::StatusCode;

use super::{answer::Answer, visit::Request};
use crate::{
    registry::{ChallengeError, ErrorCode, Refusal},
    ui::{Problem, ProblemKind, views},
};

/// An answer, or another part of a page; or the reason why there is no page.
pub(super) type PageResult<T = Answer> = Result<T, PageError>;

/// The reason why there is no page.
#[derive(Debug)]
pub(super) enum PageError {
    /// There is no such page.
    NoPage,
    /// There is one, and it takes these methods only.
    Method(&'static [&'static str]),
    /// No such repository, tag or digest.
    NotFound,
    /// One that the visitor may not pull, with the source of that decision. Its existence is not known, and the visitor
    /// gets the answer for an unknown name.
    Hidden(String),
    /// The visitor may see it, and may not do that with it. Why, in a sentence.
    Denied(String),
    /// The provider has not signed the visitor in. Why, in a sentence.
    NotSignedIn(String),
    /// The form does not come from one of Portwarden's pages, or the session is another one by now.
    Forged,
    /// Other tags name what is to be deleted than the visitor was told.
    Changed,
    /// The registry deletes nothing.
    NoDeletion,
    /// The registry gave another answer than it should.
    Strange(StatusCode),
    /// Whatever `/v2` would be refused for as well: load, no answer, a back end that is down.
    Refused(Refusal),
}

impl From<Refusal> for PageError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl PageError {
    /// The page that says it.
    pub(super) fn page(self, request: &mut Request<'_>) -> Answer {
        if let Self::Hidden(by) = &self {
            request.log.ruled(|| by.clone());
        }
        let refusal = self.refusal();
        let status = self.status(&refusal);
        let why = sentence(&refusal.message);
        let problem = Problem {
            status: status.as_u16(),
            kind: self.kind(&why),
            retry_after: refusal.retry_after,
            request_id: request.log.id().as_str(),
        };
        let answer = Answer::refused(views::problem(&request.frame(), &problem), status, refusal);
        match self {
            Self::Method(allowed) => answer.allowing(allowed),
            _ => answer,
        }
    }

    /// Returns the status of its page; `refusal` is its own.
    pub(super) fn status(&self, refusal: &Refusal) -> StatusCode {
        match self {
            // Not 401: there is nothing that a browser could ask for.
            Self::Denied(_) | Self::Forged | Self::NotSignedIn(_) => StatusCode::FORBIDDEN,
            Self::Hidden(_) => StatusCode::NOT_FOUND,
            Self::NoDeletion | Self::Changed => StatusCode::CONFLICT,
            _ => StatusCode::from_u16(refusal.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// Returns the refusal for the audit log.
    pub(super) fn refusal(&self) -> Refusal {
        let (code, message) = match self {
            Self::NoPage => (ErrorCode::NotFound, "no such page".to_owned()),
            Self::Method(_) => (ErrorCode::Unsupported, "the page does not take this method".to_owned()),
            Self::NotFound => (ErrorCode::NotFound, HIDDEN.to_owned()),
            Self::Hidden(_) => return denied(HIDDEN),
            Self::Denied(why) => return denied(why),
            Self::NotSignedIn(why) => return Refusal::unauthorized(Vec::new(), None, Some(why.clone())),
            Self::Forged => (ErrorCode::BadRequest, "the form is not from a page of this session".to_owned()),
            Self::Changed => (ErrorCode::BadRequest, "other tags would go than were named".to_owned()),
            Self::NoDeletion => (ErrorCode::Unsupported, "the registry deletes nothing".to_owned()),
            Self::Strange(status) => {
                (ErrorCode::BadGateway, format!("the registry answers {}", status.as_u16()))
            }
            Self::Refused(refusal) => return refusal.clone(),
        };
        Refusal::new(code, message)
    }

    /// The page's words for it; `why` is the sentence of the refusal.
    fn kind<'a>(&self, why: &'a str) -> ProblemKind<'a> {
        match self {
            Self::NoPage => ProblemKind::NoPage,
            Self::Method(_) => ProblemKind::Method,
            Self::NotFound | Self::Hidden(_) => ProblemKind::NotFound,
            Self::Denied(_) => ProblemKind::Denied(why),
            Self::NotSignedIn(_) => ProblemKind::NotSignedIn(why),
            Self::Forged => ProblemKind::Forged,
            Self::Changed => ProblemKind::Changed,
            Self::NoDeletion => ProblemKind::NoDeletion,
            Self::Strange(status) if status.is_redirection() => ProblemKind::Redirects,
            Self::Strange(_) => ProblemKind::Strange,
            Self::Refused(refusal) => match refusal.code {
                ErrorCode::BadGateway | ErrorCode::GatewayTimeout => ProblemKind::NoAnswer(why),
                ErrorCode::Unavailable => ProblemKind::Unavailable(why),
                ErrorCode::TooManyRequests => ProblemKind::TooMany(why),
                ErrorCode::Unauthorized => ProblemKind::WrongPassword,
                _ => ProblemKind::Failed(why),
            },
        }
    }
}

const HIDDEN: &str = "not there, or not for this account";

fn denied(why: &str) -> Refusal {
    Refusal::unauthorized(Vec::new(), Some(ChallengeError::InsufficientScope), Some(why.to_owned()))
}

/// With a capital, unless it begins with a name such as `sha256:…`, and a full stop; nothing for nothing.
pub(super) fn sentence(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let is_name = text.split(' ').next().is_some_and(|word| word.contains(':'));
    let mut letters = text.chars();
    let capital = |letter: char| if is_name { letter.to_string() } else { letter.to_uppercase().collect() };
    let first: String = letters.next().into_iter().map(capital).collect();
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", letters.as_str())
}
