//! podman with a store of its own.

use std::path::Path;

use super::{
    command::{self, Output},
    mounts::unmount_below,
    portwarden::{Portwarden, User},
};
use tempfile::TempDir;

/// podman with an empty store.
pub struct Podman<'a> {
    portwarden: &'a Portwarden,
    home: TempDir,
}

/// A podman that trusts Portwarden's authority alone.
pub fn podman(portwarden: &Portwarden) -> Podman<'_> {
    Podman { portwarden, home: tempfile::Builder::new().prefix("portwarden-podman-").tempdir().unwrap() }
}

impl Podman<'_> {
    /// `podman load`: an archive into the store.
    pub fn load(&self, archive: &str) -> Output {
        self.run(&["load", "--input", archive])
    }

    /// `podman push <registry>/<name>` as `user`.
    pub fn push(&self, user: User, name: &str) -> Output {
        self.run(&["push", "--creds", &credentials(user), &self.reference(name)])
    }

    /// `podman pull <registry>/<name>` as `user`.
    pub fn pull(&self, user: User, name: &str) -> Output {
        self.run(&["pull", "--creds", &credentials(user), &self.reference(name)])
    }

    /// `podman push` or `podman pull` with the client certificate in `folder`, and no password.
    pub fn with_certificates(&self, verb: &str, folder: &str, name: &str) -> Output {
        self.run(&[verb, "--cert-dir", folder, &self.reference(name)])
    }

    /// `podman login` as `user`.
    pub fn login(&self, user: User) -> Output {
        let login = ["login", "--username", user.name, "--password", user.password, &self.portwarden.host()];
        self.run(&login)
    }

    /// `podman login` without a password, by what another client keeps in `file`.
    pub fn login_by(&self, file: &Path) -> Output {
        self.run(&["login", "--authfile", file.to_str().unwrap(), &self.portwarden.host()])
    }

    /// `podman rmi`: out of the store again.
    pub fn forget(&self, name: &str) -> Output {
        self.run(&["rmi", "--force", &self.reference(name)])
    }

    fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.portwarden.host())
    }

    fn run(&self, args: &[&str]) -> Output {
        let path = |name: &str| self.home.path().join(name).to_str().unwrap().to_owned();
        let (root, run, tmp) = (path("root"), path("run"), path("tmp"));
        let mut all = vec!["--root", &root, "--runroot", &run, "--tmpdir", &tmp, "--storage-driver", "vfs"];
        all.extend(args);
        let authority = self.portwarden.authority_file();
        let home = self.home.path().to_str().unwrap();
        let environment = [
            ("HOME", home),
            ("XDG_RUNTIME_DIR", home),
            ("SSL_CERT_FILE", authority.to_str().unwrap()),
            ("SSL_CERT_DIR", home),
        ];
        command::run("podman", &all, &environment)
    }
}

impl Drop for Podman<'_> {
    fn drop(&mut self) {
        // podman bind-mounts its store on itself; the directory cannot be removed under a mount.
        unmount_below(self.home.path());
    }
}

fn credentials(user: User) -> String {
    format!("{}:{}", user.name, user.password)
}
