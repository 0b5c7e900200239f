//! The ways of `docs/kubernetes.md` for nodes, with the programs of a node: containerd with the page's `hosts.toml`, and
//! a reader of docker's configuration with what stands in the page's secret. Kubernetes' own files: `fast::kubernetes`.
//!
//! Needs: containerd, docker-registry, htpasswd, root, skopeo.

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::support::{
    containerd::containerd,
    image::Image,
    portwarden::{ADMIN, Portwarden},
    registry::registry,
    robots::{CI, Made, with_robot},
    skopeo::skopeo,
};

const IMAGE: &str = "acme/app:1";

/// The block of the page whose first line is this, for a registry and the credentials of a robot.
fn block(first: &str, warden: &Portwarden, ci: &Made) -> String {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/kubernetes.md")).unwrap();
    let block = page.split(&format!("{first}\n")).nth(1).unwrap().split("```").next().unwrap();
    let authority = warden.authority_file().display().to_string();
    block
        .replace("/etc/containerd/certs.d/registry.example/ca.crt", &authority)
        .replace("registry.example", &warden.host())
        .replace("\"nodes\"", &format!("\"{CI}\""))
        .replace("AUTH", &STANDARD.encode(format!("{CI}:{}", ci.token)))
        .replace("TOKEN", ci.token)
}

#[test]
fn containerd_pulls_as_a_robot_by_the_hosts_toml_of_the_page() {
    let (registry, ci) = (registry(), Made::new());
    let warden = with_robot(&registry, &[ci.entry("")], ", scopes: [\"repository:acme/*:pull\"]").start();
    skopeo(&warden, ADMIN).push(Image::random(1, 2_000).archive(IMAGE).path(), IMAGE).succeeds();
    let containerd = containerd(&warden);
    let hosts = block("# /etc/containerd/certs.d/registry.example/hosts.toml", &warden, &ci);
    containerd.pull_by(&hosts, IMAGE).succeeds();
    containerd.forget(IMAGE).succeeds();

    let without = |part: &str| {
        let rest = hosts.lines().filter(|line| !line.contains(part));
        rest.map(|line| format!("{line}\n")).collect::<String>()
    };
    containerd.pull_by(&without("authorization"), IMAGE).fails().says("401 Unauthorized");
    containerd.pull_by(&without("ca = "), IMAGE).fails().says("unknown authority");
    let other = hosts.replace(&STANDARD.encode(format!("{CI}:{}", ci.token)), &STANDARD.encode("x:y"));
    containerd.pull_by(&other, IMAGE).fails().says("401");
}

#[test]
fn the_secret_of_the_page_is_what_clients_read() {
    let (registry, ci) = (registry(), Made::new());
    let warden = with_robot(&registry, &[ci.entry("")], "").start();
    let secret: serde_json::Value = serde_yaml::from_str(&block("```yaml\n# Secret", &warden, &ci)).unwrap();
    let file = warden.file("dockerconfig.json");
    fs::write(&file, secret["stringData"][".dockerconfigjson"].as_str().unwrap()).unwrap();
    skopeo(&warden, ADMIN).login_by(&file).succeeds();
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("\"auth\": \"", "\"auth\": \"AAAA")).unwrap();
    skopeo(&warden, ADMIN).login_by(&file).fails();
}
