//! Every page in each of its states, for the tests: with what a registry usually has in it, or with one hostile text
//! wherever a text may stand.

mod specimens;

use std::collections::BTreeMap;

use super::{
    model::{
        Access, Content, Deletion, Events, Frame, ImagePage, NoConfig, Order, Page, Problem, Referrer,
        Repositories, Repository, RightsOn, SignIn, SignInProblem, TagRow, Visitor,
    },
    path::PagePath,
    views,
};
use specimens::{ago, digest, one_page};

/// A page in one of its states.
pub(super) struct Exhibit {
    /// The name of the page: `image-index`.
    pub(super) name: &'static str,
    /// The document.
    pub(super) html: String,
}

/// The data that fills the pages.
#[derive(Clone, Copy)]
pub(super) struct Gallery {
    /// A hostile text that stands wherever a text may.
    pub(super) hostile: Option<&'static str>,
    /// `server.path_prefix`.
    pub(super) prefix: &'static str,
}

/// Made by Portwarden, like the page to go on to: never hostile.
const CSRF: &str = "c5rf";

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
        let here = format!("{}/team/app?page=2", self.prefix);
        show(&Frame {
            service: &service,
            host: &host,
            prefix: self.prefix,
            visitor,
            here: &here,
            now: ago(0),
        })
    }

    fn signing_in(self) -> Vec<(&'static str, String)> {
        use SignInProblem::{Expired, NotSecure, Robot, SignedOut, Unavailable, Wait, Wrong};
        let page = |problem: Option<SignInProblem>| {
            let account = if problem.is_some() { self.text("alice") } else { String::new() };
            let page = SignIn { next: "/team/app", account: &account, problem };
            self.framed_for(Visitor::Nobody, |frame| views::sign_in(frame, &page))
        };
        vec![
            ("sign-in", page(None)),
            ("sign-in-wrong", page(Some(Wrong))),
            ("sign-in-robot", page(Some(Robot))),
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

    fn images(self) -> Vec<(&'static str, String)> {
        let (layers, config) = (self.layers(), self.config());
        let image = Content::Image { layers: &layers, config: Ok(&config) };
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
                    Content::Image { layers: &layers[..2], config: Err(&NoConfig::Unreadable) },
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
        let size = match &content {
            Content::Image { layers, .. } | Content::Artifact { files: layers, .. } => {
                layers.iter().map(|layer| layer.size).sum()
            }
            _ => 143_200_000,
        };
        let page = ImagePage {
            name: &name,
            tag: tag.as_deref(),
            digest: &digest,
            media_type: &media_type,
            content,
            size: Some(size),
            annotations,
            referrers,
            may_delete: true,
        };
        self.framed(|frame| views::image(frame, &page))
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

    fn problem(self, status: u16, title: &str, message: &str) -> String {
        let (title, message, id) = (self.text(title), self.text(message), self.text("01J9Z3K5T8Q4"));
        let page = Problem { status, title: &title, message: &message, request_id: &id };
        self.framed(|frame| views::problem(frame, &page))
    }
}
