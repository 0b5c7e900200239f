//! The lines that were read, by what became of them.

use super::line::Apart;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The index of the file.
    pub file: usize,
    /// The number of the line, from 1.
    pub line: u64,
}

/// The most places that are remembered of lines that are no use.
const MOST_PLACES: usize = 5;

/// The numbers of lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub lines: u64,
    /// Requests that were decided again.
    pub requests: u64,
    /// Token requests that were decided again.
    pub tokens: u64,
    /// Ends of requests.
    pub transfers: u64,
    /// Requests that no rule decided.
    pub not_of_rules: u64,
    /// Refused for other reasons than rules.
    pub refused: u64,
    /// With credentials that prove nothing.
    pub unauthenticated: u64,
    /// Denied by a token.
    pub by_token: u64,
    /// Lines that no Portwarden wrote.
    pub foreign: u64,
    /// Lines that are not whole, or no JSON.
    pub unreadable: u64,
    /// The first of the foreign and unreadable ones.
    pub places: Vec<Place>,
    /// The time of the earliest line, in seconds since 1970.
    pub earliest: Option<u64>,
    /// The time of the latest.
    pub latest: Option<u64>,
}

impl Counts {
    pub(super) fn at(&mut self, time: u64) {
        self.earliest = Some(self.earliest.map_or(time, |earliest| earliest.min(time)));
        self.latest = Some(self.latest.map_or(time, |latest| latest.max(time)));
    }

    pub(super) fn unreadable(&mut self, place: Place) {
        self.unreadable += 1;
        self.remember(place);
    }

    pub(super) fn apart(&mut self, why: Apart, place: Place) {
        match why {
            Apart::Transfer => self.transfers += 1,
            Apart::Unauthenticated => self.unauthenticated += 1,
            Apart::Refused => self.refused += 1,
            Apart::ByToken => self.by_token += 1,
            Apart::NotOfRules => self.not_of_rules += 1,
            Apart::Foreign => {
                self.foreign += 1;
                self.remember(place);
            }
        }
    }

    fn remember(&mut self, place: Place) {
        if self.places.len() < MOST_PLACES {
            self.places.push(place);
        }
    }
}
