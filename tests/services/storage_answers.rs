//! Reads that are answered from the registry's files alone (`registry.storage_answers`): each answer is the one that comes
//! without them, header for header and byte for byte, and there is none where the files are not the registry's.
//!
//! Needs: curl, docker-registry, htpasswd, registry-3, skopeo.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::storage::shown;
use crate::support::{
    audit,
    collector::collector,
    command,
    curl::{Request, Response, curl},
    distribution::{push_blob, push_image},
    image::{Image, random_bytes, sha256},
    metrics::{self, value, watcher},
    portwarden::{ADMIN, Builder, Portwarden, TEST, TEST2, USER, portwarden, program},
    process::{PATIENCE, eventually},
    registry::{Registry, registry, registry_with_headers},
    registry3::{Release, registry_of},
    skopeo::skopeo,
};

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// The repositories that these tests fill.
const NAMES: [&str; 2] = ["first/app", "team/app"];

/// Two before the same registry: one that answers from its files, and one that does not.
pub struct Pair {
    pub registry: Registry,
    pub with: Portwarden,
    pub without: Portwarden,
}

/// The settings of one that answers from these files.
pub fn answering(registry: &Registry, store: &Path) -> Builder {
    fs::create_dir_all(store).unwrap();
    let store = format!("'{}'", store.display());
    let builder = portwarden(registry).registry_setting("storage", &store);
    builder.registry_setting("storage_answers", "true").with(metrics::ON)
}

pub fn pair(registry: Registry) -> Pair {
    let without = portwarden(&registry).start();
    let first = Pair { with: answering(&registry, &registry.store()).start(), without, registry };
    first.put("first/app", "1", &json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}));
    first.wait_for_proof();
    first
}

/// The number of reads with this outcome.
pub fn outcome(warden: &Portwarden, outcome: &str) -> f64 {
    value(warden, &format!("portwarden_storage_answers_total{{outcome=\"{outcome}\"}}")).unwrap()
}

fn is_up(warden: &Portwarden) -> bool {
    value(warden, "portwarden_storage_answers_up").unwrap() == 1.0
}

/// An image of one layer, of a media type.
pub fn manifest(media_type: &str, layer: &[u8]) -> Value {
    json!({
        "schemaVersion": 2, "mediaType": media_type,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": sha256(b"{}")},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "size": layer.len(), "digest": sha256(layer)}],
    })
}

/// An index of one manifest.
pub fn index(media_type: &str, of: &Value) -> Value {
    let text = of.to_string();
    json!({
        "schemaVersion": 2, "mediaType": media_type,
        "manifests": [{"mediaType": of["mediaType"], "size": text.len(), "digest": sha256(text.as_bytes()),
            "platform": {"os": "linux", "architecture": "amd64"}}],
    })
}

impl Pair {
    pub fn admin(&self) -> Request {
        curl(&self.without).user(ADMIN)
    }

    pub fn wait_for_proof(&self) {
        assert!(eventually(PATIENCE, || is_up(&self.with)), "{}", self.with.log());
    }

    /// Pushes a manifest; returns its digest.
    #[track_caller]
    pub fn put(&self, name: &str, reference: &str, manifest: &Value) -> String {
        let text = manifest.to_string();
        let request = self.admin().body_of(manifest["mediaType"].as_str().unwrap(), text.as_bytes());
        request.send("PUT", &format!("/v2/{name}/manifests/{reference}")).is(201);
        sha256(text.as_bytes())
    }

    /// Pushes an image of each kind, and returns the content of their layer.
    pub fn fill(&self, name: &str) -> Vec<u8> {
        let layer = random_bytes(200_000);
        push_blob(&self.admin(), name, b"{}");
        push_blob(&self.admin(), name, &layer);
        let (oci, docker) = (manifest(OCI_MANIFEST, &layer), manifest(DOCKER_MANIFEST, &layer));
        self.put(name, "oci", &oci);
        self.put(name, "schema2", &docker);
        self.put(name, "index", &index(OCI_INDEX, &oci));
        self.put(name, "list", &index(DOCKER_LIST, &docker));
        layer
    }

    /// The file of a link.
    fn link(&self, name: &str, path: &str) -> PathBuf {
        self.registry.store().join(format!("docker/registry/v2/repositories/{name}/{path}/link"))
    }

    /// The answer, which is the same from both.
    #[track_caller]
    pub fn same(&self, method: &str, target: &str, asked: impl Fn(Request) -> Request) -> Response {
        let [with, without] = [&self.with, &self.without].map(|warden| {
            let request = asked(curl(warden).user(ADMIN));
            // curl shows the head of an answer to HEAD as its body.
            if method == "HEAD" { without_body(request.head(target)) } else { request.get(target) }
        });
        assert!(
            shown(&with) == shown(&without),
            "{method} {target}: {} {:?}\n{} {:?}\n{}\n{}",
            with.status,
            with.headers,
            without.status,
            without.headers,
            with.text(),
            without.text()
        );
        with
    }

    /// The same twice: the first may be what is learned from.
    #[track_caller]
    pub fn same_twice(&self, target: &str, asked: impl Fn(Request) -> Request) -> Response {
        for method in ["HEAD", "GET", "HEAD"] {
            self.same(method, target, &asked);
        }
        self.same("GET", target, &asked)
    }
}

fn without_body(answer: Response) -> Response {
    Response { body: Vec::new(), ..answer }
}

pub fn accepting(accept: &str) -> impl Fn(Request) -> Request {
    let line = format!("Accept: {accept}");
    move |request| request.header(&line)
}

pub fn all_kinds() -> String {
    [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST].join(", ")
}

fn each_answer_is_the_same(registry: Registry) {
    let pair = pair(registry);
    let layer = pair.fill("team/app");
    let blob = format!("/v2/team/app/blobs/{}", sha256(&layer));
    for protocol in ["--http1.1", "--http2"] {
        assert!(pair.same_twice(&blob, |request| request.option(&[protocol])).body == layer);
        for tag in ["oci", "schema2", "index", "list"] {
            let target = format!("/v2/team/app/manifests/{tag}");
            let answer =
                pair.same_twice(&target, |request| accepting(&all_kinds())(request.option(&[protocol])));
            let by_digest =
                format!("/v2/team/app/manifests/{}", answer.header("docker-content-digest").unwrap());
            pair.same_twice(&by_digest, |request| accepting(&all_kinds())(request.option(&[protocol])));
        }
    }
    let answered = outcome(&pair.with, "storage");
    assert!(answered >= 2.0 * (2.0 + 4.0 * 4.0), "{answered}");
    for accept in [
        "*/*",
        "",
        OCI_MANIFEST,
        DOCKER_MANIFEST,
        DOCKER_LIST,
        &format!("{OCI_INDEX};q=0.5, {DOCKER_LIST};q=x"),
    ] {
        for tag in ["oci", "schema2", "index", "list"] {
            pair.same_twice(&format!("/v2/team/app/manifests/{tag}"), accepting(accept));
        }
    }
    for (name, digest) in
        [("none/app", sha256(&layer)), ("first/app", sha256(&layer)), ("team/app", sha256(b"none"))]
    {
        pair.same_twice(&format!("/v2/{name}/blobs/{digest}"), |request| request);
        pair.same_twice(&format!("/v2/{name}/manifests/{digest}"), accepting(&all_kinds()));
    }
    pair.same_twice("/v2/team/app/manifests/none", accepting(&all_kinds()));
    pair.same_twice("/v2/team/app/tags/list", |request| request);
    let etag = format!("If-None-Match: \"{}\"", sha256(&layer));
    for condition in
        ["Range: bytes=5-9", "Range: bytes=200000-", &etag, "If-Match: \"x\"", "If-Modified-Since: x"]
    {
        pair.same_twice(&blob, |request| request.header(condition));
    }
    for target in [format!("{blob}?ns=example.com"), format!("{blob}?digest=sha256:0")] {
        pair.same_twice(&target, |request| request);
    }
}

#[test]
fn rule_66_each_answer_is_the_one_without_storage_by_registry_2() {
    each_answer_is_the_same(registry_of(Release::V2));
}

#[test]
#[ignore = "run by `make test-registry3`, which builds registry 3"]
fn rule_66_each_answer_is_the_one_without_storage_by_registry_3() {
    each_answer_is_the_same(registry_of(Release::V3));
}

#[test]
fn rule_66_headers_of_the_registrys_configuration_show_in_each_answer() {
    each_answer_is_the_same(registry_with_headers(
        "{X-Content-Type-Options: [nosniff], Cache-Control: [no-transform]}",
    ));
}

#[test]
fn rule_66_a_header_that_is_not_known_leaves_all_to_the_registry() {
    let pair = pair(registry_with_headers("{Vary: [Accept]}"));
    pair.fill("team/app");
    pair.same_twice("/v2/team/app/manifests/oci", accepting(&all_kinds()));
    assert_eq!(outcome(&pair.with, "storage"), 0.0);
    assert_eq!(outcome(&pair.with, "unlearned"), 4.0);
}

#[test]
fn rule_66_the_registry_is_not_asked() {
    let mut pair = pair(registry());
    let layer = pair.fill("team/app");
    let blob = format!("/v2/team/app/blobs/{}", sha256(&layer));
    pair.same_twice(&blob, |request| request);
    pair.same_twice("/v2/team/app/manifests/index", accepting(&all_kinds()));
    pair.registry.kill();
    let ask = |target: &str| accepting(&all_kinds())(curl(&pair.with).user(USER)).get(target);
    assert!(ask(&blob).is(200).body == layer);
    assert_eq!(ask("/v2/team/app/manifests/index").is(200).json()["mediaType"], OCI_INDEX);
    ask("/v2/team/app/manifests/none").is(503);
}

#[test]
fn rule_66_a_client_holds_as_many_files_open_as_it_leaves_to_others() {
    let registry = registry();
    let builder = answering(&registry, &registry.store()).with("limits: {upstream_requests: 4}");
    let (without, with) = (portwarden(&registry).start(), builder.start());
    let pair = Pair { registry, with, without };
    pair.put("first/app", "1", &json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}));
    pair.wait_for_proof();
    let content = random_bytes(64 << 20);
    push_blob(&pair.admin(), "team/app", &content);
    let target = format!("/v2/team/app/blobs/{}", sha256(&content));
    let request = || curl(&pair.with).user(ADMIN);
    assert!(request().get(&target).is(200).body == content, "learned");
    let files = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut pulls = files.each_ref().map(|files| request().start(&target, files.path()));
    assert!(eventually(PATIENCE, || outcome(&pair.with, "storage") == 2.0));
    // They read nothing. What comes now is from the registry, which has its own bounds.
    assert!(request().get(&target).is(200).body == content);
    assert_eq!(["storage", "busy"].map(|word| outcome(&pair.with, word)), [2.0, 1.0]);
    for pull in &mut pulls {
        pull.kill().unwrap();
        pull.wait().unwrap();
    }
    let is_free = || request().get(&target).status == 200 && outcome(&pair.with, "storage") > 2.0;
    assert!(eventually(PATIENCE, is_free));
}

#[test]
fn rule_66_accounts_get_what_they_may_and_nothing_else() {
    let pair = pair(registry());
    let layer = pair.fill("team/app");
    let blob = format!("/v2/team/app/blobs/{}", sha256(&layer));
    let manifest = "/v2/team/app/manifests/oci";
    for target in [blob.as_str(), manifest] {
        pair.same_twice(target, accepting(&all_kinds()));
    }
    let answered = outcome(&pair.with, "storage");
    for target in [blob.as_str(), manifest] {
        let ask = |request: Request| accepting(&all_kinds())(request).get(target);
        ask(curl(&pair.with)).is(401);
        ask(curl(&pair.with).user(TEST)).is(401);
        ask(curl(&pair.with).user(USER)).is(200);
    }
    assert_eq!(outcome(&pair.with, "storage"), answered + 2.0);
    let mut with = pair.with;
    with.reload(|builder| {
        builder.acl("  - match: {account: \"user\", name: \"other/*\"}\n    actions: [\"pull\"]\n")
    });
    assert!(eventually(PATIENCE, || is_up(&with)));
    for target in [blob.as_str(), manifest] {
        accepting(&all_kinds())(curl(&with).user(USER)).get(target).is(401);
    }
}

#[test]
fn rule_66_rules_with_tags_ask_what_they_ask() {
    let mut pair = pair(registry());
    let acl = "  - match: {account: \"admin\"}\n    actions: [\"*\"]\n  \
               - match: {account: \"test2\", name: \"team/app\", tag: \"oci\"}\n    actions: [\"pull\"]\n";
    pair.with.reload(|builder| builder.acl(acl));
    pair.without.reload(|builder| builder.acl(acl));
    pair.wait_for_proof();
    let layer = pair.fill("team/app");
    push_blob(&curl(&pair.without).user(ADMIN), "team/app", b"secret");
    let digests = [sha256(&layer), sha256(b"secret")];
    let blobs = digests.map(|digest| format!("/v2/team/app/blobs/{digest}"));
    let tags = ["oci", "schema2", "index"].map(|tag| format!("/v2/team/app/manifests/{tag}"));
    for target in blobs.iter().chain(&tags) {
        pair.same_twice(target, accepting(&all_kinds()));
        let [with, without] = [&pair.with, &pair.without]
            .map(|warden| accepting(&all_kinds())(curl(warden).user(TEST2)).get(target).status);
        let expected = if *target == tags[0] || *target == blobs[0] { 200 } else { 404 };
        // A tag that the account may not pull is denied.
        let expected = if target.contains("manifests") && expected == 404 { without } else { expected };
        assert_eq!((with, without), (expected, expected), "{target}");
    }
}

#[test]
fn rule_66_what_left_its_repository_is_gone_with_the_next_request_by_registry_2() {
    what_left_its_repository_is_gone(registry_of(Release::V2));
}

#[test]
#[ignore = "run by `make test-registry3`, which builds registry 3"]
fn rule_66_what_left_its_repository_is_gone_with_the_next_request_by_registry_3() {
    what_left_its_repository_is_gone(registry_of(Release::V3));
}

fn what_left_its_repository_is_gone(registry: Registry) {
    let pair = pair(registry);
    let layer = pair.fill("team/app");
    pair.fill("other/app");
    push_blob(&curl(&pair.without).user(ADMIN), "other/app", &layer);
    let hex = |digest: &str| digest["sha256:".len()..].to_owned();
    let blob = format!("/v2/team/app/blobs/{}", sha256(&layer));
    pair.same_twice(&blob, |request| request);
    fs::remove_file(pair.link("team/app", &format!("_layers/sha256/{}", hex(&sha256(&layer))))).unwrap();
    assert_eq!(pair.same("GET", &blob, |request| request).status, 404);
    let digest = sha256(manifest(OCI_MANIFEST, &layer).to_string().as_bytes());
    let by_digest = format!("/v2/team/app/manifests/{digest}");
    let by_tag = "/v2/team/app/manifests/oci";
    pair.same_twice(&by_digest, accepting(&all_kinds()));
    assert_eq!(pair.same_twice(by_tag, accepting(&all_kinds())).status, 200);
    let before = outcome(&pair.with, "storage");
    assert_eq!(pair.same("GET", by_tag, accepting(&all_kinds())).status, 200);
    assert_eq!(outcome(&pair.with, "storage"), before + 1.0);
    fs::remove_file(pair.link("team/app", &format!("_manifests/revisions/sha256/{}", hex(&digest)))).unwrap();
    for target in [by_tag, &by_digest] {
        assert_eq!(pair.same("GET", target, accepting(&all_kinds())).status, 404);
    }
    fs::remove_file(pair.link("team/app", "_manifests/tags/schema2/current")).unwrap();
    assert_eq!(pair.same("GET", "/v2/team/app/manifests/schema2", accepting(&all_kinds())).status, 404);
    // As the registry does it itself.
    let docker = sha256(manifest(DOCKER_MANIFEST, &layer).to_string().as_bytes());
    let docker = format!("/v2/team/app/manifests/{docker}");
    assert_eq!(pair.same_twice(&docker, accepting(&all_kinds())).status, 200);
    curl(&pair.without).user(ADMIN).send("DELETE", &docker).is(202);
    assert_eq!(pair.same("GET", &docker, accepting(&all_kinds())).status, 404);
}

#[test]
fn rule_66_files_that_are_not_as_they_should_be_are_left_to_the_registry() {
    let pair = pair(registry());
    let layer = pair.fill("team/app");
    let digest = sha256(manifest(OCI_MANIFEST, &layer).to_string().as_bytes());
    let revision =
        pair.link("team/app", &format!("_manifests/revisions/sha256/{}", &digest["sha256:".len()..]));
    let of_layer = pair.link("team/app", &format!("_layers/sha256/{}", &sha256(&layer)["sha256:".len()..]));
    let tag = pair.link("team/app", "_manifests/tags/oci/current");
    let (by_tag, blob) = ("/v2/team/app/manifests/oci", format!("/v2/team/app/blobs/{}", sha256(&layer)));
    pair.same_twice(by_tag, accepting(&all_kinds()));
    pair.same_twice(&blob, accepting(&all_kinds()));
    let left = |what: &str| {
        let before = outcome(&pair.with, "storage");
        for target in [by_tag, &blob] {
            pair.same_twice(target, accepting(&all_kinds()));
        }
        assert_eq!(outcome(&pair.with, "storage"), before, "{what}");
    };
    let links = [&revision, &of_layer, &tag].map(|file| (file, fs::read(file).unwrap()));
    let write_links = |content: &dyn Fn(&[u8]) -> Vec<u8>| {
        for (file, kept) in &links {
            fs::write(file, content(kept)).unwrap();
        }
    };
    push_blob(&curl(&pair.without).user(ADMIN), "other/app", b"of another repository");
    write_links(&|_| sha256(b"of another repository").into_bytes());
    left("aliases");
    write_links(&|kept| kept[..40].to_vec());
    left("halves");
    write_links(&|_| Vec::new());
    left("empty links");
    write_links(&|kept| [kept, b"\n"].concat());
    left("a line end");
    write_links(&|kept| kept.to_vec());
    for (file, _) in &links {
        fs::rename(file, file.with_extension("kept")).unwrap();
        symlink(file.with_extension("kept").file_name().unwrap(), file).unwrap();
    }
    left("symbolic links");
    for (file, _) in &links {
        fs::rename(file.with_extension("kept"), file).unwrap();
    }
    let data = pair.registry.blob_file(&digest);
    let whole = fs::read(&data).unwrap();
    // Half of it, and one that a registry can read and that is another.
    for content in [&whole[..whole.len() / 2], &[&whole[..], b" "].concat(), b""] {
        fs::write(&data, content).unwrap();
        let before = outcome(&pair.with, "storage");
        pair.same_twice(by_tag, accepting(&all_kinds()));
        assert_eq!(outcome(&pair.with, "storage"), before);
    }
    fs::write(&data, &whole).unwrap();
    let before = outcome(&pair.with, "storage");
    pair.same_twice(by_tag, accepting(&all_kinds()));
    assert!(outcome(&pair.with, "storage") > before);
    OpenOptions::new()
        .write(true)
        .open(pair.registry.blob_file(&sha256(&layer)))
        .unwrap()
        .set_len(0)
        .unwrap();
    pair.same_twice(&blob, |request| request);
}

#[test]
fn rule_66_a_copy_of_the_files_answers_nothing_and_it_is_said() {
    let pair = pair(registry());
    let layer = pair.fill("team/app");
    let copy = tempfile::tempdir().unwrap();
    let (from, to) = (format!("{}/.", pair.registry.store().display()), copy.path().display().to_string());
    command::run("cp", &["-a", &from, &to], &[]).succeeds();
    let warden = answering(&pair.registry, copy.path()).start();
    warden.says("does not show in the files");
    let target = "/v2/team/app/manifests/oci";
    let ask = |method: &str| accepting(&all_kinds())(curl(&warden).user(ADMIN)).send(method, target);
    ask("GET").is(200);
    ask("GET").is(200);
    let digest = sha256(manifest(OCI_MANIFEST, &layer).to_string().as_bytes());
    curl(&pair.without).user(ADMIN).send("DELETE", &format!("/v2/team/app/manifests/{digest}")).is(202);
    ask("GET").is(404);
    assert!(!is_up(&warden));
    assert_eq!((outcome(&warden, "storage"), outcome(&warden, "off")), (0.0, 3.0));
    let ready = watcher(&warden).get("/readyz").is(200).text();
    assert!(ready.contains("degraded: no read is answered from registry.storage: an upload of"), "{ready}");
    // Each has one upload, and goes on with it.
    let uploads = pair.registry.store().join("docker/registry/v2/repositories");
    let left =
        NAMES.iter().map(|name| fs::read_dir(uploads.join(name).join("_uploads")).map_or(0, Iterator::count));
    assert_eq!(left.sum::<usize>(), 2);
}

/// A copy that was made while Portwarden ran has its upload too, and the registry does not go on with that one.
#[test]
fn rule_66_a_copy_with_the_upload_of_the_proof_answers_nothing() {
    let registry = registry();
    let directory = tempfile::tempdir().unwrap();
    let (link, copy) = (directory.path().join("link"), directory.path().join("copy"));
    fs::create_dir_all(registry.store()).unwrap();
    symlink(registry.store(), &link).unwrap();
    let without = portwarden(&registry).start();
    let mut with = answering(&registry, &link).start();
    push_image(&curl(&without).user(ADMIN), "team/app", "1");
    assert!(eventually(PATIENCE, || is_up(&with)));
    command::run("cp", &["-a", registry.store().to_str().unwrap(), copy.to_str().unwrap()], &[]).succeeds();
    fs::remove_file(&link).unwrap();
    symlink(&copy, &link).unwrap();
    let from = with.log().len();
    with.reload(|builder| builder.cost(6));
    with.wait_for_log(from, "does not show in the files");
    assert!(!is_up(&with));
    fs::remove_file(&link).unwrap();
    symlink(registry.store(), &link).unwrap();
    with.reload(|builder| builder.cost(5));
    assert!(eventually(PATIENCE, || is_up(&with)));
    let uploads = registry.store().join("docker/registry/v2/repositories/team/app/_uploads");
    assert_eq!(fs::read_dir(uploads).unwrap().count(), 1, "it went on with the one that it had");
}

#[test]
fn rule_66_while_writes_are_frozen_or_the_registry_is_gone_there_is_no_proof() {
    let registry = registry();
    let without = portwarden(&registry).start();
    let with = answering(&registry, &registry.store()).with("control: {socket: ./control.sock}").start();
    let mut pair = Pair { registry, with, without };
    pair.fill("team/app");
    pair.wait_for_proof();
    let socket = pair.with.file("control.sock");
    let control = |words: &[&str]| {
        command::run(&program(), &[words, &["--socket", socket.to_str().unwrap()]].concat(), &[]).succeeds()
    };
    control(&["freeze", "--for", "10m", "--drain", "0s"]);
    pair.with.reload(|builder| builder.cost(6));
    pair.with.says("writes are frozen, and the proof is a write");
    assert!(!is_up(&pair.with));
    control(&["thaw"]);
    pair.wait_for_proof();
    pair.registry.kill();
    let from = pair.with.log().len();
    pair.with.reload(|builder| builder.cost(5));
    pair.with.wait_for_log(from, "no read is answered from registry.storage");
    assert!(!is_up(&pair.with));
}

#[test]
fn an_answer_from_files_is_in_the_audit_log_as_such() {
    let registry = registry();
    let file = tempfile::NamedTempFile::new().unwrap();
    let audit = format!("audit: {{to: '{}'}}", file.path().display());
    let without = portwarden(&registry).start();
    let with = answering(&registry, &registry.store()).with(&audit).start();
    let pair = Pair { registry, with, without };
    pair.fill("team/app");
    pair.wait_for_proof();
    let target = "/v2/team/app/manifests/oci";
    let ask = || accepting(&all_kinds())(curl(&pair.with).user(USER)).get(target).is(200);
    ask();
    let digest = ask().header("docker-content-digest").unwrap().to_owned();
    let line = audit::line_with(file.path(), &[("answered_by", "storage")]);
    assert_eq!((&line["event"], &line["account"]), (&json!("transfer"), &json!("user")));
    assert_eq!(
        (&line["digest"], &line["status"], &line["ended"]),
        (&json!(digest), &json!(200), &json!("complete"))
    );
    let lines = audit::lines(file.path());
    let transfers = lines.iter().filter(|line| line["event"] == "transfer" && line["reference"] == "oci");
    let by: Vec<&Value> = transfers.map(|line| &line["answered_by"]).collect();
    assert_eq!(by, [&Value::Null, &json!("storage")]);
}

#[test]
fn pulls_that_the_registry_does_not_see_have_events_of_portwarden() {
    let (registry, collector) = (registry(), collector());
    let endpoint =
        format!("{{name: one, url: '{}', timeout: 10s, threshold: 2, backoff: 100ms}}", collector.url());
    let section = format!("notifications: {{spool: notifications.spool, endpoints: [{endpoint}]}}");
    let without = portwarden(&registry).start();
    let with = answering(&registry, &registry.store()).with(&section).start();
    let pair = Pair { registry, with, without };
    let layer = pair.fill("team/app");
    pair.wait_for_proof();
    let blob = format!("/v2/team/app/blobs/{}", sha256(&layer));
    let pull = |target: &str| accepting(&all_kinds())(curl(&pair.with).user(USER)).get(target).is(200);
    for target in ["/v2/team/app/manifests/oci", &blob] {
        pull(target);
        pull(target);
    }
    assert_eq!(outcome(&pair.with, "storage"), 2.0);
    let is_pull = |event: &&Value| event["action"] == "pull" && event["actor"]["name"] == "user";
    let events = collector.until(|events| events.iter().filter(is_pull).count() >= 4);
    let pulls: Vec<&Value> = events.iter().filter(is_pull).collect();
    for (one, other) in [(0, 1), (2, 3)] {
        assert_eq!(pulls[one]["target"]["digest"], pulls[other]["target"]["digest"]);
        assert_eq!(pulls[one]["target"]["mediaType"], pulls[other]["target"]["mediaType"]);
    }
    assert_eq!(pulls.len(), 4);
}

#[test]
fn skopeo_pulls_an_image_from_files_alone() {
    let pair = pair(registry());
    let archive = Image::random(3, 200_000).archive("any/image:1");
    skopeo(&pair.with, ADMIN).push(archive.path(), "team/app:1").succeeds();
    skopeo(&pair.with, USER).pull("team/app:1").succeeds();
    pair.registry.forget_log();
    let before = outcome(&pair.with, "storage");
    skopeo(&pair.with, USER).pull("team/app:1").succeeds();
    assert_eq!(outcome(&pair.with, "storage"), before + 5.0, "a manifest, a configuration and three layers");
    assert_eq!(pair.registry.requests("team/app"), Vec::<String>::new());
}

#[test]
fn check_refuses_answers_without_the_files() {
    let pair = pair(registry());
    let file = pair.with.file("portwarden.yml");
    let check = || command::run(&program(), &["check", "-c", file.to_str().unwrap()], &[]);
    check().succeeds();
    let text = fs::read_to_string(&file).unwrap();
    let without: String =
        text.lines().filter(|line| !line.contains("storage: '")).map(|line| format!("{line}\n")).collect();
    assert_ne!(text, without);
    fs::write(&file, without).unwrap();
    let refused = check().fails().text();
    assert!(
        refused.contains("registry.storage_answers: answers need the files of the registry"),
        "{refused}"
    );
}
