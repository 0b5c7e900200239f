//! Compression of pages and of their files (gzip; RFC 9110 section 8.4.1.3), for clients that accept it.
//!
//! The length of a compressed page tells who reads along how much of it repeats. With a text that another site chose, and
//! that the page shows, it gives away a secret beside that text, letter by letter (BREACH). So a page is left as it is if
//! its address has a text in it, if it is an error, or if it may show a token. What forms send along differs in each
//! answer ([`Authority::csrf`](crate::token::Authority::csrf)). Texts that were pushed stay: against these, the length has
//! a random part.

use std::{io::Write as _, sync::LazyLock};

use flate2::{Compression as Level, GzBuilder};
use hyper::{
    Method, StatusCode,
    body::Bytes,
    header::{self, HeaderMap, HeaderValue},
};

use super::{answer::Answer, visit::Request};
use crate::{
    proxy::request::quality::weighted,
    ui::{Asset, Order, PagePath},
};

/// The bytes of a page that is compressed: a smaller one fits into a packet, and a larger one would hold up the thread.
const SIZES: std::ops::Range<usize> = 1024..1 << 20;
/// Of miniz: most of the gain, for a third of the time of the default.
const LEVEL: Level = Level::new(3);

/// The way in which an answer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    /// Not at all.
    Off,
    /// A page.
    Page,
    /// A file, which is compressed once.
    File(Asset),
}

impl Compression {
    /// Decides by the request alone.
    pub(super) fn of(page: &PagePath, request: &Request<'_>) -> Self {
        let head = request.context.head;
        match page {
            _ if !accepts_gzip(&head.headers) => Self::Off,
            PagePath::Asset(asset) => Self::File(*asset),
            // A token stands here once, and a page to be posted to is an answer to a form.
            PagePath::Tokens => Self::Off,
            _ if head.method != Method::GET && head.method != Method::HEAD => Self::Off,
            _ if has_text(head.uri.query().unwrap_or_default()) => Self::Off,
            _ => Self::Page,
        }
    }

    /// Compresses the answer, if it is what was asked for.
    pub(super) fn apply(self, answer: &mut Answer) {
        if answer.response.status() != StatusCode::OK {
            return;
        }
        let body = answer.response.body_mut();
        let is_compressed = match self {
            Self::Off => false,
            Self::Page => body.replace_own(|html| SIZES.contains(&html.len()).then(|| gzip(html))?),
            Self::File(asset) => body.replace_own(|_| file(asset)),
        };
        if is_compressed {
            answer.response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
}

/// Returns true unless the client wants no gzip, or would rather have the bytes as they are (RFC 9110 section 12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let weight = |codings: &[&str]| {
        let mut all = weighted(headers, &header::ACCEPT_ENCODING);
        all.find(|(coding, _)| codings.iter().any(|known| coding.eq_ignore_ascii_case(known)))
            .map(|(_, weight)| weight)
    };
    let gzip = weight(&["gzip", "x-gzip"]).or_else(|| weight(&["*"])).unwrap_or(0);
    gzip > 0 && gzip >= weight(&["identity"]).unwrap_or(0)
}

/// Returns true if a query has anything but the number of a page and an order.
fn has_text(query: &str) -> bool {
    let is_number = |value: &str| value.len() <= 5 && value.bytes().all(|b| b.is_ascii_digit());
    let pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    let is_text = |pair: &&str| match pair.split_once('=') {
        Some(("page", value)) => !is_number(value),
        Some(("order", value)) => Order::named(value).is_none(),
        _ => true,
    };
    pairs.len() > 2 || pairs.iter().any(is_text)
}

/// Compresses a page. A comment of random length stands before it, which no program reads.
fn gzip(html: &Bytes) -> Option<Bytes> {
    let mut length = [0];
    aws_lc_rs::rand::fill(&mut length).ok()?;
    let comment = vec![b' '; usize::from(length[0])];
    let mut encoder = GzBuilder::new().comment(comment).write(Vec::with_capacity(html.len() / 4), LEVEL);
    encoder.write_all(html).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// A file, compressed when it is asked for first.
fn file(asset: Asset) -> Option<Bytes> {
    static FILES: LazyLock<Vec<(Asset, Option<Bytes>)>> = LazyLock::new(|| {
        let compressed = |asset: Asset| {
            let mut encoder = GzBuilder::new().write(Vec::new(), Level::best());
            encoder.write_all(asset.content().as_bytes()).ok()?;
            encoder.finish().ok().map(Bytes::from)
        };
        Asset::ALL.into_iter().map(|asset| (asset, compressed(asset))).collect()
    });
    FILES.iter().find(|(known, _)| *known == asset)?.1.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(lines: &[&str]) -> bool {
        let lines = lines.iter().map(|line| (header::ACCEPT_ENCODING, HeaderValue::from_str(line).unwrap()));
        accepts_gzip(&lines.collect())
    }

    #[test]
    fn gzip_is_sent_to_those_who_want_it() {
        for lines in [
            &["gzip, deflate, br"][..],
            &["GZIP"],
            &["x-gzip"],
            &["*"],
            &["br;q=1, gzip;q=0.5"],
            &["br", "gzip;q=0.001"],
            &["gzip;q=0.5, identity;q=0.5"],
        ] {
            assert!(accepted(lines), "{lines:?}");
        }
        for lines in [
            &[][..],
            &[""],
            &["br"],
            &["identity"],
            &["gzip;q=0"],
            &["gzip;q=0, *"],
            &["*;q=0"],
            &["gzip;q=0.5, identity"],
            &["gzip;q=x"],
        ] {
            assert!(!accepted(lines), "{lines:?}");
        }
    }

    #[test]
    fn rule_29_a_page_is_not_compressed_with_a_text_that_a_link_chose() {
        for query in ["", "page=2", "order=name", "order=name&page=12"] {
            assert!(!has_text(query), "{query}");
        }
        for query in [
            "q=a",
            "page=guess",
            "page=123456",
            "order=guess",
            "page=1&page=2&page=3",
            "page",
            "x",
            "page=1;q=a",
        ] {
            assert!(has_text(query), "{query}");
        }
    }

    #[test]
    fn the_same_page_has_many_lengths() {
        let html = Bytes::from("<p>text</p>".repeat(500));
        let lengths: std::collections::HashSet<usize> = (0..40).map(|_| gzip(&html).unwrap().len()).collect();
        assert!(lengths.len() > 5, "{lengths:?}");
        let mut read = String::new();
        let packed = gzip(&html).unwrap();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&packed[..]), &mut read).unwrap();
        assert_eq!(read, html);
    }
}
