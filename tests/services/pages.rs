//! The web pages, request by request: the content that each visitor sees, the rights of a session, and attacks on it by
//! a stranger's page. The look of the pages, and their use in a browser, is in `tests/services/browser/`.
//!
//! Needs: curl, docker-registry, htpasswd.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::support::{
    audit,
    curl::{Request, Response, curl},
    distribution::{push_blob, push_image, put_manifest},
    image::random_bytes,
    long_wait::guess_until_slowed,
    misbehaving_registry::{Fault, misbehaving},
    page_client::Visitor,
    portwarden::{ADMIN, ANYBODY, Portwarden, TEST, TEST2, USER, User, portwarden, portwarden_at},
    process::{PATIENCE, eventually},
    registry::{registry, registry_without_deletion},
    token_exchange,
};

/// Headers that each page must send about itself.
const PAGES: [&str; 10] = [
    "/",
    "/team/app",
    "/team/app:1",
    "/-/compare/team/app",
    "/-/access",
    "/-/tokens",
    "/-/device",
    "/-/events",
    "/-/shadow",
    "/-/sign-in",
];

#[test]
fn each_user_sees_what_it_may_pull() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    stock(&warden);
    for (user, sees) in [(ADMIN, true), (USER, true), (TEST2, true), (TEST, false)] {
        let visitor = Visitor::signed_in(&warden, user);
        let first = visitor.get("/").is(200).text();
        assert_eq!(first.contains("href=\"/team/app\""), sees, "{}", user.name);
        assert_eq!(visitor.get("/team/app").status, if sees { 200 } else { 404 }, "{}", user.name);
        assert_eq!(visitor.get("/team/app:1").status, if sees { 200 } else { 404 }, "{}", user.name);
        assert_eq!(visitor.get("/-/shadow").status, if user == ADMIN { 200 } else { 403 }, "{}", user.name);
        assert_eq!(visitor.get("/-/events").status, if user == ADMIN { 200 } else { 403 }, "{}", user.name);
        let access = visitor.get("/-/access?name=team/app").is(200).text();
        let rule = match user.name {
            "admin" => "rule 1",
            "user" => "rule 2",
            "test2" => "rule 3",
            _ => "no rule matches",
        };
        assert!(access.contains(rule), "{}: {access}", user.name);
    }
}

#[test]
fn nobody_is_led_to_the_page_to_sign_in_and_back() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    stock(&warden);
    let mut nobody = Visitor::new(&warden);
    for path in ["/", "/team/app", "/no/such:1", "/-/access", "/-/tokens", "/-/events", "/-/shadow"] {
        let answer = nobody.get(&format!("{path}?q=1&page=2")).is(303);
        let target = answer.header("location").unwrap();
        let escaped = format!("{path}%3Fq%3D1%26page%3D2");
        assert_eq!(target, format!("/-/sign-in?next={escaped}"));
        let form = nobody.get(target).is(200).text();
        assert!(form.contains(&format!("value=\"{path}?q=1&amp;page=2\"")), "{form}");
    }
    let answer = nobody.sign_in(USER, "/team/app?q=1");
    assert_eq!((answer.status, answer.header("location")), (303, Some("/team/app?q=1")));
    nobody.get("/team/app?q=1").is(200);
    for evil in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/v2/",
        "/-/sign-out",
        "javascript:alert(1)",
    ] {
        let answer = Visitor::new(&warden).sign_in(USER, evil);
        assert_eq!(answer.header("location"), Some("/"), "{evil}");
    }
}

#[test]
fn a_link_from_elsewhere_finds_the_session_by_a_page_that_loads_itself_again() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let without_cookie = Visitor::new(&warden).request();
    let again =
        without_cookie.clone().header("Sec-Fetch-Site: cross-site").header("Sec-Fetch-Mode: navigate");
    let page = again.get("/team/app").is(200).text();
    assert!(page.contains("http-equiv=\"refresh\""), "{page}");
    // The second time it is asked by ourselves.
    without_cookie
        .header("Sec-Fetch-Site: same-origin")
        .header("Sec-Fetch-Mode: navigate")
        .get("/team/app")
        .is(303);
}

#[test]
fn a_session_is_a_cookie_that_no_script_no_stranger_and_no_other_host_gets() {
    let registry = registry();
    let warden = portwarden(&registry).with("ui: {session: 30m}").start();
    let answer = Visitor::new(&warden).sign_in(USER, "/").is(303);
    let cookie = answer.header("set-cookie").unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert!(pair.starts_with("__Host-portwarden-session=ey"), "{pair}");
    assert_eq!(attributes, "Path=/; Max-Age=1800; Secure; HttpOnly; SameSite=Strict");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn a_session_that_no_browser_would_keep_is_refused_in_words() {
    let registry = registry();
    let scripts = tempfile::tempdir().unwrap();
    let script = scripts.path().join("labels");
    let text = "#!/bin/sh\nread -r name password\ncase $name in many) n=200;; *) n=20;; esac\n\
                printf '{\"labels\":{\"group\":['; for i in $(seq $n); do printf '\"cn=team-%s,dc=example\",' $i; done; printf '\"x\"]}}'\n";
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let start = |acl: &str| {
        portwarden(&registry).acl(acl).with(&format!("ext_auth: {{command: {script:?}}}")).start()
    };
    let sign_in = |warden, name| Visitor::new(warden).sign_in(User { name, password: "any" }, "/");
    // Labels at which no rule looks take no room.
    let warden = start("  - {match: {labels: {group: x}}, actions: [pull]}");
    sign_in(&warden, "few").is(303);
    sign_in(&warden, "many").is(303);
    let warden = start("  - {match: {name: \"${labels:group}/*\"}, actions: [pull]}");
    sign_in(&warden, "few").is(303);
    let refused = sign_in(&warden, "many").is(413);
    assert!(refused.text().contains("too many labels") && refused.header("set-cookie").is_none());
}

#[test]
fn a_session_ends_when_rules_look_at_labels_that_it_left_out() {
    const OPEN: &str = "  - {match: {account: \"/.+/\"}, actions: [pull]}";
    let registry = registry();
    let scripts = tempfile::tempdir().unwrap();
    let script = scripts.path().join("labels");
    std::fs::write(&script, "#!/bin/sh\nprintf '{\"labels\":{\"group\":[\"dev\",\"ops\"]}}'\n").unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut warden =
        portwarden(&registry).acl(OPEN).with(&format!("ext_auth: {{command: {script:?}}}")).start();
    let cookie = {
        let visitor = Visitor::signed_in(&warden, User { name: "kim", password: "any" });
        visitor.get("/-/access").is(200);
        visitor.cookie
    };
    warden.reload(|builder| {
        builder.acl(&format!("  - {{match: {{labels: {{group: dev}}}}, actions: []}}\n{OPEN}"))
    });
    Visitor::with_cookie(&warden, cookie).get("/-/access").is(303);
    let again = Visitor::signed_in(&warden, User { name: "kim", password: "any" });
    assert!(again.get("/-/access?name=team/app").is(200).text().contains("rule 1"), "the rule that denies");
}

#[test]
fn a_session_ends_with_signing_out_the_password_and_the_user() {
    let registry = registry();
    let mut warden = portwarden(&registry).start();
    let ends = |warden: &Portwarden, cookie: &Option<String>, why: &str| {
        let visitor = Visitor::with_cookie(warden, cookie.clone());
        let answer = visitor.get("/").is(303);
        assert_eq!(answer.header("location"), Some("/-/sign-in?next=/&ended=1"), "{why}");
        assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"), "{why}");
    };
    let visitor = Visitor::signed_in(&warden, USER);
    let out = visitor.post("/-/sign-out", &[("csrf", &visitor.csrf())]).is(303);
    assert!(out.header("set-cookie").unwrap().starts_with("__Host-portwarden-session=; Path=/; Max-Age=0;"));
    assert_eq!(out.header("clear-site-data"), Some("\"cache\""), "nor does the browser's memory");
    ends(&warden, &visitor.cookie, "a kept cookie is worth nothing");
    let (user, test) = (Visitor::signed_in(&warden, USER).cookie, Visitor::signed_in(&warden, TEST).cookie);
    warden.reload(|builder| builder.users(&[ADMIN, User { password: "other", ..USER }]));
    ends(&warden, &user, "the password changed");
    ends(&warden, &test, "the user is gone");
    let forged = user.as_ref().map(|cookie| cookie.replace("session=ey", "session=fy"));
    ends(&warden, &forged, "it is not signed");
}

#[test]
fn no_token_is_a_session_and_no_session_is_a_token() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    stock(&warden);
    let visitor = Visitor::signed_in(&warden, USER);
    let session = visitor.cookie.unwrap().split_once('=').unwrap().1.to_owned();
    assert_eq!(curl(&warden).bearer(&session).get("/v2/team/app/tags/list").status, 401);
    let form = format!("grant_type=refresh_token&service=registry.test&refresh_token={session}");
    assert_eq!(curl(&warden).option(&["--data", &form]).send("POST", "/auth").status, 401);
    let token = token_exchange::token(&warden, USER, &["repository:team/app:pull"]);
    let cookie = Some(format!("__Host-portwarden-session={token}"));
    Visitor::with_cookie(&warden, cookie).get("/").is(303);
    assert_eq!(curl(&warden).bearer(&token).get("/").status, 401);
}

#[test]
fn a_wrong_password_is_answered_as_an_unknown_name_and_slowed_down_as_everywhere() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let try_at =
        |warden: &Portwarden, name| Visitor::new(warden).sign_in(User { name, password: "wrong" }, "/");
    let without_names = |answer: &Response| {
        let id = answer.header("x-request-id").unwrap().to_owned();
        answer.text().replace("user", "N").replace("nobody", "N").replace(&id, "")
    };
    let (wrong, unknown) = (try_at(&warden, "user").is(401), try_at(&warden, "nobody").is(401));
    assert_eq!(without_names(&wrong), without_names(&unknown));
    assert_eq!(wrong.header("set-cookie"), None);
    assert_eq!(wrong.header("www-authenticate"), None, "a browser must not open a window of its own");
    // Failures at the token endpoint count here, and the other way round.
    let by_token = |name, n: usize| {
        let password = Box::leak(format!("wrong {n}").into_boxed_str());
        curl(&warden).user(User { name, password }).get("/auth")
    };
    guess_until_slowed(|n| by_token("test2", n));
    let slowed = try_at(&warden, "test2").is(429);
    assert!(slowed.header("retry-after").is_some(), "{slowed:?}");
    guess_until_slowed(|n| {
        let password = Box::leak(format!("wrong {n}").into_boxed_str());
        Visitor::new(&warden).sign_in(User { name: "test", password }, "/")
    });
    by_token("test", 0).is(429);
    // All others go on.
    Visitor::signed_in(&warden, ADMIN);
}

#[test]
fn rule_29_forms_of_other_pages_are_refused() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let digest = stock(&warden);
    let visitor = Visitor::signed_in(&warden, ADMIN);
    let csrf = visitor.csrf();
    let others = Visitor::signed_in(&warden, ADMIN).csrf();
    let own = format!("Origin: {}", warden.url());
    let delete = format!("/-/delete/team/app@{digest}");
    for (headers, csrf, why) in [
        (vec!["Origin: https://evil.example", "Sec-Fetch-Site: cross-site"], &csrf, "another site"),
        (vec!["Origin: null"], &csrf, "a sandboxed frame"),
        (vec![own.as_str(), "Sec-Fetch-Site: same-site"], &csrf, "another host of the same site"),
        (vec!["Origin: http://127.0.0.1"], &csrf, "another scheme and port"),
        (vec![own.as_str()], &String::new(), "without the session's word"),
        (vec![own.as_str()], &others, "with that of another session of the same account"),
    ] {
        for path in [delete.as_str(), "/-/sign-out", "/-/delete-tags/team/app"] {
            assert_eq!(visitor.post_from(&headers, path, &[("csrf", csrf)]).status, 403, "{path}, {why}");
        }
    }
    visitor.get("/").is(200);
    visitor.get("/team/app:1").is(200);
    let foreign = ["Origin: https://evil.example", "Sec-Fetch-Site: cross-site"];
    let form = [("account", "user"), ("password", "user")];
    assert_eq!(
        Visitor::new(&warden).post_from(&foreign, "/-/sign-in", &form).status,
        403,
        "signing a visitor in"
    );
    // Neither a password nor an anonymous request has forms of its own.
    assert_eq!(curl(&warden).user(ADMIN).option(&["--data", "csrf="]).send("POST", &delete).status, 403);
    Visitor::new(&warden).post(&delete, &[("csrf", "")]).is(303);
    // And GET changes nothing.
    visitor.get("/-/sign-out").is(405);
    visitor.get(&delete).is(200);
    visitor.get("/team/app:1").is(200);
}

#[test]
fn deleting_names_every_tag_that_goes_and_then_they_are_gone() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let digest = stock(&warden);
    let admin = curl(&warden).user(ADMIN);
    let manifest = admin
        .clone()
        .header(&format!("Accept: {}", crate::support::distribution::MANIFEST))
        .get("/v2/team/app/manifests/1")
        .is(200);
    for tag in ["latest", "also"] {
        let typed = admin.clone().option(&["--data-binary", &manifest.text()]);
        typed
            .header(&format!("Content-Type: {}", crate::support::distribution::MANIFEST))
            .send("PUT", &format!("/v2/team/app/manifests/{tag}"))
            .is(201);
    }
    push_image(&admin, "team/app", "stays");
    let path = format!("/-/delete/team/app@{digest}");

    let user = Visitor::signed_in(&warden, USER);
    assert!(!user.get("/team/app:1").is(200).text().contains("/-/delete/"), "no link for who may not");
    user.get(&path).is(403);
    user.post(&path, &[("csrf", &user.csrf())]).is(403);
    Visitor::signed_in(&warden, TEST).get(&path).is(404);

    let visitor = Visitor::signed_in(&warden, ADMIN);
    assert!(visitor.get("/team/app:1").is(200).text().contains(&format!("href=\"{path}")));
    let asks = visitor.get(&format!("{path}?tag=1")).is(200).text();
    for tag in ["1", "latest", "also"] {
        assert!(asks.contains(&format!(">{tag}<")), "{tag} is not named in {asks}");
    }
    assert!(!asks.contains(">stays<"));
    let done = visitor.delete(&path).is(303);
    assert_eq!(done.header("location"), Some(format!("/team/app?deleted={digest}").as_str()));
    let after = visitor.get(done.header("location").unwrap()).is(200).text();
    assert!(
        after.contains("href=\"/team/app:stays\"") && !after.contains("href=\"/team/app:latest\""),
        "{after}"
    );
    visitor.get("/team/app:1").is(404);
    visitor.get(&path).is(404);
}

#[test]
fn a_tag_that_came_since_it_was_asked_does_not_go_unnamed() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let digest = stock(&warden);
    let visitor = Visitor::signed_in(&warden, ADMIN);
    let path = format!("/-/delete/team/app@{digest}");
    let [csrf, tags] = visitor.asked_at(&path);
    registry.add_tags("team/app", "1", &["production".to_owned()]);
    visitor.post(&path, &[("csrf", &csrf.1), ("tags", &tags.1)]).is(409);
    visitor.post(&path, &[("csrf", &csrf.1)]).is(409);
    visitor.get("/team/app:production").is(200);
    visitor.delete(&path).is(303);
    visitor.get("/team/app:production").is(404);
}

#[test]
fn deleting_waits_for_the_end_of_a_freeze_and_says_when_the_registry_deletes_nothing() {
    let registry = registry_without_deletion();
    let warden = portwarden(&registry).with("control: {socket: ./control}").start();
    let digest = stock(&warden);
    let visitor = Visitor::signed_in(&warden, ADMIN);
    let delete = || visitor.delete(&format!("/-/delete/team/app@{digest}"));
    let says = delete().is(409).text();
    assert!(says.contains("storage.delete.enabled"), "{says}");
    let socket = warden.file("control");
    let control = |command: &str| {
        let arguments = [command, "--socket", socket.to_str().unwrap()];
        crate::support::command::run(&crate::support::portwarden::program(), &arguments, &[]).succeeds()
    };
    control("freeze");
    let frozen = delete().is(503);
    assert!(frozen.header("retry-after").is_some());
    visitor.get("/team/app:1").is(200);
    control("thaw");
    delete().is(409);
}

#[test]
fn what_one_may_not_see_and_what_is_not_there_look_the_same() {
    let registry = registry();
    let acl = "\n  - match: {account: \"user\", name: \"public/*\"}\n    actions: [\"pull\"]\n  - match: {account: \"admin\"}\n    actions: [\"*\"]\n";
    let warden = portwarden(&registry).acl(acl).start();
    let digest = stock(&warden);
    let visitor = Visitor::signed_in(&warden, USER);
    let page = |path: &str| {
        let answer = visitor.get(path).is(404);
        let id = answer.header("x-request-id").unwrap().to_owned();
        // The way to the repository that the address names is there in both.
        let page = answer.text().replace(&id, "").replace(path, "").replace("app", "no");
        // It is another one in each answer.
        let (before, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
        format!("{before}{}", rest.split_once('"').unwrap().1)
    };
    for (hidden, missing) in [
        ("/team/app", "/team/no"),
        ("/team/app:1", "/team/no:1"),
        (&format!("/team/app@{digest}"), &format!("/team/no@{digest}")),
        (&format!("/-/delete/team/app@{digest}"), &format!("/-/delete/team/no@{digest}")),
    ] {
        assert_eq!(page(hidden), page(missing), "{hidden}");
    }
    assert!(!visitor.get("/?q=team").is(200).text().contains("href=\"/team/app\""));
}

#[test]
fn the_anonymous_account_sees_its_part_without_signing_in() {
    let registry = registry();
    let acl = "\n  - match: {account: \"admin\"}\n    actions: [\"*\"]\n  - match: {account: \"\", name: \"public/*\"}\n    actions: [\"pull\"]\n";
    let warden = portwarden(&registry).users(&[ADMIN, ANYBODY]).acl(acl).start();
    stock(&warden);
    push_image(&curl(&warden).user(ADMIN), "public/app", "1");
    let anybody = Visitor::new(&warden);
    let first = anybody.get("/").is(200).text();
    assert!(first.contains("href=\"/public/app\"") && !first.contains("team/app"), "{first}");
    anybody.get("/public/app:1").is(200);
    // Another account may see it: the way to sign in leads back, with the place in a long list.
    for path in ["/team/app:1?q=2", "/no/such:1", "/-/none"] {
        let missing = anybody.request().header("Accept: text/html").get(path).is(404).text();
        let next = path.replace('?', "%3F").replace('=', "%3D");
        let link = format!("class=\"button primary\" href=\"/-/sign-in?next={next}\"");
        assert!(missing.contains(&link), "{path}: {missing}");
    }
    anybody.get("/-/sign-in").is(200);
    // A signed-in user may follow a link here, and the browser keep the cookie back at first.
    let followed = anybody.request().header("Sec-Fetch-Site: cross-site").header("Sec-Fetch-Mode: navigate");
    assert!(followed.get("/team/app:1").is(200).text().contains("http-equiv=\"refresh\""));
    let admin = Visitor::signed_in(&warden, ADMIN);
    assert!(admin.get("/").is(200).text().contains("href=\"/team/app\""));
    assert!(
        !admin.get("/no/such:1").is(404).text().contains("sign-in"),
        "there is no other account to sign in to"
    );
}

/// Also where there is an anonymous account: as that, the visitor would find the page gone without a word.
#[test]
fn an_ended_session_leads_back_to_where_the_visitor_was() {
    let registry = registry();
    let acl = "\n  - match: {account: \"admin\"}\n    actions: [\"*\"]\n";
    let warden = portwarden(&registry).users(&[ADMIN, ANYBODY]).acl(acl).start();
    let digest = stock(&warden);
    let ended = Visitor::with_cookie(&warden, Some("__Host-portwarden-session=ended".to_owned()));
    let deletion = format!("/-/delete/team/app@{digest}");
    for path in ["/team/app?q=1", deletion.as_str()] {
        let answer = ended.get(path).is(303);
        let next = path.replace('?', "%3F").replace('=', "%3D").replace(':', "%3A");
        let location = answer.header("location").unwrap().replace("%40", "@");
        assert_eq!(location.replace(':', "%3A"), format!("/-/sign-in?next={next}&ended=1"));
        let mut again = Visitor::new(&warden);
        let back = again.sign_in(ADMIN, path);
        assert_eq!((back.status, back.header("location")), (303, Some(path)));
        again.get(path).is(200);
    }
    // The form to delete, sent after the session has ended, leads to the page that asks again.
    let answer = ended.post(&deletion, &[("csrf", "x"), ("tags", "x")]).is(303);
    assert!(answer.header("location").unwrap().contains("next=/-/delete/team/app"), "{answer:?}");
}

#[test]
fn a_slash_at_the_end_of_an_address_does_no_harm() {
    let registry = registry();
    for prefix in ["", "/images"] {
        let warden = match prefix {
            "" => portwarden(&registry).start(),
            _ => portwarden(&registry).with_server("path_prefix", prefix).start(),
        };
        let visitor = Visitor::new(&warden);
        let person = || visitor.request().header("Accept: text/html");
        for (path, page) in [
            ("/team/app/?q=1", "/team/app?q=1"),
            ("/team/app:1/", "/team/app:1"),
            ("/-/access/", "/-/access"),
        ] {
            let answer = person().get(&format!("{prefix}{path}")).is(308);
            assert_eq!(answer.header("location"), Some(format!("{prefix}{page}").as_str()));
        }
        for path in ["/team/app//", "//evil.example/", "/-/assets/x/", "/team/../app/"] {
            person().get(&format!("{prefix}{path}")).is(404);
        }
    }
}

#[test]
fn what_people_paste_into_the_search_leads_to_its_page() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let digest = stock(&warden);
    push_image(&curl(&warden).user(ADMIN), "other/web", "latest");
    let visitor = Visitor::signed_in(&warden, USER);
    let host = warden.url().replace("https://", "");
    let search = |path: &str, query: &str| visitor.get(&format!("{path}?q={}", query.replace(' ', "+")));
    for at in ["/", "/team/app"] {
        for (query, page) in [
            (format!("docker pull {host}/team/app:1"), "/team/app:1".to_owned()),
            (format!("{host}/team/app"), "/team/app".to_owned()),
            (format!("team/app@{digest}"), format!("/team/app@{digest}")),
            (digest.clone(), format!("/team/app@{digest}")),
        ] {
            assert_eq!(search(at, &query).is(303).header("location"), Some(page.as_str()), "{at} {query}");
        }
    }
    let two_words = search("/", "APP team").is(200).text();
    assert!(
        two_words.contains("href=\"/team/app\"") && !two_words.contains("href=\"/other/web\""),
        "{two_words}"
    );
    let start = &digest[..digest.len() - 50];
    assert_eq!(tags_in(&search("/team/app", start).is(200).text()), ["1"]);
    // A repository that is not there, or not to be seen, is searched for as a word, and found nowhere.
    for query in ["sha256:".to_owned() + &"0".repeat(64), "no/such:1".to_owned()] {
        assert!(search("/", &query).is(200).text().contains("Nothing matches"), "{query}");
    }
}

#[test]
fn a_pasted_digest_finds_nothing_that_the_visitor_may_not_pull() {
    let registry = registry();
    let acl = "\n  - match: {account: \"admin\"}\n    actions: [\"*\"]\n  - match: {account: \"user\", name: \"open/*\"}\n    actions: [\"pull\"]\n";
    let warden = portwarden(&registry).acl(acl).start();
    let digest = stock(&warden);
    push_image(&curl(&warden).user(ADMIN), "open/app", "1");
    let visitor = Visitor::signed_in(&warden, USER);
    for query in [digest.clone(), format!("team/app@{digest}"), "team/app:1".to_owned()] {
        let answer = visitor.get(&format!("/?q={query}")).is(200).text();
        assert!(answer.contains("Nothing matches"), "{query}: {answer}");
    }
}

#[test]
fn the_size_of_an_image_is_the_same_on_every_page() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let admin = curl(&warden).user(ADMIN);
    let config = json!({"architecture": "arm64", "os": "linux", "author": "x".repeat(3000)}).to_string();
    push(&admin, "team/app", "latest", config.as_bytes());
    let visitor = Visitor::signed_in(&warden, USER);
    let sizes = |path: &str| {
        let page = visitor.get(path).is(200).text();
        let shown = page.split("class=\"size\"").skip(1);
        shown.map(|rest| rest.split(['>', '<']).nth(1).unwrap().to_owned()).collect::<Vec<_>>()
    };
    let list = sizes("/team/app");
    assert_eq!(list.len(), 1, "{list:?}");
    assert_eq!(sizes("/team/app:latest")[0], list[0]);
}

#[test]
fn a_password_in_the_request_looks_as_well() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    stock(&warden);
    assert!(curl(&warden).user(USER).get("/").is(200).text().contains("href=\"/team/app\""));
    curl(&warden).user(USER).get("/team/app:1").is(200);
    // Where there is no page there is no line in the audit log, so no guess may be made there.
    let nowhere = curl(&warden).header("Accept: text/html").user(USER).get("/-/nowhere").is(404).text();
    assert!(!nowhere.contains(">user<"), "{nowhere}");
    let wrong = curl(&warden).user(User { password: "wrong", ..USER }).get("/").is(401);
    assert_eq!(wrong.header("www-authenticate"), None);
}

#[test]
fn rule_30_a_session_opens_v2_only_to_scripts_of_this_origin() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    stock(&warden);
    let visitor = Visitor::signed_in(&warden, USER);
    let ask = |headers: &[&str]| {
        let request = headers.iter().fold(visitor.request(), |request, line| request.header(line));
        request.get("/v2/team/app/tags/list").status
    };
    let (site, mode, dest) = ("Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty");
    assert_eq!(ask(&[site, mode, dest]), 200);
    for headers in [
        &[][..],
        &[site],
        &[site, mode],
        &[site, "Sec-Fetch-Mode: navigate", dest],
        &[site, mode, "Sec-Fetch-Dest: document"],
        &[site, mode, "Sec-Fetch-Dest: image"],
        &["Sec-Fetch-Site: same-site", mode, dest],
        &["Sec-Fetch-Site: cross-site", mode, dest],
        &["Sec-Fetch-Site: none", mode, dest],
        &[site, "Sec-Fetch-Site: cross-site", mode, dest],
    ] {
        assert_eq!(ask(headers), 401, "{headers:?}");
    }
    // Credentials in the header count, and not the cookie.
    assert_eq!(ask(&[site, mode, dest, "Authorization: Basic dXNlcjp3cm9uZw=="]), 401);
    // And the rules of now.
    let request = visitor.request().header(site).header(mode).header(dest);
    assert_eq!(request.body(b"{}").send("PUT", "/v2/team/app/manifests/1").status, 401);
}

#[test]
fn rule_30_without_pages_no_session_opens_anything() {
    let registry = registry();
    // The hashes of its passwords stay the same across a reload, and sessions with them.
    let mut warden = portwarden(&registry).shipped().start();
    stock(&warden);
    let cookie = Visitor::signed_in(&warden, USER).cookie;
    warden.reload(|builder| builder.with("ui: {enabled: false}"));
    let script = ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"];
    let visitor = Visitor::with_cookie(&warden, cookie);
    let request = script.iter().fold(visitor.request(), |request, line| request.header(line));
    request.get("/v2/team/app/tags/list").is(401);
}

#[test]
fn every_page_forbids_scripts_frames_and_keeping() {
    let registry = registry();
    let warden = portwarden(&registry).with("state: {file: ./state.db}\n").start();
    stock(&warden);
    let visitor = Visitor::signed_in(&warden, ADMIN);
    for path in PAGES.into_iter().chain(["/no/such", "/team/app:none", "/-/nowhere"]) {
        let answer = visitor.get(path);
        let policy = answer.header("content-security-policy").unwrap_or_else(|| panic!("{path}: {answer:?}"));
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert!(answer.header("x-request-id").is_some());
        let head = visitor.request().head(path);
        assert_eq!(head.status, answer.status, "{path}");
        assert!(!String::from_utf8_lossy(&head.body).contains("<html"), "{path}: {head:?}");
    }
    for method in ["PUT", "DELETE", "PATCH", "POST"] {
        let refused = visitor.request().send(method, "/team/app").is(405);
        assert_eq!(refused.header("allow"), Some("GET, HEAD"), "{method}");
    }
    let page = visitor.get("/").text();
    let assets: Vec<&str> = page.split('"').filter(|text| text.starts_with("/-/assets/")).collect();
    assert!(assets.len() >= 3, "{assets:?}");
    for asset in assets {
        let file = Visitor::new(&warden).get(asset).is(200);
        assert_eq!(file.header("cache-control"), Some("public, max-age=31536000, immutable"), "{asset}");
    }
    Visitor::new(&warden).get("/-/assets/0000000000000000/style.css").is(404);
    assert_eq!(Visitor::new(&warden).get("/robots.txt").is(200).text(), "User-agent: *\nDisallow: /\n");
    Visitor::new(&warden).get("/favicon.ico").is(308);
}

#[test]
fn what_was_pushed_is_shown_and_never_markup() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let evil = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'";
    let config = json!({
        "architecture": evil, "os": "linux", "created": "2026-01-02T03:04:05Z", "author": evil,
        "config": {"Env": [format!("A={evil}")], "Labels": {evil: evil}, "Entrypoint": [evil], "Cmd": [evil], "User": evil, "WorkingDir": evil,
            "ExposedPorts": {evil: {}}, "Volumes": {evil: {}}},
        "history": [{"created_by": evil, "comment": evil, "created": "2026-01-02T03:04:05Z"}],
        "rootfs": {"type": "layers", "diff_ids": []},
    });
    push(&curl(&warden).user(ADMIN), "team/evil", "1", config.to_string().as_bytes());
    let visitor = Visitor::signed_in(&warden, ADMIN);
    for path in [
        "/team/evil:1",
        "/team/evil",
        &format!("/?q={}", "%22%3E%3Cscript%3Ealert(1)%3C/script%3E"),
        "/team/evil?q=%3Cscript%3E",
        "/-/access?name=%22%3E%3Cscript%3E",
        "/-/sign-in?next=%22%3E%3Cscript%3E",
        "/-/events",
    ] {
        let page = visitor.get(path).is(200).text();
        assert!(!page.contains("<script>"), "{path}: {page}");
        assert!(!page.contains("<img src=x"), "{path}: {page}");
    }
    let page = visitor.get("/team/evil:1").text();
    assert!(page.matches("&lt;script&gt;alert(1)&lt;/script&gt;").count() >= 8, "{page}");
}

#[test]
fn whatever_was_pushed_makes_no_page_endless() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let admin = curl(&warden).user(ADMIN);
    let digest = stock(&warden);
    let long = "&".repeat(16_000);
    let config = json!({"os": "linux", "history": vec![json!({"created_by": long}); 200]}).to_string();
    push(&admin, "team/app", "config", config.as_bytes());
    let file = warden.file("index.json");
    let index = |entries: Vec<serde_json::Value>, tag: &str| {
        let kind = "application/vnd.docker.distribution.manifest.list.v2+json";
        let index = json!({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).to_string();
        std::fs::write(&file, index).unwrap();
        let sent = admin.clone().option(&["--data-binary", &format!("@{}", file.display())]);
        let typed = sent.header(&format!("Content-Type: {kind}"));
        typed.send("PUT", &format!("/v2/team/app/manifests/{tag}")).is(201);
    };
    let mut entry =
        json!({"mediaType": crate::support::distribution::MANIFEST, "size": 500, "digest": digest});
    index(vec![entry.clone(); 900], "entries");
    entry["platform"] = json!({"os": long, "architecture": "amd64"});
    index(vec![entry.clone(); 200], "texts");
    entry["platform"] = json!({"os": long[..5000], "architecture": "amd64"});
    index(vec![entry; 40], "fits");
    let visitor = Visitor::signed_in(&warden, USER);
    registry.forget_log();
    let tags = visitor.get("/team/app").is(200);
    assert!(tags.body.len() < 100_000, "{}", tags.body.len());
    let asked = registry.requests("GET /v2/team/app/manifests/").len();
    assert!(asked < 50, "{asked} manifests were looked into");
    for tag in ["config", "texts", "fits", "entries"] {
        let page = visitor.get(&format!("/team/app:{tag}")).is(200);
        assert!(page.body.len() < 4_000_000, "{tag}: {}", page.body.len());
    }
}

#[test]
fn the_pages_of_one_address_leave_room_for_others() {
    let upstream = misbehaving(Fault::SilenceAbout("tags/list"));
    let warden = portwarden_at(&upstream.url()).registry_setting("response_timeout", "30s");
    let warden = warden.with(crate::support::metrics::ON).start();
    let visitor = Visitor::signed_in(&warden, USER);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let many: Vec<_> = (0..40).map(|_| scope.spawn(|| visitor.get("/team/app").status)).collect();
        let refused = || crate::support::metrics::value(&warden, "portwarden_limited_total{limit=\"pages\"}");
        assert!(eventually(PATIENCE, || refused() == Some(8.0)), "{:?}", refused());
        let other = visitor
            .request()
            .option(&["--interface", "127.0.0.2", "--connect-to", "::127.0.0.1:"])
            .get("/-/access");
        assert_eq!(other.status, 200, "{}", other.text());
        let over = many.iter().filter(|thread| thread.is_finished()).count();
        assert!(over <= 8, "{over} are over: it waited for them");
        many.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(statuses.contains(&503), "all were made at once: {statuses:?}");
    let refused = crate::support::metrics::value(&warden, "portwarden_limited_total{limit=\"pages\"}");
    assert_eq!(refused, Some(8.0));
    assert_eq!(statuses.iter().filter(|status| **status == 504).count(), 32, "{statuses:?}");
}

#[test]
fn what_could_not_be_read_for_a_moment_is_read_again() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let config = json!({"architecture": "arm64", "os": "linux"}).to_string();
    push(&curl(&warden).user(ADMIN), "team/app", "1", config.as_bytes());
    let sick = Arc::new(AtomicBool::new(true));
    let warden = portwarden_at(&without_blobs_while(&sick, &registry.url())).start();
    let visitor = Visitor::signed_in(&warden, USER);
    let page = visitor.get("/team/app").is(200).text();
    assert!(page.contains("Could not be read just now"), "{page}");
    sick.store(false, Ordering::Relaxed);
    let page = visitor.get("/team/app").is(200).text();
    assert!(page.contains("linux/arm64"), "{page}");
}

#[test]
fn tags_are_sorted_by_date_and_many_by_version() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let admin = curl(&warden).user(ADMIN);
    for (tag, day) in [("a-old", 1), ("c-new", 3), ("b-middle", 2)] {
        let config =
            json!({"architecture": "arm64", "os": "linux", "created": format!("2026-01-0{day}T00:00:00Z")});
        push(&admin, "team/app", tag, config.to_string().as_bytes());
    }
    let visitor = Visitor::signed_in(&warden, USER);
    let page = visitor.get("/team/app").is(200).text();
    assert_eq!(tags_in(&page), ["c-new", "b-middle", "a-old"]);
    assert!(page.contains("linux/arm64"), "{page}");
    assert_eq!(tags_in(&visitor.get("/team/app?q=MIDDLE").is(200).text()), ["b-middle"]);
    // Ten thousand: looking into each would take minutes.
    registry.add_tags("team/app", "b-middle", &(0..10_000).map(|n| format!("v1.{n}")).collect::<Vec<_>>());
    registry.forget_log();
    let page = visitor.get("/team/app").is(200).text();
    let looked_into = registry.requests("/manifests/").len();
    assert_eq!(&tags_in(&page)[..3], ["v1.9999", "v1.9998", "v1.9997"]);
    registry.add_tags("team/app", "b-middle", &["latest".to_owned()]);
    assert_eq!(&tags_in(&visitor.get("/team/app").is(200).text())[..2], ["latest", "v1.9999"]);
    assert_eq!(tags_in(&page).len(), 50);
    assert!(page.contains("linux/arm64") && page.contains("10,003"), "{page}");
    assert_eq!(tags_in(&visitor.get("/team/app?page=201").is(200).text()).len(), 4);
    assert!(looked_into < 500, "{looked_into} manifests were asked for");
}

#[test]
fn ten_thousand_repositories_are_read_once_and_a_push_is_seen_at_once() {
    let registry = registry();
    let names: Vec<String> = (0..10_000).map(|n| format!("team{}/app{n:04}", n % 10)).collect();
    registry.add_repositories(&names);
    let warden = portwarden(&registry).start();
    let visitor = Visitor::signed_in(&warden, USER);
    let first = visitor.get("/").is(200).text();
    assert!(first.contains("10,000") && first.contains("href=\"/team0/app0000\""), "{first}");
    registry.forget_log();
    let warm = visitor.get("/?q=app9999").is(200).text();
    assert!(warm.contains("href=\"/team9/app9999\""), "{warm}");
    let last = visitor.get("/?page=100").is(200).text();
    assert!(last.contains("href=\"/team9/app9999\""), "{last}");
    assert_eq!(registry.requests("_catalog"), [""; 0], "the registry was asked again");
    push_image(&curl(&warden).user(ADMIN), "a/new", "1");
    assert!(visitor.get("/").is(200).text().contains("href=\"/a/new\""));
}

#[test]
fn a_reading_of_the_names_that_fails_is_not_begun_anew_for_each_who_waited() {
    let upstream = misbehaving(Fault::SilenceAbout("_catalog"));
    let warden = portwarden_at(&upstream.url()).registry_setting("response_timeout", "5s").start();
    let visitor = Visitor::signed_in(&warden, USER);
    let began = Instant::now();
    thread::scope(|scope| {
        let many: Vec<_> = (0..10).map(|_| scope.spawn(|| visitor.get("/").status)).collect();
        assert!(many.into_iter().all(|thread| thread.join().unwrap() == 504));
    });
    assert!(began.elapsed() < Duration::from_secs(25), "one after the other: {:?}", began.elapsed());
}

#[test]
fn troubles_have_a_page_that_says_what_to_do() {
    let mut registry = registry();
    let warden = portwarden(&registry).start();
    stock(&warden);
    let visitor = Visitor::signed_in(&warden, USER);
    registry.kill();
    let down = visitor.get("/team/app").is(503);
    assert!(down.text().contains("not reachable") && down.header("retry-after").is_some(), "{}", down.text());
    assert!(down.text().contains(down.header("x-request-id").unwrap()), "by which the log is searched");
    Visitor::signed_in(&warden, USER).get("/").is(503);
    registry.restart();
    visitor.get("/team/app").is(200);
}

#[test]
fn the_pages_can_be_turned_off_and_stand_below_the_prefix() {
    let registry = registry();
    let mut warden = portwarden(&registry).with("ui: {enabled: false}").start();
    stock(&warden);
    assert_eq!(curl(&warden).get("/").is(200).text(), "<h1>Portwarden of the tests</h1>\n");
    for path in ["/team/app", "/-/sign-in", "/favicon.ico"] {
        assert_eq!(curl(&warden).get(path).is(404).text(), "Not found\n", "{path}");
    }
    warden.reload(|builder| builder.with("").with_server("path_prefix", "/hub"));
    assert_eq!(curl(&warden).get("/hub/").is(200).text(), "<h1>Portwarden of the tests</h1>\n");
    let warden = portwarden(&registry).with_server("path_prefix", "/hub").start();
    let mut visitor = Visitor::new(&warden);
    assert_eq!(visitor.get("/hub/").is(303).header("location"), Some("/hub/-/sign-in?next=/hub/"));
    let form = [("account", "user"), ("password", "user"), ("next", "/hub/team/app")];
    let answer = visitor.post("/hub/-/sign-in", &form).is(303);
    assert_eq!(answer.header("location"), Some("/hub/team/app"));
    visitor.cookie =
        answer.header("set-cookie").and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
    let page = visitor.get("/hub/team/app").is(200).text();
    assert!(page.contains("href=\"/hub/team/app:1\"") && !page.contains("href=\"/team"), "{page}");
    visitor.get("/team/app").is(404);
    visitor.get("/v2/team/app/tags/list").is(401);
}

#[test]
fn the_audit_log_has_a_line_for_each_page_and_the_page_of_events_shows_them() {
    let registry = registry();
    let warden = portwarden(&registry).with(audit::TO_FILE).start();
    let digest = stock(&warden);
    let file = warden.file("audit.log");
    Visitor::new(&warden).post(&format!("/-/delete/team/app@{digest}"), &[]).is(303);
    let led = audit::line_with(&file, &[("route", "page"), ("method", "POST"), ("credentials", "none")]);
    assert_eq!((&led["decision"], &led["status"]), (&json!("challenged"), &json!(303)));
    Visitor::new(&warden).sign_in(User { password: "wrong", ..USER }, "/").is(401);
    let failed = audit::line_with(&file, &[("route", "page"), ("decision", "unauthenticated")]);
    assert_eq!((&failed["account"], &failed["credentials"]), (&json!("user"), &json!("password")));
    let visitor = Visitor::signed_in(&warden, USER);
    visitor.get("/team/app:1").is(200);
    let seen = audit::line_with(&file, &[("route", "page"), ("repository", "team/app"), ("reference", "1")]);
    assert_eq!(
        (&seen["account"], &seen["credentials"], &seen["decision"]),
        (&json!("user"), &json!("session"), &json!("allowed"))
    );
    visitor.get(&format!("/-/delete/team/app@{digest}")).is(403);
    let denied =
        audit::line_with(&file, &[("route", "page"), ("decision", "denied"), ("reference", &digest)]);
    assert!(denied["rule"].as_str().is_some_and(|rule| rule.starts_with("rule 2")), "{denied}");
    Visitor::signed_in(&warden, TEST).get("/team/app").is(404);
    let hidden = audit::line_with(&file, &[("route", "page"), ("decision", "denied"), ("account", "test")]);
    assert_eq!((&hidden["rule"], &hidden["status"]), (&json!("no rule matches"), &json!(404)));
    let admin = Visitor::signed_in(&warden, ADMIN);
    admin.delete(&format!("/-/delete/team/app@{digest}")).is(303);
    let deleted = audit::line_with(&file, &[("route", "page"), ("method", "POST"), ("reference", &digest)]);
    assert!(deleted["rule"].as_str().unwrap().starts_with("rule 1"), "{deleted}");
    let events = admin.get("/-/events").is(200).text();
    assert!(
        events.contains("team/app") && events.contains("denied") && events.contains("unauthenticated"),
        "{events}"
    );
    for secret in ["wrong", "badmin", "ey"] {
        let log = std::fs::read_to_string(&file).unwrap();
        assert!(!log.contains(&format!("\"{secret}")), "{secret} in {log}");
    }
    let silent = portwarden(&registry).with("audit: {to: none}").start();
    assert!(Visitor::signed_in(&silent, ADMIN).get("/-/events").is(200).text().contains("audit"));
}

#[test]
fn a_deletion_is_written_down_before_it_is_done() {
    let upstream = misbehaving(Fault::SilenceAbout("DELETE"));
    let builder = portwarden_at(&upstream.url()).registry_setting("response_timeout", "2s");
    let warden = builder.with(audit::TO_FILE).start();
    let admin = Visitor::signed_in(&warden, ADMIN);
    let events = admin.get("/-/events").is(200).text();
    let csrf = events.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let digest = crate::support::image::sha256(b"image");
    // Stands for no tags: that registry names none.
    let tags = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
    admin.post(&format!("/-/delete/team/app@{digest}"), &[("csrf", csrf), ("tags", tags)]).is(504);
    let file = warden.file("audit.log");
    let about = ("reference", digest.as_str());
    let decided = audit::line_with(&file, &[about, ("event", "decision"), ("decision", "allowed")]);
    assert!(decided["rule"].as_str().unwrap().starts_with("rule 1"), "{decided}");
    let ended = audit::line_with(&file, &[about, ("event", "transfer"), ("ended", "upstream_lost")]);
    assert_eq!(ended["status"], 504, "{ended}");
}

#[test]
fn over_plain_http_no_password_is_taken_but_on_the_machine_itself() {
    let registry = registry();
    let config = format!(
        "server: {{addr: \"127.0.0.1:0\"}}\ntoken: {{issuer: x, expiration: 900, certificate: \"@CERT@\", key: \"@KEY@\"}}\n\
         users: {{user: {{password: \"{}\"}}}}\nacl: [{{match: {{}}, actions: [pull]}}]\n",
        portwarden::authn::PasswordHash::create(&portwarden::authn::Secret::new("user"), 5).unwrap(),
    );
    let plain = crate::support::in_process::in_process(&config, &registry.url());
    let ask = |host: &str| {
        let request: Request = crate::support::curl::curl_at(&format!("http://{}", plain.address))
            .header(&format!("Host: {host}"));
        request.option(&["--data", "account=user&password=user"]).send("POST", "/-/sign-in").status
    };
    assert_eq!(ask("registry.example"), 400);
    assert_eq!(ask("localhost"), 303);
    assert_eq!(ask("127.0.0.1:5001"), 303);
}

/// An image `team/app:1`; its digest.
fn stock(warden: &Portwarden) -> String {
    push_image(&curl(warden).user(ADMIN), "team/app", "1")
}

/// An image with that configuration and one layer.
fn push(request: &Request, repository: &str, tag: &str, config: &[u8]) -> String {
    let layer = random_bytes(1000);
    push_blob(request, repository, config);
    push_blob(request, repository, &layer);
    let response = put_manifest(request, repository, tag, config, &[&layer]).is(201);
    response.header("docker-content-digest").unwrap().to_owned()
}

/// A way to the registry on which every question about a blob breaks off while `sick`; its URL.
fn without_blobs_while(sick: &Arc<AtomicBool>, registry: &str) -> String {
    let (listener, sick) = (TcpListener::bind("127.0.0.1:0").unwrap(), Arc::clone(sick));
    let (url, registry) =
        (format!("http://{}", listener.local_addr().unwrap()), registry.replace("http://", ""));
    let pass = move |mut client: TcpStream, sick: bool| {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|n| n == 1) {
            head.extend(byte);
        }
        let head = String::from_utf8(head).unwrap();
        if sick && head.contains("/blobs/") {
            return;
        }
        let mut registry = TcpStream::connect(&registry).unwrap();
        let once = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
        registry.write_all(once.as_bytes()).unwrap();
        let _ = std::io::copy(&mut registry, &mut client);
    };
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            pass(client, sick.load(Ordering::Relaxed));
        }
    });
    url
}

/// The tags that a page links to, in order.
fn tags_in(page: &str) -> Vec<String> {
    let links =
        page.split("href=\"/team/app:").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    let mut tags: Vec<String> = links.collect();
    tags.dedup();
    tags
}
