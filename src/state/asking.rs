//! Questions to the store, in tasks of their own, each with a deadline.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use super::{State, sql::Store, stored::StoreResult};

/// Questions that wait for the store at the same time.
pub(super) const AT_ONCE: usize = 64;
/// The same for those that pages ask about activity: much at a time.
pub(super) const OF_PAGES: usize = 4;
/// The same for those that strangers cause.
pub(super) const OF_STRANGERS: usize = 16;

impl State {
    /// Returns true if revocations can be stored, as far as is known.
    pub fn is_up(&self) -> bool {
        self.store.is_ok() && self.trouble.lock().is_none()
    }

    /// The reason why revocations cannot be stored, where they should be.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().clone()
    }

    /// Asks the store, in a task of its own: what was begun there is ended even if the request is given up.
    pub(super) async fn ask<T: Send + 'static, F>(
        &self,
        store: &Arc<Store>,
        patience: Duration,
        question: impl FnOnce(Arc<Store>) -> F,
    ) -> StoreResult<T>
    where
        F: Future<Output = StoreResult<T>> + Send + 'static,
    {
        let answer = Self::in_turn(&self.turns, store, patience, question).await;
        self.note(&answer);
        answer
    }

    /// Asks in a task of its own, when it is its turn.
    ///
    /// # Errors
    /// [`Store::too_slow`] without an answer in time, the wait for a turn included, or where the task panicked.
    pub(super) async fn in_turn<T: Send + 'static, F>(
        turns: &Arc<Semaphore>,
        store: &Arc<Store>,
        patience: Duration,
        question: impl FnOnce(Arc<Store>) -> F,
    ) -> StoreResult<T>
    where
        F: Future<Output = StoreResult<T>> + Send + 'static,
    {
        let asked = async {
            let turn = Arc::clone(turns).acquire_owned().await;
            let question = question(Arc::clone(store));
            let task = async move {
                let _turn = turn;
                question.await
            };
            tokio::spawn(task).await
        };
        let answer = tokio::time::timeout(patience, asked).await.ok().and_then(Result::ok);
        answer.unwrap_or_else(|| Err(store.too_slow()))
    }

    /// Remembers whether the store can be used, for the metrics and `/readyz`. A revocation that is not stored yet is worse
    /// than claims that could be.
    pub(super) fn note<T>(&self, answer: &StoreResult<T>) {
        match answer {
            Err(error) => *self.trouble.lock() = Some(error.to_string()),
            Ok(_) if self.unstored.try_lock().is_ok_and(|unstored| unstored.is_empty()) => {
                *self.trouble.lock() = None;
            }
            Ok(_) => {}
        }
    }
}
