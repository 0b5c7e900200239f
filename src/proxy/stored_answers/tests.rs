//! Answers of the registry are learned from, for as long as they count.

use super::*;

fn route(method: &str, digest: &Digest) -> Route {
    Route::parse(method, &format!("/v2/a/manifests/{digest}"), None).unwrap()
}

fn answer(digest: &Digest, more: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    complete(&mut headers, digest, MEDIA_TYPES[1], 7);
    for (name, value) in more {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

#[test]
fn rule_66_only_what_the_registry_has_shown_is_known() {
    let (answers, digest, none) = (StoredAnswers::default(), Digest::of(b"a"), HeaderMap::new());
    let (get, form) = (route("GET", &digest), Form::Manifest { is_head: false });
    let learn = |client: &HeaderMap, status: u16, headers: &HeaderMap| {
        answers.learn(&get, client, StatusCode::from_u16(status).unwrap(), headers);
        (answers.headers(form), answers.media_type(&digest))
    };
    let version =
        [("docker-distribution-api-version", "registry/2.0"), ("x-content-type-options", "nosniff")];
    let whole = answer(&digest, &version);
    assert_eq!(learn(&none, 404, &whole), (None, None));
    let ranged = [(header::RANGE, HeaderValue::from_static("bytes=0-"))].into_iter().collect();
    assert_eq!(learn(&ranged, 200, &whole), (None, None));
    for other in
        [("vary", "accept"), ("content-encoding", "gzip"), ("etag", "x"), ("age", "1"), ("link", "<x>")]
    {
        assert_eq!(learn(&none, 200, &answer(&digest, &[other])), (None, None), "{other:?}");
    }
    assert_eq!(learn(&none, 200, &answer(&Digest::of(b"b"), &[])), (None, None), "of another digest");
    let (headers, media_type) = learn(&none, 200, &whole);
    assert_eq!((headers.unwrap().len(), media_type), (1, Some(MEDIA_TYPES[1])));
    assert!(answers.headers(Form::Manifest { is_head: true }).is_none(), "another form");
    for status in [307, 401, 403] {
        assert_eq!(learn(&none, status, &whole).0, None, "{status}");
        assert!(learn(&none, 200, &whole).0.is_some());
    }
    assert!(learn(&none, 404, &whole).0.is_some() && learn(&none, 503, &whole).0.is_some());
    // An answer of another form of that kind ends it.
    assert_eq!(learn(&none, 200, &answer(&digest, &[("vary", "accept")])).0, None);
}

#[test]
fn rule_66_a_proof_ends_by_itself_and_a_failure_at_once() {
    let (answers, start) = (StoredAnswers::default(), Instant::now());
    assert!(!answers.is_proven(start) && answers.is_due(start) && answers.off(start).is_some());
    assert!(answers.proved(Ok(()), start) && !answers.proved(Ok(()), start));
    assert!(answers.is_proven(start) && !answers.is_due(start) && answers.off(start).is_none());
    assert!(answers.is_due(start + EACH) && answers.is_proven(start + EACH));
    assert!(!answers.is_proven(start + LASTS) && answers.off(start + LASTS).is_some());
    let digest = Digest::of(b"a");
    answers.learn(&route("GET", &digest), &HeaderMap::new(), StatusCode::OK, &answer(&digest, &[]));
    let form = Form::Manifest { is_head: false };
    assert!(answers.headers(form).is_some());
    answers.proved(Ok(()), start);
    assert!(answers.headers(form).is_none(), "one asks the registry again");
    assert!(answers.headers(form).is_some(), "and others do not wait for it");
    assert!(answers.proved(Err("no".to_owned()), start));
    assert_eq!((answers.is_proven(start), answers.off(start)), (false, Some("no".to_owned())));
    assert!(answers.headers(form).is_none() && answers.media_type(&digest).is_none());
}

#[test]
fn accept_names_a_media_type_or_does_not() {
    let accepted = |text: &'static str| {
        let client = [(header::ACCEPT, HeaderValue::from_static(text))].into_iter().collect();
        accepts(&client, MEDIA_TYPES[1])
    };
    assert!(accepted("application/vnd.oci.image.manifest.v1+json"));
    assert!(accepted("a/b;q=1 ,\tapplication/vnd.oci.image.manifest.v1+json , */*"));
    for text in [
        "*/*",
        "",
        "application/*",
        "application/vnd.oci.image.manifest.v1+json;q=0",
        "x application/vnd.oci.image.manifest.v1+json",
    ] {
        assert!(!accepted(text), "{text}");
    }
}

#[test]
fn rule_66_the_memory_of_media_types_is_bounded() {
    let answers = StoredAnswers::default();
    for n in 0..=MOST {
        let digest = Digest::of(&n.to_le_bytes());
        answers.learn(&route("GET", &digest), &HeaderMap::new(), StatusCode::OK, &answer(&digest, &[]));
    }
    assert_eq!(answers.learned.lock().media_types.len(), 1);
}

#[test]
fn rule_66_lists_are_known_by_what_the_registry_has_sent() {
    let (answers, none) = (StoredAnswers::default(), HeaderMap::new());
    let learn = |target: &str, status: u16, sent: &[(&'static str, &'static str)]| {
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let route = Route::parse("GET", path, query).unwrap();
        let headers =
            sent.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        answers.learn(&route, &none, StatusCode::from_u16(status).unwrap(), &headers.collect());
        (answers.lists(), answers.headers(Form::of(&route).unwrap()).map_or(0, |headers| headers.len()))
    };
    let (v2, v3) =
        (("content-type", "application/json; charset=utf-8"), ("content-type", "application/json"));
    assert_eq!(learn("/v2/a/tags/list", 200, &[v2, ("content-length", "2048")]), (Some(Lists::V2), 1));
    assert_eq!(learn("/v2/a/tags/list", 404, &[v3]), (Some(Lists::V2), 1));
    assert_eq!(learn("/v2/a/tags/list", 200, &[v3, ("cache-control", "x")]), (Some(Lists::V3), 2));
    for other in [("vary", "accept"), ("content-length", "2049"), ("link", "<x>"), ("etag", "x")] {
        assert_eq!(learn("/v2/a/tags/list", 200, &[v2, other]), (None, 0), "{other:?}");
        learn("/v2/a/tags/list", 200, &[v2]);
    }
    let part = learn("/v2/a/tags/list?n=1", 200, &[v3, ("link", "<x>")]);
    assert_eq!(part, (Some(Lists::V2), 1), "a client that asks for a part");
    assert_eq!(learn("/v2/a/tags/list", 200, &[("content-type", "text/plain")]), (None, 0));
    let pages = || [0, 1, 7, 8, 100, 101].map(|names| answers.knows_page(names));
    assert_eq!(learn("/v2/_catalog", 200, &[v2]).1, 1);
    assert_eq!(pages(), [true, false, false, false, false, false]);
    learn("/v2/_catalog?n=7", 200, &[v2]);
    assert_eq!(pages(), [true, true, true, false, false, false]);
    let link = next_page("a/b", 100);
    assert_eq!(link, "</v2/_catalog?last=a%2Fb&n=100>; rel=\"next\"");
    learn("/v2/_catalog", 200, &[v2, ("link", "</v2/_catalog?last=a%2Fb&n=100>; rel=\"next\"")]);
    assert_eq!(pages(), [true, true, true, true, true, false]);
    assert_eq!(learn("/v2/_catalog?n=101", 400, &[]).1, 1);
    assert_eq!(learn("/v2/_catalog?n=7", 400, &[]).1, 0);
    assert_eq!(learn("/v2/_catalog?n=7", 200, &[v2, ("link", "<http://a/v2/_catalog?last=a&n=7>")]).1, 0);
}
