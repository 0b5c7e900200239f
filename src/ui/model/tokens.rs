//! The personal tokens of the visitor.

use std::time::SystemTime;

/// The page of the visitor's tokens.
#[derive(Debug, Clone)]
pub struct Tokens<'a> {
    /// The CSRF token for its forms.
    pub csrf: &'a str,
    /// The lifetimes to choose from, in days; the last is the longest.
    pub lifetimes: Vec<u64>,
    /// The content of the form, as it was sent.
    pub wish: TokenWish<'a>,
    /// The outcome of the last form, in a sentence.
    pub notice: Option<TokenNotice<'a>>,
    /// The tokens, the latest first.
    pub tokens: Vec<TokenEntry>,
    /// True if a program may ask for one with a code.
    pub signs_in_programs: bool,
}

/// The content of the form by which a token is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenWish<'a> {
    /// The person's own words.
    pub comment: &'a str,
    /// Names of repositories, with wildcards; empty for all.
    pub repositories: &'a str,
    /// `pull`, `push` or `delete`: what the token may be used for.
    pub access: &'a str,
    /// The lifetime, in days.
    pub days: u64,
}

/// The outcome of the last form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenNotice<'a> {
    /// A token was made: the token itself, which is shown once.
    Made(&'a str),
    /// The token of this id was revoked.
    Revoked(&'a str),
    /// Nothing was done.
    Problem(TokenProblem<'a>),
}

/// The reason why no token was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenProblem<'a> {
    /// The comment is missing, or longer than so many characters.
    Comment(usize),
    /// There is a token in the form.
    Misplaced,
    /// The lifetime is none of up to so many days.
    Lifetime(u64),
    /// No use was chosen.
    Access,
    /// There are more names than so many.
    Names(usize),
    /// The account has so many tokens, which is the most.
    TooMany(usize),
    /// Something else: a sentence of the server.
    Other(&'a str),
}

/// The scope of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenScope {
    /// The repositories, by a name with wildcards; `None` for all.
    pub name: Option<String>,
    /// The actions: `pull, push`.
    pub actions: String,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenEntry {
    /// Its name: twelve digits.
    pub id: String,
    /// The person's own words.
    pub comment: String,
    /// Its scopes.
    pub scopes: Vec<TokenScope>,
    /// The moment at which it was made.
    pub made: SystemTime,
    /// The moment at which it is over.
    pub ends: SystemTime,
    /// True if it is over.
    pub has_ended: bool,
    /// Its last use.
    pub used: Option<SystemTime>,
}
