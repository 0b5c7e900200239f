//! The last events, as their page shows them.

use std::time::SystemTime;

/// Lines of the audit log, the newest first.
#[derive(Debug, Clone)]
pub struct Events {
    /// `None` where no audit log is written, so that there is nothing to show.
    pub rows: Option<Vec<EventRow>>,
    /// Those that are shown.
    pub filter: EventFilter,
    /// The part of the log.
    pub part: LogPart,
}

/// A part of the audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPart {
    /// True if only the last lines are at hand: the log is not written to a file.
    pub is_in_memory: bool,
    /// True if it does not begin at the newest line.
    pub is_older: bool,
    /// True if the lines that were asked for are no longer there.
    pub is_gone: bool,
    /// True if there are older files that cannot be read.
    pub has_unread: bool,
    /// The time of the oldest line that was looked at.
    pub reaches: Option<SystemTime>,
    /// The place from which older lines are read, for a query; `None` if there are none.
    pub older: Option<String>,
}

/// The events that are shown. What is empty does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// The account.
    pub account: String,
    /// A part of the name of the repository.
    pub repository: String,
    /// The kind of action.
    pub action: Option<EventAction>,
    /// The newest so many minutes.
    pub minutes: Option<u64>,
    /// Only events before this moment.
    pub until: Option<SystemTime>,
    /// Only what was not allowed.
    pub refused: bool,
    /// Pages that were looked at, too. One that was refused is never left out.
    pub pages: bool,
}

impl EventFilter {
    /// Returns its fields as a query has them, those that are empty too.
    pub fn pairs(&self) -> [(&'static str, String); 7] {
        let mark = |is_set: bool| if is_set { "1".to_owned() } else { String::new() };
        [
            ("account", self.account.clone()),
            ("repository", self.repository.clone()),
            ("action", self.action.map(EventAction::name).unwrap_or_default().to_owned()),
            ("until", self.until.map(minute).unwrap_or_default()),
            ("minutes", self.minutes.map(|minutes| minutes.to_string()).unwrap_or_default()),
            ("refused", mark(self.refused)),
            ("pages", mark(self.pages)),
        ]
    }

    /// Returns true if nothing is left out.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A moment as a field of a form has it, in UTC: `2026-01-02T03:04`.
fn minute(moment: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(moment).to_string();
    text.split_at_checked("2026-01-02T03:04".len()).map_or_else(String::new, |(minute, _)| minute.to_owned())
}

/// The kind of what an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventAction {
    /// A manifest or a layer was fetched, or asked for.
    Pull,
    /// Something was uploaded.
    Push,
    /// Something was deleted.
    Delete,
    /// Repositories, tags or referrers were listed.
    List,
    /// Credentials were shown, for a token or for a session.
    SignIn,
    /// A page was looked at.
    Page,
    /// Something else: a freeze, a revocation, a run of `prune`, a summary.
    #[default]
    Other,
}

impl EventAction {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Pull, Self::Push, Self::Delete, Self::List, Self::SignIn, Self::Page, Self::Other];

    /// The action of that name in a query.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    /// Returns its name in a query.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::List => "list",
            Self::SignIn => "sign-in",
            Self::Page => "page",
            Self::Other => "other",
        }
    }
}

/// A line of the audit log, or several of one action. What is not known is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventRow {
    /// The time at which it was written; of several, the last one.
    pub time: Option<SystemTime>,
    /// `decision`, `transfer`, `token`, `freeze`.
    pub event: String,
    /// The kind of web page: `access`, `sign-out`; empty for none.
    pub page: String,
    /// The kind of action.
    pub action: EventAction,
    /// The account, empty for the anonymous one; `None` where no account was proved, or none is concerned.
    pub account: Option<String>,
    /// The client's address.
    pub address: String,
    /// The method.
    pub method: String,
    /// The repository; empty for none.
    pub repository: String,
    /// Behind it, the tag or digest: `:1.0`, `@sha256:…`; or, without a repository, what was asked for.
    pub reference: String,
    /// `allowed`, `denied`, …
    pub decision: String,
    /// The rule behind it, or the reason of a refusal.
    pub why: String,
    /// The status of the response.
    pub status: Option<u16>,
    /// `X-Request-Id`, of several that of the last one.
    pub request_id: String,
    /// The number of requests.
    pub count: usize,
}

impl EventRow {
    /// Returns true if it was not allowed.
    pub fn is_refused(&self) -> bool {
        !matches!(self.decision.as_str(), "" | "allowed")
    }
}
