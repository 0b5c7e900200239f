//! The meaning of a `/v2` request: the one place where a method and a target become a [`Route`].
//!
//! Security rests on two properties. What is forwarded is written anew from the parsed route
//! ([`Route::path_and_query`]), so it cannot differ from what was authorised; and [`Route::needs`] is a total function
//! of the same value, from which it is put together.

use std::fmt;

use super::{
    Digest, Method, Query, QueryError, RepositoryName, Scope, Tag, UploadId, needs::needs,
    query::percent_decode,
};

/// The resource that the path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// `/v2/`: is this a registry, and am I known to it?
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags(RepositoryName),
    /// `/v2/<name>/manifests/<tag>`
    ManifestByTag(RepositoryName, Tag),
    /// `/v2/<name>/manifests/<digest>`
    ManifestByDigest(RepositoryName, Digest),
    /// `/v2/<name>/blobs/<digest>`
    Blob(RepositoryName, Digest),
    /// `/v2/<name>/blobs/uploads/`
    StartUpload(RepositoryName),
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload(RepositoryName, UploadId),
    /// `/v2/<name>/referrers/<digest>` (OCI distribution 1.1; registry 2.8 answers 404)
    Referrers(RepositoryName, Digest),
}

/// A request of the Distribution API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    method: Method,
    endpoint: Endpoint,
    /// The repository that a blob is to be mounted from; the registry asks for pull on it on every route with a name.
    source: Option<RepositoryName>,
    /// Tags that a manifest is to get, which is named by its digest (`?tag=`).
    tags: Vec<Tag>,
    /// The key of an upload's last answer. It is Portwarden's own, and goes to no registry.
    upload_key: Option<String>,
    query: Query,
    /// They follow from the method, the endpoint and the source, and are asked for several times.
    needs: Vec<Scope>,
}

/// The part of the catalogue that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogPage<'a> {
    /// The largest number of names; 1000 where more were asked for. `None` leaves it to the registry.
    pub n: Option<u32>,
    /// The name behind which it begins; empty for the first.
    pub last: &'a str,
}

/// The reason why a request is not part of the Distribution API. Displays as a sentence for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The method is none of [`Method`].
    #[error("the method {:?} is not one of {}", .0, Method::ALLOWED)]
    Method(String),
    /// The path has a bad escape, or a byte or a segment that proxies and servers understand differently.
    #[error("the path has {0}")]
    Path(&'static str),
    /// The path is well-formed and names nothing.
    #[error("the path is none of the Distribution API")]
    Unknown,
    /// The query is ambiguous.
    #[error("{0}")]
    Query(QueryError),
    /// `from` names no repository.
    #[error("the query parameter \"from\" is not a repository name")]
    Source,
    /// `tag` is no tag, or cannot stand there.
    #[error("the query parameter \"tag\" {0}")]
    Tag(&'static str),
}

impl Route {
    /// Reads a request's method and its target in origin-form, path and query as the client wrote them.
    ///
    /// # Errors
    /// The first of [`ParseError`]'s reasons; nothing that fails here may reach the registry.
    pub fn parse(method: &str, path: &str, query: Option<&str>) -> Result<Self, ParseError> {
        let method = Method::parse(method).ok_or_else(|| ParseError::Method(Method::shown(method)))?;
        let path = decode_path(path)?;
        let endpoint = Endpoint::parse(&path).filter(|endpoint| endpoint.knows(method));
        let endpoint = endpoint.ok_or(ParseError::Unknown)?;
        let mut query = Query::parse(query.unwrap_or_default()).map_err(ParseError::Query)?;
        let source = take_source(&endpoint, &mut query)?;
        let tags = take_tags(method, &endpoint, &mut query)?;
        let upload_key = query.get(UPLOAD_KEY).map(str::to_owned);
        query.remove(UPLOAD_KEY);
        if endpoint == Endpoint::Catalog {
            clamp_page(&mut query);
        }
        let needs = needs(method, &endpoint, source.as_ref());
        Ok(Self { method, endpoint, source, tags, upload_key, query, needs })
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Returns the resource that the path names.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The repository that a blob is to be mounted from.
    pub fn source(&self) -> Option<&RepositoryName> {
        self.source.as_ref()
    }

    /// The tags that a manifest is to get which is named by its digest: each is written as with `PUT
    /// …/manifests/<tag>`.
    pub fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// The tag that the path names.
    pub fn tag(&self) -> Option<&Tag> {
        if let Endpoint::ManifestByTag(_, tag) = &self.endpoint { Some(tag) } else { None }
    }

    /// The blob that is to be mounted.
    pub fn mounted(&self) -> Option<Digest> {
        self.source.as_ref().and_then(|_| Digest::parse(self.query.get("mount")?))
    }

    /// The page of a list of tags that is asked for: the largest number of them, and the tag behind which it begins.
    pub fn tags_page(&self) -> (Option<usize>, &str) {
        let n = self.query.get("n").and_then(|n| n.parse().ok());
        (n, self.query.get("last").unwrap_or_default())
    }

    /// The key of an upload's last answer (`?portwarden=`), for one request more with a token that has expired.
    pub fn upload_key(&self) -> Option<&str> {
        self.upload_key.as_deref()
    }

    /// The request for the catalogue behind the name `last`; `n` is `None` for pages as large as the registry likes.
    pub fn catalog(page: CatalogPage<'_>) -> Self {
        let mut query = Query::default();
        if let Some(n) = page.n {
            query.set("n", &n.min(MAX_PAGE).to_string());
        }
        if !page.last.is_empty() {
            query.set("last", page.last);
        }
        let (method, endpoint) = (Method::Get, Endpoint::Catalog);
        let needs = needs(method, &endpoint, None);
        Self { method, endpoint, source: None, tags: Vec::new(), upload_key: None, query, needs }
    }

    /// Returns true if the query has a value for `key`, even one that is empty or not UTF-8.
    pub fn asks(&self, key: &str) -> bool {
        self.query.has(key)
    }

    /// For the catalogue, which part of it is asked for.
    pub fn catalog_page(&self) -> CatalogPage<'_> {
        let n = self.query.get("n").and_then(|n| n.parse().ok());
        CatalogPage { n, last: self.query.get("last").unwrap_or_default() }
    }

    /// The tag or digest that the request names; for the end of an upload, and for a mount, the digest of the blob.
    pub fn reference(&self) -> Option<&str> {
        match &self.endpoint {
            Endpoint::ManifestByTag(_, tag) => Some(tag.as_str()),
            Endpoint::ManifestByDigest(_, digest)
            | Endpoint::Blob(_, digest)
            | Endpoint::Referrers(_, digest) => Some(digest.as_str()),
            Endpoint::StartUpload(_) | Endpoint::Upload(..) => {
                let digest = self.query.get("digest").or_else(|| self.query.get("mount"));
                digest.filter(|digest| Digest::parse(digest).is_some())
            }
            Endpoint::Base | Endpoint::Catalog | Endpoint::Tags(_) => None,
        }
    }

    /// The accesses that the request needs, all of them, as registry 2.8 demands them; none for the base.
    pub fn needs(&self) -> &[Scope] {
        &self.needs
    }

    /// For a cross-repository mount, the same request as a plain start of an upload, which the specification allows a
    /// registry to make of it: the client uploads the blob instead. `None` for anything else.
    pub fn without_mount(&self) -> Option<Self> {
        let is_mount = self.method == Method::Post && matches!(self.endpoint, Endpoint::StartUpload(_));
        if !is_mount || self.source.is_none() {
            return None;
        }
        let needs = needs(self.method, &self.endpoint, None);
        let mut plain = Self { source: None, needs, ..self.clone() };
        plain.query.remove("mount");
        Some(plain)
    }

    /// The target to forward, in origin-form. `from` goes on only where it means something: with a `mount`.
    pub fn path_and_query(&self) -> String {
        let mut query = self.query.clone();
        if let Some(source) = self.source.as_ref().filter(|_| query.has("mount")) {
            query.set("from", source.as_str());
        }
        self.tags.iter().for_each(|tag| query.push("tag", tag.as_str()));
        let mut target = String::with_capacity(USUAL_TARGET);
        self.endpoint.parts().iter().for_each(|part| target.push_str(part));
        match query.to_string() {
            query if query.is_empty() => target,
            query => target + "?" + &query,
        }
    }
}

impl Endpoint {
    /// Reads a decoded path, from the right: a repository may be called `a/blobs/uploads` or `tags/list`.
    fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/v2/")?;
        match rest {
            "" => return Some(Self::Base),
            "_catalog" => return Some(Self::Catalog),
            _ => {}
        }
        if let Some(name) = rest.strip_suffix("/tags/list") {
            return Some(Self::Tags(RepositoryName::parse(name)?));
        }
        if let Some(name) = rest.strip_suffix("/blobs/uploads/") {
            return Some(Self::StartUpload(RepositoryName::parse(name)?));
        }
        let (head, last) = rest.rsplit_once('/')?;
        if let Some(name) = head.strip_suffix("/blobs/uploads") {
            return Some(Self::Upload(RepositoryName::parse(name)?, UploadId::parse(last)?));
        }
        let (name, kind) = head.rsplit_once('/')?;
        let name = RepositoryName::parse(name)?;
        match kind {
            "blobs" => Some(Self::Blob(name, Digest::parse(last)?)),
            "referrers" => Some(Self::Referrers(name, Digest::parse(last)?)),
            "manifests" => match Tag::parse(last) {
                Some(tag) => Some(Self::ManifestByTag(name, tag)),
                None => Some(Self::ManifestByDigest(name, Digest::parse(last)?)),
            },
            _ => None,
        }
    }

    /// Returns whether the endpoint has the method. Registries answer others themselves, but for referrers, where the
    /// older have nothing at all and the method of a write means nothing.
    fn knows(&self, method: Method) -> bool {
        !matches!(self, Self::Referrers(..)) || matches!(method, Method::Get | Method::Head)
    }

    /// Returns true for the requests of an upload, its first one included.
    pub fn is_of_upload(&self) -> bool {
        matches!(self, Self::StartUpload(_) | Self::Upload(..))
    }

    /// The kind of endpoint in one word, for logs and metrics.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Catalog => "catalog",
            Self::Tags(_) => "tags",
            Self::ManifestByTag(..) | Self::ManifestByDigest(..) => "manifest",
            Self::Blob(..) => "blob",
            Self::StartUpload(_) | Self::Upload(..) => "upload",
            Self::Referrers(..) => "referrers",
        }
    }

    /// Returns the parts of the path. No name has a byte that a path must escape, so it stands there as it is.
    fn parts(&self) -> [&str; 4] {
        match self {
            Self::Base => ["/v2/", "", "", ""],
            Self::Catalog => ["/v2/_catalog", "", "", ""],
            Self::Tags(name) => ["/v2/", name.as_str(), "/tags/list", ""],
            Self::ManifestByTag(name, tag) => ["/v2/", name.as_str(), "/manifests/", tag.as_str()],
            Self::ManifestByDigest(name, digest) => ["/v2/", name.as_str(), "/manifests/", digest.as_str()],
            Self::Blob(name, digest) => ["/v2/", name.as_str(), "/blobs/", digest.as_str()],
            Self::StartUpload(name) => ["/v2/", name.as_str(), "/blobs/uploads/", ""],
            Self::Upload(name, id) => ["/v2/", name.as_str(), "/blobs/uploads/", id.as_str()],
            Self::Referrers(name, digest) => ["/v2/", name.as_str(), "/referrers/", digest.as_str()],
        }
    }

    /// The repository, where the endpoint has one.
    pub fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Self::Base | Self::Catalog => None,
            Self::Tags(name)
            | Self::ManifestByTag(name, _)
            | Self::ManifestByDigest(name, _)
            | Self::Blob(name, _)
            | Self::StartUpload(name)
            | Self::Upload(name, _)
            | Self::Referrers(name, _) => Some(name),
        }
    }
}

/// The path.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts().iter().try_for_each(|part| f.write_str(part))
    }
}

/// Decodes the path once, and refuses whatever two programs could still read in two ways.
pub(crate) fn decode_path(raw: &str) -> Result<String, ParseError> {
    let bytes = percent_decode(raw, false).ok_or(ParseError::Path("a bad percent-escape"))?;
    let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'%' | b'?' | b'#' | b';' | b'\\');
    if !bytes.iter().copied().all(is_plain) {
        return Err(ParseError::Path("a byte that no name has"));
    }
    let path = String::from_utf8(bytes).map_err(|_| ParseError::Path("a byte that no name has"))?;
    let inner = path.strip_prefix('/').ok_or(ParseError::Path("no leading slash"))?;
    let mut segments = inner.strip_suffix('/').unwrap_or(inner).as_bytes().split(|byte| *byte == b'/');
    if segments.any(|segment| matches!(segment, b"" | b"." | b"..")) {
        return Err(ParseError::Path("an empty segment, \".\" or \"..\""));
    }
    Ok(path)
}

/// The parameter with the key of an upload's last answer. A registry writes none of that name.
pub const UPLOAD_KEY: &str = "portwarden";

/// Takes `from` out of the query; without it, a `mount` means nothing and goes as well. The registry looks at neither
/// where there is no repository.
fn take_source(endpoint: &Endpoint, query: &mut Query) -> Result<Option<RepositoryName>, ParseError> {
    let from = query.get("from").map(RepositoryName::parse);
    let named = query.has("from") && query.get("from") != Some("");
    query.remove("from");
    let source = match from {
        Some(Some(source)) if endpoint.repository().is_some() => Some(source),
        _ if named && endpoint.repository().is_some() => return Err(ParseError::Source),
        _ => None,
    };
    if source.is_none() {
        query.remove("mount");
    }
    Ok(source)
}

/// The most tags that one push of a manifest may name. A registry that knows `tag` takes at least ten.
const MAX_TAGS: usize = 32;

/// Takes `tag` out of the query. A registry that knows it writes these tags when a manifest is pushed by its digest;
/// elsewhere it means nothing and goes, unless tags would be lost with it.
fn take_tags(method: Method, endpoint: &Endpoint, query: &mut Query) -> Result<Vec<Tag>, ParseError> {
    let parse = |value| std::str::from_utf8(value).ok().and_then(Tag::parse);
    let tags = match (method, endpoint) {
        (Method::Put, Endpoint::ManifestByDigest(..)) => {
            let tags: Option<Vec<_>> = query.all("tag").map(parse).collect();
            tags.ok_or(ParseError::Tag("is not a tag"))?
        }
        (Method::Put, Endpoint::ManifestByTag(..)) if query.has("tag") => {
            return Err(ParseError::Tag("needs a path that ends with the digest of the manifest"));
        }
        _ => Vec::new(),
    };
    if tags.len() > MAX_TAGS {
        return Err(ParseError::Tag("stands there more than 32 times"));
    }
    query.remove("tag");
    Ok(tags)
}

/// Capacity reserved for a target: a long name and a digest.
const USUAL_TARGET: usize = 160;

/// The largest page of the catalogue that may be asked for: the registry refuses larger ones (`catalog.maxentries`).
pub const MAX_PAGE: u32 = 1000;

/// Bounds `n`: the registry collects a whole page in memory. It ignores a value that is not a number, so Portwarden
/// drops it.
fn clamp_page(query: &mut Query) {
    if let Some(n) = query.get("n") {
        match n.parse::<u32>() {
            Ok(n) if n <= MAX_PAGE => {}
            Ok(_) => query.set("n", &MAX_PAGE.to_string()),
            Err(_) => query.remove("n"),
        }
    }
}
