//! Every way to move, delete or hollow out a tag, tried on a write-once tag through Portwarden, and on the registry alone,
//! where each of them works: `make attack-tags`.
//!
//! Needs: curl, docker-registry, htpasswd.

use std::{collections::HashSet, sync::Mutex, thread};

use serde_json::{Value, json};

use super::write_once::{ALL, TAGS};
use crate::support::{
    curl::{Request, Response, curl, curl_at},
    distribution::push_blob,
    image::{random_bytes, sha256},
    portwarden::{Portwarden, USER, portwarden},
    registry::{Registry, registry},
};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const TAG: &str = "1.2.0";

/// A repository with an index of two platforms under a tag.
struct Victim {
    request: Request,
    repository: String,
    /// The digests of the index, then of the manifests of its platforms.
    manifests: Vec<String>,
    /// The digests of configurations and layers.
    blobs: Vec<String>,
}

impl Victim {
    fn new(request: Request, repository: &str) -> Self {
        let mut victim =
            Self { request, repository: repository.to_owned(), manifests: Vec::new(), blobs: Vec::new() };
        let platforms = ["amd64", "arm64"].map(|architecture| {
            let (image, size) = victim.push_image();
            json!({"mediaType": IMAGE, "digest": image, "size": size,
                "platform": {"os": "linux", "architecture": architecture}})
        });
        let index = index_of(&platforms);
        victim.put(&index, INDEX, &format!("manifests/{TAG}")).is(201);
        victim.manifests.insert(0, sha256(index.as_bytes()));
        victim
    }

    /// Pushes an image of its own by digest; returns its digest and its size.
    fn push_image(&mut self) -> (String, usize) {
        let manifest = self.new_image();
        let digest = sha256(manifest.as_bytes());
        self.put(&manifest, IMAGE, &format!("manifests/{digest}")).is(201);
        self.manifests.push(digest.clone());
        (digest, manifest.len())
    }

    /// The manifest of an image whose blobs are there.
    fn new_image(&mut self) -> String {
        let contents =
            [json!({"made": sha256(&random_bytes(8))}).to_string().into_bytes(), random_bytes(500)];
        let [config, layer] = contents.map(|content| {
            let digest = push_blob(&self.request, &self.repository, &content);
            self.blobs.push(digest.clone());
            (digest, content.len())
        });
        json!({"schemaVersion": 2, "mediaType": IMAGE,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config.0, "size": config.1},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": layer.0, "size": layer.1}]})
        .to_string()
    }

    /// Another image, which is not in what the tag needs.
    fn other_image(&mut self) -> String {
        let blobs = self.blobs.len();
        let manifest = self.new_image();
        self.blobs.truncate(blobs);
        manifest
    }

    fn put(&self, manifest: &str, media_type: &str, path: &str) -> Response {
        let request = self.request.clone().body_of(media_type, manifest.as_bytes());
        request.send("PUT", &format!("/v2/{}/{path}", self.repository))
    }

    fn delete(&self, path: &str) -> Response {
        self.request.clone().send("DELETE", &format!("/v2/{}/{path}", self.repository))
    }

    fn get(&self, path: &str) -> Response {
        let request = self.request.clone().header(&format!("Accept: {INDEX}, {IMAGE}"));
        request.get(&format!("/v2/{}/{path}", self.repository))
    }

    /// Returns true if the tag names the same index, and all that it needs is there, to its bytes.
    fn is_whole(&self) -> bool {
        let is = |path: &str, digest: &str| {
            let found = self.get(path);
            found.status == 200 && sha256(&found.body) == digest
        };
        is(&format!("manifests/{TAG}"), &self.manifests[0])
            && self.manifests.iter().all(|digest| is(&format!("manifests/{digest}"), digest))
            && self.blobs.iter().all(|digest| is(&format!("blobs/{digest}"), digest))
    }
}

fn index_of(entries: &[Value]) -> String {
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string()
}

/// The releases of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Works {
    Everywhere,
    /// Not on 3.
    On28,
    /// Not on 2.8.
    On3,
    Nowhere,
}

/// A way to break a tag.
struct Attack {
    name: &'static str,
    /// The releases of the registry on which it works alone.
    works: Works,
    run: fn(&mut Victim),
}

const ATTACKS: &[Attack] = &[
    Attack {
        name: "another image is pushed to the tag",
        works: Works::Everywhere,
        run: |victim| {
            let other = victim.other_image();
            victim.put(&other, IMAGE, &format!("manifests/{TAG}"));
        },
    },
    Attack {
        name: "the same with an encoded tag",
        works: Works::Everywhere,
        run: |victim| {
            let other = victim.other_image();
            victim.put(&other, IMAGE, "manifests/1%2E2%2e0");
        },
    },
    Attack {
        name: "an index without a platform is pushed to the tag",
        works: Works::Everywhere,
        run: |victim| {
            let index = index_of(&[json!({"mediaType": IMAGE, "digest": victim.manifests[1], "size": 1})]);
            victim.put(&index, INDEX, &format!("manifests/{TAG}"));
        },
    },
    Attack {
        name: "its manifest is deleted",
        works: Works::Everywhere,
        run: |victim| {
            victim.delete(&format!("manifests/{}", victim.manifests[0]));
        },
    },
    Attack {
        name: "the same with an encoded digest",
        works: Works::Everywhere,
        run: |victim| {
            victim.delete(&format!("manifests/{}", victim.manifests[0].replace(':', "%3A")));
        },
    },
    Attack {
        name: "the same digest under another tag is deleted",
        works: Works::Everywhere,
        run: |victim| {
            let index = victim.get(&format!("manifests/{TAG}")).text();
            victim.put(&index, INDEX, "manifests/alias").is(201);
            victim.delete(&format!("manifests/{}", sha256(index.as_bytes())));
        },
    },
    Attack {
        name: "a platform is deleted",
        works: Works::Everywhere,
        run: |victim| {
            victim.delete(&format!("manifests/{}", victim.manifests[2]));
        },
    },
    Attack {
        name: "a layer is deleted",
        works: Works::Everywhere,
        run: |victim| {
            victim.delete(&format!("blobs/{}", victim.blobs[1]));
        },
    },
    Attack {
        name: "a configuration is deleted",
        works: Works::Everywhere,
        run: |victim| {
            victim.delete(&format!("blobs/{}", victim.blobs[0]));
        },
    },
    Attack {
        name: "a layer is deleted as a manifest",
        works: Works::On28,
        run: |victim| {
            victim.delete(&format!("manifests/{}", victim.blobs[1]));
        },
    },
    Attack {
        name: "an index as a blob is deleted",
        works: Works::Everywhere,
        run: |victim| {
            victim.delete(&format!("blobs/{}", victim.manifests[0]));
            victim.delete(&format!("blobs/{}", victim.blobs[3]));
        },
    },
    Attack {
        name: "the tag is deleted",
        works: Works::On3,
        run: |victim| {
            victim.delete(&format!("manifests/{TAG}"));
        },
    },
    Attack {
        name: "another image is pushed by its digest with the tag",
        works: Works::Nowhere,
        run: |victim| {
            let other = victim.other_image();
            let digest = sha256(other.as_bytes());
            victim.put(&other, IMAGE, &format!("manifests/{digest}?tag={TAG}"));
            victim.put(&other, IMAGE, &format!("manifests/{digest}?tag=other&tag={TAG}"));
            victim.put(&other, IMAGE, &format!("manifests/{digest}?tag=1%2e2%2e0"));
        },
    },
    Attack {
        name: "methods and paths that are none",
        works: Works::Nowhere,
        run: |victim| {
            let other = victim.other_image();
            for path in ["manifests/1.2.0/", "manifests//1.2.0", "manifests/1.2.0%00", "manifests/1.2.0%20"] {
                victim.put(&other, IMAGE, path);
            }
            for method in ["POST", "PATCH"] {
                let request = victim.request.clone().body_of(IMAGE, other.as_bytes());
                request.send(method, &format!("/v2/{}/manifests/{TAG}", victim.repository));
            }
        },
    },
];

fn guarded(registry: &Registry) -> Portwarden {
    portwarden(registry).acl(ALL).with(TAGS).start()
}

#[test]
fn rule_50_no_request_moves_deletes_or_hollows_out_a_write_once_tag() {
    let registry = registry();
    let warden = guarded(&registry);
    for (number, attack) in ATTACKS.iter().enumerate() {
        let mut victim = Victim::new(curl(&warden).user(USER), &format!("team/app{number}"));
        (attack.run)(&mut victim);
        assert!(victim.is_whole(), "{}", attack.name);
        println!("{}: nothing has changed", attack.name);
    }
}

#[test]
fn each_attack_on_a_tag_works_on_the_registry_alone() {
    let registry = registry();
    for (number, attack) in ATTACKS.iter().enumerate() {
        let mut victim = Victim::new(curl_at(&registry.url()), &format!("team/app{number}"));
        (attack.run)(&mut victim);
        let is_3 = std::env::var_os("PORTWARDEN_TEST_REGISTRY").is_some();
        let works = match attack.works {
            Works::Everywhere => true,
            Works::On28 => !is_3,
            Works::On3 => is_3,
            Works::Nowhere => false,
        };
        assert_eq!(!victim.is_whole(), works, "{}", attack.name);
    }
}

/// Pushes of different images to one tag, many at once; returns the digests of those that were taken.
fn race(request: &Request, pushes: usize) -> Vec<String> {
    let mut victim = Victim {
        request: request.clone(),
        repository: "team/race".to_owned(),
        manifests: Vec::new(),
        blobs: Vec::new(),
    };
    let image: Value = serde_json::from_str(&victim.new_image()).unwrap();
    let (taken, next) = (Mutex::new(Vec::new()), Mutex::new(0..pushes));
    let (victim, taken, next, image) = (&victim, &taken, &next, &image);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(move || {
                while let Some(number) = { next.lock().unwrap().next() } {
                    let mut image = image.clone();
                    image["annotations"] = json!({"number": number.to_string()});
                    let manifest = image.to_string();
                    let answer = victim.put(&manifest, IMAGE, &format!("manifests/{TAG}"));
                    match answer.status {
                        201 => taken.lock().unwrap().push(sha256(manifest.as_bytes())),
                        status => assert!(matches!(status, 403 | 409 | 503), "{answer:?}"),
                    }
                }
            });
        }
    });
    let taken = taken.lock().unwrap().clone();
    let now = sha256(&victim.get(&format!("manifests/{TAG}")).is(200).body);
    assert!(taken.contains(&now), "the tag is one that was taken");
    taken
}

#[test]
fn rule_50_of_racing_pushes_one_wins_and_the_others_are_refused() {
    let pushes = std::env::var("RACING_PUSHES").map_or(60, |text| text.parse().unwrap());
    let registry = registry();
    let warden = guarded(&registry);
    let taken = race(&curl(&warden).user(USER), pushes);
    assert_eq!(taken.len(), 1, "{taken:?}");
    println!("{pushes} racing pushes: one winner");
    let alone = race(&curl_at(&registry.url()), 20);
    assert_eq!(alone.iter().collect::<HashSet<_>>().len(), 20, "without Portwarden each of them wins");
}
