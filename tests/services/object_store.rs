//! Registries that redirect blobs to an object store: the web pages follow that to the origins that the operator names,
//! and say otherwise what is wrong.
//!
//! Needs: curl, docker-registry, htpasswd.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock},
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    curl::curl,
    distribution::{push_blob, put_manifest},
    image::{random_bytes, sha256},
    in_process::{CONFIG, InProcess, in_process},
    page_client::Visitor,
    portwarden::{ADMIN, portwarden},
    raw::{exchange, request},
    registry::registry_redirecting_to,
};

/// The configuration of an image, with a text that its page shows.
const IMAGE: &str = r#"{"os":"linux","architecture":"amd64","config":{"Env":["MARKER=of-the-store"]},
    "rootfs":{"type":"layers","diff_ids":[]},"history":[{"created_by":"RUN of-the-store"}]}"#;
const SHOWN: &str = "of-the-store";

/// A server in the clear that answers with a whole response per request.
struct Server {
    origin: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts one; `answer` gets the target of the request.
    fn start(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut head = Vec::new();
                let mut chunk = [0; 4096];
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read(&mut chunk) {
                        Ok(length @ 1..) => head.extend_from_slice(&chunk[..length]),
                        _ => break,
                    }
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let answer = answer(head.split(' ').nth(1).unwrap_or_default());
                seen.lock().unwrap().push(head);
                let _ = stream.write_all(&answer);
            }
        });
        Self { origin, heads }
    }

    /// Returns the heads of the requests so far.
    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Starts a registry with the image `public/app:1`, whose configuration is `config`, that redirects to `location` for
/// it.
fn redirecting(config: &[u8], location: &str) -> Server {
    let location = location.to_owned();
    redirecting_to(config, move || location.clone())
}

fn redirecting_to(config: &[u8], location: impl Fn() -> String + Send + 'static) -> Server {
    let media = "application/vnd.oci.image.manifest.v1+json";
    let descriptor = |media: &str, digest: &str| {
        format!(r#"{{"mediaType":"application/vnd.oci.image.{media}","size":2,"digest":"{digest}"}}"#)
    };
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{media}","config":{},"layers":[{}]}}"#,
        descriptor("config.v1+json", &sha256(config)),
        descriptor("layer.v1.tar+gzip", &format!("sha256:{}", "b".repeat(64)))
    );
    Server::start(move |target| {
        if target.starts_with("/v2/public/app/tags/list") {
            let headers = "Content-Type: application/json\r\n";
            response("200 OK", headers, br#"{"name":"public/app","tags":["1"]}"#)
        } else if target.starts_with("/v2/public/app/manifests/") {
            let digest = sha256(manifest.as_bytes());
            let headers = format!("Content-Type: {media}\r\nDocker-Content-Digest: {digest}\r\n");
            response("200 OK", &headers, manifest.as_bytes())
        } else if target.contains("/blobs/") {
            response("307 Temporary Redirect", &format!("Location: {}\r\n", location()), b"")
        } else {
            response("404 Not Found", "", b"")
        }
    })
}

/// Starts a Portwarden before that registry, with `registry.follow_redirects`.
fn following(registry: &Server, origins: &[&str]) -> InProcess {
    in_process(&format!("{CONFIG}registry: {{follow_redirects: {origins:?}}}\n"), &registry.origin)
}

/// Returns the page of the image, asked for with credentials of several kinds.
fn page(portwarden: &InProcess) -> String {
    page_at(portwarden, "/public/app:1")
}

fn page_at(portwarden: &InProcess, path: &str) -> String {
    let headers = "Accept: text/html\r\nAuthorization: Basic YWRtaW46YmFkbWlu\r\nCookie: a=secret\r\nX-Secret: secret\r\n";
    let answer = exchange(portwarden.address, &request("GET", path, headers)).unwrap();
    assert_eq!(answer.status, 200);
    answer.text()
}

/// Returns the page for a store that answers so to everything, with that store.
fn page_with_store(config: &[u8], answer: Vec<u8>) -> (String, Server) {
    let store = Server::start(move |_| answer.clone());
    let registry = redirecting(config, &format!("{}/x?sig=1", store.origin));
    let page = page(&following(&registry, &[&store.origin]));
    assert!(!page.contains("sig=1"), "{page}");
    (page, store)
}

#[test]
fn a_page_shows_a_blob_of_a_store_that_is_named() {
    let (page, store) = page_with_store(IMAGE.as_bytes(), response("200 OK", "", IMAGE.as_bytes()));
    assert!(page.contains(SHOWN) && !page.contains("cannot be read"), "{page}");
    let heads = store.heads();
    let [head] = &heads[..] else { panic!("one request: {heads:?}") };
    assert!(head.starts_with("GET /x?sig=1 HTTP/1.1\r\n"), "{head}");
    // Nothing of the visitor's: not even names of headers that are not needed.
    let names =
        head.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_lowercase());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, ["host", "user-agent"], "{head}");
}

#[test]
fn a_redirect_to_another_origin_is_not_followed() {
    let store = Server::start(|_| response("200 OK", "", IMAGE.as_bytes()));
    let other = Server::start(|_| response("200 OK", "", IMAGE.as_bytes()));
    let authority = store.origin.trim_start_matches("http://");
    let port = authority.rsplit(':').next().unwrap();
    for (location, origins, named) in [
        (format!("{}/x?sig=1", store.origin), vec![], Some(store.origin.clone())),
        (format!("{}/x?sig=1", store.origin), vec![other.origin.as_str()], Some(store.origin.clone())),
        // The same machine under another name, another scheme, and the allowed one as a user's name.
        (
            format!("http://localhost:{port}/x"),
            vec![other.origin.as_str()],
            Some(format!("http://localhost:{port}")),
        ),
        (format!("https://{authority}/x"), vec![store.origin.as_str()], Some(format!("https://{authority}"))),
        (format!("{}@{authority}/x", other.origin), vec![other.origin.as_str()], None),
        (format!("//{authority}/x"), vec![store.origin.as_str()], None),
    ] {
        let registry = redirecting(IMAGE.as_bytes(), &location);
        let portwarden = following(&registry, &origins);
        let page = page(&portwarden);
        assert!(page.contains("object store") && page.contains("storage.redirect.disable: true"), "{page}");
        assert_eq!(page.contains("registry.follow_redirects"), named.is_some(), "{location}: {page}");
        assert!(named.is_none_or(|origin| page.contains(&origin)), "{location}: {page}");
        assert!(!page.contains(SHOWN) && !page.contains("sig=1"), "{page}");
    }
    assert_eq!((store.heads(), other.heads()), (Vec::new(), Vec::new()));
}

#[test]
fn rule_12_a_page_does_not_name_the_registry_that_redirects_to_itself() {
    let own = Arc::new(OnceLock::<String>::new());
    let location = Arc::clone(&own);
    let registry = redirecting_to(IMAGE.as_bytes(), move || format!("{}/x?sig=1", location.get().unwrap()));
    own.set(registry.origin.clone()).unwrap();
    let page = page(&following(&registry, &[]));
    assert!(page.contains("object store") && page.contains("storage.redirect.disable: true"), "{page}");
    assert!(!page.contains(registry.origin.trim_start_matches("http://")), "{page}");
}

#[test]
fn a_second_redirect_is_not_followed() {
    let last = Server::start(|_| response("200 OK", "", IMAGE.as_bytes()));
    let location = format!("Location: {}/y\r\n", last.origin);
    let first = Server::start(move |_| response("302 Found", &location, b""));
    let registry = redirecting(IMAGE.as_bytes(), &format!("{}/x", first.origin));
    let page = page(&following(&registry, &[&first.origin, &last.origin]));
    assert!(page.contains("redirects further") && page.contains(&first.origin), "{page}");
    assert!(!page.contains(SHOWN));
    assert_eq!((first.heads().len(), last.heads().len()), (1, 0));
}

#[test]
fn a_page_says_what_is_wrong_with_the_store() {
    let other = IMAGE.replace("linux", "plan9");
    let (page, _) = page_with_store(IMAGE.as_bytes(), response("200 OK", "", other.as_bytes()));
    assert!(page.contains("does not have the digest") && !page.contains(SHOWN), "{page}");
    let large = format!("{IMAGE}{}", " ".repeat(512 << 10));
    let (page, _) = page_with_store(large.as_bytes(), response("200 OK", "", large.as_bytes()));
    assert!(page.contains("sent more than 512 KiB") && !page.contains(SHOWN), "{page}");
    let (page, _) = page_with_store(IMAGE.as_bytes(), response("403 Forbidden", "", IMAGE.as_bytes()));
    assert!(page.contains("signature in the registry") && page.contains("has expired"), "{page}");
    assert!(!page.contains(SHOWN), "{page}");
    let (page, _) = page_with_store(IMAGE.as_bytes(), response("404 Not Found", "", b""));
    assert!(page.contains("answered with status 404"), "{page}");
    // It ends the connection without an answer.
    let (page, _) = page_with_store(IMAGE.as_bytes(), Vec::new());
    assert!(page.contains("cannot be reached"), "{page}");
}

#[test]
fn a_tag_keeps_its_size_where_the_store_fails() {
    let store = Server::start(|_| response("403 Forbidden", "", b""));
    let registry = redirecting(IMAGE.as_bytes(), &format!("{}/x", store.origin));
    let page = page_at(&following(&registry, &[&store.origin]), "/public/app");
    assert!(page.contains("4 B"), "{page}");
    assert!(!store.heads().is_empty());
}

#[test]
fn a_store_that_does_not_answer_delays_a_page_for_seconds_only() {
    // It accepts connections, as the system does for it, and never reads.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", silent.local_addr().unwrap());
    let registry = redirecting(IMAGE.as_bytes(), &format!("{origin}/x"));
    let portwarden = following(&registry, &[&origin]);
    let began = Instant::now();
    let page = page(&portwarden);
    assert!(page.contains("cannot be reached") && page.contains(&origin), "{page}");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[test]
fn clients_get_the_redirect_as_the_registry_sent_it() {
    let store = Server::start(|_| response("200 OK", "", IMAGE.as_bytes()));
    let location = format!("{}/x?sig=1", store.origin);
    let registry = redirecting(IMAGE.as_bytes(), &location);
    let portwarden = following(&registry, &[&store.origin]);
    let blob = format!("/v2/public/app/blobs/sha256:{}", "a".repeat(64));
    let admin = "Authorization: Basic YWRtaW46YmFkbWlu\r\n";
    let answer = exchange(portwarden.address, &request("GET", &blob, admin)).unwrap();
    assert_eq!((answer.status, answer.header("location")), (307, Some(location.as_str())));
    assert_eq!(store.heads(), Vec::<String>::new());
}

#[test]
fn registry_2_8_that_redirects_to_a_store_is_shown_where_the_store_is_named() {
    let root: Arc<Mutex<PathBuf>> = Arc::default();
    let files = Arc::clone(&root);
    let store = Server::start(move |target| {
        let file = files.lock().unwrap().join(target.trim_start_matches('/'));
        match fs::read(file) {
            Ok(content) => response("200 OK", "", &content),
            Err(_) => response("404 Not Found", "", b""),
        }
    });
    let registry = registry_redirecting_to(&store.origin);
    *root.lock().unwrap() = registry.store();
    let origins = format!("['{}']", store.origin);
    let named = portwarden(&registry).registry_setting("follow_redirects", &origins).start();
    let admin = curl(&named).user(ADMIN);
    let layer = random_bytes(2000);
    push_blob(&admin, "team/app", IMAGE.as_bytes());
    push_blob(&admin, "team/app", &layer);
    put_manifest(&admin, "team/app", "1", IMAGE.as_bytes(), &[&layer]).is(201);
    let page = Visitor::signed_in(&named, ADMIN).get("/team/app:1").text();
    assert!(page.contains(SHOWN), "{page}");
    assert!(Visitor::signed_in(&named, ADMIN).get("/team/app").text().contains("linux/amd64"));
    assert_eq!(named.log().matches("did not send a blob").count(), 0);

    let unnamed = portwarden(&registry).start();
    let page = Visitor::signed_in(&unnamed, ADMIN).get("/team/app:1").text();
    assert!(!page.contains(SHOWN) && page.contains("registry.follow_redirects"), "{page}");
    assert!(page.contains(&store.origin), "{page}");
}
