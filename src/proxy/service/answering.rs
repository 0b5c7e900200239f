//! Reads that are answered from the registry's files alone (`registry.storage_answers`), and the proof that they are its.

use std::time::{Duration, Instant};

use hyper::{HeaderMap, Response, StatusCode, header};
use tokio::time::sleep;

use super::Service;
use crate::{
    authz::Permit,
    limits::Slot,
    net::within,
    proxy::{
        FreezeStatus, Snapshot,
        forward::{
            stored_reads::{Asker, Content, StoredAnswer, StoredReads},
            subrequest::Subrequest,
        },
        request::context::RequestContext,
        response::arriving::{Arriving, Held, StoredBlob},
        stored_answers::{Form, Probe, StoredAnswers},
    },
    registry::{Method, RepositoryName, UploadId},
    storage::{NotRead, Storage},
};

/// The time for a proof.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longer than the clock of a file system stands still.
const TICK: Duration = Duration::from_millis(50);

/// The id of an upload, in the answer to its beginning.
const UPLOAD_ID: &str = "docker-upload-uuid";

impl Service {
    /// The answer to a read that is permitted, from the files alone; `None` where the registry is to be asked.
    pub(super) async fn answer_from_storage(
        &self,
        permit: &Permit,
        context: RequestContext<'_>,
        slot: impl FnOnce() -> Option<Slot>,
    ) -> Option<Response<Arriving>> {
        let reads = StoredReads::of(context.snapshot)?;
        let form = Form::of(permit.route())?;
        let slot = || Some(slot()?.of(context.in_flight));
        let answer = reads.read((form, permit.route()), &context.head.headers, Asker::Client, slot).await;
        self.telemetry.metrics.answered_from_storage(answer.as_ref().err().copied().unwrap_or("storage"));
        let StoredAnswer { headers, content, slot } = answer.ok()?;
        let body = match (content, slot) {
            (_, None) => Arriving::Held(Held::empty()),
            (Content::Blob(reader), Some(slot)) => {
                Arriving::Stored(Box::new(StoredBlob::new(reader, &self.budget, slot)))
            }
            (Content::Text(text), Some(slot)) => Arriving::Held(Held::new(text, &self.budget, slot)),
            (Content::LongText(text), Some(slot)) => {
                Arriving::Held(Held::new(text, &self.budget, slot).without_length())
            }
        };
        let mut response = Response::new(body);
        *response.headers_mut() = headers;
        Some(response)
    }

    /// Proves, once a minute, that `registry.storage` has the files of this registry: when the registry goes on with an
    /// upload, that shows in them at once. In a copy of the files it would not. While there is no proof, the registry is
    /// asked for everything.
    pub async fn prove_storage(&self) {
        let (snapshot, began) = (self.snapshot.load_full(), Instant::now());
        let (Some(storage), Some(answers)) = (&snapshot.storage, &snapshot.answers) else { return };
        if !answers.is_due(began) {
            return;
        }
        let proving = within(PATIENCE, self.prove(storage, answers, &snapshot));
        let result = proving.await.unwrap_or_else(|| Err(format!("no proof within {PATIENCE:?}")));
        let why = result.as_ref().err().cloned();
        let is_news = answers.proved(result, began);
        if let (None, Some(upload)) = (&why, answers.upload()) {
            self.learn_lists(&upload.name, answers, &snapshot).await;
        }
        if is_news {
            let path = storage.path().display();
            match why {
                None => {
                    tracing::info!(%path, "reads are answered from registry.storage: it has the files of this registry");
                }
                Some(why) => tracing::error!(
                    %path, why,
                    "no read is answered from registry.storage: it is not shown to have the files of this registry, which \
                     is asked for everything; tried again every 10 s"
                ),
            }
        }
    }

    /// Learns the form of the registry's lists, which differs by version.
    async fn learn_lists(&self, name: &RepositoryName, answers: &StoredAnswers, snapshot: &Snapshot) {
        let registry = Subrequest::of_operator(&self.upstream.load(), snapshot);
        let Some(permit) = tags_of(name) else { return };
        if let Some(Ok(list)) = within(PATIENCE, registry.ask(&permit, "application/json")).await {
            answers.learn(permit.route(), &HeaderMap::new(), list.status, &list.headers);
        }
    }

    /// Returns true while reads are answered from files.
    pub(super) fn answers_from_storage(&self) -> bool {
        self.snapshot.load().answers.as_ref().is_some_and(|answers| answers.is_proven(Instant::now()))
    }

    /// The reason why reads are not answered from files although `registry.storage_answers` is on.
    pub fn without_storage_answers(&self) -> Option<String> {
        self.snapshot.load().answers.as_ref()?.off(Instant::now())
    }

    async fn prove(
        &self,
        storage: &Storage,
        answers: &StoredAnswers,
        snapshot: &Snapshot,
    ) -> Result<(), String> {
        if !storage.is_local() {
            return Err(
                "its file system may show what the files were a while ago: a network file system, FUSE or \
                        an overlay"
                    .to_owned(),
            );
        }
        if self.freeze.status() != FreezeStatus::Open {
            return Err("writes are frozen, and the proof is a write".to_owned());
        }
        let registry = Subrequest::of_operator(&self.upstream.load(), snapshot);
        if let Some(upload) = answers.upload()
            && let Some(proof) = go_on(upload, storage, answers, &registry).await
        {
            return proof;
        }
        let name = known_repository(storage, &registry).await?;
        let permit = Permit::to_begin_probe(&name).ok_or("the name of a repository is none")?;
        let begun =
            registry.send(&permit, "*/*", None).await.map_err(|unanswered| unanswered.refusal.message)?;
        if begun.status != StatusCode::ACCEPTED {
            return Err(format!(
                "the registry answers {} to the beginning of an upload",
                begun.status.as_u16()
            ));
        }
        let id = begun.headers.get(UPLOAD_ID).and_then(|id| UploadId::parse(id.to_str().ok()?));
        let location = location_of(&begun.headers).ok_or("the registry says not where an upload is")?;
        let upload = Probe { name, id: id.ok_or("the registry names no upload")?, location };
        let gone = || Err("the registry does not know an upload that it has just begun".to_owned());
        go_on(upload, storage, answers, &registry).await.unwrap_or_else(gone)
    }
}

/// Goes on with an upload, by no byte, and looks whether that shows in the files. It is kept for the next time: registry 2.8
/// leaves files of one that is ended. `None` where the registry does not know it any more.
async fn go_on(
    upload: Probe,
    storage: &Storage,
    answers: &StoredAnswers,
    registry: &Subrequest,
) -> Option<Result<(), String>> {
    let Probe { name, id, location } = &upload;
    let before = storage.upload_stamp(name, id).await;
    // The clock of some file systems goes on every few milliseconds only.
    sleep(TICK).await;
    let permit = Permit::to_probe(name, location.path(), location.query())?;
    let sent = registry.send(&permit, "*/*", Some(("application/octet-stream", ""))).await;
    let reply = match sent {
        Ok(reply) => reply,
        Err(unanswered) => return Some(Err(unanswered.refusal.message)),
    };
    if reply.status != StatusCode::ACCEPTED {
        answers.keep_upload(None);
        let why = format!("the registry answers {} to a part of an upload", reply.status.as_u16());
        let is_gone = matches!(reply.status, StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST);
        return (!is_gone).then_some(Err(why));
    }
    let after = storage.upload_stamp(name, id).await;
    let why = format!("an upload of the registry in {name} does not show in the files");
    let location = location_of(&reply.headers);
    answers.keep_upload(location.map(|location| Probe { location, ..upload }));
    Some(match (before, after) {
        (Ok(Some(before)), Ok(Some(after))) if before != after => Ok(()),
        (Err(error), _) | (_, Err(error)) => Err(unreadable(&error)),
        _ => Err(why),
    })
}

fn location_of(headers: &HeaderMap) -> Option<hyper::Uri> {
    headers.get(header::LOCATION)?.to_str().ok()?.parse().ok()
}

fn unreadable(error: &NotRead) -> String {
    format!("the files cannot be read: {error}")
}

/// A repository that the files show and the registry has too, so that the proof makes none.
async fn known_repository(storage: &Storage, registry: &Subrequest) -> Result<RepositoryName, String> {
    let found = storage.some_repository().await.map_err(|error| unreadable(&error))?;
    let name = found.ok_or("the files show no repository with a tag")?;
    let tags =
        registry.ask(&tags_of(&name).ok_or("the name of a repository is none")?, "application/json").await;
    match tags.map_err(|refusal| refusal.message)?.status {
        StatusCode::OK => Ok(name),
        status => Err(format!("the registry answers {} about {name}, which the files show", status.as_u16())),
    }
}

/// The permit to read the tags of a repository.
fn tags_of(name: &RepositoryName) -> Option<Permit> {
    Permit::to_decide(Method::Get, &format!("/v2/{name}/tags/list"), None)
}
