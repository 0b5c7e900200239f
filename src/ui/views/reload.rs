//! A page that asks for itself again. A browser that follows a link from another site leaves the session's cookie at
//! home; asked by this page, which is of this site, it brings it along.

use maud::{DOCTYPE, html};

use crate::ui::{layout, link, model::Frame, path::PagePath, untrusted::Untrusted};

/// Loads the same address again at once; where a browser does not, there is a link to `page`.
pub fn reload(frame: &Frame<'_>, page: &PagePath) -> String {
    document(frame, "0", &link::to(frame, page))
}

/// Loads `next`, a path here, at once, or by a link: of a redirect, a browser would say that it comes from elsewhere, and
/// leave the session's cookie at home.
pub fn go_on(frame: &Frame<'_>, next: &str) -> String {
    document(frame, &format!("0; url={next}"), next)
}

fn document(frame: &Frame<'_>, refresh: &str, to: &str) -> String {
    let t = frame.texts();
    let document = html! {
        (DOCTYPE)
        html lang=(frame.language.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="refresh" content=(refresh);
                title { (Untrusted(frame.service).to_string()) }
                // The next page has the same style: the colour behind does not flash.
                (layout::styles(frame))
            }
            body {
                main { h1 { (t.one_moment) } p { a href=(to) { (t.go_on) } } }
            }
        }
    };
    document.into_string()
}
