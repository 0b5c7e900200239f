//! The Distribution API through Portwarden, request by request, against a real registry and over both protocols: what
//! the registry answers arrives, and what it is sent is what the client sent.
//!
//! Needs: curl, docker-registry, htpasswd.

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::support::{
    curl::{Request, curl},
    distribution::{push_blob, push_image, start_upload, with_digest},
    image::{random_bytes, sha256},
    in_process::in_process,
    portwarden::{ADMIN, Portwarden, TEST2, portwarden},
    raw,
    registry::registry,
};

/// As admin, over one protocol.
fn admin(portwarden: &Portwarden, protocol: &str) -> Request {
    curl(portwarden).user(ADMIN).option(&[protocol])
}

const PROTOCOLS: [&str; 2] = ["--http1.1", "--http2"];

#[test]
fn a_blob_is_read_whole_in_part_and_not_again() {
    let registry = registry();
    let portwarden = portwarden(&registry).start();
    for protocol in PROTOCOLS {
        let ask = || admin(&portwarden, protocol);
        let content = random_bytes(100_000);
        let digest = push_blob(&ask(), "team/app", &content);
        let path = format!("/v2/team/app/blobs/{digest}");
        let whole = ask().get(&path).is(200);
        assert_eq!(whole.body, content);
        assert_eq!(whole.header("docker-content-digest"), Some(digest.as_str()));
        let part = ask().header("Range: bytes=10-19").get(&path).is(206);
        assert_eq!(
            (&part.body[..], part.header("content-range")),
            (&content[10..20], Some("bytes 10-19/100000"))
        );
        let etag = whole.header("etag").expect("an ETag");
        let known = ask().header(&format!("If-None-Match: {etag}")).get(&path).is(304);
        assert!(known.body.is_empty());
        let head = ask().head(&path).is(200);
        assert_eq!(head.header("content-length"), Some("100000"));
        ask().get(&format!("/v2/team/app/blobs/{}", sha256(b"no such blob"))).is(404);
    }
}

#[test]
fn an_upload_goes_in_one_piece_in_chunks_and_on_where_it_stopped() {
    let registry = registry();
    let portwarden = portwarden(&registry).start();
    for protocol in PROTOCOLS {
        let ask = || admin(&portwarden, protocol);
        let content = random_bytes(30_000);
        let digest = sha256(&content);
        let there = || {
            let read = ask().get(&format!("/v2/team/app/blobs/{digest}")).is(200);
            assert_eq!(read.body, content);
            ask().send("DELETE", &format!("/v2/team/app/blobs/{digest}")).is(202);
        };

        // As docker does it: one chunked PATCH, then PUT.
        let location = start_upload(&ask(), "team/app");
        let sent = ask().send_stream("PATCH", &location, |pipe| pipe.write_all(&content)).is(202);
        assert_eq!(sent.header("range"), Some("0-29999"));
        ask().send("PUT", &with_digest(sent.header("location").unwrap(), &digest)).is(201);
        there();

        // In ranges, with a look in between.
        let location = start_upload(&ask(), "team/app");
        let first =
            ask().body(&content[..10_000]).header("Content-Range: 0-9999").send("PATCH", &location).is(202);
        let location = first.header("location").unwrap().to_owned();
        let status = ask().get(&location).is(204);
        assert_eq!(status.header("range"), Some("0-9999"));
        let location = status.header("location").unwrap_or(&location).to_owned();
        let last = ask()
            .body(&content[10_000..])
            .header("Content-Range: 10000-29999")
            .send("PATCH", &location)
            .is(202);
        ask().send("PUT", &with_digest(last.header("location").unwrap(), &digest)).is(201);
        there();

        // All of it with the PUT, and with `Expect: 100-continue`.
        let location = start_upload(&ask(), "team/app");
        let put = ask()
            .body(&content)
            .header("Expect: 100-continue")
            .send("PUT", &with_digest(&location, &digest))
            .is(201);
        let place = put.header("location").unwrap();
        assert_eq!(place, format!("/v2/team/app/blobs/{digest}"));
        there();

        // Given up.
        let location = start_upload(&ask(), "team/app");
        ask().send("DELETE", &location).is(204);
        ask().get(&location).is(404);
    }
}

#[test]
fn manifests_tags_catalogue_and_deletions() {
    let registry = registry();
    let portwarden = portwarden(&registry).start();
    for protocol in PROTOCOLS {
        let ask = || admin(&portwarden, protocol);
        let digest = push_image(&ask(), "team/app", "1");
        let accept = "Accept: application/vnd.docker.distribution.manifest.v2+json";
        let by_tag = ask().header(accept).get("/v2/team/app/manifests/1").is(200);
        let by_digest = ask().header(accept).get(&format!("/v2/team/app/manifests/{digest}")).is(200);
        assert_eq!(by_tag.body, by_digest.body);
        assert_eq!(sha256(&by_tag.body), digest);
        let head = ask().header(accept).head("/v2/team/app/manifests/1").is(200);
        assert_eq!(head.header("docker-content-digest"), Some(digest.as_str()));
        assert_eq!(ask().get("/v2/team/app/tags/list").is(200).json()["tags"][0], "1");
        push_image(&ask(), "team/second", "1");
        let page = ask().get("/v2/_catalog?n=1").is(200);
        assert_eq!(page.text().trim(), r#"{"repositories":["team/app"]}"#);
        let link = page.header("link").expect("a Link to the next page");
        let next = link.split(['<', '>']).nth(1).unwrap();
        assert_eq!(ask().get(next).is(200).text().trim(), r#"{"repositories":["team/second"]}"#);
        // Registry 2.8 has no referrers API: its own answer arrives.
        ask().get(&format!("/v2/team/app/referrers/{digest}")).is(404);
        ask().send("DELETE", &format!("/v2/team/app/manifests/{digest}")).is(202);
        ask().header(accept).get("/v2/team/app/manifests/1").is(404);
    }
}

#[test]
fn a_blob_is_mounted_from_a_repository_that_the_account_may_pull_and_not_from_another() {
    let registry = registry();
    let acl = "
  - {match: {account: admin}, actions: ['*']}
  - {match: {account: test2, name: 'team/*'}, actions: [pull, push]}
  - {match: {account: test2, name: 'shared/*'}, actions: [pull]}
";
    let portwarden = portwarden(&registry).acl(acl).start();
    for protocol in PROTOCOLS {
        let content = random_bytes(1000);
        let shared = push_blob(&admin(&portwarden, protocol), "shared/base", &content);
        let secret = push_blob(&admin(&portwarden, protocol), "secret/base", &random_bytes(1000));
        let mount = |digest: &str, from: &str| {
            let target = format!("/v2/team/{}/blobs/uploads/?mount={digest}&from={from}", &protocol[2..6]);
            curl(&portwarden).user(TEST2).option(&[protocol]).send("POST", &target)
        };
        let mounted = mount(&shared, "shared/base").is(201);
        assert_eq!(mounted.header("docker-content-digest"), Some(shared.as_str()));
        let refused = mount(&secret, "secret/base").is(202);
        assert_eq!(refused.header("docker-content-digest"), None, "an upload was started instead");
        let stolen = format!("/v2/team/{}/blobs/{secret}", &protocol[2..6]);
        curl(&portwarden).user(TEST2).get(&stolen).is(404);
    }
}

#[test]
fn trailers_of_the_registry_arrive() {
    let sink = raw::sink(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n",
    );
    let config = "
server: {addr: ':0', certificate: '@CERT@', key: '@KEY@'}
token: {issuer: Acme, expiration: 900}
users: {'': {}}
acl: [{match: {}, actions: ['*']}]
";
    let portwarden = in_process(config, &sink.url());
    portwarden.block_on(async {
        let stream = crate::support::tls::connect(&portwarden, &[b"h2"]).await;
        let io = TokioIo::new(stream);
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        let request = hyper::Request::get("https://registry.example/v2/a/blobs/sha256:ab");
        let response = client.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        let body = response.into_body().collect().await.unwrap();
        assert_eq!(body.trailers().and_then(|trailers| trailers.get("x-sum")).unwrap(), "7");
        assert_eq!(body.to_bytes(), "abc");
    });
}
