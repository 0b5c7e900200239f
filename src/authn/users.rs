//! The `users:` section: accounts, their passwords, and the labels an ACL may ask for.
//!
//! Back ends, throttling and remembering are elsewhere; `verify` here always does the full work.

use std::{
    collections::{BTreeMap, HashMap, HashSet, hash_map::Entry},
    fmt,
    sync::{Arc, OnceLock},
};

use super::{
    PersonalToken, SignInSection, UserSettings, WorkloadSession,
    name_folding::folded,
    password_hash::{PasswordHash, burn},
    robots::TokenName,
    secret::Secret,
    source::Source,
};
use crate::registry::Scope;

/// Label to values, as an ACL's `match: {labels: …}` and `${labels:…}` see them.
pub type Labels = BTreeMap<String, Vec<String>>;

/// The account behind a request, once it is known. The empty account is the anonymous one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account, byte for byte as configured.
    pub account: String,
    /// The labels in force when this was made.
    pub labels: Arc<Labels>,
    /// For labels that the account has and that `labels` lacks, in whole or in part: the entries of the token.
    pub left_out: Arc<Labels>,
    /// The section that knows the account.
    pub source: Source,
    /// The token that was shown, for a robot.
    pub token: Option<Arc<TokenName>>,
    /// The personal token that was shown, now or when what was shown was issued.
    pub personal: Option<Arc<PersonalToken>>,
    /// The session of an account of `workload_auth`.
    pub workload: Option<WorkloadSession>,
}

impl Identity {
    /// An account of `workload_auth`, all of whose labels are known.
    pub fn of_workload(account: &str, labels: Labels, session: WorkloadSession) -> Self {
        let labels = Arc::new(labels);
        Self { workload: Some(session), ..Self::with_labels(account, labels, Source::Workload) }
    }

    /// The most that the personal token may be used for; `None` for an account that was proved otherwise.
    pub fn token_scopes(&self) -> Option<&[Scope]> {
        self.personal.as_ref().map(|token| &*token.scopes)
    }

    /// An account that has signed in at a provider, all of whose labels are known.
    pub fn of_sign_in(account: &str, labels: Arc<Labels>, section: SignInSection) -> Self {
        Self::with_labels(account, labels, Source::SignIn(section))
    }

    /// An account all of whose labels are known.
    pub(super) fn with_labels(account: &str, labels: Arc<Labels>, source: Source) -> Self {
        let account = account.to_owned();
        Self {
            account,
            labels,
            left_out: Arc::default(),
            source,
            token: None,
            personal: None,
            workload: None,
        }
    }
}

/// The result of checking a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is right.
    Accepted(Identity),
    /// It is not; no other back end may be asked.
    WrongPassword,
    /// No such account here; the next back end may be asked.
    NoSuchUser,
}

/// One user.
#[derive(Debug)]
pub struct User {
    labels: Arc<Labels>,
    hash: Option<PasswordHash>,
}

impl User {
    /// Returns true if a password is needed: always, except for an anonymous user without one.
    pub fn has_password(&self) -> bool {
        self.hash.is_some()
    }
}

/// The user table. Account names are compared byte for byte.
#[derive(Debug, Default)]
pub struct Users {
    by_account: HashMap<String, User>,
    /// The highest cost of all hashes; `None` where there is no hash, and so nothing to hide.
    highest_cost: Option<u32>,
    /// The names in all spellings, folded when they are first asked for.
    spellings: OnceLock<HashSet<String>>,
}

impl Users {
    /// Checks and indexes the users of a configuration.
    ///
    /// `"": {}` is the anonymous user, which may have labels, and a password as in docker_auth. Every other user must
    /// have a valid hash: docker_auth takes `bob: {}` for "any password", which is refused here.
    ///
    /// # Errors
    /// All that is wrong, in the order of `settings`.
    pub fn build(settings: &[UserSettings]) -> Result<Self, Vec<UserError>> {
        let mut users = Self::default();
        let errors: Vec<_> = settings.iter().filter_map(|user| users.add(user).err()).collect();
        if errors.is_empty() { Ok(users) } else { Err(errors) }
    }

    /// The names of all users.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_account.keys().map(String::as_str)
    }

    /// Returns true if one of them has the name in any spelling.
    pub fn have_spelling_of(&self, account: &str) -> bool {
        self.spellings.get_or_init(|| self.names().map(folded).collect()).contains(&folded(account))
    }

    /// Returns true if one of them has a password.
    pub fn have_passwords(&self) -> bool {
        self.highest_cost.is_some()
    }

    /// The user of that account.
    pub fn lookup(&self, account: &str) -> Option<&User> {
        self.by_account.get(account)
    }

    /// Checks `password` against that of `account`. Blocks for as long as bcrypt takes.
    ///
    /// Rule 17: `WrongPassword` and `NoSuchUser` take the same rounds of bcrypt, those of the costliest hash
    /// configured, independent of the account's own. Passwords that bcrypt would cut are wrong, at no cost to either.
    pub fn verify(&self, account: &str, password: &Secret) -> Outcome {
        let Some(user) = self.lookup(account) else {
            self.waste_all(password);
            return Outcome::NoSuchUser;
        };
        match &user.hash {
            Some(hash) if !hash.verify(password) => {
                self.waste_rest(hash.cost(), password);
                Outcome::WrongPassword
            }
            // Without a hash this is the anonymous user: docker_auth takes any password from it.
            _ => Outcome::Accepted(identity(account, user)),
        }
    }

    /// The identity of a request without credentials; `None` if every request needs them.
    ///
    /// An anonymous user with a password is not one: docker_auth tries the empty password there, and so may
    /// the caller, with `verify("", …)`.
    pub fn anonymous(&self) -> Option<Identity> {
        self.lookup("").filter(|user| !user.has_password()).map(|user| identity("", user))
    }

    /// The identity of an account that has proved itself before, with the labels of now; `None` once it is
    /// removed.
    pub fn identity(&self, account: &str) -> Option<Identity> {
        self.lookup(account).map(|user| identity(account, user))
    }

    /// The hash as written, to tie to it what must end when the password changes. Not for printing.
    pub fn stored_hash(&self, account: &str) -> Option<&str> {
        self.lookup(account)?.hash.as_ref().map(PasswordHash::as_str)
    }

    fn add(&mut self, settings: &UserSettings) -> Result<(), UserError> {
        let hash = parse_hash(settings)?;
        let Entry::Vacant(entry) = self.by_account.entry(settings.name.clone()) else {
            return Err(UserError::duplicate(settings));
        };
        self.highest_cost = self.highest_cost.max(hash.as_ref().map(PasswordHash::cost));
        entry.insert(User { labels: Arc::new(settings.labels.clone()), hash });
        Ok(())
    }

    fn waste_all(&self, password: &Secret) {
        if let Some(highest) = self.highest_cost {
            burn(highest, password);
        }
    }

    /// After 2^spent rounds, does the rest of 2^highest: 2^spent + (2^spent + … + 2^(highest-1)) = 2^highest.
    fn waste_rest(&self, spent: u32, password: &Secret) {
        for cost in spent..self.highest_cost.unwrap_or(spent) {
            burn(cost, password);
        }
    }
}

/// An error in one user of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserError {
    /// The account; empty for the anonymous user.
    pub account: String,
    /// The line it stands on, from 1; 0 when unknown.
    pub line: usize,
    /// The key below the account, or the empty text where it is the account itself.
    pub key: &'static str,
    /// The problem. Never has a password or a hash in it.
    pub message: String,
    /// The remedy.
    pub hint: String,
}

impl UserError {
    fn password(settings: &UserSettings, message: impl Into<String>, hint: &str) -> Self {
        Self {
            account: settings.name.clone(),
            line: settings.line,
            key: "password",
            message: message.into(),
            hint: hint.to_owned(),
        }
    }

    fn duplicate(settings: &UserSettings) -> Self {
        Self {
            account: settings.name.clone(),
            line: settings.line,
            key: "",
            message: "the account is there twice".to_owned(),
            hint: "remove one of the two: docker_auth would take the last".to_owned(),
        }
    }
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "users: {:?}", self.account)?;
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        if self.line > 0 {
            write!(f, " (line {})", self.line)?;
        }
        write!(f, ": {}; {}", self.message, self.hint)
    }
}

impl std::error::Error for UserError {}

fn parse_hash(settings: &UserSettings) -> Result<Option<PasswordHash>, UserError> {
    match &settings.password {
        Some(text) => PasswordHash::parse(text)
            .map(Some)
            .map_err(|error| UserError::password(settings, error.to_string(), error.hint())),
        None if settings.name.is_empty() => Ok(None),
        None => Err(UserError::password(
            settings,
            "the user has no password, so that docker_auth would accept any",
            "set one made with `portwarden hash`, or remove the user; only \"\" (anonymous) may have none",
        )),
    }
}

fn identity(account: &str, user: &User) -> Identity {
    Identity::with_labels(account, Arc::clone(&user.labels), Source::Users)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::password_hash::work::rounds;

    // Of "123" at cost 5.
    const HASH: &str = "$2y$05$WuwBasGDAgr.QCbGIjKJaep4dhxeai9gNZdmBnQXqpKly57oNutya";

    fn user(name: &str, password: Option<&str>) -> UserSettings {
        UserSettings { name: name.into(), password: password.map(Into::into), line: 7, ..Default::default() }
    }

    fn hash(password: &str, cost: u32) -> String {
        PasswordHash::create(&Secret::new(password), cost).unwrap()
    }

    fn verify(users: &Users, account: &str, password: &str) -> Outcome {
        users.verify(account, &Secret::new(password))
    }

    #[test]
    fn rule_17_unknown_user_costs_as_much_as_a_wrong_password() {
        let (cheap, dear) = (hash("cheap", 4), hash("dear", 7));
        let users = Users::build(&[
            user("", None),
            user("cheap", Some(&cheap)),
            user("dear", Some(&dear)),
            user("middle", Some(HASH)),
        ])
        .unwrap();
        let cost = |account, password, outcome| {
            rounds(|| assert_eq!(verify(&users, account, password), outcome, "{account:?} {password:?}"))
        };
        assert_eq!(cost("nobody", "x", Outcome::NoSuchUser), 1 << 7);
        for account in ["cheap", "middle", "dear"] {
            assert_eq!(cost(account, "x", Outcome::WrongPassword), 1 << 7, "{account}");
        }
        let long = "x".repeat(73);
        for password in [&long, "x\0"] {
            assert_eq!(cost("nobody", password, Outcome::NoSuchUser), 0);
            assert_eq!(cost("cheap", password, Outcome::WrongPassword), 0);
        }
    }

    #[test]
    fn rule_17_nothing_is_wasted_where_there_is_no_hash_to_hide() {
        let users = Users::build(&[user("", None)]).unwrap();
        assert_eq!(rounds(|| assert_eq!(verify(&users, "bob", "x"), Outcome::NoSuchUser)), 0);
    }

    #[test]
    fn all_errors_come_at_once_and_say_where() {
        let settings =
            [user("bob", None), user("eve", Some("hunter2")), user("ok", Some(HASH)), user("ok", Some(HASH))];
        let errors = Users::build(&settings).unwrap_err();
        let places: Vec<_> = errors.iter().map(|e| (e.account.as_str(), e.key, e.line)).collect();
        assert_eq!(places, [("bob", "password", 7), ("eve", "password", 7), ("ok", "", 7)]);
        let printed = errors.iter().map(|error| format!("{error} {error:?}\n")).collect::<String>();
        assert!(printed.contains("portwarden hash") && printed.contains("(line 7)"), "{printed}");
        assert!(!printed.contains("hunter2") && !printed.contains(HASH), "{printed}");
    }

    #[test]
    fn the_anonymous_user_needs_no_password_and_takes_any() {
        let users = Users::build(&[user("", None)]).unwrap();
        let anonymous = users.anonymous().unwrap();
        assert_eq!(anonymous.account, "");
        assert_eq!(verify(&users, "", "anything"), Outcome::Accepted(anonymous));
        assert!(Users::build(&[]).unwrap().anonymous().is_none());
    }

    #[test]
    fn an_anonymous_user_with_a_password_is_not_anonymous() {
        let users = Users::build(&[user("", Some(HASH))]).unwrap();
        assert_eq!(users.anonymous(), None);
        assert_eq!(verify(&users, "", ""), Outcome::WrongPassword);
        assert!(matches!(verify(&users, "", "123"), Outcome::Accepted(_)));
    }

    #[test]
    fn identities_carry_the_labels_and_the_hash_can_be_asked_for() {
        let labels = Labels::from([("group".into(), vec!["dev".into()])]);
        let bob = UserSettings { labels: labels.clone(), ..user("bob", Some(HASH)) };
        let users = Users::build(&[bob]).unwrap();
        let identity = users.identity("bob").unwrap();
        assert_eq!((identity.account.as_str(), &*identity.labels), ("bob", &labels));
        assert_eq!(verify(&users, "bob", "123"), Outcome::Accepted(identity));
        assert_eq!(users.stored_hash("bob"), Some(HASH));
        assert!(users.lookup("bob").unwrap().has_password());
        assert_eq!((users.identity("Bob"), users.stored_hash("Bob")), (None, None));
    }

    #[test]
    fn rule_16_tables_print_without_hashes() {
        let users = Users::build(&[user("bob", Some(HASH))]).unwrap();
        assert!(!format!("{users:?}").contains("WuwBas"));
    }
}
