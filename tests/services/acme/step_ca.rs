//! Certificates by ACME of step-ca, an authority for private networks.
//!
//! Needs: curl, docker-registry, htpasswd, openssl, pebble, step-ca.

use std::fs;

use super::shown;
use crate::support::{
    acme::{DONE, Names, StepCa, by_acme},
    ports::free_port,
    registry::registry,
};

#[test]
#[ignore = "run by `make test-acme`, which compiles step-ca"]
fn a_private_authority_issues_by_both_challenges() {
    let (registry, names) = (registry(), Names::start());
    let (port, plain) = (free_port(), free_port());
    let authority = StepCa::start(&names, port, plain);
    let root = fs::read(authority.root_file()).unwrap();
    for challenge in ["tls-alpn-01", "http-01"] {
        let section = authority.section(&format!(", challenge: {challenge}"));
        let warden = by_acme(&registry, port, &section)
            .with_server("redirect_addr", &format!("'127.0.0.1:{plain}'"))
            .start();
        warden.says(DONE);
        assert!(shown(&warden, &root).is_some(), "{challenge}: {}", authority.log());
    }
}
