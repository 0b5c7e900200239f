//! A containerd of the test's own, and `ctr`.

use std::fs;

use super::{
    command::{self, Output},
    mounts::unmount_below,
    portwarden::{Portwarden, User},
    process::{PATIENCE, Process, eventually},
};
use tempfile::TempDir;

/// A running containerd; `ctr` trusts Portwarden's authority alone.
pub struct Containerd<'a> {
    portwarden: &'a Portwarden,
    process: Process,
    directory: TempDir,
}

/// Starts containerd with an empty store.
pub fn containerd(portwarden: &Portwarden) -> Containerd<'_> {
    let directory = tempfile::Builder::new().prefix("portwarden-containerd-").tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let configuration = format!(
        "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
         [grpc]\naddress = {:?}\n[debug]\naddress = {:?}\n[plugins.\"io.containerd.internal.v1.opt\"]\npath = {:?}\n",
        path("root"),
        path("state"),
        path("socket"),
        path("debug"),
        path("opt")
    );
    fs::write(directory.path().join("config.toml"), configuration).unwrap();
    let arguments = ["--config", &path("config.toml")];
    let process = Process::start("containerd", &arguments, &[], &directory.path().join("log"));
    let containerd = Containerd { portwarden, process, directory };
    let up = eventually(PATIENCE, || containerd.ctr(&["version"]).succeeded());
    assert!(up, "containerd does not answer:\n{}", containerd.process.log());
    containerd
}

impl Containerd<'_> {
    /// `ctr images import`: an archive into the store.
    pub fn load(&self, archive: &str) -> Output {
        self.ctr(&["images", "import", "--snapshotter", "native", archive])
    }

    /// `ctr images push` as `user`.
    pub fn push(&self, user: User, name: &str) -> Output {
        self.images("push", user, name, &[])
    }

    /// `ctr images pull` as `user`.
    pub fn pull(&self, user: User, name: &str) -> Output {
        self.images("pull", user, name, &["--snapshotter", "native"])
    }

    /// `ctr images pull --hosts-dir`, with this text as the registry's `hosts.toml`; trusts no authority but that which
    /// the text names.
    pub fn pull_by(&self, hosts: &str, name: &str) -> Output {
        let directory = self.directory.path().join("certs.d");
        let of_registry = directory.join(self.portwarden.host());
        fs::create_dir_all(&of_registry).unwrap();
        fs::write(of_registry.join("hosts.toml"), hosts).unwrap();
        let (socket, home) = (self.directory.path().join("socket"), self.directory.path().to_str().unwrap());
        let (socket, reference) = (socket.to_str().unwrap(), self.reference(name));
        let pull = ["--address", socket, "images", "pull", "--snapshotter", "native", "--hosts-dir"];
        let all = [&pull[..], &[directory.to_str().unwrap(), &reference]].concat();
        command::run("ctr", &all, &[("HOME", home), ("SSL_CERT_DIR", home)])
    }

    /// `ctr images push` or `pull` by the `hosts.toml` in `folder`, and no password.
    pub fn with_hosts(&self, verb: &str, folder: &str, name: &str) -> Output {
        let reference = self.reference(name);
        let snapshotter: &[&str] = if verb == "pull" { &["--snapshotter", "native"] } else { &[] };
        self.ctr(&[&["images", verb, "--hosts-dir", folder], snapshotter, &[&reference]].concat())
    }

    /// Takes everything out of the store again.
    pub fn forget(&self, name: &str) -> Output {
        self.ctr(&["images", "rm", "--sync", &self.reference(name)])
    }

    fn images(&self, verb: &str, user: User, name: &str, options: &[&str]) -> Output {
        let credentials = format!("{}:{}", user.name, user.password);
        let authority = self.portwarden.authority_file();
        let reference = self.reference(name);
        let mut all =
            vec!["images", verb, "--user", &credentials, "--tlscacert", authority.to_str().unwrap()];
        all.extend(options);
        all.push(&reference);
        self.ctr(&all)
    }

    fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.portwarden.host())
    }

    fn ctr(&self, args: &[&str]) -> Output {
        let socket = self.directory.path().join("socket");
        let authority = self.portwarden.authority_file();
        let home = self.directory.path().to_str().unwrap();
        let mut all = vec!["--address", socket.to_str().unwrap()];
        all.extend(args);
        // The authority for the token endpoint: `--tlscacert` is for the registry only.
        let environment =
            [("HOME", home), ("SSL_CERT_FILE", authority.to_str().unwrap()), ("SSL_CERT_DIR", home)];
        command::run("ctr", &all, &environment)
    }
}

impl Drop for Containerd<'_> {
    fn drop(&mut self) {
        self.process.stop();
        unmount_below(self.directory.path());
    }
}
