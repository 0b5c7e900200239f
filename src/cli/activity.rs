//! `portwarden activity`: who pushed and pulled what last, and how often, as the running server has it on record.

use serde_json::json;

use super::{
    Activity as Wanted,
    control_client::ask,
    login_file::now,
    output::{Failure, say},
    replay::plain,
    table::{Table, ago, day, short},
};
use crate::{
    activity::{Activity, Entry, Last},
    config::written_moment,
    server::{ControlAnswer, ControlRequest},
};

/// The columns of the table.
const HEAD: [&str; 8] = ["REPOSITORY", "TAG", "PUSHED", "BY", "PULLED", "BY", "CHECKED", "PULLS IN 30 DAYS"];

/// Prints the records, each repository's latest first.
///
/// # Errors
/// The server cannot be reached, has no state file, or standard output is closed.
pub(super) fn run(wanted: &Wanted) -> Result<(), Failure> {
    let (repository, reference) = wanted.image.clone().unzip();
    let request = ControlRequest::Activity {
        repository,
        reference: reference.flatten(),
        account: wanted.account.clone(),
        since: wanted.since.map_or(0, |since| now().saturating_sub(since.as_secs())),
    };
    let mut answers = ask(&wanted.control.socket, &request)?;
    let mut shown = Shown { json: wanted.json, now: now(), table: Table::new(HEAD), entries: Vec::new() };
    let mut is_empty = true;
    loop {
        match answers.next()? {
            ControlAnswer::Activity(entry) => {
                is_empty = false;
                shown.entry(entry)?;
            }
            ControlAnswer::ActivitySince { at } => {
                shown.repository()?;
                return end(wanted.json, is_empty, at);
            }
            ControlAnswer::Refused { why } => return Err(why.into()),
            _ => return Err(
                "the server's answer is not understood; after an upgrade, restart it: systemctl restart portwarden".into(),
            ),
        }
    }
}

/// The output.
struct Shown {
    json: bool,
    now: u64,
    table: Table<8>,
    /// Those of a repository, until all of them are there.
    entries: Vec<Entry>,
}

impl Shown {
    fn entry(&mut self, entry: Entry) -> Result<(), Failure> {
        if self.json {
            return say(as_json(&entry, self.now));
        }
        if self.entries.last().is_some_and(|last| last.repository != entry.repository) {
            self.repository()?;
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Prints the rows of a repository.
    fn repository(&mut self) -> Result<(), Failure> {
        self.entries.sort_by_key(|entry| std::cmp::Reverse(entry.activity.latest()));
        for entry in self.entries.drain(..) {
            self.table.row(row(entry, self.now));
        }
        self.table.print()
    }
}

fn end(json: bool, is_empty: bool, since: u64) -> Result<(), Failure> {
    if json {
        return say(json!({ "known_since": written_moment(since) }));
    }
    if is_empty {
        say("no activity is on record")?;
    }
    say(format!("every request since {} is on record", day(since)))
}

fn row(Entry { repository, reference, activity }: Entry, now: u64) -> [String; 8] {
    let Activity { pushed, pulled, asked, pulls, .. } = &activity;
    let when = |last: &Option<Last>| last.as_ref().map_or("-".to_owned(), |last| ago(last.at, now));
    let by = |last: &Option<Last>| last.as_ref().map_or("-".to_owned(), |last| name(&last.account));
    // A pull is one more answer to the same question.
    let checked = asked.clone().filter(|asked| Some(asked.at) != pulled.as_ref().map(|last| last.at));
    [
        repository,
        short(&reference).to_owned(),
        when(pushed),
        by(pushed),
        when(pulled),
        by(pulled),
        when(&checked),
        pulls.recent(now).to_string(),
    ]
}

/// The name of an account, as a person may read it.
fn name(account: &str) -> String {
    if account.is_empty() { "anonymous".to_owned() } else { plain(account) }
}

fn as_json(Entry { repository, reference, activity }: &Entry, now: u64) -> String {
    let last = |last: &Option<Last>| {
        last.as_ref().map(|last| json!({ "at": written_moment(last.at), "account": last.account }))
    };
    let kind = if reference.contains(':') { "digest" } else { "tag" };
    json!({
        "repository": repository,
        kind: reference,
        "pushed": last(&activity.pushed),
        "pulled": last(&activity.pulled),
        "checked": last(&activity.asked),
        "pulls_30d": activity.pulls.recent(now),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn a_row_says_who_did_what_and_how_long_ago() {
        let mut activity = Activity::push(Last::new(NOW - 7200, "ci"), None);
        activity.add(&Activity::request(Last::new(NOW - 120, ""), true));
        let entry = |activity: &Activity| Entry {
            repository: "team/app".to_owned(),
            reference: "2.4".to_owned(),
            activity: activity.clone(),
        };
        assert_eq!(
            row(entry(&activity), NOW),
            ["team/app", "2.4", "2 hours ago", "ci", "2 minutes ago", "anonymous", "-", "1"]
        );
        activity.add(&Activity::request(Last::new(NOW, "a\u{1b}[31m"), false));
        assert_eq!(row(entry(&activity), NOW)[4..], ["2 minutes ago", "anonymous", "just now", "1"]);
        activity.add(&Activity::request(Last::new(NOW, "a\u{1b}[31m"), true));
        assert_eq!(row(entry(&activity), NOW)[4..], ["just now", "a\\u{1b}[31m", "-", "2"]);
        let digest =
            Entry { reference: format!("sha256:{}", "0123".repeat(16)), ..entry(&Activity::default()) };
        assert_eq!(row(digest, NOW)[1..], ["012301230123", "-", "-", "-", "-", "-", "0"]);
    }

    #[test]
    fn json_has_the_time_and_the_account_of_each() {
        let activity = Activity::request(Last::new(NOW, "ci"), true);
        let entry = Entry { repository: "a".to_owned(), reference: "b".to_owned(), activity };
        let json: serde_json::Value = serde_json::from_str(&as_json(&entry, NOW)).unwrap();
        let last = json!({ "at": "2027-01-15T08:00:00Z", "account": "ci" });
        let expected = json!({
            "repository": "a", "tag": "b", "pushed": null, "pulled": last, "checked": last, "pulls_30d": 1,
        });
        assert_eq!(json, expected);
    }
}
