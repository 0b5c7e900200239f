//! The web pages as text: where each stands, what it shows, and how it looks.
//!
//! Pure: it knows nothing of HTTP, sessions, rules or the registry; `proxy` asks these and hands over what a page
//! shows. Every text of a model is taken to be hostile.

mod age;
mod amount;
mod assets;
mod basis;
mod build_step;
mod copyable;
#[cfg(test)]
mod fixtures;
mod layout;
mod link;
mod model;
mod name;
mod next_rules;
mod outside;
mod pagination;
mod path;
mod search;
mod sizes;
mod table;
#[cfg(test)]
mod tests;
mod texts;
mod untrusted;
pub mod views;

pub use assets::Asset;
pub use model::{
    Access, Badges, Basis, Claim, Compared, Comparison, ComparisonProblem, Content, Deletion, Device,
    DeviceAsk, DeviceProblem, Done, Ended, EventAction, EventFilter, EventRow, Events, Frame, ImagePage,
    IndexEntry, LogPart, NoConfig, Order, Orphan, OtherAccount, Page, PlatformSize, Problem, ProblemKind,
    Referrer, Repositories, Repository, RepositoryRow, Right, RightOn, RightsOn, RuleCount, RuleMatch,
    SelectedTag, SignIn, SignInProblem, StoreFault, Summary, TagActivity, TagDeletion, TagFate, TagResult,
    TagRow, TagsDeleted, TagsDeletion, Theme, TokenEntry, TokenNotice, TokenProblem, TokenScope, TokenWish,
    Tokens, Tool, Visitor,
};
pub use next_rules::{Change, NextRules, ShadowRow};
pub use path::{PagePath, Reference};
pub use texts::Language;
