//! Decides whether a pattern can match any text of a kind, whatever its placeholders stand for: a condition on names
//! that no repository can have is a mistake. For a linter.
//!
//! Errs on one side only: [`Example::None`] is certain.

use std::collections::{HashMap, VecDeque};

use regex_automata::{
    Anchored, Input, MatchKind,
    hybrid::{LazyStateID, dfa},
};

use super::{glob::Glob, go_regex, pattern, placeholder::Symbol};

/// The number of pairs of states after which the search is given up.
const MAX_PAIRS: usize = 5_000;
/// The memory of an automaton beyond which the search is given up, in bytes.
const MAX_CACHE: usize = 4 << 20;

/// A text that a pattern matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Example {
    /// One of the shortest.
    Text(String),
    /// There is none.
    None,
    /// The search was given up.
    Unknown,
}

/// Searches a text that matches both the pattern, read by `scan` into `symbols`, and all of `kind`, an expression of
/// the `regex` crate.
pub(in crate::authz) fn example(text: &str, symbols: &[Symbol], kind: &str) -> Example {
    superset(text, symbols).and_then(|own| search(&own, kind)).unwrap_or(Example::Unknown)
}

/// An expression of the `regex` crate that, meant as a whole, matches at least what the pattern matches.
pub(in crate::authz) fn superset(text: &str, symbols: &[Symbol]) -> Option<String> {
    match pattern::expression(text) {
        Some(_) => go_regex::superset(symbols.get(1..symbols.len().saturating_sub(1)).unwrap_or_default())
            .map(|expression| format!("(?s:.*)(?:{expression})(?s:.*)")),
        None => Glob::compile_symbols(symbols).ok().map(|glob| glob.superset()),
    }
}

/// `None` when the search is given up.
fn search(one: &str, other: &str) -> Option<Example> {
    let mut automata = [Automaton::new(one)?, Automaton::new(other)?];
    let [first, second] = &mut automata;
    let start = (first.start()?, second.start()?);
    let mut before = HashMap::from([(start, None)]);
    let mut pending = VecDeque::from([start]);
    while let Some(pair) = pending.pop_front() {
        if first.accepts(pair.0)? && second.accepts(pair.1)? {
            return Some(Example::Text(way(pair, &before)));
        }
        for byte in bytes() {
            let other = second.next(pair.1, byte)?;
            if other.is_dead() {
                continue;
            }
            let next = (first.next(pair.0, byte)?, other);
            if !next.0.is_dead() && !before.contains_key(&next) {
                before.insert(next, Some((pair, byte)));
                pending.push_back(next);
            }
        }
        if before.len() > MAX_PAIRS {
            return None;
        }
    }
    Some(Example::None)
}

type Pair = (LazyStateID, LazyStateID);

/// All bytes, those first that make an example easy to read.
fn bytes() -> impl Iterator<Item = u8> {
    (b'a'..=b'z').chain(b'0'..=b'9').chain([b'-', b'_', b'.', b'/']).chain(0..=u8::MAX)
}

/// The text that leads to a pair of states.
fn way(end: Pair, before: &HashMap<Pair, Option<(Pair, u8)>>) -> String {
    let mut bytes: Vec<u8> = std::iter::successors(before.get(&end), |step| before.get(&(*step).as_ref()?.0))
        .filter_map(|step| Some(step.as_ref()?.1))
        .collect();
    bytes.reverse();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An expression that must match the whole text.
struct Automaton {
    dfa: dfa::DFA,
    cache: dfa::Cache,
}

impl Automaton {
    fn new(expression: &str) -> Option<Self> {
        let config = dfa::Config::new()
            .match_kind(MatchKind::All)
            .cache_capacity(MAX_CACHE)
            // States stay what they are: a full cache ends the search.
            .minimum_cache_clear_count(Some(0));
        let dfa = dfa::Builder::new().configure(config).build(&format!("(?:{expression})\\z")).ok()?;
        let cache = dfa.create_cache();
        Some(Self { dfa, cache })
    }

    fn start(&mut self) -> Option<LazyStateID> {
        self.dfa.start_state_forward(&mut self.cache, &Input::new("").anchored(Anchored::Yes)).ok()
    }

    /// `None` where the automaton gives up.
    fn next(&mut self, state: LazyStateID, byte: u8) -> Option<LazyStateID> {
        if state.is_dead() {
            return Some(state);
        }
        self.dfa.next_state(&mut self.cache, state, byte).ok().filter(|next| !next.is_quit())
    }

    fn accepts(&mut self, state: LazyStateID) -> Option<bool> {
        Some(self.dfa.next_eoi_state(&mut self.cache, state).ok()?.is_match())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::patterns::placeholder::{Field, Scope};

    const LOWER: &str = "[a-z]+(?:/[a-z]+)*";

    fn of(text: &str) -> Example {
        let scope = Scope { groups: [(Field::Account, 1)].into(), in_label: None };
        example(text, &scope.scan(text).symbols, LOWER)
    }

    #[test]
    fn an_example_matches_both() {
        for (text, found) in [
            ("team/*", "team/a"),
            ("*", "a"),
            ("t?am/[xyz]*", "taam/x"),
            ("[^a]", "b"),
            ("${account}/*", "a/a"),
            ("/^team$/", "team"),
            ("/b/", "b"),
            ("/^(?i)TEAM$/", "team"),
            ("/^${account:1}\\/x$/", "a/x"),
            ("/\\bx\\b/", "x"),
            ("/^[^a]+$/", "b"),
        ] {
            assert_eq!(of(text), Example::Text(found.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_has_no_example_matches_nothing_of_the_kind() {
        for text in [
            "Team/*",
            "team/app:v1",
            "/team/*",
            "team/",
            "[A-Z]*",
            "${account}:x",
            "",
            "/^Team/",
            "/:/",
            "/^${account}:/",
            "/a\\/$/",
            "/\\b\\/\\b\\/\\b/",
            "/^$/",
            "/a^/",
        ] {
            assert_eq!(of(text), Example::None, "{text}");
        }
    }

    #[test]
    fn what_is_too_large_is_not_decided() {
        assert_eq!(of("/[ab]*a[ab]{300}c/"), Example::Unknown);
    }
}
