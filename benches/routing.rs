//! The cost of routing: every request to `/v2` is parsed, asked for its needs, and written anew, and so are those that
//! are made to be expensive.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark may fail loudly")]

use std::fmt;

use divan::{AllocProfiler, Bencher, black_box};
use portwarden::registry::{ParseError, Route};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

const DIGEST: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// A request, by a name that a table of results has room for.
struct Target {
    name: &'static str,
    method: &'static str,
    path: String,
    query: Option<String>,
}

fn main() {
    divan::main();
}

/// Targets that clients send.
fn typical() -> Vec<Target> {
    vec![
        target("base", "GET", "/v2/", None),
        target("manifest by tag", "GET", "/v2/library/alpine/manifests/3.20", None),
        target("manifest by digest", "HEAD", &format!("/v2/team/app/manifests/{DIGEST}"), None),
        target("blob", "GET", &format!("/v2/team/app/blobs/{DIGEST}"), None),
        target("catalog", "GET", "/v2/_catalog", Some("n=100&last=team%2Fapp")),
        target(
            "mount",
            "POST",
            "/v2/team/app/blobs/uploads/",
            Some(&format!("mount={DIGEST}&from=team/base")),
        ),
        target(
            "upload",
            "PATCH",
            "/v2/team/app/blobs/uploads/2b7f1e9a-2f0c-4f57-9d5e-1d6a5a3f7c11",
            Some(&format!("_state={}", "YWJjZGVmZ2hpamts".repeat(20))),
        ),
    ]
}

/// Targets that an attacker sends to keep Portwarden busy: about 16 KiB each.
fn hostile() -> Vec<Target> {
    vec![
        target("many segments", "GET", &format!("/v2/{}tags/list", "a/".repeat(8192)), None),
        target("one long name", "GET", &format!("/v2/{}/tags/list", "a".repeat(16_384)), None),
        target("separators", "GET", &format!("/v2/a{}a/tags/list", "-".repeat(16_384)), None),
        target("escapes", "GET", &format!("/v2/{}/tags/list", "%61".repeat(5461)), None),
        target("keywords", "GET", &format!("/v2/{}latest", "manifests/".repeat(1638)), None),
        target("many keys", "GET", "/v2/a/tags/list", Some(&"k=v&".repeat(4096))),
        target("escaped values", "GET", "/v2/a/tags/list", Some(&format!("k={}", "%20".repeat(5461)))),
    ]
}

#[divan::bench(args = typical())]
fn parse_typical(bencher: Bencher<'_, '_>, target: &Target) {
    bencher.bench(|| target.parse().unwrap());
}

#[divan::bench(args = hostile())]
fn parse_hostile(bencher: Bencher<'_, '_>, target: &Target) {
    bencher.bench(|| target.parse());
}

#[divan::bench(args = typical())]
fn path_and_query(bencher: Bencher<'_, '_>, target: &Target) {
    let route = target.parse().unwrap();
    bencher.bench(|| black_box(&route).path_and_query());
}

fn target(name: &'static str, method: &'static str, path: &str, query: Option<&str>) -> Target {
    Target { name, method, path: path.to_owned(), query: query.map(str::to_owned) }
}

impl Target {
    fn parse(&self) -> Result<Route, ParseError> {
        Route::parse(black_box(self.method), black_box(&self.path), black_box(self.query.as_deref()))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
