//! Recent answers of the command of `ext_authz`, and the questions under way. Of equal questions at the same time one
//! is asked, and all have its answer, or its failure.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use aws_lc_rs::digest::{self, SHA256};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::backend::Unavailable;

/// The most answers that are remembered; what comes on top is asked each time.
const MOST: usize = 10_000;

/// Questions by their SHA-256, since they may be long: labels are in them.
type Key = [u8; 32];
/// The answer: true if it is granted.
type Said = Result<bool, Unavailable>;

/// Answers, for a while.
#[derive(Debug)]
pub(in crate::authz) struct DecisionCache {
    hold: Duration,
    /// Each change is one call that leaves the map whole.
    slots: Mutex<HashMap<Key, Slot>>,
}

#[derive(Debug)]
enum Slot {
    /// A caller is asking; the channel closes without an answer when it gives up.
    Asking(watch::Receiver<Option<Said>>),
    Known {
        granted: bool,
        until: Instant,
    },
}

/// The next step for a question.
enum Lookup<'r> {
    Known(bool),
    Follow(watch::Receiver<Option<Said>>),
    Lead(Flight<'r>),
}

impl DecisionCache {
    /// Answers hold for `hold`; zero remembers nothing, and each question is asked for itself.
    pub(in crate::authz) fn new(hold: Duration) -> Self {
        Self { hold, slots: Mutex::default() }
    }

    /// Returns the answer to `question`: a remembered one, that of a caller that asks the same right now, or that of
    /// `ask`. Dropping the future drops the one that `ask` made; then a waiting caller asks in its place.
    ///
    /// # Errors
    /// Those of the caller that asked. They are not remembered.
    pub(super) async fn get_or_ask<A: Future<Output = Said>>(
        &self,
        question: &str,
        clock: impl Fn() -> Instant,
        ask: impl FnOnce() -> A,
    ) -> Said {
        if self.hold.is_zero() {
            return ask().await;
        }
        let key = key(question);
        loop {
            match self.turn(key, clock()) {
                Lookup::Known(granted) => return Ok(granted),
                Lookup::Follow(mut flight) => {
                    let landed = flight.wait_for(Option::is_some).await;
                    if let Some(said) = landed.ok().and_then(|said| said.clone()) {
                        return said;
                    }
                }
                Lookup::Lead(flight) => {
                    let said = ask().await;
                    flight.land(&said, clock());
                    return said;
                }
            }
        }
    }

    fn turn(&self, key: Key, now: Instant) -> Lookup<'_> {
        let mut slots = self.slots.lock();
        match slots.get(&key) {
            Some(Slot::Known { granted, until }) if now < *until => return Lookup::Known(*granted),
            Some(Slot::Asking(flight)) => return Lookup::Follow(flight.clone()),
            _ => {}
        }
        let (sender, receiver) = watch::channel(None);
        slots.insert(key, Slot::Asking(receiver));
        Lookup::Lead(Flight { remembered: self, key: Some(key), sender })
    }

    /// Replaces the question by its answer, while there is room.
    fn keep(&self, key: Key, said: &Said, now: Instant) {
        let mut slots = self.slots.lock();
        slots.remove(&key);
        if slots.len() >= MOST {
            slots.retain(|_, slot| match slot {
                Slot::Asking(_) => true,
                Slot::Known { until, .. } => now < *until,
            });
        }
        if let (Ok(granted), Some(until)) = (said, now.checked_add(self.hold))
            && slots.len() < MOST
        {
            slots.insert(key, Slot::Known { granted: *granted, until });
        }
    }
}

/// The one question of its kind that is asked now.
struct Flight<'r> {
    remembered: &'r DecisionCache,
    /// `None` once it has landed.
    key: Option<Key>,
    sender: watch::Sender<Option<Said>>,
}

impl Flight<'_> {
    fn land(mut self, said: &Said, now: Instant) {
        if let Some(key) = self.key.take() {
            self.remembered.keep(key, said, now);
        }
        // There may be no follower.
        let _ = self.sender.send(Some(said.clone()));
    }
}

/// Given up: the next waiting caller asks.
impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.remembered.slots.lock().remove(&key);
        }
    }
}

fn key(question: &str) -> Key {
    let mut key = Key::default();
    key.copy_from_slice(digest::digest(&SHA256, question.as_bytes()).as_ref());
    key
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::pending, future::ready};

    use tokio::time::timeout;

    use super::*;

    const HOLD: Duration = Duration::from_secs(30);

    /// Returns the answer, and true if `ask` was called for it.
    async fn get(remembered: &DecisionCache, question: &str, now: Instant, answer: bool) -> (bool, bool) {
        let asked = Cell::new(false);
        let ask = || {
            asked.set(true);
            ready(Ok(answer))
        };
        (remembered.get_or_ask(question, || now, ask).await.unwrap(), asked.get())
    }

    #[tokio::test]
    async fn an_answer_holds_for_its_time_and_no_longer() {
        let (remembered, now) = (DecisionCache::new(HOLD), Instant::now());
        assert_eq!(get(&remembered, "q", now, true).await, (true, true));
        assert_eq!(get(&remembered, "q", now + HOLD - Duration::from_nanos(1), false).await, (true, false));
        assert_eq!(get(&remembered, "other", now, false).await, (false, true));
        assert_eq!(get(&remembered, "q", now + HOLD, false).await, (false, true));
        assert_eq!(
            get(&remembered, "q", now + HOLD, true).await,
            (false, false),
            "a denial is remembered too"
        );
    }

    #[tokio::test]
    async fn who_waited_asks_when_the_asker_gives_up() {
        let remembered = DecisionCache::new(HOLD);
        let gives_up = timeout(Duration::from_millis(50), remembered.get_or_ask("q", Instant::now, pending));
        let waits = get(&remembered, "q", Instant::now(), true);
        let (given_up, waited) = tokio::join!(gives_up, waits);
        assert!(given_up.is_err());
        assert_eq!(waited, (true, true));
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_who_wait_and_then_forgotten() {
        let remembered = DecisionCache::new(HOLD);
        let failure = Unavailable { backend: "ext_authz", why: "broken".into() };
        let fails = remembered.get_or_ask("q", Instant::now, || async {
            tokio::task::yield_now().await;
            Err(failure.clone())
        });
        let waits = remembered.get_or_ask("q", Instant::now, || ready(Ok(true)));
        assert_eq!(tokio::join!(fails, waits), (Err(failure.clone()), Err(failure.clone())));
        assert_eq!(get(&remembered, "q", Instant::now(), true).await, (true, true));
    }

    #[test]
    fn there_is_a_most_and_room_again_once_answers_are_old() {
        let (remembered, now) = (DecisionCache::new(HOLD), Instant::now());
        for n in 0..=MOST {
            remembered.keep(key(&n.to_string()), &Ok(true), now);
        }
        assert_eq!(remembered.slots.lock().len(), MOST);
        assert!(!remembered.slots.lock().contains_key(&key(&MOST.to_string())));
        remembered.keep(key("later"), &Ok(true), now + HOLD);
        assert_eq!(remembered.slots.lock().len(), 1);
    }
}
