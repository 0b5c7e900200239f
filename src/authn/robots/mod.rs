//! The `robots:` section: accounts of programs, which sign in with tokens that Portwarden makes instead of passwords.
//!
//! A robot has at most two tokens, so that one can be replaced while the other is in use. What a robot may do is
//! decided by the rules, below the ceiling of its `scopes` and `ip`: that is in `authz`. Throttling is elsewhere.

mod last_day;
mod settings;
mod token;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

pub use last_day::LastDay;
pub use settings::{RobotError, RobotSettings, RobotTokenSettings, holds_robot_token};
pub use token::{Mistyped, NewToken, TokenDigest, fit_to_log, is_robot_token};

use super::{Identity, Labels, Secret, Source, name_folding::folded};

/// The most tokens of a robot: one in use, and the one that replaces it.
pub const MOST_TOKENS: usize = 2;

/// The robots. Names are compared byte for byte.
#[derive(Debug, Default)]
pub struct Robots {
    by_name: HashMap<Box<str>, Robot>,
    /// All spellings of a name together, as a back end may take them for one. Without those that are in `by_name`.
    spellings: HashSet<Box<str>>,
}

#[derive(Debug)]
struct Robot {
    tokens: [Option<Token>; MOST_TOKENS],
    labels: Arc<Labels>,
}

#[derive(Debug)]
struct Token {
    digest: TokenDigest,
    last_day: Option<LastDay>,
    name: Arc<TokenName>,
    /// Its last use since the start, in seconds since 1970; 0 for none. Outlives reloads.
    used: Arc<AtomicU64>,
}

/// A robot's token as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedToken<'a> {
    /// The robot.
    pub robot: &'a str,
    /// The token.
    pub name: &'a TokenName,
    /// Its last day.
    pub last_day: Option<LastDay>,
    /// Its last use since the start, in seconds since 1970.
    pub used: Option<u64>,
}

/// One of a robot's tokens, as an operator finds it again. Not secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenName {
    /// The first twelve digits of its `sha256`, which stand in the token too.
    pub id: Box<str>,
    /// The operator's own words.
    pub comment: Option<Box<str>>,
}

/// The verdict on a robot's name and a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RobotVerdict {
    /// The token is one of the robot's, and in force.
    Accepted(Identity),
    /// It is one of the robot's, and ended with this day.
    Expired(Identity, LastDay),
    /// It is a token, but none of a robot with this name; or there is no such robot.
    Wrong,
    /// It is no token at all.
    Mistyped,
}

/// The reason why something that was issued for a robot's token no longer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenEnded {
    /// The robot or its token is gone.
    Removed,
    /// The last day of the token is over.
    Expired,
}

impl Robots {
    /// Checks and indexes the robots of a configuration.
    ///
    /// # Errors
    /// All that is wrong, in the order of `settings`.
    pub fn build(settings: &[RobotSettings]) -> Result<Self, Vec<RobotError>> {
        let (mut robots, mut errors, mut seen) = (Self::default(), Vec::new(), HashSet::new());
        // Most robots have the labels of others.
        let mut shared: HashMap<&Labels, Arc<Labels>> = HashMap::new();
        for robot in settings {
            let (tokens, wrong) = robot.read();
            errors.extend(wrong);
            for (number, token) in tokens.iter().enumerate() {
                // By the id, which names a token in what is issued for it.
                if !seen.insert(token.digest.id()) {
                    errors.push(robot.shared_token(number));
                }
            }
            let mut tokens = tokens.into_iter();
            let tokens = std::array::from_fn(|_| tokens.next());
            let labels = shared.entry(&robot.labels).or_insert_with(|| Arc::new(robot.labels.clone()));
            let labels = Arc::clone(labels);
            let spelling = folded(&robot.name);
            if spelling != robot.name {
                robots.spellings.insert(spelling.into());
            }
            if robots.by_name.insert(robot.name.as_str().into(), Robot { tokens, labels }).is_some() {
                errors.push(robot.duplicate());
            }
        }
        if errors.is_empty() { Ok(robots) } else { Err(errors) }
    }

    /// Returns true if a robot has this name, in any spelling. No other section may know it then: a back end may pass
    /// over case or white space, and its account would have the robot's name in the eyes of a person.
    pub fn has(&self, name: &str) -> bool {
        let holds = |spelling: &str| self.spellings.contains(spelling) || self.by_name.contains_key(spelling);
        !self.by_name.is_empty() && holds(&folded(name))
    }

    /// Checks a token of the robot `name` at `now`, in seconds since 1970.
    ///
    /// Takes the same steps for an unknown robot, for one with one token, and for any wrong token: one SHA-256 and two
    /// comparisons in constant time. A mistyped token is found before any of it.
    pub fn verify(&self, name: &str, token: &Secret, now: u64) -> RobotVerdict {
        let Ok(shown) = TokenDigest::of(token) else { return RobotVerdict::Mistyped };
        let robot = self.by_name.get(name);
        let slots: [Option<&Token>; MOST_TOKENS] =
            std::array::from_fn(|slot| robot?.tokens.get(slot)?.as_ref());
        let mut found = None;
        for slot in slots {
            // Compared with itself where there is none, and then not counted.
            let is_equal = slot.map_or(&shown, |token| &token.digest).is(&shown);
            found = if is_equal { slot.or(found) } else { found };
        }
        match (robot, found) {
            (Some(robot), Some(token)) => {
                let identity = robot.identity(name, token);
                match token.last_day.filter(|day| day.is_over(now)) {
                    Some(day) => RobotVerdict::Expired(identity, day),
                    None => RobotVerdict::Accepted(identity),
                }
            }
            _ => RobotVerdict::Wrong,
        }
    }

    /// The identity behind something that was issued for the token `id` of the robot `name`, as it is at `now`.
    ///
    /// # Errors
    /// [`TokenEnded`].
    pub fn identity(&self, name: &str, id: &str, now: u64) -> Result<Identity, TokenEnded> {
        let robot = self.by_name.get(name).ok_or(TokenEnded::Removed)?;
        Ok(robot.identity(name, robot.token(id, now)?))
    }

    /// Notes that the token `id` of the robot `name` was used at `now`, in seconds since 1970.
    pub fn used(&self, name: &str, id: &str, now: u64) {
        if let Some(token) = self.by_name.get(name).and_then(|robot| robot.named(id)) {
            token.used.fetch_max(now, Ordering::Relaxed);
        }
    }

    /// Goes on with the uses that the robots before noted.
    pub(super) fn keep_uses_of(&mut self, before: &Self) {
        for (name, robot) in &mut self.by_name {
            let Some(before) = before.by_name.get(name) else { continue };
            for token in robot.tokens.iter_mut().flatten() {
                if let Some(same) = before.named(&token.name.id) {
                    token.used = Arc::clone(&same.used);
                }
            }
        }
    }

    /// All tokens, by the names of their robots.
    pub fn tokens(&self) -> Vec<ListedToken<'_>> {
        let mut listed: Vec<ListedToken<'_>> = Vec::new();
        for (robot, Robot { tokens, .. }) in &self.by_name {
            listed.extend(tokens.iter().flatten().map(|token| ListedToken {
                robot,
                name: &token.name,
                last_day: token.last_day,
                used: Some(token.used.load(Ordering::Relaxed)).filter(|at| *at > 0),
            }));
        }
        listed.sort_by_key(|token| token.robot);
        listed
    }

    /// The second, since 1970, in which the token `id` of a robot is over; `None` for one without an end.
    pub fn end_of(&self, name: &str, id: &str) -> Option<u64> {
        self.by_name.get(name)?.named(id)?.last_day.map(LastDay::end)
    }

    /// Returns true if no token of the robot is in force at `now`, in seconds since 1970.
    pub fn is_shut_out(&self, name: &str, now: u64) -> bool {
        let is_over = |token: &Token| token.last_day.is_some_and(|day| day.is_over(now));
        self.by_name.get(name).is_some_and(|robot| robot.tokens.iter().flatten().all(is_over))
    }

    /// The token in the slot (below [`MOST_TOKENS`]) of a robot: its digest, to tie to it what must end with it, and
    /// its name. The digest is not for printing.
    pub fn stored(&self, name: &str, slot: usize) -> Option<(String, &TokenName)> {
        let token = self.by_name.get(name)?.tokens.get(slot)?.as_ref()?;
        Some((token.digest.to_string(), &token.name))
    }
}

impl Robot {
    fn named(&self, id: &str) -> Option<&Token> {
        self.tokens.iter().flatten().find(|token| *token.name.id == *id)
    }

    fn token(&self, id: &str, now: u64) -> Result<&Token, TokenEnded> {
        let token = self.named(id).ok_or(TokenEnded::Removed)?;
        if token.last_day.is_some_and(|day| day.is_over(now)) { Err(TokenEnded::Expired) } else { Ok(token) }
    }

    fn identity(&self, name: &str, token: &Token) -> Identity {
        let identity = Identity::with_labels(name, Arc::clone(&self.labels), Source::Robots);
        Identity { token: Some(Arc::clone(&token.name)), ..identity }
    }
}

#[cfg(test)]
mod tests;
