//! The parameters of a token request, read as Go's `net/http` reads them: docker_auth's answers depend on it.
//!
//! This is lenient on purpose and serves the token endpoint only; the query of a `/v2` request is read strictly, see
//! [`crate::registry::Query`].

/// Parameters in order: those of the form body before those of the query, as in Go's `Request.Form`. Without a value:
/// one that cannot be decoded, and is passed over.
#[derive(Debug, Default)]
pub(crate) struct Form(Vec<(String, Option<String>)>);

impl Form {
    /// Reads a query and, where there is one, a form body. A pair with a bad escape or a `;` is passed over, as in Go.
    pub(crate) fn parse(query: &str, body: Option<&str>) -> Self {
        let pairs = |text: &str| text.split('&').filter_map(pair).collect::<Vec<_>>();
        let mut all = body.map(pairs).unwrap_or_default();
        all.extend(pairs(query));
        Self(all)
    }

    /// The first value of `key`; empty when there is none.
    pub(crate) fn get(&self, key: &str) -> &str {
        self.0.iter().filter(|(k, _)| k == key).find_map(|(_, value)| value.as_deref()).unwrap_or_default()
    }

    /// All values of `key`.
    pub(crate) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(k, _)| k == key).filter_map(|(_, value)| value.as_deref())
    }

    /// Returns whether a value of `key` is passed over because it cannot be decoded.
    pub(crate) fn has_unreadable(&self, key: &str) -> bool {
        self.0.iter().any(|(k, value)| k == key && value.is_none())
    }
}

fn pair(text: &str) -> Option<(String, Option<String>)> {
    if text.is_empty() || text.contains(';') {
        return None;
    }
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    Some((decode(key)?, decode(value)))
}

/// Bytes that are not UTF-8 make no name and no password here, so such a pair is passed over too.
fn decode(text: &str) -> Option<String> {
    String::from_utf8(crate::registry::percent_decode(text, true)?).ok()
}
