//! `portwarden untag`: the running server deletes tags, one by one.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use serde_json::json;

use super::{
    Untag,
    control_client::ask,
    output::{Failure, say},
};
use crate::server::{ControlAnswer, ControlRequest};

/// Has the server delete tags. The exit code is 1 where one was not deleted; the others are deleted all the same.
///
/// # Errors
/// The server cannot be reached, or standard output is closed.
pub(super) fn run(untag: &Untag) -> Result<ExitCode, Failure> {
    let mut failed = false;
    for tag in &untag.tags {
        let deleted = delete(untag, tag)?;
        failed |= deleted.is_err();
        report(untag, tag, &deleted)?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The digest that the tag was on, where that is known; inside, the reason why it is not deleted.
fn delete(untag: &Untag, tag: &str) -> Result<Result<Option<String>, String>, Failure> {
    let request = ControlRequest::Untag { repository: untag.repository.clone(), tag: tag.to_owned() };
    Ok(match ask(&untag.control.socket, &request)?.next()? {
        ControlAnswer::Untagged { digest } => Ok(digest),
        ControlAnswer::Refused { why } => Err(why),
        _ => Err("the server's answer is not understood; after an upgrade, restart it: systemctl restart portwarden"
            .to_owned()),
    })
}

fn report(untag: &Untag, tag: &str, deleted: &Result<Option<String>, String>) -> Result<(), Failure> {
    let repository = &untag.repository;
    if untag.json {
        let (digest, why) = (deleted.as_ref().ok().cloned().flatten(), deleted.as_ref().err());
        return say(json!({
            "repository": repository, "tag": tag, "deleted": deleted.is_ok(), "digest": digest, "why": why,
        }));
    }
    match deleted {
        Ok(Some(digest)) => say(format!("deleted: {repository}:{tag}, which was {digest}")),
        Ok(None) => say(format!("deleted: {repository}:{tag}")),
        Err(why) => {
            let _ = writeln!(io::stderr(), "not deleted: {repository}:{tag}: {why}");
            Ok(())
        }
    }
}
