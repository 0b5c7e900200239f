//! A program that waits for the visitor's word.

use std::time::SystemTime;

use super::{TokenProblem, TokenWish};

/// The page of the programs that wait.
#[derive(Debug, Clone)]
pub enum Device<'a> {
    /// The field for a code.
    Enter {
        /// The reason why the last one leads to nothing.
        problem: Option<DeviceProblem<'a>>,
    },
    /// The request of the program with a code.
    Ask(DeviceAsk<'a>),
    /// The visitor has answered.
    Done {
        /// True if it has allowed it.
        is_allowed: bool,
    },
}

/// The reason why a code or a form was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceProblem<'a> {
    /// No program waits with the code.
    Unknown,
    /// Too many wrong codes were typed: again in so many seconds.
    Wait(u64),
    /// The form has a mistake.
    Form(TokenProblem<'a>),
}

/// A program's request, and the form that answers it.
#[derive(Debug, Clone)]
pub struct DeviceAsk<'a> {
    /// The CSRF token for the form.
    pub csrf: &'a str,
    /// The code, as the program shows it.
    pub code: &'a str,
    /// The name that the program gives its machine; empty for none.
    pub host_name: &'a str,
    /// The address that the program asks from, where it is known.
    pub address: Option<&'a str>,
    /// True if the visitor comes from another one.
    pub is_elsewhere: bool,
    /// The time at which the program asked.
    pub asked: SystemTime,
    /// The lifetimes to choose from, in days.
    pub lifetimes: Vec<u64>,
    /// The content of the form.
    pub wish: TokenWish<'a>,
    /// The reason why nothing was allowed.
    pub problem: Option<TokenProblem<'a>>,
}
