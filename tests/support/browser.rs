//! A real browser: Debian's chromium without a window, led by chromedriver. It knows two hosts, the registry and a
//! stranger's, both on loopback, and reaches nothing else.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    portwarden::{Portwarden, User},
    process::{Process, eventually},
    webdriver::{Failure, Session},
};

/// The address of the registry for the browser.
pub const REGISTRY: &str = "https://registry.example";
/// The address of the stranger's site: for a browser, another site (`support::stranger`).
pub const STRANGER: &str = "http://stranger.example";

/// The name of an element on the wire (WebDriver, section 11).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Far more than a page takes, for machines that are busy.
const PATIENCE: Duration = super::process::PATIENCE;

/// A browser with a profile of its own, which is gone when dropped.
pub struct Browser {
    // In the order in which they end.
    session: Session,
    _driver: Process,
    _directory: TempDir,
}

impl Browser {
    /// One that reaches the registry.
    pub fn new(warden: &Portwarden) -> Self {
        Self::start(warden, "", &[])
    }

    /// One that reaches the stranger on that port, too.
    pub fn with_stranger(warden: &Portwarden, port: u16) -> Self {
        Self::start(warden, &format!("MAP stranger.example 127.0.0.1:{port}, "), &[])
    }

    /// One that reaches a server with this certificate on that port, as `https://provider.example`: another site.
    pub fn with_provider(warden: &Portwarden, port: u16, certificate: &Path) -> Self {
        Self::start(warden, &format!("MAP provider.example 127.0.0.1:{port}, "), &[certificate])
    }

    fn start(warden: &Portwarden, others: &str, certificates: &[&Path]) -> Self {
        let directory = tempfile::Builder::new().prefix("portwarden-browser-").tempdir().unwrap();
        let home = directory.path().to_str().unwrap();
        let (driver, port) = start_driver(directory.path());
        let hosts = format!(
            "--host-resolver-rules=MAP registry.example {}, {others}MAP * ~NOTFOUND",
            warden.address()
        );
        let own = warden.directory().join("tls.crt");
        let keys = certificates.iter().copied().chain([own.as_path()]).map(hash_of_key);
        let keys = keys.collect::<Vec<_>>().join(",");
        let capabilities = json!({
            "browserName": "chrome",
            // Tests look at what is open.
            "unhandledPromptBehavior": "ignore",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {
                "binary": binary(directory.path()),
                // Like browsers that send cookies along with requests of other sites: Portwarden's cookie has to stay
                // at home by itself.
                "prefs": {"profile.cookie_controls_mode": 0},
                "args": [
                    "--headless=new",
                    // The tests are root, for which chromium has no sandbox; it sees only the tests' own pages.
                    "--no-sandbox",
                    // Containers have little of it.
                    "--disable-dev-shm-usage",
                    // Beyond what chromedriver turns off: no updates, no reports, no tries whether a host speaks TLS.
                    "--disable-component-update", "--disable-domain-reliability", "--disable-extensions",
                    "--disable-features=HttpsUpgrades,OptimizationHints,MediaRouter",
                    "--no-proxy-server",
                    format!("--user-data-dir={home}/profile"),
                    hosts,
                    // Better than to take any certificate: with this one, the connection is as if it were trusted.
                    format!("--ignore-certificate-errors-spki-list={keys}"),
                    // The same pictures on every machine that has the same fonts.
                    "--force-color-profile=srgb", "--font-render-hinting=none", "--lang=en-US",
                ],
            },
        });
        let session = Session::new(port, &capabilities);
        Self { session, _driver: driver, _directory: directory }
    }

    /// Goes to a page of the registry.
    #[track_caller]
    pub fn open(&self, path: &str) {
        self.open_url(&format!("{REGISTRY}{path}"));
    }

    /// Goes to any address; fails the test when nothing answers there.
    #[track_caller]
    pub fn open_url(&self, url: &str) {
        self.post("url", &json!({"url": url}));
    }

    /// As with the browser's own button.
    #[track_caller]
    pub fn back(&self) {
        self.post("back", &json!({}));
    }

    /// The path where it is, with the query; what is not of the registry whole.
    #[track_caller]
    pub fn path(&self) -> String {
        let url = self.text_of(self.session.get("url"));
        url.strip_prefix(REGISTRY).map_or(url.clone(), str::to_owned)
    }

    /// Waits until it is there, and all of the page.
    #[track_caller]
    pub fn arrives(&self, path: &str) {
        let there =
            eventually(PATIENCE, || self.path() == path && self.holds("document.readyState === 'complete'"));
        assert!(there, "at {} instead of {path}: {}", self.path(), self.text());
    }

    /// Waits until these words can be read: what a click leads to may take its time.
    #[track_caller]
    pub fn shows(&self, words: &str) {
        self.waits_until(&format!("document.body?.innerText.includes({})", json!(words)));
    }

    /// Waits until something holds in the page, whichever that is by then.
    #[track_caller]
    pub fn waits_until(&self, condition: &str) {
        let holds = eventually(PATIENCE, || self.holds(condition));
        assert!(holds, "not so at {}: {condition}: {}", self.path(), self.text());
    }

    /// Between two pages nothing does.
    fn holds(&self, condition: &str) -> bool {
        let script = json!({"script": format!("return {condition}"), "args": []});
        self.session.post("execute/sync", &script).is_ok_and(|value| value == true)
    }

    /// Ends the session with the button that each page has for it.
    #[track_caller]
    pub fn sign_out(&self) {
        self.click(".visitor form button");
        self.arrives("/-/sign-in?out=1");
    }

    /// Types name and password, as people do, and goes on.
    #[track_caller]
    pub fn sign_in(&self, user: User) {
        self.open("/-/sign-in");
        self.fill("#account", user.name);
        self.fill("#password", user.password);
        self.click("form.card button");
        self.arrives("/");
        assert_eq!(self.texts(".account"), [user.name]);
    }

    /// Returns the visible text of the page.
    #[track_caller]
    pub fn text(&self) -> String {
        self.texts("body").concat()
    }

    /// Returns the visible text of each element that a selector of CSS finds.
    #[track_caller]
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let text = |element: &String| self.text_of(self.session.get(&format!("element/{element}/text")));
        self.all(selector).iter().map(text).collect()
    }

    /// Returns the number of elements it finds.
    #[track_caller]
    pub fn count(&self, selector: &str) -> usize {
        self.all(selector).len()
    }

    /// Clicks on the first one, and waits for the page that comes of it.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        let element = self.first(selector);
        self.post(&format!("element/{element}/click"), &json!({}));
    }

    /// Empties a field and types into it.
    #[track_caller]
    pub fn fill(&self, selector: &str, text: &str) {
        let element = self.first(selector);
        self.post(&format!("element/{element}/clear"), &json!({}));
        self.post(&format!("element/{element}/value"), &json!({"text": text}));
    }

    /// Presses and releases keys one after the other, wherever the focus is. Those without a letter are called as in
    /// WebDriver, section 17.4.2.
    #[track_caller]
    pub fn press(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key})))
            .collect();
        self.post("actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]}));
    }

    /// Runs a function body in the page and gives what it returns. The page's policy does not bind it.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({"script": script, "args": []}))
    }

    /// The same for one that takes its time, and calls `done` at the end.
    #[track_caller]
    pub fn run_until_done(&self, script: &str) -> Value {
        let script = format!("const done = arguments[arguments.length - 1];\n{script}");
        self.post("execute/async", &json!({"script": script, "args": []}))
    }

    /// Chromium's own commands, for what WebDriver has none: sizes of screens, permissions, no scripts.
    #[track_caller]
    pub fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.post("goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// Runs `look` in the first frame of the page.
    #[track_caller]
    pub fn in_frame<T>(&self, look: impl FnOnce() -> T) -> T {
        self.post("frame", &json!({"id": 0}));
        let found = look();
        self.post("frame", &json!({"id": null}));
        found
    }

    /// Returns true if a window of a script is open: `alert` and the like.
    pub fn is_alerting(&self) -> bool {
        self.session.get("alert/text").is_ok()
    }

    /// Returns the complaints of the console since the last call, except for answers that are no success: such a page
    /// may be intended.
    #[track_caller]
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.post("se/log", &json!({"type": "browser"}));
        let entries = entries.as_array().expect("a list").iter();
        let ours = entries.filter(|entry| entry["source"] != "network" && entry["level"] != "INFO");
        ours.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Returns a picture of the page, as PNG.
    #[track_caller]
    pub fn picture(&self) -> Vec<u8> {
        STANDARD.decode(self.text_of(self.session.get("screenshot"))).expect("base64")
    }

    #[track_caller]
    fn first(&self, selector: &str) -> String {
        let found = self.all(selector).into_iter().next();
        found.unwrap_or_else(|| panic!("no {selector} at {}: {}", self.path(), self.text()))
    }

    #[track_caller]
    fn all(&self, selector: &str) -> Vec<String> {
        let found = self.post("elements", &json!({"using": "css selector", "value": selector}));
        let elements = found.as_array().expect("a list").iter();
        elements.map(|element| element[ELEMENT].as_str().expect("an element").to_owned()).collect()
    }

    #[track_caller]
    fn post(&self, command: &str, parameters: &Value) -> Value {
        self.session
            .post(command, parameters)
            .unwrap_or_else(|failure| panic!("{command} {parameters}: {failure:?}"))
    }

    #[track_caller]
    fn text_of(&self, answer: Result<Value, Failure>) -> String {
        let value = answer.unwrap_or_else(|failure| panic!("{failure:?}"));
        value.as_str().unwrap_or_default().to_owned()
    }
}

/// Starts chromedriver; returns it and its port. It looks for one that is free in IPv4, and gives up where another
/// program has the same in IPv6: then it is started again.
fn start_driver(directory: &Path) -> (Process, u16) {
    const STARTED: &str = "started successfully on port ";
    let mut said = String::new();
    for attempt in 0..10 {
        let log = directory.join(format!("log-{attempt}"));
        let home = directory.to_str().unwrap();
        let mut driver = Process::start("chromedriver", &["--port=0"], &[("HOME", home)], &log);
        eventually(PATIENCE, || !driver.is_running() || driver.log().contains(STARTED));
        said = driver.log();
        let port = said.split(STARTED).nth(1).and_then(|rest| rest.trim().trim_end_matches('.').parse().ok());
        if let Some(port) = port {
            return (driver, port);
        }
    }
    panic!("chromedriver does not start:\n{said}")
}

/// A chromium that ends with chromedriver, which leaves it behind when it is ended itself.
fn binary(directory: &Path) -> String {
    let file = directory.join("chromium");
    fs::write(&file, "#!/bin/sh\nexec setpriv --pdeathsig KILL -- chromium \"$@\"\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o700)).unwrap();
    file.to_str().unwrap().to_owned()
}

/// SHA-256 of the certificate's key (RFC 7469 section 2.4).
fn hash_of_key(certificate: &Path) -> String {
    let text = fs::read(certificate).unwrap();
    let (_, pem) = x509_parser::pem::parse_x509_pem(&text).unwrap();
    let certificate = pem.parse_x509().unwrap();
    STANDARD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate.public_key().raw))
}
