//! Reads from the registry's files (`registry.storage_answers`) held against those without, over a whole storage that
//! changes all the time: pushes, mounts, deletions, garbage collection, and files that are spoiled. Lists too. `make
//! prove-reads` takes longer.
//!
//! Needs: curl, docker-registry, htpasswd, registry-3.

use std::{
    collections::BTreeMap,
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{
        RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::storage_answers::{
    DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Pair, index, manifest, outcome, pair,
};
use crate::support::{
    curl::{Request, curl},
    distribution::push_blob,
    image::{random_bytes, sha256},
    portwarden::ADMIN,
    random::Random,
    registry3::{Release, registry_of},
};

const NAMES: [&str; 3] = ["team/app", "team/app/sub", "other"];
const TAGS: [&str; 4] = ["1", "2", "latest", "never"];
const HEADERS: [&str; 6] = [
    "Range: bytes=3-9",
    "Range: bytes=-4",
    "Range: bytes=999999-",
    "If-None-Match: \"x\"",
    "If-Match: \"x\"",
    "Accept-Encoding: gzip",
];

/// Parts of lists.
const PARTS: [&str; 6] = ["", "", "?n=1000", "?n=2", "?n=1&last=2", "?last=team%2Fapp"];

/// Whatever is pushed.
struct Stock {
    layers: Vec<Vec<u8>>,
    manifests: Vec<serde_json::Value>,
    digests: Vec<String>,
}

impl Stock {
    fn new() -> Self {
        let layers: Vec<Vec<u8>> = (1..6).map(|n| random_bytes(n * n * 3000)).collect();
        let mut manifests = Vec::new();
        for layer in &layers {
            let [oci, docker] = [OCI_MANIFEST, DOCKER_MANIFEST].map(|media_type| manifest(media_type, layer));
            let indexes = [index(OCI_INDEX, &oci), index(DOCKER_LIST, &docker)];
            manifests.extend([oci, docker]);
            manifests.extend(indexes);
        }
        let of_manifests = manifests.iter().map(|manifest| sha256(manifest.to_string().as_bytes()));
        let digests = layers.iter().map(|layer| sha256(layer)).chain(of_manifests).collect();
        Self { layers, manifests, digests }
    }
}

/// Changes the storage, one step after another.
struct Changes<'a> {
    pair: &'a Pair,
    stock: &'a Stock,
    random: Random,
    /// Files that were spoiled, and their content before.
    spoiled: Vec<(PathBuf, Vec<u8>)>,
    done: BTreeMap<&'static str, usize>,
}

impl Changes<'_> {
    fn step(&mut self) {
        let what = match self.random.below(16) {
            0..6 => self.push(),
            6 => self.mount(),
            7 | 8 => self.delete("manifests"),
            9 => self.delete("blobs"),
            10 => self.untag(),
            11 => self.unlink(),
            12 if self.random.one_in(2) => self.oddity(),
            12 | 13 => self.spoil(),
            14 => self.mend(),
            _ => {
                self.pair.registry.collect_garbage();
                "garbage"
            }
        };
        *self.done.entry(what).or_default() += 1;
    }

    fn admin(&self) -> Request {
        curl(&self.pair.without).user(ADMIN)
    }

    /// An image with all that it names. What was spoiled or deleted may be in the way.
    fn push(&mut self) -> &'static str {
        let (name, tag) = (self.random.pick(&NAMES), self.random.pick(&TAGS[..3]));
        let n = self.random.below(self.stock.layers.len());
        let kind = self.random.below(4);
        push_blob(&self.admin(), name, b"{}");
        push_blob(&self.admin(), name, &self.stock.layers[n]);
        let put = |reference: &str, manifest: &serde_json::Value| {
            let text = manifest.to_string();
            let request = self.admin().body_of(manifest["mediaType"].as_str().unwrap(), text.as_bytes());
            request.send("PUT", &format!("/v2/{name}/manifests/{reference}"));
        };
        let all = &self.stock.manifests[4 * n..4 * n + 4];
        if kind > 1 {
            put(&sha256(all[kind - 2].to_string().as_bytes()), &all[kind - 2]);
        }
        put(tag, &all[kind]);
        "push"
    }

    fn mount(&mut self) -> &'static str {
        let (name, from) = (self.random.pick(&NAMES), self.random.pick(&NAMES));
        let digest = sha256(&self.stock.layers[self.random.below(self.stock.layers.len())]);
        self.admin().send("POST", &format!("/v2/{name}/blobs/uploads/?mount={digest}&from={from}"));
        "mounted"
    }

    fn delete(&mut self, kind: &'static str) -> &'static str {
        let digest = &self.stock.digests[self.random.below(self.stock.digests.len())];
        self.admin().send("DELETE", &format!("/v2/{}/{kind}/{digest}", self.random.pick(&NAMES)));
        "delete"
    }

    fn repository(&mut self) -> PathBuf {
        self.pair.registry.store().join("docker/registry/v2/repositories").join(self.random.pick(&NAMES))
    }

    /// As registry 3 deletes a tag.
    fn untag(&mut self) -> &'static str {
        let tag = self.repository().join("_manifests/tags").join(self.random.pick(&TAGS));
        let _ = fs::remove_dir_all(tag);
        "untag"
    }

    fn a_link(&mut self) -> Option<PathBuf> {
        let mut links = Vec::new();
        links_below(&self.repository(), &mut links);
        links.sort();
        (!links.is_empty()).then(|| links.swap_remove(self.random.below(links.len())))
    }

    fn unlink(&mut self) -> &'static str {
        self.a_link().map(fs::remove_file);
        "unlink"
    }

    /// Something among the tags that is none, or no more.
    fn oddity(&mut self) -> &'static str {
        let tag = self.repository().join("_manifests/tags/odd");
        if fs::remove_file(&tag).is_err() && fs::remove_dir(&tag).is_err() {
            let _ = match self.random.below(3) {
                0 => symlink("1", &tag),
                1 => fs::write(&tag, b""),
                _ => fs::create_dir(&tag),
            };
        }
        "oddity"
    }

    /// A link that leads elsewhere, half a link, or half a manifest.
    fn spoil(&mut self) -> &'static str {
        let Some(link) = self.a_link() else { return "nothing" };
        let Ok(content) = fs::read(&link) else { return "nothing" };
        match self.random.below(4) {
            0 => fs::write(&link, &content[..content.len() / 2]).unwrap(),
            1 => fs::write(&link, b"").unwrap(),
            2 if link.to_str().unwrap().contains("_layers") => {
                let other = &self.stock.layers[self.random.below(self.stock.layers.len())];
                fs::write(&link, sha256(other)).unwrap();
            }
            2 => {
                let digest = &self.stock.digests[self.stock.layers.len()..];
                let data = self.pair.registry.blob_file(&digest[self.random.below(digest.len())]);
                let Ok(content) = fs::read(&data) else { return "nothing" };
                fs::write(&data, &content[..content.len() / 2]).unwrap();
                self.spoiled.push((data, content));
                return "half";
            }
            _ => {
                fs::rename(&link, link.with_extension("kept")).unwrap();
                symlink("link.kept", &link).unwrap();
            }
        }
        self.spoiled.push((link, content));
        "spoil"
    }

    fn mend(&mut self) -> &'static str {
        for (path, content) in self.spoiled.drain(..) {
            if path.symlink_metadata().is_ok() {
                let _ = fs::remove_file(&path);
                fs::write(path, content).unwrap();
            }
        }
        "mend"
    }
}

fn links_below(directory: &Path, links: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && entry.file_name() != "_uploads" {
            links_below(&entry.path(), links);
        } else if kind.is_file() && entry.file_name() == "link" {
            links.push(entry.path());
        }
    }
}

/// A question about the storage.
struct Question {
    method: &'static str,
    target: String,
    options: Vec<String>,
}

impl Question {
    fn random(random: &mut Random, stock: &Stock) -> Self {
        let name = random.pick(&NAMES);
        let digest = &stock.digests[random.below(stock.digests.len())];
        let target = match random.below(11) {
            8..10 => format!("/v2/{name}/tags/list{}", random.pick(&PARTS)),
            10 => format!("/v2/_catalog{}", random.pick(&PARTS)),
            0..3 => format!("/v2/{name}/manifests/{}", random.pick(&TAGS)),
            3..5 => format!("/v2/{name}/manifests/{digest}"),
            5 => format!("/v2/{name}/blobs/{digest}"),
            _ => format!("/v2/{name}/blobs/{}", stock.digests[random.below(stock.layers.len())]),
        };
        let kinds = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST];
        let accept = match random.below(6) {
            0 => random.pick(&kinds).to_owned(),
            1 => "*/*".to_owned(),
            _ => kinds.join(","),
        };
        let mut options = vec![random.pick(&["--http1.1", "--http2"]).to_owned()];
        options.extend(["--header".to_owned(), format!("Accept: {accept}")]);
        if random.one_in(8) {
            options.extend(["--header".to_owned(), random.pick(&HEADERS).to_owned()]);
        }
        Self { method: random.pick(&["GET", "GET", "HEAD"]), target, options }
    }

    /// Returns true for one manifest or blob.
    fn is_of_one(&self) -> bool {
        !self.target.contains("/tags/list") && !self.target.contains("/_catalog")
    }

    fn put(&self, request: Request) -> Request {
        request.option(&self.options.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// The number of questions, or a time.
fn goal() -> (usize, Duration) {
    match env::var("PROVE_MINUTES").ok().and_then(|minutes| minutes.parse::<u64>().ok()) {
        Some(minutes) => (usize::MAX, Duration::from_secs(60 * minutes)),
        None => (200, Duration::MAX),
    }
}

fn prove(release: Release) {
    let seed = env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(66);
    let (pair, stock, began) = (pair(registry_of(release)), Stock::new(), Instant::now());
    let (gate, over) = (RwLock::new(()), AtomicBool::new(false));
    let (questions, time) = goal();
    let (mut still, mut moving) = (0, 0);
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    let done = thread::scope(|scope| {
        let changes = scope.spawn(|| {
            let (random, spoiled, done) = (Random(seed + 1), Vec::new(), BTreeMap::new());
            let mut changes = Changes { pair: &pair, stock: &stock, random, spoiled, done };
            while !over.load(Ordering::Relaxed) {
                let _alone = gate.write().unwrap();
                changes.step();
            }
            changes.done
        });
        let _ends = Ends(&over);
        let mut random = Random(seed);
        while still + moving < questions && began.elapsed() < time && !changes.is_finished() {
            let question = Question::random(&mut random, &stock);
            if random.one_in(3) {
                // While it changes: whatever comes whole is what it says that it is.
                let request = question.put(curl(&pair.with).user(ADMIN));
                let answer = request.get(&question.target);
                if answer.status == 200 && answer.exit == 0 && question.is_of_one() {
                    let digest = answer.header("docker-content-digest").unwrap();
                    assert_eq!(sha256(&answer.body), digest, "seed {seed}: {}", question.target);
                }
                moving += 1;
            } else {
                let _still = gate.read().unwrap();
                let answer = pair.same(question.method, &question.target, |request| question.put(request));
                *statuses.entry(answer.status).or_default() += 1;
                still += 1;
            }
        }
        over.store(true, Ordering::Relaxed);
        changes.join().unwrap()
    });
    let by_storage = outcome(&pair.with, "storage");
    let outcomes =
        ["off", "condition", "unlearned", "accept", "missing", "other", "unreadable", "slow", "busy"]
            .map(|name| (name, outcome(&pair.with, name)));
    println!(
        "{release:?}, seed {seed}, {:?}: {still} answers the same, {statuses:?}; {moving} while it changed; \
         {by_storage} from storage, else {outcomes:?}; changes {done:?}",
        began.elapsed()
    );
    assert!(by_storage > 10.0, "{by_storage}");
}

/// Ends the changes, also where an assertion fails: the scope would wait for them for ever.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn rule_66_answers_are_those_without_storage_while_everything_changes_beneath_registry_2() {
    prove(Release::V2);
}

#[test]
#[ignore = "run by `make prove-reads`, which builds registry 3"]
fn rule_66_answers_are_those_without_storage_while_everything_changes_beneath_registry_3() {
    prove(Release::V3);
}
