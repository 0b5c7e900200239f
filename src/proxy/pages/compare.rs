//! Two images of a repository beside each other.

use super::{
    answer::Answer,
    attachments::Attachments,
    page_error::{PageError, PageResult},
    reader::{FoundManifest, Reader},
    repository::shown_tags,
    tag_order,
    visit::{Request, Visit},
};
use crate::{
    image::{Descriptor, Manifest},
    registry::{Digest, RepositoryName, Tag},
    ui::{Compared, Comparison, ComparisonProblem, Order, views},
};

/// The most tags that are offered to choose from.
const OFFERED: usize = 200;
/// The platform that is compared first.
const USUAL: &str = "linux/amd64";

/// The page: the form, and the differences where two images are named.
pub(super) async fn show(request: &mut Request<'_>, visit: &Visit, name: &RepositoryName) -> PageResult {
    request.log.about(name, None);
    let reader = request.reader(visit);
    let mut tags = shown_tags(request, &reader, name).await?;
    drop(Attachments::taken_from(&mut tags));
    tag_order::sort(&mut tags, Order::Version, |tag| tag, |_| None::<u64>);
    let [from, to, platform] =
        ["from", "to", "platform"].map(|field| request.parameter(field).trim().to_owned());
    let mut platforms = Platforms { common: Vec::new(), chosen: String::new() };
    let compared = match from.is_empty() || to.is_empty() {
        true => None,
        false => Some(compare(&reader, name, [&from, &to], &platform, &mut platforms).await?),
    };
    // With the newer one alone, the version before it is proposed.
    let proposed = tags.iter().skip_while(|tag| tag.as_str() != to).nth(1).filter(|_| from.is_empty());
    let page = Comparison {
        name: name.as_str(),
        from: proposed.map_or(&from, Tag::as_str),
        to: &to,
        tags: tags.iter().take(OFFERED).map(Tag::as_str).collect(),
        platforms: platforms.common,
        platform: platforms.chosen,
        compared,
    };
    Ok(Answer::page(views::comparison(&request.frame(), &page)))
}

/// The platforms that both images have.
struct Platforms {
    common: Vec<String>,
    chosen: String,
}

type Problem = Result<[Compared; 2], ComparisonProblem>;

async fn compare(
    reader: &Reader,
    name: &RepositoryName,
    asked: [&str; 2],
    platform: &str,
    platforms: &mut Platforms,
) -> PageResult<Problem> {
    let mut found = Vec::new();
    for asked in asked {
        match read(reader, name, asked).await? {
            Some(manifest) => found.push((asked, manifest)),
            None => return Ok(Err(ComparisonProblem::NotFound(asked.to_owned()))),
        }
    }
    let lists: Vec<Vec<String>> =
        found.iter().filter_map(|(_, found)| platforms_of(&found.manifest)).collect();
    if let Some((first, others)) = lists.split_first() {
        let is_common = |platform: &&String| others.iter().all(|list| list.contains(platform));
        platforms.common = first.iter().filter(is_common).cloned().collect();
        let chosen =
            [platform, USUAL].into_iter().find(|wanted| platforms.common.iter().any(|one| one == wanted));
        let chosen = chosen.map(str::to_owned).or_else(|| platforms.common.first().cloned());
        let Some(chosen) = chosen else { return Ok(Err(ComparisonProblem::NoPlatform)) };
        platforms.chosen = chosen;
    }
    let mut images = Vec::new();
    for (asked, found) in found {
        match compared(reader, name, found, &platforms.chosen).await? {
            Some(image) => images.push(image),
            None => return Ok(Err(ComparisonProblem::NoImage(asked.to_owned()))),
        }
    }
    Ok(<[Compared; 2]>::try_from(images).map_err(|_| ComparisonProblem::NoPlatform))
}

/// The manifest that a tag or a digest names; `None` if there is none that the visitor may pull.
async fn read(reader: &Reader, name: &RepositoryName, asked: &str) -> PageResult<Option<FoundManifest>> {
    if Tag::parse(asked).is_none() && Digest::parse(asked).is_none() {
        return Ok(None);
    }
    match reader.manifest(name, asked).await {
        Ok(found) => Ok(Some(found)),
        Err(PageError::NotFound | PageError::Hidden(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The platforms of an index; `None` for anything else.
fn platforms_of(manifest: &Manifest) -> Option<Vec<String>> {
    let Manifest::Index { manifests, .. } = manifest else { return None };
    Some(images_in(manifests).map(|(platform, _)| platform).collect())
}

/// The images of an index, by their platform.
fn images_in(manifests: &[Descriptor]) -> impl Iterator<Item = (String, &Descriptor)> {
    let images = manifests.iter().filter(|entry| entry.attested().is_none());
    images.filter_map(|entry| Some((entry.platform.as_ref()?.to_string(), entry)))
}

/// An image, or that of an index for the platform; `None` for what is no image.
async fn compared(
    reader: &Reader,
    name: &RepositoryName,
    found: FoundManifest,
    platform: &str,
) -> PageResult<Option<Compared>> {
    let digest = found.digest.to_string();
    let manifest = match found.manifest {
        Manifest::Index { manifests, .. } => {
            let entry = images_in(&manifests).find(|(own, _)| own == platform).map(|(_, entry)| entry);
            let Some(entry) = entry else { return Ok(None) };
            match read(reader, name, &entry.digest).await? {
                Some(found) => found.manifest,
                None => return Ok(None),
            }
        }
        manifest => manifest,
    };
    let size = manifest.size();
    let is_image = manifest.artifact_kind().is_none();
    let Manifest::Image { config, layers, .. } = manifest else { return Ok(None) };
    if !is_image {
        return Ok(None);
    }
    let config = reader.config(name, &config).await?.ok();
    let created = config.as_ref().and_then(|config| config.created);
    Ok(Some(Compared { digest, size, created, layers, config }))
}
