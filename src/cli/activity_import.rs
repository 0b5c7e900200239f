//! `portwarden activity import`: the activity that an audit log tells of, for the running server.

use std::{mem, process::ExitCode};

use super::{
    ActivityImport,
    audit_files::Files,
    control_client::ask,
    output::{Failure, say},
    replay::counted,
    table::day,
};
use crate::{
    activity::{Entry, Import, Reach},
    server::{ControlAnswer, ControlRequest},
};

/// Bytes of records in a request: the server takes some more.
const AT_A_TIME: usize = 48 << 10;
/// Bytes that a record takes beside its texts, at most: its times, and the pulls of thirty days.
const OVERHEAD: usize = 1024;

/// Reads the log, and hands its records to the server. The exit code is 1 where its time does not count as on record.
///
/// # Errors
/// A file cannot be read, the server cannot be reached, or has no state file.
pub(super) fn run(wanted: &ActivityImport) -> Result<ExitCode, Failure> {
    let mut import = Import::default();
    let files = Files::read(&wanted.audit, |_, line| import.line(line))?;
    let (entries, reach) = import.end();
    let number = entries.len() as u64;
    let send = |request: &ControlRequest| match ask(&wanted.control.socket, request)?.next()? {
        ControlAnswer::Refused { why } => Err(why),
        answer => Ok(answer),
    };
    for entries in batches(entries) {
        send(&ControlRequest::ImportActivity { entries })?;
    }
    say(format!("{} of {}", counted(number, "record"), counted(reach.lines, "line")))?;
    for broken in &files.broken {
        say(broken)?;
    }
    let Some((from, until)) = reach.whole().filter(|_| files.broken.is_empty()) else {
        say(format!("the log counts as incomplete: {}", incomplete(&reach)))?;
        return Ok(ExitCode::FAILURE);
    };
    let ControlAnswer::ActivitySince { at } = send(&ControlRequest::ExtendActivity { from, until })? else {
        return Err("the server's answer is not understood; after an upgrade, restart it".into());
    };
    say(format!("every request since {} is on record", day(at)))?;
    if at > until {
        say(format!("the log ends on {}: what happened between is not on record", day(until)))?;
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// The reason why a log is not whole.
fn incomplete(reach: &Reach) -> String {
    match reach {
        Reach { lines: 0, .. } => "it has no line".to_owned(),
        Reach { unreadable: 0, .. } => "a file breaks off".to_owned(),
        Reach { unreadable, .. } => format!("{} cannot be read", counted(*unreadable, "line")),
    }
}

/// Parts of the records that fit into a request each.
fn batches(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let (mut all, mut part, mut bytes) = (Vec::new(), Vec::new(), 0);
    for entry in entries {
        let length = serde_json::to_string(&entry).map_or(OVERHEAD, |text| text.len() + 1);
        if bytes + length > AT_A_TIME && !part.is_empty() {
            all.push(mem::take(&mut part));
            bytes = 0;
        }
        bytes += length;
        part.push(entry);
    }
    all.extend((!part.is_empty()).then_some(part));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::{Activity, Last};

    #[test]
    fn records_go_in_parts_that_a_request_has_room_for() {
        let entry = |n: u64| Entry {
            repository: "r".repeat(250),
            reference: format!("t{n}"),
            activity: Activity::request(Last::new(n, &"\u{1}".repeat(128)), true),
        };
        let parts = batches((0..1000).map(entry).collect());
        assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), 1000);
        for entries in parts {
            let request = serde_json::to_string(&ControlRequest::ImportActivity { entries }).unwrap();
            assert!(request.len() < 60 << 10, "{}", request.len());
        }
        assert_eq!(batches(Vec::new()).len(), 0);
    }
}
