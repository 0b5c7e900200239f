//! A blob is read from its file byte for byte, or not at all.

use std::{future::poll_fn, io::ErrorKind, os::unix::fs::symlink, path::PathBuf};

use super::{linked::LinkedManifest, *};
use crate::registry::{RepositoryName, Tag};

/// A storage with one blob.
struct Stored {
    directory: tempfile::TempDir,
    storage: Storage,
    digest: Digest,
    file: PathBuf,
}

fn stored(content: &[u8]) -> Stored {
    let directory = tempfile::tempdir().unwrap();
    let digest = Digest::of(content);
    let file = directory.path().join(blob_path(&digest).unwrap());
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, content).unwrap();
    let storage = Storage::open(directory.path()).unwrap();
    Stored { directory, storage, digest, file }
}

impl Stored {
    /// The bytes of a part, in pieces of up to `most`.
    async fn read(&self, size: u64, part: Range<u64>, most: usize) -> Result<io::Result<Vec<u8>>, NotRead> {
        let mut reader = self.storage.blob(&self.digest, size, part).await?;
        let mut all = Vec::new();
        while let Some(piece) = poll_fn(|cx| reader.poll_piece(cx, most)).await {
            match piece {
                Ok(piece) => all.extend_from_slice(&piece),
                Err(error) => return Ok(Err(error)),
            }
        }
        assert_eq!(reader.left(), 0);
        Ok(Ok(all))
    }
}

fn random(bytes: usize) -> Vec<u8> {
    let mut random = vec![0; bytes];
    aws_lc_rs::rand::fill(&mut random).unwrap();
    random
}

#[tokio::test]
async fn each_part_is_read_byte_for_byte_in_pieces_of_any_size() {
    let content = random(300_000);
    let stored = stored(&content);
    for (part, most) in [(0..300_000, 300_001), (0..300_000, 4096), (17..4113, 1000), (299_999..300_000, 5)] {
        let read = stored.read(300_000, part.clone(), most).await.unwrap().unwrap();
        let expected = &content[usize::try_from(part.start).unwrap()..usize::try_from(part.end).unwrap()];
        assert!(read == expected, "{part:?} in pieces of {most}");
    }
    assert!(stored.read(300_000, 5..5, 10).await.unwrap().unwrap().is_empty());
}

#[tokio::test]
async fn pieces_that_are_kept_stay_as_they_were() {
    let content = random(64 << 10);
    let stored = stored(&content);
    let mut reader = stored.storage.blob(&stored.digest, 64 << 10, 0..64 << 10).await.unwrap();
    let mut kept = Vec::new();
    while let Some(piece) = poll_fn(|cx| reader.poll_piece(cx, 4096)).await {
        kept.push(piece.unwrap());
    }
    assert!(kept.concat() == content);
}

#[tokio::test]
async fn what_is_not_a_file_of_that_size_is_not_read() {
    let stored = stored(b"content");
    for (size, part) in [(6, 0..6), (8, 0..8), (7, 0..8)] {
        let read = stored.storage.blob(&stored.digest, size, part).await;
        assert!(matches!(read, Err(NotRead::Other)), "{size}: {read:?}");
    }
    std::fs::remove_file(&stored.file).unwrap();
    assert!(matches!(stored.read(7, 0..7, 7).await, Err(NotRead::Missing)));
    std::fs::create_dir(&stored.file).unwrap();
    assert!(matches!(stored.read(7, 0..7, 7).await, Err(NotRead::Other)));
    std::fs::remove_dir(&stored.file).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &stored.file, Mode::RUSR | Mode::WUSR).unwrap();
    assert!(matches!(stored.read(0, 0..0, 7).await, Err(NotRead::Other)), "a pipe");
}

#[tokio::test]
async fn no_link_is_followed() {
    let stored = stored(b"content");
    let elsewhere = stored.directory.path().join("elsewhere");
    std::fs::rename(&stored.file, &elsewhere).unwrap();
    // From within the directory, and to a place within.
    symlink("../".repeat(7) + "elsewhere", &stored.file).unwrap();
    assert!(std::fs::read(&stored.file).is_ok());
    assert!(matches!(stored.read(7, 0..7, 7).await, Err(NotRead::Unreadable(_))));
    let parent = stored.file.parent().unwrap();
    std::fs::remove_file(&stored.file).unwrap();
    std::fs::rename(&elsewhere, parent.join("data")).unwrap();
    assert_eq!(stored.read(7, 0..7, 7).await.unwrap().unwrap(), b"content");
    let moved = stored.directory.path().join("moved");
    std::fs::rename(parent, &moved).unwrap();
    symlink("../".repeat(6) + "moved", parent).unwrap();
    assert!(std::fs::read(&stored.file).is_ok());
    assert!(matches!(stored.read(7, 0..7, 7).await, Err(NotRead::Unreadable(_))));
}

#[tokio::test]
async fn a_file_that_shrinks_while_it_is_read_breaks_off() {
    let stored = stored(&random(100_000));
    let mut reader = stored.storage.blob(&stored.digest, 100_000, 0..100_000).await.unwrap();
    poll_fn(|cx| reader.poll_piece(cx, 1000)).await.unwrap().unwrap();
    std::fs::OpenOptions::new().write(true).open(&stored.file).unwrap().set_len(1500).unwrap();
    assert_eq!(poll_fn(|cx| reader.poll_piece(cx, 1000)).await.unwrap().unwrap().len(), 500);
    let error = poll_fn(|cx| reader.poll_piece(cx, 1000)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn other_digests_than_sha256_have_no_file() {
    let stored = stored(b"content");
    let digest = Digest::parse(&format!("sha512:{}", "0".repeat(128))).unwrap();
    assert!(matches!(stored.storage.blob(&digest, 7, 0..7).await, Err(NotRead::Missing)));
}

const NAME: &str = "team/app";

/// A repository's file with a digest in it.
fn link(stored: &Stored, path: &str, digest: &Digest) -> PathBuf {
    let file = stored.directory.path().join(format!("docker/registry/v2/repositories/{NAME}/{path}/link"));
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, digest.as_str()).unwrap();
    file
}

/// The links of a blob, of a manifest, and of a tag.
fn links(stored: &Stored) -> [PathBuf; 3] {
    let hex = hex_of(&stored.digest).unwrap();
    ["_layers/sha256/", "_manifests/revisions/sha256/"]
        .map(|kind| kind.to_owned() + hex)
        .into_iter()
        .chain(["_manifests/tags/v1/current".to_owned()])
        .map(|path| link(stored, &path, &stored.digest))
        .collect::<Vec<_>>()
        .try_into()
        .unwrap()
}

impl Stored {
    /// The reasons why the blob, the manifest by digest and by tag are not read; empty for what is read as it should be.
    async fn looks(&self, content: &[u8]) -> [&'static str; 3] {
        let name = RepositoryName::parse(NAME).unwrap();
        let blob = match self.storage.linked_blob(&name, &self.digest).await {
            Ok(mut reader) => {
                let piece = poll_fn(|cx| reader.poll_piece(cx, usize::MAX)).await;
                assert_eq!(piece.map_or_else(Vec::new, |piece| piece.unwrap().to_vec()), content);
                ""
            }
            Err(why) => why.as_str(),
        };
        let tag = crate::registry::Tag::parse("v1").unwrap();
        let by_digest = self.storage.linked_manifest(&name, &self.digest).await;
        let by_tag = self.storage.tagged_manifest(&name, &tag).await;
        let outcome = |found: Result<LinkedManifest, NotRead>| match found {
            Ok(found) => {
                assert!(found.content == content && found.digest == self.digest);
                ""
            }
            Err(why) => why.as_str(),
        };
        [blob, outcome(by_digest), outcome(by_tag)]
    }
}

#[tokio::test]
async fn rule_66_what_a_repository_has_no_link_to_is_not_read() {
    let stored = stored(b"content");
    let [blob, manifest, tag] = links(&stored);
    assert_eq!(stored.looks(b"content").await, ["", "", ""]);
    std::fs::remove_file(&tag).unwrap();
    assert_eq!(stored.looks(b"content").await, ["", "", "missing"]);
    std::fs::remove_file(&blob).unwrap();
    assert_eq!(stored.looks(b"content").await, ["missing", "", "missing"]);
    std::fs::remove_file(&manifest).unwrap();
    assert_eq!(stored.looks(b"content").await, ["missing"; 3]);
}

#[tokio::test]
async fn rule_66_an_alias_half_a_link_and_a_link_of_another_kind_are_not_followed() {
    let stored = stored(b"content");
    let other = Digest::of(b"other");
    let half = &stored.digest.as_str()[..40];
    let more = format!("{}\n", stored.digest);
    for content in [other.as_str(), half, "", more.as_str(), "sha512:0"] {
        for link in links(&stored) {
            std::fs::write(&link, content).unwrap();
        }
        // A tag leads to another manifest, which is not there.
        let of_tag = if content == other.as_str() { "missing" } else { "other" };
        assert_eq!(stored.looks(b"content").await, ["other", "other", of_tag], "{content:?}");
    }
    for file in links(&stored) {
        let kept = file.with_extension("kept");
        std::fs::rename(&file, &kept).unwrap();
        symlink(kept.file_name().unwrap(), &file).unwrap();
    }
    assert_eq!(stored.looks(b"content").await, ["unreadable"; 3]);
    for file in links(&stored) {
        std::fs::remove_file(&file).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &file, Mode::RUSR | Mode::WUSR).unwrap();
    }
    assert_eq!(stored.looks(b"content").await, ["other"; 3], "pipes");
}

#[tokio::test]
async fn rule_66_a_manifest_that_is_not_whole_is_not_read() {
    let stored = stored(b"content");
    links(&stored);
    for content in [&b"conten"[..], b"contenx", b"content ", b""] {
        std::fs::write(&stored.file, content).unwrap();
        let of_blob = if content.is_empty() { "other" } else { "" };
        assert_eq!(stored.looks(content).await.map(|why| why), [of_blob, "other", "other"], "{content:?}");
    }
    let large = vec![b' '; 65 << 10];
    let stored = self::stored(&large);
    links(&stored);
    assert_eq!(stored.looks(&large).await[1..], ["other", "other"]);
}

#[tokio::test]
async fn a_repository_with_tags_is_found_and_an_upload_seen() {
    let stored = stored(b"content");
    let root = stored.directory.path().join("docker/registry/v2/repositories");
    // As many as a registry keeps of repositories that were deleted.
    (0..3000)
        .for_each(|n| std::fs::create_dir_all(root.join(format!("a/empty{n}/_manifests/tags"))).unwrap());
    assert_eq!(stored.storage.some_repository().await.unwrap(), None);
    links(&stored);
    let name = RepositoryName::parse(NAME).unwrap();
    assert_eq!(stored.storage.some_repository().await.unwrap().as_ref(), Some(&name));
    let id = crate::registry::UploadId::parse("1-2").unwrap();
    let stamp = async || stored.storage.upload_stamp(&name, &id).await.unwrap();
    assert_eq!(stamp().await, None);
    let states = root.join(NAME).join("_uploads/1-2/hashstates/sha256");
    std::fs::create_dir_all(&states).unwrap();
    assert_eq!(stamp().await, None);
    std::fs::write(states.join("0"), "state").unwrap();
    let first = stamp().await;
    assert!(first.is_some() && stamp().await == first);
    std::fs::write(states.join("other"), "state").unwrap();
    std::fs::rename(states.join("other"), states.join("0")).unwrap();
    assert_ne!(stamp().await, first);
    std::fs::hard_link(states.join("0"), states.join("copy")).unwrap();
    assert!(stored.storage.upload_stamp(&name, &id).await.is_err(), "a copy of hard links shows it as well");
    std::fs::remove_file(states.join("copy")).unwrap();
    symlink("team", root.join("b")).unwrap();
    let behind = RepositoryName::parse("b/app").unwrap();
    assert!(stored.storage.upload_stamp(&behind, &id).await.is_err());
}

/// A storage with these directories below `repositories`.
fn directories(paths: &[&str]) -> Stored {
    let stored = stored(b"a");
    for path in paths {
        std::fs::create_dir_all(stored.repositories().join(path)).unwrap();
    }
    stored
}

impl Stored {
    fn repositories(&self) -> PathBuf {
        self.directory.path().join(STORE).join("repositories")
    }

    /// The repositories behind `last`, and a `+` where there are more.
    async fn listed(&self, last: &str, most: usize) -> Result<String, &'static str> {
        let found = self.storage.repositories(Part { lists: Lists::V2, last, most }).await;
        let found = found.map_err(|error| error.as_str())?;
        Ok(found.names.join(" ") + if found.has_more { " +" } else { "" })
    }

    async fn tags(&self, name: &str) -> Result<usize, &'static str> {
        let tags = self.storage.tags(&RepositoryName::parse(name).unwrap()).await;
        tags.map(|tags| tags.len()).map_err(|error| error.as_str())
    }
}

#[tokio::test]
async fn rule_66_walks_for_clients_that_hung_up_leave_threads_for_others() {
    let stored = stored(b"a");
    let (goes_on, waits) = std::sync::mpsc::channel::<()>();
    let waits = Arc::new(parking_lot::Mutex::new(waits));
    for _ in 0..WALKS {
        let (began, has_begun) = tokio::sync::oneshot::channel();
        let waits = Arc::clone(&waits);
        let walk = stored.storage.walk(move |_| {
            let _ = began.send(());
            let _ = waits.lock().recv();
            Ok(())
        });
        tokio::select! {
            walked = walk => panic!("{walked:?}"),
            begun = has_begun => begun.unwrap(),
        }
    }
    assert_eq!(stored.listed("", 1).await, Err("slow"));
    stored.storage.look_on_a_thread(|_| Ok(())).await.unwrap();
    drop(goes_on);
    while stored.listed("", 1).await == Err("slow") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn repositories_are_listed_as_a_registry_walks() {
    let names = ["b/_layers", "a/_layers", "a/_manifests/x", "a-b/_layers", "a/b/_layers", "Upper/c/_layers"];
    let stored = directories(&[&names[..], &["empty/in/vain", "_no/d/_layers", "only/_manifests"]].concat());
    assert_eq!(stored.listed("", 100).await.unwrap(), "Upper/c a a/b a-b b");
    assert_eq!(stored.listed("a", 100).await.unwrap(), "a/b a-b b");
    assert_eq!(stored.listed("a/c", 100).await.unwrap(), "a-b b");
    // A page is known to be full in the next directory, be it of a repository or not.
    assert_eq!(stored.listed("", 2).await.unwrap(), "Upper/c a +");
    assert_eq!(stored.listed("a/b", 2).await.unwrap(), "a-b b +");
    assert_eq!(stored.listed("zoo", 2).await.unwrap(), "");
    std::fs::create_dir_all(stored.repositories().join("n/1/_layers")).unwrap();
    std::fs::create_dir_all(stored.repositories().join("n/_layers")).unwrap();
    assert_eq!(stored.listed("b", 100).await.unwrap(), "n/1 n", "a digit comes before an underscore");
    assert_eq!(stored.listed("b", 1).await, Err("other"), "here registries go on or stumble");
}

#[tokio::test]
async fn rule_66_a_list_with_something_else_in_it_is_not_read() {
    let stored = directories(&["a/_layers", "a/_manifests/tags/1/current", "a/_manifests/tags/2"]);
    let tags = stored.repositories().join("a/_manifests/tags");
    assert_eq!(stored.tags("a").await, Ok(2));
    assert_eq!(stored.tags("none").await, Err("missing"));
    let (a, one) = (RepositoryName::parse("a").unwrap(), Tag::parse("1").unwrap());
    assert!(stored.storage.lacks_tag(&a, &one).await, "a tag that is half deleted");
    std::fs::write(tags.join("1/current/link"), b"half").unwrap();
    assert!(!stored.storage.lacks_tag(&a, &one).await, "the registry knows what it leads to");
    for (name, in_tags) in [("3", &tags), ("x", &stored.repositories())] {
        for make in [
            |path: &PathBuf| std::fs::write(path, b"").unwrap(),
            |path: &PathBuf| symlink("a", path).unwrap(),
            |path: &PathBuf| std::fs::create_dir(path.with_file_name("a b")).unwrap(),
        ] {
            make(&in_tags.join(name));
            let is_left = [stored.tags("a").await.err(), stored.listed("", 9).await.err()];
            assert_eq!(is_left.iter().flatten().collect::<Vec<_>>(), [&"other"], "{name}");
            let _ = std::fs::remove_file(in_tags.join(name));
            let _ = std::fs::remove_dir(in_tags.join("a b"));
        }
    }
    std::fs::rename(&tags, tags.with_extension("kept")).unwrap();
    symlink("tags.kept", &tags).unwrap();
    assert_eq!(stored.tags("a").await, Err("unreadable"));
    // The registry looks into no directory with a colon.
    std::fs::create_dir_all(stored.repositories().join("h.x:5000/a/_manifests/tags/1")).unwrap();
    assert_eq!(stored.tags("h.x:5000/a").await, Err("other"));
}
