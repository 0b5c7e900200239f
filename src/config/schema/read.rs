//! From the tree to [`File`], with everything that has the wrong shape.

use serde::Deserialize;

use super::File;
use crate::config::{
    diagnostics::finding::Report,
    yaml::{Node, Value},
};

/// The most values of the wrong shape that are reported: in a file of another kind, more would not help.
const MOST: usize = 50;

/// Reads the file; a value of the wrong shape is reported, and read as if nothing stood there. No tree is an empty
/// file. Keys that mean nothing must be gone.
pub(crate) fn read(root: Option<Node>, report: &mut Report<'_>) -> File {
    let Some(mut root) = root else { return File::default() };
    for _ in 0..MOST {
        let error = match Option::<File>::deserialize(&root) {
            Ok(file) => return file.unwrap_or_default(),
            Err(error) => error,
        };
        let path = error.path();
        report.error(&path, error.to_string(), "Look at the indentation, dashes and quotes of this line");
        report.settle(&path);
        let Some(node) = root.find_mut(path.steps()) else { break };
        node.value = Value::Null;
    }
    File::default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{diagnostics::positions::Positions, yaml};

    fn errors(text: &str) -> String {
        let (root, _) = yaml::read(text).unwrap();
        let positions = Positions::of(root.as_ref());
        let mut report = Report::new("f", &positions);
        read(root, &mut report);
        report.finish().0.iter().map(|f| format!("{}: {}\n", f.key, f.message)).collect()
    }

    #[test]
    fn names_the_place_and_both_shapes() {
        for (text, words) in [
            ("foo\n", ": expected a mapping of sections, found text\n"),
            ("server:\n  hsts: maybe\n", "server.hsts: expected `true` or `false`, found text\n"),
            ("server:\n  hsts: 'yes'\n", "server.hsts: expected `true` or `false`, found text\n"),
            ("acl: {}\n", "acl: expected a list, found a mapping\n"),
            ("acl:\n  - x\n", "acl[0]: expected a mapping with `match` and `actions`, found text\n"),
            ("acl:\n  - match: {ip: ['::1']}\n", "acl[0].match.ip: expected text, found a list\n"),
            ("acl:\n  - match: {}\n    actions: '*'\n", "acl[0].actions: expected a list, found text\n"),
            (
                "token: {expiration: '0x1_0'}\n",
                "token.expiration: expected a whole number without quotes, found text\n",
            ),
        ] {
            assert_eq!(errors(text), words);
        }
    }

    #[test]
    fn all_of_them_are_named() {
        let text = "server: []\nusers: {bob: x, amy: {password: [y]}}\nacl: [1, {match: 2, actions: [[]]}]\n";
        assert_eq!(
            errors(text),
            "server: expected a mapping, found a list\n\
             users.bob: expected a mapping with `password` and `labels`, found text\n\
             users.amy.password: expected text, found a list\n\
             acl[0]: expected a mapping with `match` and `actions`, found a number\n\
             acl[1].match: expected a mapping of conditions, found a number\n\
             acl[1].actions[0]: expected text, found a list\n"
        );
    }

    #[test]
    fn a_password_in_the_wrong_place_is_not_quoted() {
        for text in [
            "users: {bob: $2y$05$secret}\n",
            "users: {bob: {labels: $2y$05$secret}}\n",
            "users: $2y$05$secret\n",
            "token: {expiration: $2y$05$secret}\n",
            "users: {bob: 'x, expected $2y$05$secret'}\n",
        ] {
            let said = errors(text);
            assert!(!said.is_empty() && !said.contains("secret"), "{text}{said}");
        }
    }
}
