//! Lines about strangers: requests without an account that is proved. Each has its line while there are few of them;
//! beyond that they are counted, and one line a minute sums them up.
//!
//! So no flood of requests that cost nothing fills a disk, the journal's bounds, or the queue before them, where it
//! would crowd out lines about accounts, writes and deletions. Time is an argument, and memory is bounded.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant, SystemTime},
};

use serde::Serialize;

use super::{
    line::Line,
    record::Record,
    word::{Decision, Event},
};

/// The rest of the budgets, and the lines that were left out.
#[derive(Debug)]
pub(super) struct Strangers {
    began: SystemTime,
    ends: Instant,
    /// Bytes that were written, by budget.
    written: [usize; Budget::COUNT],
    clients: HashMap<Client, Tally>,
    counts: BTreeMap<(Event, Option<Decision>), u64>,
    lines: u64,
    writes: u64,
}

/// The part of it that one client used.
#[derive(Debug, Default)]
struct Tally {
    written: [usize; Budget::COUNT],
    left_out: u64,
}

/// An IPv4 address, or the /48 of an IPv6 address, which is the most that one customer gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Client {
    V4(IpAddr),
    V6(Ipv6Addr),
    /// On a Unix socket.
    Unknown,
    /// All those that came when there was no room for more.
    Others,
}

/// The budget that a line draws on: one kind leaves room for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Budget {
    /// Reads and tokens of the anonymous user.
    Reads,
    /// Passwords and robots' tokens that are wrong, or whose sender did not wait for the check: each has cost its
    /// sender some time.
    Passwords,
    /// The rest: challenges, malformed requests, tokens that are not valid. They cost their sender nothing.
    Rest,
}

/// For how long it is counted.
const INTERVAL: Duration = Duration::from_secs(60);
/// Clients that are known in that time; some 500 KiB.
const CLIENTS: usize = 4096;
/// Clients in a summary, those with the most lines.
const NAMED: usize = 10;

impl Budget {
    const COUNT: usize = 3;

    /// The budget that the line of that record draws on; `None` for a line that is always written.
    pub(super) fn of(record: &Record) -> Option<Self> {
        let is_token = matches!(record.credentials, Some("robot_token" | "personal_token"));
        // A right token of a robot that is refused names its account, and yet its holder may be a stranger: one that has
        // leaked after its last day must not fill the log.
        let is_refused_robot = is_token && record.decision == Some(Decision::Unauthenticated);
        let is_of_account = record.source.is_some() && !is_refused_robot;
        let is_of_operator = matches!(
            record.event,
            Event::Freeze | Event::Revocation | Event::Untag | Event::Release | Event::Prune
        );
        if is_of_operator || record.event == Event::Summary || is_of_account {
            return None;
        }
        let is_read = matches!(record.method.as_str(), "GET" | "HEAD") || record.event == Event::Token;
        match (record.decision, record.credentials) {
            (Some(Decision::Allowed), _) => is_read.then_some(Self::Reads),
            // Without a decision, the client did not wait for it.
            (Some(Decision::Unauthenticated) | None, Some("password" | "robot_token" | "personal_token")) => {
                Some(Self::Passwords)
            }
            _ => Some(Self::Rest),
        }
    }

    /// Bytes in an interval: for one client, and for all. A line takes some 400.
    fn bytes(self) -> (usize, usize) {
        match self {
            Self::Reads => (128 << 10, 2 << 20),
            Self::Passwords | Self::Rest => (32 << 10, 512 << 10),
        }
    }
}

impl Strangers {
    /// None has come yet.
    pub(super) fn new(began: SystemTime, now: Instant) -> Self {
        Self {
            began,
            ends: now + INTERVAL,
            written: Default::default(),
            clients: HashMap::new(),
            counts: BTreeMap::new(),
            lines: 0,
            writes: 0,
        }
    }

    /// Returns whether that line of so many bytes is written; else it is counted.
    pub(super) fn admit(&mut self, record: &Record, budget: Budget, bytes: usize) -> bool {
        let mut client = Client::from(record.address);
        if self.clients.len() >= CLIENTS && !self.clients.contains_key(&client) {
            client = Client::Others;
        }
        let tally = self.clients.entry(client).or_default();
        let (most, most_of_all) = budget.bytes();
        let (Some(own), Some(all)) =
            (tally.written.get_mut(budget as usize), self.written.get_mut(budget as usize))
        else {
            return true;
        };
        if *own + bytes <= most && *all + bytes <= most_of_all {
            *own += bytes;
            *all += bytes;
            return true;
        }
        tally.left_out += 1;
        self.lines += 1;
        self.writes += u64::from(!matches!(record.method.as_str(), "GET" | "HEAD"));
        *self.counts.entry((record.event, record.decision)).or_default() += 1;
        false
    }

    /// Begins another interval where this one is over, or at the end of all; then what was left out in it, if anything
    /// was.
    pub(super) fn turn(&mut self, is_end: bool, time: SystemTime, now: Instant) -> Option<Summary> {
        if now < self.ends && !is_end {
            return None;
        }
        let over = std::mem::replace(self, Self::new(time, now));
        (over.lines > 0).then(|| Summary::of(over, time))
    }
}

impl From<Option<IpAddr>> for Client {
    fn from(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            None => Self::Unknown,
            Some(IpAddr::V6(v6)) => Self::V6(Ipv6Addr::from_bits(v6.to_bits() >> 80 << 80)),
            Some(v4) => Self::V4(v4),
        }
    }
}

impl std::fmt::Display for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "{address}/48"),
            Self::Unknown => f.write_str("unknown"),
            Self::Others => f.write_str("others"),
        }
    }
}

/// The lines left out in an interval.
#[derive(Debug)]
pub(super) struct Summary {
    began: SystemTime,
    time: SystemTime,
    lines: u64,
    writes: u64,
    counts: BTreeMap<String, u64>,
    clients: Vec<Named>,
    networks: usize,
}

/// A client, and how many lines about it were left out.
#[derive(Debug, Serialize)]
struct Named {
    network: String,
    lines: u64,
}

impl Summary {
    fn of(over: Strangers, time: SystemTime) -> Self {
        let mut clients: Vec<(u64, Client)> =
            over.clients.iter().map(|(client, tally)| (tally.left_out, *client)).collect();
        clients.retain(|(left_out, _)| *left_out > 0);
        clients.sort_unstable_by_key(|(left_out, client)| (Reverse(*left_out), *client));
        let networks = clients.len();
        let named = |(lines, client): (u64, Client)| Named { network: client.to_string(), lines };
        let mut counts = BTreeMap::new();
        for ((event, decision), count) in over.counts {
            *counts.entry(kind(event, decision)).or_default() += count;
        }
        Self {
            began: over.began,
            time,
            lines: over.lines,
            writes: over.writes,
            counts,
            clients: clients.into_iter().take(NAMED).map(named).collect(),
            networks,
        }
    }

    /// Writes the line.
    pub(super) fn write_to(&self, line: &mut Vec<u8>) {
        let mut line = Line::begin(line);
        line.time("time", self.time);
        line.word("event", Event::Summary.as_str());
        line.text("reason", "too many requests without an account for a line each");
        line.time("since", self.began);
        line.value("lines", Some(self.lines));
        line.value("writes", Some(self.writes));
        line.value("counts", Some(&self.counts));
        line.value("networks", Some(self.networks));
        line.value("clients", Some(&self.clients));
        line.end();
    }
}

/// `challenged`, `transfer`, `token_refused`; `undecided` where the client did not wait.
fn kind(event: Event, decision: Option<Decision>) -> String {
    let decision = decision.map_or("undecided", Decision::as_str);
    match event {
        Event::Decision => decision.to_owned(),
        Event::Token => format!("token_{decision}"),
        _ => event.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(address: &str, decision: Decision) -> Record {
        let mut record = Record::new(Event::Decision);
        record.address = Some(address.parse().unwrap());
        record.decision = Some(decision);
        record.method = "GET".to_owned();
        record
    }

    /// Asks for lines of 400 bytes, and returns how many were written.
    fn written(strangers: &mut Strangers, record: &Record, times: usize) -> usize {
        let budget = Budget::of(record).unwrap();
        (0..times).filter(|_| strangers.admit(record, budget, 400)).count()
    }

    fn begun() -> (Strangers, Instant) {
        let now = Instant::now();
        (Strangers::new(SystemTime::UNIX_EPOCH, now), now)
    }

    #[test]
    fn accounts_writes_that_are_allowed_and_freezes_are_no_strangers() {
        let mut record = record("192.0.2.1", Decision::Challenged);
        assert_eq!(Budget::of(&record), Some(Budget::Rest));
        record.credentials = Some("password");
        for (decision, budget) in [
            (Decision::Unauthenticated, Some(Budget::Passwords)),
            (Decision::Refused, Some(Budget::Rest)),
            (Decision::Allowed, Some(Budget::Reads)),
        ] {
            record.decision = Some(decision);
            assert_eq!(Budget::of(&record), budget);
        }
        record.credentials = Some("robot_token");
        record.decision = Some(Decision::Unauthenticated);
        for source in [None, Some("robots")] {
            record.source = source;
            assert_eq!(Budget::of(&record), Some(Budget::Passwords), "{source:?}");
        }
        record.decision = Some(Decision::Allowed);
        assert_eq!(Budget::of(&record), None, "a robot");
        (record.source, record.credentials) = (None, Some("password"));
        record.method = "PUT".to_owned();
        assert_eq!(Budget::of(&record), None, "a write of the anonymous user");
        record.decision = Some(Decision::Challenged);
        assert_eq!(Budget::of(&record), Some(Budget::Rest), "an attempt at one");
        record.source = Some("users");
        for decision in Decision::ALL {
            record.decision = Some(decision);
            assert_eq!(Budget::of(&record), None, "{decision:?} about an account");
        }
        assert_eq!(Budget::of(&Record::new(Event::Freeze)), None);
    }

    #[test]
    fn one_client_and_all_together_have_so_many_lines_and_the_rest_is_summed_up() {
        let (mut strangers, now) = begun();
        assert_eq!(written(&mut strangers, &record("192.0.2.1", Decision::Challenged), 1000), 81);
        assert_eq!(written(&mut strangers, &record("2001:db8::1", Decision::Challenged), 50), 50);
        let near = record("2001:db8:0:ffff::1", Decision::Refused);
        assert_eq!(written(&mut strangers, &near, 50), 31, "the same /48");
        assert_eq!(
            written(&mut strangers, &record("192.0.2.1", Decision::Allowed), 100),
            100,
            "another budget"
        );
        let many: usize = (0..100)
            .map(|n| written(&mut strangers, &record(&format!("198.51.100.{n}"), Decision::Challenged), 100))
            .sum();
        assert_eq!(many, (512 << 10) / 400 - 81 - 81);
        assert!(strangers.turn(false, SystemTime::UNIX_EPOCH, now).is_none());
        let summary = strangers.turn(false, SystemTime::UNIX_EPOCH + INTERVAL, now + INTERVAL).unwrap();
        let mut line = Vec::new();
        summary.write_to(&mut line);
        let read: serde_json::Value = serde_json::from_slice(&line).unwrap();
        let (first, left_out) = (&read["clients"][0], 10_000 - many as u64);
        assert_eq!(
            (&read["event"], &read["since"]),
            (&"summary".into(), &"1970-01-01T00:00:00.000000Z".into())
        );
        assert_eq!((&first["network"], &first["lines"]), (&"192.0.2.1".into(), &919.into()), "{read}");
        assert_eq!(read["counts"]["challenged"], 919 + left_out, "{read}");
        assert_eq!((&read["counts"]["refused"], &read["writes"]), (&19.into(), &0.into()), "{read}");
        assert_eq!(read["clients"].as_array().unwrap().len(), NAMED);
        assert_eq!(written(&mut strangers, &record("192.0.2.1", Decision::Challenged), 100), 81, "anew");
        assert!(strangers.turn(true, SystemTime::UNIX_EPOCH, now).is_some(), "the end of all");
        assert!(strangers.turn(true, SystemTime::UNIX_EPOCH, now).is_none(), "nothing was left out");
    }

    #[test]
    fn what_an_operator_does_is_always_written() {
        for event in [Event::Freeze, Event::Revocation, Event::Untag, Event::Release, Event::Prune] {
            assert_eq!(Budget::of(&Record::new(event)), None, "{event:?}");
        }
    }

    #[test]
    fn memory_is_bounded_and_so_is_the_line() {
        let (mut strangers, now) = begun();
        for n in 0..100_000_u32 {
            let address = std::net::Ipv4Addr::from_bits(n).to_string();
            written(&mut strangers, &record(&address, Decision::Challenged), 1);
        }
        assert_eq!(strangers.clients.len(), CLIENTS + 1);
        let mut line = Vec::new();
        strangers.turn(true, SystemTime::UNIX_EPOCH, now).unwrap().write_to(&mut line);
        assert!(line.len() < 2 << 10, "{}", String::from_utf8_lossy(&line));
    }
}
