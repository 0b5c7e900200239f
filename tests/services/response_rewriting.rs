//! The registry's answers on their way out: which headers pass, where their URLs lead, what caches may keep, and that a
//! status arrives whatever is wrong with the body behind it.
//!
//! Needs: curl, docker-registry, htpasswd.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::support::{
    curl::curl,
    distribution::push_blob,
    image::random_bytes,
    in_process::{CONFIG, InProcess, in_process},
    portwarden::{ADMIN, portwarden},
    raw::{self, Response, exchange, latin1, request, sink},
    registry::registry,
};

/// `CONFIG` with more keys in `server`.
fn with_server(keys: &str) -> String {
    CONFIG.replace("addr: \":0\"", &format!("addr: \":0\", {keys}"))
}

fn blob(repository: &str) -> String {
    format!("/v2/{repository}/blobs/sha256:{}", "a".repeat(64))
}

fn ask(portwarden: &InProcess, method: &str, target: &str, headers: &str) -> Response {
    let admin = format!("Authorization: Basic {}\r\n{headers}", STANDARD.encode("admin:badmin"));
    exchange(portwarden.address, &request(method, target, &admin)).expect("an answer")
}

/// The answer over HTTP/2, with its body where that arrives whole.
fn ask_http2(
    portwarden: &InProcess,
    method: &str,
    target: &str,
    expect: Option<&str>,
) -> (hyper::http::response::Parts, Option<Bytes>) {
    portwarden.block_on(async {
        let stream = crate::support::tls::connect(portwarden, &[b"h2"]).await;
        let io = TokioIo::new(stream);
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        let request = hyper::Request::builder()
            .method(method)
            .uri(format!("https://registry.example{target}"))
            .header("authorization", format!("Basic {}", STANDARD.encode("admin:badmin")));
        let request = expect.into_iter().fold(request, |request, value| request.header("expect", value));
        let response = client.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await;
        let (head, body) = response.expect("a status").into_parts();
        (head, body.collect().await.ok().map(http_body_util::Collected::to_bytes))
    })
}

#[test]
fn rule_09_a_client_sees_of_the_registrys_headers_those_on_the_list() {
    let sink = sink(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: \"e\"\r\nDocker-Content-Digest: sha256:ab\r\n\
         Set-Cookie: portwarden=stolen; Path=/\r\nRefresh: 0; url=https://evil.example/\r\n\
         Content-Location: http://@HERE@/v2/x\r\nX-Accel-Redirect: /secret\r\nServer: odd\r\n\
         Strict-Transport-Security: max-age=9\r\nAccess-Control-Allow-Origin: *\r\n\
         Link: <https://evil.example/x.css>; rel=stylesheet, </v2/_catalog?n=1>; rel=\"next\"\r\n\
         Link: <https://evil.example/>; rel=preconnect\r\n\r\n",
    );
    let portwarden = in_process(CONFIG, &sink.url());
    let answer = ask(&portwarden, "GET", "/v2/a/manifests/1", "");
    let mut names: Vec<&str> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let expected = [
        "cache-control",
        "connection",
        "content-length",
        "date",
        "docker-content-digest",
        "etag",
        "link",
        "x-content-type-options",
        "x-request-id",
    ];
    assert_eq!(names, expected);
    assert_eq!(answer.header("link"), Some("</v2/_catalog?n=1>; rel=\"next\""));
}

#[test]
fn rule_12_a_location_is_a_path_unless_the_operator_wants_a_url() {
    let sink = sink(
        "HTTP/1.1 202 Accepted\r\nLocation: http://@HERE@/v2/a/blobs/uploads/1?_state=x\r\nContent-Length: 0\r\n\r\n",
    );
    let location = |config: &str, headers: &str| {
        let portwarden = in_process(config, &sink.url());
        let answer = ask(&portwarden, "POST", "/v2/a/blobs/uploads/", headers);
        answer.header("location").expect("a Location").to_owned()
    };
    assert_eq!(location(CONFIG, ""), "/v2/a/blobs/uploads/1?_state=x");
    let absolute = with_server("relative_urls: false");
    assert_eq!(location(&absolute, ""), "http://registry.example/v2/a/blobs/uploads/1?_state=x");
    let behind = with_server("relative_urls: false, trusted_proxies: [127.0.0.1]");
    let said = "X-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\n";
    assert_eq!(location(&behind, said), "https://registry.example:8443/v2/a/blobs/uploads/1?_state=x");
}

#[test]
fn a_trusted_proxy_says_the_port_and_may_say_all_in_forwarded() {
    let sink = sink("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let realm = |portwarden: &InProcess, headers: &str| {
        let bytes = latin1(&format!("GET /v2/ HTTP/1.1\r\nConnection: close\r\n{headers}\r\n"));
        exchange(portwarden.address, &bytes).unwrap().challenge("realm").unwrap()
    };
    let behind = in_process(&with_server("trusted_proxies: [127.0.0.1]"), &sink.url());
    for (headers, expected) in [
        ("X-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\n", "https://hub.example:8443/auth"),
        ("X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n", "https://hub.example/auth"),
        ("X-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443, 80\r\n", "https://hub.example:8443/auth"),
        (
            "X-Forwarded-Proto: https\r\nX-Forwarded-Host: a.example:5000\r\nX-Forwarded-Port: 8443\r\n",
            "https://a.example:5000/auth",
        ),
        ("X-Forwarded-Host: [::1]\r\nX-Forwarded-Port: 8080\r\n", "http://[::1]:8080/auth"),
        ("X-Forwarded-Port: 0\r\n", "http://hub.example/auth"),
        ("X-Forwarded-Port: 99999\r\n", "http://hub.example/auth"),
        ("Forwarded: host=\"a.example:8443\";proto=https\r\n", "https://a.example:8443/auth"),
        ("Forwarded: for=1.2.3.4;Proto=HTTPS;by=x, host=b.example\r\n", "https://hub.example/auth"),
        ("Forwarded: proto=https\r\nX-Forwarded-Port: 8443\r\n", "https://hub.example:8443/auth"),
        ("Forwarded: host=a.example\r\nX-Forwarded-Host: b.example\r\n", "http://b.example/auth"),
        ("Forwarded: host=a.example;x=\"\r\n", "http://hub.example/auth"),
    ] {
        assert_eq!(realm(&behind, &format!("Host: hub.example\r\n{headers}")), expected, "{headers}");
    }
    let claims =
        "Host: hub.example\r\nX-Forwarded-Port: 8443\r\nForwarded: host=evil.example;proto=https\r\n";
    assert_eq!(
        realm(&in_process(CONFIG, &sink.url()), claims),
        "http://hub.example/auth",
        "no proxy is trusted"
    );
}

#[test]
fn rule_11_the_address_is_read_from_forwarded_where_the_operator_says_so() {
    let sink = sink("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let config = with_server("real_ip_header: Forwarded, trusted_proxies: [127.0.0.1]")
        .replace("{account: admin}", "{account: admin, ip: 10.0.0.0/8}");
    let portwarden = in_process(&config, &sink.url());
    for (header, status) in [
        ("for=10.0.0.1", 200),
        ("for=192.0.2.1, For=\"10.0.0.1:4711\";proto=https", 200),
        ("for=10.0.0.1, for=192.0.2.1", 401),
        ("for=192.0.2.1\r\nForwarded: for=10.0.0.1", 200),
        // A client's open quote takes in what the proxy says, and its parameter what the proxy does not say.
        ("for=10.0.0.1;x=\", for=192.0.2.1", 400),
        ("for=10.0.0.1;x=\", for=\"[2001:db8::1]\"", 400),
        ("for=10.0.0.1, proto=https", 400),
        ("for=_hidden", 400),
    ] {
        let answer = ask(&portwarden, "GET", "/v2/a/tags/list", &format!("Forwarded: {header}\r\n"));
        assert_eq!(answer.status, status, "{header}");
    }
    assert_eq!(ask(&portwarden, "GET", "/v2/a/tags/list", "").status, 400, "the header is asked for");
}

#[test]
fn rule_34_no_shared_cache_keeps_what_is_not_for_all() {
    let sink = sink(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Control: public, max-age=31536000\r\n\
         Expires: Thu, 01 Jan 2099 00:00:00 GMT\r\nPragma: cache\r\n\r\n{}",
    );
    let portwarden = in_process(CONFIG, &sink.url());
    let anonymous = |target: &str| exchange(portwarden.address, &request("GET", target, "")).unwrap();
    let cached = |answer: &Response| {
        assert!(answer.header("expires").is_none() && answer.header("pragma").is_none(), "{answer:?}");
        (answer.status, answer.header("cache-control").expect("Cache-Control").to_owned())
    };
    let private = (200, "private, max-age=31536000".to_owned());
    assert_eq!(cached(&ask(&portwarden, "GET", &blob("a"), "")), private);
    assert_eq!(cached(&anonymous(&blob("public/a"))), private, "the rules may change");
    assert_eq!(cached(&ask(&portwarden, "GET", "/v2/a/manifests/1", "")), private);
    for list in ["/v2/a/tags/list", "/v2/_catalog", "/v2/a/referrers/sha256:ab", "/auth?service=x"] {
        assert_eq!(cached(&ask(&portwarden, "GET", list, "")), (200, "no-store".to_owned()), "{list}");
    }
    // Of the catalogue an account sees a part, which is no answer of the registry.
    let rule = "acl:\n  - {match: {account: reader, name: a}, actions: [pull]}\n";
    let hash = "$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC";
    let reader = format!("  reader: {{password: \"{hash}\"}}\n{rule}");
    let in_part = in_process(&CONFIG.replace("acl:\n", &reader), &sink.url());
    let basic = format!("Authorization: Basic {}\r\n", STANDARD.encode("reader:badmin"));
    let part = exchange(in_part.address, &request("GET", "/v2/_catalog", &basic)).unwrap();
    assert_eq!(cached(&part), (200, "no-store".to_owned()));
    for refused in ["/v2/", "/v2/a/tags/list", "/v2/A", "/auth?account=x"] {
        assert_eq!(cached(&anonymous(refused)).1, "no-store", "{refused}");
    }
}

#[test]
fn an_expectation_that_is_not_met_is_refused_over_both_protocols() {
    let sink = sink("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let portwarden = in_process(CONFIG, &sink.url());
    for target in ["/v2/a/tags/list", "/v2/", "/auth?service=x", "/"] {
        for expect in ["x", "100-continue, x", ""] {
            let answer = ask(&portwarden, "GET", target, &format!("Expect: {expect}\r\n"));
            assert_eq!(answer.status, 417, "{target} {expect:?}");
        }
        let twice = "Expect: 100-continue\r\nExpect: x\r\n";
        assert_eq!(ask(&portwarden, "GET", target, twice).status, 417, "{target}");
    }
    assert_eq!(ask(&portwarden, "GET", "/v2/a/tags/list", "Expect: 100-Continue\r\n").status, 200);
    assert_eq!(sink.take().len(), 1);
    let with_tls = in_process(&with_server("certificate: \"@CERT@\", key: \"@KEY@\""), &sink.url());
    assert_eq!(ask_http2(&with_tls, "GET", "/v2/a/tags/list", Some("x")).0.status, 417);
    assert_eq!(sink.take(), Vec::<String>::new());
}

#[test]
fn writes_to_referrers_are_refused() {
    let sink = sink("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let portwarden = in_process(CONFIG, &sink.url());
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(ask(&portwarden, method, "/v2/a/referrers/sha256:ab", "").status, 404, "{method}");
    }
    assert_eq!(sink.take(), Vec::<String>::new());
    assert_eq!(ask(&portwarden, "GET", "/v2/a/referrers/sha256:ab?artifactType=x", "").status, 200);
}

#[test]
fn rule_06_the_tags_of_a_push_by_digest_are_read() {
    let sink = sink("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    let portwarden = in_process(CONFIG, &sink.url());
    let put = |target: &str| {
        let status = ask(&portwarden, "PUT", target, "").status;
        let sent = sink.take().first().map(|head| head.split(' ').nth(1).unwrap().to_owned());
        (status, sent)
    };
    let path = "/v2/a/manifests/sha256:ab";
    let forwarded = (201, Some(format!("{path}?x=1&tag=v1&tag=latest")));
    assert_eq!(put(&format!("{path}?tag=v%31&x=1&t%61g=latest")), forwarded);
    for bad in ["?tag=", "?tag=.", "?tag=a%2Fb", "?tag=v1&tag=a%00", "?tag=%FF", &"&tag=a".repeat(33)] {
        let bad = bad.replacen('&', "?", usize::from(bad.starts_with('&')));
        assert_eq!(put(&format!("{path}{bad}")), (400, None), "{bad}");
    }
    assert_eq!(put("/v2/a/manifests/v1?tag=v2"), (400, None), "no tag is lost");
    let start = ask(&portwarden, "POST", "/v2/a/blobs/uploads/?tag=x&tag=y", "");
    assert_eq!(start.status, 201);
    assert!(sink.take()[0].starts_with("POST /v2/a/blobs/uploads/ "), "elsewhere it means nothing");
}

/// The URL of a registry that answers each request by its target, and closes the connection.
fn answering(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let length = stream.read(&mut head).unwrap_or_default();
            let head = String::from_utf8_lossy(&head[..length]).into_owned();
            let _ = stream.write_all(answer(head.split(' ').nth(1).unwrap_or_default()).as_bytes());
        }
    });
    url
}

#[test]
fn a_status_arrives_whatever_body_is_announced() {
    let with_tls = with_server("certificate: \"@CERT@\", key: \"@KEY@\"");
    for (answer, method, status, body) in [
        ("416 Range\r\nContent-Length: 9999\r\n\r\nno such range", "GET", 416, Some("no such range")),
        ("416 Range\r\nContent-Length: 9999\r\n\r\n", "GET", 416, Some("")),
        ("416 Range\r\nContent-Length: 2\r\n\r\nno such range", "GET", 416, Some("no")),
        ("416 Range\r\nContent-Length: 9999\r\n\r\n", "HEAD", 416, Some("")),
        ("416 Range\r\nContent-Length: 2\r\n\r\nno", "HEAD", 416, Some("")),
        ("500 Odd\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nbro", "GET", 500, Some("bro")),
        ("500 Odd\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", "GET", 500, Some("")),
        ("307 Moved\r\nLocation: /v2/b\r\nContent-Length: 9\r\n\r\nx", "GET", 307, Some("x")),
        ("304 Not Modified\r\nContent-Length: 9\r\n\r\nbody", "GET", 304, Some("")),
        ("204 No Content\r\nContent-Length: 9\r\n\r\nbody", "DELETE", 204, Some("")),
        ("202 Accepted\r\nContent-Length: 9\r\n\r\nx", "DELETE", 202, None),
        ("200 OK\r\nContent-Length: 9\r\n\r\n", "GET", 200, None),
        ("200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nbro", "GET", 200, None),
        ("200 OK\r\nContent-Length: 9\r\n\r\n", "HEAD", 200, Some("")),
    ] {
        let whole = format!("HTTP/1.1 {answer}");
        let registry = answering(move |_| whole.clone());
        let portwarden = in_process(&with_tls, &registry);
        for _ in 0..10 {
            let (head, arrived) = ask_http2(&portwarden, method, &blob("a"), None);
            assert_eq!(head.status, status, "{answer}");
            assert_eq!(arrived.as_deref(), body.map(str::as_bytes), "{answer}");
        }
        let plain = in_process(CONFIG, &registry);
        for _ in 0..10 {
            let mut stream = raw::connect(plain.address);
            let admin = format!("Authorization: Basic {}\r\n", STANDARD.encode("admin:badmin"));
            stream.write_all(&request(method, &blob("a"), &admin)).unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}: {text:?}");
            let is_chunked = text.contains("transfer-encoding: chunked");
            let is_whole = !is_chunked || text.ends_with("0\r\n\r\n") || method == "HEAD";
            assert!(is_whole || body.is_none(), "{answer}: {text:?}");
            assert!(body.is_some() || !is_chunked || !text.ends_with("0\r\n\r\n"), "{answer}: {text:?}");
        }
    }
}

#[test]
fn plain_http_on_the_port_of_tls_is_answered_in_a_sentence() {
    let sink = sink("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let portwarden = in_process(&with_server("certificate: \"@CERT@\", key: \"@KEY@\""), &sink.url());
    let upload = format!("PUT /v2/a HTTP/1.1\r\nContent-Length: 100000\r\n\r\n{}", "x".repeat(100_000));
    for request in ["GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &upload]
    {
        let mut stream = raw::connect(portwarden.address);
        stream.write_all(request.as_bytes()).unwrap();
        let answer = raw::read_response(&mut stream).expect("an answer");
        assert_eq!((answer.status, answer.header("connection")), (400, Some("close")), "{request:.20}");
        assert!(answer.text().contains("this port speaks HTTPS"), "{answer:?}");
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "the connection ends");
    }
    for odd in [&b"\x00GET / HTTP/1.1\r\n\r\n"[..], b"\x80\x2e\x01\x03"] {
        let mut stream = raw::connect(portwarden.address);
        stream.write_all(odd).unwrap();
        assert!(raw::read_response(&mut stream).is_none(), "what is not HTTP either gets no HTTP");
    }
    assert_eq!(ask_http2(&portwarden, "GET", "/v2/", None).0.status, 200, "TLS goes on");
    assert_eq!(sink.take().len(), 1);
}

#[test]
fn the_first_api_of_registries_is_not_found_in_json() {
    let sink = sink("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    for config in [CONFIG.to_owned(), format!("ui: {{enabled: false}}\n{CONFIG}")] {
        let portwarden = in_process(&config, &sink.url());
        for (method, target) in [
            ("GET", "/v1"),
            ("GET", "/v1?x=y"),
            ("GET", "/v1/"),
            ("GET", "/v1/search?q=app&n=25"),
            ("GET", "/v1/_ping"),
            ("HEAD", "/v1/_ping"),
            ("POST", "/v1/users/"),
            ("GET", "/v1/repositories/a/b/images"),
        ] {
            let bytes = request(method, target, "Accept: application/json\r\n");
            let answer = exchange(portwarden.address, &bytes).unwrap();
            assert_eq!(answer.status, 404, "{target}");
            assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"), "{target}");
        }
    }
    // A repository may be called so.
    let portwarden = in_process(CONFIG, &sink.url());
    for target in ["/v1", "/v1/search"] {
        let browser = request("GET", target, "Accept: text/html,*/*\r\n");
        let page = exchange(portwarden.address, &browser).unwrap();
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{page:?}");
    }
}

#[test]
fn no_other_spelling_of_the_base_is_answered_with_a_page_or_reaches_the_registry() {
    let sink = sink("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let (json, text) = (Some("application/json; charset=utf-8"), Some("text/plain; charset=utf-8"));
    for config in [CONFIG.to_owned(), format!("ui: {{enabled: false}}\n{CONFIG}")] {
        let portwarden = in_process(&config, &sink.url());
        for (target, content_type) in [
            ("/V2/", text),
            ("//v2/", text),
            ("/v2//", json),
            ("/v2/../", json),
            ("/v2/./", json),
            ("/v2/%2e%2e/", json),
        ] {
            let bytes = request("GET", target, "Accept: application/json\r\n");
            let answer = exchange(portwarden.address, &bytes).unwrap();
            assert!(matches!(answer.status, 400 | 404), "{target}: {answer:?}");
            assert_eq!(answer.header("content-type"), content_type, "{target}");
        }
        for target in ["/v2", "/v2?x=y"] {
            let answer = exchange(portwarden.address, &request("GET", target, "")).unwrap();
            assert_eq!((answer.status, answer.header("location")), (308, Some("/v2/")), "{target}");
        }
    }
    assert_eq!(sink.take(), Vec::<String>::new());
}

#[test]
fn a_page_says_that_the_registry_redirects_to_an_object_store() {
    let digest = format!("sha256:{}", "b".repeat(64));
    let part = |media: &str| {
        format!(r#"{{"mediaType":"application/vnd.oci.image.{media}","size":2,"digest":"{digest}"}}"#)
    };
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{media_type}","config":{},"layers":[{}]}}"#,
        part("config.v1+json"),
        part("layer.v1.tar+gzip")
    );
    let url = answering(move |target| {
        if target.starts_with("/v2/public/app/manifests/1") {
            let length = manifest.len();
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nDocker-Content-Digest: {digest}\r\nContent-Length: {length}\r\n\r\n{manifest}"
            )
        } else if target.contains("/blobs/") || target.contains("/manifests/2") {
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: https://store.example/x?sig=1\r\nContent-Length: 0\r\n\r\n".to_owned()
        } else {
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned()
        }
    });
    let portwarden = in_process(CONFIG, &url);
    let page = |path: &str| {
        exchange(portwarden.address, &request("GET", path, "Accept: text/html\r\n")).unwrap().text()
    };
    let image = page("/public/app:1");
    assert!(image.contains("object store") && image.contains("storage.redirect.disable: true"), "{image}");
    assert!(
        image.contains("<bdi>https://store.example</bdi> in Portwarden") && !image.contains("sig=1"),
        "{image}"
    );
    assert!(!image.contains("not JSON"), "{image}");
    let odd = page("/public/app:2");
    assert!(odd.contains("storage.redirect.disable: true") && !odd.contains("store.example"), "{odd}");
    // Clients are sent on, and by no cache to an URL that was signed for another.
    let blob = ask(&portwarden, "GET", &blob("a"), "");
    assert_eq!((blob.status, blob.header("location")), (307, Some("https://store.example/x?sig=1")));
    assert_eq!(blob.header("cache-control"), Some("no-store"));
}

#[test]
fn a_range_that_is_not_there_is_answered_416_each_time() {
    let registry = registry();
    let portwarden = portwarden(&registry).start();
    for length in [10, 100_000] {
        let digest = push_blob(&curl(&portwarden).user(ADMIN), "team/app", &random_bytes(length));
        let path = format!("/v2/team/app/blobs/{digest}");
        for protocol in ["--http1.1", "--http2"] {
            for _ in 0..10 {
                let range = format!("Range: bytes={}-", length + 1);
                curl(&portwarden).user(ADMIN).option(&[protocol]).header(&range).get(&path).is(416);
            }
        }
    }
}
