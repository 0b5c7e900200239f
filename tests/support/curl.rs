//! curl: every request of the tests that is not a container client's. One request per process, TLS verified.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    command::only_environment,
    portwarden::{Portwarden, User},
    programs,
};

/// Timeout of one request, in seconds, unless the test says otherwise.
const SECONDS: u32 = 60;

/// A request, before it is sent.
#[derive(Clone)]
pub struct Request {
    base: String,
    arguments: Vec<String>,
    body: Option<Vec<u8>>,
}

/// The response to a request.
#[derive(Debug, Clone)]
pub struct Response {
    /// curl's exit code: 0, or why there is no whole response (18: cut short, 52: empty, 56: reset).
    pub exit: i32,
    /// The status of the last response; 0 when there was none.
    pub status: u16,
    /// The header lines of the last response, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The error message of curl.
    pub complaint: String,
}

/// A request to Portwarden.
pub fn curl(portwarden: &Portwarden) -> Request {
    let request = curl_at(&portwarden.url());
    request.option(&["--cacert", portwarden.authority_file().to_str().unwrap()])
}

/// A request to any other server, by its URL without a path.
pub fn curl_at(base: &str) -> Request {
    Request { base: base.to_owned(), arguments: Vec::new(), body: None }.seconds(SECONDS)
}

impl Request {
    /// With a password.
    pub fn user(self, user: User) -> Self {
        self.option(&["--user", &format!("{}:{}", user.name, user.password)])
    }

    /// With a token.
    pub fn bearer(self, token: &str) -> Self {
        self.header(&format!("Authorization: Bearer {token}"))
    }

    /// With a header line.
    pub fn header(self, line: &str) -> Self {
        self.option(&["--header", line])
    }

    /// With another deadline than a minute.
    pub fn seconds(self, seconds: u32) -> Self {
        self.option(&["--max-time", &seconds.to_string()])
    }

    /// With a body, sent with `Content-Length` as `application/octet-stream`.
    pub fn body(self, body: &[u8]) -> Self {
        self.body_of("application/octet-stream", body)
    }

    /// The same of a media type.
    pub fn body_of(mut self, media_type: &str, body: &[u8]) -> Self {
        self.body = Some(body.to_vec());
        self.header(&format!("Content-Type: {media_type}"))
    }

    /// With curl's own options.
    pub fn option(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|a| (*a).to_owned()));
        self
    }

    /// GET.
    pub fn get(self, path: &str) -> Response {
        self.send("GET", path)
    }

    /// HEAD.
    pub fn head(self, path: &str) -> Response {
        self.option(&["--head"]).send("HEAD", path)
    }

    /// Sends it; `target` is a path, or a whole URL (a `Location`).
    pub fn send(mut self, method: &str, target: &str) -> Response {
        let files = tempfile::Builder::new().prefix("portwarden-curl-").tempdir().unwrap();
        if let Some(body) = self.body.take() {
            let file = files.path().join("request");
            fs::write(&file, body).unwrap();
            self = self.option(&["--data-binary", &format!("@{}", file.display())]);
        }
        let child = self.command(method, target, files.path(), "body").stdin(Stdio::null()).spawn().unwrap();
        Response::of(child, &files)
    }

    /// Sends it with a chunked body that `write` produces while it is sent; it may stop early when the pipe breaks.
    pub fn send_stream(
        self,
        method: &str,
        target: &str,
        write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>,
    ) -> Response {
        let files = tempfile::Builder::new().prefix("portwarden-curl-").tempdir().unwrap();
        let stream = ["--upload-file", "-", "--header", "Content-Type: application/octet-stream"];
        // Without it curl waits a second for `100 Continue`.
        let request = self.option(&stream).header("Expect:");
        let mut child =
            request.command(method, target, files.path(), "body").stdin(Stdio::piped()).spawn().unwrap();
        let mut pipe = std::io::BufWriter::with_capacity(1 << 20, child.stdin.take().unwrap());
        // A server that answers early closes the pipe; what the response says is what the test looks at.
        let _ = write(&mut pipe).and_then(|()| pipe.flush());
        drop(pipe);
        Response::of(child, &files)
    }

    /// Starts it with the body of the response on a pipe; the caller reads `stdout` and waits.
    pub fn start(self, path: &str, files: &Path) -> Child {
        let mut command = self.command("GET", path, files, "-");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap()
    }

    fn command(&self, method: &str, target: &str, files: &Path, body: &str) -> Command {
        let url =
            if target.starts_with("http") { target.to_owned() } else { format!("{}{target}", self.base) };
        let mut command = programs::command("curl");
        only_environment(&mut command, &[]);
        command.args(["--silent", "--show-error", "--globoff", "--path-as-is", "--request", method]);
        command.arg("--dump-header").arg(files.join("head"));
        command.arg("--output").arg(if body == "-" { body.into() } else { files.join(body) });
        command.arg("--stderr").arg(files.join("complaint"));
        command.args(&self.arguments).arg(url).stdout(Stdio::null());
        command
    }
}

impl Response {
    /// The value of the only header line `name`, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("not JSON ({e}): {self:?} {}", self.text()))
    }

    /// Fails the test unless the status is `status`.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        let Self { exit, complaint, headers, .. } = &self;
        assert_eq!(self.status, status, "curl's exit {exit}: {complaint} {headers:?} {}", self.text());
        self
    }

    /// Fails the test unless the body is the registry's error object; returns its first `code` and `message`.
    #[track_caller]
    pub fn error(&self) -> (String, String) {
        let json = self.json();
        let field = |name: &str| json["errors"][0][name].as_str().map(str::to_owned);
        let (Some(code), Some(message)) = (field("code"), field("message")) else {
            panic!("not the registry's error object: {json}");
        };
        assert_eq!(
            self.header("content-type").map(|t| t.starts_with("application/json")),
            Some(true),
            "{self:?}"
        );
        (code, message)
    }

    /// Fails the test unless it is the refusal of an account that is known and may not; returns why, for the person.
    ///
    /// It is what the registry itself answers: 401, so that a client asks for a token with more in it.
    #[track_caller]
    pub fn denial(&self) -> String {
        assert_eq!((self.status, self.error().0.as_str()), (401, "UNAUTHORIZED"), "{self:?} {}", self.text());
        let challenge = self.header("www-authenticate").unwrap_or_else(|| panic!("no challenge: {self:?}"));
        assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
        let reason =
            challenge.split_once("error_description=\"").and_then(|(_, rest)| rest.split('"').next());
        reason.unwrap_or_else(|| panic!("no reason: {challenge}")).to_owned()
    }

    fn of(child: Child, files: &TempDir) -> Self {
        let exit = child.wait_with_output().unwrap().status.code().unwrap_or(-1);
        Self::read(exit, files.path())
    }

    /// Reads what curl left in `files`.
    pub fn read(exit: i32, files: &Path) -> Self {
        let read = |name: &str| fs::read(files.join(name)).unwrap_or_default();
        let head = String::from_utf8_lossy(&read("head")).into_owned();
        // The last response: those before it are `100 Continue`.
        let last = head.trim_end().rsplit("\r\n\r\n").next().unwrap_or_default();
        let mut lines = last.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(0);
        let header = |line: &str| {
            line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers = lines.filter_map(header).collect();
        let complaint = String::from_utf8_lossy(&read("complaint")).into_owned();
        Self { exit, status, headers, body: read("body"), complaint }
    }
}
