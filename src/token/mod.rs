//! Keys, claims, issuing and verifying: the tokens of docker's token authentication, our refresh tokens, and the
//! sessions of the web pages.
//!
//! Synchronous and without HTTP or files: time is a parameter (seconds since 1970), a key is the text of a PEM file.
//! What a token allows is a ceiling only; whether the policy still grants it is asked elsewhere, on every request.

mod auth_source;
mod authority;
mod claims;
mod error;
mod grace;
mod json;
mod jws;
mod key;
mod key_id;
mod login;
mod memory;
mod refresh;
mod session;
#[cfg(test)]
mod testing;
mod workload;

pub use auth_source::{AuthSourceClaim, BackEndClaim, CarriedClaims, SignInClaim};
pub use authority::{Authority, Holder, IssuedToken, Settings, SignedToken};
pub use claims::AccessToken;
pub use error::{IssueError, KeyError, TokenError};
pub use grace::{UploadGrace, UploadName};
pub use jsonwebtoken::Algorithm;
pub use key::SigningKey;
pub use refresh::Fingerprint;
pub use session::{Session, Vouched};
