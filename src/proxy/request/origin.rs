//! The scheme and host under which the client reaches Portwarden, for challenges and Locations, and the client's
//! address, for the policy. The word of another proxy counts only where the operator trusts it.

use std::net::{IpAddr, SocketAddr};

use hyper::{
    Version,
    header::{self, HeaderMap, HeaderName, HeaderValue},
    http::{request::Parts, uri::Authority},
};

use super::header_list;
use crate::{
    proxy::{ClientAddressSettings, Peer},
    registry::{ErrorCode, Refusal},
    telemetry::RequestId,
};

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// `X-Request-Id`: to the registry, and in every response.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The scheme and the host, with its port, as the client named them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
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
    pub(crate) fn of(head: &Parts, peer: Peer, settings: &ClientAddressSettings) -> Result<Self, Refusal> {
        let refuse = |why: &str| Refusal::new(ErrorCode::BadRequest, why).and_close();
        let mut hosts = head.headers.get_all(header::HOST).iter();
        let is_http2 = head.version == Version::HTTP_2;
        let host = match (head.uri.authority(), hosts.next(), hosts.next()) {
            (_, _, Some(_)) => return Err(refuse("the request has two Host headers")),
            (Some(authority), Some(host), None) if is_http2 && authority.as_str() != text(host) => {
                // RFC 9113 section 8.3.1: a reader of the one and a reader of the other would see two requests.
                return Err(refuse("the Host header is not the :authority"));
            }
            (Some(authority), _, None) if is_http2 => authority.as_str().to_owned(),
            (_, Some(host), None) => text(host).to_owned(),
            (_, None, None) => return Err(refuse("the request has no Host header")),
        };
        let said = if is_trusted(peer, settings) {
            ClaimedOrigin::by_proxy(&head.headers)
        } else {
            ClaimedOrigin::default()
        };
        let scheme = match said.scheme {
            Some(proto) if proto.eq_ignore_ascii_case("https") => "https",
            Some(proto) if proto.eq_ignore_ascii_case("http") => "http",
            _ if peer.tls => "https",
            _ => "http",
        };
        let host = said.host.unwrap_or(host);
        let authority = host.parse::<Authority>().ok().filter(|parsed| parsed.as_str() == host);
        let Some(authority) = authority.filter(|_| !host.contains('@')) else {
            return Err(refuse("the Host header is not a host"));
        };
        let usual = if scheme == "https" { 443 } else { 80 };
        let host = match said.port {
            Some(port) if authority.port().is_none() && port != usual => format!("{host}:{port}"),
            _ => host,
        };
        Ok(Self { scheme, host })
    }
}

impl Origin {
    /// Returns true if no third party can read along: TLS, or the machine itself. Browsers keep a cookie that is
    /// `Secure` for exactly these (Secure Contexts, W3C, section 3.1).
    pub(crate) fn is_private(&self) -> bool {
        let authority = self.host.parse::<Authority>();
        let host = authority.as_ref().map_or("", |authority| authority.host());
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        self.scheme == "https" || host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
    }
}

/// Portwarden's address as the client sees it, as reported by a proxy.
#[derive(Default)]
struct ClaimedOrigin {
    scheme: Option<String>,
    host: Option<String>,
    /// For a host that is named without one.
    port: Option<u16>,
}

impl ClaimedOrigin {
    /// The `X-Forwarded-` headers or, for what they do not say, `Forwarded` (RFC 7239). Of several proxies, the first
    /// was the nearest to the client.
    fn by_proxy(headers: &HeaderMap) -> Self {
        let forwarded = joined(headers, "forwarded");
        let nearest =
            header_list::elements(&forwarded, ',').next().filter(|_| header_list::is_whole(&forwarded));
        let first = |name: HeaderName| {
            let list = text(headers.get(name)?);
            Some(list.split(',').next().unwrap_or_default().trim().to_owned())
        };
        let parameter = |name| header_list::parameter(nearest?, name);
        Self {
            scheme: first(X_FORWARDED_PROTO).or_else(|| parameter("proto")),
            host: first(X_FORWARDED_HOST).or_else(|| parameter("host")),
            port: first(X_FORWARDED_PORT).and_then(|port| port.parse().ok()).filter(|port| *port != 0),
        }
    }
}

/// The client's address: the peer's, or what a believed proxy says (docker_auth's `real_ip_header` and `real_ip_pos`).
///
/// Without `trusted_proxies` the header's first line is believed from any peer, and must be there, as in docker_auth.
/// With them, a peer on the list is believed. The entry at the position of all lines together counts or, where none is
/// given, the first from the right that is no trusted proxy itself. Without `real_ip_header` that is `X-Forwarded-For`,
/// which then may be missing.
///
/// # Errors
/// The header is asked for and is missing or holds no address: 400, with docker_auth's words.
pub(crate) fn client_address(
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
    let chain = if name.eq_ignore_ascii_case("forwarded") {
        addresses_of(&chain).ok_or_else(|| bad("the Forwarded header is malformed".to_owned()))?
    } else {
        chain
    };
    if settings.position.is_none() && !believes_anybody {
        return match nearest_stranger(&chain, settings) {
            Some(address) => address.map(Some).map_err(bad),
            None if settings.header.is_some() => Err(missing()),
            // A header without an address: the address of the proxy itself would open the rules for it.
            None if headers.get_all(name).iter().any(|line| !line.is_empty()) => Err(missing()),
            None => Ok(direct),
        };
    }
    let entry = entry_at(&chain, settings.position.unwrap_or_default()).map(str::trim);
    let entry = entry.filter(|entry| !entry.is_empty()).ok_or_else(missing)?;
    parse_address(entry).map(Some).ok_or_else(|| bad(format!("unable to parse remote addr {entry}")))
}

/// Returns true if the peer's word is taken for the client's address, the scheme and the host.
pub(super) fn is_trusted(peer: Peer, settings: &ClientAddressSettings) -> bool {
    // Only a process that may open a Unix socket reaches it.
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

/// The addresses of a `Forwarded` header, as `X-Forwarded-For` lists them. `None` where a quote stays open: in it a
/// client could hide what a proxy adds.
fn addresses_of(forwarded: &str) -> Option<String> {
    let address = |element| header_list::parameter(element, "for").unwrap_or_else(|| "unknown".to_owned());
    let addresses: Vec<String> = header_list::elements(forwarded, ',').map(address).collect();
    header_list::is_whole(forwarded).then(|| addresses.join(","))
}

/// `192.0.2.1`, `192.0.2.1:80`, `::1`, `[::1]`, `[::1]:80`.
fn parse_address(text: &str) -> Option<IpAddr> {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = bracketed.unwrap_or(text).parse::<IpAddr>().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    address.or_else(with_port).map(|address| address.to_canonical())
}

/// Returns a trusted proxy's id of the request.
pub(crate) fn request_id(
    headers: &HeaderMap,
    peer: Peer,
    settings: &ClientAddressSettings,
) -> Option<RequestId> {
    let given = headers.get(REQUEST_ID).filter(|_| is_trusted(peer, settings))?;
    RequestId::given(text(given))
}

/// The lines of a list, in order. What a client wrote into one must not hide what a proxy adds to it, so bytes that are
/// no text are replaced; no comma is among them.
fn joined(headers: &HeaderMap, name: &str) -> String {
    let lines = headers.get_all(name).iter();
    lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect::<Vec<_>>().join(",")
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}
