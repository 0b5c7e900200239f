//! Deleting several tags at once: asked first, with what goes and what stays for each, and each decided and written down
//! by itself.

use std::{
    collections::HashMap,
    mem,
    time::{Duration, Instant},
};

use hyper::StatusCode;

use super::{
    answer::Answer,
    attachments::Attachments,
    deletion::{csrf, permit, signed_form},
    page_error::{PageError, PageResult, sentence},
    reader::Reader,
    repository::shown_tags,
    tag_deletion::carry_out,
    visit::{Request, Visit},
};
use crate::{
    proxy::{forward::gather::gather, request::form::Form},
    registry::{ErrorCode, Method, Refusal, RepositoryName, Tag},
    telemetry::Ended,
    ui::{PagePath, SelectedTag, TagFate, TagResult, TagsDeleted, TagsDeletion, views},
};

/// The most tags of one deletion: as many as are on a page of the list.
const MOST: usize = 50;
/// The most tags of a repository among which those on the same images are looked for.
const LOOKED_AT: usize = 1_000;
/// The time for that.
const PATIENCE: Duration = Duration::from_secs(5);
/// The time after which no further deletion begins.
const TIME: Duration = Duration::from_secs(60);

/// The page that asks. The query names the tags.
pub(super) async fn ask(request: &mut Request<'_>, visit: &Visit, name: &RepositoryName) -> PageResult {
    request.log.about(name, None);
    let csrf = csrf(request, visit)?;
    let reader = request.reader(visit);
    let mut all = shown_tags(request, &reader, name).await?;
    let query = Form::parse(request.context.head.uri.query().unwrap_or_default(), None);
    let mut selected: Vec<Tag> = Vec::new();
    for tag in query.all("tag").filter_map(Tag::parse) {
        if !selected.contains(&tag) {
            selected.push(tag);
        }
    }
    let left_out = selected.len().saturating_sub(MOST);
    selected.truncate(MOST);
    let fates = fates(&reader, name, selected, &all).await?;
    let going: Vec<Tag> =
        fates.iter().filter(|(_, fate)| fate.is_none()).map(|(tag, _)| tag.clone()).collect();
    let attachments = Attachments::taken_from(&mut all);
    let goes = going_tags(&reader, name, &going, all, &attachments).await;
    let tags = fates.into_iter().map(|(tag, fate)| {
        let fate = fate.or_else(|| goes.get(&tag).cloned()).unwrap_or(TagFate::Unread);
        SelectedTag { tag: tag.to_string(), fate }
    });
    let page = TagsDeletion { name: name.as_str(), tags: tags.collect(), left_out, csrf: &csrf };
    Ok(Answer::page(views::tags_deletion(&request.frame(), &page)))
}

/// The fate of each tag; `None` for one that the visitor may delete.
async fn fates(
    reader: &Reader,
    name: &RepositoryName,
    selected: Vec<Tag>,
    all: &[Tag],
) -> PageResult<Vec<(Tag, Option<TagFate>)>> {
    let by_tag = reader.snapshot.authorizers.looks_at_tags();
    let mut of_all: Option<Option<TagFate>> = None;
    let mut fates = Vec::new();
    for tag in selected {
        let fate = match &of_all {
            _ if !all.contains(&tag) => Some(TagFate::Gone),
            _ if reader.is_write_once(name, &tag) => Some(TagFate::Locked),
            // Where no rule looks at tags, one answer holds for all: a back end may have to be asked for it.
            Some(fate) if !by_tag => fate.clone(),
            _ => of_all.insert(denied(reader, name, &tag).await?).clone(),
        };
        fates.push((tag, fate));
    }
    Ok(fates)
}

/// The fate of a tag that the visitor may not delete; `None` if it may.
async fn denied(reader: &Reader, name: &RepositoryName, tag: &Tag) -> PageResult<Option<TagFate>> {
    match reader.permit(Method::Delete, &format!("/v2/{name}/manifests/{tag}")).await {
        Ok(Ok(_)) => Ok(None),
        Ok(Err(denial)) => Ok(Some(TagFate::Denied(sentence(&denial.explain(reader.caller.account()))))),
        Err(PageError::NotFound) => Ok(Some(TagFate::Gone)),
        Err(error) => Err(error),
    }
}

/// The fates of tags that go: the digest of each, and the tags among `all` that stay on it.
pub(super) async fn going_tags(
    reader: &Reader,
    name: &RepositoryName,
    going: &[Tag],
    all: Vec<Tag>,
    attachments: &Attachments,
) -> HashMap<Tag, TagFate> {
    if going.is_empty() {
        return HashMap::new();
    }
    let is_small = all.len() <= LOOKED_AT;
    let others = all.into_iter().filter(|tag| is_small && !going.contains(tag));
    // Those that go first: the others may be left out where the time is over.
    let asked: Vec<Tag> = going.iter().cloned().chain(others).collect();
    let digests = gather(asked.clone(), PATIENCE, |tag: Tag| {
        let (reader, name) = (reader.clone(), name.clone());
        async move { reader.digest_of(&name, tag.as_str()).await }
    });
    let digests = digests.await;
    let is_known = |found: &Option<PageResult<_>>| matches!(found, Some(Ok(_) | Err(PageError::NotFound)));
    // Of tags that the visitor may not see, it is not said that there are none.
    let sees_all = reader.may_list(name).await.unwrap_or(false);
    let is_whole = is_small && sees_all && digests.iter().all(is_known);
    let mut on: HashMap<String, Vec<String>> = HashMap::new();
    let mut found = HashMap::new();
    for (tag, digest) in asked.iter().zip(digests) {
        match digest {
            Some(Ok(digest)) if going.contains(tag) => drop(found.insert(tag.clone(), digest.to_string())),
            Some(Ok(digest)) => on.entry(digest.to_string()).or_default().push(tag.to_string()),
            _ => {}
        }
    }
    let fate = |(tag, digest): (Tag, String)| {
        let staying = is_whole.then(|| on.get(&digest).cloned().unwrap_or_default());
        let attachments = attachments.number_of(&digest);
        (tag, TagFate::Goes { digest, staying, attachments })
    };
    found.into_iter().map(fate).collect()
}

/// Deletes the tags of the form, one after another.
pub(super) async fn delete(request: &mut Request<'_>, visit: &Visit, name: &RepositoryName) -> PageResult {
    request.log.about(name, None);
    let form = signed_form(request, visit).await?;
    let wanted = wanted(&form)?;
    if wanted.is_empty() {
        return Ok(Answer::redirect(&request.href(&PagePath::Repository(name.clone()))));
    }
    let began = Instant::now();
    let mut tags = Vec::new();
    for (tag, digest) in wanted {
        let result = match began.elapsed() < TIME {
            true => by_itself(request, visit, (name, &tag), &digest).await,
            false => TagResult::NotTried,
        };
        tags.push((tag.to_string(), result));
    }
    let page = TagsDeleted { name: name.as_str(), tags };
    Ok(Answer::page(views::tags_deleted(&request.frame(), &page)))
}

/// The tags of a form, each with the digest that was shown beside it.
///
/// # Errors
/// There are too many, or one is none.
fn wanted(form: &Form) -> PageResult<Vec<(Tag, String)>> {
    let refuse = |why: &str| PageError::from(Refusal::new(ErrorCode::BadRequest, why));
    let mut wanted: Vec<(Tag, String)> = Vec::new();
    for pair in form.all("tag") {
        let (tag, digest) = pair.split_once('@').ok_or_else(|| refuse("expected a tag with its digest"))?;
        let tag = Tag::parse(tag).ok_or_else(|| refuse("expected the name of a tag"))?;
        if !wanted.iter().any(|(other, _)| *other == tag) {
            wanted.push((tag, digest.to_owned()));
        }
        if wanted.len() > MOST {
            return Err(refuse("these are too many tags for one deletion; select fewer"));
        }
    }
    Ok(wanted)
}

/// Deletes one of several tags, with lines of its own in the audit log.
async fn by_itself(
    request: &mut Request<'_>,
    visit: &Visit,
    (name, tag): (&RepositoryName, &Tag),
    digest: &str,
) -> TagResult {
    let mut other = request.log.part(name, tag.as_str());
    // Dropped in between, where the client is gone, both write their lines.
    mem::swap(request.log, &mut *other);
    let outcome = permitted(request, visit, (name, tag), digest).await;
    if let Err(PageError::Hidden(by)) = &outcome {
        request.log.ruled(|| by.clone());
    }
    let refused = outcome.as_ref().err().map(|error| {
        let refusal = error.refusal();
        (error.status(&refusal), refusal)
    });
    let status = refused.as_ref().map_or(StatusCode::OK, |(status, _)| *status);
    request.log.concluded(refused.as_ref().map(|(_, refusal)| refusal), status);
    request.log.end(Ended::Complete);
    mem::swap(request.log, &mut *other);
    match (outcome, refused) {
        (Ok(()), _) => TagResult::Deleted,
        (Err(PageError::Changed), _) => TagResult::Changed,
        (Err(PageError::NotFound | PageError::Hidden(_)), _) => TagResult::Gone,
        (Err(PageError::Denied(why)), _) => TagResult::Failed(sentence(&why)),
        (Err(_), refused) => {
            TagResult::Failed(refused.map_or_else(String::new, |(_, why)| sentence(&why.message)))
        }
    }
}

async fn permitted(
    request: &mut Request<'_>,
    visit: &Visit,
    (name, tag): (&RepositoryName, &Tag),
    digest: &str,
) -> PageResult<()> {
    let reader = request.reader(visit);
    let permit = permit(request, &reader, name, tag.as_str()).await?;
    request.log.ruled(|| permit.decided_by());
    carry_out(request, &reader, (name, tag), permit, digest).await
}
