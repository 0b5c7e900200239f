//! A Portwarden that takes the JWTs of a test issuer, and logins with them.

use serde_json::Value;

use super::{
    curl::{Request, Response, curl},
    issuer::TestIssuer,
    portwarden::{Builder, Portwarden, User},
};

/// The rules: a job of `acme/app` on the main branch may pull and push its repository.
pub const ACL: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {labels: {repo: "acme/app", ref: "refs/heads/main"}, name: "acme/app"}
    actions: ["pull", "push"]
"#;

/// The section with this issuer, under the name `ci`; `require` in YAML.
pub fn section(issuer: &TestIssuer, require: &str) -> String {
    format!(
        "workload_auth:\n  audience: registry.test\n  session: 1h\n  issuers:\n    - name: ci\n      issuer: {}\n      \
         algorithms: [ES256]\n      ca_certificate: {}\n      account: \"${{claim:repo}}\"\n      require: {require}\n      \
         labels: {{repo: repo, ref: ref}}\n",
        issuer.url(),
        issuer.authority_file().display()
    )
}

/// The builder with that issuer and rules.
pub fn trusting(builder: Builder, issuer: &TestIssuer) -> Builder {
    builder.acl(ACL).with(&section(issuer, "{owner_id: \"42\"}"))
}

/// A user whose password is this JWT. It is kept until the process ends.
pub fn job(jwt: &str) -> User {
    User { name: "ci", password: Box::leak(jwt.to_owned().into_boxed_str()) }
}

/// Asks for a token with this JWT, as docker does.
pub fn log_in(warden: &Portwarden, jwt: &str) -> Response {
    ask(curl(warden).user(job(jwt)), "&offline_token=true")
}

/// Asks for a token to pull and push `acme/app`.
pub fn ask(request: Request, more: &str) -> Response {
    request.get(&format!("/auth?service=registry.test&scope=repository:acme/app:pull,push{more}"))
}

/// The text of a member of the answer.
pub fn member(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap_or_else(|| panic!("{name} in {answer}")).to_owned()
}
