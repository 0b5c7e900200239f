//! The time of each order: the authority's suggestion or two thirds of the certificate's life, and after a failure a
//! pause that doubles.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};

use super::{
    Acme,
    certificate::{Certificate, draw},
    order::{LONGEST_ORDER, Window},
};

/// The pause after the first failure, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// The interval between two tries of a replica for its turn.
const TURN: Duration = Duration::from_secs(2);
/// The shortest time that a certificate is used before the next is ordered.
const SHORTEST_USE: Duration = Duration::from_secs(10);
/// The longest sleep: a clock that was set, or a machine that slept, is noticed after it.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);
/// Between two questions for a time of renewal, whatever the authority asks for.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(24 * 3600));
/// After a question without an answer.
const ASK_AFTER_NONE: Duration = Duration::from_secs(3600);

/// The authority's last answer about the time of renewal.
#[derive(Debug, Default)]
pub(super) struct Suggestion {
    window: Option<Window>,
    ask_again: Option<Instant>,
}

/// The failures of the last orders, and the pause after them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Backoff {
    failures: u32,
    /// The end of the pause.
    until: Option<SystemTime>,
    /// The reason of the last failure.
    pub(super) error: Option<String>,
}

impl Acme {
    /// Orders certificates as they are due, for ever. A failure is reported, and tried again.
    pub async fn run(&self) {
        tokio::select! {
            () = self.order_as_due() => {}
            () = self.follow_replicas() => {}
        }
    }

    async fn order_as_due(&self) {
        loop {
            let due = match self.pause_end() {
                _ if self.is_ahead() => SystemTime::now(),
                Some(end) => end,
                None => self.due().await,
            };
            self.orders.lock().next = Some(due);
            let left = due.duration_since(SystemTime::now()).unwrap_or_default();
            if !left.is_zero() {
                self.rest(left.min(LOOK_AGAIN)).await;
                continue;
            }
            self.orders.lock().next = None;
            match &self.shared {
                None => {
                    let ordered = self.order(None).await;
                    self.settle(ordered);
                }
                Some(shared) => {
                    self.order_in_turn(shared).await;
                    self.rest(TURN).await;
                }
            }
        }
    }

    /// Sleeps, unless an operator or another replica has news.
    async fn rest(&self, time: Duration) {
        tokio::select! {
            () = sleep(time) => {}
            () = self.adopted.notified() => {}
            () = self.wake.notified() => {
                self.backoff.lock().until = None;
                *self.suggestion.lock() = Suggestion::default();
            }
        }
    }

    fn pause_end(&self) -> Option<SystemTime> {
        self.backoff.lock().until
    }

    /// Returns true if it is time to order, by what is known.
    pub(super) fn is_due(&self) -> bool {
        self.pause_end().unwrap_or_else(|| self.due_as_known()) <= SystemTime::now()
    }

    /// Notes the outcome of an order.
    pub(super) fn settle(&self, ordered: Result<(), String>) {
        *self.suggestion.lock() = Suggestion::default();
        match ordered {
            Ok(()) => {
                *self.backoff.lock() = Backoff::default();
                self.succeeded();
            }
            Err(why) => {
                let asked_for = self.client.take_not_before();
                let failures = self.backoff.lock().failures.saturating_add(1);
                let until = Some(next_attempt(failures, SystemTime::now(), asked_for, draw()));
                *self.backoff.lock() = Backoff { failures, until, error: Some(why.clone()) };
                self.failed(why, until);
            }
        }
    }

    /// Ends a pause, and asks the authority for its time of renewal again.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Returns true if the authority has suggested a time for the certificate in use, which it therefore knows.
    pub(super) fn has_window(&self) -> bool {
        self.suggestion.lock().window.is_some()
    }

    /// The time of the next order, as the authority suggests it now.
    async fn due(&self) -> SystemTime {
        let certificate = self.in_use.get().filter(|certificate| certificate.is_of_authority);
        let is_known = self.suggestion.lock().ask_again.is_some_and(|again| Instant::now() < again);
        if let Some(certificate) = certificate.filter(|_| !is_known) {
            let window = timeout(LONGEST_ORDER, self.ask_window()).await.ok().flatten();
            let holds = window.map_or(ASK_AFTER_NONE, |window| window.holds.clamp(ASK_AGAIN.0, ASK_AGAIN.1));
            // Another replica may have renewed it meanwhile.
            if self.in_use.get().is_some_and(|own| Arc::ptr_eq(&own, &certificate)) {
                *self.suggestion.lock() = Suggestion { window, ask_again: Some(Instant::now() + holds) };
            }
        }
        self.due_as_known()
    }

    fn due_as_known(&self) -> SystemTime {
        let window = self.suggestion.lock().window.map(|window| (window.start, window.end));
        let certificate = self.in_use.get().filter(|certificate| certificate.is_of_authority);
        certificate.map_or_else(SystemTime::now, |certificate| renewal(&certificate, window))
    }

    /// Reports, once, why no order can begin.
    pub(super) fn report(&self, why: String) {
        let mut orders = self.orders.lock();
        if orders.error.as_ref() != Some(&why) {
            tracing::warn!(host = self.settings.host, "no certificate: {why}");
            orders.error = Some(why);
        }
    }

    fn succeeded(&self) {
        let mut orders = self.orders.lock();
        (orders.done, orders.error) = (orders.done + 1, None);
        drop(orders);
        let until = self.in_use.get().map(|it| humantime::format_rfc3339_seconds(it.until).to_string());
        tracing::info!(host = self.settings.host, until, "a certificate of the authority is in use");
    }

    fn failed(&self, why: String, again: Option<SystemTime>) {
        let again = again.map(|time| humantime::format_rfc3339_seconds(time).to_string());
        tracing::warn!(host = self.settings.host, again, "no certificate: {why}");
        let mut orders = self.orders.lock();
        (orders.failed, orders.last_failure, orders.error) =
            (orders.failed + 1, Some(SystemTime::now()), Some(why));
    }
}

/// The time to renew a certificate: the drawn point of the authority's window (RFC 9773 section 4.2), but before the last
/// tenth of its life; without a window after two thirds. One that has just come is left alone for a thirtieth of its life, an hour at
/// most, so that a window which lies in the past for ever makes no stream of orders.
fn renewal(certificate: &Certificate, window: Option<(SystemTime, SystemTime)>) -> SystemTime {
    let Certificate { from, until, obtained, draw, .. } = *certificate;
    let life = until.duration_since(from).unwrap_or_default();
    let due = match window {
        Some((start, end)) => {
            let drawn = start + end.duration_since(start).unwrap_or_default().mul_f64(draw);
            drawn.min(from + life.mul_f64(0.9))
        }
        None => from + life.mul_f64(2.0 / 3.0),
    };
    due.max(obtained + (life / 30).clamp(SHORTEST_USE, LONGEST_PAUSE))
}

/// The time of the next attempt after so many failures. `draw`, from 0 to 1, spreads those of many servers by a fifth.
fn next_attempt(failures: u32, now: SystemTime, asked_for: Option<SystemTime>, draw: f64) -> SystemTime {
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    let pause = doubled.min(LONGEST_PAUSE).mul_f64(0.8 + 0.4 * draw);
    asked_for.unwrap_or(now).max(now + pause)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn certificate(life: Duration, draw: f64) -> Certificate {
        let from = UNIX_EPOCH + 20_000 * DAY;
        let made = Certificate::self_signed("registry.example", from).unwrap();
        Certificate { from, until: from + life, obtained: from, is_of_authority: true, draw, ..made }
    }

    #[test]
    fn a_certificate_is_renewed_after_two_thirds_of_its_life_or_within_the_window() {
        let of = |life, draw, window: Option<(u32, u32)>| {
            let certificate = certificate(life, draw);
            let at = |days: u32| certificate.from + DAY * days;
            let due = renewal(&certificate, window.map(|(start, end)| (at(start), at(end))));
            due.duration_since(certificate.from).unwrap()
        };
        assert_eq!(of(DAY * 90, 0.3, None), DAY * 60);
        assert_eq!(of(DAY * 90, 0.0, Some((50, 52))), DAY * 50);
        assert_eq!(of(DAY * 90, 0.5, Some((50, 52))), DAY * 51);
        assert_eq!(of(DAY * 90, 0.5, Some((100, 200))), DAY * 81, "never in the last tenth");
        assert_eq!(of(DAY * 6, 0.3, None), DAY * 4);
    }

    #[test]
    fn rule_61_a_window_in_the_past_makes_no_stream_of_orders() {
        let past = Some((UNIX_EPOCH, UNIX_EPOCH + DAY));
        let due = |life: Duration| {
            let certificate = certificate(life, 0.5);
            renewal(&certificate, past).duration_since(certificate.obtained).unwrap()
        };
        assert_eq!(due(DAY * 90), LONGEST_PAUSE);
        assert_eq!(due(Duration::from_secs(600)), Duration::from_secs(20));
        assert_eq!(due(Duration::ZERO), SHORTEST_USE);
    }

    #[test]
    fn rule_61_pauses_double_up_to_an_hour_and_the_authority_may_ask_for_more() {
        let now = UNIX_EPOCH + 20_000 * DAY;
        let pause = |failures, draw| next_attempt(failures, now, None, draw).duration_since(now).unwrap();
        assert_eq!([1, 2, 3].map(|failures| pause(failures, 0.5).as_secs()), [60, 120, 240]);
        assert_eq!([pause(1, 0.0), pause(1, 1.0)].map(|pause| pause.as_secs()), [48, 72]);
        assert_eq!(pause(u32::MAX, 0.5), LONGEST_PAUSE);
        let asked = |pause: Duration| next_attempt(1, now, Some(now + pause), 0.5);
        assert_eq!(asked(DAY / 2), now + DAY / 2);
        assert_eq!(asked(Duration::ZERO), now + FIRST_PAUSE);
    }
}
