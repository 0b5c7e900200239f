//! The files that pages refer to, which are part of the program. Their paths have a hash of their content, so that
//! browsers may keep them for ever and yet never show a new page with an old style.

use std::{fmt, fmt::Write as _, sync::LazyLock};

use aws_lc_rs::digest::{SHA256, digest};

/// A file that pages refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asset {
    /// The style sheet.
    Style,
    /// The dark colours.
    Dark,
    /// The script that makes pages quicker to use; they work without it.
    Script,
    /// The mark, beside the name of the service and on the browser's tab.
    Icon,
}

impl Asset {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Style, Self::Dark, Self::Script, Self::Icon];

    /// The file at `<hash>/<name>`. `None` for what is none, and for one that has changed since.
    pub fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|asset| asset.to_string() == path)
    }

    /// Returns the content of the file.
    pub fn content(self) -> &'static str {
        match self {
            Self::Style => include_str!("assets/style.css"),
            Self::Dark => include_str!("assets/dark.css"),
            Self::Script => include_str!("assets/script.js"),
            Self::Icon => include_str!("assets/icon.svg"),
        }
    }

    /// Its `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Style | Self::Dark => "text/css; charset=utf-8",
            Self::Script => "text/javascript; charset=utf-8",
            Self::Icon => "image/svg+xml",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Style => "style.css",
            Self::Dark => "dark.css",
            Self::Script => "script.js",
            Self::Icon => "icon.svg",
        }
    }

    fn hash(self) -> &'static str {
        static HASHES: LazyLock<[String; 4]> =
            LazyLock::new(|| Asset::ALL.map(|asset| hash(asset.content())));
        let [style, dark, script, icon] = &*HASHES;
        match self {
            Self::Style => style,
            Self::Dark => dark,
            Self::Script => script,
            Self::Icon => icon,
        }
    }
}

/// The path below `/-/assets/`.
impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.hash(), self.name())
    }
}

/// The first 64 bits of the SHA-256: enough to tell versions apart.
fn hash(content: &str) -> String {
    let digest = digest(&SHA256, content.as_bytes());
    digest.as_ref().iter().take(8).fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_path_only() {
        for asset in Asset::ALL {
            assert_eq!(Asset::at(&asset.to_string()), Some(asset));
            assert_eq!(Asset::at(asset.name()), None);
            assert_eq!(Asset::at(&format!("0123456789abcdef/{}", asset.name())), None);
            assert!(!asset.content().is_empty());
        }
    }

    #[test]
    fn the_hash_is_of_the_content() {
        assert_eq!(hash("abc"), "ba7816bf8f01cfea");
        assert_ne!(Asset::Style.hash(), Asset::Script.hash());
    }

    #[test]
    fn nothing_comes_from_elsewhere() {
        for asset in Asset::ALL {
            let content = asset.content().replace("http://www.w3.org/2000/svg", "");
            for remote in ["://", "\"//", "@import", "url(", "data:", "eval("] {
                assert!(!content.contains(remote), "{asset}: {remote}");
            }
        }
    }
}
