//! Summaries of tagged manifests, made by a [`Reader`] and kept by digest: the content of a digest never changes, so that a
//! list of tags costs a question for each tag and not four.
//!
//! The visitor's right to see it has been checked before: only the registry's answer reveals the digest of a tag.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::{
    page_error::PageResult,
    reader::{ENTRIES, FoundManifest, Reader, lasting},
};
use crate::{
    image::{Descriptor, ImageConfig, Manifest},
    proxy::WebOrigin,
    registry::{Digest, RepositoryName, Tag},
    ui::{NoConfig, PlatformSize, StoreFault, Summary},
};

/// The summaries of two generations: unused ones of the older go when the younger is full.
#[derive(Debug, Default)]
pub(super) struct Summaries(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<String, Summary>,
    old: HashMap<String, Summary>,
    /// The object stores that were followed for them.
    stores: Vec<WebOrigin>,
}

/// Platforms of an index that are named in its summary, and the characters of a text that are: summaries are kept.
const NAMED: usize = 32;
const LONGEST: usize = 64;
/// The most in a generation; some 300 bytes each, and 40 more for each further platform.
const MOST: usize = 8192;

/// Digests that are looked for by their beginning.
const A_FEW: usize = 4;

impl Summaries {
    /// Returns the summary of a manifest, if it is kept.
    pub(super) fn get(&self, digest: &str) -> Option<Summary> {
        let mut generations = self.0.lock();
        if let Some(summary) = generations.young.get(digest) {
            return Some(summary.clone());
        }
        let summary = generations.old.remove(digest)?;
        generations.keep(summary.clone());
        Some(summary)
    }

    /// Returns digests that are kept and begin with these hexadecimal digits: a few of them.
    pub(super) fn beginning_with(&self, digits: &str) -> Vec<String> {
        let generations = self.0.lock();
        let kept = generations.young.keys().chain(generations.old.keys());
        let begins =
            |digest: &&String| digest.strip_prefix("sha256:").is_some_and(|hex| hex.starts_with(digits));
        kept.filter(begins).take(A_FEW).cloned().collect()
    }

    /// Forgets all if other object stores were followed for them: there may be more to read now.
    pub(super) fn made_with(&self, stores: &[WebOrigin]) {
        let mut generations = self.0.lock();
        if generations.stores != stores {
            *generations = Generations { stores: stores.to_vec(), ..Generations::default() };
        }
    }

    /// Keeps a summary that was made with these object stores. After a reload with others it is dropped: there may be
    /// more to read now.
    pub(super) fn keep(&self, summary: Summary, stores: &[WebOrigin]) {
        let mut generations = self.0.lock();
        if generations.stores == stores {
            generations.keep(summary);
        }
    }
}

impl Generations {
    fn keep(&mut self, summary: Summary) {
        if self.young.len() >= MOST {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(summary.digest.clone(), summary);
    }
}

impl Reader {
    /// Returns a summary of a tag's manifest; `None` where that cannot be read.
    pub(super) async fn summary(&self, name: &RepositoryName, tag: &Tag) -> Option<Summary> {
        let digest = self.digest_of(name, tag.as_str()).await.ok()?;
        if let Some(summary) = self.summaries.get(digest.as_str()) {
            return Some(summary);
        }
        let (summary, lasts) = self.summarise(name, &digest).await.ok()?;
        if lasts {
            self.summaries.keep(summary.clone(), &self.snapshot.settings.follow_redirects);
        }
        Some(summary)
    }

    /// Summarises a manifest. Returns true beside the summary if it will be the same the next time.
    ///
    /// # Errors
    /// The manifest cannot be read now.
    async fn summarise(&self, name: &RepositoryName, digest: &Digest) -> PageResult<(Summary, bool)> {
        let found = self.manifest(name, digest.as_str()).await?;
        let mut summary = Summary {
            digest: digest.to_string(),
            size: found.manifest.size(),
            platforms: Vec::new(),
            created: None,
            artifact: found.manifest.artifact_kind().map(|kind| cut(&kind)),
            is_attested: false,
        };
        let mut lasts = true;
        match &found.manifest {
            Manifest::Image { config, .. } if summary.artifact.is_none() => {
                let read = self.config(name, config).await?;
                lasts = is_lasting(&read);
                if let Ok(config) = read {
                    let platform =
                        PlatformSize { name: cut(&config.platform.to_string()), size: summary.size };
                    summary.platforms = Some(platform).into_iter().filter(|p| !p.name.is_empty()).collect();
                    summary.created = config.created;
                }
            }
            Manifest::Index { manifests, .. } => {
                lasts = self.summarise_index(name, manifests, &mut summary).await?;
            }
            _ => {}
        }
        Ok((summary, lasts))
    }

    /// Adds up sizes, and takes the date of the first image. Returns true if they will be the same the next time.
    async fn summarise_index(
        &self,
        name: &RepositoryName,
        manifests: &[Descriptor],
        summary: &mut Summary,
    ) -> PageResult<bool> {
        let mut lasts = true;
        let images: Vec<&Descriptor> = manifests.iter().filter(|entry| entry.attested().is_none()).collect();
        summary.is_attested = images.len() < manifests.len();
        let mut size = (images.len() <= ENTRIES).then_some(0_u64);
        for (at, entry) in images.into_iter().take(NAMED).enumerate() {
            let found = match at < ENTRIES {
                true => lasting(self.manifest(name, &entry.digest).await)?,
                false => None,
            };
            let of_this = found.as_ref().and_then(|found| found.manifest.size());
            size = size.zip(of_this).map(|(all, one)| all.saturating_add(one));
            if let Some(platform) = &entry.platform {
                summary.platforms.push(PlatformSize { name: cut(&platform.to_string()), size: of_this });
            }
            if let (None, Some(FoundManifest { manifest: Manifest::Image { config, .. }, .. })) =
                (summary.created, &found)
            {
                let read = self.config(name, config).await?;
                lasts &= is_lasting(&read);
                summary.created = read.ok().and_then(|config| config.created);
            }
        }
        summary.size = size;
        Ok(lasts)
    }
}

/// Returns false if an object store failed in a way that may be over in a moment.
fn is_lasting(read: &Result<ImageConfig, NoConfig>) -> bool {
    !matches!(read, Err(NoConfig::Store { fault, .. }) if *fault != StoreFault::TooLarge)
}

/// As much of a text as is kept.
fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.split_at(end).0),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(n: usize) -> Summary {
        Summary { digest: n.to_string(), ..Summary::default() }
    }

    #[test]
    fn what_is_asked_for_stays_and_memory_is_bounded() {
        let summaries = Summaries::default();
        for n in 0..5 * MOST {
            summaries.keep(summary(n), &[]);
            assert!(summaries.get("0").is_some(), "{n}");
        }
        assert!(summaries.get("1").is_none());
        let generations = summaries.0.lock();
        assert!(generations.young.len() + generations.old.len() <= 2 * MOST);
    }

    #[test]
    fn a_summary_made_before_a_reload_is_not_kept_after_it() {
        let stores = [WebOrigin::parse("https://store.example").unwrap()];
        let summaries = Summaries::default();
        summaries.made_with(&stores);
        summaries.keep(summary(1), &[]);
        assert!(summaries.get("1").is_none());
        summaries.keep(summary(1), &stores);
        assert!(summaries.get("1").is_some());
    }
}
