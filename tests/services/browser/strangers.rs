//! Other sites in the same browser, while a user is signed in here; and the power of this site's scripts over a
//! session.

use serde_json::{Value, json};

use crate::support::{
    audit,
    browser::{Browser, REGISTRY, STRANGER},
    curl::curl,
    distribution::{MANIFEST, push_image},
    portwarden::{ADMIN, Portwarden, USER, portwarden},
    process::{PATIENCE, eventually},
    registry::registry,
    stranger::stranger,
};

/// `user` may pull a part.
const ACL: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "user", name: "team/*"}
    actions: ["pull"]
"#;

#[test]
fn rule_29_no_form_and_no_script_of_another_site_does_anything_here() {
    let registry = registry();
    let warden = portwarden(&registry).with(audit::TO_FILE).start();
    let digest = push_image(&curl(&warden).user(ADMIN), "team/app", "1.0");
    let delete = format!("/-/delete/team/app@{digest}");
    let manifest = format!("/v2/team/app/manifests/{digest}");
    let upload = "/v2/team/evil/blobs/uploads/";
    let site = stranger(vec![
        ("/delete", form(&delete)),
        ("/sign-out", form("/-/sign-out")),
        ("/upload", form(upload)),
        ("/scripts", "<title>scripts</title>".to_owned()),
    ]);
    let browser = Browser::with_stranger(&warden, site.port());
    browser.sign_in(ADMIN);

    for page in ["/delete", "/sign-out", "/upload"] {
        let before = posts(&warden).len();
        browser.open_url(&format!("{STRANGER}{page}"));
        let arrived = eventually(PATIENCE, || posts(&warden).len() > before);
        assert!(arrived, "{page} sent nothing, so that nothing was tested: {}", browser.text());
        let refused = posts(&warden).into_iter().skip(before).all(|line| line["decision"] != "allowed");
        assert!(refused, "{:?}", posts(&warden));
        still_there(&warden, &browser, &digest);
    }

    let before = posts(&warden).len();
    browser.open_url(&format!("{STRANGER}/scripts"));
    for (method, target, mode, body) in [
        ("POST", delete.as_str(), "no-cors", "new URLSearchParams('csrf=guessed')"),
        ("POST", "/-/sign-out", "no-cors", "new URLSearchParams('csrf=guessed')"),
        // As plain a request as the registry takes: no body, and so no type of one.
        ("POST", upload, "no-cors", "undefined"),
        ("DELETE", manifest.as_str(), "cors", "undefined"),
        ("DELETE", delete.as_str(), "cors", "undefined"),
        ("GET", "/v2/_catalog", "cors", "undefined"),
        ("GET", "/team/app", "cors", "undefined"),
    ] {
        let read = browser.run_until_done(&format!(
            "fetch('{REGISTRY}{target}', {{method: '{method}', mode: '{mode}', credentials: 'include', body: {body}}})
                .then((answer) => answer.text()).then(done, () => done(''))"
        ));
        assert_eq!(read, "", "{method} {target}: another site reads the answer");
    }
    let sent = &posts(&warden)[before..];
    assert!(sent.iter().all(|line| line["decision"] != "allowed"), "{sent:?}");
    assert_eq!(
        sent.len(),
        3,
        "browsers send these without a preflight request, so that they arrive: {sent:?}"
    );
    // Pictures on the stranger's pages whose addresses are pages here.
    for path in ["/-/sign-out", &delete, "/team/app"] {
        browser.run_until_done(&format!(
            "const picture = new Image(); picture.onerror = () => done(); picture.src = '{REGISTRY}{path}';"
        ));
    }
    still_there(&warden, &browser, &digest);
}

#[test]
fn no_other_site_has_our_pages_in_a_frame() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let framed = |address: String| format!("<title>frame</title><iframe src='{address}'></iframe>");
    let site = stranger(vec![
        ("/ours", framed(format!("{REGISTRY}/-/sign-in"))),
        ("/theirs", framed("/shown".to_owned())),
        ("/shown", "<p>Shown".to_owned()),
    ]);
    let browser = Browser::with_stranger(&warden, site.port());
    browser.open_url(&format!("{STRANGER}/theirs"));
    assert_eq!(browser.in_frame(|| browser.text()), "Shown", "frames work");
    browser.open_url(&format!("{STRANGER}/ours"));
    let inside = browser.in_frame(|| (browser.count("form"), browser.run("return location.origin")));
    assert_eq!(inside, (0, json!("null")));
}

#[test]
fn a_link_on_another_site_leads_in_with_the_session() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    push_image(&curl(&warden).user(ADMIN), "team/app", "1.0");
    let site = stranger(vec![("/wiki", format!("<a href='{REGISTRY}/team/app'>our image</a>"))]);
    let browser = Browser::with_stranger(&warden, site.port());
    browser.sign_in(USER);
    browser.open_url(&format!("{STRANGER}/wiki"));
    browser.click("a");
    browser.arrives("/team/app");
    // The page that loads itself again stands at the same address.
    browser.waits_until("document.querySelector('.account')?.innerText === 'user'");
    browser.arrives("/team/app");
    assert_eq!(browser.texts("th a[href^='/team/app:']"), ["1.0"]);
    // A visitor without a session comes to sign in, and then to the target of the link.
    browser.sign_out();
    browser.open_url(&format!("{STRANGER}/wiki"));
    browser.click("a");
    browser.arrives("/-/sign-in?next=/team/app");
}

#[test]
fn rule_30_scripts_of_this_origin_ask_v2_with_the_session_and_the_tab_does_not() {
    let registry = registry();
    let warden = portwarden(&registry).acl(ACL).start();
    let admin = curl(&warden).user(ADMIN);
    push_image(&admin, "team/app", "1.0");
    push_image(&admin, "secret/app", "1.0");
    let browser = Browser::new(&warden);
    browser.sign_in(USER);
    let ask = |path: &str| {
        browser.run_until_done(&format!(
            "fetch('{path}').then((answer) => answer.json().then((json) => done([answer.status, json])), () => done('not sent'))"
        ))
    };
    assert_eq!(ask("/v2/team/app/tags/list"), "not sent", "the policy of our pages has them ask for nothing");
    // This one has no policy.
    browser.open("/robots.txt");
    assert_eq!(ask("/v2/team/app/tags/list"), json!([200, {"name": "team/app", "tags": ["1.0"]}]));
    assert_eq!(ask("/v2/_catalog"), json!([200, {"repositories": ["team/app"]}]));
    assert_eq!(ask("/v2/secret/app/tags/list")[0], 401);
    // The same addresses in the tab: no session, and no window that asks for a password.
    for path in ["/v2/_catalog", "/v2/team/app/tags/list"] {
        browser.open(path);
        let text = browser.text();
        assert!(text.contains("UNAUTHORIZED") && !text.contains("1.0"), "{text}");
    }
}

#[test]
fn rule_31_a_front_end_of_another_origin_works_where_it_is_named() {
    let registry = registry();
    let site = stranger(vec![("/ui", "<title>ui</title>".to_owned())]);
    let named = format!("{{origins: '{STRANGER}', methods: [GET]}}");
    for (cors, works) in [(named.as_str(), true), ("{origins: https://other.example}", false)] {
        let warden = portwarden(&registry).with_server("cors", cors).start();
        push_image(&curl(&warden).user(ADMIN), "team/app", "1.0");
        let browser = Browser::with_stranger(&warden, site.port());
        browser.open_url(&format!("{STRANGER}/ui"));
        let ask = |method: &str, path: &str, password: &str, header: &str| {
            browser.run_until_done(&format!(
                "fetch('{REGISTRY}{path}', {{method: '{method}', headers: {{Authorization: 'Basic ' + btoa('{password}')}}}})
                    .then((answer) => done([answer.status, answer.headers.get('{header}') != null]), () => done('kept back'))"
            ))
        };
        let if_named = |answer: Value| if works { answer } else { json!("kept back") };
        assert_eq!(ask("GET", "/v2/_catalog", "user:user", "content-type"), if_named(json!([200, true])));
        let token = "/auth?service=registry.test&scope=repository:team/app:pull";
        assert_eq!(ask("GET", token, "user:user", "content-type"), if_named(json!([200, true])));
        assert_eq!(
            ask("GET", "/v2/_catalog", "user:wrong", "www-authenticate"),
            if_named(json!([401, true]))
        );
        assert_eq!(ask("GET", "/team/app", "admin:badmin", "content-type"), "kept back", "a page");
        assert_eq!(
            ask("DELETE", "/v2/team/app/manifests/1.0", "admin:badmin", "x"),
            "kept back",
            "not named"
        );
    }
}

/// A page that sends a form to a path of Portwarden, as soon as it is open.
fn form(path: &str) -> String {
    format!(
        "<form method=post action='{REGISTRY}{path}'><input name=csrf value=guessed></form>
         <script>document.forms[0].submit()</script>"
    )
}

/// Returns the lines of the audit log about POST.
fn posts(warden: &Portwarden) -> Vec<Value> {
    audit::lines(&warden.file("audit.log")).into_iter().filter(|line| line["method"] == "POST").collect()
}

/// The image is there, and the session lives.
#[track_caller]
fn still_there(warden: &Portwarden, browser: &Browser, digest: &str) {
    let admin = curl(warden).user(ADMIN);
    let head = admin.clone().header(&format!("Accept: {MANIFEST}"));
    assert_eq!(head.head(&format!("/v2/team/app/manifests/{digest}")).status, 200);
    assert_eq!(admin.get("/v2/_catalog").is(200).json(), json!({"repositories": ["team/app"]}));
    let stranger = browser.run("return location.href");
    browser.open("/");
    assert_eq!(browser.texts(".account"), ["admin"]);
    if let Some(url) = stranger.as_str().filter(|url| url.starts_with(STRANGER)) {
        browser.open_url(url);
    }
}
