//! `portwarden prune` (rule 54): what goes by `retention`, and what stays whatever happens meanwhile.
//!
//! Needs: curl, docker-registry, htpasswd, sqlite3.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use portwarden::registry::{PLACEHOLDER_DIGEST, PLACEHOLDER_TYPE};
use serde_json::{Value, json};

use super::{
    tag_rules::{INDEX, NAME, client, digest_of, hex, image, index, put},
    write_once::{ALL, TAGS},
};
use crate::support::{
    audit::{self, line_with},
    command::{self, Output},
    curl::{Request, curl_at},
    distribution::{MANIFEST, push_blob, put_manifest},
    image::sha256,
    metrics,
    portwarden::{ADMIN, Builder, Portwarden, portwarden, program},
    registry::{Registry, registry, registry_without_deletion},
    waiting::{PATIENCE, eventually},
};

const SOCKET: &str = "control: {socket: ./control.sock}";
/// Of `acme/…`, the tags stay that begin with `keep`.
const KEEP: &str = r#"
retention:
  - match: {name: "acme/shown"}
    keep: [{tag: "keep*"}]
    dry_run: true
  - match: {name: "acme/*"}
    keep: [{tag: "keep*"}]
"#;
/// Enough for several batches.
const MANY: usize = 450;

fn open(registry: &Registry) -> Builder {
    portwarden(registry).acl(ALL).with(KEEP).with(SOCKET).with(audit::TO_FILE).with(metrics::ON)
}

fn prune(warden: &Portwarden, args: &[&str]) -> Output {
    let socket = warden.file("control.sock");
    command::run(&program(), &[&["prune", "--socket", socket.to_str().unwrap()], args].concat(), &[])
}

/// Begins it, for what happens meanwhile.
fn begin(warden: &Portwarden) -> Child {
    let socket = warden.file("control.sock");
    let mut command = Command::new(program());
    command.args(["prune", "--apply", "--socket", socket.to_str().unwrap()]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(mut child: Child) -> (Option<i32>, String) {
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    (child.wait().unwrap().code(), text)
}

fn control(warden: &Portwarden, command: &str) {
    let socket = warden.file("control.sock");
    command::run(&program(), &[command, "--socket", socket.to_str().unwrap()], &[]).succeeds();
}

fn admin(warden: &Portwarden) -> Request {
    client(warden).user(ADMIN)
}

fn status(request: &Request, reference: &str) -> u16 {
    request.clone().get(&format!("/v2/{NAME}/manifests/{reference}")).status
}

/// Gives the manifest of a tag another one.
fn copy(request: &Request, from: &str, to: &str) {
    let manifest = request.clone().get(&format!("/v2/{NAME}/manifests/{from}")).is(200);
    let media_type = manifest.header("content-type").unwrap().to_owned();
    put(request, to, &media_type, &manifest.json()).is(201);
}

fn tags_of(request: &Request, repository: &str) -> Vec<String> {
    let list = request.clone().get(&format!("/v2/{repository}/tags/list")).is(200).json();
    let mut tags: Vec<String> =
        list["tags"].as_array().into_iter().flatten().map(|tag| tag.as_str().unwrap().to_owned()).collect();
    tags.sort();
    tags
}

/// The tags that the registry itself lists.
fn tags(registry: &Registry) -> Vec<String> {
    tags_of(&curl_at(&registry.url()), NAME)
}

/// Every file below, with its content.
fn files(at: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(at).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            all.extend(files(&entry.path()));
        } else {
            all.insert(entry.path().display().to_string(), fs::read(entry.path()).unwrap());
        }
    }
    all
}

/// Fails the test unless all that a tag needs is there.
#[track_caller]
fn is_whole(request: &Request, repository: &str, reference: &str) {
    let manifest = request.clone().get(&format!("/v2/{repository}/manifests/{reference}")).is(200).json();
    let digests = |list: &str| {
        let all = manifest[list].as_array().cloned().unwrap_or_default();
        all.into_iter().map(|entry| entry["digest"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    digests("manifests").iter().for_each(|digest| is_whole(request, repository, digest));
    let config = manifest["config"]["digest"].as_str().map(str::to_owned);
    for blob in digests("layers").into_iter().chain(config) {
        request.clone().head(&format!("/v2/{repository}/blobs/{blob}")).is(200);
    }
}

/// Images of their own under `old-…`, in the store.
fn many(registry: &Registry, request: &Request) -> Vec<String> {
    image(request, "keep", &[b"a layer"]);
    let manifest = request.clone().get(&format!("/v2/{NAME}/manifests/keep")).is(200).json();
    let tags: Vec<String> = (0..MANY).map(|n| format!("old-{n:04}")).collect();
    registry.add_images(NAME, &manifest, &tags);
    tags
}

#[test]
fn rule_54_without_apply_the_plan_is_shown_and_nothing_is_changed() {
    let registry = registry();
    let warden = open(&registry).start();
    let admin = admin(&warden);
    let kept = image(&admin, "keep-1", &[b"kept"]);
    let old = image(&admin, "old-1", &[b"old"]);
    copy(&admin, "keep-1", "old-2");
    let before = files(&registry.store());
    let shown = prune(&warden, &[]).succeeds();
    let line = |tag: &str| {
        let line = shown.stdout.lines().find(|line| line.split_whitespace().nth(1) == Some(tag));
        line.unwrap_or_else(|| panic!("no {tag} in {}", shown.stdout)).to_owned()
    };
    let (one, two) = (line("old-1"), line("old-2"));
    assert!(one.contains(&hex(&old)[..12]) && one.contains("tag and image"), "{one}");
    assert!(two.contains(&hex(&kept)[..12]) && !two.contains("image"), "{two}");
    assert!(one.contains("not kept by retention[1], line "), "{one}");
    assert!(shown.stdout.starts_with("REPOSITORY"), "{}", shown.stdout);
    let last = "2 of 3 tags in 1 repository and 1 manifest would go; run with --apply\n";
    assert!(shown.stdout.ends_with(last) && !shown.stdout.contains("keep-1"), "{}", shown.stdout);
    prune(&warden, &["-v"]).succeeds().says("keep-1").says("tag: keep*");
    let json = prune(&warden, &["--json", "-v", NAME]).succeeds();
    let lines: Vec<Value> = json.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let what = |tag: &str| lines.iter().find(|line| line["tag"] == tag).unwrap()["what"].clone();
    assert_eq!(
        (what("old-1"), what("old-2"), what("keep-1")),
        (json!("tag_and_image"), json!("tag"), json!("kept"))
    );
    assert_eq!(lines.last().unwrap()["tags_to_go"], 2);
    assert!(before == files(&registry.store()), "a dry run wrote to the store");
    assert!(!audit::lines(&warden.file("audit.log")).iter().any(|line| line["event"] == "prune"));
}

#[test]
fn rule_54_tags_go_with_what_nothing_else_needs() {
    let registry = registry();
    let warden = open(&registry).with(TAGS).start();
    let admin = admin(&warden);
    let platforms: Vec<String> =
        ["keep-p", "p1", "p2", "p3"].iter().map(|tag| image(&admin, tag, &[tag.as_bytes()])).collect();
    let [own, first, shared, last] = platforms.as_slice() else { unreachable!() };
    index(&admin, "keep-index", &[first, shared]);
    let old = index(&admin, "old-index", &[shared, last]);
    let outer = index(&admin, "old-outer", &[&old]);
    copy(&admin, "keep-index", "old-copy");
    image(&admin, "1.2.3", &[b"write-once"]);
    let signature = |digest: &str| format!("sha256-{}.sig", hex(digest));
    for (signed, layer) in [(own, "s1"), (last, "s2"), (shared, "s3"), (&sha256(b"nothing"), "s4")] {
        image(&admin, &signature(signed), &[layer.as_bytes()]);
    }
    push_blob(&admin, "other/app", b"{}");
    put_manifest(&admin, "other/app", "old", b"{}", &[]).is(201);
    let done = prune(&warden, &["--apply"]).succeeds();
    let mut left: Vec<String> = ["1.2.3", "keep-index", "keep-p"].map(str::to_owned).into();
    left.extend([own, shared, &sha256(b"nothing")].map(|signed| signature(signed)));
    left.sort();
    assert_eq!(tags(&registry), left, "{}", done.text());
    left.iter().for_each(|tag| is_whole(&admin, NAME, tag));
    for (digest, is_there) in
        [(own, 200), (first, 200), (shared, 200), (last, 404), (&old, 404), (&outer, 404)]
    {
        assert_eq!(status(&admin, digest), is_there, "{digest}");
    }
    is_whole(&admin, "other/app", "old");
    let file = warden.file("audit.log");
    let line = line_with(&file, &[("event", "prune"), ("reference", "old-index"), ("digest", &old)]);
    assert!(line["reason"].as_str().unwrap().starts_with("by user "), "{line}");
    assert!(line["rule"].as_str().unwrap().starts_with("retention[1], line "), "{line}");
    line_with(&file, &[("event", "prune"), ("reference", last)]);
    let count = |what: &str| metrics::value(&warden, &format!("portwarden_pruned_total{{what=\"{what}\"}}"));
    // The tags p1 to p3, old-index, old-outer, old-copy and a signature; p3, two indexes and the signature.
    assert_eq!((count("tag"), count("manifest")), (Some(7.0), Some(4.0)));
    assert!(
        done.stdout.ends_with("deleted 7 of 13 tags in 1 repository and 4 manifests\n"),
        "{}",
        done.stdout
    );
    prune(&warden, &["--apply"]).succeeds().says("deleted 0 of 6 tags");
    registry.collect_garbage().succeeds();
    left.iter().for_each(|tag| is_whole(&admin, NAME, tag));
}

#[test]
fn rule_54_only_repositories_of_an_entry_that_is_no_dry_run_lose_something() {
    let registry = registry();
    let warden = open(&registry).start();
    let admin = admin(&warden);
    for repository in ["acme/shown", "other/app", NAME] {
        push_blob(&admin, repository, b"{}");
        put_manifest(&admin, repository, "old", b"{}", &[]).is(201);
    }
    let before = files(&registry.store());
    let none = prune(&warden, &["--apply", NAME, "other/app"]);
    assert_eq!(none.status, Some(1));
    none.says("no entry of `retention` is for other/app");
    assert!(before == files(&registry.store()), "nothing is done at all");
    let missing = prune(&warden, &["--apply", "acme/none"]);
    assert_eq!(missing.status, Some(1));
    missing.says("acme/none: the registry shows no tags of it");
    prune(&warden, &["--apply", "acme/shown"]).succeeds().says("1 more tag would go");
    prune(&warden, &["--apply"]).succeeds().says("deleted 1 of 2 tags in 2 repositories");
    assert_eq!((tags_of(&admin, "acme/shown").len(), tags_of(&admin, "other/app").len()), (1, 1));
    assert!(tags(&registry).is_empty());
}

#[test]
fn rule_54_what_cannot_be_read_leaves_its_repository_as_it_is() {
    let registry = registry();
    let warden = open(&registry).start();
    let admin = admin(&warden);
    image(&admin, "old", &[b"a layer"]);
    let broken = image(&admin, "broken", &[b"another"]);
    let link = format!("docker/registry/v2/repositories/{NAME}/_manifests/revisions/sha256/{}", hex(&broken));
    fs::remove_dir_all(registry.store().join(link)).unwrap();
    push_blob(&admin, "acme/other", b"{}");
    put_manifest(&admin, "acme/other", "old", b"{}", &[]).is(201);
    let some = prune(&warden, &["--apply"]);
    assert_eq!(some.status, Some(1));
    some.says(&format!("{NAME}: tag broken is listed, and its manifest cannot be read"))
        .says(&format!("portwarden untag {NAME} broken"))
        .says("deleted 1 of 1 tag in 1 repository");
    assert_eq!(status(&admin, "old"), 200);
    assert!(tags_of(&admin, "acme/other").is_empty(), "others go on");
}

#[test]
fn rule_54_a_freeze_and_a_registry_without_deletion_end_it() {
    let registry = registry_without_deletion();
    let warden = open(&registry).start();
    let admin = admin(&warden);
    image(&admin, "old", &[b"a layer"]);
    let before = files(&registry.store());
    let off = prune(&warden, &["--apply"]);
    assert_eq!(off.status, Some(1));
    off.says("storage.delete.enabled: true");
    assert!(before == files(&registry.store()), "nothing is written");
    control(&warden, "freeze");
    let frozen = prune(&warden, &["--apply"]);
    assert_eq!(frozen.status, Some(1));
    frozen.says("stopped: writes are frozen");
    prune(&warden, &[]).succeeds();
    control(&warden, "thaw");
}

/// A push during a run: of the image of a tag that goes, by its tag or another; of an index of it; or of one of its own.
/// Returns the tag and the digest, if it was acknowledged.
fn push_meanwhile(
    request: &Request,
    n: usize,
    again: &str,
    manifest: &Value,
    stays: &str,
) -> Option<(String, String)> {
    let new = format!("new-{n}");
    let entry = |digest: &str| json!({"mediaType": MANIFEST, "size": 1, "digest": digest});
    let (tag, media_type, pushed) = match n % 4 {
        0 => (again.to_owned(), MANIFEST, manifest.clone()),
        1 => (new, MANIFEST, manifest.clone()),
        2 => {
            let manifests = [entry(&sha256(manifest.to_string().as_bytes())), entry(stays)];
            let annotations = json!({"n": n.to_string()});
            let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests, "annotations": annotations});
            (new, INDEX, index)
        }
        _ => {
            let mut own = manifest.clone();
            own["annotations"] = json!({"pushed": n.to_string()});
            (new, MANIFEST, own)
        }
    };
    let answer = put(request, &tag, media_type, &pushed);
    (answer.status == 201).then(|| (tag, digest_of(&answer)))
}

#[test]
fn rule_54_pushes_during_a_run_are_not_lost() {
    const OLD: usize = 150;
    let registry = registry();
    let warden = open(&registry).start();
    let admin = admin(&warden);
    image(&admin, "keep", &[b"a layer"]);
    let stays = image(&admin, "keep-platform", &[b"a platform"]);
    let like = admin.clone().get(&format!("/v2/{NAME}/manifests/keep")).is(200).json();
    let old: Vec<String> = (0..OLD).map(|n| format!("old-{n:04}")).collect();
    let (mut rounds, mut sent, mut lasted) = (0, 0, 0);
    while lasted < 100 {
        registry.add_images(NAME, &like, &old);
        let again = [&old[0], &old[1], &old[OLD - 1]]
            .map(|tag| (tag, admin.clone().get(&format!("/v2/{NAME}/manifests/{tag}")).is(200).json()));
        let signed = again.each_ref().map(|(_, manifest)| sha256(manifest.to_string().as_bytes()));
        let signature = |digest: &str| format!("sha256-{}.sig", hex(digest));
        signed.iter().for_each(|digest| drop(image(&admin, &signature(digest), &[digest.as_bytes()])));
        let has_ended = AtomicBool::new(false);
        let pushed = thread::scope(|scope| {
            let running = scope.spawn(|| {
                let done = end(begin(&warden));
                has_ended.store(true, Ordering::SeqCst);
                done
            });
            // What was pushed before is no concern of the run.
            rounds += 1;
            let has_begun = || warden.log().matches("prune begins").count() == rounds;
            assert!(eventually(PATIENCE, has_begun), "{}", warden.log());
            let mut pushed = BTreeMap::new();
            while !has_ended.load(Ordering::SeqCst) {
                sent += 1;
                let (tag, manifest) = &again[sent % 3];
                pushed.extend(push_meanwhile(&admin, sent, tag, manifest, &stays));
            }
            let (code, text) = running.join().unwrap();
            assert_eq!(code, Some(0), "{text}");
            pushed
        });
        lasted += pushed.len();
        for (tag, digest) in &pushed {
            let head = admin.clone().head(&format!("/v2/{NAME}/manifests/{tag}")).is(200);
            assert_eq!(digest_of(&head), *digest, "{tag}");
            is_whole(&admin, NAME, digest);
            if signed.contains(digest) {
                is_whole(&admin, NAME, &signature(digest));
            }
        }
        is_whole(&admin, NAME, "keep");
    }
}

/// Waits until something is deleted.
fn is_in_the_middle(warden: &Portwarden) {
    let file = warden.file("audit.log");
    let has_begun = || fs::read_to_string(&file).unwrap_or_default().contains("\"event\":\"prune\"");
    assert!(eventually(PATIENCE, has_begun), "nothing is deleted");
}

/// Prunes until nothing is left to do, and checks that all that stays is whole.
fn completes(warden: &Portwarden, registry: &Registry, admin: &Request) {
    let done = || prune(warden, &["--apply"]).succeeded();
    assert!(eventually(PATIENCE, done), "{}", prune(warden, &["--apply"]).text());
    assert_eq!(tags(registry), ["keep", "keep-index", "keep-platform"]);
    for tag in ["keep", "keep-index", "keep-platform"] {
        is_whole(admin, NAME, tag);
    }
    let placeholder = curl_at(&registry.url()).header(&format!("Accept: {PLACEHOLDER_TYPE}"));
    placeholder.get(&format!("/v2/{NAME}/manifests/{PLACEHOLDER_DIGEST}")).is(404);
}

fn with_a_kept_index(registry: &Registry, admin: &Request) {
    let old = many(registry, admin);
    let platform = image(admin, "keep-platform", &[b"a platform"]);
    let manifest = admin.clone().get(&format!("/v2/{NAME}/manifests/{}", old[MANY - 1])).is(200);
    index(admin, "keep-index", &[&platform, &digest_of(&manifest)]);
}

#[test]
fn rule_54_a_registry_that_is_killed_in_the_middle_loses_nothing_that_stays() {
    let mut registry = registry();
    let warden = open(&registry).start();
    let admin = admin(&warden);
    with_a_kept_index(&registry, &admin);
    let running = begin(&warden);
    is_in_the_middle(&warden);
    registry.kill();
    let (code, text) = end(running);
    assert_eq!(code, Some(1), "{text}");
    registry.restart();
    completes(&warden, &registry, &admin);
}

#[test]
fn rule_54_a_server_that_is_killed_in_the_middle_loses_nothing_that_stays() {
    let registry = registry();
    let mut warden = open(&registry).start();
    let admin = admin(&warden);
    with_a_kept_index(&registry, &admin);
    let running = begin(&warden);
    is_in_the_middle(&warden);
    warden.crash_and_restart();
    let (code, text) = end(running);
    assert_eq!(code, Some(1), "{text}");
    completes(&warden, &registry, &admin);
}

#[test]
fn rule_54_it_stops_where_the_command_is_gone_and_runs_once_at_a_time() {
    let registry = registry();
    let warden = open(&registry).start();
    let admin = admin(&warden);
    with_a_kept_index(&registry, &admin);
    let mut running = begin(&warden);
    is_in_the_middle(&warden);
    let second = prune(&warden, &["--apply"]);
    let is_refused = second.text().contains("another run of prune goes on");
    assert!(is_refused || running.try_wait().unwrap().is_some(), "{}", second.text());
    running.kill().unwrap();
    running.wait().unwrap();
    warden.says("prune ended early");
    assert!(tags(&registry).len() > 3, "it went on to the end");
    completes(&warden, &registry, &admin);
}

#[test]
fn rule_54_a_pusher_cannot_take_what_a_kept_tag_needs() {
    let registry = registry();
    let warden = open(&registry).start();
    let admin = admin(&warden);
    // A layer that looks like a manifest, and is named as one by an index that goes.
    let inner = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).to_string();
    image(&admin, "keep", &[inner.as_bytes(), b"a layer"]);
    let platform = image(&admin, "platform", &[b"a platform"]);
    index(&admin, "keep-index", &[&platform]);
    let layer = sha256(inner.as_bytes());
    let config =
        admin.clone().get(&format!("/v2/{NAME}/manifests/keep")).is(200).json()["config"]["digest"].clone();
    let entry = |digest: &str| json!({"mediaType": INDEX, "size": 1, "digest": digest});
    for (tag, named) in
        [("old-1", vec![&*layer]), ("old-2", vec![config.as_str().unwrap()]), ("old-3", vec![&*platform])]
    {
        let named: Vec<Value> = named.into_iter().map(entry).collect();
        // Registry 3 takes neither a layer nor a configuration for a manifest.
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": named});
        assert!(matches!(put(&admin, tag, INDEX, &index).status, 201 | 400));
    }
    // An index that only Go reads as one.
    let folded = image(&admin, "folded", &[b"of a kept index"]);
    let index =
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "Manifests": [entry(&folded)]});
    put(&admin, "keep-folded", INDEX, &index).is(201);
    put(
        &admin,
        "old-4",
        INDEX,
        &json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry(&folded)]}),
    )
    .is(201);
    // A signature that claims to be about a kept manifest, and a manifest about one.
    let about = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "subject": entry(&platform)});
    put(&admin, "old-5", INDEX, &about).is(201);
    let done = prune(&warden, &["--apply"]);
    for tag in ["keep", "keep-index", "keep-folded"] {
        is_whole(&admin, NAME, tag);
    }
    for digest in [&platform, &folded] {
        is_whole(&admin, NAME, digest);
    }
    assert!(done.succeeded(), "{}", done.text());
    assert_eq!(tags(&registry), ["keep", "keep-folded", "keep-index"]);
}

#[test]
fn rule_54_two_thousand_tags_go_in_one_run() {
    let registry = registry();
    let warden = open(&registry).start();
    let admin = admin(&warden);
    image(&admin, "keep", &[b"a layer"]);
    let manifest = admin.clone().get(&format!("/v2/{NAME}/manifests/keep")).is(200).json();
    let old: Vec<String> = (0..2000).map(|n| format!("old-{n:04}")).collect();
    registry.add_images(NAME, &manifest, &old);
    prune(&warden, &["--apply"])
        .succeeds()
        .says("deleted 2000 of 2001 tags in 1 repository and 2000 manifests");
    assert_eq!(tags(&registry), ["keep"]);
    is_whole(&admin, NAME, "keep");
}

/// Sets when tags were pushed in the state of a server that does not run: days ago, and true for a time that is exact.
fn set_times(warden: &Portwarden, times: &[(&str, u64, bool)]) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    for (tag, days, is_exact) in times {
        let statement = format!(
            "UPDATE pushed_tags SET at = {}, is_exact = {} WHERE tag = '{tag}'",
            now - days * 86_400,
            u8::from(*is_exact)
        );
        command::run("sqlite3", &["-bail", warden.file("state.db").to_str().unwrap(), &statement], &[])
            .succeeds();
    }
}

#[test]
fn rule_54_newest_and_younger_keep_what_may_be_new() {
    const RETENTION: &str = r#"
retention:
  - match: {name: "acme/*"}
    keep: [{younger: 30d}, {newest: 2}]
state: {file: ./state.db}
"#;
    let registry = registry();
    let mut warden = portwarden(&registry).acl(ALL).with(RETENTION).with(SOCKET).start();
    let admin = admin(&warden);
    // Not through this server, which knows of no push.
    let direct = curl_at(&registry.url()).header(&format!("Accept: {MANIFEST}"));
    let all = ["a", "b", "c", "d", "e", "f"];
    all.iter().for_each(|tag| drop(image(&direct, tag, &[tag.as_bytes()])));
    let first =
        prune(&warden, &["--apply", "-v"]).succeeds().says("deleted 0 of 6 tags").says("younger: 30d");
    assert!(first.stdout.contains("before 2"), "seen, and pushed then or before: {}", first.stdout);
    warden.stop();
    let times = [
        ("a", 100, true),
        ("b", 90, true),
        ("c", 40, true),
        ("d", 2, true),
        ("e", 95, false),
        ("f", 10, false),
    ];
    set_times(&warden, &times);
    warden.crash_and_restart();
    let plan = prune(&warden, &["--json", "-v"]).succeeds();
    let lines: Vec<Value> = plan.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let why = |tag: &str| {
        let line = lines.iter().find(|line| line["tag"] == tag).unwrap();
        (line["what"].as_str().unwrap().to_owned(), line["why"].as_str().unwrap().to_owned())
    };
    assert_eq!(why("c"), ("kept".to_owned(), "newest: 2".to_owned()));
    for tag in ["d", "f"] {
        assert_eq!(why(tag), ("kept".to_owned(), "younger: 30d".to_owned()));
    }
    // Pushed again through the server: new, whatever was known.
    let manifest = admin.clone().get(&format!("/v2/{NAME}/manifests/b")).is(200).json();
    put(&admin, "b", MANIFEST, &manifest).is(201);
    prune(&warden, &["--apply"]).succeeds().says("100 days ago").says("before 2");
    assert_eq!(tags(&registry), ["b", "d", "f"], "c is no longer among the newest");
    ["b", "d", "f"].iter().for_each(|tag| is_whole(&admin, NAME, tag));
}
