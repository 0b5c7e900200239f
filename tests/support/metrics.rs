//! Reading the metrics of a running Portwarden, as a scraper would.

use super::{
    curl::{Request, Response, curl_at},
    portwarden::{Portwarden, port_after},
};

/// For [`super::portwarden::Builder::with`]: metrics and health on a free port.
pub const ON: &str = "metrics: {addr: '127.0.0.1:0'}";

const LISTENS: &str = "metrics and health";

/// A request to the listener for metrics and health.
pub fn watcher(portwarden: &Portwarden) -> Request {
    portwarden.says(LISTENS);
    // The last one: after a restart it has another port.
    let log = portwarden.log();
    let line = log.lines().rfind(|line| line.contains(LISTENS)).expect("it was there");
    curl_at(&format!("http://127.0.0.1:{}", port_after(line, "address=")))
}

/// All of them.
pub fn scrape(portwarden: &Portwarden) -> Response {
    watcher(portwarden).get("/metrics").is(200)
}

/// The value of one, with its labels as they are written: `portwarden_decisions_total{decision="allowed"}`.
pub fn value(portwarden: &Portwarden, metric: &str) -> Option<f64> {
    let text = scrape(portwarden).text();
    text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' ')?.parse().ok())
}
