//! Logins with JWTs of issuers that other people wrote: npm's `oidc-provider`, which `.ci/install test` fetches by the lock
//! file in this folder, with its discovery, its keys of three kinds, and the credential provider of a kubelet; and
//! Keycloak.
//!
//! Needs: curl, docker-registry, htpasswd, java, node, skopeo.

mod keycloak;

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::support::{
    curl::curl,
    distribution::push_image,
    image::Image,
    oidc::OidcIssuer,
    portwarden::{ADMIN, Portwarden, User, portwarden, program},
    registry::{Registry, registry},
    skopeo::skopeo,
    token_exchange::claims,
    workload::{ACL, job, log_in, member},
};

/// The audience, as a resource of RFC 8707.
const RESOURCE: &str = "resource=https://registry.test";

fn trusting(registry: &Registry, issuer: &OidcIssuer, algorithm: &str) -> Portwarden {
    trusting_with(registry, &issuer.section(algorithm, "{owner_id: \"42\"}"))
}

fn trusting_with(registry: &Registry, section: &str) -> Portwarden {
    portwarden(registry).acl(ACL).with(section).start()
}

#[test]
fn oidc_provider_signs_with_each_kind_of_key_and_the_list_of_algorithms_is_kept() {
    let registry = registry();
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let issuer = OidcIssuer::oidc_provider(algorithm);
        let jwt = issuer.jwt(&[RESOURCE]);
        let warden = trusting(&registry, &issuer, algorithm);
        let token = member(&log_in(&warden, &jwt).is(200).json(), "token");
        assert_eq!(claims(&token)["sub"], "ci:acme/app", "{algorithm}");
        push_image(&curl(&warden).bearer(&token), "acme/app", "1");
        curl(&warden).bearer(&token).get("/v2/acme/other/tags/list").is(401);
        log_in(&warden, &issuer.jwt(&["resource=https://other.example"])).is(401);
        warden.says("its `aud`");

        let other = if algorithm == "RS256" { "ES256" } else { "RS256" };
        let strict = trusting(&registry, &issuer, other);
        log_in(&strict, &jwt).is(401);
        strict.says("its `alg` is not in the issuer's `algorithms`");
    }
}

#[test]
fn skopeo_pushes_with_jwts_of_oidc_provider_of_one_and_a_half_and_six_kib() {
    let (registry, issuer) = (registry(), OidcIssuer::oidc_provider("RS256"));
    let warden = trusting(&registry, &issuer, "RS256");
    let archive = Image::random(1, 2_000).archive("app:1");
    for (scope, size) in [("scope=700", 1_400..2_000), ("scope=4100", 5_800..6_600)] {
        let jwt = issuer.jwt(&[RESOURCE, scope]);
        assert!(size.contains(&jwt.len()), "{} bytes", jwt.len());
        skopeo(&warden, job(&jwt)).push(archive.path(), "acme/app:1").succeeds();
        skopeo(&warden, job(&jwt)).pull("acme/app:1").succeeds();
    }
}

/// From a kubelet's request to a pull: the answer of the plugin is what a container runtime signs in with.
#[test]
fn what_the_credential_provider_answers_pulls_the_image() {
    let (registry, issuer) = (registry(), OidcIssuer::oidc_provider("ES256"));
    let warden = trusting(&registry, &issuer, "ES256");
    push_image(&curl(&warden).user(ADMIN), "acme/app", "1");
    let request = json!({
        "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
        "kind": "CredentialProviderRequest",
        "image": format!("{}/acme/app", warden.host()),
        "serviceAccountToken": issuer.jwt(&[RESOURCE]),
    });
    let answer = provide(&["--issuer", "ci", "--registry", &warden.host()], &request);
    let auth = &answer["auth"][&warden.host()];
    assert_eq!(auth["username"], "ci");
    let user = User { name: "ci", ..job(auth["password"].as_str().unwrap()) };
    skopeo(&warden, user).pull("acme/app:1").succeeds();
}

fn provide(options: &[&str], request: &Value) -> Value {
    let mut command = Command::new(program());
    command.arg("credential-provider").args(options).env_clear();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(request.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}
