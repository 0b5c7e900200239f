//! The digests that tags reach (rule 51), held against a slow and obvious model: the files of the registry.
//!
//! Needs: curl, docker-registry, htpasswd.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::PathBuf,
};

use serde_json::{Value, json};

use super::tag_rules::{ACL, INDEX, NAME, client, digest_of, hex, image, index, put, start, status};
use crate::support::{
    curl::{Request, curl},
    distribution::{MANIFEST, push_blob},
    image::{random_bytes, sha256},
    metrics,
    portwarden::{ADMIN, Portwarden, TEST2, USER, portwarden},
    registry::{Registry, registry},
};

/// Pushes tags that share layers, platforms and signatures.
fn fill(warden: &Portwarden) {
    let admin = curl(warden).user(ADMIN);
    let pool: Vec<Vec<u8>> = (0..6).map(|_| random_bytes(300)).collect();
    let layer = |n: usize| &*pool[n % pool.len()];
    let tags = ["1.0", "1.1", "2.0", "main", "pr-1", "x1.0"];
    for (n, tag) in tags.iter().enumerate() {
        image(&admin, tag, &[layer(n), layer(n + 1), &random_bytes(50)]);
    }
    let platforms: Vec<String> =
        (0..4).map(|n| image(&admin, &format!("platform-{n}"), &[layer(n)])).collect();
    let platform = |n: usize| platforms[n].as_str();
    let public = index(&admin, "1.2", &[platform(0), platform(1)]);
    let secret = index(&admin, "3.0", &[platform(1), platform(2)]);
    for subject in [&public, &secret] {
        let signature = image(&admin, &format!("sha256-{}.sig", hex(subject)), &[&random_bytes(40)]);
        image(&admin, &format!("sha256-{}.sig", hex(&signature)), &[&random_bytes(40)]);
        index(&admin, &format!("sha256-{}", hex(subject)), &[&image(&admin, "tmp", &[&random_bytes(30)])]);
    }
    // A tag that was moved: what it named before is reached no longer.
    image(&admin, "1.3", &[&random_bytes(60)]);
    image(&admin, "1.3", &[&random_bytes(60)]);
}

/// The stored part of the repository: its manifests and its blobs, by digest, and the digests that its tags name.
struct Stored {
    manifests: BTreeMap<String, Value>,
    blobs: BTreeSet<String>,
    tags: BTreeMap<String, String>,
}

fn stored(registry: &Registry) -> Stored {
    let root = registry.store().join("docker/registry/v2/repositories").join(NAME);
    let names = |path: PathBuf| -> Vec<String> {
        let entries = fs::read_dir(path).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    // What is deleted leaves an empty folder.
    let digests = |path: &str| {
        let path = root.join(path);
        let linked = names(path.clone()).into_iter().filter(move |hex| path.join(hex).join("link").exists());
        linked.map(|hex| format!("sha256:{hex}"))
    };
    let read = |digest: String| {
        let content = fs::read(registry.blob_file(&digest)).unwrap();
        (digest, serde_json::from_slice(&content).unwrap())
    };
    let named = |tag: String| {
        let link = fs::read_to_string(root.join("_manifests/tags").join(&tag).join("current/link")).ok()?;
        Some((tag, link.trim().to_owned()))
    };
    Stored {
        manifests: digests("_manifests/revisions/sha256").map(read).collect(),
        blobs: digests("_layers/sha256").collect(),
        tags: names(root.join("_manifests/tags")).into_iter().filter_map(named).collect(),
    }
}

impl Stored {
    /// All that tags reach which begin with `1.`: the slow and obvious way.
    fn closure(&self) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        loop {
            let before = reached.len();
            for (tag, digest) in &self.tags {
                let about = tag.strip_prefix("sha256-").map(|rest| format!("sha256:{}", &rest[..64]));
                if tag.starts_with("1.") || about.is_some_and(|subject| reached.contains(&subject)) {
                    reached.insert(digest.clone());
                }
            }
            for (digest, manifest) in &self.manifests {
                let subject = manifest["subject"]["digest"].as_str();
                if subject.is_some_and(|subject| reached.contains(subject)) {
                    reached.insert(digest.clone());
                }
                if reached.contains(digest) {
                    let lists = ["layers", "manifests"].iter().filter_map(|list| manifest[list].as_array());
                    let named = lists.flatten().chain([&manifest["config"]]);
                    reached.extend(named.filter_map(|of| Some(of["digest"].as_str()?.to_owned())));
                }
            }
            if reached.len() == before {
                return reached;
            }
        }
    }
}

#[test]
fn rule_51_each_digest_of_a_registry_is_answered_as_its_files_say() {
    let registry = registry();
    let warden = start(&registry);
    fill(&warden);
    let stored = stored(&registry);
    let closure = stored.closure();
    let manifests = stored.manifests.keys().map(|digest| ("manifests", digest));
    let all: Vec<_> = manifests.chain(stored.blobs.iter().map(|digest| ("blobs", digest))).collect();
    let (mut extra, mut missing) = (Vec::new(), Vec::new());
    for (kind, digest) in &all {
        match (status(&warden, kind, digest), closure.contains(*digest)) {
            (200, true) | (404, false) => {}
            (200, false) => extra.push((kind, digest)),
            (other, _) => missing.push((other, kind, digest)),
        }
    }
    println!(
        "{} digests, {} reached; {} extra, {} missing",
        all.len(),
        closure.len(),
        extra.len(),
        missing.len()
    );
    assert!(all.len() > 40 && closure.len() > 15);
    assert!(extra.is_empty() && missing.is_empty(), "extra: {extra:?}, missing: {missing:?}");
}

/// A small generator of numbers, the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }

    fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

/// A repository in which anything is pushed and deleted.
struct Random<'a> {
    numbers: Numbers,
    warden: &'a Portwarden,
    pool: Vec<Vec<u8>>,
    /// All manifests that were ever pushed, by digest.
    manifests: Vec<String>,
    done: BTreeMap<&'static str, usize>,
}

impl Random<'_> {
    fn manifest(&mut self) -> Option<String> {
        let count = self.manifests.len();
        (count > 0).then(|| self.manifests[self.numbers.below(count)].clone())
    }

    fn layers(&mut self) -> Vec<Vec<u8>> {
        (0..=self.numbers.below(2)).map(|_| self.pool[self.numbers.below(self.pool.len())].clone()).collect()
    }

    /// Pushes or deletes something; returns what.
    fn step(&mut self) -> &'static str {
        let admin = curl(self.warden).user(ADMIN);
        let tag = self.numbers.pick(&["1.0", "1.1", "1.2", "2.0", "main"]);
        let what = self.numbers.pick(&[
            "image",
            "image",
            "index",
            "referrer",
            "signature",
            "deletion",
            "of another",
        ]);
        let layers = self.layers();
        let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
        let pushed = match what {
            "image" => image(&admin, tag, &layers),
            "of another" => image(&curl(self.warden).user(TEST2), "pr-1", &layers),
            "index" => {
                let platforms: Vec<String> =
                    (0..=self.numbers.below(2)).filter_map(|_| self.manifest()).collect();
                let platforms: Vec<&str> = platforms.iter().map(String::as_str).collect();
                match self.index(&admin, tag, &platforms) {
                    Some(digest) => digest,
                    None => return "nothing",
                }
            }
            "referrer" => match self.manifest() {
                Some(subject) => self.referrer(&admin, &subject, &layers),
                None => return "nothing",
            },
            "signature" => match self.manifest() {
                Some(subject) => image(&admin, &format!("sha256-{}.sig", hex(&subject)), &layers),
                None => return "nothing",
            },
            _ => {
                let Some(digest) = self.manifest() else { return "nothing" };
                admin.send("DELETE", &format!("/v2/{NAME}/manifests/{digest}"));
                return "deletion";
            }
        };
        self.manifests.push(pushed);
        what
    }

    /// An index of manifests that may be gone: then the registry refuses it.
    fn index(&self, admin: &Request, tag: &str, platforms: &[&str]) -> Option<String> {
        let entry = |digest: &&str| json!({"mediaType": MANIFEST, "size": 1, "digest": digest});
        let manifests: Vec<Value> = platforms.iter().map(entry).collect();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        let pushed = put(admin, tag, INDEX, &index);
        (pushed.status == 201).then(|| digest_of(&pushed))
    }

    /// A manifest without a tag, about another.
    fn referrer(&self, admin: &Request, subject: &str, layers: &[&[u8]]) -> String {
        let of = |digest: &str| json!({"mediaType": "application/octet-stream", "size": 1, "digest": digest});
        let config = of(&push_blob(admin, NAME, &random_bytes(20)));
        let layers: Vec<Value> = layers.iter().map(|layer| of(&push_blob(admin, NAME, layer))).collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
                              "subject": {"mediaType": MANIFEST, "size": 1, "digest": subject}});
        digest_of(&put(admin, &sha256(manifest.to_string().as_bytes()), MANIFEST, &manifest).is(201))
    }
}

/// `STEPS` random pushes and deletions, with all digests asked for after every few.
#[test]
fn rule_51_whatever_is_pushed_and_deleted_the_answers_are_those_of_the_files() {
    let seed = env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(51);
    let steps = env::var("STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(40);
    let registry = registry();
    let warden = start(&registry);
    let pool = (0..8).map(|_| random_bytes(50)).collect();
    let mut random = Random {
        numbers: Numbers(seed),
        warden: &warden,
        pool,
        manifests: Vec::new(),
        done: BTreeMap::new(),
    };
    let (mut asked, mut reached) = (0, 0);
    for step in 1..=steps {
        let what = random.step();
        *random.done.entry(what).or_default() += 1;
        if step % 4 != 0 {
            continue;
        }
        let stored = stored(&registry);
        let closure = stored.closure();
        // The manifests first: a referrer without a tag is found by its digest.
        let manifests = stored.manifests.keys().map(|digest| ("manifests", digest));
        for (kind, digest) in manifests.chain(stored.blobs.iter().map(|digest| ("blobs", digest))) {
            let expected = if closure.contains(digest) { 200 } else { 404 };
            let found = status(&warden, kind, digest);
            assert_eq!(found, expected, "seed {seed}, step {step}: {kind}/{digest}, after {what}");
            asked += 1;
            reached += usize::from(expected == 200);
        }
    }
    println!("{asked} asked, {reached} reached, after {:?}", random.done);
    assert!(asked > reached && reached > asked / 30, "{asked} {reached}");
}

/// The bound of `docs/tag-rules.md`, measured: manifests nearly as large as a registry takes them, of layers that no other
/// has, and one too many.
#[test]
fn rule_51_a_hundred_thousand_digests_take_less_than_64_mib() {
    const LAYERS: usize = 19_900;
    let registry = registry();
    let warden = portwarden(&registry).acl(ACL).with(metrics::ON).start();
    image(&curl(&warden).user(ADMIN), "1.0", &[&random_bytes(10)]);
    for number in 1..=6 {
        let layer = |n: usize| json!({"size": 1, "digest": sha256(format!("{number} {n}").as_bytes())});
        let layers: Vec<Value> = (0..LAYERS).map(layer).collect();
        let manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": layers[0], "layers": layers});
        registry.add_manifest(NAME, &format!("1.{number}"), manifest.to_string().as_bytes());
    }
    let pull = |tag: &str| client(&warden).user(USER).get(&format!("/v2/{NAME}/manifests/{tag}")).is(200);
    let a_layer = |number: usize| status(&warden, "blobs", &sha256(format!("{number} 7").as_bytes()));
    let known = || metrics::value(&warden, "portwarden_closure_digests").unwrap();
    pull("1.0");
    let before = warden.rss_kib() / 1024;
    for number in 1..=5 {
        pull(&format!("1.{number}"));
        assert_eq!(a_layer(number), 404, "reached, and not there");
    }
    let (after, digests) = (warden.rss_kib() / 1024, known());
    println!("{digests} digests: {before} MiB before, {after} MiB after");
    assert!((99_000.0..=100_000.0).contains(&digests), "{digests}");
    assert!(after - before < 64, "from {before} to {after} MiB");
    pull("1.6");
    assert_eq!(a_layer(6), 503, "it is not known any more what is reached");
    assert!(known() < 100_000.0);
}
