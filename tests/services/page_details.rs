//! The pages of single images and artifacts: what they say of themselves, who signed them, and what differs between two.
//!
//! Needs: curl, docker-registry, htpasswd.

use serde_json::{Value, json};

use crate::support::{
    curl::{Request, curl},
    distribution::push_blob,
    image::sha256,
    page_client::Visitor,
    portwarden::{ADMIN, USER, portwarden},
    registry::registry,
};

pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// `user` may pull `1.*` of `team/app`.
pub const ACL: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "user", name: "team/app", tag: "1.*"}
    actions: [pull]
"#;

/// Puts a manifest under a tag, or under its digest alone; returns its digest.
#[track_caller]
pub fn put(request: &Request, name: &str, tag: &str, media_type: &str, manifest: &Value) -> String {
    let text = manifest.to_string();
    let digest = sha256(text.as_bytes());
    let reference = if tag.is_empty() { &digest } else { tag };
    let request = request.clone().option(&["--data-binary", &text]);
    let request = request.header(&format!("Content-Type: {media_type}"));
    request.send("PUT", &format!("/v2/{name}/manifests/{reference}")).is(201);
    digest
}

/// Pushes an image of `layers` with that configuration; returns its digest.
#[track_caller]
pub fn push(request: &Request, name: &str, tag: &str, config: &Value, layers: &[&[u8]]) -> String {
    let config = config.to_string();
    push_blob(request, name, config.as_bytes());
    let layers: Vec<Value> = layers
        .iter()
        .map(|layer| {
            let digest = push_blob(request, name, layer);
            json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "size": layer.len(), "digest": digest})
        })
        .collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": layers,
        "config": {"mediaType": OCI_CONFIG, "size": config.len(), "digest": sha256(config.as_bytes())}});
    put(request, name, tag, OCI_MANIFEST, &manifest)
}

/// The text of a page, without its marks.
pub fn text(page: &str) -> String {
    let words = page.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text);
    words.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn two_tags_are_compared_and_only_those_that_may_be_pulled() {
    let registry = registry();
    let warden = portwarden(&registry).acl(ACL).start();
    let admin = curl(&warden).user(ADMIN);
    let config = |version: &str, architecture: &str| {
        json!({"os": "linux", "architecture": architecture, "config": {
            "Env": ["PATH=/bin", format!("VERSION={version}")], "Labels": {"version": version, "same": "x"}}})
    };
    push(&admin, "team/app", "1.4", &config("1.4", "amd64"), &[b"base", b"old"]);
    push(&admin, "team/app", "1.5", &config("1.5", "amd64"), &[b"base", b"newer"]);
    push(&admin, "team/app", "2.0", &config("secret", "amd64"), &[b"base", b"hidden"]);
    let visitor = Visitor::signed_in(&warden, USER);
    let form = visitor.get("/-/compare/team/app?from=1.4").is(200).text();
    assert!(form.contains("<option value=\"1.5\">") && !form.contains("2.0"), "{form}");
    let page = text(&visitor.get("/-/compare/team/app?from=1.4&to=1.5").is(200).text());
    for shown in ["VERSION 1.4 1.5", "version 1.4 1.5", "1 layer is the same", "removed", "added"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("PATH") && !page.contains("same x"), "{page}");
    for (asked, says) in [
        ("from=1.4&to=2.0", "There is no 2.0 that you may pull"),
        ("from=2.0&to=1.4", "There is no 2.0 that you may pull"),
        ("from=1.4&to=1.6", "There is no 1.6 that you may pull"),
        ("from=1.4&to=../..", "There is no ../.. that you may pull"),
    ] {
        let page = text(&visitor.get(&format!("/-/compare/team/app?{asked}")).is(200).text());
        assert!(page.contains(says) && !page.contains("secret"), "{asked}: {page}");
    }
    visitor.get("/-/compare/team/none").is(404);
    // For several platforms, one that both have.
    let entry = |architecture: &str, layer: &[u8]| {
        let digest = push(&admin, "team/app", "", &config(architecture, architecture), &[layer]);
        json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": 400, "platform": {"os": "linux", "architecture": architecture}})
    };
    let index = |tag: &str, manifests: Vec<Value>| {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        put(&admin, "team/app", tag, INDEX, &index)
    };
    index("1.6", vec![entry("arm64", b"arm"), entry("amd64", b"amd")]);
    index("1.7", vec![entry("amd64", b"amd more"), entry("arm64", b"arm")]);
    index("1.8", vec![entry("s390x", b"z")]);
    let compared = |asked: &str| text(&visitor.get(&format!("/-/compare/team/app?{asked}")).is(200).text());
    assert!(compared("from=1.6&to=1.7").contains("0 layers are the same"));
    assert!(compared("from=1.6&to=1.7&platform=linux/arm64").contains("1 layer is the same"));
    assert!(compared("from=1.6&to=1.8").contains("no platform in common"));
}

#[test]
fn a_chart_shows_its_fields_and_an_image_what_its_labels_say() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let admin = curl(&warden).user(ADMIN);
    let chart = json!({"name": "app", "version": "2.4.1+7", "appVersion": "9.9", "description": "Installs it",
        "home": "https://app.example/", "dependencies": [{"name": "postgresql", "version": "16", "repository": "https://charts.example"}]});
    let chart = chart.to_string();
    push_blob(&admin, "charts/app", chart.as_bytes());
    let layer = push_blob(&admin, "charts/app", b"a chart");
    let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "size": chart.len(), "digest": sha256(chart.as_bytes())},
        "layers": [{"mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "digest": layer, "size": 7}]});
    put(&admin, "charts/app", "2.4.1_7", OCI_MANIFEST, &manifest);
    let labels = json!({"org.opencontainers.image.description": "<b>Serves</b> it",
        "org.opencontainers.image.source": "https://git.example/app", "org.opencontainers.image.url": "javascript:alert(1)"});
    let config = json!({"os": "linux", "architecture": "amd64", "config": {"Labels": labels}});
    let child = push(&admin, "team/app", "1.0", &config, &[b"x"]);
    let entry = json!({"mediaType": OCI_MANIFEST, "digest": child, "size": 400, "platform": {"os": "linux", "architecture": "amd64"}});
    let annotations = json!({"org.opencontainers.image.source": "https://git.example/of-the-index"});
    let index =
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry], "annotations": annotations});
    put(&admin, "team/app", "index", INDEX, &index);

    let visitor = Visitor::signed_in(&warden, USER);
    let host = warden.url().replace("https://", "");
    let page = visitor.get("/charts/app:2.4.1_7").is(200).text();
    assert!(page.contains(&format!("helm pull oci://{host}/charts/app --version 2.4.1+7")), "{page}");
    for shown in ["Installs it", "Application version 9.9", "postgresql 16"] {
        assert!(text(&page).contains(shown), "{shown}: {page}");
    }
    assert!(
        page.contains("href=\"https://app.example/\"") && !page.contains("href=\"https://charts.example")
    );
    let page = visitor.get("/team/app:1.0").is(200).text();
    assert!(
        page.contains("href=\"https://git.example/app\"") && !page.contains("href=\"javascript"),
        "{page}"
    );
    assert!(page.contains("&lt;b&gt;Serves&lt;/b&gt; it"), "{page}");
    let page = visitor.get("/team/app:index").is(200).text();
    assert!(page.contains("href=\"https://git.example/of-the-index\"") && page.contains("Serves"), "{page}");
}
