//! A page that asks for itself again. A browser that follows a link from another site leaves the session's cookie at
//! home; asked by this page, which is of this site, it brings it along.

use maud::{DOCTYPE, html};

use crate::ui::{assets::Asset, link, model::Frame, path::PagePath, untrusted::Untrusted};

/// Loads the same address again at once; where a browser does not, there is a link to `page`.
pub fn reload(frame: &Frame<'_>, page: &PagePath) -> String {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="refresh" content="0";
                title { (Untrusted(frame.service).to_string()) }
                // The next page has the same style: the colour behind does not flash.
                link rel="stylesheet" href=(link::to(frame, &PagePath::Asset(Asset::Style)));
            }
            body {
                main { h1 { "One moment" } p { a href=(link::to(frame, page)) { "Go on" } } }
            }
        }
    };
    document.into_string()
}
