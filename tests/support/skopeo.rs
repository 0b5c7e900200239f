//! skopeo with credentials of its own.

use std::path::Path;

use super::{
    command::{self, Output},
    portwarden::{Portwarden, User},
};
use tempfile::TempDir;

/// skopeo as one user.
pub struct Skopeo<'a> {
    portwarden: &'a Portwarden,
    user: User,
    home: TempDir,
}

/// skopeo as `user`, trusting Portwarden's authority alone.
pub fn skopeo(portwarden: &Portwarden, user: User) -> Skopeo<'_> {
    Skopeo {
        portwarden,
        user,
        home: tempfile::Builder::new().prefix("portwarden-skopeo-").tempdir().unwrap(),
    }
}

impl Skopeo<'_> {
    /// `skopeo copy docker-archive:<archive> docker://<registry>/<name>`.
    pub fn push(&self, archive: &str, name: &str) -> Output {
        let target = self.url(name);
        self.run("copy", "--dest-creds", &["--quiet", &format!("docker-archive:{archive}"), &target])
    }

    /// `skopeo copy docker://<registry>/<name> dir:<a new directory>`.
    pub fn pull(&self, name: &str) -> Output {
        let target = format!("dir:{}", self.home.path().join("pulled").display());
        self.run("copy", "--src-creds", &["--quiet", &self.url(name), &target])
    }

    /// `skopeo inspect`: JSON with the digest.
    pub fn inspect(&self, name: &str) -> Output {
        self.run("inspect", "--creds", &[&self.url(name)])
    }

    /// `skopeo login` without a password, by what another client keeps in `file`.
    pub fn login_by(&self, file: &Path) -> Output {
        self.skopeo(&["login", "--authfile", file.to_str().unwrap(), &self.portwarden.host()])
    }

    /// `skopeo list-tags`.
    pub fn list_tags(&self, repository: &str) -> Output {
        self.run("list-tags", "--creds", &[&self.url(repository)])
    }

    /// `skopeo delete`.
    pub fn delete(&self, name: &str) -> Output {
        self.run("delete", "--creds", &[&self.url(name)])
    }

    fn url(&self, name: &str) -> String {
        format!("docker://{}/{name}", self.portwarden.host())
    }

    fn run(&self, verb: &str, credentials_option: &str, args: &[&str]) -> Output {
        let credentials = format!("{}:{}", self.user.name, self.user.password);
        let mut all = vec!["--insecure-policy", verb, credentials_option, &credentials];
        all.extend(args);
        self.skopeo(&all)
    }

    fn skopeo(&self, args: &[&str]) -> Output {
        let authority = self.portwarden.authority_file();
        let home = self.home.path().to_str().unwrap();
        let environment =
            [("HOME", home), ("SSL_CERT_FILE", authority.to_str().unwrap()), ("SSL_CERT_DIR", home)];
        command::run("skopeo", args, &environment)
    }
}
