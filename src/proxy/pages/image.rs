//! The page of an image, an index or an artifact: what its manifest says, and what refers to it.

use std::{collections::BTreeMap, time::Duration};

use super::{
    activity::Known,
    answer::Answer,
    documents::Documents,
    page_error::PageResult,
    reader::{self, Reader},
    repository::{may_delete, may_delete_tag},
    same_image::SameImage,
    signers::signers,
    visit::{Request, Visit},
};
use crate::{
    image::{Attachment, Descriptor, HelmChart, ImageConfig, Manifest},
    proxy::forward::gather::gather,
    registry::{Digest, RepositoryName, Tag},
    ui::{Content, ImagePage, IndexEntry, NoConfig, Reference, Referrer, views},
};

/// Entries of an index whose size is looked up.
const ENTRIES: usize = 100;
/// The timeout for that.
const PATIENCE: Duration = Duration::from_secs(5);

/// The page of what `reference` names.
pub(super) async fn show(
    request: &mut Request<'_>,
    visit: &Visit,
    name: &RepositoryName,
    reference: &Reference,
) -> PageResult {
    let (asked, tag) = match reference {
        Reference::Tag(tag) => (tag.as_str(), Some(tag.as_str())),
        Reference::Digest(digest) => (digest.as_str(), None),
    };
    request.log.about(name, Some(asked));
    let reader = request.reader(visit);
    let found = reader.manifest(name, asked).await?;
    let config = config_of(&reader, name, &found.manifest).await;
    let chart = chart_of(&reader, name, &found.manifest).await;
    let none = BTreeMap::new();
    let annotations = match &found.manifest {
        Manifest::Index { annotations, .. } | Manifest::Image { annotations, .. } => annotations,
        Manifest::Unknown => &none,
    };
    let content = content(&reader, name, &found.manifest, config.as_ref(), chart.as_ref()).await;
    let size = match &content {
        Content::Index(entries) => sum(entries),
        _ => found.manifest.size(),
    };
    let (is_write_once, may_delete_tag) = match reference {
        Reference::Tag(tag) => {
            (reader.is_write_once(name, tag), may_delete_tag(visit, &reader, name, tag).await?)
        }
        Reference::Digest(_) => (false, false),
    };
    let known = Known::of(request.context.snapshot, visit, name, std::iter::once(asked.to_owned())).await;
    let same = SameImage::of(&reader, visit, name, &found.digest).await;
    let referrers = referrers(&reader, visit, name, &found.digest).await;
    let Documents { readme, claims } =
        Documents::of(&reader, name, (&found.digest, &found.manifest), &referrers).await;
    let shown = ImagePage {
        name: name.as_str(),
        size,
        tag,
        is_write_once,
        digest: found.digest.as_str(),
        media_type: &found.media_type,
        content,
        about: about(config.as_ref().ok(), annotations),
        annotations,
        referrers,
        readme,
        claims,
        activity: same.with_push(known.get(asked, Some(found.digest.as_str()))),
        other_tags: same.tags.iter().map(Tag::as_str).filter(|other| tag != Some(*other)).collect(),
        may_delete: !is_write_once && may_delete(visit, &reader, name).await?,
        may_delete_tag,
    };
    Ok(Answer::page(views::image(&request.frame(), &shown)))
}

/// The content of a manifest, with what belongs to it.
async fn content<'m>(
    reader: &Reader,
    name: &RepositoryName,
    manifest: &'m Manifest,
    config: Result<&'m ImageConfig, &'m NoConfig>,
    chart: Option<&'m HelmChart>,
) -> Content<'m> {
    match (manifest, manifest.artifact_kind()) {
        (Manifest::Index { manifests, .. }, _) => Content::Index(entries(reader, name, manifests).await),
        (Manifest::Image { layers, .. }, Some(kind)) => Content::Artifact { kind, files: layers, chart },
        (Manifest::Image { layers, .. }, None) => Content::Image { layers, config },
        (Manifest::Unknown, _) => Content::Unknown,
    }
}

/// The configuration of an image, of an index that of its first one; nothing for another artifact.
async fn config_of(
    reader: &Reader,
    name: &RepositoryName,
    manifest: &Manifest,
) -> Result<ImageConfig, NoConfig> {
    match manifest {
        _ if manifest.artifact_kind().is_some() => Err(NoConfig::Unreadable),
        Manifest::Image { config, .. } => {
            reader.config(name, config).await.unwrap_or(Err(NoConfig::Unreadable))
        }
        Manifest::Index { manifests, .. } => config_of_first(reader, name, manifests).await,
        Manifest::Unknown => Err(NoConfig::Unreadable),
    }
}

/// The fields of a Helm chart; nothing for anything else.
async fn chart_of(reader: &Reader, name: &RepositoryName, manifest: &Manifest) -> Option<HelmChart> {
    let Manifest::Image { config, .. } = manifest else { return None };
    if manifest.artifact_kind().as_deref() != Some("Helm chart") {
        return None;
    }
    HelmChart::parse(&reader.document(name, config).await.ok()?.ok()?)
}

/// The configuration of the first image of an index: it stands for the others.
async fn config_of_first(
    reader: &Reader,
    name: &RepositoryName,
    manifests: &[Descriptor],
) -> Result<ImageConfig, NoConfig> {
    let first = manifests.iter().find(|entry| entry.attested().is_none()).ok_or(NoConfig::Unreadable)?;
    match reader.manifest(name, &first.digest).await.map(|found| found.manifest) {
        Ok(Manifest::Image { config, .. }) => {
            reader.config(name, &config).await.unwrap_or(Err(NoConfig::Unreadable))
        }
        _ => Err(NoConfig::Unreadable),
    }
}

/// The labels and annotations. Annotations count before labels: they are nearer to the push.
fn about(config: Option<&ImageConfig>, annotations: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let labels = config.map(|config| config.labels.clone()).unwrap_or_default();
    labels.into_iter().chain(annotations.clone()).collect()
}

/// The size of all platforms; `None` unless that of each is known, and for more than the list of tags looks into: it has
/// the same size there.
fn sum(entries: &[IndexEntry]) -> Option<u64> {
    let images = entries.iter().filter(|entry| entry.attests.is_none());
    if images.clone().count() > reader::ENTRIES {
        return None;
    }
    images.map(|entry| entry.size).try_fold(0_u64, |sum, size| Some(sum.saturating_add(size?)))
}

async fn entries(reader: &Reader, name: &RepositoryName, manifests: &[Descriptor]) -> Vec<IndexEntry> {
    let digests = manifests.iter().take(ENTRIES).map(|entry| entry.digest.clone()).collect();
    let sizes = gather(digests, PATIENCE, |digest: String| {
        let (reader, name) = (reader.clone(), name.clone());
        async move { reader.manifest(&name, &digest).await.ok().and_then(|found| found.manifest.size()) }
    });
    let sizes = sizes.await.into_iter().map(Option::flatten).chain(std::iter::repeat(None));
    let entry = |(entry, size): (&Descriptor, Option<u64>)| IndexEntry {
        platform: entry.platform.clone(),
        digest: entry.digest.clone(),
        size,
        attests: entry.attested().map(str::to_owned),
    };
    manifests.iter().zip(sizes).map(entry).collect()
}

/// Returns the manifests that refer to one, as the registry lists them (OCI distribution 1.1). For registries that list
/// none, such as registry 2.8, it reads the list that clients leave under a tag. Artifacts that cosign leaves under
/// tags of its own are added.
async fn referrers(reader: &Reader, visit: &Visit, name: &RepositoryName, digest: &Digest) -> Vec<Referrer> {
    let mut all = Vec::new();
    let tag = digest.as_str().replace(':', "-");
    let listed = match reader.referrers(name, digest.as_str()).await {
        Ok(manifests) => manifests,
        Err(_) => match reader.manifest(name, &tag).await.map(|found| found.manifest) {
            Ok(Manifest::Index { manifests, .. }) => manifests,
            _ => Vec::new(),
        },
    };
    all.extend(listed.into_iter().map(|entry| Referrer {
        kind: entry.kind().unwrap_or_else(|| entry.media_type.clone()),
        size: Some(entry.size),
        digest: entry.digest,
        tag: None,
        pushed: None,
        signers: Vec::new(),
    }));
    let tags = ["sig", "att", "sbom"].map(|suffix| format!("{tag}.{suffix}"));
    for tag in &tags {
        let kind = Attachment::of_tag(tag).and_then(|attachment| attachment.kind);
        if let Some(kind) = kind
            && let Ok(found) = reader.manifest(name, tag).await
        {
            let known = Known::of(&reader.snapshot, visit, name, std::iter::once(tag.clone())).await;
            let activity = known.get(tag, Some(found.digest.as_str()));
            let layers = if let Manifest::Image { layers, .. } = &found.manifest { &layers[..] } else { &[] };
            all.push(Referrer {
                kind: kind.to_owned(),
                digest: found.digest.to_string(),
                size: None,
                pushed: activity.and_then(|activity| activity.pushed),
                signers: signers(layers),
                tag: Some(tag.clone()),
            });
        }
    }
    all
}
