//! Blobs from the registry's own files (`registry.storage`): each answer is the one that the registry gives, header for
//! header and byte for byte, whatever is the matter with the files.
//!
//! Needs: curl, docker-registry, htpasswd, skopeo.

use std::{
    fs::{self, OpenOptions},
    io::Read as _,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crate::support::{
    command,
    curl::{Request, Response, curl},
    distribution::{push_blob, push_image},
    image::{Image, random_bytes, sha256},
    metrics::{self, value},
    portwarden::{ADMIN, Portwarden, USER, portwarden, program},
    process::{PATIENCE, eventually},
    registry::{Registry, registry},
    skopeo::skopeo,
};

/// Two before the same registry: with its files, and without.
struct Both {
    registry: Registry,
    with: Portwarden,
    without: Portwarden,
}

fn both() -> Both {
    let registry = registry();
    fs::create_dir_all(registry.store()).unwrap();
    let (with, without) = (reading(&registry, &registry.store()), portwarden(&registry).start());
    Both { registry, with, without }
}

fn reading(registry: &Registry, store: &Path) -> Portwarden {
    let store = format!("'{}'", store.display());
    portwarden(registry).registry_setting("storage", &store).with(metrics::ON).start()
}

fn count(warden: &Portwarden, outcome: &str) -> f64 {
    value(warden, &format!("portwarden_stored_blobs_total{{outcome=\"{outcome}\"}}")).unwrap()
}

/// All of an answer but the time, the name of the request, the ports, and the boundary of several ranges, which is random.
pub fn shown(answer: &Response) -> (i32, u16, Vec<(String, String)>, Vec<u8>) {
    let differs = |name: &str| ["date", "x-request-id", "location"].contains(&name);
    let mut headers: Vec<_> = answer.headers.iter().filter(|(name, _)| !differs(name)).cloned().collect();
    headers.sort();
    let mut body = answer.body.clone();
    for (_, value) in &mut headers {
        if let Some(boundary) = value.strip_prefix("multipart/byteranges; boundary=") {
            while let Some(at) = body.windows(boundary.len()).position(|bytes| bytes == boundary.as_bytes()) {
                body.drain(at..at + boundary.len());
            }
            *value = "multipart/byteranges".to_owned();
        }
    }
    (answer.exit, answer.status, headers, body)
}

impl Both {
    fn push(&self, name: &str, content: &[u8]) -> String {
        push_blob(&curl(&self.without).user(ADMIN), name, content)
    }

    /// The answer, which is the same from both.
    #[track_caller]
    fn same(&self, target: &str, asked: impl Fn(Request) -> Request) -> Response {
        let [with, without] =
            [&self.with, &self.without].map(|warden| asked(curl(warden).user(ADMIN)).get(target));
        assert!(shown(&with) == shown(&without), "{target}: {:?}\n{:?}", with.headers, without.headers);
        with
    }

    /// Fails the test unless that blob comes whole, in this way.
    #[track_caller]
    fn comes(&self, target: &str, content: &[u8], outcome: &str) {
        let before = count(&self.with, outcome);
        let answer = self.same(target, |request| request);
        assert!(answer.status == 200 && answer.body == content, "{}", answer.status);
        assert_eq!(count(&self.with, outcome), before + 1.0, "{outcome}");
    }
}

#[test]
fn rule_59_each_answer_is_the_registrys_own() {
    let both = both();
    let content = random_bytes(3 << 20);
    let digest = both.push("team/app", &content);
    let empty = both.push("team/app", b"");
    let elsewhere = both.push("other/app", b"elsewhere");
    let etag = format!("If-None-Match: \"{digest}\"");
    let blob = |name: &str, digest: &str| format!("/v2/{name}/blobs/{digest}");
    let target = blob("team/app", &digest);
    both.comes(&target, &content, "file");
    both.comes(&blob("team/app", &empty), b"", "file");
    for (range, status) in [
        ("bytes=0-0", 206),
        ("bytes=5-1999999", 206),
        ("bytes=3145727-", 206),
        ("bytes=-7", 206),
        ("bytes=0-99999999", 206),
        ("bytes=3145728-", 416),
        ("bytes=9-3", 416),
        ("bytes=0-0,9-9", 206),
        ("bytes=", 200),
        ("items=0-1", 416),
    ] {
        for protocol in ["--http1.1", "--http2"] {
            let header = format!("Range: {range}");
            let answer = both.same(&target, |request| request.option(&[protocol]).header(&header));
            assert_eq!(answer.status, status, "{range}");
        }
    }
    let files = count(&both.with, "file");
    both.same(&target, |request| request.header(&etag));
    both.same(&target, |request| request.header("If-Match: \"other\""));
    both.same(&target, |request| request.header("If-Range: \"other\"").header("Range: bytes=1-2"));
    both.same(&target, |request| request.header("Accept-Encoding: gzip"));
    both.same(&blob("team/app", &elsewhere), |request| request);
    both.same(&blob("none/app", &digest), |request| request);
    both.same(&blob("team/app", &sha256(b"unknown")), |request| request);
    both.same(&blob("team/app", &format!("sha512:{}", "0".repeat(128))), |request| request);
    assert_eq!(count(&both.with, "file"), files + 2.0, "If-Range and Accept-Encoding");
    let denied = curl(&both.with).get(&target).is(401);
    assert!(denied.header("www-authenticate").is_some());
}

#[test]
fn rule_59_a_blob_that_left_its_repository_is_gone_with_the_next_request() {
    let both = both();
    let content = random_bytes(100_000);
    let digest = both.push("team/app", &content);
    both.push("other/app", &content);
    let target = format!("/v2/team/app/blobs/{digest}");
    both.comes(&target, &content, "file");
    let link = "docker/registry/v2/repositories/team/app/_layers/sha256";
    fs::remove_file(both.registry.store().join(link).join(&digest["sha256:".len()..]).join("link")).unwrap();
    assert_eq!(both.same(&target, |request| request).status, 404);
    let other = format!("/v2/other/app/blobs/{digest}");
    both.comes(&other, &content, "file");
    curl(&both.without).user(ADMIN).send("DELETE", &other).is(202);
    assert_eq!(both.same(&other, |request| request).status, 404);
}

#[test]
fn rule_59_a_file_that_is_not_as_it_should_be_is_left_to_the_registry() {
    let both = both();
    let content = random_bytes(100_000);
    let digest = both.push("team/app", &content);
    let (target, file) = (format!("/v2/team/app/blobs/{digest}"), both.registry.blob_file(&digest));
    let kept = file.with_extension("kept");
    fs::rename(&file, &kept).unwrap();
    symlink(kept.file_name().unwrap(), &file).unwrap();
    both.comes(&target, &content, "unreadable");
    fs::remove_file(&file).unwrap();
    assert_eq!(both.same(&target, |request| request).status, 404);
    fs::rename(&kept, &file).unwrap();
    both.comes(&target, &content, "file");
    OpenOptions::new().write(true).open(&file).unwrap().set_len(99_999).unwrap();
    // The registry sends it as it finds it, by its own word of the length.
    let answer = both.same(&target, |request| request);
    assert_eq!((answer.status, answer.body.len()), (200, 99_999));
}

#[test]
fn rule_59_a_wrong_directory_harms_nothing_and_is_said_once_a_minute() {
    let registry = registry();
    let wrong = tempfile::tempdir().unwrap();
    let warden = reading(&registry, wrong.path());
    let content = random_bytes(100_000);
    let digest = push_blob(&curl(&warden).user(ADMIN), "team/app", &content);
    for _ in 0..3 {
        let answer = curl(&warden).user(ADMIN).get(&format!("/v2/team/app/blobs/{digest}")).is(200);
        assert!(answer.body == content);
    }
    assert_eq!((count(&warden, "missing"), count(&warden, "file")), (3.0, 0.0));
    let said = warden.log().matches("could not be read from registry.storage").count();
    assert_eq!(said, 1, "{}", warden.log());
}

#[test]
fn rule_59_a_file_that_shrinks_under_a_pull_breaks_it_off() {
    let both = both();
    let content = random_bytes(64 << 20);
    let digest = both.push("team/app", &content);
    let (target, file) = (format!("/v2/team/app/blobs/{digest}"), both.registry.blob_file(&digest));
    for protocol in ["--http1.1", "--http2"] {
        fs::write(&file, &content).unwrap();
        let files = tempfile::tempdir().unwrap();
        let request = curl(&both.with).user(ADMIN).option(&[protocol]);
        let mut child = request.start(&target, files.path());
        let mut some = vec![0; 1 << 20];
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut some).unwrap();
        OpenOptions::new().write(true).open(&file).unwrap().set_len(40 << 20).unwrap();
        out.read_to_end(&mut some).unwrap();
        assert!(!child.wait().unwrap().success(), "{protocol}: it looks whole");
        assert!(some.len() <= 40 << 20 && content.starts_with(&some), "{protocol}: {}", some.len());
    }
    let broken = || curl(&both.with).user(USER).get(&target).status == 200;
    assert!(eventually(PATIENCE, broken), "others go on");
}

/// Pushes, deletions and garbage collection go on beneath; no pull gets a wrong byte, or another answer than 200 and 404.
#[test]
fn rule_59_no_wrong_byte_comes_while_everything_changes_beneath() {
    let both = both();
    let blobs: Vec<Vec<u8>> = (0..4).map(|n| random_bytes(200_000 + n)).collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let changes = scope.spawn(|| {
            for _ in 0..12 {
                for blob in &blobs {
                    let digest = both.push("team/app", blob);
                    let target = format!("/v2/team/app/blobs/{digest}");
                    curl(&both.without).user(ADMIN).send("DELETE", &target);
                    let file = both.registry.blob_file(&digest);
                    // As garbage collection does.
                    let _ = fs::remove_dir_all(file.parent().unwrap());
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        let mut whole = 0;
        while !done.load(Ordering::Relaxed) && !changes.is_finished() {
            for blob in &blobs {
                let target = format!("/v2/team/app/blobs/{}", sha256(blob));
                let answer = curl(&both.with).user(ADMIN).get(&target);
                match answer.status {
                    200 if answer.exit == 0 => {
                        assert!(answer.body == *blob);
                        whole += 1;
                    }
                    200 => assert!(blob.starts_with(&answer.body)),
                    404 | 500 => {}
                    other => panic!("{other}"),
                }
            }
        }
        println!("{whole} pulls were whole");
    });
}

#[test]
fn skopeo_pulls_an_image_whose_layers_come_from_files() {
    let both = both();
    let archive = Image::random(3, 200_000).archive("any/image:1");
    skopeo(&both.with, ADMIN).push(archive.path(), "team/app:1").succeeds();
    skopeo(&both.with, USER).pull("team/app:1").succeeds();
    assert!(count(&both.with, "file") >= 4.0, "three layers and the configuration");
    push_image(&curl(&both.with).user(ADMIN), "team/app", "2");
}

#[test]
fn check_refuses_a_directory_that_is_not_there_or_that_every_user_may_write_to() {
    let both = both();
    both.push("team/app", b"content");
    let check = |warden: &Portwarden| {
        let file = warden.file("portwarden.yml");
        command::run(&program(), &["check", "-c", file.to_str().unwrap()], &[])
    };
    check(&both.with).succeeds();
    let text = fs::read_to_string(both.with.file("portwarden.yml")).unwrap();
    let store = both.registry.store();
    let other = text.replace(&store.display().to_string(), "/nonexistent/store");
    fs::write(both.with.file("portwarden.yml"), other).unwrap();
    let text_of = |output: command::Output| output.fails().text();
    let refused = text_of(check(&both.with));
    assert!(refused.contains("registry.storage: expected a directory at /nonexistent/store"), "{refused}");
    fs::write(both.with.file("portwarden.yml"), &text).unwrap();
    for directory in ["", "docker/registry/v2", "docker/registry/v2/blobs", "docker/registry/v2/repositories"]
    {
        let directory: PathBuf = store.join(directory);
        let before = fs::metadata(&directory).unwrap().permissions();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
        let refused = text_of(check(&both.with));
        assert!(refused.contains("every user may write to") && refused.contains("chmod o-w"), "{refused}");
        fs::set_permissions(&directory, before).unwrap();
    }
    check(&both.with).succeeds();
}
