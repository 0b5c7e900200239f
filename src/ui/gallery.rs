//! Every page in each of its states, for the tests: with what a registry usually has in it, or with one hostile text wherever
//! a text may stand.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use super::{
    model::{
        Access, Content, Deletion, EventRow, Events, Frame, ImagePage, IndexEntry, Order, Page, Problem,
        Referrer, Repositories, Repository, Right, RightsOn, SignIn, SignInProblem, Summary, TagRow, Visitor,
    },
    path::PagePath,
    views,
};
use crate::image::{Descriptor, HistoryEntry, ImageConfig, Platform};

/// A page in one of its states.
pub(super) struct Exhibit {
    /// What it is called: `image-index`.
    pub(super) name: &'static str,
    /// The document.
    pub(super) html: String,
}

/// What the pages are filled with.
#[derive(Clone, Copy)]
pub(super) struct Gallery {
    /// Stands wherever a text may.
    pub(super) hostile: Option<&'static str>,
    /// `server.path_prefix`.
    pub(super) prefix: &'static str,
}

/// Of our own making, like the page to go on to: never hostile.
const CSRF: &str = "c5rf";
const NOW: u64 = 1_790_000_000;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

impl Gallery {
    /// All of them.
    pub(super) fn exhibits(self) -> Vec<Exhibit> {
        let mut all = self.signing_in();
        all.extend(self.lists());
        all.extend(self.tags());
        all.extend(self.images());
        all.extend(self.others());
        all.into_iter().map(|(name, html)| Exhibit { name, html }).collect()
    }

    fn text(self, usual: &str) -> String {
        self.hostile.unwrap_or(usual).to_owned()
    }

    fn visitor(self, account: &str) -> Visitor<'_> {
        Visitor::Account { name: account, csrf: Some(CSRF), sees_events: true }
    }

    /// Hands over a page's frame, for an account that may do everything.
    fn framed(self, show: impl FnOnce(&Frame<'_>) -> String) -> String {
        let account = self.text("alice");
        self.framed_for(self.visitor(&account), show)
    }

    fn framed_for(self, visitor: Visitor<'_>, show: impl FnOnce(&Frame<'_>) -> String) -> String {
        let (service, host) = (self.text("Harbour registry"), self.text("registry.example"));
        show(&Frame { service: &service, host: &host, prefix: self.prefix, visitor, now: ago(0) })
    }

    fn signing_in(self) -> Vec<(&'static str, String)> {
        use SignInProblem::{Expired, NotSecure, SignedOut, Unavailable, Wait, Wrong};
        let page = |problem: Option<SignInProblem>| {
            let account = if problem.is_some() { self.text("alice") } else { String::new() };
            let page = SignIn { next: "/team/app", account: &account, problem };
            self.framed_for(Visitor::Nobody, |frame| views::sign_in(frame, &page))
        };
        vec![
            ("sign-in", page(None)),
            ("sign-in-wrong", page(Some(Wrong))),
            ("sign-in-wait", page(Some(Wait(42)))),
            ("sign-in-unavailable", page(Some(Unavailable(5)))),
            ("sign-in-expired", page(Some(Expired))),
            ("sign-in-not-secure", page(Some(NotSecure))),
            ("sign-in-signed-out", page(Some(SignedOut))),
        ]
    }

    fn lists(self) -> Vec<(&'static str, String)> {
        let names = self.names();
        let query = self.text("app");
        let some = |query, names: &[String], page, all| {
            let names = names.iter().map(String::as_str).collect();
            let page = Repositories { query, names, page, all, incomplete: all > 1000 };
            self.framed(|frame| views::repositories(frame, &page))
        };
        let none = |visitor: Visitor<'_>| {
            let page =
                Repositories { query: "", names: Vec::new(), page: one_page(0), all: 0, incomplete: false };
            self.framed_for(visitor, |frame| views::repositories(frame, &page))
        };
        let account = self.text("bob");
        vec![
            ("repositories", some("", &names, one_page(names.len()), names.len())),
            (
                "repositories-many",
                some("", &names, Page { number: 3, pages: 25, first: 100, total: 1234 }, 1234),
            ),
            ("repositories-found", some(&query, &names[..2], one_page(2), names.len())),
            ("repositories-no-match", some(&query, &[], one_page(0), names.len())),
            ("repositories-empty", none(self.visitor(&account))),
            (
                "repositories-no-rights",
                none(Visitor::Account { name: &account, csrf: None, sees_events: false }),
            ),
            ("repositories-nothing-public", none(Visitor::Anonymous)),
        ]
    }

    fn names(self) -> Vec<String> {
        [
            "alpine", "infrastructure/observability/opentelemetry-collector-contrib-with-a-really-long-name/amd64-debug", "library/nginx",
            "library/postgres", "public/docs", "team/app", "team/app-worker", "team/charts/app", "v2/reserved",
        ]
        .map(|name| self.text(name))
        .to_vec()
    }

    fn tags(self) -> Vec<(&'static str, String)> {
        let (name, query, gone) = (self.text("team/app"), self.text("rc"), self.text(&digest('e')));
        let long = self.text("feature-a-branch-name-that-goes-on-and-on-until-it-is-as-long-as-a-tag-may-be.20260911.build-1234567890abcdef");
        let rows = self.rows(&long);
        let page = |tags: &[TagRow<'_>], page, query, order, deleted| {
            let (tags, name) = (tags.to_vec(), name.as_str());
            let page =
                Repository { name, query, tags, page, order, may_push: true, may_delete: true, deleted };
            self.framed(|frame| views::repository(frame, &page))
        };
        let many = Page { number: 1, pages: 205, first: 0, total: 10_234 };
        let read_only = Repository {
            name: &name,
            query: "",
            tags: rows.clone(),
            page: one_page(rows.len()),
            order: Order::NewestFirst,
            may_push: false,
            may_delete: false,
            deleted: None,
        };
        vec![
            ("repository", page(&rows, one_page(rows.len()), "", Order::NewestFirst, None)),
            ("repository-many", page(&rows, many, "", Order::ByVersion, None)),
            (
                "repository-deleted",
                page(&rows[..2], one_page(2), "", Order::NewestFirst, Some(gone.as_str())),
            ),
            ("repository-no-match", page(&[], one_page(0), query.as_str(), Order::NewestFirst, None)),
            ("repository-empty", page(&[], one_page(0), "", Order::NewestFirst, None)),
            (
                "repository-anonymous",
                self.framed_for(Visitor::Anonymous, |frame| views::repository(frame, &read_only)),
            ),
        ]
    }

    fn rows<'a>(self, long: &'a str) -> Vec<TagRow<'a>> {
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

    fn images(self) -> Vec<(&'static str, String)> {
        let (layers, config) = (self.layers(), self.config());
        let image = Content::Image { layers: &layers, config: Some(&config) };
        let kind = self.text("application/vnd.cncf.helm.config.v1+json");
        let annotated = self.pairs(&[
            ("org.opencontainers.image.source", "https://git.example/team/app"),
            ("org.opencontainers.image.revision", "9d1f5c3f0b7e"),
        ]);
        vec![
            ("image", self.image(Some("1.4.2"), image.clone(), &annotated, self.referrers())),
            ("image-by-digest", self.image(None, image, &BTreeMap::new(), Vec::new())),
            (
                "image-index",
                self.image(Some("latest"), Content::Index(self.index()), &annotated, self.referrers()),
            ),
            (
                "image-no-config",
                self.image(
                    Some("odd"),
                    Content::Image { layers: &layers[..2], config: None },
                    &BTreeMap::new(),
                    Vec::new(),
                ),
            ),
            (
                "image-artifact",
                self.image(
                    Some("chart-0.3.1"),
                    Content::Artifact { kind, files: &layers[..2] },
                    &annotated,
                    Vec::new(),
                ),
            ),
            ("image-unknown", self.image(Some("ancient"), Content::Unknown, &BTreeMap::new(), Vec::new())),
        ]
    }

    fn image(
        self,
        tag: Option<&str>,
        content: Content<'_>,
        annotations: &BTreeMap<String, String>,
        referrers: Vec<Referrer>,
    ) -> String {
        let (name, tag, digest) =
            (self.text("team/app"), tag.map(|tag| self.text(tag)), self.text(&digest('b')));
        let media_type = self.text("application/vnd.oci.image.manifest.v1+json");
        let page = ImagePage {
            name: &name,
            tag: tag.as_deref(),
            digest: &digest,
            media_type: &media_type,
            content,
            annotations,
            referrers,
            may_delete: true,
        };
        self.framed(|frame| views::image(frame, &page))
    }

    fn layers(self) -> Vec<Descriptor> {
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

    fn config(self) -> ImageConfig {
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

    fn environment(self) -> Vec<String> {
        [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "APP_HOME=/srv/app",
            "LANG=C.UTF-8",
            "EMPTY=",
        ]
        .map(|pair| self.text(pair))
        .to_vec()
    }

    fn labels(self) -> BTreeMap<String, String> {
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

    fn pairs(self, pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| (self.text(key), self.text(value))).collect()
    }

    fn index(self) -> Vec<IndexEntry> {
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

    fn referrers(self) -> Vec<Referrer> {
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

    fn others(self) -> Vec<(&'static str, String)> {
        let page = PagePath::Repositories;
        vec![
            ("delete", self.deletion(&["latest", "1.4.2", "1.4", "stable"], Some("1.4.2"))),
            ("delete-one", self.deletion(&["1.4.2"], Some("1.4.2"))),
            ("delete-untagged", self.deletion(&[], None)),
            ("access", self.access("", true)),
            ("access-answer", self.access("team/new", true)),
            ("access-no-name", self.access("Not a name", false)),
            ("access-anonymous", self.access_of_anonymous()),
            ("events", self.framed(|frame| views::events(frame, &Events { rows: Some(self.events()) }))),
            ("events-empty", self.framed(|frame| views::events(frame, &Events { rows: Some(Vec::new()) }))),
            ("events-off", self.framed(|frame| views::events(frame, &Events { rows: None }))),
            ("problem-down", self.problem(502, "The registry does not answer", "Portwarden is up, but the registry behind it could not be reached.")),
            ("problem-not-found", self.problem(404, "Nothing here for you", "There is no such page, or you may not see it. Links may be out of date; names may have been deleted.")),
            ("reload", self.framed(|frame| views::reload(frame, &page))),
        ]
    }

    fn deletion(self, tags: &[&str], tag: Option<&str>) -> String {
        let tags: Vec<String> = tags.iter().map(|tag| self.text(tag)).collect();
        let (name, digest) = (self.text("team/app"), self.text(&digest('b')));
        let tag = tag.map(|tag| self.text(tag));
        let page = Deletion {
            name: &name,
            digest: &digest,
            tag: tag.as_deref(),
            tags: &tags,
            named: "",
            csrf: CSRF,
        };
        self.framed(|frame| views::deletion(frame, &page))
    }

    fn access(self, asked: &str, is_name: bool) -> String {
        let (asked, source) =
            (if asked.is_empty() { String::new() } else { self.text(asked) }, self.text("ldap_auth"));
        let labels = BTreeMap::from([(
            self.text("groups"),
            vec![self.text("developers"), self.text("release managers")],
        )]);
        let names = self.names();
        let repositories: Vec<(&str, RightsOn)> =
            names.iter().map(|name| (name.as_str(), self.rights())).collect();
        let page = Access {
            labels: &labels,
            source: &source,
            address: "192.0.2.17".parse().ok(),
            catalog: self.right(true, "rule 1, line 31"),
            asked: &asked,
            answer: (is_name && !asked.is_empty()).then(|| self.rights()),
            page: one_page(repositories.len()),
            repositories,
        };
        self.framed(|frame| views::access(frame, &page))
    }

    fn access_of_anonymous(self) -> String {
        let page = Access {
            labels: &BTreeMap::new(),
            source: "",
            address: "2001:db8::17".parse().ok(),
            catalog: self.right(false, "no rule matches"),
            asked: "",
            answer: None,
            repositories: Vec::new(),
            page: one_page(0),
        };
        self.framed_for(Visitor::Anonymous, |frame| views::access(frame, &page))
    }

    fn rights(self) -> RightsOn {
        RightsOn {
            pull: self.right(true, "rule 3, line 34"),
            push: self.right(true, "rule 3, line 34"),
            delete: self.right(false, "no rule matches"),
        }
    }

    fn right(self, allowed: bool, by: &str) -> Right {
        Right { allowed, by: self.text(by) }
    }

    fn events(self) -> Vec<EventRow> {
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

    fn problem(self, status: u16, title: &str, message: &str) -> String {
        let (title, message, id) = (self.text(title), self.text(message), self.text("01J9Z3K5T8Q4"));
        let page = Problem { status, title: &title, message: &message, request_id: &id };
        self.framed(|frame| views::problem(frame, &page))
    }
}

fn ago(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW - seconds)
}

fn digest(fill: char) -> String {
    format!("sha256:{fill}3f29a0c{}", fill.to_string().repeat(56))
}

fn one_page(total: usize) -> Page {
    Page { number: 1, pages: 1, first: 0, total }
}
