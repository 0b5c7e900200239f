//! The content of each page, as plain data. Texts from the registry are untrusted input from pushes, and the views
//! escape all of it.

mod access;
mod activity;
mod basis;
mod claims;
mod comparison;
mod device;
mod events;
mod preferences;
mod repository;
mod selection;
mod tokens;

use std::{collections::BTreeMap, time::SystemTime};

use super::texts::{Language, Texts};
use crate::image::{Descriptor, HelmChart, ImageConfig, Platform};
pub use access::{Access, OtherAccount, Right, RightOn, RightsOn, RuleCount};
pub use activity::{Done, TagActivity};
pub use basis::{Basis, RuleMatch};
pub use claims::Claim;
pub use comparison::{Compared, Comparison, ComparisonProblem};
pub use device::{Device, DeviceAsk, DeviceProblem};
pub use events::{EventAction, EventFilter, EventRow, Events, LogPart};
pub use preferences::{Theme, Tool};
pub use repository::{Badges, Order, Orphan, PlatformSize, Repository, Summary, TagRow};
pub use selection::{SelectedTag, TagFate, TagResult, TagsDeleted, TagsDeletion};
pub use tokens::{TokenEntry, TokenNotice, TokenProblem, TokenScope, TokenWish, Tokens};

/// The context that all pages share.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The name of the registry (`registry.service`).
    pub service: &'a str,
    /// The host as the visitor named it, with its port unless that is 443: what stands before the name of an image.
    pub host: &'a str,
    /// `server.path_prefix`: empty, or absolute without a trailing slash.
    pub prefix: &'a str,
    /// The visitor.
    pub visitor: Visitor<'a>,
    /// The path and query of the request, with the prefix: where signing in leads back to.
    pub here: &'a str,
    /// True if the registry does not answer, and the page shows what was known of it before.
    pub registry_is_down: bool,
    /// The moment of the request, from which ages are counted.
    pub now: SystemTime,
    /// The language of the page.
    pub language: Language,
    /// The colours of the page.
    pub theme: Theme,
    /// The client in the commands that pages show.
    pub tool: Tool,
}

impl Frame<'_> {
    /// Returns the words of the page.
    pub(super) fn texts(&self) -> &'static Texts {
        self.language.texts()
    }
}

/// The visitor of a page.
#[derive(Debug, Clone, Copy)]
pub enum Visitor<'a> {
    /// No account yet: the page is the one to sign in, or says that there is something wrong.
    Nobody,
    /// A visitor without credentials, where the rules give it something.
    Anonymous,
    /// An account.
    Account {
        /// Its name.
        name: &'a str,
        /// The CSRF token for the forms of a session; `None` where a password came with the request itself, which can
        /// only look.
        csrf: Option<&'a str>,
        /// True if the account may see the page of recent events (`registry:catalog:*`).
        sees_events: bool,
        /// True if it may have personal tokens.
        makes_tokens: bool,
    },
}

/// The page to sign in.
#[derive(Debug, Clone, Copy)]
pub struct SignIn<'a> {
    /// The path to go on to, checked to be one of Portwarden's pages.
    pub next: &'a str,
    /// The name that was typed the last time.
    pub account: &'a str,
    /// The reason why it is shown again.
    pub problem: Option<SignInProblem>,
    /// The providers at which people sign in: the key of each section, and its name.
    pub providers: &'a [(&'static str, &'static str)],
    /// True if there are accounts with passwords.
    pub has_passwords: bool,
}

/// The reason why the page to sign in is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInProblem {
    /// The name or the password is wrong; which, is not told.
    Wrong,
    /// The token of a robot was typed, which opens no page.
    Robot,
    /// Too many failed: seconds to wait.
    Wait(u64),
    /// Nothing can be checked now: too many at once, or a back end is down. Seconds to wait.
    Unavailable(u64),
    /// The session has ended, and why, if there is more to say.
    Expired(Option<Ended>),
    /// The connection is not TLS: a password would cross the network in the clear.
    NotSecure,
    /// Has just signed out.
    SignedOut,
}

/// The reason why a sign-in at a provider has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The provider no longer confirms it.
    Refused,
    /// The person is no longer one of those that may sign in.
    NotMember,
    /// The person has another name at the provider.
    Renamed,
    /// It has lasted for its time.
    NotRenewable,
    /// The provider gives no answer.
    Unconfirmed,
    /// It is not known here.
    Unknown,
}

/// The repositories that the visitor may pull.
#[derive(Debug, Clone)]
pub struct Repositories<'a> {
    /// The search text; empty for all.
    pub query: &'a str,
    /// Those on this page, in order: the ones of a namespace together.
    pub rows: Vec<RepositoryRow<'a>>,
    /// Repositories and their tags that match, if no repository does by its name.
    pub tagged: Vec<(&'a str, &'a str)>,
    /// True if more tags match than are listed.
    pub more_tagged: bool,
    /// The part of the list.
    pub page: Page,
    /// The number of repositories without the search.
    pub all: usize,
    /// There are more in the registry than are read for this page.
    pub incomplete: bool,
}

/// A repository in the list.
#[derive(Debug, Clone)]
pub struct RepositoryRow<'a> {
    /// Its name.
    pub name: &'a str,
    /// The number of its tags; `None` when they could not be read just now.
    pub tags: Option<usize>,
    /// The last push of any; `None` where it is not known.
    pub pushed: Option<Done>,
    /// The pulls of all in the last 30 days; `None` where they are not known.
    pub pulls: Option<u64>,
}

/// A part of a long list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// From 1.
    pub number: usize,
    /// At least 1.
    pub pages: usize,
    /// The index of the first one of this part, from 0.
    pub first: usize,
    /// All that match.
    pub total: usize,
}

/// A manifest, looked into.
#[derive(Debug, Clone)]
pub struct ImagePage<'a> {
    /// The repository.
    pub name: &'a str,
    /// The tag it was asked for by; `None` when by digest.
    pub tag: Option<&'a str>,
    /// Further tags on its digest, as far as they are known.
    pub other_tags: Vec<&'a str>,
    /// True if the visitor can neither move nor delete that tag.
    pub is_write_once: bool,
    /// The digest of the manifest.
    pub digest: &'a str,
    /// Its media type, as the registry gives it.
    pub media_type: &'a str,
    /// The content of the manifest.
    pub content: Content<'a>,
    /// Bytes to pull, compressed; over all platforms of an index. `None` when unknown. The same as in [`Summary`].
    pub size: Option<u64>,
    /// The labels of the image, of an index those of its first image, and the annotations of the
    /// manifest, which count before these.
    pub about: BTreeMap<String, String>,
    /// Annotations of the manifest.
    pub annotations: &'a BTreeMap<String, String>,
    /// Signatures, SBOMs and whatever else refers to it.
    pub referrers: Vec<Referrer>,
    /// A text for people that belongs to it.
    pub readme: Option<String>,
    /// The claims of builders about how it was made.
    pub claims: Vec<Claim>,
    /// Its activity, by the tag or digest that it was asked for by; `None` where it is not known.
    pub activity: Option<TagActivity>,
    /// True if there is a way to delete.
    pub may_delete: bool,
    /// True if there is a way to delete the tag it was asked for by.
    pub may_delete_tag: bool,
}

/// The reason why the configuration of an image is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoConfig {
    /// It is missing, too large or not JSON, or its digest cannot be checked.
    Unreadable,
    /// The registry sends its clients elsewhere for it, where the pages do not follow: the origin, or `None` if the URL
    /// has none or leads to the registry's own address.
    Elsewhere(Option<String>),
    /// The object store that the pages follow did not send it.
    Store {
        /// The origin of the store.
        origin: String,
        /// Its fault.
        fault: StoreFault,
    },
}

/// The reason why an object store did not send a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFault {
    /// There is no answer: no connection, no trust, not in time.
    Unreachable,
    /// It redirects to yet another place.
    Redirects,
    /// Another status than 200.
    Status(u16),
    /// The blob is larger than the pages look into.
    TooLarge,
    /// The content has another digest than the one asked for.
    WrongDigest,
}

/// The content of a manifest.
#[derive(Debug, Clone)]
pub enum Content<'a> {
    /// One for each platform.
    Index(Vec<IndexEntry>),
    /// An image.
    Image {
        /// The layers, in order, the base first.
        layers: &'a [Descriptor],
        /// The content of the configuration.
        config: Result<&'a ImageConfig, &'a NoConfig>,
    },
    /// An artifact of another kind: a chart, a signature.
    Artifact {
        /// Its type.
        kind: String,
        /// Its files.
        files: &'a [Descriptor],
        /// The fields of a Helm chart.
        chart: Option<&'a HelmChart>,
    },
    /// A manifest of an old or unknown kind: that is said, with its text's size.
    Unknown,
}

/// An entry of an index.
#[derive(Debug, Clone)]
pub struct IndexEntry {
    /// For which platform; `None` when the index does not say.
    pub platform: Option<Platform>,
    /// The digest of its manifest.
    pub digest: String,
    /// Bytes to pull; `None` when its manifest cannot be read.
    pub size: Option<u64>,
    /// It belongs to another entry and is not for running: an attestation of that digest.
    pub attests: Option<String>,
}

/// An artifact that refers to a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// In words, where its type is known: `signature (cosign)`, `SBOM (SPDX)`; else its type.
    pub kind: String,
    /// The digest of its manifest.
    pub digest: String,
    /// The tag it is kept under, where that is how it is found.
    pub tag: Option<String>,
    /// The size of its manifest, in bytes.
    pub size: Option<u64>,
    /// The push of that tag, where it is known.
    pub pushed: Option<Done>,
    /// The identities that a signature names; nothing is verified.
    pub signers: Vec<String>,
}

/// The page that asks before something is deleted.
#[derive(Debug, Clone)]
pub struct Deletion<'a> {
    /// The repository.
    pub name: &'a str,
    /// The digest: all that names it goes.
    pub digest: &'a str,
    /// The tag from which the visitor came.
    pub tag: Option<&'a str>,
    /// All tags on that digest.
    pub tags: &'a [String],
    /// A digest of these tags: sent along, so that no others go.
    pub named: &'a str,
    /// One of these tags that is write-once, where there is one: nothing goes then.
    pub locked: Option<&'a str>,
    /// The number of tags that attach something to the digest, such as a signature. They stay.
    pub attachments: usize,
    /// The CSRF token that forms send along.
    pub csrf: &'a str,
}

/// The page that asks before a tag is deleted, and no other.
#[derive(Debug, Clone, Copy)]
pub struct TagDeletion<'a> {
    /// The repository.
    pub name: &'a str,
    /// The tag.
    pub tag: &'a str,
    /// The digest that it names.
    pub digest: &'a str,
    /// The tags on that digest that stay; `None` where that is not known.
    pub staying: Option<&'a [String]>,
    /// The number of tags that attach something to the digest, such as a signature. They stay.
    pub attachments: usize,
    /// True if it is write-once: it stays.
    pub is_write_once: bool,
    /// True if there is a way to delete the image with every tag on it.
    pub may_delete_image: bool,
    /// The CSRF token that forms send along.
    pub csrf: &'a str,
}

/// An error, with a way on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem<'a> {
    /// The status of the response.
    pub status: u16,
    /// The problem.
    pub kind: ProblemKind<'a>,
    /// The seconds after which to try again, if that is known.
    pub retry_after: Option<u64>,
    /// `X-Request-Id`, by which the operator finds it in the log.
    pub request_id: &'a str,
}

/// The kind of an error; a sentence of the server where only that tells more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind<'a> {
    /// There is no such page.
    NoPage,
    /// The page does not take the method.
    Method,
    /// There is no such thing, or the visitor may not see it.
    NotFound,
    /// The visitor may not do that.
    Denied(&'a str),
    /// The provider has not signed the visitor in.
    NotSignedIn(&'a str),
    /// The form is of no page of this session.
    Forged,
    /// Something has changed since the visitor was asked.
    Changed,
    /// The registry deletes nothing.
    NoDeletion,
    /// The registry redirects to another address.
    Redirects,
    /// The registry gave another answer than it should.
    Strange,
    /// The registry gives no answer.
    NoAnswer(&'a str),
    /// There is no room, or a back end is down.
    Unavailable(&'a str),
    /// There were too many attempts.
    TooMany(&'a str),
    /// The name or the password is wrong.
    WrongPassword,
    /// Something else.
    Failed(&'a str),
}
