//! The queue of password checks: so many at once, so many waiting, and the client that has tried least goes first.
//!
//! In the order of their coming, strangers at many addresses that guess without end would keep the queue full, and with
//! it all other clients out. So an address goes behind those that have tried less, and gives up its slot to them when
//! the queue is full. `throttle` knows the number of an address's attempts. Of those that have tried as much, the last
//! to come goes first. The clients of the others may have given up, and a client that comes after a burst of strangers
//! need not wait for all of it.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::oneshot, time::timeout};

/// The time for which a check waits for its turn. A client gives up about then.
const WAIT: Duration = Duration::from_secs(30);

/// The checks that run, and those that wait.
#[derive(Debug, Clone)]
pub(crate) struct CheckQueue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    concurrent: usize,
    slots: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    /// Waiting checks by the attempts of the address, then the last to come first.
    waiting: BTreeMap<Number, oneshot::Sender<CheckSlot>>,
    arrivals: u64,
}

/// A slot in the queue.
type Number = (u32, Reverse<u64>);

/// A check may run. Dropped, it is the turn of the next.
#[derive(Debug)]
pub(crate) struct CheckSlot(Option<CheckQueue>);

impl CheckQueue {
    /// A queue with so many checks at once, and slots for so many that wait.
    pub(crate) fn new(concurrent: usize, slots: usize) -> Self {
        Self(Arc::new(Inner { concurrent, slots, state: Mutex::default() }))
    }

    /// Waits for a turn. `tried` is the number of the address's earlier attempts (`Attempt::tried`). `None` when there
    /// is no slot, or no longer, or after half a minute: others go first, for ever perhaps.
    pub(crate) async fn take(&self, tried: u32) -> Option<CheckSlot> {
        let (number, turn) = {
            let mut state = self.0.state.lock();
            if state.running < self.0.concurrent {
                state.running += 1;
                return Some(CheckSlot(Some(self.clone())));
            }
            state.wait(tried, self.0.slots)?
        };
        if let Ok(turn) = timeout(WAIT, turn).await {
            return turn.ok();
        }
        self.0.state.lock().waiting.remove(&number);
        None
    }

    /// Returns the numbers of running and of waiting checks.
    pub(crate) fn load(&self) -> (usize, usize) {
        let state = self.0.state.lock();
        (state.running, state.waiting.len())
    }

    /// Hands a turn that has ended to the next check that still waits for it.
    fn pass_on(self) {
        loop {
            let next = {
                let mut state = self.0.state.lock();
                let next = state.waiting.pop_first();
                if next.is_none() {
                    state.running -= 1;
                }
                next
            };
            let Some((_, waiting)) = next else { return };
            match waiting.send(CheckSlot(Some(self.clone()))) {
                Ok(()) => return,
                // Not by dropping it: that would come here again, once for each client that has gone.
                Err(mut unwanted) => drop(unwanted.0.take()),
            }
        }
    }
}

impl State {
    /// Takes a slot in the queue: a free one, or that of the check with most attempts that has waited longest, if its
    /// attempts are not fewer.
    fn wait(&mut self, tried: u32, slots: usize) -> Option<(Number, oneshot::Receiver<CheckSlot>)> {
        if self.waiting.len() >= slots {
            let last = self.waiting.last_entry()?;
            if last.key().0 < tried {
                return None;
            }
            last.remove();
        }
        let (sender, receiver) = oneshot::channel();
        self.arrivals += 1;
        let number = (tried, Reverse(self.arrivals));
        self.waiting.insert(number, sender);
        Some((number, receiver))
    }
}

impl Drop for CheckSlot {
    fn drop(&mut self) {
        if let Some(queue) = self.0.take() {
            queue.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A check that waits already when this returns.
    async fn waits(queue: &CheckQueue, tried: u32) -> tokio::task::JoinHandle<Option<CheckSlot>> {
        let queue = queue.clone();
        let waiting = tokio::spawn(async move { queue.take(tried).await });
        tokio::task::yield_now().await;
        waiting
    }

    #[tokio::test]
    async fn rule_18_so_many_run_so_many_wait_and_who_is_one_too_many_is_told_at_once() {
        let queue = CheckQueue::new(2, 1);
        let running = [queue.take(0).await.unwrap(), queue.take(0).await.unwrap()];
        let waiting = waits(&queue, 0).await;
        assert!(queue.take(1).await.is_none());
        drop(running);
        assert!(waiting.await.unwrap().is_some());
        let all = [queue.take(0).await, queue.take(0).await];
        assert!(all.iter().all(Option::is_some), "all turns came back");
    }

    #[tokio::test]
    async fn who_has_tried_less_goes_first_and_takes_the_place_of_who_tried_more() {
        let queue = CheckQueue::new(1, 2);
        let running = queue.take(0).await;
        let guesser = waits(&queue, 9).await;
        let another = waits(&queue, 5).await;
        let newcomer = waits(&queue, 0).await;
        assert!(guesser.await.unwrap().is_none(), "the guesser with most attempts has to come again");
        assert!(queue.take(6).await.is_none(), "who tried more does not take a place away");
        drop(running);
        let turn = newcomer.await.unwrap();
        assert!(turn.is_some() && !another.is_finished());
        drop(turn);
        assert!(another.await.unwrap().is_some());
    }

    #[tokio::test]
    async fn of_those_who_tried_as_much_the_last_goes_first_and_the_first_is_told_to_come_again() {
        let queue = CheckQueue::new(1, 2);
        let running = queue.take(0).await;
        let first = waits(&queue, 0).await;
        let second = waits(&queue, 0).await;
        let third = waits(&queue, 0).await;
        assert!(first.await.unwrap().is_none());
        drop(running);
        let turn = third.await.unwrap();
        assert!(turn.is_some() && !second.is_finished());
        drop(turn);
        assert!(second.await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let queue = CheckQueue::new(1, 1);
        let running = queue.take(0).await;
        assert!(queue.take(7).await.is_none());
        assert_eq!(queue.load(), (1, 0), "the place in the queue is free again");
        drop(running);
    }

    #[tokio::test]
    async fn who_no_longer_waits_is_passed_over() {
        let queue = CheckQueue::new(1, 10_000);
        let running = queue.take(0).await;
        for _ in 0..10_000 {
            let gone = waits(&queue, 0).await;
            gone.abort();
            let _ = gone.await;
        }
        drop(running);
        assert!(queue.take(0).await.is_some());
    }
}
