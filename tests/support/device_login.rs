//! Device authorization: a program that waits for its login, and the person who answers it.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use super::{
    command::{Output, only_environment},
    curl::{Response, curl},
    page_client::Visitor,
    portwarden::{Portwarden, program},
    process::{PATIENCE, eventually},
};

/// The page.
pub const PAGE: &str = "/-/device";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The codes of a program.
#[derive(Debug, Clone)]
pub struct Codes {
    pub device: String,
    pub user: String,
}

/// Sends a form as a program does.
pub fn send(warden: &Portwarden, endpoint: &str, fields: &[(&str, &str)]) -> Response {
    let fields: Vec<String> = fields
        .iter()
        .flat_map(|(name, value)| ["--data-urlencode".to_owned(), format!("{name}={value}")])
        .collect();
    let options: Vec<&str> = fields.iter().map(String::as_str).collect();
    let options = if options.is_empty() { vec!["--data", ""] } else { options };
    curl(warden).option(&options).send("POST", &format!("{PAGE}/{endpoint}"))
}

/// Asks for codes, for the name of a machine and a scope.
#[track_caller]
pub fn begin(warden: &Portwarden, fields: &[(&str, &str)]) -> Codes {
    let all = [&[("client_id", "a test")], fields].concat();
    let told = send(warden, "code", &all).is(200).json();
    let text = |key: &str| told[key].as_str().unwrap_or_else(|| panic!("{key} in {told}")).to_owned();
    Codes { device: text("device_code"), user: text("user_code") }
}

/// Asks for the token.
pub fn poll(warden: &Portwarden, codes: &Codes) -> Response {
    let fields = [("grant_type", GRANT), ("client_id", "a test"), ("device_code", &codes.device)];
    send(warden, "token", &fields)
}

/// The `error` of an answer.
#[track_caller]
pub fn error(answer: &Response) -> String {
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let told: Value = answer.json();
    told["error"].as_str().unwrap_or_else(|| panic!("no error in {told}")).to_owned()
}

/// The form by which a person answers, with its usual content.
pub fn answer(visitor: &Visitor<'_>, code: &str, decision: &str) -> Response {
    answer_with(visitor, code, decision, ("a test", "", "pull", "1"))
}

/// The same with the comment, the repositories, the access and the days.
pub fn answer_with(
    visitor: &Visitor<'_>,
    code: &str,
    decision: &str,
    (comment, repositories, access, days): (&str, &str, &str, &str),
) -> Response {
    let csrf = visitor.csrf();
    let fields = [
        ("csrf", csrf.as_str()),
        ("user_code", code),
        ("decision", decision),
        ("comment", comment),
        ("repositories", repositories),
        ("access", access),
        ("days", days),
    ];
    visitor.post(PAGE, &fields)
}

/// `portwarden login`, while it waits.
pub struct Login {
    child: Option<Child>,
    folder: tempfile::TempDir,
    line: String,
}

impl Login {
    /// Starts it, with docker's configuration in `home`.
    pub fn start(warden: &Portwarden, home: &Path, args: &[&str]) -> Self {
        Self::start_at(&warden.url(), &warden.authority_file(), home, args)
    }

    /// Starts it for the server at `url`, whose certificate is of that authority.
    pub fn start_at(url: &str, authority: &Path, home: &Path, args: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("portwarden-login-").tempdir().unwrap();
        let file = |name: &str| std::fs::File::create(folder.path().join(name)).unwrap();
        let args = [&["login", url, "--ca-certificate", authority.to_str().unwrap()], args].concat();
        let mut command = Command::new(program());
        command.args(&args).stdin(Stdio::null()).stdout(file("out")).stderr(file("err"));
        only_environment(&mut command, &[("DOCKER_CONFIG", home.to_str().unwrap())]);
        let child = command.spawn().unwrap();
        Self { child: Some(child), line: format!("portwarden {}", args.join(" ")), folder }
    }

    /// Returns the code that it shows.
    #[track_caller]
    pub fn code(&self) -> String {
        let found = || {
            let said = self.read("err");
            let (_, rest) = said.split_once("user_code=")?;
            // The whole line is there.
            rest.contains('\n').then(|| rest.chars().take(9).collect::<String>())
        };
        assert!(
            eventually(PATIENCE, || found().is_some()),
            "no code: {}{}",
            self.read("out"),
            self.read("err")
        );
        found().unwrap()
    }

    /// Waits for its end.
    pub fn end(mut self) -> Output {
        let status = self.child.take().unwrap().wait().unwrap();
        Output {
            line: self.line.clone(),
            status: status.code(),
            stdout: self.read("out"),
            stderr: self.read("err"),
        }
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
