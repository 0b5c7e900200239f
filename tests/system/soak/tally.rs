//! A tally of the run: operations, bytes, and errors.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use crate::support::client::Failure;

/// Shared by all clients.
#[derive(Default)]
pub struct Tally {
    counts: Mutex<BTreeMap<&'static str, u64>>,
    wrong: Mutex<Vec<String>>,
    up: AtomicU64,
    down: AtomicU64,
    /// Odd while the registry is away.
    outages: AtomicU64,
    stopped: AtomicBool,
}

/// The reason why an operation did not end as it should.
pub enum Trouble {
    /// Wrong bytes: never permitted.
    Corrupt(String),
    /// Another status, or no answer: permitted only while the registry is away.
    Unexpected(String),
}

/// The number of errors that are shown.
const SHOWN: usize = 20;

impl<E: Into<Failure>> From<E> for Trouble {
    fn from(error: E) -> Self {
        let error = error.into();
        let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        Self::Unexpected(format!("{error}{source}"))
    }
}

impl Tally {
    /// Counts something.
    pub fn count(&self, what: &'static str) {
        *self.counts.lock().unwrap().entry(what).or_default() += 1;
    }

    /// Bytes that arrived as they should.
    pub fn sent(&self, bytes: u64) {
        self.up.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that arrived as they should.
    pub fn received(&self, bytes: u64) {
        self.down.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Runs an operation and judges how it ended; true when all was well.
    pub async fn judge(
        &self,
        what: &'static str,
        operation: impl Future<Output = Result<(), Trouble>>,
    ) -> bool {
        let before = self.outages.load(Ordering::SeqCst);
        let ended = operation.await;
        let disturbed = before % 2 == 1 || before != self.outages.load(Ordering::SeqCst);
        match ended {
            Ok(()) => {
                self.count(what);
                return true;
            }
            Err(Trouble::Unexpected(_)) if disturbed => self.count("cut off by a crash"),
            Err(trouble) => self.wrong.lock().unwrap().push(format!("{what}: {trouble}")),
        }
        false
    }

    /// Operations may fail in the meantime.
    pub fn during_an_outage(&self, outage: impl FnOnce()) {
        self.outages.fetch_add(1, Ordering::SeqCst);
        outage();
        self.outages.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns true if there was an operation of every kind.
    pub fn is_warm(&self) -> bool {
        let counts = self.counts.lock().unwrap();
        super::workers::KINDS.iter().all(|what| counts.contains_key(what))
    }

    /// Tells the clients to end.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Returns true if the clients were told to end.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// One line for a person.
    pub fn line(&self) -> String {
        let counts = self.counts.lock().unwrap();
        let counts: Vec<String> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
        let mib = |bytes: &AtomicU64| bytes.load(Ordering::Relaxed) >> 20;
        let wrong = self.wrong.lock().unwrap().len();
        format!(
            "{}, {} MiB down, {} MiB up, {wrong} wrong",
            counts.join(", "),
            mib(&self.down),
            mib(&self.up)
        )
    }

    /// Fails the test unless all went well, and there was something of everything.
    pub fn assert_clean(&self) {
        let wrong = self.wrong.lock().unwrap();
        let shown: Vec<&String> = wrong.iter().take(SHOWN).collect();
        assert!(wrong.is_empty(), "{} operations went wrong, first: {shown:#?}", wrong.len());
        let counts = self.counts.lock().unwrap();
        for what in super::workers::KINDS.iter().chain(&["reloads", "crashes"]) {
            assert!(counts.contains_key(what), "there were no {what}: {counts:?}");
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(what) => write!(f, "WRONG BYTES: {what}"),
            Self::Unexpected(what) => f.write_str(what),
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in all: {}", self.line())
    }
}
