//! Maps a path to its page and back: one type for both, so that no link leads nowhere.
//!
//! A repository's page stands at its name and an image's at its reference, so that what follows `docker pull` is an
//! address for a browser too. Whatever is not a name of a repository begins with `/-/`, as no name does.

use std::fmt;

use super::assets::Asset;
use crate::registry::{Digest, RepositoryName, Tag};

/// A page, or something that belongs to the pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PagePath {
    /// `/`: the repositories.
    Repositories,
    /// `/<name>`: the tags of a repository.
    Repository(RepositoryName),
    /// `/<name>:<tag>` and `/<name>@<digest>`.
    Image(RepositoryName, Reference),
    /// `/-/delete/<name>@<digest>`.
    Delete(RepositoryName, Digest),
    /// `/-/delete-tag/<name>:<tag>`.
    DeleteTag(RepositoryName, Tag),
    /// `/-/delete-tags/<name>`: several tags, which the query names.
    DeleteTags(RepositoryName),
    /// `/-/compare/<name>`: two images of a repository beside each other.
    Compare(RepositoryName),
    /// `/-/sign-in`.
    SignIn,
    /// `/-/sign-out`.
    SignOut,
    /// `/-/preferences`: takes the language and the theme of the pages.
    Preferences,
    /// `/oidc_auth` and the like: to a provider, and back from it. As in docker_auth, the path is the key of the section.
    Provider(&'static str),
    /// `/-/access`: what the visitor may do.
    Access,
    /// `/-/tokens`: the visitor's personal tokens.
    Tokens,
    /// `/-/device`: the program that waits with a code for the visitor's word.
    Device,
    /// `/-/events`: the end of the audit log.
    Events,
    /// `/-/shadow`: the differences that the next rules would make.
    Shadow,
    /// `/-/assets/<hash>/<file>`.
    Asset(Asset),
    /// `/favicon.ico`, which browsers ask for unbidden.
    Favicon,
    /// `/robots.txt`.
    Robots,
}

/// A name of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A tag.
    Tag(Tag),
    /// A digest.
    Digest(Digest),
}

/// First parts of names that stand for something else at the root; repositories of these names are found below `/-/r/`.
const RESERVED: [&str; 8] =
    ["v2", "auth", "favicon.ico", "robots.txt", PROVIDERS[0], PROVIDERS[1], PROVIDERS[2], PROVIDERS[3]];
/// The sections with which people sign in at a provider.
const PROVIDERS: [&str; 4] = ["oidc_auth", "google_auth", "github_auth", "gitlab_auth"];

impl PagePath {
    /// Reads a path below the prefix, as it is on the wire: no name has a byte that a path must escape, but a browser
    /// may have escaped the `:` and the `@`. `None` for what is no page.
    pub fn parse(path: &str) -> Option<Self> {
        if path == "/" {
            return Some(Self::Repositories);
        }
        let decoded = crate::registry::decode_path(path).ok()?;
        let path = decoded.strip_prefix('/')?;
        if let Some(own) = path.strip_prefix("-/") {
            return Self::parse_own(own);
        }
        match path {
            "favicon.ico" => Some(Self::Favicon),
            "robots.txt" => Some(Self::Robots),
            _ if PROVIDERS.contains(&path) => Self::provider(path),
            _ if is_reserved(path) => None,
            _ => Self::parse_image(path),
        }
    }

    fn parse_own(path: &str) -> Option<Self> {
        match path {
            "sign-in" => return Some(Self::SignIn),
            "sign-out" => return Some(Self::SignOut),
            "preferences" => return Some(Self::Preferences),
            "access" => return Some(Self::Access),
            "tokens" => return Some(Self::Tokens),
            "device" => return Some(Self::Device),
            "events" => return Some(Self::Events),
            "shadow" => return Some(Self::Shadow),
            _ => {}
        }
        if let Some(asset) = path.strip_prefix("assets/") {
            return Asset::at(asset).map(Self::Asset);
        }
        if let Some(image) = path.strip_prefix("r/") {
            return Self::parse_image(image);
        }
        if let Some(name) = path.strip_prefix("compare/") {
            return RepositoryName::parse(name).map(Self::Compare);
        }
        if let Some(name) = path.strip_prefix("delete-tags/") {
            return RepositoryName::parse(name).map(Self::DeleteTags);
        }
        if let Some(image) = path.strip_prefix("delete-tag/") {
            return match Self::parse_image(image)? {
                Self::Image(name, Reference::Tag(tag)) => Some(Self::DeleteTag(name, tag)),
                _ => None,
            };
        }
        match Self::parse_image(path.strip_prefix("delete/")?)? {
            Self::Image(name, Reference::Digest(digest)) => Some(Self::Delete(name, digest)),
            _ => None,
        }
    }

    fn parse_image(path: &str) -> Option<Self> {
        if let Some((name, digest)) = path.split_once('@') {
            let digest = Reference::Digest(Digest::parse(digest)?);
            return Some(Self::Image(RepositoryName::parse(name)?, digest));
        }
        // What is behind a slash belongs to the name: that colon stands before the port of a host.
        match path.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
            Some((name, tag)) => {
                Some(Self::Image(RepositoryName::parse(name)?, Reference::Tag(Tag::parse(tag)?)))
            }
            None => RepositoryName::parse(path).map(Self::Repository),
        }
    }

    /// The page of an image that a text names, as people paste it: `docker pull registry.example/team/app:1.0`,
    /// `docker://registry.example/team/app`. `host` is how the visitor names the registry. Of a name alone that has
    /// neither the host before it nor a tag or digest behind it, `None`: that is a word to search for.
    pub fn pasted(text: &str, host: &str) -> Option<Self> {
        text.split_whitespace().find_map(|word| {
            let reference = word.split_once("://").map_or(word, |(_, reference)| reference);
            let own = reference.strip_prefix(host).and_then(|reference| reference.strip_prefix('/'));
            match Self::parse_image(own.unwrap_or(reference))? {
                Self::Image(name, Reference::Tag(tag))
                    if Digest::parse(&format!("{name}:{tag}")).is_some() =>
                {
                    None
                }
                Self::Repository(_) if own.is_none() => None,
                page => Some(page),
            }
        })
    }

    /// The address to a provider, by the key of its section; `None` for any other key.
    pub fn provider(section: &str) -> Option<Self> {
        PROVIDERS.into_iter().find(|known| *known == section).map(Self::Provider)
    }

    /// The page of a repository; `None` when `name` is none. The same for those below.
    pub fn repository(name: &str) -> Option<Self> {
        RepositoryName::parse(name).map(Self::Repository)
    }

    /// The page of what a tag names.
    pub fn tagged(name: &str, tag: &str) -> Option<Self> {
        Some(Self::Image(RepositoryName::parse(name)?, Reference::Tag(Tag::parse(tag)?)))
    }

    /// The page of a manifest.
    pub fn by_digest(name: &str, digest: &str) -> Option<Self> {
        Some(Self::Image(RepositoryName::parse(name)?, Reference::Digest(Digest::parse(digest)?)))
    }

    /// The page that asks before a manifest is deleted.
    pub fn deletion(name: &str, digest: &str) -> Option<Self> {
        Some(Self::Delete(RepositoryName::parse(name)?, Digest::parse(digest)?))
    }

    /// The page that asks before a tag is deleted.
    pub fn tag_deletion(name: &str, tag: &str) -> Option<Self> {
        Some(Self::DeleteTag(RepositoryName::parse(name)?, Tag::parse(tag)?))
    }

    /// The page that asks before several tags are deleted.
    pub fn tags_deletion(name: &str) -> Option<Self> {
        RepositoryName::parse(name).map(Self::DeleteTags)
    }

    /// The page that compares two images of a repository.
    pub fn comparison(name: &str) -> Option<Self> {
        RepositoryName::parse(name).map(Self::Compare)
    }

    /// Returns the kind of page, in a word for the audit log; `None` where none is written.
    pub fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Repositories => Some("repositories"),
            Self::Repository(_) => Some("repository"),
            Self::Image(..) => Some("image"),
            Self::Delete(..) => Some("delete"),
            Self::DeleteTag(..) => Some("delete-tag"),
            Self::DeleteTags(_) => Some("delete-tags"),
            Self::Compare(_) => Some("compare"),
            Self::SignIn => Some("sign-in"),
            Self::SignOut => Some("sign-out"),
            Self::Provider(_) => Some("provider"),
            Self::Access => Some("access"),
            Self::Tokens => Some("tokens"),
            Self::Device => Some("device"),
            Self::Events => Some("events"),
            Self::Shadow => Some("shadow"),
            Self::Preferences | Self::Asset(_) | Self::Favicon | Self::Robots => None,
        }
    }

    /// Returns true for pages, false for files.
    pub fn is_page(&self) -> bool {
        !matches!(self, Self::Asset(_) | Self::Favicon | Self::Robots)
    }
}

/// The path below the prefix.
impl fmt::Display for PagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repositories => f.write_str("/"),
            Self::Repository(name) => write!(f, "{}{name}", before(name)),
            Self::Image(name, Reference::Tag(tag)) => write!(f, "{}{name}:{tag}", before(name)),
            Self::Image(name, Reference::Digest(digest)) => write!(f, "{}{name}@{digest}", before(name)),
            Self::Delete(name, digest) => write!(f, "/-/delete/{name}@{digest}"),
            Self::DeleteTag(name, tag) => write!(f, "/-/delete-tag/{name}:{tag}"),
            Self::DeleteTags(name) => write!(f, "/-/delete-tags/{name}"),
            Self::Compare(name) => write!(f, "/-/compare/{name}"),
            Self::SignIn => f.write_str("/-/sign-in"),
            Self::SignOut => f.write_str("/-/sign-out"),
            Self::Preferences => f.write_str("/-/preferences"),
            Self::Provider(section) => write!(f, "/{section}"),
            Self::Access => f.write_str("/-/access"),
            Self::Tokens => f.write_str("/-/tokens"),
            Self::Device => f.write_str("/-/device"),
            Self::Events => f.write_str("/-/events"),
            Self::Shadow => f.write_str("/-/shadow"),
            Self::Asset(asset) => write!(f, "/-/assets/{asset}"),
            Self::Favicon => f.write_str("/favicon.ico"),
            Self::Robots => f.write_str("/robots.txt"),
        }
    }
}

fn before(name: &RepositoryName) -> &'static str {
    if is_reserved(name.as_str()) { "/-/r/" } else { "/" }
}

/// Returns true if the first part of a name, or of a reference, is taken.
fn is_reserved(path: &str) -> bool {
    let first = path.split(['/', ':', '@']).next().unwrap_or_default();
    // In any case: what looks like the registry's must not be something else.
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn what_a_page_links_to_is_read_back() {
        let image = format!("/team/app@{DIGEST}");
        let reserved = format!("/-/r/v2/app@{DIGEST}");
        let deletion = format!("/-/delete/team/app@{DIGEST}");
        for path in [
            "/",
            "/team/app",
            "/team/app:1.0",
            &image,
            "/-/r/auth",
            "/-/r/v2/app:1",
            "/Host.example:5000/app",
            "/Host.example:5000/app:1",
            &reserved,
            &deletion,
            "/-/delete-tag/team/app:1.0",
            "/-/delete-tag/Host.example:5000/app:1",
            "/-/delete-tags/team/app",
            "/-/compare/team/app",
            "/-/sign-in",
            "/-/sign-out",
            "/-/preferences",
            "/oidc_auth",
            "/gitlab_auth",
            "/-/r/github_auth/app:1",
            "/-/access",
            "/-/tokens",
            "/-/device",
            "/-/events",
            "/-/shadow",
            "/favicon.ico",
            "/robots.txt",
        ] {
            let page = PagePath::parse(path).unwrap_or_else(|| panic!("{path} is no page"));
            assert_eq!(page.to_string(), path);
        }
    }

    #[test]
    fn names_that_need_no_detour_are_read_with_one_too() {
        assert_eq!(PagePath::parse("/-/r/team/app"), PagePath::parse("/team/app"));
        assert_eq!(PagePath::parse("/team/app%3A1"), PagePath::parse("/team/app:1"));
    }

    #[test]
    fn a_pasted_reference_leads_to_its_page() {
        let pinned = format!("registry.example/team/app@{DIGEST}");
        let at_digest = format!("/team/app@{DIGEST}");
        for (text, page) in [
            ("docker pull registry.example/team/app:1.0", Some("/team/app:1.0")),
            ("registry.example/team/app", Some("/team/app")),
            ("team/app:1.0", Some("/team/app:1.0")),
            ("docker://registry.example/team/app:1.0", Some("/team/app:1.0")),
            ("https://registry.example/team/app", Some("/team/app")),
            ("FROM registry.example/team/app:1.0-Alpine AS build", Some("/team/app:1.0-Alpine")),
            (&pinned, Some(at_digest.as_str())),
            ("team/app", None),
            ("team app", None),
            (DIGEST, None),
            ("registry.example", None),
            ("registry.example/", None),
            ("", None),
        ] {
            let found = PagePath::pasted(text, "registry.example").map(|page| page.to_string());
            assert_eq!(found.as_deref(), page, "{text}");
        }
    }

    #[test]
    fn what_belongs_to_others_or_to_nobody_is_no_page() {
        for path in [
            "",
            "team",
            "//",
            "/team//app",
            "/team/../app",
            "/Team",
            "/v2",
            "/v2/app",
            "/V2/app",
            "/auth",
            "/auth/token",
            "/auth:1",
            "/-",
            "/-/",
            "/-/x",
            "/-/r/",
            "/-/compare/",
            "/-/compare/team/app:1",
            "/-/delete/team/app:1",
            "/-/delete-tag/team/app",
            "/-/delete-tag/",
            "/-/delete-tags/",
            "/-/delete-tags/team/app:1",
            "/team/app:",
            "/team/app@",
            "/team/app@sha256:",
            "/team/app:1:2",
            "/a%2",
            "/-/assets/none",
            "/team/app?x",
        ] {
            assert_eq!(PagePath::parse(path), None, "{path}");
        }
    }
}
