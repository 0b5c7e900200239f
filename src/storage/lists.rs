//! Lists of names in the registry's files: the tags of a repository, and the repositories. Registry 2.8 and 3 find them in
//! the same way, by names of directories alone (`registry/storage/tagstore.go`, `catalog.go`, `driver/walk.go`).

use std::{os::fd::OwnedFd, time::Instant};

use super::{
    NotRead, PATIENCE, STORE, Storage,
    files::{directories, directory},
    linked::repository,
};
use crate::registry::{RepositoryName, Tag, by_path};

/// The lists of names of a registry, which are not the same in each version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lists {
    /// Registry 2.8: the tags as the file system has them, always all of them.
    V2,
    /// Registry 3: the tags in their order.
    V3,
}

impl Lists {
    /// The directory in which a repository shows.
    fn marker(self) -> &'static str {
        match self {
            Self::V2 => "_layers",
            Self::V3 => "_manifests",
        }
    }
}

/// A part of the list of repositories.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) lists: Lists,
    /// Those behind this name, in the order of paths; empty for all.
    pub(crate) last: &'a str,
    /// The most names that are returned.
    pub(crate) most: usize,
}

/// Repositories as a registry lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repositories {
    /// Their names, which need not be [`RepositoryName`]s.
    pub(crate) names: Vec<String>,
    /// True if the registry takes it that there are more.
    pub(crate) has_more: bool,
}

/// The most tags of a repository that are listed.
const MOST_TAGS: usize = 20_000;
/// The most directories in one, of which each may be a repository.
const WIDEST: usize = 200_000;
/// Directories within each other. A name of a repository has 255 bytes at most.
const DEEPEST: usize = 128;

impl Storage {
    /// Returns the tags of a repository, in the order of the directory.
    ///
    /// # Errors
    /// The repository has no list of tags; there is something else in it, or too many; or it cannot be read in time.
    pub(crate) async fn tags(&self, name: &RepositoryName) -> Result<Vec<Tag>, NotRead> {
        // The registry refuses to look into any other directory.
        if !name.as_str().split('/').all(is_walked) {
            return Err(NotRead::Other);
        }
        let path = format!("{}/_manifests/tags", repository(name));
        self.look_on_a_thread(move |root| {
            let tags = directories(&directory(root, &path)?, MOST_TAGS)?;
            tags.iter().map(|tag| Tag::parse(tag).ok_or(NotRead::Other)).collect()
        })
        .await
    }

    /// Returns the names of repositories, in the order in which the registry walks through their directories.
    ///
    /// # Errors
    /// There is something other than directories on the way, or what the registry would stumble on; or it cannot be read in
    /// time.
    pub(crate) async fn repositories(&self, part: Part<'_>) -> Result<Repositories, NotRead> {
        let (marker, most) = (part.lists.marker(), part.most);
        let (last, until) = (part.last.to_owned(), Instant::now() + PATIENCE);
        self.walk(move |root| {
            let mut walk = Walk { marker, last, most, until, names: Vec::new(), is_full: false };
            walk.through(&directory(root, &format!("{STORE}/repositories"))?, "", DEEPEST)?;
            Ok(Repositories { names: walk.names, has_more: walk.is_full })
        })
        .await
    }
}

/// A walk through the directories of repositories.
struct Walk {
    marker: &'static str,
    last: String,
    most: usize,
    until: Instant,
    names: Vec<String>,
    /// The registry has seen that its page is full, which it does in a directory of no repository yet.
    is_full: bool,
}

impl Walk {
    /// Goes through a directory and what is below it, each in the order of its bytes. `below` is its path, which begins with
    /// a slash, or is empty for the first.
    fn through(&mut self, parent: &OwnedFd, below: &str, deep: usize) -> Result<(), NotRead> {
        if Instant::now() > self.until {
            return Err(NotRead::Slow);
        }
        let mut children = directories(parent, WIDEST)?;
        children.sort_unstable();
        for child in children {
            if child == self.marker {
                self.found(below.strip_prefix('/').ok_or(NotRead::Other)?)?;
            } else if !child.starts_with('_') {
                if !is_walked(&child) || deep == 0 {
                    return Err(NotRead::Other);
                }
                // Registry 2.8 skips it and goes on with the next, so no more are found.
                self.is_full |= self.names.len() == self.most;
                if !self.is_full {
                    self.through(&directory(parent, &child)?, &format!("{below}/{child}"), deep - 1)?;
                }
            }
        }
        Ok(())
    }

    fn found(&mut self, name: &str) -> Result<(), NotRead> {
        if by_path(&self.last, name).is_lt() {
            // Such as `a`, full with `a/1`, which comes before it. There registry 3 breaks off, and registry 2.8 goes on.
            if self.names.len() == self.most {
                return Err(NotRead::Other);
            }
            self.names.push(name.to_owned());
        }
        Ok(())
    }
}

/// Returns true for the name of a directory that the registry looks into (`PathRegexp` of its storage drivers).
fn is_walked(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}
