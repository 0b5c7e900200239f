//! The tests with real registries, clients, directories, databases and a browser, or that wait for deadlines. They need
//! no root. Each module says which programs it needs; `make tools` installs them all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail loudly and say what they counted"
)]
#![allow(unreachable_pub, reason = "the modules of one test program")]

#[path = "../support/mod.rs"]
mod support;

mod acme;
mod activity;
mod attack_closure;
mod attack_tags;
#[allow(clippy::disallowed_methods, reason = "tests are threads of their own, which may sleep")]
mod attack_waits;
mod audit;
#[allow(clippy::disallowed_methods, reason = "tests are threads of their own, which may sleep")]
mod backend_chain;
mod browser;
mod catalog;
mod certificates;
mod challenge;
mod chart;
mod closure_model;
mod cors;
mod device_login;
mod forwarding;
mod http2_floods;
mod issuers;
mod ldap;
mod limits;
mod man_pages;
mod metrics;
mod mongo_export;
mod notifications;
mod object_store;
#[allow(clippy::disallowed_methods, reason = "tests are threads of their own, which may sleep")]
mod one_tag;
mod page_details;
mod page_documents;
mod page_events;
mod page_first_visit;
mod page_lists;
mod page_preferences;
mod page_selection;
mod page_tasks;
mod pages;
mod personal_tokens;
#[allow(clippy::disallowed_methods, reason = "tests are threads of their own, which may sleep")]
mod prove_reads;
mod prune;
mod published;
mod push_times;
mod registry3;
mod replay;
mod replicas;
mod response_rewriting;
mod revocation;
mod robots;
mod rule_times;
#[allow(clippy::disallowed_methods, reason = "tests are threads of their own, which may sleep")]
mod security;
mod shadow;
mod sign_in;
mod smuggling;
mod sql;
mod storage;
mod storage_answers;
mod storage_lists;
mod stored_claims;
mod tag_rules;
mod token_command;
mod untag_command;
mod upload_grace;
mod workload;
mod write_once;
