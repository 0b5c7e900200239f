//! WebDriver (W3C), as far as the tests speak it: commands in JSON over HTTP, each on a connection of its own.
//!
//! There is no crate for it here: `fantoccini` (0.22.1) rests on Mozilla's `webdriver`, which is MPL-2.0, and brings
//! thirty more, for a dozen commands; and it is asynchronous, while these tests do one thing after the other.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};

use super::raw;

/// The error that chromedriver answers instead of a value.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The error code, such as `no such element`.
    pub error: String,
    /// Its message.
    pub message: String,
}

/// A browser that chromedriver has started. It ends with the session.
pub struct Session {
    driver: SocketAddr,
    id: String,
}

impl Session {
    /// Has a browser started with these capabilities.
    pub fn new(port: u16, capabilities: &Value) -> Self {
        let driver = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let body = json!({"capabilities": {"alwaysMatch": capabilities}});
        let started = send(driver, "POST", "/session", Some(&body))
            .unwrap_or_else(|failure| panic!("no browser: {failure:?}"));
        Self { driver, id: started["sessionId"].as_str().expect("a session").to_owned() }
    }

    /// Asks for something; `command` is the path below the session.
    ///
    /// # Errors
    /// What the browser says instead.
    pub fn get(&self, command: &str) -> Result<Value, Failure> {
        send(self.driver, "GET", &self.path(command), None)
    }

    /// Has something done.
    ///
    /// # Errors
    /// Why it could not be.
    pub fn post(&self, command: &str, parameters: &Value) -> Result<Value, Failure> {
        send(self.driver, "POST", &self.path(command), Some(parameters))
    }

    fn path(&self, command: &str) -> String {
        format!("/session/{}/{command}", self.id)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A driver that has just failed may fail at this as well.
        let _ = send(self.driver, "DELETE", &format!("/session/{}", self.id), None);
    }
}

fn send(driver: SocketAddr, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {driver}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let failure = |error: &str, message: String| Failure { error: error.to_owned(), message };
    let Some(response) = raw::exchange(driver, request.as_bytes()) else {
        return Err(failure("no answer", format!("to {method} {path}")));
    };
    let text = response.text();
    let mut answer: Value =
        serde_json::from_str(&text).map_err(|error| failure("not JSON", format!("{error}: {text}")))?;
    let value = answer["value"].take();
    match value["error"].as_str() {
        // A value may have a field of that name as well; the status tells.
        Some(error) if response.status >= 400 => {
            Err(failure(error, value["message"].as_str().unwrap_or_default().to_owned()))
        }
        _ => Ok(value),
    }
}
