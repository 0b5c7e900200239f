//! The findings of `check` on the sections with which people sign in.

use crate::config::tests::{SERVER, TOKEN, said};

const STATE: &str = "state: {file: ./state.db}\n";
const OIDC: &str = "issuer: 'https://login.example', redirect_url: 'https://registry.example/oidc_auth', client_id: a, \
                    client_secret: b";
const GITHUB: &str = "organization: acme, client_id: a, client_secret: b";
const GITLAB: &str = "client_id: a, client_secret: b, redirect_uri: 'https://registry.example/gitlab_auth', \
                      gitlab_web_uri: 'https://gitlab.example', gitlab_api_uri: 'https://gitlab.example/api/v4'";

/// Findings on one section with these keys.
fn section(name: &str, keys: &str) -> String {
    said(&format!("{SERVER}{TOKEN}acl: []\n{STATE}{name}: {{{keys}}}\n"))
}

#[test]
fn each_section_is_enough_to_sign_in() {
    assert_eq!(section("oidc_auth", OIDC), "");
    assert_eq!(section("github_auth", GITHUB), "");
    assert_eq!(section("gitlab_auth", GITLAB), "");
    assert_eq!(section("google_auth", "client_id: a, client_secret: b, domain: example.com"), "");
}

/// Its example as it is, with paths and hosts in the place of those that it has for every reader to replace.
#[test]
fn the_sections_of_the_example_of_docker_auth_pass() {
    let example = "
google_auth:
  domain: \"example.com\"
  client_id: \"1223123456-somethingsomething.apps.googleusercontent.com\"
  client_secret: \"verysecret\"
  level_token_db:
    path: \"/somewhere/to/put/google_tokens.ldb\"
  http_timeout: \"10s\"
github_auth:
  organization: \"acme\"
  client_id: \"1223123456\"
  client_secret: \"verysecret\"
  level_token_db:
    path: \"/somewhere/to/put/github_tokens.ldb\"
  gcs_token_db:
    bucket: \"tokenBucket\"
    client_secret_file: \"/path/to/client_secret.json\"
  redis_token_db:
    redis_options:
        addr: localhost:6379
    redis_cluster_options:
        addrs: [\"localhost:7000\"]
  http_timeout: \"10s\"
  revalidate_after: \"1h\"
  github_web_uri: \"https://github.acme.com\"
  github_api_uri: \"https://github.acme.com/api/v3\"
  registry_url: localhost:5000
oidc_auth:
  issuer: \"https://login.example\"
  redirect_url: \"https://registry.example/oidc_auth\"
  client_id: \"be4ut1fu1-cl13n7-1d\"
  client_secret: \"be4ut1fu1-cl13n7-s3cr37\"
  level_token_db:
    path: \"/path/to/tokens.ldb\"
  http_timeout: \"10s\"
  registry_url: \"url_of_my_beautiful_docker_registry\"
  user_claim: email
  label_claims:
    - groups
  scopes:
    - openid
    - email
gitlab_auth:
  client_id: \"1223123456\"
  client_secret: \"verysecret\"
  level_token_db:
    path: \"/somewhere/to/put/gitlab_tokens.ldb\"
  http_timeout: \"10s\"
  revalidate_after: \"1h\"
  gitlab_web_uri: \"https://gitlab.com\"
  gitlab_api_uri: \"https://gitlab.com/api/v4\"
  registry_url: localhost:5000
  grant_type: \"authorization_code\"
  redirect_uri: \"https://localhost:5001/gitlab_auth\"
";
    let said = said(&format!("{SERVER}{TOKEN}acl: []\n{example}"));
    assert!(said.lines().all(|line| line.contains(": warning: ")), "{said}");
    assert!(said.contains("level_token_db: ignored: sign-ins are kept in `state.file`"), "{said}");
    assert!(said.contains("oidc_auth: no person can sign in without a state file"), "{said}");
    assert!(said.contains("every account of gitlab.com may sign in"), "{said}");
}

#[test]
fn what_is_missing_or_wrong_is_named_with_the_remedy() {
    for (name, keys, finding) in [
        ("oidc_auth", "client_id: a, client_secret: b".to_owned(), "oidc_auth.issuer: missing"),
        (
            "oidc_auth",
            OIDC.replace("https://login", "http://login"),
            "oidc_auth.issuer: missing, or not an https URL",
        ),
        (
            "oidc_auth",
            OIDC.replace("example/oidc_auth", "example/"),
            "oidc_auth.redirect_url: expected an https URL that ends in `/oidc_auth`",
        ),
        (
            "oidc_auth",
            OIDC.replace("https://registry", "http://registry"),
            "oidc_auth.redirect_url: expected an https URL",
        ),
        ("oidc_auth", OIDC.replace("client_secret: b", "client_id2: b"), "oidc_auth.client_secret: missing"),
        ("oidc_auth", format!("{OIDC}, scopes: [email]"), "oidc_auth.scopes: `openid` is missing"),
        ("oidc_auth", format!("{OIDC}, jwks_uri: 'http://x'"), "oidc_auth.jwks_uri: not an https URL"),
        (
            "oidc_auth",
            format!("{OIDC}, label_claims: [a], labels_claims: [b]"),
            "stands beside `label_claims`",
        ),
        (
            "oidc_auth",
            format!("{OIDC}, client_secret_file: missing"),
            "oidc_auth.client_secret_file: cannot read",
        ),
        ("oidc_auth", format!("{OIDC}, organization: a"), "oidc_auth.organization: unknown key"),
        ("oidc_auth", format!("{OIDC}, level_token_db: {{}}"), "not a whole database"),
        (
            "oidc_auth",
            format!("{OIDC}, revalidate_after: 0s"),
            "oidc_auth.revalidate_after: must be from 1s to 720h",
        ),
        (
            "github_auth",
            format!("{GITHUB}, github_api_uri: 'http://x'"),
            "github_auth.github_api_uri: not an https URL",
        ),
        ("github_auth", GITHUB.replace("organization: acme, ", ""), "every account of GitHub may sign in"),
        ("github_auth", GITHUB.replace("client_id: a, ", ""), "github_auth.client_id: missing"),
        (
            "gitlab_auth",
            format!("{GITLAB}, grant_type: password"),
            "gitlab_auth.grant_type: not a way to sign in",
        ),
        (
            "gitlab_auth",
            format!("{GITLAB}, organization: acme"),
            "gitlab_auth.organization: unknown key. docker_auth reads it and checks nothing: remove it",
        ),
        (
            "oidc_auth",
            OIDC.replace("https://login.example", "https://login.example/.well-known/openid-configuration"),
            "oidc_auth.issuer: the address of the discovery document, and not the issuer",
        ),
        (
            "google_auth",
            "client_id: a, client_secret: b, domain: '@example.com'".to_owned(),
            "google_auth.domain: not a domain",
        ),
        (
            "github_auth",
            GITHUB.replace("acme", "'https://github.com/acme'"),
            "github_auth.organization: not a name of GitHub",
        ),
        ("google_auth", "client_id: a, client_secret: b".to_owned(), "every account of Google may sign in"),
    ] {
        let said = section(name, &keys);
        assert!(said.contains(finding), "{keys}: {said}");
    }
}

#[test]
fn what_it_means_beside_other_sections_is_a_warning() {
    let beside = |more: &str| said(&format!("{SERVER}{TOKEN}acl: []\ngithub_auth: {{{GITHUB}}}\n{more}"));
    assert!(beside("state: {file: none}\n").contains("no person can sign in without a state file"));
    assert!(beside(&format!("{STATE}ui: {{enabled: false}}\n")).contains("without the web pages"));
    let command = beside(&format!("{STATE}ext_auth: {{command: /bin/sh}}\n"));
    assert!(command.contains("a person can be called like an account of `ext_auth`"), "{command}");
}

#[test]
fn rules_about_people_and_their_labels_are_no_mistakes() {
    let rules = "acl:\n  - match: {account: ada}\n    actions: [pull]\n  - match: {labels: {teams: dev}}\n    actions: [pull]\n";
    assert_eq!(said(&format!("{SERVER}{TOKEN}{rules}{STATE}github_auth: {{{GITHUB}}}\n")), "");
    let other = rules.replace("teams", "groups");
    let said = said(&format!("{SERVER}{TOKEN}{other}{STATE}github_auth: {{{GITHUB}}}\n"));
    assert!(said.contains("no account has a label `groups`"), "{said}");
}
