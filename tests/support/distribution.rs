//! The Distribution API by hand, for what no client does on demand: a single blob, a manifest, a deletion.

use serde_json::json;

use super::{
    curl::{Request, Response},
    image::{random_bytes, sha256},
};

/// The media type of the manifests made here.
pub const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// The `Location` of a new upload in `repository`; `request` has the token.
#[track_caller]
pub fn start_upload(request: &Request, repository: &str) -> String {
    let response = request.clone().send("POST", &format!("/v2/{repository}/blobs/uploads/")).is(202);
    response.header("location").expect("a Location").to_owned()
}

/// `location` with `digest` added to its query.
pub fn with_digest(location: &str, digest: &str) -> String {
    let separator = if location.contains('?') { '&' } else { '?' };
    format!("{location}{separator}digest={digest}")
}

/// Uploads `content` in one piece; returns its digest.
#[track_caller]
pub fn push_blob(request: &Request, repository: &str, content: &[u8]) -> String {
    let digest = sha256(content);
    let location = start_upload(request, repository);
    request.clone().body(content).send("PUT", &with_digest(&location, &digest)).is(201);
    digest
}

/// Uploads a manifest that names `config` and `layers` as `tag`; the response has `Docker-Content-Digest`.
pub fn put_manifest(
    request: &Request,
    repository: &str,
    tag: &str,
    config: &[u8],
    layers: &[&[u8]],
) -> Response {
    let blob = |content: &&[u8]| {
        json!({"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "size": content.len(), "digest": sha256(content)})
    };
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": config.len(),
            "digest": sha256(config)},
        "layers": layers.iter().map(blob).collect::<Vec<_>>(),
    });
    let typed = request.clone().option(&["--data-binary", &manifest.to_string()]);
    typed
        .header(&format!("Content-Type: {MANIFEST}"))
        .send("PUT", &format!("/v2/{repository}/manifests/{tag}"))
}

/// Uploads an image of two random blobs as `tag`; returns the digest of its manifest.
#[track_caller]
pub fn push_image(request: &Request, repository: &str, tag: &str) -> String {
    let (config, layer) = (b"{}".to_vec(), random_bytes(2000));
    push_blob(request, repository, &config);
    push_blob(request, repository, &layer);
    let response = put_manifest(request, repository, tag, &config, &[&layer]).is(201);
    response.header("docker-content-digest").expect("a digest").to_owned()
}
