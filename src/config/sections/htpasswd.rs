//! `htpasswd:`: a file of accounts as `registry:2` has it, behind those of `users`.

use std::{collections::HashMap, fs, path::Path as FilePath};

use crate::{
    authn::{DEFAULT_COST, PasswordHash, UserSettings, parse_htpasswd},
    config::{
        Context,
        diagnostics::path::Path,
        schema::{File, Text},
        values::{pem, quantity::counted},
    },
};

/// The largest file read, in bytes.
const LARGEST: u64 = 16 << 20;
/// The most lines that are reported: for a file that is something else, more would tell no more.
const MOST_FINDINGS: usize = 20;

/// Adds the accounts of the file. Theirs are the lines of another file, so their `line` is 0. An account that `users`
/// has is left out: `users` is asked first, and a wrong password there stops.
pub(crate) fn join(file: &File, users: &mut Vec<UserSettings>, context: &mut Context<'_>) {
    let Some(written) = &file.htpasswd else { return };
    let Some(Text(name)) = written.file.as_ref().filter(|name| !name.0.is_empty()) else {
        let hint = "Write the path of a file as `htpasswd -B` makes it";
        return context.report.error(at(), "missing", hint);
    };
    let path = context.path(name);
    if !context.looks_at(&path, &at()) {
        return;
    }
    let Some(accounts) = read(&path, context) else { return };
    pem::warn_if_public(&path, &at(), context);
    warn_of_cheap_hashes(&path, &accounts, context);
    if accounts.is_empty() {
        let hint = "Add one with `htpasswd -B -C 10 <file> <account>`, or remove `htpasswd`";
        context.report.warn(at(), format!("{} has no accounts", path.display()), hint);
    }
    let known: HashMap<String, usize> = users.iter().map(|user| (user.name.clone(), user.line)).collect();
    for account in accounts {
        match known.get(&account.name) {
            Some(line) => warn_of_hidden(&path, &account, *line, context),
            None => users.push(UserSettings { line: 0, ..account }),
        }
    }
}

fn at() -> Path {
    Path::from("htpasswd.file")
}

/// The accounts with the lines of their file; `None` after an error.
fn read(path: &FilePath, context: &mut Context<'_>) -> Option<Vec<UserSettings>> {
    let text = match read_bytes(path) {
        Ok(text) => text,
        Err(why) => {
            let hint = "Give a file as `htpasswd -B` makes it, which this user may read; a relative path starts at \
                        this file's directory";
            context.report.error(at(), format!("cannot read {}: {why}", path.display()), hint);
            return None;
        }
    };
    context.files.push(path.to_owned());
    let errors = match parse_htpasswd(&text) {
        Ok(accounts) => return Some(accounts),
        Err(errors) => errors,
    };
    for error in errors.iter().take(MOST_FINDINGS) {
        let message = format!("{}:{}: {}", path.display(), error.line, error.message);
        context.report.error(at(), message, error.hint);
    }
    if let Some(more) = errors.len().checked_sub(MOST_FINDINGS).filter(|more| *more > 0) {
        let message = format!("{} has errors in {}", path.display(), counted(more, "more line"));
        context.report.error(at(), message, "Correct the first ones, and check again");
    }
    None
}

fn read_bytes(path: &FilePath) -> Result<Vec<u8>, String> {
    let found = fs::metadata(path).map_err(|error| error.to_string())?;
    if !found.is_file() {
        // Not opened: a pipe would block.
        return Err("it is not a file".to_owned());
    }
    if found.len() > LARGEST {
        return Err(format!("it has {} bytes, more than {LARGEST}", found.len()));
    }
    fs::read(path).map_err(|error| error.to_string())
}

/// One warning for the file and not one for each account: cost 5 is what `htpasswd -B` takes when not told otherwise.
fn warn_of_cheap_hashes(path: &FilePath, accounts: &[UserSettings], context: &mut Context<'_>) {
    let cost = |user: &UserSettings| {
        let hash = PasswordHash::parse(user.password.as_deref()?).ok()?;
        Some((hash.cost(), user.line)).filter(|(cost, _)| *cost < DEFAULT_COST)
    };
    let cheap: Vec<_> = accounts.iter().filter_map(cost).collect();
    let Some((cost, line)) = cheap.iter().min() else { return };
    let message = format!(
        "{}:{line}: the bcrypt cost is {cost}, as of {} under {DEFAULT_COST}: an attacker with this file guesses up \
         to {} times as fast as at {DEFAULT_COST}",
        path.display(),
        counted(cheap.len(), "account"),
        1_u32 << (DEFAULT_COST - cost)
    );
    let hint = format!("Set the passwords again with `htpasswd -B -C {DEFAULT_COST} <file> <account>`");
    context.report.warn(at(), message, hint);
}

fn warn_of_hidden(path: &FilePath, account: &UserSettings, line: usize, context: &mut Context<'_>) {
    let message = format!(
        "{}:{}: {:?} is in `users` too, on line {line}, and only the password there is right",
        path.display(),
        account.line,
        account.name
    );
    context.report.warn(at(), message, "Remove one of the two");
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::{
        Loaded,
        tests::{SERVER, TOKEN, directory, read, write},
    };

    const COST_5: &str = "$2y$05$WuwBasGDAgr.QCbGIjKJaep4dhxeai9gNZdmBnQXqpKly57oNutya";
    const COST_10: &str = "$2y$10$lfIkMm1jPw8Is./rthy5auKvJeeuH7pJMDm4K.KmbODdBR31EC/am";
    const SECTION: &str = "htpasswd: {file: accounts}\nacl: []\n";

    /// Returns the findings on a file, and the configuration where it may be used.
    fn with(file: &str, rest: &str) -> (String, Option<Loaded>) {
        let directory = directory();
        write(directory.path(), "accounts", file);
        of(directory.path(), rest)
    }

    fn of(directory: &FilePath, rest: &str) -> (String, Option<Loaded>) {
        read(&format!("{SERVER}{TOKEN}{rest}"), directory)
    }

    #[test]
    fn accounts_stand_behind_users_and_the_file_is_watched() {
        let users = format!("users:\n  bob: {{password: \"{COST_10}\"}}\n");
        let (said, loaded) = with(&format!("amy:{COST_10}\n"), &format!("{users}{SECTION}"));
        assert_eq!(said, "");
        let config = loaded.unwrap().config;
        let names: Vec<_> = config.users.iter().map(|user| (user.name.as_str(), user.line)).collect();
        assert_eq!(names, [("bob", 9), ("amy", 0)]);
        assert!(config.files.iter().any(|file| file.ends_with("accounts")));
        // Enough without `users`, too.
        assert_eq!(with(&format!("amy:{COST_10}\n"), SECTION).0, "");
    }

    #[test]
    fn an_account_that_users_has_is_said_with_both_lines() {
        let users = format!("users:\n  bob: {{password: \"{COST_10}\"}}\n");
        let (said, loaded) = with(&format!("#\nbob:{COST_10}\n"), &format!("{users}{SECTION}"));
        assert_eq!(
            said,
            "f.yml:10:12: warning: htpasswd.file: accounts:2: \"bob\" is in `users` too, on line 9, and only the \
             password there is right. Remove one of the two"
        );
        assert_eq!(loaded.unwrap().config.users.len(), 1);
    }

    #[test]
    fn cheap_hashes_are_said_once_a_file() {
        let (said, _) = with(&format!("a:{COST_10}\nb:{COST_5}\nc:{COST_5}\n"), SECTION);
        assert_eq!(
            said,
            "f.yml:8:12: warning: htpasswd.file: accounts:2: the bcrypt cost is 5, as of 2 accounts under 10: \
             an attacker with this file guesses up to 32 times as fast as at 10. Set the passwords again with \
             `htpasswd -B -C 10 <file> <account>`"
        );
    }

    #[test]
    fn what_is_wrong_names_file_and_line() {
        assert_eq!(
            with("bob:$apr1$hunter2\n", SECTION).0,
            "f.yml:8:12: htpasswd.file: accounts:1: \"bob\" has an MD5 hash, and only bcrypt is taken. Set the \
             password again with `htpasswd -B -C 10 <file> <account>`"
        );
        let (said, _) = with(&"x\n".repeat(30), SECTION);
        assert_eq!(said.lines().count(), 21);
        assert!(
            said.ends_with("accounts has errors in 10 more lines. Correct the first ones, and check again")
        );
        assert!(with("", SECTION).0.contains("warning: htpasswd.file: accounts has no accounts. Add one"));
        assert_eq!(
            with("", "htpasswd: {}\nacl: []\n").0,
            "f.yml:8:1: htpasswd.file: missing. Write the path of a file as `htpasswd -B` makes it"
        );
        assert!(
            with("", "htpasswd: {file: no-such}\nacl: []\n").0.contains("cannot read no-such: No such file")
        );
        assert!(with("", "htpasswd: {file: .}\nacl: []\n").0.contains(": it is not a file"));
    }

    #[test]
    fn a_file_that_others_may_read_is_said() {
        let directory = directory();
        write(directory.path(), "accounts", &format!("amy:{COST_10}\n"));
        fs::set_permissions(directory.path().join("accounts"), fs::Permissions::from_mode(0o604)).unwrap();
        assert_eq!(
            of(directory.path(), SECTION).0,
            "f.yml:8:12: warning: htpasswd.file: accounts can be read by every user of this machine. Run `chmod \
             o-rwx` on it"
        );
    }
}
