//! docker: a daemon of the tests' own, shared by the tests that run at the same time, and its client as any user.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, Weak},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tempfile::TempDir;

use super::{
    command::{self, Output},
    mounts::unmount_below,
    pki,
    portwarden::{self, Portwarden, User},
    process::{PATIENCE, Process, eventually},
};

/// A running dockerd that trusts the tests' authority alone.
pub struct Docker {
    process: Process,
    directory: TempDir,
}

/// docker's client with credentials for one registry.
pub struct Client {
    docker: Arc<Docker>,
    home: TempDir,
    registry: String,
}

/// The daemon: started by the first test that needs it, ended by the last that does.
pub fn docker() -> Arc<Docker> {
    static SHARED: Mutex<Weak<Docker>> = Mutex::new(Weak::new());
    // A test that failed to start it must not fail the others.
    let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    shared.upgrade().unwrap_or_else(|| {
        let docker = Arc::new(Docker::start());
        *shared = Arc::downgrade(&docker);
        docker
    })
}

impl Docker {
    fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("portwarden-docker-").tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        fs::write(path("ca.crt"), pki::authority().pem()).unwrap();
        fs::create_dir(path("empty")).unwrap();
        let (data, exec, pid, socket) =
            (path("data"), path("exec"), path("pid"), format!("unix://{}", path("socket")));
        let arguments = [
            "--config-file",
            &path("none.json"),
            "--data-root",
            &data,
            "--exec-root",
            &exec,
            "--pidfile",
            &pid,
            "--host",
            &socket,
            "--storage-driver",
            "vfs",
            "--bridge",
            "none",
            "--iptables=false",
            "--ip6tables=false",
        ];
        fs::write(path("none.json"), "{}").unwrap();
        let (home, authority, empty) = (path(""), path("ca.crt"), path("empty"));
        let environment = [("HOME", &*home), ("SSL_CERT_FILE", &*authority), ("SSL_CERT_DIR", &*empty)];
        let process = Process::start("dockerd", &arguments, &environment, &directory.path().join("log"));
        let docker = Self { process, directory };
        let up = eventually(PATIENCE, || docker.client(&["version"], &home).succeeded());
        assert!(up, "dockerd does not answer:\n{}", docker.process.log());
        docker
    }

    /// The client as `user` of `portwarden`, as after `docker login`; without credentials for `None`.
    pub fn user(self: &Arc<Self>, portwarden: &Portwarden, user: Option<User>) -> Client {
        let home = tempfile::Builder::new().prefix("portwarden-docker-user-").tempdir().unwrap();
        let registry = portwarden.host();
        if let Some(user) = user {
            let credentials = STANDARD.encode(format!("{}:{}", user.name, user.password));
            let configuration = serde_json::json!({"auths": {&registry: {"auth": credentials}}});
            fs::write(home.path().join("config.json"), configuration.to_string()).unwrap();
        }
        Client { docker: Arc::clone(self), home, registry }
    }

    fn client(&self, args: &[&str], configuration: &str) -> Output {
        self.run("docker", args, configuration)
    }

    fn run(&self, program: &str, args: &[&str], configuration: &str) -> Output {
        let socket = format!("unix://{}", self.directory.path().join("socket").display());
        let environment =
            [("DOCKER_HOST", &*socket), ("DOCKER_CONFIG", configuration), ("HOME", configuration)];
        command::run(program, args, &environment)
    }
}

impl Client {
    /// Any command.
    pub fn run(&self, args: &[&str]) -> Output {
        self.docker.client(args, self.home.path().to_str().unwrap())
    }

    /// A line of a shell in a folder, where `docker` is this client and `portwarden` the program under test.
    pub fn shell(&self, folder: &Path, line: &str) -> Output {
        let programs = Path::new(&portwarden::program()).parent().unwrap().display().to_string();
        let line = format!("PATH={programs}:$PATH; cd {}; {line}", folder.display());
        self.docker.run("sh", &["-c", &line], self.home.path().to_str().unwrap())
    }

    /// Returns the path of the file that holds its logins.
    pub fn configuration(&self) -> PathBuf {
        self.home.path().join("config.json")
    }

    /// `docker login` with a password.
    pub fn login(&self, user: User) -> Output {
        self.run(&["login", "--username", user.name, "--password", user.password, &self.registry])
    }

    /// `docker load`: an archive into the daemon's store.
    pub fn load(&self, archive: &str) -> Output {
        self.run(&["load", "--input", archive])
    }

    /// `docker tag`: the image `from` as `to` as well; both names without the registry.
    pub fn tag(&self, from: &str, to: &str) -> Output {
        self.run(&["tag", &self.reference(from), &self.reference(to)])
    }

    /// `docker push <registry>/<name>`.
    pub fn push(&self, name: &str) -> Output {
        self.run(&["push", &self.reference(name)])
    }

    /// `docker pull <registry>/<name>`.
    pub fn pull(&self, name: &str) -> Output {
        self.run(&["pull", &self.reference(name)])
    }

    /// `docker rmi`: out of the daemon's store, so that the next pull fetches it.
    pub fn forget(&self, name: &str) -> Output {
        self.run(&["rmi", "--force", &self.reference(name)])
    }

    /// The image's own id: the digest of its configuration, and so of everything in it.
    #[track_caller]
    pub fn image_id(&self, name: &str) -> String {
        self.run(&["image", "inspect", "--format", "{{.Id}}", &self.reference(name)]).succeeds().stdout
    }

    /// `<registry>/<name>`.
    pub fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.registry)
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        self.process.stop();
        // The daemon bind-mounts its data root on itself; the directory cannot be removed under a mount.
        unmount_below(self.directory.path());
    }
}
