//! `portwarden explain --jwt`: the account and the labels of a JWT, or the reason why it is no login.

use std::{
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    output::{Failure, say},
    policy_query::PolicyEvaluator,
};
use crate::workload::{Login, Workload};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 64 << 10;

/// Reads the JWT in `file`, asks each issuer of the configuration about it, and prints the answer. Never prints the
/// JWT.
///
/// # Errors
/// No issuer takes it; the reason of each.
pub(super) fn read(file: &Path, evaluator: &PolicyEvaluator, json: bool) -> Result<Login, Failure> {
    let name = file.display();
    let size = fs::metadata(file).map_err(|error| format!("--jwt {name}: {error}"))?.len();
    if size > LARGEST {
        return Err(format!(
            "--jwt {name}: expected a JWT, found {size} bytes; name a file with the JWT alone"
        )
        .into());
    }
    let text = fs::read_to_string(file).map_err(|error| format!("--jwt {name}: {error}"))?;
    let workload = Workload::new(&evaluator.config.workload, None)?;
    if workload.issuers().is_empty() {
        return Err(format!("--jwt {name}: the configuration has no issuer (`workload_auth`)").into());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut reasons = Vec::new();
    for issuer in workload.issuers() {
        let looked_at = evaluator.wait_for(issuer.look_at(text.trim(), now));
        match looked_at.and_then(|unproved| unproved.prove()) {
            Ok(login) => {
                if json {
                    return Ok(login);
                }
                say(format!("the JWT is a login as {} (issuer {:?})", login.account, issuer.name()))?;
                for (label, values) in &login.labels {
                    say(format!("  {label}: {}", values.join(" ")))?;
                }
                return Ok(login);
            }
            Err(error) => reasons.push(format!("issuer {:?}: {error}", issuer.name())),
        }
    }
    Err(format!("--jwt {name}: no login: {}", reasons.join("; ")).into())
}
