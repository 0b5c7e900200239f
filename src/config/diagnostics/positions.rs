//! The line and column of each key and element of the tree.

use std::collections::BTreeMap;

use super::path::Path;
use crate::config::yaml::{Mark, Node, Value};

/// The places of a file: of a value in a mapping, that of its key.
#[derive(Debug, Default)]
pub(crate) struct Positions(BTreeMap<Path, Mark>);

impl Positions {
    /// The places of everything in `root`.
    pub(crate) fn of(root: Option<&Node>) -> Self {
        let mut positions = Self::default();
        if let Some(root) = root {
            positions.add(Path::default(), root.at, root);
        }
        positions
    }

    /// Line and column of a place, or of the nearest one around it that is written.
    pub(crate) fn nearest(&self, path: &Path) -> Option<Mark> {
        self.0.get(path).copied().or_else(|| self.nearest(&path.parent()?))
    }

    /// Returns whether something is written there.
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }

    fn add(&mut self, path: Path, at: Mark, node: &Node) {
        match &node.value {
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.add(path.index(index), item.at, item);
                }
            }
            Value::Mapping(entries) => {
                for entry in entries {
                    self.add(path.key(&entry.key), entry.at, &entry.node);
                }
            }
            _ => {}
        }
        self.0.insert(path, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml;

    const TEXT: &str = "server:\n  addr: x\nacl:\n  # c\n  - match: {name: a, account: b}\n  - \
    &r\n    match:\n      name: c\nusers:\n  bob: {password: p}\n";

    fn positions(text: &str) -> Positions {
        Positions::of(yaml::read(text).unwrap().0.as_ref())
    }

    fn place(text: &str, path: &Path) -> Option<Mark> {
        positions(text).0.get(path).copied()
    }

    #[test]
    fn knows_the_line_and_column_of_keys_and_elements() {
        let acl = Path::from("acl");
        assert_eq!(place(TEXT, &Path::from("server.addr")), Some((2, 3)));
        assert_eq!(place(TEXT, &acl.index(0)), Some((5, 5)));
        assert_eq!(place(TEXT, &acl.index(0).key("match").key("account")), Some((5, 22)));
        assert_eq!(place(TEXT, &acl.index(1).key("match").key("name")), Some((8, 7)));
        assert_eq!(place(TEXT, &Path::from("users.bob.password")), Some((10, 9)));
        assert_eq!(place(&TEXT.replace('\n', "\r\n"), &Path::from("users.bob.password")), Some((10, 9)));
    }

    #[test]
    fn what_is_not_written_is_near_what_is() {
        let positions = positions(TEXT);
        assert_eq!(positions.nearest(&Path::from("server.net")), Some((1, 1)));
        assert_eq!(positions.nearest(&Path::from("token.issuer")), Some((1, 1)));
        assert_eq!(Positions::default().nearest(&Path::from("token")), None);
    }

    #[test]
    fn what_an_alias_stands_for_is_where_it_is_written() {
        let text = "x-b: &b\n  actions: [pull]\nacl:\n- *b\n- <<: *b\n  match: {}\n";
        let rule = |index| Path::from("acl").index(index);
        assert_eq!(place(text, &rule(0)), Some((4, 3)));
        assert_eq!(place(text, &rule(0).key("actions")), Some((2, 3)));
        assert_eq!(place(text, &rule(1).key("actions").index(0)), Some((2, 13)));
        assert_eq!(place(text, &rule(1).key("match")), Some((6, 3)));
    }
}
