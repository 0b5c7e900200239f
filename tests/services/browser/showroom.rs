//! A registry as one might find it: a few teams' repositories, with images for several platforms, their history and
//! labels, and a chart. Everything in it is fixed, so that its pictures are the same each time.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::support::{curl::Request, distribution::push_blob, image::sha256};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const MIB: u64 = 1 << 20;

/// Its content, by digest.
pub struct Showroom {
    /// `team/app:2.4.1-amd64`.
    pub image: String,
    /// `team/app:2.4.1`, for three platforms.
    pub index: String,
    /// `charts/app:2.4.1`.
    pub artifact: String,
}

/// Pushes all of it.
pub fn showroom(request: &Request) -> Showroom {
    for (name, tag, day) in [
        ("infra/observability/collector", "0.131.0", "2026-08-21"),
        ("infra/postgres-backup", "7", "2026-05-30"),
        ("library/alpine", "3.23", "2026-07-15"),
        ("library/nginx", "1.29", "2026-09-02"),
        ("team/app-worker", "2.4.1", "2026-09-09"),
        ("team/web", "main", "2026-09-11"),
    ] {
        image(request, name, tag, &Made { version: tag, day, ..Made::default() });
    }
    for (version, day) in [("2.3.0", "2026-06-18"), ("2.3.1", "2026-07-02"), ("2.4.0", "2026-08-27")] {
        platforms(request, &[version], version, day);
    }
    let index = platforms(request, &["2.4.1", "2.4", "latest"], "2.4.1", "2026-09-09");
    let newest = Made { version: "2.4.1", day: "2026-09-09", ..Made::default() };
    let image = image(request, "team/app", "2.4.1-amd64", &newest);
    self::image(
        request,
        "team/app",
        "2.5.0-rc1",
        &Made { version: "2.5.0-rc1", day: "2026-09-11", ..newest },
    );
    for (tag, what) in [(&index, "sig"), (&image, "sig"), (&index, "sbom")] {
        attach(request, tag, what);
    }
    attest(request, &image);
    Showroom { image, index, artifact: chart(request) }
}

/// Keeps provenance of an image of `team/app` where cosign does: in an envelope.
fn attest(request: &Request, digest: &str) {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": "https://slsa.dev/provenance/v1",
        "subject": [{"name": "team/app", "digest": {"sha256": digest.trim_start_matches("sha256:")}}],
        "predicate": {
            "buildDefinition": {
                "buildType": "https://actions.example/buildtypes/workflow/v1",
                "externalParameters": {"workflow": {"repository": "https://git.example/team/app", "path": ".forge/release.yml"}},
                "resolvedDependencies": [
                    {"uri": "git+https://git.example/team/app@refs/tags/2.4.1", "digest": {"gitCommit": "9d1f5c3f0b7e4a1d8c2b6f0e9a7d5c3b1f0e2d4c"}},
                    {"uri": "pkg:docker/alpine@3.23?platform=linux%2Famd64", "digest": {"sha256": "5b10f432ef3da1b8d4c7eb6c487f2f5a8f096bc91145e68878dd4a5019afde11"}},
                ],
            },
            "runDetails": {
                "builder": {"id": "https://ci.example/team/app/runs/3709"},
                "metadata": {"startedOn": "2026-09-09T09:36:00Z", "finishedOn": "2026-09-09T09:42:00Z"},
            },
        },
    });
    let envelope = json!({"payloadType": "application/vnd.in-toto+json", "payload": STANDARD.encode(statement.to_string()), "signatures": []});
    let envelope = envelope.to_string();
    let layer = push_blob(request, "team/app", envelope.as_bytes());
    let config = push_blob(request, "team/app", b"{}");
    let annotations = json!({"predicateType": "https://slsa.dev/provenance/v1"});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "size": 2, "digest": config},
        "layers": [{"mediaType": "application/vnd.dsse.envelope.v1+json", "digest": layer, "size": envelope.len(), "annotations": annotations}],
    });
    put(request, "team/app", &format!("{}.att", digest.replace(':', "-")), MANIFEST, &manifest);
}

/// Keeps something under the tag by which cosign attaches it to a manifest of `team/app`.
fn attach(request: &Request, digest: &str, what: &str) {
    let payload = push_blob(request, "team/app", format!("{what} of {digest}").as_bytes());
    let config = push_blob(request, "team/app", b"{}");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "size": 2, "digest": config},
        "layers": [{"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": payload, "size": 75}],
    });
    put(request, "team/app", &format!("{}.{what}", digest.replace(':', "-")), MANIFEST, &manifest);
}

/// The parts in which the images differ.
#[derive(Clone, Copy)]
struct Made<'a> {
    version: &'a str,
    day: &'a str,
    architecture: &'a str,
}

impl Default for Made<'_> {
    fn default() -> Self {
        Self { version: "1", day: "2026-09-01", architecture: "amd64" }
    }
}

/// An image for each of three platforms, and an index of these under the tags; its digest.
fn platforms(request: &Request, tags: &[&str], version: &str, day: &str) -> String {
    let entries: Vec<Value> = [("amd64", None), ("arm64", Some("v8")), ("arm", Some("v7"))]
        .into_iter()
        .map(|(architecture, variant)| {
            let digest = image(request, "team/app", "", &Made { version, day, architecture });
            let mut platform = json!({"os": "linux", "architecture": architecture});
            if let Some(variant) = variant {
                platform["variant"] = json!(variant);
            }
            json!({"mediaType": MANIFEST, "digest": digest, "size": 1200, "platform": platform})
        })
        .collect();
    let annotations = json!({"org.opencontainers.image.version": version, "org.opencontainers.image.source": "https://git.example/team/app"});
    let index =
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries, "annotations": annotations});
    for tag in tags {
        put(request, "team/app", tag, INDEX, &index);
    }
    sha256(index.to_string().as_bytes())
}

/// An image under a tag, or under none; its digest.
fn image(request: &Request, name: &str, tag: &str, made: &Made<'_>) -> String {
    let Made { version, day, architecture } = *made;
    let at = |time: &str| format!("{day}T{time}Z");
    let step = |time: &str, by: &str, makes: bool| json!({"created": at(time), "created_by": by, "comment": "buildkit.dockerfile.v0", "empty_layer": !makes});
    let program = name.rsplit('/').next().unwrap_or(name);
    let config = json!({
        "architecture": architecture, "os": "linux", "created": at("09:41:00"), "author": "Harbour build <build@harbour.example>",
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", format!("APP_VERSION={version}"), "TZ=UTC"],
            "Entrypoint": [format!("/usr/local/bin/{program}")], "Cmd": ["serve", "--listen", ":8080"], "User": "10001:10001",
            "WorkingDir": "/srv", "ExposedPorts": {"8080/tcp": {}}, "Volumes": {"/var/lib/app": {}}, "StopSignal": "SIGTERM",
            "Labels": {
                "org.opencontainers.image.title": program, "org.opencontainers.image.version": version,
                "org.opencontainers.image.source": format!("https://git.example/{name}"),
                "org.opencontainers.image.licenses": "Apache-2.0",
            },
        },
        "history": [
            step("09:12:00", "/bin/sh -c #(nop) ADD file:4c1b0d3f9a7e in / ", true),
            step("09:12:00", "CMD [\"/bin/sh\"]", false),
            step("09:38:00", "RUN /bin/sh -c apk add --no-cache ca-certificates tzdata # buildkit", true),
            step("09:38:00", "WORKDIR /srv", true),
            step("09:40:00", &format!("COPY /out/{program} /usr/local/bin/ # buildkit"), true),
            step("09:41:00", "USER 10001:10001", false),
            step("09:41:00", "EXPOSE map[8080/tcp:{}]", false),
            step("09:41:00", "ENTRYPOINT [\"/usr/local/bin/app\"]", false),
        ],
        "rootfs": {"type": "layers", "diff_ids": []},
    })
    .to_string();
    push_blob(request, name, config.as_bytes());
    // A few bytes for each, whatever size is claimed: the registry looks whether they are there.
    let layer = |content: &str, size: u64| {
        let digest = push_blob(request, name, content.as_bytes());
        json!({"mediaType": LAYER, "digest": digest, "size": size})
    };
    let own = format!("{name} {version} {architecture}");
    let layers = [
        layer("base", 3 * MIB + 612_000),
        layer("certificates", 1_482_000),
        layer("directory", 93),
        layer(&own, 28 * MIB + 4_321 * own.len() as u64),
    ];
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "layers": layers,
        "config": {"mediaType": CONFIG, "size": config.len(), "digest": sha256(config.as_bytes())},
    });
    put(request, name, tag, MANIFEST, &manifest)
}

/// A chart of Helm's; its digest.
fn chart(request: &Request) -> String {
    let (config, archive) = (r#"{"name":"app","version":"2.4.1","apiVersion":"v2"}"#, b"a chart");
    push_blob(request, "charts/app", config.as_bytes());
    let layer = push_blob(request, "charts/app", archive);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "size": config.len(), "digest": sha256(config.as_bytes())},
        "layers": [{"mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "digest": layer, "size": 18_432}],
        "annotations": {"org.opencontainers.image.title": "app", "org.opencontainers.image.created": "2026-09-09T09:45:00Z"},
    });
    put(request, "charts/app", "2.4.1", MANIFEST, &manifest)
}

#[track_caller]
fn put(request: &Request, name: &str, tag: &str, media_type: &str, manifest: &Value) -> String {
    let text = manifest.to_string();
    let digest = sha256(text.as_bytes());
    let reference = if tag.is_empty() { &digest } else { tag };
    let request =
        request.clone().option(&["--data-binary", &text]).header(&format!("Content-Type: {media_type}"));
    request.send("PUT", &format!("/v2/{name}/manifests/{reference}")).is(201);
    digest
}
