//! Documents on the pages of images: READMEs, and what builders say about how something was made. All of it is text from a
//! push, read within bounds.
//!
//! Needs: curl, docker-registry, htpasswd.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use super::page_details::{ACL, INDEX, OCI_MANIFEST, push, put, text};
use crate::support::{
    curl::{Request, curl},
    distribution::{push_blob, push_image},
    image::{random_bytes, sha256},
    page_client::Visitor,
    portwarden::{ADMIN, USER, portwarden},
    registry::registry,
};

const NAME: &str = "team/app";
const IN_TOTO: &str = "application/vnd.in-toto+json";
const HOSTILE: &str = "\"><script>alert(1)</script>\u{202e}";

/// Pushes an artifact with one layer; returns its digest.
#[track_caller]
fn artifact(admin: &Request, tag: &str, config: &str, layer: (&str, &[u8]), annotations: &Value) -> String {
    push_blob(admin, NAME, b"{}");
    let (media_type, content) = layer;
    let digest = push_blob(admin, NAME, content);
    let layer =
        json!({"mediaType": media_type, "digest": digest, "size": content.len(), "annotations": annotations});
    let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [layer],
        "config": {"mediaType": config, "size": 2, "digest": sha256(b"{}")}});
    put(admin, NAME, tag, OCI_MANIFEST, &manifest)
}

/// A statement as BuildKit writes it by default, about a manifest.
fn provenance(builder: &str, about: &str) -> Vec<u8> {
    let vcs = json!({"vcs": {"source": "https://git.example/team/app", "revision": "9d1f5c3f0b7e"}});
    let predicate = json!({
        "builder": {"id": builder}, "buildType": "https://mobyproject.org/buildkit@v1",
        "materials": [{"uri": "pkg:docker/debian@bookworm", "digest": {"sha256": "ab".repeat(32)}}],
        "invocation": {"configSource": {"entryPoint": "Dockerfile"}},
        "metadata": {"buildStartedOn": "2026-01-02T03:04:05Z", "https://mobyproject.org/buildkit@v1#metadata": vcs},
    });
    let hex = about.trim_start_matches("sha256:");
    let statement = json!({"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [{"name": "pkg:docker/app", "digest": {"sha256": hex}}], "predicate": predicate});
    statement.to_string().into_bytes()
}

/// An index of one image and of an attestation that has this document; returns the digest of the attestation.
#[track_caller]
fn attested(admin: &Request, tag: &str, document: impl Fn(&str) -> Vec<u8>) -> String {
    let config = json!({"os": "linux", "architecture": "amd64", "made": tag});
    let image = push(admin, NAME, "", &config, &[tag.as_bytes()]);
    let predicate = json!({"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"});
    let config = "application/vnd.oci.image.config.v1+json";
    let attestation = artifact(admin, "", config, (IN_TOTO, &document(&image)), &predicate);
    let about =
        json!({"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"mediaType": OCI_MANIFEST, "digest": image, "size": 400, "platform": {"os": "linux", "architecture": "amd64"}},
        {"mediaType": OCI_MANIFEST, "digest": attestation, "size": 400, "annotations": about,
            "platform": {"os": "unknown", "architecture": "unknown"}},
    ]});
    put(admin, NAME, tag, INDEX, &index);
    attestation
}

#[test]
fn what_a_builder_says_is_shown_in_words_and_as_a_claim() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let admin = curl(&warden).user(ADMIN);
    let attestation = attested(&admin, "1.0", |image| provenance("https://ci.example/runs/7", image));
    attested(&admin, "stolen", |_| provenance("https://ci.example/runs/7", &sha256(b"another image")));
    let visitor = Visitor::signed_in(&warden, USER);
    for path in [format!("/{NAME}:1.0"), format!("/{NAME}@{attestation}")] {
        let page = visitor.get(&path).is(200).text();
        assert!(page.contains("href=\"https://ci.example/runs/7\""), "{path}: {page}");
        let words = text(&page);
        for shown in [
            "Claimed, not verified",
            "Source https://git.example/team/app",
            "Commit 9d1f5c3f0b7e",
            "Dockerfile",
            "1 input of the build",
            "pkg:docker/debian@bookworm",
        ] {
            assert!(words.contains(shown), "{path} has no {shown}: {words}");
        }
        assert!(!words.contains("about something else"), "{path}: {words}");
    }
    let words = text(&visitor.get(&format!("/{NAME}:stolen")).is(200).text());
    assert!(words.contains("It is about something else"), "{words}");
    let plain = push_image(&admin, NAME, "plain");
    for path in [format!("/{NAME}:plain"), format!("/{NAME}@{plain}")] {
        assert!(!visitor.get(&path).is(200).text().contains("How it was made"), "{path}");
    }
}

#[test]
fn rule_32_hostile_and_endless_documents_stay_text_or_are_left() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let admin = curl(&warden).user(ADMIN);
    let visitor = Visitor::signed_in(&warden, USER);
    attested(&admin, "hostile", |image| provenance(HOSTILE, image));
    let page = visitor.get(&format!("/{NAME}:hostile")).is(200).text();
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>alert"), "{page}");
    assert!(!page.contains('\u{202e}'), "{page}");
    let readme = ("text/markdown", HOSTILE.as_bytes());
    artifact(&admin, "readme", "application/vnd.acme.readme.v1+json", readme, &json!({}));
    let page = visitor.get(&format!("/{NAME}:readme")).is(200).text();
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>alert"), "{page}");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let endless = vec![b' '; 600 << 10];
    for (tag, document) in
        [("deep", deep.as_bytes()), ("endless", &endless), ("odd", b"{\"predicate\":"), ("bytes", b"\xff\0")]
    {
        attested(&admin, tag, |_| document.to_vec());
        let page = visitor.get(&format!("/{NAME}:{tag}")).is(200).text();
        assert!(!page.contains("How it was made"), "{tag}: {page}");
    }
    let asked = registry.requests(&sha256(&endless));
    assert!(
        asked.iter().all(|request| !request.contains("GET")),
        "one that is too large is not asked for: {asked:?}"
    );
}

/// A chart with these files.
fn chart(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    for (name, content) in files {
        let mut entry = vec![0; 512];
        entry[..name.len()].copy_from_slice(name.as_bytes());
        entry[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        entry.extend_from_slice(content);
        entry.resize(entry.len().next_multiple_of(512), 0);
        packed.write_all(&entry).unwrap();
    }
    packed.write_all(&[0; 1024]).unwrap();
    packed.finish().unwrap()
}

#[test]
fn a_readme_is_shown_as_text_by_itself_on_its_image_and_from_a_chart() {
    let registry = registry();
    let warden = portwarden(&registry).acl(ACL).start();
    let admin = curl(&warden).user(ADMIN);
    let readme = ("text/markdown", &b"# How to use it"[..]);
    let attached = artifact(&admin, "1.0-readme", "application/vnd.acme.readme.v1+json", readme, &json!({}));
    let image = push_image(&admin, NAME, "1.0");
    // As oras does it for a registry without referrers.
    let entry = json!({"mediaType": OCI_MANIFEST, "digest": attached, "size": 400, "artifactType": "application/vnd.acme.readme.v1+json"});
    let list = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]});
    put(&admin, NAME, &image.replace(':', "-"), INDEX, &list);
    let files: [(&str, &[u8]); 2] =
        [("app/Chart.yaml", b"name: app"), ("app/README.md", b"# A chart for it")];
    let config = "application/vnd.cncf.helm.config.v1+json";
    let layer = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
    artifact(&admin, "1.1", config, (layer, &chart(&files)), &json!({}));
    let large: [(&str, &[u8]); 2] = [("app/large", &random_bytes(600 << 10)), ("app/README.md", b"# Behind")];
    artifact(&admin, "1.2", config, (layer, &chart(&large)), &json!({}));
    artifact(&admin, "secret", config, readme, &json!({}));

    let visitor = Visitor::signed_in(&warden, USER);
    for (tag, shown) in
        [("1.0", "# How to use it"), ("1.0-readme", "# How to use it"), ("1.1", "# A chart for it")]
    {
        let page = visitor.get(&format!("/{NAME}:{tag}")).is(200).text();
        assert!(page.contains(&format!("<bdi>{shown}</bdi></pre>")), "{tag}: {page}");
    }
    assert!(!visitor.get(&format!("/{NAME}:1.2")).is(200).text().contains("# Behind"));
    visitor.get(&format!("/{NAME}:secret")).is(404);
}
