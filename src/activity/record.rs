//! The record of one tag, or of a manifest that is pulled by its digest.

use std::mem;

use serde::{Deserialize, Serialize};

/// The number of days, today among them, of which pulls are counted.
pub const WINDOW: u32 = 30;
/// The bytes of an account's name that are kept.
const LONGEST_NAME: usize = 128;
/// Seconds of a day.
const DAY: u64 = 86_400;

/// The last time that something was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// The time, in seconds since 1970.
    pub at: u64,
    /// The account, empty for the anonymous user; the beginning of a name that is very long.
    pub account: String,
}

/// The activity of one tag, or of a manifest that is pulled by its digest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// The last push of the tag.
    pub pushed: Option<Last>,
    /// The manifest that it was given then.
    pub digest: Option<String>,
    /// The last pull: a `GET` that was answered in full.
    pub pulled: Option<Last>,
    /// The last pull or `HEAD`: a client that has the image already asks whether it is the same, and fetches nothing.
    pub asked: Option<Last>,
    /// The pulls of each day.
    pub pulls: Days,
}

/// The pulls of the last days, by the day in UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Days(Vec<(u32, u32)>);

impl Last {
    /// An account did something, at `at` in seconds since 1970.
    pub fn new(at: u64, account: &str) -> Self {
        let end = account.floor_char_boundary(LONGEST_NAME);
        Self { at, account: account.get(..end).unwrap_or_default().to_owned() }
    }
}

impl Activity {
    /// The push of a tag.
    pub fn push(last: Last, digest: Option<&str>) -> Self {
        Self { pushed: Some(last), digest: digest.map(str::to_owned), ..Self::default() }
    }

    /// A request for a manifest; `is_pull` if the manifest went out.
    pub fn request(last: Last, is_pull: bool) -> Self {
        let mut activity = Self { asked: Some(last.clone()), ..Self::default() };
        if is_pull {
            activity.pulls.add(day(last.at), 1);
            activity.pulled = Some(last);
        }
        activity
    }

    /// Adds what was done besides.
    pub fn add(&mut self, other: &Self) {
        self.take_times(other);
        for (day, count) in &other.pulls.0 {
            self.pulls.add(*day, *count);
        }
    }

    /// Joins two accounts of the same: of each day, the higher number of pulls is right.
    pub fn join(&mut self, other: &Self) {
        self.take_times(other);
        for (day, count) in &other.pulls.0 {
            let missing = count.saturating_sub(self.pulls.on(*day));
            self.pulls.add(*day, missing);
        }
    }

    fn take_times(&mut self, other: &Self) {
        if is_later(&other.pushed, &self.pushed) {
            self.pushed.clone_from(&other.pushed);
            self.digest.clone_from(&other.digest);
        }
        for (mine, others) in [(&mut self.pulled, &other.pulled), (&mut self.asked, &other.asked)] {
            if is_later(others, mine) {
                mine.clone_from(others);
            }
        }
    }

    /// Returns the time of whatever was done last, in seconds since 1970.
    pub fn latest(&self) -> u64 {
        [&self.pushed, &self.pulled, &self.asked].into_iter().flatten().map(|last| last.at).max().unwrap_or(0)
    }

    /// Returns the accounts that did something last.
    pub fn accounts(&self) -> impl Iterator<Item = &str> {
        [&self.pushed, &self.pulled, &self.asked].into_iter().flatten().map(|last| &*last.account)
    }

    /// Bytes that it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        let names = [&self.pushed, &self.pulled, &self.asked].into_iter().flatten();
        let names: usize = names.map(|last| last.account.len()).sum();
        mem::size_of::<Self>() + names + self.digest.as_ref().map_or(0, String::len) + self.pulls.0.len() * 8
    }
}

fn is_later(one: &Option<Last>, other: &Option<Last>) -> bool {
    one.as_ref().is_some_and(|one| other.as_ref().is_none_or(|other| one.at >= other.at))
}

impl Days {
    /// Reads what [`Self::encode`] wrote; what is none of it is left out.
    pub fn decode(bytes: &[u8]) -> Self {
        let mut days = Self::default();
        for pair in bytes.chunks_exact(8) {
            if let (Some(day), Some(count)) = (pair.first_chunk::<4>(), pair.last_chunk::<4>()) {
                days.add(u32::from_le_bytes(*day), u32::from_le_bytes(*count));
            }
        }
        days
    }

    /// Returns it in eight bytes for each day with a pull.
    pub fn encode(&self) -> Vec<u8> {
        self.0.iter().flat_map(|(day, count)| [day.to_le_bytes(), count.to_le_bytes()]).flatten().collect()
    }

    /// Returns the number of pulls in the last [`WINDOW`] days, at `now` in seconds since 1970.
    pub fn recent(&self, now: u64) -> u64 {
        let today = day(now);
        let recent = self.0.iter().filter(|(day, _)| day.saturating_add(WINDOW) > today);
        recent.map(|(_, count)| u64::from(*count)).sum()
    }

    fn on(&self, day: u32) -> u32 {
        self.0.iter().find(|(other, _)| *other == day).map_or(0, |(_, count)| *count)
    }

    fn add(&mut self, day: u32, count: u32) {
        if count == 0 {
            return;
        }
        match self.0.binary_search_by_key(&day, |(day, _)| *day) {
            Ok(place) => {
                if let Some((_, counted)) = self.0.get_mut(place) {
                    *counted = counted.saturating_add(count);
                }
            }
            Err(place) => self.0.insert(place, (day, count)),
        }
        let newest = self.0.last().map_or(0, |(day, _)| *day);
        self.0.retain(|(day, _)| day.saturating_add(WINDOW) > newest);
    }
}

/// The day of a time, counted from 1970.
fn day(at: u64) -> u32 {
    u32::try_from(at / DAY).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 20_000 * DAY + 7;

    fn pull(at: u64, account: &str) -> Activity {
        Activity::request(Last::new(at, account), true)
    }

    #[test]
    fn the_last_of_each_counts_and_pulls_add_up() {
        let mut activity = Activity::push(Last::new(NOW, "ci"), Some("sha256:1"));
        activity.add(&pull(NOW + 5, "a"));
        activity.add(&pull(NOW + 3, "b"));
        activity.add(&Activity::request(Last::new(NOW + 9, "c"), false));
        activity.add(&Activity::push(Last::new(NOW - 9, "old"), Some("sha256:0")));
        assert_eq!(activity.pushed, Some(Last::new(NOW, "ci")));
        assert_eq!(activity.digest.as_deref(), Some("sha256:1"));
        assert_eq!(activity.pulled, Some(Last::new(NOW + 5, "a")));
        assert_eq!(activity.asked, Some(Last::new(NOW + 9, "c")));
        assert_eq!((activity.pulls.recent(NOW), activity.latest()), (2, NOW + 9));
        assert_eq!(activity.accounts().collect::<Vec<_>>(), ["ci", "a", "c"]);
    }

    #[test]
    fn pulls_count_for_thirty_days_and_take_no_more_room() {
        let mut days = Days::default();
        for n in 0..400 {
            days.add(day(NOW) - 400 + n, 2);
        }
        assert_eq!(days.recent(NOW), 2 * 29, "today has none");
        days.add(day(NOW), 1);
        assert_eq!(days.recent(NOW), 2 * 29 + 1);
        assert_eq!(days.recent(NOW + 10 * DAY), 2 * 19 + 1);
        assert_eq!(days.recent(NOW + 30 * DAY), 0);
        assert_eq!(days.encode().len(), 30 * 8);
        assert_eq!(Days::decode(&days.encode()), days);
        assert_eq!(Days::decode(b"short"), Days::default());
    }

    #[test]
    fn joined_twice_a_pull_counts_once() {
        let mut live = pull(NOW, "a");
        let mut imported = pull(NOW - 2 * DAY, "b");
        imported.add(&pull(NOW, "a"));
        imported.add(&pull(NOW + 1, "a"));
        for _ in 0..3 {
            live.join(&imported);
            assert_eq!(live.pulls.recent(NOW), 3);
        }
        assert_eq!(live.pulled, Some(Last::new(NOW + 1, "a")));
    }

    #[test]
    fn a_very_long_name_is_cut_within_a_character() {
        let name = "é".repeat(200);
        let last = Last::new(NOW, &format!("x{name}"));
        assert_eq!(last.account, format!("x{}", "é".repeat(63)));
    }
}
