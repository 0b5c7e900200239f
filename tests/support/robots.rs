//! Robots: tokens that `portwarden token new` makes, and a Portwarden whose robot has them.

use super::{
    audit,
    command::run,
    portwarden::{ADMIN, Builder, User, portwarden, program},
    registry::Registry,
};

/// The account of the tests' robot.
pub const CI: &str = "ci-deploy";

/// More than any robot of the tests is to have.
pub const ACL: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {labels: {team: "web"}}
    actions: ["*"]
"#;

/// A token that `portwarden token new` has made.
#[derive(Clone)]
pub struct Made {
    pub token: &'static str,
    pub sha256: String,
    pub id: String,
}

impl Made {
    /// Makes one.
    pub fn new() -> Self {
        let made = run(&program(), &["token", "new", "--robot", CI, "--json"], &[]).succeeds().stdout;
        let made: serde_json::Value = serde_json::from_str(&made).unwrap();
        let text = |key: &str| made[key].as_str().unwrap().to_owned();
        Self { token: text("token").leak(), sha256: text("sha256"), id: text("id") }
    }

    /// As the password of the robot.
    pub fn user(&self) -> User {
        self.user_named(CI)
    }

    /// As the password of another account.
    pub fn user_named(&self, name: &'static str) -> User {
        User { name, password: self.token }
    }

    /// Its entry in the configuration.
    pub fn entry(&self, rest: &str) -> String {
        format!("{{sha256: \"{}\"{rest}}}", self.sha256)
    }
}

/// A Portwarden with the robot that has these tokens, and other keys.
pub fn with_robot(registry: &Registry, tokens: &[String], rest: &str) -> Builder {
    let tokens = tokens.join(", ");
    let robot = format!("robots:\n  {CI}: {{tokens: [{tokens}], labels: {{team: [web]}}{rest}}}");
    portwarden(registry).users(&[ADMIN]).acl(ACL).with(audit::TO_FILE).with(&robot)
}

/// A ceiling: pulls in `acme`, pushes to one repository.
pub const SCOPES: &str = ", scopes: [\"repository:acme/*:pull\", \"repository:acme/app:push\"]";
