//! Sample data for the pages of the gallery: repositories, tags, images and events as they are found in registries.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use super::Gallery;
use crate::{
    image::{Descriptor, HistoryEntry, ImageConfig, Platform},
    ui::model::{EventRow, IndexEntry, Page, Referrer, Right, RightsOn, Summary, TagRow},
};

const NOW: u64 = 1_790_000_000;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

impl Gallery {
    pub(super) fn names(self) -> Vec<String> {
        [
            "alpine", "infrastructure/observability/opentelemetry-collector-contrib-with-a-really-long-name/amd64-debug", "library/nginx",
            "library/postgres", "public/docs", "team/app", "team/app-worker", "team/charts/app", "v2/reserved",
        ]
        .map(|name| self.text(name))
        .to_vec()
    }

    pub(super) fn rows<'a>(self, long: &'a str) -> Vec<TagRow<'a>> {
        let row = |tag: &'a str, fill, size, platforms: &[&str], age, artifact: Option<&str>| {
            let platforms = platforms.iter().map(|platform| self.text(platform)).collect();
            let artifact = artifact.map(|artifact| self.text(artifact));
            let summary =
                Summary { digest: self.text(&digest(fill)), size, platforms, created: age, artifact };
            TagRow { tag: self.hostile.unwrap_or(tag), summary: Some(summary) }
        };
        let all = ["linux/amd64", "linux/arm64/v8", "linux/arm/v7", "linux/s390x", "linux/ppc64le"];
        vec![
            row("1.5.0-rc.2", 'a', Some(48_731_002), &all[..2], Some(ago(25 * 60)), None),
            row("latest", 'b', Some(143_120_444), &all, Some(ago(3 * DAY)), None),
            row("1.4.2", 'b', Some(143_120_444), &all, Some(ago(3 * DAY)), None),
            row(long, 'c', Some(3_623_807_000), &all[..1], Some(ago(40 * DAY)), None),
            row("chart-0.3.1", 'd', Some(18_204), &[], Some(ago(200 * DAY)), Some("Helm chart")),
            row("reproducible", 'f', Some(2_112_000), &all[..1], Some(SystemTime::UNIX_EPOCH), None),
            row("0.1", '0', None, &[], None, None),
            TagRow { tag: self.hostile.unwrap_or("broken"), summary: None },
        ]
    }

    pub(super) fn layers(self) -> Vec<Descriptor> {
        let layer = |fill, size, title: &str| Descriptor {
            media_type: self.text("application/vnd.oci.image.layer.v1.tar+gzip"),
            digest: self.text(&digest(fill)),
            size,
            platform: None,
            artifact_type: None,
            annotations: self.pairs(&[("org.opencontainers.image.title", title)]),
        };
        vec![
            layer('1', 28_228_259, "app-0.3.1.tgz"),
            layer('2', 71_034_112, "provenance.json"),
            layer('3', 4_210, ""),
            layer('4', 43_853_863, ""),
        ]
    }

    pub(super) fn config(self) -> ImageConfig {
        let step = |created_by: &str, empty_layer| HistoryEntry {
            created: Some(ago(3 * DAY)),
            created_by: self.text(created_by),
            comment: Some(self.text("buildkit.dockerfile.v0")),
            empty_layer,
        };
        let packages = "RUN /bin/sh -c set -eux; \tapt-get update; \tapt-get install -y --no-install-recommends ca-certificates curl gnupg libpq5 tzdata \
                        zlib1g; \trm -rf /var/lib/apt/lists/*; \tupdate-ca-certificates --fresh; \tuseradd --system --uid 10001 app # buildkit";
        ImageConfig {
            platform: Platform {
                os: self.text("linux"),
                architecture: self.text("amd64"),
                ..Platform::default()
            },
            created: Some(ago(3 * DAY)),
            author: Some(self.text("Team App <team@app.example>")),
            user: Some(self.text("10001:10001")),
            working_dir: Some(self.text("/srv/app")),
            entrypoint: vec![self.text("/usr/local/bin/app")],
            cmd: vec![self.text("serve"), self.text("--listen=:8080")],
            env: self.environment(),
            exposed_ports: vec![self.text("8080/tcp"), self.text("9090/tcp")],
            volumes: vec![self.text("/var/lib/app")],
            stop_signal: Some(self.text("SIGQUIT")),
            healthcheck: vec![self.text("CMD"), self.text("curl -f http://localhost:8080/healthz")],
            labels: self.labels(),
            history: vec![
                step("# debian.sh --arch 'amd64' out/ 'bookworm' '@1757289600'", false),
                step("ENV APP_HOME=/srv/app", true),
                step(packages, false),
                step("WORKDIR /srv/app", false),
                step("COPY --chown=10001:10001 dist/ /srv/app/ # buildkit", false),
                step("EXPOSE map[8080/tcp:{} 9090/tcp:{}]", true),
                step("/bin/sh -c #(nop)  CMD [\"serve\" \"--listen=:8080\"]", true),
            ],
        }
    }

    pub(super) fn environment(self) -> Vec<String> {
        [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "APP_HOME=/srv/app",
            "LANG=C.UTF-8",
            "EMPTY=",
        ]
        .map(|pair| self.text(pair))
        .to_vec()
    }

    pub(super) fn labels(self) -> BTreeMap<String, String> {
        self.pairs(&[
            ("org.opencontainers.image.title", "Team App"),
            (
                "org.opencontainers.image.description",
                "An application that the team is fond of, with a description that wants a second line.",
            ),
            ("org.opencontainers.image.source", "https://git.example/team/app"),
            ("org.opencontainers.image.licenses", "Apache-2.0"),
        ])
    }

    pub(super) fn pairs(self, pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| (self.text(key), self.text(value))).collect()
    }

    pub(super) fn index(self) -> Vec<IndexEntry> {
        let entry = |os: &str, architecture: &str, variant: Option<&str>, fill, size| IndexEntry {
            platform: Some(Platform {
                os: self.text(os),
                architecture: self.text(architecture),
                variant: variant.map(|variant| self.text(variant)),
                os_version: (os == "windows").then(|| self.text("10.0.20348.2700")),
            }),
            digest: self.text(&digest(fill)),
            size,
            attests: None,
        };
        let attestation = |fill, about| IndexEntry {
            platform: None,
            digest: self.text(&digest(fill)),
            size: Some(1822),
            attests: Some(self.text(&digest(about))),
        };
        vec![
            entry("linux", "amd64", None, '1', Some(143_120_444)),
            entry("linux", "arm64", Some("v8"), '2', Some(139_004_120)),
            entry("linux", "arm", Some("v7"), '3', None),
            entry("windows", "amd64", None, '4', Some(2_120_444_000)),
            attestation('5', '1'),
            attestation('6', '2'),
        ]
    }

    pub(super) fn referrers(self) -> Vec<Referrer> {
        vec![
            Referrer {
                kind: self.text("signature (cosign)"),
                digest: self.text(&digest('7')),
                tag: Some(self.text(&digest('b').replace(':', "-"))),
                size: Some(558),
            },
            Referrer {
                kind: self.text("SBOM (SPDX)"),
                digest: self.text(&digest('8')),
                tag: None,
                size: Some(43_210),
            },
            Referrer {
                kind: self.text("application/vnd.example.scan+json"),
                digest: self.text(&digest('9')),
                tag: None,
                size: None,
            },
        ]
    }

    pub(super) fn rights(self) -> RightsOn {
        RightsOn {
            pull: self.right(true, "rule 3, line 34"),
            push: self.right(true, "rule 3, line 34"),
            delete: self.right(false, "no rule matches"),
        }
    }

    pub(super) fn right(self, allowed: bool, by: &str) -> Right {
        Right { allowed, by: self.text(by) }
    }

    pub(super) fn events(self) -> Vec<EventRow> {
        let row =
            |seconds, account: &str, method: &str, what: &str, decision: &str, why: &str, status| EventRow {
                time: Some(ago(seconds)),
                event: self.text("decision"),
                account: Some(if account.is_empty() { String::new() } else { self.text(account) }),
                address: self.text("192.0.2.17"),
                method: if method.is_empty() { String::new() } else { self.text(method) },
                what: self.text(what),
                decision: self.text(decision),
                why: self.text(why),
                status,
                request_id: self.text("01J9Z3K5T8Q4"),
            };
        vec![
            row(4, "alice", "PUT", "team/app:1.5.0-rc.2", "allowed", "rule 3, line 34", Some(201)),
            row(61, "", "GET", "team/secret:latest", "denied", "no rule matches", Some(401)),
            row(
                900,
                "ci-runner-with-a-long-name@build.example",
                "GET",
                &format!("team/app@{}", digest('b')),
                "allowed",
                "rule 5, line 41",
                Some(200),
            ),
            row(7200, "admin", "DELETE", "team/app:1.3.9", "allowed", "rule 1, line 31", Some(202)),
            row(9000, "admin", "", "writes are frozen", "", "", None),
            EventRow::default(),
        ]
    }
}

pub(super) fn ago(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW - seconds)
}

pub(super) fn digest(fill: char) -> String {
    format!("sha256:{fill}3f29a0c{}", fill.to_string().repeat(56))
}

pub(super) fn one_page(total: usize) -> Page {
    Page { number: 1, pages: 1, first: 0, total }
}
