//! Personal tokens: the page on which a visitor makes them.

use super::{curl::Response, page_client::Visitor, portwarden::User};

/// The page.
pub const PAGE: &str = "/-/tokens";

/// A token that a visitor has made.
#[derive(Debug, Clone)]
pub struct MadeToken {
    pub token: &'static str,
    pub id: String,
    account: &'static str,
}

impl MadeToken {
    /// As the password of its account.
    pub fn user(&self) -> User {
        self.user_named(self.account)
    }

    /// As the password of another account.
    pub fn user_named(&self, name: &'static str) -> User {
        User { name, password: self.token }
    }
}

/// Sends the form that makes a token: what it is for, the repositories, `pull`, `push` or `delete`, and days.
pub fn ask_for(visitor: &Visitor<'_>, wish: (&str, &str, &str, &str)) -> Response {
    let (comment, repositories, access, days) = wish;
    let csrf = visitor.csrf();
    let fields = [
        ("csrf", csrf.as_str()),
        ("comment", comment),
        ("repositories", repositories),
        ("access", access),
        ("days", days),
    ];
    visitor.post(PAGE, &fields)
}

/// Makes a token of that account for these repositories, for a day.
#[track_caller]
pub fn make(visitor: &Visitor<'_>, user: User, repositories: &str, access: &str) -> MadeToken {
    let page = ask_for(visitor, ("a test", repositories, access, "1")).is(200).text();
    let (_, rest) = page.split_once("data-copy=\"pwt_").unwrap_or_else(|| panic!("no token in {page}"));
    let token = format!("pwt_{}", rest.split('"').next().unwrap());
    assert_eq!(token.len(), 88, "{token}");
    MadeToken { id: token[4..16].to_owned(), token: token.leak(), account: user.name }
}

/// Revokes a token as its row does.
pub fn revoke(visitor: &Visitor<'_>, id: &str) -> Response {
    let csrf = visitor.csrf();
    visitor.post(PAGE, &[("csrf", csrf.as_str()), ("revoke", id)])
}
