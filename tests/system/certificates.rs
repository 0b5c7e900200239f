//! The claim of `certificate_auth` as one story: docker, containerd and podman push and pull with a client certificate
//! and no password, and are refused once it is revoked.
//!
//! Needs: containerd, curl, docker, docker-registry, htpasswd, podman, root.

use std::{fs, path::PathBuf};

use crate::support::{
    certificates::{ClientAuthority, Machine},
    containerd::containerd,
    curl::curl,
    docker::docker,
    image::Image,
    podman::podman,
    portwarden::{Portwarden, portwarden},
    registry::registry,
    waiting::{PATIENCE, eventually},
};

const NAME: &str = "acme/app:1";

/// The folder in which docker looks for the certificates of a host; it is gone when dropped.
struct CertsD(PathBuf);

impl CertsD {
    fn new(warden: &Portwarden, machine: &Machine) -> Self {
        let folder = PathBuf::from("/etc/docker/certs.d").join(warden.host());
        machine.write_directory(warden, &folder);
        Self(folder)
    }
}

impl Drop for CertsD {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn docker_pushes_and_pulls_with_a_certificate_until_it_is_revoked() {
    let (registry, clients) = (registry(), ClientAuthority::new("clients"));
    let list = clients.revoke(&[]);
    let base = clients.trusted(portwarden(&registry)).with_server("client_crl", list.to_str().unwrap());
    let warden = base.start();
    let app = clients.machine("ci/app");
    let _folder = CertsD::new(&warden, &app);
    let client = docker().user(&warden, None);
    let image = Image::random(2, 20_000);
    client.load(image.archive(&client.reference(NAME)).path()).succeeds();
    client.push(NAME).succeeds();
    client.forget(NAME).succeeds();
    client.pull(NAME).succeeds();
    println!("docker pushes and pulls with what certs.d holds, and no password");
    client.run(&["tag", &client.reference(NAME), &client.reference("acme/other:1")]).succeeds();
    client.push("acme/other:1").fails();
    clients.revoke(&[app.serial]);
    let is_refused = || app.asks(curl(&warden)).get("/v2/").status == 0;
    assert!(eventually(PATIENCE, is_refused), "the list is read when it changes");
    client.forget(NAME).succeeds();
    client.pull(NAME).fails();
    println!("docker is refused once the certificate stands in the list");
}

#[test]
fn docker_logs_in_as_the_user_of_certificates() {
    let (registry, clients) = (registry(), ClientAuthority::new("clients"));
    let warden = clients.trusted(portwarden(&registry)).start();
    let _folder = CertsD::new(&warden, &clients.machine("ci/app"));
    let client = docker().user(&warden, None);
    let user = |name| crate::support::portwarden::User { name, password: "any" };
    client.login(user("cert")).succeeds().says("Login Succeeded");
    client.login(user("admin")).fails();
}

#[test]
fn podman_pushes_with_a_certificate() {
    let (registry, clients) = (registry(), ClientAuthority::new("clients"));
    let warden = clients.trusted(portwarden(&registry)).start();
    let directory = tempfile::tempdir().unwrap();
    clients.machine("ci/app").write_directory(&warden, directory.path());
    let client = podman(&warden);
    let archive = Image::random(1, 20_000).archive(&format!("{}/{NAME}", warden.host()));
    client.load(archive.path()).succeeds();
    let folder = directory.path().to_str().unwrap();
    client.with_certificates("push", folder, NAME).succeeds();
    client.forget(NAME).succeeds();
    client.with_certificates("pull", folder, NAME).succeeds();
}

#[test]
fn containerd_pushes_with_a_certificate() {
    let (registry, clients) = (registry(), ClientAuthority::new("clients"));
    let warden = clients.trusted(portwarden(&registry)).start();
    let directory = tempfile::tempdir().unwrap();
    let machine = clients.machine("ci/app");
    let folder = directory.path().join(warden.host());
    machine.write_directory(&warden, &folder);
    let hosts = format!(
        "server = \"{url}\"\n[host.\"{url}\"]\n  ca = \"{folder}/ca.crt\"\n  \
         client = [[\"{folder}/client.cert\", \"{folder}/client.key\"]]\n",
        url = warden.url(),
        folder = folder.display()
    );
    fs::write(folder.join("hosts.toml"), hosts).unwrap();
    let client = containerd(&warden);
    let archive = Image::random(1, 20_000).archive(&format!("{}/{NAME}", warden.host()));
    client.load(archive.path()).succeeds();
    let hosts = directory.path().to_str().unwrap();
    client.with_hosts("push", hosts, NAME).succeeds();
    client.forget(NAME).succeeds();
    client.with_hosts("pull", hosts, NAME).succeeds();
}
