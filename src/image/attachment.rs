//! Tags that attach something to another manifest: how it was done before registries could list referrers.

use super::kind;
use crate::registry::Digest;

/// An attachment that a tag names, and its subject. Where the registry lists no referrers, such tags are to be looked
/// for instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The digest of the manifest that it belongs to.
    pub digest: String,
    /// Its kind, in the words of [`Manifest::artifact_kind`](super::Manifest::artifact_kind); `None` for the list of
    /// all referrers, an index.
    pub kind: Option<&'static str>,
}

impl Attachment {
    /// Reads `tag` as the tag of an attachment: cosign's `sha256-<hex>.sig`, `.att` and `.sbom`, or `sha256-<hex>` of
    /// the OCI distribution specification 1.1 ("Referrers Tag Schema"). That schema cuts longer digests, so that these
    /// cannot be read.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let (subject, suffix) =
            tag.split_once('.').map_or((tag, None), |(subject, rest)| (subject, Some(rest)));
        let kind = match suffix {
            None => None,
            Some("sig") => Some(kind::SIGNATURE),
            Some("att") => Some(kind::ATTESTATION),
            Some("sbom") => Some(kind::SBOM),
            Some(_) => return None,
        };
        let hex = subject.strip_prefix("sha256-").filter(|hex| is_hex_of_sha256(hex))?;
        let digest = format!("sha256:{hex}");
        Digest::parse(&digest).map(|_| Self { digest, kind })
    }
}

fn is_hex_of_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_tags_attach() {
        let hex = "0123456789abcdef".repeat(4);
        for (suffix, kind) in [
            ("", None),
            (".sig", Some("signature (cosign)")),
            (".att", Some("attestation (in-toto)")),
            (".sbom", Some("SBOM")),
        ] {
            let expected = Attachment { digest: format!("sha256:{hex}"), kind };
            assert_eq!(Attachment::of_tag(&format!("sha256-{hex}{suffix}")), Some(expected));
        }
    }

    #[test]
    fn other_tags_do_not() {
        let hex = "0123456789abcdef".repeat(4);
        for tag in [
            "latest".to_owned(),
            "sha256-.sig".to_owned(),
            format!("sha256-{}", &hex[1..]),
            format!("sha256-{hex}0"),
            format!("sha256-{}", hex.to_uppercase()),
            format!("sha512-{hex}"),
            format!("sha256:{hex}"),
            format!("sha256-{hex}."),
            format!("sha256-{hex}.sig.sig"),
            format!("sha256-{hex}.tar"),
            format!("x-sha256-{hex}.sig"),
        ] {
            assert_eq!(Attachment::of_tag(&tag), None, "{tag}");
        }
    }
}
