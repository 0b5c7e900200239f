//! Hostile text, pushed or typed into an address in order to run in a visitor's browser.
//!
//! Two things keep it from that, and each is tested without the other: texts are escaped, and the policy of each page
//! lets no foreign script run.

use serde_json::{Value, json};

use crate::support::{
    audit,
    browser::Browser,
    curl::{Request, curl},
    distribution::push_blob,
    image::sha256,
    portwarden::{ADMIN, User, portwarden},
    registry::registry,
};

/// Each would set `pwned`, wherever it came to stand unescaped: between tags, within a quoted attribute or one without
/// quotes, in a title, in a comment, as an address, in what other templates take for code.
const PAYLOADS: [&str; 12] = [
    "<script>window.pwned=1</script>",
    "\"><script>window.pwned=1</script>",
    "'><img src=x onerror=window.pwned=1>",
    "\" autofocus onfocus=\"window.pwned=1\" x=\"",
    "' onmouseover='window.pwned=1",
    "x onpointerenter=window.pwned=1 onfocus=window.pwned=1",
    "</title></textarea></style></noscript><svg onload=window.pwned=1>",
    "--><svg/onload=window.pwned=1><!--",
    "javascript:window.pwned=1",
    "data:text/html,<script>opener.pwned=1</script>",
    "${window.pwned=1}{{constructor.constructor('window.pwned=1')()}}<%= window.pwned=1 %>",
    "<a href=\"javascript:window.pwned=1\">x</a><iframe srcdoc=\"<script>parent.pwned=1</script>\"></iframe>",
];

/// A user with a hostile name.
const EVIL: User = User { name: "<img src=x onerror=window.pwned=1>", password: "evil" };
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";

#[test]
fn pushed_text_is_shown_as_it_is_and_never_runs() {
    let registry = registry();
    let acl = format!(
        "\n  - match: {{account: \"{}\"}}\n    actions: [\"*\"]\n  - match: {{account: admin}}\n    actions: [\"*\"]",
        EVIL.name
    );
    let warden = portwarden(&registry).users(&[ADMIN, EVIL]).acl(&acl).with(audit::TO_FILE).start();
    let admin = curl(&warden).user(ADMIN);
    let image = push_image(&admin);
    let index = push_index(&admin, &image);
    push_artifact(&admin, &image);

    let browser = Browser::new(&warden);
    // The page's policy would hide what was not escaped.
    browser.devtools("Page.setBypassCSP", &json!({"enabled": true}));
    // Names that were claimed stand on the page itself and among the events.
    for payload in &PAYLOADS[..3] {
        browser.open("/-/sign-in");
        browser.fill("#account", payload);
        browser.fill("#password", "wrong");
        browser.click("form.card button");
        browser.shows("Wrong account or password");
        harmless(&browser, "the name of who signs in");
        assert_eq!(browser.run("return document.querySelector('#account').value"), *payload);
    }
    browser.sign_in(EVIL);
    for path in [
        "/",
        "/team/evil",
        "/team/evil:image",
        "/team/evil:index",
        "/team/evil:artifact",
        "/-/access",
        "/-/events",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([format!("/team/evil@{image}"), format!("/-/delete/team/evil@{index}?tag=index")])
    {
        browser.open(&path);
        harmless(&browser, &path);
    }
    for payload in PAYLOADS {
        let escaped = escaped(payload);
        for path in [
            "/?q=",
            "/team/evil?q=",
            "/-/access?name=",
            "/-/sign-in?next=",
            "/team/evil?deleted=",
            "/?page=",
            "/none/",
        ] {
            browser.open(&format!("{path}{escaped}"));
            harmless(&browser, &format!("{path}{payload}"));
        }
        browser.open(&format!("/?q={escaped}"));
        browser.shows(payload);
    }
    for path in ["/team/evil:image", "/team/evil:index", "/team/evil:artifact"] {
        browser.open(path);
        browser.run("for (const folded of document.querySelectorAll('details')) folded.open = true");
        let text = browser.text();
        // In the form of a Dockerfile, quotation marks are escaped.
        let shown = |payload: &str| text.contains(payload) || text.contains(&payload.replace('"', "\\\""));
        let missing: Vec<&&str> = PAYLOADS.iter().filter(|payload| !shown(payload)).collect();
        assert!(missing.is_empty(), "{path} does not show {missing:#?}: {text}");
    }
}

#[test]
fn the_policy_of_each_page_runs_nothing_that_is_not_ours() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let image = push_image(&curl(&warden).user(ADMIN));
    let browser = Browser::new(&warden);
    browser.sign_in(ADMIN);
    let deletion = format!("/-/delete/team/evil@{image}");
    let pages =
        ["/", "/team/evil", "/team/evil:image", "/-/access", "/-/events", &deletion, "/none", "/-/sign-in"];
    for path in pages {
        browser.open(path);
        assert_eq!(browser.complaints(), [""; 0], "{path}: of our own, everything is allowed");
        assert_eq!(inserted(&browser), json!([]), "{path}");
        assert_eq!(browser.complaints().len(), 7, "{path}: each was refused");
    }
    // Without the policy, all of it runs.
    browser.devtools("Page.setBypassCSP", &json!({"enabled": true}));
    browser.open("/");
    assert_eq!(
        inserted(&browser),
        json!(["element", "handler", "address", "frame", "style", "base", "eval"])
    );
}

/// Puts into the page what came through if escaping failed; what of it ran.
fn inserted(browser: &Browser) -> Value {
    browser.run_until_done(
        r#"
        window.ran = [];
        const add = (html) => {
            const range = document.createRange();
            document.body.append(range.createContextualFragment(html));
        };
        add("<script>window.ran.push('element')</script>");
        add("<img src='/-/nothing.png' onerror=\"window.ran.push('handler')\">");
        add("<a id=address href=\"javascript:void window.ran.push('address')\">x</a>");
        document.getElementById('address').click();
        add("<iframe srcdoc=\"<script>parent.ran.push('frame')</script>\"></iframe>");
        add("<p id=styled style='position: fixed'>x</p>");
        add("<base href='http://stranger.example/'>");
        setTimeout(() => {
            if (getComputedStyle(document.getElementById('styled')).position === 'fixed') window.ran.push('style');
            if (document.baseURI.startsWith('http://stranger.example/')) window.ran.push('base');
            const order = ['element', 'handler', 'address', 'frame', 'style', 'base'];
            window.ran.sort((a, b) => order.indexOf(a) - order.indexOf(b));
            setTimeout("window.ran.push('eval')");
            setTimeout(() => done(window.ran), 50);
        }, 500);
        "#,
    )
}

/// Nothing of what was pushed has become more than text.
#[track_caller]
fn harmless(browser: &Browser, what: &str) {
    assert!(!browser.is_alerting(), "{what}");
    let found = browser.run(
        r#"
        const found = [];
        if (window.pwned !== undefined) found.push('it ran');
        for (const element of document.querySelectorAll('*')) {
            for (const {name, value} of element.attributes) {
                if (name.startsWith('on') || name === 'srcdoc' || name === 'style') found.push(element.outerHTML);
                if (['href', 'src', 'action', 'formaction'].includes(name) && !/^[/#](?![/\\])/.test(value)) found.push(element.outerHTML);
            }
        }
        const ours = (script) => /^\/-\/assets\/[0-9a-f]{16}\/script\.js$/.test(script.getAttribute('src'));
        found.push(...[...document.querySelectorAll('script')].filter((script) => !ours(script)).map((script) => script.outerHTML));
        found.push(...[...document.querySelectorAll('iframe, object, embed, base, style, template')].map((element) => element.outerHTML));
        if (document.querySelectorAll('title').length !== 1) found.push('titles');
        return found;
        "#,
    );
    assert_eq!(found, json!([]), "{what}");
}

/// `team/evil:image`, with all of them wherever a configuration or a manifest has room; its digest.
fn push_image(request: &Request) -> String {
    let each =
        |make: &dyn Fn(&str) -> Value| PAYLOADS.iter().map(|payload| make(payload)).collect::<Vec<_>>();
    let set = |value: Value| {
        PAYLOADS
            .iter()
            .map(|payload| ((*payload).to_owned(), value.clone()))
            .collect::<serde_json::Map<_, _>>()
    };
    let words = each(&|payload| json!(payload));
    let config = json!({
        "architecture": PAYLOADS[1], "os": PAYLOADS[2], "variant": PAYLOADS[3], "author": PAYLOADS[6],
        "created": "2026-01-02T03:04:05Z",
        "config": {
            "Env": each(&|payload| json!(format!("{payload}={payload}"))), "Labels": pairs(), "Entrypoint": words,
            "Cmd": words, "User": PAYLOADS[0], "WorkingDir": PAYLOADS[6], "StopSignal": PAYLOADS[1],
            "ExposedPorts": set(json!({})), "Volumes": set(json!({})), "Healthcheck": {"Test": words},
        },
        "history": each(&|payload| json!({"created_by": payload, "comment": payload, "author": payload, "empty_layer": true})),
        "rootfs": {"type": "layers", "diff_ids": []},
    })
    .to_string();
    push_blob(request, "team/evil", config.as_bytes());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "annotations": pairs(), "layers": [],
        "config": {"mediaType": OCI_CONFIG, "size": config.len(), "digest": sha256(config.as_bytes())},
    });
    put(request, "image", OCI_MANIFEST, &manifest)
}

/// `team/evil:index`, whose platforms are payloads.
fn push_index(request: &Request, image: &str) -> String {
    let entries = PAYLOADS.map(|payload| {
        json!({"mediaType": OCI_MANIFEST, "size": 1, "digest": image,
            "platform": {"os": payload, "architecture": payload, "variant": payload}, "annotations": pairs()})
    });
    let index =
        json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries, "annotations": pairs()});
    put(request, "index", OCI_INDEX, &index)
}

/// `team/evil:artifact`, of a kind and with files that are payloads, which the image has as a referrer.
fn push_artifact(request: &Request, image: &str) -> String {
    push_blob(request, "team/evil", b"{}");
    let files = PAYLOADS.map(|payload| {
        json!({"mediaType": payload, "size": 2, "digest": sha256(b"{}"),
            "annotations": {"org.opencontainers.image.title": payload}})
    });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": PAYLOADS[0], "annotations": pairs(), "layers": files,
        "config": {"mediaType": PAYLOADS[1], "size": 2, "digest": sha256(b"{}")},
        "subject": {"mediaType": OCI_MANIFEST, "size": 1, "digest": image},
    });
    let digest = put(request, "artifact", OCI_MANIFEST, &manifest);
    let entry = json!({"mediaType": OCI_MANIFEST, "size": 1, "digest": digest, "artifactType": PAYLOADS[2]});
    let referrers = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]});
    put(request, &image.replace(':', "-"), OCI_INDEX, &referrers);
    digest
}

fn pairs() -> Value {
    PAYLOADS
        .iter()
        .map(|payload| ((*payload).to_owned(), json!(payload)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[track_caller]
fn put(request: &Request, tag: &str, media_type: &str, manifest: &Value) -> String {
    let request = request.clone().option(&["--data-binary", &manifest.to_string()]);
    let request = request.header(&format!("Content-Type: {media_type}"));
    let response = request.send("PUT", &format!("/v2/team/evil/manifests/{tag}")).is(201);
    response.header("docker-content-digest").unwrap().to_owned()
}

/// Every byte of it as `%3C`.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
