//! Provenance: what a builder says about how it made something, as an in-toto statement with a SLSA predicate, v0.2 or v1
//! (<https://slsa.dev/spec/v1.1/provenance>, <https://docs.docker.com/build/metadata/attestations/slsa-definitions/>).
//!
//! The statement may be wrapped: in a DSSE envelope, as cosign does, and that in a Sigstore bundle. No signature is
//! verified, so all of it is a claim of the client that pushed it.

use std::time::SystemTime;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use super::{Descriptor, json::Json, kind, timestamp::timestamp};

/// The claims of a builder. What the document does not say is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Provenance {
    /// The builder, mostly an address of the run.
    pub builder: Option<String>,
    /// The kind of build, an address that defines what else the document has.
    pub build_type: Option<String>,
    /// The place that the source came from.
    pub source: Option<String>,
    /// The revision of the source.
    pub commit: Option<String>,
    /// The file in the source that says how to build.
    pub entry_point: Option<String>,
    /// The beginning of the build.
    pub started: Option<SystemTime>,
    /// The end of the build.
    pub finished: Option<SystemTime>,
    /// The inputs of the build.
    pub materials: Vec<Material>,
    /// The digests of what the statement is about, as `sha256:…`.
    pub subjects: Vec<String>,
}

/// An input of a build.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Material {
    /// The place that it came from.
    pub uri: String,
    /// Its digest, as `sha256:…` or `sha1:…`.
    pub digest: Option<String>,
}

/// The start of the predicate types that are understood.
const SLSA: &str = "https://slsa.dev/provenance/";
/// Wrappings that are opened, one in the other.
const DEPTH: usize = 2;

impl Provenance {
    /// Returns true for a layer that may hold provenance: a statement, an envelope or a bundle, which does not say that it
    /// is about something else.
    pub fn may_be_in(layer: &Descriptor) -> bool {
        let predicate = ["in-toto.io/predicate-type", "predicateType", "dev.sigstore.bundle.predicateType"]
            .iter()
            .find_map(|name| layer.annotations.get(*name));
        let essence = kind::essence(&layer.media_type);
        let holds = [
            "application/vnd.in-toto",
            "application/vnd.dsse.envelope.",
            "application/vnd.dev.sigstore.bundle",
        ];
        holds.iter().any(|start| essence.starts_with(start))
            && predicate.is_none_or(|predicate| predicate.starts_with(SLSA))
    }

    /// Reads a document, within the bounds of [`MOST`](super::MOST) and [`LONGEST`](super::LONGEST). `None` for what is no
    /// statement of provenance.
    pub fn parse(document: &[u8]) -> Option<Self> {
        Self::unwrapped(document, DEPTH)
    }

    fn unwrapped(document: &[u8], depth: usize) -> Option<Self> {
        let text = String::from_utf8_lossy(document);
        let json = Json::read(&text).filter(|json| json.is_object())?;
        let [payload, envelope, predicate_type, predicate, subject] =
            json.members(["payload", "dsseEnvelope", "predicateType", "predicate", "subject"]);
        let envelope = envelope.and_then(|envelope| envelope.members(["payload"])[0]);
        if let Some(payload) = payload.or(envelope) {
            let inner = BASE64.decode(payload.whole_text()?).ok()?;
            return Self::unwrapped(&inner, depth.checked_sub(1)?);
        }
        predicate_type.and_then(Json::text).filter(|name| name.starts_with(SLSA))?;
        let subjects = subject.map(Json::list).unwrap_or_default();
        let subjects = subjects.into_iter().filter_map(|one| digest(at(one, &["digest"])?)).collect();
        Some(Self { subjects, ..Self::read(predicate?) })
    }

    /// Reads a predicate: the members of v1 where they are, else those of v0.2.
    fn read(predicate: Json<'_>) -> Self {
        let words =
            |paths: &[&[&str]]| paths.iter().find_map(|path| at(predicate, path).and_then(Json::words));
        let time = |paths: &[&[&str]]| paths.iter().find_map(|path| at(predicate, path).and_then(timestamp));
        let materials =
            at(predicate, &["buildDefinition", "resolvedDependencies"]).or(at(predicate, &["materials"]));
        let materials = materials.map(Json::list).unwrap_or_default();
        Self {
            builder: words(&[&["runDetails", "builder", "id"], &["builder", "id"]]),
            build_type: words(&[&["buildDefinition", "buildType"], &["buildType"]]),
            source: words(&SOURCE),
            commit: words(&COMMIT).or_else(|| commit_of_first(&materials)),
            entry_point: words(&ENTRY_POINT),
            started: time(&[&["runDetails", "metadata", "startedOn"], &["metadata", "buildStartedOn"]]),
            finished: time(&[&["runDetails", "metadata", "finishedOn"], &["metadata", "buildFinishedOn"]]),
            materials: materials.into_iter().filter_map(Material::read).collect(),
            subjects: Vec::new(),
        }
    }
}

/// The member of BuildKit's own in the metadata of v0.2.
const BUILDKIT: &str = "https://mobyproject.org/buildkit@v1#metadata";

/// The paths of the source: BuildKit found it in the working copy, or by the address of a context; GitHub's workflows.
const SOURCE: [&[&str]; 5] = [
    &["runDetails", "metadata", "buildkit_metadata", "vcs", "source"],
    &["metadata", BUILDKIT, "vcs", "source"],
    &["buildDefinition", "externalParameters", "configSource", "uri"],
    &["invocation", "configSource", "uri"],
    &["buildDefinition", "externalParameters", "workflow", "repository"],
];
const COMMIT: [&[&str]; 4] = [
    &["runDetails", "metadata", "buildkit_metadata", "vcs", "revision"],
    &["metadata", BUILDKIT, "vcs", "revision"],
    &["buildDefinition", "externalParameters", "configSource", "digest", "sha1"],
    &["invocation", "configSource", "digest", "sha1"],
];
const ENTRY_POINT: [&[&str]; 3] = [
    &["buildDefinition", "externalParameters", "configSource", "path"],
    &["invocation", "configSource", "entryPoint"],
    &["buildDefinition", "externalParameters", "workflow", "path"],
];

/// The revision that the first input names.
fn commit_of_first(materials: &[Json<'_>]) -> Option<String> {
    let first = *materials.first()?;
    at(first, &["digest", "gitCommit"]).and_then(Json::words)
}

impl Material {
    fn read(json: Json<'_>) -> Option<Self> {
        let uri = at(json, &["uri"]).and_then(Json::words)?;
        Some(Self { uri, digest: at(json, &["digest"]).and_then(digest) })
    }
}

/// The first digest of a set that is known: `sha256:…`.
fn digest(set: Json<'_>) -> Option<String> {
    let [sha256, commit, sha1] =
        set.members(["sha256", "gitCommit", "sha1"]).map(|hex| hex.and_then(Json::words));
    let named = |name: &str, hex: Option<String>| hex.map(|hex| format!("{name}:{hex}"));
    named("sha256", sha256).or_else(|| named("sha1", commit.or(sha1)))
}

fn at<'a>(json: Json<'a>, path: &[&str]) -> Option<Json<'a>> {
    path.iter().try_fold(json, |json, name| json.members([*name])[0])
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        time::{Duration, UNIX_EPOCH},
    };

    use super::*;

    const V02: &str = r#"{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://slsa.dev/provenance/v0.2",
        "subject":[{"name":"pkg:docker/app@1","digest":{"sha256":"ab"}}],
        "predicate":{"builder":{"id":"https://ci.example/runs/7"},"buildType":"https://mobyproject.org/buildkit@v1",
        "invocation":{"configSource":{"entryPoint":"Dockerfile"}},
        "materials":[{"uri":"pkg:docker/alpine@3","digest":{"sha256":"cd"}},{"digest":{"sha256":"x"}},{"uri":"https://a.example"}],
        "metadata":{"buildStartedOn":"2026-01-02T03:04:05.6Z","https://mobyproject.org/buildkit@v1#metadata":
        {"vcs":{"source":"https://git.example/app","revision":"9d1f"}}}}}"#;
    const V1: &str = r#"{"predicateType":"https://slsa.dev/provenance/v1","subject":[],"predicate":{
        "buildDefinition":{"buildType":"https://actions.example/v1","externalParameters":{"workflow":
        {"repository":"https://git.example/app","path":".github/build.yml"}},
        "resolvedDependencies":[{"uri":"git+https://git.example/app","digest":{"gitCommit":"77aa"}}]},
        "runDetails":{"builder":{"id":"https://b.example"},"metadata":{"finishedOn":"1970-01-01T00:00:09Z"}}}}"#;

    #[test]
    fn both_versions_are_read() {
        let old = Provenance::parse(V02.as_bytes()).unwrap();
        assert_eq!(
            (
                old.builder.as_deref(),
                old.source.as_deref(),
                old.commit.as_deref(),
                old.entry_point.as_deref()
            ),
            (
                Some("https://ci.example/runs/7"),
                Some("https://git.example/app"),
                Some("9d1f"),
                Some("Dockerfile")
            )
        );
        assert_eq!(old.subjects, ["sha256:ab"]);
        let base = Material { uri: "pkg:docker/alpine@3".into(), digest: Some("sha256:cd".into()) };
        let without = Material { uri: "https://a.example".into(), digest: None };
        assert_eq!(old.materials, [base, without]);
        assert!(old.started.is_some() && old.finished.is_none());
        let new = Provenance::parse(V1.as_bytes()).unwrap();
        assert_eq!(
            (new.commit.as_deref(), new.entry_point.as_deref()),
            (Some("77aa"), Some(".github/build.yml"))
        );
        assert_eq!(new.materials[0].digest.as_deref(), Some("sha1:77aa"));
        assert_eq!(new.finished, Some(UNIX_EPOCH + Duration::from_secs(9)));
    }

    #[test]
    fn envelopes_and_bundles_are_opened_and_no_others() {
        let envelope = |inner: &str| format!(r#"{{"payloadType":"x","payload":"{}"}}"#, BASE64.encode(inner));
        let wrapped = envelope(V02);
        let bundle = format!(r#"{{"mediaType":"x","dsseEnvelope":{wrapped}}}"#);
        for document in [&wrapped, &bundle] {
            assert_eq!(Provenance::parse(document.as_bytes()), Provenance::parse(V02.as_bytes()));
        }
        let deep = (0..DEPTH + 1).fold(V02.to_owned(), |inner, _| envelope(&inner));
        for document in
            ["", "{}", "[]", r#"{"payload":"%"}"#, r#"{"payload":{}}"#, &deep, &V02.replace("slsa", "spdx")]
        {
            assert_eq!(Provenance::parse(document.as_bytes()), None, "{document}");
        }
        let odd = br#"{"predicateType":"https://slsa.dev/provenance/v1","predicate":{"builder":[],"materials":{},"buildDefinition":7}}"#;
        assert_eq!(Provenance::parse(odd), Some(Provenance::default()));
    }

    #[test]
    fn a_layer_that_says_it_is_something_else_is_not_read() {
        let layer = |media_type: &str, predicate: &str| Descriptor {
            media_type: media_type.to_owned(),
            digest: "a:b".to_owned(),
            size: 0,
            platform: None,
            artifact_type: None,
            annotations: BTreeMap::from([("in-toto.io/predicate-type".to_owned(), predicate.to_owned())]),
        };
        assert!(Provenance::may_be_in(&layer(
            "application/vnd.in-toto+json",
            "https://slsa.dev/provenance/v0.2"
        )));
        assert!(!Provenance::may_be_in(&layer("application/vnd.in-toto+json", "https://spdx.dev/Document")));
        assert!(!Provenance::may_be_in(&layer("text/plain", "https://slsa.dev/provenance/v1")));
    }
}
