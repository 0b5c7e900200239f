//! `portwarden hash`: a bcrypt hash for `users:`.

use serde_json::Value;

use super::{
    Hash,
    output::{Failure, say},
    password,
};
use crate::authn::{PasswordHash, Secret};

/// Prints what `htpasswd -nB` would print after the colon, or with `--user` a whole line for `users:`.
pub(super) fn run(hash: &Hash) -> Result<(), Failure> {
    if hash.user.as_ref().is_some_and(|name| name.contains(|c: char| c == ':' || c.is_control())) {
        // RFC 7617, section 2.
        return Err("--user: a name that signs in has no colon and no control character".into());
    }
    let password = password::read(true)?;
    let hashed = PasswordHash::create(&Secret::new(password.as_bytes()), hash.cost)
        .map_err(|error| error.to_string())?;
    match &hash.user {
        // JSON strings are YAML, whatever stands in them.
        Some(name) => say(format!("{}: {{password: {}}}", Value::from(name.as_str()), Value::from(hashed))),
        None => say(hashed),
    }
}
