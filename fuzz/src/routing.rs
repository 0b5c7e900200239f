//! Paths and queries, against a slow and obvious reading: the registry's own regular expressions, tried on every way to
//! split the path, and a query decoded character by character.

use std::sync::LazyLock;

use portwarden::registry::{Endpoint, Query, Route};
use regex::Regex;

use super::input::Input;

const METHODS: [(&str, &[&str]); 9] = [
    ("GET", &["pull"]),
    ("HEAD", &["pull"]),
    ("POST", &["pull", "push"]),
    ("PUT", &["pull", "push"]),
    ("PATCH", &["pull", "push"]),
    ("DELETE", &["delete"]),
    // Not a method of the API.
    ("OPTIONS", &[]),
    ("get", &[]),
    ("", &[]),
];

/// Takes a byte that chooses the method, then path and query.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let (method, actions) = input.pick(&METHODS);
    let target = input.rest();
    let (path, query) =
        target.split_once('?').map_or((target.as_str(), None), |(path, query)| (path, Some(query)));
    let expected = reference(method, actions, path, query);
    let found = Route::parse(method, path, query);
    assert_eq!(found.is_ok(), expected.is_some(), "{method} {target:?}: {found:?}, {expected:?}");
    let parsed = Query::parse(query.unwrap_or_default());
    assert_eq!(parsed.is_ok(), pairs(query.unwrap_or_default()).is_some(), "{query:?}");
    if let (Ok(route), Some(expected)) = (found, expected) {
        compare(&route, &expected, &target);
        // A forwarded target has the same meaning when it is read again, and is written the same once more.
        let forwarded = route.path_and_query();
        assert!(forwarded.bytes().all(|b| b.is_ascii_graphic() && b != b'#'), "{forwarded:?}");
        let (path, query) =
            forwarded.split_once('?').map_or((&*forwarded, None), |(path, query)| (path, Some(query)));
        let again = Route::parse(method, path, query).expect("what is forwarded is a route");
        assert_eq!(again.path_and_query(), forwarded, "{target:?}");
        assert_eq!(again.endpoint(), route.endpoint(), "{target:?}");
    }
}

/// The meaning of a target.
#[derive(Debug)]
struct Meaning {
    /// Decoded.
    path: String,
    kind: &'static str,
    name: Option<String>,
    reference: Option<String>,
    /// `repository:…:pull,push`, as challenges write it.
    needs: Vec<String>,
    /// For the registry, decoded.
    query: Pairs,
}

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn reference(method: &str, actions: &[&str], path: &str, query: Option<&str>) -> Option<Meaning> {
    if actions.is_empty() {
        return None;
    }
    let path = plain(path)?;
    let meanings: Vec<_> = splits(&path);
    assert!(meanings.len() < 2, "the grammar itself is ambiguous: {path:?} {meanings:?}");
    let (kind, name, reference) = meanings.into_iter().next()?;
    if kind == "referrers" && method != "GET" && method != "HEAD" {
        return None;
    }
    let mut query = pairs(query.unwrap_or_default())?;
    let tags: Vec<_> = query.iter().filter(|(key, _)| key == b"tag").map(|(_, tag)| tag.clone()).collect();
    match (method, kind) {
        ("PUT", "manifest") => {
            let is_tag = |tag| std::str::from_utf8(tag).is_ok_and(|tag| is("tag", tag));
            if tags.len() > 32 || !tags.iter().all(|tag| is_tag(tag)) {
                return None;
            }
        }
        ("PUT", "tag") if !tags.is_empty() => return None,
        _ => query.retain(|(key, _)| key != b"tag"),
    }
    // Portwarden's own.
    query.retain(|(key, _)| key != b"portwarden");
    let from = query
        .iter()
        .find(|(key, _)| key == b"from")
        .map(|(_, value)| value.clone())
        .filter(|v| !v.is_empty());
    let source = match (&name, from) {
        (Some(_), Some(from)) => Some(String::from_utf8(from).ok().filter(|from| is("name", from))?),
        _ => None,
    };
    let needs = needs(kind, name.as_deref(), source.as_deref(), actions);
    Some(Meaning { query: forwarded(query, kind, source), path, kind, name, reference, needs })
}

fn compare(route: &Route, expected: &Meaning, target: &str) {
    let (kind, name, reference) = match route.endpoint() {
        Endpoint::Base => ("base", None, None),
        Endpoint::Catalog => ("catalog", None, None),
        Endpoint::Tags(name) => ("tags", Some(name), None),
        Endpoint::ManifestByTag(name, tag) => ("tag", Some(name), Some(tag.as_str())),
        Endpoint::ManifestByDigest(name, digest) => ("manifest", Some(name), Some(digest.as_str())),
        Endpoint::Blob(name, digest) => ("blob", Some(name), Some(digest.as_str())),
        Endpoint::StartUpload(name) => ("start", Some(name), None),
        Endpoint::Upload(name, id) => ("upload", Some(name), Some(id.as_str())),
        Endpoint::Referrers(name, digest) => ("referrers", Some(name), Some(digest.as_str())),
    };
    let found = (kind, name.map(ToString::to_string), reference.map(str::to_owned));
    assert_eq!(found, (expected.kind, expected.name.clone(), expected.reference.clone()), "{target:?}");
    let needs: Vec<String> = route.needs().iter().map(ToString::to_string).collect();
    assert_eq!(needs, expected.needs, "{target:?}");
    let forwarded = route.path_and_query();
    let (path, query) = forwarded.split_once('?').unwrap_or((&forwarded, ""));
    assert_eq!(path, expected.path, "{target:?}");
    let mut found = pairs(query).expect("a query that can be read");
    let mut wanted = expected.query.clone();
    // The order is the client's but for `from` and `n`, which are written anew.
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted, "{target:?} became {forwarded:?}");
}

/// The accesses that registry 2.8 asks for.
fn needs(kind: &str, name: Option<&str>, source: Option<&str>, actions: &[&str]) -> Vec<String> {
    let Some(name) = name else {
        return if kind == "catalog" { vec!["registry:catalog:*".to_owned()] } else { Vec::new() };
    };
    let mut own: Vec<&str> = actions.to_vec();
    let mut needs = Vec::new();
    match source {
        Some(source) if source == name && !own.contains(&"pull") => own.push("pull"),
        Some(source) if source != name => needs.push(format!("repository:{source}:pull")),
        _ => {}
    }
    needs.insert(0, format!("repository:{name}:{}", own.join(",")));
    needs
}

/// Without `from` but for a mount, without `mount` but for one with a source, the catalogue's `n` at most 1000.
fn forwarded(query: Pairs, kind: &str, source: Option<String>) -> Pairs {
    let mounts = query.iter().any(|(key, _)| key == b"mount");
    let mut kept: Pairs = query.into_iter().filter(|(key, _)| key != b"from").collect();
    match source {
        Some(source) if mounts => kept.push((b"from".to_vec(), source.into_bytes())),
        Some(_) => {}
        None => kept.retain(|(key, _)| key != b"mount"),
    }
    if kind == "catalog" {
        let page = |value: &[u8]| std::str::from_utf8(value).ok()?.parse::<u32>().ok();
        // A value that is not text is left alone: to the registry it is no number either.
        kept.retain(|(key, value)| {
            key != b"n" || page(value).is_some() || std::str::from_utf8(value).is_err()
        });
        for (_, value) in kept.iter_mut().filter(|(key, _)| key == b"n") {
            if page(value).is_some_and(|n| n > 1000) {
                *value = b"1000".to_vec();
            }
        }
    }
    kept
}

/// Every reading of a path: at each slash the name may end.
fn splits(path: &str) -> Vec<(&'static str, Option<String>, Option<String>)> {
    match path {
        "/v2/" => return vec![("base", None, None)],
        "/v2/_catalog" => return vec![("catalog", None, None)],
        _ => {}
    }
    let Some(rest) = path.strip_prefix("/v2/") else { return Vec::new() };
    let mut found = Vec::new();
    for (slash, _) in rest.match_indices('/') {
        let (name, tail) = rest.split_at(slash);
        if !is("name", name) {
            continue;
        }
        for (kind, before, grammar) in [
            ("tags", "/tags/list", ""),
            ("tag", "/manifests/", "tag"),
            ("manifest", "/manifests/", "digest"),
            ("blob", "/blobs/", "digest"),
            ("start", "/blobs/uploads/", ""),
            ("upload", "/blobs/uploads/", "id"),
            ("referrers", "/referrers/", "digest"),
        ] {
            match tail.strip_prefix(before) {
                Some("") if grammar.is_empty() => found.push((kind, Some(name.to_owned()), None)),
                Some(last) if !grammar.is_empty() && is(grammar, last) => {
                    found.push((kind, Some(name.to_owned()), Some(last.to_owned())));
                }
                _ => {}
            }
        }
    }
    found
}

/// `reference/regexp.go` of Distribution 2.8, and go-digest's expression.
fn is(grammar: &str, text: &str) -> bool {
    static GRAMMARS: LazyLock<[(&str, Regex); 4]> = LazyLock::new(|| {
        let component = r"[a-z0-9]+(?:(?:[._]|__|-*)[a-z0-9]+)*";
        let label = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
        let name = format!(r"\A(?:{label}(?:\.{label})*(?::[0-9]+)?/)?{component}(?:/{component})*\z");
        [
            ("name", Regex::new(&name).unwrap()),
            ("tag", Regex::new(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\z").unwrap()),
            ("digest", Regex::new(r"\A[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+\z").unwrap()),
            ("id", Regex::new(r"\A[a-zA-Z0-9\-_.=]+\z").unwrap()),
        ]
    });
    GRAMMARS.iter().any(|(name, regex)| *name == grammar && regex.is_match(text))
}

/// The path, decoded once; `None` when two programs could still read it in two ways.
fn plain(path: &str) -> Option<String> {
    let decoded = String::from_utf8(decoded(path, false)?).ok()?;
    static BAD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[^!-~]|[%?#;\\]|//|/\.\.?(?:/|\z)").unwrap());
    (decoded.starts_with('/') && !BAD.is_match(&decoded)).then_some(decoded)
}

/// The pairs of a query; `None` when it is refused.
fn pairs(query: &str) -> Option<Pairs> {
    if query.chars().any(|c| c == ';' || c == ' ' || c.is_ascii_control()) {
        return None;
    }
    let mut pairs = Pairs::new();
    for pair in query.split('&') {
        if pair.is_empty() {
            continue;
        }
        let equals = pair.find('=').unwrap_or(pair.len());
        let value = pair.get(equals + 1..).unwrap_or("");
        pairs.push((decoded(&pair[..equals], true)?, decoded(value, true)?));
    }
    for key in ["from", "mount", "digest", "n", "last"] {
        if pairs.iter().filter(|(other, _)| other == key.as_bytes()).count() > 1 {
            return None;
        }
    }
    Some(pairs)
}

fn decoded(text: &str, plus: bool) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let digits =
                bytes.get(at + 1..at + 3).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
            out.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            at += 3;
        } else {
            out.push(if plus && bytes[at] == b'+' { b' ' } else { bytes[at] });
            at += 1;
        }
    }
    Some(out)
}
