//! The path of a key in a configuration: `acl[3].match.name`.
//!
//! Lines and columns are `positions`' business; this is only the name of the place.

use std::fmt;

/// The number of characters of a key that are shown.
const SHOWN: usize = 64;

/// The way from the top of the file to a key or an element.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Path(Vec<Step>);

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// A key of a mapping.
    Key(String),
    /// An element of a list, from 0.
    Index(usize),
}

impl Path {
    /// The key `key` below this place.
    pub(crate) fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    /// The element `index` (from 0) below this place.
    pub(crate) fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    /// The place this one is in; `None` for the top of the file.
    pub(crate) fn parent(&self) -> Option<Self> {
        let (_, parents) = self.0.split_last()?;
        Some(Self(parents.to_vec()))
    }

    /// The steps from the top.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

/// Our own dotted names: `server.addr`. Keys an operator chose (a user's name) are added with [`Path::key`].
impl From<&str> for Path {
    fn from(dotted: &str) -> Self {
        Self(dotted.split('.').map(|key| Step::Key(key.to_owned())).collect())
    }
}

impl FromIterator<Step> for Path {
    fn from_iter<T: IntoIterator<Item = Step>>(steps: T) -> Self {
        Self(steps.into_iter().collect())
    }
}

impl From<&Path> for Path {
    fn from(path: &Path) -> Self {
        path.clone()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if n == 0 => f.write_str(&shown(key))?,
                Step::Key(key) => write!(f, ".{}", shown(key))?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A key fit to be printed. `{password:secret}` without the space is one key with the secret in it, so
/// nothing behind a colon is shown, nor anything that looks like a hash or like the token of a robot.
pub(crate) fn shown(key: &str) -> String {
    if key.is_empty() {
        return "\"\"".to_owned();
    }
    // A token typed in capitals is as good as the token. Positions stay the same.
    let token = key.to_ascii_lowercase().find("pwt_");
    let end = [key.find(':'), key.find("$2"), token].into_iter().flatten().min().unwrap_or(key.len());
    let head: String = key.get(..end).unwrap_or_default().chars().take(SHOWN).collect();
    let rest = if head.len() < key.len() { "…" } else { "" };
    format!("{}{rest}", head.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_an_operator_would_write_it() {
        assert_eq!(Path::from("acl").index(3).key("match").key("name").to_string(), "acl[3].match.name");
        assert_eq!(Path::from("users").key("").to_string(), "users.\"\"");
        assert_eq!(Path::default().to_string(), "");
    }

    #[test]
    fn a_secret_that_became_a_key_is_not_shown() {
        assert_eq!(Path::from("users.bob").key("password:$2y$05$abc").to_string(), "users.bob.password…");
        assert_eq!(Path::from("users").key("$2y$05$abc").to_string(), "users.…");
        assert_eq!(Path::from("robots").key("pwt_0123").to_string(), "robots.…");
        assert_eq!(Path::from("robots").key("PWT_0123").to_string(), "robots.…");
    }
}
