//! The language and the theme of the pages, and the client in their commands: from a cookie, in which switches keep them,
//! and without one the language that the browser asks for.
//!
//! Nothing is stored here. The cookie holds no secret and says nothing of an account; it is `SameSite=Lax`, so that a
//! page that a link of another site leads to looks like the others.

use hyper::header::{self, HeaderMap};

use super::{answer::Answer, page_error::PageResult, sign_in::page_to_return_to, visit::Request};
use crate::{
    proxy::{
        auth::session::cookie_of,
        request::{form::Form, quality::weighted},
    },
    ui::{Language, PagePath, Theme, Tool},
};

/// The cookie, in the form of a query. More of the kind may stand in it.
const COOKIE: &str = "__Host-portwarden-preferences";
/// The time for which a browser keeps it, in seconds: 400 days, the longest (RFC 6265bis section 5.5).
const LIFETIME: u32 = 400 * 24 * 3600;

/// A visitor's choice. What was not chosen is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Preferences {
    language: Option<Language>,
    theme: Option<Theme>,
    tool: Option<Tool>,
}

impl Preferences {
    /// The choice in a cookie, or in a form.
    fn read(form: &Form) -> Self {
        Self {
            language: Language::named(form.get("language")),
            theme: Theme::named(form.get("theme")),
            tool: Tool::named(form.get("tool")),
        }
    }

    /// The choice that a request shows.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self::read(&Form::parse(cookie_of(headers, COOKIE).unwrap_or_default(), None))
    }

    /// Returns the language: the chosen one, or that of the browser (RFC 9110 section 12.5.4).
    pub(super) fn language(self, headers: &HeaderMap) -> Language {
        self.language.unwrap_or_else(|| {
            let wanted = weighted(headers, &header::ACCEPT_LANGUAGE).filter(|(_, weight)| *weight > 0);
            let known = wanted.filter_map(|(range, weight)| Some((Language::matching(range)?, weight)));
            // Of several of the same weight, the first.
            let best = known.reduce(|best, other| if other.1 > best.1 { other } else { best });
            best.map_or_else(Language::default, |(language, _)| language)
        })
    }

    /// Returns the theme.
    pub(super) fn theme(self) -> Theme {
        self.theme.unwrap_or_default()
    }

    /// Returns the client in commands.
    pub(super) fn tool(self) -> Tool {
        self.tool.unwrap_or_default()
    }

    fn cookie(self) -> String {
        let language = self.language.map(|language| format!("language={}", language.code()));
        let theme = self.theme.map(|theme| format!("theme={}", theme.name()));
        let tool = self.tool.map(|tool| format!("tool={}", tool.name()));
        let value: Vec<String> = language.into_iter().chain(theme).chain(tool).collect();
        let value = value.join("&");
        format!("{COOKIE}={value}; Path=/; Max-Age={LIFETIME}; Secure; HttpOnly; SameSite=Lax")
    }
}

/// Keeps what was chosen in the browser, and goes back to the page.
pub(super) async fn choose(request: &mut Request<'_>) -> PageResult {
    let form = request.form().await?;
    let (kept, chosen) = (Preferences::of(&request.context.head.headers), Preferences::read(&form));
    let all = Preferences {
        language: chosen.language.or(kept.language),
        theme: chosen.theme.or(kept.theme),
        tool: chosen.tool.or(kept.tool),
    };
    let prefix = &request.context.snapshot.settings.path_prefix;
    let page = page_to_return_to(form.get("next"), prefix, |page| {
        !matches!(page, PagePath::SignOut | PagePath::Preferences)
    });
    let page = page.unwrap_or_else(|| request.href(&PagePath::Repositories));
    Ok(Answer::redirect(&page).with_cookie(&all.cookie()))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn language(accepted: &[&str], cookie: Option<&str>) -> Language {
        let accepted =
            accepted.iter().map(|line| (header::ACCEPT_LANGUAGE, HeaderValue::from_str(line).unwrap()));
        let mut headers: HeaderMap = accepted.collect();
        headers.extend(cookie.map(|value| (header::COOKIE, format!("{COOKIE}={value}").parse().unwrap())));
        Preferences::of(&headers).language(&headers)
    }

    #[test]
    fn the_language_is_the_one_that_the_browser_wants_most() {
        for (accepted, wanted) in [
            (&[][..], Language::English),
            (&["ja"], Language::Japanese),
            (&["ja-JP, ja;q=0.9, en;q=0.8"], Language::Japanese),
            (&["en-US,en;q=0.9,ja;q=0.8"], Language::English),
            (&["de, ja;q=0.5, en;q=0.4"], Language::Japanese),
            (&["en;q=0.4", "ja;q=0.5"], Language::Japanese),
            (&["en, ja"], Language::English),
            (&["ja;q=0, de"], Language::English),
            (&["ja;q=nonsense"], Language::English),
            (&["*"], Language::English),
            (&["fr-CH, fr;q=0.9"], Language::English),
        ] {
            assert_eq!(language(accepted, None), wanted, "{accepted:?}");
        }
    }

    #[test]
    fn what_was_chosen_counts_before_what_the_browser_wants() {
        assert_eq!(language(&["ja"], Some("language=en&theme=dark")), Language::English);
        assert_eq!(language(&["ja"], Some("theme=dark")), Language::Japanese);
        assert_eq!(language(&["ja"], Some("language=tlh")), Language::Japanese);
        assert_eq!(language(&["en"], Some("more=1&language=ja")), Language::Japanese);
    }

    #[test]
    fn the_cookie_is_read_back_and_has_nothing_but_known_words() {
        for (language, theme, tool) in [
            (None, None, None),
            (Some(Language::Japanese), None, Some(Tool::Podman)),
            (Some(Language::English), Some(Theme::Dark), None),
        ] {
            let chosen = Preferences { language, theme, tool };
            let cookie = chosen.cookie();
            let (pair, rest) = cookie.split_once(';').unwrap();
            assert_eq!(rest, " Path=/; Max-Age=34560000; Secure; HttpOnly; SameSite=Lax");
            let headers = HeaderMap::from_iter([(header::COOKIE, pair.parse().unwrap())]);
            assert_eq!(Preferences::of(&headers), chosen);
        }
        let hostile = Form::parse("language=ja%0d%0aSet-Cookie:+a&theme=%22&tool=docker%20rm", None);
        assert_eq!(Preferences::read(&hostile), Preferences::default());
    }
}
