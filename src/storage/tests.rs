//! A blob is read from its file byte for byte, or not at all.

use std::{future::poll_fn, io::ErrorKind, os::unix::fs::symlink, path::PathBuf};

use super::*;

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
        assert!(matches!(read, Err(NotRead::Other(found)) if found == size), "{size}: {read:?}");
    }
    std::fs::remove_file(&stored.file).unwrap();
    assert!(matches!(stored.read(7, 0..7, 7).await, Err(NotRead::Missing)));
    std::fs::create_dir(&stored.file).unwrap();
    assert!(matches!(stored.read(7, 0..7, 7).await, Err(NotRead::Other(7))));
    std::fs::remove_dir(&stored.file).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &stored.file, Mode::RUSR | Mode::WUSR).unwrap();
    assert!(matches!(stored.read(0, 0..0, 7).await, Err(NotRead::Other(0))), "a pipe");
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
