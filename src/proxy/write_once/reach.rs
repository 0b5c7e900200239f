//! The digests that locked tags need: those they name, and those that their manifests name, at any depth of indexes.
//!
//! Layers count as well: registry 2.8 takes a layer out of a repository that is deleted as a manifest.

use std::{collections::HashSet, time::Duration};

use hyper::StatusCode;
use tokio::time::timeout;

use super::{Locked, LockedBy};
use crate::{
    image::NamedDigests,
    proxy::forward::{gather::gather, tag_reader::TagReader},
    registry::{Digest, ErrorCode, Refusal, RepositoryName, Tag},
};

/// The time for one decision.
const PATIENCE: Duration = Duration::from_secs(20);
/// Manifests that are read for one decision.
const MOST: usize = 5_000;

/// The first of the tags that needs the manifest; `None` if none does. A tag that is about a manifest
/// (`sha256-<hex>…`) goes with it: where the rules alone lock it, it counts as its subject does.
///
/// # Errors
/// It cannot be told: the registry does not show all of them, or there are too many.
pub(super) async fn with_what_it_is_about(
    reader: &TagReader<'_>,
    locked: Vec<Locked>,
    target: &Digest,
) -> Result<Option<Locked>, Refusal> {
    if locked.is_empty() {
        return Ok(None);
    }
    // Another spelling, or the digest of another algorithm, may name the same manifest.
    if !target.is_sha256() {
        return Ok(locked.first().cloned());
    }
    let all = async {
        let digests = digests_of(reader, &locked).await?;
        let named: Vec<(Locked, Digest)> = locked.into_iter().zip(digests).collect();
        let (mut open, mut asked) = (vec![target.clone()], HashSet::new());
        while let Some(target) = open.pop() {
            if !asked.insert(target.as_str().to_owned()) {
                continue;
            }
            let mut seen = HashSet::new();
            for (locked, digest) in &named {
                if !reaches(reader, digest.clone(), (&target, locked), &mut seen).await? {
                    continue;
                }
                match (locked, locked.0.subject()) {
                    ((_, LockedBy::Rules), Some(subject)) => open.push(subject),
                    _ => return Ok(Some(locked.clone())),
                }
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
        async move { TagReader { registry: &registry, name: &name }.digest_on(&tag).await }
    });
    let found = found.await.into_iter().zip(locked);
    let digest = |(found, locked): (Option<Result<Option<Digest>, Refusal>>, &Locked)| {
        let found = found.ok_or_else(|| too_much(reader))??;
        found.ok_or_else(|| unreadable(locked, name))
    };
    found.map(digest).collect()
}

/// Returns true if the manifest of a tag is the target, names it, or is an index through which it is reached. What is in
/// `seen` was looked into for another tag, and does not reach it.
async fn reaches(
    reader: &TagReader<'_>,
    root: Digest,
    (target, locked): (&Digest, &Locked),
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
        let named = match named_digests(reader, &digest).await {
            Err(_) if !is_root && reader.is_no_manifest(&digest).await? => continue,
            named => named?,
        };
        match named {
            Some(named) if named.digests.contains(target) => return Ok(true),
            Some(named) if named.is_index => {
                open.extend(named.digests.into_iter().map(|child| (child, false)));
            }
            Some(_) => {}
            // An index may name platforms that were never pushed.
            None if !is_root => {}
            None => return Err(unreadable(locked, reader.name)),
        }
    }
    Ok(false)
}

/// The digests that a manifest names; `None` where there is no such manifest.
async fn named_digests(reader: &TagReader<'_>, digest: &Digest) -> Result<Option<NamedDigests>, Refusal> {
    let Some(manifest) = reader.manifest(digest).await? else { return Ok(None) };
    let named = NamedDigests::read(&manifest);
    named.map(Some).ok_or_else(|| reader.without_manifest(digest, StatusCode::OK))
}

/// The answer where the manifest of a locked tag is gone: what else it needs is not known.
fn unreadable((tag, by): &Locked, name: &RepositoryName) -> Refusal {
    if *by == LockedBy::Rules {
        let why = format!(
            "the manifest of a tag of {name} that your account may not delete cannot be read, so it is not known what must \
             not be deleted; an account that may delete all of {name} can delete this"
        );
        return Refusal::new(ErrorCode::Unavailable, why);
    }
    let why = format!(
        "tag {tag} of {name} is write-once and its manifest cannot be read, so it is not known what must not be deleted; \
         restore the manifest, or take the tag out of tags.write_once for the time of this deletion"
    );
    Refusal::new(ErrorCode::Unavailable, why)
}

fn too_much(reader: &TagReader<'_>) -> Refusal {
    let why = format!(
        "the tags of {} could not be looked through in time, so it is not known whether one that may not be deleted needs \
         this manifest",
        reader.name
    );
    Refusal::new(ErrorCode::Unavailable, why)
}
