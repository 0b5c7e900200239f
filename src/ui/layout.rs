//! The frame of each page: the document, the head with the navigation, the foot.

use maud::{DOCTYPE, Markup, html};

use super::{
    assets::Asset,
    link,
    model::{Frame, Theme, Visitor},
    path::PagePath,
    search::Search,
    texts::Language,
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
        let t = frame.texts();
        let page = html! {
            (DOCTYPE)
            html lang=(frame.language.code()) {
                head { (self.head(frame)) }
                body {
                    a.skip href="#content" { (t.skip) }
                    (self.banner(frame))
                    main #content .(self.class) tabindex="-1" { (outage(frame)) (content) }
                    (foot(frame))
                }
            }
        };
        page.into_string()
    }

    fn head(&self, frame: &Frame<'_>) -> Markup {
        let asset = |asset| link::to(frame, &PagePath::Asset(asset));
        let t = frame.texts();
        let (copy, copied) = (t.copy.plain([&"{0}"]), t.copied.plain([&"{0}"]));
        html! {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="referrer" content="same-origin";
            title { (self.title) " · " (Untrusted(frame.service).to_string()) }
            link rel="icon" type="image/svg+xml" href=(asset(Asset::Icon));
            (styles(frame))
            script src=(asset(Asset::Script)) defer data-to-copy=(copy) data-copied=(copied) data-not-copied=(t.not_copied) {}
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
        let t = frame.texts();
        html! {
            @if enters {
                nav.main aria-label=(t.main_navigation) {
                    ul {
                        (self.way(frame, &PagePath::Repositories, t.repositories))
                        (self.way(frame, &PagePath::Access, t.my_access))
                        @if makes_tokens { (self.way(frame, &PagePath::Tokens, t.my_tokens)) }
                        @if sees_events { (self.way(frame, &PagePath::Events, t.events)) }
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
                (Search { page: &page, query: "", label: frame.texts().search }.form(frame))
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
                    | PagePath::DeleteTags(_)
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
        let t = frame.texts();
        html! {
            div.visitor {
                @match frame.visitor {
                    Visitor::Account { name, csrf, .. } => {
                        span.account title=(Untrusted(name).to_string()) { (Untrusted(name)) }
                        @if let Some(csrf) = csrf {
                            form method="post" action=(link::to(frame, &PagePath::SignOut)) {
                                input type="hidden" name="csrf" value=(csrf);
                                button.plain type="submit" { (t.sign_out) }
                            }
                        }
                    }
                    Visitor::Anonymous | Visitor::Nobody => {
                        @if self.path != Some(&PagePath::SignIn) { a.button href=(link::to_sign_in(frame)) { (t.sign_in) } }
                    }
                }
            }
        }
    }
}

/// Says that the page is about what was known before.
fn outage(frame: &Frame<'_>) -> Markup {
    let t = frame.texts();
    html! {
        @if frame.registry_is_down {
            div.notice.bad.outage role="status" { p { strong { (t.no_answer) } } p { (t.known_before) } }
        }
    }
}

fn foot(frame: &Frame<'_>) -> Markup {
    html! {
        footer.foot {
            div.inside {
                span { (Untrusted(frame.host)) }
                (preferences(frame))
                span { (frame.texts().guarded_by) }
            }
        }
    }
}

/// The style sheets, and which colours the browser's own parts take. The dark colours are in a sheet of their own, which
/// counts always, never, or as the visitor's system has it.
pub(super) fn styles(frame: &Frame<'_>) -> Markup {
    let asset = |asset| link::to(frame, &PagePath::Asset(asset));
    let (scheme, dark) = match frame.theme {
        Theme::System => ("light dark", Some("screen and (prefers-color-scheme: dark)")),
        Theme::Light => ("light", None),
        Theme::Dark => ("dark", Some("screen")),
    };
    html! {
        meta name="color-scheme" content=(scheme);
        link rel="stylesheet" href=(asset(Asset::Style));
        @if let Some(media) = dark { link rel="stylesheet" href=(asset(Asset::Dark)) media=(media); }
    }
}

/// The switches for the language and the theme: buttons of a form, so that they need no script.
fn preferences(frame: &Frame<'_>) -> Markup {
    let t = frame.texts();
    html! {
        form.preferences method="post" action=(link::to(frame, &PagePath::Preferences)) {
            input type="hidden" name="next" value=(frame.here);
            div.switch role="group" aria-label=(t.language) {
                @for language in Language::ALL {
                    @let is_current = if language == frame.language { "true" } else { "false" };
                    button type="submit" name="language" value=(language.code()) lang=(language.code()) aria-pressed=(is_current) {
                        (language.name())
                    }
                }
            }
            div.switch role="group" aria-label=(t.theme) {
                @for theme in Theme::ALL {
                    @let is_current = if theme == frame.theme { "true" } else { "false" };
                    @let name = match theme { Theme::System => t.theme_system, Theme::Light => t.theme_light, Theme::Dark => t.theme_dark };
                    button type="submit" name="theme" value=(theme.name()) aria-pressed=(is_current) { (name) }
                }
            }
        }
    }
}

/// The way back up: each page above this one, then this one.
pub(super) fn breadcrumbs(frame: &Frame<'_>, above: &[(Option<PagePath>, Markup)]) -> Markup {
    html! {
        nav.breadcrumbs aria-label=(frame.texts().breadcrumbs) {
            ol { @for (page, text) in above { li { (link::link(frame, page.as_ref(), text)) } } }
        }
    }
}
