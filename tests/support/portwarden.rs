//! The built program in front of a registry, with a generated configuration, certificate and key.
//!
//! `PORTWARDEN_BIN` names another program to test, an installed or a release build.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitStatus,
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::{
    audit, command,
    pki::{self, Authority, KeyType},
    process::Process,
    registry::Registry,
};

/// The service that the tests' tokens are for.
pub const SERVICE: &str = "registry.test";
/// The issuer of the tokens.
pub const ISSUER: &str = "Portwarden of the tests";

const READY: &str = "listening on";
/// The log line for a reload that is done or refused.
const RELOADED: &str = "reloaded";
/// The log line for a refused one.
const NOT_RELOADED: &str = "not reloaded";

/// A user of the tests: an account and its password in the clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// The account.
    pub name: &'static str,
    /// The password.
    pub password: &'static str,
}

/// May do everything.
pub const ADMIN: User = User { name: "admin", password: "badmin" };
/// May pull.
pub const USER: User = User { name: "user", password: "user" };
/// May pull and push.
pub const TEST2: User = User { name: "test2", password: "test2" };
/// May do nothing.
pub const TEST: User = User { name: "test", password: "123" };
/// A client without credentials.
pub const ANYBODY: User = User { name: "", password: "" };

/// The rights of the four users.
pub const ACL: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "user"}
    actions: ["pull"]
  - match: {account: "test2"}
    actions: ["pull", "push"]
"#;

/// The settings of a server, before it is started.
#[derive(Clone)]
pub struct Builder {
    upstream: String,
    users: Vec<User>,
    cost: u32,
    acl: String,
    key_type: KeyType,
    server_key_type: KeyType,
    authority: Option<&'static str>,
    service: &'static str,
    registry_settings: String,
    server_settings: String,
    token_settings: String,
    rest: String,
    shipped: bool,
    under: Vec<String>,
    environment: Vec<(String, String)>,
    log: Option<PathBuf>,
    by_acme: bool,
    port: u16,
}

/// A Portwarden in front of `registry`, with the four users above until told otherwise.
pub fn portwarden(registry: &Registry) -> Builder {
    portwarden_at(&registry.url())
}

/// A Portwarden in front of whatever listens at `upstream`, an `http://` URL.
pub fn portwarden_at(upstream: &str) -> Builder {
    Builder {
        upstream: upstream.to_owned(),
        users: vec![ADMIN, USER, TEST2, TEST],
        cost: 5,
        acl: ACL.to_owned(),
        key_type: KeyType::P256,
        server_key_type: KeyType::P256,
        authority: None,
        service: SERVICE,
        registry_settings: String::new(),
        server_settings: String::new(),
        token_settings: String::new(),
        rest: String::new(),
        shipped: false,
        under: Vec::new(),
        environment: Vec::new(),
        log: None,
        by_acme: false,
        port: 0,
    }
}

impl Builder {
    /// The users and the ACL of `config/auth_config.yml`, word for word, instead of generated ones.
    pub fn shipped(mut self) -> Self {
        self.shipped = true;
        self
    }

    /// Another registry.
    pub fn before(self, registry: &Registry) -> Self {
        Self { upstream: registry.url(), ..self }
    }

    /// Other users.
    pub fn users(mut self, users: &[User]) -> Self {
        self.users = users.to_vec();
        self
    }

    /// Passwords hashed at that cost of bcrypt, instead of one for tests.
    pub fn cost(self, cost: u32) -> Self {
        Self { cost, ..self }
    }

    /// Another ACL: the YAML list.
    pub fn acl(mut self, yaml: &str) -> Self {
        yaml.clone_into(&mut self.acl);
        self
    }

    /// Another kind of key for tokens.
    pub fn token_key(mut self, key_type: KeyType) -> Self {
        self.key_type = key_type;
        self
    }

    /// Another kind of key for TLS.
    pub fn server_key(mut self, key_type: KeyType) -> Self {
        self.server_key_type = key_type;
        self
    }

    /// A certificate by another authority, which no client trusts.
    pub fn authority(mut self, name: &'static str) -> Self {
        self.authority = Some(name);
        self
    }

    /// Called otherwise. Tokens of the tests are for [`SERVICE`] all the same.
    pub fn service(self, name: &'static str) -> Self {
        Self { service: name, ..self }
    }

    /// A line for the `registry:` section.
    pub fn registry_setting(mut self, key: &str, value: &str) -> Self {
        self.registry_settings.push_str(&format!("  {key}: {value}\n"));
        self
    }

    /// A line for the `server:` section.
    pub fn with_server(mut self, key: &str, value: &str) -> Self {
        self.server_settings.push_str(&format!("  {key}: {value}\n"));
        self
    }

    /// A line for the `token:` section.
    pub fn with_token(mut self, key: &str, value: &str) -> Self {
        self.token_settings.push_str(&format!("  {key}: {value}\n"));
        self
    }

    /// More top-level YAML.
    pub fn with(mut self, yaml: &str) -> Self {
        self.rest.push_str(yaml);
        self.rest.push('\n');
        self
    }

    /// The same with a text of [`Self::with`] in the place of another.
    pub fn replacing(mut self, yaml: &str, by: &str) -> Self {
        self.rest = self.rest.replace(yaml, by);
        self
    }

    /// Started by another program that becomes it: `prlimit` and its options.
    pub fn under(mut self, words: &[&str]) -> Self {
        self.under = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// With a variable in its environment.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With its output in that file.
    pub fn log_to(mut self, file: &Path) -> Self {
        self.log = Some(file.to_owned());
        self
    }

    /// Without a certificate in the file, so that it comes by ACME.
    pub fn by_acme(self) -> Self {
        Self { by_acme: true, ..self }
    }

    /// With its certificate from files again.
    pub fn with_files(mut self) -> Self {
        let own = |line: &&str| !line.contains("letsencrypt: ") && !line.contains("acme: ");
        self.server_settings =
            self.server_settings.lines().filter(own).map(|line| format!("{line}\n")).collect();
        Self { by_acme: false, ..self }
    }

    /// The same with a text of [`Self::with_server`] in the place of another.
    pub fn replacing_server(mut self, yaml: &str, by: &str) -> Self {
        self.server_settings = self.server_settings.replace(yaml, by);
        self
    }

    /// On that port of the loopback address, instead of a free one.
    pub fn on_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// Starts the program and waits until it listens.
    pub fn start(self) -> Portwarden {
        let directory = tempfile::Builder::new().prefix("portwarden-test-").tempdir().unwrap();
        let kind = self.server_key_type;
        match self.authority {
            Some(name) => Authority::new(name).write_server_certificate_of(directory.path(), kind),
            None => pki::authority().write_server_certificate_of(directory.path(), kind),
        }
        fs::write(directory.path().join("ca.crt"), pki::authority().pem()).unwrap();
        pki::write_token_key(directory.path(), self.key_type);
        let configuration = directory.path().join("portwarden.yml");
        fs::write(&configuration, self.configuration()).unwrap();
        let (process, port) = self.serve(&directory, self.port);
        Portwarden { port, process, builder: self, directory }
    }

    /// Starts another with the files of `first`: a replica.
    pub fn start_beside(self, first: &Portwarden) -> Portwarden {
        let directory = tempfile::Builder::new().prefix("portwarden-test-").tempdir().unwrap();
        for name in ["tls.crt", "tls.key", "ca.crt", "token.crt", "token.key", "portwarden.yml"] {
            fs::copy(first.file(name), directory.path().join(name)).unwrap();
        }
        let (process, port) = self.serve(&directory, self.port);
        Portwarden { port, process, builder: self, directory }
    }

    /// Starts the program with the configuration in `directory`, on `port` or, with 0, a free one; returns it and its
    /// port.
    fn serve(&self, directory: &TempDir, port: u16) -> (Process, u16) {
        let (configuration, listen) = (directory.path().join("portwarden.yml"), format!("127.0.0.1:{port}"));
        let program = program();
        let serve = [&program, "serve", "--config", configuration.to_str().unwrap(), "--listen", &listen];
        let words: Vec<&str> = self.under.iter().map(String::as_str).chain(serve).collect();
        let environment: Vec<(&str, &str)> =
            self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let log = self.log.clone().unwrap_or_else(|| directory.path().join("log"));
        let from = fs::read(&log).map_or(0, |text| text.len());
        let mut process = Process::start(words[0], &words[1..], &environment, &log);
        let port = port_after(&process.wait_for_log(from, READY), READY);
        (process, port)
    }

    /// The configuration: docker_auth's keys, and Portwarden's in sections of their own.
    fn configuration(&self) -> String {
        format!(
            "server:\n  addr: \"127.0.0.1:0\"\n{}{}\
             token:\n  issuer: \"{ISSUER}\"\n  expiration: 900\n  certificate: token.crt\n  key: token.key\n{}\
             registry:\n  url: \"{}\"\n  service: \"{}\"\n{}{}{}",
            if self.by_acme { "" } else { "  certificate: tls.crt\n  key: tls.key\n" },
            self.server_settings,
            self.token_settings,
            self.upstream,
            self.service,
            self.registry_settings,
            self.rest,
            self.policy(),
        )
    }

    fn policy(&self) -> String {
        if self.shipped {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/auth_config.yml");
            let text = fs::read_to_string(path).unwrap();
            return section(&text, "users") + &section(&text, "acl");
        }
        let users: String = self.users.iter().map(|user| user_line(user, self.cost)).collect();
        format!("users:\n{users}acl:\n{}\n", self.acl.trim_matches('\n'))
    }
}

/// A running Portwarden.
pub struct Portwarden {
    process: Process,
    port: u16,
    builder: Builder,
    directory: TempDir,
}

impl Portwarden {
    /// `https://<host>`.
    pub fn url(&self) -> String {
        format!("https://{}", self.host())
    }

    /// The registry's name in an image reference: address and port.
    pub fn host(&self) -> String {
        format!("{}:{}", pki::ADDRESS, self.port)
    }

    /// Returns the address on which it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Its files: `portwarden.yml`, `tls.crt`, `tls.key` and what they name.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The certificate of the authority behind its own.
    pub fn authority_file(&self) -> PathBuf {
        self.directory.path().join("ca.crt")
    }

    /// A file beside its configuration, as `audit.to: ./name` and the like write it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The certificate of the key that signs tokens.
    pub fn token_certificate_file(&self) -> PathBuf {
        self.directory.path().join("token.crt")
    }

    /// The key that signs tokens: the tests make tokens of their own with it.
    pub fn token_key_file(&self) -> PathBuf {
        self.directory.path().join("token.key")
    }

    /// Returns the kind of that key.
    pub fn token_key_type(&self) -> KeyType {
        self.builder.key_type
    }

    /// Writes the configuration again with what `change` does to it and reloads it; fails the test when it is refused.
    #[track_caller]
    pub fn reload(&mut self, change: impl FnOnce(Builder) -> Builder) {
        let line = self.try_reload(change);
        assert!(!line.contains(NOT_RELOADED), "{line}");
    }

    /// Writes the configuration again with what `change` does to it, sends SIGHUP and returns what the log says.
    pub fn try_reload(&mut self, change: impl FnOnce(Builder) -> Builder) -> String {
        let from = self.log().len();
        self.builder = change(self.builder.clone());
        fs::write(self.directory.path().join("portwarden.yml"), self.builder.configuration()).unwrap();
        self.process.signal("HUP");
        // The file of the last reload may be noticed as changed only now.
        let is_done = |line: &str| line.contains(RELOADED) && line.contains("SIGHUP");
        self.process.wait_for_line(from, |line| line.contains(NOT_RELOADED) || is_done(line))
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// SIGKILL, and another one with the same configuration, on the same port.
    pub fn crash_and_restart(&mut self) {
        self.process.kill();
        (self.process, self.port) = self.builder.serve(&self.directory, self.port);
    }

    /// The same, started by another program that becomes it, as by [`Builder::under`].
    pub fn crash_and_restart_under(&mut self, words: &[&str]) {
        self.builder = self.builder.clone().under(words);
        self.crash_and_restart();
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// SIGTERM; returns how it ended, `None` when it had to be killed.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        self.process.stop()
    }

    /// Sends SIGTERM and does not wait.
    pub fn begin_stop(&self) {
        self.process.signal("TERM");
    }

    /// Stops all its threads: no time on a processor until it is [resumed](Self::resume).
    pub fn suspend(&self) {
        self.process.signal("STOP");
    }

    /// Lets it run again.
    pub fn resume(&self) {
        self.process.signal("CONT");
    }

    /// Returns true while it runs.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Resident memory now, in KiB.
    pub fn rss_kib(&self) -> u64 {
        self.process.memory_kib("VmRSS")
    }

    /// The most resident memory it ever had, in KiB.
    pub fn peak_rss_kib(&self) -> u64 {
        self.process.memory_kib("VmHWM")
    }

    /// Returns the number of its open descriptors: sockets, files, pipes.
    pub fn open_files(&self) -> usize {
        self.process.open_files()
    }

    /// The time that processors have spent on it.
    pub fn cpu_time(&self) -> Duration {
        self.process.cpu_time()
    }

    /// Waits until the log, from byte `from`, has `text`; returns the first line with it.
    pub fn wait_for_log(&mut self, from: usize, text: &str) -> String {
        self.process.wait_for_log(from, text)
    }

    /// Waits until a line of the log has `text`, and returns the first; fails the test when none comes.
    #[track_caller]
    pub fn says(&self, text: &str) -> String {
        self.process.says(text)
    }

    /// Everything it logged.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// Holds each line of the audit log that a test leaves, in the output or in the usual file, to its schema.
impl Drop for Portwarden {
    fn drop(&mut self) {
        self.process.stop();
        if !thread::panicking() {
            audit::assert_lines_valid(&self.log());
            audit::assert_lines_valid(&fs::read_to_string(self.file("audit.log")).unwrap_or_default());
        }
    }
}

/// The port of the first `…:<port>` after `label`: an address printed for people or in a log field.
pub fn port_after(line: &str, label: &str) -> u16 {
    let rest = line.split_once(label).map_or(line, |(_, rest)| rest);
    rest.split(':')
        .skip(1)
        .find_map(|part| part.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
        .unwrap_or_else(|| panic!("no port in {line:?}"))
}

/// The program under test.
pub fn program() -> String {
    env::var("PORTWARDEN_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_portwarden").to_owned())
}

/// A top-level section of a YAML file: its line and all that are indented below it.
fn section(text: &str, name: &str) -> String {
    let head = format!("{name}:");
    let mut lines = text.lines().skip_while(|line| *line != head);
    let first = lines.next().unwrap_or_else(|| panic!("no section {head} in:\n{text}"));
    let rest = lines.take_while(|line| line.is_empty() || line.starts_with([' ', '#']));
    [first].into_iter().chain(rest).flat_map(|line| [line, "\n"]).collect()
}

/// A user with its password hashed by Apache's `htpasswd`.
fn user_line(user: &User, cost: u32) -> String {
    if *user == ANYBODY {
        return "  \"\": {}\n".to_owned();
    }
    let output = command::run("htpasswd", &["-nbB", "-C", &cost.to_string(), user.name, user.password], &[])
        .succeeds();
    let hash = output.stdout.trim().split_once(':').expect("name:hash").1.to_owned();
    format!("  \"{}\": {{password: \"{hash}\"}}\n", user.name)
}
