//! From text to [`File`], and a parser's error into words without values: a value may be a password.

use serde::Deserialize;

use super::File;
use crate::config::{
    path::Path,
    positions::{Kind, Positions},
};

/// A value of the wrong shape.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ShapeError {
    pub(crate) path: Path,
    pub(crate) message: String,
    pub(crate) hint: &'static str,
    /// It is about a key, unknown or repeated, and not about a value.
    pub(crate) is_key: bool,
}

/// Reads the first document of `text`; an empty one is a file without sections.
///
/// # Errors
/// The first value of the wrong shape, without the value. Unknown and repeated keys are among these; the
/// caller has better words for them (`keys`, `positions`) and says them first.
pub(crate) fn read(text: &str, positions: &Positions) -> Result<File, ShapeError> {
    let Some(document) = serde_yaml::Deserializer::from_str(text).next() else { return Ok(File::default()) };
    let file = Option::<File>::deserialize(document).map_err(|error| shape_error(&error, positions))?;
    Ok(file.unwrap_or_default())
}

fn shape_error(error: &serde_yaml::Error, positions: &Positions) -> ShapeError {
    let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
    let place = positions.at(line, column);
    let path = place.map(|(path, _)| path.clone()).unwrap_or_default();
    let is = place.map_or("something else", |(_, kind)| described(kind));
    let text = error.to_string();
    let is_key = text.contains("unknown field") || text.contains("duplicate");
    let message = format!("must be {}, is {is}", expected(&text));
    ShapeError { path, message, hint: "Look at the indentation, dashes and quotes of this line", is_key }
}

/// What serde expected: our own words or serde's, never the file's, which come before them.
fn expected(message: &str) -> String {
    let tail = message.rsplit_once(", expected ").map_or("something else", |(_, tail)| tail);
    match tail.split(" at line ").next().unwrap_or_default() {
        "a sequence" => "a list".to_owned(),
        "struct File" => "a mapping of sections".to_owned(),
        words => words.to_owned(),
    }
}

fn described(kind: Kind) -> &'static str {
    match kind {
        Kind::Null => "nothing",
        Kind::Scalar => "another value",
        Kind::List => "a list",
        Kind::Mapping => "a mapping",
        Kind::Alias => "an alias of something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let (positions, _) = Positions::read(text).unwrap();
        let error = read(text, &positions).err().unwrap();
        format!("{}: {}", error.path, error.message)
    }

    #[test]
    fn names_the_place_and_both_shapes() {
        for (text, words) in [
            ("foo\n", ": must be a mapping of sections, is another value"),
            ("server:\n  hsts: maybe\n", "server.hsts: must be `true` or `false`, is another value"),
            ("acl: {}\n", "acl: must be a list, is a mapping"),
            ("acl:\n  - x\n", "acl[0]: must be a mapping with `match` and `actions`, is another value"),
            ("acl:\n  - match: {ip: ['::1']}\n", "acl[0].match.ip: must be text, is a list"),
            ("acl:\n  - match: {}\n    actions: '*'\n", "acl[0].actions: must be a list, is another value"),
        ] {
            assert_eq!(error(text), words);
        }
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
            assert!(!error(text).contains("secret"), "{text}");
        }
    }

    #[test]
    fn aliases_cannot_multiply_without_bound() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..12 {
            let list = format!("*a{0}, ", n - 1).repeat(10);
            text += &format!("a{n}: &a{n} [{list}]\n");
        }
        text = format!("google_auth:\n  {}\n", text.trim_end().replace('\n', "\n  "));
        let (positions, _) = Positions::read(&text).unwrap();
        let start = std::time::Instant::now();
        drop(read(&text, &positions));
        assert!(start.elapsed().as_secs() < 60);
    }
}
