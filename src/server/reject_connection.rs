//! The answer to a connection for which there is no slot, where it can be read: without TLS.
//!
//! With TLS the connection is closed before its handshake, which would cost more than it is worth.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::listener::Accepted;

/// In the registry's words, whatever was going to be asked for.
const ANSWER: &str = concat!(
    "HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nRetry-After: 5\r\nCache-Control: no-store\r\n",
    "Content-Type: application/json; charset=utf-8\r\nContent-Length: 105\r\n\r\n",
    r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"too many connections from your address","detail":null}]}"#,
    "\n"
);

/// The number that are answered at the same time; more are closed without a word.
const AT_ONCE: usize = 64;
/// Bounds on the time, and on the bytes that are read of the client's input, so that closing does not take the answer
/// from it (RFC 9112 section 9.6).
const TIME: Duration = Duration::from_secs(1);
const BYTES: u64 = 64 << 10;

/// Answers 429 and closes.
pub(super) fn reject_connection(accepted: Accepted) {
    static ANSWERING: AtomicUsize = AtomicUsize::new(0);
    if ANSWERING.fetch_add(1, Ordering::Relaxed) >= AT_ONCE {
        ANSWERING.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    tokio::spawn(async move {
        let _ = timeout(TIME, async {
            let mut stream = accepted.here()?;
            stream.write_all(ANSWER.as_bytes()).await?;
            stream.shutdown().await?;
            tokio::io::copy(&mut stream.take(BYTES), &mut tokio::io::sink()).await
        })
        .await;
        ANSWERING.fetch_sub(1, Ordering::Relaxed);
    });
}

#[cfg(test)]
mod tests {
    use super::ANSWER;

    #[test]
    fn the_answer_has_the_length_that_it_says() {
        let (head, body) = ANSWER.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{}", body.len());
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
