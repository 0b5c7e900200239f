//! Where the client sees us, and from where it comes: scheme and host for challenges and Locations, its address for the
//! policy. What another proxy says counts only where the operator trusts it.

use std::net::{IpAddr, SocketAddr};

use hyper::{
    Version,
    header::{self, HeaderMap, HeaderName, HeaderValue},
    http::{request::Parts, uri::Authority},
};

use super::{ClientAddressSettings, Peer, UpstreamAddress, exchange::REQUEST_ID};
use crate::{
    registry::{ErrorCode, Refusal},
    telemetry::RequestId,
};

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The scheme and the host, with its port, as the client named them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// `https` or `http`.
    pub scheme: &'static str,
    /// A valid authority without user information.
    pub host: String,
}

impl Origin {
    /// Reads the origin of a request, which must name exactly one host.
    ///
    /// # Errors
    /// No host, two of them, or one that is none: 400, and the connection ends (RFC 9112 section 3.2).
    pub(super) fn of(head: &Parts, peer: Peer, settings: &ClientAddressSettings) -> Result<Self, Refusal> {
        let refuse = |why: &str| Refusal::new(ErrorCode::BadRequest, why).and_close();
        let mut hosts = head.headers.get_all(header::HOST).iter();
        let is_http2 = head.version == Version::HTTP_2;
        let host = match (head.uri.authority(), hosts.next(), hosts.next()) {
            (_, _, Some(_)) => return Err(refuse("the request has two Host headers")),
            (Some(authority), Some(host), None) if is_http2 && authority.as_str() != text(host) => {
                // RFC 9113 section 8.3.1: who reads the one and who reads the other would see two requests.
                return Err(refuse("the Host header is not the :authority"));
            }
            (Some(authority), _, None) if is_http2 => authority.as_str().to_owned(),
            (_, Some(host), None) => text(host).to_owned(),
            (_, None, None) => return Err(refuse("the request has no Host header")),
        };
        let believed = is_trusted(peer, settings);
        let forwarded = |name| believed.then(|| head.headers.get(name).map(text)).flatten();
        // Of several proxies, the first was the nearest to the client.
        let first = |list: &str| list.split(',').next().unwrap_or_default().trim().to_owned();
        let scheme = match forwarded(X_FORWARDED_PROTO).map(first) {
            Some(proto) if proto.eq_ignore_ascii_case("https") => "https",
            Some(proto) if proto.eq_ignore_ascii_case("http") => "http",
            _ if peer.tls => "https",
            _ => "http",
        };
        let host = forwarded(X_FORWARDED_HOST).map_or(host, first);
        let is_authority = host.parse::<Authority>().is_ok_and(|parsed| parsed.as_str() == host);
        if !is_authority || host.contains('@') {
            return Err(refuse("the Host header is not a host"));
        }
        Ok(Self { scheme, host })
    }

    /// Makes a URL of the registry right for the outside: a `Location`, or a `Link` with its URL in angle brackets.
    ///
    /// A relative one is; one that names the registry's own address gets ours. `is_own` says that the answer can only
    /// point into the registry (an upload, a manifest), whatever host it was told to print; a redirect to an object
    /// store keeps its host.
    pub(super) fn outside(&self, location: &str, registry: &UpstreamAddress, is_own: bool) -> String {
        if let Some((url, rest)) = location.strip_prefix('<').and_then(|link| link.split_once('>')) {
            return format!("<{}>{rest}", self.outside(url, registry, is_own));
        }
        let Some((authority, rest)) = split_absolute(location) else { return location.to_owned() };
        let is_registry =
            matches!(registry, UpstreamAddress::Tcp(address) if same_authority(address, authority));
        if is_registry || (is_own && rest.starts_with("/v2/")) {
            format!("{}://{}{rest}", self.scheme, self.host)
        } else {
            location.to_owned()
        }
    }
}

/// The client's address: the peer's, or what a believed proxy says (docker_auth's `real_ip_header` and `real_ip_pos`).
///
/// Without `trusted_proxies` the header's first line is believed from anybody, and must be there, as in docker_auth. With
/// them, a peer on the list is believed: the entry at the position of all lines together or, where none is given, the
/// first from the right that is no trusted proxy itself. Without `real_ip_header` that is `X-Forwarded-For`, which then
/// may be missing.
///
/// # Errors
/// The header is asked for and is missing or holds no address: 400, with docker_auth's words.
pub(super) fn client_address(
    headers: &HeaderMap,
    peer: Peer,
    settings: &ClientAddressSettings,
) -> Result<Option<IpAddr>, Refusal> {
    let direct = peer.address.map(|address| address.ip().to_canonical());
    let believes_anybody = settings.trusted_proxies.is_empty() && settings.header.is_some();
    if !believes_anybody && !is_trusted(peer, settings) {
        return Ok(direct);
    }
    let bad = |why: String| Refusal::new(ErrorCode::BadRequest, why);
    let missing = || bad("client address not provided".to_owned());
    let name = settings.header.as_deref().unwrap_or("x-forwarded-for");
    let chain = if believes_anybody {
        headers.get(name).map(text).unwrap_or_default().to_owned()
    } else {
        joined(headers, name)
    };
    if settings.position.is_none() && !believes_anybody {
        return match nearest_stranger(&chain, settings) {
            Some(address) => address.map(Some).map_err(bad),
            None if settings.header.is_some() => Err(missing()),
            None => Ok(direct),
        };
    }
    let entry = entry_at(&chain, settings.position.unwrap_or_default()).map(str::trim);
    let entry = entry.filter(|entry| !entry.is_empty()).ok_or_else(missing)?;
    parse_address(entry).map(Some).ok_or_else(|| bad(format!("unable to parse remote addr {entry}")))
}

/// Whether the peer's word is taken for the client's address, the scheme and the host.
fn is_trusted(peer: Peer, settings: &ClientAddressSettings) -> bool {
    // A Unix socket is reached only by who may open it.
    let listed = |address: SocketAddr| settings.is_proxy(address.ip());
    !settings.trusted_proxies.is_empty() && peer.address.is_none_or(listed)
}

/// The rightmost address that is no trusted proxy: all to its left is the client's own claim.
fn nearest_stranger(chain: &str, settings: &ClientAddressSettings) -> Option<Result<IpAddr, String>> {
    let entries = chain.rsplit(',').map(str::trim).filter(|entry| !entry.is_empty());
    let mut nearest = None;
    for entry in entries {
        let Some(address) = parse_address(entry) else {
            return Some(Err(format!("unable to parse remote addr {entry}")));
        };
        nearest = Some(Ok(address));
        if !settings.is_proxy(address) {
            break;
        }
    }
    nearest
}

/// The entry of a comma-separated list; a negative position counts from the end, at most to the first.
fn entry_at(list: &str, position: i64) -> Option<&str> {
    let distance = usize::try_from(position.unsigned_abs()).ok()?;
    match position {
        0.. => list.split(',').nth(distance),
        _ => list.rsplit(',').nth(distance - 1).or_else(|| list.split(',').next()),
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `::1`, `[::1]:80`.
fn parse_address(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    address.or_else(with_port).map(|address| address.to_canonical())
}

/// What a trusted proxy calls the request.
pub(super) fn request_id(
    headers: &HeaderMap,
    peer: Peer,
    settings: &ClientAddressSettings,
) -> Option<RequestId> {
    let given = headers.get(REQUEST_ID).filter(|_| is_trusted(peer, settings))?;
    RequestId::given(text(given))
}

fn joined(headers: &HeaderMap, name: &str) -> String {
    headers.get_all(name).iter().map(text).collect::<Vec<_>>().join(",")
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}

/// The authority and the rest of an absolute `http` or `https` URL, or of one without a scheme (`//host/path`).
fn split_absolute(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("//")?;
    if !["", "http:", "https:"].contains(&scheme.to_ascii_lowercase().as_str()) {
        return None;
    }
    Some(rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())))
}

/// Whether two authorities name the same place; `localhost` and the default port are spelt in several ways.
fn same_authority(ours: &str, theirs: &str) -> bool {
    let plain = |authority: &str| {
        let authority = authority.strip_suffix(":80").unwrap_or(authority).to_ascii_lowercase();
        authority.replace("localhost", "127.0.0.1").replace("[::1]", "127.0.0.1")
    };
    plain(ours) == plain(theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_12_location_is_right_for_the_outside() {
        let origin = Origin { scheme: "https", host: "registry.example:8443".to_owned() };
        let registry = UpstreamAddress::Tcp("127.0.0.1:5000".to_owned());
        let outside = |location, is_own| origin.outside(location, &registry, is_own);
        assert_eq!(outside("/v2/a/blobs/uploads/1?_state=x", true), "/v2/a/blobs/uploads/1?_state=x");
        let ours = "https://registry.example:8443/v2/a/manifests/x";
        assert_eq!(outside("http://127.0.0.1:5000/v2/a/manifests/x", false), ours);
        assert_eq!(outside("//127.0.0.1:5000/v2/a/manifests/x", false), ours);
        let link = "<https://registry.example:8443/v2/_catalog?n=1>; rel=\"next\"";
        assert_eq!(outside("<http://127.0.0.1:5000/v2/_catalog?n=1>; rel=\"next\"", true), link);
        assert_eq!(outside("</v2/_catalog?n=1>; rel=\"next\"", true), "</v2/_catalog?n=1>; rel=\"next\"");
        assert_eq!(outside("http://LOCALHOST:5000/v2/a/manifests/x", false), ours);
        assert_eq!(outside("https://internal.name/v2/a/manifests/x", true), ours);
        let store = "https://store.example/docker/registry/v2/blobs/x?Signature=y";
        assert_eq!(outside(store, false), store);
        assert_eq!(outside(store, true), store);
    }
}
