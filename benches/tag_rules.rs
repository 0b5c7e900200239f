//! The cost of rules by tag: processor time of Portwarden for the same pulls, by an account that may pull `1.*` and by one
//! that may pull everything, in turns.
//!
//! `cargo bench --bench tag_rules`: an image of eight layers of 2 MiB is pulled by tag, digest and layer, over TLS with a
//! password that is remembered. The ratio is taken within each pair of turns.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "a benchmark may fail loudly, and prints what it measured"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{fs, process::Command, time::Duration};

use support::{
    curl::curl,
    distribution::{MANIFEST, push_blob, put_manifest},
    image::{random_bytes, sha256},
    portwarden::{ADMIN, Portwarden, USER, User, portwarden},
    registry::registry,
};

const ACL: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "user", name: "acme/app", tag: "1.*"}
    actions: [pull]
"#;
const PULLS: usize = 60;
const PAIRS: usize = 8;
const LAYER: usize = 2 << 20;

fn main() {
    let registry = registry();
    let warden = portwarden(&registry).acl(ACL).start();
    let admin = curl(&warden).user(ADMIN);
    let layers: Vec<Vec<u8>> = (0..8).map(|_| random_bytes(LAYER)).collect();
    let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    let config = random_bytes(1_000);
    push_blob(&admin, "acme/app", &config);
    layers.iter().for_each(|layer| drop(push_blob(&admin, "acme/app", layer)));
    let pushed = put_manifest(&admin, "acme/app", "1.0", &config, &layers).is(201);
    let digest = pushed.header("docker-content-digest").unwrap().to_owned();
    let mut paths = vec!["manifests/1.0".to_owned(), format!("manifests/{digest}")];
    paths.extend([&config[..]].iter().chain(&layers).map(|blob| format!("blobs/{}", sha256(blob))));

    let mut ratios: Vec<f64> = (0..PAIRS)
        .map(|pair| {
            let (limited, whole) = if pair % 2 == 0 {
                (pull(&warden, USER, &paths), pull(&warden, ADMIN, &paths))
            } else {
                let whole = pull(&warden, ADMIN, &paths);
                (pull(&warden, USER, &paths), whole)
            };
            limited.as_secs_f64() / whole.as_secs_f64()
        })
        .skip(2)
        .collect();
    ratios.sort_by(f64::total_cmp);
    let (least, median, most) = (ratios[0], ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
    println!(
        "processor time of pulls by tag: {median:.3} [{least:.3}–{most:.3}] of those without, {PULLS} pulls a turn"
    );
}

/// The processor time of Portwarden for some pulls.
fn pull(warden: &Portwarden, user: User, paths: &[String]) -> Duration {
    let url =
        |path: &String| format!("url = \"{}/v2/acme/app/{path}\"\noutput = \"/dev/null\"\n", warden.url());
    let one: String = paths.iter().map(url).collect();
    let file = warden.file("pulls.curl");
    fs::write(&file, one.repeat(PULLS)).unwrap();
    let before = warden.cpu_time();
    let pulled = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--fail-early",
            "--fail",
            "--header",
            &format!("Accept: {MANIFEST}"),
        ])
        .arg("--cacert")
        .arg(warden.authority_file())
        .args(["--user", &format!("{}:{}", user.name, user.password), "--config"])
        .arg(&file)
        .status()
        .unwrap();
    assert!(pulled.success());
    warden.cpu_time() - before
}
