//! `portwarden tags release`: the running server ends the claim of an unfinished push.

use super::{
    Release,
    control_client::ask,
    output::{Failure, say},
};
use crate::server::{ControlAnswer, ControlRequest};

/// Has the server end the claim of a tag.
///
/// # Errors
/// It does not end, for the reason that the server gives, or the server cannot be reached.
pub(super) fn run(release: &Release) -> Result<(), Failure> {
    let Release { repository, tag, control } = release;
    let request = ControlRequest::Release { repository: repository.clone(), tag: tag.clone() };
    match ask(&control.socket, &request)?.next()? {
        ControlAnswer::Released { digest, found } => {
            let found = match found {
                Some(found) => format!("the registry shows {found}"),
                None => "the registry has no such tag".to_owned(),
            };
            say(format!("released: {repository}:{tag}, which an unfinished push of {digest} held; {found}"))
        }
        ControlAnswer::Refused { why } => Err(format!("not released: {repository}:{tag}: {why}").into()),
        _ => Err("the server's answer is not understood; after an upgrade, restart it: systemctl restart portwarden".into()),
    }
}
