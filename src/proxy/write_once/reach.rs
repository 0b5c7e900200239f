//! The manifests that write-once tags need: those they name, and those that an index names, at any depth.

use std::{collections::HashSet, time::Duration};

use tokio::time::timeout;

use super::{Locked, tags::TagReader, unreadable};
use crate::{
    proxy::forward::gather::gather,
    registry::{Digest, ErrorCode, Refusal, Tag},
};

/// The time for one decision.
const PATIENCE: Duration = Duration::from_secs(20);
/// Manifests that are read for one decision.
const MOST: usize = 5_000;

/// The first of the tags that needs the manifest; `None` if none does.
///
/// # Errors
/// It cannot be told: the registry does not show all of them, or there are too many.
pub(super) async fn reaching(
    reader: &TagReader<'_>,
    locked: &[Locked],
    target: &Digest,
) -> Result<Option<Locked>, Refusal> {
    if locked.is_empty() {
        return Ok(None);
    }
    // Another spelling, or the digest of another algorithm, may name the same manifest.
    if !is_sha256(target) {
        return Ok(locked.first().cloned());
    }
    let all = async {
        let digests = digests_of(reader, locked).await?;
        let mut seen = HashSet::new();
        for (locked, digest) in locked.iter().zip(digests) {
            if reaches(reader, digest, (target, &locked.0), &mut seen).await? {
                return Ok(Some(locked.clone()));
            }
        }
        Ok(None)
    };
    timeout(PATIENCE, all).await.unwrap_or_else(|_| Err(too_much(reader)))
}

/// The digest of each tag.
async fn digests_of(reader: &TagReader<'_>, locked: &[Locked]) -> Result<Vec<Digest>, Refusal> {
    let (registry, name) = (reader.registry, reader.name);
    let tags: Vec<Tag> = locked.iter().map(|(tag, _)| tag.clone()).collect();
    let found = gather(tags, PATIENCE, |tag| {
        let (registry, name) = (registry.clone(), name.clone());
        async move { TagReader { registry: &registry, name: &name }.digest_of(&tag).await }
    });
    let found = found.await.into_iter().zip(locked);
    let digest = |(found, (tag, _)): (Option<Result<Option<Digest>, Refusal>>, &Locked)| {
        let found = found.ok_or_else(|| too_much(reader))??;
        found.ok_or_else(|| unreadable(tag, name))
    };
    found.map(digest).collect()
}

/// Returns true if the manifest of a tag is the target, or an index through which it is reached. What is in `seen` was looked into
/// for another tag, and does not reach it.
async fn reaches(
    reader: &TagReader<'_>,
    root: Digest,
    (target, tag): (&Digest, &Tag),
    seen: &mut HashSet<String>,
) -> Result<bool, Refusal> {
    let mut open = vec![(root, true)];
    while let Some((digest, is_root)) = open.pop() {
        if digest == *target {
            return Ok(true);
        }
        if !seen.insert(digest.as_str().to_owned()) {
            continue;
        }
        if seen.len() > MOST {
            return Err(too_much(reader));
        }
        match reader.children(&digest).await? {
            Some(children) => open.extend(children.into_iter().map(|child| (child, false))),
            // An index may name platforms that were never pushed.
            None if !is_root => {}
            None => return Err(unreadable(tag, reader.name)),
        }
    }
    Ok(false)
}

/// Returns true for a SHA-256 digest as it is written: in small letters.
fn is_sha256(digest: &Digest) -> bool {
    let hex = digest.as_str().strip_prefix("sha256:").unwrap_or_default();
    hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn too_much(reader: &TagReader<'_>) -> Refusal {
    let why = format!(
        "the write-once tags of {} could not be looked through in time, so it is not known whether one needs this manifest",
        reader.name
    );
    Refusal::new(ErrorCode::Unavailable, why)
}
