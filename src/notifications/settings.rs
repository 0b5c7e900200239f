//! The settings of `notifications:`.

use std::{fmt, path::PathBuf, time::Duration};

use hyper::{
    Uri,
    header::{HeaderName, HeaderValue},
};
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::telemetry::Action;

/// The section `notifications:`, without endpoints that are turned off.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NotificationSettings {
    /// The endpoints, in the order of the file.
    pub endpoints: Vec<EndpointSettings>,
    /// The file in which events wait; `None` where there are no endpoints, and no place is known.
    pub spool: Option<PathBuf>,
    /// The number of events that may wait for one endpoint.
    pub waiting: u32,
    /// True if events list what a manifest refers to.
    pub references: bool,
}

/// An element of `notifications.endpoints`.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointSettings {
    /// Its name, which no other has.
    pub name: String,
    /// An `http` or `https` URL without user information.
    pub url: Uri,
    /// Headers that are added to each request. Their values are marked as sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The key of the signature.
    pub secret: Option<SigningSecret>,
    /// The certificates that it is trusted by, if its URL is `https`.
    pub authorities: Vec<CertificateDer<'static>>,
    /// The time for one attempt, from the lookup of the name to the head of the answer.
    pub timeout: Duration,
    /// The number of failures after which each attempt waits for `backoff`.
    pub threshold: u32,
    /// The time between attempts from then on.
    pub backoff: Duration,
    /// Media types of targets that it gets no events about.
    pub ignored_media_types: Vec<String>,
    /// Actions that it gets no events about.
    pub ignored_actions: Vec<Action>,
}

impl EndpointSettings {
    /// Returns true if the endpoint gets events of this action about a target of this media type.
    pub(super) fn wants(&self, action: &str, media_type: &str) -> bool {
        let is_action = |ignored: &Action| ignored.as_str() == action;
        !self.ignored_actions.iter().any(is_action)
            && !self.ignored_media_types.iter().any(|ignored| ignored == media_type)
    }
}

/// Shows nothing that may be a secret: a URL can have a token in its path.
impl fmt::Debug for EndpointSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointSettings").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The key of a signature: wiped when dropped, and printed as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Zeroizing<Vec<u8>>);

impl SigningSecret {
    /// Takes the content over.
    pub fn new(content: Vec<u8>) -> Self {
        Self(Zeroizing::new(content))
    }

    pub(super) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
