//! Issuers of JWTs that other people wrote: npm's `oidc-provider`, and Keycloak. Each on a loopback port, over TLS.

use std::{fs, os::unix::fs::symlink, path::PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    command,
    pki::Authority,
    ports,
    process::{PATIENCE, Process, eventually},
    programs,
};

/// The user of `docker login`, and the password of the client at the issuer.
const CLIENT: &str = "job";
const SECRET: &str = "the-secret-of-a-job";

/// A running issuer.
pub struct OidcIssuer {
    url: String,
    token_url: String,
    directory: TempDir,
    _process: Process,
}

impl OidcIssuer {
    /// npm's `oidc-provider`, which signs with one key of that algorithm: RS256, ES256 or EdDSA.
    pub fn oidc_provider(algorithm: &str) -> Self {
        Self::by_node("issuer.mjs", &[algorithm])
    }

    /// npm's `oidc-provider`, at which the person `ada` signs in without being asked.
    pub fn of_people() -> Self {
        Self::by_node("people.mjs", &[])
    }

    fn by_node(script: &str, more: &[&str]) -> Self {
        let directory = with_certificate();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let source = format!("{}/tests/services/issuers/{script}", env!("CARGO_MANIFEST_DIR"));
        fs::copy(source, path(script)).unwrap();
        symlink(programs::fetched("issuers/node_modules", "oidc-provider"), path("node_modules")).unwrap();
        let (script, certificate, key) = (path(script), path("tls.crt"), path("tls.key"));
        let arguments = [&[script.as_str()], more, &[&certificate, &key]].concat();
        let mut process = Process::start("node", &arguments, &[], &directory.path().join("log"));
        let line = process.wait_for_log(0, "serves https://");
        let url = line.trim_start_matches("serves ").to_owned();
        Self { token_url: format!("{url}/token"), url, directory, _process: process }
    }

    /// Keycloak, with one client of `tests/services/issuers/keycloak.json`. It signs with RS256.
    pub fn keycloak() -> Self {
        programs::require("java");
        let directory = with_certificate();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let port = ports::free_port();
        let address = format!("https://127.0.0.1:{port}");
        let program = programs::fetched_by("test-issuers", "keycloak/current/bin/kc.sh", "Keycloak");
        let arguments = [
            "start",
            "--optimized",
            "--import-realm",
            "--http-host=127.0.0.1",
            &format!("--https-port={port}"),
            &format!("--hostname={address}"),
            &format!("--https-certificate-file={}", path("tls.crt")),
            &format!("--https-certificate-key-file={}", path("tls.key")),
            // One server; by default it asks the network for others.
            "--cache=local",
        ];
        // The loopback address of IPv4, and no other.
        let environment = [("JAVA_OPTS_APPEND", "-Djava.net.preferIPv4Stack=true")];
        let process = Process::start(
            program.to_str().unwrap(),
            &arguments,
            &environment,
            &directory.path().join("log"),
        );
        // It starts in seconds, and in minutes on a machine that is busy.
        let is_up = eventually(5 * PATIENCE, || process.log().contains("Listening on: "));
        assert!(is_up, "Keycloak does not serve:\n{}", process.log());
        let url = format!("{address}/realms/ci");
        let token_url = format!("{url}/protocol/openid-connect/token");
        Self { url, token_url, directory, _process: process }
    }

    /// Its `iss`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The file with the certificate of its authority.
    pub fn authority_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Follows the redirects of a browser from this address until one leads away from here: to where.
    pub fn follow(&self, address: &str) -> String {
        let jar = self.directory.path().join("cookies");
        let (authority, jar) = (self.authority_file(), jar.to_str().unwrap());
        let mut address = address.to_owned();
        while address.starts_with(&self.url) {
            let options =
                ["--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{redirect_url}"];
            let cookies = ["--cookie", jar, "--cookie-jar", jar, "--cacert", authority.to_str().unwrap()];
            let followed = command::run("curl", &[&options[..], &cookies, &[&address]].concat(), &[]);
            address = followed.succeeds().stdout;
        }
        address
    }

    /// A JWT by client_credentials, with these parameters besides.
    pub fn jwt(&self, more: &[&str]) -> String {
        let (authority, user) = (self.authority_file(), format!("{CLIENT}:{SECRET}"));
        let mut all =
            vec!["--silent", "--show-error", "--cacert", authority.to_str().unwrap(), "--user", &user];
        all.extend(["--data", "grant_type=client_credentials"]);
        all.extend(more.iter().flat_map(|parameter| ["--data", parameter]));
        all.push(&self.token_url);
        let answer = command::run("curl", &all, &[]).succeeds().stdout;
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer}"));
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// The section with this issuer, under the name `ci`; the account and `require` in YAML.
    pub fn section(&self, algorithm: &str, require: &str) -> String {
        format!(
            "workload_auth:\n  audience: [registry.test, \"https://registry.test\"]\n  issuers:\n    - name: ci\n      issuer: {}\n      \
             algorithms: [{algorithm}]\n      ca_certificate: {}\n      account: \"${{claim:repo}}\"\n      \
             require: {require}\n      labels: {{repo: repo, ref: ref}}\n",
            self.url,
            self.authority_file().display()
        )
    }
}

/// A folder with a certificate of 127.0.0.1 and its authority.
fn with_certificate() -> TempDir {
    let directory = tempfile::Builder::new().prefix("portwarden-oidc-").tempdir().unwrap();
    let authority = Authority::new("authority of an issuer");
    authority.write_server_certificate(directory.path());
    fs::write(directory.path().join("ca.pem"), authority.pem()).unwrap();
    directory
}
