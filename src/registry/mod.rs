//! The Distribution API as types: what a request can mean, what it needs, and how it is refused.
//!
//! Pure: no I/O, no HTTP library, no configuration. Past this module there is no `String` that is a repository name.
//! The grammar is that of registry 2.8 (`reference/regexp.go`, `registry/api/v2/descriptors.go` of Distribution),
//! with the referrers API of the OCI distribution specification 1.1 beside it.

mod method;
mod name;
mod needs;
mod placeholder;
mod query;
mod refusal;
mod route;
mod scope;

pub use method::Method;
pub use name::{Digest, RepositoryName, Tag, UploadId, by_path};
pub use placeholder::{PLACEHOLDER, PLACEHOLDER_DIGEST, PLACEHOLDER_TYPE};
pub use query::{Query, QueryError, percent_decode, percent_encode};
pub use refusal::{Challenge, ChallengeError, ErrorCode, Refusal};
pub(crate) use route::decode_path;
pub use route::{CatalogPage, Endpoint, MAX_PAGE, ParseError, Route, UPLOAD_KEY};
pub use scope::{Scope, ScopeError};
