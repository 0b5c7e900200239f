//! A refusal: every early end of a request, as data. The proxy turns it into status, headers and JSON in one place.

use serde_json::json;

use super::{Endpoint, ParseError, Scope};

/// The error codes of the Distribution API that Portwarden uses, with their statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// 401: no credentials, wrong ones, or ones that do not suffice.
    Unauthorized,
    /// 400: the request cannot be understood in one way only.
    BadRequest,
    /// 403: no password would change the answer.
    Denied,
    /// 404: the path names nothing.
    NotFound,
    /// 409: another request stands in the way.
    Conflict,
    /// 404: a manifest that is not there, or that the account may not know of.
    ManifestUnknown,
    /// 404: the same of a blob.
    BlobUnknown,
    /// 400: a manifest names what is not there, or what the account may not know of.
    ManifestBlobUnknown,
    /// 400: a manifest that cannot be read.
    ManifestInvalid,
    /// 405: the method never reaches the registry.
    Unsupported,
    /// 415: a form body, which the registry would read parameters from.
    UnsupportedMediaType,
    /// 417: `Expect` asks for something other than `100-continue`.
    ExpectationFailed,
    /// 408: the body stood still for too long.
    Timeout,
    /// 413: a token request is too large.
    TooLarge,
    /// 431: the head of the request is too large, or has too many headers (RFC 6585 section 5).
    HeadTooLarge,
    /// 429: too many attempts.
    TooManyRequests,
    /// 502: the registry's answer is none.
    BadGateway,
    /// 503: the registry cannot be reached, or Portwarden is overloaded.
    Unavailable,
    /// 504: the registry does not answer in time.
    GatewayTimeout,
    /// 500: a defect in Portwarden.
    Internal,
}

/// An answer that ends a request before the registry's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Code and status.
    pub code: ErrorCode,
    /// A sentence for the person, without secrets.
    pub message: String,
    /// The accesses that were asked for: the `detail` of a 401.
    pub needs: Vec<Scope>,
    /// The challenge of a 401.
    pub challenge: Option<Challenge>,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// True if the connection must not be used again.
    pub close: bool,
    /// The `detail` of a 400 or 404 in the registry's form.
    pub detail: Option<Box<serde_json::Value>>,
}

/// A Bearer challenge (RFC 6750 section 3, Distribution's `docs/spec/auth/token.md`) without its realm and service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The error to report; `None` where no credentials were presented.
    pub error: Option<ChallengeError>,
    /// A sentence that docker shows to the person.
    pub description: Option<String>,
}

/// The `error` of a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeError {
    /// The token is malformed, expired, or was not issued here.
    InvalidToken,
    /// The token is good, and not enough.
    InsufficientScope,
}

impl ErrorCode {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::BadRequest | Self::ManifestBlobUnknown | Self::ManifestInvalid => 400,
            Self::Denied => 403,
            Self::NotFound | Self::ManifestUnknown | Self::BlobUnknown => 404,
            Self::Conflict => 409,
            Self::Unsupported => 405,
            Self::UnsupportedMediaType => 415,
            Self::ExpectationFailed => 417,
            Self::Timeout => 408,
            Self::TooLarge => 413,
            Self::HeadTooLarge => 431,
            Self::TooManyRequests => 429,
            Self::BadGateway => 502,
            Self::Unavailable => 503,
            Self::GatewayTimeout => 504,
            Self::Internal => 500,
        }
    }

    /// The code in the JSON body: the specification's where it has one.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied | Self::Conflict => "DENIED",
            Self::Unsupported | Self::UnsupportedMediaType | Self::ExpectationFailed => "UNSUPPORTED",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::BadGateway | Self::Unavailable | Self::GatewayTimeout => "UNAVAILABLE",
            Self::NotFound => "NAME_UNKNOWN",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::BadRequest | Self::Timeout | Self::TooLarge | Self::HeadTooLarge | Self::Internal => {
                "UNKNOWN"
            }
        }
    }
}

impl Refusal {
    /// A refusal without challenge, detail or delay.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            needs: Vec::new(),
            challenge: None,
            retry_after: None,
            close: false,
            detail: None,
        }
    }

    /// A 401 with a challenge. Without a description the message is the registry's own.
    pub fn unauthorized(
        needs: Vec<Scope>,
        error: Option<ChallengeError>,
        description: Option<String>,
    ) -> Self {
        let message = description.clone().unwrap_or_else(|| "authentication required".to_owned());
        let challenge = Some(Challenge { error, description });
        Self { needs, challenge, ..Self::new(ErrorCode::Unauthorized, message) }
    }

    /// The same, with `Retry-After` in whole seconds, at least one.
    #[must_use]
    pub fn retry_after(self, after: std::time::Duration) -> Self {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        Self { retry_after: Some(seconds.max(1)), ..self }
    }

    /// The registry's own answer to a manifest, a blob or a list of referrers that it does not have (registry 2.8).
    pub fn not_there(endpoint: &Endpoint) -> Self {
        let unknown = |detail| (ErrorCode::ManifestUnknown, "manifest unknown", detail);
        let (code, message, detail) = match endpoint {
            Endpoint::ManifestByTag(_, tag) => unknown(json!({ "Tag": tag.as_str() })),
            Endpoint::Blob(_, digest) => {
                (ErrorCode::BlobUnknown, "blob unknown to registry", json!(digest.as_str()))
            }
            Endpoint::ManifestByDigest(name, digest) | Endpoint::Referrers(name, digest) => {
                unknown(json!({ "Name": name.as_str(), "Revision": digest.as_str() }))
            }
            _ => unknown(serde_json::Value::Null),
        };
        Self::new(code, message).with_detail(detail)
    }

    /// The same with the registry's `detail`.
    #[must_use]
    pub fn with_detail(self, detail: serde_json::Value) -> Self {
        Self { detail: Some(Box::new(detail)), ..self }
    }

    /// The same, and the connection ends after it.
    #[must_use]
    pub fn and_close(self) -> Self {
        Self { close: true, ..self }
    }
}

impl From<ParseError> for Refusal {
    fn from(error: ParseError) -> Self {
        let code = match error {
            ParseError::Method(_) => ErrorCode::Unsupported,
            ParseError::Unknown => ErrorCode::NotFound,
            ParseError::Path(_) | ParseError::Query(_) | ParseError::Source | ParseError::Tag(_) => {
                ErrorCode::BadRequest
            }
        };
        Self::new(code, error.to_string())
    }
}
