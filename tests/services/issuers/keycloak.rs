//! Logins with JWTs of Keycloak, whose key set has a key for encryption as well. `make test-issuers` fetches it from Maven
//! Central, by its version and SHA-256, and runs these tests; it takes a minute to start.

use super::trusting_with;
use crate::support::{
    curl::curl,
    distribution::push_image,
    oidc::OidcIssuer,
    registry::registry,
    token_exchange::claims,
    workload::{log_in, member},
};

#[test]
#[ignore = "run by `make test-issuers`, which fetches Keycloak"]
fn keycloak_signs_a_job_in() {
    let (registry, issuer) = (registry(), OidcIssuer::keycloak());
    let warden = trusting_with(&registry, &issuer.section("RS256", "{azp: job}"));
    let jwt = issuer.jwt(&[]);
    let token = member(&log_in(&warden, &jwt).is(200).json(), "token");
    assert_eq!(claims(&token)["sub"], "ci:acme/app");
    push_image(&curl(&warden).bearer(&token), "acme/app", "1");
    println!("a JWT of Keycloak, {} bytes: a login", jwt.len());

    let strict = trusting_with(&registry, &issuer.section("RS256", "{azp: another}"));
    log_in(&strict, &jwt).is(401);
    strict.says("its claim `azp` is not what `require` demands");
    let strict = trusting_with(&registry, &issuer.section("ES256", "{azp: job}"));
    log_in(&strict, &jwt).is(401);
    strict.says("its `alg` is not in the issuer's `algorithms`");
}
