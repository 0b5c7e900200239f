//! Pages of other origins (`server.cors`): none may read an answer unless it is named, and a named one is authorised
//! like any client. A browser's reaction is in `tests/services/browser/`.
//!
//! Needs: curl, docker-registry, htpasswd.

use crate::support::{
    curl::{Request, Response, curl},
    distribution::push_image,
    page_client::Visitor,
    portwarden::{ADMIN, USER, portwarden},
    registry::{registry, registry_with_headers},
};

const UI: &str = "Origin: https://ui.example";
const CORS: &str = "{origins: ['https://ui.example', 'http://localhost:8080'], methods: [GET, HEAD, DELETE]}";

#[test]
fn rule_31_no_page_of_another_origin_reads_an_answer_unless_it_is_named() {
    let registry = registry_with_headers(
        "{Access-Control-Allow-Origin: ['*'], Access-Control-Allow-Credentials: ['true']}",
    );
    let off = portwarden(&registry).start();
    push_image(&curl(&off).user(ADMIN), "team/app", "1");
    let on = portwarden(&registry).with_server("cors", CORS).start();
    let tags = "/v2/team/app/tags/list";
    let others = [
        "Origin: https://evil.example",
        "Origin: null",
        "Origin: http://ui.example",
        "Origin: https://ui.example:8443",
        "Origin: https://ui.example.evil.example",
        "Origin: https://UI.example",
        "X-Nothing: x",
    ];
    for (warden, origins) in [(&off, &[UI][..]), (&on, &others)] {
        for origin in origins {
            let ask = |request: Request| request.header(origin);
            let is_a_page = origin.starts_with("Origin");
            let with_password = if is_a_page { 403 } else { 200 };
            for answer in [
                ask(curl(warden).user(USER)).get(tags).is(with_password),
                ask(curl(warden)).get(tags).is(401),
                ask(preflight(curl(warden), "GET")).send("OPTIONS", tags).is(405),
                ask(preflight(curl(warden), "GET")).send("OPTIONS", "/auth").is(405),
            ] {
                assert_eq!(shared(&answer), [""; 0], "{origin}");
            }
            let token = ask(curl(warden).user(USER)).get("/auth?service=registry.test");
            assert_eq!((token.status, shared(&token)), (with_password, vec![]), "{origin}");
        }
    }
    // Two origins are none.
    let two = curl(&on).user(USER).header(UI).header("Origin: https://evil.example").get(tags).is(403);
    assert_eq!(shared(&two), [""; 0]);
    assert!(!registry.log().contains("OPTIONS"), "it reached the registry");
}

#[test]
fn a_named_origin_asks_reads_and_is_authorised_like_everybody() {
    let registry = registry();
    let warden = portwarden(&registry).with_server("cors", CORS).start();
    push_image(&curl(&warden).user(ADMIN), "team/app", "1");
    for path in ["/v2/team/app/manifests/1", "/v2/_catalog", "/auth?service=registry.test"] {
        let allowed = preflight(curl(&warden), "DELETE").header(UI).send("OPTIONS", path).is(204);
        for (name, value) in [
            ("access-control-allow-origin", "https://ui.example"),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "GET, HEAD, DELETE"),
            ("access-control-allow-headers", "Authorization, Accept, Cache-Control, Content-Type"),
            ("access-control-max-age", "600"),
            ("vary", "Origin"),
        ] {
            assert_eq!(allowed.header(name), Some(value), "{path}");
        }
    }
    let challenged = curl(&warden).header(UI).get("/v2/_catalog").is(401);
    let exposed = challenged.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("WWW-Authenticate") && challenged.header("www-authenticate").is_some());
    let read = curl(&warden).user(USER).header(UI).get("/v2/_catalog").is(200);
    assert_eq!(read.header("access-control-allow-origin"), Some("https://ui.example"));
    curl(&warden).user(USER).header(UI).send("DELETE", "/v2/team/app/manifests/1").is(401);
    let other = curl(&warden).user(USER).header("Origin: http://localhost:8080").get("/v2/_catalog").is(200);
    assert_eq!(other.header("access-control-allow-origin"), Some("http://localhost:8080"));
    // A cache must not give the answer for one origin to another.
    assert_eq!(curl(&warden).user(USER).get("/v2/_catalog").is(200).header("vary"), Some("Origin"));
}

#[test]
fn a_session_and_the_pages_are_for_no_other_origin() {
    let registry = registry();
    let warden = portwarden(&registry).with_server("cors", CORS).start();
    push_image(&curl(&warden).user(ADMIN), "team/app", "1");
    let visitor = Visitor::signed_in(&warden, ADMIN);
    // The sibling of a site gets the cookie sent along; it opens nothing for it.
    let sibling =
        visitor.request().header(UI).header("Sec-Fetch-Site: same-site").header("Sec-Fetch-Mode: cors");
    assert_eq!(sibling.header("Sec-Fetch-Dest: empty").get("/v2/_catalog").status, 401);
    for path in ["/", "/team/app", "/-/sign-in"] {
        assert_eq!(shared(&visitor.request().header(UI).get(path)), [""; 0], "{path}");
        assert_eq!(
            preflight(visitor.request(), "POST").header(UI).send("OPTIONS", path).status,
            405,
            "{path}"
        );
    }
    let form = visitor.post_from(&[UI], "/-/sign-out", &[("csrf", &visitor.csrf())]);
    assert_eq!(form.status, 403);
}

fn preflight(request: Request, method: &str) -> Request {
    request
        .header(&format!("Access-Control-Request-Method: {method}"))
        .header("Access-Control-Request-Headers: authorization")
}

/// Returns its headers about other origins.
fn shared(answer: &Response) -> Vec<&str> {
    answer
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| name.starts_with("access-control-"))
        .collect()
}
