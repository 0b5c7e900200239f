//! The frame of each page: the document, the head with the navigation, the foot.

use maud::{DOCTYPE, Markup, html};

use super::{
    assets::Asset,
    link,
    model::{Frame, Visitor},
    path::PagePath,
    search::Search,
    untrusted::Untrusted,
};

/// A page, but for its content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Document<'a> {
    /// The title in the browser's tab, before the name of the service.
    pub(super) title: &'a str,
    /// The path of the page; `None` when it may be anywhere.
    pub(super) path: Option<&'a PagePath>,
    /// Its class in the style sheet: `wide` or `narrow`.
    pub(super) class: &'static str,
}

impl Document<'_> {
    /// The whole document.
    pub(super) fn render(&self, frame: &Frame<'_>, content: &Markup) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head { (self.head(frame)) }
                body {
                    a.skip href="#content" { "Skip to the content" }
                    (self.banner(frame))
                    main #content .(self.class) tabindex="-1" { (content) }
                    (foot(frame))
                }
            }
        };
        page.into_string()
    }

    fn head(&self, frame: &Frame<'_>) -> Markup {
        let asset = |asset| link::to(frame, &PagePath::Asset(asset));
        html! {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="referrer" content="same-origin";
            title { (self.title) " · " (Untrusted(frame.service).to_string()) }
            link rel="icon" type="image/svg+xml" href=(asset(Asset::Icon));
            link rel="stylesheet" href=(asset(Asset::Style));
            script src=(asset(Asset::Script)) defer {}
        }
    }

    fn banner(&self, frame: &Frame<'_>) -> Markup {
        let icon = link::to(frame, &PagePath::Asset(Asset::Icon));
        html! {
            header.banner {
                div.inside {
                    a.brand href=(link::to(frame, &PagePath::Repositories)) {
                        img src=(icon) alt="" width="28" height="28";
                        (Untrusted(frame.service))
                    }
                    (self.navigation(frame))
                    (self.search(frame))
                    (self.visitor(frame))
                }
            }
        }
    }

    fn navigation(&self, frame: &Frame<'_>) -> Markup {
        let (enters, sees_events, makes_tokens) = match frame.visitor {
            Visitor::Nobody => (false, false, false),
            Visitor::Anonymous => (true, false, false),
            Visitor::Account { sees_events, makes_tokens, .. } => (true, sees_events, makes_tokens),
        };
        html! {
            @if enters {
                nav.main aria-label="Main" {
                    ul {
                        (self.way(frame, &PagePath::Repositories, "Repositories"))
                        (self.way(frame, &PagePath::Access, "My access"))
                        @if makes_tokens { (self.way(frame, &PagePath::Tokens, "My tokens")) }
                        @if sees_events { (self.way(frame, &PagePath::Events, "Events")) }
                    }
                }
            }
        }
    }

    /// The field to search everything with, unless the page has one of its own.
    fn search(&self, frame: &Frame<'_>) -> Markup {
        let has_its_own = matches!(self.path, Some(PagePath::Repositories | PagePath::Repository(_)));
        let page = PagePath::Repositories;
        html! {
            @if !has_its_own && !matches!(frame.visitor, Visitor::Nobody) {
                (Search { page: &page, query: "", label: "Search" }.form(frame))
            }
        }
    }

    /// A way to go. `page` marks where one is, `true` what that is part of.
    fn way(&self, frame: &Frame<'_>, to: &PagePath, text: &str) -> Markup {
        let inside = |page: &PagePath| {
            matches!(
                page,
                PagePath::Repository(_)
                    | PagePath::Image(..)
                    | PagePath::Compare(_)
                    | PagePath::Delete(..)
                    | PagePath::DeleteTag(..)
            )
        };
        let current = match self.path {
            Some(path) if path == to => Some("page"),
            Some(PagePath::Shadow) if *to == PagePath::Events => Some("true"),
            Some(path) if *to == PagePath::Repositories && inside(path) => Some("true"),
            _ => None,
        };
        html! { li { a href=(link::to(frame, to)) aria-current=[current] { (text) } } }
    }

    fn visitor(&self, frame: &Frame<'_>) -> Markup {
        html! {
            div.visitor {
                @match frame.visitor {
                    Visitor::Account { name, csrf, .. } => {
                        span.account title=(Untrusted(name).to_string()) { (Untrusted(name)) }
                        @if let Some(csrf) = csrf {
                            form method="post" action=(link::to(frame, &PagePath::SignOut)) {
                                input type="hidden" name="csrf" value=(csrf);
                                button.plain type="submit" { "Sign out" }
                            }
                        }
                    }
                    Visitor::Anonymous | Visitor::Nobody => {
                        @if self.path != Some(&PagePath::SignIn) { a.button href=(link::to_sign_in(frame)) { "Sign in" } }
                    }
                }
            }
        }
    }
}

fn foot(frame: &Frame<'_>) -> Markup {
    html! {
        footer.foot {
            div.inside {
                span { (Untrusted(frame.host)) }
                span { "Guarded by Portwarden" }
            }
        }
    }
}

/// The way back up: each page above this one, then this one.
pub(super) fn breadcrumbs(frame: &Frame<'_>, above: &[(Option<PagePath>, Markup)]) -> Markup {
    html! {
        nav.breadcrumbs aria-label="Breadcrumbs" {
            ol { @for (page, text) in above { li { (link::link(frame, page.as_ref(), text)) } } }
        }
    }
}
