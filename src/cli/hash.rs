//! `portwarden hash`: a bcrypt hash for `users:`.

use super::{
    Hash,
    output::{Failure, say},
    password,
};
use crate::authn::{PasswordHash, Secret};

/// Prints what `htpasswd -nB` would print after the colon.
pub(super) fn run(hash: &Hash) -> Result<(), Failure> {
    let password = password::read(true)?;
    let hashed = PasswordHash::create(&Secret::new(password.as_bytes()), hash.cost)
        .map_err(|error| error.to_string())?;
    say(hashed)
}
