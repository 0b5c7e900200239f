//! The harness of the integration tests: real registries, real clients and the built program, each a part that starts
//! on a free port, trusts one authority of its own, and is gone when dropped. One module per part.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses some of the harness")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests fail loudly"
)]

pub mod acme;
pub mod audit;
pub mod audit_schema;
pub mod backoff;
pub mod browser;
pub mod certificates;
pub mod client;
pub mod clock;
pub mod collector;
pub mod command;
pub mod containerd;
pub mod content;
pub mod curl;
pub mod database;
pub mod device_login;
pub mod distribution;
pub mod docker;
pub mod events;
pub mod h2;
pub mod hanging_disk;
pub mod haproxy;
pub mod https_server;
pub mod image;
pub mod in_process;
pub mod issuer;
pub mod journal;
pub mod kubernetes;
pub mod load;
pub mod long_wait;
pub mod mariadb;
pub mod metrics;
pub mod misbehaving_registry;
pub mod mounts;
pub mod oidc;
pub mod page_client;
pub mod pem;
pub mod personal_tokens;
pub mod pki;
pub mod podman;
pub mod ports;
pub mod portwarden;
pub mod postgres;
pub mod process;
pub mod programs;
pub mod provider;
pub mod random;
pub mod raw;
pub mod recorded_tokens;
pub mod recorder;
pub mod registry;
pub mod registry3;
pub mod relay;
pub mod relay_tcp;
pub mod robots;
pub mod routes;
pub mod same_rules;
pub mod skopeo;
pub mod slapd;
pub mod small_disk;
pub mod stranger;
pub mod tls;
pub mod token_exchange;
pub mod unprivileged;
pub mod waiting;
pub mod webdriver;
pub mod workload;
