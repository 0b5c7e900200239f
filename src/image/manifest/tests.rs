//! Manifests as builders and signers write them, and as an attacker would.

use serde_json::{Value, json};

use super::*;
use crate::image::{LONGEST, MOST, Platform};

const OCI_IMAGE: &str = IMAGE_TYPES[0];
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn parse(document: &Value) -> Manifest {
    Manifest::parse(None, document.to_string().as_bytes())
}

fn digest(letter: char) -> String {
    format!("sha256:{}", letter.to_string().repeat(64))
}

fn part(media_type: &str, letter: char, size: u64) -> Value {
    json!({"mediaType": media_type, "digest": digest(letter), "size": size})
}

/// An image manifest of the OCI with a configuration and layers of these types.
fn image(config: &str, layers: &[&str]) -> Value {
    let layers: Vec<Value> = layers.iter().map(|layer| part(layer, 'b', 10)).collect();
    json!({"schemaVersion": 2, "mediaType": OCI_IMAGE, "config": part(config, 'a', 5), "layers": layers})
}

fn kind(document: &Value) -> Option<String> {
    parse(document).artifact_kind()
}

#[test]
fn an_image_of_docker() {
    let document = r#"{
   "schemaVersion": 2,
   "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
   "config": {
      "mediaType": "application/vnd.docker.container.image.v1+json",
      "size": 1457,
      "digest": "sha256:e7d4017d9cfa2da691d6930898401d5603a2aad3c57512d61d3bf30d76f7e89e"
   },
   "layers": [
      {
         "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
         "size": 2797541,
         "digest": "sha256:67bcb4d408e8aa2da691d6930898401d5603a2aad3c57512d61d3bf30d76f7e8"
      },
      {
         "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
         "size": 32,
         "digest": "sha256:67bcb4d408e8aa2da691d6930898401d5603a2aad3c57512d61d3bf30d76f7e9",
         "urls": ["https://example.com/layer"]
      }
   ]
}"#;
    let manifest = Manifest::parse(Some(IMAGE_TYPES[1]), document.as_bytes());
    let Manifest::Image { config, layers, artifact_type, annotations, subject } = &manifest else {
        panic!("{manifest:?}")
    };
    assert_eq!(config.digest, "sha256:e7d4017d9cfa2da691d6930898401d5603a2aad3c57512d61d3bf30d76f7e89e");
    assert_eq!(config.media_type, "application/vnd.docker.container.image.v1+json");
    assert_eq!(layers.iter().map(|layer| layer.size).collect::<Vec<_>>(), [2_797_541, 32]);
    assert!(artifact_type.is_none() && annotations.is_empty() && subject.is_none());
    assert_eq!((manifest.size(), manifest.artifact_kind()), (Some(1457 + 2_797_541 + 32), None));
}

#[test]
fn an_index_of_buildkit() {
    let entry = |letter, platform: Value| json!({"mediaType": OCI_IMAGE, "digest": digest(letter), "size": 673, "platform": platform});
    let mut attestation = entry('d', json!({"architecture": "unknown", "os": "unknown"}));
    attestation["annotations"] = json!({"vnd.docker.reference.digest": digest('a'),
        "vnd.docker.reference.type": "attestation-manifest"});
    let document = json!({"schemaVersion": 2, "mediaType": INDEX_TYPES[0], "annotations": {"a": "b"}, "manifests": [
        entry('a', json!({"architecture": "amd64", "os": "linux"})),
        entry('b', json!({"architecture": "arm64", "os": "linux", "variant": "v8"})),
        entry('c', json!({"architecture": "amd64", "os": "windows", "os.version": "10.0.17763"})),
        attestation,
    ]});
    let manifest = parse(&document);
    let Manifest::Index { manifests, annotations, artifact_type: None, subject: None } = &manifest else {
        panic!("{manifest:?}")
    };
    let platforms: Vec<String> =
        manifests.iter().filter_map(|entry| entry.platform.as_ref().map(Platform::to_string)).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64/v8", "windows/amd64 10.0.17763", "unknown/unknown"]);
    let attested: Vec<Option<&str>> = manifests.iter().map(Descriptor::attested).collect();
    assert_eq!(attested, [None, None, None, Some(digest('a').as_str())]);
    assert_eq!(annotations["a"], "b");
    assert_eq!((manifest.size(), manifest.artifact_kind()), (None, None));
}

#[test]
fn a_list_of_docker() {
    let entry = json!({"mediaType": IMAGE_TYPES[1], "size": 528, "digest": digest('a'),
        "platform": {"architecture": "arm", "os": "linux", "variant": "v7"}});
    let manifest = parse(&json!({"schemaVersion": 2, "mediaType": INDEX_TYPES[1], "manifests": [entry]}));
    let Manifest::Index { manifests, .. } = &manifest else { panic!("{manifest:?}") };
    assert_eq!(manifests[0].platform.as_ref().map(Platform::to_string).as_deref(), Some("linux/arm/v7"));
    assert_eq!(manifest.artifact_kind(), None);
}

#[test]
fn schema_1_is_unknown() {
    let document = json!({"schemaVersion": 1, "name": "a/b", "tag": "1", "architecture": "amd64",
        "fsLayers": [{"blobSum": digest('a')}], "history": [{"v1Compatibility": "{}"}], "signatures": []});
    let signed = Some("application/vnd.docker.distribution.manifest.v1+prettyjws");
    assert_eq!(Manifest::parse(signed, document.to_string().as_bytes()), Manifest::Unknown);
    assert_eq!((Manifest::Unknown.size(), Manifest::Unknown.artifact_kind()), (None, None));
}

#[test]
fn a_list_of_referrers_says_what_they_are() {
    let referrer = |letter, artifact_type: &str| json!({"mediaType": OCI_IMAGE, "digest": digest(letter), "size": 1, "artifactType": artifact_type});
    let document = json!({"schemaVersion": 2, "mediaType": INDEX_TYPES[0], "manifests": [
        referrer('a', "application/vnd.dev.cosign.artifact.sig.v1+json"),
        referrer('b', "application/spdx+json"),
        referrer('c', OCI_CONFIG),
        referrer('d', "application/vnd.acme"),
        part(OCI_IMAGE, 'e', 1),
    ]});
    let manifest = parse(&document);
    let Manifest::Index { manifests, .. } = &manifest else { panic!("{manifest:?}") };
    let kinds: Vec<Option<String>> = manifests.iter().map(Descriptor::kind).collect();
    let expected =
        [Some("signature (cosign)"), Some("SBOM (SPDX)"), None, Some("application/vnd.acme"), None];
    assert_eq!(kinds, expected.map(|kind| kind.map(str::to_owned)));
    assert_eq!(manifest.artifact_kind(), None);
}

#[test]
fn artifacts_are_told_from_images() {
    let empty = "application/vnd.oci.empty.v1+json";
    let unknown = "application/vnd.unknown.config.v1+json";
    for (config, layers, expected) in [
        (OCI_CONFIG, vec![OCI_LAYER, "application/vnd.oci.image.layer.v1.tar+zstd"], None),
        (OCI_CONFIG, vec![], None),
        ("", vec![""], None),
        ("application/octet-stream", vec!["application/vnd.docker.image.rootfs.diff.tar.gzip"], None),
        ("application/vnd.cncf.helm.config.v1+json", vec![OCI_LAYER], Some("Helm chart")),
        (OCI_CONFIG, vec!["application/vnd.dev.cosign.simplesigning.v1+json"], Some("signature (cosign)")),
        (OCI_CONFIG, vec!["application/vnd.dsse.envelope.v1+json"], Some("attestation (in-toto)")),
        (OCI_CONFIG, vec!["application/vnd.in-toto+json"; 2], Some("attestation (in-toto)")),
        (OCI_CONFIG, vec!["text/spdx+json"], Some("SBOM (SPDX)")),
        ("application/vnd.wasm.config.v0+json", vec!["application/wasm"], Some("WASM module")),
        (unknown, vec!["application/vnd.sylabs.sif.layer.v1.sif"], Some("Singularity image")),
        (empty, vec!["text/plain"], Some("text/plain")),
        (empty, vec![empty], Some(empty)),
        (unknown, vec![], Some(unknown)),
        ("application/vnd.acme.config", vec!["application/wasm"], Some("application/vnd.acme.config")),
    ] {
        assert_eq!(kind(&image(config, &layers)).as_deref(), expected, "{config} {layers:?}");
    }
    let mut typed = image("application/vnd.cncf.helm.config.v1+json", &[]);
    typed["artifactType"] = json!("application/vnd.cyclonedx+json");
    assert_eq!(kind(&typed).as_deref(), Some("SBOM (CycloneDX)"));
    typed["artifactType"] = json!(OCI_CONFIG);
    assert_eq!(kind(&typed).as_deref(), Some("Helm chart"));
}

#[test]
fn an_index_may_be_an_artifact() {
    let mut index = json!({"schemaVersion": 2, "manifests": [part(OCI_IMAGE, 'a', 1)]});
    index["artifactType"] = json!("application/vnd.wasm.component");
    assert_eq!(kind(&index).as_deref(), Some("WASM module"));
    let cache = json!({"schemaVersion": 2, "manifests":
        [part(OCI_LAYER, 'a', 1), part("application/vnd.buildkit.cacheconfig.v0", 'b', 1)]});
    assert_eq!(kind(&cache).as_deref(), Some("build cache (BuildKit)"));
}

#[test]
fn a_signature_names_its_subject() {
    let mut document = image("application/vnd.oci.empty.v1+json", &[OCI_LAYER]);
    document["subject"] = part(OCI_IMAGE, 'c', 7);
    let manifest = parse(&document);
    let Manifest::Image { subject: Some(subject), .. } = &manifest else { panic!("{manifest:?}") };
    assert_eq!(subject.digest, digest('c'));
    document["subject"] = json!({"digest": "nonsense"});
    let manifest = parse(&document);
    assert!(matches!(manifest, Manifest::Image { subject: None, .. }), "{manifest:?}");
}

#[test]
fn the_shape_decides_and_then_the_type() {
    let is_index = |media_type: Option<&str>, document: &Value| match Manifest::parse(
        media_type,
        document.to_string().as_bytes(),
    ) {
        Manifest::Index { .. } => Some(true),
        Manifest::Image { .. } => Some(false),
        Manifest::Unknown => None,
    };
    let index = json!({"manifests": []});
    let image = image(OCI_CONFIG, &[]);
    assert_eq!(is_index(Some(IMAGE_TYPES[0]), &index), Some(true));
    assert_eq!(is_index(Some(INDEX_TYPES[0]), &image), Some(false));
    assert_eq!(is_index(Some("text/html"), &image), Some(false));
    let mut both = image;
    both["manifests"] = json!([]);
    assert_eq!(is_index(None, &both), Some(false), "its own type");
    assert_eq!(is_index(Some("application/json"), &both), Some(false));
    assert_eq!(is_index(Some(&format!("{}; charset=utf-8", INDEX_TYPES[1])), &both), Some(true));
    both["mediaType"] = json!(INDEX_TYPES[0]);
    assert_eq!(is_index(Some(IMAGE_TYPES[1]), &both), Some(false), "the header comes first");
    both["mediaType"] = json!(1);
    assert_eq!(is_index(None, &both), None);
}

#[test]
fn what_is_no_manifest_is_unknown() {
    let deep = "[".repeat(100_000);
    for document in [
        "",
        "null",
        "[]",
        "{}",
        "\"x\"",
        "{\"config\":{}}",
        "{\"config\":[]}",
        "{\"manifests\":{}}",
        "{",
        &deep,
        "\0",
    ] {
        assert_eq!(
            Manifest::parse(Some(OCI_IMAGE), document.as_bytes()),
            Manifest::Unknown,
            "{document:.20}"
        );
    }
}

#[test]
fn wrong_types_spoil_only_themselves() {
    let manifest =
        parse(&json!({"schemaVersion": "2", "mediaType": 1, "artifactType": [], "annotations": [1],
        "subject": "x", "config": {"digest": digest('a'), "size": -1, "mediaType": {}},
        "layers": [1, null, [], {}, {"digest": 1}, {"digest": "x"}, part(OCI_LAYER, 'b', 3), "x"]}));
    let Manifest::Image { config, layers, artifact_type: None, annotations, subject: None } = &manifest
    else {
        panic!("{manifest:?}")
    };
    assert_eq!((config.size, config.media_type.as_str(), annotations.len()), (0, "", 0));
    assert_eq!(layers.len(), 1);
    assert_eq!(manifest.size(), Some(3));
}

#[test]
fn sizes_do_not_overflow() {
    let mut document = image(OCI_CONFIG, &[]);
    document["layers"] = json!([part(OCI_LAYER, 'b', u64::MAX), part(OCI_LAYER, 'c', u64::MAX)]);
    assert_eq!(parse(&document).size(), Some(u64::MAX));
    let huge = document.to_string().replace(&u64::MAX.to_string(), "1e999");
    assert_eq!(Manifest::parse(None, huge.as_bytes()).size(), Some(5));
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    let mut document = image(OCI_CONFIG, &[OCI_LAYER]);
    document["annotations"] = json!({"a": "BAD\0"});
    let bytes = document.to_string().into_bytes();
    let at = bytes.windows(3).position(|window| window == b"BAD").unwrap();
    let bad = [&bytes[..at], b"\xff\x80<", &bytes[at + 3..]].concat();
    let manifest = Manifest::parse(None, &bad);
    let Manifest::Image { annotations, .. } = &manifest else { panic!("{manifest:?}") };
    assert_eq!(annotations["a"], "\u{fffd}\u{fffd}<\0");
}

#[test]
fn endless_manifests_end() {
    let names: serde_json::Map<String, Value> =
        (0..2 * MOST).map(|i| (format!("{i}"), json!("x".repeat(100)))).collect();
    let mut document = image(OCI_CONFIG, &vec![OCI_LAYER; MOST + 1]);
    document["annotations"] = names.into();
    document["artifactType"] = json!("x".repeat(LONGEST + 1));
    let manifest = parse(&document);
    let Manifest::Image { layers, annotations, artifact_type, .. } = &manifest else {
        panic!("{manifest:?}")
    };
    assert_eq!((layers.len(), annotations.len()), (MOST, MOST));
    assert_eq!(artifact_type.as_ref().map(String::len), Some(LONGEST));
}
