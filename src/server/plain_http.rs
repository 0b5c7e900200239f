//! The answer to a client that speaks HTTP without TLS on a port that speaks TLS. Without one, it shows its user an
//! alert of TLS as "malformed HTTP response".

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

/// In the registry's words, whatever was going to be asked for.
const ANSWER: &str = concat!(
    "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nCache-Control: no-store\r\n",
    "Content-Type: application/json; charset=utf-8\r\nContent-Length: 117\r\n\r\n",
    r#"{"errors":[{"code":"UNSUPPORTED","message":"this port speaks HTTPS, the request came in plain HTTP: use https://"}]}"#,
    "\n"
);

/// Answers 400 and closes.
///
/// # Errors
/// The client has gone.
pub(super) async fn refuse(mut stream: impl AsyncWrite + Unpin) -> io::Result<()> {
    stream.write_all(ANSWER.as_bytes()).await?;
    stream.shutdown().await
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
