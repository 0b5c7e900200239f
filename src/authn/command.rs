//! `ext_auth`: the operator's command says whether a password is right.
//!
//! The protocol is docker_auth's (`authn/ext_auth.go`): `name password` on standard input, the answer in the exit code,
//! labels in JSON on standard output, read as Go reads JSON. How a command is run is `backend`'s business.

use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use zeroize::Zeroizing;

use super::{Answer, Labels, Secret};
use crate::backend::{BackendLimits, CommandSettings, Exit, Gate, Unavailable};

/// The longest answer, in bytes: some 3,000 groups.
const LONGEST_ANSWER: usize = 128 << 10;

/// The command.
#[derive(Debug)]
pub(super) struct CommandUsers {
    command: CommandSettings,
    gate: Gate,
}

impl CommandUsers {
    /// Nothing is run yet.
    pub(super) fn new(settings: CommandSettings, limits: &BackendLimits) -> Self {
        Self { command: settings, gate: Gate::new("ext_auth", limits) }
    }

    /// Asks the command about a name and a password: exit code 0 accepts, 1 is a wrong password, 2 no such user.
    ///
    /// The command is not asked about input that a script could read as another name or password than the one that is
    /// then accepted. A script reads a line, and the first word is the name: eve, whose password is `admin x`, could
    /// sign in as `eve admin`. So a name with white space or a control character, or an empty name with a password, is
    /// no user of the command; the next back end may know it. A password with a NUL, which a shell drops, or a newline
    /// is wrong.
    ///
    /// # Errors
    /// It cannot be run, takes too long, says that it failed (any other exit code), or its labels are not
    /// `{"labels": {"name": ["value"]}}`, or more than 128 KiB.
    pub(super) async fn authenticate(&self, account: &str, password: &Secret) -> Result<Answer, Unavailable> {
        let password = password.expose();
        let is_nobody = account.is_empty() && password.is_empty();
        if !(is_a_word(account) || is_nobody) {
            return Ok(Answer::NoSuchUser);
        }
        if password.iter().any(|byte| matches!(byte, 0 | b'\n')) {
            return Ok(Answer::WrongPassword);
        }
        let input = Zeroizing::new([account.as_bytes(), b" ", password].concat());
        self.gate
            .ask(async { self.command.run(&input, password).await.and_then(|exit| self.answer(&exit)) })
            .await
    }

    fn answer(&self, exit: &Exit) -> Result<Answer, String> {
        match exit.code {
            0 => match read_labels(&exit.output) {
                Ok(labels) => Ok(Answer::Accepted(labels)),
                Err(why) => Err(format!("the answer of {} {why}", self.command.command.display())),
            },
            1 => Ok(Answer::WrongPassword),
            2 => Ok(Answer::NoSuchUser),
            _ => Err(self.command.bad_exit_code(exit, "0 is right, 1 wrong, and 2 not known here")),
        }
    }
}

/// Returns true if every script reads it as one word, however it defines white space.
fn is_a_word(account: &str) -> bool {
    !account.is_empty() && !account.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// The labels in the answer of a command that accepts; an empty answer has none.
///
/// # Errors
/// What is wrong with it. Never quotes it: it may be what the command was told.
fn read_labels(answer: &[u8]) -> Result<Labels, String> {
    if answer.is_empty() {
        return Ok(Labels::new());
    }
    if answer.len() > LONGEST_ANSWER {
        let length = answer.len();
        return Err(format!("has {length} bytes, and {LONGEST_ANSWER} are the most; give fewer labels"));
    }
    let mut json = serde_json::Deserializer::from_slice(answer);
    let read = Option::<Response>::deserialize(&mut json).and_then(|read| json.end().map(|()| read));
    let read = read.map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!(
            "is wrong at line {line}, column {column}: it must be nothing, or JSON as \
             {{\"labels\": {{\"group\": [\"a\", \"b\"]}}}}"
        )
    })?;
    Ok(read.map(|response| response.0).unwrap_or_default())
}

/// The answer as Go's `encoding/json` fills docker_auth's `ExtAuthResponse`: `labels` in any case, other keys ignored,
/// later ones added to earlier ones.
struct Response(Labels);

impl<'de> Deserialize<'de> for Response {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ResponseVisitor)
    }
}

struct ResponseVisitor;

impl<'de> Visitor<'de> for ResponseVisitor {
    type Value = Response;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Response, A::Error> {
        let mut labels = Labels::new();
        while let Some(key) = map.next_key::<String>()? {
            if is_labels(&key) {
                map.next_value_seed(AddTo(&mut labels))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Response(labels))
    }
}

/// Go folds names by Unicode's simple case folding, in which `ſ` is an `s`.
fn is_labels(key: &str) -> bool {
    key.replace('ſ', "s").eq_ignore_ascii_case("labels")
}

/// Adds an object of labels to those read before; `null` forgets them all. A label that comes again is replaced, one
/// that is `null` has no values, and a value that is `null` is the empty text.
struct AddTo<'l>(&'l mut Labels);

impl<'de> DeserializeSeed<'de> for AddTo<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for AddTo<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of lists of texts")
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.0.clear();
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((label, values)) = map.next_entry::<String, Option<Vec<Option<String>>>>()? {
            let values = values.unwrap_or_default().into_iter().map(Option::unwrap_or_default);
            self.0.insert(label, values.collect());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn labels(answer: &str) -> Option<String> {
        read_labels(answer.as_bytes()).ok().map(|labels| serde_json::to_string(&labels).unwrap())
    }

    fn users(script: &str) -> CommandUsers {
        let command = CommandSettings { command: "/bin/sh".into(), args: vec!["-c".into(), script.into()] };
        CommandUsers::new(
            command,
            &BackendLimits { timeout: Duration::from_millis(500), ..BackendLimits::default() },
        )
    }

    async fn ask(script: &str, account: &str, password: &str) -> Result<Answer, String> {
        let answer = users(script).authenticate(account, &Secret::new(password)).await;
        answer.map_err(|error| error.to_string())
    }

    #[test]
    fn labels_are_read_as_go_reads_them() {
        for (answer, expected) in [
            (r#"{"LABELS":{"g":["a"]}}"#, r#"{"g":["a"]}"#),
            (r#"{"labelſ":{"g":["a"]}}"#, r#"{"g":["a"]}"#),
            (r#"{"label":{"g":["a"]}}"#, "{}"),
            (r#"{"labels":{"g":["a"]},"Labels":{"h":null}}"#, r#"{"g":["a"],"h":[]}"#),
            (r#"{"labels":{"g":["a"]},"labels":null}"#, "{}"),
            (r#"{"labels":{"g":["a",null]}}"#, r#"{"g":["a",""]}"#),
            (r#"{"x":[{"labels":1}],"labels":{"g":["\u00e9\n"]}}"#, r#"{"g":["é\n"]}"#),
        ] {
            assert_eq!(labels(answer).as_deref(), Some(expected), "{answer}");
        }
        for answer in [
            r#"{"labels":{"g":[["a"]]}}"#,
            r#"{"labels":{"g":{}}}"#,
            r#"{"labels":0}"#,
            "{}{}",
            "{} x",
            "1",
            "{'labels':{}}",
        ] {
            assert_eq!(labels(answer), None, "{answer}");
        }
    }

    #[test]
    fn an_answer_that_is_too_long_is_refused() {
        let of = |length: usize| format!("{{\"labels\":{{\"g\":[\"{}\"]}}}}", "x".repeat(length - 21));
        assert!(labels(&of(LONGEST_ANSWER)).is_some());
        let why = read_labels(of(LONGEST_ANSWER + 1).as_bytes()).unwrap_err();
        assert!(why.starts_with("has 131073 bytes, and 131072 are the most"), "{why}");
    }

    #[tokio::test]
    async fn rule_16_an_answer_that_is_wrong_is_not_quoted() {
        let wrong = ask("printf '{\"labels\": \"'; cat; printf '\"}'", "bob", "hunter2").await.unwrap_err();
        assert_eq!(
            wrong,
            "ext_auth gave no answer: the answer of /bin/sh is wrong at line 1, column 24: it must be nothing, or \
             JSON as {\"labels\": {\"group\": [\"a\", \"b\"]}}"
        );
        let failed = ask("cat >&2; exit 3", "bob", "hunter2").await.unwrap_err();
        assert_eq!(
            failed,
            "ext_auth gave no answer: bad exit code 3 from /bin/sh, where 0 is right, 1 wrong, and 2 not known here: bob ***"
        );
    }

    #[tokio::test]
    async fn what_a_script_would_read_as_somebody_else_is_not_asked() {
        for account in
            ["eve admin", " bob", "bob ", "bob\t", "bob\nx", "bob\r", "bob\0", "bob\u{7f}", "bob\u{a0}x", ""]
        {
            assert_eq!(ask("exit 0", account, "p").await, Ok(Answer::NoSuchUser), "{account:?}");
        }
        for password in ["p\nx", "p\0"] {
            assert_eq!(ask("exit 0", "bob", password).await, Ok(Answer::WrongPassword), "{password:?}");
        }
        for (account, password) in [("bob", "p"), ("bob", "p x"), ("bob", ""), ("", ""), ("AD\\bób", "p")] {
            let accepted = Ok(Answer::Accepted(Labels::new()));
            assert_eq!(ask("exit 0", account, password).await, accepted, "{account:?} {password:?}");
        }
    }

    #[tokio::test]
    async fn a_command_that_hangs_is_unavailable() {
        let why = ask("sleep 600", "bob", "p").await.unwrap_err();
        assert_eq!(why, "ext_auth gave no answer: no answer within 500ms");
    }
}
