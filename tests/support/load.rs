//! Pulls that go on all the time, for tests of what must not disturb them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{task::JoinHandle, time::sleep};

use super::{
    client::{Client, Connection, Failure},
    process::PATIENCE,
};

/// A pull that is repeated, with its client.
#[derive(Clone)]
pub struct Pull {
    pub client: Client,
    /// The `Authorization` header.
    pub authorization: String,
    pub target: String,
    /// Of what must arrive.
    pub digest: String,
    /// Requests on one connection before the next.
    pub requests: usize,
    /// Between two requests.
    pub pause: Duration,
}

/// Clients that pull until they are stopped. Start and stop it within a runtime.
pub struct Load {
    stopped: Arc<AtomicBool>,
    pulled: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Result<Vec<Duration>, Failure>>>,
}

impl Load {
    /// As many clients for each of `pulls`.
    pub fn start(clients: usize, pulls: &[Pull]) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let each = pulls.iter().flat_map(|pull| std::iter::repeat_n(pull.clone(), clients));
        let pulled = Arc::new(AtomicUsize::new(0));
        let start = |pull: Pull| tokio::spawn(pull.until(Arc::clone(&stopped), Arc::clone(&pulled)));
        let clients = each.map(start).collect();
        Self { stopped, pulled, clients }
    }

    /// Waits until so many more pulls have succeeded; fails the test when they do not.
    pub async fn goes_on(&self, times: usize) {
        let pulled = || self.pulled.load(Ordering::Relaxed);
        let (enough, began) = (pulled() + times, Instant::now());
        while pulled() < enough {
            assert!(began.elapsed() < PATIENCE, "{} of {enough} pulls", pulled());
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Stops them; returns how long each request took. Fails the test when one pull did.
    pub async fn stop(self) -> Vec<Duration> {
        self.stopped.store(true, Ordering::Relaxed);
        let mut times = Vec::new();
        for client in self.clients {
            times.extend(client.await.unwrap().unwrap_or_else(|failure| panic!("a pull failed: {failure}")));
        }
        times
    }
}

impl Pull {
    async fn until(
        self,
        stopped: Arc<AtomicBool>,
        pulled: Arc<AtomicUsize>,
    ) -> Result<Vec<Duration>, Failure> {
        let mut times = Vec::new();
        while !stopped.load(Ordering::Relaxed) {
            let mut connection = self.client.connect().await?;
            for _ in 0..self.requests {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let began = Instant::now();
                self.once(&mut connection).await?;
                times.push(began.elapsed());
                pulled.fetch_add(1, Ordering::Relaxed);
                sleep(self.pause).await;
            }
        }
        Ok(times)
    }

    async fn once(&self, connection: &mut Connection) -> Result<(), Failure> {
        let answer = connection.get(&self.target, &self.authorization).await?;
        if answer.status == 200 && answer.digest == self.digest {
            Ok(())
        } else {
            Err(format!("{answer:?}").into())
        }
    }
}
