//! Programs that wait for a person at any replica of a shared state: device authorization (RFC 8628).
//!
//! Texts about them are sealed by their owner. Strangers cause these questions to the store: they have turns of their
//! own, and tell nothing about whether the store can be used.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};

use super::{State, sql::Store, stored::StoreError};

/// The time that a question to the store takes at most.
const ANSWER: Duration = Duration::from_secs(2);
/// The same where the answer would be lost: more than a connection and a statement take.
const TAKE: Duration = Duration::from_secs(12);
/// The pause before the end of a session is sent again to a store that gave no answer.
const PAUSE: Duration = Duration::from_millis(500);

/// A program that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLogin {
    /// A name that tells nothing about its device code.
    pub id: String,
    /// The code that a person types.
    pub user_code: String,
    /// The request, sealed.
    pub request: String,
}

/// The standing of a program that asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceLoginStanding {
    /// No person has answered yet.
    Waits,
    /// A person has answered. It is gone with this.
    Answered {
        /// The program.
        login: DeviceLogin,
        /// The answer, sealed.
        answer: String,
        /// The session in which it was given; `None` once that has ended.
        session: Option<String>,
    },
    /// It is not known.
    Gone,
}

/// The programs that wait at all replicas.
pub struct SharedDeviceLogins<'a> {
    state: &'a State,
    store: Arc<Store>,
}

impl State {
    /// The programs that wait at all replicas; `None` where there are no others.
    pub fn device_logins(&self) -> Option<SharedDeviceLogins<'_>> {
        Some(SharedDeviceLogins { state: self, store: self.shared_store()? })
    }
}

impl SharedDeviceLogins<'_> {
    /// Stores a program that waits, for so many seconds, and forgets the one that was given up for it. Returns false if
    /// there is no room.
    ///
    /// # Errors
    /// It may be stored or not.
    pub async fn begin(
        &self,
        login: DeviceLogin,
        given_up: Option<String>,
        seconds: u64,
    ) -> Result<bool, StoreError> {
        let begin = async move |store: Arc<Store>| {
            store.begin_device_login(&login, given_up.as_deref(), seconds).await
        };
        self.ask(ANSWER, begin).await
    }

    /// The program that waits unanswered with this user code.
    ///
    /// # Errors
    /// It is not known.
    pub async fn find(&self, user_code: String) -> Result<Option<DeviceLogin>, StoreError> {
        self.ask(ANSWER, async move |store: Arc<Store>| store.device_login(&user_code).await).await
    }

    /// Answers the program `id`, for a session or for none. Returns false if it does not wait any longer.
    ///
    /// # Errors
    /// It may be answered or not.
    pub async fn answer(
        &self,
        id: String,
        session: Option<String>,
        answer: String,
    ) -> Result<bool, StoreError> {
        let answer =
            async move |store: Arc<Store>| store.answer_device_login(&id, session.as_deref(), &answer).await;
        self.ask(ANSWER, answer).await
    }

    /// Tells how the program `id` stands. One question of all gets its answer.
    ///
    /// # Errors
    /// It is not known. The answer may be lost.
    pub async fn take(&self, id: String) -> Result<DeviceLoginStanding, StoreError> {
        self.ask(TAKE, async move |store: Arc<Store>| store.take_device_login(&id).await).await
    }

    /// Takes a session that ends away from the answers that were given in it. If the store gives no answer, this is tried
    /// again, for as long as answers of now may count.
    pub async fn end_session(&self, session: String, count_for: Duration) {
        let store = Arc::clone(&self.store);
        let tell = async move {
            while store.end_device_logins(&session).await.is_err() {
                sleep(PAUSE).await;
            }
        };
        let told = tokio::spawn(timeout(count_for, tell));
        let _ = timeout(ANSWER, told).await;
    }

    async fn ask<T: Send + 'static, F>(
        &self,
        patience: Duration,
        question: impl FnOnce(Arc<Store>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        State::in_turn(&self.state.follower.device_turns, &self.store, patience, question).await
    }
}
