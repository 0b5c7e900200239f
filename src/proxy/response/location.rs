//! URLs in the registry's answers, made right for the outside: its `Location`, and the next page in its `Link`.

use hyper::{
    StatusCode,
    header::{self, HeaderMap, HeaderValue},
};

use crate::proxy::{
    UpstreamAddress,
    request::{header_list, origin::Origin},
};

/// The form of the registry's URLs for the outside.
pub(crate) struct Outside<'a> {
    /// The registry's address: a URL with that address leads into it.
    pub(crate) registry: &'a UpstreamAddress,
    /// Written before a path (`server.relative_urls: false`). Without it, a client resolves the path against the URL
    /// that it asked for itself, and so cannot be sent astray.
    pub(crate) origin: Option<&'a Origin>,
}

/// The target of a URL reference.
enum Target<'a> {
    /// Into the registry: a reference without scheme and host.
    Registry(&'a str),
    /// A URL of another host.
    Elsewhere,
}

impl Outside<'_> {
    /// Rewrites `Location` and `Link`; removes what leads nowhere that the client may be sent to.
    pub(crate) fn rewrite(&self, headers: &mut HeaderMap, status: StatusCode) {
        let location = headers.remove(header::LOCATION).and_then(|value| self.location(&value, status));
        let links: Vec<_> = headers.get_all(header::LINK).iter().cloned().collect();
        headers.remove(header::LINK);
        let next = links.iter().find_map(|value| self.next_page(value.to_str().ok()?));
        let written = [(header::LOCATION, location), (header::LINK, next)];
        for (name, value) in written {
            headers
                .extend(value.and_then(|value| HeaderValue::try_from(value).ok()).map(|value| (name, value)));
        }
    }

    /// A redirect may lead to another host: an object store. What was made is always in the registry, whatever host
    /// it was configured to print.
    fn location(&self, value: &HeaderValue, status: StatusCode) -> Option<String> {
        let reference = value.to_str().ok()?;
        match (self.target(reference, !status.is_redirection())?, self.origin) {
            (Target::Registry(path), Some(origin)) if path.starts_with('/') => {
                Some(format!("{}://{}{path}", origin.scheme, origin.host))
            }
            (Target::Registry(path), _) => Some(path.to_owned()),
            (Target::Elsewhere, _) => status.is_redirection().then(|| reference.to_owned()),
        }
    }

    /// The first link to a next page that leads into the registry, and of its parameters no others: a browser acts on
    /// some.
    fn next_page(&self, header: &str) -> Option<String> {
        let mut rest = header;
        loop {
            let (target, after) = rest.split_once('<')?.1.split_once('>')?;
            let (parameters, tail) = header_list::split_first(after, ',');
            let relations = header_list::parameter(parameters, "rel").unwrap_or_default();
            let is_next = relations.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("next"));
            if let Some(Target::Registry(path)) = self.target(target, true).filter(|_| is_next) {
                return Some(format!("<{path}>; rel=\"next\""));
            }
            rest = tail?;
        }
    }

    /// The target of a reference; `None` where clients could disagree about it. `is_own` says that it can only lead
    /// into the registry.
    fn target<'r>(&self, reference: &'r str, is_own: bool) -> Option<Target<'r>> {
        // Browsers read a backslash as a slash, and drop control characters.
        let is_plain = reference.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
        let Some((authority, path)) = split_absolute(reference) else {
            let is_relative = is_plain && !reference.is_empty() && !has_scheme(reference);
            return is_relative.then_some(Target::Registry(reference));
        };
        let is_registry =
            matches!(self.registry, UpstreamAddress::Tcp(ours) if same_authority(ours, authority));
        let leads_in = is_registry || (is_own && path.starts_with("/v2/"));
        match leads_in {
            // Alone, a path that begins with two slashes reads as a host.
            true => (path.starts_with('/') && !path.starts_with("//")).then_some(Target::Registry(path)),
            false => Some(Target::Elsewhere),
        }
        .filter(|_| is_plain)
    }
}

/// The authority and the rest of an absolute `http` or `https` URL, or of one without a scheme (`//host/path`).
fn split_absolute(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("//")?;
    if !["", "http:", "https:"].contains(&scheme.to_ascii_lowercase().as_str()) {
        return None;
    }
    Some(rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())))
}

/// Returns whether a colon comes before the path: `javascript:`, `data:`, or `http:` with fewer slashes than it
/// should have.
fn has_scheme(reference: &str) -> bool {
    let head = reference.split(['/', '?', '#']).next().unwrap_or_default();
    head.contains(':')
}

/// Returns whether two authorities name the same place; `localhost` and the default port are spelt in several ways.
pub(crate) fn same_authority(ours: &str, theirs: &str) -> bool {
    let plain = |authority: &str| {
        let authority = authority.strip_suffix(":80").unwrap_or(authority).to_ascii_lowercase();
        authority.replace("localhost", "127.0.0.1").replace("[::1]", "127.0.0.1")
    };
    plain(ours) == plain(theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(
        status: u16,
        headers: &[(&'static str, &'static str)],
        origin: Option<&Origin>,
    ) -> HeaderMap {
        let registry = UpstreamAddress::Tcp("127.0.0.1:5000".to_owned());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        Outside { registry: &registry, origin }.rewrite(&mut map, StatusCode::from_u16(status).unwrap());
        map
    }

    fn location(status: u16, value: &'static str) -> Option<String> {
        let headers = rewritten(status, &[("location", value)], None);
        headers.get("location").map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn rule_12_location_is_right_for_the_outside() {
        let upload = "/v2/a/blobs/uploads/1?_state=x";
        for (status, written) in [
            (202, "/v2/a/blobs/uploads/1?_state=x"),
            (202, "http://127.0.0.1:5000/v2/a/blobs/uploads/1?_state=x"),
            (202, "//127.0.0.1:5000/v2/a/blobs/uploads/1?_state=x"),
            (201, "http://LOCALHOST:5000/v2/a/blobs/uploads/1?_state=x"),
            (204, "https://internal.name/v2/a/blobs/uploads/1?_state=x"),
            (307, "http://127.0.0.1:5000/v2/a/blobs/uploads/1?_state=x"),
        ] {
            assert_eq!(location(status, written).as_deref(), Some(upload), "{status} {written}");
        }
        let store = "https://store.example/docker/registry/v2/blobs/x?Signature=y";
        assert_eq!(location(307, store).as_deref(), Some(store));
        assert_eq!(location(202, store), None, "an upload goes nowhere else");
    }

    #[test]
    fn rule_12_with_absolute_urls_the_host_is_the_clients() {
        let origin = Origin { scheme: "https", host: "registry.example:8443".to_owned() };
        let headers = rewritten(202, &[("location", "http://127.0.0.1:5000/v2/a/x")], Some(&origin));
        assert_eq!(headers["location"], "https://registry.example:8443/v2/a/x");
        let headers = rewritten(202, &[("location", "/v2/a/x")], Some(&origin));
        assert_eq!(headers["location"], "https://registry.example:8443/v2/a/x");
    }

    #[test]
    fn rule_12_what_clients_read_in_different_ways_is_removed() {
        for odd in [
            "http://127.0.0.1:5000//evil.example/v2/",
            "http://127.0.0.1:5000",
            "/\\evil.example/v2/",
            "/\t/evil.example/",
            "http:evil.example/v2/",
            "javascript:alert(1)",
            "https://internal.name/v2/ x",
            "",
        ] {
            assert_eq!(location(201, odd), None, "{odd}");
            assert_eq!(location(307, odd), None, "{odd}");
        }
    }

    #[test]
    fn rule_12_of_all_links_the_next_page_is_left() {
        let next = "</v2/_catalog?n=1&last=a,b>; rel=\"next\"";
        for values in [
            &["</v2/_catalog?n=1&last=a,b>; rel=\"next\""][..],
            &["<http://127.0.0.1:5000/v2/_catalog?n=1&last=a,b>;rel=next"],
            &["<https://internal.name/v2/_catalog?n=1&last=a,b>; title=\"a, <b>\"; rel=\"last next\""],
            &["<https://evil.example/x>; rel=preload", "</v2/_catalog?n=1&last=a,b>; rel=\"next\""],
            &[
                "</style.css>; rel=stylesheet, <//evil.example/>; rel=next, </v2/_catalog?n=1&last=a,b>; rel=next",
            ],
        ] {
            let values: Vec<_> = values.iter().map(|value| ("link", *value)).collect();
            let headers = rewritten(200, &values, None);
            let links: Vec<_> = headers.get_all("link").iter().collect();
            assert_eq!(links, [next], "{values:?}");
        }
        for odd in ["<https://evil.example/v3/>; rel=next", "</v2/a>; rel=prefetch", "</v2/a", "next"] {
            assert!(!rewritten(200, &[("link", odd)], None).contains_key("link"), "{odd}");
        }
    }
}
