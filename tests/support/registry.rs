//! A real registry with its store in a temporary directory: Debian's `docker-registry`, 2.8, or the one that
//! `PORTWARDEN_TEST_REGISTRY` names, as `make test-registry3` does. `registry3` starts registry 3 in any case.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{
    portwarden::{ISSUER, Portwarden, SERVICE},
    process::Process,
};

const READY: &str = "listening on";

/// Debian's registry 2.8.
pub(super) const PROGRAM: &str = "docker-registry";

/// Registry 3 would try to send traces to an address of its own choice, and log each failure.
const ENVIRONMENT: &[(&str, &str)] = &[("OTEL_TRACES_EXPORTER", "none")];

/// A registry on a loopback port, without TLS and, unless asked for, without authentication.
pub struct Registry {
    process: Process,
    port: u16,
    directory: TempDir,
    configuration: Configuration,
}

/// The settings that tests change.
pub(super) struct Configuration {
    /// The name of the program, or its path.
    pub(super) program: String,
    /// `storage.delete.enabled`.
    pub(super) deletes: bool,
    /// `http.headers`: what it adds to each response.
    pub(super) headers: &'static str,
    /// `http.tls`: the files of the certificate and the key.
    pub(super) tls: Option<(PathBuf, PathBuf)>,
    /// The path of its store, when that is not its own directory.
    pub(super) store: Option<PathBuf>,
    /// More sections.
    pub(super) rest: String,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            program: env::var("PORTWARDEN_TEST_REGISTRY").unwrap_or_else(|_| PROGRAM.to_owned()),
            deletes: true,
            headers: "{}",
            tls: None,
            store: None,
            rest: String::new(),
        }
    }
}

/// Returns true if the registry of [`registry`] is one that deletes a tag alone: 3, not 2.8.
pub fn deletes_one_tag() -> bool {
    env::var_os("PORTWARDEN_TEST_REGISTRY").is_some()
}

/// Starts a plain registry that allows deletion.
pub fn registry() -> Registry {
    Registry::start(Configuration::default())
}

/// Starts a plain registry that deletes nothing, as by default.
pub fn registry_without_deletion() -> Registry {
    Registry::start(Configuration { deletes: false, ..Configuration::default() })
}

/// Starts a plain registry with its store in a directory of the caller's.
pub fn registry_with_store(directory: &Path) -> Registry {
    let store = Some(directory.join("store"));
    Registry::start(Configuration { store, ..Configuration::default() })
}

/// Starts a plain registry that adds headers to each response: `{Name: [value]}`.
pub fn registry_with_headers(headers: &'static str) -> Registry {
    Registry::start(Configuration { headers, ..Configuration::default() })
}

/// Starts a plain registry that gives so many names of the catalogue in a page at most.
pub fn registry_with_pages_of(entries: usize) -> Registry {
    let rest = format!("catalog: {{maxentries: {entries}}}\n");
    Registry::start(Configuration { rest, ..Configuration::default() })
}

/// Starts a plain registry that redirects GET of blobs to the files of its store at `origin`.
pub fn registry_redirecting_to(origin: &str) -> Registry {
    let rest = format!("middleware: {{storage: [{{name: redirect, options: {{baseurl: '{origin}'}}}}]}}\n");
    Registry::start(Configuration { rest, ..Configuration::default() })
}

/// Starts a plain registry that sends notifications of its own to `url`, with what each manifest refers to.
pub fn registry_notifying(url: &str) -> Registry {
    let endpoint = format!("{{name: own, url: '{url}', timeout: 10s, threshold: 5, backoff: 1s}}");
    let rest = format!("notifications: {{events: {{includereferences: true}}, endpoints: [{endpoint}]}}\n");
    Registry::start(Configuration { rest, ..Configuration::default() })
}

/// Starts a registry that verifies tokens itself, as one that docker_auth serves: `realm` is the token endpoint's URL,
/// `root_certificates` the PEM bundle with the certificate of the key that signs.
///
/// # Errors
/// The registry's log, when it ends instead of listening: it cannot use the certificate.
pub fn registry_with_token_auth(
    realm: &str,
    service: &str,
    issuer: &str,
    root_certificates: &Path,
) -> Result<Registry, String> {
    let auth = token_auth(realm, service, issuer, root_certificates);
    Registry::try_start(Configuration { rest: auth, ..Configuration::default() })
}

/// Starts a registry that does alone what Portwarden does before a plain one: with the certificate of that Portwarden
/// it speaks TLS, and it verifies the tokens of that Portwarden.
pub fn registry_alone(portwarden: &Portwarden) -> Registry {
    let (realm, bundle) = (format!("{}/auth", portwarden.url()), portwarden.token_certificate_file());
    let tls = Some((portwarden.file("tls.crt"), portwarden.file("tls.key")));
    Registry::start(Configuration {
        rest: token_auth(&realm, SERVICE, ISSUER, &bundle),
        tls,
        ..Configuration::default()
    })
}

pub(super) fn token_auth(realm: &str, service: &str, issuer: &str, root_certificates: &Path) -> String {
    let bundle = root_certificates.display();
    format!(
        "auth:\n  token:\n    realm: {realm}\n    service: {service}\n    issuer: {issuer}\n    rootcertbundle: {bundle}\n"
    )
}

impl Registry {
    /// Returns the address on which it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests it answered, as `POST /v2/… HTTP/1.1` and what follows in an access log, that contain `text`.
    pub fn requests(&self, text: &str) -> Vec<String> {
        let log = self.log();
        let requests =
            log.lines().filter_map(|line| line.split_once("] \"").map(|(_, request)| request.to_owned()));
        requests.filter(|request| request.contains(text)).collect()
    }

    /// Everything it logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Empties its log.
    pub fn forget_log(&self) {
        fs::write(self.directory.path().join("log"), "").unwrap();
    }

    /// Ends it as a crash would, with connections open.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Returns the number of its open descriptors: its connections among them.
    pub fn open_files(&self) -> usize {
        self.process.open_files()
    }

    /// Starts it again on the same port and the same store.
    pub fn restart(&mut self) {
        self.process.stop();
        let from = self.log().len();
        write_configuration(&self.directory, self.port, &self.configuration);
        self.process = spawn(&self.directory, &self.configuration);
        self.process.wait_for_log(from, READY);
    }

    /// Adds empty repositories to its store, as they are when all was deleted: that is much faster than to push. Registry
    /// 3 lists no repository whose first push has only begun.
    pub fn add_repositories(&self, names: &[String]) {
        let store = self.store().join("docker/registry/v2/repositories");
        for name in names {
            fs::create_dir_all(store.join(name).join("_layers")).unwrap();
            fs::create_dir_all(store.join(name).join("_manifests")).unwrap();
        }
    }

    /// Adds tags to a repository of its store, all for what `like` names.
    pub fn add_tags(&self, repository: &str, like: &str, tags: &[String]) {
        let store = self.store().join("docker/registry/v2/repositories");
        let all = store.join(repository).join("_manifests/tags");
        let link = fs::read(all.join(like).join("current/link")).unwrap();
        for tag in tags {
            fs::create_dir_all(all.join(tag).join("current")).unwrap();
            fs::write(all.join(tag).join("current/link"), &link).unwrap();
        }
    }

    /// Adds a manifest with a tag to a repository of its store, whether the blobs that it names are there or not.
    pub fn add_manifest(&self, repository: &str, tag: &str, manifest: &[u8]) {
        let digest = super::image::sha256(manifest);
        let hex = digest.trim_start_matches("sha256:");
        let store = self.store().join("docker/registry/v2/repositories");
        let manifests = store.join(repository).join("_manifests");
        let write = |path: PathBuf, content: &[u8]| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        write(self.blob_file(&digest), manifest);
        for link in [
            format!("revisions/sha256/{hex}"),
            format!("tags/{tag}/current"),
            format!("tags/{tag}/index/sha256/{hex}"),
        ] {
            write(manifests.join(link).join("link"), digest.as_bytes());
        }
    }

    /// Adds images to a repository of its store, one for each tag: each is `like` with an annotation of its own.
    pub fn add_images(&self, repository: &str, like: &serde_json::Value, tags: &[String]) {
        for tag in tags {
            let mut manifest = like.clone();
            manifest["annotations"] = serde_json::json!({ "tag": tag });
            self.add_manifest(repository, tag, manifest.to_string().as_bytes());
        }
    }

    /// `registry garbage-collect` over its store, while it runs.
    pub fn collect_garbage(&self) -> super::command::Output {
        let file = self.directory.path().join("config.yml");
        super::command::run(&self.configuration.program, &["garbage-collect", file.to_str().unwrap()], &[])
    }

    /// The same with `-m`, as the operations guide warns against.
    pub fn collect_garbage_and_untagged(&self) -> super::command::Output {
        let file = self.directory.path().join("config.yml");
        super::command::run(
            &self.configuration.program,
            &["garbage-collect", "-m", file.to_str().unwrap()],
            &[],
        )
    }

    /// Its `rootdirectory`.
    pub fn store(&self) -> PathBuf {
        self.configuration.store.clone().unwrap_or_else(|| self.directory.path().join("store"))
    }

    /// The file of a blob in the store, whether it exists or not.
    pub fn blob_file(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let blobs = self.store().join("docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }

    pub(super) fn start(configuration: Configuration) -> Self {
        Self::try_start(configuration).unwrap_or_else(|log| panic!("the registry does not start:\n{log}"))
    }

    fn try_start(configuration: Configuration) -> Result<Self, String> {
        let directory = tempfile::Builder::new().prefix("portwarden-registry-").tempdir().unwrap();
        write_configuration(&directory, 0, &configuration);
        let mut process = spawn(&directory, &configuration);
        while !process.log().contains(READY) {
            if !process.is_running() {
                return Err(process.log());
            }
            super::process::pause(std::time::Duration::from_millis(10));
        }
        let line = process.wait_for_log(0, READY);
        Ok(Self { port: super::portwarden::port_after(&line, READY), process, directory, configuration })
    }
}

fn spawn(directory: &TempDir, configuration: &Configuration) -> Process {
    let (program, file) = (&configuration.program, directory.path().join("config.yml"));
    Process::start(program, &["serve", file.to_str().unwrap()], ENVIRONMENT, &directory.path().join("log"))
}

fn write_configuration(directory: &TempDir, port: u16, configuration: &Configuration) {
    let Configuration { deletes, headers, tls, store, rest, .. } = configuration;
    let store = store.clone().unwrap_or_else(|| directory.path().join("store"));
    let tls = tls.as_ref().map_or(String::new(), |(certificate, key)| {
        format!(", tls: {{certificate: '{}', key: '{}'}}", certificate.display(), key.display())
    });
    let text = format!(
        "version: 0.1\n\
         log: {{level: info, accesslog: {{disabled: false}}}}\n\
         storage:\n  delete: {{enabled: {deletes}}}\n  filesystem: {{rootdirectory: {}}}\n\
         http: {{addr: '127.0.0.1:{port}', secret: of-a-test, headers: {headers}{tls}}}\n{rest}",
        store.display()
    );
    fs::write(directory.path().join("config.yml"), text).unwrap();
}
