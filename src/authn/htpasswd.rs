//! The text of a file as Apache's `htpasswd -B` writes it: a line `account:hash` for each user.
//!
//! Reads the files that `registry:2` reads for `auth: htpasswd`, with the same meaning. The path of the file, and the
//! treatment of accounts that `users` has as well, are up to `config`.

use std::collections::HashMap;

use super::{UserSettings, ldap::is_visible, password_hash::PasswordHash};

/// One thing that is wrong with the text. Never has a hash in it, nor a line without an account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}. {hint}")]
pub struct HtpasswdError {
    /// The line, from 1.
    pub line: usize,
    /// The problem that was found.
    pub message: String,
    /// The remedy, a sentence.
    pub hint: &'static str,
}

const SET_AGAIN: &str = "Set the password again with `htpasswd -B -C 10 <file> <account>`";

/// Reads the accounts, in the order of the file, each with a valid bcrypt hash and no labels. Space around a line,
/// empty lines and those that begin with `#` mean nothing, as to `registry:2`, and neither does a byte order mark.
///
/// # Errors
/// All that is wrong, in the order of the file: a line without a colon, an account without a name, with a character
/// that cannot be seen or there twice, a hash other than bcrypt, text that is not UTF-8. (`registry:2` takes the last
/// of two, and never matches other hashes.)
pub fn parse_htpasswd(text: &[u8]) -> Result<Vec<UserSettings>, Vec<HtpasswdError>> {
    let text = std::str::from_utf8(text).map_err(|error| vec![not_text(text, error.valid_up_to())])?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut users, mut errors, mut lines) = (Vec::new(), Vec::new(), HashMap::new());
    for (n, written) in text.lines().enumerate() {
        let written = written.trim();
        if written.is_empty() || written.starts_with('#') {
            continue;
        }
        match account(written, n + 1, &mut lines) {
            Ok(user) => users.push(user),
            Err((message, hint)) => errors.push(HtpasswdError { line: n + 1, message, hint }),
        }
    }
    if errors.is_empty() { Ok(users) } else { Err(errors) }
}

fn account<'t>(
    written: &'t str,
    line: usize,
    lines: &mut HashMap<&'t str, usize>,
) -> Result<UserSettings, (String, &'static str)> {
    let Some((name, hash)) = written.split_once(':') else {
        let hint = "Write `account:hash`, as `htpasswd -B` does, or `#` before a comment";
        return Err(("there is no colon between an account and a hash".to_owned(), hint));
    };
    if name.is_empty() {
        let hint = "Write the account before the colon; this file has no anonymous account";
        return Err(("there is no account before the colon".to_owned(), hint));
    }
    if !name.chars().all(is_visible) {
        let hint = "Remove it: this is another account than the line shows";
        return Err((format!("{name:?} has a character that cannot be seen"), hint));
    }
    if let Some(first) = lines.insert(name, line) {
        let hint = "Remove one of the two: `registry:2` would take the last";
        return Err((format!("{name:?} is there twice, first on line {first}"), hint));
    }
    if let Some(other) = other_kind(hash) {
        return Err((format!("{name:?} has {other}, and only bcrypt is taken"), SET_AGAIN));
    }
    PasswordHash::parse(hash).map_err(|error| (format!("{name:?}: {error}"), SET_AGAIN))?;
    Ok(UserSettings {
        name: name.to_owned(),
        password: Some(hash.to_owned()),
        labels: Default::default(),
        line,
    })
}

/// Returns the name of another kind of hash that `htpasswd` makes. DES and plain text cannot be distinguished from
/// anything else.
fn other_kind(hash: &str) -> Option<&'static str> {
    let kinds = [
        ("$apr1$", "an MD5 hash"),
        ("{SHA}", "a SHA-1 hash"),
        ("$5$", "a SHA-256 hash"),
        ("$6$", "a SHA-512 hash"),
        ("$1$", "an MD5 hash"),
        ("$argon2", "an Argon2 hash"),
    ];
    kinds.into_iter().find(|(prefix, _)| hash.starts_with(prefix)).map(|(_, kind)| kind)
}

fn not_text(text: &[u8], up_to: usize) -> HtpasswdError {
    let newlines = text.iter().take(up_to).filter(|byte| **byte == b'\n').count();
    HtpasswdError {
        line: newlines + 1,
        message: "this is not UTF-8".to_owned(),
        hint: "Save the file in UTF-8; a file of `htpasswd` has text only",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Of "123", made by htpasswd.
    const HASH: &str = "$2y$05$WuwBasGDAgr.QCbGIjKJaep4dhxeai9gNZdmBnQXqpKly57oNutya";

    fn accounts(text: &str) -> Vec<(String, usize)> {
        let users = parse_htpasswd(text.as_bytes()).unwrap_or_else(|errors| panic!("{text:?}: {errors:?}"));
        assert!(users.iter().all(|user| user.password.as_deref() == Some(HASH)), "{text:?}");
        users.into_iter().map(|user| (user.name, user.line)).collect()
    }

    /// Line and message of each.
    fn errors(text: &[u8]) -> Vec<(usize, String)> {
        let errors = parse_htpasswd(text).err().unwrap_or_default();
        errors.into_iter().map(|error| (error.line, error.message)).collect()
    }

    #[test]
    fn reads_what_the_registry_reads() {
        assert_eq!(accounts(""), []);
        let text = format!("\u{feff}# accounts\r\n\r\nbob:{HASH}\r\n  # x:y\r\n\t é b :{HASH} \n");
        assert_eq!(accounts(&text), [("bob".to_owned(), 3), ("é b ".to_owned(), 5)]);
        let all = ["2a", "2b", "2y"].map(|version| format!("{version}:{}\n", HASH.replace("2y", version)));
        assert_eq!(parse_htpasswd(all.concat().as_bytes()).unwrap().len(), 3);
    }

    #[test]
    fn every_wrong_line_is_named() {
        let text = format!(
            "no-colon\n:{HASH}\nbob:{HASH}\nbob:{HASH}\nmd5:$apr1$hunter2\nsha:{{SHA}}hunter2\ncrypt:$6$hunter2\n\
             plain:hunter2\nbad:$2y$05$hunter2\nlong:{HASH}:x\n"
        );
        let expected = [
            (1, "there is no colon between an account and a hash"),
            (2, "there is no account before the colon"),
            (4, "\"bob\" is there twice, first on line 3"),
            (5, "\"md5\" has an MD5 hash, and only bcrypt is taken"),
            (6, "\"sha\" has a SHA-1 hash, and only bcrypt is taken"),
            (7, "\"crypt\" has a SHA-512 hash, and only bcrypt is taken"),
            (8, "\"plain\": this is no bcrypt hash: it does not begin with $2a$, $2b$ or $2y$"),
            (9, "\"bad\": the bcrypt hash is cut short: 14 bytes instead of 60"),
            (10, "\"long\": something follows the bcrypt hash: 62 bytes instead of 60"),
        ];
        assert_eq!(errors(text.as_bytes()), expected.map(|(line, message)| (line, message.to_owned())));
        assert_eq!(errors(b"#\n#\n\xe9:x\n"), [(3, "this is not UTF-8".to_owned())]);
    }

    #[test]
    fn an_account_is_what_its_line_shows() {
        for c in ['\u{200b}', '\u{202e}', '\u{a0}', '\u{85}', '\r', '\u{feff}', '\u{ad}'] {
            let found = errors(format!("bob:{HASH}\nbob{c}x:{HASH}\n").as_bytes());
            assert_eq!(found.len(), 1, "{c:?}");
            assert!(found[0].0 == 2 && found[0].1.contains("cannot be seen"), "{found:?}");
        }
    }

    #[test]
    fn rule_16_what_may_be_a_secret_is_not_shown() {
        for text in ["hunter2", "bob:hunter2", "bob:$apr1$hunter2", "bob:$2y$05$hunter2", ":hunter2"] {
            let errors = parse_htpasswd(text.as_bytes()).unwrap_err();
            let printed = format!("{} {errors:?}", errors[0]);
            assert!(!printed.contains("hunter2"), "{printed}");
        }
    }
}
