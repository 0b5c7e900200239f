//! Many questions to the registry for one answer, some of them at once.

use std::time::Duration;

use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};

/// Questions at once for one answer.
const AT_ONCE: usize = 8;

/// Asks one question for each item, some at once, for `patience` in all: the answers in the order of the items, `None`
/// for those that did not come.
pub(crate) async fn gather<T, A, F>(items: Vec<T>, patience: Duration, ask: impl Fn(T) -> F) -> Vec<Option<A>>
where
    A: Send + 'static,
    F: Future<Output = A> + Send + 'static,
{
    let deadline = Instant::now() + patience;
    let mut answers: Vec<Option<A>> = Vec::new();
    answers.resize_with(items.len(), || None);
    let mut waiting = items.into_iter().enumerate();
    // Dropped with the waiting task: then the questions end.
    let mut asking = JoinSet::new();
    loop {
        while asking.len() < AT_ONCE
            && let Some((place, item)) = waiting.next()
        {
            let answer = ask(item);
            asking.spawn(async move { (place, answer.await) });
        }
        match timeout_at(deadline, asking.join_next()).await {
            Ok(Some(Ok((place, answer)))) => {
                if let Some(slot) = answers.get_mut(place) {
                    *slot = Some(answer);
                }
            }
            Ok(Some(Err(_))) => {}
            Ok(None) | Err(_) => return answers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_come_in_order_and_in_time() {
        let patience = Duration::from_secs(5);
        let answers = gather((0..20_u64).collect(), patience, |n| async move {
            tokio::time::sleep(Duration::from_millis(100 * (20 - n))).await;
            n
        });
        assert_eq!(answers.await, (0..20).map(Some).collect::<Vec<_>>());
        let began = Instant::now();
        let answers = gather(vec![1, 99, 2], patience, |seconds| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            seconds
        });
        assert_eq!(answers.await, [Some(1), None, Some(2)]);
        assert_eq!(began.elapsed(), patience);
    }
}
