//! The gate before a back end: so many questions at once, so many waiting, so long for an answer.
//!
//! A back end that hangs fills its own gate and no other: requests decided without it do not notice.

use std::{future::Future, time::Duration};

use tokio::{sync::Semaphore, time::timeout};

/// The longest reason that is logged, in characters.
const LONGEST_REASON: usize = 400;

/// Bounds on asking one back end (`backends:`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendLimits {
    /// `backends.timeout`: how long an answer may take, waiting for a turn included.
    pub timeout: Duration,
    /// `backends.concurrent`: questions that are asked at the same time.
    pub concurrent: usize,
    /// `backends.queue`: questions that may wait for their turn; more are refused at once.
    pub queue: usize,
}

/// Five seconds, eight at once, 64 waiting.
impl Default for BackendLimits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5), concurrent: 8, queue: 64 }
    }
}

/// A back end gave no answer: no account was accepted, and none was refused either.
///
/// Displays for the log what happened; never has a password in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{backend} gave no answer: {why}")]
pub struct Unavailable {
    /// The section of the configuration: `ldap_auth`, ….
    pub backend: &'static str,
    /// The cause, for the operator.
    pub why: String,
}

/// The gate of one back end.
#[derive(Debug)]
pub struct Gate {
    backend: &'static str,
    running: Semaphore,
    places: Semaphore,
    timeout: Duration,
}

impl Gate {
    /// A gate before the back end of that section.
    pub fn new(backend: &'static str, limits: &BackendLimits) -> Self {
        Self {
            backend,
            running: Semaphore::new(limits.concurrent),
            places: Semaphore::new(limits.concurrent + limits.queue),
            timeout: limits.timeout,
        }
    }

    /// Asks when it is this question's turn. The question is dropped at the timeout, or when its caller stops waiting
    /// for the answer: everything that it started must end with it.
    ///
    /// # Errors
    /// Too many are waiting already, the time is up, or the question failed and says why.
    pub async fn ask<T>(&self, question: impl Future<Output = Result<T, String>>) -> Result<T, Unavailable> {
        let Ok(_place) = self.places.try_acquire() else {
            return Err(self.unavailable("too many questions are waiting for it"));
        };
        let answer = timeout(self.timeout, async {
            let _turn = self.running.acquire().await.map_err(|_| "its gate is closed".to_owned())?;
            question.await
        });
        match answer.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) => Err(self.unavailable(why)),
            Err(_) => Err(self.unavailable(format!("no answer within {:?}", self.timeout))),
        }
    }

    /// The error for the log.
    pub fn unavailable(&self, why: impl AsRef<str>) -> Unavailable {
        Unavailable { backend: self.backend, why: one_line(why.as_ref()) }
    }
}

/// Makes a message of a back end fit for a line: it may say anything, at any length.
pub(crate) fn one_line(said: &str) -> String {
    said.chars().take(LONGEST_REASON).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    fn gate(concurrent: usize, queue: usize) -> Gate {
        Gate::new("ldap_auth", &BackendLimits { timeout: Duration::from_millis(50), concurrent, queue })
    }

    #[tokio::test]
    async fn an_answer_comes_through_and_a_failure_is_named() {
        let gate = gate(1, 0);
        assert_eq!(gate.ask(ready(Ok(7))).await, Ok(7));
        let failed = gate.ask(ready(Err::<(), _>("connection refused".to_owned()))).await.unwrap_err();
        assert_eq!(failed.to_string(), "ldap_auth gave no answer: connection refused");
    }

    #[tokio::test]
    async fn a_reason_is_one_line_and_not_without_end() {
        let said = format!("no\r\n2026-01-01 INFO forged\u{1b}[2J{}", "x".repeat(5_000));
        let why = gate(1, 0).ask(ready(Err::<(), _>(said))).await.unwrap_err().why;
        assert!(why.starts_with("no  2026-01-01 INFO forged [2Jx") && why.chars().count() == 400, "{why}");
    }

    #[tokio::test]
    async fn a_back_end_that_hangs_keeps_nobody_longer_than_its_time() {
        let gate = gate(1, 1);
        let (first, second) = tokio::join!(gate.ask(pending::<Result<(), _>>()), gate.ask(ready(Ok(()))));
        assert_eq!(first.unwrap_err().why, "no answer within 50ms");
        assert_eq!(second.unwrap_err().why, "no answer within 50ms", "waiting for a turn counts");
        assert_eq!(gate.ask(ready(Ok(1))).await, Ok(1), "the place is free again");
    }

    #[tokio::test]
    async fn who_finds_the_queue_full_is_told_at_once() {
        let gate = gate(1, 0);
        let (_, second) = tokio::join!(gate.ask(pending::<Result<(), _>>()), gate.ask(ready(Ok(()))));
        assert_eq!(second.unwrap_err().why, "too many questions are waiting for it");
    }
}
