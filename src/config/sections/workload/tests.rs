//! The findings of `check` on `workload_auth`.

use crate::config::tests::{SERVER, TOKEN, said};

const GITHUB: &str = "name: github, issuer: 'https://token.actions.githubusercontent.com', jwks_file: keys.json, account: '${claim:repository}'";

/// Findings on one issuer with these keys, without the one on the missing file.
fn issuer(keys: &str) -> String {
    section(&format!("audience: 'https://registry.example', issuers: [{{{keys}}}]"))
}

fn section(keys: &str) -> String {
    let text = said(&format!("{SERVER}{TOKEN}acl: []\nworkload_auth: {{{keys}}}\n"));
    let lines = text.lines().filter(|line| !line.contains("jwks_file: cannot read"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_global_issuer_is_pinned_by_a_number_that_is_never_given_away_again() {
    let error = "signs for everyone in the world";
    for require in [
        "",
        ", require: {repository_owner: acme}",
        ", require: {repository_owner_id: '*'}",
        ", require: {run_id: '1'}",
    ] {
        assert!(issuer(&format!("{GITHUB}{require}")).contains(error), "{require}");
    }
    assert_eq!(issuer(&format!("{GITHUB}, require: {{repository_owner_id: '1', event_name: push}}")), "");
    let gitlab =
        "name: gitlab, issuer: 'https://gitlab.com', jwks_file: keys.json, account: '${claim:project_path}'";
    assert!(issuer(gitlab).contains(error));
    assert_eq!(issuer(&format!("{gitlab}, require: {{namespace_id: '1'}}")), "");
    let own = gitlab.replace("gitlab.com", "gitlab.acme.example");
    assert_eq!(issuer(&own), "");
    for (host, id) in
        [("agent.buildkite.com", "pipeline_id"), ("app.terraform.io", "terraform_organization_id")]
    {
        let other = own.replace("gitlab.acme.example", host);
        assert!(issuer(&other).contains(error), "{host}");
        assert_eq!(issuer(&format!("{other}, require: {{{id}: '1'}}")), "", "{host}");
    }
}

#[test]
fn two_claims_that_adjoin_in_an_account_are_warned_of() {
    let of = |account: &str| {
        issuer(&format!("name: ci, issuer: 'https://ci.example', jwks_file: keys.json, account: '{account}'"))
    };
    for account in ["${claim:a}${claim:b}", "x-${claim:a}/${claim:b}${claim:c}"] {
        assert!(of(account).contains("warning") && of(account).contains("two claims adjoin"), "{account}");
    }
    for account in ["${claim:a}", "x${claim:a}", "${claim:a}x", "${claim:a}/${claim:b}"] {
        assert_eq!(of(account), "", "{account}");
    }
}

#[test]
fn jobs_of_every_event_are_warned_of() {
    let said = issuer(&format!("{GITHUB}, require: {{repository_owner_id: '1'}}"));
    assert!(said.contains("warning") && said.contains("pull_request_target"), "{said}");
    assert_eq!(
        issuer(&format!("{GITHUB}, require: {{repository_owner_id: '1', environment: production}}")),
        ""
    );
}

#[test]
fn a_pattern_on_sub_and_a_shared_audience_are_warned_of() {
    let own = "name: ci, issuer: 'https://ci.example', jwks_file: keys.json, account: '${claim:sub}'";
    assert!(issuer(&format!("{own}, require: {{sub: 'repo:acme/*'}}")).contains("a pattern on `sub`"));
    assert_eq!(issuer(&format!("{own}, require: {{sub: 'repo:acme/app'}}")), "");
    let shared = section(&format!("audience: 'https://github.com/acme', issuers: [{{{own}}}]"));
    assert!(shared.contains("of other services, too"), "{shared}");
    let dots = issuer(&format!("{own}, labels: {{ns: kubernetes.io.namespace}}"));
    assert!(dots.contains("Write `/kubernetes.io/namespace`"), "{dots}");
}

#[test]
fn an_issuer_that_cannot_be_used_is_an_error() {
    let own = "name: ci, issuer: 'https://ci.example', jwks_file: keys.json, account: '${claim:sub}'";
    for (written, changed, says) in [
        ("name: ci", "name: 'a:b'", "not a name of an issuer"),
        ("name: ci", "name: CI", "not a name of an issuer"),
        ("https://ci.example", "http://ci.example", "not an https URL"),
        ("https://ci.example", "https://a@ci.example", "not an https URL"),
        ("'${claim:sub}'", "everyone", "without a claim"),
        ("jwks_file: keys.json", "jwks_file: keys.json, jwks_uri: 'https://ci.example/k'", "stands beside"),
        ("jwks_file: keys.json", "jwks_uri: 'http://ci.example/k'", "not an https URL"),
        ("name: ci", "name: ci, algorithms: [HS256]", "not algorithms with a public key"),
        ("name: ci", "name: ci, algorithms: []", "not algorithms with a public key"),
        ("name: ci", "name: ci, require: {a: }", "no value"),
        ("name: ci", "name: ci, require: {a: '/(/'}", "require.a"),
        ("name: ci", "name: ci, realm: x", "unknown key"),
        ("name: ci", "name: ci, bearer: perhaps", "bearer"),
    ] {
        let said = issuer(&own.replace(written, changed));
        assert!(said.contains(says) && !said.contains("warning"), "{changed}: {said}");
    }
    let whole = own.replace("jwks_file: keys.json", "ca_certificate: cert.pem");
    let twice = section(&format!("audience: x, issuers: [{{{whole}}}, {{{whole}}}]"));
    assert!(twice.contains("workload_auth.issuers[1].name: another issuer has this name"), "{twice}");
    assert!(section("audience: x").contains("there are no issuers"));
    assert!(section(&format!("issuers: [{{{own}}}]")).contains("audience: missing"));
    assert!(section(&format!("audience: x, session: 1m, issuers: [{{{own}}}]")).contains("from 5m to 24h"));
}

#[test]
fn a_user_or_robot_with_the_name_of_an_issuer_is_an_error() {
    let hash = "$2y$10$lfIkMm1jPw8Is./rthy5auKvJeeuH7pJMDm4K.KmbODdBR31EC/am";
    let issuer =
        "{name: ci, issuer: 'https://ci.example', ca_certificate: cert.pem, account: '${claim:sub}'}";
    for (name, is_refused) in [("ci", true), ("CI", true), ("ci:acme", true), ("cicd", false)] {
        let said = said(&format!(
            "{SERVER}{TOKEN}users: {{'{name}': {{password: {hash}}}}}\nacl: []\nworkload_auth: {{audience: x, issuers: [{issuer}]}}\n"
        ));
        assert_eq!(said.contains("belongs to the issuer \"ci\""), is_refused, "{name}: {said}");
        let robots = format!(
            "{SERVER}{TOKEN}robots: {{'{name}': {{}}}}\nacl: []\nworkload_auth: {{audience: x, issuers: [{issuer}]}}\n"
        );
        let said = self::said(&robots);
        assert_eq!(said.contains("belongs to the issuer \"ci\""), is_refused, "robot {name}: {said}");
    }
}
