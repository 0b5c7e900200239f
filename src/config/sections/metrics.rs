//! `metrics:`: the listener for metrics and health.

use std::net::SocketAddr;

use crate::config::{
    diagnostics::finding::Report,
    schema::{File, Text},
    values::address,
};

/// `metrics.addr`; `None` where there is no such listener, or after an error.
pub(crate) fn address(file: &File, report: &mut Report<'_>) -> Option<SocketAddr> {
    let Text(written) = file.metrics.as_ref()?.addr.as_ref()?;
    match address::socket_address(written) {
        Ok(address) => {
            if !address.ip().to_canonical().is_loopback() {
                let hint =
                    "Listen on 127.0.0.1, or let a firewall see to it that only your monitoring can connect";
                report.warn("metrics.addr", "others than this machine can read the metrics", hint);
            }
            Some(address)
        }
        Err(error) => {
            report.error("metrics.addr", error.message(), "Write `127.0.0.1:9090`");
            None
        }
    }
}
