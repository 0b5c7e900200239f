//! The names of the Distribution API, each a type that only its grammar can make.

use std::{cmp::Ordering, fmt};

use aws_lc_rs::digest::{SHA256, digest};

/// A repository's name: `team/app`, or with a host in front, `Host.example:5000/team/app`.
///
/// Grammar: `NameRegexp` of registry 2.8. The host is part of what its routes accept, and of the name it authorises.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(String);

/// A tag: a letter, digit or `_`, then up to 127 more of these, `.` or `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

/// A digest: `sha256:…`. The grammar is the registry's; whether the algorithm is known is for it to say.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(String);

/// The id of an upload in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadId(String);

/// Gives each name its parser, `as_str` and `Display`.
macro_rules! named {
    ($type:ident, $grammar:path) => {
        impl $type {
            /// The name, when `text` as a whole is one.
            pub fn parse(text: &str) -> Option<Self> {
                $grammar(text).then(|| Self(text.to_owned()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

named!(RepositoryName, is_repository_name);
named!(Tag, is_tag);
named!(Digest, is_digest);
named!(UploadId, is_upload_id);

/// The order of names of repositories in a registry, which walks a tree: a slash comes before all else.
pub fn by_path(a: &str, b: &str) -> Ordering {
    let key = |byte: u8| if byte == b'/' { 0 } else { byte };
    a.bytes().map(key).cmp(b.bytes().map(key))
}

impl Digest {
    /// The SHA-256 digest of these bytes, as a registry names a manifest.
    pub fn of(bytes: &[u8]) -> Self {
        let digest = digest(&SHA256, bytes);
        let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Self(format!("sha256:{hex}"))
    }

    /// Returns true for a SHA-256 digest as a registry writes it, in small letters.
    pub fn is_sha256(&self) -> bool {
        self.0.strip_prefix("sha256:").is_some_and(is_hex_of_sha256)
    }
}

fn is_hex_of_sha256(hex: &str) -> bool {
    hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Tag {
    /// The digest of the manifest that a tag of the form `sha256-<64 hex digits>[.suffix]` is about: signatures and lists
    /// of referrers stand under such tags.
    pub fn subject(&self) -> Option<Digest> {
        let rest = self.0.strip_prefix("sha256-")?;
        let (hex, suffix) = rest.split_at_checked(64)?;
        (is_hex_of_sha256(hex) && (suffix.is_empty() || suffix.starts_with('.')))
            .then(|| Digest(format!("sha256:{hex}")))
    }
}

fn is_repository_name(text: &str) -> bool {
    let (first, rest) = text.split_once('/').map_or((text, None), |(first, rest)| (first, Some(rest)));
    match rest {
        None => is_path_component(first),
        Some(rest) => (is_path_component(first) || is_host(first)) && rest.split('/').all(is_path_component),
    }
}

/// Runs of lower-case letters and digits, separated by one of `.`, `_`, `__` or any number of `-`.
fn is_path_component(text: &str) -> bool {
    let mut separator = "";
    let mut runs = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let edges_are_alphanumeric = |text: &str| {
        let inner = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        inner(text.chars().next()) && inner(text.chars().next_back())
    };
    edges_are_alphanumeric(text)
        && runs.all(|run| {
            separator = run;
            matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-')
        })
}

/// `registry.example`, `localhost:5000`: labels of letters, digits and inner `-`, and perhaps a port.
fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.split('.').all(is_label)
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

fn is_tag(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|b| is_word(b) || b == b'.' || b == b'-')
}

/// go-digest's `DigestRegexp`: `[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+`.
fn is_digest(text: &str) -> bool {
    let Some((algorithm, encoded)) = text.split_once(':') else { return false };
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    algorithm.split(['.', '+', '_', '-']).all(is_part)
        && !encoded.is_empty()
        && encoded.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'=' | b'_' | b'-'))
}

fn is_upload_id(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_names() {
        for good in ["a", "a/b", "a.b_c__d---e/f", "Host.Example:443/a", "localhost:5000/a/b", "A/b", "0"] {
            assert!(is_repository_name(good), "{good}");
        }
        for bad in
            ["", "/", "a/", "/a", "a//b", "A", "a/B", "a___b", "a..b", "-a", "a-", "a._b", "a:1", "h:/a", "é"]
        {
            assert!(!is_repository_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_tag_about_a_manifest_names_its_digest() {
        let hex = "0a".repeat(32);
        let subject = |tag: &str| Tag::parse(tag).unwrap().subject().map(|digest| digest.to_string());
        for tag in [format!("sha256-{hex}"), format!("sha256-{hex}.sig"), format!("sha256-{hex}.")] {
            assert_eq!(subject(&tag), Some(format!("sha256:{hex}")), "{tag}");
        }
        let others = [format!("sha256-{hex}a"), format!("sha256-{}", &hex[1..]), format!("sha512-{hex}")];
        for tag in others.iter().chain([&format!("sha256-{}.sig", hex.to_uppercase()), &"sha256-".to_owned()])
        {
            assert_eq!(subject(tag), None, "{tag}");
        }
    }

    #[test]
    fn references() {
        assert!(
            is_tag("latest") && is_tag("_x.-") && !is_tag(".x") && !is_tag("") && !is_tag(&"a".repeat(129))
        );
        assert!(
            is_digest("a:b")
                && is_digest("tarsum.v1+sha256:ab")
                && !is_digest("sha256:")
                && !is_digest("a:b:c")
        );
        assert!(is_upload_id("a-b_c.=") && !is_upload_id("a/b") && !is_upload_id(""));
    }
}
