//! A recorded request as a route again, and what its decision depends on.

use super::line::AuditLine;
use crate::{
    authz::IpBlock,
    registry::{Digest, Route, Scope, Tag},
};

/// Stands for the id of an upload, which no decision depends on.
const ANY_UPLOAD: &str = "00000000-0000-4000-8000-000000000000";

/// Makes the route of a recorded request; `None` where the fields fit no request, or needs other scopes than were
/// recorded.
pub(super) fn route(line: &AuditLine<'_>) -> Option<Route> {
    let (name, reference) = (line.repository(), line.reference());
    let path = match line.route() {
        "catalog" => "/v2/_catalog".to_owned(),
        "tags" => format!("/v2/{name}/tags/list"),
        "manifest" => format!("/v2/{name}/manifests/{}", reference?),
        "blob" => format!("/v2/{name}/blobs/{}", reference?),
        "referrers" => format!("/v2/{name}/referrers/{}", reference?),
        "upload" if line.method() == "POST" => format!("/v2/{name}/blobs/uploads/"),
        "upload" => format!("/v2/{name}/blobs/uploads/{ANY_UPLOAD}"),
        _ => return None,
    };
    let from = line.from().map(|from| format!("from={from}"));
    let mount = from.as_ref().and(reference).filter(|_| line.route() == "upload");
    let mount = mount.map(|digest| format!("mount={digest}"));
    let tags = line.tags().map(|tag| format!("tag={tag}"));
    let query: Vec<String> = from.into_iter().chain(mount).chain(tags).collect();
    let query = query.join("&");
    let route = Route::parse(line.method(), &path, (!query.is_empty()).then_some(query.as_str())).ok()?;
    is_of(&route, line).then_some(route)
}

/// A name in the log may have parts that a path reads in another way: each is compared with what was read.
fn is_of(route: &Route, line: &AuditLine<'_>) -> bool {
    let endpoint = route.endpoint();
    let is_upload = endpoint.is_of_upload();
    endpoint.class() == line.route()
        && endpoint.repository().map(|name| name.as_str()).unwrap_or_default() == line.repository()
        && route.source().map(|name| name.as_str()) == line.from()
        && route.tags().iter().map(Tag::as_str).eq(line.tags())
        && (is_upload || route.reference() == line.reference())
        && route.needs().iter().map(ToString::to_string).eq(line.requested())
}

/// The parts of a request and its account that the rules look at.
#[derive(Debug)]
pub(super) struct Aspects {
    /// The blocks of addresses that count: of an address no more than which of them it is in.
    pub(super) blocks: Vec<IpBlock>,
    /// Tags count.
    pub(super) tags: bool,
}

/// With more blocks the address itself is compared.
const MOST_BLOCKS: usize = 32;

/// Between the parts of a key: no byte of a text.
const NEXT: u8 = 0xff;

/// Writes all that a decision on the line depends on. Digests are alike, and so are the ids of uploads.
pub(super) fn write_key(key: &mut Vec<u8>, line: &AuditLine<'_>, aspects: &Aspects) {
    write_asker(key, line, aspects);
    let mut part = |text: &str| write_part(key, text);
    [line.method(), line.route(), line.repository()].into_iter().for_each(&mut part);
    let (kind, reference) = match line.reference() {
        None => ("", ""),
        Some(digest) if Digest::parse(digest).is_some() => ("digest", ""),
        Some(tag) if !aspects.tags && Tag::parse(tag).is_some() => ("tag", ""),
        Some(other) => ("other", other),
    };
    [kind, reference].into_iter().for_each(&mut part);
    match line.from() {
        None => part(""),
        Some(from) => [":", from].into_iter().for_each(&mut part),
    }
    line.requested().for_each(&mut part);
    part("");
    line.tags().for_each(&mut part);
}

/// The same about one action of a scope that a token was asked for.
pub(super) fn write_token_key(
    key: &mut Vec<u8>,
    line: &AuditLine<'_>,
    aspects: &Aspects,
    (scope, action): (&Scope, &str),
) {
    write_asker(key, line, aspects);
    // No method.
    ["", &scope.resource_type, &scope.name, action].into_iter().for_each(|text| write_part(key, text));
    scope.actions.iter().for_each(|text| write_part(key, text));
}

fn write_asker(key: &mut Vec<u8>, line: &AuditLine<'_>, aspects: &Aspects) {
    key.clear();
    let labels = line.labels.map(serde_json::value::RawValue::get).unwrap_or_default();
    let texts = [line.account(), line.source().unwrap_or_default(), line.robot_token(), labels];
    texts.into_iter().for_each(|text| write_part(key, text));
    match line.address {
        None if !aspects.blocks.is_empty() => write_part(key, ""),
        None => {}
        Some(address) if aspects.blocks.len() > MOST_BLOCKS => write_part(key, &address.to_string()),
        Some(address) => {
            key.extend(aspects.blocks.iter().map(|block| if block.contains(address) { b'+' } else { b'-' }));
        }
    }
}

fn write_part(key: &mut Vec<u8>, text: &str) {
    key.extend_from_slice(text.as_bytes());
    key.push(NEXT);
}
