//! `portwarden explain --jwt`: the account and the labels of a JWT, or the reason why it is no login.

use std::path::Path;

use super::{
    login_file,
    output::{Failure, say},
    policy_query::PolicyEvaluator,
};
use crate::workload::{Login, Workload};

/// Reads the JWT in `file`, asks each issuer of the configuration about it, and prints the answer. Never prints the
/// JWT.
///
/// # Errors
/// No issuer takes it; the reason of each.
pub(super) fn read(file: &Path, evaluator: &PolicyEvaluator, json: bool) -> Result<Login, Failure> {
    let name = file.display();
    let bytes = login_file::read("--jwt", file, "a JWT")?;
    let text =
        String::from_utf8(bytes).map_err(|_| format!("--jwt {name}: expected a JWT, found other bytes"))?;
    let workload = Workload::new(&evaluator.config.workload, None)?;
    if workload.issuers().is_empty() {
        return Err(format!("--jwt {name}: the configuration has no issuer (`workload_auth`)").into());
    }
    let now = login_file::now();
    let mut reasons = Vec::new();
    for issuer in workload.issuers() {
        let looked_at = evaluator.wait_for(issuer.look_at(text.trim(), now));
        match looked_at.and_then(|unproved| unproved.prove()) {
            Ok(login) => {
                if json {
                    return Ok(login);
                }
                say(format!("the JWT is a login as {} (issuer {:?})", login.account, issuer.name()))?;
                login_file::say_labels(&login.labels)?;
                return Ok(login);
            }
            Err(error) => reasons.push(format!("issuer {:?}: {error}", issuer.name())),
        }
    }
    Err(format!("--jwt {name}: no login: {}", reasons.join("; ")).into())
}
