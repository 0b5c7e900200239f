//! `portwarden freeze`, `thaw` and `status`: what is asked of the running server, through its control socket.

use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, UNIX_EPOCH},
};

use serde::Serialize;

use super::{
    ControlSocket, Freeze, Status,
    control_client::ask,
    output::{Failure, say},
};
use crate::{
    acme::CertificateReading,
    server::{ControlAnswer, ControlRequest},
    telemetry::DeliveryReading,
};

/// The exit code of `status` while writes do not pass.
const FROZEN: u8 = 3;

/// Freezes writes, and waits until no write passes any more.
pub(super) fn freeze(freeze: &Freeze) -> Result<(), Failure> {
    if freeze.length < Duration::from_secs(1) {
        return Err("--for must be at least a second".into());
    }
    let request =
        ControlRequest::Freeze { seconds: freeze.length.as_secs(), drain_seconds: freeze.drain.as_secs() };
    let mut answers = ask(&freeze.control.socket, &request)?;
    loop {
        match answers.next()? {
            ControlAnswer::Frozen { seconds, cut_off, replicas } => {
                let at = match replicas {
                    Some(1) => " at 1 replica".to_owned(),
                    Some(replicas) => format!(" at {replicas} replicas"),
                    None => String::new(),
                };
                let length = spoken(seconds);
                say(format!("no writes for {length}{at}, unless you thaw it before: portwarden thaw"))?;
                if cut_off > 0 {
                    say(format!(
                        "{cut_off} writes had not ended within {} and were cut off",
                        spoken(freeze.drain.as_secs())
                    ))?;
                }
                return Ok(());
            }
            ControlAnswer::Draining { pushes: 0 } => {}
            answer @ ControlAnswer::Draining { .. } => say(describe(&answer))?,
            other => return Err(describe(&other).into()),
        }
    }
}

/// Lets writes pass again.
pub(super) fn thaw(control: &ControlSocket) -> Result<(), Failure> {
    match ask(&control.socket, &ControlRequest::Thaw)?.next()? {
        ControlAnswer::Open { thawed: true } => say("writes pass again"),
        ControlAnswer::Open { thawed: false } => say("writes were not frozen"),
        other => Err(describe(&other).into()),
    }
}

/// Reports whether writes pass: exit code 0 when they do, 3 while they are frozen or drain. With `--json`, the answer
/// of the server as it is, with what a shadow has found and how far notifications are sent.
pub(super) fn status(status: &Status) -> Result<ExitCode, Failure> {
    let answer = ask(&status.control.socket, &ControlRequest::Status)?.next()?;
    if let ControlAnswer::Refused { why } = answer {
        return Err(why.into());
    }
    // A server of an earlier version refuses the question.
    let shadow = ask(&status.control.socket, &ControlRequest::Shadow)?.next()?;
    let certificate = match ask(&status.control.socket, &ControlRequest::Certificate)?.next()? {
        ControlAnswer::Certificate(reading) => Some(reading),
        _ => None,
    };
    let notifications = notifications(&status.control.socket)?;
    if status.json {
        let status = StatusInJson { certificate, ..StatusInJson::of(&answer, &shadow, &notifications) };
        say(serde_json::to_string(&status).map_err(|error| error.to_string())?)?;
    } else {
        say(describe(&answer))?;
        if matches!(shadow, ControlAnswer::Shadow { .. }) {
            say(describe(&shadow))?;
        }
        certificate.iter().try_for_each(|reading| say(of_certificate(reading)))?;
        notifications.iter().try_for_each(|reading| say(in_words(reading)))?;
    }
    Ok(if matches!(answer, ControlAnswer::Open { .. }) { ExitCode::SUCCESS } else { ExitCode::from(FROZEN) })
}

/// The state of each endpoint of `notifications`.
fn notifications(socket: &Path) -> Result<Vec<DeliveryReading>, String> {
    let mut answers = ask(socket, &ControlRequest::Notifications)?;
    let mut readings = Vec::new();
    loop {
        match answers.next()? {
            ControlAnswer::Endpoint(reading) => readings.push(reading),
            // The end; or the refusal of a server of an earlier version.
            _ => return Ok(readings),
        }
    }
}

fn in_words(reading: &DeliveryReading) -> String {
    let DeliveryReading { endpoint, waiting, oldest, sent, failed, dropped, error } = reading;
    let age = Some(oldest).filter(|_| *waiting > 0);
    let age = age.map(|age| format!(" (the oldest for {})", spoken(*age))).unwrap_or_default();
    let error = error.as_ref().map(|error| format!("; last attempt: {error}")).unwrap_or_default();
    format!(
        "notifications to {endpoint}: {waiting} waiting{age}, {sent} sent, {dropped} dropped, {failed} failed attempts{error}"
    )
}

fn of_certificate(reading: &CertificateReading) -> String {
    let CertificateReading { host, is_of_authority, expires, next_order, error, last_failure, .. } = reading;
    let at = |seconds: u64| {
        let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH);
        humantime::format_rfc3339_seconds(time).to_string()
    };
    let next = match next_order {
        0 => "an order is under way".to_owned(),
        next => format!("next order at {}", at(*next)),
    };
    let state = match is_of_authority {
        true => format!("expires at {}", at(*expires)),
        false => "not of the authority yet".to_owned(),
    };
    let error = error.as_ref().map(|why| format!("; failed at {}: {why}", at(*last_failure)));
    format!("certificate for {host}: {state}; {next}{}", error.unwrap_or_default())
}

/// The answer to `status`, with what a shadow has found and how far notifications are sent, as JSON.
#[derive(Serialize)]
struct StatusInJson<'a> {
    #[serde(flatten)]
    writes: &'a ControlAnswer,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow: Option<ShadowInJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<CertificateReading>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notifications: &'a [DeliveryReading],
}

#[derive(Serialize)]
struct ShadowInJson<'a> {
    file: &'a str,
    until: &'a str,
    gain: u64,
    loss: u64,
    undecided: u64,
}

impl<'a> StatusInJson<'a> {
    fn of(
        writes: &'a ControlAnswer,
        shadow: &'a ControlAnswer,
        notifications: &'a [DeliveryReading],
    ) -> Self {
        let shadow = match shadow {
            ControlAnswer::Shadow { file, until, gain, loss, undecided } => {
                Some(ShadowInJson { file, until, gain: *gain, loss: *loss, undecided: *undecided })
            }
            _ => None,
        };
        Self { writes, shadow, certificate: None, notifications }
    }
}

fn describe(answer: &ControlAnswer) -> String {
    match answer {
        ControlAnswer::Open { .. } => "open: writes pass".to_owned(),
        ControlAnswer::Draining { pushes: 1 } => "draining: one push is still under way".to_owned(),
        ControlAnswer::Draining { pushes } => format!("draining: {pushes} pushes are still under way"),
        ControlAnswer::Frozen { seconds, .. } => format!("frozen: no writes for {}", spoken(*seconds)),
        ControlAnswer::Shadow { file, until, gain, loss, undecided } => {
            format!("shadow: {file} until {until}: {gain} gain, {loss} lose, {undecided} undecided")
        }
        ControlAnswer::Refused { why } => why.clone(),
        other => format!("not understood: {other:?}"),
    }
}

fn spoken(seconds: u64) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(seconds))
}
