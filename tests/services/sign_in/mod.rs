//! People who sign in at a provider, from the first page to what they may pull, and how a sign-in ends. The attacks on it
//! are in `attacks`.
//!
//! Needs: curl, docker-registry, faketime, htpasswd, java, node.

mod attacks;
mod github;
mod hanging;
mod people;
mod tokens;

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::json;

use crate::support::{
    audit::{self, line_with},
    clock::Clock,
    curl::{Response, curl},
    metrics,
    portwarden::{ADMIN, Builder, Portwarden, portwarden},
    provider::{Provider, parameters, provider},
    registry::{Registry, registry},
};

/// Labels, and names of accounts, that may pull some repositories.
const ACL: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {labels: {groups: "dev"}, name: "dev/*"}
    actions: ["pull"]
  - match: {labels: {teams: "everyone"}, name: "dev/*"}
    actions: ["pull"]
  - match: {account: "ada", name: "ada/*"}
    actions: ["pull"]
"#;

/// The state file, the audit log, and the socket for commands, beside the configuration.
const FILES: &str = "state: {file: ./state.db}\ncontrol: {socket: ./control.sock}\n";

fn with(registry: &Registry, section: &str) -> Builder {
    portwarden(registry).acl(ACL).with(FILES).with(audit::TO_FILE).with(section)
}

/// A browser: it keeps cookies, follows no redirects, and says where a request comes from.
#[derive(Clone)]
struct Browser<'w> {
    warden: &'w Portwarden,
    cookies: BTreeMap<String, String>,
}

impl<'w> Browser<'w> {
    fn new(warden: &'w Portwarden) -> Self {
        Self { warden, cookies: BTreeMap::new() }
    }

    /// A page, by a link on a page of that kind of site (`none`: typed).
    fn get_from(&mut self, site: &str, path: &str) -> Response {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = curl(self.warden)
            .header("Accept: text/html")
            .header(&format!("Sec-Fetch-Site: {site}"))
            .header("Sec-Fetch-Mode: navigate")
            .header(&format!("Cookie: {}", cookies.join("; ")));
        let answer = request.get(path);
        for (_, line) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    fn get(&mut self, path: &str) -> Response {
        self.get_from("same-origin", path)
    }

    /// Goes to the provider: the address there.
    #[track_caller]
    fn start(&mut self, path: &str) -> String {
        self.get(path).is(303).header("location").unwrap().to_owned()
    }

    /// Signs in with a section: the answer to the browser that comes back.
    #[track_caller]
    fn sign_in(&mut self, provider: &Provider, section: &str) -> Response {
        let back = provider.approve(&self.start(&format!("/{section}")));
        self.get_from("cross-site", &format!("/{section}?{back}"))
    }

    /// The status of a list of tags, which a script on a page asks for.
    fn tags(&self, repository: &str) -> u16 {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        curl(self.warden)
            .header("Sec-Fetch-Site: same-origin")
            .header("Sec-Fetch-Mode: cors")
            .header("Sec-Fetch-Dest: empty")
            .header(&format!("Cookie: {}", cookies.join("; ")))
            .get(&format!("/v2/{repository}/tags/list"))
            .status
    }

    /// The account that the pages name; `None` for a visitor who is sent to the page to sign in.
    fn account(&mut self) -> Option<String> {
        let page = self.get("/-/access");
        (page.status == 200).then(|| page.text())
    }
}

/// The answer about a repository that is not there, to an account that may pull it.
const ALLOWED: u16 = 404;
const DENIED: u16 = 401;

#[test]
fn a_person_signs_in_with_openid_connect_and_may_do_what_the_labels_allow() {
    let (registry, provider) = (registry(), provider());
    let warden = with(&registry, &provider.oidc()).start();
    let mut browser = Browser::new(&warden);
    let page = browser.get("/-/sign-in?next=/-/access").is(200).text();
    assert!(page.contains("href=\"/oidc_auth?next=/-/access\"") && page.contains("OpenID Connect"), "{page}");

    let address = browser.start("/oidc_auth?next=/-/access");
    let query = parameters(address.split_once('?').unwrap().1);
    assert!(address.starts_with(&format!("{}/authorize?", provider.url())));
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "the-registry"),
        ("redirect_uri", "https://registry.test/oidc_auth"),
        ("scope", "openid email"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(query[name], value);
    }
    let back = provider.approve(&address);
    let page = browser.get_from("cross-site", &format!("/oidc_auth?{back}")).is(200);
    assert!(page.text().contains("content=\"0; url=/-/access\""), "{}", page.text());
    assert_eq!(browser.cookies.keys().collect::<Vec<_>>(), ["__Host-portwarden-session"]);
    assert!(browser.account().unwrap().contains("ada@example.com"));
    assert_eq!([browser.tags("dev/app"), browser.tags("ops/app")], [ALLOWED, DENIED]);

    let line = line_with(&warden.file("audit.log"), &[("credentials", "sign_in")]);
    assert_eq!(
        [&line["account"], &line["source"], &line["decision"]],
        [&json!("ada@example.com"), &json!("oidc_auth"), &json!("allowed")],
        "{line}"
    );
    let log = warden.log() + &std::fs::read_to_string(warden.file("audit.log")).unwrap();
    for secret in [&back, "refresh-", "access-", "the-secret", &browser.cookies["__Host-portwarden-session"]]
    {
        assert!(!log.contains(secret), "a secret in {log}");
    }
}

#[test]
fn a_sign_in_survives_a_restart_and_its_token_is_sealed_in_the_file() {
    let (registry, provider) = (registry(), provider());
    let mut warden = with(&registry, &provider.oidc()).start();
    let mut browser = Browser::new(&warden);
    browser.sign_in(&provider, "oidc_auth").is(200);
    let cookies = browser.cookies;
    let file = std::fs::read(warden.file("state.db")).unwrap();
    assert!(memchr::memmem::find(&file, b"ada@example.com").is_some());
    assert!(memchr::memmem::find(&file, b"refresh-").is_none(), "the token of the provider is readable");
    warden.crash_and_restart();
    let browser = Browser { warden: &warden, cookies };
    assert_eq!(browser.tags("dev/app"), ALLOWED);
}

#[test]
fn rule_60_the_provider_is_asked_again_and_what_it_says_now_counts() {
    let (registry, provider, clock) = (registry(), provider(), Clock::right());
    let builder = with(&registry, &provider.oidc()).with("ui: {session: 200h}").with(metrics::ON);
    let warden = clock.of(builder).start();
    let mut browser = Browser::new(&warden);
    browser.sign_in(&provider, "oidc_auth").is(200);
    let refreshes =
        || provider.world().asked.iter().filter(|asked| asked.contains("refresh_token\": \"r")).count();
    assert_eq!((browser.tags("dev/app"), refreshes()), (ALLOWED, 0));

    // The person is in another group by now.
    provider.world().userinfo["groups"] = json!(["ops"]);
    clock.set("+59m");
    assert_eq!(
        (browser.tags("dev/app"), refreshes()),
        (ALLOWED, 0),
        "the word of the provider counts for an hour"
    );
    clock.set("+61m");
    assert_eq!((browser.tags("dev/app"), refreshes()), (DENIED, 1));
    assert_eq!((browser.tags("dev/app"), refreshes()), (DENIED, 1));

    // The token has changed with its use, and the new one counts.
    provider.world().userinfo["groups"] = json!(["dev"]);
    clock.set("+130m");
    assert_eq!((browser.tags("dev/app"), refreshes()), (ALLOWED, 2));

    provider.world().refuses = true;
    clock.set("+200m");
    let page = browser.get("/-/access").is(303);
    let page = browser.get(page.header("location").unwrap()).is(200).text();
    assert!(page.contains("The provider no longer confirms this sign-in"), "{page}");
    provider.world().refuses = false;
    assert_eq!(browser.tags("dev/app"), DENIED, "a sign-in that has ended does not come back");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 200 * 60;
    provider.world().claims["iat"] = json!(now);
    provider.world().claims["exp"] = json!(now + 300);
    browser.sign_in(&provider, "oidc_auth").is(200);
    assert_eq!(browser.tags("dev/app"), ALLOWED);
    assert_eq!(metrics::value(&warden, "portwarden_sign_ins"), Some(1.0));
    assert_eq!(metrics::value(&warden, "portwarden_sign_in_checks_total{outcome=\"answered\"}"), Some(3.0));
}

#[test]
fn requests_at_the_same_time_ask_the_provider_once() {
    let (registry, provider, clock) = (registry(), provider(), Clock::right());
    let warden = clock.of(with(&registry, &provider.oidc())).start();
    let mut browser = Browser::new(&warden);
    browser.sign_in(&provider, "oidc_auth").is(200);
    clock.set("+61m");
    let browser = &browser;
    std::thread::scope(|scope| {
        let requests: Vec<_> = (0..8).map(|_| scope.spawn(|| browser.tags("dev/app"))).collect();
        requests.into_iter().for_each(|request| assert_eq!(request.join().unwrap(), ALLOWED));
    });
    let refreshes =
        provider.world().asked.iter().filter(|asked| asked.contains("refresh_token\": \"r")).count();
    assert_eq!(refreshes, 1, "a refresh token counts once");
}

#[test]
fn rule_60_while_a_provider_gives_no_answer_its_last_word_counts_for_a_day() {
    let (registry, provider, clock) = (registry(), provider(), Clock::right());
    let warden = clock.of(with(&registry, &provider.oidc()).with("ui: {session: 200h}")).start();
    let mut browser = Browser::new(&warden);
    browser.sign_in(&provider, "oidc_auth").is(200);
    provider.world().is_down = true;
    clock.set("+2h");
    assert_eq!(browser.tags("dev/app"), ALLOWED);
    warden.says("its last word counts for a day");
    clock.set("+1470m");
    assert_eq!(browser.tags("dev/app"), ALLOWED);
    clock.set("+1501m");
    assert_eq!(browser.tags("dev/app"), DENIED);
    let page = browser.get("/-/access").is(303);
    let page = browser.get(page.header("location").unwrap()).is(200).text();
    assert!(page.contains("does not confirm this sign-in now"), "{page}");
}

#[test]
fn rule_60_without_a_refresh_token_a_sign_in_lasts_for_its_time() {
    let (registry, provider, clock) = (registry(), provider(), Clock::right());
    provider.world().renews = false;
    let warden = clock.of(with(&registry, &provider.oidc()).with("ui: {session: 200h}")).start();
    let mut browser = Browser::new(&warden);
    browser.sign_in(&provider, "oidc_auth").is(200);
    clock.set("+59m");
    assert_eq!(browser.tags("dev/app"), ALLOWED);
    clock.set("+61m");
    assert_eq!(browser.tags("dev/app"), DENIED);
}

#[test]
fn rule_60_a_section_that_is_gone_or_names_another_provider_ends_its_sign_ins() {
    let (registry, provider, other) = (registry(), provider(), crate::support::provider::provider());
    let mut warden = with(&registry, &provider.oidc()).start();
    let mut browser = Browser::new(&warden);
    browser.sign_in(&provider, "oidc_auth").is(200);
    let cookies = browser.cookies;
    let tags = |warden: &Portwarden| Browser { warden, cookies: cookies.clone() }.tags("dev/app");
    assert_eq!(tags(&warden), ALLOWED);
    warden.reload(|builder| builder.replacing(&provider.oidc(), &other.oidc()));
    assert_eq!(tags(&warden), DENIED, "another provider");
    // The person of the other provider has the same subject and the same name, and is another one.
    let mut browser = Browser::new(&warden);
    browser.sign_in(&other, "oidc_auth").is(200);
    assert_eq!((browser.tags("dev/app"), tags(&warden)), (ALLOWED, DENIED));
    warden.reload(|builder| builder.replacing(&other.oidc(), ""));
    assert_eq!(tags(&warden), DENIED);
    Browser::new(&warden).get("/oidc_auth").is(404);
}

#[test]
fn a_revocation_ends_the_session_of_a_person() {
    let (registry, provider) = (registry(), provider());
    let warden = with(&registry, &provider.oidc()).start();
    let mut browser = Browser::new(&warden);
    browser.sign_in(&provider, "oidc_auth").is(200);
    people::revoke(&warden, &["--account", "ada@example.com"]).succeeds();
    assert_eq!(browser.tags("dev/app"), DENIED);
    browser.sign_in(&provider, "oidc_auth").is(200);
    assert_eq!(browser.tags("dev/app"), ALLOWED, "revoking locks no person out");
}

#[test]
fn an_error_of_a_provider_is_a_page_that_says_what_to_do() {
    let (registry, provider) = (registry(), provider());
    let warden = with(&registry, &provider.oidc()).start();
    let came_back = |error: &str| {
        let mut browser = Browser::new(&warden);
        let address = browser.start("/oidc_auth");
        let state = &parameters(address.split_once('?').unwrap().1)["state"];
        browser.get_from("cross-site", &format!("/oidc_auth?{error}&state={state}"))
    };
    for (error, says) in [
        ("error=access_denied", "was cancelled"),
        ("error=server_error", "try again in a moment"),
        ("error=invalid_scope&error_description=Call+555-1234", "tell its operator"),
    ] {
        let page = came_back(error).is(403).text();
        assert!(page.contains(says) && !page.contains("555"), "{page}");
    }
    provider.world().is_down = true;
    let mut browser = Browser::new(&warden);
    let page = browser.get("/oidc_auth");
    // What is known of the provider's endpoints counts for an hour.
    assert_eq!(page.status, 303, "{}", page.text());
    let page = came_back("code=code-1").is(503);
    assert!(page.text().contains("gives no answer just now"), "{}", page.text());
    assert!(page.header("retry-after").is_some());
    provider.world().is_down = false;

    let wrong = provider.oidc().replace("the-secret", "another-secret");
    let warden = with(&registry, &wrong).start();
    let mut browser = Browser::new(&warden);
    let page = browser.sign_in(&provider, "oidc_auth").is(403).text();
    assert!(page.contains("tell its operator"), "{page}");
    warden.says("it answers \"invalid_client\"");
}

#[test]
fn without_a_state_file_no_person_signs_in() {
    let (registry, provider) = (registry(), provider());
    let warden = portwarden(&registry).acl(ACL).with("state: {file: none}").with(&provider.oidc()).start();
    let page = Browser::new(&warden).get("/oidc_auth").is(503).text();
    assert!(page.contains("state.file"), "{page}");
    assert_eq!(curl(&warden).user(ADMIN).get("/v2/dev/app/tags/list").status, ALLOWED);
}
