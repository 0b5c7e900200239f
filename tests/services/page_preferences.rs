//! The language and the theme of the pages, and how they go over the wire.
//!
//! Needs: curl, docker-registry, htpasswd.

use std::io::Read as _;

use super::page_details::text;
use crate::support::{
    curl::{Response, curl},
    distribution::push_image,
    page_client::Visitor,
    portwarden::{ADMIN, Portwarden, USER, portwarden},
    registry::registry,
};

/// The value of the cookie that an answer sets.
fn kept(answer: &Response) -> String {
    let cookie = answer.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {answer:?}"));
    let (pair, attributes) = cookie.split_once(';').unwrap();
    assert_eq!(attributes, " Path=/; Max-Age=34560000; Secure; HttpOnly; SameSite=Lax");
    pair.to_owned()
}

fn lang(page: &str) -> &str {
    let (_, rest) = page.split_once("<html lang=\"").unwrap();
    rest.split('"').next().unwrap()
}

#[test]
fn a_page_is_in_the_language_that_the_browser_wants() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    push_image(&curl(&warden).user(ADMIN), "team/app", "1.0");
    let visitor = Visitor::signed_in(&warden, USER);
    let page = |path: &str, accepted: &str| {
        visitor.request().header(&format!("Accept-Language: {accepted}")).get(path)
    };
    let first = page("/", "ja-JP, en;q=0.8").is(200);
    assert!(first.header("vary").is_some_and(|vary| vary.contains("Accept-Language")), "{first:?}");
    let first = first.text();
    assert!(
        lang(&first) == "ja" && first.contains("リポジトリ 1 件") && first.contains("サインアウト"),
        "{first}"
    );
    for accepted in ["en, ja;q=0.5", "de", "ja;q=0", "*"] {
        assert_eq!(lang(&page("/", accepted).is(200).text()), "en", "{accepted}");
    }
    assert!(page("/none", "ja").is(404).text().contains("見つかりません"));
    assert!(page("/-/nowhere", "ja").is(404).text().contains("ページが見つかりません"));
    let denied = page("/-/events", "ja").is(403).text();
    assert!(denied.contains("権限がありません"), "{denied}");
    assert!(denied.contains("<span lang=\"en\"><bdi>Events are for"), "the words of the log: {denied}");
    let wrong =
        visitor.request().header("Accept-Language: ja").get("/-/sign-in?ended=renamed").is(200).text();
    assert!(wrong.contains("管理者にお問い合わせください"), "{wrong}");
}

#[test]
fn the_switches_keep_a_choice_in_the_browser_and_go_back_to_the_page() {
    let registry = registry();
    let warden = portwarden(&registry).with_server("path_prefix", "/hub").start();
    push_image(&curl(&warden).user(ADMIN), "team/app", "1.0");
    let visitor = Visitor::new(&warden);
    let answer =
        visitor.post("/hub/-/preferences", &[("language", "ja"), ("next", "/hub/-/sign-in?out=1")]).is(303);
    assert_eq!(answer.header("location"), Some("/hub/-/sign-in?out=1"));
    let chosen = Visitor::with_cookie(&warden, Some(kept(&answer)));
    let page = chosen.request().header("Accept-Language: en").get("/hub/-/sign-in").is(200).text();
    assert!(
        page.contains(
            "<button type=\"submit\" name=\"language\" value=\"ja\" lang=\"ja\" aria-pressed=\"true\">"
        ),
        "{page}"
    );
    assert!(page.contains("media=\"screen and (prefers-color-scheme: dark)\""), "{page}");

    let answer = chosen.post("/hub/-/preferences", &[("theme", "dark"), ("next", "/hub/")]).is(303);
    let chosen = Visitor::with_cookie(&warden, Some(kept(&answer)));
    let page = chosen.get("/hub/-/sign-in").is(200).text();
    assert_eq!(lang(&page), "ja", "the other choice stays");
    assert!(page.contains("dark.css\" media=\"screen\"") && page.contains("content=\"dark\""), "{page}");
    let answer = chosen.post("/hub/-/preferences", &[("theme", "light"), ("language", "en")]).is(303);
    assert_eq!(answer.header("location"), Some("/hub/"));
    let page = Visitor::with_cookie(&warden, Some(kept(&answer))).get("/hub/-/sign-in").is(200).text();
    assert!(lang(&page) == "en" && !page.contains("dark.css"), "{page}");
}

#[test]
fn the_switches_lead_to_no_other_site_and_other_sites_do_not_switch() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let visitor = Visitor::new(&warden);
    for next in [
        "https://evil.example/",
        "//evil.example",
        "/-/sign-out",
        "/-/preferences",
        "/oidc_auth?code=1",
        "/v2/",
        "",
    ] {
        let answer = visitor.post("/-/preferences", &[("theme", "dark"), ("next", next)]).is(303);
        assert_eq!(answer.header("location"), Some("/"), "{next}");
    }
    let fields = [("theme", "dark\r\nSet-Cookie: a=b"), ("language", "\"; Domain=example"), ("next", "/")];
    assert_eq!(kept(&visitor.post("/-/preferences", &fields).is(303)), "__Host-portwarden-preferences=");
    for headers in
        [&["Origin: https://evil.example", "Sec-Fetch-Site: cross-site"][..], &["Sec-Fetch-Site: same-site"]]
    {
        let refused = visitor.post_from(headers, "/-/preferences", &[("theme", "dark")]).is(403);
        assert_eq!(refused.header("set-cookie"), None, "{headers:?}");
    }
    visitor.get("/-/preferences").is(405);
}

/// A page as a browser asks for it, and its text.
fn read(warden: &Portwarden, visitor: &Visitor<'_>, path: &str) -> (Response, String) {
    let answer = visitor.request().header("Accept-Encoding: gzip, deflate, br").get(path);
    let vary = answer.header("vary").unwrap_or_else(|| panic!("{path} of {}: {answer:?}", warden.url()));
    assert!(vary.contains("Accept-Encoding"), "{path}: {vary}");
    let mut text = String::new();
    match answer.header("content-encoding") {
        Some("gzip") => {
            flate2::read::GzDecoder::new(&answer.body[..]).read_to_string(&mut text).unwrap();
        }
        other => {
            assert_eq!(other, None, "{path}");
            text = answer.text();
        }
    }
    (answer, text)
}

#[test]
fn rule_29_no_page_is_compressed_that_shows_a_token_or_a_text_that_a_link_chose() {
    let registry = registry();
    let warden = portwarden(&registry).with("state: {file: ./state.db}\n").start();
    push_image(&curl(&warden).user(ADMIN), "team/app", "1.0");
    let visitor = Visitor::signed_in(&warden, ADMIN);
    for (path, is_compressed) in [
        ("/", true),
        ("/?page=1", true),
        ("/team/app", true),
        ("/team/app?order=name", true),
        ("/team/app:1.0", true),
        ("/-/access", true),
        ("/?q=team", false),
        ("/?page=guess", false),
        ("/-/access?name=guess", false),
        ("/-/sign-in?next=/guess", false),
        ("/-/tokens", false),
        ("/-/tokens?revoked=guess", false),
        ("/guess", false),
        ("/-/guess", false),
    ] {
        let (answer, text) = read(&warden, &visitor, path);
        assert_eq!(answer.header("content-encoding").is_some(), is_compressed, "{path}: {answer:?}");
        assert!(text.ends_with("</html>"), "{path}: {text}");
        let plain = visitor.get(path);
        assert_eq!(plain.header("content-encoding"), None, "{path}");
        assert_eq!(plain.status, answer.status, "{path}");
    }
    let made = [
        ("csrf", visitor.csrf()),
        ("comment", "laptop".to_owned()),
        ("access", "pull".to_owned()),
        ("days", "1".to_owned()),
    ];
    let fields = made.each_ref().map(|(name, value)| (*name, value.as_str()));
    let origin = format!("Origin: {}", warden.url());
    let headers = [origin.as_str(), "Sec-Fetch-Site: same-origin", "Accept-Encoding: gzip"];
    let shown = visitor.post_from(&headers, "/-/tokens", &fields).is(200);
    assert_eq!(shown.header("content-encoding"), None);
    assert!(shown.text().contains("pwt_"), "{shown:?}");
}

#[test]
fn rule_29_what_forms_send_along_is_another_value_in_each_answer() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let visitor = Visitor::signed_in(&warden, USER);
    let (first, second) = (visitor.csrf(), visitor.csrf());
    let halves = |value: &str| value.split_at(value.len() / 2).1.to_owned();
    assert!(first != second && halves(&first) != halves(&second), "{first} {second}");
    // Each of them is taken.
    visitor.post("/-/sign-out", &[("csrf", &first)]).is(303);
    let again = Visitor::signed_in(&warden, USER);
    again.post("/-/sign-out", &[("csrf", &first)]).is(403);
}

#[test]
fn files_of_pages_are_compressed_and_the_list_of_100_repositories_is_short() {
    let registry = registry();
    let names: Vec<String> = (0..100).map(|n| format!("team{}/app{n:03}", n % 10)).collect();
    registry.add_repositories(&names);
    let warden = portwarden(&registry).start();
    let visitor = Visitor::signed_in(&warden, ADMIN);
    let (answer, page) = read(&warden, &visitor, "/");
    assert!(text(&page).contains("100 repositories"), "{page}");
    assert!(answer.body.len() * 4 < page.len(), "{} of {} bytes", answer.body.len(), page.len());
    println!("the list of 100 repositories: {} bytes, compressed {}", page.len(), answer.body.len());
    for asset in page.split('"').filter(|text| text.starts_with("/-/assets/")) {
        let (answer, content) = read(&warden, &Visitor::new(&warden), asset);
        let is_long = content.len() > 1000;
        assert!(!is_long || answer.header("content-encoding") == Some("gzip"), "{asset}: {answer:?}");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"), "{asset}");
        println!("{asset}: {} bytes, compressed {}", content.len(), answer.body.len());
    }
    let head = visitor.request().header("Accept-Encoding: gzip").head("/");
    assert_eq!(head.header("content-encoding"), Some("gzip"));
    let length: usize = head.header("content-length").unwrap().parse().unwrap();
    assert!(length * 4 < page.len(), "the length of what a GET gets: {length}");
}

#[test]
fn the_client_that_was_chosen_is_in_the_commands_of_all_pages() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    push_image(&curl(&warden).user(ADMIN), "team/app", "1.0");
    let visitor = Visitor::signed_in(&warden, ADMIN);
    let chosen = visitor.post("/-/preferences", &[("tool", "nerdctl"), ("next", "/team/app:1.0")]).is(303);
    assert_eq!(chosen.header("location"), Some("/team/app:1.0"));
    let session = visitor.cookie.clone().unwrap();
    let both = Visitor::with_cookie(&warden, Some(format!("{session}; {}", kept(&chosen))));
    let image = both.get("/team/app:1.0").is(200).text();
    assert!(image.contains(">nerdctl pull ") || image.contains("data-copy=\"nerdctl pull "), "{image}");
    assert!(!image.contains("docker pull"), "{image}");
    assert!(image.contains("name=\"tool\" value=\"nerdctl\" aria-pressed=\"true\""), "{image}");
    let list = both.get("/team/app").is(200).text();
    assert!(
        list.contains("data-copy=\"nerdctl pull ") && list.contains("data-copy=\"nerdctl push "),
        "{list}"
    );
    let another = both.post("/-/preferences", &[("theme", "dark"), ("next", "/")]).is(303);
    assert!(kept(&another).ends_with("theme=dark&tool=nerdctl"), "{another:?}");
    let none = visitor.post("/-/preferences", &[("tool", "rm -rf"), ("next", "/")]).is(303);
    assert!(!kept(&none).contains("rm"), "{none:?}");
}
