//! Errors on the way to a page, and the page that reports each: the problem, and the remedy.

use hyper::StatusCode;

use super::{answer::Answer, visit::Request};
use crate::{
    registry::{ChallengeError, ErrorCode, Refusal},
    ui::{Problem, views},
};

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
        let status = StatusCode::from_u16(refusal.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let status = match self {
            // Not 401: there is nothing that a browser could ask for.
            Self::Denied(_) | Self::Forged | Self::NotSignedIn(_) => StatusCode::FORBIDDEN,
            Self::Hidden(_) => StatusCode::NOT_FOUND,
            Self::NoDeletion | Self::Changed => StatusCode::CONFLICT,
            _ => status,
        };
        let problem = Problem {
            status: status.as_u16(),
            title: self.title(),
            message: &self.message(&refusal),
            request_id: request.log.id().as_str(),
        };
        let answer = Answer::refused(views::problem(&request.frame(), &problem), status, refusal);
        match self {
            Self::Method(allowed) => answer.allowing(allowed),
            _ => answer,
        }
    }

    /// Returns the refusal for the audit log.
    fn refusal(&self) -> Refusal {
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

    fn title(&self) -> &'static str {
        match self {
            Self::NoPage => "There is no such page",
            Self::Method(_) => "That cannot be done here",
            Self::NotFound | Self::Hidden(_) => "Not found",
            Self::Denied(_) => "You may not do that",
            Self::NotSignedIn(_) => "You are not signed in",
            Self::Forged => "Please try that again",
            Self::Changed => "Other tags would go than were named",
            Self::NoDeletion => "This registry deletes nothing",
            Self::Strange(_) => "The registry gave a strange answer",
            Self::Refused(refusal) => match refusal.code {
                ErrorCode::BadGateway | ErrorCode::GatewayTimeout => "The registry does not answer",
                ErrorCode::Unavailable => "Not available just now",
                ErrorCode::TooManyRequests => "Too many attempts",
                ErrorCode::Unauthorized => "The name or the password is wrong",
                _ => "That did not work",
            },
        }
    }

    fn message(&self, refusal: &Refusal) -> String {
        let text = match self {
            Self::NoPage => {
                "The address leads nowhere. A repository's page is at its name, an image's at its reference, as docker pull has it."
            }
            Self::Method(_) => "Go back to the page you came from and try again.",
            Self::NotFound | Self::Hidden(_) => {
                "There is no such repository, tag or digest in this registry, or you may not see it. Another account may see it. “My access” shows which rule decides; if it should be yours, ask the operator of the registry."
            }
            Self::Forged => {
                "The form was not sent by a page of this session: you may have signed out or in meanwhile. Open the page again, then send it."
            }
            Self::Changed => {
                "Another client has pushed or deleted meanwhile. Nothing was deleted: open the page again, and look at what it names."
            }
            Self::NoDeletion => {
                "Its configuration has to say storage.delete.enabled: true before anything can be deleted. Ask its operator."
            }
            Self::Strange(status) if status.is_redirection() => {
                "It redirects its clients to another address for this, which these pages do not follow. With storage.redirect.disable: true in its configuration it answers itself."
            }
            Self::Strange(_) => {
                "Try again in a moment. If it stays, the operator of the registry finds the reason in its log."
            }
            Self::Denied(why) | Self::NotSignedIn(why) => return sentence(why),
            Self::Refused(_) => {
                let again = match refusal.retry_after {
                    Some(seconds) => format!(" Try again {}.", views::wait(seconds)),
                    None => String::new(),
                };
                return sentence(&refusal.message) + &again;
            }
        };
        text.to_owned()
    }
}

const HIDDEN: &str = "not there, or not for this account";

fn denied(why: &str) -> Refusal {
    Refusal::unauthorized(Vec::new(), Some(ChallengeError::InsufficientScope), Some(why.to_owned()))
}

/// With a capital, and a full stop; nothing for nothing.
pub(super) fn sentence(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", letters.as_str())
}
