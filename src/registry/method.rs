//! The methods of HTTP that reach the registry, and the actions that each needs.

/// The methods that reach the registry. It lets any other through without an access, so they end here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

impl Method {
    /// The `Allow` header of a 405.
    pub const ALLOWED: &'static str = "GET, HEAD, POST, PUT, PATCH, DELETE";

    /// The method of exactly this spelling: the registry's own match is case-sensitive.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            _ => return None,
        })
    }

    /// The method as it is written on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Returns true for a method whose requests have a body (RFC 9110 section 9.3): in others, it means nothing.
    pub fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }

    /// Shortens a method for display: a client may send any word, as long as a whole head.
    pub fn shown(text: &str) -> String {
        text.chars().take(32).collect()
    }

    /// The actions that a request with this method needs on its repository (`appendAccessRecords` of registry 2.8).
    pub(super) fn actions(self) -> &'static [&'static str] {
        match self {
            Self::Get | Self::Head => &["pull"],
            Self::Post | Self::Put | Self::Patch => &["pull", "push"],
            Self::Delete => &["delete"],
        }
    }
}
